"""Signed distance functions: their exact zero level sets, in 2-D and on slices in 3-D.

A network that gives the distance of a point to a solid, negative inside, describes the
solid: its zero level set consists of polygons in 2-D, and on any slice of 3-D space. It
is computed here exactly: every corner is a rational point at which the network is
exactly zero. So its length is correctly rounded, it is certain whether it closes, and no
part is missed, as it can be with marching squares on a grid.

Run from the repository: `python examples/signed_distance/figure.py [--quick] [-o DIR]`.
Needs the extra `plot`; train.py made the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import exactcam
from exactcam.render import plots

HERE = Path(__file__).parent


def solid_2d(points: np.ndarray) -> np.ndarray:
    """Distance to two overlapping discs with a bite taken out (a bound inside the bite)."""

    def disc(x: float, y: float, radius: float) -> np.ndarray:
        return np.hypot(points[:, 0] - x, points[:, 1] - y) - radius

    return np.maximum(
        np.minimum(disc(-0.25, -0.1, 0.5), disc(0.4, 0.25, 0.35)), -disc(0, 0.45, 0.3)
    )


def torus(points: np.ndarray) -> np.ndarray:
    """Distance to a torus about the z axis, radii 0.55 and 0.22."""
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.55, points[:, 2]) - 0.22


def level_set(part: exactcam.Partition, axes, distance: np.ndarray, title: str) -> None:
    """Draw the regions by slope and the exact zero level set, and the solid's outline dashed."""
    plots.plot_partition(part, axes, "slope")
    ticks = np.linspace(-1, 1, len(distance))
    style = {"colors": "white", "linewidths": 0.9, "linestyles": "dashed", "zorder": 5}
    axes.contour(ticks, ticks, distance, levels=[0], **style)
    boundary = part.decision_boundary()
    closed = sum(line[0] == line[-1] for line in boundary.polylines)
    axes.set_title(f"{title}: {len(part):,} regions\nlength {boundary.length:.6f}", fontsize=10)
    print(
        f"{title}: {len(part):,} regions, zero level set of {len(boundary.segments)} segments, "
        f"{closed} closed of {len(boundary.polylines)} lines, length {boundary.length!r}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="small windows")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    window = (0.25, 0.25, 0.75, 0.75) if args.quick else (-1, -1, 1, 1)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 201)] * 2), axis=-1).reshape(-1, 2)

    plane = exactcam.partition(exactcam.load(HERE / "plane.npz"), window=window)
    figure = Figure(figsize=(12, 6), layout="constrained")
    left, right = figure.subplots(1, 2)
    level_set(plane, left, solid_2d(grid).reshape(201, 201), "2-D")
    plots.plot_knot_lines(plane, right)
    plots.plot_boundary(plane, right)
    right.set_title("knot lines by layer", fontsize=10)
    plots.save(figure, args.output / "signed-distance-2d.png", dpi=100)

    network = exactcam.load(HERE / "torus.npz")
    figure = Figure(figsize=(15, 5.4), layout="constrained")
    slices = {"x, y at z = 0": (0, 1), "x, z at y = 0": (0, 2), "y, z at x = 0": (1, 2)}
    for axes, (title, (i, j)) in zip(figure.subplots(1, 3), slices.items(), strict=True):
        part = exactcam.partition(network, exactcam.Slice.axes([0, 0, 0], i, j), window)
        points = np.zeros((len(grid), 3))
        points[:, [i, j]] = grid
        level_set(part, axes, torus(points).reshape(201, 201), title)
    plots.save(figure, args.output / "signed-distance-3d.png", dpi=100)


if __name__ == "__main__":
    main()
