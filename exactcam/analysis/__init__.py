"""Analyses of a partition: measures, tables, boundary points, 1-D slices, export to sympy."""
