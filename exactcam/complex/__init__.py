"""The answer: an immutable cell complex, its boundary, its files and certificates."""
