"""Networks: exact evaluation, content hash, and what does not fit together."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import Network, from_arrays
from exactcam.arithmetic.rational import mpq
from exactcam.errors import FileFormatError, NetworkError, NumberError
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise


def by_hand(layers: list, slope: Any, point: list) -> list[Fraction]:
    """The forward pass in Python's own fractions."""
    values = [Fraction(x) for x in point]
    for k, (weight, bias) in enumerate(layers):
        values = [
            sum((Fraction(w) * x for w, x in zip(row, values, strict=True)), Fraction(b))
            for row, b in zip(np.asarray(weight).tolist(), np.asarray(bias).tolist(), strict=True)
        ]
        if k < len(layers) - 1:
            values = [x if x > 0 else Fraction(slope) * x for x in values]
    return values


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("slope", [0, 0.01, -1, 1, 2])
def test_evaluation_is_exact(dtype: type, slope: float) -> None:
    rng = np.random.default_rng(1)
    sizes = [3, 5, 4, 2]
    layers = [
        (rng.normal(size=(b, a)).astype(dtype), rng.normal(size=b).astype(dtype))
        for a, b in pairwise(sizes)
    ]
    network = from_arrays(layers, slope)
    for point in ([0.1, -7, Fraction(1, 3)], [0, 0, 0], [1e300, 5e-324, -1]):
        assert network.evaluate(point) == tuple(by_hand(layers, slope, point))
    many = network.evaluate_many([[1, 2, 3], ["0.1", 0, -1]])
    assert many == [network.evaluate([1, 2, 3]), network.evaluate(["0.1", 0, -1])]


def test_extreme_weights_are_not_rounded() -> None:
    network = from_arrays([([[5e-324, 1e308]], [-0.0]), ([[1]], [0])])
    value = 3 * mpq(Fraction(5e-324)) + 2 * mpq(Fraction(1e308))
    assert network.evaluate([3, 2]) == (value,)


def test_patterns_know_ties() -> None:
    network = from_arrays([([[1], [1], [1]], [1, 0, -1]), ([[1, 1, 1]], [0])])
    assert network.patterns([[0], ["1/2"], [1]]).tolist() == [[2, 1, 0], [2, 2, 0], [2, 2, 1]]


def test_the_hash_names_the_function_and_not_the_file() -> None:
    layers = [(np.eye(2), [0, 1]), ([[1, 1]], [0])]
    same = [(np.eye(2, dtype=np.float16), [0.0, 1.0]), (np.array([[1, 1]]), [Fraction(0)])]
    other = [(np.eye(2), [0, 1 + 2**-52]), ([[1, 1]], [0])]
    network = from_arrays(layers)
    assert network.sha256 == from_arrays(same).sha256
    assert network.sha256 != from_arrays(other).sha256
    renamed = Network(2, network.nodes, network.output, ("a", "b", "c"), ("a note",))
    assert renamed.sha256 == network.sha256


def test_layers_that_do_not_fit_are_named() -> None:
    with pytest.raises(NetworkError, match="layer 1"):
        from_arrays([(np.eye(2), [0, 0]), ([[1, 1, 1]], [0])])
    with pytest.raises(NetworkError, match="layer 0"):
        from_arrays([(np.eye(2), [0, 0, 0])])
    with pytest.raises(NetworkError, match="at least one"):
        from_arrays([])
    with pytest.raises(NumberError, match=r"layer 1 bias\[1\] is nan"):
        from_arrays([(np.eye(2), [0, 0]), (np.eye(2), [0, np.nan])])


def test_points_of_the_wrong_size() -> None:
    network = from_arrays([([[1, 1]], [0])])
    with pytest.raises(NetworkError, match="point 1 has 3 coordinates, not 2"):
        network.evaluate_many([[0, 0], [0, 0, 0]])
    with pytest.raises(NumberError, match=r"point 0\[1\] is inf"):
        network.evaluate([0, float("inf")])


def test_piecewise_functions() -> None:
    tooth = Cpwl.through([-1, 0, "1/2"], [0, 1, -1, 3], 2)
    node = Pointwise(0, (tooth,), np.zeros(1, dtype=np.int64))
    network = Network(1, (node,), 1)
    values = [network.evaluate([x])[0] for x in (-5, -1, "-1/2", 0, "1/4", "1/2", 1)]
    assert values == [2, 2, mpq(5, 2), 3, mpq(11, 4), mpq(5, 2), 4]
    assert network.patterns([[-5], [-1], [0], ["1/4"], [9]]).tolist() == [[0], [1], [3], [4], [6]]


def test_functions_that_are_equal_are_equal() -> None:
    assert Cpwl.relu(1) == Cpwl([], [(1, 0)])
    assert Cpwl.through([0, 1, 2], [0, 1, 1, 0]) == Cpwl.through([0, 2], [0, 1, 0])
    assert Cpwl.relu(Fraction(1, 2)) == Cpwl.relu(0.5) != Cpwl.relu("0.5000001")


@pytest.mark.parametrize(
    ("breakpoints", "pieces", "message"),
    [
        ([0], [(0, 0), (1, 1)], "do not meet"),
        ([1, 0], [(0, 0), (0, 0), (0, 0)], "must increase"),
        ([0, 0], [(0, 0), (0, 0), (0, 0)], "must increase"),
        ([0], [(0, 0)], "need 2 pieces"),
    ],
)
def test_functions_that_are_none(breakpoints: list, pieces: list, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Cpwl(breakpoints, pieces)


def test_max_groups() -> None:
    network = Network(3, (MaxGroups(0, ((0, 1), (2,), (2, 1, 0, 1))),), 1)
    assert network.evaluate([1, 5, 3]) == (5, 3, 5)
    assert network.patterns([[1, 5, 3], [2, 2, 2]]).tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        ((MaxGroups(0, ((0, 2),)),), 1, "layer 0: a max group"),
        ((MaxGroups(0, ((),)),), 1, "layer 0: a max group"),
        ((MaxGroups(1, ((0,),)),), 1, "layer 0: reads a value"),
        ((Pointwise(0, (Cpwl.relu(),), np.zeros(3, dtype=np.int64)),), 1, "3 units on 2 values"),
        ((Pointwise(0, (Cpwl.relu(),), np.ones(2, dtype=np.int64)),), 1, "function that is not"),
        ((Affine.dense(0, np.eye(3), [0, 0, 0]),), 1, "layer 0: a matrix of shape"),
        ((), 1, "output 1 is not a value"),
    ],
)
def test_nodes_that_do_not_fit(nodes: tuple, output: int, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Network(2, nodes, output)


def test_network_files_are_strict(random_network: Callable[..., Network], tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    exactcam.write_network(random_network([2, 3, 1]), path)
    good = path.read_text()
    for old, new in (
        ('"version":1', '"version":2'),
        ('"inputs":2', '"inputs":3'),
        ('"inputs":2', '"inputs":2.0'),
        ('"notes":[]', '"notes":[],"notes":[]'),
        ('"notes":[]', '"notes":[1]'),
        ('"notes":[]', '"notes":[],"extra":1'),
        ('"output":3', '"output":9'),
        ('"op":"affine"', '"op":"sigmoid"'),
        ('"which":[0,0,0]', '"which":[0,0,1]'),
        ('"which":[0,0,0]', '"which":[0,0]'),
        ('"shape":[3,2]', '"shape":[2,3]'),
        ('"shape":[3,2]', '"shape":[3,3]'),
        ('"kind":"dense"', '"kind":"sparse"'),
        ('"breakpoints":["0"]', '"breakpoints":["1"]'),
        ('"breakpoints":["0"]', '"breakpoints":[]'),
        ('"scale":"', '"scale":"-'),
        ('"scale":"', '"scale":"0'),
    ):
        assert old in good, old
        path.write_text(good.replace(old, new, 1))
        with pytest.raises(FileFormatError) as error:
            exactcam.load(path)
        assert "\n" not in str(error.value)
