"""Exact numbers: conversion to and from gmpy2's integers and rationals.

Everything exact in exactcam is a gmpy2 ``mpz`` (integers) or ``mpq``
(rationals). This module turns what users hold - Python and numpy floats of any
width, integers, fractions, decimal text - into those types with nothing lost,
brings arrays over one common denominator, and defines the strict hexadecimal
text form used in files. Hexadecimal because Python refuses decimal integers of
more than 4,300 digits, and deep networks reach that.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import repeat
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpq, mpz

from ..errors import NumberError

__all__ = [
    "Real",
    "all_from_hex",
    "by_runs",
    "common_integers",
    "decimal_text",
    "digits",
    "finite",
    "from_hex",
    "integer_matrix",
    "json_number",
    "mpq",
    "mpz",
    "nearest",
    "nearest_sum",
    "nearest_with_root",
    "objects",
    "odd_parts",
    "quotient",
    "rational",
    "rational_from_hex",
    "rational_to_hex",
    "root_sum",
    "root_sums",
    "shortened",
    "sign",
    "spread",
    "to_float",
    "to_hex",
]

_HEX = re.compile(r"-?[1-9a-f][0-9a-f]*|0", re.ASCII)
_HEXES = re.compile(rf"(?:{_HEX.pattern})(?:,(?:{_HEX.pattern}))*+", re.ASCII)
# Possessive: where a long text is no number, digits are not tried in every division.
_TEXT = re.compile(
    r"([+-]?)(?:(\d++)/(\d++)|(\d++\.?\d*+|\.\d++)(?:[eE]([+-]?\d{1,4}))?)", re.ASCII
)
_RUNS = 1 << 12  # entries of an array from which runs are looked for
_BITS = 1 << 33  # of numbers brought over one denominator
_LEAST, _MOST = 2.0**-1022, sys.float_info.max  # of normal floats

# A number of 53 significant bits: a float, or a rational where it is beyond the range of floats.
Real = float | mpq


def objects(values: Iterable[object], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A numpy object array of the given values, never guessed into another shape."""
    entries = list(values)
    out = np.fromiter(entries, object, len(entries))  # assigning a list looks into each entry
    return out if shape is None else out.reshape(shape)


def by_runs(compute: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """`compute` of flat object arrays entry by entry, once for each run of the same objects.

    Biases of a convolution repeat one number at all places of a channel. Arrays computed here
    do so again: the numbers of a million places need not be a million numbers.
    """
    size = len(arrays[0])
    if size < _RUNS:
        return compute(*arrays)
    new = np.arange(size) == 0
    for array in arrays:
        held = np.ascontiguousarray(array)  # addresses of objects, which are their names
        memory = (ctypes.c_char * held.nbytes).from_address(held.ctypes.data)
        names = np.frombuffer(memoryview(memory), np.intp)
        new[1:] |= names[1:] != names[:-1]
    (starts,) = np.nonzero(new)
    few = compute(*(array[starts] for array in arrays))
    return np.repeat(few, np.diff(starts, append=size))


def sign(value: Any) -> int:
    """-1, 0 or +1."""
    return int(gmpy2.sign(value))


def rational(value: Any, where: str = "value") -> mpq:
    """The exact rational that `value` is.

    Accepts int, float, Fraction, mpz, mpq, any numpy integer or float of at
    most 64 bits, and text: ``"0.1"`` is one tenth exactly, while the float
    ``0.1`` is the dyadic number nearest to it. Raises NumberError naming
    `where` for NaN, infinity and anything else.
    """
    if isinstance(value, str):
        return _from_text(value, where)
    if isinstance(value, np.generic):
        if isinstance(value, np.floating) and value.dtype.itemsize <= 8:
            value = float(value)
        elif isinstance(value, (np.integer, np.bool_)):
            value = int(value)
    if isinstance(value, float):
        if not np.isfinite(value):
            raise NumberError(f"{where} is {value}: every number must be finite")
        return mpq(value)
    if isinstance(value, (int, Fraction)) or type(value) in (type(mpz()), type(mpq())):
        return mpq(value)
    raise NumberError(
        f"{where} is a {type(value).__name__}: give an int, a float of at most 64 bits, "
        "a Fraction or decimal text"
    )


def _from_text(text: str, where: str) -> mpq:
    """The rational that decimal text or a fraction p/q denotes."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise NumberError(f"{where} is {text[:40]!r}: write a number like 0.1, -3, 2e-5 or 1/3")
    minus, numerator, denominator, digits, exponent = match.groups()
    if numerator is not None:
        if not mpz(denominator):
            raise NumberError(f"{where} is {text[:40]!r}: the denominator is zero")
        value = mpq(mpz(numerator), mpz(denominator))
    else:
        whole, _, fraction = digits.partition(".")
        power = int(exponent or 0) - len(fraction)
        value = mpq(mpz((whole + fraction) or "0"))
        value = value * mpz(10) ** power if power >= 0 else value / mpz(10) ** -power
    return -value if minus == "-" else value


def integer_matrix(values: Any, where: str) -> tuple[np.ndarray, mpz]:
    """(N, s): an object array N of mpz, of the shape of `values`, with values = N / s.

    `s` is the least positive integer for which that is possible. Floats of 16,
    32 and 64 bits are read as the dyadic rationals they are, subnormals and
    negative zero included; lists may hold anything `rational` takes. Raises NumberError naming `where` and the index of
    the first entry that is NaN, infinite or not a number. O(size).
    """
    # A list goes entry by entry: numpy would round [2**53 + 1, 0.5] to floats first.
    array = np.asarray(values, dtype=None if hasattr(values, "__array__") else object)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return _dyadic(array.astype(np.float64), where)
    if array.dtype.kind in "iub":
        return objects((mpz(int(entry)) for entry in array.ravel()), array.shape), mpz(1)
    if array.dtype.kind != "O":
        raise NumberError(
            f"{where} has entries of type {array.dtype}: give floats of at most 64 bits, "
            "integers or Fractions"
        )
    entries = [
        rational(entry, f"{where}[{', '.join(map(str, index))}]")
        for index, entry in np.ndenumerate(array)
    ]
    numbers, scale = common_integers(entries)
    return objects(numbers, array.shape), scale


def finite(array: np.ndarray, where: str) -> None:
    """Raise NumberError naming the first entry that is NaN or infinite."""
    bad = ~np.isfinite(array)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise NumberError(
            f"{where}[{', '.join(map(str, index))}] is {array[index]}: every number must be finite"
        )


def odd_parts(floats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, e), both int64, with m * 2^e the finite floats and every m odd, or zero with e = 0."""
    fractions, exponents = np.frexp(floats.astype(np.float64))
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    zero = mantissas == 0
    low_bit = np.where(zero, 1, mantissas & -mantissas)
    # Not log2: vector units may give 51.999... for a power of two.
    shift = np.frexp(low_bit.astype(np.float64))[1].astype(np.int64) - 1
    return mantissas >> shift, np.where(zero, 0, exponents + (shift - 53))


def _dyadic(array: np.ndarray, where: str) -> tuple[np.ndarray, mpz]:
    """`integer_matrix` of float64: integers over the least power of two."""
    finite(array, where)
    mantissas, exponents = odd_parts(array)
    lowest = min(0, int(exponents.min(initial=0)))
    pairs = zip(mantissas.ravel().tolist(), (exponents - lowest).ravel().tolist(), strict=True)
    numbers = (mpz(m) << e if m else mpz(0) for m, e in pairs)
    return objects(numbers, array.shape), mpz(1) << -lowest


def spread(values: Any) -> int:
    """How many bits floats of 64 bits may need over one scale; 0 for narrower numbers.

    A float has 53 bits; beside one that is far smaller it has as many more as lie between.
    """
    if not isinstance(values, np.ndarray) or values.dtype != np.float64:
        return 0
    exponents = np.frexp(values[values != 0.0])[1]
    return int(np.ptp(exponents)) + 53 if len(exponents) else 0


def common_integers(values: Iterable[mpq]) -> tuple[list[mpz], mpz]:
    """(numerators, s) with value k equal to numerators[k] / s and s > 0 least possible.

    Raises NumberError where they would fill a gigabyte: n fractions may need n^2 digits.
    """
    values = list(values)
    scale = mpz(1)
    for denominator in {value.denominator for value in values}:
        scale = gmpy2.lcm(scale, denominator)
        if scale.bit_length() * len(values) > _BITS:
            raise NumberError(
                f"{len(values):,} fractions have a common denominator of more than "
                f"{scale.bit_length():,} bits; that is out of reach"
            )
    return [value.numerator * (scale // value.denominator) for value in values], scale


def to_float(value: mpq | mpz) -> float:
    """The float64 nearest to `value`, ties to even; infinity where it overflows.

    For numbers that are shown or kept use `nearest`, which loses none.
    """
    try:
        return int(value.numerator) / int(value.denominator)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def nearest(value: mpq) -> Real:
    """The number of 53 bits nearest to `value`, ties to even: see `quotient`."""
    return quotient(value.numerator, value.denominator)


def quotient(numerator: mpz, denominator: mpz) -> Real:
    """numerator / denominator (> 0), rounded once to 53 bits, whatever its size.

    A float where it is zero or within the range of normal float64 numbers; else the
    rational of 53 significant bits nearest to it, so that nothing becomes 0 or infinity.
    """
    try:
        value = int(numerator) / int(denominator)
    except OverflowError:
        return _wide(numerator, denominator)
    return value if abs(value) > _LEAST or not numerator else _wide(numerator, denominator)


def _wide(numerator: mpz, denominator: mpz) -> Real:
    """`quotient` of a number at the ends of the range of floats, or beyond."""
    size = mpz(abs(numerator))
    shift = 54 - size.bit_length() + mpz(denominator).bit_length()
    top, bottom = size << max(shift, 0), mpz(denominator) << max(-shift, 0)
    whole = top // bottom
    rest = top - whole * bottom
    drop = whole.bit_length() - 53  # 1 or 2: enough to round by
    kept, dropped = whole >> drop, whole & ((1 << drop) - 1)
    half = 1 << (drop - 1)
    if dropped > half or (dropped == half and (rest or kept & 1)):
        kept += 1
    value = mpq(kept if numerator > 0 else -kept) * mpq(2) ** (drop - shift)
    return float(value) if _LEAST <= abs(value) <= _MOST else value


def root_sum(squares: Sequence[mpq]) -> Real:
    """The number of 53 bits nearest to the sum of the square roots of `squares` (each >= 0).

    A float, or beyond the range of floats a rational (see `quotient`). Ziv's strategy: enclose
    the sum between integer square roots at growing precision until both ends round alike. It
    ends, because such a sum is rational only if every root is (and then it is summed exactly),
    so an irrational sum is never on a rounding boundary.
    """
    for low, high, unit in root_sums(squares):
        value = quotient(low, unit)
        if low == high or value == quotient(high, unit):
            return value
    raise AssertionError("enclosures never end")


def root_sums(squares: Sequence[mpq]) -> Iterator[tuple[mpz, mpz, mpz]]:
    """Ever tighter enclosures (low, high, unit) of a sum of square roots, between low / unit
    and high / unit; both equal it where every root is rational."""
    exact = mpq(0)
    rest: list[mpq] = []
    for square in squares:
        if gmpy2.is_square(square.numerator) and gmpy2.is_square(square.denominator):
            exact += mpq(gmpy2.isqrt(square.numerator), gmpy2.isqrt(square.denominator))
        else:
            rest.append(square)
    bits = 96
    while True:
        floors = sum(
            (gmpy2.isqrt((s.numerator << 2 * bits) // s.denominator) for s in rest), mpz(0)
        )
        low = (exact.numerator << bits) + floors * exact.denominator
        yield low, low + len(rest) * exact.denominator, exact.denominator << bits
        bits *= 2


def nearest_sum(terms: Sequence[mpq]) -> Real:
    """The number of 53 bits nearest to the exact sum of many fractions (see `quotient`).

    Their common denominator may have millions of digits, so the sum is enclosed at
    growing precision (Ziv's strategy); only a sum on a rounding boundary is formed.
    """
    sizes = (t.numerator.bit_length() - t.denominator.bit_length() for t in terms if t)
    bits = 128 + max(0, -max(sizes, default=0))
    for _ in range(6):
        floors = sum(((t.numerator << bits) // t.denominator for t in terms), mpz(0))
        low = quotient(floors, mpz(1) << bits)
        if low == quotient(floors + len(terms), mpz(1) << bits):
            return low
        bits *= 2
    return nearest(sum(terms, mpq(0)))


def nearest_with_root(start: mpq, factor: mpq, square: mpq) -> float:
    """The float64 nearest to start + factor * sqrt(square), square >= 0. As `root_sum`."""
    root = mpq(gmpy2.isqrt(square.numerator), gmpy2.isqrt(square.denominator))
    if root * root == square:
        return to_float(start + factor * root)
    bits = 96
    while True:
        floor = gmpy2.isqrt((square.numerator << 2 * bits) // square.denominator)
        ends = [to_float(start + factor * mpq(n, mpz(1) << bits)) for n in (floor, floor + 1)]
        if ends[0] == ends[1]:
            return ends[0]
        bits *= 2


def to_hex(value: mpz) -> str:
    """Lower-case hexadecimal, ``-`` for negative numbers, no prefix, no leading zeros."""
    return value.digits(16)


def from_hex(text: Any, where: str) -> mpz:
    """The integer of `to_hex`; raises NumberError for any other text."""
    if not isinstance(text, str) or _HEX.fullmatch(text) is None:
        raise NumberError(f"{where} is not a canonical hexadecimal integer: {str(text)[:40]!r}")
    return mpz(text, 16)


def all_from_hex(texts: Sequence[Any], where: str) -> np.ndarray:
    """Many integers of `to_hex` at once, an object array; NumberError names the wrong entry."""
    try:
        joined = ",".join(texts)
    except TypeError:
        joined = ""
    if texts and (_HEXES.fullmatch(joined) is None or joined.count(",") != len(texts) - 1):
        return objects(from_hex(text, f"{where}[{k}]") for k, text in enumerate(texts))
    return np.fromiter(map(mpz, texts, repeat(16)), dtype=object, count=len(texts))


def rational_to_hex(value: mpq) -> str:
    """``p`` or ``p/q`` in lowest terms, hexadecimal."""
    numerator = to_hex(value.numerator)
    return numerator if value.denominator == 1 else f"{numerator}/{to_hex(value.denominator)}"


def rational_from_hex(text: Any, where: str) -> mpq:
    """The rational of `rational_to_hex`; raises NumberError for any other text."""
    if not isinstance(text, str):
        raise NumberError(f"{where} is not a hexadecimal rational: {str(text)[:40]!r}")
    numerator, slash, denominator = text.partition("/")
    value = mpq(from_hex(numerator, where))
    if slash:
        below = from_hex(denominator, where)
        if below <= 1 or gmpy2.gcd(value.numerator, below) != 1:
            raise NumberError(f"{where} is not a rational in lowest terms: {text[:40]!r}")
        value /= below
    return value


def decimal_text(value: mpq) -> str:
    """``p`` or ``p/q`` in lowest terms, decimal, of any length."""
    return (
        value.numerator.digits()
        if value.denominator == 1
        else (f"{value.numerator.digits()}/{value.denominator.digits()}")
    )


def digits(value: Any, count: int = 6) -> str:
    """A number for people to read: `count` significant digits as "%g" has them, at any size.

    Where a float would be infinite, zero or subnormal the digits are those of the exact number.
    """
    exact = mpq(value)
    rounded = nearest(exact)
    if isinstance(rounded, float):
        return f"{rounded:.{count}g}"
    bits = exact.numerator.bit_length() - exact.denominator.bit_length()
    power = math.floor(bits * math.log10(2)) - 1  # at most the exponent, and at least that less 2
    scaled = abs(exact) / mpq(10) ** (power - count + 1)
    while scaled * 2 >= 2 * mpz(10) ** count - 1:  # would round to one digit more
        scaled, power = scaled / 10, power + 1
    whole = str((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator))
    fraction = whole[1:].rstrip("0")
    minus = "-" if exact < 0 else ""
    return f"{minus}{whole[0]}{'.' if fraction else ''}{fraction}e{power:+03d}"


def json_number(value: Real | None) -> float | str | None:
    """A number as a JSON value: a float, or beyond the range of floats the exact text p/q."""
    return value if value is None or isinstance(value, float) else decimal_text(value)


def shortened(value: mpq) -> str:
    """A rational for a message: `p/q` if that is short, else four digits of it."""
    text = decimal_text(value) if value.numerator.bit_length() < 30 else ""
    return text if 0 < len(text) <= 8 else digits(value, 4)
