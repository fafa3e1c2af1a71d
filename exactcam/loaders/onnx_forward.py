"""An ONNX model's own forward pass, with which the self-check compares.

onnxruntime runs the model in float64 if it has float64 kernels for all of it, else in
the model's own precision, always without graph optimisation, so that what runs is what
the file says. Without onnxruntime, onnx's reference evaluator runs it in float64,
except where that is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import NetworkError
from ..files.strict_json import printable
from .check import Forward

__all__ = ["forward_of"]

_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16
_FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError)
_RUNTIME_FAILURES = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NotImplemented",
    "RuntimeException",
    "EPFail",
    "NoModel",
    "NoSuchFile",
    "ModelLoaded",
)
Run = Callable[[np.ndarray], list[np.ndarray]]


def forward_of(
    model: Any, source: str, shape: Sequence[int], output: str
) -> tuple[Forward | None, str]:
    """Find a library that runs the model, and in what precision.

    Parameters
    ----------
    model : onnx.ModelProto
        The model.
    source, output : str
        The names of its input and of the value to compare.
    shape : sequence of int
        The shape of the input.

    Returns
    -------
    (Forward, "") or (None, str)
        The forward pass, or why there is none.

    Raises
    ------
    NetworkError
        Where onnxruntime is installed and finds the model invalid: then it has no meaning.
    """
    double = _in_float64(model)
    try:
        import onnxruntime
    except ImportError:
        onnxruntime = None
    attempts: list[_Host] = []
    if onnxruntime is not None:
        attempts = [
            _Host(double, source, 2.0**-53, onnxruntime),
            _Host(model, source, 2.0**-24, onnxruntime),
        ]
    elif not any(n.op_type == "BatchNormalization" for n in model.graph.node) or _opset(model) > 13:
        attempts = [_Host(double, source, 2.0**-53, None)]
    why, invalid = "not checked: onnxruntime is not installed", False
    for host in attempts:
        if host.input_type in (_FLOAT16, _BFLOAT16):
            why = "not checked: nothing runs the model in more than half precision"
            continue
        try:
            forward = host.forward(shape, output)
            forward.output(np.zeros(int(np.prod(shape))))
        except (*_FAILURES, *_failures(host.runtime)) as error:
            text = printable((str(error).splitlines() or [""])[0])[:120]
            why = f"not checked: the model does not run ({text})"
            # A kernel that is missing says nothing about the model.
            invalid |= host.runtime is not None and type(error).__name__ != "NotImplemented"
            continue
        return forward, ""
    if invalid:
        raise NetworkError(
            f"onnxruntime cannot run the model, so it has no meaning to compare with ({text}); "
            "check=False (--no-check) reads it all the same"
        )
    return None, why


def _failures(runtime: Any) -> tuple[Any, ...]:
    """onnxruntime's own exceptions, which share no base but Exception."""
    if runtime is None:
        return ()
    state = runtime.capi.onnxruntime_pybind11_state
    return tuple(getattr(state, name) for name in _RUNTIME_FAILURES if hasattr(state, name))


def _opset(model: Any) -> int:
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)


@dataclass(frozen=True)
class _Host:
    """A model in one precision and the library that runs it: onnxruntime, or onnx if None."""

    model: Any
    source: str
    roundoff: float
    runtime: Any

    @property
    def input_type(self) -> int:
        """ONNX's number for the element type of the input."""
        entries = self.model.graph.input
        return next(e.type.tensor_type.elem_type for e in entries if e.name == self.source)

    def forward(self, shape: Sequence[int], output: str) -> Forward:
        run = self._runner([output])
        dtype = np.float64 if self.input_type == _DOUBLE else np.float32

        def at(point: np.ndarray) -> np.ndarray:
            return point.reshape(tuple(shape)).astype(dtype)

        def layers(point: np.ndarray) -> dict[str, np.ndarray]:
            names = [name for node in self.model.graph.node for name in node.output if name]
            found = self._runner(names)(at(point))
            return {name: np.ravel(value) for name, value in zip(names, found, strict=True)}

        return Forward(lambda point: np.ravel(run(at(point))[0]), layers, self.roundoff)

    def _runner(self, outputs: list[str]) -> Run:
        from onnx import ModelProto, helper

        copy = ModelProto()
        copy.CopyFrom(self.model)
        del copy.graph.output[:]
        copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
        if self.runtime is None:
            from onnx.reference import ReferenceEvaluator

            evaluator = ReferenceEvaluator(copy)
            return lambda point: list(evaluator.run(outputs, {self.source: point}))
        options = self.runtime.SessionOptions()
        options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = self.runtime.InferenceSession(
            copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda point: list(session.run(outputs, {self.source: point}))


def _in_float64(model: Any) -> Any:
    """The same model with every float tensor and input in float64."""
    from onnx import AttributeProto, ModelProto, numpy_helper

    narrow = (_FLOAT, _FLOAT16, _BFLOAT16)
    copy = ModelProto()
    copy.CopyFrom(model)
    kept = {
        name for n in copy.graph.node if n.op_type in ("Resize", "Upsample") for name in n.input[1:]
    }

    def widen(tensor: Any) -> None:
        if tensor.data_type in narrow:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    for tensor in copy.graph.initializer:
        if tensor.name not in kept:
            widen(tensor)
    for entry in (*copy.graph.input, *copy.graph.output):
        if entry.type.tensor_type.elem_type in narrow and entry.name not in kept:
            entry.type.tensor_type.elem_type = _DOUBLE
    del copy.graph.value_info[:]
    for node in copy.graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i in narrow:
                attribute.i = _DOUBLE
            if attribute.type == AttributeProto.TENSOR and not set(node.output) & kept:
                widen(attribute.t)
    return copy
