"""Compact storage of the regions that the fast engine has found, without exact numbers.

Millions of regions have to fit: corners in one cluster (`vertex_clusters`) share an entry, and
patterns are packed. Processes send their regions in this form too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .packed_patterns import PackedPatterns

__all__ = ["Regions"]


@dataclass(frozen=True)
class Regions:
    """Regions in canonical order: number i has corners start[i]:start[i+1].

    Attributes
    ----------
    start : ndarray of int, (regions + 1,)
    corners : ndarray of int, (corners,)
        Numbers of `vertices`.
    labels : ndarray of int, (corners,)
        The names of the lines of the edges that leave the corners (see `exact.replay`).
    vertices : ndarray of float64, (clusters, 3)
        Clusters (u, v, delta) in local coordinates (see `kernels.predicates`): each corner's
        exact place is within delta of its cluster's.
    patterns : PackedPatterns
    """

    start: np.ndarray
    corners: np.ndarray
    labels: np.ndarray
    vertices: np.ndarray
    patterns: PackedPatterns

    def __len__(self) -> int:
        return len(self.start) - 1

    @classmethod
    def joined(cls, parts: Iterable[Regions]) -> Regions:
        """Concatenate in the given order; vertices of different parts stay different."""
        parts = list(parts)
        rows = np.cumsum([0, *(len(part.labels) for part in parts)])
        numbers = np.cumsum([0, *(len(part.vertices) for part in parts)])
        kind = np.int32 if numbers[-1] < 1 << 31 else np.int64
        starts = [np.zeros(1, np.int64), *(part.start[1:] for part in parts)]
        return cls(
            _shifted(starts, np.int64, [0, *rows]),
            _shifted([part.corners for part in parts], kind, numbers),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.vertices for part in parts]),
            PackedPatterns.joined([part.patterns for part in parts]),
        )


def _shifted(arrays: Sequence[np.ndarray], kind: Any, shifts: Iterable[int]) -> np.ndarray:
    """Concatenate arrays, each plus its shift; in place, as they may be large."""
    out, low = np.concatenate(arrays, dtype=kind), 0
    for array, shift in zip(arrays, shifts, strict=False):
        out[low : low + len(array)] += kind(shift)
        low += len(array)
    return out
