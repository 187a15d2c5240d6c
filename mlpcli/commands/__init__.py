"""What each command does; Click declares them in `mlpcli.cli`."""
