"""The fast engine: batches of cells through certified floats, undecided ones in integers."""
