"""The network under construction, which the torch and ONNX loaders build operator by operator.

A computed tensor is an affine map that is not yet a node (`Form`) with an index array that
says which row each entry is. Reshapes, transposes, slices, gathers, expansions and zero padding
only rearrange the index array, so they cost no node; a bias, a scale, a batch
normalisation and a residual addition fold into the map they follow; a node is
made when an activation or a second linear map reads the result. A constant is a
plain numpy array (floats are exact numbers; the results of arithmetic are
objects), and arithmetic on constants is exact.

Operators that are more than this (convolution, pooling, ...) are in `layers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Held, Matrix, Sparse
from ..arithmetic.rational import by_runs, integer_matrix, mpq, mpz, objects, rational, spread
from ..errors import NetworkError, UnsupportedLayerError
from ..files.strict_json import printable
from ..model.network import Network
from ..model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise
from .forms import (
    Form,
    Mass,
    Operand,
    Result,
    Tensor,
    Term,
    add_forms,
    exact,
    floats,
    row_scalable,
    row_scaled,
    shifted,
    zeros,
)

__all__ = ["Constant", "Form", "Graph", "Operand", "Result", "Tensor", "exact", "floats", "width"]

Constant = np.ndarray
_LARGEST = 1 << 23  # entries of one tensor, or products of one sparse map
_FREE, _RATIO = 1 << 24, 64  # entries of all tensors of a file, and so many more for each byte
_TERM = 256  # what one matrix of a sum costs besides its rows, in entries
_WIDE = 1024  # a number of more bits counts as several entries
_LONG = 256  # a float that needs more bits beside smaller ones, likewise
_MANY = 1 << 10  # floats of a matrix that are kept as floats
_WIDEST = 1 << 20  # bits of a number


class Graph:
    """A network under construction: nodes so far, and the operations that add to them.

    Attributes
    ----------
    layer : str
        The name of the layer that is being translated, for messages and names of nodes.
    nodes, names, notes : list
        As in `Network`.
    masses : list of Mass
        For every node what rounding may add to it in the model, beyond what its numbers say.
    input : Tensor
        The network's input.
    """

    def __init__(self, shape: Sequence[int], size_of_file: int = 1 << 30) -> None:
        self.layer = "input"
        self._left = _FREE + _RATIO * size_of_file
        self.limit(shape)
        size = math.prod(shape)
        if size < 1:
            raise NetworkError(f"an input of shape {tuple(shape)} has no entries")
        self.nodes: list[Node] = []
        self.names: list[str] = []
        self.notes: list[str] = []
        self.masses: list[Mass] = []
        self._forms: list[Form] = []  # the value of every node
        self.input = Tensor(Form(size, "input", value=0), np.arange(size).reshape(shape))

    def limit(self, shape: Iterable[int], bits: int = 0) -> None:
        """Take a tensor of numbers of so many bits from the budget of the whole graph.

        Called before the tensor is made, because a small file may ask for very large ones, or
        for many. Raises NetworkError.
        """
        sides = [int(n) for n in shape]
        if min(sides, default=0) < 0:
            raise NetworkError(f"layer {self.layer}: a tensor of the shape {_short(sides)}")
        if math.prod(max(n, 1) for n in sides) > _LARGEST:
            raise NetworkError(
                f"layer {self.layer}: a tensor of the shape {_short(sides)}, of more than "
                f"{_LARGEST} entries; such a network is out of reach"
            )
        if bits > _WIDEST:
            raise NetworkError(
                f"layer {self.layer}: numbers of {bits:,} bits; such a network is out of reach"
            )
        self.charge(max(1, math.prod(sides)) * (1 + bits // _WIDE))

    def charge(self, entries: int) -> None:
        """Take so many entries from the budget of the whole graph. Raises NetworkError."""
        self._left -= entries
        if self._left < 0:
            raise NetworkError(
                f"layer {self.layer}: here the tensors of the graph are together far larger than "
                "its file; such a network is out of reach"
            )

    def integers(self, values: Any, what: str) -> tuple[np.ndarray, mpz]:
        """Constants as integers over one scale, long ones within the budget of the graph."""
        self.charge(np.size(values) * (spread(values) // _LONG))
        return integer_matrix(values, f"layer {self.layer}: {what}")

    def weights(self, values: Constant, what: str) -> tuple[Held, mpz]:
        """`integers` of the entries of a matrix: many floats stay what they are."""
        if values.size < _MANY or values.dtype.kind != "f" or values.dtype.itemsize > 8:
            return self.integers(values, what)
        self.charge(values.size * (spread(values) // _LONG))
        return Floats.of(values, f"layer {self.layer}: {what}"), mpz(1)

    def refuse(self, kind: str, why: str) -> UnsupportedLayerError:
        """Make (not raise) the error that says why the present layer is not supported."""
        return UnsupportedLayerError(f"layer {self.layer} ({kind}): {why}")

    def network(self, output: Operand) -> Network:
        """The finished network; the output's entries are flattened."""
        if not isinstance(output, Tensor):
            raise NetworkError("the output does not depend on the input: there is nothing to map")
        self._prune(self.value(output))
        return Network(
            self.input.form.size,
            tuple(self.nodes),
            len(self.nodes),
            tuple(map(printable, self.names)),
            tuple(map(printable, self.notes)),
        )

    def _prune(self, output: int) -> None:
        """Leave out the nodes that a value does not depend on, such as those read for their shape.

        What they computed is no value of the network then.
        """
        needed = {output}
        for k in range(len(self.nodes), 0, -1):
            if k in needed:
                needed.update(self.nodes[k - 1].inputs)
        if len(needed - {0}) == len(self.nodes):
            return
        places = {old: new for new, old in enumerate(sorted(needed | {0}))}
        for k, form in enumerate(self._forms, 1):
            form.value = places.get(k)
        rows = [k - 1 for k in places if k]
        self.masses[:] = [self.masses[k] for k in rows]
        self.names[:] = [self.names[k] for k in rows]
        self.nodes[:] = [_renumbered(self.nodes[k], places) for k in rows]

    # Nodes

    def _push(self, node: Node, form: Form, mass: np.ndarray) -> Form:
        """Append a node; the form becomes its value."""
        self.nodes.append(node)
        self.names.append(form.name)
        self.masses.append(Mass(mass))
        self._forms.append(form)
        form.value = len(self.nodes)
        return form

    def make(self, form: Form) -> int:
        """Make a node of the form unless it is one; the number of its value."""
        if form.value is None:
            empty = Sparse.selection(self.input.form.size, [-1] * form.size)
            terms = form.terms or [(0, empty, mpz(1))]
            node = Affine.combine(
                [value for value, _, _ in terms],
                [(matrix, scale) for _, matrix, scale in terms],
                (form.numbers, form.scale),
            )
            self._push(node, form, form.mass)
            form.terms, form.numbers, form.bits = (), objects([]), 0
        assert form.value is not None
        return form.value

    def settle(self, operand: Operand) -> None:
        """Make a node of a dense or convolutional map that several layers are going to read."""
        if isinstance(operand, Tensor) and not all(
            isinstance(matrix, Sparse) for _, matrix, _ in operand.form.terms
        ):
            self.make(operand.form)

    def value(self, tensor: Tensor) -> int:
        """Make a node of exactly the tensor's entries in row-major order; its value's number."""
        return self.make(self.packed(tensor).form)

    def packed(self, tensor: Tensor) -> Tensor:
        """The same tensor over a form whose row e is entry e."""
        if tensor.is_plain():
            return tensor
        form = self._taken(tensor.form, tensor.index.ravel())
        return Tensor(form, np.arange(form.size).reshape(tensor.shape))

    def whole(self, tensor: Tensor) -> Tensor:
        """The same tensor over a form of which every row is used exactly once."""
        return tensor if tensor.is_whole() else self.packed(tensor)

    def _taken(self, form: Form, picks: np.ndarray) -> Form:
        """Select rows of a form, -1 for zero; one with a dense or convolutional map is made a node."""
        if form.value is None and not all(isinstance(m, Sparse) for _, m, _ in form.terms):
            self.make(form)
        if form.value is not None:
            terms: list[Term] = [(form.value, Sparse.selection(form.size, picks), mpz(1))]
            return Form(len(picks), self.layer, terms, zeros(len(picks)), mass=np.zeros(len(picks)))
        self.charge(sum(_taken_entries(m, picks) for _, m, _ in form.terms))
        form.folded = True
        terms = [
            (value, matrix.take_rows(picks), scale)
            for value, matrix, scale in form.terms
            if isinstance(matrix, Sparse)
        ]
        numbers = np.where(picks < 0, np.asarray(mpz(0), object), form.numbers[picks])
        mass = np.where(picks < 0, 0.0, form.mass[picks])
        return Form(len(picks), form.name, terms, numbers, form.scale, mass, bits=form.bits)

    def affine(
        self, terms: Sequence[Term], shape: Sequence[int], bias: Constant | None = None
    ) -> Tensor:
        """A new affine map: the sum of `terms` plus a bias that broadcasts to `shape`."""
        self.limit(shape)
        size = math.prod(shape)
        form = Form(size, self.layer, terms, zeros(size), mass=np.zeros(size))
        tensor = Tensor(form, np.arange(size).reshape(shape))
        if bias is None:
            return tensor
        out = self.add(tensor, bias)
        assert isinstance(out, Tensor)
        return out

    # Arithmetic

    def _constants(self, op: Callable[[Any, Any], Any], a: Constant, b: Constant) -> Constant:
        self.limit(np.broadcast_shapes(a.shape, b.shape), width(a) + width(b))
        if a.dtype.kind in "iu" and b.dtype.kind in "iu":
            whole = np.asarray(op(a.astype(object), b.astype(object)), dtype=object)
            if any(not -(1 << 63) <= x < 1 << 64 for x in whole.ravel()):
                raise NetworkError(f"layer {self.layer}: an integer of more than 64 bits")
            return whole
        a, b = exact(a, self._where()), exact(b, self._where())
        return np.asarray(op(a, b), dtype=object)

    def _where(self) -> str:
        return f"layer {self.layer}: constant"

    def add(self, a: Operand, b: Operand) -> Operand:
        """a + b with broadcasting."""
        if not isinstance(a, Tensor):
            a, b = b, a
        if not isinstance(a, Tensor):
            assert not isinstance(b, Tensor)
            return self._constants(np.add, a, b)
        a = self._broadcast(a, b)
        if not isinstance(b, Tensor):
            a = self.whole(a)
            numbers, scale = self.integers(b, "constant")
            bits = max(a.form.bits, _bits(numbers)) + scale.bit_length()
            self.limit(a.shape, bits)
            numbers = np.broadcast_to(numbers, a.shape)
            shift = zeros(a.form.size)
            shift[a.index.ravel()] = numbers.ravel()
            form = shifted(self._folded(a.form), a.form, (shift, scale))
            form.bits = bits
            return Tensor(form, a.index)
        b = self._broadcast(b, a)
        if not (a.is_whole() and np.array_equal(a.index, b.index)):
            a, b = self.packed(a), self.packed(b)
        bits = a.form.bits + b.form.bits
        self.limit(a.shape, bits)
        self.charge((len(a.form.terms) + len(b.form.terms)) * (a.form.size + _TERM))
        form = add_forms(self.layer, a.form, b.form)
        form.bits = bits
        return Tensor(form, a.index)

    def _folded(self, form: Form) -> str:
        """The name of a map that another operation is folded into."""
        return self.layer if form.value is not None else form.name

    def _broadcast(self, a: Tensor, b: Operand) -> Tensor:
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise NetworkError(
                f"layer {self.layer}: shapes {a.shape} and {b.shape} do not broadcast"
            ) from None
        self.limit(shape)
        return a if shape == a.shape else Tensor(a.form, np.broadcast_to(a.index, shape))

    def negative(self, a: Operand) -> Operand:
        return self.multiply(a, np.asarray(-1))

    def subtract(self, a: Operand, b: Operand) -> Operand:
        return self.add(a, self.negative(b))

    def multiply(self, a: Operand, b: Operand) -> Operand:
        """a * b where at least one of them is constant."""
        if not isinstance(a, Tensor):
            a, b = b, a
        if not isinstance(a, Tensor):
            assert not isinstance(b, Tensor)
            return self._constants(np.multiply, a, b)
        if isinstance(b, Tensor):
            names = f"the values of the layers {a.form.name} and {b.form.name}"
            raise self.refuse(
                "product", f"of {names} is not piecewise linear; multiply by constants only"
            )
        a = self.whole(self._broadcast(a, b))
        numbers, scale = self.integers(b, "constant")
        bits = a.form.bits + _bits(numbers) + scale.bit_length()
        self.limit(a.shape, bits)
        factors = zeros(a.form.size)
        factors[a.index.ravel()] = np.broadcast_to(numbers, a.shape).ravel()
        form = a.form
        if not all(row_scalable(matrix, factors) for _, matrix, _ in form.terms):
            self.make(form)
        name = self._folded(form)
        terms, shift, shift_scale, mass = form.parts()
        terms = [(value, row_scaled(m, factors), s * scale) for value, m, s in terms]
        mass = mass * np.abs(floats(factors, scale))
        shift = by_runs(np.multiply, shift, factors)
        scaled = Form(form.size, name, terms, shift, shift_scale * scale, mass, bits=bits)
        return Tensor(scaled, a.index)

    def divide(self, a: Operand, b: Operand) -> Operand:
        """a / b, exactly, by a constant b without zeros."""
        if isinstance(b, Tensor):
            raise self.refuse(
                "division",
                f"by the value of layer {b.form.name} is not piecewise linear; divide by constants only",
            )
        below = exact(b, self._where())
        if any(entry == 0 for entry in below.ravel()):
            raise NetworkError(f"layer {self.layer}: division by zero")
        return self.multiply(a, np.asarray(1 / below, dtype=object))

    # Rearranging

    def view(self, a: Operand, rearrange: Callable[[np.ndarray], np.ndarray]) -> Operand:
        """Apply an operation that only moves or repeats entries.

        Parameters
        ----------
        a : Operand
            A computed tensor or a constant.
        rearrange : callable
            The operation on an integer array of the shape of `a`; entries that it sets to
            -1 are zero in the result.
        """
        try:
            if isinstance(a, Tensor):
                index = rearrange(a.index)
                self.limit(index.shape)
                return Tensor(a.form, index)
            places = rearrange(np.arange(a.size).reshape(a.shape))
        except (ValueError, IndexError) as error:
            raise NetworkError(f"layer {self.layer}: {error} (input shape {a.shape})") from None
        taken = a.ravel()[places] if a.size else np.zeros(places.shape, a.dtype)
        nothing = np.asarray(mpz(0) if a.dtype == object else 0, a.dtype)
        return np.where(places < 0, nothing, taken)

    def concatenate(self, tensors: Sequence[Operand], axis: int) -> Operand:
        """Concatenate along an axis; constants and computed tensors may be mixed."""
        self.limit([sum(math.prod(t.shape) for t in tensors)])
        if not any(isinstance(t, Tensor) for t in tensors):
            return np.concatenate([np.asarray(t) for t in tensors], axis)
        forms = {id(t.form): t.form for t in tensors if isinstance(t, Tensor)}
        if len(forms) == 1 and all(isinstance(t, Tensor) for t in tensors):
            (form,) = forms.values()
            indices = [t.index for t in tensors if isinstance(t, Tensor)]
            return Tensor(form, np.concatenate(indices, axis))
        # Each part alone, in its place among zeros; the result is their sum.
        starts = np.cumsum([0, *(t.shape[axis] for t in tensors)])
        total: Operand | None = None
        for start, tensor in zip(starts, tensors, strict=False):
            before, after = int(start), int(starts[-1] - start - tensor.shape[axis])
            widths = [(0, 0)] * tensor.ndim
            widths[axis] = (before, after)
            part = self.padded(tensor, widths)
            total = part if total is None else self.add(total, part)
        assert total is not None
        return total

    def padded(self, a: Operand, widths: Sequence[tuple[int, int]]) -> Operand:
        """Pad with zeros before and after each axis."""
        return self.view(a, lambda x: np.pad(x, widths, constant_values=-1))

    def stack(self, tensors: Sequence[Operand], axis: int) -> Operand:
        expanded = [self.view(t, lambda a: np.expand_dims(a, axis)) for t in tensors]
        return self.concatenate(expanded, axis)

    def entries(
        self, a: Tensor, size: int, rows: np.ndarray, places: np.ndarray, weights: np.ndarray | mpq
    ) -> Term:
        """The term of a sparse map of `size` rows, given by its entries.

        Entry k of the map adds weights[k] times a.flat[places[k]] to row rows[k]; a single
        weight is that of all.
        """
        cols = a.index.ravel()[places]
        kept = cols >= 0
        if isinstance(weights, np.ndarray):
            numbers, scale = self.integers(weights, "constant")
        else:
            numbers, scale = objects([weights.numerator]).repeat(len(rows)), weights.denominator
        value = self.make(a.form)
        shape = (size, a.form.size)
        return value, Sparse.of_entries(shape, rows[kept], cols[kept], numbers[kept]), scale

    def rounded_weights(self, out: Tensor, off: Matrix) -> None:
        """Say that the model computes the weights of the map `out` in floats.

        Each may be off by as many units of roundoff as `off` says. The map becomes a node, so
        that the self-check can allow for this.
        """
        value = self.make(out.form)
        self.masses[value - 1] = self.masses[value - 1]._replace(weights=off)

    # Activations

    def pointwise(
        self, a: Operand, functions: Sequence[Cpwl], which: np.ndarray | int = 0
    ) -> Operand:
        """Apply functions[which] to each entry; `which` broadcasts to the shape of `a`."""
        if not isinstance(a, Tensor):
            self.limit(a.shape, width(a))
            numbers = np.broadcast_to(which, a.shape).ravel()
            values = exact(a, self._where()).ravel()
            applied = (_apply(functions[f], x) for f, x in zip(numbers, values, strict=True))
            return objects(applied, a.shape)
        self.charge(2 * a.index.size)
        a = self.whole(a)
        per_row = np.zeros(a.form.size, dtype=np.int64)
        if np.any(which):  # zeros that nothing touched take no memory
            per_row[a.index.ravel()] = np.broadcast_to(which, a.shape).ravel()
        node = Pointwise(self.make(a.form), tuple(functions), per_row)
        return Tensor(self._push(node, Form(node.size, self.layer), np.zeros(node.size)), a.index)

    def max_groups(
        self, a: Tensor, groups: np.ndarray | Iterable[Sequence[int]], shape: Sequence[int]
    ) -> Tensor:
        """Maxima over groups of entries: result g is the largest of a.flat[groups[g]]."""
        if (a.index < 0).any():
            a = self.packed(a)
        node = MaxGroups(self.make(a.form), _members(a.index.ravel(), groups))
        if not node.code_limits.any():
            return Tensor(a.form, node.by_length[0][1].reshape(shape))
        form = self._push(node, Form(node.size, self.layer), np.zeros(node.size))
        return Tensor(form, np.arange(node.size).reshape(shape))

    def maximum(self, a: Operand, b: Operand) -> Operand:
        """The elementwise maximum; with a constant it is a function of one entry."""
        if not isinstance(a, Tensor):
            a, b = b, a
        if not isinstance(a, Tensor):
            assert not isinstance(b, Tensor)
            return self._constants(np.maximum, a, b)
        a = self._broadcast(a, b)
        if isinstance(b, Tensor):
            b = self._broadcast(b, a)
            pair = self.stack([a, b], 0)
            assert isinstance(pair, Tensor)
            size = a.index.size
            groups = np.arange(2 * size).reshape(2, size).T
            return self.max_groups(pair, groups.tolist(), a.shape)
        floors = np.broadcast_to(exact(b, self._where()), a.shape)
        numbers: dict[mpq, int] = {}
        which = [numbers.setdefault(x, len(numbers)) for x in floors.ravel()]
        functions = [Cpwl([x], [(0, x), (1, 0)]) for x in numbers]
        return self.pointwise(a, functions, np.asarray(which).reshape(a.shape))

    def minimum(self, a: Operand, b: Operand) -> Operand:
        return self.negative(self.maximum(self.negative(a), self.negative(b)))


def _members(flat: np.ndarray, groups: np.ndarray | Iterable[Sequence[int]]) -> Any:
    """flat[group] for each group; equal members would only be second names for one value."""
    if isinstance(groups, np.ndarray):
        picked = flat[groups]
        ordered = np.sort(picked, axis=1)
        if (ordered[:, 1:] != ordered[:, :-1]).all():
            return picked
        groups = groups.tolist()
    rows = flat.tolist()
    return tuple(tuple(dict.fromkeys([rows[k] for k in group])) for group in groups)


def _renumbered(node: Node, places: dict[int, int]) -> Node:
    """The same node of values that have other numbers."""
    if isinstance(node, Affine):
        return replace(node, inputs=tuple(places[i] for i in node.inputs))
    return replace(node, source=places[node.source])


def _short(sides: Sequence[int]) -> str:
    """A shape for a message."""
    return f"({', '.join(f'{n:.6g}' if abs(n) > 1e15 else str(n) for n in sides[:8])})"


def _bits(numbers: np.ndarray) -> int:
    """The length of the longest of some integers."""
    return max((entry.bit_length() for entry in numbers.ravel()), default=0)


def width(a: Constant) -> int:
    """A bound on the bits of numerator and denominator; what is stored in a file is short."""
    if a.dtype != object:
        return 0
    return max(
        (int(x.numerator).bit_length() + int(x.denominator).bit_length() for x in a.ravel()),
        default=0,
    )


def _taken_entries(matrix: Matrix, picks: np.ndarray) -> int:
    """How many entries the rows `picks` of a sparse matrix have together."""
    if not isinstance(matrix, Sparse):
        return 0
    return int(np.diff(matrix.indptr)[picks[picks >= 0]].sum())


def _apply(function: Cpwl, x: mpq) -> mpq:
    piece = sum(1 for t in function.breakpoints if x > t)
    slope, intercept = function.pieces[piece]
    return rational(slope * x + intercept)
