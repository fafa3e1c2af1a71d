"""Products below the float range once passed for exact zeros, and so for ties."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exactcam import Network, Window, partition
from exactcam.nodes import Affine, Cpwl, Pointwise
from exactcam.rational import mpq, mpz
from exactcam.rounding import Frame


@pytest.mark.parametrize(("weight", "slope"), [(200, 900), (500, 600), (900, 900)])
def test_a_power_of_two_slope_that_underflows_is_not_zero(weight: int, slope: int) -> None:
    tiny = Affine.dense(0, [[Fraction(1, 2**weight), 0]], [0])
    leaky = Pointwise(1, (Cpwl.relu(Fraction(1, 2**slope)),), np.zeros(1, dtype=np.int64))
    relu = Pointwise(3, (Cpwl.relu(),), np.zeros(1, dtype=np.int64))
    network = Network(2, (tiny, leaky, Affine.dense(2, [[1]], [0]), relu), 4)
    assert partition(network, engine="fast").patterns.tolist() == [[0, 0], [2, 2]]


@pytest.mark.parametrize("bits", [900, 1000, 1074, 1100, 5000])
def test_a_point_that_underflows_still_has_an_error_bound(bits: int) -> None:
    """Its bound was not a number, and the cell began at the wrong one of two corners."""
    window = Window.rectangle(-1, -1, 1, 1)
    value = mpq(1, 3 << bits)
    u, v, delta = Frame(window).point((value.numerator, mpz(1), value.denominator))
    assert 0 < delta < 2.0**-800
    assert abs(mpq(u) - value) <= delta
    assert abs(mpq(v) - mpq(1, value.denominator)) <= delta
