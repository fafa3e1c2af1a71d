"""Arguments and results of compiled kernels: named tuples of arrays, which cost nothing there.

Between Python and a kernel they do cost microseconds, so they pass as plain tuples: `jit` makes
these of arguments, and `Room` is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "Cells",
    "Corners",
    "CutResult",
    "FloatForm",
    "FloatForms",
    "Groups",
    "KnownValues",
    "LayerBounds",
    "NamedRows",
    "Pieces",
    "Room",
    "Siblings",
    "Weights",
]


class Cells(NamedTuple):
    """Convex polygons: cell i has corners start[i] to start[i + 1], counterclockwise.

    Attributes
    ----------
    start : int64 (cells + 1,)
    corners : float64 (n, 8)
        Columns U, V, DELTA, A, B, C, E, F (see `predicates`).
    labels : int64 (n,)
        The name of the line of the edge that leaves each corner.
    """

    start: np.ndarray
    corners: np.ndarray
    labels: np.ndarray


class Corners(NamedTuple):
    """Corners of any number of polygons, (n, 8), and their labels, (n,), as in `Cells`."""

    rows: np.ndarray
    labels: np.ndarray


class FloatForm(NamedTuple):
    """One affine form a u + b v + c in floats: e >= |error of a| + |error of b| and
    f >= |error of c|."""

    a: float
    b: float
    c: float
    e: float
    f: float


class FloatForms(NamedTuple):
    """Affine forms of many units on many cells.

    Attributes
    ----------
    coefficients : float64 (cells, 3, units)
        a, b and c of a u + b v + c.
    errors : float64 (rows, 2, units)
        Their bounds e and f (see `FloatForm`).
    owner : int64 (cells,)
        The row of `errors` that each cell has: siblings share one.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    owner: np.ndarray

    def of(self, cells: np.ndarray) -> FloatForms:
        """The forms on some of the cells."""
        return FloatForms(self.coefficients[cells], self.errors, self.owner[cells])

    def without(self, zero: np.ndarray) -> FloatForms:
        """The same forms, those marked in `zero` (cells, units) set to zero without error."""
        zero = zero[:, None]
        coefficients = np.where(zero, 0.0, self.coefficients)
        errors = np.where(zero, 0.0, self.errors[self.owner])
        return FloatForms(coefficients, errors, np.arange(len(errors)))

    def compact(self) -> FloatForms:
        """The same forms without the rows of `errors` that no cell uses."""
        used, owner = np.unique(self.owner, return_inverse=True)
        return FloatForms(self.coefficients, self.errors[used], owner)


class CutResult(NamedTuple):
    """The parts of cells that were cut, in the order of the cells and then of their codes.

    Attributes
    ----------
    cells : Cells
        The parts.
    parents : int64 (parts,)
        The cell that each is a part of.
    codes : int8 or int64 (parts, units)
        The code of every unit; from `cut_pointwise` the sign of every knot.
    undecided : int64 (n,)
        The cells that have no parts here, since a sign is UNKNOWN.
    """

    cells: Cells
    parents: np.ndarray
    codes: np.ndarray
    undecided: np.ndarray


# A CutResult in plain tuples.
Room = tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray, np.ndarray]


class Groups(NamedTuple):
    """Max groups: group g has members[start[g] : start[g + 1]], and members i < j of it change
    places along the line labels[g] + i * size + j."""

    start: np.ndarray
    members: np.ndarray
    labels: np.ndarray


class KnownValues(NamedTuple):
    """What value numbering has proven of a layer's input on certain cells, a row for each or
    one for all: entries of one number in a row of `classes` (int64, (cells, size)) have the same
    exact form, zero for class 0; those marked in `above` (bool) are positive inside the cell."""

    classes: np.ndarray
    above: np.ndarray


class NamedRows(NamedTuple):
    """The rows of an affine layer, whose equal weights have one name; name 0 is zero.

    Attributes
    ----------
    sizes : int64 (inputs, 8)
        For each input's matrix, taken as a convolution: the positions of a target channel; the
        target and the source channels of a group; the places of a source channel; the taps; and
        where its numbers begin in `starts`, in `names` and among the classes of all inputs.
    starts, places, taps : int64
        Position p reads places[k] by taps[k], starts[p] <= k < starts[p + 1].
    names : int64
        The names of the weights: by target channel, source channel and tap.
    longest : int
        No row has more entries.
    """

    sizes: np.ndarray
    starts: np.ndarray
    places: np.ndarray
    taps: np.ndarray
    names: np.ndarray
    longest: int


class Pieces(NamedTuple):
    """Piecewise-linear functions in floats: unit j has function which[j], whose piece p is
    x -> slopes[which[j], p] x + intercepts[which[j], p]."""

    which: np.ndarray
    slopes: np.ndarray
    intercepts: np.ndarray


class Siblings(NamedTuple):
    """Cells in families, whose members differ in few codes of one layer.

    Attributes
    ----------
    member, first : int64 (cells,) and (families,)
        The family of each cell, and the first cell of each family.
    codes : (cells, units)
        Each cell's codes of the layer.
    source : float64 (n, 3, units)
        Forms of the layer's input; cell i has source[rows[i]].
    rows : int64 (cells,)
    """

    member: np.ndarray
    first: np.ndarray
    codes: np.ndarray
    source: np.ndarray
    rows: np.ndarray


class Weights(NamedTuple):
    """A matrix by columns: dense, sparse, or a convolution; the arrays of the others are empty.

    Attributes
    ----------
    dense : float64 (columns, rows)
    starts, rows : int64
    data : float64
        Of a sparse matrix: column j has data[k] in the rows[k], starts[j] <= k < starts[j + 1].
    taps : int64
        Of a convolution: place p of a source channel is read by the positions rows[k] of a target
        channel, by taps[k], starts[p] <= k < starts[p + 1].
    kernel : float64 (source channels, target channels of a group, taps)
    share : int
        The source channels of a group.
    """

    dense: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    data: np.ndarray
    taps: np.ndarray
    kernel: np.ndarray
    share: int


class LayerBounds(NamedTuple):
    """The constants of an affine layer in Lemma 21.

    Attributes
    ----------
    sums : float64 (inputs, size)
        The rows' sums of moduli.
    moved : float64 (inputs, size)
        The same with room for entries that were changed after the product.
    bias : float64 (size,)
        The moduli of the bias.
    gamma : float
        The relative error of a sum of so many terms.
    limit : float
        Sums of moduli up to this are exact if their terms are; negative if none are.
    sound : bool
        Whether all weights are correctly rounded.
    """

    sums: np.ndarray
    moved: np.ndarray
    bias: np.ndarray
    gamma: float
    limit: float
    sound: bool
