"""exactcam as a float engine: the cells of an exact partition, correctly rounded to float64."""

from __future__ import annotations

import numpy as np

from ...arithmetic.rational import mpq, to_float
from ...complex.partition import Partition
from ...model.geometry import cartesian
from .. import EngineOutput
from ..attributes import pieces

__all__ = ["from_partition"]


def from_partition(part: Partition) -> EngineOutput:
    """A partition's cells, patterns, output maps and boundary segments as float64 arrays.

    What a perfect float64 engine would return; a tied unit gets the lower of its two pieces.
    """
    maps = [to_float(mpq(x, part.form_scale)) for x in part.forms.ravel()]
    segments = [
        [to_float(x) for point in (s.start, s.end) for x in cartesian(point)]
        for s in part.decision_boundary().segments
    ]
    return EngineOutput(
        part.float_vertices[part.corners],
        part.offsets,
        patterns=pieces(part.network, part.patterns)[0],
        affine=np.asarray(maps).reshape(part.forms.shape),
        boundary=np.asarray(segments).reshape(-1, 2, 2),
        network=part.network,
        slice=part.slice,
        window=part.window,
    )
