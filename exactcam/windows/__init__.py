"""Many windows of one network in one run, and what is counted there while a network trains."""
