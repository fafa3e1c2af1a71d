"""The exact network: what every engine, file, certificate and picture is about.

A network is a list of nodes in single-assignment order; value 0 is the input and
value k + 1 the output of node k (see `exactcam.model.nodes` for the three kinds). It is
the real-valued function of the stored parameters, not the rounded float forward
pass. It evaluates points exactly, and has one canonical text form, whose SHA-256
names its content in every report and certificate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix
from ..arithmetic.rational import (
    common_integers,
    mpq,
    mpz,
    objects,
    rational,
    rational_to_hex,
    to_hex,
)
from ..errors import NetworkError
from ..runtime.cached import cached_property
from .nodes import Affine, Block, MaxGroups, Node, Pointwise, check_node

__all__ = ["AffineRun", "Layer", "Network"]

Value = TypeVar("Value")  # exact forms, float forms, class numbers: what a pass computes


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of activation units, and its place in the order of evaluation.

    Attributes
    ----------
    number : int
        Its position among the layers, 0 for the first.
    index : int
        The number of its node; `value`, its output, is value index + 1.
    node : Pointwise or MaxGroups
        The activation functions; it reads value number `source`.
    units : slice
        Its columns of a pattern; `units.start` units belong to earlier layers.
    """

    number: int
    index: int
    node: Pointwise | MaxGroups
    units: slice

    @property
    def source(self) -> int:
        return self.node.source

    @property
    def value(self) -> int:
        return self.index + 1


@dataclass(frozen=True)
class AffineRun:
    """Affine nodes `first` to `stop` - 1 of a network, evaluated in a row between two layers;
    `live` are the values that are read at `stop` or later."""

    first: int
    stop: int
    live: frozenset[int]

    @property
    def nodes(self) -> range:
        return range(self.first, self.stop)


@dataclass(frozen=True, eq=False)
class Network:
    """A continuous piecewise-linear network with exact rational parameters.

    `inputs` is the input size, `output` the number of the value that is the
    network's output, `names` one label per node for messages, `notes` the
    substitutions a loader made (G4), which every report repeats. Raises
    NetworkError where nodes do not fit together.
    """

    inputs: int
    nodes: tuple[Node, ...]
    output: int
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", tuple(str(k) for k in range(len(self.nodes))))
        if len(self.names) != len(self.nodes) or self.inputs < 1:
            raise NetworkError("a network needs at least one input and one name per node")
        sizes = [self.inputs]
        for name, node in zip(self.names, self.nodes, strict=True):
            if any(not 0 <= k < len(sizes) for k in node.inputs):
                raise NetworkError(f"layer {name}: reads a value that is not computed before it")
            check_node(f"layer {name}", node, [sizes[k] for k in node.inputs])
            if node.size < 1:
                raise NetworkError(f"layer {name}: has no units")
            sizes.append(node.size)
        if not 0 <= self.output < len(sizes):
            raise NetworkError(f"output {self.output} is not a value of the network")
        object.__setattr__(self, "sizes", tuple(sizes))

    @property
    def outputs(self) -> int:
        """The number of output components."""
        return self.sizes[self.output]

    @cached_property
    def activations(self) -> tuple[int, ...]:
        """The indices of the Pointwise and MaxGroups nodes: the layers of the pattern."""
        return tuple(k for k, n in enumerate(self.nodes) if not isinstance(n, Affine))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The activation nodes in order, with their columns of a pattern."""
        out: list[Layer] = []
        for index, node in enumerate(self.nodes):
            if not isinstance(node, Affine):
                start = out[-1].units.stop if out else 0
                out.append(Layer(len(out), index, node, slice(start, start + node.size)))
        return tuple(out)

    @cached_property
    def affine_runs(self) -> tuple[AffineRun, ...]:
        """The affine nodes before each layer, and last those between the last layer and the end."""
        ends = [*self.activations, len(self.nodes)]
        starts = [0, *(k + 1 for k in self.activations)]
        return tuple(
            AffineRun(first, stop, frozenset(v for v, k in enumerate(self.last_use) if k >= stop))
            for first, stop in zip(starts, ends, strict=True)
        )

    def through_affine(
        self,
        number: int,
        values: Mapping[int, Value],
        apply: Callable[[int, list[Value]], Value],
    ) -> dict[int, Value]:
        """Evaluate the affine nodes that precede layer `number`; the values still read then.

        `values` are the live ones by number, `apply(k, inputs)` is affine node k. A `number`
        of len(layers) leads to the output. Nodes whose value is given are not evaluated.
        """
        run, found = self.affine_runs[number], dict(values)
        for k in run.nodes:
            if k + 1 not in found:
                found[k + 1] = apply(k, [found[i] for i in self.nodes[k].inputs])
        return {v: x for v, x in found.items() if v in run.live}

    @cached_property
    def unit_offsets(self) -> tuple[int, ...]:
        """Where each activation node's units start in the pattern; the last entry is their number."""
        sizes = [self.nodes[k].size for k in self.activations]
        return (0, *(int(n) for n in np.cumsum(sizes)))

    @property
    def units(self) -> int:
        return self.unit_offsets[-1]

    @cached_property
    def code_limits(self) -> np.ndarray:
        """The largest code of every unit, in pattern order; int64 (units,)."""
        limits = [self.nodes[k].code_limits for k in self.activations]  # type: ignore[union-attr]
        return np.concatenate([np.zeros(0, dtype=np.int64), *limits])

    @cached_property
    def pattern_dtype(self) -> np.dtype[Any]:
        """The smallest big-endian unsigned type that holds every code (sorts as bytes do)."""
        largest = int(self.code_limits.max(initial=0))
        return np.dtype(">u1" if largest < 1 << 8 else ">u2" if largest < 1 << 16 else ">u4")

    @cached_property
    def last_use(self) -> tuple[int, ...]:
        """For each value, the last node that reads it (the number of nodes for the output)."""
        last = [-1] * len(self.sizes)
        for k, node in enumerate(self.nodes):
            for value in node.inputs:
                last[value] = k
        last[self.output] = len(self.nodes)
        return tuple(last)

    def evaluate(self, point: Sequence[Any]) -> tuple[mpq, ...]:
        """The exact output at one input vector of exact numbers. O(parameters)."""
        return self.evaluate_many([point])[0]

    def evaluate_many(self, points: Sequence[Sequence[Any]]) -> list[tuple[mpq, ...]]:
        """The exact outputs at several input vectors."""
        block, _ = self._forward(self._points(points))
        scales = block.weights * block.denominator
        return [
            tuple(mpq(entry, scale) for entry in column)
            for column, scale in zip(block.columns.T, scales, strict=True)
        ]

    def patterns(self, points: Sequence[Sequence[Any]]) -> np.ndarray:
        """The codes of every unit at several points, (points, units); odd codes are ties."""
        return self._forward(self._points(points))[1].T.astype(self.pattern_dtype)

    def forward(self, block: Block) -> tuple[Block, np.ndarray]:
        """(output block, codes (units, columns)) at a block of points in input space."""
        return self._forward(block)

    def _points(self, points: Sequence[Sequence[Any]]) -> Block:
        vectors = []
        for k, point in enumerate(points):
            if len(point) != self.inputs:
                raise NetworkError(f"point {k} has {len(point)} coordinates, not {self.inputs}")
            vectors.append([rational(x, f"point {k}[{i}]") for i, x in enumerate(point)])
        pairs = [common_integers(vector) for vector in vectors]
        columns = objects((x for numbers, _ in pairs for x in numbers), (len(pairs), self.inputs))
        return Block(columns.T, objects(scale for _, scale in pairs), mpz(1))

    def _forward(self, block: Block) -> tuple[Block, np.ndarray]:
        values: dict[int, Block] = {0: block}
        codes = [np.zeros((0, len(block.weights)), dtype=np.int64)]
        for k, node in enumerate(self.nodes):
            if isinstance(node, Affine):
                values[k + 1] = node.apply([values[i] for i in node.inputs])
            else:
                codes.append(node.codes(values[node.source]))
                values[k + 1] = node.apply(values[node.source], codes[-1])
            for value in {0, *node.inputs}:
                if self.last_use[value] <= k:
                    values.pop(value, None)
        return values[self.output], np.concatenate(codes)

    def document(self) -> dict[str, Any]:
        """The computation as JSON values (proofs/network.md); names and notes are not in it."""
        return {
            "format": "exactcam-network",
            "version": 1,
            "inputs": self.inputs,
            "output": self.output,
            "nodes": [_node_document(node) for node in self.nodes],
        }

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `document()` as JSON with sorted keys and no white space."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def _node_document(node: Node) -> dict[str, Any]:
    if isinstance(node, Affine):
        return {
            "op": "affine",
            "inputs": list(node.inputs),
            "matrices": [_matrix_document(m) for m in node.matrices],
            "bias": [to_hex(b) for b in node.bias],
            "scale": to_hex(node.scale),
        }
    if isinstance(node, Pointwise):
        functions = [
            {
                "breakpoints": [rational_to_hex(t) for t in f.breakpoints],
                "pieces": [[rational_to_hex(s), rational_to_hex(c)] for s, c in f.pieces],
            }
            for f in node.functions
        ]
        which = [int(f) for f in node.which]
        return {"op": "pointwise", "input": node.source, "functions": functions, "which": which}
    return {"op": "max", "input": node.source, "groups": [list(map(int, g)) for g in node.groups]}


def _matrix_document(matrix: Matrix) -> dict[str, Any]:
    entries = [to_hex(x) for x in matrix.numbers]
    if isinstance(matrix, Dense):
        return {"kind": "dense", "shape": list(matrix.shape), "entries": entries}
    if isinstance(matrix, Convolution):
        return {
            "kind": "convolution",
            "source": list(matrix.source),
            "target": list(matrix.target),
            "kernel": list(matrix.kernel.shape),
            "stride": list(matrix.stride),
            "padding": list(matrix.padding),
            "dilation": list(matrix.dilation),
            "groups": matrix.groups,
            "transpose": matrix.transpose,
            "entries": entries,
        }
    return {
        "kind": "sparse",
        "shape": list(matrix.shape),
        "indptr": [int(i) for i in matrix.indptr],
        "indices": [int(i) for i in matrix.indices],
        "entries": entries,
    }
