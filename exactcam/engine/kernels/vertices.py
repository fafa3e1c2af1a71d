"""Compiled loops that identify vertices: clusters of corners and each cell's first corner (Lemmas
26 and 27 of proofs/filter.md), and the corners around a vertex (Lemma 28)."""

from __future__ import annotations

import numpy as np

from ...arithmetic.constants import TINY, UP
from ...runtime.arena import empty
from . import jit
from .constants import DELTA, A, B, E
from .cut_lines import grow

__all__ = [
    "around",
    "boxes",
    "by_appearance",
    "clusters",
    "hulls",
    "least_corners",
    "turned",
]


def boxes(points: np.ndarray) -> np.ndarray:
    """The boxes of points (n, 3) of (u, v, delta), as (n, 4): least u and v, largest u and v.
    Rounded outwards, so that boxes that meet still do."""
    return _boxes(points, empty((len(points), 4)))


@jit()
def _boxes(points: np.ndarray, out: np.ndarray) -> np.ndarray:
    for k in range(len(points)):
        for axis in range(2):
            place, delta = points[k, axis], points[k, DELTA]
            reach = delta + (abs(place) + delta) * 2.0**-51 + TINY
            out[k, axis], out[k, 2 + axis] = place - reach, place + reach
    return out


def clusters(boxes: np.ndarray) -> np.ndarray:
    """For each of some `boxes` the number of its cluster: boxes that meet share one.

    Splits by gaps along one axis, then along the other, again and again while that splits
    anything, which leaves boxes that chain together along both. About O(n log n), but for
    many nested boxes.
    """
    return _clusters(boxes, np.argsort(boxes[:, 0]), empty((len(boxes),), np.int64))


@jit()
def _clusters(boxes: np.ndarray, order: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Write `clusters` to `names`; `order` sorts the boxes by boxes[:, 0], and is overwritten."""
    runs = np.empty((64, 4), np.int64)  # from, to, axis it is sorted by, axes without a gap
    runs[0, 0], runs[0, 1], runs[0, 2], runs[0, 3] = 0, len(order), 0, 0
    depth, name = 1, 0
    while depth > 0:
        depth -= 1
        first, last = runs[depth, 0], runs[depth, 1]
        axis, settled = runs[depth, 2], runs[depth, 3]
        if settled == 2:
            for k in range(first, last):
                names[order[k]] = name
            name += 1
            continue
        if settled > 0:
            own = order[first:last]
            if last - first > 64:
                own[:] = own[np.argsort(boxes[own, axis])]
            else:
                for i in range(1, len(own)):
                    moved, j = own[i], i - 1
                    while j >= 0 and boxes[own[j], axis] > boxes[moved, axis]:
                        own[j + 1] = own[j]
                        j -= 1
                    own[j + 1] = moved
        begin, reach = first, boxes[order[first], 2 + axis]
        for k in range(first + 1, last + 1):
            if k < last and boxes[order[k], axis] <= reach:
                reach = max(reach, boxes[order[k], 2 + axis])
                continue
            one, head = True, order[begin]
            u0, v0, u1, v1 = boxes[head, 0], boxes[head, 1], boxes[head, 2], boxes[head, 3]
            for m in range(begin + 1, k):  # often all meet the first
                other = order[m]
                one = one and u0 <= boxes[other, 2] and boxes[other, 0] <= u1
                one = one and v0 <= boxes[other, 3] and boxes[other, 1] <= v1
            if one:
                for m in range(begin, k):
                    names[order[m]] = name
                name += 1
            else:
                whole = begin == first and k == last
                runs = grow(runs, depth + 1)
                runs[depth, 0], runs[depth, 1], runs[depth, 2] = begin, k, 1 - axis
                runs[depth, 3] = settled + 1 if whole else 1
                depth += 1
            if k < last:
                begin, reach = k, boxes[order[k], 2 + axis]
    return names


@jit()
def hulls(points: np.ndarray, names: np.ndarray) -> np.ndarray:
    """For each cluster a point (u, v, delta) that all its points (n, 3) are within delta of,
    their own deltas included."""
    out = np.full((names.max() + 1, 3), -1.0)
    for k in range(len(names)):
        u, v, d = points[k]
        hull = out[names[k]]
        if hull[DELTA] < 0.0:
            hull[0], hull[1], hull[2] = u, v, d
        apart = max(abs(u - hull[0]), abs(v - hull[1]))
        hull[DELTA] = max(hull[DELTA], d if apart == 0.0 else (apart + d) * UP + TINY)
    return out


@jit()
def least_corners(
    corners: np.ndarray, start: np.ndarray, boxes: np.ndarray, upright: np.ndarray
) -> np.ndarray:
    """For each cell its lexicographically least corner, (cells,); -1 where the corners' `boxes` and
    the slopes of its edges leave it open (Lemma 27). `upright` marks edges known to be so."""
    out = np.empty(len(start) - 1, np.int64)
    for cell in range(len(out)):
        first, last = start[cell], start[cell + 1]
        reach, near, chosen = np.inf, 0, -1
        for k in range(first, last):
            reach = min(reach, boxes[k, 2])
        for k in range(first, last):
            if boxes[k, 0] <= reach:
                chosen = k
                near += 1
        if near > 1:
            chosen = -1
            for k in range(first, last):
                before, after = k - 1 if k > first else last - 1, k + 1 if k + 1 < last else first
                if boxes[k, 0] > reach:
                    continue
                first_less = _less(corners[k], upright[k], boxes[k], boxes[after])
                if first_less and _less(corners[before], upright[before], boxes[k], boxes[before]):
                    chosen = k
        out[cell] = chosen
    return out


@jit()
def _less(edge: np.ndarray, upright: bool, box: np.ndarray, other: np.ndarray) -> bool:
    """Whether one end of an edge is proven lexicographically less than the other, from the row of
    the edge's line, whether that is known to be upright, and the boxes of both ends."""
    if box[2] < other[0]:
        return True
    a, b, e = edge[A], edge[B], edge[E]
    upright = upright or (b == 0.0 and e == 0.0)
    if not (upright or (abs(a) > e and abs(b) > e)):
        return False
    if not upright and (a > 0.0) == (b > 0.0):  # u falls along the line where v grows
        return other[3] < box[1]
    return box[3] < other[1]


@jit()
def turned(start: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """The permutation of corners that rotates each cell to begin with its chosen one."""
    out = np.empty(start[-1], np.int64)
    for cell in range(len(choice)):
        at = start[cell]
        for k in range(choice[cell], start[cell + 1]):
            out[at] = k
            at += 1
        for k in range(start[cell], choice[cell]):
            out[at] = k
            at += 1
    return out


def by_appearance(names: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber the classes names[corners] (n,) from 0 in order of appearance; also returns where
    each appears first."""
    classes = int(names.max()) + 1
    out, first = np.empty(len(corners), np.int64), np.empty(classes, np.int64)
    count = _by_appearance(names, corners, empty((classes,), np.int64), first, out)
    return out, first[:count]


@jit()
def _by_appearance(
    names: np.ndarray, corners: np.ndarray, number: np.ndarray, first: np.ndarray, out: np.ndarray
) -> int:
    number[:] = -1
    count = 0
    for k in range(len(corners)):
        name = names[corners[k]]
        if number[name] < 0:
            number[name] = count
            first[count] = k
            count += 1
        out[k] = number[name]
    return count


@jit()
def around(start: np.ndarray, twin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number vertices by walking around each one, along edges and their twins: all corners met are
    one vertex. Numbers are as of `by_appearance`; `twin` (n,) is the corner that the twin of the
    edge that leaves a corner leaves, -1 if there is none."""
    after, before = np.empty(len(twin), np.int64), np.empty(len(twin), np.int64)
    for cell in range(len(start) - 1):
        last = start[cell + 1] - 1
        for k in range(start[cell], last + 1):
            after[last] = k
            before[k] = last
            last = k
    out, first, count = np.full(len(twin), -1, np.int64), np.empty(len(twin), np.int64), 0
    for k in range(len(twin)):
        if out[k] >= 0:
            continue
        first[count] = at = k
        while at >= 0 and out[at] < 0:
            out[at] = count
            at = after[twin[at]] if twin[at] >= 0 else -1
        at = twin[before[k]]
        while at >= 0 and out[at] < 0:
            out[at] = count
            at = twin[before[at]]
        count += 1
    return out, first[:count]
