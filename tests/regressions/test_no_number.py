"""A unit with no weights behind an infinite one: zero times infinity passed for a sign."""

from __future__ import annotations

import warnings

import pytest

from exactcam import from_arrays, partition


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_a_zero_row_behind_an_overflow_is_a_tie(slope: float) -> None:
    huge = ([[1, slope], [1, 0]], [1e300, 1e300])
    network = from_arrays(
        [huge, ([[1, 0], [1e300, 1e300]], [0, 0]), ([[0, 0], [0, 0]], [0, 0]), ([[1, 1]], [0])]
    )
    fast = partition(network, engine="fast").patterns.tolist()
    assert fast == partition(network, engine="reference").patterns.tolist()
    assert {tuple(pattern[4:]) for pattern in fast} == {(1, 1)}


def test_overflow_in_what_is_computed_later_gives_no_warning() -> None:
    huge = 1e300
    part = partition(
        from_arrays([([[huge, 0], [0, huge]], [0, 0]), ([[huge, -huge], [huge, huge]], [0, 0])])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert part.counts.activation_regions == 4
        assert part.decision_boundary() is not None


def test_a_value_that_overflows_under_a_finite_bound_proves_nothing() -> None:
    """Infinity exceeded the bound of a whole cell: 6 regions instead of 7."""
    big = 2.0**1023
    network = from_arrays(
        [([[8, 0], [0, 8]], [-4, -4]), ([[1.4 / 8 * big] * 2], [-0.4 * big]), ([[1]], [0])]
    )
    fast, truth = (partition(network, engine=e) for e in ("fast", "reference"))
    assert len(truth) == 7
    assert fast.patterns.tolist() == truth.patterns.tolist()
    assert fast.corners.tolist() == truth.corners.tolist()
