"""Fully connected networks from plain weight and bias arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import NetworkError
from ..model.network import Network
from ..model.nodes import Affine, Cpwl, Node, Pointwise
from ..runtime.arguments import arrayed, listed

__all__ = ["from_arrays"]


_PAIRS = "a sequence of (weight, bias)"
_PAIR = "a pair (weight, bias)"


def _given(array: Any, name: str) -> Any:
    """A weight or bias; a tensor as the array it holds, in a type that numpy has."""
    if not hasattr(array, "detach"):
        return array
    wide = array.detach().cpu()
    if wide.dtype.is_floating_point and wide.dtype.itemsize < 4:
        wide = wide.float()  # exactly: bfloat16 and the types of 8 bits
    return arrayed(wide, name, "arrays of numbers", NetworkError)


def from_arrays(layers: Sequence[tuple[Any, Any]], negative_slope: Any = 0) -> Network:
    """A fully connected network with ReLU, or leaky ReLU, between its layers.

    Parameters
    ----------
    layers : sequence of (weight, bias)
        Arrays or nested lists of shape (out, in) and (out,). Entries may be any exact
        numbers: floats, integers, Fractions. There is no activation after the last layer.
    negative_slope : number
        The slope of the activations for negative inputs.

    Raises
    ------
    NetworkError, NumberError
        For layers that do not fit together and for NaN or infinity; names the layer.
    """
    pairs = listed(layers, "layers", _PAIRS, NetworkError)
    pairs = [listed(pair, f"layer {k}", _PAIR, NetworkError) for k, pair in enumerate(pairs)]
    for k, pair in enumerate(pairs):
        if len(pair) != 2:
            raise NetworkError(f"layer {k} has {len(pair)} entries: give {_PAIR}")
        pairs[k] = [_given(x, f"layer {k}") for x in pair]
    if not pairs:
        raise NetworkError("give at least one (weight, bias) pair")
    activation = Cpwl.relu(negative_slope)
    nodes: list[Node] = []
    names: list[str] = []
    for k, (weight, bias) in enumerate(pairs):
        nodes.append(Affine.dense(len(nodes), weight, bias, f"layer {k}"))
        names.append(f"{k}")
        if k < len(pairs) - 1:
            which = np.zeros(nodes[-1].size, dtype=np.int64)
            nodes.append(Pointwise(len(nodes), (activation,), which))
            names.append(f"{k}.activation")
    first = nodes[0]
    assert isinstance(first, Affine)
    return Network(first.matrices[0].shape[1], tuple(nodes), len(nodes), tuple(names))
