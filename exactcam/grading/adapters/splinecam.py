"""SplineCam: reads a recorded run of it from an `.npz` file.

SplineCam returns open polygons of mixed orientation, the post-activation affine map
of the last hidden layer on each, and a list of boundary segments that is None both
where there is no boundary and where its boundary stage failed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...files.reading import reading
from ...model.network import Network
from .. import EngineOutput
from .arrays import context, read_arrays, whole_number

__all__ = ["read"]


def read(path: str | Path) -> EngineOutput:
    """The output in a recorded run of SplineCam.

    Parameters
    ----------
    path : str or Path
        A file with `vertices`, `offsets`, and as far as they are known `region_affine`,
        `boundary`, `boundary_is_none`, `domain`, `error` and the network's `weight0 bias0 ...`.

    Raises
    ------
    FileFormatError
        Naming what is missing or does not fit.
    """
    facts = context(path)
    if facts.get("error"):
        return EngineOutput(np.empty((0, 2)), np.zeros(1, dtype=np.int64), **facts)
    held = read_arrays(
        path, ("vertices", "offsets"), ("region_affine", "boundary", "boundary_is_none")
    )
    unclear = bool(whole_number(held, "boundary_is_none", path))
    with reading(path):
        return EngineOutput(
            held["vertices"],
            held["offsets"],
            affine=held.get("region_affine"),
            affine_value=_last_hidden(facts.get("network")),
            boundary=None if unclear else held.get("boundary"),
            boundary_unclear=unclear,
            **facts,
        )


def _last_hidden(network: Network | None) -> int | None:
    """The value behind the last activation, whose maps SplineCam returns."""
    return network.layers[-1].value if network is not None and network.layers else None
