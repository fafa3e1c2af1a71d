"""Measures against closed forms."""

from __future__ import annotations

import numpy as np

import exactcam
from exactcam import from_arrays
from exactcam.analysis.measures import areas, perimeters, slopes
from exactcam.arithmetic.rational import mpq


def test_measures_of_a_known_partition() -> None:
    """max(3u + 4v, 0) on [-1, 1]^2: two trapezia, slopes 0 and 5."""
    part = exactcam.partition(from_arrays([([[3, 4]], [0]), ([[1]], [7])]))
    assert sum(areas(part)) == 4
    assert areas(part) == [mpq(2), mpq(2)]
    assert slopes(part).tolist() == [0.0, 5.0]
    cut = (2**2 + 1.5**2) ** 0.5
    assert perimeters(part).tolist() == [4 + cut, 4 + cut]


def test_lengths_are_correctly_rounded_where_floats_cancel() -> None:
    """A sliver 2^-80 wide: its perimeter is 2 of its length to the last bit."""
    thin = mpq(1, 1 << 80)
    part = exactcam.partition(from_arrays([([[1, 0]], [0])]), window=(-1, 0, -1 + thin, 1))
    assert perimeters(part).tolist() == [2.0]
    assert areas(part) == [thin]
    assert np.isfinite(slopes(part)).all()
