"""The command line: exit codes, one-line errors, exact decimals, the keys of --json."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.cli import COMMANDS, main

KEYS = {
    "activation_regions",
    "linear_regions",
    "affine_pieces",
    "vertices",
    "edges",
    "window_area",
    "area_sum",
    "boundary_segments",
    "boundary_length",
    "plateaus",
    "seconds",
    "network_sha256",
}


@pytest.fixture
def two(tmp_path: Path) -> str:
    """|u| + |v| - 1: four regions, a diamond of length 4 sqrt 2 as its zero level."""
    path = tmp_path / "two.npz"
    weight = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    np.savez(path, weight0=weight, bias0=np.zeros(4), weight1=np.ones((1, 4)), bias1=[-1.0])
    return str(path)


@pytest.fixture
def four(tmp_path: Path) -> str:
    """max(x2, 0) - max(x4, 0) of five inputs."""
    path = tmp_path / "four.npz"
    np.savez(
        path,
        weight0=np.eye(5)[[2, 4]],
        bias0=np.zeros(2),
        weight1=[[1.0, -1]],
        bias1=[0.0],
        remark="ignored",
    )
    return str(path)


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["partition", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_every_key_and_exact_areas(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = run_json(capsys, two)
    assert set(facts) >= KEYS
    assert (facts["activation_regions"], facts["vertices"], facts["edges"]) == (4, 9, 12)
    assert facts["area_sum"] == facts["window_area"] == "4/1"
    assert (facts["boundary_segments"], facts["plateaus"]) == (4, 0)
    assert facts["boundary_length"] == 32**0.5
    assert facts["network_sha256"] == exactcam.load(two).sha256


def test_level_of_the_boundary(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = run_json(capsys, two, "--level", "-0.5")
    assert facts["boundary_length"] == 8**0.5


def test_text_says_the_same(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["partition", two]) == 0
    out = capsys.readouterr().out
    assert "activation regions  4\n" in out
    assert "4 exactly, the window's" in out


def test_decimals_are_exact(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = run_json(capsys, two, "--window", "-.1", "-1e-1", "0.1", "1/3")
    assert Fraction(facts["area_sum"]) == Fraction(2, 10) * (Fraction(1, 10) + Fraction(1, 3))


def test_polygon_with_negative_first_number(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = run_json(capsys, two, "--polygon", "-1,-1 1,-1 0,1")
    assert facts["area_sum"] == "2/1"


@pytest.mark.parametrize(
    ("words", "regions"),
    [
        (["--axes", "2", "4"], 4),
        (["--axes", "0", "4", "--at", "-1,0.5,-2,1/3,7"], 2),
        (["--at", "-1,0,-1,0,-1"], 1),
        (["--origin", "0,0,0,0,0", "--e1", "0,0,1,0,1", "--e2", "-1,0,1,0,-1"], 4),
        (["--through", "0,0,0,0,0", "0,0,1,0,0", "0,0,0,0,-1"], 4),
    ],
)
def test_slices(
    four: str, capsys: pytest.CaptureFixture[str], words: list[str], regions: int
) -> None:
    assert run_json(capsys, four, *words)["activation_regions"] == regions


def test_vector_from_a_file(four: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "at.txt").write_text("-1, 0\n-1 0 0.5\n")
    np.save(tmp_path / "at.npy", np.array([-1, 0, -1, 0, 0.5]))
    for name in ("at.txt", "at.npy"):
        facts = run_json(capsys, four, "--axes", "0", "2", "--at", f"@{tmp_path / name}")
        assert facts["activation_regions"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the network has 5 inputs"),
        (["--at", "1,2"], "--at has 2 entries, the network 5 inputs"),
        (["--at", "1,2,x,4,5"], "--at entry 2 is 'x'"),
        (["--at", "1,2,nan,4,5"], "--at entry 2 is 'nan'"),
        (["--axes", "1", "1"], "two different inputs"),
        (["--axes", "0", "5"], "two different inputs of 0..4"),
        (["--origin", "0,0,0,0,0"], "go together"),
        (["--axes", "0", "1", "--through", "0", "1", "2"], "in one way"),
        (["--through", "0,0,0,0,0", "1,1,1,1,1", "2,2,2,2,2"], "linearly dependent"),
        (["--axes", "0", "1", "--window", "1", "0", "0", "1"], "umin < umax"),
        (["--axes", "0", "1", "--polygon", "0,0 1,0 2,0"], "flat"),
        (["--axes", "0", "1", "--polygon", "0,0 2,0 1,1 2,2 0,2"], "not strictly convex"),
        (["--axes", "0", "1", "--polygon", "0,0 2,0 1"], "corner 2 has 1 coordinates"),
        (["--at", "@no-such-file"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    four: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["partition", four, *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "COMMAND"),
        (["partition"], "MODEL"),
        (["nonsense"], "nonsense"),
        (["partition", "x.npz", "--engine", "guess"], "--engine"),
        (["partition", "x.npz", "--window", "0", "1"], "--window"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.npz", None, "cannot be read"),
        ("empty.npz", b"", "is no zip archive"),
        ("text.npz", b"hello", "is no zip archive"),
        ("model.bin", b"\x00\x01\x02", "is no exact network file"),
        ("model.json", b'{"format": "other"}', "is not an exactcam network file"),
        ("model.json", b"{", "not valid JSON"),
    ],
)
def test_files_that_are_no_networks(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert main(["partition", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert name in err


def test_pickled_arrays_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pickled.npz"
    np.savez(path, weight0=np.array([[object()]], dtype=object), bias0=np.zeros(1))
    assert main(["partition", str(path)]) == 2
    assert "objects are never read" in capsys.readouterr().err


def test_interrupt_is_130(two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("exactcam.commands.common.partition", interrupted)
    assert main(["partition", two]) == 130


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_load_reads_exact_files(two: str, tmp_path: Path) -> None:
    network = exactcam.load(two)
    exactcam.write_network(network, tmp_path / "two.json")
    assert exactcam.load(tmp_path / "two.json").sha256 == network.sha256
