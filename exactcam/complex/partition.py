"""The result: an immutable, exact cell complex with its network, slice and window.

Cells are in the canonical order of their activation patterns (as bytes), each
cell's corners are counter-clockwise from its lexicographically least vertex, and
vertices are numbered by first appearance. Two engines that are both right
therefore return equal partitions, entry by entry. Everything that is not needed
for counting - exact vertices, affine maps, adjacency - is computed when first
asked for and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..arithmetic.rational import mpq, mpz, to_float
from ..errors import InvariantError
from ..exact.reference import RawCell
from ..model.geometry import Point, area2, cartesian, homogeneous, join, reduced, side
from ..model.network import Network
from ..model.nodes import Block
from ..model.slice import Slice, Window
from ..runtime.cached import cached_property
from .boundary import Boundary, decision_boundary
from .invariants import check_invariants
from .partition_file import PartitionReader, write_partition
from .patterns import Patterns, following

__all__ = ["Cell", "Counts", "Edges", "Partition", "assemble", "load_partition"]


@dataclass(frozen=True)
class Counts:
    """The three different counts of regions, always reported together."""

    activation_regions: int
    linear_regions: int
    affine_pieces: int


@dataclass(frozen=True)
class Edges:
    """Edges of the complex: `vertices` (E, 2) with the smaller number first, `cells` (E, 2)
    the cell to the left and to the right of that direction, -1 outside the window."""

    vertices: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.vertices)


@dataclass(frozen=True)
class Cell:
    """One activation region of a partition; a view, computed on access."""

    partition: Partition
    index: int

    @property
    def corners(self) -> np.ndarray:
        """Vertex numbers, counter-clockwise."""
        p = self.partition
        return p.corners[p.offsets[self.index] : p.offsets[self.index + 1]]

    @property
    def points(self) -> list[Point]:
        """Homogeneous integer corners, counter-clockwise."""
        return [self.partition.vertices[v] for v in self.corners]

    @property
    def vertices(self) -> list[tuple[mpq, mpq]]:
        """Exact corners (u, v), counter-clockwise."""
        return [(mpq(x, w), mpq(y, w)) for x, y, w in self.points]

    @property
    def pattern(self) -> np.ndarray:
        """The code of every unit, in layer order (see `exactcam.model.nodes`)."""
        return self.partition.pattern(self.index)

    @property
    def affine(self) -> list[tuple[mpq, mpq, mpq]]:
        """Per output (a, b, c): the output is a u + b v + c on this cell."""
        forms, scale = self.partition.form(self.index), self.partition.form_scale
        return [(mpq(a, scale), mpq(b, scale), mpq(c, scale)) for a, b, c in forms]

    @property
    def area(self) -> mpq:
        """Exact area in slice coordinates."""
        return area2(self.points) / 2

    @property
    def interior_point(self) -> tuple[mpq, mpq]:
        """The mean of the corners: strictly inside, by convexity."""
        us, vs = zip(*self.vertices, strict=True)
        return sum(us, mpq(0)) / len(us), sum(vs, mpq(0)) / len(vs)


class Deferred(Protocol):
    """Output maps that are computed when asked for, and questions about them that need
    few exact ones; what the fast engine gives a partition in place of `forms`."""

    def form(self, cell: int) -> Block:
        """The exact output maps of one cell."""

    def map_keys(self) -> list[Any]:
        """A key for each cell: equal keys, equal output maps."""

    def may_tie(self, level: mpq) -> np.ndarray:
        """See `Partition.may_tie`."""


@runtime_checkable
class Ahead(Protocol):
    """Vertices that are computed when asked for, best many at a time."""

    def find(self, numbers: Iterable[int]) -> None:
        """Compute those with the given numbers."""


class Partition:
    """All activation regions of a network on a window of a slice.

    `patterns` (F, units; perhaps packed), `offsets` (F + 1,) and `corners` hold the combinatorics:
    cell i has vertices corners[offsets[i]:offsets[i+1]]. `vertices` are reduced
    homogeneous integer points; `forms` (F, outputs, 3) over `form_scale` are the
    output maps in slice coordinates. `vertices` may be a sequence that computes its
    entries when asked, and `forms` a `Deferred` that does.
    """

    def __init__(
        self,
        network: Network,
        slice: Slice,
        window: Window,
        patterns: np.ndarray | Patterns,
        offsets: np.ndarray,
        corners: np.ndarray,
        vertices: Sequence[Point],
        forms: tuple[np.ndarray, mpz] | Deferred,
        engine: str,
        jobs: int = 1,
    ) -> None:
        self.network, self.slice, self.window, self.engine = network, slice, window, engine
        self.jobs = jobs  # processes that may compute what is asked
        self.offsets, self.corners = _frozen(offsets), _frozen(corners)
        self._patterns, self.vertices, self._forms = patterns, vertices, forms

    def __len__(self) -> int:
        return len(self._patterns)

    def __repr__(self) -> str:
        return f"<Partition of {len(self)} activation regions, {self.vertex_count} vertices>"

    @property
    def vertex_count(self) -> int:
        return len(self.vertices)

    @cached_property
    def patterns(self) -> np.ndarray:
        """The code of every unit on every region, (F, units) in `network.pattern_dtype`."""
        codes = self._patterns if isinstance(self._patterns, np.ndarray) else self._patterns.whole()
        return _frozen(codes.astype(self.network.pattern_dtype, copy=False))

    def pattern(self, cell: int) -> np.ndarray:
        """The code of every unit on one region."""
        return self._patterns[cell].astype(self.network.pattern_dtype)

    @cached_property
    def _output_maps(self) -> tuple[np.ndarray, mpz]:
        deferred = self._forms
        if isinstance(deferred, tuple):
            return _frozen(deferred[0]), deferred[1]
        forms = np.empty((len(self), self.network.outputs, 3), dtype=object)
        for cell in range(len(self)):
            forms[cell] = deferred.form(cell).columns
        return _frozen(forms), self.form_scale

    def form(self, cell: int) -> np.ndarray:
        """The output maps of one cell, (outputs, 3) integers over `form_scale`."""
        if isinstance(self._forms, tuple) or "_output_maps" in self.__dict__:
            return self.forms[cell]
        return self._forms.form(cell).columns

    def may_tie(self, level: mpq) -> np.ndarray:
        """Cells that may have a point where the two largest outputs tie, or the only output
        equals `level`: all that do and, depending on the engine, some that do not."""
        if isinstance(self._forms, tuple):
            return np.arange(len(self))
        return self._forms.may_tie(level)

    @property
    def forms(self) -> np.ndarray:
        """Object array (F, outputs, 3) of integers: output maps times `form_scale`."""
        return self._output_maps[0]

    @cached_property
    def form_scale(self) -> mpz:
        """The positive integer under all output maps."""
        return self._forms[1] if isinstance(self._forms, tuple) else self._forms.form(0).denominator

    @cached_property
    def float_vertices(self) -> np.ndarray:
        """Correctly rounded vertices, float64 (V, 2)."""
        flat = [(to_float(mpq(x, w)), to_float(mpq(y, w))) for x, y, w in self.vertices]
        return _frozen(np.asarray(flat, dtype=np.float64).reshape(-1, 2))

    @property
    def cells(self) -> Sequence[Cell]:
        """The regions as objects, in canonical order."""
        return _Cells(self)

    @cached_property
    def edges(self) -> Edges:
        """Every edge once, with the cells on its two sides. Vectorised, O(E log E)."""
        low, high, forward, owner, new = self._half_edges
        if (~new[1:] & (forward[1:] == forward[:-1])).any():
            raise InvariantError("an edge is used twice in one direction: cells overlap")
        number = np.cumsum(new) - 1
        cells = np.full((int(new.sum()), 2), -1, dtype=np.int64)
        cells[number[forward], 0] = owner[forward]
        cells[number[~forward], 1] = owner[~forward]
        return Edges(_frozen(np.stack([low[new], high[new]], axis=1)), _frozen(cells))

    @property
    def _half_edges(self) -> tuple[np.ndarray, ...]:
        """Each cell's edges, those between two vertices in a row: the lesser vertex, the other,
        whether it runs from that to this, its cell, whether it is the first of its row."""
        ends = self.corners[following(self.offsets)]
        low, high = np.minimum(self.corners, ends), np.maximum(self.corners, ends)
        keys = (low * self.vertex_count + high) * 2 + (low == self.corners)
        order = np.argsort(keys)
        owner = np.repeat(np.arange(len(self)), np.diff(self.offsets))[order]
        new = np.diff(keys[order] // 2, prepend=-1) != 0
        return low[order], high[order], keys[order] % 2 == 1, owner, new

    @cached_property
    def edge_units(self) -> np.ndarray:
        """For each edge the first unit (in pattern order) whose code differs across it,
        -1 on the window's boundary: the unit whose knot line the edge lies on."""
        left, right = self.edges.cells.T
        out = np.full(len(left), -1, dtype=np.int64)
        inner = np.nonzero((left >= 0) & (right >= 0))[0]
        for chunk in np.array_split(inner, max(1, len(inner) * max(1, self.network.units) >> 24)):
            differs = self.patterns[left[chunk]] != self.patterns[right[chunk]]
            out[chunk] = differs.argmax(axis=1)
        return _frozen(out)

    @cached_property
    def map_numbers(self) -> np.ndarray:
        """For each cell the number of its output map: equal numbers, equal maps."""
        seen: dict[Any, int] = {}
        if isinstance(self._forms, tuple):
            keys = [tuple(form.ravel()) for form in self.forms]
        else:
            keys = self._forms.map_keys()
        return np.asarray([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)

    @cached_property
    def linear_region_numbers(self) -> np.ndarray:
        """For each cell the number of the linear region it belongs to."""
        parent = list(range(len(self)))

        def root(cell: int) -> int:
            while parent[cell] != cell:
                parent[cell] = parent[parent[cell]]
                cell = parent[cell]
            return cell

        maps = self.map_numbers
        pairs = self.edges.cells[(self.edges.cells >= 0).all(axis=1)]
        for left, right in pairs[maps[pairs[:, 0]] == maps[pairs[:, 1]]].tolist():
            parent[root(left)] = root(right)
        return np.unique([root(cell) for cell in range(len(self))], return_inverse=True)[1]

    @cached_property
    def counts(self) -> Counts:
        """Activation regions, linear regions and affine pieces."""
        return Counts(
            len(self),
            int(self.linear_region_numbers.max(initial=-1)) + 1,
            int(self.map_numbers.max(initial=-1)) + 1,
        )

    @cached_property
    def area_sum(self) -> mpq:
        """The exact sum of the cells' areas.

        The shoelace terms are added edge by edge, so that the two terms of an
        inner edge meet (and cancel if the complex is right) before any fraction
        is formed: the sum stays small where adding cell areas would not.
        """
        low, high, forward, _, new = self._half_edges
        first = np.nonzero(new)[0]
        turns = np.add.reduceat(np.where(forward, 1, -1), first)
        first, turns, total = first[turns != 0], turns[turns != 0], mpq(0)
        if isinstance(self.vertices, Ahead):
            self.vertices.find(np.unique([low[first], high[first]]).tolist())
        for edge, turn in zip(first.tolist(), turns.tolist(), strict=True):
            x, y, w = self.vertices[low[edge]]
            p, q, r = self.vertices[high[edge]]
            total += turn * mpq(x * q - y * p, w * r)
        return total / 2

    def decision_boundary(self, level: Any = 0) -> Boundary:
        """Where the two largest outputs tie, or one output equals `level` (see `boundary`)."""
        return decision_boundary(self, level)

    def locate(self, u: Any, v: Any) -> list[int]:
        """The cells that contain (u, v): one inside a cell, more on edges and vertices,
        none outside the window. Exact; O(F) float boxes, then exact sides."""
        point = homogeneous(u, v)
        where = np.asarray([to_float(mpq(point[0], point[2])), to_float(mpq(point[1], point[2]))])
        low, high = self._boxes
        # Rounding is monotone, so a rounded point outside a rounded box is outside the box.
        near = np.nonzero(((low <= where) & (where <= high)).all(axis=1))[0]
        return [int(i) for i in near if _inside(self.cells[int(i)].points, point)]

    @cached_property
    def _boxes(self) -> tuple[np.ndarray, np.ndarray]:
        points = self.float_vertices[self.corners]
        starts = self.offsets[:-1]
        return np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)

    def save(self, path: str | Path) -> None:
        """Write a result file that loses nothing, compressed where `path` ends in `.gz`."""
        write_partition(self, path)

    def check_invariants(self) -> None:
        """Raise InvariantError unless this is the exact partition (see `invariants`)."""
        check_invariants(self)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


class _Cells(Sequence[Cell]):
    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def __len__(self) -> int:
        return len(self._partition)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice_type):
            return [Cell(self._partition, i) for i in range(len(self))[index]]
        return Cell(self._partition, range(len(self))[index])


slice_type = type(np.s_[:])  # the builtin, which this module's argument names shadow


def _inside(corners: Sequence[Point], point: Point) -> bool:
    return all(
        side(join(p, corners[(k + 1) % len(corners)]), point) >= 0 for k, p in enumerate(corners)
    )


def assemble(
    network: Network, slice: Slice, window: Window, cells: Iterable[RawCell], engine: str
) -> Partition:
    """The canonical partition of raw cells: sorted, rotated, vertices shared."""
    dtype = network.pattern_dtype
    scale = mpz(1)
    gathered = []
    for cell in cells:
        points = [reduced(p) for p in cell.corners]
        least = min(range(len(points)), key=lambda k: cartesian(points[k]))
        pattern = cell.codes.astype(dtype)
        columns, scale = cell.output.columns, cell.output.denominator
        gathered.append((pattern.tobytes(), points[least:] + points[:least], columns, pattern))
    gathered.sort(key=lambda entry: entry[0])
    numbers: dict[Point, int] = {}
    corners = [numbers.setdefault(p, len(numbers)) for entry in gathered for p in entry[1]]
    offsets = np.cumsum([0, *(len(entry[1]) for entry in gathered)])
    forms = np.empty((len(gathered), network.outputs, 3), dtype=object)
    for k, entry in enumerate(gathered):
        forms[k] = entry[2]
    return Partition(
        network, slice, window,
        np.stack([entry[3] for entry in gathered]), offsets, np.asarray(corners, dtype=np.int64),
        tuple(numbers), (forms, scale), engine,
    )  # fmt: skip


def load_partition(path: str | Path) -> Partition:
    """The partition in a result file. Raises FileFormatError naming the file and line.

    The form of the file is checked, not its truth: for that call `check_invariants`.
    """
    reader = PartitionReader(path)
    cells = reader.cells()
    return assemble(reader.network, reader.slice, reader.window, cells, reader.engine)
