"""The shipped corpus: made by its code, fair to floats, and passed by every engine here."""

from __future__ import annotations

import queue
import re
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.arithmetic.rational import mpq
from exactcam.compute import ENGINES
from exactcam.conformance.corpus import GROUPS, cases
from exactcam.conformance.runner import Result, Scorecard, run
from exactcam.grading import compare
from exactcam.grading.adapters.exact import from_partition
from exactcam.model.nodes import Affine
from tools.build_corpus import built

PROCESSES = pytest.mark.xdist_group("processes")
SHIPPED = {(case.group, case.name): case for case in cases()}


def test_the_code_builds_what_is_shipped() -> None:
    from_code = {(group, name): (network, window) for group, name, network, window in built()}
    assert from_code.keys() == SHIPPED.keys()
    assert {group for group, _ in SHIPPED} == set(GROUPS)
    for key, (network, window) in from_code.items():
        truth = SHIPPED[key].truth()
        assert truth.network.sha256 == network.sha256, key
        assert truth.window == window, key
        assert truth.engine == "reference"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("group", GROUPS)
def test_every_engine_finds_every_shipped_truth_exactly(group: str, engine: str) -> None:
    for case in cases([group]):
        truth = case.truth()
        part = exactcam.partition(truth.network, truth.slice, truth.window, engine)
        assert np.array_equal(part.patterns, truth.patterns), case
        assert np.array_equal(part.corners, truth.corners), case
        assert list(map(tuple, part.vertices)) == list(truth.vertices), case
        assert (part.forms * truth.form_scale == truth.forms * part.form_scale).all(), case


@pytest.mark.parametrize("group", GROUPS)
def test_the_corpus_is_fair_to_floats(group: str) -> None:
    """Correctly rounded polygons pass, without any label; and nothing needs rounding first."""
    for case in cases([group]):
        truth = case.truth()
        output = from_partition(truth)
        polygons = [output.polygon(k) for k in range(len(output))]
        assert compare(truth, polygons, 1e-15).passed, case
        for node in truth.network.nodes:
            if isinstance(node, Affine):
                numbers = [node.bias, *(m.numbers for m in node.matrices)]
                for x in {mpq(x) / node.scale for array in numbers for x in array.ravel()}:
                    assert mpq(float(np.float32(float(x)))) == x, case
        for corner in truth.window.corners:
            assert all(x.denominator <= 2 for x in corner)


def test_a_labelled_perfect_engine_passes_in_its_own_process() -> None:
    card = run("exactcam.conformance.engines:reference", groups=("concurrent", "slivers"))
    assert card.passed
    assert len(card.results) == len(cases(("concurrent", "slivers")))


ENGINE = """
import os, sys, time
import numpy as np
from exactcam.errors import UnsupportedLayerError

def square(network, window):
    print("an answer? done")
    return [np.asarray(window.corners, dtype=float)]

def moody(network, window):
    if len(network.nodes) == 1:
        raise UnsupportedLayerError("layer 0: no")
    if network.units == 2:
        os._exit(7)
    if network.units == 4:
        open("hangs", "x").close()
        time.sleep(600)
    raise ValueError("sorting\\nissue")

def nonsense(network, window):
    return [np.zeros((2, 3))]
"""


@pytest.fixture
def engine_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "float_engine.py").write_text(ENGINE)
    root = str(Path(exactcam.__file__).resolve().parents[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", root)
    return tmp_path


def test_what_an_engine_prints_is_no_answer(engine_file: Path) -> None:
    card = run("float_engine:square", groups=("dead",))
    by_name = {r.name: r for r in card.results}
    assert by_name["zero-network"].verdict == "pass"
    assert by_name["rank-one"].verdict == "differs"
    assert by_name["rank-one"].counts == {"merged": 1}


class Limit(queue.Queue):
    """Its time is over when the engine says that it hangs, however slow the machine is."""

    def get(self, block: bool = True, timeout: float | None = None) -> str:
        assert timeout == 60
        while True:
            try:
                return super().get(timeout=0.02)
            except queue.Empty:
                if Path("hangs").exists():
                    Path("hangs").unlink()
                    raise


@PROCESSES
def test_no_engine_stops_the_suite(engine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "Queue", Limit)
    card = run("float_engine:moody", groups=("dead",))
    assert {r.name: r.verdict for r in card.results} == {
        "constant-units": "engine raised",
        "flat-after-relu": "timed out",
        "no-hidden-layer": "unsupported",
        "rank-one": "engine raised",
        "tie-everywhere": "timed out",
        "zero-network": "died",
    }
    assert card.results[0].detail == "ValueError: sorting issue"
    assert not card.passed


def test_nonsense_is_a_verdict(engine_file: Path) -> None:
    card = run("float_engine:nonsense", groups=("wide",))
    assert {r.verdict for r in card.results} == {"engine raised"}
    assert "(2, 3)" in card.results[0].detail


COMMAND = """
import sys
import numpy as np
with np.load(sys.argv[1]) as given:
    if "weight0" not in given:
        sys.exit(3)
    assert given["weight0"].shape[1] == 2, "two inputs"
    window = given["window"]
np.savez(sys.argv[2], vertices=window, offsets=[0, len(window)])
"""


def test_a_command_reads_and_writes_neutral_files(
    engine_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from exactcam.cli import main

    (engine_file / "engine.py").write_text(COMMAND)
    words = ["conformance", f"{sys.executable} engine.py", "--group", "dead", "--group", "layers"]
    out = engine_file / "card.json"
    assert main([*words, "--json", str(out), "--failures"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^dead +6 +\d", printed, re.MULTILINE)
    assert "dead/rank-one: differs; 1 merged" in printed
    assert '"unsupported"' in out.read_text()
    assert main(["conformance", "no_such_module:f", "--group", "dead"]) == 2
    assert "cannot be imported" in capsys.readouterr().err
    assert main(["conformance", "./no-such-command", "--group", "dead"]) == 2


def test_the_scorecard_counts_every_verdict() -> None:
    results = (
        Result("dead", "a", "pass"),
        Result("dead", "b", "differs"),
        Result("wide", "c", "timed out"),
    )
    assert Scorecard("e", "1e-5", results).table().splitlines() == [
        "group  cases  pass  differs  timed out",
        "dead       2     1        1          0",
        "wide       1     0        0          1",
        "all        3     1        1          1",
    ]
    assert not Scorecard("e", "1e-5", ()).passed


@pytest.mark.slow
def test_the_scorecard_in_the_readme() -> None:
    """Both columns of the README's table, run again; for the version it names only."""
    regioncam = pytest.importorskip("regioncam", reason="regioncam is not installed")
    readme = (Path(exactcam.__file__).resolve().parents[1] / "README.md").read_text("utf-8")
    named = re.search(r"regioncam ([\d.]+) \(live\)", readme)
    assert named is not None
    if regioncam.__version__ != named[1]:
        pytest.skip(f"the README's table is for regioncam {named[1]}")
    shown = re.findall(r"^\| [^|]+ \| (\d+) of (\d+) \| (\d+) of (\d+) \|$", readme, re.MULTILINE)
    columns = []
    for engine in ("fast", "regioncam_live"):
        card = run(f"exactcam.conformance.engines:{engine}")
        for group in GROUPS:
            verdicts = [r.verdict for r in card.results if r.group == group]
            taken = len(verdicts) - verdicts.count("unsupported")
            columns.append((str(verdicts.count("pass")), str(taken)))
    assert shown == [a + b for a, b in zip(columns[:13], columns[13:], strict=True)]
