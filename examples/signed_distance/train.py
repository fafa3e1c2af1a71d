"""Train the signed distance functions of this example, in two and in three dimensions.

Both learn exact distances to solids given by formulas: in 2-D a union of two discs with
a bite taken out, in 3-D a torus. Weights are rounded to multiples of 2^-12 and written
beside this file as plane.npz and torus.npz. Needs the extra `torch`; about a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from figure import solid_2d, torus
from torch import nn

HERE = Path(__file__).parent


def train(
    distance: Callable[[np.ndarray], np.ndarray], size: int, width: int, depth: int
) -> nn.Sequential:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    widths = [size, *[width] * depth, 1]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4000)
    for _ in range(4000):
        points = rng.uniform(-1, 1, (1024, size))
        wanted = torch.tensor(distance(points), dtype=torch.float32)
        optimizer.zero_grad()
        error = model(torch.tensor(points, dtype=torch.float32))[:, 0] - wanted
        # The surface is what is looked at: points near it count more.
        loss = (error.abs() / (0.05 + wanted.abs())).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"mean error {error.abs().mean().item():.4f}")
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
    save(train(solid_2d, 2, 24, 3), "plane")
    save(train(torus, 3, 32, 3), "torus")
