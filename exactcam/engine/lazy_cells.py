"""Exact numbers of the cells that the fast engine found, for those who ask.

A cell is known by its pattern and the labels of its edges; `trace` makes exact vertices and
output maps of these. What is asked of all cells at once (which output maps are equal, which
cells a decision boundary may cross) floats with bounds answer for nearly all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arithmetic.constants import TINY, UNIT, UP
from ..arithmetic.rational import mpq, to_float
from ..model.geometry import Point, meet, reduced
from ..model.nodes import Block
from ..runtime.cached import cached_property
from ..runtime.float_mode import quiet
from ..runtime.fork_pool import spread
from .kernels import vertices as kernels
from .refine import Engine
from .region_store import Regions
from .schedule import head_start, shares

__all__ = ["ExactCells"]


class ExactCells:
    """Exact vertices and output maps of cells, from their patterns and labels; many at once
    are found by `jobs` processes."""

    def __init__(self, engine: Engine, cells: Regions, jobs: int = 1) -> None:
        self.engine, self.cells, self.jobs = engine, cells, jobs

    def points(self, corners: np.ndarray) -> list[Point]:
        """The exact reduced vertices at some corners. Ordered by cell it is fastest."""
        cells, trace = self.cells, self.engine.trace
        owner = np.searchsorted(cells.start, corners, side="right") - 1
        out: dict[int, Point] = {}
        for k in np.argsort(owner, kind="stable").tolist():
            corner, cell = int(corners[k]), int(owner[k])
            low, high = int(cells.start[cell]), int(cells.start[cell + 1])
            before = corner - 1 if corner > low else high - 1
            codes = cells.patterns[cell]
            lines = (trace.line(codes, int(cells.labels[e])) for e in (before, corner))
            out[k] = reduced(meet(*lines))
        return [out[k] for k in range(len(corners))]

    def place(self, points: np.ndarray, corners: np.ndarray) -> None:
        """Replace some rows of `points` by correctly rounded exact ones."""
        if len(corners):
            points[corners] = self.engine.frame.points(self.points(corners))

    def form(self, cell: int) -> Block:
        """The exact output maps of one cell; in canonical order cells share most work."""
        return self.engine.trace.output(self.cells.patterns[cell])

    @quiet()
    def map_keys(self) -> list[Any]:
        """A key for each cell, equal where the output maps are equal.

        Two maps whose float forms are further apart than their errors differ; only
        cells that are not proven different from all others have their exact map as key.
        """
        a, b, _, e, _ = np.moveaxis(self._maps, 1, 0)[:, :, 0]
        e = e * UP + TINY
        low = np.nextafter(np.stack([a - e, b - e], axis=1), -np.inf)
        high = np.nextafter(np.stack([a + e, b + e], axis=1), np.inf)
        lost = ~np.isfinite(low + high).all(axis=1)
        low[lost], high[lost] = -np.inf, np.inf
        names = kernels.clusters(np.concatenate([low, high], axis=1))
        shared = np.bincount(names)[names] > 1
        keys: list[Any] = names.tolist()
        for cell in np.nonzero(shared)[0].tolist():
            keys[cell] = tuple(self.form(cell).columns.ravel())
        return keys

    @quiet()
    def may_tie(self, level: mpq) -> np.ndarray:
        """Cells without a corner-wise proof (Lemma F3) that one side, or one output, wins."""
        height = to_float(level)
        found = []
        for first in range(0, len(self.cells), 4096):
            cells = slice(first, min(first + 4096, len(self.cells)))
            low, high = self.cells.start[cells.start], self.cells.start[cells.stop]
            u, v, d = self.cells.vertices[self.cells.corners[low:high]].T[:, :, None]
            sizes = np.diff(self.cells.start[cells.start : cells.stop + 1])
            owner = np.repeat(np.arange(len(sizes)), sizes)
            a, b, c, e, f = np.moveaxis(self._maps[cells], 1, 0)[:, owner]
            value = a * u + b * v + c
            size = np.maximum(np.abs(u), np.abs(v))
            bound = 5 * UNIT * (np.abs(a * u) + np.abs(b * v) + np.abs(c))
            bound = (bound + e * size + f + (np.abs(a) + np.abs(b) + e) * d) * UP + TINY
            start = self.cells.start[cells.start : cells.stop] - low
            if value.shape[1] == 1:
                bound += 2 * UNIT * (np.abs(value) + abs(height))
                above = np.logical_and.reduceat(value - height > bound, start)
                below = np.logical_and.reduceat(value - height < -bound, start)
                clear = (above | below)[:, 0]
            else:
                best = value[start].argmax(axis=1)[owner][:, None]
                lowest = np.take_along_axis(value - bound, best, axis=1)
                rivals = value + bound
                np.put_along_axis(rivals, best, -np.inf, axis=1)
                highest = rivals.max(axis=1, keepdims=True)
                ahead = lowest - highest > 8 * UNIT * (np.abs(lowest) + np.abs(highest))
                clear = np.logical_and.reduceat(ahead[:, 0], start)
            found.append(first + np.nonzero(~clear)[0])
        return np.concatenate(found)

    @cached_property
    def _maps(self) -> np.ndarray:
        """Float output maps with errors, (cells, 5, outputs): a, b, c, e, f in local
        coordinates. Runs the engine again: keeping them all along would cost memory."""
        # Alone, depth first: an early layer's cells with all their forms may be many.
        jobs = self.jobs
        tasks = shares(self.engine, jobs) if jobs > 1 else [self.engine.start()]

        def maps(k: int) -> np.ndarray:
            found = self.engine.outputs([tasks[k]])
            return np.concatenate(
                [np.concatenate([x.coefficients, x.errors[x.owner]], axis=1) for x in found]
            )

        wait = head_start(self.engine, tasks)
        return np.concatenate(spread(maps, len(tasks), jobs, head_start=wait))
