"""Packed patterns are the patterns: by cell, as a whole, and when runs are joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exactcam.engine.packed_patterns import PackedPatterns


@st.composite
def pattern_tables(draw: st.DrawFn) -> np.ndarray:
    """Rows that differ from the one before in few places, more of them than one run holds."""
    cells, units = (
        draw(st.sampled_from([1, 2, 255, 256, 257, 600])),
        draw(st.sampled_from([0, 1, 5, 8, 21])),
    )
    kind = draw(st.sampled_from([np.uint8, np.uint16, np.uint32]))
    start = draw(arrays(kind, (1, units), elements=st.integers(0, np.iinfo(kind).max)))
    changes = np.random.default_rng(draw(st.integers(0, 99))).random((cells, units)) < 0.01
    return (start + np.cumsum(changes, axis=0)).astype(kind)


@settings(max_examples=60, deadline=None)
@given(st.lists(pattern_tables(), min_size=1, max_size=3))
def test_packed_patterns_are_the_patterns(tables: list[np.ndarray]) -> None:
    tables = [t[:, : tables[0].shape[1]] for t in tables if t.shape[1] >= tables[0].shape[1]]
    tables = [t.astype(tables[0].dtype) for t in tables]
    packed = PackedPatterns.joined([PackedPatterns.of(t) for t in tables])
    whole = np.concatenate(tables)
    assert len(packed) == len(whole)
    assert np.array_equal(packed.whole(), whole)
    assert packed.whole().dtype == whole.dtype
    for cell in {0, len(whole) // 3, len(whole) // 2, -1, min(256, len(whole) - 1)}:
        assert np.array_equal(packed[cell], whole[cell])


def test_a_row_is_a_copy() -> None:
    packed = PackedPatterns.of(np.asarray([[0, 1], [0, 2]], dtype=np.uint8))
    packed[0][:] = 7
    assert packed.whole().tolist() == [[0, 1], [0, 2]]


def test_no_cell_beyond_the_last() -> None:
    with pytest.raises(IndexError):
        PackedPatterns.of(np.zeros((3, 2), dtype=np.uint8))[3]
