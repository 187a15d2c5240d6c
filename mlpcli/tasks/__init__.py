"""What a target is, and what is good."""
