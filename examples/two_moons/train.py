"""Train the two-moons classifier that `exactcam demo` ships, and write its exact weights.

Run from the repository: `python examples/two_moons/train.py`. Needs the extra
`torch`. On one machine and torch version the result is reproducible; the shipped
file is what a run on CPU with torch 2.13 gave.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

import exactcam

TARGET = Path(exactcam.__file__).parent / "data" / "two_moons.json"


def moons(count: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` points on each of two interleaved half circles, with Gaussian noise."""
    angle = torch.rand(count) * math.pi
    upper = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    lower = torch.stack([1 - torch.cos(angle), 0.5 - torch.sin(angle)], dim=1)
    points = torch.cat([upper, lower])
    labels = torch.cat([torch.zeros(count), torch.ones(count)])
    return points + noise * torch.randn_like(points), labels


def train() -> torch.nn.Sequential:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    points, labels = moons(500, 0.12)
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 1),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.05)
    for _ in range(1500):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(points)[:, 0], labels)
        loss.backward()
        optimizer.step()
    right = ((model(points)[:, 0] > 0) == (labels > 0.5)).float().mean()
    print(f"loss {loss.item():.4f}, accuracy {right.item():.3f}")
    return model


if __name__ == "__main__":
    layers = [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in train()
        if isinstance(layer, torch.nn.Linear)
    ]
    network = exactcam.from_arrays(layers)
    exactcam.write_network(network, TARGET)
    print(f"{network.sha256}  {TARGET}")
