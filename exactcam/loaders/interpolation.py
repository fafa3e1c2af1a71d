"""Interpolation between the entries of an axis, with the weights that its definition gives.

An interpolated value is a weighted mean of entries, and the weights are rational functions of
its place, so they are read as exactly these numbers: an upsampling by three has thirds. A library
rounds places and weights, and differently in each precision; the self-check knows by how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from ..arithmetic.rational import integer_matrix, mpq, objects
from .graph import Graph, Tensor, exact
from .linear import AxisMap, Entries, sparse_map

__all__ = [
    "Kernel",
    "axis_map",
    "cubic",
    "linear",
    "nearest",
    "rounded",
    "sample_grid",
]

_ONE, _HALF = mpq(1), mpq(1, 2)
_FINE = 1 << 6  # places and widths in multiples of 1 / _FINE are computed without rounding
_NEAR = mpq(1, 1 << 18)  # a place that near to an entry may be rounded to its other side


class Kernel(NamedTuple):
    """What weight an entry has by its distance from a place.

    Attributes
    ----------
    weight : callable, optional
        The weight at a distance from 0 to `reach`; None for the nearest entry alone.
    reach : int
        From where on it is zero.
    outside : str
        What stands outside of the axis: its entries as "edge", "reflect" and "symmetric" in
        numpy.pad repeat them, "zero", or "nothing": the other weights are then divided by their
        sum.
    stretch : mpq
        How much wider it is made, to average over what a shorter axis would skip; at least 1.
    """

    weight: Callable[[mpq], mpq] | None
    reach: int
    outside: str = "edge"
    stretch: mpq = _ONE

    def taps(self, at: mpq, n: int) -> dict[int, mpq]:
        """The weights at a place of an axis of n entries; zero for others that floats may read."""
        if self.weight is None:
            entry = _entry(rounded("even", at), n, self.outside)
            return {} if entry is None else {entry: mpq(1)}
        width = self.reach * self.stretch + _NEAR
        out: dict[int, mpq] = {}
        total = mpq(0)
        for j in range(math.floor(at - width) + 1, math.ceil(at + width)):
            distance = abs(j - at) / self.stretch
            weight = self.weight(distance) if distance < self.reach else mpq(0)
            entry = _entry(j, n, self.outside)
            if entry is not None:
                out[entry] = out.get(entry, mpq(0)) + weight
            if entry is not None or self.outside != "nothing":
                total += weight
        return {entry: weight / total for entry, weight in out.items()}

    def roundings(self, places: Iterable[mpq], n: int) -> int:
        """A bound on the error of weights computed in floats, in units of roundoff."""
        numbers = [*places, self.stretch, 1 / self.stretch]
        exact = self.weight is None or all(_FINE % x.denominator == 0 for x in numbers)
        reached = max(map(abs, numbers)) + n + 2
        return 0 if exact else min(32 * int(reached), 1 << 52)


def rounded(how: str, x: mpq) -> int:
    """The integer below, above or next to x.

    `how` is "floor", "ceil", or for the nearest "even", "round_prefer_floor" or
    "round_prefer_ceil", which say what two of them are rounded to.
    """
    below, above = math.ceil(x - _HALF), math.floor(x + _HALF)
    near = {"floor": math.floor(x), "ceil": math.ceil(x), "round_prefer_floor": below}
    return int(near.get(how, below if how == "even" and above % 2 else above))


def _entry(j: int, n: int, outside: str) -> int | None:
    """The entry of an axis of n that stands at place j, None for zero."""
    if 0 <= j < n:
        return j
    if outside in ("zero", "nothing"):
        return None
    if outside == "edge":
        return 0 if j < 0 else n - 1
    period = max(2 * (n - 1), 1) if outside == "reflect" else 2 * n
    j %= period
    return j if j < n else (period - j if outside == "reflect" else period - 1 - j)


def nearest(outside: str = "edge") -> Kernel:
    """The nearest entry, the even one of two."""
    return Kernel(None, 0, outside)


def linear(outside: str = "edge", stretch: mpq = _ONE) -> Kernel:
    """Linear interpolation."""
    return Kernel(lambda x: 1 - x, 1, outside, stretch)


def cubic(a: mpq, outside: str = "edge", stretch: mpq = _ONE) -> Kernel:
    """Keys' cubic convolution, of slope `a` at distance one."""

    def weight(x: mpq) -> mpq:
        if x <= 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        return ((x - 5) * x + 8) * a * x - 4 * a

    return Kernel(weight, 2, outside, stretch)


def axis_map(places: Sequence[mpq | None], n: int, kernel: Kernel) -> AxisMap:
    """The map from an axis of n entries to the values at places between them, None for zero."""
    taps = [{} if at is None else kernel.taps(at, n) for at in places]
    rows = np.repeat(np.arange(len(taps)), [len(t) for t in taps])
    columns = np.asarray([j for t in taps for j in t], np.int64)
    weights = objects(weight for t in taps for weight in t.values())
    roundings = kernel.roundings((x for x in places if x is not None), n)
    return AxisMap(len(taps), rows, columns, weights, roundings)


def _grid_places(graph: Graph, grid: np.ndarray, space: Sequence[int], align: bool) -> np.ndarray:
    """The places, in entries, of points whose coordinates go from -1 to 1, the last axis of space first."""
    points = exact(grid, f"layer {graph.layer}: grid")[..., ::-1]
    sizes = np.asarray(space, dtype=object)
    if align:
        return np.asarray((points + 1) * (sizes - 1) / 2)
    return np.asarray(((points + 1) * sizes - 1) / 2)


def sample_grid(
    graph: Graph, a: Tensor, grid: np.ndarray, how: tuple[str, str], align: bool
) -> Tensor:
    """Interpolate images at points of their own.

    Parameters
    ----------
    graph : Graph
        The graph.
    a : Tensor, (images, channels, *space)
        The images.
    grid : ndarray, (images, *size, dimensions)
        The points, coordinates from -1 to 1, those along the last axis of space first.
    how : (str, str)
        The interpolation along each axis, "linear", "nearest" or "cubic", and what stands
        outside of the images, "zeros", "border" or "reflection".
    align : bool
        Whether -1 and 1 are the centres of the first and last entries, not their outer ends.
    """
    mode, padding = how
    mirror = "reflect" if align else "symmetric"
    outside = {"zeros": "zero", "border": "edge", "reflection": mirror}[padding]
    kernels: dict[str, Callable[[str], Kernel]] = {
        "linear": linear,
        "nearest": nearest,
        "cubic": partial(cubic, mpq(-3, 4)),
    }
    places = _grid_places(graph, grid, a.shape[2:], align)
    return _sample_points(graph, a, places, kernels[mode](outside))


def _sample_points(graph: Graph, a: Tensor, points: np.ndarray, kernel: Kernel) -> Tensor:
    """`sample_grid` at places in entries from the centre of the first, the first axis first."""
    images, channels, *space = a.shape
    size = points.shape[1:-1]
    count, plane = math.prod(size), math.prod(space)
    graph.limit([*points.shape[:-1], channels, (2 * kernel.reach + 1) ** len(space)])
    entries = []
    for number, point in enumerate(points.reshape(-1, len(space))):
        taps = [kernel.taps(at, n) for at, n in zip(point, space, strict=True)]
        for corner in product(*(t.items() for t in taps)):
            entry = np.ravel_multi_index([j for j, _ in corner], space)
            entries.append((number, int(entry), math.prod((w for _, w in corner), start=mpq(1))))
    numbers, scale = integer_matrix(objects(w for *_, w in entries), f"layer {graph.layer}: weight")
    image, row = np.divmod(np.asarray([e[0] for e in entries], np.int64), count)
    channel = image * channels + np.arange(channels)[:, None]
    rows = (channel * count + row).ravel()
    columns = (channel * plane + np.asarray([e[1] for e in entries], np.int64)).ravel()
    roundings = sum(kernel.roundings(points[..., k].ravel(), n) for k, n in enumerate(space))
    shape = (images, channels, *size)
    return sparse_map(
        graph, a, shape, Entries(rows, columns, np.tile(numbers, channels), scale, roundings)
    )
