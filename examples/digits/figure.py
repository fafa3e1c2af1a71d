"""Compare MLP and CNN, with and without augmentation, by their regions around real digits.

Four trained classifiers of 64 inputs are partitioned exactly on the triangle between
three digits that none was trained on; the digits are at (0, 0), (1, 0) and (0, 1).
Convolutions and max-pools are taken as they are. The figures compare what the paper compares
(number, size and eccentricity of regions) and the slope; every number is exact or
rounded once.

Run from the repository: `python examples/digits/figure.py [--quick] [-o DIR]`.
Needs the extra `examples`; train.py made the weights. Writes digits.png (the four
partitions), digits-statistics.png and digits.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import exactcam
from exactcam.analysis.tables import comparison, write_csv
from exactcam.render import plots

HERE = Path(__file__).parent
NAMES = ("mlp", "mlp-augmented", "cnn", "cnn-augmented")


def unseen(*labels: int) -> list[np.ndarray]:
    """The first digit of each label that training did not see, pixels in [0, 1]."""
    digits = load_digits()
    _, rest = train_test_split(np.arange(len(digits.target)), test_size=0.25, random_state=0)
    return [
        digits.data[next(k for k in rest if digits.target[k] == label)] / 16 for label in labels
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="a small triangle")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    plane = exactcam.Slice.through(*unseen(3, 5, 8))
    far = 0.125 if args.quick else 1
    window = [(0, 0), (far, 0), (0, far)]
    parts = {
        name: exactcam.partition(exactcam.load(HERE / f"{name}.json"), plane, window)
        for name in NAMES
    }
    figure = Figure(figsize=(13, 12), layout="constrained")
    for axes, (name, part) in zip(figure.subplots(2, 2).ravel(), parts.items(), strict=True):
        plots.plot_partition(part, axes, "class")
        axes.set_title(f"{name}: {len(part):,} regions")
        for label, place in ((3, (0, 0)), (5, (1, 0)), (8, (0, 1))):
            if not args.quick:
                axes.text(*place, label, ha="center", va="center", weight="bold", zorder=6)
    plots.save(figure, args.output / "digits.png", dpi=100)
    plots.save(plots.statistics_figure(parts), args.output / "digits-statistics.png", dpi=100)
    table = comparison(parts)
    write_csv(table, args.output / "digits.csv")
    for k, name in enumerate(NAMES):
        print(
            f"{name}: {table['activation_regions'][k]:,} regions, boundary "
            f"{table['boundary_length'][k]:.4f}, median eccentricity "
            f"{table['eccentricity_median'][k]:.4f}"
        )


if __name__ == "__main__":
    main()
