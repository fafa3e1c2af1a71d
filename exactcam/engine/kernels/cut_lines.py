"""Compiled kernels of the fast engine: cutting many cells with certified signs.

The convex splitting of `reference`, batched. Corners, lines and signs are those
of `predicates`. A cell with an UNKNOWN sign is left uncut and reported, so that
exact arithmetic decides it before any topology changes. Parts leave a kernel in
the order of their codes, which makes a whole run lexicographic without sorting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arithmetic.constants import TINY, UP
from ...runtime.jit import jit
from .predicates import U4, UNKNOWN, meet, sign_at

__all__ = ["copy_rows", "cut_pointwise", "grow", "split"]


@jit()
def grow(array: np.ndarray, need: int) -> np.ndarray:
    if need <= array.shape[0]:
        return array
    bigger = np.empty((max(need, 2 * array.shape[0]), *array.shape[1:]), array.dtype)
    bigger[: array.shape[0]] = array
    return bigger


@jit()
def doubled(array: np.ndarray) -> np.ndarray:
    return grow(array, array.shape[0] + 1)


@jit(inline="always")
def copy_rows(
    corners: np.ndarray, labels: np.ndarray, low: int, high: int,
    to_corners: np.ndarray, to_labels: np.ndarray, at: int,
) -> None:  # fmt: skip
    """Rows low..high to the targets' rows at.., from the front, without temporaries."""
    for k in range(high - low):
        for m in range(8):
            to_corners[at + k, m] = corners[low + k, m]
        to_labels[at + k] = labels[low + k]


@jit(inline="always")
def split(
    corners: np.ndarray, labels: np.ndarray, low: int, high: int,
    signs: np.ndarray, cut: np.ndarray, label: int,
    to_corners: np.ndarray, to_labels: np.ndarray, at: int,
) -> Any:  # fmt: skip
    """`geometry.split` of the corners low..high: (middle, end), the negative part being
    written to rows at..middle of the targets and the positive one to rows middle..end.

    The cut is stored unoriented, since only its zero set matters from here on. The parts
    have at most four corners more than the whole.
    """
    n = high - low
    middle = at
    for k in range(n):
        here, following = signs[k], signs[k + 1 if k + 1 < n else 0]
        middle += (here <= 0) + (here * following < 0)
    q, p = at, middle
    for k in range(n):
        i = low + k
        here, following = signs[k], signs[k + 1 if k + 1 < n else 0]
        if here >= 0:
            for m in range(8):
                to_corners[p, m] = corners[i, m]
            to_labels[p] = labels[i]
            if here == 0 and following < 0:
                _set_line(to_corners, to_labels, p, cut, label)
            p += 1
        if here <= 0:
            for m in range(8):
                to_corners[q, m] = corners[i, m]
            to_labels[q] = labels[i]
            if here == 0 and following > 0:
                _set_line(to_corners, to_labels, q, cut, label)
            q += 1
        if here * following < 0:
            meet(corners, i, cut, to_corners, p)
            for m in range(3):
                to_corners[q, m] = to_corners[p, m]
            ahead, behind = (p, q) if here > 0 else (q, p)
            _set_line(to_corners, to_labels, ahead, cut, label)
            for m in range(3, 8):
                to_corners[behind, m] = corners[i, m]
            to_labels[behind] = labels[i]
            p += 1
            q += 1
    return middle, p


@jit(inline="always")
def _set_line(
    corners: np.ndarray, labels: np.ndarray, row: int, line: np.ndarray, label: int
) -> None:
    for m in range(5):
        corners[row, 3 + m] = line[m]
    labels[row] = label


@jit()
def _scan(
    corners: np.ndarray, low: int, high: int, forms: np.ndarray, cell: int,
    errors: np.ndarray, own: int, state: np.ndarray,
) -> None:  # fmt: skip
    """The sign of every form on one cell, 0 where its centre does not prove one.

    Lemma F3 at the centre of the cell's bounding box, with the box's half sides as the
    distances: nearly all knots are further from a cell than its size. A straight loop
    over the forms, so that it compiles to vector instructions.
    """
    u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
    far = 0.0
    for p in range(low, high):
        u0, u1 = min(u0, corners[p, 0]), max(u1, corners[p, 0])
        v0, v1 = min(v0, corners[p, 1]), max(v1, corners[p, 1])
        far = max(far, corners[p, 2])
    u, v = 0.5 * (u0 + u1), 0.5 * (v0 + v1)
    ru, rv = max(u1 - u, u - u0) * UP + far, max(v1 - v, v - v0) * UP + far
    ku, kv = ru + U4 * abs(u) + TINY, rv + U4 * abs(v) + TINY
    reach = max(ru, rv) + max(abs(u), abs(v))
    for i in range(forms.shape[2]):
        # NaN or infinity anywhere in a form makes the bound fail every comparison, and so
        # does a value that overflows where the bound does not.
        a, b, c = forms[cell, 0, i], forms[cell, 1, i], forms[cell, 2, i]
        value = a * u + b * v + c
        bound = abs(a) * ku + abs(b) * kv + U4 * abs(c)
        bound += errors[own, 0, i] * reach + errors[own, 1, i] + 0.0 * value
        bound = bound * UP + TINY
        state[i] = (1 if value > bound else 0) - (1 if value < -bound else 0)


@jit(inline="always")
def _signs(
    corners: np.ndarray, low: int, high: int,
    a: float, b: float, c: float, e: float, f: float, signs: np.ndarray, at: int,
) -> int:  # fmt: skip
    """Signs of a form at the corners low..high to signs[at:]; returns which occur:
    1 negative, 2 zero, 4 positive, 8 unknown."""
    seen = 0
    slope = abs(a) + abs(b) + e
    for p in range(low, high):
        u, v = corners[p, 0], corners[p, 1]
        x, y = a * u, b * v
        value = x + y + c
        bound = U4 * (abs(x) + abs(y) + abs(c)) + slope * corners[p, 2]
        bound += e * max(abs(u), abs(v)) + f
        s = 1 if value > 0.0 else -1
        if not (abs(value) > bound * UP + TINY):  # seldom: look closely
            s = sign_at(corners, p, p - 1 if p > low else high - 1, a, b, c, e, f)
            if s == UNKNOWN:
                return 8
        signs[at + p - low] = s
        seen |= 1 << (s + 1)
    return seen


_UNDECIDED, _SCRATCH_FULL, _OUTPUT_FULL = -1, -2, -3


@jit(inline="always")
def _cut_cell(
    corners: np.ndarray, labels: np.ndarray, low: int, high: int,
    forms: np.ndarray, cell: int, errors: np.ndarray, own: int,
    knot_labels: np.ndarray, state: np.ndarray,
    s_corners: np.ndarray, s_labels: np.ndarray, s_list: np.ndarray, s_frames: np.ndarray,
    signs: np.ndarray, cut: np.ndarray,
    o_start: np.ndarray, o_corners: np.ndarray, o_labels: np.ndarray, o_state: np.ndarray,
    parts: int,
) -> int:  # fmt: skip
    """Append the parts of one cell to the output; their new number, or what prevents it.

    It never allocates: where room is short it says so and is called again with more.
    """
    n, used = high - low, o_start[parts]
    if 2 * n + 8 > min(len(signs), len(s_corners)) or 2 * len(state) > len(s_list):
        return _SCRATCH_FULL
    count = 0
    for i in range(len(state)):
        s_list[count] = i  # without a branch, which would be hard to predict
        count += state[i] == 0
    # The stack: polygons in an arena of corners, lists of knots in an arena of numbers.
    # Per frame: corners low, high; candidates low, high; the knot just cut and the side
    # taken; where the arena is free.
    copy_rows(corners, labels, low, high, s_corners, s_labels, 0)
    s_frames[0, 0], s_frames[0, 1], s_frames[0, 2], s_frames[0, 3] = 0, n, 0, count
    s_frames[0, 4], s_frames[0, 6] = -1, n
    depth = 1
    while depth > 0:
        # Depth first: cut by the first knot that crosses, negative side first.
        depth -= 1
        lo, hi, first, last = (
            s_frames[depth, 0], s_frames[depth, 1], s_frames[depth, 2], s_frames[depth, 3],
        )  # fmt: skip
        if s_frames[depth, 4] >= 0:
            state[s_frames[depth, 4]] = s_frames[depth, 5]
        n, free, chosen, top = hi - lo, s_frames[depth, 6], -1, last
        if (
            2 * n > len(signs) or free + n + 4 > len(s_corners)
            or 2 * last - first > len(s_list) or depth + 2 > len(s_frames)
        ):  # fmt: skip
            return _SCRATCH_FULL
        if used + n + 4 > len(o_corners) or parts + 2 >= len(o_start):
            return _OUTPUT_FULL
        for m in range(first, last):
            i = s_list[m]
            at = 0 if chosen < 0 else n
            seen = _signs(
                s_corners, lo, hi, forms[cell, 0, i], forms[cell, 1, i], forms[cell, 2, i],
                errors[own, 0, i], errors[own, 1, i], signs, at,
            )  # fmt: skip
            if seen & 8:
                return _UNDECIDED
            if seen & 5 == 5:
                if chosen < 0:
                    chosen = i
                else:
                    s_list[top] = i
                    top += 1
            elif seen & 5:
                state[i] = 1 if seen & 4 else -1
        if chosen < 0:
            copy_rows(s_corners, s_labels, lo, hi, o_corners, o_labels, used)
            for m in range(len(state)):
                o_state[parts, m] = state[m]
            used += n
            parts += 1
            o_start[parts] = used
            continue
        i, label = chosen, knot_labels[chosen]
        cut[0], cut[1], cut[2] = forms[cell, 0, i], forms[cell, 1, i], forms[cell, 2, i]
        cut[3], cut[4] = errors[own, 0, i], errors[own, 1, i]
        if top == last:  # nothing else can cross: both parts are done
            middle, used = split(
                s_corners, s_labels, lo, hi, signs, cut, label, o_corners, o_labels, used
            )
            for side in (-1, 1):
                state[i] = side
                for m in range(len(state)):
                    o_state[parts, m] = state[m]
                parts += 1
                o_start[parts] = middle if side < 0 else used
            continue
        middle, end = split(
            s_corners, s_labels, lo, hi, signs, cut, label, s_corners, s_labels, free
        )
        for side in (1, -1):
            s_frames[depth, 0] = free if side < 0 else middle
            s_frames[depth, 1] = middle if side < 0 else end
            s_frames[depth, 2], s_frames[depth, 3] = last, top
            s_frames[depth, 4], s_frames[depth, 5], s_frames[depth, 6] = i, side, end
            depth += 1
    return parts


@jit()
def cut_pointwise(
    start: np.ndarray, corners: np.ndarray, labels: np.ndarray,
    forms: np.ndarray, errors: np.ndarray, owner: np.ndarray,
    knot_labels: np.ndarray, blind: np.ndarray,
    o_parent: np.ndarray, o_corners: np.ndarray, o_labels: np.ndarray, o_state: np.ndarray,
) -> Any:  # fmt: skip
    """Cut every cell along the knots that cross it.

    `forms` (cells, 3, knots) with the errors `errors[owner]` (cells, 2, knots); `blind`
    (cells,) marks cells to be treated as undecided. Returns the parts (start, corners,
    labels), their parents, the state (-1, 0, +1) of every knot on every part, and the
    undecided cells, which have no parts; the others are in the arrays given for them, if
    these have room for all.
    """
    cells, knots = start.shape[0] - 1, forms.shape[2]
    o_start = np.zeros(o_parent.shape[0], np.int64)
    undecided = np.empty(cells, np.int64)
    parts, missed, cell = 0, 0, 0
    state = np.empty(knots, np.int8)
    s_corners, s_labels = np.empty((256, 8)), np.empty(256, np.int64)
    s_list, s_frames = np.empty(4 * knots + 16, np.int64), np.empty((64, 7), np.int64)
    signs, cut = np.empty(128, np.int64), np.empty(5)
    while cell < cells:
        low, high, own = start[cell], start[cell + 1], owner[cell]
        found = _UNDECIDED
        if not blind[cell]:
            _scan(corners, low, high, forms, cell, errors, own, state)
            found = _cut_cell(
                corners, labels, low, high, forms, cell, errors, own, knot_labels, state,
                s_corners, s_labels, s_list, s_frames, signs, cut,
                o_start, o_corners, o_labels, o_state, parts,
            )  # fmt: skip
        if found == _SCRATCH_FULL:
            s_corners, s_labels = doubled(s_corners), doubled(s_labels)
            s_list, s_frames, signs = doubled(s_list), doubled(s_frames), doubled(signs)
            continue
        if found == _OUTPUT_FULL:
            # Generously: the cell begins again, and room that is not used costs nothing.
            more, rows = 4 * o_start.shape[0], 4 * o_corners.shape[0]
            o_start, o_parent, o_state = (
                grow(o_start, more), grow(o_parent, more), grow(o_state, more)
            )  # fmt: skip
            o_corners, o_labels = grow(o_corners, rows), grow(o_labels, rows)
            continue
        if found == _UNDECIDED:
            undecided[missed] = cell
            missed += 1
        else:
            o_parent[parts:found] = cell
            parts = found
        cell += 1
    used = o_start[parts]
    return (
        o_start[: parts + 1], o_corners[:used], o_labels[:used],
        o_parent[:parts], o_state[:parts], undecided[:missed],
    )  # fmt: skip
