"""Counts derived by hand for small max, abs, maxout and skip networks, loaded from torch."""

import dataclasses

import pytest

import exactcam

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
Call = pytest.importorskip("tools.torch_modules").Call


def _stack(x, *more):
    return torch.stack([x[:, 0], x[:, 1], *more], 1)


# name: (function of (u, v), window, (activation regions, linear regions, affine pieces), areas)
CASES = {
    # v = u cuts the square in two
    "max": (lambda x: x.amax(1, keepdim=True), 1, (2, 2, 2), ["2", "2"]),
    "min": (lambda x: x.amin(1, keepdim=True), 1, (2, 2, 2), ["2", "2"]),
    # both axes
    "abs": (lambda x: x.abs().sum(1, keepdim=True), 1, (4, 4, 4), ["1"] * 4),
    # max(u, -u, v): v wins above |u| (area 1), u and -u share the rest
    "maxout": (
        lambda x: torch.cat([x[:, :1], -x[:, :1], x[:, 1:]], 1).amax(1, keepdim=True),
        1,
        (3, 3, 3),
        ["1", "3/2", "3/2"],
    ),
    # u and v tie on the diagonal, but 5 is larger everywhere: no boundary
    "losing tie": (lambda x: _stack(x, 5 + 0 * x[:, 0]).amax(1, keepdim=True), 1, (1, 1, 1), ["4"]),
    # ReLU(u) - ReLU(-u) = u: one knot line, one map
    "identity": (lambda x: F.relu(x[:, :1]) - F.relu(-x[:, :1]), 1, (2, 1, 1), ["2", "2"]),
    # v + ReLU(u): the skip carries v past the ReLU
    "skip": (lambda x: x[:, 1:] + F.relu(x[:, :1]), 1, (2, 2, 2), ["2", "2"]),
    # u + |u| - 2 ReLU(u) = 0: two units with one knot line
    "cancelled": (
        lambda x: x[:, :1] + x[:, :1].abs() - 2 * F.relu(x[:, :1]),
        1,
        (2, 1, 1),
        ["2", "2"],
    ),
    # ||u| - 1|: kinks at -1, 0, 1, four different maps
    "triangle": (lambda x: (x[:, :1].abs() - 1).abs(), 2, (4, 4, 4), ["4"] * 4),
    # clamp to [-1, 1]: the two caps are different maps
    "clamp": (lambda x: x[:, :1].clamp(-1, 1), 2, (3, 3, 3), ["4", "4", "8"]),
    # the same cap on both sides is one map, but two linear regions
    "two sides, one map": (lambda x: torch.clamp(x[:, :1].abs(), max=1), 2, (4, 4, 3), ["4"] * 4),
}


@pytest.mark.parametrize("engine", ["reference", "fast"])
@pytest.mark.parametrize("name", CASES)
def test_counts_and_areas(name, engine):
    function, reach, counts, areas = CASES[name]
    network = exactcam.from_torch(Call(function), (2,))
    part = exactcam.partition(network, window=(-reach, -reach, reach, reach), engine=engine)
    assert dataclasses.astuple(part.counts) == counts
    found = sorted(str(cell.area) for cell in part.cells)
    assert found == sorted(areas)
