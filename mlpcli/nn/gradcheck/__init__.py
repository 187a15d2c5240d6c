"""The backward pass against central differences."""
