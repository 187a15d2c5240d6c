"""A run: building it, keeping it, finding it again."""
