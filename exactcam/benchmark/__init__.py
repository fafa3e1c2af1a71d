"""`exactcam bench`: `cases` draws the networks, `measure` times the engines on them."""
