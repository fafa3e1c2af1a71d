"""`partitions`: many windows of one network in one run, their measures as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from ..analysis.boundary_points import Metric, nearest_boundary_point
from ..arithmetic.rational import Real, mpq, root_sum, to_float
from ..complex.partition import Partition
from ..compute import partition
from ..errors import ExactcamError, MissingCellError, NetworkError, interrupted
from ..model.geometry import cartesian
from ..model.network import Network
from ..model.slice import Slice, Window
from ..runtime.arguments import expect, integer
from ..runtime.cached import cached_property
from ..runtime.fork_pool import spread
from ..runtime.processes import checked
from .questions import Questions, SlicesLike, WindowsLike

__all__ = ["Partitions", "exact_measures", "partitions"]

_BYTES = 1 << 26  # of the windows' affine forms at the widest layer: so many are cut together
_TOGETHER = 64  # windows, at most: the cells of so many fit one batch
_TASKS = 1000  # for processes, at most


def partitions(
    network: Network,
    slices: SlicesLike,
    windows: WindowsLike = (-1, -1, 1, 1),
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Partitions:
    """The exact partitions of many small windows of one network, computed together.

    The first layers of all windows are one matrix product, and their cells are cut side by side:
    for windows of some tens of regions several times as fast as one `partition` each.

    Parameters
    ----------
    network : Network
        Any continuous piecewise-linear network.
    slices : arrays (origins, directions) or list of Slice
        The planes: origins (n, inputs) and directions (n, 2, inputs) are taken as the exact
        numbers they are. One Slice is that of all windows; None is the plane of a network of
        two inputs.
    windows : array (n, 4) or list of windows
        Rectangles (umin, vmin, umax, vmax), one for each slice, or anything `partition` takes;
        a single window is that of all slices. Arrays of floats are fastest.
    jobs : int
        How many processes to use, where they can be forked.
    progress : callable, optional
        Called now and then with the number of windows done so far.

    Returns
    -------
    Partitions
        A sequence of partitions, each computed when asked for, with `activation_regions` and other
        measures of all windows as arrays.

    Raises
    ------
    SliceError
        A slice or window is none, or does not fit; the message has its number.

    Examples
    --------
    >>> import exactcam
    >>> bump = exactcam.from_arrays([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])])
    >>> many = exactcam.partitions(bump, None, [(-1, -1, 1, 1), (1, 2, 3, 4), (0, 0, 1, 2)])
    >>> many.activation_regions.tolist(), len(many[1])
    ([4, 2, 2], 2)
    """
    expect(network, Network, "network", "a Network, of exactcam.load or from_torch", NetworkError)
    if progress is not None and not callable(progress):
        raise ExactcamError(f"progress is a {type(progress).__name__}: give a function")
    return Partitions(network, Questions(network.inputs, slices, windows), checked(jobs), progress)


class Partitions(Sequence[Partition]):
    """The exact partitions of many windows of one network: see `partitions`.

    Counts are exact. Lengths and distances are float64 with a relative error of at most 2^-16,
    proven; where floats cannot prove that, they are computed exactly and rounded. The region counts
    are there from the beginning. The first use of another measure cuts all windows once more, in
    this process: `measure` uses several.

    Attributes
    ----------
    network : Network
        The network.
    activation_regions : ndarray of int, (windows,)
        The number of activation regions of every window.
    MEASURES : tuple of str
        The names of the columns of `measure`.
    """

    MEASURES = (
        "activation_regions",
        "linear_regions",
        "affine_pieces",
        "boundary_lengths",
        "boundary_distances",
        "knot_distances",
    )

    def __init__(
        self,
        network: Network,
        questions: Questions,
        jobs: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        from .measures import TooLargeError, regions  # imports numba, which takes a second

        self.network, self._questions = network, questions
        self._measures: np.ndarray | None = None

        def solve(low: int, high: int) -> np.ndarray:
            try:
                return regions(network, questions, low, high)[:, None]
            except TooLargeError:  # one by one, each reduced to its window
                return np.asarray([[len(self[k])] for k in range(low, high)])

        self.activation_regions = self._spread(solve, 1, jobs, progress)[:, 0].astype(np.int64)
        self.activation_regions.flags.writeable = False

    def __repr__(self) -> str:
        total = int(self.activation_regions.sum())
        return f"<Partitions: {len(self):,} windows, {total:,} activation regions>"

    def __len__(self) -> int:
        return len(self._questions)

    @overload
    def __getitem__(self, index: int) -> Partition: ...

    @overload
    def __getitem__(self, index: slice) -> list[Partition]: ...

    def __getitem__(self, index: int | slice) -> Partition | list[Partition]:
        """The partition of window number `index`, computed now."""
        if isinstance(index, slice):
            return [self[k] for k in range(len(self))[index]]
        return partition(self.network, self.slice(index), self.window(index), "fast")

    def __iter__(self) -> Iterator[Partition]:
        return (self[k] for k in range(len(self)))

    def slice(self, index: int) -> Slice:
        """The slice of a window, by number."""
        return self._questions.slice(self._number(index))

    def window(self, index: int) -> Window:
        """The window of that number."""
        return self._questions.window(self._number(index))

    def _number(self, index: Any) -> int:
        number = integer(index, "the number of a window")
        if not -len(self) <= number < len(self):
            raise MissingCellError(f"there is no window {number}: there are {len(self):,}")
        return number % len(self)

    @cached_property
    def areas(self) -> np.ndarray:
        """The area of every window, in slice coordinates, rounded once."""
        return np.asarray([to_float(self.window(k).area) for k in range(len(self))])

    @property
    def linear_regions(self) -> np.ndarray:
        """The number of linear regions of every window, int."""
        return self.measure()[:, 1].astype(np.int64)

    @property
    def affine_pieces(self) -> np.ndarray:
        """The number of affine pieces of every window, int."""
        return self.measure()[:, 2].astype(np.int64)

    @property
    def boundary_lengths(self) -> np.ndarray:
        """The length of every window's decision boundary, in slice coordinates."""
        return self.measure()[:, 3]

    @property
    def boundary_distances(self) -> np.ndarray:
        """How far the decision boundary is from every window's middle, the mean of its corners, in
        input space and within the window; infinite where the window holds none of it."""
        return self.measure()[:, 4]

    @property
    def knot_distances(self) -> np.ndarray:
        """How far the nearest knot line is from every window's middle: as `boundary_distances`."""
        return self.measure()[:, 5]

    def measure(self, jobs: int = 1, progress: Callable[[int], None] | None = None) -> np.ndarray:
        """Compute what is not known yet of the measures, with several processes.

        Returns
        -------
        ndarray of float64, (windows, 6)
            The columns that `MEASURES` names.
        """
        if self._measures is None:
            from .measures import TooLargeError, measured, with_boundary

            longer = with_boundary(self.network)

            def solve(low: int, high: int) -> np.ndarray:
                try:
                    out = np.stack(measured(longer, self._questions, low, high), axis=1)
                except TooLargeError:
                    out = np.full((high - low, 6), np.nan)
                for k in np.nonzero(np.isnan(out).any(axis=1))[0].tolist():
                    exact = exact_measures(self[low + k], np.isnan(out[k]).tolist())
                    out[k] = np.where(np.isnan(out[k]), exact, out[k])
                return out

            self._measures = self._spread(solve, 6, checked(jobs), progress)
            self._measures.flags.writeable = False
        return self._measures

    def _spread(
        self,
        solve: Callable[[int, int], np.ndarray],
        columns: int,
        jobs: int,
        progress: Callable[[int], None] | None,
    ) -> np.ndarray:
        """Rows of all windows, each range of them solved together, by several processes."""
        # How many are cut together depends on no process, so that roundings do not.
        size = max(16, min(_TOGETHER, _BYTES // (24 * max(self.network.sizes))))
        starts = np.arange(0, len(self), size)
        parts = np.array_split(starts, min(_TASKS, len(starts))) if len(starts) else []

        def task(k: int) -> np.ndarray:
            return np.concatenate(
                [solve(low, min(low + size, len(self))) for low in parts[k].tolist()]
            )

        try:
            if jobs > 1 and parts:
                solve(0, 1)  # loads and compiles what is needed, once for all processes
            found = spread(task, len(parts), jobs, progress)
        except SystemError as error:
            if interrupted(error):
                raise KeyboardInterrupt from error
            raise
        return np.concatenate([np.zeros((0, columns)), *found])


def exact_measures(part: Partition, wanted: Sequence[bool] = (True,) * 6) -> list[float]:
    """The measures of one window (see `Partitions.measure`) by exact arithmetic, rounded; those that
    are not wanted are NaN."""
    out = [np.nan] * len(wanted)
    if wanted[0] or wanted[1]:
        out[:3] = map(float, vars(part.counts).values())
    corners = part.window.corners
    u, v = (sum(c, mpq(0)) / len(corners) for c in zip(*corners, strict=True))
    if wanted[3]:
        out[3] = _rounded(part.decision_boundary().length)
    if wanted[4]:
        boundary = part.decision_boundary()
        some = boundary.segments or boundary.plateaus or boundary.points
        out[4] = _rounded(nearest_boundary_point(part, u, v).margin) if some else np.inf
    if wanted[5]:
        metric, edges = Metric(part.slice), part.edges
        inner = edges.vertices[(edges.cells >= 0).all(axis=1)].tolist()
        ends = [[cartesian(part.vertices[k]) for k in pair] for pair in inner]
        squares = [metric.nearest((u, v), start, end)[0] for start, end in ends]
        out[5] = _rounded(root_sum([min(squares)])) if squares else np.inf
    return out


def _rounded(x: Real) -> float:
    """A number that may be beyond the range of floats, as one."""
    return x if isinstance(x, float) else to_float(x)
