"""regioncam: runs it (Rust, float32) on a network, or reads a neutral file of its output.

regioncam computes in float32, so a network whose parameters are not float32 values
must be rounded *before* it is handed over, and graded as the network it was given:
`run` does both. Its faces follow its last layer, so hand over the hidden layers and
the output; its decision boundary cuts faces and is read from a second object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UnsupportedLayerError
from ...model.network import Network
from ...model.slice import Slice, Window
from .. import EngineOutput
from . import polygons
from .dense import dense_layers

__all__ = ["read", "run"]


def read(path: str | Path) -> EngineOutput:
    """The output in a neutral file (see `exactcam.grading.adapters.polygons`).

    regioncam has no file format of its own. Raises FileFormatError.
    """
    return polygons.read(path)


def run(network: Network, window: Window) -> EngineOutput:
    """Run regioncam on a dense ReLU or leaky ReLU network over a square about the origin.

    Parameters
    ----------
    network : Network
        Of two inputs, its parameters float32 values.
    window : Window
        A square about the origin.

    Returns
    -------
    EngineOutput
        regioncam's faces with their output maps, and its decision boundary.

    Raises
    ------
    UnsupportedLayerError
        For what regioncam cannot take: other layers, windows or parameters.
    ImportError
        Where the package `regioncam` is not installed.
    """
    import regioncam

    size = max(u for u, _ in window.corners)
    if set(window.corners) != {(s * size, t * size) for s in (1, -1) for t in (1, -1)}:
        raise UnsupportedLayerError("regioncam takes squares about the origin only")
    layers, slope = dense_layers(network, np.float32)
    if network.inputs != 2:
        raise UnsupportedLayerError("regioncam is run on networks of two inputs only")

    def build() -> Any:
        camera = regioncam.Regioncam(size=float(size))
        for k, (weight, bias) in enumerate(layers):
            if k:
                camera.leaky_relu(slope) if slope else camera.relu()
            camera.linear(np.ascontiguousarray(weight.T), bias)
        return camera

    camera, boundary = build(), build()
    boundary.decision_boundary()
    faces = [np.asarray(face.vertex_ids).astype(np.int64) for face in camera.faces]
    segments = [[v.inputs for v in e.vertices] for e in boundary.edges if e.is_decision_boundary]
    return EngineOutput(
        np.asarray(camera.vertex_inputs)[np.concatenate([np.zeros(0, dtype=np.int64), *faces])],
        np.cumsum([0, *(len(f) for f in faces)]),
        affine=np.asarray(camera.face_outputs).transpose(0, 2, 1),
        boundary=np.asarray(segments, dtype=np.float32).reshape(-1, 2, 2),
        network=network,
        slice=Slice.plane(2),
        window=window,
    )
