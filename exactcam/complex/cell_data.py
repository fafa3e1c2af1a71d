"""The data of a cell complex: vertices, cells, patterns, output maps, and what is read off them.

`CellData` holds what an engine or a file gives, and derives areas and adjacency from it when
they are asked for. The questions that need modules of their own (boundary, checks, files)
take a `CellData`; `Partition` (see `partition`) adds them as methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, SupportsIndex, TypeVar, overload

import numpy as np

from ..arithmetic.rational import mpq, mpz, to_float
from ..errors import ExactcamError, InvariantError, MissingCellError
from ..model.geometry import Point, area2, cartesian
from ..model.network import Network
from ..model.slice import Slice, Window
from ..runtime.arguments import integer
from ..runtime.cached import cached_property
from .output_maps import OutputMaps, frozen
from .patterns import Patterns, following
from .vertices import Vertices

__all__ = ["Cell", "CellData", "Cells", "Edges", "Outlines"]


class Outlines(NamedTuple):
    """Corners of all cells: cell i has vertices corners[offsets[i]:offsets[i+1]]."""

    offsets: np.ndarray
    corners: np.ndarray


@dataclass(frozen=True, repr=False)
class Edges:
    """Every edge of a complex, with the cells on its two sides.

    Attributes
    ----------
    vertices : ndarray of int, (edges, 2)
        Numbers of the two ends, the smaller one first.
    cells : ndarray of int, (edges, 2)
        The cell to the left and to the right of that direction, -1 outside the window.
    """

    vertices: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.vertices)

    def __repr__(self) -> str:
        outer = int((self.cells < 0).any(axis=1).sum())
        return f"<Edges: {len(self)}, {outer} of them on the window's boundary>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _edges, (self.vertices, self.cells)


def _edges(vertices: np.ndarray, cells: np.ndarray) -> Edges:
    """Edges whose arrays are read-only."""
    return Edges(frozen(vertices), frozen(cells))


Whole = TypeVar("Whole", bound="CellData", covariant=True)


@dataclass(frozen=True, repr=False)
class Cell(Generic[Whole]):
    """One activation region of a partition; a view, computed on access."""

    partition: Whole
    index: int

    def __repr__(self) -> str:
        return f"<Cell {self.index} of {len(self.partition)}, {len(self.corners)} corners>"

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
        return [cartesian(point) for point in self.points]

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


class Cells(Sequence[Cell[Whole]], Generic[Whole]):
    """The cells of a complex as objects made on access."""

    def __init__(self, data: Whole) -> None:
        self._data = data

    def __repr__(self) -> str:
        return f"<Cells: {len(self)} activation regions>"

    def __len__(self) -> int:
        return len(self._data)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Cell[Whole]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Cell[Whole]]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Cell[Whole] | list[Cell[Whole]]:
        if isinstance(index, slice):
            try:
                return [Cell(self._data, i) for i in range(len(self))[index]]
            except (TypeError, ValueError):
                raise ExactcamError(f"cells[{index}] is no range of cells") from None
        number = integer(index, "the number of a cell")
        if not -len(self) <= number < len(self):
            raise MissingCellError(f"there is no cell {number}: there are {len(self):,}")
        return Cell(self._data, number % len(self))


class CellData:
    """All cells of a network's partition of a window: immutable, exact, in canonical order.

    Parameters
    ----------
    network, slice, window
        The question.
    engine : str
        The name of the engine that answered it.
    patterns : Patterns
        The code of every unit on every cell.
    outlines : Outlines
        The vertex numbers of the cells' corners, counter-clockwise.
    vertices : Vertices
        Reduced homogeneous integer points, perhaps computed when asked for.
    output_maps : OutputMaps
        The outputs on every cell, perhaps computed when asked for.
    """

    def __init__(
        self,
        network: Network,
        slice: Slice,
        window: Window,
        engine: str,
        patterns: Patterns,
        outlines: Outlines,
        vertices: Vertices,
        output_maps: OutputMaps,
    ) -> None:
        self.network, self.slice, self.window, self.engine = network, slice, window, engine
        self.offsets, self.corners = (frozen(array) for array in outlines)
        self._patterns, self.vertices, self.output_maps = patterns, vertices, output_maps

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the arguments it was made of: nothing that can be computed again."""
        outlines = Outlines(self.offsets, self.corners)
        question = (self.network, self.slice, self.window, self.engine)
        return type(self), (*question, self._patterns, outlines, self.vertices, self.output_maps)

    def __len__(self) -> int:
        return len(self._patterns)

    @property
    def vertex_count(self) -> int:
        """The number of vertices."""
        return len(self.vertices)

    @cached_property
    def patterns(self) -> np.ndarray:
        """The code of every unit on every region, (F, units) in `network.pattern_dtype`."""
        return frozen(self._patterns.whole().astype(self.network.pattern_dtype, copy=False))

    def pattern(self, cell: int) -> np.ndarray:
        """The code of every unit on one region."""
        return self._patterns[cell].astype(self.network.pattern_dtype)

    @property
    def forms(self) -> np.ndarray:
        """Object array (F, outputs, 3) of integers: output maps times `form_scale`."""
        return self.output_maps.whole()

    def form(self, cell: int) -> np.ndarray:
        """The output maps of one cell, (outputs, 3) integers over `form_scale`."""
        return self.output_maps.form(cell)

    @property
    def form_scale(self) -> mpz:
        """The positive integer under all output maps."""
        return self.output_maps.scale

    @cached_property
    def float_vertices(self) -> np.ndarray:
        """Correctly rounded vertices, float64 (V, 2)."""
        flat = [(to_float(u), to_float(v)) for u, v in map(cartesian, self.vertices)]
        return frozen(np.asarray(flat, dtype=np.float64).reshape(-1, 2))

    @property
    def cells(self) -> Sequence[Cell[CellData]]:
        """The regions as objects, in canonical order."""
        return Cells(self)

    @cached_property
    def edges(self) -> Edges:
        """Every edge once, with the cells on its two sides. Vectorised, O(E log E).

        Raises InvariantError where two cells use an edge in the same direction.
        """
        low, high, forward, owner, new = self._half_edges
        twice = ~new[1:] & (forward[1:] == forward[:-1])
        if twice.any():
            raise InvariantError(
                f"regions {owner[:-1][twice][0]} and {owner[1:][twice][0]} overlap: an edge is used "
                "twice in one direction"
            )
        number = np.cumsum(new) - 1
        cells = np.full((int(new.sum()), 2), -1, dtype=np.int64)
        cells[number[forward], 0] = owner[forward]
        cells[number[~forward], 1] = owner[~forward]
        return _edges(np.stack([low[new], high[new]], axis=1), cells)

    @property
    def _half_edges(self) -> tuple[np.ndarray, ...]:
        """All half-edges, sorted so that those between the same two vertices are adjacent: arrays of
        the lesser vertex, the greater one, whether it runs from lesser to greater, its cell, and
        whether it is the first between its two vertices."""
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
        return frozen(out)

    @cached_property
    def outer_edges(self) -> list[tuple[int, int, int]]:
        """Edges that cells do not use equally often in both directions: (vertex, vertex, surplus).

        In a partition these are the edges on the window's boundary.
        """
        low, high, forward, _, new = self._half_edges
        first = np.nonzero(new)[0]
        surplus = np.add.reduceat(np.where(forward, 1, -1), first)
        kept = surplus != 0
        columns = low[first[kept]], high[first[kept]], surplus[kept]
        return list(zip(*(column.tolist() for column in columns), strict=True))

    @cached_property
    def area_sum(self) -> mpq:
        """The exact sum of the cells' areas.

        The two shoelace terms of an inner edge cancel before any fraction is formed,
        so the sum stays small where adding cell areas would not.
        """
        self.vertices.prefetch(ends_of(self.outer_edges))
        total = mpq(0)
        for low, high, surplus in self.outer_edges:
            x, y, w = self.vertices[low]
            p, q, r = self.vertices[high]
            total += surplus * mpq(x * q - y * p, w * r)
        return total / 2


def ends_of(edges: Iterable[tuple[int, int, int]]) -> list[int]:
    """The vertices of some `outer_edges`, in order."""
    return sorted({vertex for low, high, _ in edges for vertex in (low, high)})
