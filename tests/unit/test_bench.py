"""`exactcam bench`: small runs of everything it does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.benchmark.cases import FAMILIES, cases, degenerate, layers_of
from exactcam.cli import main
from exactcam.commands import bench


@pytest.mark.xdist_group("processes")
def test_bench_writes_a_table_json_and_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--families", "he", "--widths", "4", "6", "--depths", "1", "--repeat", "1"]
    words += ["--jobs", "2", "--json", str(tmp_path / "b.json")]
    words += ["--figure", str(tmp_path / "b.png")]
    assert main(words) == 0
    results = json.loads((tmp_path / "b.json").read_text(encoding="ascii"))
    assert [(r["width"], r["depth"]) for r in results] == [(4, 3), (6, 3), (32, 1)]
    for r in results:
        assert r["counts"]["cells"] == r["counts"]["reference"] == r["regions"]
        assert list(r["jobs_seconds"]) == ["1", "2"]
        assert r["seconds"]["cells"] > 0
        assert r["floor"] > 0
        assert 0 < r["import_seconds"]["import exactcam"] < 60
    assert capsys.readouterr().out.count("equal") == 3
    assert (tmp_path / "b.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["bench", "--widths", "0"]) == 2


def test_a_count_that_differs_is_said_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"cells": 1.0, "reference": 2.0}
    wrong = {
        "family": "he",
        "width": 1,
        "depth": 1,
        "regions": 4,
        "seconds": seconds,
        "counts": {"cells": 4, "reference": 5},
        "exact_cells": 0,
        "cells_cut": 1,
        "bytes_per_region": 0.0,
        "prepare_seconds": 0.0,
    }
    monkeypatch.setattr(bench, "measure", lambda *_: wrong)
    words = ["bench", "--families", "he", "--widths", "1", "--depths", "3"]
    assert main(words) == 1
    monkeypatch.setattr(bench, "measure", lambda *_: {**wrong, "died": True})
    assert main(words) == 1


def test_every_family_is_what_it_says() -> None:
    for case in cases(FAMILIES, [8], [], 0):
        assert len(case.network.activations) == case.depth
    layers, _ = layers_of("he", 8, 2, 0)
    assert all(not b.any() for _, b in degenerate(layers, "zero biases"))
    assert all((4 * w == np.round(4 * w)).all() for w, _ in degenerate(layers, "quantised"))
    copies = degenerate(layers, "copies")
    assert all((w[:4] == w[4:]).all() for w, _ in copies[:-1])
    assert exactcam.partition(exactcam.from_arrays(copies)).area_sum == 4
