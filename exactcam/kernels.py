"""Compiled kernels of the fast engine: cutting many cells with certified signs.

The convex splitting of `reference`, batched. Corners, lines and signs are those
of `predicates`. A cell with an UNKNOWN sign is left uncut and reported, so that
exact arithmetic decides it before any topology changes. Parts leave a kernel in
the order of their codes, which makes a whole run lexicographic without sorting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import jit
from .predicates import U4, UNKNOWN, meet, sign_at
from .rounding import TINY, UP

__all__ = ["copy_rows", "cut_pointwise", "grow", "split"]


@jit()
def grow(array: np.ndarray, need: int) -> np.ndarray:
    if need <= array.shape[0]:
        return array
    bigger = np.empty((max(need, 2 * array.shape[0]), *array.shape[1:]), array.dtype)
    bigger[: array.shape[0]] = array
    return bigger


@jit()
def copy_rows(source: np.ndarray, low: int, high: int, target: np.ndarray, at: int) -> None:
    """target[at:] = source[low:high], row by row from the front, without temporaries."""
    for k in range(high - low):
        for m in range(8):
            target[at + k, m] = source[low + k, m]


@jit()
def split(
    corners: np.ndarray, labels: np.ndarray, low: int, high: int,
    signs: np.ndarray, cut: np.ndarray, label: int, at: int,
) -> Any:  # fmt: skip
    """`geometry.split` of the corners low..high: (middle, end), the positive part being
    written to rows at..middle and the negative one to rows middle..end.

    The cut is stored unoriented, since only its zero set matters from here on. The parts
    have at most four corners more than the whole.
    """
    n = high - low
    middle = at
    for k in range(n):
        here, following = signs[k], signs[k + 1 if k + 1 < n else 0]
        middle += (here >= 0) + (here * following < 0)
    p, q = at, middle
    for k in range(n):
        i = low + k
        here, following = signs[k], signs[k + 1 if k + 1 < n else 0]
        if here >= 0:
            for m in range(8):
                corners[p, m] = corners[i, m]
            labels[p] = labels[i]
            if here == 0 and following < 0:
                _set_line(corners, labels, p, cut, label)
            p += 1
        if here <= 0:
            for m in range(8):
                corners[q, m] = corners[i, m]
            labels[q] = labels[i]
            if here == 0 and following > 0:
                _set_line(corners, labels, q, cut, label)
            q += 1
        if here * following < 0:
            meet(corners, i, cut, p)
            for m in range(3):
                corners[q, m] = corners[p, m]
            ahead, behind = (p, q) if here > 0 else (q, p)
            _set_line(corners, labels, ahead, cut, label)
            for m in range(3, 8):
                corners[behind, m] = corners[i, m]
            labels[behind] = labels[i]
            p += 1
            q += 1
    return middle, q


@jit(inline="always")
def _set_line(
    corners: np.ndarray, labels: np.ndarray, row: int, line: np.ndarray, label: int
) -> None:
    for m in range(5):
        corners[row, 3 + m] = line[m]
    labels[row] = label


@jit()
def _scan(
    corners: np.ndarray, low: int, high: int,
    a: np.ndarray, b: np.ndarray, c: np.ndarray, e: np.ndarray, f: np.ndarray,
    scratch: np.ndarray, flags: np.ndarray,
) -> None:  # fmt: skip
    """Flag every form on one cell: 1 positive and 2 negative at some corner, proven;
    4 if the sign at some corner is not proven by one bound for the whole cell (Lemma F3).

    Written in straight loops over the forms, four corners at a time, so that it
    compiles to vector instructions: this is where most signs are decided.
    """
    most, least, nearest = scratch[0], scratch[1], scratch[2]
    size, far = 0.0, 0.0
    for p in range(low, high):
        size = max(size, abs(corners[p, 0]), abs(corners[p, 1]))
        far = max(far, corners[p, 2])
    first = low
    while first < high:
        p1, p2, p3 = min(first + 1, high - 1), min(first + 2, high - 1), min(first + 3, high - 1)
        u0, v0, u1, v1 = corners[first, 0], corners[first, 1], corners[p1, 0], corners[p1, 1]
        u2, v2, u3, v3 = corners[p2, 0], corners[p2, 1], corners[p3, 0], corners[p3, 1]
        for i in range(a.shape[0]):
            x0 = a[i] * u0 + b[i] * v0 + c[i]
            x1 = a[i] * u1 + b[i] * v1 + c[i]
            x2 = a[i] * u2 + b[i] * v2 + c[i]
            x3 = a[i] * u3 + b[i] * v3 + c[i]
            h0 = x0 if x0 > x1 else x1
            h1 = x2 if x2 > x3 else x3
            l0 = x0 if x0 < x1 else x1
            l1 = x2 if x2 < x3 else x3
            y0, y1, y2, y3 = abs(x0), abs(x1), abs(x2), abs(x3)
            n0 = y0 if y0 < y1 else y1
            n1 = y2 if y2 < y3 else y3
            h = h0 if h0 > h1 else h1
            g = l0 if l0 < l1 else l1
            n = n0 if n0 < n1 else n1
            if first > low:
                h = h if h > most[i] else most[i]
                g = g if g < least[i] else least[i]
                n = n if n < nearest[i] else nearest[i]
            most[i] = h
            least[i] = g
            nearest[i] = n
        first += 4
    k1, k2 = U4 * size + far, size + far
    for i in range(a.shape[0]):
        # NaN or infinity anywhere in a form makes the bound fail every comparison.
        bound = (abs(a[i]) + abs(b[i])) * k1 + U4 * abs(c[i]) + e[i] * k2 + f[i]
        bound = bound * UP + TINY
        flags[i] = (
            (1 if most[i] > bound else 0)
            + (2 if least[i] < -bound else 0)
            + (0 if nearest[i] > bound else 4)
        )


@jit()
def cut_pointwise(
    start: np.ndarray, corners: np.ndarray, labels: np.ndarray,
    forms: np.ndarray, errors: np.ndarray, owner: np.ndarray,
    knot_labels: np.ndarray, blind: np.ndarray,
) -> Any:  # fmt: skip
    """Cut every cell along the knots that cross it.

    `forms` (cells, 3, knots) with the errors `errors[owner]` (cells, 2, knots); `blind`
    (cells,) marks cells to be treated as undecided. Returns the parts (start, corners,
    labels), their parents, the state (-1, 0, +1) of every knot on every part, and the
    undecided cells, which have no parts.
    """
    cells, knots = start.shape[0] - 1, forms.shape[2]
    room = corners.shape[0] + 256
    o_start, o_parent = np.zeros(cells + 64, np.int64), np.empty(cells + 64, np.int64)
    o_corners, o_labels = np.empty((room, 8)), np.empty(room, np.int64)
    o_state = np.empty((cells + 64, knots), np.int8)
    undecided = np.empty(cells, np.int64)
    parts, used, missed = 0, 0, 0
    scratch, flags = np.empty((3, knots)), np.empty(knots, np.int64)
    state = np.empty(knots, np.int8)
    # The stack: polygons in an arena of corners, lists of knots in an arena of numbers.
    s_corners, s_labels = np.empty((256, 8)), np.empty(256, np.int64)
    s_list = np.empty(4 * knots + 16, np.int64)
    # Per frame: corners low, high; candidates low, high; the knot just cut and the side taken.
    frames = np.empty((64, 6), np.int64)
    signs, row = np.empty(64, np.int64), np.empty(64, np.int64)
    cut = np.empty(5)
    for cell in range(cells):
        low, high = start[cell], start[cell + 1]
        a, b, c = forms[cell, 0], forms[cell, 1], forms[cell, 2]
        e, f = errors[owner[cell], 0], errors[owner[cell], 1]
        _scan(corners, low, high, a, b, c, e, f, scratch, flags)
        count = 0
        unknown = blind[cell]
        for i in range(knots):
            flag = flags[i]
            if flag == 1:
                state[i] = 1
                continue
            if flag == 2:
                state[i] = -1
                continue
            positive, negative = flag & 1 != 0, flag & 2 != 0
            if flag & 4:
                # Not all signs are strict and proven: look at each corner closely.
                positive, negative = False, False
                for p in range(low, high):
                    before = p - 1 if p > low else high - 1
                    s = sign_at(corners, p, before, a[i], b[i], c[i], e[i], f[i])
                    unknown = unknown or s == UNKNOWN
                    positive = positive or s == 1
                    negative = negative or s == -1
                if unknown:
                    break
            if positive and negative:
                s_list[count] = i
                count += 1
            else:
                state[i] = 1 if positive else (-1 if negative else 0)
        parts_before, used_before = parts, used
        # Depth first: cut by the first knot that crosses, negative side first.
        n = high - low
        if n > s_corners.shape[0]:
            s_corners, s_labels = grow(s_corners, n), grow(s_labels, n)
        copy_rows(corners, low, high, s_corners, 0)
        for k in range(n):
            s_labels[k] = labels[low + k]
        frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3], frames[0, 4] = 0, n, 0, count, -1
        depth = 0 if unknown else 1
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
            if 2 * last - first > s_list.shape[0]:
                s_list = grow(s_list, 2 * last - first)
            chosen, top = -1, last
            for m in range(first, last):
                i = s_list[m]
                seen = 0
                for k in range(n):
                    p = lo + k
                    x, y = a[i] * s_corners[p, 0], b[i] * s_corners[p, 1]
                    value = x + y + c[i]
                    bound = U4 * (abs(x) + abs(y) + abs(c[i]))
                    bound += (abs(a[i]) + abs(b[i]) + e[i]) * s_corners[p, 2]
                    bound += e[i] * max(abs(s_corners[p, 0]), abs(s_corners[p, 1])) + f[i]
                    s = 1 if value > 0.0 else -1
                    if not (abs(value) > bound * UP + TINY):  # seldom: look closely
                        before = p - 1 if k > 0 else hi - 1
                        s = sign_at(s_corners, p, before, a[i], b[i], c[i], e[i], f[i])
                        unknown = unknown or s == UNKNOWN
                    row[k] = s
                    seen |= 1 << (s + 1)
                if seen & 5 == 5:
                    if chosen < 0:
                        chosen = i
                        for k in range(n):
                            signs[k] = row[k]
                    else:
                        s_list[top] = i
                        top += 1
                else:
                    state[i] = 1 if seen & 4 else -1
            if unknown:
                break
            if chosen < 0:
                if used + n > o_corners.shape[0]:
                    o_corners, o_labels = grow(o_corners, used + n), grow(o_labels, used + n)
                if parts + 2 > o_start.shape[0]:
                    o_start, o_parent = grow(o_start, parts + 2), grow(o_parent, parts + 2)
                    o_state = grow(o_state, parts + 2)
                copy_rows(s_corners, lo, hi, o_corners, used)
                for k in range(n):
                    o_labels[used + k] = s_labels[lo + k]
                for i in range(knots):
                    o_state[parts, i] = state[i]
                used += n
                o_parent[parts] = cell
                parts += 1
                o_start[parts] = used
                continue
            i = chosen
            cut[0], cut[1], cut[2], cut[3], cut[4] = a[i], b[i], c[i], e[i], f[i]
            # The parts go above this frame's corners, the negative one on top of the stack.
            if hi + n + 4 > s_corners.shape[0]:
                s_corners, s_labels = grow(s_corners, hi + n + 4), grow(s_labels, hi + n + 4)
            mid, end = split(s_corners, s_labels, lo, hi, signs, cut, knot_labels[i], hi)
            if depth + 2 > frames.shape[0]:
                frames = grow(frames, depth + 2)
            for child in range(2):
                frames[depth, 0] = hi if child == 0 else mid
                frames[depth, 1] = mid if child == 0 else end
                frames[depth, 2], frames[depth, 3] = last, top
                frames[depth, 4], frames[depth, 5] = i, 1 - 2 * child
                depth += 1
        if unknown:
            parts, used = parts_before, used_before
            undecided[missed] = cell
            missed += 1
    return (
        o_start[: parts + 1], o_corners[:used], o_labels[:used],
        o_parent[:parts], o_state[:parts], undecided[:missed],
    )  # fmt: skip
