"""Which corners of some cells may be one vertex, and each cell's first corner.

Corners whose error boxes meet share a cluster, so that equal vertices always do; whether a
cluster is one vertex is for `glue` to prove, from all cells (Lemmas 26 and 27). Done batch by
batch, where they are found: in cache, and by whoever has found them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..complex.patterns import Patterns
from ..model.geometry import cartesian
from .kernels import vertices as kernels
from .lazy_cells import ExactCells
from .refine import Batch, Engine, gathered
from .region_store import Regions

__all__ = ["pieces"]

_CELLS = 128  # what is named at a time, at least
_VAGUE = 2.0**-8  # corners less certain than this would join everything: placed exactly at once


def pieces(engine: Engine, batches: Iterable[Batch]) -> Iterator[Regions]:
    """What is kept of an engine's batches: each region from its lexicographically least
    corner on, corners in one cluster of a batch having one number."""
    kind = np.int32 if engine.trace.labels.starts[-1] < 1 << 31 else np.int64
    for batch in gathered(batches, _CELLS):
        points, corners = batch.corners[:, :3].copy(), np.arange(len(batch.corners))
        patterns = Patterns.of(batch.codes)
        exact = ExactCells(engine, Regions(batch.start, corners, batch.labels, points, patterns))
        exact.place(points, np.nonzero(~(points[:, 2] <= _VAGUE))[0])
        boxes = kernels.boxes(points)
        names = kernels.clusters(boxes)
        choice = kernels.least_corners(batch.corners, batch.start, boxes)
        for cell in np.nonzero(choice < 0)[0].tolist():
            first, last = int(batch.start[cell]), int(batch.start[cell + 1])
            choice[cell] = _least(exact, np.arange(first, last))
        order = kernels.turned(batch.start, choice)
        yield Regions(
            batch.start, names[order].astype(np.int32), batch.labels[order].astype(kind),
            kernels.hulls(points, names), patterns,
        )  # fmt: skip


def _least(exact: ExactCells, corners: np.ndarray) -> int:
    """The lexicographically least of some corners."""
    found = zip(exact.points(corners), corners.tolist(), strict=True)
    return min(found, key=lambda pair: cartesian(pair[0]))[1]
