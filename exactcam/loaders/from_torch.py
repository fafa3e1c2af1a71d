"""Networks from torch modules and programs exported by torch.

The module is traced by `torch.export` before decomposition, so what is read is the
list of ATen operators a forward pass performs, whatever Python wrote it: nested
modules, residual connections, functional calls, views. Parameters and buffers of
any float width are the exact numbers they are. What does not depend on the input is computed
by torch (`torch_constants`), what the output does not need is left out. `torch_ops` says what
each operator is; nothing is guessed, and an operator that is not in its table is decomposed by
torch into others, or refused.
"""

from __future__ import annotations

import copy
import io
import logging
import math
import operator
import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..errors import (
    MissingExtraError,
    NetworkError,
    NumberError,
    UnsupportedLayerError,
)
from ..files.reading import reading
from ..files.torch_archive import safe_archive
from ..model.network import Network
from .check import Forward, Traced, Whole, compare
from .forms import Mass
from .graph import Graph, Tensor
from .outputs import chosen
from .torch_constants import CREATED, EMPTY, SHAPED, TORCH_ERRORS, TorchConstants, as_array
from .torch_ops import OPERATORS, REFUSED
from .torch_views import CASTS

__all__ = ["from_torch", "read_pt2"]

_FINAL = ("softmax", "_softmax", "log_softmax", "_log_softmax", "sigmoid", "log_sigmoid")
_LARGEST = 1 << 23  # entries of an input
_SLACK = 128  # units of roundoff by which a constant may be off that is computed anew
_UNKNOWN = "has no translation; rewrite the layer with supported operators"
_UNCOMPUTED = "a constant expression of this kind is not computed; compute it before exporting"
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
    output: int | str | None = None,
) -> Network:
    """The exact network of a torch module.

    Inputs and outputs are flattened. Parameters of any float width and Python scalars
    in the module are the exact numbers they are. What does not depend on the input is what
    torch computes, in torch's types; `torch.compile` and DataParallel are looked through.

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
    output : int or str, optional
        Which tensor to read of a module that returns several: its place, or its key in a
        dictionary. Inside nested results keys and places are joined by points: "1.logits".

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
    read = _translated(torch, program, drop_final, output)
    if not check:
        return read.network
    with _calm(torch):
        whole = None if drop_final else _whole(torch, module, example, read)
        return _checked(torch, read, whole)


def _unwrapped(torch: Any, module: Any) -> Any:
    """The module itself, taken out of torch.compile and DataParallel; refused if it is none."""
    while isinstance(module, torch.nn.Module):
        parallel = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
        if isinstance(module, parallel):
            module = module.module
        elif hasattr(module, "_orig_mod"):
            module = module._orig_mod
        else:
            _refuse_scripted(torch, module)
            return module
    named = module.__name__ if isinstance(module, type) else type(module).__name__
    kind = f"the class {named}; give an instance of it" if isinstance(module, type) else named
    raise NetworkError(f"from_torch needs a torch module, not {kind}")


def _refuse_scripted(torch: Any, module: Any) -> None:
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            what = f"its part {name}" if name else "the module"
            raise NetworkError(
                f"{what} is scripted or traced by torch.jit, and cannot be traced again; give the "
                "module it was made from"
            )


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
    with torch.no_grad(), _eager(torch), _quiet():
        try:
            return torch.export.export(module, (example,), strict=False)
        except TORCH_ERRORS as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise NetworkError(
                f"the module cannot be traced on an input of shape {tuple(example.shape)}: "
                f"{reason}; masks used as indices and control flow that depends on the data have "
                "no fixed graph, and "
                "input_shape is the shape without the batch dimension"
            ) from None


def read_pt2(
    path: str | Path,
    *,
    drop_final: bool = False,
    check: bool = True,
    output: int | str | None = None,
) -> Network:
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
        size = Path(path).stat().st_size
        read = _translated(torch, program, drop_final, output, size)
        if not check:
            return read.network
        with _calm(torch):
            return _checked(torch, read, None)


def _load_program(torch: Any, path: str | Path) -> Any:
    archive = safe_archive(path)
    with _quiet(), reading(path):
        return torch.export.load(archive)


def _eager(torch: Any) -> AbstractContextManager[Any]:
    """Run what torch.compile compiled as the Python it was: compiling takes minutes."""
    stance = getattr(torch.compiler, "set_stance", None)  # new in torch 2.6
    return nullcontext() if stance is None else stance("force_eager")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch logs, warns of and prints: its own calls, and what it then raises."""
    top = logging.getLogger("torch")
    below = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith("torch")]
    before, level = [log.disabled for log in below], top.level
    try:
        for log in below:
            log.disabled = True
        top.setLevel(logging.CRITICAL + 1)  # of those that come into being meanwhile
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        top.setLevel(level)
        for log, disabled in zip(below, before, strict=True):
            log.disabled = disabled


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


def _decomposed(torch: Any, program: Any, kept: Container[str] | None = None) -> Any:
    """The program without in-place writes, and without composite operators but for those kept."""
    table = {}
    if kept is not None:
        every = torch.export.default_decompositions().materialize()
        table = {operator: f for operator, f in every.items() if operator._opname not in kept}
    with _quiet():
        return program.run_decompositions(table)


def _functional(torch: Any, program: Any) -> Any:
    """The program, decomposed if it has subgraphs or in-place writes that another value sees."""
    for node in program.graph.nodes:
        if node.op == "get_attr":
            return _decomposed(torch, program)
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        written = node.args[0]
        source = getattr(written.target, "_schema", None)
        alias = source is None or any(r.alias_info is not None for r in source.returns)
        if len(written.users) > 1 or (alias and node.target._opname != "detach_"):
            return _decomposed(torch, program)
    return program


class _Translation(NamedTuple):
    """A translated program.

    `program` is what was translated, `network` and `masses` are what it became, `output` is the
    result and `place` its place among the program's tensors, `traced` the tensors that the
    self-check needs by the program's names;
    `constants` are the values that do not depend on the input, by node, `rounds` says whether any
    is rounded to a type narrower than float64; the result depends on `needed`.
    """

    program: Any
    network: Network
    masses: list[Mass]
    output: Any
    place: int
    traced: Traced
    constants: dict[Any, Any]
    rounds: bool
    needed: set[Any]


class _UntranslatedError(UnsupportedLayerError):
    """An operator that no table names; its decomposition may be of operators that have one."""


def _translated(
    torch: Any, program: Any, drop_final: bool, output: int | str | None, size: int = 1 << 30
) -> _Translation:
    """The program translated, if need be with unknown operators decomposed by torch."""
    try:
        return _translate(torch, program, drop_final, output, size)
    except _UntranslatedError as error:
        refusal = UnsupportedLayerError(str(error))
    try:
        program = _decomposed(torch, program, OPERATORS.keys() | CREATED)
        return _translate(torch, program, drop_final, output, size)
    except (UnsupportedLayerError, *TORCH_ERRORS):
        raise refusal from None


def _translate(torch: Any, program: Any, *options: Any) -> _Translation:
    """The program translated; what stands in memory that torch.empty gives must not matter."""
    try:
        return _translate_with(math.nan, torch, program, *options)
    except NumberError:
        if not any(_operator(node) in EMPTY for node in program.graph.nodes):
            raise
    zeros, ones = (_translate_with(unset, torch, program, *options) for unset in (0.0, 1.0))
    if zeros.network.sha256 != ones.network.sha256:
        raise NetworkError(
            "the output depends on numbers of torch.empty that nothing sets; use torch.zeros"
        )
    return zeros


def _translate_with(
    unset: float, torch: Any, program: Any, drop_final: bool, output: int | str | None, size: int
) -> _Translation:
    program = _functional(torch, program)
    result, place = _chosen_output(torch, program, output)
    needed = _needed(result)
    graph, values = _placeholders(torch, program, needed, size)
    folder = TorchConstants(torch, graph, _stored(program), unset)
    traced: Traced = {}
    for node in program.graph.nodes:
        if node not in needed:
            continue
        if node.op != "placeholder":
            graph.layer = _layer_name(node)
            if node is result and _is_final(node):
                values[node] = _final(graph, node, values, drop_final)
            else:
                values[node] = _translate_node(folder, node, values)
        if isinstance(values[node], Tensor):
            if len(needed & node.users.keys()) > 1:
                graph.settle(values[node])
            if not _is_final(node):
                layer = "input" if node.op == "placeholder" else graph.layer
                traced[node.name] = (layer, values[node])
    constants = {node: value for node, value in values.items() if _is_constant(value)}
    network = graph.network(values[result])
    # Maps that became parts of others hold arrays as large as they are.
    traced = {n: t for n, t in traced.items() if t[1].form.cuts or t[1] is values[result]}
    masses, output = graph.masses, values[result]
    return _Translation(
        program, network, masses, output, place, traced, constants, folder.rounds, needed
    )


def _stored(program: Any) -> int:
    """The bytes of the tensors that a program holds."""
    tensors = (*program.state_dict.values(), *program.constants.values())
    return sum(t.untyped_storage().nbytes() for t in tensors if hasattr(t, "untyped_storage"))


def _needed(result: Any) -> set[Any]:
    """The nodes that a result depends on, itself included."""
    needed, left = set(), [result]
    while left:
        node = left.pop()
        if node not in needed:
            needed.add(node)
            left += [] if _reads_shape(node) else node.all_input_nodes
    return needed


def _reads_shape(node: Any) -> bool:
    """Whether all that an operator reads is the shape and the type of its first argument."""
    shaped = _operator(node).removesuffix("_") in SHAPED
    return shaped and node.all_input_nodes == [node.args[0]] and node.args[0] not in node.args[1:]


def _placeholders(
    torch: Any, program: Any, needed: set[Any], size: int
) -> tuple[Graph, dict[Any, Any]]:
    """A graph that begins with the program's input, and the values of its needed placeholders."""
    values: dict[Any, Any] = {}
    graph: Graph | None = None
    signature = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    for node in program.graph.nodes:
        if node.op != "placeholder" or node not in needed:
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
        values[node] = held.detach().cpu() if isinstance(held, torch.Tensor) else held
    if graph is None:
        raise NetworkError("the output does not depend on an input tensor: there is nothing to map")
    return graph, values


def _operator(node: Any) -> str:
    return str(getattr(node.target, "_opname", node.target))


def _is_final(node: Any) -> bool:
    return _operator(node).removesuffix("_") in _FINAL


def _chosen_output(torch: Any, program: Any, output: int | str | None) -> tuple[Any, int]:
    """The node of the output to read, and its place among the tensors that the program returns.

    Inputs and buffers that the module writes to do not count.
    """
    specs = program.graph_signature.output_specs
    last = next(node for node in reversed(program.graph.nodes) if node.op == "output")
    pairs = zip(specs, last.args[0], strict=True)
    given = [node for spec, node in pairs if spec.kind.name == "USER_OUTPUT"]
    spec = program.call_spec.out_spec
    numbered = torch.utils._pytree.tree_unflatten(range(len(given)), spec)
    keys, _ = torch.utils._pytree.tree_flatten_with_path(numbered)
    named = [
        (".".join(map(_key, path)) or "0", node)
        for (path, _), node in zip(keys, given, strict=True)
        if hasattr(node, "meta")
    ]
    if not named:
        others = [node for node in given if node is not None] or ["nothing"]
        raise NetworkError(f"the module returns {others[0]!r}, which is no tensor")
    place = chosen([name for name, _ in named], output)
    return named[place][1], place


def _key(key: Any) -> str:
    """One step into nested results: a key of a dictionary, a place in a list or a field's name."""
    return str(next(getattr(key, a) for a in ("key", "idx", "name") if hasattr(key, a)))


def _layer_name(node: Any) -> str:
    """The path of the torch module; in a user's own module also the operator's name."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path, kind = (str(x) for x in stack[-1][:2]) if stack else ("", "")
    path = path.removeprefix("L['self'].")
    if "torch.nn.modules" in kind and "container" not in kind:
        return path or str(node.name)
    return f"{path}.{node.name}" if path else str(node.name)


def _final(graph: Graph, node: Any, values: dict[Any, Any], drop: bool) -> Any:
    """What a final softmax or sigmoid is applied to, if it is to be left out."""
    kind = _operator(node)
    if not drop:
        raise graph.refuse(
            kind,
            "is not piecewise linear; as it is the last layer, drop_final=True (--drop-final) "
            "leaves it out and keeps the decision boundary's classes",
        )
    graph.notes.append(f"layer {graph.layer}: the final {kind} was left out on request")
    return values[node.args[0]]


def _translate_node(folder: TorchConstants, node: Any, values: dict[Any, Any]) -> Any:
    """The value of a node: a computed tensor, a constant of torch, or several of them."""
    torch, graph = folder.torch, folder.graph
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
    called = name.removesuffix("_") if schema.is_mutable and name != "detach_" else name
    names = (argument.name for argument in schema.arguments)
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if called in SHAPED:
        first = node.args[0].meta["val"]
        given["self"] = torch.zeros((), dtype=first.dtype).expand(first.shape)
    given = {key: _resolved(torch, value, values) for key, value in given.items()}
    constant = _is_constant(list(given.values()))
    if constant and folder.knows(node.target, called):
        return folder.call(node.target, called, given)
    arguments = {
        arg.name: _arrays(torch, given.get(arg.name, arg.default_value), graph.layer)
        for arg in schema.arguments
    }
    if called not in OPERATORS:
        if called in REFUSED and (not constant or "random" in REFUSED[called]):
            raise graph.refuse(called, REFUSED[called])
        raise _UntranslatedError(str(graph.refuse(called, _UNCOMPUTED if constant else _UNKNOWN)))
    if called in CASTS:
        arguments["types"] = [_type_name(n) for n in (node.args[0], node)]
    out = OPERATORS[called](graph, SimpleNamespace(**arguments))
    if isinstance(out, np.ndarray):
        return torch.from_numpy(out.copy()).to(node.meta["val"].dtype)
    return out


def _is_constant(value: Any) -> bool:
    """Whether an argument or a value is independent of the input: torch's tensors, numbers, words."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_constant, value))
    return not isinstance(value, (Tensor, np.ndarray))


def _type_name(node: Any) -> str:
    """The declared element type of a value of the program, for example "float32"."""
    return str(node.meta["val"].dtype).removeprefix("torch.")


def _resolved(torch: Any, value: Any, values: dict[Any, Any]) -> Any:
    if isinstance(value, torch.fx.Node):
        return values[value]
    if isinstance(value, (list, tuple)):
        return [_resolved(torch, entry, values) for entry in value]
    return value


def _arrays(torch: Any, value: Any, layer: str) -> Any:
    """An argument as operators of `torch_ops` take it, constants being arrays."""
    if isinstance(value, torch.Tensor):
        return as_array(torch, value, f"layer {layer}: constant")
    if isinstance(value, (list, tuple)):
        return [_arrays(torch, entry, layer) for entry in value]
    return value


# The module's own forward pass


@contextmanager
def _calm(torch: Any) -> Iterator[None]:
    """One thread, for a busy machine makes the others wait, and products of full precision."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def _whole(torch: Any, module: Any, example: Any, read: _Translation) -> Whole:
    """The module in float64, or in its own types where it rounds."""
    own = example.dtype
    attempts = [] if read.rounds else [(torch.float64, 2.0**-53)]
    if own in (torch.float32, torch.float64):  # of narrower types the bound would say nothing
        attempts.append((own, _SLACK * 2.0**-23))

    def outputs(points: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float] | None:
        for dtype, roundoff in attempts:
            try:
                return _module_outputs(torch, module, example, read.place, dtype, points), roundoff
            except TORCH_ERRORS:
                continue
        return None

    return outputs


def _module_outputs(
    torch: Any, module: Any, example: Any, place: int, dtype: Any, points: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Of the tensors that the module returns in a type, the one at `place`, at flat points.

    A module in float64 that writes values into a tensor of float32 rounds them: RuntimeError.
    """
    copied = copy.deepcopy(module)
    if dtype != example.dtype:
        copied = copied.to(dtype)
    out = []
    for k, point in enumerate(points):
        given = torch.tensor(point, dtype=dtype).reshape(example.shape)  # it may be written to
        watched = dtype == torch.float64 and not k
        with torch.no_grad(), _eager(torch), _unrounded(torch) if watched else nullcontext():
            leaves = torch.utils._pytree.tree_leaves(copied(given))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        out.append(np.asarray(tensors[place].double().numpy()).ravel())
    return out


def _unrounded(torch: Any) -> AbstractContextManager[Any]:
    """Raise RuntimeError as soon as an operator on float64 gives a narrower float."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    def floats(values: Any) -> set[Any]:
        tensors = (x for x in tree_leaves(values) if isinstance(x, torch.Tensor))
        return {x.dtype for x in tensors if x.is_floating_point()}

    class Unrounded(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, called: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = called(*args, **(kwargs or {}))
            if torch.float64 in floats((args, kwargs)) and floats(out) - {torch.float64}:
                raise RuntimeError(f"{called} rounds")
            return out

    return Unrounded()


class _Interpreted:
    """Runs an exported program with torch's kernels in float64, each value replaced by a probe.

    Constants are those of the program, computed in its own types.
    """

    def __init__(self, torch: Any, read: _Translation, output: str) -> None:
        self.torch, self.read, self.output = torch, read, output
        self.held = {
            node: value.double() if torch.is_tensor(value) and value.is_floating_point() else value
            for node, value in read.constants.items()
            if any(user not in read.constants for user in node.users)
        }
        self.idle = {n for n in read.program.graph.nodes if n.op != "output"} - read.needed
        self.idle |= read.constants.keys()
        self.handed: dict[str, np.ndarray] = {}
        self.computed: dict[str, np.ndarray] = {}
        self.interpreter = self._interpreter()

    def depths(self, cut: set[str]) -> dict[str, int]:
        """For every value, the most operators one after another since the last cuts."""
        out: dict[str, int] = {}
        for node in self.read.program.graph.nodes:
            if node in self.read.constants:
                out[node.name] = 0
                continue
            before = [0 if n.name in cut else out[n.name] for n in node.all_input_nodes]
            out[node.name] = max(before, default=0) + (node.op == "call_function")
        return out

    def __call__(self, handed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.handed, self.computed = handed, {}
        with self.torch.no_grad():
            self.interpreter.run()
        return self.computed

    def _interpreter(self) -> Any:
        torch, runs = self.torch, self

        class Interpreter(torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
                named = {key: runs._wide(value) for key, value in kwargs.items()}
                return super().call_function(target, tuple(map(runs._wide, args)), named)

            def run_node(self, node: Any) -> Any:
                if node in runs.idle:
                    held: Any = runs.held.get(node)
                    written = isinstance(held, torch.Tensor) and any(map(_writes, node.users))
                    return held.clone() if written else held
                if node.op == "placeholder":
                    runs.computed[node.name] = runs.handed[node.name]
                    return runs._probe(node)
                out = super().run_node(node)
                if not isinstance(out, torch.Tensor) or not out.is_floating_point():
                    return out
                if node.name in runs.handed or node.name == runs.output:
                    runs.computed[node.name] = out.double().numpy().copy()
                return runs._probe(node) if node.name in runs.handed else out.double()

        return Interpreter(self.read.program.graph_module)

    def _probe(self, node: Any) -> Any:
        return self.torch.tensor(self.handed[node.name], dtype=self.torch.float64)

    def _wide(self, value: Any) -> Any:
        """float64 for a type of floats."""
        narrow = isinstance(value, self.torch.dtype) and value.is_floating_point
        return self.torch.float64 if narrow else value


def _writes(node: Any) -> bool:
    """Whether an operator writes to one of its arguments."""
    return bool(getattr(getattr(node.target, "_schema", None), "is_mutable", False))


def _checked(torch: Any, read: _Translation, whole: Whole | None) -> Network:
    """The network with the notes of the self-check."""
    last = next(n for n in reversed(read.traced) if read.traced[n][1] is read.output)
    interpreted = _Interpreted(torch, read, last)
    forward = Forward(interpreted, 2.0**-53, interpreted.depths, whole)
    notes = compare(read.network, read.masses, read.traced, last, forward)
    return replace(read.network, notes=(*read.network.notes, *notes)) if notes else read.network
