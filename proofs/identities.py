"""Every algebraic identity the proofs use, checked by sympy.

    python proofs/identities.py

Each function returns pairs (left, right) of expressions that must be equal; its name is
the number under which the proofs cite it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import sympy
from sympy import Expr, Matrix, symbols

Pairs = list[tuple[Expr, Expr]]

a, b, c, d, e, f = symbols("a b c d e f")
x, y, w, u, v, t = symbols("x y w u v t")
L, M, F = Matrix([symbols("l1:4")]), Matrix([symbols("m1:4")]), Matrix([symbols("f1:4")])


def _points(count: int) -> tuple[Matrix, ...]:
    return tuple(Matrix([symbols(f"x{k} y{k} w{k}")]) for k in range(count))


def _det(*rows: Matrix) -> Expr:
    return Matrix.vstack(*rows).det()


def identity_1() -> Pairs:
    """Composing an affine node with forms over a common denominator (Lemma 1)."""
    s, big, d1, d2, n1, n2, m1, m2 = symbols("s D D1 D2 N1 N2 M1 M2")
    value = (m1 * n1 / d1 + m2 * n2 / d2 + b) / s
    integers = m1 * (big / d1) * n1 + m2 * (big / d2) * n2 + b * big
    return [(value, integers / (big * s))]


def identity_3a() -> Pairs:
    """The cross product lies on both lines."""
    return [(L.cross(M).dot(L), sympy.S.Zero), (L.cross(M).dot(M), sympy.S.Zero)]


def identity_3b() -> Pairs:
    """A form at the intersection is the determinant; w is the minor the sign needs."""
    return [(L.cross(M).dot(F), _det(L, M, F)), (L.cross(M)[2], L[0] * M[1] - L[1] * M[0])]


def identity_3c() -> Pairs:
    """The turn determinant is w w w times twice the signed area."""
    p, q, r = _points(3)
    (px, py), (qx, qy), (rx, ry) = ((z[0] / z[2], z[1] / z[2]) for z in (p, q, r))
    area = (qx - px) * (ry - py) - (qy - py) * (rx - px)
    return [(_det(p, q, r), p[2] * q[2] * r[2] * area)]


def identity_3d() -> Pairs:
    """The expansion `checker.turn` uses."""
    p, q, r = _points(3)
    expansion = (
        p[0] * (q[1] * r[2] - q[2] * r[1])
        - p[1] * (q[0] * r[2] - q[2] * r[0])
        + p[2] * (q[0] * r[1] - q[1] * r[0])
    )
    return [(_det(p, q, r), expansion)]


def identity_6() -> Pairs:
    """Neighbouring pieces that agree at t differ by a multiple of z - t (Lemma 6)."""
    z, s, r = symbols("z s r")
    other = s * t + c - r * t  # the intercept that makes the pieces meet
    return [(r * z + other - (s * z + c), (r - s) * (z - t))]


def identity_8() -> Pairs:
    """`direction` is a positive multiple of q - p, and n . d is |d| sin of the angle between."""
    p, q = _points(2)
    scale = p[2] * q[2]
    step = (q[0] / q[2] - p[0] / p[2], q[1] / q[2] - p[1] / p[2])
    computed = (q[0] * p[2] - p[0] * q[2], q[1] * p[2] - p[1] * q[2])
    alpha, beta = symbols("alpha beta", real=True)
    normal = (-sympy.sin(alpha), sympy.cos(alpha))
    along = normal[0] * sympy.cos(beta) + normal[1] * sympy.sin(beta)
    pairs = [(have, scale * want) for have, want in zip(computed, step, strict=True)]
    return [*pairs, (along, sympy.sin(beta - alpha))]


def identity_9() -> Pairs:
    """Shoelace terms of an edge and its reverse cancel, as their angles do (Lemma 9)."""
    p, q = _points(2)
    term = (p[0] * q[1] - p[1] * q[0]) / (p[2] * q[2])
    back = (q[0] * p[1] - q[1] * p[0]) / (p[2] * q[2])
    return [(term + back, sympy.S.Zero)]


def identity_14() -> Pairs:
    """Cramer's rule gives the form's integer coefficients back (Lemma 14)."""
    rows = _points(3)
    values = [a * r[0] + b * r[1] + c * r[2] for r in rows]
    out = []
    for axis, coefficient in enumerate((a, b, c)):
        replaced = [
            Matrix([[value if k == axis else r[k] for k in range(3)]])
            for r, value in zip(rows, values, strict=True)
        ]
        out.append((_det(*replaced), coefficient * _det(*rows)))
    return out


def identity_22() -> Pairs:
    """Solving for the distance to the intersection of two lines (Lemma 22)."""
    a1, b1, a2, b2, du, dv = symbols("a1 b1 a2 b2 du dv")
    first, second = a1 * du + b1 * dv, a2 * du + b2 * dv
    det = a1 * b2 - a2 * b1
    return [(b2 * first - b1 * second, det * du), (a1 * second - a2 * first, det * dv)]


def identity_22b() -> Pairs:
    """What errors of coefficients change in a determinant (Lemma 22)."""
    a1, b1, a2, b2 = symbols("a1 b1 a2 b2")
    p1, q1, p2, q2 = symbols("p1 q1 p2 q2")
    changed = (a1 + p1) * (b2 + q2) - (a2 + p2) * (b1 + q1) - (a1 * b2 - a2 * b1)
    return [(changed, (p1 * b2 - q1 * a2) + (a1 * q2 - b1 * p2) + (p1 * q2 - q1 * p2))]


def identity_23() -> Pairs:
    """The three steps from the computed value to the exact form at the exact corner."""
    pu, pv, da, db, dc = symbols("pu pv da db dc")
    exact = (a + da) * pu + (b + db) * pv + c + dc
    steps = (da * u + db * v + dc) + (a + da) * (pu - u) + (b + db) * (pv - v)
    return [(exact - (a * u + b * v + c), steps)]


IDENTITIES: dict[str, Callable[[], Pairs]] = {
    name: function for name, function in globals().items() if name.startswith("identity_")
}


def main() -> int:
    failed = 0
    for name, function in IDENTITIES.items():
        wrong = [pair for pair in function() if sympy.simplify(pair[0] - pair[1]) != 0]
        print(f"{name:<13} {'FAILS' if wrong else 'holds'}: {(function.__doc__ or '').strip()}")
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
