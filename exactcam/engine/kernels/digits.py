"""Compiled loops over exact numbers in balanced digits (Lemma 29 of proofs/reduction.md)."""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["carry", "times"]

_RUN = 256  # numbers whose carries are in a core's first cache


@jit()
def carry(planes: np.ndarray, above: np.ndarray, base: float) -> None:
    """Make digits (planes, n), each below 2^52, balanced ones to a base, in place; `above` (n,)
    gets what the last plane carries over."""
    for first in range(0, planes.shape[1], _RUN):
        some = above[first : first + _RUN]
        some[:] = 0.0
        for p in range(planes.shape[0]):
            here = planes[p, first : first + _RUN]
            for k in range(len(some)):
                total = here[k] + some[k]
                some[k] = np.rint(total * (1.0 / base))
                here[k] = total - some[k] * base


@jit()
def times(planes: np.ndarray, factors: np.ndarray, out: np.ndarray, base: float) -> None:
    """out = numbers times integers, in digits: planes (p, columns, n) times factors (f, n) gives out
    (p + f, columns, n), all balanced."""
    count, size = len(planes), len(factors)
    carried = np.empty(_RUN)
    for column in range(planes.shape[1]):
        for first in range(0, planes.shape[2], _RUN):
            width = min(_RUN, planes.shape[2] - first)
            carried[:] = 0.0
            for p in range(count + size):
                here = out[p, column, first : first + width]
                here[:] = carried[:width]
                for f in range(max(0, p - count + 1), min(p + 1, size)):
                    digits = planes[p - f, column, first : first + width]
                    own = factors[f, first : first + width]
                    for k in range(width):
                        here[k] += own[k] * digits[k]
                for k in range(width):
                    total = here[k]
                    carried[k] = np.rint(total * (1.0 / base))
                    here[k] = total - carried[k] * base
