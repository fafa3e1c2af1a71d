"""What the writer writes is accepted (Theorem 19), whatever the network."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from exactcam import checker, cli, partition
from exactcam.arithmetic.matrix import Convolution
from exactcam.arithmetic.rational import mpz, objects
from exactcam.complex.certificate import check_limits
from exactcam.errors import FileFormatError, NetworkError
from exactcam.model.network import Network
from exactcam.model.nodes import Affine
from exactcam.model.slice import Slice, Window
from exactcam.model.slice_file import read_slice, slice_sha256, write_slice
from exactcam.testing.strategies import cases

from .conftest import Question, question


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_certificates_of_degenerate_networks_verify(
    tmp_path: Path, case: tuple[Network, Slice, Window]
) -> None:
    part = partition(*case, engine="reference")
    asked = question(tmp_path, part)
    assert asked.verdict(asked.lines) == "verified"
    where = read_slice(asked.slice)
    assert where == (part.slice, part.window)


def test_packed_certificates_are_reproducible_and_verify(
    tmp_path: Path, questions: dict[str, Question]
) -> None:
    asked = questions["classes"]
    paths = [tmp_path / "one.gz", tmp_path / "two.gz"]
    for path in paths:
        asked.partition.certify(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert gzip.decompress(paths[0].read_bytes()).decode().splitlines() == asked.lines
    assert checker.main([str(asked.network), str(asked.slice), str(paths[0])]) == 0


def test_the_hashes_are_those_of_the_files(questions: dict[str, Question]) -> None:
    for asked in questions.values():
        part = asked.partition
        assert asked.lines[1] == f"network {part.network.sha256}"
        assert asked.lines[2] == f"slice {slice_sha256(part.slice, part.window)}"


def test_command_line(
    tmp_path: Path, questions: dict[str, Question], capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(tmp_path / name) for name in ("network.json", "slice.json", "certificate.gz")]
    model = str(questions["scalar"].network)
    window = ["--window", "-1", "-1", "2", "1/3"]
    outputs = ["--network-out", names[0], "--slice-out", names[1], "-o", names[2]]
    assert cli.main(["certify", model, *window, *outputs]) == 0
    assert f"exactcam check {' '.join(names)}" in capsys.readouterr().out
    assert cli.main(["check", *names]) == 0
    assert capsys.readouterr().out.startswith("verified: ")
    assert cli.main(["check", *names[:2], str(questions["scalar"].slice)]) == 3
    assert cli.main(["check", *names[:2], str(tmp_path / "nowhere")]) == 2


def test_the_checker_stands_alone(tmp_path: Path, questions: dict[str, Question]) -> None:
    asked = questions["maxout"]
    path = tmp_path / "certificate"
    asked.partition.certify(path)
    alone = tmp_path / "alone.py"
    alone.write_bytes(Path(checker.__file__).read_bytes())
    command = [sys.executable, "-I", "-S", str(alone)]
    files = [str(asked.network), str(asked.slice), str(path)]
    run = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("verified: ")
    for arguments in ([], files[:2], [*files, "more"]):
        run = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout.split(":")[0]) == (2, "usage")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version":1', '"version":2'),
        ('"e1":["1"', '"e1":["2/4"'),
        ('"e1":["1","0"]', '"e1":["0","0"]'),
        ('"origin":["0"', '"origin":[0'),
        ('["-1","-1"],["1","-1"]', '["1","-1"],["-1","-1"]'),
        ('{"e1"', '{"e1":["1","0"],"e1"'),
    ],
)
def test_damaged_slice_files_are_refused(
    tmp_path: Path, questions: dict[str, Question], old: str, new: str
) -> None:
    path = tmp_path / "slice.json"
    part = questions["scalar"].partition
    write_slice(part.slice, part.window, path)
    text = path.read_text(encoding="ascii")
    assert old in text
    path.write_text(text.replace(old, new), encoding="ascii")
    with pytest.raises(FileFormatError, match="slice"):
        read_slice(path)


def test_what_the_checker_cannot_read_is_refused_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exactcam.commands.common.partition", None)
    monkeypatch.setattr("exactcam.checker.MAX_FILE", 1000)
    model = Path(cli.__file__).parent / "data" / "two_moons.json"
    assert cli.main(["certify", str(model), "-o", str(tmp_path / "c.cert")]) == 2
    assert "a file of more than 1,000 bytes" in capsys.readouterr().err
    kernel = objects([mpz(1)] * 9, (1, 1, 3, 3))
    taps = ((1, 1), (1, 1), (1, 1))
    large = Affine.combine(
        [0],
        [(Convolution((1, 4, 4), (1, 4, 4), kernel, *taps), mpz(1))],
        (objects([mpz(0)] * 16), mpz(1)),
    )
    monkeypatch.setattr("exactcam.checker.MAX_TERMS", 143)
    with pytest.raises(NetworkError, match="layer 0: a convolution of 144 terms"):
        check_limits(Network(16, (large,), 1))
