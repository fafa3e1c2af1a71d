"""Measures of regions: exact areas, correctly rounded lengths and slopes.

Areas are exact rationals. Lengths and slopes are square roots, so they are given
as the float64 nearest to the exact value (`rational.root_sum`), never as a sum of
rounded numbers.
"""

from __future__ import annotations

import numpy as np

from .geometry import Point
from .partition import Partition
from .rational import mpq, root_sum

__all__ = ["areas", "perimeters", "slopes"]


def areas(partition: Partition) -> list[mpq]:
    """The exact area of every region, in slice coordinates and canonical order. O(corners)."""
    return [cell.area for cell in partition.cells]


def perimeters(partition: Partition) -> np.ndarray:
    """The length around every region in slice coordinates; float64 (F,), correctly rounded."""
    return np.asarray(
        [
            root_sum([_squared(p, q) for p, q in zip(points, points[1:] + points[:1], strict=True)])
            for points in (cell.points for cell in partition.cells)
        ]
    )


def slopes(partition: Partition) -> np.ndarray:
    """The norm of every region's output map along the slice; float64 (F,), correctly rounded.

    The Frobenius norm of its linear part (outputs x 2) with respect to (u, v): for a
    scalar network the length of its gradient.
    """
    squares = (partition.forms[:, :, :2] ** 2).sum(axis=(1, 2))
    return np.asarray([root_sum([mpq(s, partition.form_scale**2)]) for s in squares])


def _squared(start: Point, end: Point) -> mpq:
    (x, y, w), (p, q, r) = start, end
    return mpq(x * r - p * w, w * r) ** 2 + mpq(y * r - q * w, w * r) ** 2
