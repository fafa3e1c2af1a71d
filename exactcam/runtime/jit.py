"""`jit`: numba's compiler with a cache that cannot be stale.

numba keeps compiled functions beside their source file and looks only at that file's
time and size, so a change in a function that another module calls would leave the old
machine code in use - a fixed predicate still wrong. Here the cache has its own folder,
named by the content of every module that takes part.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler_lock import global_compiler_lock

__all__ = ["jit", "ready"]

if hasattr(os, "register_at_fork"):  # else a child may find the lock taken, by nobody it has
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )

_PACKAGE = Path(__file__).parents[1]
_SOURCES = (
    "arithmetic/constants.py",
    "runtime/jit.py",
    "engine/kernels/predicates.py",
    "engine/kernels/cut_lines.py",
    "engine/kernels/forms.py",
    "engine/kernels/cut_max.py",
    "engine/kernels/vertices.py",
    "engine/kernels/patterns.py",
)


def jit(**options: Any) -> Callable[[Any], Any]:
    """`numba.njit` with IEEE semantics (no fastmath), the cache of `_folder`, and
    without the interpreter's lock, so that threads can share the work."""

    def decorate(function: Any) -> Any:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = _FOLDER or before
        try:
            return numba.njit(cache=_FOLDER is not None, nogil=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return decorate


def ready() -> bool:
    """Whether this process, or an earlier one that left its cache, has compiled the kernels."""
    kernels = sys.modules.get("exactcam.engine.kernels.cut_lines")
    if kernels is not None and kernels.cut_pointwise.signatures:
        return True
    return _FOLDER is not None and any(Path(_FOLDER).rglob("cut_lines.cut_pointwise-*.nbi"))


def _folder() -> str | None:
    """The cache for these sources: below NUMBA_CACHE_DIR, XDG_CACHE_HOME or the home
    folder's .cache; None (compile anew each time) where nothing can be written."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((_PACKAGE / name).read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(base) if base else Path.home() / ".cache"
        folder = root / "exactcam" / digest.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError):
        return None


_FOLDER = _folder()
