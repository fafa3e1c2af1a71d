"""The float filter on activation layers: their cuts and their values, with proven errors.

The counterpart of `float_affine`: Lemma 21's part on pointwise nodes (proofs/filter.md), with
breakpoints subtracted by Knuth's two-sum; a max group copies the forms of a member. A cut takes
the forms of all knots on a cell; knots that coincide (`coincident`, `value_numbers`) cut once.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ..arithmetic.constants import TINY, UNIT, UP
from ..arithmetic.rational import mpq
from ..arithmetic.rounding import difference, rounded
from ..model.network import Network
from ..model.nodes import Activation, Affine, MaxGroups, Pointwise
from ..runtime.arena import empty
from .coincident import copied_knots, separate, tied_knots
from .float_affine import Family, FloatAffine
from .float_forms import FloatValue
from .kernels.arrays import (
    Cells,
    CutResult,
    FloatForms,
    Groups,
    KnownValues,
    Pieces,
    Room,
    Siblings,
)
from .kernels.cut_lines import cut_pointwise
from .kernels.cut_max import cut_max
from .kernels.forms import apply_pieces, steepest, widest

__all__ = ["FloatLayer", "FloatMax", "FloatNodes", "FloatPointwise", "continued", "in_floats"]


class FloatPointwise:
    """A pointwise node in floats: cuts along its knots, and its value on given pieces."""

    def __init__(self, node: Pointwise, source: FloatAffine | None = None) -> None:
        self.units, p, q = node.knots
        pairs = list(zip(p.tolist(), q.tolist(), strict=True))
        names = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        self.breakpoint = np.asarray([names[pair] for pair in pairs], dtype=np.int64)
        known = np.asarray([mpq(*pair) for pair in names], dtype=object)
        self.at, at_errors = (x[self.breakpoint] for x in rounded(known)[:2])
        self.copies = None
        if source is not None and source.rows is not None:
            lines = source.rows[self.units]
            lines[:, -1] -= self.at
            self.copies = copied_knots(node, source.node, lines)
        self.at_error = np.abs(self.at) * at_errors
        # One knot for each unit, at zero: then the forms of the knots are those of the input.
        self.plain = len(self.units) == node.size and not self.at.any() and not at_errors.any()
        self.which = node.which
        width = max(len(f.pieces) for f in node.functions)
        table = np.asarray(
            [[f.pieces[min(j, len(f.pieces) - 1)] for j in range(width)] for f in node.functions],
            dtype=object,
        ).reshape(len(node.functions), width, 2)
        self.steep = (table[..., 0] != 0).astype(np.float64)  # 1 where a piece is not constant
        floats, errors, grid = rounded(table)
        self.slopes, self.intercepts = floats[..., 0].copy(), floats[..., 1].copy()
        self.exact = (np.abs(np.frexp(self.slopes)[0]) == 0.5) | (self.slopes == 0.0)
        self.exact &= (self.intercepts == 0.0) & (errors == 0.0).all(axis=2)
        self.exact |= (self.slopes == 0.0) & (errors == 0.0).all(axis=2)
        self.lost = ~(errors <= UNIT).all()
        self.steepest = np.abs(self.slopes).max(axis=1)[self.which]
        nothing = (self.slopes[:, 0] == 0.0) & (self.intercepts[:, 0] == 0.0)
        self.vanishes = nothing[self.which]  # units that are zero on their first piece
        self.grid = grid
        self.pieces = Pieces(self.which, self.slopes, self.intercepts)

    def _knot_forms(self, x: FloatForms) -> FloatForms:
        """The forms of input minus breakpoint, one column per knot."""
        if self.plain:
            return x
        coefficients = x.coefficients.take(self.units, axis=2)
        errors = x.errors[x.owner].take(self.units, axis=2)
        shifted, lost = difference(coefficients[:, 2], self.at)
        extra = np.abs(lost) + self.at_error
        errors[:, 1] = np.where(extra == 0.0, errors[:, 1], (errors[:, 1] + extra) * UP + TINY)
        coefficients[:, 2] = shifted
        return FloatForms(coefficients, errors, np.arange(len(errors)))

    def family(
        self,
        value: FloatValue,
        cells: np.ndarray,
        codes: np.ndarray,
        after: FloatAffine,
        which: int,
        closely: bool,
    ) -> Family:
        """Group parts into families of siblings: runs of parts of one cell (equal `cells`), whose
        values are to be input `which` of the affine node `after`."""
        x, new = value.forms, np.ones(len(cells), dtype=bool)
        new[1:] = cells[1:] != cells[:-1]
        first = np.nonzero(new)[0]
        codes = np.ascontiguousarray(codes)
        kept = np.arange(codes.shape[1])
        if after.products[which].dense.size:
            kept = np.nonzero((codes[first].max(axis=0) > 1) | ~self.vanishes)[0]
        heads, most = cells[first], self.steepest
        sizes = np.zeros((0, 2, 0))
        if closely:
            own, varies = steepest(codes, first, self.which, np.abs(self.slopes))
            most, errors = own[:, None], x.errors[x.owner[heads]]
            # An error that is not zero must not become zero by underflow, here and in `apply`.
            nothing = (errors == 0.0) | (most == 0.0)
            errors = np.where(nothing, 0.0, np.maximum(errors * most, TINY))
        else:
            errors = widest(x.errors, most)[x.owner[heads]]
        safe = self._safe(value.grid)[self.which].all()
        if closely or not safe:
            a, b, c = np.moveaxis(np.abs(x.coefficients[heads]) * most, 1, 0)
            sizes = np.stack([a + b, c + np.abs(self.intercepts).max()], axis=1)
        if not safe:
            unit = np.inf if self.lost else 4.0 * UNIT
            largest = sizes if closely else sizes.max(axis=2, keepdims=True)
            errors = (errors + unit * largest) * UP + TINY
        if closely:  # what changes in a family is added, taken away and added anew
            sizes = np.where(varies[:, None], 3.0 * sizes, sizes)
        siblings = Siblings(np.cumsum(new) - 1, first, codes, x.coefficients, cells)
        return Family(siblings, self.pieces, kept, errors, sizes, which)

    def heads(self, value: FloatValue, family: Family) -> FloatValue:
        """The node's value on the first member of each family, only of the units kept, with error
        bounds that hold for the whole family; `value` is the node's input."""
        out = empty((len(family.siblings.first), 3, len(family.kept)))
        apply_pieces(family.siblings, family.kept, self.pieces, out)
        forms = FloatForms(out, family.errors, np.arange(len(out)))
        return FloatValue(forms, self._grid(value.grid))

    def _grid(self, grid: int | None) -> int | None:
        """The grid of the node's value, from that of its input."""
        return None if self.grid is None or grid is None else self.grid + grid

    def _safe(self, grid: int | None) -> np.ndarray:
        """For each function and piece, whether it maps exact forms without rounding."""
        if self.grid is not None and grid is not None and self.grid + grid < 900:
            return self.exact
        # A power of two below one may underflow.
        return self.exact & (np.abs(self.slopes) == np.abs(np.rint(self.slopes)))

    def cut(
        self, cells: Cells, x: FloatForms, label: int, known: KnownValues | None = None
    ) -> CutResult:
        """Cut cells along all knots of the node (`kernels.cut_pointwise`).

        Parameters
        ----------
        cells : Cells
        x : FloatForms
            The node's input on the cells.
        label : int
            The name of the first knot's line.
        known : KnownValues, optional
            What value numbering says of that input, on cells that agree in it.
        """
        copies = self.copies
        if known is not None:
            x = x.without(known.classes == 0)
            copies = tied_knots(self.copies, known.classes[0, self.units], self.breakpoint)
        forms = self._knot_forms(x)
        labels = np.arange(label, label + forms.coefficients.shape[2])
        if copies is not None:
            forms = FloatForms(
                forms.coefficients.take(copies.first, axis=2),
                forms.errors.take(copies.first, axis=2),
                forms.owner,
            )
            labels = labels[copies.first]
        room = _room(cells, len(labels), np.int8)
        parts = _kept(cut_pointwise(cells, forms, labels, room))
        signs = parts.codes
        if copies is not None:
            signs = signs[:, copies.which] * copies.factor
        if self.plain:
            codes = np.add(signs, np.int8(1), out=empty(signs.shape, np.int8))
            return parts._replace(codes=codes)
        codes = np.zeros((len(self.which), len(signs)), dtype=np.int64)
        np.add.at(codes, self.units, signs.T.astype(np.int64) + 1)
        return parts._replace(codes=codes.T)

    def cut_some(
        self,
        cells: Cells,
        x: FloatForms,
        rows: np.ndarray,
        label: int,
        before: np.ndarray,
        stop: int,
        known: KnownValues | None = None,
    ) -> CutResult:
        """`cut` along the next units of a `plain` node, up to unit `stop`. The columns of `before`
        (cells, units) are the codes of the units that have cut already; cell i has the forms
        x.of(rows[i])."""
        low, copies = before.shape[1], self.copies
        if known is not None:
            x = x.without(known.classes == 0)
            copies = tied_knots(copies, known.classes[0], self.breakpoint)
        first, which, factor = copies or separate(len(self.units))
        lead, factor = first[which[low:stop]], factor[low:stop]
        leads, place = np.unique(lead, return_inverse=True)
        new = int(np.searchsorted(leads, low))
        knots = leads[new:]
        coefficients = x.coefficients.take(knots, axis=2)[rows]
        forms = FloatForms(coefficients, x.errors.take(knots, axis=2), x.owner[rows])
        room = _room(cells, len(knots), np.int8)
        parts = _kept(cut_pointwise(cells, forms, label + knots, room))
        # A copy of a unit that has cut already takes the sign of that unit.
        old = before[parts.parents][:, leads[:new]].astype(np.int8) - np.int8(1)
        signs = np.concatenate([old, parts.codes], axis=1)[:, place.ravel()]
        return parts._replace(codes=signs * factor + np.int8(1))

    def apply(self, value: FloatValue, codes: np.ndarray) -> FloatValue:
        """The node's value where the units have `codes` (cells, units)."""
        x, piece = value.forms, codes // 2
        slope, intercept = self.slopes[self.which, piece], self.intercepts[self.which, piece]
        out = x.coefficients * slope[:, None]
        out[:, 2] += intercept
        size = np.abs(slope)
        errors = x.errors[x.owner]
        exact = self._safe(value.grid)[self.which, piece]
        lin = const = unit = np.zeros(())
        if not exact.all():
            lin = np.abs(x.coefficients[:, 0]) + np.abs(x.coefficients[:, 1])
            const = np.abs(x.coefficients[:, 2]) * size + np.abs(intercept)
            unit = np.where(exact, 0.0, np.inf if self.lost else 4.0 * UNIT)
        e = errors[:, 0] * size + unit * (size * lin)
        f = errors[:, 1] * size + unit * const
        e = np.where(exact & ((errors[:, 0] == 0.0) | (size == 0.0)), 0.0, e * UP + TINY)
        f = np.where(exact & ((errors[:, 1] == 0.0) | (size == 0.0)), 0.0, f * UP + TINY)
        forms = FloatForms(out, np.stack([e, f], axis=1), np.arange(len(out)))
        return FloatValue(forms, self._grid(value.grid))


def _room(cells: Cells, units: int, dtype: type) -> Room:
    """Allocate the output arrays of a cut, large enough for most batches: where a kernel makes
    larger ones, their fresh pages cost a twentieth of the time. Room that is not used costs none.
    """
    number = len(cells.start) - 1
    parts, corners = 2 * number + 4096, 2 * len(cells.corners) + 16384
    start, parents = empty((parts,), np.int64), empty((parts,), np.int64)
    room = start, empty((corners, 8)), empty((corners,), np.int64)
    return room, parents, empty((parts, units), dtype), np.empty(number, np.int64)


def _kept(found: Room) -> CutResult:
    """Copy the cells and parents, which live long, out of the larger output arrays."""
    (start, corners, labels), parents, codes, undecided = found
    cells = Cells(_own(start), _own(corners), _own(labels))
    return CutResult(cells, _own(parents), codes, undecided)


def _own(array: np.ndarray) -> np.ndarray:
    """A copy of an array, in memory of the arena."""
    out = empty(array.shape, array.dtype)
    out[...] = array
    return out


class FloatMax:
    """A max node in floats: cuts where maxima change hands, and its value for given members."""

    def __init__(self, node: MaxGroups) -> None:
        sizes = np.asarray([len(g) for g in node.groups], dtype=np.int64)
        start = np.concatenate([[0], np.cumsum(sizes)])
        members = np.asarray([m for g in node.groups for m in g], dtype=np.int64)
        labels = np.concatenate([[0], np.cumsum(sizes**2)[:-1]]).astype(np.int64)
        self.groups = Groups(start, members, labels)

    def cut(
        self, cells: Cells, x: FloatForms, label: int, known: KnownValues | None = None
    ) -> CutResult:
        """Cut cells where maxima change hands (`kernels.cut_max`); see `FloatPointwise.cut`."""
        if known is None:
            size = x.coefficients.shape[2]
            apart = np.arange(1, size + 1)[None]
            known = KnownValues(apart, np.zeros((1, size), dtype=np.bool_))
        else:
            x = x.without(known.classes == 0)
        groups = self.groups._replace(labels=self.groups.labels + label)
        room = _room(cells, len(groups.labels), np.int64)
        return _kept(cut_max(cells, x, groups, known, room))

    def taken(self, codes: np.ndarray) -> np.ndarray:
        """The entry of the input that each group takes, whose members are at positions `codes`."""
        return self.groups.members[self.groups.start[:-1] + codes]

    def apply(self, value: FloatValue, codes: np.ndarray) -> FloatValue:
        """The node's value where the groups take the members at positions `codes`."""
        x = value.forms
        index = self.taken(codes)[:, None]
        forms = FloatForms(
            np.take_along_axis(x.coefficients, index, axis=2),
            np.take_along_axis(x.errors[x.owner], index, axis=2),
            np.arange(len(codes)),
        )
        return FloatValue(forms, value.grid)


FloatLayer = FloatPointwise | FloatMax


@dataclass(frozen=True)
class FloatNodes:
    """A network's nodes in floats: the affine ones by number, and the layers in order."""

    affine: dict[int, FloatAffine]
    layers: list[FloatLayer]


_prepared: WeakKeyDictionary[Network, FloatNodes] = WeakKeyDictionary()


def in_floats(network: Network) -> FloatNodes:
    """The network's nodes in floats, cached: to convert all its numbers takes a while."""
    if network not in _prepared:
        nodes = FloatNodes({}, [])
        for k, node in enumerate(network.nodes):
            if isinstance(node, Affine):
                nodes.affine[k] = FloatAffine(node)
            else:
                nodes.layers.append(_in_floats(node, nodes.affine))
        _prepared[network] = nodes
    return _prepared[network]


def _in_floats(node: Activation, affine: dict[int, FloatAffine]) -> FloatLayer:
    """An activation node in floats, after the affine nodes with these numbers."""
    if isinstance(node, Pointwise):
        return FloatPointwise(node, affine.get(node.source - 1))
    return FloatMax(node)


def continued(network: Network, node: Activation) -> Network:
    """The network with one more layer at its end; what is known of it in floats is shared."""
    longer = Network(network.inputs, (*network.nodes, node), len(network.nodes) + 1)
    known = in_floats(network)
    layers = [*known.layers, _in_floats(node, known.affine)]
    _prepared[longer] = FloatNodes(known.affine, layers)
    return longer
