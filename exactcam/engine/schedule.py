"""How a run of the fast engine is divided: cells never depend on each other.

Every division is into contiguous ranges of the cells of an early layer. That into jobs
depends only on the network, slice and window, so job k of an interrupted run is job k of the
next.
"""

from __future__ import annotations

from dataclasses import dataclass

from .refine import Engine, Task

__all__ = ["Job", "alone", "divide", "shares"]

_CELLS = 2048  # an early layer has at least so many cells before a run is divided into jobs,
_EACH = 256  # and at least so many for each process before it is into shares
_UNITS = 64  # so many units of a layer cut at a time until then
_JOBS = 256  # about as many jobs, of 8 to 64 cells each: more would need memory at once
_PARTS = 4  # a share is one in so many of what is left for a process to do,
_LEAST = 4  # and at least so many cells: the last shares are small, so all end together
_FEW, _MANY = 16, 512  # shares of equal size at most: each costs a batch for every layer
_SLIGHT = 10_000_000  # regions times units: tens of milliseconds
_ALONE = 0.02  # seconds at such a run before help is asked for: to fork takes some milliseconds


@dataclass(frozen=True)
class Job:
    """Job `number` of a run: some cells of an early layer with all that is needed to refine
    them elsewhere, but for the setting (network, slice, window)."""

    number: int
    task: Task


def divide(engine: Engine) -> list[Job]:
    """The run of an engine as jobs, in canonical order."""
    tasks = _early(engine, _CELLS)
    share = min(max(8, -(-sum(len(task.cells) for task in tasks) // _JOBS)), 64)
    parts = (part for task in tasks for part in task.divided(share))
    return [Job(number, part.alone()) for number, part in enumerate(parts)]


def shares(engine: Engine, processes: int) -> list[Task]:
    """The run in tasks of fewer and fewer cells, in canonical order, for processes that know
    what this one does and take one after the other: at most 900, as `_early` has tasks of
    eight cells and more."""
    tasks, out = _early(engine, min(_CELLS, _EACH * processes)), []
    left = sum(len(task.cells) for task in tasks)
    least = max(_LEAST, left // (_FEW if alone(engine, tasks) else _MANY))
    for task in tasks:
        low = 0
        while low < len(task.cells):
            high = min(len(task.cells), low + max(least, left // (_PARTS * processes)))
            out.append(task.part(low, high))
            left, low = left - (high - low), high
    return out


def alone(engine: Engine, tasks: list[Task]) -> float:
    """How many seconds one process should be at a run that begins with these tasks before it
    asks for help. Regions are taken to grow as the square of the units that have cut."""
    network, cells = engine.network, sum(len(task.cells) for task in tasks)
    units = int(network.unit_offsets[tasks[0].activation]) + tasks[0].units
    regions = cells * (network.units / max(1, units)) ** 2
    return _ALONE if regions * network.units < _SLIGHT else 0.0


def _early(engine: Engine, cells: int) -> list[Task]:
    """At least so many cells of an early layer, if it has them, in order."""
    tasks, units = [engine.start()], min(_UNITS, engine.units)
    while sum(len(task.cells) for task in tasks) < cells:
        if tasks[0].activation == len(engine.network.activations):
            break
        parts = (part for task in tasks for part in task.divided(engine.batch_size))
        tasks = [engine.step(part, units) for part in parts]
    return tasks
