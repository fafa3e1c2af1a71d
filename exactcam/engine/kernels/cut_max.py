"""The compiled kernel of the fast engine for max groups: cells cut where maxima change hands.

Like `kernels.cut_pointwise`, with another rule of division: a group splits a cell
into the parts where each member is the largest, each clipped from the whole by the
differences to its rivals (`reference.refine` says the same in exact arithmetic).
A cell with an UNKNOWN sign that matters is left to exact arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arithmetic.constants import TINY, UP
from ...runtime.jit import jit
from .cut_lines import copy_rows, grow, split
from .predicates import U4, UNKNOWN, sign_at, two_sum

__all__ = ["cut_max"]


@jit()
def _difference(forms: np.ndarray, errors: np.ndarray, m: int, r: int, out: np.ndarray) -> None:
    """out = (a, b, c, e, f) of member m minus member r; rounding added to the bounds."""
    out[0], p = two_sum(forms[0, m], -forms[0, r])
    out[1], q = two_sum(forms[1, m], -forms[1, r])
    out[2], s = two_sum(forms[2, m], -forms[2, r])
    e = errors[0, m] + errors[0, r] + abs(p) + abs(q)
    f = errors[1, m] + errors[1, r] + abs(s)
    out[3] = 0.0 if e == 0.0 else e * UP + TINY
    out[4] = 0.0 if f == 0.0 else f * UP + TINY


@jit()
def _classify(corners: np.ndarray, low: int, high: int, cut: np.ndarray, signs: np.ndarray) -> Any:
    """(any positive, any negative, any unknown) sign of a form at the corners; fills `signs`."""
    positive, negative, unknown = False, False, False
    for k in range(high - low):
        before = low + k - 1 if k > 0 else high - 1
        s = sign_at(corners, low + k, before, cut[0], cut[1], cut[2], cut[3], cut[4])
        signs[k] = s
        positive = positive or s == 1
        negative = negative or s == -1
        unknown = unknown or s == UNKNOWN
    return positive, negative, unknown


@jit()
def _compare(
    corners: np.ndarray, low: int, high: int,
    forms: np.ndarray, errors: np.ndarray, same: np.ndarray, above: np.ndarray,
    m: int, r: int, cut: np.ndarray, signs: np.ndarray,
) -> Any:  # fmt: skip
    """`_classify` of member m minus member r, which goes to `cut` where both signs occur."""
    if same[m] == same[r]:
        return False, False, False
    # What is positive inside and zero on an edge: no bound proves that zero.
    if same[r] == 0 and above[m]:
        return True, False, False
    if same[m] == 0 and above[r]:
        return False, True, False
    _difference(forms, errors, m, r, cut)
    return _classify(corners, low, high, cut, signs)


@jit()
def _inside(corners: np.ndarray, low: int, high: int, out: np.ndarray) -> None:
    """out = (mean u, mean v, largest coordinate, largest delta) of the corners."""
    out[:4] = 0.0
    for p in range(low, high):
        out[0] += corners[p, 0]
        out[1] += corners[p, 1]
        out[2] = max(out[2], abs(corners[p, 0]), abs(corners[p, 1]))
        out[3] = max(out[3], corners[p, 2])
    out[0] /= np.float64(high - low)
    out[1] /= np.float64(high - low)


@jit(inline="always")
def _all_positive(
    corners: np.ndarray, low: int, high: int, size: float, far: float, cut: np.ndarray
) -> bool:
    """Whether one bound proves `cut` positive at all corners (Lemma F3), whose coordinates
    and deltas are at most `size` and `far`."""
    a, b, c = cut[0], cut[1], cut[2]
    bound = (
        (abs(a) + abs(b)) * (U4 * size + far + TINY) + U4 * abs(c) + cut[3] * (size + far) + cut[4]
    )
    bound = bound * UP + TINY
    proven = True
    for p in range(low, high):
        value = a * corners[p, 0] + b * corners[p, 1] + c
        proven = proven and value + 0.0 * value > bound  # NaN, and so infinity, fails
    return proven


@jit()
def _winner(
    corners: np.ndarray, low: int, high: int, inside: np.ndarray,
    forms: np.ndarray, errors: np.ndarray, members: np.ndarray, start: int, size: int,
    same: np.ndarray, above: np.ndarray, cut: np.ndarray, signs: np.ndarray,
) -> int:  # fmt: skip
    """The first member that is largest on the whole cell, -1 if none, -2 if undecided;
    the members are `size` of `members` from `start`, `inside` is that of `_inside`."""
    tied = True
    for k in range(start + 1, start + size):
        tied = tied and same[members[k]] == same[members[start]]
    if tied:
        return 0
    best, best_value = 0, -np.inf
    for k in range(size):
        m = members[start + k]
        value = forms[0, m] * inside[0] + forms[1, m] * inside[1] + forms[2, m]
        if value > best_value:
            best, best_value = k, value
    first = best
    for k in range(size):
        m, r = members[start + best], members[start + k]
        if k == best or same[m] == same[r]:
            first = min(first, k)
            continue
        _difference(forms, errors, m, r, cut)
        if _all_positive(corners, low, high, inside[2], inside[3], cut):
            continue
        positive, negative, unknown = _compare(
            corners, low, high, forms, errors, same, above, m, r, cut, signs
        )
        if unknown:
            return -2
        if negative:
            return -1
        if not positive and k < first:
            first = k
    return first


@jit()
def cut_max(
    start: np.ndarray, corners: np.ndarray, labels: np.ndarray,
    forms: np.ndarray, errors: np.ndarray, owner: np.ndarray,
    group_start: np.ndarray, members: np.ndarray, group_labels: np.ndarray, blind: np.ndarray,
    same: np.ndarray, above: np.ndarray,
) -> Any:  # fmt: skip
    """Cut every cell where a group's maximum changes hands; members with equal numbers in
    `same` (size,) have the same exact forms on all these cells, 0 is zero; members that
    are `above` (size,) are positive inside the cells.

    Returns the parts (start, corners, labels), their parents, the code of every
    group on every part, and the undecided cells, which have no parts.
    """
    cells, groups = start.shape[0] - 1, group_start.shape[0] - 1
    room = corners.shape[0] + 256
    o_start, o_parent = np.zeros(cells + 64, np.int64), np.empty(cells + 64, np.int64)
    o_corners, o_labels = np.empty((room, 8)), np.empty(room, np.int64)
    o_codes = np.empty((cells + 64, groups), np.int64)
    undecided = np.empty(cells, np.int64)
    parts, missed = 0, 0
    codes = np.empty(groups, np.int64)
    s_corners, s_labels = np.empty((256, 8)), np.empty(256, np.int64)
    signs = np.empty(256, np.int64)
    cut, inside = np.empty(5), np.empty(4)
    # Groups without one winner on the whole cell: on its parts the others keep theirs.
    todo = np.empty(groups, np.int64)
    # Per frame: corners low, high; the place in `todo` to look at next; the group just cut
    # and its code.
    frames = np.empty((64, 5), np.int64)
    for cell in range(cells):
        unknown, x, y = blind[cell], forms[cell], errors[owner[cell]]
        parts_before = parts
        n = start[cell + 1] - start[cell]
        s_corners, s_labels = grow(s_corners, n), grow(s_labels, n)
        s_corners[:n] = corners[start[cell] : start[cell + 1]]
        s_labels[:n] = labels[start[cell] : start[cell + 1]]
        frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3] = 0, n, 0, -1
        _inside(s_corners, 0, n, inside)
        signs = grow(signs, 2 * n + 8)
        count = 0
        for group in range(groups):
            if unknown:
                break
            codes[group] = _winner(
                s_corners, 0, n, inside, x, y, members, group_start[group],
                group_start[group + 1] - group_start[group], same, above, cut, signs,
            )  # fmt: skip
            unknown = codes[group] == -2
            if codes[group] == -1:
                todo[count] = group
                count += 1
        depth = 1
        while depth > 0 and not unknown:
            depth -= 1
            lo, hi, place = frames[depth, 0], frames[depth, 1], frames[depth, 2]
            if frames[depth, 3] >= 0:
                codes[frames[depth, 3]] = frames[depth, 4]
            n = hi - lo
            signs = grow(signs, 2 * n + 8)
            _inside(s_corners, lo, hi, inside)
            group = -1
            while place < count:
                group = todo[place]
                code = _winner(
                    s_corners, lo, hi, inside, x, y, members, group_start[group],
                    group_start[group + 1] - group_start[group], same, above, cut, signs,
                )  # fmt: skip
                if code < 0:
                    unknown = code == -2
                    break
                codes[group] = code
                place += 1
            if unknown:
                break
            if place == count:
                at = o_start[parts]
                o_corners, o_start = grow(o_corners, at + n), grow(o_start, parts + 2)
                o_labels = grow(o_labels, at + n)
                o_parent, o_codes = grow(o_parent, parts + 1), grow(o_codes, parts + 1)
                o_corners[at : at + n] = s_corners[lo:hi]
                o_labels[at : at + n] = s_labels[lo:hi]
                o_start[parts + 1] = at + n
                o_parent[parts] = cell
                o_codes[parts] = codes
                parts += 1
                continue
            # One part per member that is largest somewhere, the first member's on top.
            own = members[group_start[group] : group_start[group + 1]]
            size = len(own)
            base = hi
            for code in range(size - 1, -1, -1):
                # Clip between two scratch areas above everything kept so far.
                a_lo, a_hi = lo, hi
                empty = False
                for rival in range(size):
                    if rival == code:
                        continue
                    signs = grow(signs, a_hi - a_lo)
                    positive, negative, vague = _compare(
                        s_corners, a_lo, a_hi, x, y, same, above, own[code], own[rival], cut, signs
                    )
                    if vague:
                        unknown = True
                        break
                    if not positive and (negative or rival < code):
                        empty = True
                        break
                    if positive and negative:
                        room = a_hi - a_lo + 4
                        at = max(base, a_hi)
                        s_corners = grow(s_corners, at + room)
                        s_labels = grow(s_labels, at + room)
                        first, second = min(code, rival), max(code, rival)
                        label = group_labels[group] + first * size + second
                        a_lo, a_hi = split(
                            s_corners, s_labels, a_lo, a_hi, signs, cut, label,
                            s_corners, s_labels, at,
                        )  # fmt: skip
                if unknown:
                    break
                if empty:
                    continue
                length = a_hi - a_lo
                if a_lo != base:
                    s_corners = grow(s_corners, base + length)
                    s_labels = grow(s_labels, base + length)
                    copy_rows(s_corners, s_labels, a_lo, a_hi, s_corners, s_labels, base)
                frames = grow(frames, depth + 1)
                frames[depth, 0], frames[depth, 1] = lo + base - hi, lo + base - hi + length
                frames[depth, 2], frames[depth, 3], frames[depth, 4] = place + 1, group, code
                depth += 1
                base += length
            if unknown:
                break
            copy_rows(s_corners, s_labels, hi, base, s_corners, s_labels, lo)
        if unknown:
            parts = parts_before
            undecided[missed] = cell
            missed += 1
    used = o_start[parts]
    return (
        o_start[: parts + 1], o_corners[:used], o_labels[:used],
        o_parent[:parts], o_codes[:parts], undecided[:missed],
    )  # fmt: skip
