"""Compiled code is kept by the content of all kernel modules, not by one file's time stamp.

numba looks only at the file a function stands in: after a fix in `predicates`, the
kernels that call it went on with the old machine code.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import exactcam
from exactcam.engine.kernels import jit
from exactcam.runtime.jit import cache_folder

PACKAGE = Path(exactcam.__file__).parent


def test_a_change_anywhere_gives_a_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [tmp_path / "package" / source.relative_to(PACKAGE) for source in jit.sources]
    for original, copy in zip(jit.sources, sources, strict=True):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, copy)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    folders = {cache_folder(sources)}
    for changed in sources:
        with changed.open("a") as source:
            source.write("# changed\n")
        folders.add(cache_folder(sources))
    assert len(folders) == 1 + len(sources)


def test_every_kernel_module_is_among_the_sources() -> None:
    users = {path for path in PACKAGE.rglob("*.py") if "import jit" in path.read_text("utf-8")}
    users |= set((PACKAGE / "engine" / "kernels").glob("*.py"))
    users |= {PACKAGE / "arithmetic" / "constants.py", PACKAGE / "runtime" / "jit.py"}
    assert users <= set(jit.sources)
