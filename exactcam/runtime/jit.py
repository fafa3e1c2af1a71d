"""numba's compiler with a cache that cannot be stale.

numba keeps compiled functions beside their source file and looks only at that file's
time and size, so a change in a function that another module calls would leave the old
machine code in use - a fixed predicate still wrong. Here the cache has its own folder,
named by the content of every source file that takes part.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.compiler_lock import global_compiler_lock

__all__ = ["Compiler", "cache_folder"]

Function = TypeVar("Function", bound=Callable[..., Any])

if hasattr(os, "register_at_fork"):  # else a child may find the lock taken, by nobody it has
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


class Compiler:
    """`numba.njit` for functions in the given source files, with IEEE semantics (no fastmath),
    the cache of `cache_folder`, and without the interpreter's lock, so that threads can share
    the work."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self.sources = (*sources, Path(__file__))
        self.folder = cache_folder(self.sources)
        self._compiled: dict[str, Any] = {}

    def __call__(self, **options: Any) -> Callable[[Function], Function]:
        """A decorator; `options` are those of `numba.njit`."""

        def decorate(function: Function) -> Function:
            before = numba.config.CACHE_DIR
            numba.config.CACHE_DIR = self.folder or before
            try:
                found: Any = numba.njit(cache=self.folder is not None, nogil=True, **options)(
                    function
                )
            finally:
                numba.config.CACHE_DIR = before
            self._compiled[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = found
            return found

        return decorate

    def has_compiled(self, name: str) -> bool:
        """Whether the function `name` (module.function) has been compiled by this process, or
        by an earlier one that left its cache."""
        if name in self._compiled and self._compiled[name].signatures:
            return True
        return self.folder is not None and any(Path(self.folder).rglob(f"{name}-*.nbi"))


def cache_folder(sources: Sequence[Path]) -> str | None:
    """The cache for code compiled from these files: below NUMBA_CACHE_DIR, XDG_CACHE_HOME or the
    home folder's .cache; None (compile anew each time) where nothing can be written."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(base) if base else Path.home() / ".cache"
        folder = root / "exactcam" / digest.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError):
        return None
