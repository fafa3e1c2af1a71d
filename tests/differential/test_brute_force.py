"""Both engines, runs on several processes and runs that are resumed, against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam import Network, Slice, Window
from exactcam.engine.refine import Engine
from exactcam.engine.run_file import read_run, write_run
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise
from tools.brute_force import areas_of_patterns

FUNCTIONS = (
    Cpwl.relu(),
    Cpwl.relu("1/10"),
    Cpwl.through([0], [-1, 1]),
    Cpwl.through([-1, 1], [0, 1, 0]),
    Cpwl.through(["-1/3", 0, 2], [1, -1, 0, 3]),
)


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Weights that go wrong: few values, zeros, huge and tiny ones, and some next to others."""
    out = rng.integers(-3, 4, shape).astype(float)
    kind = rng.integers(6)
    if kind == 0:
        out = rng.normal(size=shape).astype(np.float32).astype(float)
    elif kind == 1:
        out *= 2.0 ** rng.integers(-300, 300)
    elif kind == 2:
        out += rng.choice([0.0, 1e-15, -1e-15, 2.0**-52], shape)
    elif kind == 3:
        out *= rng.integers(0, 2, shape)
    elif kind == 4:
        out *= 2.0 ** rng.integers(-30, 30, shape)
    return out


def drawn(seed: int) -> tuple[Network, Slice, Window]:
    """A small network, most of them degenerate, on a window of a slice."""
    rng = np.random.default_rng(seed)
    inputs = int(rng.integers(2, 4))
    nodes: list[Node] = []
    value, size = 0, inputs
    for _ in range(rng.integers(1, 4)):
        width = int(rng.integers(1, 6))
        weight, bias = numbers(rng, width, size), numbers(rng, width) * rng.integers(0, 2)
        if width > 1 and rng.integers(3) == 0:
            weight[-1], bias[-1] = rng.choice([-2.0, 1.0]) * weight[0], bias[0]
        nodes.append(Affine.dense(value, weight, bias))
        value, size = len(nodes), width
        if rng.integers(4) == 0:
            count = int(rng.integers(1, 4))
            groups = [
                tuple(int(m) for m in rng.permutation(size)[: rng.integers(1, size + 1)])
                for _ in range(count)
            ]
            nodes.append(MaxGroups(value, tuple(groups)))
            size = count
        else:
            which = rng.integers(0, len(FUNCTIONS), size)
            nodes.append(Pointwise(value, FUNCTIONS, which.astype(np.int64)))
        value = len(nodes)
    outputs = int(rng.integers(1, 3))
    nodes.append(Affine.dense(value, numbers(rng, outputs, size), numbers(rng, outputs)))
    return Network(inputs, tuple(nodes), len(nodes)), plane(rng, inputs), window(rng)


def plane(rng: np.random.Generator, inputs: int) -> Slice:
    if inputs == 2 and rng.integers(2):
        return Slice.plane(2)
    while True:
        origin, e1, e2 = rng.integers(-2, 3, (3, inputs)).tolist()
        if np.linalg.matrix_rank(np.asarray([e1, e2])) == 2:
            return Slice([f"{x}/3" for x in origin], e1, e2)


def window(rng: np.random.Generator) -> Window:
    size = [1, 2, "1/3", 1e-9, 2**60][rng.integers(5)]
    if rng.integers(2):
        return Window.rectangle(-size if not isinstance(size, str) else "-1/3", 0, size, size)
    return Window([(0, 0), (2, 0), (3, 1), (1, 2)])


def wrong(seed: int, folder: Path) -> str:
    """What differs from brute force for one network; empty if nothing does."""
    network, slice_, outline = drawn(seed)
    truth = areas_of_patterns(network, slice_, outline)
    fast = exactcam.partition(network, slice_, outline, engine="fast")
    parts = {"fast": fast, "reference": exactcam.partition(network, slice_, outline, "reference")}
    if seed % 50 == 0:
        parts["two processes"] = exactcam.partition(network, slice_, outline, "fast", jobs=2)
    if seed % 20 == 0:
        engine, path = Engine(network, slice_, outline), folder / "a.run"
        path.unlink(missing_ok=True)
        write_run(engine, path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: 1 + seed % len(lines)]) + lines[0][:10])
        write_run(engine, path)
        parts["resumed"] = read_run(engine, path)
    for name, part in parts.items():
        areas = [cell.area for cell in part.cells]
        found = dict(zip(map(tuple, part.patterns.tolist()), areas, strict=True))
        if found != truth or len(part) != len(truth):
            return f"seed {seed}, {name}: {len(part)} regions, brute force {len(truth)}"
    return ""


def test_small_networks(tmp_path: Path) -> None:
    assert [w for seed in range(120) if (w := wrong(seed, tmp_path))] == []


@pytest.mark.slow
def test_many_small_networks(tmp_path: Path) -> None:
    assert [w for seed in range(120, 10_120) if (w := wrong(seed, tmp_path))] == []
