"""Slice and window: the plane of the input space, and the polygon in it, that is partitioned.

A slice is the affine map (u, v) -> origin + u e1 + v e2 with exact rational
vectors, e1 and e2 linearly independent. A window is a convex polygon with
interior in the (u, v) plane, counter-clockwise. Both are checked exactly when
made, so nothing later has to doubt them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arithmetic.rational import common_integers, mpq, mpz, objects, rational, shortened
from ..arithmetic.rounding import difference
from ..errors import SliceError
from ..runtime.arguments import integer, listed
from ..runtime.cached import WithoutCaches, cached_property
from .geometry import Line, Point, area2, homogeneous, polygon_of, side
from .nodes import Block

__all__ = ["Slice", "Window", "WindowLike", "window_of"]

Vector = tuple[mpq, ...]
_VECTORS = ("origin", "e1", "e2")
_FLOATS = {float, np.float64, np.float32, np.float16}


def _vector(values: Sequence[Any] | np.ndarray, where: str) -> Vector | np.ndarray:
    """Exact rational entries, float64 ones as an array; a NumberError names the entry of `where`."""
    entries = listed(values, where, "a vector of exact numbers", SliceError)
    if {type(x) for x in entries} <= _FLOATS:
        floats = np.asarray(entries, dtype=np.float64)
        if floats.size and np.isfinite(floats).all():
            return floats
    return tuple(rational(x, f"{where}[{i}]") for i, x in enumerate(entries))


def _exact(vector: Vector | np.ndarray) -> Vector:
    """The rational entries of a `_vector`."""
    if isinstance(vector, np.ndarray):  # of a float, mpq(x) takes four times as long
        return tuple(mpq(*x.as_integer_ratio()) for x in vector.tolist())
    return vector


def _difference(x: Vector | np.ndarray, y: Vector | np.ndarray) -> Vector | np.ndarray:
    """x - y, as an array where it needs no rounding."""
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        with np.errstate(over="ignore", invalid="ignore"):
            out, lost = difference(x, y)
        if not lost.any():
            return out
    return tuple(a - b for a, b in zip(_exact(x), _exact(y), strict=True))


@dataclass(frozen=True)
class Slice(WithoutCaches):
    """The plane origin + u e1 + v e2. Raises SliceError for dependent directions.

    Where all three came as floats, `floats` are these, (3, size), and the rational vectors are
    made when first asked for: of an image that takes longer than to cut a small window.
    """

    origin: Vector
    e1: Vector
    e2: Vector
    floats: np.ndarray | None = field(compare=False)

    def __init__(
        self,
        origin: Sequence[Any] | np.ndarray,
        e1: Sequence[Any] | np.ndarray,
        e2: Sequence[Any] | np.ndarray,
    ) -> None:
        base, first, second = _vector(origin, "origin"), _vector(e1, "e1"), _vector(e2, "e2")
        if not len(base) == len(first) == len(second):
            raise SliceError(
                f"origin, e1 and e2 have {len(base)}, {len(first)} and {len(second)} entries: "
                "give three vectors of the network's input size"
            )
        pivot = next((i for i, x in enumerate(first) if x), None)
        if pivot is None or all(
            mpq(first[pivot]) * mpq(y) == mpq(second[pivot]) * mpq(x)
            for x, y in zip(first, second, strict=True)
        ):
            raise SliceError("e1 and e2 are linearly dependent: the slice would be no plane")
        vectors = (base, first, second)
        floats = [vector for vector in vectors if isinstance(vector, np.ndarray)]
        if len(floats) == 3:
            object.__setattr__(self, "floats", np.stack(floats))
            return
        object.__setattr__(self, "floats", None)
        for name, vector in zip(_VECTORS, vectors, strict=True):
            object.__setattr__(self, name, _exact(vector))

    def __getattr__(self, name: str) -> Vector:
        """The rational vectors, where only floats are there yet."""
        if name not in _VECTORS or "floats" not in vars(self):
            raise AttributeError(f"a Slice has no {name!r}", name=name, obj=self)
        vector = vars(self)[name] = _exact(vars(self)["floats"][_VECTORS.index(name)])
        return vector

    def __repr__(self) -> str:
        if self.size > 2:
            return f"<Slice of {self.size:,} inputs>"
        origin, e1, e2 = (", ".join(map(shortened, v)) for v in (self.origin, self.e1, self.e2))
        return f"<Slice ({origin}) + u ({e1}) + v ({e2})>"

    @staticmethod
    def axes(at: Sequence[Any], i: int = 0, j: int = 1) -> Slice:
        """Inputs i and j vary as u and v, the rest stay at `at` (whose entries i, j are not used)."""
        at = listed(at, "at", "a vector of the network's input size", SliceError)
        size = len(at)
        i, j = integer(i, "i", error=SliceError), integer(j, "j", error=SliceError)
        if not (0 <= i < size and 0 <= j < size) or i == j:
            raise SliceError(f"axes {i} and {j} must be two different inputs of 0..{size - 1}")
        origin = [0 if k in (i, j) else x for k, x in enumerate(at)]
        return Slice(origin, [int(k == i) for k in range(size)], [int(k == j) for k in range(size)])

    @staticmethod
    def plane(size: int) -> Slice:
        """The whole input plane of a network of two inputs."""
        if integer(size, "size", error=SliceError) != 2:
            raise SliceError(
                f"the network has {size} inputs: give a slice, for example Slice.axes or Slice.through"
            )
        return Slice.axes([0, 0])

    @staticmethod
    def through(a: Sequence[Any], b: Sequence[Any], c: Sequence[Any]) -> Slice:
        """Through three points: a at (0, 0), b at (1, 0), c at (0, 1)."""
        p, q, r = _vector(a, "a"), _vector(b, "b"), _vector(c, "c")
        if not len(p) == len(q) == len(r):
            raise SliceError(f"the three points have {len(p)}, {len(q)} and {len(r)} entries")
        return Slice(p, _difference(q, p), _difference(r, p))

    @property
    def size(self) -> int:
        """The dimension of the input space."""
        return len(self.origin) if self.floats is None else self.floats.shape[1]

    def at(self, u: Any, v: Any) -> Vector:
        """The input vector at slice coordinates (u, v)."""
        s, t = rational(u, "u"), rational(v, "v")
        return tuple(
            o + s * x + t * y for o, x, y in zip(self.origin, self.e1, self.e2, strict=True)
        )

    @cached_property
    def block(self) -> Block:
        """The input as affine forms of (u, v): columns e1, e2, origin over one denominator."""
        numbers, scale = common_integers([*self.e1, *self.e2, *self.origin])
        return Block(objects(numbers, (3, self.size)).T, objects([mpz(0), mpz(0), mpz(1)]), scale)

    def points(self, points: Sequence[Point]) -> Block:
        """The input vectors at homogeneous slice points, one column each."""
        plane = self.block
        columns = plane.columns.dot(objects((x for p in points for x in p), (len(points), 3)).T)
        return Block(columns, objects(p[2] for p in points), plane.denominator)


@dataclass(frozen=True)
class Window(WithoutCaches):
    """A convex polygon with interior, counter-clockwise, rational `corners` (u, v).

    Clockwise corners are turned around. Raises SliceError for a polygon that is
    flat, not convex, turns more than once, or has a corner of 180 degrees.
    """

    corners: tuple[tuple[mpq, mpq], ...]

    def __init__(self, corners: Sequence[Sequence[Any]]) -> None:
        points = []
        for k, corner in enumerate(listed(corners, "the window", _WINDOW, SliceError)):
            corner = listed(corner, f"window corner {k}", "two exact numbers u, v", SliceError)
            if len(corner) != 2:
                raise SliceError(f"window corner {k} has {len(corner)} coordinates, not 2")
            points.append(
                (rational(corner[0], f"corner {k} u"), rational(corner[1], f"corner {k} v"))
            )
        if len(points) < 3:
            raise SliceError(f"a window needs at least 3 corners, not {len(points)}")
        doubled = area2([homogeneous(*p) for p in points])
        if doubled == 0:
            raise SliceError("the window is flat: its corners enclose no area")
        if doubled < 0:
            points.reverse()
        object.__setattr__(self, "corners", tuple(points))
        for k, line in enumerate(self.sides):
            for m, corner in enumerate(self.vertices):
                if m not in (k, (k + 1) % len(points)) and side(line, corner) <= 0:
                    raise SliceError(
                        f"the window is not strictly convex: corner {m} is not to the left of the "
                        f"side from corner {k}"
                    )

    def __repr__(self) -> str:
        (umin, umax), (vmin, vmax) = ((min(t), max(t)) for t in zip(*self.corners, strict=True))
        u, v = (f"[{shortened(a)}, {shortened(b)}]" for a, b in ((umin, umax), (vmin, vmax)))
        box = len(self.corners) == 4 and all(
            s in (umin, umax) and t in (vmin, vmax) for s, t in self.corners
        )
        return (
            f"<Window {u} x {v}>"
            if box
            else f"<Window of {len(self.corners)} corners in {u} x {v}>"
        )

    @staticmethod
    def rectangle(umin: Any, vmin: Any, umax: Any, vmax: Any) -> Window:
        """The axis-parallel rectangle [umin, umax] x [vmin, vmax]."""
        left, low = rational(umin, "window umin"), rational(vmin, "window vmin")
        right, high = rational(umax, "window umax"), rational(vmax, "window vmax")
        if not (left < right and low < high):
            raise SliceError("the window needs umin < umax and vmin < vmax")
        return Window([(left, low), (right, low), (right, high), (left, high)])

    @cached_property
    def vertices(self) -> tuple[Point, ...]:
        """The corners as homogeneous integer points."""
        return tuple(homogeneous(u, v) for u, v in self.corners)

    @cached_property
    def sides(self) -> tuple[Line, ...]:
        """Side k runs from corner k to corner k + 1 with the interior on its positive side."""
        return tuple(line for _, line in polygon_of(self.vertices))

    @property
    def extent(self) -> mpq:
        """The longer side of the axis-parallel rectangle around it."""
        return max(max(axis) - min(axis) for axis in zip(*self.corners, strict=True))

    @property
    def area(self) -> mpq:
        """The exact area in slice coordinates."""
        return area2(self.vertices) / 2


WindowLike = Window | Sequence[Any]  # a Window, (umin, vmin, umax, vmax), or corners (u, v)


_WINDOW = "(umin, vmin, umax, vmax) or a list of corners (u, v)"


def _many(entry: Any) -> bool:
    """Whether an entry of a window is a corner rather than a number."""
    return isinstance(entry, (list, tuple)) or getattr(entry, "ndim", 0) > 0


def window_of(window: WindowLike) -> Window:
    """A Window from itself, from (umin, vmin, umax, vmax) or from corners."""
    if isinstance(window, Window):
        return window
    entries = listed(window, "the window", _WINDOW, SliceError)
    if len(entries) != 4 and not all(_many(e) for e in entries):
        raise SliceError("a window is (umin, vmin, umax, vmax) or a list of corners (u, v)")
    if len(entries) == 4 and not any(_many(e) for e in entries):
        return Window.rectangle(*entries)
    return Window(entries)
