"""From batches of independent cells to one complex: which corners are the same vertex.

The fast engine cuts cells without looking at their neighbours; by continuity the
pieces fit edge to edge, so every inner edge has exactly one twin. What is left is to
name the vertices. Two corners can be the same vertex only if their error boxes meet,
so corners are clustered by position: a cluster never separates equal vertices, and
there are at most V clusters. V itself is known without any geometry: with H corners,
B of them starting an edge on the window's boundary and F cells, E = (H + B) / 2 and,
the window being simply connected, V = 1 + E - F (Euler). If there are exactly V
clusters, no cluster holds two vertices, and the naming is proven (Lemma 26). If there are
fewer, edges find their twins (`twins`), and corners are joined around each vertex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ..complex.partition import Partition
from ..errors import InvariantError
from ..model.geometry import Point
from ..runtime.fork_pool import chunks, spread
from .half_edges import twins
from .kernels import vertices as kernels
from .lazy_cells import ExactCells
from .refine import Engine
from .region_store import Regions

__all__ = ["glue"]


def glue(engine: Engine, parts: Iterable[Regions], jobs: int = 1) -> Partition:
    """The canonical `Partition` of all regions of an engine's run, in `naming.pieces`; `jobs`
    processes compute what is asked of it later."""
    cells = Regions.joined(parts)
    exact = ExactCells(engine, cells, jobs)
    edges = (len(cells.labels) + int((cells.labels < 0).sum())) // 2
    wanted = 1 + edges - len(cells)
    names = kernels.clusters(kernels.boxes(cells.vertices))
    names, first = kernels.by_appearance(names, cells.corners)
    if len(first) < wanted:
        names, first = kernels.around(cells.start, twins(exact, names))
    if len(first) != wanted:
        raise InvariantError(f"{len(first)} vertices found, Euler's formula says {wanted}")
    return Partition(
        engine.network, engine.plane, engine.window,
        cells.patterns, cells.start, names, _Vertices(exact, first), exact, "fast", jobs,
    )  # fmt: skip


class _Vertices(Sequence[Point]):
    """Exact vertices, computed when first asked for, many at once by `exact.jobs` processes."""

    def __init__(self, exact: ExactCells, corners: np.ndarray) -> None:
        self._exact, self._corners = exact, corners
        self._known: dict[int, Point] = {}

    def __len__(self) -> int:
        return len(self._corners)

    def __getitem__(self, index: Any) -> Any:
        wanted = range(len(self))[index]
        if isinstance(wanted, range):
            self.find(wanted)
            return tuple(self._known[k] for k in wanted)
        if wanted not in self._known:
            (self._known[wanted],) = self._exact.points(self._corners[wanted : wanted + 1])
        return self._known[wanted]

    def __iter__(self) -> Iterator[Point]:
        return iter(self[:])

    def find(self, numbers: Iterable[int]) -> None:
        missing = [k for k in numbers if k not in self._known]
        jobs = self._exact.jobs
        parts = chunks(self._corners[missing], jobs, 64)
        found = spread(lambda k: self._exact.points(parts[k]), len(parts), jobs)
        self._known.update(zip(missing, chain.from_iterable(found), strict=True))
