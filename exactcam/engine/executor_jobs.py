"""The fast engine on many processes or machines, and in pieces that can be resumed.

Jobs (`schedule`) can be solved by anyone in any order: results are the same, and in the same
canonical order, whatever the number of workers. Any `concurrent.futures.Executor` will do,
dask.distributed's among them.
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

from .refine import Batch, Engine
from .region_store import Regions
from .schedule import Job
from .vertex_clusters import pieces

__all__ = ["regions", "solve", "solved"]

_SHARE = 0.02  # seconds of work handed over at a time: a handover costs a worker less than one


def regions(engine: Engine, number: int, batches: Iterable[Batch]) -> Regions:
    """What `solve` makes of a solution unless told otherwise."""
    return Regions.joined(pieces(engine, batches))


Finish = Callable[[Engine, int, Iterable[Batch]], Any]


def solve(engine: Engine, job: Job, finish: Finish = regions) -> Any:
    """What `finish` makes of the activation regions inside a job's cells, which it gets in
    canonical order, batch by batch, where and as they are found: what is left to do then does
    not wait in one process, and not all of a job need be in memory at once."""
    return finish(engine, job.number, engine.run([job.task]))


def solved(
    engine: Engine,
    jobs: list[Job],
    executor: Executor | None,
    finish: Finish = regions,
    ahead: int = 32,
) -> Iterator[Any]:
    """The solutions of jobs in their order; about `ahead` handovers are made in advance.

    Processes that are forked now know jobs and setting; where one does not, they are sent.
    """
    if executor is None:
        for job in jobs:
            yield solve(engine, job, finish)
        return
    setting = (engine.network, engine.plane, engine.window)
    token, packed, forked = uuid4().hex, b"", True
    share, at = 1, 0
    waiting: deque[tuple[list[Job], Future[Any]]] = deque()

    def hand(part: list[Job], setting: bytes) -> Future[Any]:
        named = [job.number if forked else job for job in part]
        return executor.submit(_share, token, named, finish, setting)

    _known[token] = _Known(setting, [engine], {job.number: job for job in jobs})
    try:
        while at < len(jobs) or waiting:
            while at < len(jobs) and len(waiting) < ahead:
                part = jobs[at : at + share]
                at += share
                waiting.append((part, hand(part, b"")))
            part, future = waiting.popleft()
            found = future.result()
            if found is None:
                forked, packed = False, packed or pickle.dumps(setting)
                found = hand(part, packed).result()
            solutions, seconds = found
            share = max(1, min(16, int(_SHARE * len(part) / max(seconds, 1e-9))))
            yield from solutions
    finally:
        for _, future in waiting:
            future.cancel()
        del _known[token]


@dataclass(frozen=True)
class _Known:
    """A setting (network, slice, window), engines for it that are idle, and jobs by number,
    which only the process that hands them out and those forked from it have."""

    setting: tuple[Any, ...]
    idle: list[Engine]
    jobs: dict[int, Job]


_known: OrderedDict[str, _Known] = OrderedDict()  # by token: runs of this process, or met by it


def _share(
    token: str, jobs: list[Any], finish: Finish, setting: bytes
) -> tuple[list[Any], float] | None:
    """Solutions of some jobs, given as they are or by number, and the seconds they took; None
    in a process that lacks what it needs."""
    if setting and token not in _known:
        _known[token] = _Known(pickle.loads(setting), [], {})
        if len(_known) > 2:  # a worker serves one run after the other
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
