"""Constant expressions of a torch program, computed by torch; `constants` says by what rules.

Only operators of ATen that compute numbers from numbers are run, none that touch anything else:
the elementwise ones by torch's own tag, the others by name. An operator is first tried on tensors
without numbers (torch's device "meta"), where sizes and work are taken from the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import NetworkError, UnsupportedLayerError
from .constants import note_rounded
from .graph import Graph
from .torch_views import CASTS, VIEWS

__all__ = ["CREATED", "EMPTY", "SHAPED", "TORCH_ERRORS", "TorchConstants", "as_array"]

# What torch or a user's module may raise.
TORCH_ERRORS = (
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
_CUBIC = ("linalg_", "_linalg_", "matrix_", "norm", "frobenius")  # may decompose a matrix
_OPERATIONS = 128  # floating-point operations that cost as much as an entry


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Of `self` these read the shape and the type only, so it may be computed.
SHAPED = _names(
    "zeros_like ones_like full_like new_zeros new_ones new_full fill zero empty_like new_empty"
)
# These make constants of constants, so `torch_ops` translates none of them.
CREATED = _names(
    "arange full full_like new_zeros ones ones_like scalar_tensor zero zeros zeros_like"
)
# Their numbers were never written.
EMPTY = _names("empty empty_like empty_permuted empty_strided new_empty new_empty_strided")
# These move numbers, or make new ones, and round none.
_MOVED = _names(
    """
    adjoint alpha_dropout as_strided atleast_1d atleast_2d atleast_3d block_diag
    broadcast_tensors broadcast_to cartesian_prod column_stack combinations concatenate diag
    diag_embed diagonal_scatter dropout dstack embedding eye feature_alpha_dropout
    feature_dropout flatten_dense_tensors fliplr flipud gather hsplit hstack im2col index_copy
    index_fill index_put lift mH mT masked_scatter matrix_H meshgrid moveaxis one_hot ravel
    repeat_interleave reshape_as rot90 row_stack scatter select_copy select_scatter
    slice_scatter split_copy squeeze_copy swapaxes swapdims take take_along_dim tensor_split
    tile tril_indices triu_indices unfold unfold_copy unsafe_chunk unsafe_split
    unsafe_split_with_sizes vsplit vstack where
    """
) | {*VIEWS, *CREATED, *SHAPED, *EMPTY}
# The result is determined by its type.
_TYPED = _names(
    """
    abs absolute add all amax amin aminmax __and__ any arange argmax argmin argsort bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bucketize ceil
    clamp clamp_max clamp_min clip copysign cummax cummin div divide eq fix floor floor_divide
    fmax fmin fmod frac gcd ge greater greater_equal gt hardshrink hardtanh heaviside isclose
    isfinite isinf isnan isneginf isposinf kthvalue lcm le leaky_relu less less_equal linspace
    logical_and logical_not logical_or logical_xor __lshift__ lt masked_fill max maximum median
    min minimum msort mul multiply nan_to_num ne neg negative nextafter not_equal __or__
    positive prelu _prelu_kernel reciprocal relu relu6 remainder round __rshift__ rsub
    searchsorted sgn sign signbit softshrink sort square sub subtract threshold topk
    true_divide trunc where __xor__
    """
) | {*CASTS}
_NUMBERS = ("item", "_local_scalar_dense")  # give a number of Python
# The last bits depend on the order of additions, or on the machine's library of functions.
_ROUNDED = _names(
    """
    adaptive_avg_pool1d _adaptive_avg_pool2d adaptive_avg_pool2d adaptive_avg_pool3d addbmm
    addmm addmv addr baddbmm batch_norm bmm celu chain_matmul conv1d conv2d conv3d corrcoef
    cosine_similarity count_nonzero cov cross cumprod cumsum cumulative_trapezoid diff dist dot
    einsum embedding_bag _embedding_bag frobenius_norm ger glu group_norm index_add inner instance_norm kron layer_norm
    linalg_cholesky linalg_cross linalg_householder_product linalg_inv linalg_matmul
    linalg_matrix_exp linalg_matrix_norm linalg_matrix_power linalg_multi_dot linalg_norm
    linalg_qr linalg_solve _linalg_solve_ex linalg_solve_triangular linalg_vecdot
    linalg_vector_norm linear log_sigmoid _log_softmax log_softmax logcumsumexp logspace
    logsumexp matmul matrix_exp matrix_power mean mm multi_dot mv nanmean nansum
    _native_batch_norm_legit_no_training native_group_norm native_layer_norm norm normalize
    outer prod renorm rms_norm scatter_add scatter_reduce _softmax softmax softplus std
    std_mean sum tensordot trace trapz upsample_bicubic2d upsample_bilinear2d upsample_linear1d
    upsample_trilinear3d vander var var_mean vdot _weight_norm _weight_norm_interface
    """
)


def as_array(torch: Any, tensor: Any, where: str) -> np.ndarray:
    """The numbers of a torch tensor; those of types that numpy lacks as float32, exactly."""
    if tensor.is_complex() or tensor.is_quantized or tensor.is_sparse:
        raise UnsupportedLayerError(f"{where}: complex, quantised and sparse tensors are not read")
    if tensor.dtype == torch.bfloat16 or "float8" in str(tensor.dtype):
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


class TorchConstants:
    """Computes the constants of one program.

    Parameters
    ----------
    torch : module
        The package torch.
    graph : Graph
        The network under construction: its notes say what was rounded.
    stored : int
        The bytes of the tensors of the program. Constants have a budget of their own, of which
        this is the measure: a small program computes no large ones.
    unset : float
        What numbers are that were never written: NaN is refused if anything reads it.

    Attributes
    ----------
    rounds : bool
        Whether any float was rounded to a type narrower than float64, so that the program in
        float64 would have other constants.
    """

    def __init__(self, torch: Any, graph: Graph, stored: int, unset: float) -> None:
        self.torch, self.graph, self.unset, self.rounds = torch, graph, unset, False
        self._budget = Graph((1,), stored)

    def knows(self, operator: Any, name: str) -> bool:
        """Whether the operator, called `name` without the underscore of writing in place, is run."""
        torch = self.torch
        if operator.namespace != "aten":
            return False
        random = torch.Tag.nondeterministic_seeded in operator.tags and "dropout" not in name
        listed = any(name in names for names in (_MOVED, _TYPED, _ROUNDED, _NUMBERS))
        return not random and (listed or torch.Tag.pointwise in operator.tags)

    def call(self, operator: Any, name: str, given: dict[str, Any]) -> Any:
        """What the operator gives for constant arguments by name: tensors or a number."""
        torch, graph = self.torch, self.graph
        if "dropout" in name:
            if given["train"]:
                raise graph.refuse(name, "is random in training mode; call model.eval() first")
            return given["input"]
        if name in _NUMBERS:
            return given["self"].item()
        if any(argument.name == "device" for argument in operator._schema.arguments):
            given = {**given, "device": torch.device("cpu")}
        try:
            if name.startswith(_CUBIC) and name != "linalg_vector_norm":
                self._pay_cubic(given)
            planned = self._planned(operator, given)
            if name in EMPTY and planned.is_floating_point():
                return torch.full(planned.shape, self.unset, dtype=planned.dtype)
            if self._is_rounded(name, given) and any(map(self._is_float, _leaves(planned))):
                result = self._rounded_once(operator, name, given, planned)
            else:
                result = operator(**self._mapped(given, _copied if _writes(operator) else _same))
                self._note_cast(name, given, result)
        except TORCH_ERRORS as error:
            if isinstance(error, NetworkError):
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise NetworkError(
                f"layer {graph.layer} ({name}): a constant expression cannot be computed: {reason}"
            ) from None
        return result

    def _pay_cubic(self, given: dict[str, Any]) -> None:
        for value in given.values():
            if isinstance(value, self.torch.Tensor):
                self._budget.charge(value.numel() * max(value.shape, default=1) // _OPERATIONS)

    def _planned(self, operator: Any, given: dict[str, Any]) -> Any:
        """The result without its numbers, its sizes and the work it takes paid for."""
        torch, budget = self.torch, self._budget
        budget.layer = self.graph.layer
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils.flop_counter import flop_registry

        class Paid(TorchDispatchMode):  # type: ignore[misc]
            def __torch_dispatch__(
                self, called: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                out = called(*args, **(kwargs or {}))
                for tensor in _leaves(out):
                    if isinstance(tensor, torch.Tensor):
                        budget.limit(tensor.shape)
                work = flop_registry.get(called.overloadpacket)
                if work is not None:
                    budget.charge(work(*args, **(kwargs or {}), out_val=out) // _OPERATIONS)
                return out

        def emptied(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return value.to("meta")
            return torch.device("meta") if isinstance(value, torch.device) else value

        empty = self._mapped(given, emptied)
        with Paid():
            return operator(**empty)

    def _rounded_once(self, operator: Any, name: str, given: dict[str, Any], planned: Any) -> Any:
        """The result computed in float64 and then rounded to the type it has."""
        torch = self.torch
        whole = torch.Tag.pointwise in operator.tags

        def widened(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                integers = whole and not value.is_floating_point() and value.dtype != torch.bool
                floats = value.is_floating_point() or integers
                return value.to(torch.float64, copy=True) if floats else value.clone()
            narrow = isinstance(value, torch.dtype) and value.is_floating_point
            return torch.float64 if narrow else value

        wide = operator(**self._mapped(given, widened))
        kinds = [tensor.dtype for tensor in _leaves(planned)]
        parts = [part.to(kind) for part, kind in zip(_leaves(wide), kinds, strict=True)]
        changed = [
            kind == torch.float64 or not torch.equal(part.double(), whole.double())
            for part, whole, kind in zip(parts, _leaves(wide), kinds, strict=True)
            if kind.is_floating_point
        ]
        if any(changed):
            kind = next(k for k in kinds if k.is_floating_point)
            note_rounded(self.graph, name, str(kind).removeprefix("torch."))
        self.rounds = self.rounds or any(kind != torch.float64 for kind in kinds)
        return parts[0] if isinstance(wide, torch.Tensor) else parts

    def _is_rounded(self, name: str, given: dict[str, Any]) -> bool:
        if given.get("alpha", 1) != 1 or given.get("beta", 1) != 1:
            return True  # a product and a sum, which some machines round once and some twice
        return name not in _MOVED and name not in _TYPED

    def _is_float(self, value: Any) -> bool:
        return isinstance(value, self.torch.Tensor) and bool(value.is_floating_point())

    def _note_cast(self, name: str, given: dict[str, Any], result: Any) -> None:
        """Remember that a result was rounded; refuse a cast of a number beyond its type."""
        if name in _MOVED and name not in CASTS:
            return
        torch = self.torch
        for part in filter(self._is_float, _leaves(result)):
            self.rounds = self.rounds or part.dtype != torch.float64
            source = given.get("self")
            if name in CASTS and isinstance(source, torch.Tensor):
                beyond = part.double().isinf() & source.double().isfinite()
                if beyond.any():
                    kind = str(part.dtype).removeprefix("torch.")
                    why = f"a constant lies beyond the largest number of {kind}"
                    raise self.graph.refuse("cast", why)

    def _mapped(self, given: Any, change: Callable[[Any], Any]) -> Any:
        if isinstance(given, dict):
            return {name: self._mapped(value, change) for name, value in given.items()}
        if isinstance(given, (list, tuple)):
            return [self._mapped(value, change) for value in given]
        return change(given)


def _leaves(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _same(value: Any) -> Any:
    return value


def _copied(value: Any) -> Any:
    return value.clone() if hasattr(value, "clone") else value


def _writes(operator: Any) -> bool:
    return bool(operator._schema.is_mutable)
