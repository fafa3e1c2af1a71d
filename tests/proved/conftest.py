"""The proved checker as a function, where it is built; its tests are skipped by name where it is not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from certificates.conftest import Question
from exactcam import checker

ROOT = Path(__file__).parents[2]
PROGRAM = shutil.which("exactcam-check", path=ROOT / "proofs" / "coq")

Verdict = tuple[int, str]  # exit status, rule or verdict


@pytest.fixture(scope="session")
def proved() -> Callable[..., Verdict]:
    """(files) -> exit status and verdict of exactcam-check."""
    if PROGRAM is None:
        pytest.skip("exactcam-check is not built (make -C proofs/coq)")

    def check(*words: str | Path) -> Verdict:
        run = subprocess.run(
            [PROGRAM, *map(str, words)], capture_output=True, text=True, check=False
        )
        assert not run.stderr
        assert run.returncode in (0, 1, 2, 3), run
        return run.returncode, run.stdout.rstrip("\n").partition(": ")[2]

    return check


def written(asked: Question, lines: Iterable[str]) -> list[Path]:
    """The three files of a question, the certificate being these lines."""
    certificate = asked.network.with_name("certificate")
    certificate.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return [asked.network, asked.slice, certificate]


def read(*files: Path) -> Verdict:
    """Exit status and verdict of checker.py."""
    try:
        return 0, checker.verify(*map(str, files))
    except checker.Rejected as error:
        return 1, str(error)
    except checker.Malformed as error:
        return 3, str(error)


def agree(proved: Callable[..., Verdict], *files: Path) -> str:
    """Ask both checkers; the verdict of checker.py. Fails where they differ without a reason.

    One difference has a reason. checker.py reads line by line, so it rejects for a line before it
    comes to a later one that is malformed; the proved checker reads the whole file first.
    """
    status, rule = read(*files)
    found, verdict = proved(*files)
    same = found == status and (status or verdict == rule)
    later = (status, found) == (1, 3)
    assert same or later, f"checker.py {status} {rule}, proved {found} {verdict}"
    return rule
