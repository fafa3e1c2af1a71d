"""`exactcam sample` and `exactcam line`: exact numbers out, refusals by name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from exactcam import from_arrays, write_network
from exactcam.arithmetic.rational import mpq
from exactcam.cli import main


@pytest.fixture
def diamond(tmp_path: Path) -> str:
    hidden = ([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4)
    write_network(from_arrays([hidden, ([[1] * 4], [-0.5])]), tmp_path / "diamond.json")
    return str(tmp_path / "diamond.json")


def test_samples_as_csv(diamond: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", diamond, "-n", "7", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 7
    assert all(abs(mpq(r["u"])) + abs(mpq(r["v"])) == mpq(1, 2) for r in rows)
    assert all((r["u"], r["v"]) == (r["input_0"], r["input_1"]) for r in rows)
    assert main(["sample", diamond, "-n", "7", "--seed", "3", "-o", str(tmp_path / "s.csv")]) == 0
    assert (tmp_path / "s.csv").read_text() == text


def test_nearest(diamond: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", diamond, "--nearest", "1/4,1/2"]) == 0
    out = capsys.readouterr().out
    assert "1/8, 3/8" in out
    assert "squared 1/32" in out
    assert main(["sample", diamond, "--nearest=1"]) == 2
    assert "--nearest 1 is not two numbers" in capsys.readouterr().err
    assert main(["sample", diamond, "--level", "99"]) == 2


def test_line(diamond: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["line", diamond, "--start", "-1,0", "--end", "1,0", "-o", str(tmp_path / "l.csv")]
    assert main(words) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "2 pieces, 1 bends of the output",
        "output = 0 at t = 1/4 (0.25)",
        "output = 0 at t = 3/4 (0.75)",
    ]
    rows = list(csv.DictReader((tmp_path / "l.csv").read_text().splitlines()))
    assert [(r["start"], r["end"], r["slope_0"]) for r in rows] == [
        ("0", "1/2", "-2"),
        ("1/2", "1", "2"),
    ]
    assert main(["line", diamond, "--start", "1", "--end", "1,0"]) == 2
    assert "--start has 1 entries, the network 2 inputs" in capsys.readouterr().err


def test_line_figure(diamond: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need the extra plot")
    words = ["line", diamond, "--start", "-1,0", "--end", "1,0"]
    assert main([*words, "--figure", str(tmp_path / "l.svg")]) == 0
    assert "<svg" in (tmp_path / "l.svg").read_text()
