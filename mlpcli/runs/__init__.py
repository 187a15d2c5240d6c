"""A run: what is built for it, what is kept of it, what is found again."""
