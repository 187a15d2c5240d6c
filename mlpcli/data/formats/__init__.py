"""People's files, a module for each format."""
