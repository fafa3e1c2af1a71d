"""The line on the terminal that says how far a computation is."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]


class Progress:
    """A line on stderr that counts, shown only on a terminal and wiped at the end."""

    def __init__(self, what: str) -> None:
        self._what, self._shown = what, False
        self._live, self._next = sys.stderr.isatty(), time.monotonic() + 0.5

    def __enter__(self) -> Progress:
        if self._live:  # the very first run compiles for some seconds before it counts
            self._shown = True
            print("computing ...", end="", file=sys.stderr, flush=True)
        return self

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if self._live and now >= self._next:
            self._next, self._shown = now + 0.2, True
            print(f"\r{done:,} {self._what} ...", end="", file=sys.stderr, flush=True)

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
