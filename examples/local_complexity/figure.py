"""Watch the exact region counts near data while an MLP and a small CNN train, next to proxies.

Both learn the 8 x 8 digits of scikit-learn in torch. `exactcam.Watch` counts the regions in
small squares on random planes through training images. Two proxies that others use look at 64
random points of the same squares: how many different sign patterns of the ReLUs they show
(never more than 64), and how many ReLUs have both signs among them.

Run from the repository: `python examples/local_complexity/figure.py [--quick] [-o DIR]`.
Writes a figure and, for each network, the table of its counts. Needs the extras `examples` and
`torch`; about a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn

import exactcam
from exactcam.render import plots
from exactcam.windows.complexity import random_planes

SAMPLES = 64  # points that the proxies look at in each square
EVERY = 50  # training steps between two counts
RADIUS = 1.0  # half the side of a square; pixels are in [0, 1]


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 48),
        nn.ReLU(),
        nn.Linear(48, 48),
        nn.ReLU(),
        nn.Linear(48, 48),
        nn.ReLU(),
        nn.Linear(48, 10),
    )


def cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def samples(points: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Random points of the squares that `Watch` counts in, (points, samples, 1, 8, 8)."""
    origins, directions = random_planes(64, points, seed=seed)
    places = np.random.default_rng(1).uniform(-RADIUS, RADIUS, (len(origins), SAMPLES, 2))
    inputs = origins[:, None] + places @ directions
    return torch.tensor(inputs, dtype=torch.float32).reshape(-1, SAMPLES, 1, 8, 8)


@torch.no_grad()
def proxies(model: nn.Sequential, squares: torch.Tensor) -> dict[str, float]:
    """The mean over all squares of two numbers that samples show."""
    x, signs = squares.flatten(0, 1), []
    for layer in model:
        if isinstance(layer, nn.ReLU):
            signs.append((x > 0).flatten(1))
        x = layer(x)
    patterns = torch.cat(signs, dim=1).reshape(*squares.shape[:2], -1)
    both = (patterns.any(dim=1) & ~patterns.all(dim=1)).sum(dim=1).double().mean()
    different = [len(torch.unique(own, dim=0)) for own in patterns]
    return {"patterns": float(np.mean(different)), "units": float(both)}


def train(
    model: nn.Sequential, pictures: torch.Tensor, labels: torch.Tensor, steps: int, path: Path
) -> dict[str, list]:
    """Train a model, and return the table of its watch, with the proxies."""
    points = pictures[:40]
    watch = exactcam.Watch(model, points, RADIUS, every=EVERY, path=path)
    squares = samples(points)
    first = proxies(model, squares)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(1, steps + 1):
        batch = torch.randint(len(pictures), (64,), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(model(pictures[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        noted = proxies(model, squares) if step % EVERY == 0 else {}
        watch.step(loss=loss.item(), **noted)
    for name, value in first.items():
        watch.table[name][0] = value
    return watch.table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="few steps")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    digits = load_digits()
    pictures = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (name, make) in zip(panels, {"MLP": mlp, "CNN": cnn}.items(), strict=True):
        torch.manual_seed(0)
        path = args.output / f"local-complexity-{name.lower()}.csv"
        table = train(make(), pictures, labels, 2 * EVERY if args.quick else 40 * EVERY, path)
        steps, mean = np.asarray(table["step"]), np.asarray(table["regions"])
        error = np.asarray(table["standard_error"])
        axes.fill_between(
            steps, mean - error, mean + error, color=plots.COLOURS[0], alpha=0.2, lw=0
        )
        axes.plot(steps, mean, color=plots.COLOURS[0], label="exact: regions on a random plane")
        dashed = {
            "patterns": f"patterns of {SAMPLES} samples",
            "units": "units that samples see cross",
        }
        for column, label, style, k in zip(
            dashed, dashed.values(), ("--", ":"), (5, 2), strict=True
        ):
            axes.plot(steps, table[column], style, color=plots.COLOURS[k], label=f"proxy: {label}")
        axes.set(
            title=f"{name}, loss {table['loss'][-1]:.2g} at the end", xlabel="step", ylim=(0, None)
        )
        axes.set(ylabel="mean over squares")
        axes.grid(alpha=0.25)
        print(f"{name}: {mean[0]:.1f} regions at first, {mean[-1]:.1f} at the end")
    panels[0].legend(fontsize=8)
    plots.save(figure, args.output / "local-complexity.png", dpi=100)


if __name__ == "__main__":
    main()
