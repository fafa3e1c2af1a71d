"""Export to sympy: a region's output map, or the whole network on its window.

Coefficients are exact `Rational` numbers and conditions the region's own edges, so
the expression *is* the network on the slice, and anything sympy can do with it
(derivatives, integrals, LaTeX, code printing) starts from the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arithmetic.rational import mpq, objects
from ..complex.cell_data import Cell
from ..complex.partition import Partition
from ..errors import ExactcamError
from ..model.geometry import join

__all__ = ["piecewise", "region_expression"]


def region_expression(cell: Cell, output: int = 0, symbols: Sequence[Any] | None = None) -> Any:
    """(expression, condition): output `output` on the region, and where it holds.

    `symbols` are the two slice coordinates, sympy symbols u and v unless given. The
    condition is the And of the region's closed half planes.
    """
    import sympy

    u, v = _symbols(symbols)
    if not 0 <= output < cell.partition.network.outputs:
        raise ExactcamError(
            f"output {output} is not one of the network's {cell.partition.network.outputs}"
        )

    def form(a: Any, b: Any, c: Any) -> Any:
        return _rational(a) * u + _rational(b) * v + _rational(c)

    points = cell.points
    lines = [join(p, points[(k + 1) % len(points)]) for k, p in enumerate(points)]
    sides = [sympy.Ge(form(*_primitive(line)), 0, evaluate=False) for line in lines]
    return form(*cell.affine[output]), sympy.And(*sides, evaluate=False)


def piecewise(partition: Partition, output: int = 0, symbols: Sequence[Any] | None = None) -> Any:
    """The network on the window as one sympy Piecewise, one branch per activation region.

    Regions are closed and the function continuous, so branches agree where they
    meet; outside the window the value is nan. Nothing is simplified: exact, and
    linear in the number of regions.
    """
    import sympy

    symbols = _symbols(symbols)
    branches = [region_expression(cell, output, symbols) for cell in partition.cells]
    return sympy.Piecewise(*branches, (sympy.nan, True), evaluate=False)


def _symbols(symbols: Sequence[Any] | None) -> Sequence[Any]:
    import sympy

    return sympy.symbols("u v", real=True) if symbols is None else symbols


def _primitive(line: tuple[Any, Any, Any]) -> Any:
    import gmpy2

    numbers = objects(line)
    return numbers // gmpy2.gcd(*numbers)


def _rational(value: Any) -> Any:
    import sympy

    exact = mpq(value)
    return sympy.Rational(int(exact.numerator), int(exact.denominator))
