"""What the fast engine keeps of the regions it has found, until someone asks for more.

Millions of regions have to fit: corners in one cluster (`naming`) share an entry, and
patterns are kept only as far as they vary among neighbours in the canonical order, which is
little. So it is also what travels between processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from .memory import lasting

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
    def _ends(self) -> np.ndarray:
        """Where each run ends: cells, entries, bytes; after a row of zeros."""
        used = self.sizes[:, 0] * ((self.sizes[:, 1] + 7) // 8)
        ends = np.cumsum(np.column_stack([self.sizes, used]), axis=0)
        return np.concatenate([np.zeros((1, 3), np.int64), ends])

    def __len__(self) -> int:
        return int(self._ends[-1, 0])

    def __getitem__(self, cell: int) -> np.ndarray:
        cell = range(len(self))[cell]
        run = int(np.searchsorted(self._ends[:, 0], cell, side="right")) - 1
        return self._rows(run)[cell - int(self._ends[run, 0])].copy()

    def whole(self) -> np.ndarray:
        return np.concatenate([self._rows(run) for run in range(len(self.sizes))])

    def _rows(self, run: int) -> np.ndarray:
        """A run's patterns, (cells, units)."""
        (_, entry, byte), (_, last, end) = self._ends[run : run + 2].tolist()
        rows = np.repeat(self.first[run : run + 1], self.sizes[run, 0], axis=0)
        if entry < last:
            bits = np.unpackbits(
                self.bits[byte:end].reshape(len(rows), -1), axis=1, count=last - entry
            )
            units, begin = np.unique(self.units[entry:last], return_index=True)
            rows[:, units] ^= np.bitwise_or.reduceat(bits * self.masks[entry:last], begin, axis=1)
        return rows


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
    out = lasting((sum(map(len, arrays)), *arrays[0].shape[1:]), kind)
    np.concatenate(arrays, out=out)
    low = 0
    for array, shift in zip(arrays, shifts, strict=False):
        out[low : low + len(array)] += kind(shift)
        low += len(array)
    return out
