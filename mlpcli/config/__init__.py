"""Every hyperparameter: declared, checked, read from TOML, resolved."""
