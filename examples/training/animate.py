"""Animate a classifier's partition while it trains, on two moons, circles and blobs.

The paper's binary classifier (five hidden layers of ten ReLUs) is trained in plain numpy.
After every few steps the network with these weights is partitioned exactly; regions are
coloured by the norm of their slope, and the decision boundary is drawn over them. The
knot lines gather around the boundary.

Run from the repository: `python examples/training/animate.py [--quick] [-o DIR]`.
Writes one GIF and one row of frames (PNG) per data set. Needs the extra `examples`.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure
from sklearn import datasets

import exactcam
from exactcam.render import plots

Layers = list[tuple[np.ndarray, np.ndarray]]
WIDTHS = [2, 10, 10, 10, 10, 10, 1]
WINDOW = (-2, -2, 2, 2)


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """300 points of two classes, centred, with a standard deviation of about 0.8."""
    points, labels = {
        "moons": lambda: datasets.make_moons(300, noise=0.12, random_state=0),
        "circles": lambda: datasets.make_circles(300, noise=0.08, factor=0.45, random_state=0),
        "blobs": lambda: datasets.make_blobs(300, centers=4, cluster_std=0.7, random_state=3),
    }[name]()
    return 0.8 * (points - points.mean(axis=0)) / points.std(axis=0), labels % 2


class Trainer:
    """A ReLU network and Adam on the logistic loss, in numpy."""

    def __init__(self, points: np.ndarray, labels: np.ndarray, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.points, self.labels, self.steps = points, labels, 0
        self.layers: Layers = [
            (rng.normal(size=(b, a)) * np.sqrt(2 / a), rng.normal(size=b) * 0.2)
            for a, b in pairwise(WIDTHS)
        ]
        self.moments = [np.zeros((2, *p.shape)) for pair in self.layers for p in pair]

    def step(self, rate: float = 0.004) -> None:
        values = [self.points]
        for k, (weight, bias) in enumerate(self.layers):
            z = values[-1] @ weight.T + bias
            values.append(z if k == len(self.layers) - 1 else np.maximum(z, 0))
        error = (1 / (1 + np.exp(-values[-1][:, 0])) - self.labels)[:, None] / len(self.points)
        slopes: list[np.ndarray] = []
        for k in range(len(self.layers) - 1, -1, -1):
            slopes = [error.T @ values[k], error.sum(axis=0), *slopes]
            error = error @ self.layers[k][0] * (values[k] > 0)
        self.steps += 1
        parameters = [p for pair in self.layers for p in pair]
        for parameter, slope, moment in zip(parameters, slopes, self.moments, strict=True):
            moment[0] += 0.1 * (slope - moment[0])
            moment[1] += 0.001 * (slope**2 - moment[1])
            first, second = moment[0] / (1 - 0.9**self.steps), moment[1] / (1 - 0.999**self.steps)
            parameter -= rate * first / (np.sqrt(second) + 1e-8)


def draw(axes, trainer: Trainer) -> int:
    """One frame: the exact partition of the present weights. Returns the number of regions."""
    part = exactcam.partition(exactcam.from_arrays(trainer.layers), window=WINDOW)
    axes.clear()
    plots.plot_partition(part, axes, "slope")
    for label, colour in ((0, "#ffffff"), (1, "#111111")):
        chosen = trainer.points[trainer.labels == label]
        axes.scatter(*chosen.T, s=7, color=colour, edgecolors="#555555", linewidths=0.4, zorder=5)
    axes.set_title(f"step {trainer.steps}: {len(part):,} regions", fontsize=10)
    return len(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="one data set, few frames")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    frames, every = (4, 10) if args.quick else (45, 12)
    for name in ("moons",) if args.quick else ("moons", "circles", "blobs"):
        trainer = Trainer(*data(name))
        film = Figure(figsize=(4.8, 5), layout="constrained")
        axes = film.add_subplot()
        row = Figure(figsize=(13, 3.6), layout="constrained")
        stills = dict(
            zip(np.linspace(0, frames - 1, 4).astype(int), row.subplots(1, 4), strict=True)
        )
        writer = PillowWriter(fps=9)
        with writer.saving(film, args.output / f"training-{name}.gif", dpi=80):
            for frame in range(frames):
                regions = draw(axes, trainer)
                writer.grab_frame()
                if frame in stills:
                    draw(stills[frame], trainer)
                for _ in range(every):
                    trainer.step()
        plots.save(row, args.output / f"training-{name}.png", dpi=100)
        print(f"{name}: {regions:,} regions after {trainer.steps} steps")


if __name__ == "__main__":
    main()
