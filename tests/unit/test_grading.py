"""Every way to be wrong is made on purpose from exact cells, and must be named, alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import exactcam
from exactcam.errors import ExactcamError, FileFormatError
from exactcam.grading import Comparison, compare
from exactcam.grading.output import EngineOutput, engine_output


@pytest.fixture(scope="module")
def truth() -> exactcam.Partition:
    rng = np.random.default_rng(7)
    layers = [
        (rng.normal(size=(6, 2)), rng.normal(size=6)),
        (rng.normal(size=(5, 6)), rng.normal(size=5)),
        (rng.normal(size=(2, 5)), rng.normal(size=2)),
    ]
    return exactcam.partition(exactcam.from_arrays(layers))


@pytest.fixture
def polygons(truth: exactcam.Partition) -> list[np.ndarray]:
    """The cells with correctly rounded vertices, shuffled, some clockwise, some closed."""
    xy = truth.float_vertices[truth.corners]
    out = [xy[a:b] for a, b in zip(truth.offsets, truth.offsets[1:], strict=False)]
    out = [p[::-1] if k % 3 == 0 else p for k, p in enumerate(out)]
    return [np.concatenate([p, p[:1]]) if k % 4 == 0 else p for k, p in enumerate(out)]


def only(result: Comparison, kind: str, polygons: tuple, cells: tuple) -> None:
    named = [(f.kind, f.polygons, f.cells) for f in result.findings]
    assert named == [(kind, polygons, cells)]
    assert result.verdict == "differs"


def neighbours(truth: exactcam.Partition) -> tuple[int, int]:
    """Two cells that share an edge, the union of which is not convex."""
    for a, b in truth.edges.cells.tolist():
        if (
            a >= 0
            and b >= 0
            and len(set(truth.cells[a].corners) & set(truth.cells[b].corners)) == 2
        ):
            return a, b
    raise AssertionError("no neighbours")


def union(truth: exactcam.Partition, a: int, b: int) -> np.ndarray:
    """The polygon around two neighbouring cells."""
    first, second = truth.cells[a].corners.tolist(), truth.cells[b].corners.tolist()
    k = next(
        k for k, v in enumerate(first) if v in second and first[(k + 1) % len(first)] in second
    )
    m = second.index(first[k])
    around = first[k + 1 :] + first[:k] + second[m:] + second[:m]
    return truth.float_vertices[around]


def test_rounded_cells_pass_with_every_corner_rounded_and_no_gap(
    truth: exactcam.Partition, polygons: list[np.ndarray]
) -> None:
    result = compare(truth, polygons, 1e-15)
    assert result.passed
    assert (result.rounded, result.corners) == (len(truth.corners), len(truth.corners))
    assert result.matched.tolist() == [[k, k] for k in range(len(truth))]
    assert 0 < result.worst_distance < 2e-16
    assert float(result.areas.total) == 4
    assert (result.areas.gap, result.areas.overlap, result.areas.outside) == (0, 0, 0)


def test_float32_cells_are_graded_in_their_own_precision(
    truth: exactcam.Partition, polygons: list[np.ndarray]
) -> None:
    result = compare(truth, [p.astype(np.float32) for p in polygons])
    assert result.passed
    assert result.rounded == result.corners
    assert not compare(truth, [p.astype(np.float32) for p in polygons], 1e-9).passed


def test_missing(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    del polygons[5]
    result = compare(truth, polygons)
    only(result, "missing", (), (5,))
    assert result.areas.gap == pytest.approx(float(truth.cells[5].area), rel=1e-9)


def test_duplicated(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    result = compare(truth, [*polygons, polygons[9]])
    only(result, "duplicated", (len(truth),), (9,))
    assert result.areas.overlap == pytest.approx(float(truth.cells[9].area), rel=1e-9)


def test_merged(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    a, b = neighbours(truth)
    polygons[a] = union(truth, a, b)
    kept = [p for k, p in enumerate(polygons) if k != b]
    only(compare(truth, kept), "merged", (a - (b < a),), tuple(sorted((a, b))))


def test_merged_with_a_phantom_that_fills_the_count_and_the_area(
    truth: exactcam.Partition, polygons: list[np.ndarray]
) -> None:
    a, b = neighbours(truth)
    polygons[a] = union(truth, a, b)
    polygons[b] = polygons[b][[0, 1, 1]]
    result = compare(truth, polygons)
    assert len(result.output) == len(truth)
    assert float(result.areas.total) == pytest.approx(4, abs=1e-15)
    assert [(f.kind, f.polygons, f.cells) for f in result.findings] == [
        ("merged", (a,), tuple(sorted((a, b)))),
        ("phantom", (b,), ()),
    ]


def test_split(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    k = int(np.argmax(np.diff(truth.offsets)))
    corners = truth.float_vertices[truth.cells[k].corners]
    polygons[k] = corners[:3]
    only(
        compare(truth, [*polygons, corners[[0, *range(2, len(corners))]]]),
        "split",
        (k, len(truth)),
        (k,),
    )


def test_displaced_by_more_than_the_pass_mark(
    truth: exactcam.Partition, polygons: list[np.ndarray]
) -> None:
    k = int(np.argmax([float(c.area) for c in truth.cells]))
    polygons[k] = polygons[k] + 0.001
    result = compare(truth, polygons)
    only(result, "displaced", (k,), (k,))
    assert result.findings[0].distance == pytest.approx(0.001 * 2**0.5, rel=1e-9)
    assert compare(truth, polygons, "0.0015").passed


def test_extra_outside_the_window(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    result = compare(truth, [*polygons, np.array([[2.0, 2.0], [3, 2], [2, 3]])])
    only(result, "extra", (len(truth),), ())
    assert result.areas.outside == 0.5
    assert result.areas.gap == 0


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ([], "fewer than three distinct vertices"),
        ([[0.1, 0.1]], "fewer than three distinct vertices"),
        ([[0.1, 0.1], [0.2, 0.1], [0.1, 0.1], [0.2, 0.1]], "fewer than three distinct vertices"),
        ([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]], "zero area"),
        ([[0, 0], [0.5, 0.5], [0.5, 0], [0, 0.25]], "folded"),
        ([[0, 0], [0.5, 0.5], [0.5, 0], [0, 0.5]], "zero area"),
        ([[0, 0], [0.5, 0], [float("nan"), 1]], "not finite"),
        ([[0.5, 0], [0.2, 0.4], [-0.4, 0.3], [-0.4, -0.3], [0.2, -0.4]][::1], None),
        # A pentagram turns left at every corner, twice around.
        ([[0.5, 0], [-0.4, 0.3], [0.2, -0.4], [0.2, 0.4], [-0.4, -0.3]], "folded"),
    ],
)
def test_phantoms(
    truth: exactcam.Partition, polygons: list[np.ndarray], corners: list, reason: str | None
) -> None:
    result = compare(truth, [*polygons, np.asarray(corners, dtype=float).reshape(-1, 2)])
    if reason is None:
        assert result.findings[0].kind != "phantom"
    else:
        only(result, "phantom", (len(truth),), ())
        assert result.findings[0].note == reason


def test_a_rounding_error_off_convex_or_folded_is_below_the_pass_mark(
    truth: exactcam.Partition, polygons: list[np.ndarray]
) -> None:
    k = int(np.argmax([float(c.area) for c in truth.cells]))
    corners = truth.float_vertices[truth.cells[k].corners]
    a, b = corners[0], corners[1]
    middle = (a + b) / 2
    inward = (corners.mean(axis=0) - middle) * 1e-9
    polygons[k] = np.concatenate([[a, middle + inward], corners[1:]])
    dented = compare(truth, polygons)
    assert dented.passed
    assert not dented.folded
    k = next(k for k, p in enumerate(polygons) if (p[:, 0] == 1).sum() >= 2)
    corners = truth.float_vertices[truth.cells[k].corners]
    m = next(m for m in range(len(corners)) if corners[m - 1, 0] == 1 == corners[m, 0])
    low, high = sorted((corners[m - 1, 1], corners[m, 1]))
    spike = [[1, low + (high - low) / 2], [1, low + (high - low) / 2 - 1e-9]]
    polygons[k] = np.insert(corners, m, spike, axis=0)
    folded = compare(truth, polygons)
    assert folded.passed
    assert folded.folded == (k,)
    assert not compare(truth, polygons, 1e-12).passed


def test_patterns_and_maps(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    patterns = truth.patterns // 2
    maps = np.asarray([[[float(x) for x in row] for row in cell.affine] for cell in truth.cells])
    right = compare(truth, polygons, patterns=patterns, affine=maps)
    assert right.passed
    assert right.map_error is not None
    assert 0 < right.map_error < 1e-14
    wrong = patterns.copy()
    wrong[3, 2] = 1 - wrong[3, 2]
    only(compare(truth, polygons, patterns=wrong), "wrong pattern", (3,), (3,))
    maps[4, 1, 0] += 1e-4
    only(compare(truth, polygons, affine=maps), "wrong map", (4,), (4,))
    maps[4, 1, 0] = np.nan
    only(compare(truth, polygons, affine=maps), "wrong map", (4,), (4,))


def test_boundary(truth: exactcam.Partition, polygons: list[np.ndarray]) -> None:
    segments = np.asarray(
        [
            [[x / w, y / w] for x, y, w in ((float(a) for a in p) for p in (s.start, s.end))]
            for s in truth.decision_boundary().segments
        ]
    )
    assert len(segments) > 3
    assert compare(truth, polygons, boundary=segments[:, ::-1]).passed
    only(compare(truth, polygons, boundary=segments[1:]), "boundary missing", (), (0,))
    more = np.concatenate([segments, [[[0.9, -0.9], [0.91, -0.9]]]])
    only(compare(truth, polygons, boundary=more), "boundary extra", (len(segments),), ())
    shifted = segments.copy()
    shifted[2, 0] += (shifted[2, 1] - shifted[2, 0]) / 4
    only(compare(truth, polygons, boundary=shifted), "boundary wrong", (2,), (2,))


def test_engine_raised_and_cannot_tell_are_their_own_verdicts(
    truth: exactcam.Partition, polygons: list[np.ndarray]
) -> None:
    assert compare(truth, [], error="ValueError: no").verdict == "engine raised"
    flat = exactcam.partition(exactcam.from_arrays([(np.eye(2), [0, 0]), ([[1, 1]], [1])]))
    xy = flat.float_vertices[flat.corners]
    cells = [xy[a:b] for a, b in zip(flat.offsets, flat.offsets[1:], strict=False)]
    assert not flat.decision_boundary().segments
    result = compare(flat, cells, boundary_unclear=True)
    assert result.verdict == "cannot tell"
    assert not result.passed


def test_no_polygons_at_all(truth: exactcam.Partition) -> None:
    result = compare(truth, [])
    assert result.counts == {"missing": len(truth)}
    assert result.areas.gap == 4


def thin(width: float) -> exactcam.Partition:
    """Three cells: a sliver of the given width at u = 1/4 between two wide ones."""
    weight = np.array([[1.0, 0.0], [1.0, 0.0]])
    net = exactcam.from_arrays(
        [(weight, [Fraction(-1, 4), Fraction(-1, 4) - Fraction(width)]), ([[1, 1]], [1])]
    )
    return exactcam.partition(net)


def test_a_cell_too_thin_for_floats_may_be_a_polygon_without_area() -> None:
    truth = thin(2.0**-60)
    xy = truth.float_vertices[truth.corners]
    cells = [xy[a:b] for a, b in zip(truth.offsets, truth.offsets[1:], strict=False)]
    assert len(cells) == 3
    assert compare(truth, cells).passed
    result = compare(truth, [c for c in cells if np.ptp(c[:, 0])])
    assert result.counts == {"missing": 1}


def test_a_cell_smaller_than_the_pass_mark_needs_a_label() -> None:
    truth = thin(1e-9)
    xy = truth.float_vertices[truth.corners]
    cells = [xy[a:b] for a, b in zip(truth.offsets, truth.offsets[1:], strict=False)]
    sliver = int(np.argmin([np.ptp(c[:, 0]) for c in cells]))
    cells[sliver] = cells[sliver] + np.array([1e-7, 0])
    assert compare(truth, cells).verdict == "cannot tell"
    assert compare(truth, cells, patterns=truth.patterns // 2).passed
    wrong = truth.patterns // 2
    wrong[sliver] = 1
    result = compare(truth, cells, patterns=wrong)
    assert result.counts == {"split": 1, "missing": 1}


def test_input_that_does_not_fit_is_refused(truth: exactcam.Partition) -> None:
    with pytest.raises(ExactcamError, match="negative"):
        compare(truth, [], -1)
    with pytest.raises(FileFormatError, match="polygon 0"):
        compare(truth, [np.zeros((3, 3))])
    with pytest.raises(FileFormatError, match="offsets"):
        EngineOutput(np.zeros((3, 2)), np.asarray([0, 4]))
    with pytest.raises(FileFormatError, match="patterns: 1 units"):
        compare(truth, [np.eye(3)[:, :2]], patterns=np.zeros((1, 1), dtype=int))
    with pytest.raises(FileFormatError, match="affine"):
        engine_output([np.eye(3)[:, :2]], affine=np.zeros((1, 2, 2)))
