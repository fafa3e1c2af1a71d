"""Dense sampling: an oracle for partitions that evaluates points and knows no cells.

The activation pattern at a point needs no geometry, only a forward pass. Points are evaluated
in float64 together, each value with an error bound; a point at which any unit's side
is in doubt is evaluated again in exact integers. So every pattern returned is the
exact one, a million points cost a second or so, and whatever the points find that a
partition does not have is a defect of the partition. Points are taken on a grid, at
random, and where engines go wrong: beside vertices, edges and inside slivers.

Error bounds. With u = 2^-53 and n terms in a row, fl(W x + t) is off by at most
|W| e + gamma_{n+4} (|W| |x| + |t|), e the error of x and W, t correctly rounded
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). This is written
apart from the fast engine's filter on purpose: an oracle must not share its bugs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.matrix import Dense, Matrix, Sparse
from ..arithmetic.rational import mpq, to_float
from ..complex.partition import Partition
from ..errors import ExactcamError
from ..grading.shapes import Shapes
from ..model.geometry import homogeneous
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from ..model.slice import Slice, Window
from ..runtime.arguments import arrayed, expect, integer
from ..runtime.cached import cached_property

__all__ = [
    "Disagreement",
    "Oracle",
    "adversarial_points",
    "disagreements",
    "grid_points",
    "random_points",
    "region_lower_bound",
]

_U = 2.0**-53
_TINY = 2.0**-900  # above any underflow of the products in use, checked by _SMALL
_SMALL, _LARGE = 2.0**-400, 2.0**400  # numbers outside this range go to exact arithmetic
_CHUNK = 4096


class Oracle:
    """Exact activation patterns of a network at many points of a slice.

    Parameters
    ----------
    network : Network
        The network.
    slice : Slice
        The slice whose coordinates the points are in.

    Attributes
    ----------
    in_doubt : int
        How many points float64 could not decide, so that exact arithmetic did.
    """

    def __init__(self, network: Network, slice: Slice) -> None:
        self.network = expect(network, Network, "network", "a Network")
        self.slice = expect(slice, Slice, "slice", "a Slice")
        if slice.size != network.inputs:
            raise ExactcamError(f"the slice has {slice.size} inputs, the network {network.inputs}")
        self.in_doubt = 0

    def __repr__(self) -> str:
        return f"<Oracle for {self.network.units} units, {self.in_doubt} points were in doubt>"

    def patterns(self, points: np.ndarray) -> np.ndarray:
        """The exact activation pattern at every point.

        Parameters
        ----------
        points : ndarray, float64 (n, 2)
            Slice coordinates, taken as the exact numbers they are.

        Returns
        -------
        ndarray (n, units)
            The code of every unit, in the network's `pattern_dtype`. Takes O(n parameters)
            float operations; exact arithmetic only where these leave a sign in doubt.
        """
        points = _plane_points(points)
        out = np.zeros((len(points), self.network.units), dtype=self.network.pattern_dtype)
        for start in range(0, len(points), _CHUNK):
            part = points[start : start + _CHUNK]
            with np.errstate(all="ignore"):  # what overflows is in doubt
                codes, sure = self._floats(part)
            doubtful = np.nonzero(~sure)[0]
            self.in_doubt += len(doubtful)
            if len(doubtful):
                exact = [homogeneous(u, v) for u, v in part[doubtful].tolist()]
                codes[:, doubtful] = self.network.forward(self.slice.points(exact))[1]
            out[start : start + len(part)] = codes.T
        return out

    def _floats(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes (units, n) from float64 and whether each point's are certain (n,)."""
        sure = np.ones(len(points), dtype=bool)
        values = {0: self._plane.apply([(points.T, np.zeros_like(points.T))])}
        codes = [np.zeros((0, len(points)), dtype=np.int64)]
        for k, node in enumerate(self.network.nodes):
            if isinstance(node, Affine):
                values[k + 1] = self._layers[k].apply([values[i] for i in node.inputs])
            else:
                x, e = values[node.source]
                found, values[k + 1], decided = (
                    _pointwise(node, x, e) if isinstance(node, Pointwise) else _maximum(node, x, e)
                )
                codes.append(found)
                sure &= decided
        return np.concatenate(codes), sure

    @cached_property
    def _plane(self) -> _FloatLayer:
        return _FloatLayer.of_slice(self.slice)

    @cached_property
    def _layers(self) -> dict[int, _FloatLayer]:
        return {
            k: _FloatLayer.of_node(n)
            for k, n in enumerate(self.network.nodes)
            if isinstance(n, Affine)
        }


Values = tuple[np.ndarray, np.ndarray]  # (size, n): values and bounds of their errors


@dataclass(frozen=True)
class _FloatLayer:
    """An affine node with correctly rounded float weights, which bounds its own rounding errors."""

    terms: tuple[Matrix, ...]
    bias: np.ndarray
    gamma: float
    safe: bool

    @staticmethod
    def of_node(node: Affine) -> _FloatLayer:
        terms = [
            matrix.with_numbers(_nearest(mpq(x, node.scale) for x in matrix.numbers.ravel()))
            for matrix in node.matrices
        ]
        return _FloatLayer._of(terms, _nearest(mpq(b, node.scale) for b in node.bias))

    @staticmethod
    def of_slice(slice: Slice) -> _FloatLayer:
        directions = np.stack([_nearest(slice.e1), _nearest(slice.e2)], axis=1)
        return _FloatLayer._of([Dense(directions)], _nearest(slice.origin))

    @staticmethod
    def _of(terms: list[Matrix], shift: np.ndarray) -> _FloatLayer:
        longest = sum(matrix.fan_in for matrix in terms)
        numbers = np.abs(np.concatenate([shift, *(matrix.numbers for matrix in terms)]))
        numbers = numbers[numbers != 0]
        safe = bool(((numbers > _SMALL) & (numbers < _LARGE)).all())
        return _FloatLayer(tuple(terms), shift, 1.01 * (longest + 8) * _U, safe)

    @cached_property
    def _moduli(self) -> list[Matrix]:
        """The terms with the moduli of their numbers."""
        return [matrix.with_numbers(np.abs(matrix.numbers)) for matrix in self.terms]

    def apply(self, inputs: list[Values]) -> Values:
        value = np.repeat(self.bias[:, None], inputs[0][0].shape[1], axis=1)
        size, error = np.abs(value), np.zeros_like(value)
        for matrix, moduli, (x, e) in zip(self.terms, self._moduli, inputs, strict=True):
            value = value + _product(matrix, x)
            size = size + _product(moduli, np.abs(x) + e)
            error = error + _product(moduli, e)
        bound = (error + self.gamma * size) * (1 + 64 * self.gamma) + _TINY
        return value, bound if self.safe else np.full_like(bound, np.inf)


def _nearest(numbers: Iterable[mpq]) -> np.ndarray:
    return np.asarray([to_float(x) for x in numbers], dtype=np.float64)


def _product(matrix: Matrix, x: np.ndarray) -> np.ndarray:
    """A matrix of floats times the columns of x."""
    if not isinstance(matrix, Sparse):
        return matrix.apply(x)
    out = np.zeros((matrix.shape[0], x.shape[1]))
    for row in np.nonzero(np.diff(matrix.indptr))[0]:
        entries = np.s_[matrix.indptr[row] : matrix.indptr[row + 1]]
        out[row] = matrix.data[entries] @ x[matrix.indices[entries]]
    return out


def _pointwise(
    node: Pointwise, x: np.ndarray, e: np.ndarray
) -> tuple[np.ndarray, Values, np.ndarray]:
    codes = np.zeros(x.shape, dtype=np.int64)
    sure = np.isfinite(x).all(axis=0) & np.isfinite(e).all(axis=0)
    value, error = np.empty_like(x), np.empty_like(e)
    for number, function in enumerate(node.functions):
        rows = np.nonzero(node.which == number)[0]
        piece = np.zeros((len(rows), x.shape[1]), dtype=np.int64)
        for knot in function.breakpoints:
            nearest = to_float(knot)
            gap = x[rows] - nearest
            doubt = e[rows] + 4 * _U * (np.abs(x[rows]) + abs(nearest)) + _TINY
            piece += gap > 0
            sure &= (np.abs(gap) > doubt).all(axis=0)
        slopes, shifts = (
            np.asarray([to_float(p[part]) for p in function.pieces]) for part in (0, 1)
        )
        s, c = slopes[piece], shifts[piece]
        codes[rows] = 2 * piece
        value[rows] = s * x[rows] + c
        error[rows] = np.abs(s) * e[rows] + 8 * _U * (np.abs(s * x[rows]) + np.abs(c)) + _TINY
    return codes, (value, error * (1 + 8 * _U)), sure


def _maximum(
    node: MaxGroups, x: np.ndarray, e: np.ndarray
) -> tuple[np.ndarray, Values, np.ndarray]:
    codes = np.zeros((node.size, x.shape[1]), dtype=np.int64)
    sure = np.isfinite(x).all(axis=0) & np.isfinite(e).all(axis=0)
    value, error = np.empty(codes.shape), np.empty(codes.shape)
    for unit, members in enumerate(node.groups):
        rows = list(members)
        best = np.argmax(x[rows], axis=0)
        low = np.take_along_axis(x[rows] - e[rows], best[None], axis=0)[0]
        others = x[rows] + e[rows]
        np.put_along_axis(others, best[None], -np.inf, axis=0)
        sure &= others.max(axis=0) < low - _TINY
        codes[unit] = best
        value[unit] = np.take_along_axis(x[rows], best[None], axis=0)[0]
        error[unit] = np.take_along_axis(e[rows], best[None], axis=0)[0]
    return codes, (value, error), sure


_MOST = 10**8  # points: more do not fit into the memory


def _plane_points(points: Any) -> np.ndarray:
    """Points (n, 2) as finite float64."""
    wanted = "finite floats (n, 2)"
    array = arrayed(points, "points", wanted)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
        raise ExactcamError(f"points are {array.dtype} {array.shape}: give {wanted}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ExactcamError(f"points are not all finite: give {wanted}")
    return array


def grid_points(window: Window, per_side: int) -> np.ndarray:
    """The points of a per_side x per_side grid that lie strictly inside the window."""
    expect(window, Window, "window", "a Window")
    per_side = integer(per_side, "per_side", least=1, most=10**4)
    share = np.arange(1, per_side + 1) / (per_side + 1)
    u, v = (low * (1 - share) + high * share for low, high in zip(*_extent(window), strict=True))
    return _inside(window, np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2))


def random_points(window: Window, count: int, seed: int = 0) -> np.ndarray:
    """Up to `count` uniform points strictly inside the window."""
    expect(window, Window, "window", "a Window")
    count, seed = integer(count, "count", least=0, most=_MOST), integer(seed, "seed", least=0)
    low, high = map(np.asarray, _extent(window))
    share = np.random.default_rng(seed).random((count, 2))
    return _inside(window, low * (1 - share) + high * share)


def adversarial_points(part: Partition, per_place: int = 4, seed: int = 0) -> np.ndarray:
    """Points where a sliver that is missing or invented would show.

    They lie beside every vertex and edge, at distances from a thousandth of the window down
    to the spacing of floats, and inside every cell between its corners and its middle.

    Parameters
    ----------
    part : Partition
        The partition to be doubted.
    per_place : int
        How many points beside every vertex and every edge.
    seed : int
        Of the random directions and distances.

    Returns
    -------
    ndarray, float64 (n, 2)
        Points strictly inside the window.
    """
    expect(part, Partition, "part", "a Partition")
    per_place = integer(per_place, "per_place", least=1, most=10**4)
    seed = integer(seed, "seed", least=0)
    with np.errstate(all="ignore"):  # places outside the range of floats give no points
        return _inside(part.window, _adversarial(part, per_place, np.random.default_rng(seed)))


def _adversarial(part: Partition, per_place: int, rng: np.random.Generator) -> np.ndarray:
    xy = part.float_vertices
    middles = xy[part.edges.vertices].mean(axis=1)
    places = np.concatenate([xy, middles])
    low, high = map(np.asarray, _extent(part.window))
    size = min(float((high / 2 - low / 2).max()), 1e300) * 2
    places = np.repeat(places, per_place, axis=0)
    angle = rng.uniform(0, 2 * np.pi, len(places))
    step = size * 10.0 ** -rng.uniform(3, 16, len(places))
    beside = places + step[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    spaced = np.nextafter(places, places + rng.choice([-1, 1], places.shape))
    owner = np.repeat(np.arange(len(part)), np.diff(part.offsets))
    corners = xy[part.corners]
    means = np.add.reduceat(corners, part.offsets[:-1]) / np.diff(part.offsets)[:, None]
    share = 10.0 ** -rng.uniform(0, 8, len(corners))[:, None]
    inward = corners + share * (means[owner] - corners)
    return np.concatenate([beside, spaced, inward, means])


def _extent(window: Window) -> tuple[list[float], list[float]]:
    """The bounding box of the window, low and high corner, cut to the range of floats."""
    axes = list(zip(*window.corners, strict=True))
    most = float(np.finfo(np.float64).max)
    return [max(to_float(min(axis)), -most) for axis in axes], [
        min(to_float(max(axis)), most) for axis in axes
    ]


def _inside(window: Window, points: np.ndarray) -> np.ndarray:
    corners = window.vertices
    xy = np.asarray([[to_float(u), to_float(v)] for u, v in window.corners])
    shape = Shapes(xy, np.asarray([0, len(corners)]), lambda i: corners[i])
    points = points[np.isfinite(points).all(axis=1)]
    return points[shape.contains(np.zeros(len(points), dtype=np.int64), points)]


def region_lower_bound(oracle: Oracle, points: np.ndarray) -> int:
    """A lower bound on the number of activation regions: distinct patterns at `points`.

    A unit at its breakpoint may be on a knot line there, which is no region, or tied
    on a whole region. Units tied at every point are left out, and then points with
    any tie: what remains differs strictly, so it lies in different regions.
    """
    expect(oracle, Oracle, "oracle", "an Oracle")
    patterns = oracle.patterns(points).astype(np.int64)
    tied = np.zeros(patterns.shape, dtype=bool)
    for layer in oracle.network.layers:
        units = layer.units
        if isinstance(layer.node, Pointwise):
            tied[:, units] = patterns[:, units] % 2 == 1
        else:
            # A maximum's code names the first of equal members, so it cannot rule out a tie.
            patterns[:, units] = 0
    strict = patterns[:, ~tied.all(axis=0)][~tied[:, ~tied.all(axis=0)].any(axis=1)]
    return len(np.unique(strict, axis=0))


@dataclass(frozen=True)
class Disagreement:
    """A point that proves a partition wrong: its exact pattern is not that of its cell.

    Attributes
    ----------
    point : (float, float)
        Slice coordinates, strictly inside the cell.
    cell : int
        The cell's number, or -1 for a point in no cell and on no border.
    units : tuple of int
        The units whose codes differ.
    """

    point: tuple[float, float]
    cell: int
    units: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Disagreement at {self.point} in cell {self.cell}: {len(self.units)} units>"


def disagreements(part: Partition, points: np.ndarray) -> list[Disagreement]:
    """Points at which a partition contradicts the network's exact patterns.

    Parameters
    ----------
    part : Partition
        The partition to be tested.
    points : ndarray, float64 (n, 2)
        Slice coordinates inside the window.

    Returns
    -------
    list of Disagreement
        One per wrong point; empty where the partition is right at all of them.

    Inside a region the pattern is the region's, max groups included: a member that
    ties at an inner point and not everywhere would win on one side of it.
    """
    expect(part, Partition, "part", "a Partition")
    points = _plane_points(points)
    patterns = Oracle(part.network, part.slice).patterns(points)
    shapes = Shapes(
        part.float_vertices[part.corners], part.offsets, lambda i: part.vertices[part.corners[i]]
    )
    found, cell = shapes.tree.pairs(points, points)
    inside = shapes.contains(cell, points[found])
    wrong = (patterns[found] != part.patterns[cell]).any(axis=1) & inside
    out = [
        Disagreement(_pair(points[p]), int(c), _differing(patterns[p], part.patterns[c]))
        for p, c in zip(found[wrong], cell[wrong], strict=True)
    ]
    lost = np.ones(len(points), dtype=bool)
    lost[found[inside]] = False
    return out + [
        Disagreement(_pair(points[p]), -1, ())
        for p in np.nonzero(lost)[0]
        if not part.locate(*points[p].tolist())
    ]


def _pair(point: np.ndarray) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _differing(first: np.ndarray, second: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.nonzero(first != second)[0])
