"""What several test files use, and programs that they start."""
