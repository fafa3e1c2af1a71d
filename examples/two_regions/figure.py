"""Draw two regions that three float engines find and the network does not have.

`network.npz` is 2-128-128-128-1, He initialisation with torch's seed 1 (see
`exactcam bench`); its parameters are float32 numbers, so no engine has to round them.
It has 33,150 regions; regioncam 0.5.2 (Rust, float32), SyReNN and relu_edge_subdivision
all give 33,152. `exactcam compare` names the difference: regions 10636 and 10760 are
covered by two polygons each. This draws the place, first in the window, then 200,000
times larger. Run from the repository: `python examples/two_regions/figure.py`. Needs
`regioncam` and the extra `plot`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

import exactcam
from exactcam.grading.adapters import regioncam

HERE = Path(__file__).parent
TINTS = ("#c9d8ee", "#dbe5f4", "#bccfe9", "#e6edf8", "#d2def1")
RED = "#d9534f"
CENTRE = np.asarray([-0.2181659, 0.1820919])
REACH = 4e-6


def main() -> None:
    window = exactcam.Window.rectangle(-1, -1, 1, 1)
    network = exactcam.load(HERE / "network.npz")
    part = exactcam.partition(network, window=window)
    ours = np.split(part.float_vertices[part.corners], part.offsets[1:-1])
    output = regioncam.run(network, window)
    theirs = np.split(output.vertices.astype(np.float64), output.offsets[1:-1])
    print(f"{len(ours):,} regions; regioncam has {len(theirs):,}")

    figure = Figure(figsize=(10.4, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, polygons, title in (
        (left, theirs, f"regioncam, float32: {len(theirs):,} regions"),
        (right, ours, f"exactcam: {len(ours):,} regions"),
    ):
        near = [(p - CENTRE) / REACH for p in polygons if meets(p, REACH)]
        slivers = [area(p) * REACH**2 < 1e-12 for p in near]
        print(f"{title}; in the picture {len(near)}, of which {sum(slivers)} below 1e-12")
        fills = [RED if s else TINTS[k % 5] for k, s in enumerate(slivers)]
        axes.add_collection(PolyCollection(near, facecolors=fills, edgecolors="#22262b"))
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[], yticks=[])
        axes.set_title(title, fontsize=11)
        axes.set_xlabel(f"{2 * REACH:g} wide, at u = {CENTRE[0]}, v = {CENTRE[1]}", fontsize=9)
        wide = axes.inset_axes((0.03, 0.03, 0.3, 0.3))
        scene = [p for p in polygons if meets(p, 0.02)]
        wide.add_collection(
            PolyCollection(scene, facecolors="#ffffff", edgecolors="#22262b", linewidths=0.4)
        )
        wide.plot(*CENTRE, "o", color=RED, markersize=5, fillstyle="none")
        x, y = CENTRE
        wide.set(xlim=(x - 0.02, x + 0.02), ylim=(y - 0.02, y + 0.02), xticks=[], yticks=[])
    figure.savefig(HERE / "figure.png", dpi=100, metadata={"Software": None})


def meets(polygon: np.ndarray, reach: float) -> bool:
    """Whether the polygon's bounding box meets the square of that half width at CENTRE."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    return bool((low < CENTRE + reach).all() and (high > CENTRE - reach).all())


def area(corners: np.ndarray) -> float:
    x, y = corners.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


if __name__ == "__main__":
    main()
