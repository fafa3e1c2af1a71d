"""Compiled predicates of the fast engine: certified signs in float64.

A corner is a row (u, v, delta, a, b, c, e, f): a float point with a bound on its
distance (in either coordinate) from the exact vertex, then the line of the edge that
leaves it, a float form with e >= |error of a| + |error of b| and f >= |error of c|.
The exact vertex is the meet of its own and the previous corner's line. Theorem and lemma
numbers are those of proofs/filter.md; `exactcam.engine.float_affine` has them in short.

Every sign is NEG, ZERO, POS or UNKNOWN; ZERO is only ever returned when proven, and
nothing here guesses: UNKNOWN is settled by exact arithmetic elsewhere.
"""

from __future__ import annotations

import numpy as np

from ...arithmetic.constants import TINY, UP
from . import jit
from .arrays import FloatForm
from .constants import DELTA, NEG, POS, UNKNOWN, ZERO, A, B, C, E, F, U, V

__all__ = ["U4", "float_sign", "meet", "plane_sign", "sign_at", "two_sum"]

U4 = 4.5 * 2.0**-53  # three products, two sums, and slack for evaluating the bound itself


@jit(inline="always")
def two_sum(a: float, b: float) -> tuple[float, float]:
    """(sum, error): a + b = sum + error exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@jit()
def _two_product(a: float, b: float) -> tuple[float, float]:
    """(product, error): a b = product + error exactly, unless something under- or overflows
    (Dekker and Veltkamp)."""
    p = a * b
    t = 134217729.0 * a
    ah = t - (t - a)
    al = a - ah
    t = 134217729.0 * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@jit()
def _expansion_sign(terms: np.ndarray, count: int) -> int:
    """The sign of a sum of doubles, exactly: Shewchuk's growing expansion."""
    e = np.zeros(count + 1)
    size = 0
    for k in range(count):
        q = terms[k]
        kept = 0
        for i in range(size):
            q, h = two_sum(q, e[i])
            if h != 0.0:
                e[kept] = h
                kept += 1
        if q != 0.0:
            e[kept] = q
            kept += 1
        size = kept
    if size == 0:
        return ZERO
    return POS if e[size - 1] > 0.0 else NEG


@jit()
def plane_sign(l1: np.ndarray, l2: np.ndarray, a: float, b: float, c: float) -> int:
    """The exact sign of the form (a, b, c) at the intersection of two lines.

    All nine coefficients must be exact. sign(det[l1; l2; f]) sign(det2[l1; l2]),
    by error-free transformations; UNKNOWN where a product could leave the range
    in which those are error-free.
    """
    for x in (a, b, c, l1[0], l1[1], l1[2], l2[0], l2[1], l2[2]):
        # One by one: a maximum may lose a NaN.
        if not (x == 0.0 or 2.0**-200 < abs(x) < 2.0**300):
            return UNKNOWN
    terms = np.empty(24)
    n = 0
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        third = a if k == 0 else (b if k == 1 else c)
        p, q = _two_product(l1[i], l2[j])
        r, s = _two_product(-l1[j], l2[i])
        for x in (p, q, r, s):
            hi, lo = _two_product(x, third)
            terms[n] = hi
            terms[n + 1] = lo
            n += 2
    top = _expansion_sign(terms, 24)
    p, q = _two_product(l1[0], l2[1])
    r, s = _two_product(-l1[1], l2[0])
    terms[0], terms[1], terms[2], terms[3] = p, q, r, s
    return top * _expansion_sign(terms, 4)


@jit(inline="always")
def float_sign(
    u: float, v: float, d: float, a: float, b: float, c: float, e: float, f: float
) -> int:
    """The sign of a form at a corner by the filter alone (Theorem 23)."""
    x, y = a * u, b * v
    value = x + y + c
    bound = U4 * (abs(x) + abs(y) + abs(c)) + (abs(a) + abs(b) + e) * d
    bound += e * max(abs(u), abs(v)) + f
    bound = bound * UP + TINY
    if value > bound:
        return POS
    if value < -bound:
        return NEG
    # Zero is proven by a zero factor in every product, never by a product: those underflow.
    at_origin = u == 0.0 and v == 0.0
    flat = a == 0.0 and b == 0.0
    if (
        (c == 0.0 and f == 0.0)
        and ((a == 0.0 or u == 0.0) and (b == 0.0 or v == 0.0))
        and ((e == 0.0 or at_origin) and (d == 0.0 or (flat and e == 0.0)))
    ):
        return ZERO
    return UNKNOWN


@jit()
def sign_at(corners: np.ndarray, k: int, before: int, form: FloatForm) -> int:
    """The sign of a form at corner k, which is the meet of the lines of rows `before` and k.

    Where the form and both lines are exact it is always decided.
    """
    a, b, c, e, f = form
    s = float_sign(corners[k, U], corners[k, V], corners[k, DELTA], a, b, c, e, f)
    if s == UNKNOWN and e == 0.0 and f == 0.0:
        exact = corners[before, E] == 0.0 and corners[before, F] == 0.0
        if exact and corners[k, E] == 0.0 and corners[k, F] == 0.0:
            return plane_sign(corners[before, A:E], corners[k, A:E], a, b, c)
    return s


@jit()
def meet(corners: np.ndarray, k: int, line: FloatForm, out: np.ndarray, at: int) -> None:
    """Write (u, v, delta) of the meet of row k's line with `line` to row `at` of `out`
    (Lemma 22)."""
    a1, b1, c1, e1, f1 = corners[k, A], corners[k, B], corners[k, C], corners[k, E], corners[k, F]
    a2, b2, c2, e2, f2 = line
    out[at, U], out[at, V], out[at, DELTA] = 0.0, 0.0, np.inf
    p, q = a1 * b2, a2 * b1
    det = p - q
    slack = U4 * (abs(p) + abs(q)) + e1 * (abs(a2) + abs(b2)) + e2 * (abs(a1) + abs(b1))
    slack = (slack + 2.0 * e1 * e2) * UP + TINY
    low = abs(det) - slack
    if not (low > 0.0 and abs(det) < np.inf):
        return
    u = (b1 * c2 - b2 * c1) / det
    v = (c1 * a2 - c2 * a1) / det
    size = max(abs(u), abs(v))
    x, y = a1 * u, b1 * v
    r1 = abs(x + y + c1) + U4 * (abs(x) + abs(y) + abs(c1)) + e1 * size + f1
    x, y = a2 * u, b2 * v
    r2 = abs(x + y + c2) + U4 * (abs(x) + abs(y) + abs(c2)) + e2 * size + f2
    if size > 0.0:
        r1 += TINY
        r2 += TINY
    du = (abs(b2) + e2) * r1 + (abs(b1) + e1) * r2
    dv = (abs(a2) + e2) * r1 + (abs(a1) + e1) * r2
    d = 0.0
    if not (r1 == 0.0 and r2 == 0.0):  # else both lines pass through the origin exactly
        d = (max(du, dv) + TINY) / (low * (1.0 - 2.0**-50)) * UP + TINY
    if d < np.inf:
        out[at, U], out[at, V], out[at, DELTA] = u, v, d
