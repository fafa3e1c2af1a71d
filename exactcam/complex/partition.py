"""The result: an immutable, exact cell complex with its network, slice and window.

Cells are in the canonical order of their activation patterns (as bytes), each
cell's corners are counter-clockwise from its lexicographically least vertex, and
vertices are numbered by first appearance. Two engines that are both right
therefore return equal partitions, entry by entry. Everything that is not needed
for counting - exact vertices, affine maps, adjacency - is computed when first
asked for and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..arithmetic.rational import mpq, mpz, rational, to_float
from ..errors import FileFormatError, InvariantError
from ..exact.reference import RawCell
from ..model.geometry import Point, cartesian, edges_of, homogeneous, join, reduced, side
from ..model.network import Network
from ..model.network_file import write_network
from ..model.slice import Slice, Window
from ..model.slice_file import write_slice
from ..runtime.arguments import file_name
from ..runtime.cached import cached_property
from ..runtime.processes import checked
from .boundary import Boundary, decision_boundary
from .cell_data import Cell, CellData, Cells, Outlines, ends_of
from .certificate import check_limits, write_certificate
from .counts import Counts, linear_regions, numbered
from .invariants import check_continuity, check_invariants, check_some, check_tiling
from .output_maps import StoredMaps, frozen
from .partition_file import PartitionReader, write_partition
from .patterns import StoredPatterns
from .vertices import StoredVertices

__all__ = ["COMPARED", "Partition", "assemble", "load_partition", "proving"]


COMPARED = 16  # regions of a result file that are compared with its network when it is read


class Partition(CellData):
    """All activation regions of a network on a window of a slice.

    Besides the data (see `CellData`) it answers the questions people ask of it. Properties
    compute in this process what is not known yet; `prefetch` uses several.
    """

    @cached_property
    def _boundaries(self) -> dict[mpq, Boundary]:
        """The decision boundaries that are known, by level."""
        return {}

    @classmethod
    def of_arrays(
        cls,
        network: Network,
        slice: Slice,
        window: Window,
        engine: str,
        patterns: np.ndarray,
        outlines: tuple[np.ndarray, np.ndarray],
        vertices: Iterable[Point],
        forms: tuple[np.ndarray, mpz],
    ) -> Partition:
        """A partition of which everything is known already; nothing is checked.

        Parameters
        ----------
        network, slice, window, engine
            The question, and who answered it.
        patterns : ndarray of int, (F, units)
            The code of every unit on every region.
        outlines : tuple of ndarray of int, (F + 1,) and (corners,)
            `offsets` and `corners`: see `Outlines`.
        vertices : iterable of Point
            Reduced homogeneous integer points.
        forms : tuple of ndarray of object, (F, outputs, 3), and mpz
            The output maps in integers, and the scale under them.
        """
        stored = StoredPatterns(patterns), Outlines(*outlines), StoredVertices(vertices)
        return cls(network, slice, window, engine, *stored, StoredMaps(*forms))

    def __repr__(self) -> str:
        return f"<Partition of {len(self)} activation regions, {self.vertex_count} vertices>"

    @property
    def cells(self) -> Sequence[Cell[Partition]]:
        """The regions as objects, in canonical order."""
        return Cells(self)

    def prefetch(self, jobs: int = 1, *, vertices: bool = True, forms: bool = True) -> None:
        """Compute with several processes what properties would compute in this one.

        Always computed are bounds of the output maps (for counts and boundary) and the
        vertices on the window's boundary (for `area_sum`). What is known is not computed again.

        Parameters
        ----------
        jobs : int
            How many processes to use, where they can be forked.
        vertices, forms : bool
            Whether to compute every exact vertex, every exact output map.
        """
        self.output_maps.prefetch(checked(jobs), exact=forms)
        self.vertices.prefetch(None if vertices else ends_of(self.outer_edges), jobs)

    @cached_property
    def map_numbers(self) -> np.ndarray:
        """For each cell the number of its output map: equal numbers, equal maps."""
        return frozen(numbered(self.output_maps.keys()))

    @cached_property
    def linear_region_numbers(self) -> np.ndarray:
        """For each cell the number of the linear region it belongs to."""
        return frozen(linear_regions(self.map_numbers, self.edges.cells))

    @cached_property
    def counts(self) -> Counts:
        """Activation regions, linear regions and affine pieces."""
        return Counts(
            len(self),
            int(self.linear_region_numbers.max(initial=-1)) + 1,
            int(self.map_numbers.max(initial=-1)) + 1,
        )

    def decision_boundary(self, level: Any = 0, jobs: int = 1) -> Boundary:
        """Where the two largest outputs tie, or the only output equals a level.

        Computed once for each level; see `exactcam.complex.boundary`.

        Parameters
        ----------
        level : exact number
            For networks of one output; 0 for several.
        jobs : int
            How many processes to use, where they can be forked.
        """
        key = rational(level, "level")
        if checked(jobs) and key not in self._boundaries:
            self._boundaries[key] = decision_boundary(self, key, jobs)
        return self._boundaries[key]

    def locate(self, u: Any, v: Any) -> list[int]:
        """The cells that contain (u, v): one inside a cell, more on edges and vertices,
        none outside the window. Exact; O(F) float boxes, then exact sides."""
        point = homogeneous(u, v)
        where = np.asarray([to_float(x) for x in cartesian(point)])
        low, high = self._boxes
        # Rounding is monotone, so a rounded point outside a rounded box is outside the box.
        near = np.nonzero(((low <= where) & (where <= high)).all(axis=1))[0].tolist()
        return [cell for cell in near if _inside(self.cells[cell].points, point)]

    @cached_property
    def _boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and greatest float coordinates of each cell."""
        points = self.float_vertices[self.corners]
        starts = self.offsets[:-1]
        return np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)

    def save(self, path: str | Path) -> None:
        """Write a result file that loses nothing, compressed where `path` ends in `.gz`."""
        write_partition(self, file_name(path))

    def certify(
        self,
        path: str | Path,
        network: str | Path | None = None,
        slice: str | Path | None = None,
        jobs: int = 1,
    ) -> None:
        """Write a certificate that `exactcam.check` can verify without trusting this program.

        Parameters
        ----------
        path : path
            The certificate; compressed where it ends in `.gz`.
        network, slice : path, optional
            Where to write the exact network file, and the slice with its window: the two
            files that the certificate is checked against.
        jobs : int
            How many processes to use, where they can be forked.

        Raises
        ------
        NetworkError
            Where the network is larger than the checker reads.
        OSError
            Where a file cannot be written.
        """
        files = [(network, "network"), (slice, "slice")]
        others = [None if file is None else file_name(file, name) for file, name in files]
        target = file_name(path)
        check_limits(self.network)
        self.prefetch(jobs, forms=False)
        write_certificate(self, self.counts, self.decision_boundary(jobs=jobs), target)
        if others[0] is not None:
            write_network(self.network, others[0])
        if others[1] is not None:
            write_slice(self.slice, self.window, others[1])

    def check_invariants(self) -> None:
        """Raise InvariantError unless this is the exact partition (see `invariants`)."""
        check_invariants(self)


def _inside(corners: Sequence[Point], point: Point) -> bool:
    """Whether a point is in a closed counter-clockwise convex polygon."""
    return all(side(join(start, end), point) >= 0 for start, end in edges_of(corners))


def assemble(
    network: Network, slice: Slice, window: Window, cells: Iterable[RawCell], engine: str
) -> Partition:
    """The canonical partition of cells in any order: sorted, rotated, vertices shared."""
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
    outlines = offsets, np.asarray(corners, dtype=np.int64)
    patterns = np.stack([entry[3] for entry in gathered])
    return Partition.of_arrays(
        network, slice, window, engine, patterns, outlines, numbers, (forms, scale)
    )


def load_partition(path: str | Path) -> Partition:
    """The partition in a result file, proved to be one.

    Regions are convex, have different patterns, fit edge to edge and tile the window, and their
    output maps fit together, all exactly. That patterns and maps are those of the network the
    file holds is looked at for a few regions only; `check_invariants` proves it for all.

    Raises
    ------
    FileFormatError
        The file is damaged or no partition; names the file, and the line or region.
    """
    reader = PartitionReader(file_name(path, error=FileFormatError))
    cells = reader.cells()
    part = assemble(reader.network, reader.slice, reader.window, cells, reader.engine)
    with proving(path):
        check_tiling(part)
        check_continuity(part)
        check_some(part, COMPARED)
    return part


@contextmanager
def proving(path: str | Path) -> Iterator[None]:
    """Turn InvariantError into FileFormatError: what is checked inside is a file's claim."""
    try:
        yield
    except InvariantError as error:
        raise FileFormatError(f"{path}: is no partition: {error}; compute it again") from None
