"""The sizes that decide how a run of the fast engine is divided among processes (see `division`)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Tuning parameters of the division of a run; results do not depend on them.

    Times in the comments are of one core of two, on random ReLU networks of two inputs:
    A has three layers of 64 units (8,744 regions, 26 ms), B two of 400 (208,220, 1.5 s).
    """

    # Cells of an early layer before a run is divided into jobs. With 2,048 or more (A: 4,474, B:
    # 5,495) a job has 17 to 97 regions in A and 108 to 2,701 in B: even enough for 250 jobs.
    early_cells: int = 2048
    # Cells per process before it is divided into shares. One process finds them while the others
    # wait: of two, for 2 ms in A; with 2,048 cells it would be 10 of 26 ms.
    cells_per_process: int = 256
    # Units of a layer cut at a time until there are so many cells: 400 units at once would cut
    # B's first cell into thousands before anything is divided.
    units_at_once: int = 64
    # About so many jobs, of `least_job` to `most_job` cells each. Each waiting job holds a copy of
    # the forms it starts from, so more would need much memory at once.
    jobs: int = 256
    least_job: int = 8
    most_job: int = 64
    # Guided self-scheduling: a chunk is `remaining / (tail * processes)` cells. For two processes
    # B's largest chunk takes 1,033 ms of 2,117 in all with a tail of 1, 546 of 1,712 with 2,
    # 176 of 1,340 with 4 and 134 of 1,529 with 8: beyond 4 only the number of chunks grows.
    tail: int = 4
    # ... but at least so many cells: the last chunks then take about 1 ms, so all end together.
    least_chunk: int = 4
    # ... and no fewer than if a small run, or another, were divided into so many equal chunks:
    # every chunk costs a batch for each layer that is left.
    chunks_if_small: int = 16
    chunks: int = 512
    # Regions times units of a small run: A has 1.7 million, B 167 million.
    small: int = 10_000_000
    # Seconds that one process works on a small run before it forks others: to fork and end one
    # takes 14 ms, half of A.
    head_start: float = 0.02


DEFAULT = Schedule()
