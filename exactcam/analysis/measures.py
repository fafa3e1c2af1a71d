"""Measures of regions: exact areas; correctly rounded perimeters, slopes, eccentricities.

Areas are exact rationals. The others involve square roots, so they are given as the number of
53 bits nearest to the exact value (`rational.root_sum`), never as a sum of rounded numbers: a
float64, or beyond the range of floats a rational.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import gmpy2
import numpy as np

from ..arithmetic.rational import Real, mpq, mpz, objects, quotient, root_sum, root_sums, to_float
from ..complex.cell_data import Cell
from ..complex.partition import Partition
from ..model.geometry import Point, area2, edges_of, squared_distance
from ..runtime.arguments import expect

__all__ = ["Outline", "areas", "as_array", "eccentricities", "outlines", "perimeters", "slopes"]


class Outline(NamedTuple):
    """Measures of one region's outline: see `outlines`."""

    area: mpq
    perimeter: Real
    inradius_bound: Real


def areas(partition: Partition) -> list[mpq]:
    """The exact area of every region, in slice coordinates and canonical order. O(corners)."""
    return [cell.area for cell in _cells(partition)]


def _cells(partition: Partition) -> Sequence[Cell]:
    """All cells, with their vertices computed together."""
    expect(partition, Partition, "partition", "a Partition")
    partition.vertices.prefetch()
    return partition.cells


def outlines(partition: Partition) -> list[Outline]:
    """For every region its exact area, its perimeter and 2 area / perimeter, rounded once."""
    return [_outline(cell.points) for cell in _cells(partition)]


def _outline(points: list[Point]) -> Outline:
    """The measures of one polygon: its perimeter enclosed until both of them are certain."""
    doubled = area2(points)
    for low, high, unit in root_sums([squared_distance(p, q) for p, q in edges_of(points)]):
        around = quotient(low, unit)
        if low == high or (low and around == quotient(high, unit)):
            above = doubled.numerator * unit
            bound = quotient(above, doubled.denominator * low)
            if low == high or bound == quotient(above, doubled.denominator * high):
                return Outline(doubled / 2, around, bound)
    raise AssertionError("enclosures never end")


def as_array(values: Sequence[Real]) -> np.ndarray:
    """The numbers as float64, or as objects where one of them is beyond the range of floats."""
    if all(isinstance(x, float) for x in values):
        return np.asarray(values, dtype=np.float64)
    return objects(values)


def perimeters(partition: Partition) -> np.ndarray:
    """The perimeter of every region in slice coordinates, (F,), correctly rounded.

    float64; where one is beyond the range of floats an array of objects, in which that one is
    a rational of 53 significant bits.
    """
    squares = ([squared_distance(p, q) for p, q in edges_of(c.points)] for c in _cells(partition))
    return as_array([root_sum(lengths) for lengths in squares])


def slopes(partition: Partition) -> np.ndarray:
    """The norm of every region's output map along the slice, (F,), correctly rounded.

    The Frobenius norm of its linear part (outputs x 2) with respect to (u, v): for a
    scalar network the length of its gradient. Beyond the range of floats as `perimeters`.
    """
    expect(partition, Partition, "partition", "a Partition")
    squares = (partition.forms[:, :, :2] ** 2).sum(axis=(1, 2))
    return as_array([root_sum([mpq(s, partition.form_scale**2)]) for s in squares])


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
        return _rounded(2 * s / (1 + s))
    bits = 96
    while True:
        floor = gmpy2.isqrt((squared.numerator << 2 * bits) // squared.denominator)
        one = mpz(1) << bits
        low, high = (_rounded(mpq(2 * s, one + s)) for s in (floor, floor + 1))
        if low == high:
            return low
        bits *= 2


def _rounded(square: mpq) -> float:
    """The float64 nearest to the root of a number of at most 1."""
    root = root_sum([square])
    return root if isinstance(root, float) else to_float(root)
