"""No file that any parser is given does anything but load or be refused in one line.

`tools.fuzz` changes small valid files where it may hurt and reads them while an audit hook watches
for imports, code, processes and other files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exactcam.errors import FileFormatError
from exactcam.loaders.npz import read_npz
from tools.fuzz import fuzz
from tools.parsers import Parser, parsers

QUICK = 20  # files a parser


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parser]:
    return parsers(tmp_path_factory.mktemp("seeds"))


def test_changed_files_load_or_are_refused(table: dict[str, Parser], tmp_path: Path) -> None:
    failed = []
    for name, parser in table.items():
        seed = 0
        failed += fuzz(name, parser, tmp_path, range(QUICK), seed, tmp_path / "kept").failed
    assert not failed


@pytest.mark.slow
def test_many_changed_files_load_or_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.fuzz", "100000", "0", "--keep", tmp_path / "kept"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], text=True, capture_output=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_file_that_is_read_is_left_open_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK")
    for _ in range(2000):  # more than a process may have open
        with pytest.raises(FileFormatError):
            read_npz(path)
