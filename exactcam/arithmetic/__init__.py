"""Exact integers and rationals, exact matrices, and floats with proven errors."""
