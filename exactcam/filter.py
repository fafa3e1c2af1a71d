"""The float filter: affine forms of cells in float64, each with a proven error bound.

Notation: u = 2^-53; fl is any IEEE rounding of one operation, so |fl(x) - x| <=
u |x| + eta with eta the underflow unit; gamma_n = n u / (1 - n u). All bounds hold
for any order of summation, with or without fused multiply-adds (Higham, Accuracy
and Stability of Numerical Algorithms, 2nd ed., section 3.1 and problem 3.2).

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
below 2^53 times 2^-(p+q), hence exact: both errors are zero.

Lemma F2 (meet). Let p be the computed intersection of two float lines, D a lower
bound of the modulus of the determinant of the exact lines, and R_k a bound of the
exact line k's value at p. The exact intersection P satisfies
    |P_u - p_u| <= (|b_2| R_1 + |b_1| R_2) / D, and alike for v with a.
Proof: the exact lines' values at p are J (p - P) with J their gradients; invert J.

Lemma F3 (sign). The exact form at the exact corner P, |P - p| <= delta, differs from
fl(a p_u + b p_v + c) by at most 4u(|a p_u| + |b p_v| + |c|) + e max(|p_u|, |p_v|) + f
+ (|a| + |b| + e) delta. A sign is given if the computed value exceeds that bound;
zero if the bound, computed without the underflow term, is zero: then every product
has a zero factor, so nothing was rounded. Anything else is UNKNOWN.

Where a bound is used it is itself computed in floats: factors (1 + 2^-46) cover its
own roundings and `TINY` every underflow; NaN and infinity fail all comparisons and
so end as UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .matrix import Dense
from .nodes import Affine, MaxGroups, Pointwise
from .rational import mpq
from .rounding import TINY, UNIT, UP, Forms, rounded

__all__ = ["FloatAffine", "FloatMax", "FloatPointwise", "kernels"]


Polygons = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # start, points, lines, labels


def kernels() -> Any:
    """The compiled kernels, imported at first use: numba takes a while to load."""
    from . import kernels as compiled

    return compiled


class FloatAffine:
    """An affine node prepared for Lemma F1."""

    def __init__(self, node: Affine) -> None:
        self.inputs = node.inputs
        self.products: list[Any] = []
        self.sums: list[np.ndarray] = []
        self.grids: list[int | None] = []
        terms = 0
        lossy = 0.0
        for matrix in node.matrices:
            numbers = np.asarray([mpq(x, node.scale) for x in matrix.numbers], dtype=object)
            floats, errors, grid = rounded(numbers)
            lossy = max(lossy, float(errors.max(initial=0.0)))
            rows = matrix.shape[0]
            if isinstance(matrix, Dense):
                weights = floats.reshape(matrix.shape)
                self.products.append(_DenseProduct(weights))
                self.sums.append(np.abs(weights).sum(axis=1))
                terms += matrix.shape[1]
            else:
                indptr, indices, data = matrix.csr()
                table = dict(zip(matrix.numbers.tolist(), floats.tolist(), strict=True))
                values = np.asarray([table[x] for x in data.tolist()], dtype=np.float64)
                self.products.append(_SparseProduct(rows, indptr, indices, values))
                self.sums.append(
                    np.bincount(np.repeat(np.arange(rows), np.diff(indptr)), np.abs(values), rows)
                )
                terms += int(np.diff(indptr).max(initial=0))
            self.grids.append(grid)
        bias, errors, self.bias_grid = rounded(
            np.asarray([mpq(x, node.scale) for x in node.bias], dtype=object)
        )
        self.bias = bias
        lossy = max(lossy, float(errors.max(initial=0.0)))
        self.gamma = (terms + 6) * UNIT * 1.001 if lossy <= UNIT else np.inf
        self.sums = [s * (1.0 + 2.0 * (terms + 2) * UNIT) for s in self.sums]

    def apply(self, inputs: Sequence[Forms]) -> Forms:
        """The node's forms on all cells, errors by Lemma F1."""
        cells, size = len(inputs[0].coefficients), len(self.bias)
        out = np.empty((cells, 3, size))
        e, f = np.zeros((cells, size)), np.zeros((cells, size))
        grid = self._grid(inputs)
        unit_lin = unit_const = 0.0  # multiples of the grid's unit reached by partial sums
        spoiled_lin = spoiled_const = np.zeros(cells, dtype=bool)
        nothing_lin = nothing_const = np.ones(cells, dtype=bool)
        no_terms = sum(self.sums) == 0.0
        for k, (product, sums, x) in enumerate(zip(self.products, self.sums, inputs, strict=True)):
            product(x.coefficients, out, k > 0)
            size_lin = (np.abs(x.coefficients[:, 0]) + np.abs(x.coefficients[:, 1])).max(axis=1)
            size_const = np.abs(x.coefficients[:, 2]).max(axis=1)
            error_lin, error_const = x.errors.max(axis=2).T
            e += sums * ((error_lin + self.gamma * size_lin)[:, None])
            f += sums * ((error_const + self.gamma * size_const)[:, None])
            largest = sums.max(initial=0.0)
            unit_lin = unit_lin + largest * size_lin
            unit_const = unit_const + largest * size_const
            spoiled_lin = spoiled_lin | (error_lin != 0.0)
            spoiled_const = spoiled_const | (error_const != 0.0)
            nothing_lin = nothing_lin & (size_lin == 0.0) & (error_lin == 0.0)
            nothing_const = nothing_const & (size_const == 0.0) & (error_const == 0.0)
        out[:, 2] += self.bias
        f += self.gamma * np.abs(self.bias)
        # Nothing was rounded where every term has a zero factor.
        still_lin, still_const = nothing_lin[:, None] | no_terms, nothing_const[:, None] | no_terms
        e = np.where(still_lin, 0.0, e * UP + TINY)
        f = np.where(still_const & (self.bias == 0.0), 0.0, f * UP + TINY)
        if grid is not None:
            limit = 2.0 ** (53 - grid)
            e[~spoiled_lin & (unit_lin * UP <= limit)] = 0.0
            top = float(np.abs(self.bias).max(initial=0.0))
            f[~spoiled_const & ((unit_const + top) * UP <= limit)] = 0.0
        return Forms(out, np.stack([e, f], axis=1), grid)

    def _grid(self, inputs: Sequence[Forms]) -> int | None:
        grids = [self.bias_grid]
        for own, x in zip(self.grids, inputs, strict=True):
            grids.append(None if own is None or x.grid is None else own + x.grid)
        known = [g for g in grids if g is not None]
        return max(known) if len(known) == len(grids) and max(known) < 900 else None


class _DenseProduct:
    def __init__(self, weights: np.ndarray) -> None:
        self.transposed = np.ascontiguousarray(weights.T)

    def __call__(self, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        flat = x.reshape(-1, x.shape[2])
        target = out.reshape(-1, out.shape[2])
        if add:
            target += flat @ self.transposed
        else:
            np.matmul(flat, self.transposed, out=target)


class _SparseProduct:
    def __init__(
        self, rows: int, indptr: np.ndarray, indices: np.ndarray, data: np.ndarray
    ) -> None:
        self.rows, self.indptr, self.indices, self.data = rows, indptr, indices, data

    def __call__(self, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        target = out.reshape(-1, out.shape[2])
        if not add:
            target[:] = 0.0
        kernels().sparse_product(
            self.indptr, self.indices, self.data, x.reshape(-1, x.shape[2]), target
        )


class FloatPointwise:
    """A pointwise node prepared: forms of its knots, and its value on chosen pieces."""

    def __init__(self, node: Pointwise) -> None:
        self.units, q, p = node.knots
        at = np.asarray([mpq(x, y) for x, y in zip(p, q, strict=True)], dtype=object)
        self.at, at_errors, self.at_grid = rounded(at)
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
        self.grid = grid

    def knot_forms(self, x: Forms) -> tuple[np.ndarray, np.ndarray]:
        """(coefficients, errors) of input minus breakpoint, one column per knot."""
        if self.plain:
            return x.coefficients, x.errors
        coefficients, errors = x.coefficients[:, :, self.units], x.errors[:, :, self.units]
        shifted = coefficients[:, 2] - self.at
        # The subtraction's own error, exactly (Knuth's two-sum), is zero where it was exact.
        back = shifted - coefficients[:, 2]
        lost = (coefficients[:, 2] - (shifted - back)) + (-self.at - back)
        extra = np.abs(lost) + self.at_error
        errors[:, 1] = np.where(extra == 0.0, errors[:, 1], (errors[:, 1] + extra) * UP + TINY)
        coefficients[:, 2] = shifted
        return coefficients, errors

    def cut(self, polygons: Polygons, x: Forms, label: int, blind: np.ndarray) -> Any:
        """`kernels.cut_pointwise` along this node, with codes in place of states."""
        forms, errors = self.knot_forms(x)
        labels = np.arange(label, label + forms.shape[2])
        *parts, state, undecided = kernels().cut_pointwise(*polygons, forms, errors, labels, blind)
        if self.plain:
            return *parts, state + np.int8(1), undecided
        codes = np.zeros((len(self.which), len(state)), dtype=np.int64)
        np.add.at(codes, self.units, state.T.astype(np.int64) + 1)
        return *parts, codes.T, undecided

    def apply(self, x: Forms, codes: np.ndarray) -> Forms:
        """The node's forms where the units have `codes` (cells, units)."""
        piece = codes // 2
        slope, intercept = self.slopes[self.which, piece], self.intercepts[self.which, piece]
        out = x.coefficients * slope[:, None]
        out[:, 2] += intercept
        size = np.abs(slope)
        e, f = x.errors[:, 0] * size, x.errors[:, 1] * size
        grid = None if self.grid is None or x.grid is None else self.grid + x.grid
        exact = self.exact[self.which, piece]
        if grid is None or grid >= 900:  # a power of two may underflow: only 0, 1 and -1 are safe
            exact = exact & (size == np.rint(size)) & (size <= 1.0)
        if not exact.all():
            lin = np.abs(x.coefficients[:, 0]) + np.abs(x.coefficients[:, 1])
            const = np.abs(x.coefficients[:, 2]) * size + np.abs(intercept)
            unit = np.inf if self.lost else 4.0 * UNIT
            e = np.where(exact, e, (e + unit * (size * lin)) * UP + TINY)
            f = np.where(exact, f, (f + unit * const) * UP + TINY)
        return Forms(out, np.stack([e, f], axis=1), grid)


class FloatMax:
    """A max node prepared: members of its groups as flat arrays."""

    def __init__(self, node: MaxGroups) -> None:
        sizes = np.asarray([len(g) for g in node.groups], dtype=np.int64)
        self.start = np.concatenate([[0], np.cumsum(sizes)])
        self.members = np.asarray([m for g in node.groups for m in g], dtype=np.int64)
        self.labels = np.concatenate([[0], np.cumsum(sizes**2)[:-1]]).astype(np.int64)

    def cut(self, polygons: Polygons, x: Forms, label: int, blind: np.ndarray) -> Any:
        """`kernels.cut_max` along this node."""
        from .kernels_max import cut_max

        return cut_max(
            *polygons,
            x.coefficients,
            x.errors,
            self.start,
            self.members,
            self.labels + label,
            blind,
        )

    def apply(self, x: Forms, codes: np.ndarray) -> Forms:
        """The node's forms where the groups take the members at positions `codes`."""
        chosen = self.members[self.start[:-1] + codes]
        index = chosen[:, None, :]
        return Forms(
            np.take_along_axis(x.coefficients, index, axis=2),
            np.take_along_axis(x.errors, index, axis=2), x.grid,
        )  # fmt: skip
