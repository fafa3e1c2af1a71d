"""The float filter: affine forms of cells in float64, each with a proven error bound.

Notation: u = 2^-53; fl is any IEEE rounding of one operation, so |fl(x) - x| <=
u |x| + eta with eta the underflow unit; gamma_n = n u / (1 - n u). All bounds hold
for any order of summation, with or without fused multiply-adds (Higham, Accuracy
and Stability of Numerical Algorithms, 2nd ed., section 3.1 and problem 3.2). Proved
in full in proofs/filter.md: F1 is Lemma 21 there, F2 Lemma 22, F3 Theorem 23.

On a cell every value of the network is an affine form a u + b v + c in *local*
coordinates, |u|, |v| <= 1 on the window. It is stored as floats (a, b, c) with
e >= |error of a| + |error of b| and f >= |error of c|.

Lemma F1 (affine layer). Let y = W x + t, where row i of the float W has absolute
sum r_i, W and t are correctly rounded from the exact ones, and x has forms with
|a_j| + |b_j| <= M, |c_j| <= C, errors e_j <= E and f_j <= F. If n is the number of
terms of row i and g = gamma_{n+6}, the computed form of y_i has errors at most
    r_i (E + g M)   and   r_i (F + g C) + g |t_i|.
Proof: a dot product of n terms costs gamma_n sum |w||x|, the roundings of W and t
one u each, the additions of several inputs and the bias at most three more, and
exact weights times input errors give sum |w| e_j <= (1 + u) r_i E. If moreover the
x are exact multiples of 2^-p, the W of 2^-q, t of 2^-(p+q), and r_i M (for the
constants r_i C + |t_i|) is at most 2^(53 - p - q), every partial sum is an integer
below 2^53 times 2^-(p+q), hence exact: both errors are zero. If up to d entries are
changed afterwards, by adding w (x' - x) for each, there are 2d more terms and at most
2 d max|w| M more in the sum of moduli, with M bounding the changed entries too.

Lemma F2 (meet). Let p be the computed intersection of two float lines, D a lower
bound of the modulus of the determinant of the exact lines, and R_k a bound of the
exact line k's value at p. The exact intersection P satisfies
    |P_u - p_u| <= (|b_2| R_1 + |b_1| R_2) / D, and alike for v with a.
Proof: the exact lines' values at p are J (p - P) with J their gradients; invert J.

Lemma F3 (sign). The exact form at the exact corner P, |P - p| <= delta, differs from
fl(a p_u + b p_v + c) by at most 4u(|a p_u| + |b p_v| + |c|) + e max(|p_u|, |p_v|) + f
+ (|a| + |b| + e) delta. With p the centre of a cell's box and delta its half sides that
holds for all its corners at once. A sign is given if the computed value exceeds that bound;
zero if every product in the value and in the bound has a factor that is zero (not
merely a product that is: products underflow) and c and f are. Anything else is UNKNOWN.

Where a bound is used it is itself computed in floats: factors (1 + 2^-46) cover its
own roundings and `TINY` every underflow; NaN and infinity fail all comparisons and
so end as UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .copies import copied_knots, tied_knots
from .matrix import Dense, Matrix
from .nodes import Affine, MaxGroups, Pointwise
from .rational import mpq
from .rounding import TINY, UNIT, UP, Forms, rounded, rounded_quotients

__all__ = ["Family", "FloatAffine", "FloatMax", "FloatPointwise", "kernels"]


Polygons = tuple[np.ndarray, np.ndarray, np.ndarray]  # start, corners, labels


def kernels() -> Any:
    """The compiled batch kernels, imported at first use: numba takes a while to load."""
    from . import kernels_batch

    return kernels_batch


class FloatAffine:
    """An affine node prepared for Lemma F1."""

    def __init__(self, node: Affine) -> None:
        self.inputs = node.inputs
        self.products: list[_Product] = []
        self.grids: list[int | None] = []
        self.terms, lossy = 0, 0.0
        for matrix in node.matrices:
            floats, errors, grid = rounded_quotients(matrix.numbers, node.scale)
            lossy = max(lossy, float(errors.max(initial=0.0)))
            self.products.append(_Product(matrix, floats))
            self.terms += self.products[-1].terms
            self.grids.append(grid)
        self.bias, errors, self.bias_grid = rounded_quotients(node.bias, node.scale)
        self.sound = max(lossy, float(errors.max(initial=0.0))) <= UNIT

    def apply(self, inputs: Sequence[Forms]) -> Forms:
        """The node's forms on all cells, errors by Lemma F1."""
        grid = self._grid(inputs)
        errors = self._errors([_measure(x) for x in inputs], grid, 0, 0)
        return Forms(self._product(inputs), errors, np.arange(len(errors)), grid)

    def apply_siblings(self, inputs: Sequence[Forms], family: Family) -> Forms:
        """The node's forms on families of siblings (Lemma F1 with its second remark).

        `inputs` are those of the first member of each family; the others differ in few
        entries of input `family.which` and get their differences added.
        """
        product = self.products[family.which]
        base = self._product(inputs)
        out = np.empty((len(family.member), *base.shape[1:]))
        measures = [_measure(x) for x in inputs]
        own = measures[family.which]
        changed = kernels().add_differences(
            base, family.member, family.first, family.codes, family.source,
            family.cells, family.pieces, family.slopes, family.intercepts,
            product.dense, *product.by_column, own[:, :2], out,
        )  # fmt: skip
        np.maximum(own[:, 2:], family.errors, out=own[:, 2:])
        grid = self._grid(inputs)
        errors = self._errors(measures, grid, family.which, changed)
        return Forms(out, errors, family.member, grid)

    def _product(self, inputs: Sequence[Forms]) -> np.ndarray:
        out = np.empty((len(inputs[0].coefficients), 3, len(self.bias)))
        for k, (product, x) in enumerate(zip(self.products, inputs, strict=True)):
            product(x.coefficients, out, k > 0)
        out[:, 2] += self.bias
        return out

    def _errors(
        self, measures: list[np.ndarray], grid: int | None, which: int, changed: int
    ) -> np.ndarray:
        """Lemma F1 for cells with inputs of the given `_measure`, of which input `which`
        was changed afterwards in up to `changed` entries; (cells, 2, size)."""
        gamma = (self.terms + 2 * changed + 8) * UNIT * 1.001 if self.sound else np.inf
        sums = np.stack([product.sums for product in self.products])
        moved = sums.copy()
        moved[which] += 2 * changed * self.products[which].largest
        # Sums of moduli that cannot pass 2^53 units of the grid are exact; -1: none.
        limit = -1.0 if grid is None else 2.0 ** (53 - grid)
        return kernels().affine_errors(
            np.stack(measures), sums, moved, np.abs(self.bias), gamma, limit, self.sound
        )

    def _grid(self, inputs: Sequence[Forms]) -> int | None:
        grids = [self.bias_grid]
        for own, x in zip(self.grids, inputs, strict=True):
            grids.append(None if own is None or x.grid is None else own + x.grid)
        known = [g for g in grids if g is not None]
        return max(known) if len(known) == len(grids) and max(known) < 900 else None


def _measure(x: Forms) -> np.ndarray:
    """Per cell: the largest |a| + |b|, |c|, e and f; (cells, 4)."""
    out = np.empty((len(x.coefficients), 4))
    kernels().sizes(x.coefficients, out)
    out[:, 2:] = x.errors.max(axis=2)[x.owner]
    return out


@dataclass(frozen=True)
class Family:
    """Siblings: members of a family differ in few codes of one activation node.

    `member` (cells,) is each cell's family, `first` (families,) its first cell; `codes`
    (cells, units), `cells` (cells,) the rows of `source` (the node's input) they come
    from; `pieces`, `slopes`, `intercepts` the node's functions; `errors` (families, 2)
    a bound for the errors of every unit on any piece; `which` input of the affine node.
    """

    member: np.ndarray
    first: np.ndarray
    codes: np.ndarray
    source: np.ndarray
    cells: np.ndarray
    pieces: np.ndarray
    slopes: np.ndarray
    intercepts: np.ndarray
    errors: np.ndarray
    which: int


class _Product:
    """One correctly rounded matrix: dense through BLAS, otherwise by compressed rows."""

    def __init__(self, matrix: Matrix, numbers: np.ndarray) -> None:
        nothing = np.zeros(0, dtype=np.int64)
        if isinstance(matrix, Dense):
            weights = numbers.reshape(matrix.shape)
            self.terms = matrix.shape[1]
            self.dense = np.ascontiguousarray(weights.T)
            self.by_column = (nothing, nothing, np.zeros(0))
            sums = np.abs(weights).sum(axis=1)
            self.largest = np.abs(weights).max(axis=1, initial=0.0)
        else:
            indptr, indices, data = matrix.csr()
            rows = np.repeat(np.arange(matrix.shape[0]), np.diff(indptr))
            table = dict(zip(matrix.numbers.tolist(), numbers.tolist(), strict=True))
            values = np.asarray([table[x] for x in data.tolist()], dtype=np.float64)
            self.terms = int(np.diff(indptr).max(initial=0))
            self.dense = np.zeros((0, 0))
            self.by_row = (indptr, indices, values)
            order = np.argsort(indices, kind="stable")
            starts = np.concatenate(
                [[0], np.cumsum(np.bincount(indices, minlength=matrix.shape[1]))]
            )
            self.by_column = (starts, rows[order], values[order])
            sums = np.bincount(rows, np.abs(values), matrix.shape[0])
            self.largest = np.zeros(matrix.shape[0])
            np.maximum.at(self.largest, rows, np.abs(values))
        self.sums = sums * (1.0 + 2.0 * (self.terms + 2) * UNIT)

    def __call__(self, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        flat, target = x.reshape(-1, x.shape[2]), out.reshape(-1, out.shape[2])
        if self.dense.size and not add:
            np.matmul(flat, self.dense, out=target)
        elif self.dense.size:
            target += flat @ self.dense
        else:
            kernels().sparse_product(*self.by_row, flat, target, add)


class FloatPointwise:
    """A pointwise node prepared: forms of its knots, and its value on chosen pieces."""

    def __init__(self, node: Pointwise, source: Affine | None = None) -> None:
        self.units, q, p = node.knots
        self.copies = None if source is None else copied_knots(node, source)
        at = np.asarray([mpq(x, y) for x, y in zip(p, q, strict=True)], dtype=object)
        names: dict[Any, int] = {}
        self.breakpoint = np.asarray([names.setdefault(t, len(names)) for t in at], np.int64)
        self.at, at_errors, _ = rounded(at)
        self.at_error = np.abs(self.at) * at_errors
        self.plain = len(self.units) == node.size and not self.at.any() and not at_errors.any()
        self.which = node.which
        width = max(len(f.pieces) for f in node.functions)
        table = np.asarray(
            [[f.pieces[min(j, len(f.pieces) - 1)] for j in range(width)] for f in node.functions],
            dtype=object,
        ).reshape(len(node.functions), width, 2)
        floats, errors, grid = rounded(table)
        self.slopes, self.intercepts = floats[..., 0].copy(), floats[..., 1].copy()
        self.exact = (np.abs(np.frexp(self.slopes)[0]) == 0.5) | (self.slopes == 0.0)
        self.exact &= (self.intercepts == 0.0) & (errors == 0.0).all(axis=2)
        self.exact |= (self.slopes == 0.0) & (errors == 0.0).all(axis=2)
        self.lost = ~(errors <= UNIT).all()
        self.steepest = np.abs(self.slopes).max(axis=1)[self.which]
        self.grid = grid

    def _knot_forms(self, x: Forms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(coefficients, errors, owner) of input minus breakpoint, one column per knot."""
        if self.plain:
            return x.coefficients, x.errors, x.owner
        coefficients = x.coefficients.take(self.units, axis=2)
        errors = x.errors[x.owner].take(self.units, axis=2)
        shifted = coefficients[:, 2] - self.at
        # The subtraction's own error, exactly (Knuth's two-sum), is zero where it was exact.
        back = shifted - coefficients[:, 2]
        lost = (coefficients[:, 2] - (shifted - back)) + (-self.at - back)
        extra = np.abs(lost) + self.at_error
        errors[:, 1] = np.where(extra == 0.0, errors[:, 1], (errors[:, 1] + extra) * UP + TINY)
        coefficients[:, 2] = shifted
        return coefficients, errors, np.arange(len(errors))

    def family(self, x: Forms, cells: np.ndarray, codes: np.ndarray, which: int) -> Family:
        """Siblings among `cells`: equal neighbours are one family."""
        new = np.ones(len(cells), dtype=bool)
        new[1:] = cells[1:] != cells[:-1]
        first = np.nonzero(new)[0]
        heads = x.of(cells[first])
        # An error that is not zero must not become zero by underflow, here and in `apply`.
        errors = np.where(x.errors == 0.0, 0.0, np.maximum(x.errors * self.steepest, TINY))
        errors = errors.max(axis=2)[heads.owner]
        if not self._safe(heads.grid)[self.which].all():
            unit = np.inf if self.lost else 4.0 * UNIT
            size = np.abs(heads.coefficients) * self.steepest
            errors[:, 0] += unit * (size[:, 0] + size[:, 1]).max(axis=1)
            errors[:, 1] += unit * (size[:, 2].max(axis=1) + np.abs(self.intercepts).max())
            errors = errors * UP + TINY
        return Family(
            np.cumsum(new) - 1, first, np.ascontiguousarray(codes), x.coefficients, cells,
            self.which, self.slopes, self.intercepts, errors, which,
        )  # fmt: skip

    def heads(self, x: Forms, family: Family) -> Forms:
        """The node's forms on the first member of each family, with the family's errors."""
        out = np.empty((len(family.first), *x.coefficients.shape[1:]))
        kernels().apply_pieces(
            x.coefficients, family.cells, family.codes, family.first,
            self.which, self.slopes, self.intercepts, out,
        )  # fmt: skip
        grid = None if self.grid is None or x.grid is None else self.grid + x.grid
        return Forms(out, family.errors[:, :, None], np.arange(len(out)), grid)

    def _safe(self, grid: int | None) -> np.ndarray:
        """Which pieces of which functions are applied to exact forms without rounding."""
        if self.grid is not None and grid is not None and self.grid + grid < 900:
            return self.exact
        # A power of two may underflow: only 0, 1 and -1 are safe.
        return self.exact & (np.abs(self.slopes) == np.abs(np.rint(self.slopes)))

    def cut(
        self, polygons: Polygons, x: Forms, label: int, blind: np.ndarray,
        classes: np.ndarray | None = None, above: np.ndarray | None = None,
    ) -> Any:  # fmt: skip
        """`kernels.cut_pointwise` along this node, with codes in place of states.

        `classes` (size,): units whose input has one class have the same exact input on all
        these cells, zero for class 0; where `above` it is positive inside them (`ties`).
        """
        copies = self.copies
        if classes is not None:
            x = x.without(classes == 0)
            copies = tied_knots(self.copies, classes[self.units], self.breakpoint)
        forms, errors, owner = self._knot_forms(x)
        labels = np.arange(label, label + forms.shape[2])
        if copies is not None:
            first, which, factor = copies
            forms, errors = forms.take(first, axis=2), errors.take(first, axis=2)
            labels = labels[first]
        from .kernels import cut_pointwise

        *parts, state, undecided = cut_pointwise(*polygons, forms, errors, owner, labels, blind)
        if copies is not None:
            state = state[:, which] * factor
        if self.plain:
            return *parts, state + np.int8(1), undecided
        codes = np.zeros((len(self.which), len(state)), dtype=np.int64)
        np.add.at(codes, self.units, state.T.astype(np.int64) + 1)
        return *parts, codes.T, undecided

    def cut_some(
        self, polygons: Polygons, x: Forms, rows: np.ndarray, label: int, blind: np.ndarray,
        known: np.ndarray, stop: int, classes: np.ndarray | None = None,
    ) -> Any:  # fmt: skip
        """`cut` along the units up to `stop` of a `plain` node, when the first have cut
        already and the cells have codes `known` (cells, units); cell i has forms x.of(rows[i])."""
        from .kernels import cut_pointwise

        low = known.shape[1]
        everyone = np.arange(len(self.units))
        first, which, factor = self.copies or (everyone, everyone, np.ones(len(everyone), np.int8))
        if classes is not None:
            x = x.without(classes == 0)
            first, which, factor = tied_knots(self.copies, classes, self.breakpoint)
        lead, factor = first[which[low:stop]], factor[low:stop]
        leads, place = np.unique(lead, return_inverse=True)
        new = int(np.searchsorted(leads, low))
        knots = leads[new:]
        *parts, parents, state, undecided = cut_pointwise(
            *polygons, x.coefficients.take(knots, axis=2)[rows], x.errors.take(knots, axis=2),
            x.owner[rows], label + knots, blind,
        )  # fmt: skip
        # Copies of units that have cut are where those are.
        old = known[parents][:, leads[:new]].astype(np.int8) - np.int8(1)
        both = np.concatenate([old, state], axis=1)
        return *parts, parents, both[:, place.ravel()] * factor + np.int8(1), undecided

    def apply(self, x: Forms, codes: np.ndarray) -> Forms:
        """The node's forms where the units have `codes` (cells, units)."""
        piece = codes // 2
        slope, intercept = self.slopes[self.which, piece], self.intercepts[self.which, piece]
        out = x.coefficients * slope[:, None]
        out[:, 2] += intercept
        size = np.abs(slope)
        errors = x.errors[x.owner]
        exact = self._safe(x.grid)[self.which, piece]
        lin = const = unit = np.zeros(())
        if not exact.all():
            lin = np.abs(x.coefficients[:, 0]) + np.abs(x.coefficients[:, 1])
            const = np.abs(x.coefficients[:, 2]) * size + np.abs(intercept)
            unit = np.where(exact, 0.0, np.inf if self.lost else 4.0 * UNIT)
        e = errors[:, 0] * size + unit * (size * lin)
        f = errors[:, 1] * size + unit * const
        e = np.where(exact & ((errors[:, 0] == 0.0) | (size == 0.0)), 0.0, e * UP + TINY)
        f = np.where(exact & ((errors[:, 1] == 0.0) | (size == 0.0)), 0.0, f * UP + TINY)
        grid = None if self.grid is None or x.grid is None else self.grid + x.grid
        return Forms(out, np.stack([e, f], axis=1), np.arange(len(out)), grid)


class FloatMax:
    """A max node prepared: members of its groups as flat arrays."""

    def __init__(self, node: MaxGroups) -> None:
        sizes = np.asarray([len(g) for g in node.groups], dtype=np.int64)
        self.start = np.concatenate([[0], np.cumsum(sizes)])
        self.members = np.asarray([m for g in node.groups for m in g], dtype=np.int64)
        self.labels = np.concatenate([[0], np.cumsum(sizes**2)[:-1]]).astype(np.int64)

    def cut(
        self, polygons: Polygons, x: Forms, label: int, blind: np.ndarray,
        classes: np.ndarray | None = None, above: np.ndarray | None = None,
    ) -> Any:  # fmt: skip
        """`kernels.cut_max` along this node; `classes` and `above` as in `FloatPointwise.cut`."""
        from .kernels_max import cut_max

        size = x.coefficients.shape[2]
        above = np.zeros(size, dtype=np.bool_) if above is None else above
        if classes is None:
            classes = np.arange(1, size + 1)
        else:
            x = x.without(classes == 0)
        return cut_max(
            *polygons,
            x.coefficients,
            x.errors,
            x.owner,
            self.start,
            self.members,
            self.labels + label,
            blind,
            classes,
            above,
        )

    def apply(self, x: Forms, codes: np.ndarray) -> Forms:
        """The node's forms where the groups take the members at positions `codes`."""
        index = self.members[self.start[:-1] + codes][:, None, :]
        return Forms(
            np.take_along_axis(x.coefficients, index, axis=2),
            np.take_along_axis(x.errors[x.owner], index, axis=2),
            np.arange(len(codes)),
            x.grid,
        )
