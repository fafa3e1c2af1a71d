"""Engines that come with the conformance suite; write yours the same way.

An engine is a function of the exact `Network` and the `Window`. It returns polygons
(a sequence of float arrays (vertices, 2)) or an `EngineOutput` with patterns, maps or
boundary segments too, which are then graded as well. It raises UnsupportedLayerError
for what it does not claim to handle: such cases are counted apart. `dense_layers`
(exactcam.grading.adapters.dense) turns a network into plain weight arrays.
"""

from __future__ import annotations

from ..compute import partition
from ..grading import EngineOutput
from ..grading.adapters import exact, regioncam
from ..model.network import Network
from ..model.slice import Window

__all__ = ["fast", "reference", "regioncam_live"]


def reference(network: Network, window: Window) -> EngineOutput:
    """exactcam's reference engine, its vertices correctly rounded to float64."""
    return exact.from_partition(partition(network, None, window, "reference"))


def fast(network: Network, window: Window) -> EngineOutput:
    """exactcam's fast engine, its vertices correctly rounded to float64."""
    return exact.from_partition(partition(network, None, window, "fast"))


def regioncam_live(network: Network, window: Window) -> EngineOutput:
    """regioncam as it is installed, in float32."""
    return regioncam.run(network, window)
