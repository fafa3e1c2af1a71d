"""Strict JSON for every file exactcam reads: what is not exactly right is refused.

The standard parser accepts duplicate keys, NaN, and numbers of any length and
nesting of any depth; a file that stands for a proof may have none of these.
Exact numbers are hexadecimal text (see `exactcam.arithmetic.rational`), so a file holds only
objects, arrays, text, booleans and small integers.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from ..errors import FileFormatError

__all__ = ["count", "counts", "dump", "fields", "items", "parse"]

_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)


def dump(value: Any) -> str:
    """The canonical text: sorted keys, no white space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str, where: str) -> Any:
    """The JSON value of `text`; FileFormatError naming `where` for anything unusual."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise FileFormatError(f"{where}: a JSON object repeats a key")
        return out

    def integer(digits: str) -> int:
        if _INTEGER.fullmatch(digits) is None:
            raise FileFormatError(f"{where}: a JSON integer has more than 15 digits")
        return int(digits)

    def refuse(number: str) -> NoReturn:
        raise FileFormatError(f"{where}: {number[:20]} is no integer; exact numbers are text")

    try:
        return json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"{where}: not valid JSON ({str(error)[:80]})") from None


def fields(value: Any, names: tuple[str, ...], where: str) -> list[Any]:
    """The values of an object that has exactly the keys `names`, in that order."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise FileFormatError(f"{where}: needs an object with exactly {', '.join(names)}")
    return [value[name] for name in names]


def items(value: Any, where: str, length: int | None = None) -> list[Any]:
    """A JSON array, of the given length if one is given."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        size = "" if length is None else f" of {length} entries"
        raise FileFormatError(f"{where}: needs an array{size}")
    return value


def count(value: Any, where: str) -> int:
    """A non-negative integer."""
    if type(value) is not int or value < 0:
        raise FileFormatError(f"{where}: needs a non-negative integer")
    return value


def counts(value: Any, where: str, length: int | None = None) -> list[int]:
    """An array of non-negative integers."""
    return [count(v, f"{where}[{k}]") for k, v in enumerate(items(value, where, length))]
