"""Results of comparisons, analyses and layouts: they print as one short line, and pickle."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import exactcam
from exactcam import Verification
from exactcam.arithmetic.rational import mpq
from exactcam.grading import EngineOutput, Finding
from exactcam.grading.adapters.exact import from_partition
from exactcam.render import scene


def results() -> dict[str, object]:
    weight = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1]]
    network = exactcam.from_arrays([(weight, np.zeros(6)), (np.ones((1, 6)), [-0.5])])
    part = exactcam.partition(network, engine="reference")
    output = from_partition(part)
    polygons = [output.polygon(k) for k in range(1, len(output))]
    graded = exactcam.compare(part, [*polygons, polygons[0]])
    raised = EngineOutput(np.empty((0, 2)), np.zeros(1, dtype=int), error="out of memory\n" * 99)
    # A hundred outputs that tie on a whole interval, at parameters of a thousand digits.
    tied = exactcam.from_arrays([(np.ones((100, 1)), np.zeros(100))])
    third = mpq(1, 3) ** 2000
    line = exactcam.line_slice(tied, [third], [1 + third])
    picture = scene(part, title="a title " * 50)
    return {
        "output": output,
        "raised": raised,
        "comparison": graded,
        "comparison with an error": exactcam.compare(part, raised),
        "areas": graded.areas,
        **{f"finding {k}": finding for k, finding in enumerate(graded.findings)},
        "finding of many": Finding("merged", tuple(range(10**6, 10**6 + 99)), (1, 2, 3), third),
        "finding of a segment": Finding("boundary wrong", (10**9,), (10**9,), third, "note " * 99),
        "samples": exactcam.sample_boundary(part, 3),
        "nearest": exactcam.nearest_boundary_point(part, "1/3", third),
        "cells": part.cells,
        "vertices": part.vertices,
        "verified": Verification("verified", statement="9 activation regions, " * 9),
        "rejected": Verification("rejected", "vertex-is-on-line: " * 9),
        "line": line,
        "crossing": line.crossings()[0],
        "scene": picture,
        "axis": picture.axes[0],
        "key": picture.legend[0],
    }


RESULTS = results()


@pytest.mark.parametrize("name", RESULTS)
def test_results_print_as_one_short_line_and_pickle(name: str) -> None:
    text = repr(RESULTS[name])
    assert len(text) <= 100
    assert "\n" not in text
    assert "object at 0x" not in text
    again = pickle.loads(pickle.dumps(RESULTS[name]))
    assert type(again) is type(RESULTS[name])
    assert repr(again) == text
