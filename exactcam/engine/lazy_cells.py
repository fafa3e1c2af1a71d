"""Exact vertices and output maps of the fast engine's cells, computed when asked for.

A cell is stored as its pattern and the labels of its edges, from which `replay` computes exact
vertices and output maps. Questions about all cells at once (which output maps are equal, which
cells a decision boundary may cross) are answered by floats with error bounds for nearly all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import chain
from typing import Any, overload

import numpy as np

from ..arithmetic.constants import TINY, UNIT, UP
from ..arithmetic.rational import mpq, mpz, to_float
from ..complex.counts import numbered
from ..complex.output_maps import OutputMaps, frozen
from ..complex.vertices import Vertices
from ..model.geometry import Point, meet, reduced
from ..model.nodes import Block
from ..runtime.cached import cached_property
from ..runtime.float_mode import quiet
from ..runtime.fork_pool import chunks, spread
from .division import head_start, shares
from .kernels import vertices as kernels
from .kernels.arrays import FloatForms
from .live_units import live_codes
from .refine import TRIED, Engine, worth_trying
from .region_store import Regions

__all__ = ["ExactCells", "LazyMaps", "LazyVertices", "ahead", "side_by_side", "values_at"]

_EACH = 64  # vertices or cells: a process is given no fewer at a time
_CELLS = 4096  # cells whose float values at all corners are in memory at once


class ExactCells:
    """Exact vertices and output maps of cells, replayed from their patterns and labels."""

    def __init__(self, engine: Engine, cells: Regions) -> None:
        self.cells = cells
        self._question = engine.network, engine.plane, engine.window
        self._engine: Engine | None = engine

    @property
    def engine(self) -> Engine:
        """The engine that found the cells, or after pickling one prepared anew at first use."""
        if self._engine is None:
            self._engine = Engine(*self._question)
        return self._engine

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_engine": None}

    def points(self, corners: np.ndarray) -> list[Point]:
        """The exact reduced vertices at some corners (k,). Fastest if ordered by cell."""
        cells, trace = self.cells, self.engine.trace
        owner = np.searchsorted(cells.start, corners, side="right") - 1
        out: dict[int, Point] = {}
        for k in np.argsort(owner, kind="stable").tolist():
            corner, cell = int(corners[k]), int(owner[k])
            low, high = int(cells.start[cell]), int(cells.start[cell + 1])
            before = corner - 1 if corner > low else high - 1
            codes = cells.patterns[cell]
            lines = (trace.line(codes, int(cells.labels[e])) for e in (before, corner))
            out[k] = reduced(meet(*lines))
        return [out[k] for k in range(len(corners))]

    def place(self, points: np.ndarray, corners: np.ndarray) -> None:
        """Replace some rows of `points` by correctly rounded exact ones."""
        if len(corners):
            points[corners] = self.engine.frame.points(self.points(corners))

    def form(self, cell: int) -> Block:
        """The exact output maps of one cell; in canonical order cells share most work."""
        return self.engine.trace.output(self.cells.patterns[cell])


class LazyVertices(Vertices):
    """Exact vertices, each computed when first asked for; vertex i is at corner corners[i]."""

    def __init__(self, exact: ExactCells, corners: np.ndarray) -> None:
        self._exact, self._corners = exact, corners
        self._known: dict[int, Point] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyVertices, (self._exact, self._corners)

    def __len__(self) -> int:
        return len(self._corners)

    @overload
    def __getitem__(self, index: int) -> Point: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Point, ...]: ...

    def __getitem__(self, index: int | slice) -> Point | tuple[Point, ...]:
        wanted = range(len(self))[index]
        if isinstance(wanted, range):
            self.prefetch(wanted)
            return tuple(self._known[k] for k in wanted)
        if wanted not in self._known:
            (self._known[wanted],) = self._exact.points(self._corners[wanted : wanted + 1])
        return self._known[wanted]

    def __iter__(self) -> Iterator[Point]:
        return iter(self[:])

    def prefetch(self, numbers: Iterable[int] | None = None, jobs: int = 1) -> None:
        wanted = range(len(self)) if numbers is None else numbers
        missing = [k for k in wanted if k not in self._known]
        parts = chunks(self._corners[missing], jobs, _EACH)
        found = spread(lambda k: self._exact.points(parts[k]), len(parts), jobs)
        self._known.update(zip(missing, chain.from_iterable(found), strict=True))


class LazyMaps(OutputMaps):
    """Exact output maps, computed when asked for; questions that float bounds decide need none."""

    def __init__(self, exact: ExactCells) -> None:
        self._exact = exact
        self._forms: np.ndarray | None = None  # all exact maps, once someone has asked for all
        self._bounds: np.ndarray | None = None
        self._close = False  # whether `_bounds` were computed input by input, all of them

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyMaps, (self._exact,)

    @property
    def scale(self) -> mpz:
        return self._scale

    @cached_property
    def _scale(self) -> mpz:
        return self._exact.form(0).denominator

    def form(self, cell: int) -> np.ndarray:
        return self._exact.form(cell).columns if self._forms is None else self._forms[cell]

    def whole(self) -> np.ndarray:
        return self._computed(1)

    def prefetch(self, jobs: int = 1, exact: bool = True) -> None:
        self._bounded(jobs)
        if exact:
            self._computed(jobs)

    def _computed(self, jobs: int) -> np.ndarray:
        """All exact maps, computed by `jobs` processes if they are not yet."""
        if self._forms is None:
            parts = chunks(np.arange(len(self._exact.cells)), jobs, _EACH)

            def forms(k: int) -> list[np.ndarray]:
                return [self._exact.form(cell).columns for cell in parts[k].tolist()]

            outputs = self._exact.engine.network.outputs
            out = np.empty((len(self._exact.cells), outputs, 3), dtype=object)
            for cell, form in enumerate(chain.from_iterable(spread(forms, len(parts), jobs))):
                out[cell] = form
            self._forms = frozen(out)
        return self._forms

    @quiet()
    def _bounded(self, jobs: int) -> np.ndarray:
        """Float output maps with errors, (cells, 5, outputs): a, b, c, e, f in local
        coordinates. Runs the engine again: keeping them all along would cost memory."""
        if self._bounds is None:
            engine = self._exact.engine
            self._close = engine.closely
            # One process takes the whole window, depth first: to hold an early layer needs memory.
            tasks = shares(engine, jobs) if jobs > 1 else [engine.start()]

            def maps(k: int) -> np.ndarray:
                return side_by_side(engine.outputs([tasks[k]]))

            found = spread(maps, len(tasks), jobs, head_start=head_start(engine, tasks))
            self._bounds = np.concatenate(found)
        return self._bounds

    def _sharpen(self, cells: np.ndarray) -> None:
        """Replace the float maps of some cells by ones with bounds input by input."""
        engine, patterns = self._exact.engine, self._exact.cells.patterns
        for first in range(0, len(cells), _CELLS):
            some = cells[first : first + _CELLS]
            codes = np.stack([patterns[cell] for cell in some.tolist()])
            self._bounded(1)[some] = side_by_side(engine.outputs_closely(codes))

    def _still(
        self, cells: np.ndarray, open_of: Callable[[np.ndarray], np.ndarray], first: int
    ) -> np.ndarray:
        """Those of some cells, which float maps leave open, that are open with bounds input by input
        too: `open_of` finds them among cells. Deep networks need these bounds; they are dear, so if
        the `first` ones decide few of the cells, the others stay open."""
        self._bounded(1)
        if self._close or not len(cells):
            return cells
        some, others = cells[:first], cells[first:]
        self._sharpen(some)
        left = open_of(some)
        if len(others) and worth_trying(len(some), len(some) - len(left)):
            self._sharpen(others)
            return open_of(cells)
        return np.concatenate([left, others])

    @quiet()
    def keys(self) -> list[Hashable]:
        """Two maps whose float forms are further apart than their errors differ, and cells with equal
        live units have one map; only what neither proves has its exact map as key."""
        names = self._names(np.arange(len(self._exact.cells)))
        shared = np.nonzero(np.bincount(names)[names] > 1)[0]
        shared = shared[np.argsort(names[shared], kind="stable")]  # cluster by cluster
        first = np.searchsorted(names[shared], names[shared[:TRIED]].max(initial=-1), side="right")
        left = self._still(shared, self._not_alone, int(first))
        keys: list[Hashable] = list(range(len(names)))
        left = np.sort(left)  # in canonical order cells share most exact work
        first, alone = self._by_live_units(left)
        for cell, other, settled in zip(left.tolist(), left[first].tolist(), alone, strict=True):
            if cell == other and not settled:
                keys[cell] = tuple(self.form(cell).ravel())
            else:
                keys[cell] = keys[other]
        return keys

    def _by_live_units(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of some cells the first each with the same live units, and whether no other cell's map
        may be equal."""
        network, patterns = self._exact.engine.network, self._exact.cells.patterns
        rows: list[bytes] = []
        for first in range(0, len(cells), _CELLS):
            codes = np.stack([patterns[cell] for cell in cells[first : first + _CELLS].tolist()])
            found = live_codes(network, codes)
            if found is None:
                return np.arange(len(cells)), np.zeros(len(cells), dtype=bool)
            rows += [row.tobytes() for row in found]
        names, clusters = numbered(rows), self._names(cells)
        heads = np.unique(names, return_index=True)[1]
        return heads[names], (np.bincount(clusters[heads]) == 1)[clusters]

    def _not_alone(self, cells: np.ndarray) -> np.ndarray:
        """Those of some cells whose map floats do not prove different from all others'."""
        names = self._names(cells)
        out: np.ndarray = cells[np.bincount(names)[names] > 1]
        return out

    def _names(self, cells: np.ndarray) -> np.ndarray:
        """Clusters of some cells: those of different ones have different maps."""
        a, b, _, e, _ = np.moveaxis(self._bounded(1)[cells], 1, 0)[:, :, 0]
        e = e * UP + TINY
        low = np.nextafter(np.stack([a - e, b - e], axis=1), -np.inf)
        high = np.nextafter(np.stack([a + e, b + e], axis=1), np.inf)
        lost = ~np.isfinite(low + high).all(axis=1)
        low[lost], high[lost] = -np.inf, np.inf
        return kernels.clusters(np.concatenate([low, high], axis=1))

    @quiet()
    def may_tie(self, level: mpq) -> np.ndarray:
        """Cells without a proof at their corners (Theorem 23) that one side, or one output, wins."""

        def unclear(some: np.ndarray) -> np.ndarray:
            parts = [some[k : k + _CELLS] for k in range(0, len(some), _CELLS)]
            return np.concatenate([part[~self._clear(part, to_float(level))] for part in parts])

        found = unclear(np.arange(len(self._exact.cells)))
        return self._still(found, unclear, TRIED)

    def _clear(self, some: np.ndarray, height: float) -> np.ndarray:
        """Whether floats prove, of each of some cells, that one side of a level or one output wins.

        The outputs at the cells' corners are compared with how far the exact ones may be off.
        """
        cells = self._exact.cells
        sizes = np.diff(cells.start)[some]
        starts = np.cumsum(sizes) - sizes
        owner = np.repeat(np.arange(len(some)), sizes)
        places = (cells.start[some] - starts)[owner] + np.arange(len(owner))
        forms = np.moveaxis(self._bounded(1)[some], 1, 0)[:, owner]
        value, bound = values_at(forms, cells.vertices[cells.corners[places]])
        if value.shape[1] == 1:
            return _off_level(value, bound, height, starts)
        return _one_largest(value, bound, starts, owner)


def side_by_side(forms: Iterable[FloatForms]) -> np.ndarray:
    """Forms as `LazyMaps._bounded` keeps them."""
    return np.concatenate(
        [np.concatenate([x.coefficients, x.errors[x.owner]], axis=1) for x in forms]
    )


def values_at(forms: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of forms (a, b, c, e, f), (5, n, outputs), at one point (u, v, delta) each, (n, 3),
    and how far off they may be (Theorem 23)."""
    u, v, d = points.T[:, :, None]
    a, b, c, e, f = forms
    value = a * u + b * v + c
    size = np.maximum(np.abs(u), np.abs(v))
    bound = 5 * UNIT * (np.abs(a * u) + np.abs(b * v) + np.abs(c))
    return value, (bound + e * size + f + (np.abs(a) + np.abs(b) + e) * d) * UP + TINY


def _off_level(
    value: np.ndarray, bound: np.ndarray, height: float, starts: np.ndarray
) -> np.ndarray:
    """Which cells, beginning at rows `starts`, have all corners on one side of a level."""
    bound = bound + 2 * UNIT * (np.abs(value) + abs(height))
    above = np.logical_and.reduceat(value - height > bound, starts)
    below = np.logical_and.reduceat(value - height < -bound, starts)
    out: np.ndarray = (above | below)[:, 0]
    return out


def _one_largest(
    value: np.ndarray, bound: np.ndarray, starts: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """Which cells have one output that is the largest at all their corners."""
    best = value[starts].argmax(axis=1)[owner]
    return np.logical_and.reduceat(ahead(value, bound, best), starts)


def ahead(value: np.ndarray, bound: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Where output best[k] is proven to be larger than all others in row k of some values."""
    best = best[:, None]
    lowest = np.take_along_axis(value - bound, best, axis=1)
    rivals = value + bound
    np.put_along_axis(rivals, best, -np.inf, axis=1)
    highest = rivals.max(axis=1, keepdims=True)
    apart: np.ndarray = lowest - highest > 8 * UNIT * (np.abs(lowest) + np.abs(highest))
    return apart[:, 0]
