"""Compiled loops of the fast engine: arrays in, arrays out."""

from __future__ import annotations

from pathlib import Path

from ...arithmetic import constants
from ...runtime.jit import Compiler

__all__ = ["jit", "ready"]

# Machine code depends on these files alone: all modules of kernels and what they take from elsewhere.
jit = Compiler([Path(constants.__file__), *sorted(Path(__file__).parent.glob("*.py"))])


def ready() -> bool:
    """Whether the kernel that every run needs has been compiled, here or by an earlier process."""
    return jit.has_compiled("cut_lines.cut_pointwise")
