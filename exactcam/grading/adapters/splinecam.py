"""SplineCam: its returned triple, or a recorded run of it in an `.npz` file.

SplineCam returns open polygons of mixed orientation, the post-activation affine map
of the last hidden layer on each, and a list of boundary segments that is None both
where there is no boundary and where its boundary stage failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...model.network import Network
from .. import EngineOutput
from ..output import engine_output
from .arrays import context, read_arrays, whole_number

__all__ = ["from_triple", "read"]


def from_triple(
    triple: tuple[Sequence[Any], Any, Any], network: Network | None = None
) -> EngineOutput:
    """The output of `splinecam.compute.get_partitions_with_db`: (polygons, affine maps
    (n, width, 3), segments or None)."""
    polygons, maps, segments = triple
    affine = None if maps is None else np.asarray(maps, dtype=np.float64)
    lines = None if segments is None else np.asarray(segments, dtype=np.float64).reshape(-1, 2, 2)
    return engine_output(
        [np.asarray(p) for p in polygons], affine=affine, affine_value=_last_hidden(network),
        boundary=lines, boundary_unclear=segments is None, network=network,
    )  # fmt: skip


def read(path: str | Path) -> EngineOutput:
    """A recorded run: `vertices offsets region_affine boundary boundary_is_none domain error`
    with the network's `weight0 bias0 ...`. Raises FileFormatError."""
    facts = context(path)
    if facts.get("error"):
        return EngineOutput(np.empty((0, 2)), np.zeros(1, dtype=np.int64), **facts)
    held = read_arrays(
        path, ("vertices", "offsets"), ("region_affine", "boundary", "boundary_is_none")
    )
    unclear = bool(whole_number(held, "boundary_is_none", path))
    return EngineOutput(
        held["vertices"], held["offsets"],
        affine=held.get("region_affine"), affine_value=_last_hidden(facts.get("network")),
        boundary=None if unclear else held.get("boundary"), boundary_unclear=unclear, **facts,
    )  # fmt: skip


def _last_hidden(network: Network | None) -> int | None:
    """The value behind the last activation, whose maps SplineCam returns."""
    return network.layers[-1].value if network is not None and network.layers else None
