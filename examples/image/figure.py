"""Partition two networks that represent a picture, with and without a periodic encoding.

An implicit neural representation maps a position to a grey value. With (u, v) alone as
inputs it blurs; with waves of several frequencies beside them it shows detail. The usual
waves are sines, for which regions have curved sides and no partition into polygons
exists. A triangle wave has the same period and symmetry, is piecewise linear with rational
bends, and so becomes one more exact layer: its bends are the grid in the right-hand
partition, and all that is drawn and counted here is exact.

Run from the repository: `python examples/image/figure.py [--quick] [-o DIR]`.
Needs the extra `examples`; train.py made the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

import exactcam
from exactcam.model.nodes import Affine, Cpwl, Node, Pointwise
from exactcam.render import plots

HERE = Path(__file__).parent
FREQUENCIES = (1, 2, 4)


def picture() -> np.ndarray:
    """A 64 x 64 grey cut of scikit-learn's flower, values in [0, 1]."""
    grey = load_sample_image("flower.jpg").mean(axis=2)[20:404, 130:514] / 255
    return grey.reshape(64, 6, 64, 6).mean(axis=(1, 3))


def triangle(x: np.ndarray) -> np.ndarray:
    """The triangle wave of period 2 that is 0 at 0 and 1 at 1/2, like sin(pi x)."""
    return 1 - 2 * np.abs((x + 0.5) % 2 - 1)


def wave(frequency: int) -> Cpwl:
    """`triangle` of frequency * x for x in [-1, 1], as a function with rational bends."""
    bends = [(2 * k + 1) / (2 * frequency) for k in range(-frequency, frequency)]  # dyadic
    slopes = [2 * frequency * (1 - 2 * (k % 2)) for k in range(-frequency, frequency + 1)]
    return Cpwl.through(bends, slopes, at_first=1 - 2 * (frequency % 2))


def encoded(arrays: dict[str, np.ndarray]) -> exactcam.Network:
    """(u, v) -> (u, v, waves of u and v) -> the trained layers, as one exact network."""
    copies = [[1, 0], [0, 1]] * (1 + len(FREQUENCIES))
    functions = (Cpwl([], [(1, 0)]), *map(wave, FREQUENCIES))
    which = np.repeat(np.arange(len(functions)), 2)
    nodes: list[Node] = [Affine.dense(0, copies, [0] * len(copies)), Pointwise(1, functions, which)]
    for k in range(len(arrays) // 2):
        nodes.append(Affine.dense(len(nodes), arrays[f"weight{k}"], arrays[f"bias{k}"]))
        if k < len(arrays) // 2 - 1:
            which = np.zeros(nodes[-1].size, dtype=np.int64)
            nodes.append(Pointwise(len(nodes), (Cpwl.relu(),), which))
    return exactcam.Network(2, tuple(nodes), len(nodes))


def grey_values(network: exactcam.Network, size: int) -> np.ndarray:
    """The network at the pixel centres, exactly, then rounded."""
    places = [(2 * k + 1 - size) / size for k in range(size)]
    values = network.evaluate_many([(u, -v) for v in places for u in places])
    return np.asarray([float(value) for (value,) in values]).reshape(size, size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="a small window and few pixels")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    window, size = ((-0.25, -0.25, 0.25, 0.25), 8) if args.quick else ((-1, -1, 1, 1), 64)
    networks = {
        "plain": exactcam.load(HERE / "plain.npz"),
        "triangle waves": encoded(dict(np.load(HERE / "periodic.npz"))),
    }
    figure = Figure(figsize=(12.5, 8), layout="constrained")
    panels = figure.subplots(2, 3)
    panels[0, 0].imshow(picture(), cmap="gray", vmin=0, vmax=1)
    panels[0, 0].set_title("the picture")
    for axes in (*panels[0], panels[1, 0]):
        axes.set_axis_off()
    for column, (name, network) in enumerate(networks.items(), start=1):
        part = exactcam.partition(network, window=window)
        panels[0, column].imshow(grey_values(network, size), cmap="gray", vmin=0, vmax=1)
        panels[0, column].set_title(name)
        plots.plot_partition(part, panels[1, column], "slope", boundary=False)
        panels[1, column].set_title(f"{len(part):,} regions")
        print(f"{name}: {part.counts}")
    plots.save(figure, args.output / "image.png", dpi=100)


if __name__ == "__main__":
    main()
