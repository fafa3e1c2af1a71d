"""One way out: what a file held stays until the new content is whole."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from exactcam.errors import ExactcamError, naming
from exactcam.files import writing as module
from exactcam.files.writing import locked, write_text, writing


def interrupted_after(stream: BinaryIO) -> None:
    stream.write(b"new")
    stream.flush()
    raise KeyboardInterrupt


def test_the_old_content_stays_if_anything_fails(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), writing(path) as stream:
        interrupted_after(stream)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_text(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "b", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o640


def test_devices_are_written_to() -> None:
    write_text(os.devnull, "x")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("path", ["missing/a", "."])
def test_what_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=path.replace(".", r"\.")) as caught:
        write_text(path, "x")
    assert caught.value.filename == path


def test_a_pipe_that_nobody_reads_is_no_file_that_cannot_be_written() -> None:
    with pytest.raises(BrokenPipeError), naming("x"):
        raise BrokenPipeError


KILLED = """
import os, signal, sys
from exactcam.files.writing import writing
with writing(sys.argv[1]) as stream:
    stream.write(b"new" * 100000)
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of Unix")
def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("ab") as first, path.open("ab") as second, locked(path, first):
        other = locked(path, second)
        with pytest.raises(ExactcamError, match="another process"):
            other.__enter__()
    with path.open("ab") as again, locked(path, again):
        pass
