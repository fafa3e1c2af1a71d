"""The checker is slow by design, but fast enough to be run."""

from __future__ import annotations

import time

import pytest

from exactcam import checker, from_arrays, partition
from exactcam.benchmark.cases import layers_of
from exactcam.model.slice_file import slice_document


@pytest.mark.slow
@pytest.mark.xdist_group("measured")
def test_checker_evaluates_two_thousand_vertices_a_second() -> None:
    """On a 2-32-32-32-1 network of float32 weights, on one core, by processor time."""
    layers, _ = layers_of("he", 32, 3, 1)
    part = partition(from_arrays(layers))
    document = {**part.network.document(), "names": [], "notes": []}
    network = checker.Network(document, checker.Plane(slice_document(part.slice, part.window)))
    points = [(int(x), int(y), int(w)) for x, y, w in part.vertices[:2000]]
    assert len(points) == 2000
    start = time.process_time()
    for point in points:
        network.at(point)
    rate = len(points) / (time.process_time() - start)
    print(f"{rate:,.0f} vertices a second")
    assert rate > 2000
