"""Boundary samples and margins, each against an independent exact computation."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from exactcam import Slice, from_arrays, nearest_boundary_point, partition, sample_boundary
from exactcam.analysis.boundary_points import certify
from exactcam.arithmetic.rational import mpq, root_sum
from exactcam.errors import ExactcamError, InvariantError


@pytest.fixture(scope="module")
def skewed():
    """A slice of a 3-input, 3-class network whose directions are neither unit nor orthogonal."""
    rng = np.random.default_rng(5)
    widths = [3, 10, 10, 3]
    layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise(widths)]
    return partition(from_arrays(layers), Slice([0, 1, 0], [2, 0, 0.5], [0.25, 1, -1]))


def test_samples_are_exactly_on_the_boundary_in_input_space(skewed):
    samples = sample_boundary(skewed, 200, seed=3)
    assert len(samples) == 200
    segments = skewed.decision_boundary().segments
    for point, row, k in zip(samples.points, samples.inputs, samples.segments, strict=True):
        values = sorted(skewed.network.evaluate(row))
        assert values[-1] == values[-2]
        (x, y, w), (p, q, r) = segments[k].start, segments[k].end
        u, v = point
        assert (u - mpq(x, w)) * (mpq(q, r) - v) == (v - mpq(y, w)) * (mpq(p, r) - u)
        assert min(mpq(x, w), mpq(p, r)) <= u <= max(mpq(x, w), mpq(p, r))
    assert samples.float_inputs.shape == (200, 3)
    assert sample_boundary(skewed, 200, seed=3).points == samples.points
    assert sample_boundary(skewed, 200, seed=4).points != samples.points


def test_samples_are_uniform_by_length(skewed):
    boundary = skewed.decision_boundary()
    lengths = np.asarray([root_sum([s.squared_length]) for s in boundary.segments])
    expected = 3000 * lengths / lengths.sum()
    counts = np.bincount(sample_boundary(skewed, 3000).segments, minlength=len(lengths))
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < len(lengths) + 5 * (2 * len(lengths)) ** 0.5


def test_certification_refuses_a_point_that_is_off_by_a_rounding(skewed):
    samples = sample_boundary(skewed, 1)
    certify(skewed.network, samples, mpq(0))
    (u, v) = samples.points[0]
    moved = dataclasses.replace(samples, points=((mpq(float(u)), v),))
    assert moved.points != samples.points
    with pytest.raises(InvariantError, match="not on the decision boundary"):
        certify(skewed.network, moved, mpq(0))


def test_nearest_is_no_farther_than_any_sample_and_lies_on_the_boundary(skewed):
    for u, v in ((0, 0), (mpq(1, 3), mpq(-1, 2)), (-1, 1)):
        near = nearest_boundary_point(skewed, u, v)
        values = sorted(skewed.network.evaluate(near.input))
        assert values[-1] == values[-2]
        here = skewed.slice.at(u, v)
        assert near.squared_margin == sum(
            (a - b) ** 2 for a, b in zip(here, near.input, strict=True)
        )
        for row in sample_boundary(skewed, 300).inputs:
            assert sum((a - b) ** 2 for a, b in zip(here, row, strict=True)) >= near.squared_margin
        assert near.margin == root_sum([near.squared_margin])


def test_margin_of_a_known_shape():
    # The l1 ball of radius 1/2: the nearest point of |u| + |v| = 1/2 to (1/4, 1/2) is (1/8, 3/8).
    diamond = from_arrays([([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4), ([[1] * 4], [-0.5])])
    part = partition(diamond)
    near = nearest_boundary_point(part, mpq(1, 4), mpq(1, 2))
    assert near.point == (mpq(1, 8), mpq(3, 8))
    assert near.squared_margin == mpq(1, 32)
    assert near.certain
    assert not nearest_boundary_point(part, 1, 0).certain
    with pytest.raises(ExactcamError, match="outside"):
        nearest_boundary_point(part, 2, 0)


def test_inside_a_plateau_the_margin_is_zero():
    # max(u, 0) is 0 on a half plane: every point there is on the level set.
    flat = partition(from_arrays([([[1, 0]], [0]), ([[1]], [0])]))
    assert nearest_boundary_point(flat, mpq(-1, 2), 0).squared_margin == 0
    assert nearest_boundary_point(flat, mpq(1, 2), 0).squared_margin == mpq(1, 4)
    with pytest.raises(ExactcamError, match="no segment"):
        sample_boundary(flat, 1)
