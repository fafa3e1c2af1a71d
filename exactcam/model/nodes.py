"""The nodes of a network: affine maps, pointwise activation functions and maxima.

These three make every continuous piecewise-linear network: `Affine` has any number of inputs,
so skip connections and concatenations are affine too; `Pointwise` has one piecewise-linear
function of one variable per unit; `MaxGroups` is max-pooling and maxout (a minimum is a
negated maximum).

All numbers are integers over one positive scale a node, so that exact work is
integer work: a block of columns X with column weights kappa and denominator D
stands for the vectors X[:, k] / (D kappa[k]). With kappa the homogeneous weights
of points this evaluates points; with the three columns (u, v, 1) of a slice and
kappa = (0, 0, 1) the very same code composes affine forms (Lemma 1 of proofs/partition.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import gmpy2
import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Dense, Held, Matrix
from ..arithmetic.rational import (
    by_runs,
    common_integers,
    integer_matrix,
    mpq,
    mpz,
    objects,
    rational,
)
from ..errors import NetworkError
from ..runtime.cached import WithoutCaches, cached_property

__all__ = [
    "Activation",
    "Affine",
    "Block",
    "Cpwl",
    "Knots",
    "MaxGroups",
    "Node",
    "Pointwise",
    "check_node",
]

_KNOTS = 1 << 25  # breakpoints of one layer, over all its units


@dataclass(frozen=True, eq=False)
class Block:
    """Exact vectors over one denominator: vector k is columns[:, k] / (denominator * weights[k]).

    `columns` (size, vectors) and `weights` (vectors,) are object arrays of mpz, weights >= 0 and
    denominator > 0. A vector of weight 0 is a direction: a column u or v of an affine form.
    """

    columns: np.ndarray
    weights: np.ndarray
    denominator: mpz

    def __repr__(self) -> str:
        return f"<Block of {self.columns.shape[1]} vectors of {self.columns.shape[0]} entries>"


@dataclass(frozen=True)
class Cpwl:
    """A continuous piecewise-linear function of one variable.

    Piece j is x -> slope x + intercept between breakpoints j-1 and j. Breakpoints
    where the slope does not change are dropped, so equal functions are equal.
    Raises NetworkError where breakpoints do not increase or pieces do not meet.
    """

    breakpoints: tuple[mpq, ...]
    pieces: tuple[tuple[mpq, mpq], ...]

    def __repr__(self) -> str:
        return f"<Cpwl of {len(self.pieces)} pieces>"

    def __init__(self, breakpoints: Sequence[Any], pieces: Sequence[tuple[Any, Any]]) -> None:
        knots = [rational(t, "breakpoint") for t in breakpoints]
        maps = [(rational(s, "slope"), rational(c, "intercept")) for s, c in pieces]
        if len(maps) != len(knots) + 1:
            raise NetworkError(f"{len(knots)} breakpoints need {len(knots) + 1} pieces")
        for j, t in enumerate(knots):
            if j and knots[j - 1] >= t:
                raise NetworkError("breakpoints must increase")
            if maps[j][0] * t + maps[j][1] != maps[j + 1][0] * t + maps[j + 1][1]:
                raise NetworkError(f"pieces {j} and {j + 1} do not meet: not continuous")
        kept = [j for j in range(len(knots)) if maps[j] != maps[j + 1]]
        object.__setattr__(self, "breakpoints", tuple(knots[j] for j in kept))
        object.__setattr__(self, "pieces", (maps[0], *(maps[j + 1] for j in kept)))

    @staticmethod
    def through(breakpoints: Sequence[Any], slopes: Sequence[Any], at_first: Any = 0) -> Cpwl:
        """From breakpoints, the slopes between them and the value at the first breakpoint."""
        knots = [rational(t, "breakpoint") for t in breakpoints]
        steps = [rational(s, "slope") for s in slopes]
        if not knots or len(steps) != len(knots) + 1:
            raise NetworkError(f"{len(knots)} breakpoints need {len(knots) + 1} slopes")
        value = rational(at_first, "value")
        pieces = [(steps[0], value - steps[0] * knots[0])]
        for j, t in enumerate(knots):
            pieces.append((steps[j + 1], value - steps[j + 1] * t))
            if j + 1 < len(knots):
                value += steps[j + 1] * (knots[j + 1] - t)
        return Cpwl(knots, pieces)

    @staticmethod
    def relu(negative_slope: Any = 0) -> Cpwl:
        """ReLU, or leaky ReLU with the given slope left of zero."""
        return Cpwl.through([0], [negative_slope, 1])


@dataclass(frozen=True, eq=False)
class Affine:
    """y = (sum_k matrices[k] x_k + bias) / scale, with integer entries and scale > 0."""

    inputs: tuple[int, ...]
    matrices: tuple[Matrix, ...]
    bias: np.ndarray
    scale: mpz

    @staticmethod
    def combine(
        inputs: Sequence[int], terms: Sequence[tuple[Matrix, mpz]], bias: tuple[np.ndarray, mpz]
    ) -> Affine:
        """The node of sum_k (M_k / s_k) x_k + b / s, in lowest terms."""
        scale = _denominator(*bias)
        for matrix, term_scale in terms:
            scale = gmpy2.lcm(scale, _denominator(matrix.held, term_scale))
        matrices = tuple(
            matrix.with_numbers(_rescaled(matrix.held, s, scale)) for matrix, s in terms
        )
        shift = _rescaled(bias[0], bias[1], scale)
        assert isinstance(shift, np.ndarray)
        return Affine(tuple(inputs), matrices, shift, scale)

    @staticmethod
    def dense(source: int, weight: Any, bias: Any, where: str = "layer") -> Affine:
        """A fully connected layer; weight (out, in) and bias (out,) of any exact numbers."""
        entries, weight_scale = integer_matrix(weight, f"{where} weight")
        shift, bias_scale = integer_matrix(bias, f"{where} bias")
        if entries.ndim != 2 or shift.shape != entries.shape[:1]:
            raise NetworkError(
                f"{where}: weight {entries.shape} and bias {shift.shape} do not fit: "
                "give weight (out, in) and bias (out,)"
            )
        return Affine.combine([source], [(Dense(entries), weight_scale)], (shift, bias_scale))

    def __repr__(self) -> str:
        sources = ", ".join(map(str, self.inputs[:8])) + (", ..." if len(self.inputs) > 8 else "")
        return f"<Affine of values {sources}, {self.size:,} outputs>"

    @property
    def size(self) -> int:
        """The number of outputs."""
        return len(self.bias)

    def apply(self, blocks: Sequence[Block]) -> Block:
        """The node's value from its inputs' values."""
        denominator = mpz(1)
        for block in blocks:
            denominator = gmpy2.lcm(denominator, block.denominator)
        weights = blocks[0].weights
        out = self.bias[:, None] * (weights * denominator)[None, :]
        for matrix, block in zip(self.matrices, blocks, strict=True):
            factor = denominator // block.denominator
            product = matrix.apply(block.columns)
            out = out + (product if factor == 1 else product * factor)
        return Block(out, weights, denominator * self.scale)


def _denominator(numbers: Held, scale: mpz) -> mpz:
    """The least common denominator of numbers / scale."""
    if isinstance(numbers, Floats):
        return numbers.times(mpq(1, scale)).denominator
    common, seen = mpz(scale), None
    for entry in numbers.ravel():
        if common == 1:
            break
        if entry is not seen:  # a bias repeats one object at all places of a channel
            common, seen = gmpy2.gcd(common, entry), entry
    return scale // common


def _rescaled(numbers: Held, scale: mpz, new: mpz) -> Held:
    """numbers / scale as integers over another scale."""
    if isinstance(numbers, Floats):
        return numbers.times(mpq(new, scale))
    if new == scale:
        return numbers
    factor, below = new // gmpy2.gcd(new, scale), scale // gmpy2.gcd(new, scale)
    return by_runs(lambda few: few * factor // below, numbers.ravel())


class Knots(NamedTuple):
    """Every breakpoint of every unit of a pointwise node, unit by unit, increasing: knot k is
    where the input of `unit[k]` is numerator[k] / denominator[k], in lowest terms."""

    unit: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray


@dataclass(frozen=True, eq=False)
class Pointwise(WithoutCaches):
    """Unit i is functions[which[i]] of entry i of its input.

    The code of a unit is 2j on piece j and 2j + 1 at breakpoint j (a tie): for a
    ReLU 0 is off, 1 at the kink and 2 on.
    """

    source: int
    functions: tuple[Cpwl, ...]
    which: np.ndarray

    def __repr__(self) -> str:
        kinds = f"{len(self.functions)} function{'s' if len(self.functions) != 1 else ''}"
        return f"<Pointwise of value {self.source}, {self.size:,} units, {kinds}>"

    @property
    def inputs(self) -> tuple[int, ...]:
        """The one value that is read, as a tuple."""
        return (self.source,)

    @property
    def size(self) -> int:
        """The number of units."""
        return len(self.which)

    @cached_property
    def knots(self) -> Knots:
        """The breakpoints of all units."""
        per_unit = [self.functions[f].breakpoints for f in self.which]
        unit = np.repeat(np.arange(self.size), [len(b) for b in per_unit])
        flat = [t for breakpoints in per_unit for t in breakpoints]
        return Knots(unit, objects(t.numerator for t in flat), objects(t.denominator for t in flat))

    @cached_property
    def scale(self) -> mpz:
        """The common denominator of all slopes and intercepts."""
        return common_integers(v for f in self.functions for piece in f.pieces for v in piece)[1]

    @cached_property
    def _pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """(slopes, intercepts) times `scale`, each (functions, pieces) of mpz."""
        width = max(len(f.pieces) for f in self.functions)
        slopes = objects([mpz(0)] * (len(self.functions) * width), (len(self.functions), width))
        intercepts = slopes.copy()
        for f, function in enumerate(self.functions):
            for j, (slope, intercept) in enumerate(function.pieces):
                slopes[f, j] = mpz(slope * self.scale)
                intercepts[f, j] = mpz(intercept * self.scale)
        return slopes, intercepts

    @cached_property
    def _zero(self) -> np.ndarray | None:
        """Which piece of each function is zero, bool (functions, pieces), if all others are the
        identity; else None."""
        pieces = {piece for function in self.functions for piece in function.pieces}
        if not pieces <= {(mpq(0), mpq(0)), (mpq(1), mpq(0))}:
            return None
        return self._pieces[0] == 0

    @property
    def code_limits(self) -> np.ndarray:
        """The largest code of each unit; int64 (units,)."""
        return np.asarray([2 * len(self.functions[f].breakpoints) for f in self.which], np.int64)

    def knot_values(self, block: Block) -> np.ndarray:
        """Input minus breakpoint, times a positive number: one row per entry of `knots`."""
        unit, p, q = self.knots
        return q[:, None] * block.columns[unit] - (p * block.denominator)[:, None] * block.weights

    def codes(self, block: Block) -> np.ndarray:
        """The code of every unit at every column; int64 (units, columns). For points only."""
        values = self.knot_values(block)
        out = np.zeros((self.size, block.columns.shape[1]), dtype=np.int64)
        np.add.at(out, self.knots.unit, 1 + np.sign(values).astype(np.int64))
        return out

    def apply(self, block: Block, codes: np.ndarray, units: np.ndarray | None = None) -> Block:
        """The node's value on the pieces `codes`, int (units,) or (units, columns); only the
        rows of `units` if these are given."""
        rows = self.which if codes.ndim == 1 else self.which[:, None]
        if units is not None:
            rows, codes = rows[units], codes[units]
            block = Block(block.columns[units], block.weights, block.denominator)
        if self._zero is not None and codes.ndim == 1:
            out = block.columns.copy()
            out[self._zero[rows, codes // 2]] = mpz(0)
            return Block(out, block.weights, block.denominator)
        slopes, intercepts = self._pieces
        slope, intercept = slopes[rows, codes // 2], intercepts[rows, codes // 2]
        if codes.ndim == 1:
            slope, intercept = slope[:, None], intercept[:, None]
        out = slope * block.columns
        if intercept.any():
            out = out + intercept * (block.weights * block.denominator)
        return Block(out, block.weights, block.denominator * self.scale)


class _Groups:
    """The field `groups`: given as an array, it becomes tuples once somebody reads it."""

    def __set__(self, instance: object, value: object) -> None:
        vars(instance)["groups"] = value

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        held = vars(instance)["groups"]
        if isinstance(held, np.ndarray):
            held = vars(instance)["groups"] = tuple(map(tuple, held.tolist()))
        return held


@dataclass(frozen=True, eq=False)
class MaxGroups(WithoutCaches):
    """Unit g is the maximum of the input's entries groups[g].

    The code of a group is the position in it of the first member that attains
    the maximum: on a cell, the first that attains it everywhere. Groups of one length may be
    given as an array (units, members).
    """

    source: int
    groups: tuple[tuple[int, ...], ...]

    def __repr__(self) -> str:
        return f"<MaxGroups of value {self.source}, {self.size:,} units>"

    @property
    def inputs(self) -> tuple[int, ...]:
        """The one value that is read, as a tuple."""
        return (self.source,)

    @property
    def size(self) -> int:
        """The number of units."""
        return len(vars(self)["groups"])

    @property
    def code_limits(self) -> np.ndarray:
        """The largest code of each unit; int64 (units,)."""
        out = np.empty(self.size, np.int64)
        for units, members in self.by_length:
            out[units] = members.shape[1] - 1
        return out

    @cached_property
    def by_length(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """(units, members): the groups of each length, members as an array (units, length)."""
        held = vars(self)["groups"]
        if isinstance(held, np.ndarray):
            return ((np.arange(len(held)), held),)
        lengths = np.asarray([len(g) for g in self.groups])
        return tuple(
            (np.nonzero(lengths == n)[0], np.asarray([g for g in self.groups if len(g) == n]))
            for n in np.unique(lengths)
        )

    def codes(self, block: Block) -> np.ndarray:
        """The code of every group at every column; int64 (units, columns). For points only."""
        out = np.zeros((self.size, block.columns.shape[1]), dtype=np.int64)
        for units, members in self.by_length:
            out[units] = np.argmax(block.columns[members], axis=1)
        return out

    def apply(self, block: Block, codes: np.ndarray, units: np.ndarray | None = None) -> Block:
        """The node's value where group g takes its member `codes[g]` (or codes[g, column]);
        only the rows of `units` if these are given."""
        shape = (self.size, *codes.shape[1:])
        chosen = np.empty(shape, dtype=np.int64)
        for groups, members in self.by_length:
            rows = np.arange(len(groups)).reshape(-1, *([1] * (codes.ndim - 1)))
            chosen[groups] = members[rows, codes[groups]]
        chosen = chosen if units is None else chosen[units]
        columns = (
            block.columns[chosen]
            if codes.ndim == 1
            else np.take_along_axis(block.columns, chosen, axis=0)
        )
        return Block(columns, block.weights, block.denominator)


# After the class is made: a dataclass would take it for a default.
MaxGroups.groups = _Groups()  # type: ignore[assignment]

Activation = Pointwise | MaxGroups
Node = Affine | Activation


def check_node(where: str, node: Node, sizes: Sequence[int]) -> None:
    """Raise NetworkError unless `node` fits inputs of the given sizes."""
    if isinstance(node, Affine):
        if not node.matrices or len(node.matrices) != len(sizes) or node.scale < 1:
            raise NetworkError(f"{where}: needs one matrix per input and a positive scale")
        for matrix, size in zip(node.matrices, sizes, strict=True):
            if matrix.shape != (node.size, size):
                raise NetworkError(
                    f"{where}: a matrix of shape {matrix.shape} cannot map {size} values "
                    f"to {node.size}"
                )
    elif isinstance(node, Pointwise):
        if node.size != sizes[0]:
            raise NetworkError(f"{where}: {node.size} units on {sizes[0]} values")
        if node.size and not 0 <= node.which.min() <= node.which.max() < len(node.functions):
            raise NetworkError(f"{where}: a unit names a function that is not there")
        _check_functions(where, node)
    elif not _all_inside(vars(node)["groups"], sizes[0]):
        raise NetworkError(f"{where}: a max group is empty or reaches outside its input")


def _all_inside(groups: Sequence[Sequence[int]] | np.ndarray, size: int) -> bool:
    """Whether no group is empty and all members are from 0 to size - 1."""
    if isinstance(groups, np.ndarray):
        return groups.size > 0 and groups.min() >= 0 and groups.max() < size
    members = list(chain.from_iterable(groups))
    return all(groups) and min(members, default=0) >= 0 and max(members, default=-1) < size


def _check_functions(where: str, node: Pointwise) -> None:
    """Refuse tables of breakpoints that would be far larger than what is given."""
    pieces = np.asarray([len(f.pieces) for f in node.functions], dtype=np.int64)
    knots = int((pieces - 1)[node.which].sum()) if node.size else 0
    table = len(pieces) * int(pieces.max(initial=0))
    if knots > _KNOTS or table > _KNOTS // 8 + 16 * int(pieces.sum()):
        raise NetworkError(
            f"{where}: {knots:,} breakpoints, in {len(pieces):,} functions of up to "
            f"{int(pieces.max()):,} pieces; such a layer is out of reach"
        )
