"""Compiled code is kept by the content of all kernel modules, not by one file's time stamp.

numba looks only at the file a function stands in: after a fix in `predicates`, the
kernels that call it went on with the old machine code.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exactcam.runtime import jit as compiled


def test_a_change_anywhere_gives_a_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name in compiled._SOURCES:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(compiled._PACKAGE / name, package / name)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled, "_PACKAGE", package)
    folders = {compiled._folder()}
    for name in compiled._SOURCES:
        with (package / name).open("a") as source:
            source.write("# changed\n")
        folders.add(compiled._folder())
    assert len(folders) == 1 + len(compiled._SOURCES)


def test_every_kernel_module_is_among_the_sources() -> None:
    users = {
        path.relative_to(compiled._PACKAGE).as_posix()
        for path in compiled._PACKAGE.rglob("*.py")
        if "import jit" in path.read_text(encoding="utf-8")
    }
    assert users <= set(compiled._SOURCES)
