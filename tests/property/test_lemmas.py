"""One test for each lemma and theorem of proofs/, that tries to break its statement.

Networks are degenerate on purpose and all arithmetic is exact. Lemmas about checking
use the checker's own functions, so that a defect of its code shows here too.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from exactcam import Network, Partition, Slice, Window, checker, partition
from exactcam.arithmetic.rational import mpq, mpz, objects, sign
from exactcam.complex.boundary import cut_by_class
from exactcam.engine.float_affine import FloatAffine
from exactcam.engine.half_edges import _equal, _side, twins
from exactcam.engine.kernels import vertices as kernels_names
from exactcam.engine.kernels.arrays import FloatForm
from exactcam.engine.kernels.constants import UNKNOWN, A, B, E
from exactcam.engine.kernels.predicates import float_sign
from exactcam.engine.kernels.predicates import meet as float_meet
from exactcam.engine.lazy_cells import ExactCells
from exactcam.engine.local_frame import Frame
from exactcam.engine.packed_patterns import PackedPatterns
from exactcam.engine.refine import Engine, concatenated
from exactcam.engine.region_store import Regions
from exactcam.engine.upright import Uprights
from exactcam.engine.value_numbers import Ties
from exactcam.engine.vertex_clusters import pieces
from exactcam.exact.replay import Trace
from exactcam.model.geometry import area2, homogeneous, join, meet, reduced, side, split
from exactcam.model.nodes import Affine, Block, Cpwl, MaxGroups, Pointwise
from exactcam.model.slice_file import slice_document
from exactcam.testing.strategies import cases, functions

# Floats that overflow are no news: the engine computes within `quiet`, some tests without.
pytestmark = pytest.mark.filterwarnings(
    "ignore:(overflow|invalid value) encountered:RuntimeWarning"
)

Case = tuple[Network, Slice, Window]
FEW = settings(max_examples=25, deadline=None)
SOME = settings(max_examples=60, deadline=None)
ROOT = Path(__file__).parents[2]

integers = st.integers(-6, 6)
points = st.tuples(integers, integers, st.integers(1, 4))
triples = st.tuples(integers, integers, integers)
lines = triples.filter(lambda line: line[0] != 0 or line[1] != 0)
floats = st.floats(-8, 8) | st.sampled_from([0.0, 1e-300, -1e-300, 2.0**-1074, 3.0, 0.1])


@st.composite
def polygons(draw: Any) -> list[Any]:
    """Strictly convex, counter-clockwise: corners of a circle's rational points, rounded."""
    turns = sorted(draw(st.sets(st.integers(0, 15), min_size=3, max_size=7)))
    circle = [(round(64 * np.cos(k * np.pi / 8)), round(64 * np.sin(k * np.pi / 8))) for k in turns]
    stretch, shift = draw(st.integers(1, 5)), draw(integers)
    return [homogeneous(Fraction(x * stretch, 7), Fraction(y + shift * x, 3)) for x, y in circle]


def at(form: Any, point: Any) -> Any:
    return mpq(sum(a * x for a, x in zip(form, point, strict=True)), point[2])


def mixes(corners: list[Any], weights: list[int]) -> tuple[Any, Any]:
    """A combination of the corners with positive weights: strictly inside."""
    parts = [mpq(w) for w, _ in zip(weights, corners, strict=False)]
    parts += [mpq(1)] * (len(corners) - len(parts))
    total = sum(parts)
    u = sum(m * mpq(x, w) for m, (x, _, w) in zip(parts, corners, strict=True)) / total
    v = sum(m * mpq(y, w) for m, (_, y, w) in zip(parts, corners, strict=True)) / total
    return u, v


weights = st.lists(st.integers(1, 9), min_size=7, max_size=7)


def evaluator(network: Network, slice: Slice, window: Window) -> checker.Network:
    plane = checker.Plane(slice_document(slice, window))
    return checker.Network({**network.document(), "names": [], "notes": []}, plane)


def ints(point: Any) -> tuple[int, int, int]:
    x, y, w = reduced(point)
    return int(x), int(y), int(w)


def reference(case: Case) -> Partition:
    return partition(*case, engine="reference")


@pytest.mark.parametrize("number", [1, "3a", "3b", "3c", "3d", 6, 8, 9, 14, 22, "22b", 23])
def test_identities(number: object) -> None:
    spec = importlib.util.spec_from_file_location("identities", ROOT / "proofs" / "identities.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert len(module.IDENTITIES) == 12
    pairs = module.IDENTITIES[f"identity_{number}"]()
    assert pairs
    assert all((left - right).simplify() == 0 for left, right in pairs)


@FEW
@given(case=cases(), mix=weights)
def test_lemma_1(case: Case, mix: list[int]) -> None:
    part, network = reference(case), evaluator(*case)
    ratios = set()
    for cell in part.cells:
        point = homogeneous(*mixes(cell.points, mix))
        exact = case[0].evaluate(case[1].at(mpq(point[0], point[2]), mpq(point[1], point[2])))
        integral = network.at(ints(point)).outputs
        for value, form, whole in zip(exact, cell.affine, integral, strict=True):
            assert value == at(form, point)
            if value:
                ratios.add(Fraction(whole, int(reduced(point)[2])) / Fraction(str(value)))
    assert len(ratios) <= 1  # one denominator, whatever the point
    assert all(ratio > 0 and ratio.denominator == 1 for ratio in ratios)


@SOME
@given(function=functions(), form=triples, scale=st.integers(1, 5), point=points)
def test_lemma_2(function: Cpwl, form: Any, scale: int, point: Any) -> None:
    unit = Pointwise(0, (function,), np.zeros(1, dtype=np.int64))
    constant = objects([mpz(0), mpz(0), mpz(1)])
    composed = unit.knot_values(Block(objects(map(mpz, form), (1, 3)), constant, mpz(scale)))
    z = at(form, point) / scale
    for row, breakpoint in zip(composed, function.breakpoints, strict=True):
        assert sign(at(row, point)) == sign(z - breakpoint)


@SOME
@given(first=lines, second=lines, form=triples, third=points, p=points, q=points)
def test_lemma_3(first: Any, second: Any, form: Any, third: Any, p: Any, q: Any) -> None:
    determinant = checker.turn(first, second, form)
    w = first[0] * second[1] - first[1] * second[0]
    if w:
        corner = meet(first, second)
        assert side(first, corner) == side(second, corner) == 0 < corner[2]
        assert side(form, corner) == sign(determinant) * sign(w) == sign(at(form, corner))
    assert Fraction(checker.turn(p, q, third), p[2] * q[2] * third[2]) == area2([p, q, third])


@SOME
@given(corners=polygons(), line=lines)
def test_lemma_4(corners: list[Any], line: Any) -> None:
    signs = [side(line, p) for p in corners]
    assume(1 in signs and -1 in signs)
    polygon = [(p, join(p, corners[(k + 1) % len(corners)])) for k, p in enumerate(corners)]
    parts = [[p for p, _ in part] for part in split(polygon, signs, line)]
    assert all(checker.fault([ints(p) for p in part]) == "" for part in parts)
    assert sum(area2(part) for part in parts) == area2(corners)
    assert {reduced(p) for part in parts for p in part} >= {reduced(p) for p in corners}
    assert all(side(line, p) >= 0 for p in parts[0])
    assert all(side(line, p) <= 0 for p in parts[1])


@FEW
@given(case=cases())
def test_lemma_5(case: Case) -> None:
    pieces = [[reduced(p) for p in corners] for _, corners, _ in cut_by_class(reference(case))]
    edges = [(a, b) for p in pieces for a, b in itertools.pairwise([p[-1], *p])]
    assert len(edges) == len(set(edges))
    for a, b in set(edges) - {(b, a) for a, b in edges}:
        assert any(side(s, a) == side(s, b) == 0 for s in case[2].sides)


@SOME
@given(function=functions(), form=triples, row=st.lists(integers, min_size=3, max_size=3))
def test_lemma_6(function: Cpwl, form: Any, row: list[int]) -> None:
    for j, t in enumerate(function.breakpoints):
        (s, c), (r, d) = function.pieces[j], function.pieces[j + 1]
        for weight, axis in itertools.product(row, range(3)):
            constant = axis == 2
            before = weight * (s * form[axis] + constant * c)
            after = weight * (r * form[axis] + constant * d)
            assert after - before == weight * (r - s) * (form[axis] - constant * t)


@FEW
@given(case=cases(), mix=st.lists(weights, min_size=3, max_size=3))
def test_theorem_7(case: Case, mix: list[list[int]]) -> None:
    part = reference(case)
    for cell in part.cells:
        assert checker.fault([ints(p) for p in cell.points]) == ""
    for numbers in mix:  # any point of the window, not only of cells
        u, v = mixes(list(case[2].vertices), numbers)
        pattern = case[0].patterns([case[1].at(u, v)])[0]
        found = part.locate(u, v)
        same = [i for i in range(len(part)) if (part.patterns[i] == pattern).all()]
        # Inside a region exactly that one; on an edge its own pattern or no region's.
        assert same == found if len(found) == 1 else set(same) <= set(found)


@settings(max_examples=300, deadline=None)
@given(
    corners=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=7)
    | st.permutations([(2, 0), (1, 2), (-1, 2), (-2, 0), (0, -2)])
    | st.sampled_from([[(4, 0), (-3, 2), (1, -4), (1, 4), (-3, -2)]])
)
def test_lemma_8(corners: list[tuple[int, int]]) -> None:
    polygon = [(x, y, 1) for x, y in corners]
    edges = list(zip(polygon, polygon[1:] + polygon[:1], strict=True))
    convex = all(checker.turn(a, b, p) > 0 for a, b in edges for p in polygon if p not in (a, b))
    convex = convex and len(set(polygon)) == len(polygon)
    assert (checker.fault(polygon) == "") == convex


def test_lemma_8_refuses_pentagrams() -> None:
    star = [(4, 0, 1), (-3, 2, 1), (1, -4, 1), (1, 4, 1), (-3, -2, 1)]
    assert checker.fault(star) == "polygon-winds-more-than-once"
    assert checker.fault(star[:1]) == checker.fault(star[:2]) == "polygon-is-not-convex"


@SOME
@given(
    columns=st.lists(st.sampled_from(["square", "up", "down"]), min_size=2, max_size=4),
    changes=st.lists(st.tuples(st.sampled_from(["drop", "again", "turn"]), st.integers(0, 7))),
)
def test_lemma_9(columns: list[str], changes: list[tuple[str, int]]) -> None:
    width = len(columns)
    pieces: list[list[tuple[int, int]]] = []
    for k, kind in enumerate(columns):
        a, b, c, d = (k, 0), (k + 1, 0), (k + 1, 1), (k, 1)
        two = [[a, b, c], [a, c, d]] if kind == "up" else [[a, b, d], [b, c, d]]
        pieces += [[a, b, c, d]] if kind == "square" else two
    for change, k in changes:
        piece = pieces[k % len(pieces)] if pieces else []
        if change == "drop" and pieces:
            pieces.remove(piece)
        elif change == "again" and pieces:
            pieces = [*pieces, piece]
        elif change == "turn":
            pieces = [p[1:] + p[:1] if p == piece else p for p in pieces]
    constant = Network(2, (Affine.dense(0, [[0, 0]], [1]),), 1)
    window = Window.rectangle(0, 0, width, 1)
    found = checker.Partition(evaluator(constant, Slice.plane(2), window))
    try:
        for k, piece in enumerate(pieces):
            for x, y in piece:
                if (x, y, 1) not in found.number:
                    found.vertex(x, y, 1)
            found.piece(tuple(found.number[x, y, 1] for x, y in piece), k == 0)
        accepted = bool(found.finish())
    except checker.Rejected:
        accepted = False
    inside = [[(Fraction(1, 3) + k, Fraction(y, 4)) for y in (1, 3)] for k in range(width)]
    cover = [
        sum(all(_left(a, b, p) for a, b in itertools.pairwise([q[-1], *q])) for q in pieces)
        for p in itertools.chain(*inside)
    ]
    assert accepted == (set(cover) == {1})


def _left(a: Any, b: Any, p: Any) -> bool:
    return (b[0] - a[0]) * (p[1] - a[1]) > (b[1] - a[1]) * (p[0] - a[0])


@SOME
@given(function=functions(), corners=polygons(), form=triples, mix=weights)
def test_lemma_10(function: Cpwl, corners: list[Any], form: Any, mix: list[int]) -> None:
    z = [at(form, p) / 8 for p in corners]
    crossing = any(min(z) < t < max(z) for t in function.breakpoints)
    values = [_apply(function, x) for x in z]
    total = sum(mix[: len(corners)])
    inside = _apply(function, sum(m * x for m, x in zip(mix, z, strict=False)) / total)
    mixed = sum(m * x for m, x in zip(mix, values, strict=False)) / total
    if not crossing:
        assert inside == mixed


def _apply(function: Cpwl, x: Any) -> Any:
    slope, intercept = function.pieces[sum(t < x for t in function.breakpoints)]
    return slope * x + intercept


@SOME
@given(forms=st.lists(triples, min_size=1, max_size=4), corners=polygons(), mix=weights)
def test_lemma_11(forms: list[Any], corners: list[Any], mix: list[int]) -> None:
    masks = [checker.attaining([at(form, p) for form in forms]) for p in corners]
    common = masks[0]
    for mask in masks:
        common &= mask
    inside = [at(form, homogeneous(*mixes(corners, mix))) for form in forms]
    if common:
        assert checker.attaining(inside) == common  # Lemma 12 for max groups too


@FEW
@given(case=cases(), mix=weights)
def test_lemma_12(case: Case, mix: list[int]) -> None:
    part, network = reference(case), evaluator(*case)
    patterns = set()
    for cell in part.cells:
        corners = [network.at(ints(p)) for p in cell.points]
        above = below = 0
        largest = corners[0].largest
        for corner in corners:
            above, below = above | corner.above, below | corner.below
            largest = [m & n for m, n in zip(largest, corner.largest, strict=True)]
        inside = network.at(ints(homogeneous(*mixes(cell.points, mix))))
        assert (inside.above, inside.below, inside.largest) == (above, below, largest)
        patterns.add((above, below, *largest))
    assert len(patterns) == len({pattern.tobytes() for pattern in part.patterns})


@SOME
@given(forms=st.lists(triples, min_size=1, max_size=3), corners=polygons())
def test_lemma_14(forms: list[Any], corners: list[Any]) -> None:
    vertices = [
        checker.Vertex(
            ints(p),
            0,
            0,
            [],
            [int(sum(a * x for a, x in zip(f, ints(p), strict=True))) for f in forms],
            0,
        )
        for p in corners
    ]
    assert checker.output_map(vertices) == tuple(itertools.chain(*forms))
    assert checker.output_map(vertices[::-1]) == tuple(itertools.chain(*forms))


@FEW
@given(case=cases(), mix=weights)
def test_lemma_16(case: Case, mix: list[int]) -> None:
    network = evaluator(*case)
    for _, corners, winner in cut_by_class(reference(case)):
        masks = [network.at(ints(p)).winners for p in corners]
        everywhere = np.bitwise_and.reduce(masks)
        assert everywhere  # one output is largest at all corners
        assert (int(everywhere).bit_count() > 1) == (winner is None)
        for k in range(len(corners)):
            edge = [corners[k - 1], corners[k]]
            tie = masks[k - 1] & masks[k]
            assert network.at(ints(homogeneous(*mixes(edge, mix)))).winners == tie
        assert network.at(ints(homogeneous(*mixes(corners, mix)))).winners == everywhere


@SOME
@given(
    terms=st.lists(st.tuples(floats, floats), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_lemma_20(terms: list[tuple[float, float]], order: Any) -> None:
    exact = sum((Fraction(w) * Fraction(x) for w, x in terms), Fraction(0))
    size = sum((abs(Fraction(w) * Fraction(x)) for w, x in terms), Fraction(0))
    sums = [w * x for w, x in terms]
    while len(sums) > 1:  # any order and grouping
        order.shuffle(sums)
        sums.append(sums.pop() + sums.pop())
    n, u = len(terms), Fraction(1, 2**53)
    assert abs(Fraction(sums[0]) - exact) <= n * u / (1 - n * u) * size + Fraction(n, 2**1074)


@FEW
@given(case=cases(), closely=st.booleans())
def test_lemma_21(case: Case, closely: bool) -> None:
    network, plane, window = case
    first = network.nodes[0]
    assert isinstance(first, Affine)
    frame = Frame(window)
    found = FloatAffine(first).apply([frame.forms(plane)] * len(first.inputs), closely).forms
    exact = first.apply([plane.block] * len(first.inputs))
    for row in range(first.size):
        local = frame._local(*exact.columns[row])
        a, b, c = (Fraction(str(mpq(x, exact.denominator))) for x in local)
        e, f = found.errors[0, :, row]
        if np.isfinite([e, f]).all():
            computed = found.coefficients[0, :, row]
            assert abs(Fraction(computed[0]) - a) + abs(Fraction(computed[1]) - b) <= Fraction(e)
            assert abs(Fraction(computed[2]) - c) <= Fraction(f)


lines_with_errors = st.tuples(floats, floats, floats, *[st.sampled_from([0.0, 1e-16, 1e-3])] * 2)
shares = st.tuples(*[st.integers(-4, 4)] * 3)


def _moved(line: Any, share: Any) -> list[Fraction]:
    """An exact line within the errors of a float line."""
    a, b, c, e, f = map(Fraction, line)
    return [
        a + e * Fraction(share[0], 8),
        b + e * Fraction(share[1], 8),
        c + f * Fraction(share[2], 4),
    ]


@settings(max_examples=200, deadline=None)
@given(first=lines_with_errors, second=lines_with_errors, moves=st.tuples(shares, shares))
def test_lemma_22(first: Any, second: Any, moves: Any) -> None:
    corners = np.asarray([[0.0, 0.0, 0.0, *first], [0.0] * 8])
    float_meet(corners, 0, FloatForm(*second), corners, 1)
    out = corners[1]
    if np.isfinite(out[2]):
        (a, b, c), (d, e, f) = (_moved(x, m) for x, m in zip((first, second), moves, strict=True))
        w = a * e - b * d
        assert w != 0
        distance = max(
            abs((b * f - c * e) / w - Fraction(out[0])), abs((c * d - a * f) / w - Fraction(out[1]))
        )
        assert distance <= Fraction(out[2])


@settings(max_examples=300, deadline=None)
@given(
    form=lines_with_errors,
    move=shares,
    u=floats,
    v=floats,
    delta=st.sampled_from([0.0, 1e-16, 1e-3]),
    shift=st.tuples(st.integers(-4, 4), st.integers(-4, 4)),
)
def test_theorem_23(form: Any, move: Any, u: float, v: float, delta: float, shift: Any) -> None:
    answer = float_sign(u, v, delta, *form)
    if answer != UNKNOWN:
        a, b, c = _moved(form, move)
        x = Fraction(u) + Fraction(delta) * Fraction(shift[0], 4)
        y = Fraction(v) + Fraction(delta) * Fraction(shift[1], 4)
        value = a * x + b * y + c
        assert answer == (value > 0) - (value < 0)


@FEW
@given(case=cases())
def test_lemmas_24_and_25(case: Case) -> None:
    network, plane, window = case
    ties, trace = Ties(network, plane), Trace(network, plane, window)
    for cell in reference(case).cells:
        u, v = cell.interior_point
        for a in range(len(network.activations)):
            classes, block = ties.classes(cell.pattern, a), trace.input(cell.pattern, a)
            (above,) = ties.above(cell.pattern[None], a)
            known: dict[int, Any] = {0: [0, 0, 0]}
            for k, row in enumerate(block.columns.tolist()):
                assert known.setdefault(int(classes[k]), row) == row
                assert not above[k] or row[0] * u + row[1] * v + row[2] > 0


@FEW
@given(case=cases(), seed=st.integers(0, 99))
def test_lemmas_26_and_27(case: Case, seed: int) -> None:
    """Corners moved at random within errors up to the size of cells, lines up to their slopes."""
    engine, rng = Engine(*case), np.random.default_rng(seed)
    batch = concatenated(list(engine.run()))
    start, own = batch.start, np.arange(len(batch.corners))
    regions = Regions(
        start, own, batch.labels, batch.corners[:, :3], PackedPatterns.of(batch.codes)
    )
    exact = ExactCells(engine, regions).points(own)
    vertices = len(set(exact))
    assert vertices == 1 + (len(own) + int((batch.labels < 0).sum())) // 2 - len(batch)

    points = engine.frame.points(exact)
    errors = rng.choice([0.0, 1e-300, 1e-15, 1e-6, 0.1], len(points)) * rng.random()
    points[:, :2] += errors[:, None] * rng.uniform(-1, 1, (len(points), 2))
    points[:, 2] = (points[:, 2] + errors) * 1.001 + 1e-15 * (errors > 0)
    names = kernels_names.clusters(kernels_names.boxes(points))
    assert len(set(zip(exact, names.tolist(), strict=True))) == vertices
    hulls = kernels_names.hulls(points, names)
    joined = kernels_names.clusters(kernels_names.boxes(hulls))[names]
    assert len(set(zip(exact, joined.tolist(), strict=True))) == vertices
    (x, y), scale = engine.frame.centre, engine.frame.scale
    places = [((mpq(p, w) - x) / scale, (mpq(q, w) - y) / scale) for p, q, w in exact]
    for place, (u, v, delta) in zip(places, hulls[names].tolist(), strict=True):
        assert max(abs(place[0] - mpq(u)), abs(place[1] - mpq(v))) <= mpq(delta)

    lines = batch.corners.copy()
    shares = rng.choice([0.0, 1e-15, 1e-3, 1.0], len(lines)) * np.abs(lines[:, [A, B]]).max(axis=1)
    lines[:, A] += shares * rng.uniform(-0.5, 0.5, len(lines))
    lines[:, B] += shares * rng.uniform(-0.5, 0.5, len(lines))
    lines[:, E] = (lines[:, E] + shares) * 1.001
    known = np.zeros(len(lines), dtype=np.bool_)
    chosen = kernels_names.least_corners(lines, start, kernels_names.boxes(points), known)
    for cell, choice in enumerate(chosen.tolist()):
        assert choice in (-1, min(range(start[cell], start[cell + 1]), key=lambda k: places[k]))


@FEW
@given(case=cases(), fixed=st.integers(0, 3))
def test_lemma_27_on_structural_zeros(case: Case, fixed: int) -> None:
    """What is said not to vary with v does not, on slices where one input alone does."""
    network, plane, window = case
    e2 = [x if k == fixed % plane.size else 0 for k, x in enumerate(plane.e2)]
    assume(any(e2))
    e1 = [int(k == (fixed + 1) % plane.size) for k in range(plane.size)]
    plane = Slice(plane.origin, e1, e2)
    uprights, trace = Uprights(network, plane), Trace(network, plane, window)
    patterns = partition(network, plane, window, engine="reference").patterns
    for a in range(len(network.layers)):
        found = uprights.values(patterns, a)
        for codes, own in zip(patterns, found, strict=True):
            b = trace.input(codes, a).columns[:, 1]
            assert not b[own].any()


# |x| + |y| as one maximum: on each half of an axis two different members change places.
CROSS = Network(
    2,
    (Affine.dense(0, [[1, 1], [-1, 1], [1, -1], [-1, -1]], [0] * 4), MaxGroups(1, ((0, 1, 2, 3),))),
    2,
)
# Six lines through one point of the boundary.
FAN = Network(
    2,
    (
        Affine.dense(0, [[k, 1] for k in range(-3, 3)], [0] * 6),
        Pointwise(1, (Cpwl.relu(),), np.zeros(6, np.int64)),
    ),
    2,
)


@FEW
@given(
    case=cases(),
    seed=st.integers(0, 99),
    classes=st.sampled_from([1, 2, 7, 10**9]),
    blind=st.booleans(),
)
@example((CROSS, Slice.plane(2), Window.rectangle(-1, -1, 1, 1)), 0, 1, True)
@example((FAN, Slice.plane(2), Window.rectangle(0, -1, 1, 1)), 0, 1, False)
@example((FAN, Slice.plane(2), Window.rectangle(-1, -1, 0, 1)), 0, 1, False)
def test_lemma_28(case: Case, seed: int, classes: int, blind: bool) -> None:
    """Vertices from the patterns, with places known as badly as can be."""
    engine = Engine(*case, blind=lambda _, cells: np.full(cells, blind))
    regions = Regions.joined(pieces(engine, engine.run()))
    exact = ExactCells(engine, regions)
    ends = exact.points(np.arange(len(regions.labels)))
    after = {int(e) - 1: int(s) for s, e in pairwise(regions.start)}
    number = {point: k for k, point in enumerate(dict.fromkeys(ends))}
    vertices = np.asarray([number[point] for point in ends])

    def check(twin: np.ndarray, edges: Iterable[int]) -> None:
        for edge in edges:
            other = int(twin[edge])
            assert vertices[other] == vertices[after.get(edge, edge + 1)]
            assert vertices[edge] == vertices[after.get(other, other + 1)]

    inner = np.nonzero(regions.labels >= 0)[0]
    by_pattern = np.full(len(ends), -1)
    _equal(by_pattern, inner, lambda corner: _side(exact, corner))
    check(by_pattern, np.nonzero(by_pattern >= 0)[0].tolist())

    names = np.random.default_rng(seed).integers(classes, size=len(number))[vertices]
    twin = twins(exact, names)
    check(twin, inner.tolist())
    assert (twin >= 0).sum() == len(inner)
    network, sizes = engine.network, np.diff(regions.start)
    patterns, owner = regions.patterns.whole(), np.repeat(np.arange(len(regions)), sizes)
    for edge in inner[by_pattern[inner] < 0].tolist():
        units = np.nonzero(patterns[owner[edge]] != patterns[owner[twin[edge]]])[0]
        layer = np.searchsorted(network.unit_offsets, units[0], side="right") - 1
        # Members that are equal there may give one line of a max group several names.
        assert len(units) > 1 or isinstance(network.nodes[network.activations[layer]], MaxGroups)
    found, first = kernels_names.around(regions.start, twin)
    assert found.tolist() == vertices.tolist()
    assert [ends[k] for k in first.tolist()] == list(number)
    again, same = kernels_names.by_appearance(vertices, np.arange(len(vertices))[::-1])
    assert [vertices[::-1][k] for k in same.tolist()] == list(
        dict.fromkeys(vertices[::-1].tolist())
    )
    assert again[same].tolist() == list(range(len(number)))
