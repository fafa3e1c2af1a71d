"""The float filter: affine forms of cells in float64, each with a proven error bound.

Notation: u = 2^-53; fl is any IEEE rounding of one operation, so |fl(x) - x| <=
u |x| + eta with eta the underflow unit; gamma_n = n u / (1 - n u). All bounds hold
for any order of summation, with or without fused multiply-adds (Higham, Accuracy
and Stability of Numerical Algorithms, 2nd ed., section 3.1 and problem 3.2). Proved
in full in proofs/filter.md under the same numbers.

On a cell every value of the network is an affine form a u + b v + c in *local*
coordinates, |u|, |v| <= 1 on the window. It is stored as floats (a, b, c) with
e >= |error of a| + |error of b| and f >= |error of c|.

Lemma 21 (affine layer). Let y = W x + t, where row i of the float W has absolute
sum r_i, W and t are correctly rounded from the exact ones, and x has forms with
|a_j| + |b_j| <= M, |c_j| <= C, errors e_j <= E and f_j <= F. If n is the number of
terms of row i and g = gamma_{n+8}, the computed form of y_i has errors at most
    r_i (E + g M)   and   r_i (F + g C) + g |t_i|.
Proof: a dot product of n terms costs gamma_n sum |w||x|, the roundings of W and t
one u each, the additions of several inputs and the bias at most three more, and
exact weights times input errors give sum |w| e_j <= (1 + u) r_i E. If moreover the x are
exact multiples of 2^-p, the W of 2^-q, t of 2^-(p+q), and r_i M (for the constants
r_i C + |t_i|) is at most 2^(53 - p - q), every partial sum is an integer below 2^53 times
2^-(p+q), hence exact: both errors are zero.
First remark. In the same way sum |w| (e_j + g (|a_j| + |b_j|)) may stand for r_i (E + g M),
alike for c. It costs one more product, and deep networks need it: r_i E grows faster
than the values do, by some (2n)^(1/2) a layer. What is only copied has the errors it had.
Second remark. If up to d entries are changed afterwards, by adding w (x' - x) for each,
there are 2d more terms and at most 2 d max|w| M more in the sum of moduli, with M
bounding the changed entries too; in the first remark, three times the larger of |x_j| and
|x'_j| covers an entry that changes.

Lemma 22 (meet). Let p be the computed intersection of two float lines, D a lower
bound of the modulus of the determinant of the exact lines, and R_k a bound of the
exact line k's value at p. The exact intersection P satisfies
    |P_u - p_u| <= (|b_2| R_1 + |b_1| R_2) / D, and alike for v with a.
Proof: the exact lines' values at p are J (p - P) with J their gradients; invert J.

Theorem 23 (sign). The exact form at the exact corner P, |P - p| <= delta, differs from
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

import numpy as np

from ..arithmetic.constants import UNIT
from ..arithmetic.rounding import rounded_quotients
from ..model.nodes import Affine
from ..runtime.arena import empty
from .float_forms import FloatValue
from .float_products import FloatProduct, float_product
from .kernels.arrays import FloatForms, LayerBounds, Pieces, Siblings
from .kernels.forms import add_differences, affine_errors, largest_moduli, weigh

__all__ = ["Family", "FloatAffine"]


class FloatAffine:
    """An affine node in floats, with the error bounds of Lemma 21 (`closely`: its first remark)."""

    def __init__(self, node: Affine) -> None:
        self.node, self.inputs = node, node.inputs
        self.products: list[FloatProduct] = []
        self.grids: list[int | None] = []
        self.terms, lossy = 0, 0.0
        for matrix in node.matrices:
            floats, errors, grid = rounded_quotients(matrix.numbers, node.scale)
            lossy = max(lossy, float(errors.max(initial=0.0)))
            self.products.append(float_product(matrix, floats))
            self.terms += self.products[-1].terms
            self.grids.append(grid)
        self.bias, errors, self.bias_grid = rounded_quotients(node.bias, node.scale)
        self.bias_size = np.abs(self.bias)
        self.sums = np.stack([product.sums for product in self.products])
        self.sound = max(lossy, float(errors.max(initial=0.0))) <= UNIT
        # Entries of the only input that the node copies, if it does no more than that.
        exact = max(lossy, float(errors.max(initial=0.0))) == 0.0 and not self.bias.any()
        self._picks = self.products[0].picks if exact and len(self.products) == 1 else None

    @property
    def rows(self) -> np.ndarray | None:
        """The rounded weights and bias side by side, (size, inputs + 1); None if not dense."""
        if not all(product.dense.size for product in self.products):
            return None
        parts = [product.dense.T for product in self.products]
        return np.concatenate([*parts, self.bias[:, None]], axis=1)

    def apply(self, inputs: Sequence[FloatValue], closely: bool = False) -> FloatValue:
        """The node's forms on all cells, errors by Lemma 21."""
        grid = self._grid(inputs)
        forms = [x.forms for x in inputs]
        if self._picks is not None:
            return FloatValue(forms[0].part(self._picks), grid)
        errors = self._errors(forms, grid, closely, None)
        out = self._product(forms)
        out[:, 2] += self.bias
        return FloatValue(FloatForms(out, errors, np.arange(len(errors))), grid)

    def apply_siblings(
        self, inputs: Sequence[FloatValue], family: Family, closely: bool = False
    ) -> FloatValue:
        """The node's forms on families of siblings (Lemma 21 with its second remark).

        `inputs` are values on the first member of each family; number `family.which`, from
        `FloatPointwise.heads`, has only the units kept. The other members differ in few of its
        entries, so their forms are those of the first plus the differences times the weights.
        """
        which, siblings = family.which, family.siblings
        product, forms = self.products[which], [x.forms for x in inputs]
        base = self._product(forms, family)
        out = empty((len(siblings.member), *base.shape[1:]))
        measure = _measure(forms[which])
        changed = add_differences(
            base, self.bias, siblings, family.pieces, product.weights, measure[:, :2], out
        )
        own = _Changed(family, measure, changed)
        errors = self._errors(forms, self._grid(inputs), closely, own)
        return FloatValue(FloatForms(out, errors, siblings.member), self._grid(inputs))

    def reached(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Where a row has a weight that is not zero on an entry that is 1, not 0: again 1 or 0.

        Sums of nonnegative numbers: one is zero only if all of them are.
        """
        out = empty((*inputs[0].shape[:2], len(self.bias)))
        for k, (product, x) in enumerate(zip(self.products, inputs, strict=True)):
            product.moduli(x, out, k > 0)
        # Where a weight may have become zero when it was rounded, any row may have.
        return (out > 0.0).astype(np.float64) if self.sound else np.ones_like(out)

    def _product(self, inputs: Sequence[FloatForms], family: Family | None = None) -> np.ndarray:
        """The sum of the matrix products, without the bias."""
        out = empty((len(inputs[0].coefficients), 3, len(self.bias)))
        for k, (product, x) in enumerate(zip(self.products, inputs, strict=True)):
            kept = family.kept if family is not None and k == family.which else None
            product(x.coefficients, out, k > 0, kept)
        return out

    def _errors(
        self, inputs: list[FloatForms], grid: int | None, closely: bool, own: _Changed | None
    ) -> np.ndarray:
        """The error bounds of Lemma 21, (cells, 2, size): `closely` entry by entry (first remark),
        where `own` is given for an input that was changed afterwards (second remark)."""
        changed = 0 if own is None else own.entries
        gamma = (self.terms + 2 * changed + 8) * UNIT * 1.001 if self.sound else np.inf
        factor = 1.0 + 2.0 * (self.terms + 8) * UNIT
        measures = np.empty((len(inputs), len(inputs[0].coefficients), 4))
        each = empty((measures.shape[1] if closely else 0, 2, len(self.bias)))
        moved = self.sums.copy()
        for k, (product, x) in enumerate(zip(self.products, inputs, strict=True)):
            if own is not None and k == own.family.which:
                measures[k] = own.measure
                moved[k] += 2 * changed * product.largest
                weighed = own.weighed(gamma, factor) if closely else None
            elif closely:
                weighed = weigh(x, gamma, factor, measures[k])
            else:
                measures[k], weighed = _measure(x), None
            if weighed is not None:
                product.moduli(weighed, each, k > 0)
        # Sums of moduli that cannot pass 2^53 units of the grid are exact; -1: none.
        limit = -1.0 if grid is None else 2.0 ** (53 - grid)
        layer = LayerBounds(self.sums, moved, self.bias_size, gamma, limit, self.sound)
        return affine_errors(measures, each, layer, empty((measures.shape[1], 2, len(self.bias))))

    def _grid(self, inputs: Sequence[FloatValue]) -> int | None:
        """The grid of the node's value, from those of its inputs."""
        grids = [self.bias_grid]
        for own, x in zip(self.grids, inputs, strict=True):
            grids.append(None if own is None or x.grid is None else own + x.grid)
        known = [g for g in grids if g is not None]
        return max(known) if len(known) == len(grids) and max(known) < 900 else None


def _measure(x: FloatForms) -> np.ndarray:
    """Per cell: the largest |a| + |b|, |c|, e and f; (cells, 4)."""
    out = np.empty((len(x.coefficients), 4))
    largest_moduli(x.coefficients, out)
    out[:, 2:] = x.errors.max(axis=2)[x.owner]
    return out


@dataclass(frozen=True)
class Family:
    """Families of siblings, the parts of one cell each, before an affine node; its input number
    `which` is the value of the layer that cut, in whose codes siblings differ little.

    Attributes
    ----------
    siblings : Siblings
        The cells, their codes, and the input of the layer.
    pieces : Pieces
        The functions of the layer.
    kept : int64 (k,)
        All units or, before a dense matrix, those that are not zero on every first cell.
    errors : float64 (families, 2, units or 1)
        Error bounds of each unit on the pieces that occur in the family, if `closely`; else one
        bound of all units on all pieces.
    sizes : float64 (families, 2, units)
        Bounds of the moduli of all that is summed up of each unit, if `closely`; else unused.
    which : int
    """

    siblings: Siblings
    pieces: Pieces
    kept: np.ndarray
    errors: np.ndarray
    sizes: np.ndarray
    which: int


@dataclass(frozen=True)
class _Changed:
    """The input of an affine node that differs among siblings: what `_measure` finds of it, raised
    for all of them, and how many entries at most differ."""

    family: Family
    measure: np.ndarray
    entries: int

    def weighed(self, gamma: float, factor: float) -> np.ndarray:
        """What `weigh` finds of other inputs."""
        return (self.family.errors + gamma * self.family.sizes) * factor
