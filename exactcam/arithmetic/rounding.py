"""From exact numbers to floats with proven errors: where the fast engine's bounds begin.

Each conversion is correctly rounded and says how far off it can be: not at all, one
unit roundoff, or (outside the range where that holds) anything.
"""

from __future__ import annotations

import numpy as np

from .constants import TINY, UNIT, UP
from .rational import mpq, mpz, odd_parts, to_float

__all__ = ["absolute_errors", "difference", "grid_of", "rounded", "rounded_quotients"]

_MIN_NORMAL = 2.0**-960  # below this a correctly rounded number may have lost relative accuracy


def rounded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int | None]:
    """(floats, relative errors, grid) of an object array of rationals.

    A relative error is 0 where the float is exact, u where it is correctly rounded,
    and infinite where it over- or underflows. `grid` is the least p for which
    all are multiples of 2^-p, None unless all floats are exact.
    """
    flat = [mpq(x) for x in values.ravel()]
    floats = np.asarray([to_float(x) for x in flat], dtype=np.float64)
    inside = (floats == 0) | ((np.abs(floats) > _MIN_NORMAL) & np.isfinite(floats))
    same = np.asarray(
        [bool(ok) and mpq(y) == x for ok, x, y in zip(inside, flat, floats.tolist(), strict=True)],
        dtype=bool,
    )
    zero_lost = (floats == 0) & ~same
    errors = np.where(same, 0.0, np.where(inside & ~zero_lost, UNIT, np.inf))
    grid = None
    if same.all():
        grid = max((x.denominator.bit_length() - 1 for x in flat), default=0)
    return floats.reshape(values.shape), errors.reshape(values.shape), grid


def rounded_quotients(numbers: np.ndarray, scale: mpz) -> tuple[np.ndarray, np.ndarray, int | None]:
    """`rounded` of integers over one positive scale; fast where all are exact floats."""
    exponent = scale.bit_length() - 1
    if scale == 1 << exponent and exponent < 900 and numbers.size > 0:
        try:
            floats = numbers.astype(np.float64)
        except OverflowError:  # beyond the range of floats: number by number below
            floats = np.full(numbers.shape, np.inf)
        # What is below 2^53 as a float was so before, and is exact.
        if np.abs(floats).max() < 2.0**53:
            return np.ldexp(floats, -exponent), np.zeros(numbers.shape), exponent
    fractions = np.asarray([mpq(x, scale) for x in numbers.ravel()], dtype=object)
    return rounded(fractions.reshape(numbers.shape))


def grid_of(floats: np.ndarray) -> int:
    """The least p >= 0 for which all these floats are multiples of 2^-p."""
    return -int(odd_parts(floats)[1].min(initial=0))


def difference(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x - y in floats and what its rounding lost, exactly (Knuth's two-sum); where it overflows,
    NaN."""
    out = x - y
    back = out - x
    return out, (x - (out - back)) + (-y - back)


def absolute_errors(floats: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Absolute errors of `rounded`: finite near zero too, where relative ones are not."""
    return np.where(errors == 0.0, 0.0, np.abs(floats) * UNIT * UP + TINY)
