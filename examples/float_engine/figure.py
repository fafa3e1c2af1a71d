"""Draw the picture of the README: a float engine's polygons beside the exact partition.

`splinecam.npz` holds a 2-16-16-1 network two of whose units are copies, and the
polygons SplineCam (commit d743182, CPU, torch 2.13) returned for it on the square
[-1, 1]^2: a hole, and polygons drawn twice. Polygons of either side that the other
does not have are highlighted. Run from the repository: `python examples/float_engine/figure.py`.
Needs the extra `plot`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

import exactcam

HERE = Path(__file__).parent
TINTS = ("#c9d8ee", "#dbe5f4", "#bccfe9", "#e6edf8", "#d2def1")


def unmatched(mine: list[np.ndarray], others: list[np.ndarray]) -> list[bool]:
    """For each polygon whether no other has its corners within 1e-5 (for drawing only)."""
    free = list(others)
    wrong = []
    for polygon in mine:
        partner = next((k for k, other in enumerate(free) if near(polygon, other)), None)
        wrong.append(partner is None)
        if partner is not None:
            del free[partner]
    return wrong


def near(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether every corner of each polygon is within 1e-5 of one of the other."""
    distance = np.abs(a[:, None] - b[None]).max(axis=2)
    return max(distance.min(axis=0).max(), distance.min(axis=1).max()) < 1e-5


def area(corners: np.ndarray) -> float:
    x, y = corners.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def main() -> None:
    recorded = np.load(HERE / "splinecam.npz")
    theirs = np.split(recorded["vertices"], recorded["offsets"][1:-1])
    part = exactcam.partition(exactcam.load(HERE / "splinecam.npz"), window=(-1, -1, 1, 1))
    part.check_invariants()
    ours = [part.float_vertices[cell.corners] for cell in part.cells]

    figure = Figure(figsize=(9.2, 4.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    found = f"float engine: {len(theirs)} regions, area {sum(map(area, theirs)):.4f}"
    exact = f"exactcam: {len(part)} regions, area {part.area_sum}"
    for axes, mine, others, colour, title in (
        (left, theirs, ours, "#d9534f", found),
        (right, ours, theirs, "#4a9d6e", exact),
    ):
        wrong = unmatched(mine, others)
        print(f"{title}; {sum(wrong)} without a partner")
        for flag, edge, width in ((False, "#22262b", 0.5), (True, colour, 2.6)):
            chosen = [p for p, w in zip(mine, wrong, strict=True) if w == flag]
            fills = [colour if flag else TINTS[round(1e3 * abs(p.mean())) % 5] for p in chosen]
            axes.add_collection(
                PolyCollection(chosen, facecolors=fills, edgecolors=edge, linewidths=width)
            )
        axes.set_facecolor(colour)  # shows through holes
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        axes.set_title(title, fontsize=11)
    figure.savefig(HERE / "figure.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
