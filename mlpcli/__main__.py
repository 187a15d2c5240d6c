"""`python -m mlpcli` is `mlp`."""

from mlpcli.cli import main

main()
