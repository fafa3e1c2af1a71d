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

    The measurements are of networks of 2 to 256 inputs and 50 to 2,000 units on two cores.
    """

    # Cells of an early layer before a run is divided into jobs: a cell's share of the regions
    # varies by a factor of ten and more, and 2,048 cells even that out over `jobs` jobs.
    early_cells: int = 2048
    # Cells per process before it is divided into shares: reaching 2,048 cells takes one process
    # as long as all the rest of a run of a thousand regions, in which the others are idle.
    cells_per_process: int = 256
    # Units of a layer cut at a time until there are so many cells. A layer of 1,000 units cuts
    # one cell into 100,000 and more, which would be too late to divide the run.
    units_at_once: int = 64
    # About so many jobs, of `least_job` to `most_job` cells each. Every job keeps its own copy of
    # the forms it starts from (up to 1 MB), so thousands would take gigabytes; under eight cells
    # a job has fewer regions than a batch needs to be worth its fixed cost.
    jobs: int = 256
    least_job: int = 8
    most_job: int = 64
    # Guided self-scheduling: a chunk is `remaining / (tail * processes)` cells. With a tail of 1
    # the first chunk may outlast all others (a factor of ten, as above); 8 made a tenth more
    # batches than 4 for no earlier end.
    tail: int = 4
    # ... but at least so many cells, so that the last chunks end within a millisecond or two.
    least_chunk: int = 4
    # ... and at least so large that equal ones would be this many in a small run, and in others:
    # every chunk costs a batch, some 0.1 ms, for each layer that is left.
    chunks_if_small: int = 16
    chunks: int = 512
    # Regions times units of a run that is small: about 100,000 take 3 ms, so this is
    # some tens of milliseconds to a few tenths of a second.
    small: int = 10_000_000
    # Seconds that one process works on a small run before others are forked to help: to fork
    # and reap a helper takes 10 to 25 ms, more than half of such runs.
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
