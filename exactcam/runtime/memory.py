"""How much memory the machine has, for those who can say beforehand what they need."""

from __future__ import annotations

import os

__all__ = ["memory"]

_UNKNOWN = 1 << 34  # bytes, where the system does not say


def memory() -> int:
    """The machine's memory in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
