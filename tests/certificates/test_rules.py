"""Every line of the specification broken alone, and named by the checker."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exactcam import checker

from . import keep, tiny
from .conftest import Question, verdict

FLIPPED = next(damage for damage in tiny.REJECT if damage[0] == "flipped")
SOURCE = Path(checker.__file__).read_text(encoding="utf-8")
SPECIFICATION = Path(__file__).parents[2] / "proofs" / "certificate.md"


def judge(folder: Path, texts: dict[str, str]) -> str:
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    return verdict(*(folder / name for name in ("network", "slice", "certificate")))


def test_the_worked_example_verifies(tmp_path: Path) -> None:
    assert judge(tmp_path, tiny.EXAMPLE) == "verified"
    text = SPECIFICATION.read_text(encoding="utf-8")
    shown = re.sub(r" {4,}.*", "", text[text.index("exactcam-certificate 2\nnetwork") :])
    assert shown.startswith(tiny.CERTIFICATE)
    assert tiny.SLICE.strip() in text
    for part in tiny.NETWORK.strip().split('"nodes":[')[0], tiny.POINTWISE:
        assert part in text


@pytest.mark.parametrize("damage", tiny.REJECT, ids=lambda d: d[0])
def test_false_claims_are_rejected(tmp_path: Path, damage: tiny.Damage) -> None:
    assert judge(tmp_path, tiny.damaged(damage)) == f"rejected {damage[1]}"


@pytest.mark.parametrize("damage", tiny.MALFORMED, ids=lambda d: d[0])
def test_malformed_files_are_refused(tmp_path: Path, damage: tiny.Damage) -> None:
    assert judge(tmp_path, tiny.damaged(damage)) == f"malformed {damage[1]}"


def test_every_rule_is_specified_and_tested() -> None:
    rules = set(re.findall(r'(?:demand|confirm)\(.*"([a-z-]+)"\)(?:  #.*)?$', SOURCE, re.M))
    rules |= set(re.findall(r'Malformed\("([a-z-]+)"\)', SOURCE))
    rules |= {"polygon-is-not-convex", "polygon-winds-more-than-once", "op", "kind"}
    tested = {damage[1] for damage in tiny.REJECT + tiny.MALFORMED}
    later = {"group-has-no-common-maximiser"}  # the example has no max group: test_mutants
    assert rules == tested | later
    text = SPECIFICATION.read_text(encoding="utf-8")
    for rule in rules:
        prefix = rule.split("-", maxsplit=1)[0]
        assert f"`{rule}`" in text or f"`{prefix}-...`" in text, rule


PACKED = gzip.compress(tiny.CERTIFICATE.encode(), mtime=0)  # no time of day in its header


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(PACKED[:-1], id="last byte missing"),
        pytest.param(PACKED[:40], id="cut off"),
        pytest.param(PACKED + b"x", id="a byte more"),
        pytest.param(PACKED + gzip.compress(b"end\n"), id="a member more"),
        pytest.param(PACKED[:-1] + b"\x01", id="of another length, it says"),
        pytest.param(b"\x1f\x8b", id="a magic number"),
        pytest.param(gzip.compress(b"\n" * (1 << 24)), id="empty lines"),
        pytest.param(gzip.compress(b"1" * (1 << 24)), id="a long line"),
    ],
)
def test_damaged_gzip_is_malformed(tmp_path: Path, packed: bytes) -> None:
    judge(tmp_path, tiny.EXAMPLE)
    (tmp_path / "certificate").write_bytes(packed)
    files = [tmp_path / name for name in ("network", "slice", "certificate")]
    assert verdict(*files).startswith("malformed")


def test_files_are_read_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "MAX_FILE", len(tiny.NETWORK))
    assert judge(tmp_path, tiny.EXAMPLE) == "verified"
    monkeypatch.setattr(checker, "MAX_FILE", len(tiny.NETWORK) - 1)
    assert judge(tmp_path, tiny.EXAMPLE) == "malformed too-large"
    # What stands behind the limit is not simply left unread.
    monkeypatch.setattr(checker, "MAX_FILE", len(tiny.NETWORK))
    padded = {**tiny.EXAMPLE, "network": tiny.NETWORK + "{"}
    assert judge(tmp_path, padded) == "malformed too-large"
    monkeypatch.undo()
    monkeypatch.setattr(checker, "MAX_CERTIFICATE", len(tiny.CERTIFICATE))
    assert judge(tmp_path, tiny.EXAMPLE) == "verified"
    monkeypatch.setattr(checker, "MAX_CERTIFICATE", len(tiny.CERTIFICATE) - 1)
    assert judge(tmp_path, tiny.EXAMPLE) == "malformed line-is-too-long"


def test_committed_certificates_are_what_would_be_written_now(tmp_path: Path) -> None:
    here = Path(keep.__file__).parent
    kept = {
        f"{kind}/{folder.name}": {f.name: f.read_bytes() for f in folder.iterdir()}
        for kind in ("accept", "reject", "malformed")
        for folder in (here / kind).iterdir()
    }
    assert kept == keep.accepted(tmp_path) | keep.damages()


def test_committed_certificates_with_a_bare_interpreter() -> None:
    script = Path(__file__).with_name("committed.py")
    command = [sys.executable, "-I", "-S", str(script)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split(", ")[-1]) == (0, "0 wrong\n"), run.stdout


@pytest.mark.parametrize("damage", [None, FLIPPED, tiny.CERTIFICATE_DAMAGES[0]])
def test_what_main_prints_and_returns(
    tmp_path: Path, damage: tiny.Damage | None, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(tmp_path, tiny.EXAMPLE if damage is None else tiny.damaged(damage))
    files = [str(tmp_path / name) for name in ("network", "slice", "certificate")]
    counts = (
        "2 activation regions, 2 linear regions, 2 affine pieces, "
        "1 segments, 0 plateaus, 0 isolated points"
    )
    network, where = (line.split()[1] for line in tiny.CERTIFICATE.splitlines()[1:3])
    expected = {
        None: (0, f"verified: {counts}; network {network}, slice {where}\n"),
        FLIPPED: (1, "rejected: polygon-is-not-convex\n"),
        tiny.CERTIFICATE_DAMAGES[0]: (3, "malformed: certificate-version\n"),
    }[damage]
    assert (checker.main(files), capsys.readouterr().out) == expected


def test_substitutions_are_part_of_the_verdict(
    questions: dict[str, Question], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = questions["noted"]
    both = asked.lines[3].removeprefix("notes ")
    one, other = json.loads(both)
    assert (one, other) == asked.partition.network.notes
    certificate = asked.network.with_name("certificate")
    for notes, expected in [
        (both, "verified"),
        (json.dumps([other, one], separators=(",", ":")), "rejected notes-are-others"),
        (json.dumps([one], separators=(",", ":")), "rejected notes-are-others"),
        ("[]", "rejected notes-are-others"),
        (both.replace("\\u00e9", "\u00e9"), "malformed text"),
        (both.replace("  with", " with"), "rejected notes-are-others"),
    ]:
        lines = [*asked.lines[:3], f"notes {notes}", *asked.lines[4:]]
        certificate.write_text("\n".join([*lines, ""]), encoding="utf-8")
        files = [str(asked.network), str(asked.slice), str(certificate)]
        status = checker.main(files)
        said = capsys.readouterr().out
        assert (status == 0) == (expected == "verified")
        if status:
            assert said == expected.replace(" ", ": ") + "\n"
        else:
            assert said.endswith("; 2 substitutions noted in the network\n")


def test_one_substitution_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {name: tiny.EXAMPLE[name] for name in tiny.EXAMPLE}
    texts["network"] = texts["network"].replace('"notes":[]', '"notes":["a"]')
    texts["certificate"] = texts["certificate"].replace("notes []", 'notes ["a"]')
    assert judge(tmp_path, texts) == "verified"
    files = [str(tmp_path / name) for name in ("network", "slice", "certificate")]
    assert checker.main(files) == 0
    assert capsys.readouterr().out.endswith("; 1 substitution noted in the network\n")


def test_main_without_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usage = "usage: checker.py NETWORK SLICE CERTIFICATE\n"
    for arguments in ([], ["a", "b"], ["a", "b", "c", "d"]):
        assert (checker.main(arguments), capsys.readouterr().out) == (2, usage)
    judge(tmp_path, tiny.EXAMPLE)
    files = [str(tmp_path / name) for name in ("network", "slice", "certificate")]
    for k in range(3):
        names = [*files[:k], str(tmp_path), *files[k + 1 :]]
        assert checker.main(names) == 2
        assert capsys.readouterr().out.startswith("isadirectoryerror: ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
@pytest.mark.parametrize("transpose", [False, True])
def test_the_largest_convolution_takes_little_memory(tmp_path: Path, transpose: bool) -> None:
    """Files of 80 kB whose matrix has as many terms as a convolution may have: in 1 GB."""
    size, zeros = 4096, ["0"] * 4096
    matrix = {
        "kind": "convolution", "groups": 1, "transpose": transpose, "entries": ["1"] * size,
        "source": [1, size], "target": [1, size], "kernel": [1, 1, size],
        "stride": [1], "padding": [size // 2], "dilation": [1],
    }  # fmt: skip
    node = {"op": "affine", "inputs": [0], "bias": zeros, "scale": "1", "matrices": [matrix]}
    network = {"format": "exactcam-network", "version": 1, "inputs": size, "output": 1}
    network |= {"names": ["m"], "notes": [], "nodes": [node]}
    plane = {"format": "exactcam-slice", "version": 1, "origin": zeros}
    plane |= {"e1": ["1", *zeros[1:]], "e2": ["0", "1", *zeros[2:]]}
    plane |= {"window": [["0", "0"], ["1", "0"], ["0", "1"]]}
    for name, content in (("network", network), ("slice", plane)):
        (tmp_path / name).write_bytes(checker.canonical(content) + b"\n")
    (tmp_path / "certificate").write_text("exactcam-certificate 2\n")
    program = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "sys.argv = ['checker', 'network', 'slice', 'certificate']\n"
        f"runpy.run_path({checker.__file__!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "malformed: line\n")
