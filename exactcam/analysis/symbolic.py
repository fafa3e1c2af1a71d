"""Exports to sympy: a region's output map, or the whole network on its window.

Coefficients are exact `Rational` numbers and conditions the region's own edges, so
the expression *is* the network on the slice, and anything sympy can do with it
(derivatives, integrals, LaTeX, code printing) starts from the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic.rational import mpq, objects
from ..complex.cell_data import Cell
from ..complex.partition import Partition
from ..errors import ExactcamError
from ..model.geometry import Line, polygon_of
from ..runtime.arguments import expect, integer, listed

if TYPE_CHECKING:
    from sympy import Expr, Piecewise, Rational, Symbol
    from sympy.logic.boolalg import Boolean

__all__ = ["piecewise", "region_expression"]


def region_expression(
    cell: Cell, output: int = 0, symbols: Sequence[Symbol] | None = None
) -> tuple[Expr, Boolean]:
    """An output of the network on one region, as a sympy expression, and where it holds.

    Parameters
    ----------
    cell : Cell
        The region.
    output : int
        Which output.
    symbols : two sympy symbols, optional
        The slice coordinates; real symbols u and v unless given.

    Returns
    -------
    expression : Expr
        a u + b v + c with exact rational coefficients.
    condition : Boolean
        The And of the region's closed half planes.

    Raises
    ------
    ExactcamError
        Where the network has no such output.
    """
    import sympy

    expect(cell, Cell, "cell", "a cell of Partition.cells")
    u, v = _symbols(symbols)
    if not 0 <= integer(output, "output") < cell.partition.network.outputs:
        raise ExactcamError(
            f"output {output} is not one of the network's {cell.partition.network.outputs}"
        )

    def form(a: Any, b: Any, c: Any) -> Expr:
        return _rational(a) * u + _rational(b) * v + _rational(c)

    polygon = polygon_of(cell.points)
    sides = [sympy.Ge(form(*_primitive(line)), 0, evaluate=False) for _, line in polygon]
    return form(*cell.affine[output]), sympy.And(*sides, evaluate=False)


def piecewise(
    partition: Partition, output: int = 0, symbols: Sequence[Symbol] | None = None
) -> Piecewise:
    """The network on its window as one sympy Piecewise, one branch per activation region.

    Regions are closed and the function is continuous, so branches agree where they
    meet; outside the window the value is nan. Nothing is simplified.

    Parameters
    ----------
    partition : Partition
        Holds the network, slice and window.
    output, symbols
        As for `region_expression`, whose errors it raises.

    Returns
    -------
    Piecewise
        Exact. O(corners).
    """
    import sympy

    expect(partition, Partition, "partition", "a Partition")
    symbols = _symbols(symbols)
    branches = [region_expression(cell, output, symbols) for cell in partition.cells]
    return sympy.Piecewise(*branches, (sympy.nan, True), evaluate=False)


def _symbols(symbols: Sequence[Symbol] | None) -> Sequence[Symbol]:
    """The symbols given, or real symbols u and v."""
    import sympy

    if symbols is None:
        u, v = sympy.symbols("u v", real=True)
        return u, v
    given = listed(symbols, "symbols", "two sympy symbols")
    if len(given) != 2 or not all(isinstance(s, sympy.Symbol) for s in given):
        raise ExactcamError("symbols are not two sympy symbols: give the names of u and v")
    return given


def _primitive(line: Line) -> np.ndarray:
    """The coefficients of a line without their common divisor."""
    import gmpy2

    numbers = objects(line)
    return numbers // gmpy2.gcd(*numbers)


def _rational(value: Any) -> Rational:
    """An exact number as a sympy Rational."""
    import sympy

    exact = mpq(value)
    return sympy.Rational(int(exact.numerator), int(exact.denominator))
