"""`Partition.certify` and `exactcam.check`: the certificate and its verdict from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import exactcam
from exactcam import Verification

from .conftest import Question


def test_files_and_objects_get_the_same_verdict(
    tmp_path: Path, questions: dict[str, Question]
) -> None:
    for name, asked in questions.items():
        part = asked.partition
        files = [tmp_path / f"{name}.{kind}" for kind in ("network", "slice", "gz")]
        part.certify(files[2], files[0], files[1], jobs=2)
        assert files[0].read_bytes() == asked.network.read_bytes()
        assert files[1].read_bytes() == asked.slice.read_bytes()
        found = exactcam.check(*files)
        assert (found.verified, found.verdict, found.rule) == (True, "verified", "")
        assert found.statement.startswith(f"{len(part)} activation regions")
        assert exactcam.check(part.network, (part.slice, part.window), str(files[2])) == found


def test_only_the_certificate_is_written_unless_more_is_asked_for(
    tmp_path: Path, questions: dict[str, Question]
) -> None:
    questions["scalar"].partition.certify(tmp_path / "alone")
    assert [path.name for path in tmp_path.iterdir()] == ["alone"]


def test_what_is_wrong_is_said_and_not_raised(
    tmp_path: Path, questions: dict[str, Question]
) -> None:
    asked, other = questions["classes"], questions["maxout"]
    part, path = asked.partition, tmp_path / "certificate"
    plane = (part.slice, part.window)
    part.certify(path)
    for network in (other.partition.network, other.network):
        found = exactcam.check(network, plane, path)
        assert found == Verification("rejected", "network-is-another")
        assert not found.verified
    assert exactcam.check(part.network, other.slice, path).verified  # the same window
    small = exactcam.Window.rectangle(-1, -1, 1, "1/2")
    assert exactcam.check(part.network, (part.slice, small), path).rule == "slice-is-another"
    path.write_text("nonsense\n", encoding="ascii")
    assert exactcam.check(part.network, plane, path).verdict == "malformed"
    lines = [line for line in asked.lines if not line.startswith("t ")]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    found = exactcam.check(part.network, plane, path)
    assert (found.verdict, found.rule) == ("rejected", "boundary-is-another")


def test_a_file_that_cannot_be_read_is_no_verdict(
    tmp_path: Path, questions: dict[str, Question]
) -> None:
    asked = questions["scalar"]
    with pytest.raises(FileNotFoundError):
        exactcam.check(asked.network, asked.slice, tmp_path / "nowhere")
