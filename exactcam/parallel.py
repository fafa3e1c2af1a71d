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
from itertools import islice
from uuid import uuid4

import numpy as np

from .engine import Batch, Engine, Task, concatenated

__all__ = ["Job", "divide", "solve", "solved"]

_CELLS = 2048  # an early layer has at least so many cells before a run is divided
_JOBS = 256  # about as many jobs, of at least _SHARE cells each
_SHARE = 8


@dataclass(frozen=True)
class Job:
    """Some cells of an early layer with all that is needed to refine them elsewhere, but
    for the setting (network, slice, window), which is known by its `token`."""

    token: str
    task: Task


def divide(engine: Engine) -> list[Job]:
    """The run of an engine as jobs, in canonical order."""
    token = _remember(engine)
    tasks = [engine.start()]
    for _ in engine.network.activations:
        if sum(len(task.cells) for task in tasks) >= _CELLS:
            break
        tasks = [engine.step(part) for task in tasks for part in task.divided(engine.batch_size)]
    share = max(_SHARE, -(-sum(len(task.cells) for task in tasks) // _JOBS))
    return [Job(token, part.alone()) for task in tasks for part in task.divided(share)]


def solve(job: Job, setting: bytes | None = None) -> Batch | None:
    """The activation regions inside a job's cells, in canonical order.

    None in a process that has not met the job's setting: it wants it along, once.
    """
    if job.token not in _engines and setting is not None:
        _remember(Engine(*pickle.loads(setting)), job.token)
    engine = _engines.get(job.token)
    if engine is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return concatenated(list(engine.run([job.task])))


def solved(jobs: list[Job], executor: Executor | None, ahead: int = 8) -> Iterator[Batch]:
    """The solutions of jobs in their order; at most `ahead` are asked for in advance.

    Processes that were forked know the setting; where one does not, it is sent.
    """
    if executor is None:
        for job in jobs:
            yield _found(solve(job))
        return
    setting: bytes | None = None
    waiting: deque[tuple[Job, Future[Batch | None]]] = deque()
    try:
        coming = iter(jobs)
        while True:
            for job in islice(coming, ahead - len(waiting)):
                waiting.append((job, executor.submit(solve, job, setting)))
            if not waiting:
                return
            first, future = waiting.popleft()
            batch = future.result()
            if batch is None:
                engine = _engines[first.token]
                setting = pickle.dumps((engine.network, engine.plane, engine.window))
                batch = executor.submit(solve, first, setting).result()
            yield _found(batch)
    finally:
        for _, future in waiting:
            future.cancel()


def _found(batch: Batch | None) -> Batch:
    assert batch is not None, "a worker was given the setting and did not use it"
    return batch


_engines: OrderedDict[str, Engine] = OrderedDict()  # per process: the last settings met


def _remember(engine: Engine, token: str | None = None) -> str:
    token = token or uuid4().hex
    _engines[token] = engine
    if len(_engines) > 2:
        _engines.popitem(last=False)
    return token
