"""Checks of what callers give: every wrong argument is one line that names it and says what to give.

A check returns what the function then uses, so that none can be forgotten; errors are
ExactcamError, or the subclass that the function documents.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import ExactcamError

__all__ = ["arrayed", "expect", "file_name", "integer", "listed", "words"]

T = TypeVar("T")


def expect(
    value: Any,
    kind: type[T] | tuple[type[T], ...],
    name: str,
    wanted: str,
    error: type[ExactcamError] = ExactcamError,
) -> T:
    """Return `value`, an instance of `kind`; `name` and `wanted` are for the message."""
    if not isinstance(value, kind):
        raise error(f"{name} is {_described(value)}: give {wanted}")
    return value


def integer(
    value: Any,
    name: str,
    least: int | None = None,
    most: int | None = None,
    error: type[ExactcamError] = ExactcamError,
) -> int:
    """Return `value`, an integer of Python or numpy from `least` to `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise error(f"{name} is {_described(value)}: give an integer")
    number = int(value)
    if (least is not None and number < least) or (most is not None and number > most):
        ends = (("at least", least), ("at most", most))
        limits = [f"{words} {end:,}" for words, end in ends if end is not None]
        text = str(number) if abs(number) < 10**30 else f"{number:#x}"[:30] + "..."
        raise error(f"{name} is {text}: give an integer, {' and '.join(limits)}")
    return number


def listed(
    value: Any, name: str, wanted: str, error: type[ExactcamError] = ExactcamError
) -> list[Any]:
    """Return the entries of a sequence, array or iterator; text, bytes and mappings are none."""
    scalar = getattr(value, "ndim", 1) == 0
    if (
        scalar
        or isinstance(value, (str, bytes, bytearray, dict))
        or not isinstance(value, Iterable)
    ):
        raise error(f"{name} is {_described(value)}: give {wanted}")
    if not isinstance(value, Sequence) and hasattr(value, "detach"):
        value = value.detach()  # a tensor: its entries would be tensors
        value = value.tolist() if value.dtype.is_floating_point and value.ndim == 1 else value
    try:
        return list(value)
    except TypeError:  # __iter__ that does not iterate
        raise error(f"{name} is {_described(value)}: give {wanted}") from None


def arrayed(
    value: Any, name: str, wanted: str, error: type[ExactcamError] = ExactcamError
) -> np.ndarray:
    """Return `value` as a numpy array; a ragged list, or what numpy cannot read, is none."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise error(f"{name} is {_described(value)}: give {wanted}") from None


def file_name(value: Any, name: str = "path", error: type[ExactcamError] = ExactcamError) -> str:
    """Return the name of a file as text that the system can take."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(path, str):
        raise error(f"{name} is {_described(value)}: give the name of a file, a str or Path")
    try:
        usable = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise error(f"{path[:80]!r}: is no name of a file")
    return path


def words(value: Any, name: str, among: Sequence[str]) -> str:
    """Return `value`, one of some words."""
    if not isinstance(value, str) or value not in among:
        shown = repr(value)[:40] if isinstance(value, str) else _described(value)
        raise ExactcamError(f"{name} {shown} is not one of {', '.join(among)}")
    return value


def _described(value: Any) -> str:
    """What a value is, for a message: None, or its type."""
    return "None" if value is None else f"a {type(value).__name__}"
