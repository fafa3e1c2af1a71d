"""Train the two networks of the image example: with and without a periodic encoding.

Both learn the grey values of a 64 x 64 part of the flower that ships with scikit-learn,
from positions in [-1, 1]^2. The encoding of the paper, sin and cos of 2^k pi x, is not
piecewise linear, so no partition into polygons exists; a triangle wave of the same
period is piecewise linear, with bends at rational points (see figure.py). Weights are rounded to multiples of 2^-12, which changes no grey value
visibly and keeps the files small. Needs the extras `examples` and `torch`; about a
minute. Writes plain.npz and periodic.npz beside itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from figure import FREQUENCIES, picture, triangle
from torch import nn

HERE = Path(__file__).parent
STEPS = 6000


def train(features: torch.Tensor, values: torch.Tensor, width: int) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(features.shape[1], width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = ((model(features)[:, 0] - values) ** 2).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"mean squared error {loss.item():.5f}")
    return model


def save(model: nn.Sequential, name: str) -> None:
    arrays = {}
    for k, layer in enumerate(m for m in model if isinstance(m, nn.Linear)):
        for kind in ("weight", "bias"):
            numbers = getattr(layer, kind).detach().numpy().astype(np.float64)
            arrays[f"{kind}{k}"] = (np.round(numbers * 4096) / 4096).astype(np.float32)
    np.savez_compressed(HERE / name, **arrays)


if __name__ == "__main__":
    torch.set_num_threads(1)
    grey = picture()
    places = (np.arange(len(grey)) + 0.5) / len(grey) * 2 - 1
    u, v = np.meshgrid(places, -places)
    points = np.stack([u.ravel(), v.ravel()], axis=1)
    waves = np.concatenate([points, *(triangle(f * points) for f in FREQUENCIES)], axis=1)
    values = torch.tensor(grey.ravel(), dtype=torch.float32)
    save(train(torch.tensor(points, dtype=torch.float32), values, 24), "plain")
    save(train(torch.tensor(waves, dtype=torch.float32), values, 24), "periodic")
