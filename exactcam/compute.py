"""`partition`: checks the question, picks an engine and returns the exact partition."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from .complex.partition import Partition, assemble
from .errors import ExactcamError, NetworkError, ReductionError, SliceError, interrupted
from .exact.reference import RawCell, activation_cells
from .model.network import Network
from .model.slice import Slice, Window, WindowLike, window_of
from .runtime.arguments import expect, words
from .runtime.processes import checked

if TYPE_CHECKING:
    from .reduction.unstable import Reduced

__all__ = ["ENGINES", "partition"]

ENGINES = ("fast", "reference")
_SMALL = 128  # units: so many are worth trying without compiled kernels
_MANY, _LARGE = 1 << 11, 1 << 20  # units and multiplications from which on reduction is tried
_CHANGING = 1 << 11  # units that change: from so many on reduction is not worth trying
_PATIENCE = 2.0  # seconds: compiling takes some fifteen


def partition(
    network: Network,
    slice: Slice | None = None,
    window: WindowLike = (-1, -1, 1, 1),
    engine: str | None = None,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    reduce: bool | str | None = None,
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
    reduce : bool or str, optional
        Whether to reduce the network first to the units that change within the window, exactly
        (Theorem 31 of proofs/reduction.md). The result is the same. None does so for large
        networks, such as convolutional ones, where few units change. The name of a device that
        torch computes on in float64, such as "cuda", does so there, with the same result bit
        for bit.

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
        The engine or the device is unknown or `jobs` less than 1.
    ReductionError
        Where the reduction is asked for and too many units change.

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
    found = _reduced(network, plane, outline, reduce, engine)

    def answer(network: Network, plane: Slice) -> Partition:
        if engine == "reference":
            cells = activation_cells(network, plane, outline, progress)
            return assemble(network, plane, outline, cells, engine)
        from .engine.fast import fast_partition  # imports numba, which takes a second

        return fast_partition(network, plane, outline, progress, jobs, executor)

    try:
        if found is None:
            return answer(network, plane)
        from .reduction.widened import widened

        return widened(answer(found.network, found.plane), found, network, plane)
    except SystemError as error:
        if interrupted(error):
            raise KeyboardInterrupt from error
        raise


def _reduced(
    network: Network,
    plane: Slice,
    outline: Window,
    reduce: bool | str | None,
    engine: str | None,
) -> Reduced | None:
    """The network of the units that are unstable on the window, if it is wanted or worth it."""
    if reduce is not None:
        expect(reduce, (bool, str), "reduce", "True, False, None or torch's name of a device")
    if reduce is False or (reduce is None and (engine == "reference" or not _large(network))):
        return None
    from .reduction.unstable import reduced  # imports numba

    most = network.units if reduce else min(network.units // 8, _CHANGING)
    try:
        return reduced(network, plane, outline, most, reduce if isinstance(reduce, str) else None)
    except ReductionError:
        if reduce:
            raise
        return None


def _large(network: Network) -> bool:
    """Whether a network is so large that to reduce it takes less than to cut a few regions."""
    if network.units < _MANY:
        return False
    rows = ((m.shape[0], m.fan_in) for node in network.affine_nodes.values() for m in node.matrices)
    return sum(height * terms for height, terms in rows) >= _LARGE


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
