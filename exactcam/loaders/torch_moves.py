"""torch's ATen operators that move entries, done by torch itself on the numbers of the entries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import NetworkError
from .graph import Graph, Result, Tensor
from .linear import moved
from .torch_views import Operator, number

__all__ = ["MOVES"]

# Which arguments hold the entries that are moved; the others must be constant.
_MOVED = {
    "self": """
        adjoint atleast_1d atleast_2d atleast_3d diag diag_embed diagonal_copy dsplit
        expand_copy fliplr flipud gather hsplit im2col linalg_diagonal mH mT masked_select
        matrix_H max_unpool2d max_unpool3d moveaxis narrow_copy native_channel_shuffle
        permute_copy ravel repeat_interleave rot90 select_copy slice_copy split_copy
        split_with_sizes_copy squeeze_copy swapaxes swapdims t_copy take take_along_dim
        tensor_split tile transpose_copy unbind_copy unfold unfold_copy unsafe_chunk
        unsafe_split unsafe_split_with_sizes unsqueeze_copy view_copy vsplit
    """,
    "tensors": """
        atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod
        column_stack concatenate dstack hstack meshgrid row_stack vstack
    """,
    "self source": "index_copy masked_scatter",
    "self src": "diagonal_scatter scatter select_scatter slice_scatter",
    "self other": "where",
    "self value": "index_fill masked_fill scatter",
    "self fill_value": "fill_diagonal",
}


def _move(operator: str, choices: list[list[str]]) -> Operator:
    def translated(graph: Graph, a: SimpleNamespace) -> Result:
        names = next((names for names in choices if set(names) <= vars(a).keys()), choices[0])
        given = {name: vars(a)[name] for name in names}
        others = {name: value for name, value in vars(a).items() if name not in names}
        for name, value in others.items():
            _check_constant(graph, operator, name, value)
        lists = {name: x if isinstance(x, list) else [x] for name, x in given.items()}

        def rearrange(*numbers: np.ndarray) -> Any:
            left = iter(numbers)
            arguments = dict(others)
            for name, value in given.items():
                own = [next(left).astype(np.float64) for _ in lists[name]]
                if isinstance(value, list):
                    arguments[name] = own
                else:  # a number stays one
                    held = isinstance(value, (Tensor, np.ndarray))
                    arguments[name] = own[0] if held else float(own[0])
            return _run(graph, operator, arguments)

        return moved(graph, [number(x) for xs in lists.values() for x in xs], rearrange)

    return translated


def _check_constant(graph: Graph, operator: str, name: str, value: Any) -> None:
    if any(isinstance(x, Tensor) for x in (value if isinstance(value, list) else [value])):
        raise graph.refuse(operator, f"its argument {name} is computed; it must be constant")


def _run(graph: Graph, operator: str, arguments: dict[str, Any]) -> np.ndarray | list[np.ndarray]:
    """What torch's operator gives, after a look at how large that is."""
    import torch

    called = getattr(torch.ops.aten, operator)

    def converted(value: Any, device: str) -> Any:
        if isinstance(value, list):
            return [converted(x, device) for x in value]
        if not isinstance(value, np.ndarray):
            return value
        array = value.astype(np.int64) if value.dtype == object else np.ascontiguousarray(value)
        return torch.from_numpy(array.reshape(value.shape)).to(device)

    def result(device: str) -> Any:
        return called(**{name: converted(value, device) for name, value in arguments.items()})

    repeats = arguments.get("repeats")
    if isinstance(repeats, np.ndarray):
        graph.limit([repeats.max(initial=0), arguments["self"].size])
    try:
        if operator != "masked_select" and not isinstance(repeats, np.ndarray):
            shapes = result("meta")
            for out in shapes if isinstance(shapes, (list, tuple)) else [shapes]:
                graph.limit(out.shape)
        found = result("cpu")
    except (RuntimeError, IndexError, TypeError) as error:
        reason = (str(error).strip() or operator).splitlines()[0]
        raise NetworkError(f"layer {graph.layer} ({operator}): {reason}") from None
    if isinstance(found, (list, tuple)):
        return [out.numpy().astype(np.int64) for out in found]
    whole: np.ndarray = found.numpy().astype(np.int64)
    return whole


def _choices() -> dict[str, list[list[str]]]:
    out: dict[str, list[list[str]]] = {}
    for arguments, operators in _MOVED.items():
        for operator in operators.split():
            out.setdefault(operator, []).append(arguments.split())
    return out


MOVES: dict[str, Operator] = {name: _move(name, choices) for name, choices in _choices().items()}
