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

from .refine import Engine, Task

__all__ = ["Job", "divide", "head_start", "shares"]


@dataclass(frozen=True)
class Job:
    """Job `number` of a run: some cells of an early layer, with all that is needed to refine them
    in another process that knows the network, slice and window."""

    number: int
    task: Task


def divide(engine: Engine) -> list[Job]:
    """Divide the run of an engine into jobs, in canonical order."""
    plan = engine.schedule
    tasks = _early(engine, plan.early_cells)
    cells = -(-sum(len(task.cells) for task in tasks) // plan.jobs)
    size = min(max(plan.least_job, cells), plan.most_job)
    parts = (part for task in tasks for part in task.divided(size))
    return [Job(number, part.detached()) for number, part in enumerate(parts)]


def shares(engine: Engine, processes: int) -> list[Task]:
    """Divide the run of an engine into chunks for guided self-scheduling by forked processes.

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
    """The cells of the first layer with at least `cells` of them, else of the last, in order."""
    tasks, units = [engine.start()], min(engine.schedule.units_at_once, engine.units)
    while sum(len(task.cells) for task in tasks) < cells:
        if tasks[0].activation == len(engine.network.layers):
            break
        size = engine.batch_sizes[tasks[0].activation]
        parts = (part for task in tasks for part in task.divided(size))
        tasks = [engine.step(part, units) for part in parts]
    return tasks
