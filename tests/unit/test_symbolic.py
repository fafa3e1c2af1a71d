"""The sympy export says what the network says, inside, on edges and outside."""

from __future__ import annotations

import pytest
import sympy

from exactcam import partition, piecewise, region_expression
from exactcam.arithmetic.rational import mpq
from exactcam.errors import ExactcamError


def _sympy(value):
    return sympy.Rational(int(value.numerator), int(value.denominator))


def test_the_piecewise_is_the_network(random_network):
    network = random_network([2, 5, 5, 2], seed=4)
    part = partition(network)
    for output in (0, 1):
        expression = piecewise(part, output)
        u, v = sorted(expression.free_symbols, key=str)
        for point in ((mpq(1, 3), mpq(-1, 5)), part.cells[0].vertices[0], (mpq(-1), mpq(1))):
            value = expression.subs({u: _sympy(point[0]), v: _sympy(point[1])})
            assert value == _sympy(network.evaluate(point)[output])
        assert expression.subs({u: 2, v: 0}) is sympy.nan


def test_a_region_with_symbols_of_ones_own(random_network):
    part = partition(random_network([2, 4, 1]))
    x, y = sympy.symbols("x y")
    cell = part.cells[0]
    expression, condition = region_expression(cell, symbols=(x, y))
    u, v = map(_sympy, cell.interior_point)
    assert expression.diff(x) == _sympy(cell.affine[0][0])
    assert condition.subs({x: u, y: v}) == True  # noqa: E712 - sympy's own true
    with pytest.raises(ExactcamError, match="output 3"):
        region_expression(cell, 3)
