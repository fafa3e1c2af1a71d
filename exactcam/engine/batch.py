"""Batches of cells, the unit of work of the fast engine: large arrays instead of many objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .kernels.arrays import Cells

__all__ = ["Batch", "concatenated", "gathered"]


@dataclass(frozen=True)
class Batch:
    """Cells in canonical order: cell i has corners start[i]:start[i+1].

    `corners` (n, 8) are rows (u, v, delta, a, b, c, e, f) in local coordinates: a point
    and the line of the edge that leaves it (see `predicates`), `labels` (n,) that line's
    name (see `replay`); `codes` (cells, units) is the pattern as far as it is known. `places`
    (cells,) says which of a run's slices and windows each cell belongs to, None: all to the first.
    """

    start: np.ndarray
    corners: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    places: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def polygons(self) -> Cells:
        """The cells without their patterns."""
        return Cells(self.start, self.corners, self.labels)

    def part(self, low: int, high: int) -> Batch:
        """The cells low:high."""
        start = self.start[low : high + 1] - self.start[low]
        own = slice(self.start[low], self.start[high])
        places = None if self.places is None else self.places[low:high]
        return Batch(start, self.corners[own], self.labels[own], self.codes[low:high], places)

    def take(self, cells: np.ndarray) -> Batch:
        """The cells with these numbers, in the order given."""
        sizes = np.diff(self.start)[cells]
        start = np.concatenate([[0], np.cumsum(sizes)])
        own = np.repeat(self.start[:-1][cells] - start[:-1], sizes) + np.arange(start[-1])
        places = self.places_of(cells)
        return Batch(start, self.corners[own], self.labels[own], self.codes[cells], places)

    def places_of(self, cells: np.ndarray) -> np.ndarray | None:
        """`places` of the cells with these numbers."""
        return None if self.places is None else self.places[cells]


def concatenated(batches: list[Batch]) -> Batch:
    """Several batches as one, in the given order."""
    if len(batches) == 1:
        return batches[0]
    shifts = np.cumsum([0, *(b.start[-1] for b in batches[:-1])])
    starts = [b.start[1:] + shift for b, shift in zip(batches, shifts, strict=True)]
    return Batch(
        np.concatenate([[0], *starts]),
        np.concatenate([b.corners for b in batches]),
        np.concatenate([b.labels for b in batches]),
        np.concatenate([b.codes for b in batches]),
        None if batches[0].places is None else np.concatenate([b.places for b in batches]),
    )


def gathered(batches: Iterable[Batch], cells: int) -> Iterator[Batch]:
    """Regroup batches, in order, so that each but the last has at least `cells` cells."""
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= cells:
            yield concatenated(waiting)
            waiting = []
    if waiting:
        yield concatenated(waiting)
