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
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import uuid4

from .engine import Batch, Engine, Task, gathered
from .regions import Regions

__all__ = ["Job", "divide", "regions", "solve", "solved"]

_CELLS = 2048  # an early layer has at least so many cells before a run is divided
_JOBS = 256  # about as many jobs, of 8 to 64 cells each: more would need memory at once


@dataclass(frozen=True)
class Job:
    """Job `number` of a run: some cells of an early layer with all that is needed to refine
    them elsewhere, but for the setting (network, slice, window), known by its `token`."""

    token: str
    number: int
    task: Task


def divide(engine: Engine) -> list[Job]:
    """The run of an engine as jobs, in canonical order."""
    token = _remember(engine)
    tasks = [engine.start()]
    for _ in engine.network.activations:
        if sum(len(task.cells) for task in tasks) >= _CELLS:
            break
        tasks = [engine.step(part) for task in tasks for part in task.divided(engine.batch_size)]
    share = min(max(8, -(-sum(len(task.cells) for task in tasks) // _JOBS)), 64)
    parts = (part.alone() for task in tasks for part in task.divided(share))
    return [Job(token, number, part) for number, part in enumerate(parts)]


def regions(engine: Engine, number: int, batches: Iterable[Batch]) -> Regions:
    """What `solve` makes of a solution unless told otherwise."""
    return Regions.joined(map(Regions.of, gathered(batches, 256)))


Finish = Callable[[Engine, int, Iterable[Batch]], Any]


def solve(job: Job, setting: bytes | None = None, finish: Finish = regions) -> Any:
    """The activation regions inside a job's cells, in canonical order, and what `finish`
    makes of them where and as they are found: what is left to do then does not wait in one
    process, and a job may hold more regions than fit into memory.

    None in a process that has not met the job's setting: it wants it along, once.
    """
    if job.token not in _engines and setting is not None:
        _remember(Engine(*pickle.loads(setting)), job.token)
    engine = _engines.get(job.token)
    if engine is None:
        return None
    return finish(engine, job.number, engine.run([job.task]))


def solved(
    jobs: list[Job], executor: Executor | None, finish: Finish = regions, ahead: int = 8
) -> Iterator[Any]:
    """The solutions of jobs in their order; at most `ahead` are asked for in advance.

    Processes that were forked know the setting; where one does not, it is sent.
    """
    if executor is None:
        for job in jobs:
            yield _found(solve(job, None, finish))
        return
    setting: bytes | None = None
    waiting: deque[tuple[Job, Future[Any]]] = deque()
    try:
        coming = iter(jobs)
        while True:
            for job in islice(coming, ahead - len(waiting)):
                waiting.append((job, executor.submit(solve, job, setting, finish)))
            if not waiting:
                return
            first, future = waiting.popleft()
            found = future.result()
            if found is None:
                engine = _engines[first.token]
                setting = pickle.dumps((engine.network, engine.plane, engine.window))
                found = executor.submit(solve, first, setting, finish).result()
            yield _found(found)
    finally:
        for _, future in waiting:
            future.cancel()


def _found(found: Any) -> Any:
    assert found is not None, "a worker was given the setting and did not use it"
    return found


_engines: OrderedDict[str, Engine] = OrderedDict()  # per process: the last settings met


def _remember(engine: Engine, token: str | None = None) -> str:
    token = token or uuid4().hex
    _engines[token] = engine
    if len(_engines) > 2:
        _engines.popitem(last=False)
    return token
