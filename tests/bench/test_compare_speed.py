"""Comparison is near-linear: 100,000 regions against 100,000 polygons within a minute."""

from __future__ import annotations

import time

import numpy as np
import pytest

import exactcam


@pytest.mark.slow
@pytest.mark.xdist_group("measured")
def test_a_hundred_thousand_regions_within_a_minute() -> None:
    rng = np.random.default_rng(0)
    units = 540
    angle, shift = rng.uniform(0, np.pi, units), rng.uniform(-0.7, 0.7, units)
    lines = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    truth = exactcam.partition(exactcam.from_arrays([(lines, shift), (np.ones((1, units)), [0])]))
    assert len(truth) > 100_000
    xy = truth.float_vertices[truth.corners]
    polygons = [xy[a:b] for a, b in zip(truth.offsets[:-1], truth.offsets[1:], strict=True)]
    start = time.perf_counter()
    result = exactcam.compare(truth, polygons)
    seconds = time.perf_counter() - start
    assert result.passed
    assert result.rounded == result.corners == len(truth.corners)
    assert seconds < 60, f"{seconds:.0f} s"
