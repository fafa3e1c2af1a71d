"""Compiled loops of the fast engine over whole batches: products, differences between
siblings and the bounds of both (Lemma 21 of proofs/filter.md); value numbering of rows (Lemma
24).
"""

from __future__ import annotations

import numpy as np

from ...arithmetic.constants import TINY, UP
from . import jit
from .arrays import LayerBounds, NamedRows, Pieces, Siblings, Weights

__all__ = [
    "add_differences",
    "affine_errors",
    "apply_pieces",
    "gather_patches",
    "largest_moduli",
    "row_classes",
    "sparse_product",
    "steepest",
    "widest",
]


@jit()
def sparse_product(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    x: np.ndarray,
    out: np.ndarray,
    add: bool,
) -> None:
    """out = x W^T, or out += x W^T where `add`, for a matrix W in compressed sparse rows; x (k,
    columns) and out (k, rows)."""
    for k in range(x.shape[0]):
        source, target = x[k], out[k]
        for row in range(target.shape[0]):
            total = 0.0
            for m in range(indptr[row], indptr[row + 1]):
                total += data[m] * source[indices[m]]
            target[row] = target[row] + total if add else total


@jit()
def gather_patches(x: np.ndarray, gather: np.ndarray, first: int, out: np.ndarray) -> None:
    """Write what each tap reads at some positions, from `first` on, to `out`.

    x is (k, channels, places), `gather` (taps, positions) a place or -1, which reads zero; `out`
    is (channels, taps, k, some positions).
    """
    for channel in range(out.shape[0]):
        for tap in range(out.shape[1]):
            for k in range(out.shape[2]):
                for p in range(out.shape[3]):
                    place = gather[tap, first + p]
                    out[channel, tap, k, p] = x[k, channel, place] if place >= 0 else 0.0


@jit()
def add_differences(
    base: np.ndarray,
    bias: np.ndarray,
    siblings: Siblings,
    pieces: Pieces,
    weights: Weights,
    sizes: np.ndarray,
    out: np.ndarray,
) -> int:
    """The forms after an affine layer, from those of the first member of each family.

    out[cell] = base[family] + bias + the sum over the units whose code differs from the first
    member's of (new - old form of the unit) times the unit's column of the matrix.

    Parameters
    ----------
    base : float64 (families, 3, rows)
        The product on the first members, without the bias (rows,).
    siblings : Siblings
        The cells, and the input of the layer in front of the affine one.
    pieces : Pieces
        The functions of that layer.
    weights : Weights
    sizes : float64 (families, 2)
        The largest |a| + |b| and |c| of the units' forms, raised to cover the new ones. (A NaN
        does not raise them, but propagates to `out`.)
    out : float64 (cells, 3, rows)

    Returns
    -------
    int
        The largest number of differing units.
    """
    member, first, codes, source, cells = siblings
    which, slopes, intercepts = pieces
    dense, starts, rows, data, _, kernel, _ = weights
    most = 0
    step, new, units = np.empty(3), np.empty(3), np.empty(codes.shape[1], np.int64)
    for cell in range(member.shape[0]):
        family = member[cell]
        reference = first[family]
        for i in range(out.shape[2]):
            out[cell, 0, i] = base[family, 0, i]
            out[cell, 1, i] = base[family, 1, i]
            out[cell, 2, i] = base[family, 2, i] + bias[i]
        if cell == reference:
            continue
        changed = 0
        for j in range(codes.shape[1]):
            units[changed] = j  # without a branch, which would be hard to predict
            changed += codes[cell, j] != codes[reference, j]
        for m in range(changed):
            j = units[m]
            f = which[j]
            now, old = codes[cell, j] // 2, codes[reference, j] // 2
            for r in range(3):
                x = source[cells[cell], r, j]
                new[r] = slopes[f, now] * x + (intercepts[f, now] if r == 2 else 0.0)
                step[r] = new[r] - (slopes[f, old] * x + (intercepts[f, old] if r == 2 else 0.0))
            sizes[family, 0] = max(sizes[family, 0], abs(new[0]) + abs(new[1]))
            sizes[family, 1] = max(sizes[family, 1], abs(new[2]))
            if dense.shape[0] > 0:
                for i in range(out.shape[2]):
                    weight = dense[j, i]
                    out[cell, 0, i] += step[0] * weight
                    out[cell, 1, i] += step[1] * weight
                    out[cell, 2, i] += step[2] * weight
            elif kernel.shape[0] > 0:
                _add_column(weights, j, step, out[cell])
            else:
                for k in range(starts[j], starts[j + 1]):
                    for r in range(3):
                        out[cell, r, rows[k]] += step[r] * data[k]
        most = max(most, changed)
    return most


@jit()
def _add_column(weights: Weights, j: int, step: np.ndarray, out: np.ndarray) -> None:
    """out += step times column j of a convolution; step (3,) and out (3, rows)."""
    _, starts, rows, _, taps, kernel, share = weights
    places, targets = starts.shape[0] - 1, kernel.shape[1]
    channel, place = j // places, j % places
    size = out.shape[1] // (kernel.shape[0] // share * targets)
    begin, end = starts[place], starts[place + 1]
    for target in range(targets):
        first = (channel // share * targets + target) * size
        numbers = kernel[channel, target]
        for k in range(begin, end):
            i, weight = first + rows[k], numbers[taps[k]]
            out[0, i] += step[0] * weight
            out[1, i] += step[1] * weight
            out[2, i] += step[2] * weight


@jit()
def apply_pieces(siblings: Siblings, kept: np.ndarray, pieces: Pieces, out: np.ndarray) -> None:
    """Write a pointwise layer's value on the first member of every family, of the units `kept`,
    to `out`, float64 (families, 3, kept)."""
    _, first, codes, source, rows = siblings
    which, slopes, intercepts = pieces
    for k in range(first.shape[0]):
        cell = first[k]
        own = rows[cell]
        for m in range(kept.shape[0]):
            j = kept[m]
            piece = codes[cell, j] // 2
            slope = slopes[which[j], piece]
            out[k, 0, m] = slope * source[own, 0, j]
            out[k, 1, m] = slope * source[own, 1, j]
            out[k, 2, m] = slope * source[own, 2, j] + intercepts[which[j], piece]


@jit()
def steepest(
    codes: np.ndarray, first: np.ndarray, pieces: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each family, a run of cells that begins at `first`: the largest slope of each unit on
    its pieces there, and whether its code varies, (families, units); `slopes` are moduli."""
    out = np.zeros((first.shape[0], codes.shape[1]))
    varies = np.zeros((first.shape[0], codes.shape[1]), np.bool_)
    family = -1
    for cell in range(codes.shape[0]):
        if family + 1 < first.shape[0] and cell == first[family + 1]:
            family += 1
        for j in range(codes.shape[1]):
            out[family, j] = max(out[family, j], slopes[pieces[j], codes[cell, j] // 2])
            varies[family, j] |= codes[cell, j] != codes[first[family], j]
    return out, varies


@jit()
def widest(errors: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The largest error after a pointwise layer whose units have these largest slopes, (n, 2, 1),
    from errors (n, 2, units); NaN where one that counts is NaN or infinite."""
    out = np.empty((errors.shape[0], 2, 1))
    for k in range(errors.shape[0]):
        for r in range(2):
            most, bad = 0.0, 0.0
            for j in range(errors.shape[2]):
                error = errors[k, r, j] * slopes[j]
                error = TINY if error < TINY else error  # it must not underflow to zero
                none = errors[k, r, j] == 0.0 or slopes[j] == 0.0
                error = 0.0 if none else error
                most = error if error > most else most
                bad += error * 0.0
            out[k, r, 0] = most + bad
    return out


@jit()
def largest_moduli(forms: np.ndarray, out: np.ndarray) -> None:
    """Write the largest |a| + |b| and |c| of each cell's forms to out[:, 0] and out[:, 1]; NaN
    where one of them is NaN or infinite."""
    for cell in range(forms.shape[0]):
        most, largest, bad = 0.0, 0.0, 0.0
        for j in range(forms.shape[2]):
            size = abs(forms[cell, 0, j]) + abs(forms[cell, 1, j])
            constant = abs(forms[cell, 2, j])
            most = size if size > most else most
            largest = constant if constant > largest else largest
            bad += (size + constant) * 0.0  # NaN if either is infinite or NaN
        out[cell, 0] = most + bad
        out[cell, 1] = largest + bad


@jit()
def affine_errors(
    measures: np.ndarray, each: np.ndarray, layer: LayerBounds, out: np.ndarray
) -> np.ndarray:
    """Write the error bounds of Lemma 21 to `out`, float64 (cells, 2, size), and return it.

    Parameters
    ----------
    measures : float64 (inputs, cells, 4)
        The largest |a| + |b|, |c|, e and f of each input.
    each : float64 (cells, 2, size)
        A bound of all but the bias, input by input; or (0, 2, size), and the largest ones serve.
    layer : LayerBounds
    """
    sums, moved, bias, gamma, limit, sound = layer
    inputs, cells = measures.shape[0], measures.shape[1]
    tops, no_terms = np.zeros(inputs), np.ones(bias.shape[0], np.bool_)
    for k in range(inputs):
        for i in range(bias.shape[0]):
            tops[k] = max(tops[k], moved[k, i])
            no_terms[i] = no_terms[i] and sums[k, i] == 0.0
    top = 0.0
    for i in range(bias.shape[0]):
        top = max(top, bias[i])
    for cell in range(cells):
        for r in range(2):
            reached, clean, nothing = top if r == 1 else 0.0, True, True
            for k in range(inputs):
                size, error = measures[k, cell, r], measures[k, cell, 2 + r]
                reached += size * tops[k]
                clean = clean and error == 0.0
                nothing = nothing and error == 0.0 and size == 0.0
            if clean and limit > 0.0 and reached * UP <= limit:
                out[cell, r] = 0.0
                continue
            row = out[cell, r]
            for i in range(bias.shape[0]):
                row[i] = gamma * bias[i] if r == 1 else 0.0
            if each.shape[0] > 0:
                for i in range(bias.shape[0]):
                    row[i] += each[cell, r, i]
            else:
                for k in range(inputs):
                    error, rounding = measures[k, cell, 2 + r], gamma * measures[k, cell, r]
                    for i in range(bias.shape[0]):
                        row[i] += error * sums[k, i] + rounding * moved[k, i]
            for i in range(bias.shape[0]):
                # Nothing was rounded where every term has a zero factor (and no weight
                # may have become zero).
                still = sound and (r == 0 or bias[i] == 0.0) and (nothing or no_terms[i])
                row[i] = 0.0 if still else row[i] * UP + TINY
    return out


@jit()
def row_classes(rows: NamedRows, bias: np.ndarray, known: np.ndarray, free: int) -> tuple:
    """Number the rows of an affine layer so that those computed alike have one number (Lemma 24).

    Returns the classes of the rows, new ones from `free` on, and the next free class.

    `bias` are the names of the biases, `known` the classes of all inputs, one after the other.
    Name and class 0 are zero. Rows with one hash are compared entry by entry.
    """
    rows = NamedRows(*rows)
    count, room = bias.shape[0], 16
    while room < 2 * count:
        room *= 2
    out = np.empty(count, np.int64)
    table, hashes = np.full(room, -1, np.int64), np.empty(count, np.int64)
    own, other = (
        np.empty((2, rows.longest + 1), np.int64),
        np.empty((2, rows.longest + 1), np.int64),
    )
    for i in range(count):
        left = _entries(rows, i, known, own)
        if left == 0 and bias[i] == 0:
            out[i] = 0
            continue
        code = bias[i]
        for m in range(left):
            code = (code ^ (code >> 29) ^ (own[0, m] << 32) ^ own[1, m]) * 0x5851F42D4C957F2D
        hashes[i] = code
        slot = (code ^ (code >> 31)) & (room - 1)
        while True:
            j = table[slot]
            if j < 0:
                table[slot] = i
                out[i] = free
                free += 1
                break
            if hashes[j] == code and bias[i] == bias[j]:
                same = _entries(rows, j, known, other) == left
                for m in range(left):
                    if not same:
                        break
                    same = own[0, m] == other[0, m] and own[1, m] == other[1, m]
                if same:
                    out[i] = out[j]
                    break
            slot = (slot + 1) & (room - 1)
    return out, free


@jit()
def _entries(rows: NamedRows, row: int, known: np.ndarray, out: np.ndarray) -> int:
    """Write the names of the weights of a row and the classes that they meet to `out`, (2, longest
    + 1), and return their number; entries of name or class 0 are left out."""
    count = 0
    for k in range(rows.sizes.shape[0]):
        size, share, channels, places, taps, starts, names, source = rows.sizes[k]
        target, position = row // size, row % size
        first = source + target // share * channels * places
        begin, end = rows.starts[starts + position], rows.starts[starts + position + 1]
        for own in range(channels):
            at = names + (target * channels + own) * taps
            for m in range(begin, end):
                name = rows.names[at + rows.taps[m]]
                x = known[first + own * places + rows.places[m]]
                out[0, count], out[1, count] = name, x
                count += name != 0 and x != 0  # without a branch, hard to predict
    return count
