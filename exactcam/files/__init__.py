"""Reading and writing files, whatever they mean."""
