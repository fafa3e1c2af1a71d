"""Rank a dozen architectures by exact region counts, beside the proxy that saturates.

Searches for architectures score a network before training by its "linear regions": how many
different activation patterns a batch of inputs shows. That is at most the size of the batch, and
nearly every network reaches it. Here the same networks, untrained, are also ranked by their
expected number of regions on a random plane through an image, which `exactcam.local_complexity`
counts exactly and gives with a standard error.

Run from the repository: `python examples/architecture_search/figure.py [--quick] [-o DIR]`.
Writes a figure and a table. Needs the extras `examples` and `torch`; under a minute.
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

BATCH = 64  # inputs that the proxy looks at
RADIUS = 2.0  # half the side of a square; pixels are in [0, 1]


def mlp(*widths: int) -> nn.Sequential:
    """A fully connected network with these hidden layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    for a, b in zip((64, *widths), widths, strict=False):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def cnn(*channels: int, kernel: int = 3) -> nn.Sequential:
    """A convolutional network; every layer halves the image."""
    layers: list[nn.Module] = []
    for a, b in zip((1, *channels), channels, strict=False):
        layers += [nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
    size = channels[-1] * (8 >> len(channels)) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 10))


ARCHITECTURES = {
    "MLP 16": lambda: mlp(16),
    "MLP 64": lambda: mlp(64),
    "MLP 128": lambda: mlp(128),
    "MLP 16-16": lambda: mlp(16, 16),
    "MLP 32-32": lambda: mlp(32, 32),
    "MLP 64-64": lambda: mlp(64, 64),
    "MLP 16-16-16-16": lambda: mlp(16, 16, 16, 16),
    "MLP 32-32-32-32": lambda: mlp(32, 32, 32, 32),
    "CNN 4": lambda: cnn(4),
    "CNN 4-8": lambda: cnn(4, 8),
    "CNN 4-8-16": lambda: cnn(4, 8, 16),
    "CNN 4-8, 5 x 5": lambda: cnn(4, 8, kernel=5),
}


@torch.no_grad()
def patterns(model: nn.Sequential, batch: torch.Tensor) -> int:
    """The proxy: how many different sign patterns of the ReLUs a batch shows."""
    signs = []
    for layer in model:
        if isinstance(layer, nn.ReLU):
            signs.append((batch > 0).flatten(1))
        batch = layer(batch)
    return len(torch.unique(torch.cat(signs, dim=1), dim=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="few points and architectures")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    pictures = torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None]
    rows = []
    for name, make in list(ARCHITECTURES.items())[:: 6 if args.quick else 1]:
        torch.manual_seed(0)
        model = make()
        network = exactcam.from_torch(model, input_shape=(1, 8, 8))
        found = exactcam.local_complexity(network, pictures[: 4 if args.quick else 100], RADIUS)
        rows.append((found.mean, found.standard_error, patterns(model, pictures[:BATCH]), name))
        print(f"{name:16} {found.mean:7.1f} +- {found.standard_error:4.1f}, {rows[-1][2]} patterns")
    rows.sort()
    mean, error, proxy, names = zip(*rows, strict=True)
    columns = {"architecture": names, "regions": mean, "standard_error": error, "patterns": proxy}
    exactcam.tables.write_csv(
        {name: list(column) for name, column in columns.items()},
        args.output / "architecture-search.csv",
    )
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    exact = "exact: regions on a random plane, with standard error"
    axes.errorbar(mean, places, xerr=error, fmt="o", color=plots.COLOURS[0], capsize=3, label=exact)
    sampled = f"proxy: patterns of a batch of {BATCH}"
    axes.plot(proxy, places, "x", color=plots.COLOURS[5], label=sampled)
    axes.set_yticks(places, names)
    axes.set(xlabel="regions", xscale="log")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    plots.save(figure, args.output / "architecture-search.png", dpi=100)


if __name__ == "__main__":
    main()
