"""A strict JSON reader and a canonical writer, for every file exactcam reads or writes.

The standard parser accepts duplicate keys, NaN, and numbers of any length; a file that
stands for a proof may have none of these. Nesting too deep for the parser is refused too.
Exact numbers are hexadecimal text (see `exactcam.arithmetic.rational`), so a file holds only
objects, arrays, text, booleans and small integers.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import numpy as np

from ..errors import FileFormatError, escaped

__all__ = ["Json", "count", "counts", "dump", "fields", "items", "parse", "printable"]

Json = dict[str, Any] | list[Any] | str | int | bool | None

_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_DEPTH = 64  # arrays and objects inside one another; files of ours have nine at most
_CONTAINERS = 1 << 22  # arrays and objects of one text
_ENTRIES = 1 << 25  # and their entries
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_LONGEST = 4096  # characters of a name or note


def printable(text: str) -> str:
    """The text as one line of printable characters, at most 4,096 of them.

    Files name layers: see `escaped`.
    """
    out = escaped(text[: _LONGEST + 1])
    return out if len(out) <= _LONGEST else out[: _LONGEST - 3] + "..."


def dump(value: Json) -> str:
    """Write a value as its one canonical text: keys sorted, no white space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str, where: str) -> Json:
    """Parse JSON that has no duplicate keys and no numbers but integers of up to 15 digits.

    Depth and the numbers of arrays, objects and entries are limited, before any is made.

    Parameters
    ----------
    text : str
        One JSON value.
    where : str
        What is read, for messages.

    Raises
    ------
    FileFormatError
        For anything else; names `where`.
    """

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

    _check_size(text, where)
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
        )
        return value
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"{where}: not valid JSON ({str(error)[:80]})") from None


def _check_size(text: str, where: str) -> None:
    """Refuse a text that would become very deep or very many objects."""
    containers = text.count("[") + text.count("{")
    if containers <= _DEPTH and len(text) <= _ENTRIES:
        return
    if containers > _CONTAINERS or text.count(",") > _ENTRIES:
        raise FileFormatError(
            f"{where}: has more than {_CONTAINERS:,} JSON arrays and objects, or more than "
            f"{_ENTRIES:,} entries in them"
        )
    brackets = text.encode("ascii", "replace").translate(None, _NOT_BRACKETS)
    if _depth(brackets) > _DEPTH:  # those in text were counted too: now without
        tokens = (t[0] for t in _TOKEN.finditer(text) if t[0][0] != '"')
        if _depth("".join(tokens).encode()) > _DEPTH:
            raise FileFormatError(f"{where}: its JSON is nested more than {_DEPTH} deep")


def _depth(brackets: bytes) -> int:
    codes = np.frombuffer(brackets, np.uint8)
    opens = (codes == ord("[")) | (codes == ord("{"))
    return int(np.cumsum(np.where(opens, 1, -1)).max(initial=0))


def fields(value: Any, names: tuple[str, ...], where: str) -> list[Any]:
    """Unpack an object that must have exactly the keys `names`; its values in that order."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise FileFormatError(f"{where}: needs an object with exactly {', '.join(names)}")
    return [value[name] for name in names]


def items(value: Any, where: str, length: int | None = None) -> list[Any]:
    """Check that a value is an array, and of the given length if one is given."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        size = "" if length is None else f" of {length} entries"
        raise FileFormatError(f"{where}: needs an array{size}")
    return value


def count(value: Any, where: str) -> int:
    """Check that a value is a non-negative integer."""
    if type(value) is not int or value < 0:
        raise FileFormatError(f"{where}: needs a non-negative integer")
    return value


def counts(value: Any, where: str, length: int | None = None) -> list[int]:
    """Check that a value is an array of non-negative integers."""
    return [count(v, f"{where}[{k}]") for k, v in enumerate(items(value, where, length))]
