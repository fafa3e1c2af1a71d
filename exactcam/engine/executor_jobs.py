"""Run the fast engine's jobs on any `concurrent.futures.Executor`, results in job order.

Jobs (`division`) are independent, so the result is the same, in the same canonical order,
whatever the number of workers: threads, processes or the machines of dask.distributed. Workers
that were forked from this process know the jobs already; others are sent what they lack.
"""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from ..runtime.processes import Workers, lost
from .division import Job
from .refine import Batch, Engine
from .region_store import Regions
from .vertex_clusters import pieces

__all__ = ["regions", "solve", "solved"]

_SHARE = 0.02  # seconds of work submitted at a time: to submit costs a worker under 1 ms


def regions(engine: Engine, number: int, batches: Iterable[Batch]) -> Regions:
    """The regions of a job, their vertices clustered: the default `finish` of `solve`."""
    return Regions.joined(pieces(engine, batches))


T = TypeVar("T")
Finish = Callable[[Engine, int, Iterable[Batch]], T]


def solve(engine: Engine, job: Job, finish: Finish[T] = regions) -> T:  # type: ignore[assignment]
    """Find the activation regions inside a job's cells and return what `finish` makes of them.

    `finish(engine, number of the job, batches)` gets the regions in canonical order, batch by
    batch as they are found, in the process that finds them: so not all of a job need be in
    memory at once, and post-processing runs in parallel too.
    """
    return finish(engine, job.number, engine.run([job.task]))


def solved(
    engine: Engine,
    jobs: list[Job],
    executor: Executor | None,
    finish: Finish[T] = regions,  # type: ignore[assignment]
    ahead: int = 32,
) -> Iterator[T]:
    """Solve jobs and yield the results in job order, with about `ahead` submissions under way.

    Workers that are forked from now on know the jobs and the setting; others are sent them.
    Raises ExactcamError where a worker is lost and its executor does not replace it.
    """
    if executor is None:
        for job in jobs:
            yield solve(engine, job, finish)
        return
    setting = (engine.network, engine.plane, engine.window)
    token, packed, forked = uuid4().hex, b"", True
    share, at = 1, 0
    waiting: deque[tuple[list[Job], Future[Any]]] = deque()

    def submit(part: list[Job], setting: bytes) -> Future[Any]:
        named = [job.number if forked else job for job in part]
        with lost():
            return executor.submit(_share, token, named, finish, setting)

    if isinstance(executor, Workers):
        executor.expect(len(jobs))
    _known[token] = _Known(setting, [engine], {job.number: job for job in jobs})
    try:
        while at < len(jobs) or waiting:
            while at < len(jobs) and len(waiting) < ahead:
                part = jobs[at : at + share]
                at += share
                waiting.append((part, submit(part, b"")))
            part, future = waiting.popleft()
            with lost():
                found = future.result()
            if found is None:
                forked, packed = False, packed or pickle.dumps(setting)
                with lost():
                    found = submit(part, packed).result()
            solutions, seconds = found
            share = max(1, min(16, int(_SHARE * len(part) / max(seconds, 1e-9))))
            yield from solutions
    finally:
        if not isinstance(executor, Workers):  # which end with their processes
            for _, future in waiting:
                future.cancel()
        del _known[token]


@dataclass(frozen=True)
class _Known:
    """What a process knows of one run: the setting (network, slice, window), idle engines for it,
    and its jobs by number, which only the submitting process and those forked from it have."""

    setting: tuple[Any, ...]
    idle: list[Engine]
    jobs: dict[int, Job]


_known: OrderedDict[str, _Known] = OrderedDict()  # by token: runs of this process, or met by it


def _share(
    token: str, jobs: list[Any], finish: Finish[T], setting: bytes
) -> tuple[list[T], float] | None:
    """Solve some jobs in a worker: (results, seconds), or None if it does not know the run.

    Jobs are given themselves or by number; `setting` is the pickled setting, empty at first.
    """
    if setting and token not in _known:
        _known[token] = _Known(pickle.loads(setting), [], {})
        if len(_known) > 2:  # a worker rarely serves two runs at a time
            _known.popitem(last=False)
    known = _known.get(token)
    if known is None or not (known.jobs or isinstance(jobs[0], Job)):
        return None
    start = time.perf_counter()
    try:
        engine = known.idle.pop()
    except IndexError:  # other threads have them: an engine keeps what it found last
        engine = Engine(*known.setting)
    try:
        tasks = [job if isinstance(job, Job) else known.jobs[job] for job in jobs]
        return [solve(engine, job, finish) for job in tasks], time.perf_counter() - start
    finally:
        known.idle.append(engine)
