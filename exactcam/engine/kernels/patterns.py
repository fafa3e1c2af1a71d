"""Compiled loops that delta-encode and bit-pack activation patterns (see `complex.patterns`)."""

from __future__ import annotations

import numpy as np

from . import jit
from .cut_lines import grow

__all__ = ["packed", "unpack"]


@jit()
def packed(codes: np.ndarray, run: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Encode the patterns `codes` (cells, units) as the arrays (sizes, units, masks, bits) of
    `engine.packed_patterns.PackedPatterns`, `run` cells in each run but the last."""
    cells, units = codes.shape
    runs = -(-cells // run)
    most = 8 * (runs * units * codes.itemsize + 1)
    sizes, bits, used, count = np.empty((runs, 2), np.int64), np.empty(4096, np.uint8), 0, 0
    places, masks = np.empty(most, np.int32), np.empty(most, codes.dtype)
    some, each = np.empty(units, codes.dtype), np.empty(units, codes.dtype)
    for k in range(runs):
        low, high, begin = k * run, min(cells, (k + 1) * run), count
        _differences(codes, low, high, some, each)
        for m in range(units):
            left = np.int64(some[m])
            while left != 0:  # of two codes one mask, of more a mask for every bit
                mask = left if some[m] == each[m] else left & -left
                places[count], masks[count] = m, mask
                count += 1
                left ^= mask
        sizes[k, 0], sizes[k, 1] = high - low, count - begin
        end = count + (begin - count) % 8  # whole bytes: the last entries change nothing
        places[count:end], masks[count:end] = 0, 0
        bits = grow(bits, used + (high - low) * ((end - begin) // 8))
        used = _pack(codes, low, high, places[begin:end], masks[begin:end], bits, used)
    return sizes, places[:count].copy(), masks[:count].copy(), bits[:used].copy()


@jit()
def _differences(
    codes: np.ndarray, low: int, high: int, some: np.ndarray, each: np.ndarray
) -> None:
    """For each unit, compared with the code of cell `low`: the bits in which some code differs,
    to `some`, and those in which every code does that differs at all, to `each`."""
    some[:] = 0
    each[:] = ~some
    for i in range(low + 1, high):
        for m in range(codes.shape[1]):
            differs = codes[i, m] ^ codes[low, m]
            some[m] |= differs
            each[m] &= differs if differs != 0 else ~differs


@jit()
def _pack(
    codes: np.ndarray,
    low: int,
    high: int,
    units: np.ndarray,
    masks: np.ndarray,
    bits: np.ndarray,
    used: int,
) -> int:
    """Write the rows of `bits` of cells low:high from byte `used` on; the byte after them."""
    base = codes[low][units]
    for i in range(low, high):
        for j in range(0, len(units), 8):
            byte = 0
            for k in range(8):
                byte = byte * 2 + (((codes[i, units[j + k]] ^ base[j + k]) & masks[j + k]) != 0)
            bits[used] = byte
            used += 1
    return used


@jit()
def unpack(
    first: np.ndarray, units: np.ndarray, masks: np.ndarray, bits: np.ndarray, out: np.ndarray
) -> None:
    """Decode the patterns of one run to `out` (cells, units): each is `first`, changed by the
    masks whose bits are set in its row of `bits`."""
    length = (len(units) + 7) // 8
    for i in range(len(out)):
        out[i] = first
        for j in range(len(units)):
            if bits[i * length + j // 8] >> (7 - j % 8) & 1:
                out[i, units[j]] ^= masks[j]
