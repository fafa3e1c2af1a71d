"""`partition`: checks the question, picks an engine and returns the exact partition."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor

from .complex.partition import Partition, assemble
from .errors import ExactcamError, NetworkError, SliceError, interrupted
from .exact.reference import RawCell, activation_cells
from .model.network import Network
from .model.slice import Slice, Window, WindowLike, window_of
from .runtime.arguments import expect, words
from .runtime.processes import checked

__all__ = ["ENGINES", "partition"]

ENGINES = ("fast", "reference")
_SMALL = 128  # units: so many are worth trying without compiled kernels
_PATIENCE = 2.0  # seconds: compiling takes some fifteen


def partition(
    network: Network,
    slice: Slice | None = None,
    window: WindowLike = (-1, -1, 1, 1),
    engine: str | None = None,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
) -> Partition:
    """The exact partition of a network's input window into its activation regions.

    Parameters
    ----------
    network : Network
        Any continuous piecewise-linear network; see `exactcam.load` and `from_torch`.
    slice : Slice, optional
        The plane of the input space; may be left out for a network of two inputs.
    window : Window, (umin, vmin, umax, vmax) or list of corners
        The convex polygon of that plane to look at, in slice coordinates (u, v).
    engine : {"fast", "reference"}, optional
        Both give the same result. None is the fast one, save for a small problem on a machine
        where its kernels are not compiled yet: the reference, in exact integers, is tried for
        two seconds before paying for compilation.
    progress : callable, optional
        Called now and then with the number of regions found so far.
    jobs : int
        How many processes the fast engine uses, this one among them where processes can be
        forked; never more than it has tasks, nor than processors, unless the environment
        variable EXACTCAM_PROCESSES gives another limit, and this one alone while another
        thread computes. What the result computes later it computes in this process, unless
        `Partition.prefetch` is told more.
    executor : concurrent.futures.Executor, optional
        Runs the fast engine's jobs instead, for example that of dask.distributed:
        `Client.get_executor()`. While a cluster has no workers, one is waited for.

    Returns
    -------
    Partition
        Regions, edges and vertices in canonical order, whatever the engine and the jobs. The
        fast engine takes some microseconds per region of a network of a hundred units.

    Raises
    ------
    SliceError
        The slice does not fit the network, or the window is no convex polygon.
    ExactcamError
        The engine is unknown or `jobs` less than 1.

    Examples
    --------
    >>> import exactcam
    >>> bump = exactcam.from_arrays([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])])
    >>> part = exactcam.partition(bump, window=(-1, -1, 1, 1))
    >>> len(part), part.cells[0].area
    (4, mpq(1,1))
    """
    expect(network, Network, "network", "a Network, of exactcam.load or from_torch", NetworkError)
    if engine is not None:
        words(engine, "engine", ENGINES)
    if progress is not None and not callable(progress):
        raise ExactcamError(f"progress is a {type(progress).__name__}: give a function")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ExactcamError(f"executor is a {type(executor).__name__}: give an Executor")
    plane = Slice.plane(network.inputs) if slice is None else slice
    if not isinstance(plane, Slice):
        raise SliceError("the second argument is a Slice; give the window as window=...")
    if plane.size != network.inputs:
        raise SliceError(f"the slice has {plane.size} inputs, the network {network.inputs}")
    outline = window_of(window)
    one_process = checked(jobs) == 1 and executor is None
    if one_process and engine is None and network.units <= _SMALL:
        quick = _uncompiled(network, plane, outline)
        if quick is not None:
            return quick
    if engine == "reference":
        cells = activation_cells(network, plane, outline, progress)
        return assemble(network, plane, outline, cells, engine)
    from .engine.fast import fast_partition  # imports numba, which takes a second

    try:
        return fast_partition(network, plane, outline, progress, jobs, executor)
    except SystemError as error:
        if interrupted(error):
            raise KeyboardInterrupt from error
        raise


def _uncompiled(network: Network, plane: Slice, outline: Window) -> Partition | None:
    """Try the reference for up to 2 s before paying for JIT compilation; None where that is not
    enough, or the kernels are compiled already."""
    from .engine.kernels import ready  # imports numba, as the fast engine does

    if ready():
        return None
    limit = time.monotonic() + _PATIENCE
    cells: list[RawCell] = []
    for cell in activation_cells(network, plane, outline):
        cells.append(cell)
        if time.monotonic() > limit:
            return None
    return assemble(network, plane, outline, cells, "reference")
