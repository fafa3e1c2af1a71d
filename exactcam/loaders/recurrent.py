"""Recurrent layers with ReLU, unrolled: what a step multiplies is constant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..model.nodes import Cpwl
from . import layers
from .graph import Constant, Graph, Operand, Tensor

__all__ = ["RecurrentWeights", "part", "relu_layer"]


class RecurrentWeights(NamedTuple):
    """The weights of one layer and direction: (hidden, inputs), (hidden, hidden) and (hidden,)."""

    inputs: Operand
    hidden: Operand
    input_bias: Operand | None = None
    hidden_bias: Operand | None = None


def relu_layer(
    graph: Graph, x: Operand, start: Operand, weights: RecurrentWeights, backward: bool = False
) -> tuple[Operand, Operand]:
    """One layer of relu(W x + b + V h + c) over a sequence (steps, ..., inputs).

    Gives the hidden states of all steps, (steps, ..., hidden), and the last one.
    """
    if any(isinstance(w, Tensor) for w in weights):
        raise graph.refuse("rnn", "its weights are computed; they must be constant")
    states: dict[int, Operand] = {}
    h = start
    steps = range(x.shape[0])
    for t in reversed(steps) if backward else steps:
        total = layers.matmul(graph, h, _turned(weights.hidden))
        now = layers.matmul(graph, part(graph, x, t), _turned(weights.inputs))
        total = graph.add(total, now)
        for bias in (weights.input_bias, weights.hidden_bias):
            total = total if bias is None else graph.add(total, bias)
        h = states[t] = graph.pointwise(total, [Cpwl.relu()])
    return graph.stack([states[t] for t in steps], 0), h


def part(graph: Graph, a: Operand, k: int) -> Operand:
    """Entry k along the first axis."""
    return graph.view(a, lambda x: x[k])


def _turned(weight: Operand) -> Constant:
    assert isinstance(weight, np.ndarray)
    return weight.T
