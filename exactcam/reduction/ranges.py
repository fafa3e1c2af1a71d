"""Proven ranges of values over a window, from their exact columns.

On the window every value is a form in the local coordinates plus a matrix times the deviations of
the unstable units met so far (Lemma 30 of proofs/reduction.md). Coordinates and deviations lie in
known intervals, so a value does; sums in floats are widened by a bound of all that they round. A
range that is too wide makes a unit unstable that is not, which costs time and nothing else.

The window is divided into boxes for this purpose alone: deviations have smaller ranges on each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arithmetic.constants import TINY, UNIT
from ..arithmetic.rational import mpq, to_float
from ..model.nodes import Cpwl
from .arrays import Arrays

__all__ = ["FloatColumns", "Ranges", "deviation", "settled"]

_SIDE = 4  # boxes along each axis
_AT_ONCE = 1 << 16  # entries whose ranges over all boxes are in memory at once


@dataclass(frozen=True, eq=False)
class FloatColumns:
    """A block of a value in floats: `columns` (columns, entries), each within `error`."""

    block: int
    columns: Any
    error: float
    on: Arrays

    def rows(self, which: np.ndarray | slice) -> FloatColumns:
        """Some of the entries."""
        if isinstance(which, slice):
            return replace(self, columns=self.columns[:, which])
        return replace(self, columns=self.on.taken(self.columns, which))

    def differences(self, first: np.ndarray, second: np.ndarray) -> FloatColumns:
        """Some entries minus others."""
        columns = self.on.taken(self.columns, first) - self.on.taken(self.columns, second)
        largest = float(abs(self.columns).max()) if 0 not in self.columns.shape else 0.0
        return replace(self, columns=columns, error=2.0 * self.error + 2.0**-52 * largest)

    def nonzero(self) -> np.ndarray:
        """Which entries are not zero in all columns."""
        return self.on.get((self.columns != 0.0).any(0))


class Ranges:
    """The intervals of coordinates and deviations over each box.

    Parameters
    ----------
    low, high : ndarray of float, (2,)
        The least and greatest local coordinates of the window, rounded outwards.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        edges = [np.linspace(a, b, _SIDE + 1) for a, b in zip(low, high, strict=True)]
        lows = np.stack(np.meshgrid(*(e[:-1] for e in edges)), axis=-1).reshape(-1, 2)
        highs = np.stack(np.meshgrid(*(e[1:] for e in edges)), axis=-1).reshape(-1, 2)
        one = np.ones((len(lows), 1))
        self._middles: list[np.ndarray] = []
        self._radii: list[np.ndarray] = []
        self.append(np.concatenate([lows, one], axis=1), np.concatenate([highs, one], axis=1))

    def append(self, low: np.ndarray, high: np.ndarray) -> None:
        """The intervals of the variables of the next block of columns, each (boxes, columns)."""
        middle = (low + high) / 2
        # Rounded up: middle and radius cover what low and high did.
        radius = np.maximum(high - middle, middle - low) * (1.0 + 4.0 * UNIT) + TINY
        radius[low == high] = 0.0
        unbounded = ~np.isfinite(middle + radius)
        middle[unbounded], radius[unbounded] = 0.0, np.inf
        self._middles.append(middle)
        self._radii.append(radius)

    def hull(self, entries: int, value: Sequence[FloatColumns]) -> tuple[np.ndarray, np.ndarray]:
        """The least and greatest values over all boxes, (entries,)."""
        least, greatest = np.empty((2, entries))
        for first in range(0, entries, _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            low, high = self.of(len(least[some]), [columns.rows(some) for columns in value])
            least[some], greatest[some] = low.min(axis=0), high.max(axis=0)
        return least, greatest

    def of(self, entries: int, value: Sequence[FloatColumns]) -> tuple[np.ndarray, np.ndarray]:
        """The least and greatest values over each box, (boxes, entries), of a value given by
        its blocks that are not zero."""
        boxes, count = len(self._middles[0]), 0
        middle, radius, sizes = np.zeros((3, boxes, entries))
        lost = np.zeros((boxes, 1))
        for x in value:
            near, width = self._middles[x.block], self._radii[x.block]
            reach, moduli = np.abs(near) + width, abs(x.columns)
            for sums, factors, columns in (
                (middle, near, x.columns),
                (radius, width, moduli),
                (sizes, reach, moduli),
            ):
                sums += x.on.get(x.on.put(factors) @ columns)
            lost += reach.sum(axis=1, keepdims=True) * x.error
            count += len(x.columns)
        slack = 2.0 * (count + 16) * UNIT * sizes + 1.5 * lost + TINY
        low, high = middle - radius - slack, middle + radius + slack
        unbounded = ~np.isfinite(low + high)
        low[unbounded], high[unbounded] = -np.inf, np.inf
        return low, high


def settled(function: Cpwl, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How many breakpoints are below each interval, -1 where one may lie in it."""
    lows, highs = _bounds(function.breakpoints)
    below = np.searchsorted(highs, low, side="left")
    return np.where(below == np.searchsorted(lows, high, side="right"), below, -1)


def deviation(
    function: Cpwl, piece: int, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest difference of a function to one of its pieces on intervals, each
    widened by a bound of all that floats round."""
    slope, intercept = function.pieces[piece]
    knots = np.asarray([to_float(t) for t in function.breakpoints])
    # Between two breakpoints the difference is affine: its extremes are at these or the ends.
    places = [low, high, *(np.clip(t, low, high) for t in knots)]
    least, most = np.full(low.shape, np.inf), np.full(low.shape, -np.inf)
    slopes = np.asarray([to_float(s - slope) for s, _ in function.pieces])
    heights = np.asarray([to_float(c - intercept) for _, c in function.pieces])
    for z in places:
        near = np.searchsorted(knots, z)
        product = slopes[near] * z
        value = product + heights[near]
        # A rounded breakpoint may lie on the wrong side of z: there the two pieces differ by
        # less than the product of their slopes' difference and that rounding.
        steps = np.abs(np.diff(slopes, prepend=slopes[0], append=slopes[-1]))
        around = steps[near] + steps[np.minimum(near + 1, len(steps) - 1)]
        reach = np.abs(z) + np.abs(knots).max(initial=0.0)
        error = 8.0 * UNIT * (np.abs(product) + np.abs(heights[near]) + around * reach) + TINY
        least, most = np.minimum(least, value - error), np.maximum(most, value + error)
    unbounded = ~np.isfinite(least + most)
    return np.where(unbounded, -np.inf, least), np.where(unbounded, np.inf, most)


def _bounds(numbers: Sequence[mpq]) -> tuple[np.ndarray, np.ndarray]:
    """Floats not above and not below some exact numbers."""
    near = np.asarray([to_float(x) for x in numbers], dtype=np.float64)
    exact = np.asarray([mpq(y) == x for x, y in zip(numbers, near.tolist(), strict=True)], bool)
    return (
        np.where(exact, near, np.nextafter(near, -np.inf)),
        np.where(exact, near, np.nextafter(near, np.inf)),
    )
