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

from ..errors import FileFormatError

__all__ = ["Json", "count", "counts", "dump", "fields", "items", "parse"]

Json = dict[str, Any] | list[Any] | str | int | bool | None

_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)


def dump(value: Json) -> str:
    """Write a value as its one canonical text: keys sorted, no white space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str, where: str) -> Json:
    """Parse JSON that has no duplicate keys and no numbers but integers of up to 15 digits.

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
