"""The three constants of every float bound; compiled kernels hold them as literals."""

__all__ = ["TINY", "UNIT", "UP"]

UNIT = 2.0**-53  # half the spacing of floats at 1
UP = 1.0 + 2.0**-46  # rounds a short chain of additions of bounds upwards
TINY = 2.0**-1000  # far above any accumulated underflow, far below any useful value
