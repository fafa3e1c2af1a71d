"""Cluster the corners of a batch of cells that may be one vertex; choose each cell's first corner.

Corners whose error boxes meet share a cluster, so that equal vertices always do; `glue` proves
from all cells whether a cluster is one vertex (Lemmas 26 and 27). It is done batch by batch in
the process that finds the cells, while their corners are in its cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..model.geometry import cartesian
from ..runtime.float_mode import quiet
from .kernels import vertices as kernels
from .kernels.constants import B
from .lazy_cells import ExactCells
from .packed_patterns import PackedPatterns
from .refine import Batch, Engine, gathered
from .region_store import Regions

__all__ = ["pieces"]

_CELLS = 128  # cells clustered at a time, at least
_VAGUE = 2.0**-8  # corners less certain than this would join everything: placed exactly at once


def pieces(engine: Engine, batches: Iterable[Batch]) -> Iterator[Regions]:
    """An engine's batches as compact `Regions`, each cell from its lexicographically least corner.

    Corners in one cluster of a batch have one number. Exact arithmetic is used only where
    float corners are vague or their order is not proven.
    """
    kind = np.int32 if engine.labels.starts[-1] < 1 << 31 else np.int64
    for batch in gathered(batches, _CELLS):
        points, corners = batch.corners[:, :3].copy(), np.arange(len(batch.corners))
        patterns = PackedPatterns.of(batch.codes)
        exact = ExactCells(engine, Regions(batch.start, corners, batch.labels, points, patterns))
        exact.place(points, np.nonzero(~(points[:, 2] <= _VAGUE))[0])
        boxes = kernels.boxes(points)
        names = kernels.clusters(boxes)
        upright = np.zeros(len(corners), dtype=np.bool_)
        choice = kernels.least_corners(batch.corners, batch.start, boxes, upright)
        if (choice < 0).any():
            upright = _upright(engine, batch, choice < 0)
        if upright.any():
            choice = kernels.least_corners(batch.corners, batch.start, boxes, upright)
        for cell in np.nonzero(choice < 0)[0].tolist():
            own = np.arange(batch.start[cell], batch.start[cell + 1])
            near = own[boxes[own, 0] <= boxes[own, 2].min()]  # the least is one of them (Lemma 27)
            choice[cell] = _least(exact, near)
        order = kernels.turned(batch.start, choice)
        corners, labels = names[order].astype(np.int32), batch.labels[order].astype(kind)
        yield Regions(batch.start, corners, labels, kernels.hulls(points, names), patterns)


@quiet()
def _upright(engine: Engine, batch: Batch, cells: np.ndarray) -> np.ndarray:
    """Which edges of the cells marked in `cells` are upright, as far as what is multiplied by zero
    proves it (Lemma 27); all edges of others are False."""
    owner = np.repeat(np.arange(len(batch)), np.diff(batch.start))
    lines, labels = batch.corners, batch.labels
    some = np.nonzero(cells[owner] & (lines[:, B] == 0.0) & (labels >= 0))[0]
    numbers = np.searchsorted(engine.labels.starts, labels[some], side="right") - 1
    out = np.zeros(len(owner), dtype=np.bool_)
    for number in np.unique(numbers).tolist():
        edges = some[numbers == number]
        fixed = engine.uprights.values(batch.codes[owner[edges]], number)
        for edge, own in zip(edges.tolist(), fixed, strict=True):
            out[edge] = own[engine.labels.rows(int(labels[edge]))].all()
    return out


def _least(exact: ExactCells, corners: np.ndarray) -> int:
    """The lexicographically least of some corners, by exact coordinates."""
    found = zip(exact.points(corners), corners.tolist(), strict=True)
    return min(found, key=lambda pair: cartesian(pair[0]))[1]
