"""The fast engine on many processes or machines, and in pieces that can be resumed.

Cells never depend on each other, so a run is divided into jobs - contiguous ranges of
the cells of an early layer - that anyone can solve in any order. The division depends
only on the network, slice and window: results are the same, and in the same canonical
order, whatever the number of workers, and job k of an interrupted run is job k of the
next. Any `concurrent.futures.Executor` will do, dask.distributed's among them.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np

from .engine import Batch, Engine, Task, concatenated

__all__ = ["Job", "divide", "solve", "solved"]

_CELLS = 2048  # an early layer has at least so many cells before a run is divided
_SHARE = 8  # of them in one job


@dataclass(frozen=True)
class Job:
    """Some cells of an early layer with all that is needed to refine them elsewhere.

    `setting` is the pickled (network, slice, window), made once for all jobs of a run.
    """

    setting: bytes
    task: Task


def divide(engine: Engine) -> list[Job]:
    """The run of an engine as jobs, in canonical order."""
    setting = pickle.dumps((engine.network, engine.plane, engine.window))
    tasks = [engine.start()]
    for _ in engine.network.activations:
        if sum(len(task.cells) for task in tasks) >= _CELLS:
            break
        tasks = [engine.step(part) for task in tasks for part in task.divided(engine.batch_size)]
    return [Job(setting, part.alone()) for task in tasks for part in task.divided(_SHARE)]


def solve(job: Job) -> Batch:
    """The activation regions inside a job's cells, in canonical order."""
    engine = _engine(job.setting)
    with np.errstate(over="ignore", invalid="ignore"):
        return concatenated(list(engine.run([job.task])))


def solved(jobs: list[Job], executor: Executor | None, ahead: int = 16) -> Iterator[Batch]:
    """The solutions of jobs in their order; at most `ahead` are asked for in advance."""
    if executor is None:
        yield from map(solve, jobs)
        return
    waiting: deque[Future[Batch]] = deque()
    try:
        for job in jobs:
            waiting.append(executor.submit(solve, job))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


_engines: OrderedDict[bytes, Engine] = OrderedDict()  # per worker: the last settings met


def _engine(setting: bytes) -> Engine:
    engine = _engines.pop(setting, None)
    if engine is None:
        engine = Engine(*pickle.loads(setting))
    _engines[setting] = engine
    if len(_engines) > 2:
        _engines.popitem(last=False)
    return engine
