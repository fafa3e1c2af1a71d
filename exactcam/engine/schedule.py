"""How the work of one run is divided among processes: static jobs, or self-scheduled chunks.

Cells never depend on each other, so any division into contiguous ranges of the cells of an
early layer gives the same regions in the same order. *Jobs* (for executors and run files)
depend only on the network, slice, window and schedule, so job k of an interrupted run is job k
of the next. *Shares* (for forked processes) are the chunks of guided self-scheduling: each
process takes the next chunk when it has finished one, and chunks shrink with the work left
(Polychronopoulos and Kuck, IEEE Trans. Computers 36, 1987).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .refine import Engine, Task

__all__ = ["DEFAULT", "Job", "Schedule", "divide", "head_start", "shares"]


@dataclass(frozen=True)
class Schedule:
    """The sizes that decide how a run is divided; results do not depend on them.

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
    # ... and at least so large that equal ones would be this many in a small run, and in others:
    # every chunk costs a batch for each layer that is left.
    chunks_if_small: int = 16
    chunks: int = 512
    # Regions times units of a small run: A has 1.7 million, B 167 million.
    small: int = 10_000_000
    # Seconds that one process works on a small run before it forks others: to fork and end one
    # takes 14 ms, half of A.
    head_start: float = 0.02


DEFAULT = Schedule()


@dataclass(frozen=True)
class Job:
    """Job `number` of a run: some cells of an early layer, with all that is needed to refine them
    in another process that knows the network, slice and window."""

    number: int
    task: Task


def divide(engine: Engine) -> list[Job]:
    """The run of an engine as jobs, in canonical order."""
    plan = engine.schedule
    tasks = _early(engine, plan.early_cells)
    cells = -(-sum(len(task.cells) for task in tasks) // plan.jobs)
    size = min(max(plan.least_job, cells), plan.most_job)
    parts = (part for task in tasks for part in task.divided(size))
    return [Job(number, part.alone()) for number, part in enumerate(parts)]


def shares(engine: Engine, processes: int) -> list[Task]:
    """The run of an engine as chunks for guided self-scheduling by forked processes.

    Parameters
    ----------
    engine : Engine
        A run that has not begun; its `schedule` says how small chunks may get.
    processes : int
        How many will take chunks, one after the other.

    Returns
    -------
    list of Task
        At most 900 in canonical order (`_early` yields tasks of eight cells and more).
    """
    plan = engine.schedule
    tasks = _early(engine, min(plan.early_cells, plan.cells_per_process * processes))
    left, out = sum(len(task.cells) for task in tasks), []
    chunks = plan.chunks_if_small if head_start(engine, tasks) else plan.chunks
    least = max(plan.least_chunk, left // chunks)
    for task in tasks:
        low = 0
        while low < len(task.cells):
            high = min(len(task.cells), low + max(least, left // (plan.tail * processes)))
            out.append(task.part(low, high))
            left, low = left - (high - low), high
    return out


def head_start(engine: Engine, tasks: list[Task]) -> float:
    """Seconds for which one process works by itself before it forks others: 0 for a large run.

    Regions are taken to grow as the square of the units that have cut, from the cells of the
    `tasks` that the run begins with.
    """
    network, cells = engine.network, sum(len(task.cells) for task in tasks)
    units = network.unit_offsets[tasks[0].activation] + tasks[0].units
    regions = cells * (network.units / max(1, units)) ** 2
    small = regions * network.units < engine.schedule.small
    return engine.schedule.head_start if small else 0.0


def _early(engine: Engine, cells: int) -> list[Task]:
    """At least so many cells of an early layer, if it has them, in order."""
    tasks, units = [engine.start()], min(engine.schedule.units_at_once, engine.units)
    while sum(len(task.cells) for task in tasks) < cells:
        if tasks[0].activation == len(engine.network.layers):
            break
        parts = (part for task in tasks for part in task.divided(engine.batch_size))
        tasks = [engine.step(part, units) for part in parts]
    return tasks
