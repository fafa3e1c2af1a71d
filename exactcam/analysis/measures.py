"""Measures of regions: exact areas; correctly rounded perimeters, slopes, eccentricities.

Areas are exact rationals. The others involve square roots, so they are given as the
float64 nearest to the exact value (`rational.root_sum`), never as a sum of rounded numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import gmpy2
import numpy as np

from ..arithmetic.rational import mpq, mpz, root_sum
from ..complex.cell_data import Cell
from ..complex.partition import Partition
from ..model.geometry import Point, edges_of, squared_distance

__all__ = ["areas", "eccentricities", "perimeters", "slopes"]


def areas(partition: Partition) -> list[mpq]:
    """The exact area of every region, in slice coordinates and canonical order. O(corners)."""
    return [cell.area for cell in _cells(partition)]


def _cells(partition: Partition) -> Sequence[Cell]:
    """All cells, with their vertices computed together."""
    partition.vertices.prefetch()
    return partition.cells


def perimeters(partition: Partition) -> np.ndarray:
    """The perimeter of every region in slice coordinates; float64 (F,), correctly rounded."""
    return np.asarray(
        [
            root_sum([squared_distance(p, q) for p, q in edges_of(cell.points)])
            for cell in _cells(partition)
        ]
    )


def slopes(partition: Partition) -> np.ndarray:
    """The norm of every region's output map along the slice; float64 (F,), correctly rounded.

    The Frobenius norm of its linear part (outputs x 2) with respect to (u, v): for a
    scalar network the length of its gradient.
    """
    squares = (partition.forms[:, :, :2] ** 2).sum(axis=(1, 2))
    return np.asarray([root_sum([mpq(s, partition.form_scale**2)]) for s in squares])


def eccentricities(partition: Partition) -> np.ndarray:
    """The eccentricity of every region in slice coordinates; float64 (F,), correctly rounded.

    sqrt(1 - m/M) with m <= M the second moments of area along the principal axes:
    the eccentricity of the ellipse with the region's moments, 0 for a disc or a
    square, 1 (rounded) for a sliver. O(corners) products of exact numbers.
    """
    return np.asarray([_eccentricity(cell.points) for cell in _cells(partition)])


def _eccentricity(points: list[Point]) -> float:
    """The eccentricity of one polygon, from its exact second moments."""
    x, y, w = points[0]
    # From the first corner: the numbers stay small where the region is far from zero.
    near = [(mpq(p * w - x * r, w * r), mpq(q * w - y * r, w * r)) for p, q, r in points]
    area = u = v = uu = uv = vv = mpq(0)
    for (a, b), (c, d) in edges_of(near):
        turn = a * d - c * b
        area += turn / 2
        u += (a + c) * turn / 6
        v += (b + d) * turn / 6
        uu += (a * a + a * c + c * c) * turn / 12
        vv += (b * b + b * d + d * d) * turn / 12
        uv += (a * d + 2 * a * b + 2 * c * d + c * b) * turn / 24
    uu, uv, vv = uu - u * u / area, uv - u * v / area, vv - v * v / area
    # e^2 = 2 s / (1 + s) with s = (M - m) / (M + m), whose square is rational.
    return _ziv(((uu - vv) ** 2 + 4 * uv * uv) / (uu + vv) ** 2)


def _ziv(squared: mpq) -> float:
    """sqrt(2 s / (1 + s)) for s = sqrt(squared), rounded once: enclosed ever more tightly."""
    if gmpy2.is_square(squared.numerator) and gmpy2.is_square(squared.denominator):
        s = mpq(gmpy2.isqrt(squared.numerator), gmpy2.isqrt(squared.denominator))
        return root_sum([2 * s / (1 + s)])
    bits = 96
    while True:
        floor = gmpy2.isqrt((squared.numerator << 2 * bits) // squared.denominator)
        one = mpz(1) << bits
        low, high = (root_sum([mpq(2 * s, one + s)]) for s in (floor, floor + 1))
        if low == high:
            return low
        bits *= 2
