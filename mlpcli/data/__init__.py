"""Where samples come from, and how they are cut into batches."""
