"""Networks of the families that people use load in every form that exporters write."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import exactcam

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
from tools.architectures import FAMILIES, MODES, exported, randomised  # noqa: E402

QUICK = ("module", "torchscript17")  # one family by one, the next by the other
FORMS = [
    pytest.param(family, mode, marks=() if mode == QUICK[k % 2] else pytest.mark.slow)
    for k, family in enumerate(FAMILIES)
    for mode in MODES
]


@pytest.mark.parametrize(("family", "mode"), FORMS)
def test_every_family_in_every_form(family: str, mode: str, tmp_path: Path) -> None:
    if mode == "dynamo":
        pytest.importorskip("onnxscript")
    make, shape = FAMILIES[family]
    torch.manual_seed(0)
    module = randomised(make())
    if mode == "module":
        network = exactcam.from_torch(module, shape)
    else:
        network = exactcam.load(exported(module, shape, mode, tmp_path))
    double = copy.deepcopy(module).double()
    points = np.random.default_rng(0).standard_normal((3, *shape)) * 2
    exact = network.evaluate_many([list(x.ravel()) for x in points])
    with torch.no_grad():
        theirs = double(torch.from_numpy(points)).numpy().reshape(3, -1)
    ours = np.asarray(exact, float)
    # What the exporter folds into weights is rounded to float32.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * (1 + np.abs(theirs).max()))
