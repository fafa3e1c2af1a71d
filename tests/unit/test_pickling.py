"""Public objects go through pickle, to other processes and back, and stay what they are.

What travels is what cannot be computed again: no caches, no floats of the engine.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import EngineOutput, Network, Partition, Window
from exactcam.arithmetic.rational import mpq
from exactcam.compute import ENGINES


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def through_joblib(value: Any) -> Any:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    (back,) = joblib.Parallel(n_jobs=2)([joblib.delayed(_same)(value)])
    # Its threads outlive the call, and an interrupted command line would not wait for them.
    joblib.externals.loky.get_reusable_executor().shutdown()
    return back


def through_dask(value: Any) -> Any:
    protocol = pytest.importorskip("distributed", reason="the extra `cluster` is missing").protocol
    return protocol.deserialize(*protocol.serialize(value, serializers=("pickle",)))


def through_a_spawned_process(value: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_same, (value,))


def _same(value: Any) -> Any:
    return value


@pytest.fixture(scope="module")
def network(random_network: Callable[..., Network]) -> Network:
    return random_network([2, 16, 16, 2], 3)


@pytest.fixture(scope="module", params=ENGINES)
def part(network: Network, request: pytest.FixtureRequest) -> Partition:
    """Everything asked of it, so that all caches are filled."""
    part = exactcam.partition(network, window=(-2, -2, 3, "7/3"), engine=request.param)
    part.prefetch()
    assert part.decision_boundary().polylines
    assert part.locate(0, 0)
    assert part.counts.activation_regions == len(part.patterns) == len(part.forms)
    assert len(part.edge_units) == len(part.edges)
    return part


def assert_same(ours: Partition, truth: Partition) -> None:
    assert type(ours) is Partition
    assert ours.network.sha256 == truth.network.sha256
    assert (ours.slice, ours.window, ours.engine) == (truth.slice, truth.window, truth.engine)
    for name in ("patterns", "offsets", "corners", "forms"):
        array = getattr(ours, name)
        assert np.array_equal(array, getattr(truth, name))
        assert array.dtype == getattr(truth, name).dtype
        assert not array.flags.writeable
    assert ours.form_scale == truth.form_scale
    assert list(ours.vertices) == list(truth.vertices)
    assert ours.counts == truth.counts
    assert ours.decision_boundary() == truth.decision_boundary()
    assert ours.area_sum == truth.area_sum


@pytest.mark.parametrize(
    "through", [pickled, through_joblib, through_dask, through_a_spawned_process]
)
def test_a_partition_travels(part: Partition, through: Callable[[Any], Any]) -> None:
    back, cell, edges = through((part, part.cells[2], part.edges))
    assert_same(back, part)
    assert (cell.index, cell.vertices) == (2, part.cells[2].vertices)
    assert cell.affine == part.cells[2].affine
    assert cell.partition is back
    assert np.array_equal(edges.cells, part.edges.cells)
    assert not edges.cells.flags.writeable


def test_a_partition_travels_twice(part: Partition) -> None:
    assert_same(pickled(pickled(part)), part)


def test_caches_stay_at_home(network: Network, part: Partition) -> None:
    new = exactcam.partition(network, window=part.window, engine=part.engine)
    assert len(pickle.dumps(part)) == len(pickle.dumps(new))
    sizes = [len(pickle.dumps(x)) for x in (new._patterns, new.vertices, new.output_maps)]
    assert len(pickle.dumps(new)) < len(pickle.dumps(network)) + sum(sizes) + 60 * len(new.corners)


def test_the_parts_of_questions_and_answers_travel(network: Network, part: Partition) -> None:
    boundary = part.decision_boundary()
    assert boundary.length > 0
    for value in (part.slice, part.window, part.counts, boundary, boundary.segments[0]):
        assert pickled(value) == value
    back = pickled(network)
    assert back.sha256 == network.sha256
    assert back.evaluate([mpq(1, 3), 2]) == network.evaluate([mpq(1, 3), 2])
    assert pickled(exactcam.partition)(back, window=part.window).counts == part.counts


def test_samples_lines_and_comparisons_travel(network: Network, part: Partition) -> None:
    samples = exactcam.sample_boundary(part, 5)
    assert pickled(samples) == samples
    assert pickled(samples).inputs == samples.inputs
    near = exactcam.nearest_boundary_point(part, 0, 0)
    assert pickled(near) == near
    line = exactcam.line_slice(network, [0, 0], [1, "2/3"])
    back = pickled(line)
    assert back.breakpoints == line.breakpoints
    assert back.crossings() == line.crossings()
    assert np.array_equal(back.patterns, line.patterns)
    output = EngineOutput(part.float_vertices[part.corners], part.offsets)
    verdict = exactcam.compare(part, output)
    assert verdict.passed
    assert pickled(verdict).to_json() == verdict.to_json()
    assert pickled(verdict).summary() == verdict.summary()


def test_windows_and_slices_have_no_caches_of_theirs() -> None:
    window = Window.rectangle(-1, -1, 1, 1)
    before = len(pickle.dumps(Window.rectangle(-1, -1, 1, 1)))
    assert window.sides
    assert window.vertices
    assert len(pickle.dumps(window)) == before
