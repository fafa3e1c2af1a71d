"""Measures of many windows from the cells of one run, by floats with proven errors.

The network is continued by one more layer, whose cuts are the decision boundary, so that one run
finds the regions, the outputs on them and the boundary. A measure is given where floats prove it
to `_CLOSE` (Lemma 33 of proofs/windows.md); elsewhere it is NaN, for exact arithmetic to fill in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arithmetic.constants import TINY, UNIT, UP
from ..complex.patterns import following
from ..engine.float_activation import continued
from ..engine.float_forms import FloatValue
from ..engine.kernels.constants import DELTA, A, U, V
from ..engine.lazy_cells import ahead, side_by_side, values_at
from ..engine.refine import Batch, Task
from ..model.network import Network
from ..model.nodes import Cpwl, MaxGroups, Pointwise
from ..runtime.float_mode import quiet
from .joint import JointEngine, TooLargeError
from .questions import Questions

__all__ = ["Measures", "TooLargeError", "measured", "regions", "with_boundary"]

_CLOSE = 2.0**-16  # the relative error that measures may have
_LEAST = 2.0**-960  # smaller floats may have lost accuracy
_ROUNDED = 64 * UNIT  # covers the roundings of some ten operations on numbers of order one


class Measures(NamedTuple):
    """The measures of windows, float64 (windows,) each: see `Partitions`."""

    activation_regions: np.ndarray
    linear_regions: np.ndarray
    affine_pieces: np.ndarray
    boundary_lengths: np.ndarray
    boundary_distances: np.ndarray
    knot_distances: np.ndarray


def with_boundary(network: Network) -> Network:
    """The network and one layer more, which cuts along the decision boundary."""
    source, size = network.output, network.outputs
    if size > 1:
        return continued(network, MaxGroups(source, (tuple(range(size)),)))
    level = (Cpwl.through([0], [0, 1]),)
    return continued(network, Pointwise(source, level, np.zeros(1, dtype=np.int64)))


def regions(network: Network, questions: Questions, low: int, high: int) -> np.ndarray:
    """The number of activation regions of windows low:high; raises TooLargeError."""
    out = np.zeros(high - low, dtype=np.int64)
    for batch in JointEngine(network, questions, low, high).run():
        assert batch.places is not None
        out += np.bincount(batch.places, minlength=len(out))
    return out


@quiet()
@np.errstate(divide="ignore")
def measured(network: Network, questions: Questions, low: int, high: int) -> Measures:
    """The measures of windows low:high, of a network `with_boundary`; NaN where floats prove none. Raises
    TooLargeError."""
    engine = JointEngine(network, questions, low, high, closely=True)
    start = engine.start()
    found = _Found(engine, start)
    for task in engine.leaves(start):
        found.add(task)
    return found.measures()


class _Found:
    """What is known of each window while its cells come in."""

    def __init__(self, engine: JointEngine, start: Task) -> None:
        self._layer, self._first = engine.network.layers[-1], engine.labels.starts[-2]
        self._scales = engine.scales
        self._size = len(self._scales)
        self._metric = _Metric(engine.inputs, start)
        self.regions = np.zeros(self._size, dtype=np.int64)
        self._maps: list[np.ndarray] = []
        self._open = np.zeros(self._size, dtype=np.bool_)  # something of the boundary is not proven
        self._lengths = np.zeros((2, self._size))  # of the boundary, and its error
        self._nearest = np.full((2, 2, self._size), np.inf)  # boundary and knots: at least, at most

    def add(self, task: Task) -> None:
        """Take the cells of a task that is behind the last layer."""
        cells, places = task.cells, task.cells.places
        assert places is not None
        new = np.diff(task.parents, prepend=-1) != 0
        self.regions += np.bincount(places[new], minlength=self._size)
        forms = side_by_side([task.values[self._layer.source].forms])
        a, e = forms[task.parents[new]][:, [0, 3], 0].T
        self._maps.append(np.stack([places[new], a, e * UP + TINY]))
        self._open[places[self._unproven(cells, forms[task.parents])]] = True

        own = np.repeat(places, np.diff(cells.start))
        points, after = cells.corners[:, :3], following(cells.start)
        tie = cells.labels >= self._first
        length = np.hypot(*(points[after] - points)[tie, :2].T)
        error = points[tie, DELTA] + points[after[tie], DELTA] + 2 * _ROUNDED
        for out, terms in zip(self._lengths, (length / 2, error), strict=True):
            out += np.bincount(own[tie], terms, self._size)
        for bounds, some in zip(self._nearest, (tie, (cells.labels >= 0) & ~tie), strict=True):
            found = self._metric.distances(own[some], cells.corners[some], points[after[some]])
            for out, values in zip(bounds, found, strict=True):
                np.minimum.at(out, own[some], values)

    def _unproven(self, cells: Batch, forms: np.ndarray) -> np.ndarray:
        """The cells, by number, of which floats do not prove that nothing ties but the edges that
        the last layer cut (Lemma 33, a): their corners that end none of these, the other edges'
        midpoints, and a point within. `forms` are the outputs on each, (cells, 5, outputs)."""
        points, after = cells.corners[:, :3], following(cells.start)
        numbers, sizes = np.arange(len(cells)), np.diff(cells.start)
        owner, tie = np.repeat(numbers, sizes), cells.labels >= self._first
        at_tie = tie.copy()
        at_tie[after[tie]] = True
        edges = (points + points[after]) / 2
        middles = np.add.reduceat(points, cells.start[:-1]) / sizes[:, None]
        where = np.concatenate([points[~at_tie], edges[~tie], middles])
        where[:, DELTA] += _ROUNDED
        tried = np.concatenate([owner[~at_tie], owner[~tie], numbers])
        value, bound = values_at(np.moveaxis(forms, 1, 0)[:, tried], where)
        if value.shape[1] == 1:
            return tried[~(np.abs(value[:, 0]) > bound[:, 0] * UP)]
        winners = cells.codes[tried, self._layer.units.start].astype(np.int64)
        return tried[~ahead(value, bound, winners)]

    def measures(self) -> Measures:
        """The measures of all windows."""
        counts = self.regions.astype(np.float64)
        maps = np.where(self._alone(), counts, np.nan)
        length, error = self._lengths
        sure = ~self._open & (error <= _CLOSE / 2 * length)
        scaled = length * self._scales
        sure &= (length == 0.0) | ((scaled > _LEAST) & np.isfinite(scaled))
        lengths = np.where(sure, scaled, np.nan)
        ties, knots = (_middle(*bounds) for bounds in self._nearest)
        return Measures(counts, maps, maps, lengths, np.where(self._open, np.nan, ties), knots)

    def _alone(self) -> np.ndarray:
        """In which windows the slopes of the first output in u alone prove all maps different."""
        place, a, e = np.concatenate(self._maps, axis=1)
        order = np.lexsort([a, place])
        place, low, high = place[order], (a - e)[order], (a + e)[order]
        same = place[1:] == place[:-1]
        clear = high[:-1] + 4 * UNIT * np.abs(high[:-1]) < low[1:] - 4 * UNIT * np.abs(low[1:])
        out = np.ones(self._size, dtype=np.bool_)
        out[place[1:][same & ~clear].astype(np.int64)] = False
        return out


def _middle(least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The middle of each enclosure of a distance that is narrow enough, else NaN."""
    narrow = (most - least <= _CLOSE * least) & (least > 0.0)
    return np.where(narrow, (least + most) / 2, np.where(np.isinf(least), np.inf, np.nan))


class _Metric:
    """Distances in input space from the middle of windows, whose cells `start` holds.

    A vector x of a slice has the length |R x| with R the Cholesky factor of the Gram matrix
    of its directions, up to a relative error `self._lost`.
    """

    def __init__(self, inputs: FloatValue, start: Task) -> None:
        corners, begins = start.cells.corners[:, :3], start.cells.start
        self._middle = np.add.reduceat(corners, begins[:-1]) / np.diff(begins)[:, None]
        self._middle[:, DELTA] = np.maximum.reduceat(corners[:, DELTA], begins[:-1]) + _ROUNDED
        x = inputs.forms
        rows = x.coefficients[:, :2]
        gram = rows @ rows.swapaxes(1, 2)
        trace = gram[:, 0, 0] + gram[:, 1, 1]
        self._uu = np.sqrt(gram[:, 0, 0])
        self._uv = gram[:, 0, 1] / self._uu
        self._vv = np.sqrt(gram[:, 1, 1] - self._uv**2)
        # The error of each entry of the matrix, and its share of the least eigenvalue.
        off = np.sqrt((x.errors[x.owner, 0] ** 2).sum(axis=1))
        entry = (rows.shape[2] + 64) * UNIT * trace + 2 * np.sqrt(trace) * off + off**2 + TINY
        self._lost = 4 * entry * trace / (self._uu * self._vv) ** 2
        self._size = self._uu + np.abs(self._uv) + self._vv

    def distances(
        self, places: np.ndarray, edges: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the distances to segments, from below and above.

        Any point of a segment bounds it from above; the nearer end, along any direction, from
        below. The line's distance is a bound from below too, often a closer one, and from above
        where the foot is proven to be on the segment. Only what these are computed from needs
        error bounds.

        Parameters
        ----------
        places : int (n,)
            The window of each segment.
        edges : float64 (n, 8)
            Where they start, and their lines, as in `Batch`.
        end : float64 (n, 3)
            Where they end.
        """
        here, size, lost = self._middle[places], self._size[places], self._lost[places]
        first = self._along(places, edges[:, :3] - here)
        second = self._along(places, end - here)
        along = second - first
        length = np.hypot(*along)
        towards = along / np.where(length > 0.0, length, 1.0)
        foot = -(first * towards).sum(axis=0)
        nearest = first + np.clip(foot, 0.0, length) * towards
        most = np.hypot(*nearest)
        normal = nearest / np.where(most > 0.0, most, 1.0)
        least = np.minimum((normal * first).sum(axis=0), (normal * second).sum(axis=0))
        error = size * (
            2 * (here[:, DELTA] + np.maximum(edges[:, DELTA], end[:, DELTA])) + _ROUNDED
        )
        low, high = self._to_lines(places, here, edges[:, A:])
        # How far the foot may be from where it is computed: moved, and turned with the segment.
        slack = error * (2 + 8 * size / length)
        inside = (foot > slack) & (length - foot > slack)
        low = np.fmax(low, least - error) * (1 - lost)
        high = np.where(inside, np.fmin(high, most + error), most + error) * (1 + lost)
        sure = lost < 0.5
        low = np.where(sure & np.isfinite(low), np.maximum(low, 0.0), 0.0)
        return low, np.where(sure & ~np.isnan(high), high, np.inf)

    def _to_lines(
        self, places: np.ndarray, here: np.ndarray, lines: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the distances of points to lines (a, b, c, e, f): value over gradient, by R."""
        u, v, delta = here.T
        a, b, c, e, f = lines.T
        value, sizes = a * u + b * v + c, np.abs(a) + np.abs(b)
        off = f + 2 * e + sizes * delta + _ROUNDED * (sizes + np.abs(c)) + TINY
        uu, uv, vv = self._uu[places], self._uv[places], self._vv[places]
        skew = np.abs(uv) / uu
        gradient = np.hypot(a / uu, (b - uv * (a / uu)) / vv)
        bent = e * (1 / uu + (1 + skew) / vv)
        bent += _ROUNDED * (np.abs(a) / uu + (np.abs(b) + skew * np.abs(a)) / vv)
        low = (np.abs(value) - off) / (gradient + bent)
        high = (np.abs(value) + off) / (gradient - bent)
        return low * (1 - _ROUNDED), np.where(gradient > bent, high * (1 + _ROUNDED), np.inf)

    def _along(self, places: np.ndarray, x: np.ndarray) -> np.ndarray:
        """R x of points (n, 3), as (2, n)."""
        u, v = x[:, U], x[:, V]
        return np.stack([self._uu[places] * u + self._uv[places] * v, self._vv[places] * v])
