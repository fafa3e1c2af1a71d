"""What the fast engine keeps of the regions it has found, until someone asks for more.

Millions of regions have to fit: corners in one cluster (`naming`) share an entry, and
patterns are kept only as far as they vary among neighbours in the canonical order, which is
little. So it is also what travels between processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Patterns", "Regions", "following"]

_RUN = 256  # cells whose patterns share what is the same in all of them


def following(start: np.ndarray) -> np.ndarray:
    """For each corner the next one of its cell; number i has corners start[i]:start[i+1]."""
    out = np.arange(1, int(start[-1]) + 1)
    out[start[1:] - 1] = start[:-1]
    return out


class Patterns:
    """Patterns of consecutive cells: indexed by cell, or `whole` as an array (cells, units).

    `runs` are triples: the first pattern, the units that vary, and their codes (cells, units).
    """

    def __init__(self, runs: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        self.runs = runs
        self._ends = np.cumsum([len(own) for _, _, own in runs])

    @classmethod
    def of(cls, codes: np.ndarray) -> Patterns:
        runs = []
        for low in range(0, len(codes), _RUN):
            part = codes[low : low + _RUN]
            varying = np.nonzero(part.max(axis=0) != part.min(axis=0))[0]
            runs.append((part[0].copy(), varying, part[:, varying]))
        return cls(runs)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, cell: int) -> np.ndarray:
        number = int(np.searchsorted(self._ends, cell, side="right"))
        first, varying, own = self.runs[number]
        row = first.copy()
        row[varying] = own[cell - int(self._ends[number])]  # from the run's end: negative
        return row

    def whole(self) -> np.ndarray:
        out = np.empty((len(self), len(self.runs[0][0])), dtype=self.runs[0][0].dtype)
        for (first, varying, own), end in zip(self.runs, self._ends.tolist(), strict=True):
            rows = out[end - len(own) : end]
            rows[:] = first
            rows[:, varying] = own
        return out


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
        starts = [part.start[1:] + shift for part, shift in zip(parts, rows, strict=False)]
        corners = [p.corners + kind(shift) for p, shift in zip(parts, numbers, strict=False)]
        return cls(
            np.concatenate([[0], *starts]),
            np.concatenate(corners),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.vertices for part in parts]),
            Patterns([run for part in parts for run in part.patterns.runs]),
        )
