"""Coincident lines: find the units of a layer that have the same knot line everywhere.

A copied, scaled or negated unit crosses exactly where the first of its kind does. Its
sign at a vertex of that line would be zero up to rounding, and no float can prove a
zero; knowing it beforehand keeps such networks as fast as any other.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ..arithmetic.matrix import Dense
from ..arithmetic.rational import mpq, mpz
from ..model.nodes import Affine, Pointwise

__all__ = ["Copies", "copied_knots", "rough_rows", "separate", "tied_knots"]


_EXPONENT = 900  # of two: scales up to this are floats, and leave room for larger numbers


class Copies(NamedTuple):
    """Knots whose lines coincide: knot k has the sign of knot first[which[k]] times factor[k]."""

    first: np.ndarray
    which: np.ndarray
    factor: np.ndarray


def copied_knots(node: Pointwise, source: Affine, floats: np.ndarray) -> Copies | None:
    """Knots whose lines coincide everywhere: copied, scaled and negated units.

    `floats` (knots, inputs + 1) are roughly the lines, in the inputs of the layer `source`
    in front. None where no two exact rows (q w, q b - p) are seen to be proportional.
    """
    knots = np.nonzero(_likely_copies(floats))[0]
    if not len(knots):
        return None
    units, p, q = (array[knots] for array in node.knots)
    rows = np.concatenate([m.entries for m in source.matrices if isinstance(m, Dense)], axis=1)
    last = q * source.bias[units] - p * source.scale
    table = np.concatenate([rows[units] * q[:, None], last[:, None]], axis=1)
    everyone, _, factor = separate(len(floats))
    head = everyone.copy()  # the first knot with each one's line
    seen: dict[Any, tuple[int, bool]] = {}
    for k, row in zip(knots.tolist(), table, strict=True):
        lead = next((x for x in row if x), mpz(0))
        if lead:
            key = tuple(x / mpq(lead) for x in row)
            head[k], positive = seen.setdefault(key, (k, lead > 0))
            factor[k] = 1 if (lead > 0) == positive else -1
    first, which = np.unique(head, return_inverse=True)
    return None if len(first) == len(floats) else Copies(first, which.ravel(), factor)


def rough_rows(node: Affine) -> np.ndarray | None:
    """Roughly the rows of an affine node, weights and bias side by side; None if not dense."""
    if not all(isinstance(matrix, Dense) for matrix in node.matrices):
        return None
    rows = np.concatenate(
        [*(m.numbers.reshape(m.shape) for m in node.matrices), node.bias[:, None]], axis=1
    )
    surplus = max(0, node.scale.bit_length() - _EXPONENT)
    try:
        return (rows >> surplus).astype(np.float64) / float(node.scale >> surplus)
    except OverflowError:  # so large numbers are not compared
        return None


def separate(knots: int) -> Copies:
    """The `Copies` of knots of which no two coincide: each represents itself."""
    return Copies(np.arange(knots), np.arange(knots), np.ones(knots, np.int8))


def tied_knots(copies: Copies | None, classes: np.ndarray, breakpoint: np.ndarray) -> Copies:
    """Add to `copies` the knots that coincide on one cell: those with equal classes of their
    inputs (see `value_numbers`) and equal breakpoints, both given as numbers, int64 (knots,)."""
    first, which, factor = copies or separate(len(classes))
    keys = np.stack([classes[first], breakpoint[first]])
    _, head, number = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    kept, place = np.unique(head[number.ravel()], return_inverse=True)
    return Copies(first[kept], place.ravel()[which], factor)


def _likely_copies(table: np.ndarray) -> np.ndarray:
    """Which rows are proportional to another to nine digits, bool (rows,): only these are
    compared exactly. A pair that is missed costs time, not correctness."""
    lead = table[np.arange(len(table)), (table != 0.0).argmax(axis=1)]
    with np.errstate(all="ignore"):
        keys = np.round(table / np.where(lead == 0.0, 1.0, lead)[:, None], 9) + 0.0
    names = [row.tobytes() for row in keys]
    count = Counter(names)
    return np.asarray([count[name] > 1 for name in names])
