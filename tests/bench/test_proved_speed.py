"""The proved checker against checker.py of version 0.1.0, from the history, and today's: in one run."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exactcam import checker, from_arrays, partition
from exactcam.benchmark.cases import layers_of
from exactcam.complex.certificate import write_certificate
from exactcam.model.network_file import write_network
from exactcam.model.slice_file import write_slice

ROOT = Path(__file__).parents[2]
PROGRAM = shutil.which("exactcam-check", path=ROOT / "proofs" / "coq")
OLD = "3fcd31c:exactcam/checker.py"  # as it was in version 0.1.0


def seconds(*words: str) -> float:
    """Processor seconds of a program that verifies."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run.stdout.startswith("verified")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.slow
@pytest.mark.xdist_group("measured")
@pytest.mark.skipif(PROGRAM is None, reason="exactcam-check is not built (make -C proofs/coq)")
@pytest.mark.parametrize("width", [32, 64, 128])
def test_the_proved_checker_is_several_times_faster(tmp_path: Path, width: int) -> None:
    assert PROGRAM is not None
    shown = subprocess.run(["git", "show", OLD], capture_output=True, cwd=ROOT, check=False)
    if shown.returncode:
        pytest.skip("version 0.1.0 is not in this checkout's history")
    old = tmp_path / "checker.py"
    old.write_bytes(shown.stdout)
    layers, _ = layers_of("he", width, 3, 0)
    part = partition(from_arrays(layers))
    network, plane, certificate = (str(tmp_path / n) for n in ("network", "slice", "certificate"))
    write_network(part.network, network)
    write_slice(part.slice, part.window, plane)
    write_certificate(part, part.counts, part.decision_boundary(), certificate)
    files = (network, plane, certificate)
    proved = min(seconds(PROGRAM, *files) for _ in range(3))
    before, today = (
        seconds(sys.executable, "-I", str(program), *files) for program in (old, checker.__file__)
    )
    print(
        f"3 x {width}: {proved:.2f} s, {before / proved:.1f} and {today / proved:.1f} times faster"
    )
    assert before > 4 * proved
