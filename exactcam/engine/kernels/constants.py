"""Named integers of the compiled kernels: columns, signs and statuses.

Compiled code holds them as literals, so a name costs nothing.
"""

from __future__ import annotations

__all__ = [
    "CROSSES",
    "DELTA",
    "DONE",
    "NEG",
    "NOT_CONSTANT",
    "OUTPUT_FULL",
    "POS",
    "SCRATCH_FULL",
    "UNDECIDED",
    "UNKNOWN",
    "UNSCANNED",
    "ZERO",
    "A",
    "B",
    "C",
    "E",
    "F",
    "U",
    "V",
]

# Columns of a corner: a point with a bound on its distance from the exact vertex, then the line
# of the edge that leaves it, as a form a u + b v + c with its error bounds e and f.
U, V, DELTA, A, B, C, E, F = range(8)

# The sign of a form at a corner; also on a whole cell, where it may take more than one.
NEG, ZERO, POS = -1, 0, 1
CROSSES = 2  # negative at one corner of the cell and positive at another
UNSCANNED = 3  # the quick test of the whole cell proves no sign: look at its corners
UNKNOWN = 9  # no bound proves it: exact arithmetic decides

# What became of a cell; but for DONE, why it has no parts yet (in place of their number).
DONE = 0
UNDECIDED = -1  # a sign that matters is UNKNOWN
SCRATCH_FULL = -2  # the cell is cut again, with more scratch memory
OUTPUT_FULL = -3  # the cell is cut again, with more room for its parts
NOT_CONSTANT = -4  # in place of a group's largest member: it changes inside the cell
