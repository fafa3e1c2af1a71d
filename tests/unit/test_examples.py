"""Every example runs, at a reduced size, and writes the figures it says it writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {
    "training/animate.py": ["training-moons.gif", "training-moons.png"],
    "image/figure.py": ["image.png"],
    "signed_distance/figure.py": ["signed-distance-2d.png", "signed-distance-3d.png"],
    "digits/figure.py": ["digits.png", "digits-statistics.png", "digits.csv"],
    "boundary_samples/figure.py": ["boundary-samples.png"],
    "local_complexity/figure.py": [
        "local-complexity.png",
        "local-complexity-cnn.csv",
        "local-complexity-mlp.csv",
    ],
    "architecture_search/figure.py": ["architecture-search.csv", "architecture-search.png"],
    "real_networks/figure.py": ["real-networks.csv", "real-networks.png"],
}


# Its parts are those of the example before it; torch takes ten seconds to begin.
SLOW = {"architecture_search/figure.py"}
SCRIPTS = [pytest.param(s, marks=[pytest.mark.slow] * (s in SLOW)) for s in FIGURES]


@pytest.mark.parametrize("script", SCRIPTS)
def test_example(script: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the examples need the extra examples")
    pytest.importorskip("matplotlib", reason="the examples need the extra examples")
    if "import torch" in (ROOT / "examples" / script).read_text("utf-8"):
        pytest.importorskip("torch", reason="this example needs the extra torch")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, ROOT / "examples" / script, "--quick", "-o", tmp_path],
        check=True,
        env=environment,
        timeout=600,
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FIGURES[script])
    least = {".csv": 40}  # a header and two rows
    assert all(p.stat().st_size > least.get(p.suffix, 500) for p in tmp_path.iterdir())


def test_the_triangle_wave_is_the_function_the_weights_were_trained_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("sklearn", reason="the examples need the extra examples")
    monkeypatch.syspath_prepend(ROOT / "examples" / "image")
    monkeypatch.delitem(sys.modules, "figure", raising=False)
    import numpy as np
    from figure import FREQUENCIES, triangle, wave

    from exactcam import Network
    from exactcam.model.nodes import Affine, Pointwise

    points = np.arange(-16, 17) / 16
    for frequency in FREQUENCIES:
        which = np.zeros(1, dtype=np.int64)
        nodes = (Affine.dense(0, [[1]], [0]), Pointwise(1, (wave(frequency),), which))
        values = Network(1, nodes, 2).evaluate_many([[x] for x in points])
        assert [v for (v,) in values] == triangle(frequency * points).tolist()
    monkeypatch.delitem(sys.modules, "figure")


def test_every_example_with_a_reduced_size_is_tried() -> None:
    scripts = (ROOT / "examples").glob("*/*.py")
    quick = {
        p.relative_to(ROOT / "examples").as_posix() for p in scripts if '"--quick"' in p.read_text()
    }
    assert quick == set(FIGURES)
