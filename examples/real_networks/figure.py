"""Exact partitions of VGG11, VGG16, ResNet-18, ResNet-20 and MobileNetV2, and two trained networks.

Networks of 32 x 32 pictures with random weights are cut on the plane through three pictures, in a
window that some fifty of their units cross; which of the hundred thousands these are is found
exactly. Two residual networks that were trained on digits, without and with augmentation,
are compared on one window around three digits.

Run from the repository: `python examples/real_networks/figure.py [--quick] [-o DIR]`.
Needs the extras `examples` and `torch`; train.py made the weights. Writes real-networks.png and
real-networks.csv.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from architectures import initialised, mobilenet_v2, resnet, vgg
from matplotlib.figure import Figure
from torch import nn
from train import WIDTHS, pictures

import exactcam
from exactcam.analysis.tables import comparison
from exactcam.render import plots

HERE = Path(__file__).parent
CROSSING = 50  # units that change within a window, about
DIGITS = (3, 13, 23)  # three digits of the classes 3, 3 and 3: near each other
RANDOM: dict[str, Callable[[], nn.Module]] = {
    "VGG11": lambda: vgg(11),
    "VGG16": lambda: vgg(16),
    "VGG16, average pools": lambda: vgg(16, nn.AvgPool2d),
    "ResNet-18": lambda: resnet(2, (64, 128, 256, 512)),
    "ResNet-20": lambda: resnet(3),
    "MobileNetV2": mobilenet_v2,
}
QUICK: dict[str, Callable[[], nn.Module]] = {"ResNet-8": lambda: resnet(1, (4, 8, 16))}


def smooth(count: int, size: int = 32) -> torch.Tensor:
    """Random pictures with structure, (count, 3, size, size), of mean zero and deviation one."""
    coarse = torch.randn(count, 3, 8, 8)
    x = nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    x = x + 0.05 * torch.randn_like(x)
    return (x - x.mean()) / x.std()


def crossing(model: nn.Module, points: torch.Tensor) -> int:
    """How many units have different signs, or choose different members, among some points."""
    found = []

    def look(layer: nn.Module, inputs: tuple[torch.Tensor, ...], _: Any) -> None:
        (x,) = inputs
        if isinstance(layer, nn.MaxPool2d):
            places = nn.functional.max_pool2d(x, layer.kernel_size, return_indices=True)[1]
            found.append((places != places[:1]).any(0).sum())
        for level in (0.0, 6.0)[: 2 if isinstance(layer, nn.ReLU6) else 1]:
            if not isinstance(layer, nn.MaxPool2d):
                found.append(((x > level).any(0) & ~(x > level).all(0)).sum())

    kinds = nn.ReLU | nn.ReLU6 | nn.MaxPool2d
    hooks = [m.register_forward_hook(look) for m in model.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        model(points)
    for hook in hooks:
        hook.remove()
    return int(sum(found))


def window_of(model: nn.Module, corners: torch.Tensor, crossed: int) -> list[float]:
    """A window around the middle of a triangle of pictures that about so many units cross."""
    a, b, c = corners.double()
    low, high, middle = -24.0, 0.0, 0.25
    steps = torch.linspace(-1, 1, 5, dtype=torch.float64)
    u, v = (x.reshape(-1, 1, 1, 1) for x in torch.meshgrid(steps, steps, indexing="ij"))
    for _ in range(9):
        power = (low + high) / 2
        points = a + (middle + u * 2**power) * (b - a) + (middle + v * 2**power) * (c - a)
        if crossing(model.double(), points) > crossed:
            high = power
        else:
            low = power
    half = float(np.float32(2**low))
    return [middle - half, middle - half, middle + half, middle + half]


def cut(model: nn.Module, corners: torch.Tensor, window: Any) -> tuple[Any, dict[str, Any]]:
    """The partition of a model on the plane of three pictures, and what it took."""
    start = time.process_time()
    network = exactcam.from_torch(model.float(), input_shape=tuple(corners.shape[1:]))
    loaded = time.process_time()
    plane = exactcam.Slice.through(*corners.double().flatten(1).numpy())
    part = exactcam.partition(network, plane, window, reduce=True)
    counts = part.counts
    facts = {
        "units": network.units,
        "load_seconds": round(loaded - start, 1),
        "partition_seconds": round(time.process_time() - loaded, 1),
        "activation_regions": counts.activation_regions,
        "linear_regions": counts.linear_regions,
        "boundary_segments": len(part.decision_boundary().segments),
    }
    return part, facts


def said(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts, printed."""
    print(", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    return facts


def trained(name: str) -> nn.Module:
    """A residual network with the weights that train.py made."""
    model = resnet(1, WIDTHS, inputs=1)
    with np.load(HERE / f"{name}.npz") as weights:
        model.load_state_dict({key: torch.tensor(weights[key]).float() for key in weights})
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("."), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="one small network, a small window")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    rows, parts = [], {}
    for name, build in (QUICK if args.quick else RANDOM).items():
        model = initialised(build(), smooth(8))
        corners = smooth(3)
        part, facts = cut(model, corners, window_of(model, corners, CROSSING))
        parts[name] = part
        rows.append(said({"network": name, **facts}))
    digits = pictures()[0][list(DIGITS)]
    first = trained("plain")
    window = window_of(first, digits, CROSSING if args.quick else 3 * CROSSING)
    for name in ("plain", "augmented"):
        part, facts = cut(trained(name), digits, window)
        parts[f"digits, {name}"] = part
        rows.append(said({"network": f"digits, {name}", **facts}))
    columns = -(-len(parts) // 2)
    figure = Figure(figsize=(4 * columns, 8.4), layout="constrained")
    for place, (name, part) in enumerate(parts.items()):
        axes = figure.add_subplot(2, columns, place + 1)
        plots.plot_partition(part, axes, "region")
        axes.set_title(f"{name}\n{part.network.units:,} units, {len(part):,} regions")
        axes.set_axis_off()
    plots.save(figure, args.output / "real-networks.png", dpi=80)
    with (args.output / "real-networks.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    table = comparison({name: part for name, part in parts.items() if name.startswith("digits")})
    for k, name in enumerate(table["network"]):
        print(
            f"{name}: {table['activation_regions'][k]:,} regions, median eccentricity "
            f"{table['eccentricity_median'][k]:.4f}, median slope {table['slope_median'][k]:.4f}"
        )


if __name__ == "__main__":
    main()
