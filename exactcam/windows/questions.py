"""Slices with a window each, given as arrays or objects; where they are floats, a run over all of
them begins without an exact number.

Lists of rationals for every window of an image's plane would take longer than to cut it. So a
rectangle and vectors of floats are checked and brought to local coordinates many at a time, by
operations whose rounding is known; what is no float, or too large or small, is a `Slice` and a
`Window` from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..arithmetic.constants import TINY, UP
from ..arithmetic.rounding import difference, grid_of
from ..engine.float_forms import FloatValue
from ..engine.kernels.arrays import FloatForms
from ..engine.local_frame import Frame, halves
from ..errors import ExactcamError, SliceError
from ..model.slice import Slice, Window, WindowLike, window_of
from ..runtime.arguments import arrayed, listed

__all__ = ["Frames", "Questions", "SlicesLike", "WindowsLike"]

SlicesLike = Sequence[Slice] | tuple[Any, Any] | Slice | None
WindowsLike = WindowLike | Sequence[WindowLike]

_SLICES = "a list of Slices, or arrays (origins, directions) of (n, inputs) and (n, 2, inputs)"
_WINDOWS = "one window for all slices, a list of windows, or an (n, 4) array of rectangles"
_BLOCK = 1024  # slices looked at together
_APART = 2.0**-40  # of two products of floats: further apart than their roundings, by far
Made = TypeVar("Made")


class Questions:
    """Slices of the input space with a window each, by number.

    Parameters
    ----------
    inputs : int
        The size of the network's input.
    slices, windows
        As `exactcam.partitions` takes them.

    Raises
    ------
    SliceError
        There are not as many windows as slices, or one of them is none: the message has its number.
    """

    def __init__(self, inputs: int, slices: SlicesLike, windows: WindowsLike) -> None:
        self._vectors, self._slices = _slices(slices, inputs)
        self._rectangles, self._windows = _windows(windows)
        sizes = [len(self._slices) if self._vectors is None else len(self._vectors[0])]
        sizes.append(len(self._windows) if self._rectangles is None else len(self._rectangles))
        if 1 not in sizes and sizes[0] != sizes[1]:
            raise SliceError(f"{sizes[0]:,} slices and {sizes[1]:,} windows: give {_WINDOWS}")
        self._sizes = sizes
        wrong = next((k for k in range(len(self._slices)) if self._slices[k].size != inputs), None)
        if wrong is not None:
            own = self._slices[wrong].size
            raise SliceError(f"slice {wrong} has {own} inputs, the network {inputs}")
        self.usual = self._usual()
        for k in np.nonzero(~self.usual)[0].tolist():  # raises what is wrong with them
            self.slice(k), self.window(k)

    def __len__(self) -> int:
        return max(self._sizes) if min(self._sizes) else 0

    def slice(self, k: int) -> Slice:
        """Slice number k."""
        k %= self._sizes[0]
        if self._vectors is None:
            return self._slices[k]
        origins, directions = self._vectors
        return _made("slice", k, lambda: Slice(origins[k], *directions[k]))

    def window(self, k: int) -> Window:
        """Window number k."""
        k %= self._sizes[1]
        if self._rectangles is None:
            return self._windows[k]
        rectangle = self._rectangles[k].tolist()
        return _made("window", k, lambda: Window.rectangle(*rectangle))

    def vectors(self, low: int, high: int) -> np.ndarray:
        """Origin, e1 and e2 of slices low:high, which are `usual`, float64 (n, 3, inputs)."""
        which = np.arange(low, high) % self._sizes[0]
        if self._vectors is None:
            found = [self._slices[k].floats for k in which.tolist()]
            return np.stack([x for x in found if x is not None])
        origins, directions = self._vectors
        return np.concatenate([origins[which][:, None], directions[which]], axis=1) + 0.0

    def rectangles(self, low: int, high: int) -> np.ndarray:
        """Windows low:high, which are `usual`, as rectangles, float64 (n, 4)."""
        assert self._rectangles is not None
        return self._rectangles[np.arange(low, high) % self._sizes[1]] + 0.0

    def _usual(self) -> np.ndarray:
        """Which slices and windows are floats, of sizes that products and roundings can do with,
        and are proven to be a plane and a rectangle."""
        none = np.zeros(len(self), dtype=np.bool_)
        if self._rectangles is None or self._rectangles.dtype != np.float64:
            return none
        if self._vectors is None:
            plane = np.asarray([s.floats is not None for s in self._slices])
            plane[plane] = [
                _moderate(s.floats[None])[0] for s in self._slices if s.floats is not None
            ]
        elif any(x.dtype != np.float64 for x in self._vectors):
            return none
        else:
            plane = np.zeros(self._sizes[0], dtype=np.bool_)
            for low in range(0, len(plane), _BLOCK):  # all at once would double the memory
                origins, directions = (x[low : low + _BLOCK] for x in self._vectors)
                own = _moderate(origins) & _moderate(directions) & _independent(directions)
                plane[low : low + _BLOCK] = own
        umin, vmin, umax, vmax = self._rectangles.T
        box = _moderate(self._rectangles) & (umin < umax) & (vmin < vmax)
        numbers = np.arange(len(self))
        found: np.ndarray = plane[numbers % self._sizes[0]] & box[numbers % self._sizes[1]]
        return found


def _made(name: str, k: int, make: Callable[[], Made]) -> Made:
    """What `make` makes, number k; its errors say so."""
    try:
        return make()
    except ExactcamError as error:
        raise type(error)(f"{name} {k}: {error}") from None


def _slices(given: Any, inputs: int) -> tuple[tuple[np.ndarray, np.ndarray] | None, list[Slice]]:
    """Slices as arrays of origins and directions, or else as a list."""
    if given is None:
        return None, [Slice.plane(inputs)]
    if isinstance(given, Slice):
        return None, [given]
    entries = listed(given, "slices", _SLICES, SliceError)
    if all(isinstance(x, Slice) for x in entries):
        return None, entries
    if len(entries) != 2:
        raise SliceError(f"slices: give {_SLICES}")
    origins, directions = (
        _numbers(arrayed(x, name, _SLICES, SliceError))
        for x, name in zip(entries, ("origins", "directions"), strict=True)
    )
    size = len(origins) if origins.ndim else 0
    if origins.shape != (size, inputs) or directions.shape != (size, 2, inputs):
        raise SliceError(
            f"origins and directions have shapes {origins.shape} and {directions.shape}: "
            f"give (n, {inputs}) and (n, 2, {inputs})"
        )
    return (origins, directions), []


def _windows(given: Any) -> tuple[np.ndarray | None, list[Window]]:
    """Windows as an array of rectangles, or else as a list."""
    if isinstance(given, Window):
        return None, [given]
    entries = listed(given, "windows", _WINDOWS, SliceError)
    if entries and all(isinstance(x, Window) for x in entries):
        return None, entries
    sizes = {_entries(x) for x in entries}
    if len(entries) >= 3 and (sizes <= {0} or sizes == {2}):
        entries, sizes = [entries], {len(entries) * (sizes == {0})}  # one window
    if sizes == {4} and all(_entries(y) == 0 for x in entries for y in x):
        return _numbers(arrayed(entries, "windows", _WINDOWS, SliceError)), []
    return None, [_made("window", k, partial(window_of, x)) for k, x in enumerate(entries)]


def _entries(value: Any) -> int:
    """How many entries a list or array has, 0 for a number or Window."""
    return len(value) if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0 else 0


def _numbers(array: np.ndarray) -> np.ndarray:
    """The array in float64 where that loses nothing, else as it is."""
    if array.dtype.kind in "iub" and (np.abs(array.astype(np.float64)) < 2.0**53).all():
        return array.astype(np.float64)
    narrow = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    return array.astype(np.float64, copy=False) if narrow else array


def _moderate(vectors: np.ndarray) -> np.ndarray:
    """Which entries of the first axis hold only zeros and floats between 2^-300 and 2^300."""
    sizes = np.abs(vectors)
    fit = ((sizes > 2.0**-300) & (sizes < 2.0**300)) | (sizes == 0.0)
    found: np.ndarray = fit.all(axis=tuple(range(1, fit.ndim)))
    return found


def _independent(directions: np.ndarray) -> np.ndarray:
    """Which pairs of directions, (n, 2, inputs), floats prove to be independent."""
    with np.errstate(over="ignore", invalid="ignore"):
        e1, e2 = directions[:, 0], directions[:, 1]
        pivot = np.abs(e1).argmax(axis=1)[:, None]
        left = np.take_along_axis(e1, pivot, 1) * e2
        right = np.take_along_axis(e2, pivot, 1) * e1
        found: np.ndarray = (np.abs(left - right) > _APART * (np.abs(left) + np.abs(right))).any(
            axis=1
        )
    return found


class Frames:
    """Local coordinates (u - centre) / scale of rectangles, in which each lies in [-1, 1]^2."""

    def __init__(self, rectangles: np.ndarray) -> None:
        ends = rectangles.reshape(-1, 2, 2)  # lower left, upper right
        step = np.ldexp(1.0, np.frexp((ends[:, 1] - ends[:, 0]).max(axis=1))[1] - 12)[:, None]
        # Any floats would do as a centre; those of few bits leave what has few bits exact.
        self.centre = np.rint((ends[:, 0] / 2 + ends[:, 1] / 2) / step) * step
        local, lost = difference(ends, self.centre[:, None])
        reach = (np.abs(local) + np.abs(lost)).max(axis=(1, 2)) * UP
        self.scale = np.ldexp(1.0, np.frexp(reach)[1])
        scale = self.scale[:, None, None]
        self._ends, self._lost = local / scale, np.abs(lost) / scale

    def at(self, k: int) -> Frame:
        """The coordinates of rectangle k, for exact numbers."""
        return Frame.at(self.centre[k].tolist(), float(self.scale[k]))

    def corners(self) -> np.ndarray:
        """Every rectangle's four corners with their sides, counter-clockwise from the lower left,
        (n, 4, 8) as in `Batch`."""
        out = np.zeros((len(self.scale), 4, 8))
        for k, (right, upper) in enumerate([(0, 0), (1, 0), (1, 1), (0, 1)]):
            out[:, k, 0], out[:, k, 1] = self._ends[:, right, 0], self._ends[:, upper, 1]
            out[:, k, 2] = np.maximum(self._lost[:, right, 0], self._lost[:, upper, 1])
        for k, (end, axis, inward) in enumerate([(0, 1, 1), (1, 0, -1), (1, 1, -1), (0, 0, 1)]):
            out[:, k, 3 + axis], out[:, k, 5] = inward, -inward * self._ends[:, end, axis]
            out[:, k, 7] = self._lost[:, end, axis]
        return out

    def forms(self, vectors: np.ndarray) -> FloatValue:
        """The inputs origin + u e1 + v e2, of `vectors` (n, 3, inputs), as affine forms of the local
        coordinates, every rectangle one cell."""
        origin, e1, e2 = np.moveaxis(vectors, 1, 0)
        scale = self.scale[:, None]
        rows = np.stack([e1 * scale, e2 * scale, origin], axis=1)
        errors = np.zeros((len(rows), 2, rows.shape[2]))
        moved = np.nonzero(self.centre.any(axis=1))[0]
        if len(moved):
            x, y = self.centre[moved].T[:, :, None]
            (p, lost_p), (q, lost_q) = _product(x, e1[moved]), _product(y, e2[moved])
            total, lost = difference(p, -q)
            rows[moved, 2], left = difference(origin[moved], -total)
            lost = np.abs(lost_p) + np.abs(lost_q) + np.abs(lost) + np.abs(left)
            errors[moved, 1] = np.where(lost == 0.0, 0.0, lost * UP + TINY)
        # No sum is exact (Lemma 21) that adds floats beyond 2^53 units of their grid: then one
        # window says so, and saves a look at all digits.
        fine = np.ldexp(np.abs(rows).max(axis=2).min(), grid_of(rows[0])) >= 2.0**53
        grid = None if fine or errors.any() else grid_of(rows)
        return FloatValue(FloatForms(rows, errors, np.arange(len(rows))), grid)


def _product(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x y in floats and what its rounding lost, exactly (Dekker)."""
    out = x * y
    (a, b), (c, d) = halves(x), halves(y)
    return out, b * d - (((out - a * c) - b * c) - a * d)
