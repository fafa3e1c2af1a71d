"""One node of an ONNX graph with its operands and attributes, as operators are given it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np

from ..errors import NetworkError
from .graph import Graph, Operand, Result, Tensor

__all__ = ["Attribute", "OnnxNode", "Operator"]

Attribute = int | float | str | list[int] | list[float] | list[str] | np.ndarray | None
Value = TypeVar("Value", int, float, str)  # of a scalar attribute


@dataclass(frozen=True)
class OnnxNode:
    """One node of an ONNX graph, its operands looked up.

    Attributes
    ----------
    kind : str
        The operator's name, for example "Conv".
    inputs : list of Operand or None
        Operands in order, None where one is left out.
    attributes : dict
        The stored attributes as plain Python values.
    opset : int
        The version of the operator set: what attributes mean depends on it.
    outputs : int
        How many outputs the node names.
    """

    kind: str
    inputs: list[Operand | None]
    attributes: dict[str, Attribute]
    opset: int
    outputs: int

    def input(self, k: int) -> Operand:
        """Operand k. Raises NetworkError where it is left out."""
        operand = self.optional(k)
        if operand is None:
            raise NetworkError(f"{self.kind} needs input {k}")
        return operand

    def optional(self, k: int) -> Operand | None:
        """Operand k, None where it is left out."""
        return self.inputs[k] if k < len(self.inputs) else None

    def constant(self, k: int, what: str) -> np.ndarray | None:
        """Operand k, None where it is left out. Raises NetworkError where it is computed."""
        operand = self.optional(k)
        if isinstance(operand, Tensor):
            raise NetworkError(f"{self.kind} with computed {what}: it must be constant")
        return operand

    def computed(self, k: int) -> Tensor:
        """Operand k. Raises NetworkError where it is constant."""
        operand = self.input(k)
        if not isinstance(operand, Tensor):
            raise NetworkError(f"{self.kind} of a constant; fold it before exporting")
        return operand

    def whole(self, k: int, what: str) -> np.ndarray:
        """Operand k. Raises NetworkError unless it is a constant of integers."""
        given = self.constant(k, what)
        if given is None or given.dtype.kind not in "iu":
            raise NetworkError(f"{self.kind} needs constant integer {what}")
        return given

    def get(self, name: str, default: Value) -> Value:
        """A scalar attribute or its default, which is a float32 like every stored float.

        The type is the default's unless the file is malformed.
        """
        value = self.attributes.get(name, default)
        return cast(Value, float(np.float32(value)) if isinstance(value, float) else value)

    def word(self, name: str, words: Sequence[str]) -> str:
        """A mode, which must be among `words`; the first is the default."""
        value = self.get(name, words[0])
        if value not in words:
            raise NetworkError(f"{self.kind} with {name} {value!r}: use {' or '.join(words)}")
        return value

    def integers(self, name: str) -> list[int] | None:
        """A list of integers, None where it is not stored."""
        return cast("list[int] | None", self.attributes.get(name))

    def axes(self, place: int, ndim: int) -> list[int] | None:
        """Axes from the attribute (older opsets) or input `place`, None where not given."""
        axes = self.integers("axes")
        if axes is None:
            given = self.constant(place, "axes")
            axes = None if given is None else [int(x) for x in given.ravel()]
        if axes is not None and not all(-ndim <= x < ndim for x in axes):
            raise NetworkError(f"{self.kind} with axes {axes} on {ndim} dimensions")
        return axes


Operator = Callable[[Graph, OnnxNode], Result]
