"""Draws the networks that `exactcam bench` times: generic, degenerate and convolutional.

He initialisation and torch's default are drawn by torch itself, so that region counts
are those others get from the same seed; without torch the same distributions are
drawn by numpy and the counts differ. All parameters are float32 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..arithmetic.matrix import Convolution, Dense
from ..arithmetic.rational import integer_matrix
from ..loaders.from_arrays import from_arrays
from ..model.network import Network
from ..model.nodes import Affine, Cpwl, Pointwise
from ..model.slice import Slice

__all__ = ["FAMILIES", "Case", "cases", "degenerate", "initialised", "layers_of"]

Layers = list[tuple[np.ndarray, np.ndarray]]
FAMILIES = ("he", "default", "zero biases", "quantised", "copies", "convolution")


@dataclass(frozen=True)
class Case:
    """One network to time, on the window [-1, 1]^2 of one slice.

    `family` is one of FAMILIES, `width` and `depth` count units and hidden layers, `source`
    says who drew the parameters, torch or numpy.
    """

    family: str
    width: int
    depth: int
    source: str
    network: Network
    plane: Slice

    def __repr__(self) -> str:
        return f"<Case {self.family}, width {self.width}, {self.depth} hidden layers>"


def cases(
    families: Sequence[str], widths: Sequence[int], depths: Sequence[int], seed: int
) -> Iterator[Case]:
    """Draw the networks to time, one after another.

    Generic families come at all `widths` with 3 hidden layers and at all `depths` with width
    32; each degenerate family once, of width 64 and 3 hidden layers; the convolutional
    network once.
    """
    grid = [(w, 3) for w in widths]
    grid += [(32, d) for d in depths if (32, d) not in grid]
    for family in families:
        if family == "convolution":
            yield _convolution(seed)
            continue
        for width, depth in grid if family in ("he", "default") else [(64, 3)]:
            scheme = "default" if family == "default" else "he"
            layers, source = layers_of(scheme, width, depth, seed)
            network = from_arrays(degenerate(layers, family))
            yield Case(family, width, depth, source, network, Slice.plane(2))


def layers_of(scheme: str, width: int, depth: int, seed: int) -> tuple[Layers, str]:
    """Draw the layers of a network 2-width-...-width-1.

    Returns
    -------
    layers : list of (weight, bias)
        float32 arrays (out, in) and (out,).
    source : str
        Who drew them: "torch", or "numpy" where torch is not installed.
    """
    sizes = [2, *[width] * depth, 1]
    try:
        return initialised(sizes, seed, scheme), "torch"
    except ImportError:
        rng = np.random.default_rng(seed)
    out = []
    for a, b in pairwise(sizes):
        if scheme == "he":
            weight, bias = rng.normal(0, (2 / a) ** 0.5, (b, a)), rng.normal(0, 0.5, b)
        else:
            weight, bias = rng.uniform(-1, 1, (b, a)) / a**0.5, rng.uniform(-1, 1, b) / a**0.5
        out.append((weight.astype(np.float32), bias.astype(np.float32)))
    return out, "numpy"


def initialised(sizes: Sequence[int], seed: int, scheme: str) -> Layers:
    """Draw float32 layers as torch does after `torch.manual_seed(seed)`.

    Each layer is an `nn.Linear` in torch's own initialisation ("default"), or then drawn
    again with weights N(0, 2 / inputs) and biases N(0, 1/4) ("he"). Raises ImportError
    without torch.
    """
    import torch

    torch.manual_seed(seed)
    layers = []
    for fan_in, width in pairwise(sizes):
        linear = torch.nn.Linear(fan_in, width)
        if scheme == "he":
            with torch.no_grad():
                linear.weight.normal_(0, (2 / fan_in) ** 0.5)
                linear.bias.normal_(0, 0.5)
        layers.append((linear.weight.detach().numpy(), linear.bias.detach().numpy()))
    return layers


def degenerate(layers: Layers, family: str) -> Layers:
    """The same layers made degenerate: zero biases, numbers in quarters, or units twice each."""
    if family == "zero biases":
        return [(w, np.zeros_like(b)) for w, b in layers]
    if family == "quantised":
        return [(np.round(4 * w) / 4, np.round(4 * b) / 4) for w, b in layers]
    if family == "copies":
        half = [np.arange(len(b)) % (len(b) // 2) for _, b in layers[:-1]]
        hidden = zip(layers[:-1], half, strict=True)
        return [*((w[pick], b[pick]) for (w, b), pick in hidden), layers[-1]]
    return layers


def _convolution(seed: int) -> Case:
    """Two 3 x 3 convolutions and a dense layer, on a slice through three random images.

    The images are 8 x 8; the convolutions have 2 and 4 channels, the last layer 3 outputs.
    """
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)

    nodes: list[Affine | Pointwise] = []
    channels = 1
    for more in (2, 4):
        kernel, scale = integer_matrix(drawn(more, channels, 3, 3), "kernel")
        matrix = Convolution((channels, 8, 8), (more, 8, 8), kernel, (1, 1), (1, 1), (1, 1))
        bias = integer_matrix(np.repeat(drawn(more) / 4, 64), "bias")
        nodes.append(Affine.combine([len(nodes)], [(matrix, scale)], bias))
        size = more * 64
        nodes.append(Pointwise(len(nodes), (Cpwl.relu(),), np.zeros(size, dtype=np.int64)))
        channels = more
    entries, scale = integer_matrix(drawn(3, 256), "weight")
    nodes.append(Affine.combine([4], [(Dense(entries), scale)], integer_matrix(drawn(3), "bias")))
    a, b, c = rng.normal(size=(3, 64)).astype(np.float32)
    network = Network(64, tuple(nodes), len(nodes))
    return Case("convolution", 256, 2, "numpy", network, Slice.through(a, b, c))
