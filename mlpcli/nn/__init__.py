"""Arrays and numbers only: the network, its losses, its optimizers, its gradient check."""
