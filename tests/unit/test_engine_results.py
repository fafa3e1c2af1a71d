"""Small objects that the conformance suite, the benchmark and the oracle hand out."""

from __future__ import annotations

import pickle

import pytest

from exactcam import Slice, from_arrays
from exactcam.benchmark import cases as timed
from exactcam.conformance import Result, Scorecard, cases
from exactcam.testing.oracle import Disagreement, Oracle

RESULT = Result("dead", "rank-one", "differs", counts={"merged": 1}, worst=0.5)
NETWORK = from_arrays([([[1, 0]], [0]), ([[1]], [0])])
OBJECTS = {
    "<Result dead/rank-one: differs>": RESULT,
    "<Scorecard module:engine: 0 of 1 cases pass>": Scorecard("module:engine", "1e-5", (RESULT,)),
    "<Case dead/constant-units>": cases(["dead"])[0],
    "<Case he, width 4, 3 hidden layers>": next(timed.cases(["he"], [4], [], 0)),
    "<Oracle for 1 units, 0 points were in doubt>": Oracle(NETWORK, Slice.plane(2)),
    "<Disagreement at (0.5, 0.25) in cell 3: 2 units>": Disagreement((0.5, 0.25), 3, (0, 7)),
}


@pytest.mark.parametrize("text", OBJECTS)
def test_objects_show_themselves_in_a_line_and_pickle(text: str) -> None:
    assert repr(OBJECTS[text]) == text
    assert repr(pickle.loads(pickle.dumps(OBJECTS[text]))) == text
