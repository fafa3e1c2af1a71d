"""Refinement in integers, the definition; and replay of an activation pattern."""
