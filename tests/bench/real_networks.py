"""Real networks: what loading, reducing and cutting them takes, each in a process of its own.

From the repository: `python tests/bench/real_networks.py [NAME ...]`. One thread; processor time; the
window is one that some fifty units cross, around the middle of three smooth random pictures. Needs torch.
The table is in tests/bench/README.md.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LIMIT = 1500  # seconds of one network


def cases() -> dict[str, tuple[Callable[[], Any], int, int]]:
    """Name to (how the model is made, size of its pictures, units that shall cross)."""
    from architectures import mobilenet_v2, resnet, vgg
    from torch import nn

    def cnn() -> nn.Module:
        layers: list[nn.Module] = []
        for inputs, width in ((3, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 10))

    def classic(depth: int) -> Callable[[], nn.Module]:
        """VGG with a head for larger pictures."""

        def build() -> nn.Module:
            features = vgg(depth)[:-2]
            return nn.Sequential(
                *features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 200)
            )

        return build

    def resnet18() -> nn.Module:
        """With the stem for large pictures: a convolution of 7 x 7 and a pool, both of stride 2."""
        body = resnet(2, (64, 128, 256, 512), classes=200)[3:]
        stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        return nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1), *body)

    return {
        "ResNet-20": (lambda: resnet(3), 32, 50),
        "CNN of 6 layers": (cnn, 32, 50),
        "MobileNetV2": (mobilenet_v2, 32, 50),
        "ResNet-18": (resnet18, 64, 50),
        "ResNet-18, more units": (resnet18, 64, 170),
        "VGG11": (classic(11), 64, 50),
        "VGG16": (classic(16), 64, 50),
        "ResNet-18 at 224": (resnet18, 224, 50),
    }


def measured(name: str) -> dict[str, Any]:
    """The figures of one network."""
    import torch
    from architectures import initialised
    from figure import smooth, window_of

    import exactcam
    from exactcam.reduction.unstable import reduced

    torch.set_num_threads(1)
    torch.manual_seed(0)
    build, size, crossed = cases()[name]
    model, corners = initialised(build(), smooth(8, size)), smooth(3, size)
    window = exactcam.Window.rectangle(*window_of(model, corners, crossed))
    plane = exactcam.Slice.through(*corners.double().flatten(1).numpy())
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return round(clock[-1] - clock[-2], 2)

    network = exactcam.from_torch(model.float(), input_shape=(3, size, size))
    found: dict[str, Any] = {"network": name, "input": size, "units": network.units, "load": lap()}
    small = reduced(network, plane, window)
    found |= {"changing": len(small.units), "reduce": lap()}
    part = exactcam.partition(small.network, small.plane, window, engine="fast")
    found |= {"regions": len(part), "partition": lap(), "linear": part.counts.linear_regions}
    found |= {"counts": lap(), "segments": len(part.decision_boundary().segments)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"boundary": lap(), "peak_gb": round(peak / 1e6, 1)}


def main() -> None:
    sys.path.insert(0, str(ROOT / "examples" / "real_networks"))
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(sys.argv[2])))
        return
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": path}
    for name in sys.argv[1:] or cases():
        command = [sys.executable, __file__, "--one", name]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT
        )
        print(done.stdout.strip() or f"{name}: {done.stderr.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
