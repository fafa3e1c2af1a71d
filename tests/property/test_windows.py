"""Many windows in one run give what each gives by itself, entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Network, Partition, Slice, Window
from exactcam.analysis.boundary_points import Metric
from exactcam.arithmetic.rational import mpq
from exactcam.engine.float_forms import FloatValue
from exactcam.engine.kernels.arrays import FloatForms
from exactcam.engine.refine import Batch, Task, concatenated
from exactcam.testing.strategies import (
    KINDS,
    degenerate_networks,
    networks,
    networks_of,
    slices,
    windows,
)
from exactcam.windows.joint import JointEngine
from exactcam.windows.measures import _Metric
from exactcam.windows.partitions import exact_measures
from exactcam.windows.questions import Frames, Questions

Question = tuple[Network, list[Slice], list[Window]]

_coordinates = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.25, 2.0, 0.1, -1e-9, 1e9, 1 / 3, 2.0**-200])
_sizes = st.sampled_from([1.0, 2.0, 0.5, 0.3, 1e-7, 1e3])


@st.composite
def questions(draw: Any) -> Question:
    """A network with several slices and windows, some of them the same."""
    kind = draw(st.sampled_from([*KINDS, "any", "any", "degenerate"]))
    if kind == "degenerate":
        network = draw(degenerate_networks())
    elif kind == "any":
        network = draw(networks(draw(st.integers(2, 3)), depth=2))
    else:
        network = draw(networks_of(kind))
    planes = draw(st.lists(slices(network.inputs), min_size=1, max_size=3))
    planes += planes[: draw(st.integers(0, 1))]
    return network, planes, [draw(windows(network, plane)) for plane in planes]


@st.composite
def float_questions(draw: Any) -> tuple[Network, np.ndarray, np.ndarray, np.ndarray]:
    """A network with arrays of origins, directions and rectangles."""
    network = draw(networks(draw(st.integers(2, 3)), depth=2))
    size, inputs = draw(st.integers(1, 4)), network.inputs

    def numbers(count: int) -> list[float]:
        return draw(st.lists(_coordinates, min_size=count, max_size=count))

    origins = np.reshape(numbers(size * inputs), (size, inputs))
    directions = np.zeros((size, 2, inputs))
    for k in range(size):
        i, j = draw(st.permutations(range(inputs)))[:2]
        directions[k] = np.reshape(numbers(2 * inputs), (2, inputs))
        directions[k, :, [i, j]] = [[1.0, 0.0], [0.0, draw(_sizes)]]
    low = np.reshape(numbers(2 * size), (size, 2))
    high = low + [[draw(_sizes), draw(_sizes)] for _ in range(size)]
    low = np.where(low < high, low, high - np.maximum(np.abs(high), 1.0))
    return network, origins, directions, np.concatenate([low, high], axis=1)


def check_cells(engine: JointEngine, alone: list[Partition]) -> None:
    """The cells of a joint run are those of the partitions, in the same order."""
    found = concatenated(list(engine.run()))
    assert found.places is not None
    for place, part in enumerate(alone):
        own: Batch = found.take(np.nonzero(found.places == place)[0])
        assert np.array_equal(own.codes, part.patterns)
        assert np.array_equal(np.diff(own.start), np.diff(part.offsets))
    assert (np.diff(found.places) >= 0).all()


def check_measures(many: exactcam.Partitions, alone: list[Partition]) -> None:
    """The arrays are what exact arithmetic gives for each window."""
    exact = np.asarray([exact_measures(part) for part in alone])
    found = many.measure()
    assert np.array_equal(found[:, :3], exact[:, :3])
    assert np.array_equal(many.activation_regions, exact[:, 0])
    with np.errstate(invalid="ignore"):
        close = np.abs(found - exact) <= 2.0**-16 * exact
    assert (close | (found == exact)).all()
    assert np.array_equal(many.areas, [float(part.window.area) for part in alone])


def check_objects(question: Question, seed: int, hide: bool, size: int) -> None:
    """Slices and windows as objects, in batches of `size`, some cells cut in exact arithmetic."""
    network, planes, outlines = question
    alone = [
        exactcam.partition(network, *one, "fast") for one in zip(planes, outlines, strict=True)
    ]
    engine = JointEngine(network, Questions(network.inputs, planes, outlines), 0, len(planes))
    rng = np.random.default_rng(seed)
    engine.batch_size = size
    engine.closely = bool(rng.integers(2))
    if hide:
        engine.blind = lambda activation, cells: rng.random(cells) < 0.3
    check_cells(engine, alone)
    check_measures(exactcam.partitions(network, planes, outlines), alone)


def check_floats(question: tuple[Network, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Slices and windows as arrays of floats, which need no exact number to begin with."""
    network, origins, directions, rectangles = question
    asked = Questions(network.inputs, (origins, directions), rectangles)
    assert asked.usual.all()
    alone = [
        exactcam.partition(network, Slice(o, *d), box.tolist(), "fast")
        for o, d, box in zip(origins, directions, rectangles, strict=True)
    ]
    check_cells(JointEngine(network, asked, 0, len(alone)), alone)
    check_measures(exactcam.partitions(network, (origins, directions), rectangles), alone)


def check_frames(question: tuple[Network, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """The floats that a run begins with are within their errors of the exact numbers."""
    _, origins, directions, rectangles = question
    frames = Frames(rectangles)
    value = frames.forms(np.concatenate([origins[:, None], directions], axis=1))
    for k, box in enumerate(rectangles.tolist()):
        frame, window = frames.at(k), Window.rectangle(*box)
        exact = frame._exact_rows(Slice(origins[k], *directions[k]))
        off = [
            [abs(x - mpq(y)) for x, y in zip(*rows, strict=True)]
            for rows in zip(exact, value.forms.coefficients[k].tolist(), strict=True)
        ]
        e, f = value.forms.errors[value.forms.owner[k]]
        assert all(a + b <= mpq(x) for a, b, x in zip(off[0], off[1], e.tolist(), strict=True))
        assert all(c <= mpq(x) for c, x in zip(off[2], f.tolist(), strict=True))
        if value.grid is not None:
            assert all((x * 2**value.grid).denominator == 1 for row in exact for x in row)
        x, y = frame.centre
        corners = [((u - x) / frame.scale, (v - y) / frame.scale) for u, v in window.corners]
        for m, row in enumerate(frames.corners()[k].tolist()):
            assert all(
                abs(mpq(p) - q) <= mpq(row[2]) for p, q in zip(row, corners[m], strict=False)
            )
            assert max(map(abs, corners[m])) <= 1
            a, b, c = (mpq(p) for p in row[3:6])
            ends = corners[m], corners[(m + 1) % 4]
            assert all(abs(a * u + b * v + c) <= mpq(row[7]) for u, v in ends)
            inside = corners[(m + 2) % 4]
            assert a * inside[0] + b * inside[1] + c > 0


@st.composite
def segments(draw: Any) -> tuple[_Metric, np.ndarray, np.ndarray, tuple[Any, ...]]:
    """A metric, a segment in floats with bounds, and an exact middle and segment that these allow."""
    numbers = st.floats(-1, 1, allow_subnormal=False)
    size = draw(st.integers(2, 5))
    rows = np.reshape(draw(st.lists(numbers, min_size=3 * size, max_size=3 * size)), (1, 3, size))
    rows[0, :2, :2] += draw(st.sampled_from([1e-3, 1.0, 1e3])) * np.eye(2)
    off = draw(st.sampled_from([0.0, 1e-12]))
    forms = FloatForms(rows, np.full((1, 2, size), off), np.zeros(1, np.int64))
    exact = [[mpq(x) + shift(draw, off / 2) for x in row] for row in rows[0, :2].tolist()]
    middle, corner = np.zeros((1, 8)), np.zeros((1, 8))
    deltas = st.sampled_from([0.0, 1e-16, 1e-9, 1e-3])
    places = []
    for row in (middle, corner, end := np.zeros((1, 8))):
        row[0, :2] = draw(numbers), draw(numbers)
        row[0, 2] = draw(deltas)
        places.append([mpq(x) + shift(draw, row[0, 2]) for x in row[0, :2].tolist()])
    here, first, last = places
    line = [first[1] - last[1], last[0] - first[0], first[0] * last[1] - last[0] * first[1]]
    e, f = (draw(st.sampled_from([0.0, 1e-6])) for _ in range(2))
    corner[0, 3:6] = [
        float(x + shift(draw, off)) for x, off in zip(line, (e / 2, e / 2, f), strict=True)
    ]
    corner[0, 6:] = e + 1e-15, f + 1e-15
    start = Task(
        0, Batch(np.asarray([0, 1]), middle, np.zeros(1), np.zeros((1, 0))), np.zeros(1), {}
    )
    return _Metric(FloatValue(forms, None), start), corner, end[:, :3], (exact, here, first, last)


def shift(draw: Any, most: float) -> mpq:
    """An exact number of modulus at most `most`."""
    return mpq(most) * draw(st.sampled_from([0, 1, -1, mpq(1, 3)]))


def check_distance(segment: tuple[_Metric, np.ndarray, np.ndarray, tuple[Any, ...]]) -> None:
    """Lemma 33: the bounds of a distance hold for all that the bounds of its data allow."""
    metric, corner, end, (directions, here, first, last) = segment
    with np.errstate(all="ignore"):
        ((low,), (high,)) = metric.distances(np.zeros(1, np.int64), corner, end)
    inputs = [0] * len(directions[0])
    exact = Metric(Slice(inputs, *directions)).nearest(tuple(here), tuple(first), tuple(last))[0]
    assert mpq(low) ** 2 <= exact
    assert not np.isfinite(high) or exact <= mpq(high) ** 2


few, many = (settings(deadline=None, max_examples=n) for n in (15, 400))
objects = given(questions(), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([4096, 2]))

test_a_run_over_many_windows_is_the_runs_over_each = few(objects(check_objects))
test_windows_of_floats_give_the_same = few(given(float_questions())(check_floats))
test_the_floats_a_run_begins_with = settings(deadline=None, max_examples=50)(
    given(float_questions())(check_frames)
)
test_more_runs_over_many_windows = pytest.mark.slow(many(objects(check_objects)))
test_more_windows_of_floats = pytest.mark.slow(many(given(float_questions())(check_floats)))
test_lemma_33 = settings(deadline=None, max_examples=100)(given(segments())(check_distance))
