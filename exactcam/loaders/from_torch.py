"""Networks from torch modules and programs exported by torch.

The module is traced by `torch.export` before decomposition, so what is read is the
list of ATen operators a forward pass performs, whatever Python wrote it: nested
modules, residual connections, functional calls, views. Parameters and buffers of
any float width are the exact numbers they are. `torch_ops` says what each operator
is; nothing is guessed, and an operator that is not in its table is refused.
"""

from __future__ import annotations

import copy
import logging
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..errors import (
    MissingExtraError,
    NetworkError,
    UnsupportedLayerError,
)
from ..files.reading import reading
from ..files.torch_archive import safe_archive
from ..model.network import Network
from .casts import FORMATS
from .check import Forward, Traced, compare
from .graph import Graph, Operand, Tensor
from .torch_ops import OPERATORS, REFUSED
from .torch_views import CASTS

__all__ = ["from_torch", "read_pt2"]

_FINAL = ("softmax", "_softmax", "log_softmax", "_log_softmax", "sigmoid", "log_sigmoid")
# What a user's module or torch may raise while it is traced.
_TORCH_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)
_LARGEST = 1 << 23  # entries of an input
_UNTRACED = "of several inputs, or of control flow that depends on the data, has no single function"


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(
            "reading torch modules needs torch: pip install 'exactcam[torch]'"
        ) from None
    return torch


def from_torch(
    module: Any,
    input_shape: Sequence[int] | None = None,
    *,
    example: Any = None,
    drop_final: bool = False,
    check: bool = True,
) -> Network:
    """The exact network of a torch module.

    Inputs and outputs are flattened. Parameters of any float width and Python scalars
    in the module are the exact numbers they are.

    Parameters
    ----------
    module : torch.nn.Module
        The module as it is to be read: BatchNorm and Dropout must be in evaluation mode.
    input_shape : sequence of int, optional
        The shape of one input without the batch dimension, which is taken as 1. An
        `nn.Sequential` that starts with `nn.Linear` needs none.
    example : torch.Tensor, optional
        An input with its batch dimension, instead of `input_shape`.
    drop_final : bool
        Leave out a final softmax or sigmoid and say so in the notes. Neither moves a
        decision boundary, but both change the function.
    check : bool
        Compare the result with the module's own float64 forward pass; a difference beyond
        the rigorous rounding bound (see `loaders.check`) is an error.

    Raises
    ------
    UnsupportedLayerError
        For an operator without an exact piecewise-linear form; names the layer.
    NetworkError
        For a module that cannot be traced, and for a failed check.
    MissingExtraError
        Without torch.
    """
    torch = _torch()
    module = _unwrapped(torch, module)
    _refuse_parameters(torch, module)
    _refuse_training(torch, module)
    example = _example(torch, module, input_shape, example)
    program = _exported(torch, module, example)
    read = _translate(torch, program, drop_final)
    network = read.graph.network(read.output)
    if not check:
        return network
    whole = None if read.casts or drop_final else _module_forward(torch, module, example)
    return _checked(torch, network, read, whole)


def _unwrapped(torch: Any, module: Any) -> Any:
    """The module itself, taken out of torch.compile and DataParallel; refused if it is none."""
    while isinstance(module, torch.nn.Module):
        parallel = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
        if isinstance(module, torch.jit.ScriptModule):
            raise NetworkError(
                "the module is scripted by torch.jit, which cannot be traced again; give the "
                "module it was made from"
            )
        if isinstance(module, parallel):
            module = module.module
        elif hasattr(module, "_orig_mod"):
            module = module._orig_mod
        else:
            return module
    named = module.__name__ if isinstance(module, type) else type(module).__name__
    kind = f"the class {named}; give an instance of it" if isinstance(module, type) else named
    raise NetworkError(f"from_torch needs a torch module, not {kind}")


def _refuse_parameters(torch: Any, module: Any) -> None:
    """Refuse a module whose parameters hold no numbers, or none that are read."""
    for name, held in (*module.named_parameters(), *module.named_buffers()):
        if isinstance(held, torch.nn.parameter.UninitializedTensorMixin):
            raise NetworkError(f"parameter {name} is not initialised; run the module once first")
        if held.device.type == "meta":
            raise NetworkError(
                f"parameter {name} is on the device meta and holds no numbers; load the weights first"
            )
        if held.is_complex():
            raise UnsupportedLayerError(f"parameter {name} is complex; only real numbers are read")


def _example(torch: Any, module: Any, input_shape: Any, example: Any) -> Any:
    """An input of one image, zeros of `input_shape` unless an example is given."""
    if example is not None:
        if not isinstance(example, torch.Tensor) or not example.is_floating_point():
            raise NetworkError("example must be a torch tensor of floats, with its batch dimension")
        example = example.detach()
        if not example.numel():
            raise NetworkError(f"example has the shape {tuple(example.shape)}, so it is empty")
        return example[:1] if example.ndim > 1 else example
    if input_shape is None:
        shape = _inferred(torch, module)
    else:
        try:
            shape = tuple(operator.index(n) for n in input_shape)
        except TypeError:
            raise NetworkError(
                f"input_shape must be a sequence of whole numbers such as (3, 32, 32), not "
                f"{input_shape!r}"
            ) from None
    if any(n < 1 for n in shape) or math.prod(shape) > _LARGEST:
        raise NetworkError(f"input_shape {shape} must be of 1 to {_LARGEST} entries in all")
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return torch.zeros((1, *shape), dtype=dtype)


def _exported(torch: Any, module: Any, example: Any) -> Any:
    """The module as a program of ATen operators, traced on an example input."""
    with torch.no_grad(), _unlogged("torch._subclasses.fake_tensor"):
        try:
            return torch.export.export(module, (example,), strict=False)
        except _TORCH_ERRORS as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise NetworkError(
                f"the module cannot be traced on an input of shape {tuple(example.shape)}: "
                f"{reason}; control flow that depends on the data has no fixed graph, and "
                "input_shape is the shape without the batch dimension"
            ) from None


def read_pt2(path: str | Path, *, drop_final: bool = False, check: bool = True) -> Network:
    """The exact network of a program that `torch.export.save` saved; see `from_torch`.

    Only plain tensors are read: a file that would run code is refused.

    Raises
    ------
    FileFormatError
        For a file that is damaged, holds pickled objects or dynamic shapes.
    UnsupportedLayerError, NetworkError, MissingExtraError
        As `from_torch`.
    """
    torch = _torch()
    program = _load_program(torch, path)
    with reading(path):
        read = _translate(torch, program, drop_final, Path(path).stat().st_size)
        network = read.graph.network(read.output)
        return _checked(torch, network, read, None) if check else network


def _load_program(torch: Any, path: str | Path) -> Any:
    archive = safe_archive(path)
    with _unlogged("torch.export"), reading(path):
        return torch.export.load(archive)


@contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """Without the tracebacks that torch logs of whatever it then raises."""
    log = logging.getLogger(name)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _refuse_training(torch: Any, module: Any) -> None:
    for name, part in module.named_modules():
        norm = isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
        drop = isinstance(part, torch.nn.modules.dropout._DropoutNd) and part.p > 0
        if part.training and (norm or drop):
            raise UnsupportedLayerError(
                f"layer {name or type(part).__name__} ({type(part).__name__}) is in training mode, "
                "where it is random or depends on the batch; call model.eval() first"
            )


def _inferred(torch: Any, module: Any) -> tuple[int, ...]:
    first = module
    while isinstance(first, torch.nn.Sequential) and len(first):
        first = first[0]
    if not isinstance(first, torch.nn.Linear):
        raise NetworkError(
            f"give input_shape, the shape of one input of this {type(module).__name__} without the "
            "batch dimension, for example input_shape=(3, 32, 32)"
        )
    return (int(first.in_features),)


# Translation


def _array(torch: Any, tensor: Any, where: str) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.is_complex() or tensor.is_quantized or tensor.is_sparse:
        raise UnsupportedLayerError(f"{where}: complex, quantised and sparse tensors are not read")
    if tensor.dtype == torch.bfloat16 or "float8" in str(tensor.dtype):
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


def _decomposed(program: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, about its own calls
        return program.run_decompositions({})


def _functional(torch: Any, program: Any) -> Any:
    """The program, decomposed if it has subgraphs or in-place writes that another value sees."""
    for node in program.graph.nodes:
        if node.op == "get_attr":
            return _decomposed(program)
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        written = node.args[0]
        source = getattr(written.target, "_schema", None)
        alias = source is None or any(r.alias_info is not None for r in source.returns)
        if len(written.users) > 1 or (alias and node.target._opname != "detach_"):
            return _decomposed(program)
    return program


class _Translation(NamedTuple):
    """A translated program.

    `program` is what was translated, `graph` holds the nodes, `output` is the result, `traced`
    the tensors by the program's names; `casts` says whether the program casts to a float type.
    """

    program: Any
    graph: Graph
    output: Operand
    traced: Traced
    casts: bool


def _translate(torch: Any, program: Any, drop_final: bool, size: int = 1 << 30) -> _Translation:
    """Translate a program; `size` is that of the file it comes from, where it comes from one."""
    program = _functional(torch, program)
    graph, values = _placeholders(torch, program, size)
    casts = False
    source = next(node for node, value in values.items() if value is graph.input)
    traced: Traced = {source.name: ("input", graph.input)}
    result = None
    for node in program.graph.nodes:
        if node.op == "placeholder":
            continue
        if node.op == "output":
            result = _only_output(program, node.args[0])
            break
        graph.layer = _layer_name(node)
        values[node] = _translate_node(torch, graph, node, values, drop_final)
        casts = casts or _narrows(torch, node)
        if isinstance(values[node], Tensor):
            if len(node.users) > 1:
                graph.settle(values[node])
            if _operator(node) not in _FINAL:
                traced[node.name] = (graph.layer, values[node])
    return _Translation(program, graph, values[result], traced, casts)


def _placeholders(torch: Any, program: Any, size: int) -> tuple[Graph, dict[Any, Any]]:
    """A graph that begins with the program's input, and the values of all its placeholders."""
    values: dict[Any, Any] = {}
    graph: Graph | None = None
    signature = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        spec = signature[node.name]
        if spec.kind.name == "USER_INPUT":
            if graph is not None:
                raise NetworkError("the module takes several inputs; wrap it in one that takes one")
            graph = Graph(tuple(node.meta["val"].shape), size)
            values[node] = graph.input
            continue
        held = program.state_dict.get(spec.target, program.constants.get(spec.target))
        if held is None:
            raise NetworkError(f"parameter {spec.target} is not in the exported program")
        values[node] = _array(torch, held, f"parameter {spec.target}")
    if graph is None:
        raise NetworkError("the module takes no tensor input")
    return graph, values


def _operator(node: Any) -> str:
    return str(getattr(node.target, "_opname", node.target))


def _only_output(program: Any, outputs: Sequence[Any]) -> Any:
    """The one output; inputs and buffers that the module writes to do not count."""
    specs = program.graph_signature.output_specs
    given = [
        node
        for spec, node in zip(specs, outputs, strict=True)
        if spec.kind.name == "USER_OUTPUT" and node is not None
    ]
    if len(given) != 1:
        raise NetworkError(
            f"the module returns {len(given)} tensors; wrap it in one that returns the one to look at"
        )
    if not hasattr(given[0], "meta"):
        raise NetworkError(f"the module returns {given[0]!r}, which is no tensor")
    return given[0]


def _layer_name(node: Any) -> str:
    """The path of the torch module; in a user's own module also the operator's name."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path, kind = (str(x) for x in stack[-1][:2]) if stack else ("", "")
    path = path.removeprefix("L['self'].")
    if "torch.nn.modules" in kind and "container" not in kind:
        return path or str(node.name)
    return f"{path}.{node.name}" if path else str(node.name)


def _narrows(torch: Any, node: Any) -> bool:
    dtypes = [x for x in (*node.args, *node.kwargs.values()) if isinstance(x, torch.dtype)]
    return any(d.is_floating_point and d != torch.float64 for d in dtypes)


def _translate_node(
    torch: Any, graph: Graph, node: Any, values: dict[Any, Any], drop_final: bool
) -> Any:
    if node.target is operator.getitem:
        parts, place = values[node.args[0]], node.args[1]
        value = parts[place] if place < len(parts) else None
        if value is None and node.users:
            raise graph.refuse(
                "indices",
                "positions or statistics beside the value are used; only the value may be",
            )
        return value
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        raise graph.refuse(str(node.target), f"a module {_UNTRACED}")
    name = node.target._opname
    if name.startswith("_assert"):
        return None
    given = dict(zip((arg.name for arg in schema.arguments), node.args, strict=False))
    given.update(node.kwargs)
    arguments = {
        arg.name: _resolved(torch, given.get(arg.name, arg.default_value), values)
        for arg in schema.arguments
    }
    called = name.removesuffix("_") if schema.is_mutable and name != "detach_" else name
    if called in _FINAL and all(user.op == "output" for user in node.users):
        if drop_final:
            graph.notes.append(f"layer {graph.layer}: the final {called} was left out on request")
            return arguments.get("self", arguments.get("input"))
        raise graph.refuse(
            called,
            "is not piecewise linear; as it is the last layer, drop_final=True (--drop-final) "
            "leaves it out and keeps the decision boundary's classes",
        )
    if called not in OPERATORS:
        why = REFUSED.get(called, "has no translation; rewrite the layer with supported operators")
        raise graph.refuse(called, why)
    if called in CASTS:
        arguments["types"] = [_type_name(n) for n in (node.args[0], node)]
    return OPERATORS[called](graph, SimpleNamespace(**arguments))


def _type_name(node: Any) -> str:
    """The declared element type of a value of the program, for example "float32"."""
    return str(node.meta["val"].dtype).removeprefix("torch.")


def _resolved(torch: Any, value: Any, values: dict[Any, Any]) -> Any:
    if isinstance(value, torch.fx.Node):
        return values[value]
    if isinstance(value, (list, tuple)):
        return [_resolved(torch, entry, values) for entry in value]
    return value


# The module's own float64 forward pass


Output = Callable[[np.ndarray], np.ndarray]


def _module_forward(torch: Any, module: Any, example: Any) -> Output | None:
    """The module's forward pass in float64, None where its code insists on float32."""

    def forward(point: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            out = double(torch.from_numpy(point.reshape(tuple(example.shape)).copy()))
        while isinstance(out, (tuple, list, dict)):
            out = next(iter(out.values() if isinstance(out, dict) else out))
        return np.asarray(out.numpy()).ravel()

    try:
        double = copy.deepcopy(module).double()
        forward(np.zeros(example.numel()))
    except _TORCH_ERRORS:
        return None
    return forward


class _Interpreted:
    """Runs an exported program with torch's kernels in float64, each value replaced by a probe.

    Casts round as in the program: to the type they name, and back to float64.
    """

    def __init__(self, torch: Any, read: _Translation, output: str) -> None:
        self.torch, self.program, self.output = torch, read.program, output
        self.activations = read.traced.keys()
        self.held: list[Any] = []
        program = read.program
        for spec in program.graph_signature.input_specs:
            if spec.kind.name == "USER_INPUT":
                self.held.append(None)
                continue
            held = program.state_dict.get(spec.target, program.constants.get(spec.target))
            held = held.detach().cpu()
            self.held.append(held.double() if held.is_floating_point() else held)

    def depths(self, cut: set[str]) -> dict[str, int]:
        """For every value, the most operators one after another since the last cuts."""
        out: dict[str, int] = {}
        for node in self.program.graph.nodes:
            before = [0 if n.name in cut else out[n.name] for n in node.all_input_nodes]
            out[node.name] = max(before, default=0) + (node.op == "call_function")
        return out

    def __call__(self, handed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        torch, output = self.torch, self.output
        computed: dict[str, np.ndarray] = {}

        def widened(value: Any) -> Any:
            narrow = isinstance(value, torch.dtype) and value.is_floating_point
            return torch.float64 if narrow else value

        activations = self.activations

        class Interpreter(torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
                if str(getattr(target, "_opname", "")).startswith("_assert"):
                    return None
                named = {key: widened(value) for key, value in kwargs.items()}
                return super().call_function(target, tuple(map(widened, args)), named)

            def run_node(self, node: Any) -> Any:
                probe = handed.get(node.name)
                if node.op == "placeholder" and probe is not None:
                    computed[node.name] = probe
                    return torch.from_numpy(probe.copy())
                out = super().run_node(node)
                if isinstance(out, torch.Tensor) and out.is_floating_point():
                    constant = node.name not in activations
                    out = _rounded(torch, node, out) if constant else out.double()
                    if probe is not None or node.name == output:
                        computed[node.name] = out.numpy().copy()
                    if probe is not None:
                        out = torch.from_numpy(probe.copy())
                return out

        with torch.no_grad():
            Interpreter(self.program.graph_module).run(*self.held)
        return computed


def _rounded(torch: Any, node: Any, value: Any) -> Any:
    """The result of a cast, rounded to the type that the program declares; float64 again."""
    value = value.double()
    if _operator(node) not in CASTS:
        return value
    old, new = (FORMATS.get(_type_name(n)) for n in (node.args[0], node))
    if new is None or (old is not None and new.holds(old)):
        return value
    return value.to(node.meta["val"].dtype).double()


def _checked(torch: Any, network: Network, read: _Translation, whole: Output | None) -> Network:
    """The network with the notes of the self-check."""
    last = next(n for n in reversed(read.traced) if read.traced[n][1] is read.output)
    interpreted = _Interpreted(torch, read, last)
    forward = Forward(interpreted, 2.0**-53, interpreted.depths, whole)
    notes = compare(network, read.graph.masses, read.traced, last, forward)
    return replace(network, notes=(*network.notes, *notes)) if notes else network
