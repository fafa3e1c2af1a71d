"""Join independently cut cells to one complex: decide which corners are the same vertex.

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

from collections.abc import Iterable

from ..complex.cell_data import Outlines
from ..complex.partition import Partition
from ..errors import InvariantError
from .half_edges import twins
from .kernels import vertices as kernels
from .lazy_cells import ExactCells, LazyMaps, LazyVertices
from .refine import Engine
from .region_store import Regions

__all__ = ["glue"]


def glue(engine: Engine, parts: Iterable[Regions]) -> Partition:
    """The canonical partition of all regions that a run of an engine has found.

    Parameters
    ----------
    engine : Engine
    parts : iterable of Regions
        In canonical order, as `vertex_clusters.pieces` makes them.

    Raises
    ------
    InvariantError
        Where the number of vertices contradicts Euler's formula.
    """
    cells = Regions.joined(parts)
    exact = ExactCells(engine, cells)
    edges = (len(cells.labels) + int((cells.labels < 0).sum())) // 2
    wanted = 1 + edges - len(cells)
    names = kernels.clusters(kernels.boxes(cells.vertices))
    names, first = kernels.by_appearance(names, cells.corners)
    if len(first) < wanted:
        names, first = kernels.around(cells.start, twins(exact, names))
    if len(first) != wanted:
        raise InvariantError(f"{len(first)} vertices found, Euler's formula says {wanted}")
    question = engine.network, engine.plane, engine.window
    outlines, vertices = Outlines(cells.start, names), LazyVertices(exact, first)
    return Partition(*question, "fast", cells.patterns, outlines, vertices, LazyMaps(exact))
