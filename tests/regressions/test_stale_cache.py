"""Compiled code is kept by the content of all kernel modules, not by one file's time stamp.

numba looks only at the file a function stands in: after a fix in `predicates`, the
kernels that call it went on with the old machine code.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exactcam import compiled


def test_a_change_anywhere_gives_a_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name in compiled._SOURCES:
        shutil.copy(Path(compiled.__file__).with_name(f"{name}.py"), package)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled, "__file__", str(package / "compiled.py"))
    folders = {compiled._folder()}
    for name in compiled._SOURCES:
        with (package / f"{name}.py").open("a") as source:
            source.write("# changed\n")
        folders.add(compiled._folder())
    assert len(folders) == 1 + len(compiled._SOURCES)


def test_every_kernel_module_is_among_the_sources() -> None:
    folder = Path(compiled.__file__).parent
    users = {p.stem for p in folder.glob("*.py") if "import jit" in p.read_text(encoding="utf-8")}
    assert users <= set(compiled._SOURCES)
