"""The result object: immutable, self-checking, and its check notices every kind of damage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import Network, Partition, Slice, Window, from_arrays
from exactcam.arithmetic.rational import mpq, mpz
from exactcam.complex.boundary import Segment
from exactcam.compute import ENGINES
from exactcam.errors import ExactcamError, InvariantError, SliceError
from exactcam.model.geometry import cartesian
from exactcam.model.nodes import Affine, MaxGroups
from exactcam.runtime import fork_pool


@pytest.fixture
def quadrants() -> Partition:
    """relu(u) + relu(v) on [-1, 1]^2: four squares around the origin."""
    return exactcam.partition(from_arrays([(np.eye(2), [0, 0]), ([[1, 1]], [0])]))


def damaged(part: Partition, **changes: Any) -> Partition:
    """A copy of a partition with some of its arrays replaced."""
    names = ("window", "patterns", "offsets", "corners", "vertices")
    content = {name: getattr(part, name) for name in names}
    content = content | {"forms": (part.forms, part.form_scale)} | changes
    outlines = content.pop("offsets"), content.pop("corners")
    return Partition.of_arrays(
        part.network, part.slice, engine="damaged", outlines=outlines, **content
    )


def test_the_parts_of_a_partition(quadrants: Partition) -> None:
    assert len(quadrants) == len(quadrants.cells) == 4
    assert quadrants.patterns.tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]
    first = quadrants.cells[0]
    assert first.vertices == [(-1, -1), (0, -1), (0, 0), (-1, 0)]
    assert first.affine == [(0, 0, 0)]
    assert quadrants.cells[-1].affine == [(1, 1, 0)]
    assert (first.area, quadrants.area_sum) == (1, 4)
    assert first.interior_point == (mpq(-1, 2), mpq(-1, 2))
    assert [cell.index for cell in quadrants.cells[1:3]] == [1, 2]
    assert (quadrants.vertex_count, len(quadrants.edges)) == (9, 12)
    assert quadrants.locate(0, 0) == [0, 1, 2, 3]
    assert quadrants.locate("0.5", "1e-30") == [3]
    assert quadrants.locate(0, "-1/3") == [0, 2]
    assert quadrants.locate(1, "1.0000000000000000000001") == []
    with pytest.raises(IndexError):
        quadrants.cells[4]


def test_reprs_are_one_short_line(quadrants: Partition) -> None:
    assert repr(quadrants) == "<Partition of 4 activation regions, 9 vertices>"
    assert repr(quadrants.cells[3]) == "<Cell 3 of 4, 4 corners>"
    assert repr(quadrants.edges) == "<Edges: 12, 8 of them on the window's boundary>"
    boundary = quadrants.decision_boundary(1)
    assert repr(boundary) == "<Boundary: 3 segments, 0 plateaus, 0 isolated points>"
    assert repr(boundary.segments[0]) == "<Segment (-1, 1) to (0, 1) in cell 1>"
    plateau = quadrants.decision_boundary(0).plateaus[0]
    assert repr(plateau) == "<Plateau of 4 corners from (-1, -1) on in cell 0>"
    wide = (mpz(-(10**300)) // 7, mpz(-(10**300)) // 9, mpz(1))
    long = Segment(wide, wide, 10**9, tuple(range(1000)))
    for value in (long, exactcam.Counts(*[10**9] * 3), exactcam.Verification("verified")):
        assert len(repr(value)) <= 100
        assert "\n" not in repr(value)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_prefetched_is_what_properties_compute(
    random_network: Callable[..., Network], engine: str
) -> None:
    network = random_network([2, 24, 24, 2], 1)
    early, late = (exactcam.partition(network, engine=engine) for _ in range(2))
    early.prefetch(jobs=2)
    assert early.decision_boundary(jobs=2) == late.decision_boundary()
    assert early.decision_boundary() is early.decision_boundary(0.0)
    assert list(early.vertices) == list(late.vertices)
    assert np.array_equal(early.forms, late.forms)
    assert early.counts == late.counts
    assert early.area_sum == late.area_sum
    for call in (early.prefetch, early.decision_boundary):
        with pytest.raises(ExactcamError, match="at least 1"):
            call(jobs=0)


def test_no_property_starts_a_process(
    random_network: Callable[..., Network], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    part = exactcam.partition(random_network([2, 48, 48, 2], 1), engine="fast", jobs=2)

    def refused(*_: Any) -> Any:
        raise AssertionError("a helper was asked for")

    monkeypatch.setattr(fork_pool, "_helper", refused)
    assert part.counts.activation_regions == len(part.forms) == len(part.cells)
    assert len(part.float_vertices) == part.vertex_count
    assert part.decision_boundary() is not None
    assert part.area_sum == part.window.area
    part.save(tmp_path / "part.jsonl")
    part.certify(tmp_path / "certificate")


def test_it_cannot_be_changed(quadrants: Partition) -> None:
    names = ("patterns", "offsets", "corners", "forms", "float_vertices", "edge_units")
    arrays = [getattr(quadrants, name) for name in names]
    arrays += [quadrants.edges.vertices, quadrants.edges.cells]
    arrays += [quadrants.map_numbers, quadrants.linear_region_numbers]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_edges_know_their_sides(quadrants: Partition) -> None:
    for (a, b), (left, right), unit in zip(
        quadrants.edges.vertices, quadrants.edges.cells, quadrants.edge_units, strict=True
    ):
        assert a < b
        (x, y), (p, q) = (cartesian(quadrants.vertices[end]) for end in (a, b))
        if left >= 0 and right >= 0:
            assert unit == (0 if x == p == 0 else 1)
        for cell, turn in ((left, 1), (right, -1)):
            if cell >= 0:
                u, v = quadrants.cells[cell].interior_point
                assert ((p - x) * (v - y) - (q - y) * (u - x)) * turn > 0


def swap(array: np.ndarray, i: int, j: int) -> np.ndarray:
    out = array.copy()
    out[i], out[j] = array[j].copy(), array[i].copy()
    return out


def test_the_check_notices_damage(quadrants: Partition) -> None:
    p = quadrants
    moved = list(p.vertices)
    moved[2] = (mpz(1), mpz(0), mpz(1000))
    forms = p.forms.copy()
    forms[3, 0] += [2, 0, -1]  # the value in the middle of the cell is still right
    backwards = p.corners.copy()
    backwards[:4] = backwards[:4][::-1]
    damages = {
        "not strictly convex": {"corners": backwards},
        "patterns are not distinct": {"patterns": swap(p.patterns, 0, 1)},
        "a pattern is not the network's": {"patterns": np.where(p.patterns == 2, 1, p.patterns)},
        "output map is not the network's": {"forms": (forms, p.form_scale)},
        "one side only": {
            "patterns": p.patterns[:3],
            "offsets": p.offsets[:4],
            "corners": p.corners[:12],
            "forms": (p.forms[:3], p.form_scale),
        },
        "V - E + F": {"vertices": [*p.vertices, p.vertices[0]]},
    }
    p.check_invariants()
    for message, change in damages.items():
        with pytest.raises(InvariantError, match=re.escape(message)):
            damaged(p, **change).check_invariants()
    with pytest.raises(InvariantError):
        damaged(p, vertices=moved).check_invariants()
    with pytest.raises(InvariantError, match="used twice"):
        damaged(p, corners=np.concatenate([p.corners[4:8], p.corners[4:]])).check_invariants()


@pytest.mark.parametrize("function", ["pointwise", "max"])
def test_a_merge_whose_middle_is_right_is_noticed(function: str) -> None:
    """Two strips of unequal width made one: only the corners give it away."""
    knot = "3/4"
    if function == "max":
        group = Network(
            2, (Affine.dense(0, [[1, 0], [0, 0]], [0, knot]), MaxGroups(1, ((0, 1),))), 2
        )
        strips = exactcam.partition(group)
    else:
        strips = exactcam.partition(from_arrays([([[1, 0]], ["-3/4"]), ([[1]], [0])]))
    wide = next(c for c in strips.cells if c.interior_point[0] < 0)
    whole = Window.rectangle(-1, -1, 1, 1)
    patterns, forms = (array[[wide.index]] for array in (strips.patterns, strips.forms))
    question = strips.network, strips.slice, whole
    outlines, maps = (np.array([0, 4]), np.arange(4)), (forms, strips.form_scale)
    part = Partition.of_arrays(*question, "x", patterns, outlines, whole.vertices, maps)
    with pytest.raises(InvariantError, match="cell 0: unit 0 leaves its piece at a corner"):
        part.check_invariants()


def test_a_window_of_another_size_is_noticed(quadrants: Partition) -> None:
    window = Window.rectangle(-1, -1, 1, 2)
    with pytest.raises(InvariantError, match=r"on one side only|areas sum to 4"):
        damaged(quadrants, window=window).check_invariants()


def test_cells_that_leave_the_window_along_its_lines_are_noticed(quadrants: Partition) -> None:
    """Cutting one corner off the window leaves every outer edge on the line of a side."""
    window = Window([(-1, -1), (1, -1), (1, 0), (0, 1), (-1, 1)])
    with pytest.raises(InvariantError, match="areas sum to 4, the window's is 7/2"):
        damaged(quadrants, window=window).check_invariants()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_without_units(engine: str) -> None:
    part = exactcam.partition(from_arrays([([[1, 2]], [3])]), engine=engine)
    assert part.counts == exactcam.Counts(1, 1, 1)
    assert part.cells[0].affine == [(1, 2, 3)]
    part.check_invariants()


@pytest.mark.parametrize("engine", ENGINES)
def test_progress_ends_with_the_number_of_regions(
    random_network: Callable[..., Network], engine: str
) -> None:
    seen: list[int] = []
    part = exactcam.partition(
        random_network([2, 24, 24, 1]), window=(-5, -5, 5, 5), engine=engine, progress=seen.append
    )
    assert seen == sorted(seen)
    assert seen
    assert seen[-1] <= len(part)


def test_what_does_not_fit(quadrants: Partition) -> None:
    network = quadrants.network
    with pytest.raises(ExactcamError, match="engine 'magic' is not one of"):
        exactcam.partition(network, engine="magic")
    with pytest.raises(SliceError, match="the slice has 3 inputs, the network 2"):
        exactcam.partition(network, Slice.axes([0, 0, 0]))
    wide = from_arrays([(np.eye(3), [0, 0, 0])])
    with pytest.raises(SliceError, match="the network has 3 inputs"):
        exactcam.partition(wide)
    with pytest.raises(ExactcamError, match="level"):
        exactcam.partition(from_arrays([(np.eye(2), [0, 0])])).decision_boundary(1)
