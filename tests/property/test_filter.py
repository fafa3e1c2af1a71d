"""Lemmas 21 and 22 and Theorem 23 (`exactcam.engine.float_affine`), attacked: no bound may ever be too small.

Exact values stand next to their floats here, as far off as the stored errors allow:
numbers from 2^-1074 to 2^1000, sums that cancel, lines that are all but parallel, errors
of nothing and of everything. Whatever a predicate then says about the floats must be true
of the exact values. All checks are in rational arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exactcam import Network, Slice, Window
from exactcam.arithmetic.constants import TINY, UNIT, UP
from exactcam.arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from exactcam.arithmetic.rational import integer_matrix, mpq, mpz, objects, rational, sign, to_float
from exactcam.arithmetic.rounding import rounded
from exactcam.engine.assemble import glue
from exactcam.engine.float_activation import FloatMax, FloatPointwise, in_floats
from exactcam.engine.float_affine import FloatAffine
from exactcam.engine.float_forms import FloatValue
from exactcam.engine.kernels.arrays import FloatForm, FloatForms
from exactcam.engine.kernels.constants import CROSSES, UNKNOWN, UNSCANNED
from exactcam.engine.kernels.cut_lines import _scan, _signs
from exactcam.engine.kernels.cut_max import _all_positive, _difference, _measure, _reach
from exactcam.engine.kernels.forms import widest
from exactcam.engine.kernels.predicates import float_sign, plane_sign, sign_at
from exactcam.engine.kernels.predicates import meet as float_meet
from exactcam.engine.local_frame import Frame
from exactcam.engine.refine import Engine
from exactcam.engine.vertex_clusters import pieces
from exactcam.loaders.from_arrays import from_arrays
from exactcam.model.geometry import meet, side
from exactcam.model.nodes import Affine, Block, Cpwl, MaxGroups, Pointwise
from exactcam.testing.strategies import cases, functions

# Floats that overflow are no news: the engine computes within `quiet`, some tests without.
pytestmark = pytest.mark.filterwarnings(
    "ignore:(overflow|invalid value) encountered:RuntimeWarning"
)

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
SOME = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))

_small = st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 0.1, -0.3])
_near = st.builds(lambda x, k: x * (1 + k * 2.0**-52), _small, st.integers(-4, 4))
_any = st.floats(-1e300, 1e300)
_powers = st.builds(lambda s, k: s * 2.0**k, st.sampled_from([-1.0, 1.0]), st.integers(-1074, 1000))
floats = st.one_of(_small, _small, _near, st.floats(-2, 2), _powers, _any)
hostile = st.one_of(
    floats,
    floats,
    st.sampled_from(
        [Fraction(1, 3), Fraction(-2, 7), Fraction(1, 3 << 1000), Fraction(1, 1 << 1100)]
    ),
)
slips = st.sampled_from([0.0, 0.0, 0.0, TINY, 2.0**-60, 2.0**-52, 1e-3, 1.0])
shares = st.sampled_from([mpq(-1), mpq(1), mpq(0), mpq(1, 2), mpq(-1, 3)])


def normal(x: float, error: float) -> float:
    """What the filter stores without error is zero or far above the least float."""
    return x if error or abs(x) > 2.0**-1013 else 0.0


@st.composite
def lines(draw: Any) -> tuple[list[float], list[mpq]]:
    """A float row (a, b, c, e, f) and an exact form as far from it as e and f allow."""
    e, f = draw(slips), draw(slips)
    a, b = normal(draw(floats), e), normal(draw(floats), e)
    c = normal(draw(floats), f)
    s = draw(shares)
    t = draw(shares) * (1 - abs(s))
    return [a, b, c, e, f], [
        mpq(a) + s * mpq(e),
        mpq(b) + t * mpq(e),
        mpq(c) + draw(shares) * mpq(f),
    ]


@st.composite
def line_pairs(draw: Any) -> tuple[Any, Any]:
    """Two lines, often all but parallel: the second is the first moved by a few units."""
    first = draw(lines())
    if draw(st.booleans()):
        return first, draw(lines())
    factor = draw(st.sampled_from([1.0, -1.0, 2.0, 0.5, 3.0, 2.0**-300]))
    moves = draw(st.lists(st.integers(-3, 3), min_size=3, max_size=3))
    if first[0][3:] == [0.0, 0.0] and draw(st.booleans()):
        return first, ([*first[0][:2], 0.0, TINY, TINY], [*first[1][:2], mpq(TINY)])
    row, exact = [], []
    for x, y, k, error in zip(first[0][:3], first[1], moves, (3, 3, 4), strict=True):
        moved = normal(x * factor * (1 + k * 2.0**-52), 0.0)
        row.append(moved)
        exact.append(mpq(moved) if first[0][error] == 0 else y * mpq(factor))
    e = sum(abs(mpq(x) - y) for x, y in zip(row[:2], exact[:2], strict=True))
    return first, ([*row, above(e), above(abs(mpq(row[2]) - exact[2]))], exact)


def above(x: mpq) -> float:
    """A float at least x, zero only for zero."""
    return 0.0 if x == 0 else float(np.nextafter(to_float(x), np.inf))


@MANY
@given(line=lines(), u=floats, v=floats, delta=slips, s=shares, t=shares)
def test_float_sign_is_the_exact_sign(
    line: Any, u: float, v: float, delta: float, s: mpq, t: mpq
) -> None:
    """Theorem 23 at a corner whose exact vertex is anywhere within delta."""
    row, (a, b, c) = line
    u, v = normal(u, delta), normal(v, delta)
    verdict = float_sign(u, v, delta, *row)
    x, y = mpq(u) + s * mpq(delta), mpq(v) + t * mpq(delta)
    assert verdict in (UNKNOWN, sign(a * x + b * y + c))


@MANY
@given(
    a=_small,
    b=_small,
    u=_small,
    v=_small,
    errors=st.tuples(slips, slips, slips),
    along=st.sampled_from([1, -1]),
    share=st.sampled_from([0.5, 0.8, 0.9, 1.0, 1.01]),
)
def test_float_sign_next_to_its_bound(
    a: float, b: float, u: float, v: float, errors: Any, along: int, share: float
) -> None:
    """Theorem 23 where all errors push one way: a value next to the bound, and the worst exact one."""
    e, f, delta = errors
    bound = e * max(abs(u), abs(v)) + f + (abs(a) + abs(b) + e) * delta
    c = along * share * bound - (a * u + b * v)
    verdict = float_sign(u, v, delta, a, b, c, e, f)
    x, y, d = mpq(u), mpq(v), mpq(delta)
    for p, q in product((x - d, x + d), (y - d, y + d)):
        for push in (mpq(e), -mpq(e)):
            for g, h in ((mpq(a) + push, mpq(b)), (mpq(a), mpq(b) + push)):
                exact = g * p + h * q + mpq(c) - along * mpq(f)
                assert verdict in (UNKNOWN, sign(exact))


@MANY
@given(
    line=lines(),
    corners=st.lists(st.tuples(floats, floats, slips), min_size=1, max_size=5),
    aim=st.none() | st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0, 1.001]),
)
def test_a_scan_proves_the_sign_at_all_corners(line: Any, corners: Any, aim: float | None) -> None:
    """Theorem 23 at a cell's centre: whatever the exact corners and form are, within their errors.

    `aim` puts the constant so that the line passes near the corners.
    """
    (a, b, c, e, f), _ = line
    cell = np.asarray([[normal(u, d), normal(v, d), d, 0, 0, 0, 0, 0] for u, v, d in corners])
    if aim is not None:
        nearest = min((a * u + b * v for u, v in cell[:, :2]), key=abs)
        c = normal(-nearest - aim * ((abs(a) + abs(b) + e) * float(cell[:, 2].max()) + f), f)
    state = np.empty(1, dtype=np.int8)
    coefficients, errors = np.asarray([[[a], [b], [c]]]), np.asarray([[[e], [f]]])
    _scan(cell, 0, len(cell), coefficients, 0, errors, 0, state)
    if not np.isfinite([a, b, c]).all() or state[0] == UNSCANNED:
        return
    pushes = [(mpq(e), 0), (-mpq(e), 0), (0, mpq(e)), (0, -mpq(e))]
    for u, v, d in cell[:, :3]:
        for (s, t), h, (p, q) in product(
            product((-mpq(d), mpq(d)), repeat=2), (-mpq(f), mpq(f)), pushes
        ):
            exact = (mpq(a) + p) * (mpq(u) + s) + (mpq(b) + q) * (mpq(v) + t) + mpq(c) + h
            assert sign(exact) == state[0]


@MANY
@given(
    line=lines(),
    corners=st.lists(st.tuples(floats, floats, slips), min_size=1, max_size=5),
    aim=st.none() | st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0, 1.001]),
    end=st.sampled_from([1, -1]),
)
def test_loops_over_corners_prove_what_is_so_at_each(
    line: Any, corners: Any, aim: float | None, end: int
) -> None:
    """The loops of the kernels bound errors by formulas of their own: nothing may be missing.

    `aim` and `end` put the line next to the bound at one of the corners, on either side.
    """
    (a, b, c, e, f), _ = line
    cell = np.asarray([[normal(u, d), normal(v, d), d, 0, 0, 0, 1, 1] for u, v, d in corners])
    if aim is not None:
        u, v, d = cell[0, :3].tolist()
        bound = e * max(abs(u), abs(v)) + f + (abs(a) + abs(b) + e) * d
        c = normal(end * aim * bound - (a * u + b * v), f)
    form, signs, about = FloatForm(a, b, c, e, f), np.empty(len(cell), np.int64), np.empty(6)
    single = [float_sign(*row[:3].tolist(), *form) for row in cell]
    verdict = _signs(cell, 0, len(cell), form, signs, 0)
    assert (verdict == UNKNOWN) == (UNKNOWN in single)
    if verdict != UNKNOWN:
        assert signs.tolist() == single
        assert verdict == (CROSSES if {1, -1} <= set(single) else sum({*single}))
    _measure(cell, 0, len(cell), about)
    if _all_positive(cell, 0, len(cell), about, form):
        a, b, c, e, f = (mpq(x) for x in (a, b, c, e, f))
        for u, v, d in ([mpq(x) for x in row] for row in cell[:, :3].tolist()):
            lost = e * max(abs(u), abs(v)) + f + (abs(a) + abs(b) + e) * d
            assert a * u + b * v + c > lost
    a, b, c, e, f = form
    value = a * about[0] + b * about[1] + c
    reach = _reach(np.asarray([[a], [b], [c]]), np.asarray([[e], [f]]), 0, about)
    if np.isfinite(value) and reach < np.inf:
        a, b, c, e, f = (mpq(x) for x in (a, b, c, e, f))
        for u, v, d in ([mpq(x) for x in row] for row in cell[:, :3].tolist()):
            lost = e * max(abs(u), abs(v)) + f + (abs(a) + abs(b) + e) * d
            assert abs(a * u + b * v + c - mpq(value)) + lost <= mpq(reach)


@MANY
@given(pair=line_pairs())
def test_meet_is_within_its_bound(pair: Any) -> None:
    """Lemma 22, whatever the lines; a bound of zero means the exact point."""
    (first, exact1), (second, exact2) = pair
    corners = np.zeros((2, 8))
    corners[0, 3:] = first
    float_meet(corners, 0, FloatForm(*second), corners, 1)
    u, v, delta = corners[1, :3]
    if not delta < np.inf:
        return
    x, y, w = (exact1[i] * exact2[j] - exact1[j] * exact2[i] for i, j in ((1, 2), (2, 0), (0, 1)))
    assert w != 0
    assert abs(x / w - mpq(u)) <= mpq(delta)
    assert abs(y / w - mpq(v)) <= mpq(delta)


@MANY
@given(first=lines(), second=lines(), third=lines(), weights=st.none() | st.tuples(_small, _small))
def test_plane_sign_is_exact(first: Any, second: Any, third: Any, weights: Any) -> None:
    """On exact lines it is the sign, through the meet of the two lines or next to it."""
    l1, l2, form = (np.asarray(x[0]) for x in (first, second, third))
    if weights is not None:  # all but concurrent
        form = weights[0] * l1 + weights[1] * l2
    verdict = plane_sign(l1, l2, *form[:3])
    if verdict == UNKNOWN:
        return
    p, q, r = ([mpq(x) for x in row[:3].tolist()] for row in (l1, l2, form))
    minors = (p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0])
    det = sum((x * y for x, y in zip(minors, r, strict=True)), mpq(0))
    assert verdict == sign(det) * sign(minors[2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(9))
def test_nothing_that_is_no_number_gets_a_sign(bad: float, place: int) -> None:
    rows = np.asarray([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0], [1.0, 2.0, 4.0]])
    rows.flat[place] = bad
    assert plane_sign(rows[0], rows[1], *rows[2]) == UNKNOWN


coefficients = st.one_of(
    st.integers(-9, 9),
    st.integers(-(2**60), 2**60),
    st.builds(lambda k, s: s * (1 << k), st.integers(0, 1100), st.sampled_from([-1, 1])),
    st.builds(lambda k, s: (1 << k) + s, st.integers(50, 300), st.integers(-1, 1)),
)
integer_lines = st.tuples(coefficients, coefficients, coefficients).filter(lambda x: x[0] or x[1])
frames = st.sampled_from(
    [
        (-1, -1, 1, 1),
        (0, 0, 3, 1),
        (10**6, 10**6, 10**6 + 1, 10**6 + 1),
        (Fraction(1, 3), -7, 1, Fraction(-1, 10**9)),
        (-(10**20), -1, 10**20, 10**20),
    ]
)


@MANY
@given(
    window=frames,
    first=integer_lines,
    second=integer_lines,
    third=integer_lines,
    mix=st.none() | st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-1, 1)),
    float_corner=st.booleans(),
)
def test_sign_at_is_the_side_of_the_vertex(
    window: Any, first: Any, second: Any, third: Any, mix: Any, float_corner: bool
) -> None:
    """From integer lines through `Frame` to a verdict: the one of `geometry.side`."""
    if first[0] * second[1] == first[1] * second[0]:
        return
    if mix is not None:  # through the vertex, or past it by one unit
        third = tuple(
            mix[0] * x + mix[1] * y + (mix[2] if k == 2 else 0)
            for k, (x, y) in enumerate(zip(first, second, strict=True))
        )
        if not any(third):
            return
    frame = Frame(Window.rectangle(*window))
    l1, l2, form = (tuple(map(mpz, line)) for line in (first, second, third))
    corners = np.zeros((2, 8))
    corners[:, 3:] = frame.lines([l1, l2])
    if float_corner:
        scratch = np.zeros((2, 8))
        scratch[0, 3:] = corners[0, 3:]
        float_meet(scratch, 0, FloatForm(*corners[1, 3:].tolist()), scratch, 1)
        corners[1, :3] = scratch[1, :3]
    else:
        corners[1, :3] = frame.points([meet(l1, l2)])[0]
    row = frame.lines([form])[0]
    verdict = sign_at(corners, 1, 0, FloatForm(*row.tolist()))
    assert verdict in (UNKNOWN, side(form, meet(l1, l2)))
    if max(abs(x) for line in (first, second, third) for x in line) < 100 and window[2] < 4:
        exact = not any([*corners[0, 6:], *corners[1, 6:], *row[3:]])
        assert not exact or verdict != UNKNOWN


# --- forms through nodes: floats with errors beside the exact forms they stand for ---


def stored(exact: np.ndarray, slip: float, pushes: Any) -> tuple[FloatValue, np.ndarray]:
    """`FloatValue` of exact rationals (cells, 3, size), as `Frame.forms` makes them, and exact forms
    `slip` (relative) away from those, which the errors then allow too."""
    floats, errors, grid = rounded(exact)
    absolute = np.where(errors == 0.0, 0.0, np.abs(floats) * UNIT * UP + TINY)
    moved = exact.copy()
    if slip:
        amounts = np.abs(floats) * slip
        absolute = absolute + amounts * 1.001 + TINY
        for index in np.ndindex(exact.shape):
            moved[index] += pushes[sum(index) % len(pushes)] * mpq(float(amounts[index]))
    both = np.stack([absolute[:, 0] + absolute[:, 1], absolute[:, 2]], axis=1) * (UP if slip else 1)
    return FloatValue(FloatForms(floats, both, np.arange(len(exact))), grid), moved


@st.composite
def forms(draw: Any, size: int, cells: int = 2) -> tuple[FloatValue, np.ndarray]:
    pool = draw(st.lists(hostile, min_size=2, max_size=5))
    pool += [-x for x in pool] + [0.0]
    numbers = [draw(st.sampled_from(pool)) for _ in range(cells * 3 * size)]
    exact = objects([rational(x, "x") for x in numbers], (cells, 3, size))
    return stored(
        exact,
        draw(st.sampled_from([0.0, 0.0, 2.0**-50, 1e-6])),
        draw(st.lists(shares, min_size=1, max_size=3)),
    )


@st.composite
def matrices(draw: Any, rows: int, columns: int) -> tuple[Matrix, mpz]:
    pool = draw(st.lists(hostile, min_size=1, max_size=4))
    pool += [-x for x in pool] + [0.0]
    kind = draw(st.sampled_from(["dense", "dense", "sparse", "convolution"]))
    if kind == "convolution" and columns == rows == 4:
        kernel = [draw(st.sampled_from(pool)) for _ in range(3)]
        entries, scale = integer_matrix([[kernel]], "kernel")
        return Convolution((1, 4), (1, 4), entries, (1,), (1,), (1,)), scale
    entries, scale = integer_matrix(
        [[draw(st.sampled_from(pool)) for _ in range(columns)] for _ in range(rows)], "weight"
    )
    dense = Dense(entries)
    if kind != "sparse":
        return dense, scale
    indptr, indices, data = dense.csr()
    return Sparse((rows, columns), indptr, indices, data), scale


@st.composite
def affine_nodes(draw: Any, sizes: list[int], rows: int) -> Affine:
    terms = [draw(matrices(rows, n)) for n in sizes]
    bias = integer_matrix([draw(hostile) for _ in range(rows)], "bias")
    return Affine.combine(range(len(sizes)), terms, bias)


def block(exact: np.ndarray) -> Block:
    """One cell's exact forms (3, size) as the reference takes them."""
    return Block(exact.T, objects([mpz(0), mpz(0), mpz(1)]), mpz(1))


def values(found: Block) -> np.ndarray:
    """(3, size) rationals."""
    return np.asarray(found.columns.T / mpq(found.denominator))


def assert_covered(found: FloatValue, truth: list[np.ndarray]) -> None:
    """The errors of `found` cover its distance from the exact forms, cell by cell.

    What is no number, as a coefficient or a bound, proves nothing (see
    `test_nothing_that_is_no_number_gets_a_sign`), so it is allowed.
    """
    coefficients, bounds, owner = found.forms
    errors = bounds[owner]
    for cell, exact in enumerate(truth):
        for unit in range(exact.shape[1]):
            got = coefficients[cell, :, unit].tolist()
            e, f = errors[cell, :, unit].tolist()
            if not np.isfinite(got).all():
                continue
            off = [abs(mpq(x) - y) for x, y in zip(got, exact[:, unit].tolist(), strict=True)]
            assert not e < np.inf or off[0] + off[1] <= mpq(e)
            assert not f < np.inf or off[2] <= mpq(f)
            grid = found.grid
            if grid is not None:  # what has no error is a multiple of 2^-grid
                for x, error in zip(got, (e, e, f), strict=True):
                    assert error != 0.0 or (mpq(x) * (mpz(1) << grid)).denominator == 1


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


@SOME
@given(data=st.data())
def test_affine_errors_cover(data: st.DataObject) -> None:
    """Lemma 21: several inputs, every kind of matrix; errors taken for the worst input, or each."""
    sizes = data.draw(st.lists(st.sampled_from([1, 3, 4, 4]), min_size=1, max_size=2))
    node = data.draw(affine_nodes(sizes, data.draw(st.sampled_from([1, 4, 4]))))
    inputs = [data.draw(forms(n)) for n in sizes]
    found = FloatAffine(node).apply([x for x, _ in inputs], data.draw(st.booleans()))
    truth = [values(node.apply([block(x[cell]) for _, x in inputs])) for cell in range(2)]
    assert_covered(found, truth)


@st.composite
def pointwise_nodes(draw: Any, size: int) -> Pointwise:
    kinds = draw(st.lists(functions(), min_size=1, max_size=3))
    if draw(st.integers(0, 3)) == 0:
        slope = draw(hostile)
        kinds.append(Cpwl.through([draw(hostile)], [slope, 0 if slope else 1], draw(hostile)))
    which = draw(st.lists(st.integers(0, len(kinds) - 1), min_size=size, max_size=size))
    return Pointwise(0, tuple(kinds), np.asarray(which, dtype=np.int64))


@SOME
@given(data=st.data())
def test_pointwise_errors_cover(data: st.DataObject) -> None:
    """Lemma 21 for activations: the forms of their knots, and their value on any pieces."""
    node = data.draw(pointwise_nodes(3))
    x, exact = data.draw(forms(3))
    codes = codes_of(data.draw, node, 2)
    ready = FloatPointwise(node)
    truth = [values(node.apply(block(exact[cell]), codes[cell])) for cell in range(2)]
    assert_covered(ready.apply(x, codes), truth)
    knots = FloatValue(ready._knot_forms(x.forms), None)
    units, p, q = node.knots
    at = objects([mpq(0), mpq(0), mpq(1)])[:, None] * (p / (q * mpq(1)))[None, :]
    assert_covered(knots, [exact[cell][:, units] - at for cell in range(2)])


def codes_of(draw: Any, node: Pointwise, cells: int) -> np.ndarray:
    limits = node.code_limits.tolist()
    return np.asarray(
        [[draw(st.integers(0, n)) for n in limits] for _ in range(cells)], dtype=np.int64
    )


@SOME
@given(data=st.data())
def test_siblings_errors_cover(data: st.DataObject) -> None:
    """Lemma 21's second remark: members of a family get their differences added to the first."""
    sizes = data.draw(st.sampled_from([[4], [4], [4, 3], [3, 4]]))
    which = sizes.index(4)
    node = data.draw(pointwise_nodes(4))
    after = data.draw(affine_nodes(sizes, data.draw(st.sampled_from([2, 4]))))
    source, exact = data.draw(forms(4))
    cells = np.asarray([0, 0, 0, 1, 1])
    codes = codes_of(data.draw, node, 2)[cells]
    for member in (1, 2, 4):
        unit = data.draw(st.integers(0, 3))
        codes[member, unit] = data.draw(st.integers(0, int(node.code_limits[unit])))
    ready, follower, closely = FloatPointwise(node), FloatAffine(after), data.draw(st.booleans())
    family = ready.family(source, cells, codes, follower, which, closely)
    heads = cells[family.siblings.first]
    others = [None if n == 4 else data.draw(forms(n)) for n in sizes]
    inputs = [ready.heads(source, family) if x is None else x[0].of(heads) for x in others]
    found = follower.apply_siblings(inputs, family, closely)
    truth = []
    for cell, own in zip(cells.tolist(), codes, strict=True):
        active = node.apply(block(exact[cell]), own)
        active = block(values(active))
        truth.append(
            values(after.apply([active if x is None else block(x[1][cell]) for x in others]))
        )
    assert_covered(found, truth)


@pytest.mark.parametrize("closely", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@settings(max_examples=25, deadline=None)
@given(size=st.integers(32, 96), seed=st.integers(0, 1000))
def test_siblings_bounds_hold_all_that_is_added(
    size: int, seed: int, sparse: bool, closely: bool
) -> None:
    """Lemma 21's second remark where it is tight: every entry changes its sign.

    What is added has the moduli |w x| and |w (x' - x)| = 2 |w x|, in 3 n terms; a sum in an
    unlucky order is off by as many roundings of them all.
    """
    rng = np.random.default_rng(seed)
    last = 1.0 + rng.integers(1, 1 << 20, (4, size)) * 2.0**-52
    weights = last[:1] * rng.choice([-1, 1], (1, size))
    numbers, scale = integer_matrix(weights, "weights")
    matrix = Sparse.of_entries((1, size), np.zeros(size, int), np.arange(size), numbers[0])
    terms = [(matrix if sparse else Dense(numbers), scale)]
    node = Affine.combine([0], terms, (objects([mpz(0)]), mpz(1)))
    ready = FloatPointwise(Pointwise(0, (Cpwl.through([0], [-1, 1]),), np.zeros(size, int)))
    source = FloatValue(FloatForms(last[None, 1:], np.zeros((1, 2, size)), np.zeros(1, int)), None)
    codes = np.repeat([[0], [2]], size, axis=1)
    follower, cells = FloatAffine(node), np.zeros(2, int)
    family = ready.family(source, cells, codes, follower, 0, closely)
    found = follower.apply_siblings([ready.heads(source, family)], family, closely)
    a, b, c = (3 * sum(map(mpq, np.abs(weights[0] * x).tolist())) for x in last[1:])
    unit = mpq(3 * size) / (1 << 53)
    assert mpq(found.forms.errors[0, 0, 0]) >= unit * (a + b)
    assert mpq(found.forms.errors[0, 1, 0]) >= unit * c


def test_an_error_never_becomes_zero() -> None:
    slight, infinite = np.full((1, 2, 2), TINY), np.full((1, 2, 2), np.inf)
    assert (widest(slight, np.full(2, 2.0**-200)) >= TINY).all()
    assert np.isnan(widest(infinite, np.ones(2))).all()
    assert not widest(infinite, np.zeros(2)).any()


@pytest.mark.parametrize(("codes", "kept"), [([[0, 1, 2], [1, 0, 2]], [2]), ([[0, 1, 0]] * 2, [])])
def test_units_that_are_zero_are_left_out(codes: list[list[int]], kept: list[int]) -> None:
    network = from_arrays([(np.eye(3), np.zeros(3)), ([[1, 2, 3], [4, 5, 6]], [7, 8])])
    prepared = in_floats(network)
    ready, after = prepared.layers[0], prepared.affine[2]
    assert isinstance(ready, FloatPointwise)
    coefficients = np.arange(18.0).reshape(2, 3, 3)
    x = FloatValue(FloatForms(coefficients, np.zeros((2, 2, 3)), np.arange(2)), None)
    cells, chosen = np.arange(2), np.asarray(codes)
    family = ready.family(x, cells, chosen, after, 0, False)
    assert family.kept.tolist() == kept
    found = after.apply_siblings([ready.heads(x, family)], family)
    plain = after.apply([ready.apply(x, chosen)])
    assert np.array_equal(found.forms.coefficients, plain.forms.coefficients)
    assert found.forms.coefficients[:, 2].any()


@SOME
@given(data=st.data())
def test_max_errors_cover(data: st.DataObject) -> None:
    """Max groups copy their member's form; differences of members carry their rounding."""
    x, exact = data.draw(forms(4))
    node = MaxGroups(0, ((0, 1), (2,), (3, 1, 2)))
    codes = np.asarray([[data.draw(st.integers(0, n)) for n in (1, 0, 2)] for _ in range(2)])
    truth = [values(node.apply(block(exact[cell]), codes[cell])) for cell in range(2)]
    assert_covered(FloatMax(node).apply(x, codes), truth)
    m, r = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    out = np.asarray(_difference(x.forms.coefficients[0], x.forms.errors[0], m, r))
    form = FloatForms(out[None, :3, None], out[None, 3:, None], np.zeros(1, dtype=np.int64))
    difference = FloatValue(form, None)
    assert_covered(difference, [(exact[0][:, m] - exact[0][:, r])[:, None]])


# --- the filter decides how fast, never what ---


def _blinds(seed: int) -> list[Callable[[int, int], np.ndarray] | None]:
    rng = np.random.default_rng(seed)
    return [
        None,
        lambda a, cells: np.ones(cells, dtype=np.bool_),
        lambda a, cells: rng.random(cells) < 0.5,
    ]


class _Doubtful(Engine):
    """An engine whose filter takes every third cell to be undecided, at the second try too, so that
    it comes upon bounds input by input in the middle of a run."""

    doubts = 0

    def _decide(self, cut: Any, cells: Any, numbers: np.ndarray, found: list[Any]) -> np.ndarray:
        self.doubts += 1
        hidden = (np.arange(len(numbers)) + self.doubts) % 3 == 0
        left = super()._decide(cut, cells, numbers[~hidden], found)
        return np.union1d(left, numbers[hidden])


@FEW
@given(case=cases(), seed=st.integers(0, 99))
def test_results_do_not_depend_on_the_filter_or_the_batches(
    case: tuple[Network, Slice, Window], seed: int
) -> None:
    parts = []
    for size, units, closely in ((1, 512, 0), (3, 1, 1), (100, 512, 1), (100, 2, 0)):
        engine = _Doubtful(*case)
        engine.batch_sizes = [size] * len(engine.batch_sizes)
        engine.units, engine.closely = units, bool(closely)
        parts.append(glue(engine, pieces(engine, engine.run())))
        assert not closely or engine.statistics.tried_closely == 0
        for blind in _blinds(seed):
            engine = Engine(*case, blind=blind)
            engine.batch_sizes = [size] * len(engine.batch_sizes)
            engine.units, engine.closely = units, bool(closely)
            parts.append(glue(engine, pieces(engine, engine.run())))
            cut, exact = engine.statistics.cells_cut, engine.statistics.exact_cells
            assert blind is None or len(parts) % 4 == 0 or exact == cut
    for one, other in pairwise(parts):
        assert np.array_equal(one.patterns, other.patterns)
        assert np.array_equal(one.offsets, other.offsets)
        assert np.array_equal(one.corners, other.corners)
        assert list(one.vertices) == list(other.vertices)
        assert (one.forms * other.form_scale == other.forms * one.form_scale).all()
