"""Compiled kernels of the fast engine: cutting many cells by lines with certified signs.

The convex splitting of `exact.reference`, batched. Corners, lines and signs are those
of `predicates`. A cell with an UNKNOWN sign is left uncut and reported, so that
exact arithmetic decides it before any topology changes. Parts leave a kernel in
the order of their codes, which makes a whole run lexicographic without sorting.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arithmetic.constants import TINY, UP
from . import jit
from .arrays import Cells, Corners, FloatForm, FloatForms, Room
from .constants import (
    CROSSES,
    DELTA,
    DONE,
    NEG,
    OUTPUT_FULL,
    POS,
    SCRATCH_FULL,
    UNDECIDED,
    UNKNOWN,
    UNSCANNED,
    ZERO,
    A,
    B,
    C,
    E,
    F,
    U,
    V,
)
from .predicates import U4, meet, sign_at

__all__ = ["copy_rows", "cut_pointwise", "doubled", "finished", "grow", "roomier", "split"]


@jit()
def grow(array: np.ndarray, need: int) -> np.ndarray:
    """The array if it has `need` rows, else a copy with so many and at least twice its own."""
    if need <= array.shape[0]:
        return array
    bigger = np.empty((max(need, 2 * array.shape[0]), *array.shape[1:]), array.dtype)
    bigger[: array.shape[0]] = array
    return bigger


@jit()
def doubled(array: np.ndarray) -> np.ndarray:
    """A copy with room for twice as many rows."""
    return grow(array, array.shape[0] + 1)


@jit()
def roomier(out: Room) -> Room:
    """A copy of the output with four times the room.

    Generously: a cell that did not fit begins again, and room that is not used costs nothing.
    """
    (start, corners, labels), parents, codes, undecided = out
    more, rows = 4 * start.shape[0], 4 * corners.shape[0]
    cells = grow(start, more), grow(corners, rows), grow(labels, rows)
    return cells, grow(parents, more), grow(codes, more), undecided


@jit()
def finished(out: Room, parts: int, missed: int) -> Room:
    """The output, cut to what was used."""
    (start, corners, labels), parents, codes, undecided = out
    used = start[parts]
    cells = start[: parts + 1], corners[:used], labels[:used]
    return cells, parents[:parts], codes[:parts], undecided[:missed]


@jit(inline="always")
def copy_rows(source: Corners, low: int, high: int, target: Corners, at: int) -> None:
    """Copy rows low..high to the target's rows from `at` on, front to back, no temporaries."""
    for k in range(high - low):
        for m in range(8):
            target.rows[at + k, m] = source.rows[low + k, m]
        target.labels[at + k] = source.labels[low + k]


@jit(inline="always")
def split(
    source: Corners,
    low: int,
    high: int,
    signs: np.ndarray,
    line: FloatForm,
    label: int,
    target: Corners,
    at: int,
) -> tuple[int, int]:
    """Split the polygon in rows low..high by a line that crosses it, as `geometry.split` does.

    `signs` are those of `line`, named `label`, at the corners. The parts go to the target from row
    `at` on and have at most four corners more than the whole: returns (middle, end), the
    negative part being in rows at..middle and the positive one in rows middle..end. The
    line is stored unoriented, since only its zero set matters from here on.
    """
    corners, labels, to_corners, to_labels = source.rows, source.labels, target.rows, target.labels
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
                _set_line(target, p, line, label)
            p += 1
        if here <= 0:
            for m in range(8):
                to_corners[q, m] = corners[i, m]
            to_labels[q] = labels[i]
            if here == 0 and following > 0:
                _set_line(target, q, line, label)
            q += 1
        if here * following < 0:
            meet(corners, i, line, to_corners, p)
            for m in range(A):
                to_corners[q, m] = to_corners[p, m]
            ahead, behind = (p, q) if here > 0 else (q, p)
            _set_line(target, ahead, line, label)
            for m in range(A, 8):
                to_corners[behind, m] = corners[i, m]
            to_labels[behind] = labels[i]
            p += 1
            q += 1
    return middle, p


@jit(inline="always")
def _set_line(target: Corners, row: int, line: FloatForm, label: int) -> None:
    """Set the line of the edge that leaves a corner."""
    corners = target.rows
    corners[row, A], corners[row, B], corners[row, C] = line.a, line.b, line.c
    corners[row, E], corners[row, F] = line.e, line.f
    target.labels[row] = label


@jit()
def _scan(
    corners: np.ndarray,
    low: int,
    high: int,
    coefficients: np.ndarray,
    cell: int,
    errors: np.ndarray,
    own: int,
    signs: np.ndarray,
) -> None:
    """Write to `signs` the sign of every form on the cell with corners low..high, or UNSCANNED if
    one bound at its centre proves none; the forms are coefficients[cell] with errors[own].

    Theorem 23 at the centre of the cell's bounding box, with the box's half sides as the
    distances: nearly all knots are further from a cell than its size. A straight loop
    over the forms, so that it compiles to vector instructions.
    """
    u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
    far = 0.0
    for p in range(low, high):
        u0, u1 = min(u0, corners[p, U]), max(u1, corners[p, U])
        v0, v1 = min(v0, corners[p, V]), max(v1, corners[p, V])
        far = max(far, corners[p, DELTA])
    u, v = 0.5 * (u0 + u1), 0.5 * (v0 + v1)
    ru, rv = max(u1 - u, u - u0) * UP + far, max(v1 - v, v - v0) * UP + far
    ku, kv = ru + U4 * abs(u) + TINY, rv + U4 * abs(v) + TINY
    reach = max(ru, rv) + max(abs(u), abs(v))
    for i in range(coefficients.shape[2]):
        # NaN or infinity anywhere in a form makes the bound fail every comparison, and so
        # does a value that overflows where the bound does not.
        a, b, c = coefficients[cell, 0, i], coefficients[cell, 1, i], coefficients[cell, 2, i]
        value = a * u + b * v + c
        bound = abs(a) * ku + abs(b) * kv + U4 * abs(c)
        bound += errors[own, 0, i] * reach + errors[own, 1, i] + 0.0 * value
        bound = bound * UP + TINY
        above, below = 1 if value > bound else 0, 1 if value < -bound else 0
        signs[i] = UNSCANNED + (POS - UNSCANNED) * above + (NEG - UNSCANNED) * below


@jit(inline="always")
def _signs(
    corners: np.ndarray, low: int, high: int, form: FloatForm, signs: np.ndarray, at: int
) -> int:
    """The sign of a form on the cell with corners low..high: NEG or POS even if it is zero at
    some of them; CROSSES, with the signs at the corners in signs[at:]; or UNKNOWN."""
    a, b, c, e, f = form
    seen = 0  # bit s + 1 for every sign s
    slope = abs(a) + abs(b) + e
    for p in range(low, high):
        u, v = corners[p, U], corners[p, V]
        x, y = a * u, b * v
        value = x + y + c
        bound = U4 * (abs(x) + abs(y) + abs(c)) + slope * corners[p, DELTA]
        bound += e * max(abs(u), abs(v)) + f
        s = POS if value > 0.0 else NEG
        if not (abs(value) > bound * UP + TINY):  # seldom: look closely
            s = sign_at(corners, p, p - 1 if p > low else high - 1, form)
            if s == UNKNOWN:
                return UNKNOWN
        signs[at + p - low] = s
        seen |= 1 << (s + 1)
    if seen & 5 == 5:
        return CROSSES
    return POS if seen & 4 else (NEG if seen & 1 else ZERO)


@jit(inline="always")
def _form(coefficients: np.ndarray, cell: int, errors: np.ndarray, own: int, i: int) -> FloatForm:
    """Form i of one cell."""
    a, b, c = coefficients[cell, 0, i], coefficients[cell, 1, i], coefficients[cell, 2, i]
    return FloatForm(a, b, c, errors[own, 0, i], errors[own, 1, i])


class _Scratch(NamedTuple):
    """Memory for cutting one cell: a stack of polygons, an arena of their corners and one of
    lists of knots, the signs of two knots at all corners, and of all knots on the polygon.

    A row of `frames`: the polygon's corners low and high; its knots first and last; the knot
    just cut (-1 for none) and the side taken; where the arena of corners is free.
    """

    corners: Corners
    knots: np.ndarray
    frames: np.ndarray
    signs: np.ndarray
    state: np.ndarray


@jit()
def _cut_cells(
    cells: Cells,
    forms: FloatForms,
    knot_labels: np.ndarray,
    scratch: _Scratch,
    out: Room,
    done: np.ndarray,
) -> int:
    """Cut cells one after the other, appending their parts to the output; DONE, or what is short.

    `done` counts (cells, parts, undecided cells). Nothing is allocated: where room is short this
    says so and, called again with more, goes on with the cell that did not fit.
    """
    # Long because it is the innermost loop of the engine: a function called for every cell
    # would count references to all these arrays each time, a tenth of the time.
    start, corners, labels = cells
    coefficients, errors, owner = forms
    stack, knots, frames, signs, state = scratch
    (out_start, out_corners, out_labels), out_parents, out_state, undecided = out
    whole, target, room = (
        Corners(corners, labels),
        Corners(out_corners, out_labels),
        len(stack.labels),
    )
    cell, parts, missed, status = done[0], done[1], done[2], DONE
    while cell < len(start) - 1:
        low, high, own = start[cell], start[cell + 1], owner[cell]
        n, found, used, status = high - low, parts, out_start[parts], DONE
        if 2 * n + 8 > min(len(signs), room) or 2 * len(state) > len(knots):
            status = SCRATCH_FULL
            break
        _scan(corners, low, high, coefficients, cell, errors, own, state)
        count = 0
        for i in range(len(state)):
            knots[count] = i  # without a branch, which would be hard to predict
            count += state[i] == UNSCANNED
        copy_rows(whole, low, high, stack, 0)
        frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3] = 0, n, 0, count
        frames[0, 4], frames[0, 6] = -1, n
        depth = 1
        while depth > 0 and status == DONE:
            # Depth first: cut by the first knot that crosses, negative side first.
            depth -= 1
            lo, hi, first, last = frames[depth, :4]
            if frames[depth, 4] >= 0:
                state[frames[depth, 4]] = frames[depth, 5]
            n, free, chosen, top = hi - lo, frames[depth, 6], -1, last
            if 2 * n > len(signs) or free + n + 4 > room:
                status = SCRATCH_FULL
                break
            if 2 * last - first > len(knots) or depth + 2 > len(frames):
                status = SCRATCH_FULL
                break
            if used + n + 4 > len(out_labels) or found + 2 >= len(out_start):
                status = OUTPUT_FULL
                break
            for m in range(first, last):
                i = knots[m]
                form = _form(coefficients, cell, errors, own, i)
                sign = _signs(stack.rows, lo, hi, form, signs, 0 if chosen < 0 else n)
                if sign == UNKNOWN:
                    status = UNDECIDED
                    break
                if sign != CROSSES:
                    state[i] = sign
                elif chosen < 0:
                    chosen = i
                else:
                    knots[top] = i
                    top += 1
            if status == UNDECIDED:
                break
            if chosen < 0:
                copy_rows(stack, lo, hi, target, used)
                for m in range(len(state)):
                    out_state[found, m] = state[m]
                used += n
                found += 1
                out_start[found] = used
                continue
            i, label = chosen, knot_labels[chosen]
            line = _form(coefficients, cell, errors, own, i)
            if top == last:  # nothing else can cross: both parts are done
                middle, used = split(stack, lo, hi, signs, line, label, target, used)
                for side in (NEG, POS):
                    state[i] = side
                    for m in range(len(state)):
                        out_state[found, m] = state[m]
                    found += 1
                    out_start[found] = middle if side == NEG else used
                continue
            middle, end = split(stack, lo, hi, signs, line, label, stack, free)
            for side in (POS, NEG):
                frames[depth, 0] = free if side == NEG else middle
                frames[depth, 1] = middle if side == NEG else end
                frames[depth, 2], frames[depth, 3] = last, top
                frames[depth, 4], frames[depth, 5], frames[depth, 6] = i, side, end
                depth += 1
        if status == UNDECIDED:
            undecided[missed] = cell
            missed += 1
            status = DONE
        elif status == DONE:
            out_parents[parts:found] = cell
            parts = found
        else:
            break
        cell += 1
    done[0], done[1], done[2] = cell, parts, missed
    return status


@jit()
def cut_pointwise(cells: Cells, forms: FloatForms, knot_labels: np.ndarray, out: Room) -> Room:
    """Cut every cell along the knots that cross it.

    Parameters
    ----------
    cells : Cells
    forms : FloatForms
        The form of every knot (input minus breakpoint) on every cell.
    knot_labels : int64 (knots,)
        The names of the lines where they are zero.
    out : Room
        Of any size but `undecided`, which has room for all cells.

    Returns
    -------
    Room
        A CutResult: the parts with the sign of every knot (NEG, ZERO, POS; int8), in the arrays of `out`
        if these have room for all. A knot that is zero on a whole part does not cut it.
    """
    (coefficients, _, _), scratch_rows = forms, 256
    knots = coefficients.shape[2]
    scratch = _Scratch(
        Corners(np.empty((scratch_rows, 8)), np.empty(scratch_rows, np.int64)),
        np.empty(4 * knots + 16, np.int64),
        np.empty((64, 7), np.int64),
        np.empty(128, np.int64),
        np.empty(knots, np.int8),
    )
    (start, _, _), _, _, _ = out
    start[0] = 0
    done = np.zeros(3, np.int64)
    while True:
        status = _cut_cells(cells, forms, knot_labels, scratch, out, done)
        if status == SCRATCH_FULL:
            stack, lists, frames, signs, state = scratch
            stack = Corners(doubled(stack.rows), doubled(stack.labels))
            scratch = _Scratch(stack, doubled(lists), doubled(frames), doubled(signs), state)
        elif status == OUTPUT_FULL:
            out = roomier(out)
        else:
            return finished(out, done[1], done[2])
