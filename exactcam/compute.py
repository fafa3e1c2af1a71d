"""`partition`: the one entry point that picks an engine and returns its `Partition`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import ExactcamError, SliceError
from .network import Network
from .partition import Partition, assemble
from .reference import activation_cells
from .slice import Slice, Window, window_of

__all__ = ["ENGINES", "partition"]

ENGINES = ("fast", "reference")


def partition(
    network: Network,
    slice: Slice | None = None,
    window: Window | Sequence[Any] = (-1, -1, 1, 1),
    engine: str = "fast",
    progress: Callable[[int], None] | None = None,
) -> Partition:
    """The exact partition of `network` on a window of a slice.

    `slice` may be left out for a network of two inputs. `window` is a Window,
    (umin, vmin, umax, vmax) or a list of corners. `progress` is called now and
    then with the number of regions found. Raises SliceError where the slice does
    not fit the network.
    """
    if engine not in ENGINES:
        raise ExactcamError(f"engine {engine!r} is not one of {', '.join(ENGINES)}")
    plane = Slice.plane(network.inputs) if slice is None else slice
    if plane.size != network.inputs:
        raise SliceError(f"the slice has {plane.size} inputs, the network {network.inputs}")
    outline = window_of(window)
    if engine == "fast":
        from .engine import Engine
        from .glue import glue

        # A float that overflows makes a bound that proves nothing: exact arithmetic takes over.
        with np.errstate(over="ignore", invalid="ignore"):
            run = Engine(network, plane, outline)
            found, batches = 0, []
            for batch in run.run():
                batches.append(batch)
                found += len(batch)
                if progress is not None:
                    progress(found)
            return glue(run, batches)
    cells = activation_cells(network, plane, outline, progress)
    return assemble(network, plane, outline, cells, engine)
