"""Lemmas 24 and 25, for `exactcam.engine.value_numbers`: one class, one exact form; above, positive inside."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exactcam import Network, Partition, Slice, Window, partition
from exactcam.arithmetic.matrix import Convolution
from exactcam.arithmetic.rational import integer_matrix, objects, rational
from exactcam.engine.assemble import glue
from exactcam.engine.refine import Engine
from exactcam.engine.value_numbers import Ties
from exactcam.engine.vertex_clusters import pieces
from exactcam.exact.replay import Trace
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise
from exactcam.testing.strategies import cases

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SIZE = 5  # pixels along a side
WINDOW = Window([(0, 0), (1, 0), (0, 1)])

_third = Fraction(1, 3)
_least = Fraction(1, 1 << 1100)  # below every float
_plain = st.sampled_from([1, -1, Fraction(1, 2), 0, 0.1, -0.3, 3, _third])
_wild = st.sampled_from(
    [_third, 2 * _third, _least, -_least, 1 + _least, _third + _least, 2.0**-600]
)
_activations = st.sampled_from(
    [
        Cpwl.relu(),
        Cpwl.relu(),
        Cpwl.relu(),
        Cpwl.relu(Fraction(1, 10)),
        Cpwl.through([0], [-1, 1]),
        Cpwl.through([0, 1], [0, 1, 0]),
        Cpwl.through([0, _third], [0, 1, 0], _least),
        Cpwl.through([-1, 1], [1, 0, 1], -1),
    ]
)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


def convolution(draw: Any, source: int, channels: tuple[int, int], size: int) -> Affine:
    pool = draw(st.lists(_plain, min_size=3, max_size=6)) + draw(st.lists(_wild, max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    numbers = objects(
        [rational(x, "x") for x in rng.permutation(pool * 8)[: channels[0] * channels[1] * 4]]
    )
    kernel, scale = integer_matrix(numbers.reshape(channels[1], -1), "kernel")
    matrix = Convolution(
        (channels[0], size, size),
        (channels[1], size - 1, size - 1),
        kernel.reshape(channels[1], channels[0], 2, 2),
        (1, 1),
        (0, 0),
        (1, 1),
    )
    each = [draw(st.one_of(_plain, _wild)) for _ in range(channels[1])]
    bias = integer_matrix([b for b in each for _ in range((size - 1) ** 2)], "bias")
    return Affine.combine([source], [(matrix, scale)], bias)


def pool(source: int, channels: int, size: int, step: int) -> MaxGroups:
    at = [
        c * size * size + i * size + j
        for c in range(channels)
        for i in range(0, size - 1, step)
        for j in range(0, size - 1, step)
    ]
    return MaxGroups(source, tuple((k, k + 1, k + size, k + size + 1) for k in at))


@st.composite
def image_cases(draw: Any) -> tuple[Network, Slice, Window]:
    """Convolution, activation, perhaps again, max-pool, dense; three images, zero but for
    some pixels, which repeat."""
    nodes: list[Any] = [convolution(draw, 0, (1, 2), SIZE)]
    nodes.append(activation(draw, 1, nodes[-1].size))
    size = SIZE - 1
    if draw(st.booleans()):
        nodes.append(convolution(draw, 2, (2, 2), size))
        size -= 1
        nodes.append(activation(draw, 3, nodes[-1].size))
    nodes.append(pool(len(nodes), 2, size, draw(st.sampled_from([1, 2]))))
    weights = draw(st.lists(_plain, min_size=nodes[-1].size, max_size=nodes[-1].size))
    nodes.append(Affine.dense(len(nodes), [weights], [draw(_plain)]))
    nodes.append(Pointwise(len(nodes), (Cpwl.relu(),), np.zeros(1, dtype=np.int64)))
    network = Network(SIZE * SIZE, tuple(nodes), len(nodes))
    levels = draw(
        st.lists(st.sampled_from([1, Fraction(1, 2), 0.1, 3, -1]), min_size=2, max_size=3)
    )
    images: list[list[Any]] = [[0] * (SIZE * SIZE) for _ in range(3)]
    for k in draw(st.lists(st.integers(0, SIZE * SIZE - 1), min_size=1, max_size=5, unique=True)):
        for image in images:
            image[k] = draw(st.sampled_from([*levels, 0]))
    free = [k for k in range(SIZE * SIZE) if not any(image[k] for image in images)]
    images[1][free[0]], images[2][free[1]] = levels[0], levels[1]  # independent directions
    return network, Slice.through(*images), WINDOW


def activation(draw: Any, source: int, size: int) -> Pointwise:
    functions = tuple(draw(st.lists(_activations, min_size=1, max_size=2)))
    per_channel = [draw(st.integers(0, len(functions) - 1)) for _ in range(2)]
    return Pointwise(source, functions, np.repeat(per_channel, size // 2))


def assert_true(case: tuple[Network, Slice, Window], part: Partition) -> None:
    """What `Ties` says of every cell holds of the exact forms there."""
    network, plane, window = case
    ties, trace = Ties(network, plane), Trace(network, plane, window)
    for cell in list(part.cells)[:40]:
        codes = cell.pattern
        for a in range(len(network.activations)):
            block, classes = trace.input(codes, a), ties.classes(codes, a)
            forms: dict[int, tuple] = {0: (0, 0, 0)}
            for number, row in zip(classes.tolist(), block.columns.tolist(), strict=True):
                assert forms.setdefault(number, tuple(row)) == tuple(row)
            u, v = cell.interior_point
            for number in np.nonzero(ties.above(codes[None], a)[0])[0]:
                x, y, z = block.columns[number]
                assert x * u + y * v + z > 0


def assert_same(case: tuple[Network, Slice, Window]) -> Partition:
    ours, truth = partition(*case, engine="fast"), partition(*case, engine="reference")
    assert np.array_equal(ours.patterns, truth.patterns)
    assert np.array_equal(ours.offsets, truth.offsets)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices) == list(truth.vertices)
    assert (ours.forms * truth.form_scale == truth.forms * ours.form_scale).all()
    return truth


@SETTINGS
@given(case=image_cases())
def test_classes_and_engines_on_images(case: tuple[Network, Slice, Window]) -> None:
    assert_true(case, assert_same(case))


@SETTINGS
@given(case=image_cases(), units=st.integers(1, 20))
def test_a_wide_layer_cut_a_few_units_at_a_time(
    case: tuple[Network, Slice, Window], units: int
) -> None:
    engine = Engine(*case)
    engine.units, engine.batch_sizes = units, [4] * len(engine.batch_sizes)
    ours = glue(engine, pieces(engine, engine.run()))
    truth = partition(*case, engine="reference")
    assert np.array_equal(ours.patterns, truth.patterns)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices) == list(truth.vertices)


@SETTINGS
@given(case=cases())
def test_classes_on_degenerate_networks(case: tuple[Network, Slice, Window]) -> None:
    assert_true(case, partition(*case, engine="reference"))


@SETTINGS
@given(case=image_cases())
def test_ties_in_every_cell_of_a_run(case: tuple[Network, Slice, Window]) -> None:
    """Cells cut with known ties, whether or not they were decided without: the same patterns."""
    engine = Engine(*case)
    found = [_tied(engine, a, codes) for a, codes in _cells(engine)]
    assert all(ours is None or ours == truth for ours, truth in found)


def _cells(engine: Engine) -> Any:
    tasks = [engine.start()]
    for a in range(len(engine.network.activations)):
        for task in tasks:
            for k in range(len(task.cells)):
                yield a, (task, k)
        tasks = [engine.step(part) for task in tasks for part in task.divided(16)]


def _tied(engine: Engine, a: int, place: Any) -> tuple[Any, Any]:
    task, k = place
    layer, cell = engine.network.layers[a], task.cells.part(k, k + 1)
    cut = engine._next(task, layer, engine._values(task)[layer.source].forms, layer.node.size)
    _, tied, known = engine._ties_of(a, cell, np.arange(1))
    ours = cut.of(np.asarray([k])).by_floats(cell, known) if len(tied) else None
    truth = engine._exact_parts(layer, cell)
    if ours is None or len(ours.undecided):
        return None, truth.codes.tolist()
    return cut.parts(cell, ours).codes.tolist(), truth.codes.tolist()
