"""Products below the float range once passed for exact zeros, and so for ties."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exactcam import Network, Window, from_arrays, partition
from exactcam.arithmetic.rational import mpq, mpz
from exactcam.engine.kernels.arrays import FloatForm
from exactcam.engine.kernels.constants import UNKNOWN
from exactcam.engine.kernels.predicates import float_sign, meet
from exactcam.engine.local_frame import Frame
from exactcam.model.nodes import Affine, Cpwl, Pointwise


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
    u, v, delta = Frame(window).points([(value.numerator, mpz(1), value.denominator)])[0]
    assert 0 < delta < 2.0**-800
    assert abs(mpq(u) - value) <= delta
    assert abs(mpq(v) - mpq(1, value.denominator)) <= delta


LEAST = Fraction(1, 1 << 1100)  # below every float


@pytest.mark.parametrize(
    "layers",
    [
        [([[LEAST, 0]], [0]), ([[1]], [0])],
        [([[1, 0]], [0]), ([[LEAST]], [0]), ([[1]], [0])],
        [([[1, 0]], [0]), ([[0]], [LEAST]), ([[1]], [0])],
        # The last unit is positive only in a corner at (LEAST, 0), where floats see the origin.
        [([[1, 1], [1, -1]], [-LEAST, -LEAST]), ([[LEAST, 0]], [0]), ([[1]], [0])],
        [([[1, 1], [1, -1]], [-LEAST] * 2), ([[-LEAST] * 2], [LEAST**2]), ([[1]], [0])],
    ],
)
def test_a_weight_that_becomes_zero_is_not_zero(layers: list) -> None:
    network = from_arrays(layers)
    fast, truth = (partition(network, engine=e).patterns.tolist() for e in ("fast", "reference"))
    assert fast == truth


def test_products_of_errors_that_underflow_prove_nothing() -> None:
    tiny = 2.0**-1000
    assert float_sign(0.0, 0.0, tiny, 0.0, 0.0, 0.0, tiny, 0.0) == UNKNOWN
    corners = np.zeros((2, 8))
    corners[0, 3:] = [1.0, 2.0**-100, 0.0, 0.0, 0.0]
    meet(corners, 0, FloatForm(0.0, 2.0**-100, 0.0, 0.0, tiny), corners, 1)  # v may be 2^-900
    assert corners[1, 2] >= 2.0**-900
