"""What the fast engine keeps of the regions it has found, until someone asks for more.

Millions of regions have to fit: corners in one cluster (`naming`) share an entry, and
patterns are kept only as far as they vary among neighbours in the canonical order, which is
little. So it is also what travels between processes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Patterns", "Regions", "following"]

_RUN = 256  # cells whose patterns share what is the same in all of them


def following(start: np.ndarray) -> np.ndarray:
    """For each corner the next one of its cell; number i has corners start[i]:start[i+1]."""
    out = np.arange(1, int(start[-1]) + 1)
    out[start[1:] - 1] = start[:-1]
    return out


@dataclass(frozen=True)
class Patterns:
    """Patterns of consecutive cells, in runs: indexed by cell, or `whole` as (cells, units).

    Run k has sizes[k] = (cells, entries) and begins with pattern first[k]; a cell's differs
    (xor) by the masks of the entries that its row of `bits`, of whole bytes, has a one for.
    Entry j is masks[j] of unit units[j].
    """

    sizes: np.ndarray
    first: np.ndarray
    units: np.ndarray
    masks: np.ndarray
    bits: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> Patterns:
        from .kernels_names import packed  # at first use: numba takes a while to load

        sizes, units, masks, bits = packed(codes, _RUN)
        return cls(sizes, codes[::_RUN].copy(), units, masks, bits)

    @classmethod
    def joined(cls, parts: list[Patterns]) -> Patterns:
        """Several as one, in the given order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @cached_property
    def _begins(self) -> tuple[list[int], ...]:
        """Where each run begins, and the last one ends: cells, entries, bytes."""
        cells, entries = self.sizes.T
        counts = (cells, entries, cells * ((entries + 7) // 8))
        return tuple([0, *np.cumsum(count).tolist()] for count in counts)

    def __len__(self) -> int:
        return self._begins[0][-1]

    def __getitem__(self, cell: int) -> np.ndarray:
        cell = range(len(self))[cell]
        run = bisect_right(self._begins[0], cell) - 1
        return self._rows(run, cell - self._begins[0][run], 1)[0]

    def whole(self) -> np.ndarray:
        runs = enumerate(self.sizes[:, 0].tolist())
        return np.concatenate([self._rows(run, 0, cells) for run, cells in runs])

    def _rows(self, run: int, skipped: int, cells: int) -> np.ndarray:
        """So many patterns of a run after those skipped, (cells, units)."""
        from .kernels_names import unpacked

        _, entries, begins = self._begins
        low, high = entries[run : run + 2]
        byte = begins[run] + skipped * ((high - low + 7) // 8)
        units, masks = self.units[low:high], self.masks[low:high]
        return unpacked(self.first[run], units, masks, self.bits[byte:], cells)


@dataclass(frozen=True)
class Regions:
    """Regions in canonical order: number i has corners start[i]:start[i+1].

    `corners` (n,) are numbers of `vertices` (m, 3), clusters (u, v, delta) in local coordinates
    (see `predicates`): each corner's exact place is within delta of its cluster's. `labels` (n,)
    name the lines of the edges that leave the corners.
    """

    start: np.ndarray
    corners: np.ndarray
    labels: np.ndarray
    vertices: np.ndarray
    patterns: Patterns

    def __len__(self) -> int:
        return len(self.start) - 1

    @classmethod
    def joined(cls, parts: Iterable[Regions]) -> Regions:
        """Several as one, in the given order, their vertices apart."""
        parts = list(parts)
        rows = np.cumsum([0, *(len(part.labels) for part in parts)])
        numbers = np.cumsum([0, *(len(part.vertices) for part in parts)])
        kind = np.int32 if numbers[-1] < 1 << 31 else np.int64
        starts = [np.zeros(1, np.int64), *(part.start[1:] for part in parts)]
        return cls(
            _concatenated(starts, np.int64, [0, *rows]),
            _concatenated([part.corners for part in parts], kind, numbers),
            _concatenated([part.labels for part in parts], parts[0].labels.dtype),
            _concatenated([part.vertices for part in parts], np.float64),
            Patterns.joined([part.patterns for part in parts]),
        )


def _concatenated(
    arrays: Sequence[np.ndarray], kind: Any, shifts: Iterable[int] = ()
) -> np.ndarray:
    """Arrays as one, each with its shift added."""
    out = np.concatenate(arrays, dtype=kind)
    low = 0
    for array, shift in zip(arrays, shifts, strict=False):
        out[low : low + len(array)] += kind(shift)
        low += len(array)
    return out
