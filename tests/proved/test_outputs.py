"""Every value of a network may be its output: maps, linear regions and ties of all kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from certificates.conftest import question
from exactcam import Network, from_arrays, partition

from .conftest import Verdict, agree, written


def coarse(seed: int) -> Network:
    """Few different weights, so that outputs tie on regions, lines and points; any value is the output."""
    rng = np.random.default_rng(seed)
    sizes = [2, *rng.integers(1, 5, rng.integers(1, 4))]
    pairs = zip(sizes[1:], sizes[:-1], strict=True)
    network = from_arrays([(rng.integers(-1, 2, s), rng.integers(-1, 2, s[0])) for s in pairs])
    return Network(2, network.nodes, int(rng.integers(0, len(network.nodes) + 1)))


def diamond() -> Network:
    """|u| + |v|, which is zero at one point."""
    return from_arrays([(np.vstack([np.eye(2), -np.eye(2)]), np.zeros(4)), (np.ones((1, 4)), [0])])


@pytest.mark.parametrize("count", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_outputs_of_all_kinds(proved: Callable[..., Verdict], count: int, tmp_path: Path) -> None:
    kinds = Counter[str]()
    for network in (diamond(), *map(coarse, range(count))):
        asked = question(tmp_path / "asked", partition(network, engine="reference"))
        ties = [k for k, line in enumerate(asked.lines) if line.startswith("t ")]
        less = [line for k, line in enumerate(asked.lines) if k != ties[-1]] if ties else None
        for lines in (asked.lines, less):
            if lines is not None:
                rule = agree(proved, *written(asked, lines))
                assert (" activation regions" in rule) == (lines is asked.lines)
        vertices = (len(asked.lines[k].partition("=")[0].split()) - 1 for k in ties)
        kinds.update(("isolated point", "segment", "plateau")[min(n, 3) - 1] for n in vertices)
        kinds[f"output {asked.partition.network.output}"] += 1
    assert {"isolated point", "segment", "plateau", "output 0", "output 1"} <= set(kinds), kinds
