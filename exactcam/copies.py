"""Units that repeat: knots whose lines coincide wherever one looks.

A copied, scaled or negated unit crosses exactly where the first of its kind does. Its
sign at a vertex of that line would be zero up to rounding, and no float can prove a
zero; knowing it beforehand keeps such networks as fast as any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .matrix import Dense
from .nodes import Affine, Pointwise
from .rational import mpq, mpz

__all__ = ["copied_knots", "separate", "tied_knots"]

Copies = tuple[np.ndarray, np.ndarray, np.ndarray]


def copied_knots(node: Pointwise, source: Affine) -> Copies | None:
    """Knots whose lines coincide everywhere: copied, scaled and negated units.

    (first, which, factor): knot k has the state of knot first[which[k]] times factor[k].
    None where no two exact rows (q w, q b - p) are proportional, or the layer is sparse.
    """
    if not all(isinstance(matrix, Dense) for matrix in source.matrices):
        return None
    units, q, p = node.knots
    rows = np.concatenate([m.entries for m in source.matrices if isinstance(m, Dense)], axis=1)
    last = q * source.bias[units] - p * source.scale
    table = np.concatenate([rows[units] * q[:, None], last[:, None]], axis=1)
    likely = _likely_copies(table)
    seen: dict[Any, int] = {}
    first: list[int] = []
    leads: list[mpz] = []
    which, factor = np.empty(len(units), np.int64), np.ones(len(units), np.int8)
    for k, row in enumerate(table):
        lead = next((x for x in row if x), mpz(0)) if likely[k] else mpz(0)
        which[k] = seen.setdefault(tuple(x / mpq(lead) for x in row) if lead else k, len(first))
        if which[k] == len(first):
            first.append(k)
            leads.append(lead)
        factor[k] = 1 if (lead > 0) == (leads[which[k]] > 0) else -1
    return None if len(first) == len(units) else (np.asarray(first), which, factor)


def separate(knots: int) -> Copies:
    """Where no two of so many knots coincide."""
    return np.arange(knots), np.arange(knots), np.ones(knots, np.int8)


def tied_knots(copies: Copies | None, classes: np.ndarray, breakpoint: np.ndarray) -> Copies:
    """`copies` with the knots that coincide on a cell: those with one class of input (see
    `ties`) and one breakpoint, both named by numbers, int64 (knots,)."""
    first, which, factor = copies or separate(len(classes))
    keys = np.stack([classes[first], breakpoint[first]])
    _, head, number = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    kept, place = np.unique(head[number.ravel()], return_inverse=True)
    return first[kept], place.ravel()[which], factor


def _likely_copies(table: np.ndarray) -> np.ndarray:
    """Rows that are, to some digits, proportional to another; the others hardly are (and
    what is missed is only slower)."""
    if not table.size or max(abs(table.max()), abs(table.min())).bit_length() > 1000:
        return np.ones(len(table), dtype=bool)
    floats = table.astype(np.float64)
    lead = floats[np.arange(len(floats)), (floats != 0.0).argmax(axis=1)]
    keys = np.round(floats / np.where(lead == 0.0, 1.0, lead)[:, None], 9) + 0.0
    _, number, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(count[number.ravel()] > 1)
