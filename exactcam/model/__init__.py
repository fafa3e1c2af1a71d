"""The question: a network, a slice and a window, and the geometry of the plane."""
