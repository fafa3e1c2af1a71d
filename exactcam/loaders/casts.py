"""Casts to narrower floats: constants are rounded as the model rounds them, nothing else is.

A model that quantises its weights casts them to a narrower type and back. The network is of
the rounded weights, so the loaders round them exactly. A cast of a computed value is a
staircase, not piecewise linear in any useful sense, and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.rational import mpq, objects
from .forms import Operand, Tensor, exact
from .graph import Graph

__all__ = ["FORMATS", "FloatFormat", "cast"]


@dataclass(frozen=True)
class FloatFormat:
    """A binary float type.

    Attributes
    ----------
    precision : int
        Bits of the significand, the hidden one included.
    exponent : int
        The exponent of the smallest normal number.
    largest : float
        The largest finite number.
    """

    precision: int
    exponent: int
    largest: float

    def holds(self, other: FloatFormat) -> bool:
        """Whether every number of the other type is one of this type."""
        return (
            self.precision >= other.precision
            and self.exponent - self.precision <= other.exponent - other.precision
            and self.largest >= other.largest
        )

    def rounded(self, values: np.ndarray, where: str) -> np.ndarray:
        """The numbers of this type nearest to the values, ties to even; not yet cut at `largest`."""
        if values.dtype.kind == "f" and values.dtype.itemsize <= 8:
            wide = values.astype(np.float64)
            _, above = np.frexp(wide)
            last = np.maximum(above - 1, self.exponent) - (self.precision - 1)
            return np.asarray(np.ldexp(np.rint(np.ldexp(wide, -last)), last))
        numbers = exact(values, where)
        return objects((self._nearest(x) for x in numbers.ravel()), numbers.shape)

    def _nearest(self, x: mpq) -> mpq:
        if not x:
            return x
        top, below = abs(x.numerator), x.denominator
        power = top.bit_length() - below.bit_length()
        if mpq(top, below) < _power(power):
            power -= 1
        step = _power(max(power, self.exponent) - (self.precision - 1))
        quotient = x / step
        whole, rest = divmod(int(quotient.numerator), int(quotient.denominator))
        twice = 2 * rest - quotient.denominator
        return mpq(whole + (1 if twice > 0 or (twice == 0 and whole % 2) else 0)) * step


def _power(k: int) -> mpq:
    return mpq(2) ** k


FORMATS = {
    "float64": FloatFormat(53, -1022, float(np.finfo(np.float64).max)),
    "float32": FloatFormat(24, -126, float(np.finfo(np.float32).max)),
    "bfloat16": FloatFormat(8, -126, (2 - 2.0**-7) * 2.0**127),
    "float16": FloatFormat(11, -14, 65504.0),
    "float8_e4m3fn": FloatFormat(4, -6, 448.0),
    "float8_e4m3fnuz": FloatFormat(4, -7, 240.0),
    "float8_e5m2": FloatFormat(3, -14, 57344.0),
    "float8_e5m2fnuz": FloatFormat(3, -15, 57344.0),
}


def cast(
    graph: Graph, source: Operand, old: str | None, new: str, saturate: bool = False
) -> Operand:
    """A cast from one float type to another.

    Parameters
    ----------
    graph : Graph
        The graph that is being built.
    source : Operand
        What is cast.
    old, new : str
        The types, as in `FORMATS`; old is None or another name where the source is not of a
        float type, or of one that is not known.
    saturate : bool
        Whether numbers beyond the largest become it; otherwise they are refused.
    """
    kind = FORMATS.get(new)
    if kind is None:
        raise graph.refuse("cast", f"to {new} is not supported")
    if old in FORMATS and kind.holds(FORMATS[old]):
        return source
    if isinstance(source, Tensor):
        if new == "float32":
            graph.notes.append(
                f"layer {graph.layer}: a cast of computed values to float32 is read as the identity"
            )
            return source
        raise graph.refuse(
            "cast",
            f"computed values are rounded to {new}, which is not piecewise linear; cast weights "
            "only, or remove the cast (in half precision throughout, model.half() needs none)",
        )
    if source.dtype.kind in "iub":
        small = source.dtype.kind == "b" or np.abs(source).max(initial=0) <= 1 << 53
        source = source.astype(np.float64 if small else object)
    return _cut(graph, kind.rounded(source, f"layer {graph.layer}: constant"), new, saturate)


def _cut(graph: Graph, values: np.ndarray, new: str, saturate: bool) -> np.ndarray:
    largest: Any = FORMATS[new].largest
    if values.dtype == object:
        largest = mpq(largest)
    if not (np.abs(values) > largest).any():
        return values
    if not saturate:
        raise graph.refuse("cast", f"a constant lies beyond the largest number of {new}")
    return np.asarray(np.clip(values, -largest, largest))
