"""The fast engine on many processes or machines, and in pieces that can be resumed.

Cells never depend on each other, so a run is divided into jobs - contiguous ranges of
the cells of an early layer - that anyone can solve in any order. The division depends
only on the network, slice and window: results are the same, and in the same canonical
order, whatever the number of workers, and job k of an interrupted run is job k of the
next. Any `concurrent.futures.Executor` will do, dask.distributed's among them.
"""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from .engine import Batch, Engine, Task
from .naming import pieces
from .regions import Regions

__all__ = ["Job", "divide", "regions", "solve", "solved"]

_CELLS = 2048  # an early layer has at least so many cells before a run is divided
_JOBS = 256  # about as many jobs, of 8 to 64 cells each: more would need memory at once


_SHARE = 0.02  # seconds of work handed over at a time: a handover costs a worker less than one


@dataclass(frozen=True)
class Job:
    """Job `number` of a run: some cells of an early layer with all that is needed to refine
    them elsewhere, but for the setting (network, slice, window), known by its `token`."""

    token: str
    number: int
    task: Task


def divide(engine: Engine) -> list[Job]:
    """The run of an engine as jobs, in canonical order."""
    token = uuid4().hex
    tasks = [engine.start()]
    for _ in engine.network.activations:
        if sum(len(task.cells) for task in tasks) >= _CELLS:
            break
        tasks = [engine.step(part) for task in tasks for part in task.divided(engine.batch_size)]
    share = min(max(8, -(-sum(len(task.cells) for task in tasks) // _JOBS)), 64)
    parts = (part.alone() for task in tasks for part in task.divided(share))
    jobs = [Job(token, number, part) for number, part in enumerate(parts)]
    setting = (engine.network, engine.plane, engine.window)
    _remember(token, _Known(setting, [engine], jobs))
    return jobs


def regions(engine: Engine, number: int, batches: Iterable[Batch]) -> Regions:
    """What `solve` makes of a solution unless told otherwise."""
    return Regions.joined(pieces(engine, batches))


Finish = Callable[[Engine, int, Iterable[Batch]], Any]


def solve(job: Job, finish: Finish = regions) -> Any:
    """The activation regions inside a job's cells, in canonical order, and what `finish`
    makes of them where and as they are found: what is left to do then does not wait in one
    process, and a job may hold more regions than fit into memory.
    """
    known = _known[job.token]
    try:
        engine = known.idle.pop()
    except IndexError:  # other threads have them: an engine keeps what it found last
        engine = Engine(*known.setting)
    try:
        return finish(engine, job.number, engine.run([job.task]))
    finally:
        known.idle.append(engine)


def solved(
    jobs: list[Job], executor: Executor | None, finish: Finish = regions, ahead: int = 32
) -> Iterator[Any]:
    """The solutions of jobs in their order; about `ahead` handovers are made in advance.

    Processes that were forked know jobs and setting; where one does not, they are sent.
    """
    if executor is None:
        for job in jobs:
            yield solve(job, finish)
        return
    forked, share, at = True, 1, 0
    setting: bytes | None = None
    waiting: deque[tuple[list[Job], Future[Any]]] = deque()
    try:
        while at < len(jobs) or waiting:
            while at < len(jobs) and len(waiting) < ahead:
                part = jobs[at : at + share]
                at += share
                waiting.append((part, executor.submit(_share, *_named(part, forked), finish)))
            part, future = waiting.popleft()
            found = future.result()
            if found is None:
                forked = False
                setting = setting or pickle.dumps(_known[jobs[0].token].setting)
                found = executor.submit(_share, *_named(part, forked), finish, setting).result()
            solutions, seconds = found
            share = max(1, min(16, int(_SHARE * len(part) / max(seconds, 1e-9))))
            yield from solutions
    finally:
        for _, future in waiting:
            future.cancel()


def _named(jobs: list[Job], forked: bool) -> tuple[str, list[Any]]:
    return jobs[0].token, [job.number if forked else job for job in jobs]


def _share(
    token: str, jobs: list[Any], finish: Finish, setting: bytes | None = None
) -> tuple[list[Any], float] | None:
    """Solutions of some jobs, given as they are or by number, and the seconds they took; None
    in a process that lacks what it needs."""
    if setting is not None and token not in _known:
        _remember(token, _Known(pickle.loads(setting), [], []))
    known = _known.get(token)
    if known is None or not (known.jobs or isinstance(jobs[0], Job)):
        return None
    start = time.perf_counter()
    out = [solve(job if isinstance(job, Job) else known.jobs[job], finish) for job in jobs]
    return out, time.perf_counter() - start


@dataclass(frozen=True)
class _Known:
    """A setting (network, slice, window), engines for it that are idle, and its jobs, which
    only the process that divided it and those forked from it have."""

    setting: tuple[Any, ...]
    idle: list[Engine]
    jobs: list[Job]


_known: OrderedDict[str, _Known] = OrderedDict()  # per process: the last ones met


def _remember(token: str, known: _Known) -> None:
    _known[token] = known
    if len(_known) > 2:
        _known.popitem(last=False)
