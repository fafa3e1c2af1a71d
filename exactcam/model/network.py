"""A continuous piecewise-linear network with exact rational parameters.

A network is a list of nodes in single-assignment order; value 0 is the input and
value k + 1 the output of node k (see `exactcam.model.nodes` for the three kinds). It is
the real-valued function of the stored parameters, not the rounded float forward
pass. It evaluates points exactly, and has one canonical text form, whose SHA-256
names its content in every report and certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ..arithmetic.rational import common_integers, mpq, mpz, objects, rational
from ..errors import NetworkError
from ..files.strict_json import dump, printable
from ..runtime.arguments import expect, integer, listed
from ..runtime.cached import WithoutCaches, cached_property
from .node_document import node_document, node_text
from .nodes import Activation, Affine, Block, MaxGroups, Node, Pointwise, check_node

__all__ = ["AffineRun", "Layer", "Network"]

Value = TypeVar("Value")  # exact forms, float forms, class numbers: what a pass computes
_LARGEST = 1 << 22  # inputs: slices are lists of so many exact numbers


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
    node: Activation
    units: slice

    def __repr__(self) -> str:
        return f"<Layer {self.number}: {self.node!r}>"

    @property
    def source(self) -> int:
        """The number of the value that the layer reads."""
        return self.node.source

    @property
    def value(self) -> int:
        """The number of the value that the layer computes."""
        return self.index + 1

    def codes(self, patterns: np.ndarray) -> np.ndarray:
        """The layer's columns of one pattern or of several, as int64."""
        return patterns[..., self.units].astype(np.int64)


_POINT = "a vector of exact numbers, one for each input"


@dataclass(frozen=True)
class AffineRun:
    """The affine nodes evaluated between one layer of activation units and the next.

    Attributes
    ----------
    nodes : range
        Their indices.
    live : frozenset of int
        The values, by number, that are read after the run: by the next layer or later.
    """

    nodes: range
    live: frozenset[int]


@dataclass(frozen=True, eq=False)
class Network(WithoutCaches):
    """A continuous piecewise-linear network with exact rational parameters.

    Parameters
    ----------
    inputs : int
        The size of the input, value 0.
    nodes : tuple of Affine, Pointwise or MaxGroups
        In an order of evaluation; node k computes value k + 1 from earlier ones.
    output : int
        The number of the value that is the network's output.
    names : tuple of str
        One label per node for messages, by default its index.
    notes : tuple of str
        The substitutions a loader made (G4), which every report repeats.

    Raises
    ------
    NetworkError
        Nodes do not fit together.
    """

    inputs: int
    nodes: tuple[Node, ...]
    output: int
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = field(init=False)

    def __repr__(self) -> str:
        parameters = sum(m.held.size for n in self.affine_nodes.values() for m in n.matrices)
        parameters += sum(node.size for node in self.affine_nodes.values())
        layers = f"{len(self.layers)} layer{'s' if len(self.layers) != 1 else ''}"
        return (
            f"<Network {self.inputs} -> {self.outputs}, {self.units:,} units in {layers}, "
            f"{parameters:,} parameters>"
        )

    def __post_init__(self) -> None:
        self._check_kinds()
        if not self.names:
            object.__setattr__(self, "names", tuple(str(k) for k in range(len(self.nodes))))
        for name in ("inputs", "output"):
            number = integer(getattr(self, name), f"{name} of a network", error=NetworkError)
            object.__setattr__(self, name, number)
        if len(self.names) != len(self.nodes) or self.inputs < 1:
            raise NetworkError("a network needs at least one input and one name per node")
        if self.inputs > _LARGEST:
            raise NetworkError(f"a network of {self.inputs:,} inputs, more than {_LARGEST:,}")
        self._check_texts()
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

    def _check_kinds(self) -> None:
        """Make tuples of nodes, names and notes; NetworkError for what is none of the kind."""
        kind = "an Affine, Pointwise or MaxGroups"
        wanted = {"nodes": f"a tuple, each node {kind}", "names": "a str for each node or ()"}
        for name in ("nodes", "names", "notes"):
            given = getattr(self, name)
            given = () if name == "names" and given is None else given
            entries = listed(given, name, wanted.get(name, "a tuple of str"), NetworkError)
            object.__setattr__(self, name, tuple(entries))
        for k, node in enumerate(self.nodes):
            expect(node, (Affine, Pointwise, MaxGroups), f"nodes[{k}]", kind, NetworkError)

    def _check_texts(self) -> None:
        """Raise NetworkError for a name or note that could forge lines of a report."""
        for text in (*self.names, *self.notes):
            if not isinstance(text, str) or printable(text) != text:
                raise NetworkError(
                    f"{str(text)[:40]!r} as a name or note: give printable text, one line of at "
                    "most 4,096 characters"
                )

    @property
    def outputs(self) -> int:
        """The number of output components."""
        return self.sizes[self.output]

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
    def activations(self) -> tuple[int, ...]:
        """The indices of the activation nodes, one per layer."""
        return tuple(layer.index for layer in self.layers)

    @cached_property
    def affine_nodes(self) -> dict[int, Affine]:
        """The affine nodes by index."""
        return {k: node for k, node in enumerate(self.nodes) if isinstance(node, Affine)}

    @cached_property
    def affine_runs(self) -> tuple[AffineRun, ...]:
        """The affine nodes before each layer; the last run leads from the last layer to the end."""
        starts = [0, *(layer.value for layer in self.layers)]
        stops = [*(layer.index for layer in self.layers), len(self.nodes)]
        return tuple(
            AffineRun(range(start, stop), self._live(stop))
            for start, stop in zip(starts, stops, strict=True)
        )

    def _live(self, stop: int) -> frozenset[int]:
        """The values computed before node `stop` that it or later nodes read."""
        return frozenset(v for v in range(stop + 1) if self.last_use[v] >= stop)

    def through_affine(
        self,
        number: int,
        values: Mapping[int, Value],
        apply: Callable[[int, list[Value]], Value],
    ) -> dict[int, Value]:
        """Evaluate the affine nodes that precede a layer, on values of any type.

        Parameters
        ----------
        number : int
            The number of the layer; len(layers) stands for the end of the network.
        values : mapping of int
            The values known so far, by number: the live ones and the output of the layer before.
            Nodes whose value is among them are not evaluated.
        apply : callable
            `apply(k, inputs)` is the value of affine node k, given the values it reads.

        Returns
        -------
        dict
            The values that are read by that layer or later. Others are dropped after
            their last use.
        """
        run, found = self.affine_runs[number], dict(values)
        for k in run.nodes:
            inputs = self.nodes[k].inputs
            if k + 1 not in found:
                found[k + 1] = apply(k, [found[i] for i in inputs])
            for i in inputs:
                if self.last_use[i] == k:
                    found.pop(i, None)
        return {v: x for v, x in found.items() if v in run.live}

    def blocks_before(self, number: int, values: Mapping[int, Block]) -> dict[int, Block]:
        """The exact blocks that layer `number` or later nodes read: `through_affine` of blocks."""
        return self.through_affine(number, values, lambda k, x: self.affine_nodes[k].apply(x))

    @cached_property
    def unit_offsets(self) -> tuple[int, ...]:
        """Where each activation node's units start in the pattern; the last entry is their number."""
        return (0, *(layer.units.stop for layer in self.layers))

    @property
    def units(self) -> int:
        """The number of activation units: the length of a pattern."""
        return self.unit_offsets[-1]

    @cached_property
    def code_limits(self) -> np.ndarray:
        """The largest code of every unit, in pattern order; int64 (units,)."""
        limits = [layer.node.code_limits for layer in self.layers]
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
        block, _ = self.forward(self._points(points))
        scales = block.weights * block.denominator
        return [
            tuple(mpq(entry, scale) for entry in column)
            for column, scale in zip(block.columns.T, scales, strict=True)
        ]

    def patterns(self, points: Sequence[Sequence[Any]]) -> np.ndarray:
        """The codes of every unit at several points, (points, units); odd codes are ties."""
        return self.forward(self._points(points))[1].T.astype(self.pattern_dtype)

    def forward(self, block: Block) -> tuple[Block, np.ndarray]:
        """(output block, codes (units, columns)) at a block of points in input space."""
        values = self.blocks_before(0, {0: block})
        codes = [np.zeros((0, len(block.weights)), dtype=np.int64)]
        for layer in self.layers:
            source = values[layer.source]
            codes.append(layer.node.codes(source))
            values[layer.value] = layer.node.apply(source, codes[-1])
            values = self.blocks_before(layer.number + 1, values)
        return values[self.output], np.concatenate(codes)

    def _points(self, points: Sequence[Sequence[Any]]) -> Block:
        """Input vectors as a block of columns, each in lowest terms."""
        vectors = []
        for k, point in enumerate(listed(points, "points", _POINT, NetworkError)):
            point = listed(point, f"point {k}", _POINT, NetworkError)
            if len(point) != self.inputs:
                raise NetworkError(f"point {k} has {len(point)} coordinates, not {self.inputs}")
            vectors.append([rational(x, f"point {k}[{i}]") for i, x in enumerate(point)])
        pairs = [common_integers(vector) for vector in vectors]
        columns = objects((x for numbers, _ in pairs for x in numbers), (len(pairs), self.inputs))
        return Block(columns.T, objects(scale for _, scale in pairs), mpz(1))

    def document(self) -> dict[str, Any]:
        """The computation as JSON values (proofs/network.md); names and notes are not in it."""
        return self._document([node_document(node) for node in self.nodes])

    def _document(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "format": "exactcam-network",
            "version": 1,
            "inputs": self.inputs,
            "output": self.output,
            "nodes": nodes,
        }

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `document()` as JSON with sorted keys and no white space."""
        before, after = dump(self._document([])).split("[]")
        found = hashlib.sha256(f"{before}[".encode("ascii"))
        for k, node in enumerate(self.nodes):
            found.update(b"," * (k > 0))
            for text in node_text(node):
                found.update(text.encode("ascii"))
        found.update(f"]{after}".encode("ascii"))
        return found.hexdigest()
