"""Convolutions and max-pools on images with a constant background need few exact cells.

Where biases are zero or groups overlap, some vertices lie on a third line: those stay exact.
"""

from __future__ import annotations

import numpy as np
import pytest

import exactcam
from exactcam import Slice, Window
from exactcam.engine.refine import Engine

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 2, 3, padding=1, bias=bias)
        self.second = nn.Conv2d(2, 2, 3, padding=1, bias=bias)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def pooled(bias: bool):
    return [
        nn.Conv2d(1, 2, 3, bias=bias),
        nn.ReLU(),
        nn.Conv2d(2, 2, 2, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


# name: (modules, the largest share of exact cells)
MODELS = {
    "pooled": (lambda: [*pooled(True), nn.Flatten(), nn.Linear(8, 4), nn.ReLU()], 0),
    "pooled, no bias": (lambda: [*pooled(False), nn.Flatten(), nn.Linear(8, 4), nn.ReLU()], 0.05),
    "pooled before the activation": (
        lambda: [nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(2, 2, 2), nn.ReLU()],
        0.05,
    ),
    "overlapping": (
        lambda: [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 1), nn.Conv2d(2, 1, 2), nn.ReLU()],
        0.15,
    ),
    "residual": (lambda: [nn.Conv2d(1, 2, 3), nn.ReLU(), Block(True), nn.MaxPool2d(2)], 0),
    "residual, no bias": (
        lambda: [
            nn.Conv2d(1, 1, 3, bias=False),
            nn.Conv2d(1, 2, 1),
            nn.ReLU(),
            Block(False),
            nn.MaxPool2d(2),
        ],
        0.05,
    ),
}


def images(size: int = 8) -> np.ndarray:
    """Three strokes on a background of zeros, some of them saturated."""
    out = np.zeros((3, size, size), dtype=np.float32)
    out[0, 2:5, 3] = [0.7, 1, 1]
    out[1, 4, 2:5] = [0.9, 1, 0.3]
    out[2, 3:5, 4:6] = [[0.2, 0.6], [1, 0.8]]
    return out.reshape(3, -1)


@pytest.mark.parametrize("name", MODELS)
def test_few_exact_cells_and_the_same_partition(name: str) -> None:
    torch.manual_seed(3)
    modules, share = MODELS[name]
    network = exactcam.from_torch(nn.Sequential(*modules()).eval(), input_shape=(1, 8, 8))
    plane, window = Slice.through(*images()), Window([(0, 0), (1, 0), (0, 1)])
    engine = Engine(network, plane, window)
    codes = np.concatenate([batch.codes for batch in engine.run()])
    assert engine.statistics.exact_cells <= share * engine.statistics.cells_cut
    ours, truth = (
        exactcam.partition(network, plane, window, engine=e) for e in ("fast", "reference")
    )
    assert np.array_equal(codes, truth.patterns)
    assert np.array_equal(ours.offsets, truth.offsets)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices) == list(truth.vertices)
    assert len(truth) > 10
