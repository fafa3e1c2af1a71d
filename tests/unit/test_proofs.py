"""The proofs and the code agree on what is proven: one numbering, and a test for every lemma."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "exactcam"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAP = (ROOT / "proofs" / "README.md").read_text(encoding="utf-8")
PAPER_ONLY = "on paper only"  # what the map says in place of a test

Claim = tuple[str, int]  # ("Lemma", 8)

# A theorem "of SplineCam", or one numbered 3.1, is another text's.
CITATION = re.compile(
    r"\b(Lemma|Theorem)s? (\d+(?:(?:, | and |-)\d+)*)(?!\d|\.\d| of [A-Z])"
    r"(?: of proofs/(\w+\.md))?"
)


def defined() -> dict[Claim, str]:
    """Every lemma and theorem, and the file that proves it."""
    found: dict[Claim, str] = {}
    for path in sorted((ROOT / "proofs").glob("*.md")):
        for kind, number in re.findall(
            r"^## (Lemma|Theorem) (\d+) ", path.read_text("utf-8"), re.M
        ):
            assert (kind, int(number)) not in found, f"{kind} {number} is proven twice"
            found[kind, int(number)] = path.name
    return found


def cited(path: Path) -> Iterator[tuple[Claim, str]]:
    """The claims that a file cites, each with the file of proofs/ it names, if any."""
    text = " ".join(re.sub(r"\n\s*#", " ", path.read_text(encoding="utf-8")).split())
    for kind, numbers, file in CITATION.findall(text):
        for part in re.split(", | and ", numbers):
            low, _, high = part.partition("-")
            for number in range(int(low), int(high or low) + 1):
                yield (kind, number), file


def rows() -> list[list[str]]:
    """The rows of the map: claim, proof, code, test."""
    table = MAP.partition("## The map")[2]
    listed = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:2] == "| "]
    return listed[2:]


DEFINED = defined()
ROWS = rows()


def test_numbers_are_given_once_and_none_is_left_out() -> None:
    assert sorted(number for _, number in DEFINED) == list(range(1, len(DEFINED) + 1))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_code_cites_is_proven_where_it_says(path: Path) -> None:
    old_names = re.findall(r"\b(?:Lemma|Theorem) F\d|\bF[1-5]\b", path.read_text("utf-8"))
    assert not old_names, f"{path}: lemmas have the numbers of proofs/"
    for claim, file in cited(path):
        assert claim in DEFINED, f"{path} cites {claim}, which proofs/ does not have"
        assert file in ("", DEFINED[claim]), f"{path}: {claim} is in {DEFINED[claim]}"


def test_the_map_has_every_claim_once() -> None:
    assert [row[1] for row in ROWS] == [
        f"{kind} {n}" for kind, n in sorted(DEFINED, key=lambda c: c[1])
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_the_map_names_code_and_tests_that_exist(row: list[str]) -> None:
    _, claim, code, tests, proved = row
    for names, file in re.findall(r"((?:`[\w.]+`, )*`[\w.]+`) in `([\w/]+\.py)`", code):
        text = (PACKAGE / file).read_text(encoding="utf-8")
        for name in re.findall(r"[\w.]+", names):
            for part in name.split("."):
                assert re.search(rf"\b(?:def|class) {part}\b", text), (
                    f"{claim}: {file} has no {part}"
                )
    for file in re.findall(r"`([\w/]+\.py)`", code):
        assert (PACKAGE / file).is_file(), f"{claim}: {file}"
    for names, file in re.findall(r"((?:`\w+`, )*`\w+`) in `(\w+\.v)`", proved):
        theory = (ROOT / "proofs" / "coq" / file).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^(?:Lemma|Theorem) {name}\b", theory, re.M), (
                f"{claim}: {file}: {name}"
            )
    for name in re.findall(r"`([\w/.]+)`", tests):
        if "/" in name:
            assert (ROOT / name).exists(), f"{claim}: {name}"
        else:
            lemmas = (ROOT / "tests/property/test_lemmas.py").read_text(encoding="utf-8")
            assert f"def {name}(" in lemmas, f"{claim}: {name}"


def test_every_claim_has_a_test_that_names_it_or_is_said_to_have_none() -> None:
    named: set[Claim] = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path != Path(__file__):
            named |= {claim for claim, _ in cited(path)}
            for kind, numbers in re.findall(
                r"def test_(lemma|theorem)s?_(\d+(?:_and_\d+)*)", path.read_text(encoding="utf-8")
            ):
                named |= {(kind.title(), int(number)) for number in numbers.split("_and_")}
    untested = {tuple(row[1].split()) for row in ROWS if row[3] == PAPER_ONLY}
    assert {(kind, str(number)) for kind, number in set(DEFINED) - named} == untested
