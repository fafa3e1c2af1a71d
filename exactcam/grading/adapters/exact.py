"""exactcam itself as a float engine: a partition's cells, correctly rounded."""

from __future__ import annotations

import numpy as np

from ...arithmetic.rational import mpq, to_float
from ...complex.partition import Partition
from ...model.nodes import Pointwise
from .. import EngineOutput

__all__ = ["from_partition"]


def from_partition(part: Partition) -> EngineOutput:
    """The cells, pieces, output maps and boundary segments of a partition as float64 arrays.

    What a perfect float64 engine would return. At a tie the lower piece is given.
    """
    pieces = part.patterns.astype(np.int64)
    network = part.network
    for layer in network.layers:
        if isinstance(layer.node, Pointwise):
            pieces[:, layer.units] //= 2
    maps = [to_float(mpq(x, part.form_scale)) for x in part.forms.ravel()]
    segments = [
        [to_float(mpq(p[axis], p[2])) for axis in (0, 1)]
        for s in part.decision_boundary().segments
        for p in (s.start, s.end)
    ]
    return EngineOutput(
        part.float_vertices[part.corners], part.offsets, pieces,
        np.asarray(maps).reshape(part.forms.shape),
        boundary=np.asarray(segments).reshape(-1, 2, 2),
        network=network, slice=part.slice, window=part.window,
    )  # fmt: skip
