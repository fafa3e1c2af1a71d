"""Load the architectures that people have, as each exporter writes them: a row for each.

    python tests/bench/zoo.py [--names resnet18 unet] [--modes module dynamo] [--memory 16] [--seconds 600]

Weights are random, the module is in evaluation mode, and the self-check runs. Each load is a
process of its own with a limit on memory and processor time; a row says how it ended, the
processor seconds of the load alone and the most memory that the process held. torchvision's models need torchvision, and
today's default exporter needs onnxscript: rows without them say so.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools.architectures import MODES, exported, randomised, signed_distance, unet

TORCHVISION = [
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "resnet18",
    "resnet34",
    "resnet50",
    "wide_resnet50_2",
    "resnext50_32x4d",
    "densenet121",
    "mobilenet_v2",
    "mnasnet1_0",
    "shufflenet_v2_x1_0",
    "squeezenet1_1",
    "googlenet",
    "inception_v3",
    "regnet_x_400mf",
]
NAMES = [*TORCHVISION, "unet", "sdf"]
LIBRARIES: list[Any] = []  # of operators, which go with the object
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}  # torch's threads wait for one another
SIDES = {"inception_v3": 75, "alexnet": 64}  # 32 for the others


def torchvision_models() -> Any:
    """torchvision.models; its compiled operators may be those of another build of torch."""
    from torch.library import Library

    try:
        from torchvision import models
    except RuntimeError:
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        # No classifier calls them, but they must be there to be described.
        LIBRARIES.append(Library("torchvision", "DEF"))
        for operator in ("nms", "qnms"):
            LIBRARIES[0].define(f"{operator}(Tensor a, Tensor b, float c) -> Tensor")
        from torchvision import models
    return models


def module_of(name: str) -> tuple[Any, tuple[int, ...]]:
    """An architecture with random weights in evaluation mode, and the shape of its input."""
    import torch

    torch.manual_seed(0)
    if name == "unet":
        module, shape = unet(), (1, 32, 32)
    elif name == "sdf":
        module, shape = signed_distance(), (3,)
    else:
        extra = (
            {"aux_logits": True, "init_weights": False}
            if name in ("googlenet", "inception_v3")
            else {}
        )
        side = SIDES.get(name, 32)
        module, shape = getattr(torchvision_models(), name)(weights=None, **extra), (3, side, side)
    return randomised(module), shape


def limited(seconds: int) -> None:
    """End this process after so much processor time."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def load(name: str, mode: str, memory: int, check: bool) -> str:
    """Load one architecture in one form; one line that says how it went."""
    import exactcam
    from exactcam.errors import ExactcamError

    warnings.simplefilter("ignore")
    try:
        module, shape = module_of(name)
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = None if mode == "module" else exported(module, shape, mode, Path(folder))
            except RuntimeError as error:
                return f"{name} | {mode} | not exported by torch: {type(error).__name__} | - | -"
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            start = time.process_time()
            try:
                if path is None:
                    network = exactcam.from_torch(module, shape, check=check)
                else:
                    network = exactcam.load(path, check=check)
                said = f"ok, {network.units} units, {len(network.notes)} notes"
            except ExactcamError as error:
                said = f"refused: {str(error)[:300]}"
            except MemoryError:
                said = "out of memory"
            seconds = time.process_time() - start
    except ImportError as error:
        return f"{name} | {mode} | not tried: {error} | - | -"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return f"{name} | {mode} | {said} | {seconds:.1f} | {peak:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--modes", nargs="*", default=MODES, choices=MODES)
    parser.add_argument("--memory", type=int, default=16, help="GiB a process may hold")
    parser.add_argument(
        "--seconds",
        type=int,
        default=600,
        help="of the processor a load may take, exporting included",
    )
    parser.add_argument("--no-check", action="store_true", help="leave out the self-check")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(load(*args.one, args.memory << 30, not args.no_check))
        return
    print("architecture | form | result | seconds | GiB\n--- | --- | --- | --- | ---", flush=True)
    for name in args.names:
        for mode in args.modes:
            command = [sys.executable, __file__, "--one", name, mode, "--memory", str(args.memory)]
            command += ["--no-check"] * args.no_check
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                env=ALONE,
                preexec_fn=partial(limited, args.seconds),
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith(f"{name} | ")]
            last = (done.stderr.strip().splitlines() or [""])[-1][:200]
            said = f"ended with {done.returncode}: {last}"
            if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
                said = f"longer than {args.seconds} s"
            print(lines[-1] if lines else f"{name} | {mode} | {said} | - | -", flush=True)


if __name__ == "__main__":
    main()
