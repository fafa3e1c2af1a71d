"""Comparing partitions."""

from __future__ import annotations

import numpy as np

from exactcam import Partition


def same(first: Partition, second: Partition) -> bool:
    """Are network, slice, window, engine and all that was found equal?"""
    return (
        first.network.sha256 == second.network.sha256
        and (first.network.names, first.network.notes)
        == (second.network.names, second.network.notes)
        and (first.slice, first.window, first.engine)
        == (second.slice, second.window, second.engine)
        and np.array_equal(first.patterns, second.patterns)
        and np.array_equal(first.offsets, second.offsets)
        and np.array_equal(first.corners, second.corners)
        and list(first.vertices) == list(second.vertices)
        and np.array_equal(first.forms, second.forms)
        and first.form_scale == second.form_scale
    )
