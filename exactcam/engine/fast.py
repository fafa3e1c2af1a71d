"""The fast engine from end to end: a network on a window in, its partition out.

Imports numba, so `compute` imports this only when the fast engine is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from ..complex.partition import Partition
from ..model.network import Network
from ..model.slice import Slice, Window
from ..runtime.fork_pool import spread
from ..runtime.processes import FORKS, workers
from .assemble import glue
from .division import divide, head_start, shares
from .executor_jobs import solved
from .refine import Engine
from .region_store import Regions
from .schedule import DEFAULT, Schedule
from .vertex_clusters import pieces

__all__ = ["fast_partition"]


def fast_partition(
    network: Network,
    plane: Slice,
    outline: Window,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    schedule: Schedule = DEFAULT,
) -> Partition:
    """The exact partition by the fast engine; for the parameters see `compute.partition`.

    `schedule` says how the work is divided among processes; the result does not depend on it.
    """
    engine = Engine(network, plane, outline, schedule=schedule)
    if executor is None and jobs > 1 and FORKS:
        return glue(engine, _forked(engine, progress, jobs))
    found, count = [], 0
    with workers(jobs, executor) as pool:
        for part in (
            pieces(engine, engine.run()) if pool is None else solved(engine, divide(engine), pool)
        ):
            found.append(part)
            count += len(part)
            if progress is not None:
                progress(count)
    return glue(engine, found)


def _forked(engine: Engine, progress: Callable[[int], None] | None, jobs: int) -> list[Regions]:
    """The regions of a run, computed by this process and others that are forked from it."""
    tasks = shares(engine, jobs)
    # Load and compile all that this needs before the fork, once for all processes.
    list(pieces(engine, [tasks[0].cells.part(0, 1)]))

    def solve(k: int) -> Regions:
        return Regions.joined(pieces(engine, engine.run([tasks[k]])))

    return spread(solve, len(tasks), jobs, progress, head_start(engine, tasks))
