"""Pair half-edges: find for each cell's edge the same edge of the neighbouring cell.

Every inner edge is an edge of exactly two cells, its twins (Lemma 5). Both run between
the same two clusters of corners, so where just two edges do, they are twins. Of more,
two are if they lie on one unit's line and their cells' patterns differ in that unit alone
(Lemma 28): that is combinatorial, however short or close the edges are. What is left
where several units change on one edge is compared by exact ends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from ..complex.patterns import following
from ..errors import InvariantError
from .lazy_cells import ExactCells

__all__ = ["twins"]


def twins(exact: ExactCells, names: np.ndarray) -> np.ndarray:
    """For each half-edge (the edge that leaves a corner) its twin in the neighbouring cell.

    Parameters
    ----------
    exact : ExactCells
        All cells of a partition.
    names : np.ndarray, int (corners,)
        Clusters of corners: equal vertices share one.

    Returns
    -------
    np.ndarray, int64 (corners,)
        The corner that the twin leaves, -1 on the window's boundary. O(n log n), with exact
        arithmetic only for what Lemma 28 leaves.
    """
    cells = exact.cells
    after = following(cells.start)
    low, high = np.minimum(names, names[after]), np.maximum(names, names[after])
    between = low * (int(names.max()) + 1) + high
    out = np.full(len(names), -1, dtype=np.int64)

    def ends(corner: int) -> Hashable:
        """The exact ends of an edge, as an unordered pair."""
        return frozenset(exact.points(np.asarray([corner, after[corner]])))

    left = _only_two(out, np.nonzero(cells.labels >= 0)[0], between)
    left = _equal(out, left, lambda corner: _side(exact, corner))
    left = _only_two(out, left, between)
    left = _equal(out, left, ends)
    if len(left):
        raise InvariantError(f"the edge from corner {left[0]} has no twin")
    return out


def _only_two(out: np.ndarray, edges: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Pair the edges that are the only two between their clusters; return the others."""
    edges = edges[np.argsort(between[edges], kind="stable")]
    begin = np.nonzero(np.diff(between[edges], prepend=-1))[0]
    first = begin[np.diff(begin, append=len(edges)) == 2]
    out[edges[first]], out[edges[first + 1]] = edges[first + 1], edges[first]
    return np.sort(edges[out[edges] < 0])


def _equal(out: np.ndarray, edges: np.ndarray, key: Callable[[int], Hashable]) -> np.ndarray:
    """Pair the edges with equal keys; return the others."""
    waiting: dict[Hashable, int] = {}
    for edge in edges.tolist():
        twin = waiting.pop(own := key(edge), None)
        if twin is None:
            waiting[own] = edge
        else:
            out[edge], out[twin] = twin, edge
    return np.asarray(list(waiting.values()), dtype=np.int64)


def _side(exact: ExactCells, corner: int) -> Hashable:
    """A key that only an edge and its twin share, if just one unit changes on the edge."""
    cells, trace = exact.cells, exact.engine.trace
    label = int(cells.labels[corner])
    codes = cells.patterns[int(np.searchsorted(cells.start, corner, side="right")) - 1]
    a, unit, members = trace.labels.unit(label)
    entry = trace.network.layers[a].units.start + unit
    if members is not None and codes[entry] not in members:
        return corner
    codes[entry] = 0
    return label, codes.tobytes()
