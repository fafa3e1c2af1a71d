"""Points of the decision boundary: exact samples, the nearest point, the exact margin.

The boundary's segments have rational ends, so a point at a rational fraction of a
segment is a rational point exactly on the boundary: nothing is solved for and nothing
is rounded. Only the *choice* of a segment by its length involves a square root, and it
uses integer square roots with more than 63 significant bits. Every sample is certified:
the network is evaluated there exactly, and the tie must hold exactly.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import gmpy2
import numpy as np

from ..arithmetic.rational import Real, digits, mpq, mpz, objects, rational, root_sum, to_float
from ..complex.boundary import Boundary, Segment
from ..complex.partition import Partition
from ..errors import ExactcamError, InvariantError
from ..model.geometry import Point, cartesian, edges_of, homogeneous, join, side
from ..model.network import Network
from ..model.slice import Slice
from ..runtime.arguments import expect, integer
from ..runtime.cached import WithoutCaches, cached_property

__all__ = ["BoundarySamples", "Metric", "Nearest", "nearest_boundary_point", "sample_boundary"]

Pair = tuple[mpq, mpq]
_MOST = 10**8  # samples: more do not fit into the memory


@dataclass(frozen=True)
class BoundarySamples(WithoutCaches):
    """Points exactly on the decision boundary.

    Attributes
    ----------
    slice : Slice
        The slice they lie in.
    points : tuple of (mpq, mpq)
        Exact slice coordinates (u, v).
    segments : tuple of int
        The number of the boundary segment each lies on.
    classes : tuple of tuple of int
        The outputs that tie at each, none for a level set.
    """

    slice: Slice
    points: tuple[Pair, ...]
    segments: tuple[int, ...]
    classes: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"<BoundarySamples: {len(self)} points, {len(self.slice.origin)} inputs>"

    @cached_property
    def inputs(self) -> list[tuple[mpq, ...]]:
        """The exact points in input space, `samples` tuples of `inputs` entries."""
        return [self.slice.at(u, v) for u, v in self.points]

    @property
    def float_inputs(self) -> np.ndarray:
        """The inputs rounded to float64, (samples, inputs): in general not on the boundary."""
        return np.asarray([[to_float(x) for x in row] for row in self.inputs], dtype=np.float64)


def sample_boundary(
    partition: Partition, count: int, seed: int = 0, level: Any = 0
) -> BoundarySamples:
    """Draw points exactly on the decision boundary, independent and uniform by length.

    Length is measured in slice coordinates. A segment is chosen with a probability within
    a factor 1 +- 2^-62 of its share of the length, and the point on it from a grid of at
    least 2^63 equal steps. Plateaus and isolated points have no length and are not sampled.

    Parameters
    ----------
    partition : Partition
        Holds the network, slice and window.
    count : int
        How many points.
    seed : int
        Equal seeds give equal points.
    level : exact number
        The level of the boundary of a network of one output.

    Returns
    -------
    BoundarySamples
        Each certified by one exact forward pass.

    Raises
    ------
    ExactcamError
        Where the window holds no boundary segment, or `count` is negative.
    InvariantError
        Should a sample fail its certification.
    """
    expect(partition, Partition, "partition", "a Partition")
    count, seed = integer(count, "count", least=0, most=_MOST), integer(seed, "seed")
    boundary = partition.decision_boundary(level)
    if not boundary.segments:
        raise ExactcamError("the window holds no segment of the decision boundary to sample")
    lengths = _integer_lengths([segment.squared_length for segment in boundary.segments])
    ends = list(accumulate(lengths))
    source = random.Random(seed)
    chosen, points = [], []
    for _ in range(count):
        at = mpz(source.randrange(int(ends[-1])))
        k = bisect_right(ends, at)
        step = mpq(2 * (at - ends[k] + lengths[k]) + 1, 2 * lengths[k])  # strictly inside (0, 1)
        chosen.append(k)
        points.append(_along(boundary.segments[k], step))
    classes = tuple(boundary.segments[k].classes for k in chosen)
    samples = BoundarySamples(partition.slice, tuple(points), tuple(chosen), classes)
    certify(partition.network, samples, rational(level, "level"))
    return samples


def certify(network: Network, samples: BoundarySamples, level: mpq) -> None:
    """Raise InvariantError unless every sample is on the boundary, by exact evaluation."""
    outputs = network.evaluate_many(samples.inputs)
    for k, (values, classes) in enumerate(zip(outputs, samples.classes, strict=True)):
        if len(values) == 1:
            tied = values[0] == level
        else:
            tied = all(values[c] == max(values) for c in classes) and len(classes) > 1
        if not tied:
            raise InvariantError(f"sample {k} is not on the decision boundary")


def _integer_lengths(squares: Sequence[mpq]) -> list[mpz]:
    """Integers proportional to the square roots, each with more than 63 significant bits."""
    least = min(squares)
    bits = 64 + max(0, least.denominator.bit_length() - least.numerator.bit_length()) // 2 + 1
    return [gmpy2.isqrt((s.numerator << 2 * bits) // s.denominator) for s in squares]


def _along(segment: Segment, step: mpq) -> Pair:
    """The point at the fraction `step` of a segment."""
    (u, v), (s, t) = cartesian(segment.start), cartesian(segment.end)
    return u + step * (s - u), v + step * (t - v)


@dataclass(frozen=True)
class Nearest(WithoutCaches):
    """The point of the decision boundary nearest to an input, within a slice and window.

    Attributes
    ----------
    point, input : (mpq, mpq), tuple of mpq
        The nearest point, in slice coordinates and in input space.
    squared_margin : mpq
        The exact square of its distance, in input space.
    certain : bool
        Whether nothing of the slice outside the window can be nearer: the window holds the
        whole disc of that radius.
    """

    point: Pair
    input: tuple[mpq, ...]
    squared_margin: mpq
    certain: bool

    def __repr__(self) -> str:
        u, v = (digits(x) for x in self.point)
        certain = "certain" if self.certain else "not certain"
        return f"<Nearest: point ({u}, {v}), margin {digits(self.margin)}, {certain}>"

    @cached_property
    def margin(self) -> Real:
        """The exact margin, rounded once.

        A float, or beyond the range of floats a rational of 53 significant bits.
        """
        return root_sum([self.squared_margin])


def nearest_boundary_point(partition: Partition, u: Any, v: Any, level: Any = 0) -> Nearest:
    """The boundary point nearest to slice coordinates (u, v), by input-space distance.

    The squared distance of two points of the slice is a rational quadratic form of their
    difference in (u, v), so the nearest point of each segment and its squared distance are
    rational.

    Parameters
    ----------
    partition : Partition
        Holds the network, slice and window.
    u, v : exact numbers
        A point of the window, in slice coordinates.
    level : exact number
        The level of the boundary of a network of one output.

    Returns
    -------
    Nearest
        O(boundary segments).

    Raises
    ------
    ExactcamError
        Where the point is outside the window, or the window holds no boundary.
    """
    expect(partition, Partition, "partition", "a Partition")
    here = (rational(u, "u"), rational(v, "v"))
    at = homogeneous(*here)
    if any(side(line, at) < 0 for line in partition.window.sides):
        raise ExactcamError(f"the point ({u}, {v}) is outside the window")
    metric = Metric(partition.slice)
    candidates = [
        metric.nearest(here, *ends) for ends in _features(partition.decision_boundary(level), at)
    ]
    if not candidates:
        raise ExactcamError("the window holds nothing of the decision boundary")
    squared, point = min(candidates)
    rim = min(metric.nearest(here, *ends)[0] for ends in edges_of(partition.window.corners))
    return Nearest(point, partition.slice.at(*point), squared, squared <= rim)


def _features(boundary: Boundary, at: Point) -> list[tuple[Pair, Pair]]:
    """The boundary as segments to measure to; a plateau that holds `at` becomes that point."""
    ends = [(s.start, s.end) for s in boundary.segments]
    ends += [(p, p) for p in boundary.points]
    for plateau in boundary.plateaus:
        rim = list(edges_of(plateau.corners))
        if all(side(join(p, q), at) >= 0 for p, q in rim):
            ends.append((at, at))
        ends += rim
    return [(cartesian(start), cartesian(end)) for start, end in ends]


class Metric:
    """The input-space scalar product of slice vectors: the Gram matrix of e1 and e2."""

    def __init__(self, plane: Slice) -> None:
        e1, e2 = objects(plane.e1), objects(plane.e2)
        self.uu, self.uv, self.vv = e1.dot(e1), e1.dot(e2), e2.dot(e2)

    def dot(self, a: Pair, b: Pair) -> mpq:
        """The scalar product of two vectors of the slice, in input space."""
        return self.uu * a[0] * b[0] + self.uv * (a[0] * b[1] + a[1] * b[0]) + self.vv * a[1] * b[1]

    def nearest(self, here: Pair, start: Pair, end: Pair) -> tuple[mpq, Pair]:
        """(squared distance, point) of the point of start..end nearest to `here`."""
        along = (end[0] - start[0], end[1] - start[1])
        offset = (here[0] - start[0], here[1] - start[1])
        length = self.dot(along, along)
        step = min(max(self.dot(offset, along) / length, mpq(0)), mpq(1)) if length else mpq(0)
        rest = (offset[0] - step * along[0], offset[1] - step * along[1])
        return self.dot(rest, rest), (start[0] + step * along[0], start[1] + step * along[1])
