"""exactcam-check as a program: found or not, what it says, deep inputs on a small stack, lies in the text."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from certificates.conftest import Question, question
from exactcam import Network, Window, cli, from_arrays, partition
from exactcam.commands import check

from .conftest import PROGRAM, Verdict, written

TINY = Path(__file__).parents[1] / "certificates" / "accept" / "tiny"
FILES = [TINY / name for name in ("network", "slice", "certificate")]

Proved = Callable[..., Verdict]


def test_the_command_runs_the_program(proved: Proved, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--proved", *map(str, FILES)]) == 0
    assert capfd.readouterr().out.startswith("verified: 2 activation regions")
    lie = FILES[2].parents[2] / "reject" / "unit-is-not-affine--merged" / "certificate"
    assert cli.main(["check", "--proved", *map(str, FILES[:2]), str(lie)]) == 1
    assert cli.main(["check", "--proved", *map(str, FILES[:2]), "--", "--none"]) == 2


def test_without_the_program_nothing_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "_SOURCES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["check", "--proved", *map(str, FILES)]) == 2
    said = capfd.readouterr()
    assert not said.out
    assert "make -C proofs/coq" in said.err


def test_it_says_what_it_read_and_what_it_rests_on(proved: Proved) -> None:
    status, said = proved("--echo", *FILES)
    assert status == 0
    assert PROGRAM is not None
    echo = subprocess.run(
        [PROGRAM, "--echo", *FILES], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert echo[0] == "network of 2 inputs, output value 3"
    assert "window (-1, -1) (1, -1) (1, 1) (-1, 1)" in echo
    assert echo[-1].endswith(said[-64:])
    trust = subprocess.run([PROGRAM, "--trust"], capture_output=True, text=True, check=True)
    for word in ("Coq's kernel", "Claim.v", "extraction", "OCaml", "zarith", "GMP"):
        assert word in trust.stdout


def asked_of(proved: Proved, asked: Question) -> tuple[int, str]:
    return proved(*written(asked, asked.lines))


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="exactcam-check is not built (make -C proofs/coq)")
def test_a_small_stack_is_enough_for_many_regions(tmp_path: Path) -> None:
    """2,001 strips: lists of thousands of vertices, edges and patterns on 256 kB of stack."""
    n = 2000
    first = (np.tile([[1.0, 0.0]], (n, 1)), -np.arange(1, 2 * n, 2) / n + 1)
    part = partition(from_arrays([first, (np.ones((1, n)), np.zeros(1))]), engine="fast")
    asked = question(tmp_path, part)
    command = 'ulimit -s 256; exec "$0" "$@"'
    words = ["sh", "-c", command, PROGRAM, *map(str, written(asked, asked.lines))]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.stdout.startswith("verified: 2001 activation regions"), run


def circle(n: int) -> list[tuple[Fraction, Fraction]]:
    """2 n rational points of the unit circle, counter-clockwise."""
    half = []
    for k in range(n):
        t = Fraction(2 * k + 1, n) - 1
        half.append(((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)))
    return half + [(-x, -y) for x, y in half]


@pytest.mark.slow
def test_a_thousand_corners_and_fifty_layers(proved: Proved, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sizes = [2, *[3] * 50, 1]
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    layers = [(rng.integers(-2, 3, s) / 2, rng.integers(-2, 3, s[0]) / 4) for s in shapes]
    part = partition(from_arrays(layers), window=Window(circle(500)), engine="reference")
    status, verdict = asked_of(proved, question(tmp_path, part))
    assert (status, verdict.split()[0]) == (0, str(len(part)))


def test_text_cannot_pass_for_anything_else(proved: Proved, tmp_path: Path) -> None:
    """A second key, a quote in a note, a newline in a hash: malformed, whatever a reader makes of it."""
    network, slice, certificate = (f.read_text(encoding="ascii") for f in FILES)
    lies = [
        (network.replace('"notes":[]', '"notes":[],"notes":[]'), slice, certificate),
        (network.replace('"notes":[]', '"notes":["\\"]'), slice, certificate),
        (network.replace('"inputs":2', '"inputs":02'), slice, certificate),
        (network.replace('"inputs":2', '"inputs":100000000000000000002'), slice, certificate),
        (network, slice.replace('"-1"', '"-01"', 1), certificate),
        (network, slice.replace('"-1"', '"1/-1"', 1), certificate),
        (network, slice.replace('"-1"', '"-2/2"', 1), certificate),
        (network, slice + "\n", certificate),
        (network, slice, certificate.replace("v -1 -1 1\n", "v -1 -1 1 \n")),
        (network, slice, certificate.replace("v -1 -1 1\n", "v -1 -1 +1\n")),
        (network, slice, certificate.replace("v -1 -1 1\n", "v 1 1 -1\n")),
        (network, slice, certificate.replace("c 0 1 2 3\n", "c 0 1 2 -3\n")),
        (network, slice, certificate.replace("c 0 1 2 3\n", "c 0 1 2 03\n")),
        (network, slice, certificate.replace("\nend\n", "\nend")),
        (network, slice, certificate + "end\n"),
    ]
    for texts in lies:
        files = [tmp_path / name for name in ("network", "slice", "certificate")]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="ascii")
        assert proved(*files)[0] == 3, texts


def test_a_network_may_have_one_layer(proved: Proved, tmp_path: Path) -> None:
    part = partition(Network(2, (), 0), engine="reference")
    assert asked_of(proved, question(tmp_path, part))[0] == 0
