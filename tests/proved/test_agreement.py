"""Both checkers on everything: committed certificates, the conformance corpus, random mutants."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates.conftest import NETWORKS, Question, question
from certificates.test_mutants import MUTATIONS
from exactcam import load_partition, partition

from .conftest import Verdict, agree, written

ROOT = Path(__file__).parents[2]
CERTIFICATES = ROOT / "tests" / "certificates"
CORPUS = sorted((ROOT / "exactcam" / "data" / "corpus-1").rglob("*.jsonl.gz"))
NAMES = ("network", "slice", "certificate")
EXPECTED = {"accept": 0, "reject": 1, "malformed": 3}
COMMITTED = [f"{k}/{f.name}" for k in EXPECTED for f in sorted((CERTIFICATES / k).iterdir())]
ESCAPE = re.compile(rb"\\(?:u....|.)")

Proved = Callable[..., Verdict]


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_certificates_get_the_same_verdict(proved: Proved, name: str) -> None:
    folder, tiny = CERTIFICATES / name, CERTIFICATES / "accept" / "tiny"
    files = [f if (f := folder / n).exists() else tiny / n for n in NAMES]
    status, verdict = proved(*files)
    assert status == EXPECTED[folder.parent.name], verdict


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    folder = tmp_path_factory.mktemp("asked")
    return [
        question(folder / name, partition(make(), engine="reference"))
        for name, make in NETWORKS.items()
    ]


def changed(asked: Question, rng: random.Random) -> list[Path]:
    """The files of a question, one of them changed: a line's meaning, or any byte.

    Escapes in texts stay: the proved checker takes a text as it stands, whatever they say.
    """
    lines = list(asked.lines)
    where = rng.choice([None, None, None, 0, 1, 2])
    if where is None:
        rng.choice(MUTATIONS)(lines, rng)
    files = written(asked, lines)
    if where is not None:
        text = bytearray(files[where].read_bytes())
        escapes = {k for found in ESCAPE.finditer(text) for k in range(*found.span())}
        free = [k for k in range(len(text)) if k not in escapes]
        for _ in range(rng.choice([1, 1, 2])):
            text[rng.choice(free)] = rng.choice(b'0123456789abcdef-/",[]{} \n')
        files[where] = asked.network.with_name(f"changed-{where}")
        files[where].write_bytes(text)
    return files


@pytest.mark.parametrize("count", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutants_get_the_same_verdict(proved: Proved, asked: list[Question], count: int) -> None:
    rng, rules = random.Random(count), Counter[str]()
    for _ in range(count):
        try:
            files = changed(rng.choice(asked), rng)
        except IndexError:  # nothing of that kind to change
            continue
        rules[agree(proved, *files).partition(";")[0]] += 1
    assert len(rules) > 5


@pytest.mark.slow
@pytest.mark.parametrize("file", CORPUS, ids=lambda f: f.name.partition(".")[0])
def test_the_conformance_corpus_is_verified(proved: Proved, file: Path, tmp_path: Path) -> None:
    part = load_partition(file)
    asked = question(tmp_path, part)
    assert " activation regions" in agree(proved, *written(asked, asked.lines))
