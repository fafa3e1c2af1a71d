"""The decision boundary: one more activation layer, looked at along its knot lines.

For one output the boundary is a level set, for several the points where the two
*largest* outputs tie. Either is what one more unit (a breakpoint at the level, a
maximum over the outputs) would cut: so each cell is refined by that unit with the
engine's own exact splitting, and an edge of the refinement belongs to the boundary
if the tie holds at both of its ends - then, the maps being affine, all along it
(Theorem 1 of SplineCam, for any number of classes; Lemmas 5 and 16 and Theorem 17 of
proofs/). Where a tie holds on a whole
part of a cell, that part is reported as a plateau and its border is not repeated
as segments; a tie at a single point, as where the level just touches a peak, is
reported as an isolated point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic.rational import mpq, mpz, objects, rational, root_sum, sign
from ..errors import ExactcamError
from ..exact.reference import refine
from ..model.geometry import Point, Polygon, join, reduced
from ..model.nodes import Activation, Block, Cpwl, MaxGroups, Pointwise
from ..runtime.cached import cached_property
from ..runtime.fork_pool import chunks, spread

if TYPE_CHECKING:
    from .partition import Partition

__all__ = ["Boundary", "Plateau", "Segment", "cut_by_class", "cut_cells", "decision_boundary"]

Classes = tuple[int, ...]


@dataclass(frozen=True)
class Segment:
    """A piece of the boundary inside or on the border of `cell`.

    `start` and `end` are reduced homogeneous points; `classes` are the outputs
    that tie for the largest all along it, empty for a level set.
    """

    start: Point
    end: Point
    cell: int
    classes: Classes

    @property
    def squared_length(self) -> mpq:
        """The exact square of its length in slice coordinates."""
        (x, y, w), (p, q, r) = self.start, self.end
        return mpq(x * r - p * w, w * r) ** 2 + mpq(y * r - q * w, w * r) ** 2


@dataclass(frozen=True)
class Plateau:
    """A convex part of `cell`, with interior, on which the tie holds everywhere."""

    corners: tuple[Point, ...]
    cell: int
    classes: Classes


@dataclass(frozen=True)
class Boundary:
    """Boundary = segments + plateaus + isolated points, without repetition."""

    segments: tuple[Segment, ...]
    plateaus: tuple[Plateau, ...]
    points: tuple[Point, ...]

    @cached_property
    def length(self) -> float:
        """The float64 nearest to the exact total length of the segments."""
        return root_sum([segment.squared_length for segment in self.segments])

    @cached_property
    def polylines(self) -> list[list[Point]]:
        """The segments linked end to end through every point that exactly two share.

        A closed line repeats its first point at the end. O(segments).
        """
        at: dict[Point, list[int]] = defaultdict(list)
        for k, segment in enumerate(self.segments):
            at[segment.start].append(k)
            at[segment.end].append(k)
        unused = dict.fromkeys(range(len(self.segments)))
        ends = [p for p, incident in at.items() if len(incident) != 2]
        lines = []
        for start in [p for p in ends for _ in at[p]]:
            line = _walk(self.segments, at, unused, start)
            if len(line) > 1:
                lines.append(line)
        while unused:  # only closed lines are left
            lines.append(_walk(self.segments, at, unused, self.segments[next(iter(unused))].start))
        return lines


def _walk(
    segments: tuple[Segment, ...], at: dict[Point, list[int]], unused: dict[int, None], start: Point
) -> list[Point]:
    line = [start]
    while len(line) == 1 or (len(at[line[-1]]) == 2 and line[-1] != start):
        step = next((k for k in at[line[-1]] if k in unused), None)
        if step is None:
            break
        del unused[step]
        segment = segments[step]
        line.append(segment.end if segment.start == line[-1] else segment.start)
    return line


def decision_boundary(partition: Partition, level: Any = 0) -> Boundary:
    """The exact decision boundary of a partition's network on its window.

    One output: the set where it equals `level` (any exact number). Several: the
    set where the two largest tie; `level` must be 0. Cells whose corners all have
    the same strict winner (or side) are passed over: no point of them can tie.
    """
    tie = _tie(partition, level)
    segments: dict[tuple[Point, Point], Segment] = {}
    bordering: set[tuple[Point, Point]] = set()
    plateaus: list[Plateau] = []
    touched: dict[Point, None] = {}
    for cell, points, tied in _tied_parts(partition, tie):
        everywhere = _common(tied)
        if everywhere is not None:
            plateaus.append(Plateau(tuple(points), cell, everywhere))
        for k, start in enumerate(points):
            m = (k + 1) % len(points)
            if tied[k] is not None:
                touched[start] = None
            classes = _common([tied[k], tied[m]])
            if classes is None:
                continue
            key = min((start, points[m]), (points[m], start))
            segments.setdefault(key, Segment(*key, cell, classes))
            if everywhere is not None:
                bordering.add(key)
    lines = tuple(s for key, s in segments.items() if key not in bordering)
    covered = {p for s in lines for p in (s.start, s.end)} | {
        p for f in plateaus for p in f.corners
    }
    return Boundary(lines, tuple(plateaus), tuple(p for p in touched if p not in covered))


def _tied_parts(
    partition: Partition, tie: _LevelTie | _ArgmaxTie
) -> Iterator[tuple[int, list[Point], list[Classes | None]]]:
    """The parts of all cells where a tie is possible, with the classes that tie at their corners."""
    some = chunks(tie.candidates(), partition.jobs, 8)

    def parts(k: int) -> list[tuple[int, list[Point], list[Classes | None]]]:
        return [
            (cell, points, [tie.classes(cell, p) for p in points])
            for cell in tie.cells(some[k])
            for points, _ in _parts(partition, cell, tie)
        ]

    for found in spread(parts, len(some), partition.jobs):
        yield from found


def cut_by_class(
    partition: Partition, level: Any = 0, cells: Iterable[int] | None = None
) -> list[tuple[int, list[Point], int | None]]:
    """Every cell (or each of `cells`) cut along the boundary: (cell, corners, winner) of each part.

    The winner is the largest output, or for one output 0 below `level` and 1 above;
    None on a plateau. The parts tile the window: what a picture of classes fills.
    """
    tie = _tie(partition, level)
    out: list[tuple[int, list[Point], int | None]] = []
    for cell in range(len(partition)) if cells is None else cells:
        for points, code in _parts(partition, cell, tie):
            plateau = _common(tie.classes(cell, p) for p in points) is not None
            winner = code // 2 if isinstance(tie.unit, Pointwise) else code
            out.append((cell, points, None if plateau else winner))
    return out


def cut_cells(partition: Partition) -> Iterator[list[list[Point]] | None]:
    """For every cell in order its parts along the boundary at level 0, as `cut_by_class` has
    them, or None: the cell is one part, on which one output is strictly the largest."""
    tie = _tie(partition, 0)
    cut = set(tie.cells(tie.candidates()))
    for cell in range(len(partition)):
        if cell in cut:
            yield [points for points, _ in _parts(partition, cell, tie)]
        else:
            yield None


def _tie(partition: Partition, level: Any) -> _LevelTie | _ArgmaxTie:
    value = rational(level, "level")
    outputs = partition.network.outputs
    if outputs > 1 and value:
        raise ExactcamError(f"level {value} needs a network of one output, not {outputs}")
    return _LevelTie(partition, value) if outputs == 1 else _ArgmaxTie(partition)


def _parts(
    partition: Partition, cell: int, tie: _LevelTie | _ArgmaxTie
) -> Iterator[tuple[list[Point], int]]:
    """The cell cut by the tie's unit: reduced corners of each part, the unit's code on it."""
    corners = [reduced(p) for p in partition.cells[cell].points]
    block = Block(partition.form(cell), _CONSTANT, partition.form_scale)
    for part, codes in refine(_polygon(corners), tie.unit, block):
        yield [reduced(p) for p, _ in part], int(codes[0])


_CONSTANT = objects([mpz(0), mpz(0), mpz(1)])


def _polygon(corners: list[Point]) -> Polygon:
    return [(p, join(p, corners[(k + 1) % len(corners)])) for k, p in enumerate(corners)]


def _common(tied: Iterable[Classes | None]) -> Classes | None:
    """The classes that tie at every one of some points, None where there is no such tie."""
    first, *rest = tied
    if first is None or any(t is None for t in rest):
        return None
    both = tuple(c for c in first if all(c in (t or ()) for t in rest))
    return both if len(both) >= 2 or not first else None


class _LevelTie:
    """Ties of one output with a level: `classes` is () on the level, None off it."""

    def __init__(self, partition: Partition, level: mpq) -> None:
        self.partition = partition
        self.unit: Activation = Pointwise(
            0, (Cpwl.through([level], [0, 1]),), np.zeros(1, dtype=np.int64)
        )
        self.level = level

    def classes(self, cell: int, point: Point) -> Classes | None:
        return None if self._value(cell, point) else ()

    def _value(self, cell: int, point: Point) -> mpz:
        a, b, c = self.partition.form(cell)[0]
        x, y, w = point
        height = self.level * self.partition.form_scale
        return (a * x + b * y + c * w) * height.denominator - height.numerator * w

    def candidates(self) -> np.ndarray:
        return self.partition.may_tie(self.level)

    def cells(self, among: np.ndarray) -> Iterator[int]:
        for cell in among.tolist():
            signs = {sign(self._value(cell, p)) for p in self.partition.cells[cell].points}
            if signs not in ({1}, {-1}):
                yield cell


class _ArgmaxTie:
    """Ties of the largest outputs: `classes` lists them, None where one is alone."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.unit: Activation = MaxGroups(0, (tuple(range(partition.network.outputs)),))

    def classes(self, cell: int, point: Point) -> Classes | None:
        largest = self._largest(cell, point)
        return largest if len(largest) > 1 else None

    def _largest(self, cell: int, point: Point) -> Classes:
        values = self.partition.form(cell).dot(objects(point))
        return tuple(int(c) for c in np.nonzero(values == values.max())[0])

    def candidates(self) -> np.ndarray:
        return self.partition.may_tie(mpq(0))

    def cells(self, among: np.ndarray) -> Iterator[int]:
        for cell in among.tolist():
            winners = {self._largest(cell, p) for p in self.partition.cells[cell].points}
            if len(winners) > 1 or len(winners.pop()) > 1:
                yield cell
