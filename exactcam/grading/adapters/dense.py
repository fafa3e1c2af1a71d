"""Converts a network to the float arrays that engines for dense ReLU networks take."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arithmetic.matrix import Dense
from ...arithmetic.rational import mpq, to_float
from ...errors import UnsupportedLayerError
from ...model.network import Network
from ...model.nodes import Affine, Pointwise

__all__ = ["dense_layers"]


def dense_layers(
    network: Network, dtype: Any = np.float64
) -> tuple[list[tuple[np.ndarray, np.ndarray]], float]:
    """The weights and biases of a fully connected network with one leaky ReLU between its layers.

    Parameters
    ----------
    network : Network
        Dense layers with ReLUs or leaky ReLUs of one slope between them.
    dtype : floating dtype
        The engine's number type.

    Returns
    -------
    layers : list of (ndarray (out, in), ndarray (out,))
        Weight and bias of each layer; nothing is rounded.
    slope : float
        The slope left of zero, 0 for ReLU.

    Raises
    ------
    UnsupportedLayerError
        Naming the layer where a parameter is no number of `dtype`, and for any other network.
    """
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    slopes: set[float] = set()
    for k, (name, node) in enumerate(zip(network.names, network.nodes, strict=True)):
        if node.inputs != (k,) or isinstance(node, Affine) == bool(k % 2):
            raise UnsupportedLayerError(f"layer {name}: not a sequence of dense layers and ReLUs")
        if isinstance(node, Affine) and isinstance(node.matrices[0], Dense):
            weight, bias = node.matrices[0].entries, node.bias
            matrix, column = (_floats(x, node.scale, dtype, name) for x in (weight, bias))
            layers.append((matrix, column))
        elif isinstance(node, Pointwise) and (slope := _slope(node)) is not None:
            slopes.add(_floats(np.asarray([slope], dtype=object), 1, dtype, name).tolist()[0])
        else:
            raise UnsupportedLayerError(f"layer {name}: neither a dense layer nor a leaky ReLU")
    if network.output != len(network.nodes) or len(network.nodes) % 2 == 0 or len(slopes) > 1:
        raise UnsupportedLayerError("network: not dense layers with one kind of ReLU between them")
    return layers, slopes.pop() if slopes else 0.0


def _slope(node: Pointwise) -> mpq | None:
    """The slope left of zero if every unit is the same leaky ReLU, None otherwise."""
    functions = {node.functions[f] for f in node.which}
    if len(functions) != 1:
        return None
    function = functions.pop()
    right = (mpq(1), mpq(0))
    if function.breakpoints != (mpq(0),) or function.pieces[1] != right:
        return None
    return function.pieces[0][0]


def _floats(numbers: np.ndarray, scale: Any, dtype: Any, name: str) -> np.ndarray:
    """The rationals numbers / scale as floats of `dtype`, refused where one would be rounded."""
    exact = [mpq(x) / scale for x in numbers.ravel()]
    out = np.asarray([to_float(x) for x in exact]).astype(dtype).reshape(numbers.shape)
    for value, rounded in zip(exact, out.ravel().tolist(), strict=True):
        if not np.isfinite(rounded) or mpq(rounded) != value:
            raise UnsupportedLayerError(
                f"layer {name}: {to_float(value)!r} is no {np.dtype(dtype).name}: round the network "
                "first, and grade the rounded one"
            )
    return out
