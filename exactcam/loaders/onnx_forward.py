"""An ONNX model's own forward pass, with which the self-check compares.

The model is cut at the tensors that are compared: what is computed becomes an output, and
what is computed from it reads an input of its own, so that one run feeds every layer a probe.
onnxruntime runs the model in float64, the operators that it has no float64 kernels for in
float32; or, where that fails, in the model's own precision; always without graph optimisation, so that what runs is what
the file says. Without onnxruntime, onnx's reference evaluator runs it in float64,
except where that is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import NetworkError
from ..files.strict_json import printable
from .check import Forward, Traced, Whole
from .onnx_model import copied, opset_of, unused
from .onnx_types import FLOATS, cast_types, element_types

__all__ = ["forward_of", "run_alone", "whole_of"]

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
_SINGLE = {
    "AveragePool",
    "Conv",
    "ConvTranspose",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "PRelu",
    "ThresholdedRelu",
}  # operators without float64 kernels in onnxruntime
_SINGLE_ROUNDOFF = 2.0**-24
_SLACK = 256  # units of roundoff by which a constant of the model may be off
Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def forward_of(model: Any, source: str, traced: Traced, output: str) -> tuple[Forward | None, str]:
    """Find a library that runs the model, and in what precision.

    Parameters
    ----------
    model : onnx.ModelProto
        The model.
    source, output : str
        The names of its input and of its output.
    traced : dict
        The tensors by the names of their values, the input among them; those that are values
        of the network are cut.

    Returns
    -------
    (Forward, "") or (None, str)
        The forward pass, or why there is none.

    Raises
    ------
    NetworkError
        Where onnxruntime is installed and finds the model invalid: then it has no meaning.
    """
    try:
        import onnxruntime
    except ImportError:
        onnxruntime = None
    attempts: list[Callable[[], _Host]] = []  # one model is made at a time: they may be large
    if onnxruntime is not None:
        attempts = [
            lambda: _Host(
                _with_float32(_in_float64(model), model), source, 2.0**-53, onnxruntime, own=True
            ),
            lambda: _Host(model, source, 2.0**-24, onnxruntime),
        ]
    elif (
        not any(n.op_type == "BatchNormalization" for n in model.graph.node) or opset_of(model) > 13
    ):
        attempts = [lambda: _Host(_in_float64(model), source, 2.0**-53, None, own=True)]
    why = "not checked: onnxruntime is not installed"
    for attempt in attempts:
        try:
            host = attempt()
            if host.input_type not in (_FLOAT16, _BFLOAT16):
                return host.tried(traced, output), ""
            why = "not checked: nothing runs the model in more than half precision"
        except (*_FAILURES, *_failures(onnxruntime)) as error:
            why = f"not checked: the model does not run ({_first_line(error)})"
    if onnxruntime is not None:
        attempts[-1]().check_valid(traced[source][1].shape, output)
    return None, why


def run_alone(model: Any, outputs: list[str]) -> list[np.ndarray] | None:
    """The outputs of a model without inputs, by onnxruntime; None where it is absent or cannot."""
    try:
        import onnxruntime
    except ImportError:
        return None
    try:
        return _Host(model, "", 2.0**-24, onnxruntime)._runner(model, outputs)({})
    except (*_FAILURES, *_failures(onnxruntime)):
        return None


def whole_of(model: Any, source: str, shape: Sequence[int], output: str) -> Whole:
    """A model as it was before anything was put in or computed, run as a whole."""

    def outputs(points: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float] | None:
        try:
            import onnxruntime
        except ImportError:
            return None
        host = _Host(model, source, _SINGLE_ROUNDOFF, onnxruntime)
        dtype = {_FLOAT: np.float32, _DOUBLE: np.float64}.get(host.input_type)
        if dtype is None:
            return None
        try:
            run = host._runner(model, [output])
            found = [run({source: point.reshape(shape).astype(dtype)})[0] for point in points]
        except (*_FAILURES, *_failures(onnxruntime)):
            return None
        return [np.asarray(x, np.float64).ravel() for x in found], _SLACK * _SINGLE_ROUNDOFF

    return outputs


def _first_line(error: BaseException) -> str:
    return printable((str(error).splitlines() or [""])[0])[:120]


def _failures(runtime: Any) -> tuple[Any, ...]:
    """onnxruntime's own exceptions, which share no base but Exception, and that of a long model."""
    from google.protobuf.message import EncodeError

    if runtime is None:
        return (EncodeError,)
    state = runtime.capi.onnxruntime_pybind11_state
    own = (getattr(state, name) for name in _RUNTIME_FAILURES if hasattr(state, name))
    return (EncodeError, *own)


@dataclass(frozen=True)
class _Host:
    """A model in one precision and the library that runs it: onnxruntime, or onnx if None.

    A model of its own is cut itself, any other a copy.
    """

    model: Any
    source: str
    roundoff: float
    runtime: Any
    own: bool = False

    @property
    def input_type(self) -> int:
        """ONNX's number for the element type of the input."""
        entries = self.model.graph.input
        return next(e.type.tensor_type.elem_type for e in entries if e.name == self.source)

    def forward(self, traced: Traced, output: str) -> Forward:
        shapes = {n: t.shape for n, (_, t) in traced.items() if t.form.cuts}
        dtype = np.float64 if self.input_type == _DOUBLE else np.float32
        uncut = replace(self, model=type(self.model)())
        uncut.model.graph.node.MergeFrom(self.model.graph.node)
        model = self.model if self.own else copied(self.model)
        renamed = _cut(model, self.source, shapes, output, self.input_type)
        outputs = [entry.name for entry in model.graph.output]
        run = self._runner(model, outputs)

        def cut(handed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            fed = {renamed[name]: x.astype(dtype) for name, x in handed.items() if name in renamed}
            found = zip(outputs, run(fed), strict=True)
            computed = {name: np.asarray(x, np.float64) for name, x in found}
            return {self.source: handed[self.source], **computed}

        kinds = {n.op_type for n in uncut.model.graph.node}
        mixed = self.roundoff < _SINGLE_ROUNDOFF and kinds & _SINGLE
        if not mixed:
            return Forward(cut, self.roundoff, uncut._depths)
        return Forward(cut, _SINGLE_ROUNDOFF, uncut._depths, None, uncut._roundoffs)

    def tried(self, traced: Traced, output: str) -> Forward:
        """The forward pass, run once on zeros."""
        forward = self.forward(traced, output)
        shapes = {n: t.shape for n, (_, t) in traced.items() if t.form.cuts}
        forward.cut({name: np.zeros(shape) for name, shape in shapes.items()})
        return forward

    def check_valid(self, shape: Sequence[int], output: str) -> None:
        """Raise NetworkError where the library finds the model itself, uncut, invalid."""
        if self.input_type in (_FLOAT16, _BFLOAT16):
            return
        dtype = np.float64 if self.input_type == _DOUBLE else np.float32
        try:
            self._runner(self.model, [output])({self.source: np.zeros(shape, dtype)})
        except (*_FAILURES, *_failures(self.runtime)) as error:
            if type(error).__name__ in ("NotImplemented", "EncodeError"):
                return  # neither a missing kernel nor too little memory says what the model is
            raise NetworkError(
                "onnxruntime cannot run the model, so it has no meaning to compare with "
                f"({_first_line(error)}); check=False (--no-check) reads it all the same"
            ) from None

    def _depths(self, cut: set[str]) -> dict[str, int]:
        """For every value, the most operators one after another since the last cuts."""
        out: dict[str, int] = {}
        for node in self.model.graph.node:
            before = [0 if name in cut else out.get(name, 0) for name in node.input]
            out.update(dict.fromkeys(node.output, 1 + max(before, default=0)))
        return out

    def _roundoffs(self, cut: set[str]) -> dict[str, float]:
        """For every value, the largest unit roundoff of the operators since the last cuts."""
        out: dict[str, float] = {}
        for node in self.model.graph.node:
            own = _SINGLE_ROUNDOFF if node.op_type in _SINGLE else self.roundoff
            before = [0.0 if name in cut else out.get(name, 0.0) for name in node.input]
            out.update(dict.fromkeys(node.output, max(own, *before, 0.0)))
        return out

    def _runner(self, model: Any, outputs: list[str]) -> Run:
        if self.runtime is None:
            from onnx.reference import ReferenceEvaluator

            evaluator = ReferenceEvaluator(model)
            return lambda fed: list(evaluator.run(outputs, fed))
        options = self.runtime.SessionOptions()
        options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = self.runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda fed: list(session.run(outputs, fed))


def _cut(
    model: Any, source: str, shapes: dict[str, tuple[int, ...]], output: str, kind: int
) -> dict[str, str]:
    """Let every value of `shapes` be an output of the model, and its readers read a new input.

    Returns the inputs' names by those of the values that have readers.
    """
    from onnx import helper

    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    ends = {name for node in graph.node for name in node.output}
    mark = unused(graph.node, "probe_")
    renamed = {name: mark + name for name in shapes if name != source and name in read & ends}
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    for name, new in renamed.items():
        graph.input.append(helper.make_tensor_value_info(new, kind, list(shapes[name])))
    wanted = [name for name in dict.fromkeys((*shapes, output)) if name in ends]
    del graph.output[:]
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    return {source: source, **renamed}


def _with_float32(double: Any, model: Any) -> Any:
    """Let the operators of a float64 model that have no float64 kernels be run in float32.

    Numbers beyond float32 would be lost: a model that stores float64 is left as it is.
    """
    from onnx import GraphProto, helper

    stored = {tensor.data_type for tensor in model.graph.initializer}
    kinds = {entry.type.tensor_type.elem_type for entry in model.graph.input}
    if _DOUBLE in stored | kinds or not any(n.op_type in _SINGLE for n in double.graph.node):
        return double
    mark = unused(double.graph.node, "single_")
    nodes: list[Any] = []
    known: set[str] = set()
    for node in double.graph.node:
        if node.op_type not in _SINGLE:
            nodes.append(node)
            continue
        inner = type(node).FromString(node.SerializeToString())
        for place, name in enumerate(node.input):
            if name and name not in known:
                nodes.append(helper.make_node("Cast", [name], [mark + "of_" + name], to=_FLOAT))
                known.add(name)
            inner.input[place] = mark + "of_" + name if name else ""
        for place, name in enumerate(node.output):
            inner.output[place] = mark + "to_" + name if name else ""
        nodes.append(inner)
        for name in filter(None, node.output):
            nodes.append(helper.make_node("Cast", [mark + "to_" + name], [name], to=_DOUBLE))
    fresh = GraphProto(node=nodes)  # before the old nodes go, of which some are among them
    double.graph.ClearField("node")
    double.graph.node.MergeFrom(fresh.node)
    return double


def _widen_casts(model: Any, types: dict[str, int]) -> None:
    """Let every cast to a float type give float64; those that round, of constants, are no more."""
    from onnx import helper

    for node in model.graph.node:
        if node.op_type in ("Cast", "CastLike") and cast_types(node, types)[1] in FLOATS:
            node.op_type = "Cast"
            del node.input[1:], node.attribute[:]
            node.attribute.extend([helper.make_attribute("to", _DOUBLE)])


def _in_float64(model: Any) -> Any:
    """The same model with every float tensor, input and cast in float64."""
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
    if any(node.op_type in ("Cast", "CastLike") for node in copy.graph.node):
        _widen_casts(copy, element_types(model))
    for node in copy.graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and not set(node.output) & kept:
                widen(attribute.t)
    return copy
