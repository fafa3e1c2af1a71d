"""What every partition is, on networks made degenerate on purpose, for every engine.

The statements are checked here from the vertices, patterns and maps alone; that
`check_invariants` says the same is one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Network, Partition, Slice, Window
from exactcam.arithmetic.rational import mpq, sign
from exactcam.compute import ENGINES
from exactcam.testing.strategies import cases

Case = tuple[Network, Slice, Window]
SETTINGS = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=ENGINES)
def partition(request: pytest.FixtureRequest) -> Callable[..., Partition]:
    """`exactcam.partition` with each engine in turn."""

    def compute(*case: object) -> Partition:
        return exactcam.partition(*case, engine=request.param)

    return compute


def shoelace(corners: list[tuple[mpq, mpq]]) -> mpq:
    closed = [*corners, corners[0]]
    return sum((a[0] * b[1] - a[1] * b[0] for a, b in pairwise(closed)), mpq(0)) / 2


@SETTINGS
@given(case=cases())
def test_cells_tile_the_window(partition: Callable[..., Partition], case: Case) -> None:
    part = partition(*case)
    part.check_invariants()
    outlines = [cell.vertices for cell in part.cells]
    assert sum(map(shoelace, outlines)) == part.area_sum == case[2].area
    assert all(
        shoelace(outline) == cell.area > 0
        for outline, cell in zip(outlines, part.cells, strict=True)
    )
    vertices = {corner for outline in outlines for corner in outline}
    directed = Counter(pair for outline in outlines for pair in pairwise([*outline, outline[0]]))
    assert set(directed.values()) == {1}
    undirected = {frozenset(pair) for pair in directed}
    assert len(vertices) - len(undirected) + len(outlines) == 1
    assert (len(vertices), len(undirected)) == (part.vertex_count, len(part.edges))


@SETTINGS
@given(case=cases(), data=st.data())
def test_patterns_are_those_of_the_points_inside(
    partition: Callable[..., Partition], case: Case, data: st.DataObject
) -> None:
    network, plane, _ = case
    part = partition(*case)
    cell = part.cells[data.draw(st.integers(0, len(part) - 1))]
    shares = data.draw(
        st.lists(st.integers(1, 99), min_size=len(cell.corners), max_size=len(cell.corners))
    )
    u, v = (
        sum(s * corner[k] for s, corner in zip(shares, cell.vertices, strict=True)) / sum(shares)
        for k in (0, 1)
    )
    assert part.locate(u, v) == [cell.index]
    assert network.patterns([plane.at(u, v)])[0].tolist() == cell.pattern.tolist()


@SETTINGS
@given(case=cases())
def test_every_sampled_pattern_is_a_region(partition: Callable[..., Partition], case: Case) -> None:
    """A grid off every line with small coefficients: its patterns are all enumerated."""
    network, plane, window = case
    part = partition(*case)
    us, vs = zip(*window.corners, strict=True)
    points = [
        (
            min(us) + (max(us) - min(us)) * Fraction(2 * i + 1, 14),
            min(vs) + (max(vs) - min(vs)) * Fraction(2 * j + 1, 14),
        )
        for i in range(7)
        for j in range(7)
    ]
    patterns = network.patterns([plane.at(u, v) for u, v in points])
    enumerated = {cell.tobytes() for cell in part.patterns}
    for (u, v), pattern in zip(points, patterns, strict=True):
        where = part.locate(u, v)
        inside = all(line[0] * u + line[1] * v + line[2] >= 0 for line in window.sides)
        assert bool(where) == inside
        if len(where) == 1:
            assert pattern.tobytes() in enumerated or _on_the_window_border(window, u, v)


def _on_the_window_border(window: Window, u: mpq, v: mpq) -> bool:
    return any(line[0] * u + line[1] * v + line[2] == 0 for line in window.sides)


@SETTINGS
@given(case=cases())
def test_output_maps_are_the_network(partition: Callable[..., Partition], case: Case) -> None:
    network, plane, _ = case
    part = partition(*case)
    for cell in part.cells[:: max(1, len(part) // 8)]:
        for u, v in [*cell.vertices, cell.interior_point]:
            ours = tuple(a * u + b * v + c for a, b, c in cell.affine)
            assert network.evaluate(plane.at(u, v)) == ours


@SETTINGS
@given(case=cases())
def test_the_three_counts(partition: Callable[..., Partition], case: Case) -> None:
    """Against a flood fill over shared edges and a set of maps."""
    part = partition(*case)
    maps = [tuple(cell.affine) for cell in part.cells]
    neighbours: dict[int, list[int]] = {k: [] for k in range(len(part))}
    for left, right in part.edges.cells.tolist():
        if left >= 0 and right >= 0 and maps[left] == maps[right]:
            neighbours[left].append(right)
            neighbours[right].append(left)
    unseen, regions = set(neighbours), 0
    while unseen:
        regions += 1
        todo = [unseen.pop()]
        while todo:
            for k in neighbours[todo.pop()]:
                if k in unseen:
                    unseen.remove(k)
                    todo.append(k)
    assert part.counts == exactcam.Counts(len(part), regions, len(set(maps)))
    assert part.counts.affine_pieces <= part.counts.linear_regions <= len(part)


@SETTINGS
@given(case=cases())
def test_neighbours_differ_where_their_edge_lies(
    partition: Callable[..., Partition], case: Case
) -> None:
    """Across an inner edge some unit changes piece; on the border there is one cell."""
    part = partition(*case)
    for (a, b), (left, right), unit in zip(
        part.edges.vertices, part.edges.cells, part.edge_units, strict=True
    ):
        if left >= 0 and right >= 0:
            assert part.patterns[left][unit] != part.patterns[right][unit]
            assert (part.patterns[left][:unit] == part.patterns[right][:unit]).all()
        else:
            assert unit == -1
            ends = [part.vertices[a], part.vertices[b]]
            middle = [sum(mpq(p[k], p[2]) for p in ends) / 2 for k in (0, 1)]
            assert _on_the_window_border(case[2], *middle)


@SETTINGS
@given(case=cases(), data=st.data())
def test_locate_agrees_with_half_planes(
    partition: Callable[..., Partition], case: Case, data: st.DataObject
) -> None:
    part = partition(*case)
    u, v = data.draw(st.sampled_from([c for cell in part.cells for c in cell.vertices]))
    shift = data.draw(st.sampled_from([0, Fraction(1, 10**12), Fraction(-1, 3)]))
    u += shift
    expected = [
        cell.index
        for cell in part.cells
        if all(
            sign((q[0] - p[0]) * (v - p[1]) - (q[1] - p[1]) * (u - p[0])) >= 0
            for p, q in pairwise([*cell.vertices, cell.vertices[0]])
        )
    ]
    assert part.locate(u, v) == expected
    assert np.all(np.diff(expected) > 0)
