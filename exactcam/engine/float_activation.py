"""The float filter on activation nodes: their cuts and their values, with proven errors.

What `filter` is for affine nodes: Lemma F1's part on pointwise nodes (Lemma 21 of
proofs/filter.md), breakpoints by Knuth's two-sum, max groups that copy. A cut looks at
the forms of all knots on a cell; knots that coincide (`copies`, `ties`) cut once.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..arithmetic.constants import TINY, UNIT, UP
from ..arithmetic.rational import mpq
from ..arithmetic.rounding import rounded
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from ..runtime.arena import empty
from .coincident import copied_knots, separate, tied_knots
from .float_affine import Family, FloatAffine, Polygons, kernels
from .float_forms import Forms

__all__ = ["FloatMax", "FloatNode", "FloatPointwise", "in_floats"]


class FloatPointwise:
    """A pointwise node prepared: forms of its knots, and its value on chosen pieces."""

    def __init__(self, node: Pointwise, source: FloatAffine | None = None) -> None:
        self.units, q, p = node.knots
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
        nothing = (self.slopes[:, 0] == 0.0) & (self.intercepts[:, 0] == 0.0)
        self.vanishes = nothing[self.which]  # units that are zero on their first piece
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

    def family(
        self, x: Forms, cells: np.ndarray, codes: np.ndarray,
        after: FloatAffine, which: int, closely: bool,
    ) -> Family:  # fmt: skip
        """Siblings among `cells`: equal neighbours are one family. Their values are to be
        input `which` of the node `after`."""
        new = np.ones(len(cells), dtype=bool)
        new[1:] = cells[1:] != cells[:-1]
        first = np.nonzero(new)[0]
        codes = np.ascontiguousarray(codes)
        kept = np.arange(codes.shape[1])
        if after.products[which].dense.size:
            kept = np.nonzero((codes[first].max(axis=0) > 1) | ~self.vanishes)[0]
        heads, steepest = cells[first], self.steepest
        sizes = np.zeros((0, 2, 0))
        if closely:
            slopes = np.abs(self.slopes)
            most, varies = kernels().steepest(codes, first, self.which, slopes)
            steepest, errors = most[:, None], x.errors[x.owner[heads]]
            # An error that is not zero must not become zero by underflow, here and in `apply`.
            errors = np.where(
                (errors == 0.0) | (steepest == 0.0), 0.0, np.maximum(errors * steepest, TINY)
            )
        else:
            errors = kernels().widest(x.errors, steepest)[x.owner[heads]]
        safe = self._safe(x.grid)[self.which].all()
        if closely or not safe:
            a, b, c = np.moveaxis(np.abs(x.coefficients[heads]) * steepest, 1, 0)
            sizes = np.stack([a + b, c + np.abs(self.intercepts).max()], axis=1)
        if not safe:
            unit = np.inf if self.lost else 4.0 * UNIT
            largest = sizes if closely else sizes.max(axis=2, keepdims=True)
            errors = (errors + unit * largest) * UP + TINY
        if closely:  # what changes in a family is added, taken away and added anew
            sizes = np.where(varies[:, None], 3.0 * sizes, sizes)
        return Family(
            np.cumsum(new) - 1, first, kept, codes, x.coefficients, cells,
            self.which, self.slopes, self.intercepts, errors, sizes, which,
        )  # fmt: skip

    def heads(self, x: Forms, family: Family) -> Forms:
        """The node's forms on the first member of each family, of the units kept, with the
        family's errors."""
        out = empty((len(family.first), 3, len(family.kept)))
        kernels().apply_pieces(
            x.coefficients, family.cells, family.codes, family.first, family.kept,
            self.which, self.slopes, self.intercepts, out,
        )  # fmt: skip
        grid = None if self.grid is None or x.grid is None else self.grid + x.grid
        return Forms(out, family.errors, np.arange(len(out)), grid)

    def _safe(self, grid: int | None) -> np.ndarray:
        """Which pieces of which functions are applied to exact forms without rounding."""
        if self.grid is not None and grid is not None and self.grid + grid < 900:
            return self.exact
        # A power of two below one may underflow.
        return self.exact & (np.abs(self.slopes) == np.abs(np.rint(self.slopes)))

    def cut(
        self, polygons: Polygons, x: Forms, label: int, blind: np.ndarray,
        classes: np.ndarray | None = None, above: np.ndarray | None = None,
    ) -> Any:  # fmt: skip
        """`kernels.cut_pointwise` along this node, with codes in place of states.

        `classes` (size,): units whose input has one class have the same exact input on all
        these cells, zero for class 0; where `above` it is positive inside them (`value_numbers`).
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
        *parts, state, undecided = _cut(polygons, forms, errors, owner, labels, blind)
        if copies is not None:
            state = state[:, which] * factor
        if self.plain:
            codes = np.add(state, np.int8(1), out=empty(state.shape, np.int8))
            return *parts, codes, undecided
        codes = np.zeros((len(self.which), len(state)), dtype=np.int64)
        np.add.at(codes, self.units, state.T.astype(np.int64) + 1)
        return *parts, codes.T, undecided

    def cut_some(
        self, polygons: Polygons, x: Forms, rows: np.ndarray, label: int, blind: np.ndarray,
        known: np.ndarray, stop: int, classes: np.ndarray | None = None,
    ) -> Any:  # fmt: skip
        """`cut` along the units up to `stop` of a `plain` node, when the first have cut
        already and the cells have codes `known` (cells, units); cell i has forms x.of(rows[i])."""
        low, copies = known.shape[1], self.copies
        if classes is not None:
            x = x.without(classes == 0)
            copies = tied_knots(copies, classes, self.breakpoint)
        first, which, factor = copies or separate(len(self.units))
        lead, factor = first[which[low:stop]], factor[low:stop]
        leads, place = np.unique(lead, return_inverse=True)
        new = int(np.searchsorted(leads, low))
        knots = leads[new:]
        *parts, parents, state, undecided = _cut(
            polygons, x.coefficients.take(knots, axis=2)[rows], x.errors.take(knots, axis=2),
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


def _cut(polygons: Polygons, forms: np.ndarray, *given: np.ndarray) -> Any:
    """`kernels.cut_pointwise`, with room for what comes of most batches."""
    from .kernels.cut_lines import cut_pointwise

    most, rows = 2 * len(forms) + 1024, 2 * len(polygons[1]) + 4096
    *parts, state, undecided = cut_pointwise(
        *polygons, forms, *given,
        empty((most,), np.int64), empty((rows, 8)), empty((rows,), np.int64),
        empty((most, forms.shape[2]), np.int8),
    )  # fmt: skip
    return *(_own(array) for array in parts), state, undecided


def _own(array: np.ndarray) -> np.ndarray:
    """A copy: what is kept must not keep the room for it."""
    out = empty(array.shape, array.dtype)
    out[...] = array
    return out


class FloatMax:
    """A max node prepared: members of its groups as flat arrays."""

    def __init__(self, node: MaxGroups) -> None:
        from .kernels.cut_max import cut_max  # not later: a forked process could wait for ever

        self.kernel = cut_max
        sizes = np.asarray([len(g) for g in node.groups], dtype=np.int64)
        self.start = np.concatenate([[0], np.cumsum(sizes)])
        self.members = np.asarray([m for g in node.groups for m in g], dtype=np.int64)
        self.labels = np.concatenate([[0], np.cumsum(sizes**2)[:-1]]).astype(np.int64)

    def cut(
        self, polygons: Polygons, x: Forms, label: int, blind: np.ndarray,
        classes: np.ndarray | None = None, above: np.ndarray | None = None,
    ) -> Any:  # fmt: skip
        """`kernels.cut_max` along this node; `classes` and `above` as in `FloatPointwise.cut`."""
        size = x.coefficients.shape[2]
        above = np.zeros(size, dtype=np.bool_) if above is None else above
        if classes is None:
            classes = np.arange(1, size + 1)
        else:
            x = x.without(classes == 0)
        return self.kernel(
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


FloatNode = FloatAffine | FloatPointwise | FloatMax

_known: WeakKeyDictionary[Network, list[FloatNode]] = WeakKeyDictionary()


def in_floats(network: Network) -> list[FloatNode]:
    """The nodes prepared; once a network, as converting all its numbers takes a while."""
    if network not in _known:
        out: list[FloatNode] = []
        for node in network.nodes:
            if isinstance(node, Affine):
                out.append(FloatAffine(node))
            elif isinstance(node, Pointwise):
                before = out[node.source - 1] if node.source else None
                out.append(
                    FloatPointwise(node, before if isinstance(before, FloatAffine) else None)
                )
            else:
                out.append(FloatMax(node))
        _known[network] = out
    return _known[network]
