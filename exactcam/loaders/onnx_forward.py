"""An ONNX model's own forward pass, for the self-check; `from_onnx` hands onnx in.

onnxruntime runs the model in float64 if it has float64 kernels for all of it, else in
the model's own precision, always without graph optimisation, so that what runs is what
the file says. Without onnxruntime, onnx's reference evaluator runs it in float64,
except where that is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .check import Forward

__all__ = ["forward_of"]

_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16
_FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError)
Reference = Callable[[Any], Any]
Run = Callable[[np.ndarray], list[np.ndarray]]


def forward_of(
    onnx: Any, reference: Reference, model: Any, source: str, shape: Sequence[int], output: str
) -> tuple[Forward | None, str]:
    """(the forward pass to value `output`, "") or (None, why there is none).

    `reference` makes onnx's own evaluator, whose import is slow, of a model.
    """
    double = _in_float64(onnx, model)
    try:
        import onnxruntime
    except ImportError:
        onnxruntime = None
    attempts: list[tuple[Any, float, Any]] = []
    if onnxruntime is not None:
        attempts = [(double, 2.0**-53, onnxruntime), (model, 2.0**-24, onnxruntime)]
    elif not any(n.op_type == "BatchNormalization" for n in model.graph.node) or _opset(model) > 13:
        attempts = [(double, 2.0**-53, None)]
    why = "onnxruntime is not installed and onnx's reference evaluator does not cover the model"
    for candidate, roundoff, runtime in attempts:
        kind = next(e.type.tensor_type.elem_type for e in candidate.graph.input if e.name == source)
        if kind in (_FLOAT16, _BFLOAT16):
            why = "nothing runs the model in more than half precision"
            continue
        dtype = np.float64 if kind == _DOUBLE else np.float32
        try:
            forward = _forward(
                onnx, reference, candidate, source, shape, output, dtype, roundoff, runtime
            )
            forward.output(np.zeros(int(np.prod(shape))))
        except (*_FAILURES, *_failures(runtime)) as error:
            why = f"the model does not run ({(str(error).splitlines() or [''])[0][:120]})"
            continue
        return forward, ""
    return None, why


def _failures(runtime: Any) -> tuple[Any, ...]:
    """onnxruntime's own exceptions, which share no base but Exception."""
    if runtime is None:
        return ()
    state = runtime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented",
             "RuntimeException", "EPFail", "NoModel", "NoSuchFile", "ModelLoaded")  # fmt: skip
    return tuple(getattr(state, name) for name in names if hasattr(state, name))


def _opset(model: Any) -> int:
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)


def _forward(
    onnx: Any, reference: Reference, model: Any, source: str, shape: Sequence[int], output: str,
    dtype: Any, roundoff: float, runtime: Any,
) -> Forward:  # fmt: skip
    run = _runner(onnx, reference, model, source, [output], runtime)

    def at(point: np.ndarray) -> np.ndarray:
        return point.reshape(tuple(shape)).astype(dtype)

    def layers(point: np.ndarray) -> dict[str, np.ndarray]:
        names = [name for node in model.graph.node for name in node.output if name]
        found = _runner(onnx, reference, model, source, names, runtime)(at(point))
        return {name: np.ravel(value) for name, value in zip(names, found, strict=True)}

    return Forward(lambda point: np.ravel(run(at(point))[0]), layers, roundoff)


def _runner(
    onnx: Any, reference: Reference, model: Any, source: str, outputs: list[str], runtime: Any
) -> Run:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in outputs)
    if runtime is None:
        evaluator = reference(copy)
        return lambda point: list(evaluator.run(outputs, {source: point}))
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda point: list(session.run(outputs, {source: point}))


def _in_float64(onnx: Any, model: Any) -> Any:
    """The same model with every float tensor and input in float64."""
    narrow = (_FLOAT, _FLOAT16, _BFLOAT16)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = {
        name for n in copy.graph.node if n.op_type in ("Resize", "Upsample") for name in n.input[1:]
    }

    def widen(tensor: Any) -> None:
        if tensor.data_type in narrow:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

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
            if attribute.type == onnx.AttributeProto.TENSOR and not set(node.output) & kept:
                widen(attribute.t)
    return copy
