"""Compiled kernels of the fast engine: cutting many cells with certified signs.

The convex splitting of `reference`, batched. Corners, lines and signs are those
of `predicates`. A cell with an UNKNOWN sign is left uncut and reported, so that
exact arithmetic decides it before any topology changes. Parts leave a kernel in
the order of their codes, which makes a whole run lexicographic without sorting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .predicates import U4, UNKNOWN, meet, sign_at
from .rounding import TINY, UP

__all__ = ["chain", "cut_pointwise", "grow", "sparse_product", "split"]


@njit(cache=True)
def grow(array: np.ndarray, need: int) -> np.ndarray:
    if need <= array.shape[0]:
        return array
    bigger = np.empty((max(need, 2 * array.shape[0]), *array.shape[1:]), array.dtype)
    bigger[: array.shape[0]] = array
    return bigger


@njit(cache=True)
def split(
    pts: np.ndarray, lines: np.ndarray, labels: np.ndarray, low: int, high: int,
    signs: np.ndarray, cut: np.ndarray, label: int, side: int, at: int,
) -> int:  # fmt: skip
    """Write the part of corners low..high on `side` of `cut` from index `at`; return its end.

    `geometry.split` for one side; the cut is stored unoriented, since only its zero
    set matters from here on. Writes at most one corner more than it reads.
    """
    n = high - low
    for k in range(n):
        here = signs[k] * side
        following = signs[k + 1 if k + 1 < n else 0] * side
        i = low + k
        if here >= 0:
            pts[at] = pts[i]
            lines[at] = lines[i]
            labels[at] = labels[i]
            if here == 0 and following <= 0:
                lines[at] = cut
                labels[at] = label
            at += 1
        if here * following < 0:
            meet(lines[i], cut, pts[at])
            lines[at] = cut if here > 0 else lines[i]
            labels[at] = label if here > 0 else labels[i]
            at += 1
    return at


@njit(cache=True)
def cut_pointwise(
    start: np.ndarray, pts: np.ndarray, lines: np.ndarray, labels: np.ndarray,
    forms: np.ndarray, errors: np.ndarray, knot_labels: np.ndarray, blind: np.ndarray,
) -> Any:  # fmt: skip
    """Cut every cell along the knots that cross it.

    `forms` (cells, 3, knots) and `errors` (cells, 2, knots); `blind` (cells,) marks
    cells to be treated as undecided. Returns the parts (start, pts, lines, labels),
    their parents, the state (-1, 0, +1) of every knot on every part, and the
    undecided cells, which have no parts.
    """
    cells, knots = start.shape[0] - 1, forms.shape[2]
    o_start = np.zeros(cells + 64, np.int64)
    o_pts = np.empty((pts.shape[0] + 256, 3))
    o_lines = np.empty((pts.shape[0] + 256, 5))
    o_labels = np.empty(pts.shape[0] + 256, np.int64)
    o_parent = np.empty(cells + 64, np.int64)
    o_state = np.empty((cells + 64, knots), np.int8)
    undecided = np.empty(cells, np.int64)
    parts, missed = 0, 0
    above, below = np.empty(knots), np.empty(knots)
    state = np.empty(knots, np.int8)
    # The stack: polygons in an arena of corners, lists of knots in an arena of numbers.
    s_pts, s_lines, s_labels = np.empty((256, 3)), np.empty((256, 5)), np.empty(256, np.int64)
    s_list = np.empty(4 * knots + 16, np.int64)
    # Per frame: corners low, high; candidates low, high; the knot just cut and the side taken.
    frames = np.empty((64, 6), np.int64)
    signs, row = np.empty(64, np.int64), np.empty(64, np.int64)
    cut = np.empty(5)
    for cell in range(cells):
        low, high = start[cell], start[cell + 1]
        a, b, c = forms[cell, 0], forms[cell, 1], forms[cell, 2]
        e, f = errors[cell, 0], errors[cell, 1]
        above[:] = 0.0
        below[:] = 0.0
        for p in range(low, high):
            u, v, d = pts[p, 0], pts[p, 1], pts[p, 2]
            size = max(abs(u), abs(v))
            for i in range(knots):
                x, y = a[i] * u, b[i] * v
                value = x + y + c[i]
                bound = U4 * (abs(x) + abs(y) + abs(c[i])) + (abs(a[i]) + abs(b[i]) + e[i]) * d
                bound = (bound + (e[i] * size + f[i])) * UP + TINY
                above[i] += 1.0 if value > bound else 0.0
                below[i] += 1.0 if value < -bound else 0.0
        corners = float(high - low)
        count = 0
        unknown = blind[cell]
        for i in range(knots):
            if above[i] + below[i] != corners:
                # Not all signs are strict and proven: look at each corner closely.
                above[i], below[i] = 0.0, 0.0
                for p in range(low, high):
                    before = p - 1 if p > low else high - 1
                    s = sign_at(pts, lines, p, before, a[i], b[i], c[i], e[i], f[i])
                    if s == UNKNOWN:
                        unknown = True
                    elif s > 0:
                        above[i] += 1.0
                    elif s < 0:
                        below[i] += 1.0
                if unknown:
                    break
            if above[i] > 0.0 and below[i] > 0.0:
                if count >= s_list.shape[0]:
                    s_list = grow(s_list, count + 1)
                s_list[count] = i
                count += 1
            else:
                state[i] = 1 if above[i] > 0.0 else (-1 if below[i] > 0.0 else 0)
        if unknown:
            undecided[missed] = cell
            missed += 1
            continue
        parts_before = parts
        # Depth first: cut by the first knot that crosses, negative side first.
        n = high - low
        s_pts, s_lines, s_labels = grow(s_pts, n), grow(s_lines, n), grow(s_labels, n)
        s_pts[:n] = pts[low:high]
        s_lines[:n] = lines[low:high]
        s_labels[:n] = labels[low:high]
        frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3], frames[0, 4] = 0, n, 0, count, -1
        depth = 1
        while depth > 0:
            depth -= 1
            lo, hi, first, last = (
                frames[depth, 0],
                frames[depth, 1],
                frames[depth, 2],
                frames[depth, 3],
            )
            if frames[depth, 4] >= 0:
                state[frames[depth, 4]] = frames[depth, 5]
            n = hi - lo
            if n > signs.shape[0]:
                signs, row = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
            chosen = -1
            top = last
            s_list = grow(s_list, 2 * last - first)
            for m in range(first, last):
                i = s_list[m]
                positive, negative = False, False
                for k in range(n):
                    before = lo + k - 1 if k > 0 else hi - 1
                    s = sign_at(s_pts, s_lines, lo + k, before, a[i], b[i], c[i], e[i], f[i])
                    unknown = unknown or s == UNKNOWN
                    positive = positive or s == 1
                    negative = negative or s == -1
                    row[k] = s
                if positive and negative:
                    if chosen < 0:
                        chosen = i
                        signs, row = row, signs
                    else:
                        s_list[top] = i
                        top += 1
                else:
                    state[i] = 1 if positive else -1
            if unknown:
                break
            if chosen < 0:
                at = o_start[parts]
                o_pts, o_lines = grow(o_pts, at + n), grow(o_lines, at + n)
                o_labels, o_start = grow(o_labels, at + n), grow(o_start, parts + 2)
                o_parent, o_state = grow(o_parent, parts + 1), grow(o_state, parts + 1)
                o_pts[at : at + n] = s_pts[lo:hi]
                o_lines[at : at + n] = s_lines[lo:hi]
                o_labels[at : at + n] = s_labels[lo:hi]
                o_start[parts + 1] = at + n
                o_parent[parts] = cell
                o_state[parts] = state
                parts += 1
                continue
            i = chosen
            cut[0], cut[1], cut[2], cut[3], cut[4] = a[i], b[i], c[i], e[i], f[i]
            # Both parts are written above this frame's corners, then moved down over them;
            # the negative part ends up on top of the stack.
            room = hi + n + 4
            s_pts, s_lines, s_labels = (
                grow(s_pts, room),
                grow(s_lines, room),
                grow(s_labels, room),
            )
            mid = split(s_pts, s_lines, s_labels, lo, hi, signs, cut, knot_labels[i], 1, hi)
            end = split(s_pts, s_lines, s_labels, lo, hi, signs, cut, knot_labels[i], -1, mid)
            for p in range(hi, end):
                s_pts[lo + p - hi] = s_pts[p]
                s_lines[lo + p - hi] = s_lines[p]
                s_labels[lo + p - hi] = s_labels[p]
            frames = grow(frames, depth + 2)
            for child in range(2):
                frames[depth + child, 0] = lo if child == 0 else lo + mid - hi
                frames[depth + child, 1] = lo + mid - hi if child == 0 else lo + end - hi
                frames[depth + child, 2], frames[depth + child, 3] = last, top
                frames[depth + child, 4], frames[depth + child, 5] = i, 1 - 2 * child
            depth += 2
        if unknown:
            parts = parts_before
            undecided[missed] = cell
            missed += 1
    used = o_start[parts]
    return (
        o_start[: parts + 1], o_pts[:used], o_lines[:used], o_labels[:used],
        o_parent[:parts], o_state[:parts], undecided[:missed],
    )  # fmt: skip


@njit(cache=True)
def sparse_product(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, out: np.ndarray
) -> None:
    """out += x W^T for a matrix W in compressed rows; x (k, cols), out (k, rows)."""
    for k in range(x.shape[0]):
        source, target = x[k], out[k]
        for row in range(target.shape[0]):
            total = 0.0
            for m in range(indptr[row], indptr[row + 1]):
                total += data[m] * source[indices[m]]
            target[row] += total


@njit(cache=True)
def chain(group: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Numbers of runs of intervals that chain together, sorted by group, then by `low`."""
    names = np.empty(len(group), np.int64)
    name, reach = -1, 0.0
    for k in range(len(group)):
        if k == 0 or group[k] != group[k - 1] or low[k] > reach:
            name += 1
            reach = high[k]
        reach = max(reach, high[k])
        names[k] = name
    return names
