"""numba's compiler with a cache that cannot be stale.

numba keeps compiled functions beside their source file and looks only at that file's
time and size, so a change in a function that another module calls would leave the old
machine code in use - a fixed predicate still wrong. Here the cache has its own folder,
named by the content of every source file that takes part. Its files end with their checksum:
one that is damaged counts as missing, and is replaced where that is possible.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import get_ident, main_thread
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from ..errors import interrupted
from .float_mode import hold, let_go
from .signals import deferred

__all__ = ["Compiler", "cache_folder"]

Function = TypeVar("Function", bound=Callable[..., Any])

if hasattr(os, "register_at_fork"):  # else a child may find the lock taken, by nobody it has

    def _before() -> None:
        hold()  # first: a thread that computes may want to compile
        global_compiler_lock.acquire()

    def _after_in_parent() -> None:
        global_compiler_lock.release()
        let_go()

    os.register_at_fork(
        before=_before,
        after_in_parent=_after_in_parent,
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
            found.__class__ = _Kernel
            if self.folder is not None:
                found._cache.__class__ = _Cache
                found._cache._cache_file.__class__ = _Checked
            self._compiled[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = found
            return found

        return decorate

    def has_compiled(self, name: str) -> bool:
        """Whether the function `name` (module.function) has been compiled by this process, or
        by an earlier one that left its cache."""
        if name in self._compiled and self._compiled[name].signatures:
            return True
        return self.folder is not None and any(Path(self.folder).rglob(f"{name}-*.nbi"))


_call = CPUDispatcher.__call__
_MAIN = main_thread().ident


class _Kernel(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that signals do not interrupt; compiling it they may.

    It takes named tuples as plain ones: numba looks into these a microsecond faster.
    """

    def __call__(self, *given: Any) -> Any:
        plain = [tuple(x) if isinstance(x, tuple) else x for x in given]
        try:
            if get_ident() == _MAIN and self.overloads:
                with deferred:
                    return _call(self, *plain)
            return _call(self, *plain)
        except SystemError as error:
            if interrupted(error):
                raise KeyboardInterrupt from None
            raise


class _Cache(FunctionCache):  # type: ignore[misc]
    """A function's cache that may have become impossible to write."""

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


class _Checked(IndexDataCacheFile):  # type: ignore[misc]
    """A function's cache whose files end with their SHA-256; what does not is not there.

    Nothing is unpickled, and no machine code run, that another version wrote or that was
    damaged since. Where nothing can be written, nothing is.
    """

    def _load_index(self) -> dict[Any, str]:
        held = _read_checked(self._index_path)
        if held is None or held[:2] != (self._version, self._source_stamp):
            return {}
        overloads: dict[Any, str] = held[2]
        return overloads

    def _save_index(self, overloads: dict[Any, str]) -> None:
        content = self._version, self._source_stamp, overloads
        self._write_checked(self._index_path, self._dump(content))

    def _load_data(self, name: str) -> Any:
        return _read_checked(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write_checked(self._data_path(name), self._dump(data))

    def _write_checked(self, path: str, content: bytes) -> None:
        with suppress(OSError), self._open_for_write(path) as stream:
            stream.write(content + hashlib.sha256(content).digest())


def _read_checked(path: str) -> Any:
    """What a file of the cache holds; None where it cannot be read or is damaged."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    content, digest = content[:-32], content[-32:]
    return pickle.loads(content) if hashlib.sha256(content).digest() == digest else None


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
