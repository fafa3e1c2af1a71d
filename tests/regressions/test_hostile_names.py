"""Files whose own names hold line breaks or commands to a terminal: still one line, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import exactcam
from exactcam.cli import main
from exactcam.errors import ExactcamError
from exactcam.files.writing import write_text
from exactcam.grading.adapters import edges, polygons, relucent, splinecam, syrenn
from exactcam.model.slice_file import read_slice

READERS: dict[str, list[Callable[..., Any]]] = {
    ".npz": [exactcam.load, polygons.read, edges.read, relucent.read, splinecam.read, syrenn.read],
    ".json": [exactcam.load, read_slice],
    ".jsonl": [exactcam.load_partition, exactcam.load],
    ".onnx": [exactcam.load],
    ".pt2": [exactcam.load],
    ".pt": [exactcam.load],
}
CASES = [(read, kind) for kind, readers in READERS.items() for read in readers]
NAMES = ["a\nexactcam: error: b", "a\x1b[2Jb", "a\udcffb", "a\u2028b", "line\r\nfeed"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [None, b"", b"{", b"PK\x03\x04", b'{"format":"a"}\n', b"\x08"])
def test_a_name_cannot_break_the_line(name: str, content: bytes | None, tmp_path: Path) -> None:
    for read, kind in CASES:
        path = tmp_path / (name + kind)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ExactcamError) as caught:
            read(path)
        said = str(caught.value)
        assert said.isprintable(), said
        # The name once, before what is wrong.
        assert said.startswith(f"{tmp_path}/a") or said.startswith(f"{tmp_path}/line"), said
        assert said.count(str(tmp_path)) == 1, said


def test_a_name_cannot_break_the_line_of_a_writer(tmp_path: Path) -> None:
    with pytest.raises(ExactcamError) as caught:
        write_text(tmp_path / "no\nfolder" / "a", "")
    assert str(caught.value).isprintable()


def test_a_command_that_cannot_write_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.json"
    exactcam.write_network(exactcam.from_arrays([([[1, 2]], [0])]), model)
    path = tmp_path / "no\x1b[2Jfolder\u202e" / "a.jsonl"
    assert main(["partition", str(model), "--engine", "reference", "-o", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert said[:-1].isprintable(), said
