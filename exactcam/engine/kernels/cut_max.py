"""The compiled kernel of the fast engine for max groups: cells cut where maxima change hands.

Like `cut_lines.cut_pointwise`, with another rule of division: a group splits a cell
into the parts where each member is the largest, each clipped from the whole by the
differences to its rivals (`exact.reference.refine` says the same in exact arithmetic).
A cell with an UNKNOWN sign that matters is left to exact arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arithmetic.constants import TINY, UP
from . import jit
from .arrays import Cells, Corners, FloatForm, FloatForms, Groups, KnownValues, Room
from .constants import (
    CROSSES,
    DELTA,
    NEG,
    NOT_CONSTANT,
    OUTPUT_FULL,
    POS,
    SCRATCH_FULL,
    UNDECIDED,
    UNKNOWN,
    ZERO,
    U,
    V,
)
from .cut_lines import copy_rows, doubled, finished, roomier, split
from .predicates import U4, sign_at, two_sum

__all__ = ["cut_max"]


class _Members(NamedTuple):
    """The input of a max node on one cell: `coefficients` (3, size) and `errors` (2, size) of
    its forms, and what else is known of them (see `KnownValues`)."""

    coefficients: np.ndarray
    errors: np.ndarray
    classes: np.ndarray
    above: np.ndarray


class _Group(NamedTuple):
    """One max group: its members, and the name of the line of its first pair (see `Groups`)."""

    members: np.ndarray
    label: int


class _Scratch(NamedTuple):
    """Memory for cutting one cell.

    A stack of polygons in an arena of corners; a row of `frames` is one polygon: its corners
    low and high, the place in `todo` to look at next, the group just cut (-1 for none) and its
    code. `todo` are the groups without one largest member on the whole cell: on its
    parts the others keep theirs. `codes` are those of the groups settled so far, `signs` those
    of one form at all corners, `about` is that of `_measure`.
    """

    corners: Corners
    frames: np.ndarray
    todo: np.ndarray
    codes: np.ndarray
    signs: np.ndarray
    about: np.ndarray


@jit(inline="always")
def _difference(coefficients: np.ndarray, errors: np.ndarray, m: int, r: int) -> FloatForm:
    """The form of member m minus that of member r; rounding added to the bounds."""
    a, p = two_sum(coefficients[0, m], -coefficients[0, r])
    b, q = two_sum(coefficients[1, m], -coefficients[1, r])
    c, s = two_sum(coefficients[2, m], -coefficients[2, r])
    e = errors[0, m] + errors[0, r] + abs(p) + abs(q)
    f = errors[1, m] + errors[1, r] + abs(s)
    e = 0.0 if e == 0.0 else e * UP + TINY
    f = 0.0 if f == 0.0 else f * UP + TINY
    return FloatForm(a, b, c, e, f)


@jit(inline="always")
def _sign_on(corners: np.ndarray, low: int, high: int, form: FloatForm, signs: np.ndarray) -> int:
    """The sign of a form on the cell with corners low..high: NEG or POS even if it is zero at
    some of them; CROSSES; or UNKNOWN. Those at the corners go to `signs`."""
    negative, positive = False, False
    for k in range(high - low):
        s = sign_at(corners, low + k, low + k - 1 if k > 0 else high - 1, form)
        if s == UNKNOWN:
            return UNKNOWN
        signs[k] = s
        negative |= s == NEG
        positive |= s == POS
    if negative and positive:
        return CROSSES
    return POS if positive else (NEG if negative else ZERO)


@jit(inline="always")
def _compare(
    corners: np.ndarray,
    low: int,
    high: int,
    members: _Members,
    m: int,
    r: int,
    form: FloatForm,
    signs: np.ndarray,
) -> int:
    """`_sign_on` of `form`, which is member m minus member r."""
    _, _, classes, above = members
    if classes[m] == classes[r]:
        return ZERO
    # What is positive inside and zero on an edge: no bound proves that zero.
    if classes[r] == 0 and above[m]:
        return POS
    if classes[m] == 0 and above[r]:
        return NEG
    return _sign_on(corners, low, high, form, signs)


@jit(inline="always")
def _measure(corners: np.ndarray, low: int, high: int, out: np.ndarray) -> None:
    """out = (mean u, mean v, largest coordinate, largest delta) of the corners."""
    out[:4] = 0.0
    for p in range(low, high):
        out[0] += corners[p, U]
        out[1] += corners[p, V]
        out[2] = max(out[2], abs(corners[p, U]), abs(corners[p, V]))
        out[3] = max(out[3], corners[p, DELTA])
    out[0] /= np.float64(high - low)
    out[1] /= np.float64(high - low)


@jit(inline="always")
def _all_positive(
    corners: np.ndarray, low: int, high: int, about: np.ndarray, form: FloatForm
) -> bool:
    """Whether one bound proves a form positive at all corners (Theorem 23), of which `about` says
    how large their coordinates and deltas are."""
    a, b, c, e, f = form
    size, far = about[2], about[3]
    bound = (abs(a) + abs(b)) * (U4 * size + far + TINY) + U4 * abs(c) + e * (size + far) + f
    bound = bound * UP + TINY
    proven = True
    for p in range(low, high):
        value = a * corners[p, U] + b * corners[p, V] + c
        proven = proven and value + 0.0 * value > bound  # NaN, and so infinity, fails
    return proven


@jit(inline="always")  # called, it would count references to six arrays each time
def _largest(
    corners: np.ndarray,
    low: int,
    high: int,
    about: np.ndarray,
    members: _Members,
    own: np.ndarray,
    signs: np.ndarray,
) -> int:
    """The first of a group's members `own` that is largest on the whole polygon with corners
    low..high, which `about` measures; or NOT_CONSTANT, or UNDECIDED."""
    coefficients, errors, classes, _ = members
    tied = True
    for k in range(1, len(own)):
        tied = tied and classes[own[k]] == classes[own[0]]
    if tied:
        return 0
    best, best_value = 0, -np.inf
    for k in range(len(own)):
        m = own[k]
        value = coefficients[0, m] * about[0] + coefficients[1, m] * about[1] + coefficients[2, m]
        if value > best_value:
            best, best_value = k, value
    first = best
    for k in range(len(own)):
        m, r = own[best], own[k]
        if k == best or classes[m] == classes[r]:
            first = min(first, k)
            continue
        form = _difference(coefficients, errors, m, r)
        if _all_positive(corners, low, high, about, form):
            continue
        sign = _compare(corners, low, high, members, m, r, form, signs)
        if sign == UNKNOWN:
            return UNDECIDED
        if sign in (NEG, CROSSES):
            return NOT_CONSTANT
        if sign == ZERO and k < first:
            first = k
    return first


@jit()
def _clip(
    scratch: _Scratch, low: int, high: int, free: int, members: _Members, group: _Group, code: int
) -> tuple[int, int]:
    """The part of a polygon of the stack where member `code` of a group is the first that is
    largest.

    Returns its corners (low, high), equal if it is empty, or twice a status (UNDECIDED,
    SCRATCH_FULL). Clips between two areas of the arena above row `free`.
    """
    own, size, stack, signs = group.members, len(group.members), scratch.corners, scratch.signs
    for rival in range(size):
        if rival == code:
            continue
        if high - low > len(signs):
            return SCRATCH_FULL, SCRATCH_FULL
        m, r = own[code], own[rival]
        line = _difference(members.coefficients, members.errors, m, r)
        sign = _compare(stack.rows, low, high, members, m, r, line, signs)
        if sign == UNKNOWN:
            return UNDECIDED, UNDECIDED
        if sign == NEG or (sign == ZERO and rival < code):
            return 0, 0
        if sign == CROSSES:
            at = max(free, high)
            if at + high - low + 4 > len(stack.labels):
                return SCRATCH_FULL, SCRATCH_FULL
            label = group.label + min(code, rival) * size + max(code, rival)
            low, high = split(stack, low, high, signs, line, label, stack, at)
    return low, high


@jit(inline="always")
def _settle_whole(scratch: _Scratch, corners: int, members: _Members, groups: Groups) -> int:
    """Find the largest member of every group on a whole cell, the first polygon of the stack.

    Returns the number of groups without one, now listed in `scratch.todo`; or UNDECIDED.
    """
    stack, _, todo, codes, signs, about = scratch
    rows, begin, everyone = stack.rows, groups.start, groups.members
    _measure(rows, 0, corners, about)
    count = 0
    for number in range(len(codes)):
        own = everyone[begin[number] : begin[number + 1]]
        found = _largest(rows, 0, corners, about, members, own, signs)
        if found == UNDECIDED:
            return UNDECIDED
        codes[number] = found
        if found == NOT_CONSTANT:
            todo[count] = number
            count += 1
    return count


@jit(inline="always")
def _settle(scratch: _Scratch, frame: int, count: int, members: _Members, groups: Groups) -> int:
    """Find the largest members on the polygon of a frame, of the groups in `scratch.todo` from the
    frame's place to `count`.

    Returns the place of the first group without one, `count` if there is none; or UNDECIDED.
    """
    low, high, place = scratch.frames[frame, 0], scratch.frames[frame, 1], scratch.frames[frame, 2]
    rows, signs, about = scratch.corners.rows, scratch.signs, scratch.about
    begin, everyone = groups.start, groups.members
    _measure(rows, low, high, about)
    while place < count:
        number = scratch.todo[place]
        own = everyone[begin[number] : begin[number + 1]]
        found = _largest(rows, low, high, about, members, own, signs)
        if found == UNDECIDED:
            return UNDECIDED
        if found == NOT_CONSTANT:
            return place
        scratch.codes[number] = found
        place += 1
    return place


@jit()
def _divide(scratch: _Scratch, frame: int, place: int, members: _Members, groups: Groups) -> int:
    """Replace the polygon of the last frame by its parts, one for each member of the group at
    `place` that is largest somewhere. Returns the new number of frames, or a status."""
    stack, frames, number = scratch.corners, scratch.frames, scratch.todo[place]
    own = groups.members[groups.start[number] : groups.start[number + 1]]
    group, depth = _Group(own, groups.labels[number]), frame
    low, high = frames[frame, 0], frames[frame, 1]
    free = high
    for code in range(len(group.members) - 1, -1, -1):  # the first member's on top
        first, last = _clip(scratch, low, high, free, members, group, code)
        if first < 0:
            return first
        if first == last:
            continue
        length = last - first
        if free + length > len(stack.labels) or depth == len(frames):
            return SCRATCH_FULL
        if first != free:
            copy_rows(stack, first, last, stack, free)
        frames[depth, 0], frames[depth, 1] = low + free - high, low + free - high + length
        frames[depth, 2], frames[depth, 3], frames[depth, 4] = place + 1, number, code
        depth += 1
        free += length
    copy_rows(stack, high, free, stack, low)
    return depth


@jit(inline="always")
def _cut_cell(
    cells: Cells,
    cell: int,
    members: _Members,
    groups: Groups,
    scratch: _Scratch,
    out: Room,
    parts: int,
) -> int:
    """Cut one cell, append its parts to the output; their new number there, or a status.

    Nothing is allocated: where room is short this says so and is called again with more.
    """
    (start, corners, labels), _, out_codes, _ = out
    stack, frames, codes = scratch.corners, scratch.frames, scratch.codes
    first = cells.start[cell]
    n = cells.start[cell + 1] - first
    if n > min(len(stack.labels), len(scratch.signs)):
        return SCRATCH_FULL
    copy_rows(Corners(cells.corners, cells.labels), first, first + n, stack, 0)
    frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3] = 0, n, 0, -1
    count = _settle_whole(scratch, n, members, groups)
    if count == UNDECIDED:
        return UNDECIDED
    depth = 1
    while depth > 0:
        depth -= 1
        low, high, cut = frames[depth, 0], frames[depth, 1], frames[depth, 3]
        if cut >= 0:
            codes[cut] = frames[depth, 4]
        if high - low > len(scratch.signs):
            return SCRATCH_FULL
        place = _settle(scratch, depth, count, members, groups)
        if place == UNDECIDED:
            return UNDECIDED
        if place < count:
            depth = _divide(scratch, depth, place, members, groups)
            if depth < 0:
                return depth
            continue
        at, end = start[parts], start[parts] + high - low
        if end > len(labels) or parts + 2 > len(start):
            return OUTPUT_FULL
        copy_rows(stack, low, high, Corners(corners, labels), at)
        start[parts + 1] = end
        out_codes[parts] = codes
        parts += 1
    return parts


@jit()
def cut_max(cells: Cells, forms: FloatForms, groups: Groups, known: KnownValues, out: Room) -> Room:
    """Cut every cell where a group's maximum changes hands.

    Parameters
    ----------
    cells : Cells
    forms : FloatForms
        The node's input on every cell.
    groups : Groups
    known : KnownValues
        What is known of that input.
    out : Room
        Of any size but `undecided`, which has room for all cells.

    Returns
    -------
    Room
        A CutResult: the parts with the code of every group (int64), in the arrays of `out` if these have
        room for all.
    """
    cells, groups = Cells(*cells), Groups(*groups)
    (coefficients, errors, owner), (classes, above) = forms, known
    number = groups.start.shape[0] - 1
    scratch = _Scratch(
        Corners(np.empty((256, 8)), np.empty(256, np.int64)),
        np.empty((64, 5), np.int64),
        np.empty(number, np.int64),
        np.empty(number, np.int64),
        np.empty(256, np.int64),
        np.empty(4),
    )
    out[0][0][0] = 0
    parts, missed, cell = 0, 0, 0
    while cell < cells.start.shape[0] - 1:
        row = cell if len(classes) > 1 else 0
        own = _Members(coefficients[cell], errors[owner[cell]], classes[row], above[row])
        found = _cut_cell(cells, cell, own, groups, scratch, out, parts)
        if found == SCRATCH_FULL:
            corners, frames, todo, codes, signs, about = scratch
            corners = Corners(doubled(corners.rows), doubled(corners.labels))
            scratch = _Scratch(corners, doubled(frames), todo, codes, doubled(signs), about)
            continue
        if found == OUTPUT_FULL:
            out = roomier(out)
            continue
        if found == UNDECIDED:
            out[3][missed] = cell
            missed += 1
        else:
            out[1][parts:found] = cell
            parts = found
        cell += 1
    return finished(out, parts, missed)
