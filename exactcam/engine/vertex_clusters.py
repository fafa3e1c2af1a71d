"""Cluster the corners of a batch of cells that may be one vertex; choose each cell's first corner.

Corners whose error boxes meet share a cluster, so that equal vertices always do; `glue` proves
from all cells whether a cluster is one vertex (Lemmas 26 and 27). It is done batch by batch in
the process that finds the cells, while their corners are in its cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..model.geometry import cartesian
from .kernels import vertices as kernels
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
    kind = np.int32 if engine.trace.labels.starts[-1] < 1 << 31 else np.int64
    for batch in gathered(batches, _CELLS):
        points, corners = batch.corners[:, :3].copy(), np.arange(len(batch.corners))
        patterns = PackedPatterns.of(batch.codes)
        exact = ExactCells(engine, Regions(batch.start, corners, batch.labels, points, patterns))
        exact.place(points, np.nonzero(~(points[:, 2] <= _VAGUE))[0])
        boxes = kernels.boxes(points)
        names = kernels.clusters(boxes)
        choice = kernels.least_corners(batch.corners, batch.start, boxes)
        for cell in np.nonzero(choice < 0)[0].tolist():
            first, last = int(batch.start[cell]), int(batch.start[cell + 1])
            choice[cell] = _least(exact, np.arange(first, last))
        order = kernels.turned(batch.start, choice)
        corners, labels = names[order].astype(np.int32), batch.labels[order].astype(kind)
        yield Regions(batch.start, corners, labels, kernels.hulls(points, names), patterns)


def _least(exact: ExactCells, corners: np.ndarray) -> int:
    """The lexicographically least of some corners, by exact coordinates."""
    found = zip(exact.points(corners), corners.tolist(), strict=True)
    return min(found, key=lambda pair: cartesian(pair[0]))[1]
