"""Points exactly on a classifier's decision boundary, on the data and off it.

Two planes of the 64-dimensional input space of the digits MLP: one through three real
digits, one through three pictures of noise. On each, points are drawn uniformly by
length from the exact decision boundary. Every one is a rational picture at which the
two largest outputs are exactly equal, which is checked by evaluating the network
exactly. Below, the boundary point nearest to a digit with its exact margin, and the
outputs along the straight line between two digits.

Run from the repository: `python examples/boundary_samples/figure.py [--quick] [-o DIR]`.
Needs the extra `examples`; examples/digits/train.py made the weights.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import exactcam
from exactcam.render import plots

DIGITS = Path(__file__).parents[1] / "digits"
sys.path.insert(0, str(DIGITS))
from figure import unseen  # noqa: E402 - the digits example beside this one


def pictures(axes_row: list, rows: list[np.ndarray], titles: list[str]) -> None:
    """Show inputs as pictures of 8 x 8 grey values."""
    for axes, row, title in zip(axes_row, rows, titles, strict=True):
        axes.imshow(row.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="a small window")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    network = exactcam.load(DIGITS / "mlp.json")
    digits = unseen(3, 5, 8)
    noise = np.random.default_rng(0).uniform(0, 1, (3, 64)).round(3)
    window = (0.25, 0, 0.75, 0.5) if args.quick else (-0.5, -0.5, 1.5, 1.5)

    figure = Figure(figsize=(13, 11), layout="constrained")
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(3, 1.1, 2.2))
    left, right = top.subplots(1, 2)
    strip = []
    for axes, name, corners in ((left, "on", digits), (right, "off", list(noise))):
        part = exactcam.partition(network, exactcam.Slice.through(*corners), window)
        plots.plot_partition(part, axes, "class")
        axes.set_title(f"{name} the data: {len(part):,} regions")
        if not part.decision_boundary().segments:
            print(f"{name} the data: no boundary in the window")
            continue
        samples = exactcam.sample_boundary(part, 5 if args.quick else 40, seed=1)
        plots.plot_samples(samples, axes)
        strip += [
            (row, f"{name}: {' = '.join(map(str, classes))}")
            for row, classes in zip(samples.float_inputs[:5], samples.classes[:5], strict=True)
        ]
        print(f"{name} the data: {len(samples)} samples, each certified exactly on the boundary")
        if name == "on":
            on_data = part
    pictures(middle.subplots(1, len(strip)), [row for row, _ in strip], [t for _, t in strip])

    corner = (0.5, 0.25) if args.quick else (0, 0)
    near = exactcam.nearest_boundary_point(on_data, *corner)
    print(f"nearest boundary point: margin {near.margin:.6f}, certain in the slice: {near.certain}")
    line = exactcam.line_slice(network, digits[0], digits[2])
    axes = plots.plot_line_slice(line, bottom.subplots())
    axes.set_title(
        f"from the 3 to the 8: {len(line):,} pieces, the boundary crossed at t = "
        + ", ".join(f"{float(c.start):.6f}" for c in line.crossings())
    )
    plots.save(figure, args.output / "boundary-samples.png", dpi=100)


if __name__ == "__main__":
    main()
