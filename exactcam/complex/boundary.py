"""The decision boundary: where one more activation layer, put on top, would cut the cells.

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
from typing import Any, NamedTuple

import numpy as np

from ..arithmetic.rational import Real, digits, mpq, mpz, objects, rational, root_sum, sign
from ..errors import ExactcamError
from ..exact.reference import refine
from ..model.geometry import Point, cartesian, edges_of, polygon_of, reduced, squared_distance
from ..model.nodes import Activation, Block, Cpwl, MaxGroups, Pointwise
from ..runtime.cached import WithoutCaches, cached_property
from ..runtime.fork_pool import chunks, spread
from .cell_data import CellData
from .output_maps import Classes

__all__ = ["Boundary", "Plateau", "Segment", "cut_by_class", "cut_cells", "decision_boundary"]


@dataclass(frozen=True, repr=False)
class Segment:
    """A straight piece of the boundary, in one cell or on its border.

    Attributes
    ----------
    start, end : Point
        Reduced homogeneous points.
    cell : int
        The number of the cell.
    classes : tuple of int
        The outputs that tie for the largest all along it, empty for a level set.
    """

    start: Point
    end: Point
    cell: int
    classes: Classes

    @property
    def squared_length(self) -> mpq:
        """The exact square of its length in slice coordinates."""
        return squared_distance(self.start, self.end)

    def __repr__(self) -> str:
        return f"<Segment {_place(self.start)} to {_place(self.end)} in cell {self.cell}>"


def _place(point: Point) -> str:
    """A point for messages, rounded to four digits."""
    u, v = cartesian(point)
    return f"({digits(u, 4)}, {digits(v, 4)})"


@dataclass(frozen=True, repr=False)
class Plateau:
    """A convex part of a cell, with interior, on which the tie holds everywhere."""

    corners: tuple[Point, ...]
    cell: int
    classes: Classes

    def __repr__(self) -> str:
        corner = _place(self.corners[0])
        return f"<Plateau of {len(self.corners)} corners from {corner} on in cell {self.cell}>"


@dataclass(frozen=True, repr=False)
class Boundary(WithoutCaches):
    """A decision boundary: segments, plateaus and isolated points, without repetition."""

    segments: tuple[Segment, ...]
    plateaus: tuple[Plateau, ...]
    points: tuple[Point, ...]

    def __repr__(self) -> str:
        sizes = f"{len(self.segments)} segments, {len(self.plateaus)} plateaus"
        return f"<Boundary: {sizes}, {len(self.points)} isolated points>"

    @cached_property
    def length(self) -> Real:
        """The exact total length of the segments, rounded once.

        A float, or beyond the range of floats a rational of 53 significant bits.
        """
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
    """Follow unused segments from a point, through points that exactly two share."""
    line = [start]
    while len(line) == 1 or (len(at[line[-1]]) == 2 and line[-1] != start):
        step = next((k for k in at[line[-1]] if k in unused), None)
        if step is None:
            break
        del unused[step]
        segment = segments[step]
        line.append(segment.end if segment.start == line[-1] else segment.start)
    return line


def decision_boundary(data: CellData, level: Any = 0, jobs: int = 1) -> Boundary:
    """The exact decision boundary of a network on the window of its partition.

    Cells whose corners all have the same strict winner (or side) are passed over: no point
    of them can tie.

    Parameters
    ----------
    data : CellData
        The partition.
    level : exact number
        For one output: the boundary is where it equals that. For several, where the two
        largest tie, it must be 0.
    jobs : int
        How many processes to use, where they can be forked.

    Raises
    ------
    ExactcamError
        Where a level is given for several outputs.
    """
    tie = _tie(data, level)
    segments: dict[tuple[Point, Point], Segment] = {}
    bordering: set[tuple[Point, Point]] = set()
    plateaus: list[Plateau] = []
    touched: dict[Point, None] = {}
    for part in _tied_parts(data, tie, jobs):
        plateaus += [] if part.plateau is None else [part.plateau]
        touched.update(dict.fromkeys(part.points))
        for start, end, classes in part.segments:
            key = min((start, end), (end, start))
            segments.setdefault(key, Segment(*key, part.cell, classes))
            if part.plateau is not None:
                bordering.add(key)
    lines = tuple(s for key, s in segments.items() if key not in bordering)
    covered = {p for s in lines for p in (s.start, s.end)} | {
        p for f in plateaus for p in f.corners
    }
    return Boundary(lines, tuple(plateaus), tuple(p for p in touched if p not in covered))


class _Tied(NamedTuple):
    """Where there is a tie in a part of a cell: edges, corners, or all of it."""

    cell: int
    segments: list[tuple[Point, Point, Classes]]
    points: list[Point]
    plateau: Plateau | None


def _tied_parts(data: CellData, tie: _LevelTie | _ArgmaxTie, jobs: int) -> Iterator[_Tied]:
    """The ties in the parts of all cells where one is possible."""
    data.output_maps.prefetch(jobs, exact=False)
    some = chunks(data.output_maps.may_tie(tie.level), jobs, 8)

    def parts(k: int) -> list[_Tied]:
        out, crossed = [], data.output_maps.crossed(tie.level, some[k])
        for cell in some[k].tolist():
            if cell in crossed:
                segment = crossed[cell]
                out.append(_Tied(cell, [segment], [*segment[:2]], None))
            elif tie.possible(cell):
                cut = _parts(data, cell, tie)
                out += [
                    _tied(cell, points, [tie.classes(cell, p) for p in points]) for points, _ in cut
                ]
        return out

    for found in spread(parts, len(some), jobs):
        yield from found


def _tied(cell: int, points: list[Point], tied: list[Classes | None]) -> _Tied:
    """The ties in a part of a cell with these corners, at which these outputs tie."""
    everywhere = _common(tied)
    plateau = None if everywhere is None else Plateau(tuple(points), cell, everywhere)
    segments = []
    for (start, end), ends in zip(edges_of(points), edges_of(tied), strict=True):
        classes = _common(ends)
        if classes is not None:
            segments.append((start, end, classes))
    touched = [p for p, classes in zip(points, tied, strict=True) if classes is not None]
    return _Tied(cell, segments, touched, plateau)


def cut_by_class(
    data: CellData, level: Any = 0, cells: Iterable[int] | None = None
) -> list[tuple[int, list[Point], int | None]]:
    """Cut cells along the decision boundary: the parts tile the window.

    Parameters
    ----------
    data : CellData
        The partition.
    level : exact number
        As for `decision_boundary`.
    cells : iterable of int, optional
        Which cells to cut; all unless given.

    Returns
    -------
    list of (cell, corners, winner)
        The winner is the largest output, or for one output 0 below `level` and 1 above;
        None on a plateau.
    """
    tie = _tie(data, level)
    out: list[tuple[int, list[Point], int | None]] = []
    for cell in range(len(data)) if cells is None else cells:
        for points, code in _parts(data, cell, tie):
            plateau = _common(tie.classes(cell, p) for p in points) is not None
            winner = code // 2 if isinstance(tie.unit, Pointwise) else code
            out.append((cell, points, None if plateau else winner))
    return out


def cut_cells(data: CellData) -> Iterator[list[list[Point]] | None]:
    """For every cell in order its parts along the boundary at level 0, as `cut_by_class` has
    them, or None: the cell is one part, on which one output is strictly the largest."""
    tie = _tie(data, 0)
    cut = set(data.output_maps.may_tie(tie.level).tolist())
    for cell in range(len(data)):
        if cell in cut and tie.possible(cell):
            yield [points for points, _ in _parts(data, cell, tie)]
        else:
            yield None


def _tie(data: CellData, level: Any) -> _LevelTie | _ArgmaxTie:
    """What a tie is for a network's outputs: equality with a level, or of the largest two."""
    value = rational(level, "level")
    outputs = data.network.outputs
    if outputs > 1 and value:
        raise ExactcamError(f"level {value} needs a network of one output, not {outputs}")
    return _LevelTie(data, value) if outputs == 1 else _ArgmaxTie(data)


def _parts(
    data: CellData, cell: int, tie: _LevelTie | _ArgmaxTie
) -> Iterator[tuple[list[Point], int]]:
    """The cell cut by the tie's unit: reduced corners of each part, the unit's code on it."""
    outline = polygon_of([reduced(p) for p in data.cells[cell].points])
    block = Block(data.form(cell), _CONSTANT, data.form_scale)
    for part, codes in refine(outline, tie.unit, block):
        yield [reduced(p) for p, _ in part], int(codes[0])


_CONSTANT = objects([mpz(0), mpz(0), mpz(1)])


def _common(tied: Iterable[Classes | None]) -> Classes | None:
    """The classes that tie at every one of some points, None where there is no such tie."""
    first, *rest = tied
    if first is None or any(t is None for t in rest):
        return None
    both = tuple(c for c in first if all(c in (t or ()) for t in rest))
    return both if len(both) >= 2 or not first else None


class _LevelTie:
    """Ties of one output with a level: `classes` is () on the level, None off it."""

    def __init__(self, data: CellData, level: mpq) -> None:
        self.data = data
        self.unit: Activation = Pointwise(
            0, (Cpwl.through([level], [0, 1]),), np.zeros(1, dtype=np.int64)
        )
        self.level = level

    def classes(self, cell: int, point: Point) -> Classes | None:
        return None if self._value(cell, point) else ()

    def _value(self, cell: int, point: Point) -> mpz:
        """The output less the level at a point, times something positive."""
        a, b, c = self.data.form(cell)[0]
        x, y, w = point
        height = self.level * self.data.form_scale
        return (a * x + b * y + c * w) * height.denominator - height.numerator * w

    def possible(self, cell: int) -> bool:
        """Whether a cell's corners are not all on one strict side of the level."""
        signs = {sign(self._value(cell, p)) for p in self.data.cells[cell].points}
        return signs not in ({1}, {-1})


class _ArgmaxTie:
    """Ties of the largest outputs: `classes` lists them, None where only one is largest."""

    level = mpq(0)

    def __init__(self, data: CellData) -> None:
        self.data = data
        self.unit: Activation = MaxGroups(0, (tuple(range(data.network.outputs)),))

    def classes(self, cell: int, point: Point) -> Classes | None:
        largest = self._largest(cell, point)
        return largest if len(largest) > 1 else None

    def _largest(self, cell: int, point: Point) -> Classes:
        """All outputs that are largest at a point."""
        values = self.data.form(cell).dot(objects(point))
        return tuple(int(c) for c in np.nonzero(values == values.max())[0])

    def possible(self, cell: int) -> bool:
        """Whether a cell's corners do not all have the same single largest output."""
        winners = {self._largest(cell, p) for p in self.data.cells[cell].points}
        return len(winners) > 1 or len(winners.pop()) > 1
