"""A graph of `torch.export`, rebuilt from the fields that are known.

torch evaluates what a program file says: symbolic expressions go through Python's `eval`, tree
specifications import modules, names become source code. So nothing of a file's document is
handed on. `rebuilt` reads the parsed document field by field into a new one: plain integers,
numbers, words of a known form, operators of ATen. What it does not know it refuses or drops;
what torch then loads holds no text of the file but names of parameters, values and operators.

The tables below are the whole list. Imports no torch.
"""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Callable
from typing import Any

from ..errors import FileFormatError

__all__ = ["rebuilt", "rebuilt_config"]

Reader = Callable[[Any, str], Any]

_IDENTIFIER = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,199}", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_.-]{1,400}", re.ASCII)  # of a parameter, in state_dict
_WORD = re.compile(r"[A-Za-z0-9_ ,.>()\[\]-]{0,100}", re.ASCII)  # modes, equations of einsum
_TARGET = re.compile(
    r"torch\.ops\.aten\.(?!__)\w{1,100}\.(?!_)\w{1,100}|_operator\.getitem", re.ASCII
)
_STACK = re.compile(r"[A-Za-z0-9_.,;@'\[\]()<>-]{0,10000}", re.ASCII)
_BRACKETS = re.compile(r"[\[(][^\[\]()]*+[\])]")
_PAYLOAD = re.compile(r"(?:weight|tensor)_\d{1,9}", re.ASCII)
_ITEM = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}  # bytes of a ScalarType
_ITEM |= dict.fromkeys((29, 30, 31, 32), 1)  # float8
_FREE, _EXPANDED = 1 << 20, 64  # entries of an expanded tensor, and so many a stored byte


def _refuse(where: str, what: str) -> FileFormatError:
    return FileFormatError(f"{where}: {what}, so this is not a graph that torch.export.save writes")


def _integer(value: Any, where: str) -> int:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise _refuse(where, f"{str(value)[:40]!r} is no integer")
    return value


def _truth(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise _refuse(where, f"{str(value)[:40]!r} is not true or false")
    return value


def _number(value: Any, where: str) -> float | str:
    if value in ("Infinity", "-Infinity", "NaN") or type(value) is float:
        return value
    return _integer(value, where)


def _none(value: Any, where: str) -> bool:
    return True


def _text(pattern: re.Pattern[str]) -> Reader:
    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise _refuse(where, f"{str(value)[:60]!r} is no name or word")
        return value

    return read


def _identifier(value: Any, where: str) -> str:
    name: str = _text(_IDENTIFIER)(value, where)
    if keyword.iskeyword(name):
        raise _refuse(where, f"{name!r} is no name")
    return name


def _optional(read: Reader) -> Reader:
    return lambda value, where: None if value is None else read(value, where)


def _list(read: Reader) -> Reader:
    def whole(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _refuse(where, "a list is missing")
        return [read(entry, where) for entry in value]

    return whole


def _record(**readers: Reader) -> Reader:
    """An object of which exactly these fields are kept; absent ones count as null."""

    def whole(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refuse(where, "an object is missing")
        return {name: read(value.get(name), where) for name, read in readers.items()}

    return whole


def _union(**readers: Reader) -> Reader:
    """An object of one field, which says what the value is."""

    def whole(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) != 1:
            raise _refuse(where, "an object of one field is missing")
        ((kind, content),) = value.items()
        if kind in ("as_expr", "as_name"):
            raise _dynamic(where)
        if kind not in readers:
            raise _refuse(where, f"a value is of the kind {str(kind)[:40]!r}")
        return {kind: readers[kind](content, where)}

    return whole


def _dynamic(where: str) -> FileFormatError:
    return FileFormatError(
        f"{where}: was exported with dynamic shapes; export it without dynamic_shapes"
    )


def _cpu(value: Any, where: str) -> dict[str, Any]:
    return {"type": "cpu", "index": None}


_SIZE = _union(as_int=_integer)
_TENSOR = _record(name=_identifier)
_META = _record(
    dtype=_integer,
    sizes=_list(_SIZE),
    requires_grad=_truth,
    device=_cpu,
    strides=_list(_SIZE),
    storage_offset=_SIZE,
    layout=_integer,
)
_MAYBE = _union(as_tensor=_TENSOR, as_none=_none)
_ARGUMENT = _union(
    as_none=_none,
    as_tensor=_TENSOR,
    as_tensors=_list(_TENSOR),
    as_optional_tensor=_MAYBE,
    as_optional_tensors=_list(_MAYBE),
    as_int=_integer,
    as_ints=_list(_integer),
    as_int_lists=_list(_list(_integer)),
    as_float=_number,
    as_floats=_list(_number),
    as_bool=_truth,
    as_bools=_list(_truth),
    as_string=_text(_WORD),
    as_scalar_type=_integer,
    as_memory_format=_integer,
    as_layout=_integer,
    as_device=_cpu,
    as_sym_int=_union(as_int=_integer),
    as_sym_ints=_list(_union(as_int=_integer)),
    as_sym_float=_union(as_float=_number),
    as_sym_bool=_union(as_bool=_truth),
)
_NAMED = _record(name=_identifier, arg=_ARGUMENT, kind=_optional(_integer))
_PARAMETER = _text(_PATH)
_INPUT = _union(
    user_input=_record(arg=_ARGUMENT),
    parameter=_record(arg=_TENSOR, parameter_name=_PARAMETER),
    buffer=_record(arg=_TENSOR, buffer_name=_PARAMETER, persistent=_truth),
    tensor_constant=_record(arg=_TENSOR, tensor_constant_name=_PARAMETER),
)
_OUTPUT = _union(
    user_output=_record(arg=_ARGUMENT),
    buffer_mutation=_record(arg=_TENSOR, buffer_name=_PARAMETER),
)
_PAYLOADS = _record(path_name=_text(_PAYLOAD), is_param=_truth, tensor_meta=_META)


def _node(value: Any, where: str) -> dict[str, Any]:
    node = _record(
        target=_target,
        inputs=_list(_NAMED),
        outputs=_list(_ARGUMENT),
        is_hop_single_tensor_return=_optional(_truth),
        name=_optional(_identifier),
    )(value, where)
    stack = value["metadata"].get("nn_module_stack") if type(value["metadata"]) is dict else None
    # Where a layer stands in the model, for messages; torch splits it at commas and semicolons.
    node["metadata"] = {}
    if isinstance(stack, str) and _STACK.fullmatch(stack) and _splits(stack):
        node["metadata"] = {"nn_module_stack": stack}
    return node


def _splits(stack: str) -> bool:
    """Whether every item has three fields. torch searches each bracket's end anew: all are closed,
    and none is inside another, so that it ends soon."""
    items = [_BRACKETS.sub("", item) for item in stack.split(";")]
    return all(item.count(",") == 2 and not set(item) & set("[]()") for item in items)


def _target(value: Any, where: str) -> str:
    if not isinstance(value, str) or _TARGET.fullmatch(value) is None:
        raise FileFormatError(f"{where}: calls {str(value)[:60]!r}; only ATen operators are read")
    return value


def _values(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refuse(where, "tensor_values are missing")
    return {
        _identifier(name, where): _META(meta, f"{where}: value {str(name)[:40]}")
        for name, meta in value.items()
    }


def _call(signature: dict[str, Any]) -> dict[str, Any]:
    """How the module is called, with all its inputs and outputs in a row.

    A file says it by tree specifications, which may name any module for torch to import.
    """
    leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    inputs = [leaf for spec in signature["input_specs"] if "user_input" in spec]
    outputs = [leaf for spec in signature["output_specs"] if "user_output" in spec]
    return {
        "inputs": [],
        "outputs": [],
        "in_spec": json.dumps([1, _tuple([_tuple(inputs), _NO_KEYWORDS])]),
        "out_spec": json.dumps([1, leaf if len(outputs) == 1 else _tuple(outputs)]),
        "forward_arg_names": None,
    }


def _tuple(children: list[Any]) -> dict[str, Any]:
    return {"type": "builtins.tuple", "context": "null", "children_spec": children}


_NO_KEYWORDS = {"type": "builtins.dict", "context": "[]", "children_spec": []}


def rebuilt(document: dict[str, Any], path: str) -> dict[str, Any]:
    """A new document of the same computation. Raises FileFormatError naming the file."""
    module = document.get("graph_module")
    graph = module.get("graph") if isinstance(module, dict) else None
    if not isinstance(module, dict) or not isinstance(graph, dict):
        raise _refuse(path, "graph_module is missing")
    symbols = ("sym_int_values", "sym_bool_values", "sym_float_values")
    if document.get("range_constraints") or any(graph.get(name) for name in symbols):
        raise _dynamic(path)
    if graph.get("custom_obj_values"):
        raise _refuse(path, "it holds custom objects")
    nodes = []
    for value in _list(lambda value, where: value)(graph.get("nodes"), path):
        name = value.get("name") if isinstance(value, dict) else None
        if not isinstance(value, dict) or "metadata" not in value:
            raise _refuse(path, "a node is no object")
        nodes.append(_node(value, f"{path}: node {str(name)[:40]}"))
    signature = _record(input_specs=_list(_INPUT), output_specs=_list(_OUTPUT))(
        module.get("signature"), f"{path}: signature"
    )
    versions = _record(major=_integer, minor=_integer)
    opset = document.get("opset_version")
    return {
        "graph_module": {
            "graph": {
                "inputs": _list(_ARGUMENT)(graph.get("inputs"), path),
                "outputs": _list(_ARGUMENT)(graph.get("outputs"), path),
                "nodes": nodes,
                "tensor_values": _values(graph.get("tensor_values"), path),
                **{name: {} for name in symbols},
                "is_single_tensor_return": _truth(
                    graph.get("is_single_tensor_return", False), path
                ),
                "custom_obj_values": {},
            },
            "signature": signature,
            "module_call_graph": [{"fqn": "", "signature": _call(signature)}],
            "metadata": {},
            "treespec_namedtuple_fields": {},
        },
        "opset_version": {
            "aten": _integer(opset.get("aten") if isinstance(opset, dict) else None, path)
        },
        "range_constraints": {},
        "schema_version": versions(document.get("schema_version"), path),
        "verifiers": ["TRAINING"],
        "torch_version": "",
        "guards_code": [],
    }


def rebuilt_config(config: Any, payloads: dict[str, int], path: str) -> dict[str, Any]:
    """A new table of stored tensors; `payloads` are the sizes in bytes of what is stored.

    Raises FileFormatError where a tensor is pickled or reaches outside its bytes.
    """
    if not isinstance(config, dict):
        raise _refuse(path, "a table of tensors is missing")
    out = {}
    for name, value in config.items():
        where = f"{path}: tensor {str(name)[:60]}"
        if not isinstance(value, dict) or value.get("use_pickle") is not False:
            raise FileFormatError(
                f"{path}: holds pickled objects, which could run code; save the program with a "
                "current torch, or load the module in Python and use exactcam.from_torch"
            )
        kept = _PAYLOADS(value, where)
        if kept["path_name"] not in payloads:
            raise FileFormatError(f"{where}: its numbers {kept['path_name']} are missing")
        _check_extent(kept["tensor_meta"], payloads[kept["path_name"]], where)
        out[_PARAMETER(name, where)] = {**kept, "use_pickle": False}
    return out


def _check_extent(meta: dict[str, Any], stored: int, where: str) -> None:
    """Refuse a tensor that does not lie in its bytes, or repeats them very often."""
    sizes = [size["as_int"] for size in meta["sizes"]]
    strides = [stride["as_int"] for stride in meta["strides"]]
    offset, item = meta["storage_offset"]["as_int"], _ITEM.get(meta["dtype"])
    if item is None:
        raise FileFormatError(f"{where}: is of the type number {meta['dtype']}, which is not read")
    if len(sizes) != len(strides) or min([offset, *sizes, *strides]) < 0:
        raise FileFormatError(f"{where}: has negative sizes or strides")
    entries = math.prod(sizes)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if entries and ((last + 1) * item > stored or entries > _FREE + _EXPANDED * stored):
        raise FileFormatError(f"{where}: does not fit the {stored:,} bytes stored for it")
