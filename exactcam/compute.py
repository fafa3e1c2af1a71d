"""`partition`: the one entry point that picks an engine and returns its `Partition`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from .complex.partition import Partition, assemble
from .errors import ExactcamError, SliceError, interrupted
from .exact.reference import RawCell, activation_cells
from .model.network import Network
from .model.slice import Slice, Window, window_of
from .runtime.fork_pool import spread
from .runtime.processes import FORKS, checked, workers

__all__ = ["ENGINES", "partition"]

ENGINES = ("fast", "reference")
_SMALL = 128  # units: so many are worth trying without compiled kernels
_PATIENCE = 2.0  # seconds: compiling takes some fifteen


def partition(
    network: Network,
    slice: Slice | None = None,
    window: Window | Sequence[Any] = (-1, -1, 1, 1),
    engine: str | None = None,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
) -> Partition:
    """The exact partition of `network` on a window of a slice.

    `slice` may be left out for a network of two inputs. `window` is a Window,
    (umin, vmin, umax, vmax) or a list of corners. `progress` is called now and
    then with the number of regions found. The fast engine uses `jobs` processes, where they
    can be forked this one among them and also for what the result computes later, or any
    `executor` (of dask.distributed: `Client.get_executor()`); the result is the same. `engine`
    is "fast" or "reference"; None is the fast one, save for a small problem on a machine
    where that must be compiled first: two seconds of the reference may do.
    Raises SliceError where the slice does not fit the network.
    """
    if engine is not None and engine not in ENGINES:
        raise ExactcamError(f"engine {engine!r} is not one of {', '.join(ENGINES)}")
    plane = Slice.plane(network.inputs) if slice is None else slice
    if not isinstance(plane, Slice):
        raise SliceError("the second argument is a Slice; give the window as window=...")
    if plane.size != network.inputs:
        raise SliceError(f"the slice has {plane.size} inputs, the network {network.inputs}")
    outline = window_of(window)
    alone = checked(jobs) == 1 and executor is None
    if alone and engine is None and network.units <= _SMALL:
        quick = _uncompiled(network, plane, outline)
        if quick is not None:
            return quick
    if engine == "reference":
        cells = activation_cells(network, plane, outline, progress)
        return assemble(network, plane, outline, cells, engine)
    try:
        return _fast(network, plane, outline, progress, jobs, executor)
    except SystemError as error:
        if interrupted(error):
            raise KeyboardInterrupt from error
        raise


def _uncompiled(network: Network, plane: Slice, outline: Window) -> Partition | None:
    """What the reference finds in the time that compiling the fast engine is no gain;
    None where that is not everything, or the engine is compiled."""
    from .engine.kernels import ready

    if ready():
        return None
    limit = time.monotonic() + _PATIENCE
    cells: list[RawCell] = []
    for cell in activation_cells(network, plane, outline):
        cells.append(cell)
        if time.monotonic() > limit:
            return None
    return assemble(network, plane, outline, cells, "reference")


def _fast(
    network: Network,
    plane: Slice,
    outline: Window,
    progress: Callable[[int], None] | None,
    jobs: int,
    executor: Executor | None,
) -> Partition:
    from .engine.assemble import glue
    from .engine.executor_jobs import solved
    from .engine.refine import Engine
    from .engine.region_store import Regions
    from .engine.schedule import alone, divide, shares
    from .engine.vertex_clusters import pieces

    engine = Engine(network, plane, outline)
    if executor is None and jobs > 1 and FORKS:
        tasks = shares(engine, jobs)
        list(pieces(engine, [tasks[0].cells.part(0, 1)]))  # what it loads, no helper has to
        found = spread(
            lambda k: Regions.joined(pieces(engine, engine.run([tasks[k]]))),
            len(tasks), jobs, progress, alone(engine, tasks),
        )  # fmt: skip
        return glue(engine, found, jobs)
    found, count = [], 0
    with workers(jobs, executor) as pool:
        for part in (
            pieces(engine, engine.run()) if pool is None else solved(engine, divide(engine), pool)
        ):
            found.append(part)
            count += len(part)
            if progress is not None:
                progress(count)
    return glue(engine, found, jobs)
