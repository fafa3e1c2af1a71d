"""regioncam: its live object (Rust, float32), or a neutral file of it.

regioncam computes in float32, so a network whose parameters are not float32 values
must be rounded *before* it is handed over, and graded as the network it was given:
`run` does both. Its faces follow its last layer, so hand over the hidden layers and
the output; its decision boundary cuts faces and is read from a second object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NetworkError
from ..grading import EngineOutput
from ..matrix import Dense
from ..network import Network
from ..nodes import Affine, Pointwise
from ..rational import mpq, to_float
from ..slice import Slice, Window
from . import polygons

__all__ = ["from_object", "read", "run"]


def from_object(camera: Any, boundary: Any = None, **facts: Any) -> EngineOutput:
    """The faces of a `regioncam.Regioncam` with their output maps; `boundary` is the same
    object after `decision_boundary()`, if that is to be graded too."""
    vertices = np.asarray(camera.vertex_inputs)
    faces = [np.asarray(face.vertex_ids).astype(np.int64) for face in camera.faces]
    segments = None
    if boundary is not None:
        segments = np.asarray(
            [[v.inputs for v in e.vertices] for e in boundary.edges if e.is_decision_boundary],
            dtype=np.float32,
        ).reshape(-1, 2, 2)
    return EngineOutput(
        vertices[np.concatenate([np.zeros(0, dtype=np.int64), *faces])],
        np.cumsum([0, *(len(f) for f in faces)]),
        affine=np.asarray(camera.face_outputs).transpose(0, 2, 1), boundary=segments, **facts,
    )  # fmt: skip


def read(path: str | Path) -> EngineOutput:
    """A neutral file (see `exactcam.engines.polygons`): regioncam has no format of its own."""
    return polygons.read(path)


def run(network: Network, window: Window) -> EngineOutput:
    """Run regioncam on a dense ReLU or leaky ReLU network over a square about the origin.

    Raises NetworkError for what regioncam cannot take: other layers, other windows,
    parameters that are not float32 values. It needs the package `regioncam`.
    """
    import regioncam

    size = max(u for u, _ in window.corners)
    if set(window.corners) != {(s * size, t * size) for s in (1, -1) for t in (1, -1)}:
        raise NetworkError("regioncam takes squares about the origin only")

    def build() -> Any:
        camera = regioncam.Regioncam(size=_float32(size))
        for name, node in zip(network.names, network.nodes, strict=True):
            if isinstance(node, Affine) and isinstance(node.matrices[0], Dense):
                weight = _array(node.matrices[0].entries.T, node.scale)
                camera.linear(weight, _array(node.bias, node.scale))
            elif isinstance(node, Pointwise) and (slope := _negative_slope(node)) is not None:
                camera.leaky_relu(slope) if slope else camera.relu()
            else:
                raise NetworkError(f"layer {name}: regioncam takes dense layers and leaky ReLUs")
        return camera

    sequential = all(node.inputs == (k,) for k, node in enumerate(network.nodes))
    if not sequential or network.output != len(network.nodes):
        raise NetworkError("regioncam is given sequential networks only")
    camera, boundary = build(), build()
    boundary.decision_boundary()
    plane = Slice.plane(2)
    return from_object(camera, boundary, network=network, slice=plane, window=window)


def _negative_slope(node: Pointwise) -> float | None:
    """The slope left of zero if every unit is one leaky ReLU, None otherwise."""
    functions = {node.functions[f] for f in node.which}
    if len(functions) != 1:
        return None
    function = functions.pop()
    right = (mpq(1), mpq(0))
    if function.breakpoints != (mpq(0),) or function.pieces[1] != right:
        return None
    return _float32(function.pieces[0][0])


def _array(numbers: np.ndarray, scale: Any) -> np.ndarray:
    flat = [_float32(mpq(x, scale)) for x in numbers.ravel()]
    return np.asarray(flat, dtype=np.float32).reshape(numbers.shape)


def _float32(value: mpq) -> float:
    nearest = to_float(value)
    if float(np.float32(nearest)) != nearest or mpq(nearest) != value:
        raise NetworkError(
            f"{nearest!r} is no float32: round the network first, and grade the rounded one"
        )
    return nearest
