"""The network, its losses, its optimizers and its gradient check, on arrays alone."""
