"""Which of a model's outputs is read: the only one, or the one that the caller names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import NetworkError
from ..files.strict_json import printable
from ..runtime.arguments import expect

__all__ = ["chosen"]

_SHOWN = 20  # names in a message


def chosen(names: Sequence[str], output: int | str | None) -> int:
    """The place of the output to read.

    Parameters
    ----------
    names : sequence of str
        The names of the model's outputs.
    output : int, str or None
        A place from 0 on, or a name; text that is no name may be a place in digits, as the
        command line gives it. None takes the only output.

    Raises
    ------
    NetworkError
        Where the model has several and none is chosen, or has not the chosen one; lists them.
    """
    if output is None:
        if len(names) == 1:
            return 0
        raise NetworkError(
            f"the model gives {len(names)} outputs, {_listed(names)}: choose one by its place or name with "
            "output= (--model-output)"
        )
    kinds = (int, np.integer, str)
    expect(None if isinstance(output, bool) else output, kinds, "output", "a place or a name")
    if isinstance(output, str) and output in names:
        return names.index(output)
    short = isinstance(output, str) and output.isascii() and output.isdigit() and len(output) < 10
    place = int(output) if short or not isinstance(output, str) else -1
    if not 0 <= place < len(names):
        raise NetworkError(
            f"the model has no output {printable(str(output))!r}; it gives {_listed(names)} (output=, --model-output)"
        )
    return place


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"{k}: {printable(name)[:60]}" for k, name in enumerate(names[:_SHOWN]))
    return f"({shown}{', ...' if len(names) > _SHOWN else ''})"
