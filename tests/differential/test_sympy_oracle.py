"""sympy as an independent oracle: tiny networks from the definition alone.

No splitting and nothing of exactcam's geometry: for every one of the possible
activation patterns the region is the set where each unit has its sign, its corners
are those intersections of two border lines (sympy linear algebra) that satisfy all
inequalities, and it counts if it has area.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import pytest
import sympy

import exactcam
from exactcam import from_arrays
from exactcam.compute import ENGINES

U, V = sympy.symbols("u v")

NETWORKS = {
    "generic": [([[1, 2], [-2, 1], [1, -1]], [0, 1, "1/2"]), ([[1, -2, 1]], [0])],
    "zero biases": [([[1, 2], [-2, 1], [1, 1]], [0, 0, 0]), ([[1, 1, -1], [1, -1, 0]], [0, 0]), ([[1, 1]], [0])],
    "two layers": [([[1, 1], [1, -1]], [0, "1/3"]), ([[2, -1], [-1, 1]], ["-1/2", "1/4"]), ([[1, -1], [1, 1]], [0, 0])],
    "copied and negated": [([[1, 2], [1, 2], [-1, -2]], ["1/2", "1/2", "-1/2"]), ([[1, 1, 1], [1, -1, 0]], [-1, 0]), ([[1, 1]], [0])],
    "rank one": [([[1, 2], [2, 4], [-1, -2]], [0, 1, 0]), ([[1, -1, 1]], ["-1/2"]), ([[1]], [0])],
    "dead and always on": [([[0, 0], [0, 0], [1, 1]], [-1, 1, 0]), ([[1, 1, -1]], [0]), ([[1]], [0])],
    "lines on the window": [([[1, 0], [0, 1]], [1, -1]), ([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])],
    "nearly concurrent": [([[1, 0], [0, 1], [1, 1]], [0, 0, "1/1000000000000"]), ([[1, -1, 1]], [0])],
}  # fmt: skip


def oracle(layers: list) -> dict[tuple[int, ...], set[tuple[Fraction, Fraction]]]:
    """Pattern (0 off, 1 zero on the region, 2 on) -> corners, on [-1, 1]^2."""
    borders = [U + 1, 1 - U, V + 1, 1 - V]
    units = sum(len(bias) for _, bias in layers[:-1])
    regions = {}
    for on in product((False, True), repeat=units):
        values, forms, taken = sympy.Matrix([U, V]), [], list(on)
        for weight, bias in layers[:-1]:
            before = sympy.Matrix(weight) * values + sympy.Matrix([sympy.Rational(b) for b in bias])
            mine, taken = taken[: len(bias)], taken[len(bias) :]
            forms += [sympy.expand(x) for x in before]
            values = sympy.Matrix(
                [x if is_on else 0 for x, is_on in zip(before, mine, strict=True)]
            )
        # A unit that is zero throughout has no sign: it counts as off, once.
        if any(is_on and form == 0 for form, is_on in zip(forms, on, strict=True)):
            continue
        inequalities = borders + [f if is_on else -f for f, is_on in zip(forms, on, strict=True)]
        corners = polygon(inequalities)
        if corners is not None:
            pattern = tuple(1 if f == 0 else 2 * is_on for f, is_on in zip(forms, on, strict=True))
            assert regions.setdefault(pattern, corners) == corners
    return regions


def polygon(inequalities: list) -> set[tuple[Fraction, Fraction]] | None:
    """The extreme points of {all >= 0}, None if it has no area.

    A feasible point on two borders that are not parallel is extreme, and three
    extreme points are never on one line. (sympy's own hull decides with 1e-12.)
    """
    rows = [(f.coeff(U), f.coeff(V), f.subs({U: 0, V: 0})) for f in inequalities]
    points = set()
    for (a, b, c), (d, e, f) in combinations(rows, 2):
        matrix = sympy.Matrix([[a, b], [d, e]])
        if matrix.det() == 0:
            continue
        u, v = matrix.solve(sympy.Matrix([-c, -f]))
        if all(p * u + q * v + r >= 0 for p, q, r in rows):
            points.add((Fraction(int(u.p), int(u.q)), Fraction(int(v.p), int(v.q))))
    return points if len(points) >= 3 else None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NETWORKS)
def test_regions_are_those_of_the_definition(name: str, engine: str) -> None:
    part = exactcam.partition(from_arrays(NETWORKS[name]), engine=engine)
    ours = {tuple(cell.pattern.tolist()): set(cell.vertices) for cell in part.cells}
    assert ours == oracle(NETWORKS[name])
