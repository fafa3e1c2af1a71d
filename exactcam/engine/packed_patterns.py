"""Activation patterns of many cells, delta-encoded and bit-packed.

Neighbours in the canonical order differ in few units, so of millions of patterns only those
entries are kept that vary within a run of cells.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from ..runtime.cached import WithoutCaches, cached_property
from .kernels.patterns import packed, unpack

__all__ = ["PackedPatterns"]

_RUN = 256  # cells whose patterns share what is the same in all of them


@dataclass(frozen=True)
class PackedPatterns(WithoutCaches):
    """Patterns as bits that say where they differ from the first pattern of their run.

    Run k has sizes[k] = (cells, entries) and begins with pattern first[k]. Its entries follow
    those of the run before; entry j is masks[j] of unit units[j]. Each cell has a row of whole
    bytes in `bits`, the first entry in the highest bit: where that is one, the cell's pattern
    differs from first[k] by the mask (xor).
    """

    sizes: np.ndarray
    first: np.ndarray
    units: np.ndarray
    masks: np.ndarray
    bits: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> PackedPatterns:
        """Pack the patterns `codes` (cells, units)."""
        sizes, units, masks, bits = packed(codes, _RUN)
        return cls(sizes, codes[::_RUN].copy(), units, masks, bits)

    @classmethod
    def joined(cls, parts: list[PackedPatterns]) -> PackedPatterns:
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
        out = np.empty((1, self.first.shape[1]), self.first.dtype)
        self._unpack(run, cell - self._begins[0][run], out)
        return out[0]

    def whole(self) -> np.ndarray:
        """All patterns unpacked, (cells, units)."""
        out = np.empty((len(self), self.first.shape[1]), self.first.dtype)
        for run, (low, high) in enumerate(pairwise(self._begins[0])):
            self._unpack(run, 0, out[low:high])
        return out

    def _unpack(self, run: int, skipped: int, out: np.ndarray) -> None:
        """Write patterns of a run, after the first `skipped`, to `out` (cells, units)."""
        _, entries, begins = self._begins
        low, high = entries[run : run + 2]
        byte = begins[run] + skipped * ((high - low + 7) // 8)
        unpack(self.first[run], self.units[low:high], self.masks[low:high], self.bits[byte:], out)
