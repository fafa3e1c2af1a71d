"""A question and its certificate as three files, and the checker's verdict on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from exactcam import Network, Partition, checker, from_arrays, partition
from exactcam.complex.certificate import certificate_lines
from exactcam.model.network_file import write_network
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise
from exactcam.model.slice_file import write_slice


class Question(NamedTuple):
    """The files a sceptic holds, the partition behind them and its honest certificate."""

    network: Path
    slice: Path
    partition: Partition
    lines: list[str]

    def verdict(self, lines: Iterable[str]) -> str:
        """`verified`, or the rule that `lines` as the certificate break."""
        path = self.network.with_name("certificate")
        path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        return verdict(self.network, self.slice, path)


def verdict(network: Path, slice: Path, certificate: Path) -> str:
    try:
        checker.verify(str(network), str(slice), str(certificate))
    except checker.Malformed as error:
        return f"malformed {error}"
    except checker.Rejected as error:
        return f"rejected {error}"
    return "verified"


def question(folder: Path, part: Partition) -> Question:
    network, slice = folder / "network.json", folder / "slice.json"
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    write_network(part.network, network)
    write_slice(part.slice, part.window, slice)
    lines = certificate_lines(part, part.counts, part.decision_boundary())
    return Question(network, slice, part, list(lines))


def small(seed: int, *sizes: int) -> Network:
    rng = np.random.default_rng(seed)
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    return from_arrays(
        [(rng.integers(-8, 9, s) / 4, rng.integers(-4, 5, s[0]) / 8) for s in shapes]
    )


def maxout(seed: int) -> Network:
    """Two inputs, two max groups of three that share a member, two outputs."""
    rng = np.random.default_rng(seed)
    first = Affine.dense(0, rng.integers(-4, 5, (5, 2)), rng.integers(-2, 3, 5))
    groups = MaxGroups(1, ((0, 1, 2), (2, 3, 4)))
    last = Affine.dense(2, rng.integers(-3, 4, (2, 2)), rng.integers(-2, 3, 2))
    return Network(2, (first, groups, last), 3)


def bent(seed: int) -> Network:
    """Units of several breakpoints, with fractions everywhere, and one that is linear."""
    rng = np.random.default_rng(seed)
    third = Fraction(1, 3)
    first = Affine.dense(0, rng.integers(-4, 5, (4, 2)), rng.integers(-2, 3, 4))
    functions = (
        Cpwl.through([Fraction(-1, 2), third], [Fraction(1, 4), -2, third], Fraction(1, 5)),
        Cpwl.relu(third),
        Cpwl([], [(2 * third, third)]),
    )
    last = Affine.dense(2, rng.integers(-3, 4, (2, 4)), rng.integers(-2, 3, 2))
    return Network(2, (first, Pointwise(1, functions, np.asarray([0, 1, 2, 0])), last), 3)


def noted() -> Network:
    """A network that says how it differs from the model it came from."""
    made = small(7, 2, 3, 2)
    notes = ("layer 1: a note  with spaces", 'é, "quoted" \\ and so on')
    return Network(made.inputs, made.nodes, made.output, made.names, notes)


NETWORKS = {
    "bent": lambda: bent(2),
    "scalar": lambda: small(3, 2, 4, 3, 1),
    "classes": lambda: small(5, 2, 5, 3),
    "maxout": lambda: maxout(1),
    "noted": noted,
}


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Question]:
    folder = tmp_path_factory.mktemp("questions")
    return {name: question(folder / name, partition(make())) for name, make in NETWORKS.items()}
