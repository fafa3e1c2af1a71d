"""A small problem does not wait for compilation; a large one goes to the fast engine."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam import compute
from exactcam.engine import kernels as compiled


def square(units: int) -> exactcam.Network:
    rng = np.random.default_rng(units)
    hidden = (rng.normal(size=(units, 2)).tolist(), rng.normal(size=units).tolist())
    return exactcam.from_arrays([hidden, ([[1] * units], [0])])


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "ready", lambda: False)


@pytest.mark.usefixtures("uncompiled")
def test_a_small_problem_is_done_without_the_kernels() -> None:
    part = exactcam.partition(square(8))
    fast = exactcam.partition(square(8), engine="fast")
    assert (part.engine, fast.engine) == ("reference", "fast")
    assert np.array_equal(part.patterns, fast.patterns)
    assert np.array_equal(part.corners, fast.corners)


@pytest.mark.usefixtures("uncompiled")
def test_what_takes_longer_goes_to_the_fast_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exactcam.partition(square(compute._SMALL + 1)).engine == "fast"
    assert exactcam.partition(square(8), jobs=2).engine == "fast"
    monkeypatch.setattr(compute, "_PATIENCE", 0.0)
    assert exactcam.partition(square(8)).engine == "fast"


def test_compiled_kernels_are_used() -> None:
    exactcam.partition(square(3), engine="fast")
    assert compiled.ready()
    assert exactcam.partition(square(8)).engine == "fast"


def test_the_cache_of_an_earlier_process_counts(tmp_path: Path) -> None:
    code = "from exactcam.engine.kernels import jit, ready; from pathlib import Path; "
    first = code + "print(ready()); (Path(jit.folder) / 'cut_lines.cut_pointwise-1.nbi').touch()"
    for script, found in ((first, "False"), (code + "print(ready())", "True")):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == found


def test_the_example_of_the_documentation_is_right() -> None:
    assert doctest.testmod(compute).failed == 0
