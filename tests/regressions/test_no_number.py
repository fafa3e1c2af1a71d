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
