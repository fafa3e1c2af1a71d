"""Memory that batches share one after the other, and never at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcam import Network, Slice, Window
from exactcam.engine.refine import Engine
from exactcam.runtime.arena import _KEPT, _pool, empty


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 400_000), st.sampled_from(["f8", "i1"]), st.integers(0, 9)),
        max_size=40,
    )
)
def test_what_is_in_use_is_nobody_elses(steps: list[tuple[int, str, int]]) -> None:
    kept: list[tuple[np.ndarray, int]] = []
    for number, (size, kind, place) in enumerate(steps):
        if place == 9:  # as before a fork
            _pool.forget()
        array = empty((size,), kind)
        array[:] = number % 100
        kept.append((array[size // 2 :], number % 100))  # a view keeps it too
        del array
        if place < len(kept):
            del kept[place]
        assert all((part == value).all() for part, value in kept)
    assert sum(map(len, _pool.parts)) <= _KEPT
    sizes = [len(part) for part in _pool.parts]
    assert sizes == sorted(sizes)


def test_what_is_not_in_use_is_used_again() -> None:
    arrays = [empty((300, 1000)) for _ in range(3)]
    places = {array.ctypes.data for array in arrays}
    assert len(places) == 3
    del arrays
    assert empty((300, 1000)).ctypes.data in places


def test_batches_that_are_kept_do_not_change(random_network: Callable[..., Network]) -> None:
    engine = Engine(
        random_network([2, 40, 40, 40, 1], 5), Slice.plane(2), Window.rectangle(-1, -1, 1, 1)
    )
    engine.batch_sizes = [20] * len(engine.batch_sizes)
    kept, copies = [], []
    for batch in engine.run():
        arrays = (batch.start, batch.corners, batch.labels, batch.codes)
        kept.append(arrays)
        copies.append([array.copy() for array in arrays])
    assert len(kept) > 20
    for arrays, before in zip(kept, copies, strict=True):
        for array, copy in zip(arrays, before, strict=True):
            assert np.array_equal(array, copy)
