"""Networks: exact evaluation, content hash, and what does not fit together."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import Network, from_arrays
from exactcam.arithmetic.matrix import Dense
from exactcam.arithmetic.rational import integer_matrix, mpq
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


def skipping() -> Network:
    """Activation first, two in a row, skips past layers, a value nobody reads, affine last."""
    relu = (Cpwl.relu(),), np.zeros(2, dtype=np.int64)
    nodes = (
        Pointwise(0, *relu),  # value 1
        MaxGroups(1, ((0, 1), (1,))),  # value 2, straight after
        Affine.dense(2, [[1, -1], [2, 1]], [0, 1]),  # value 3
        Affine.dense(3, [[1, 1]], [5]),  # value 4, never read
        Affine.dense(3, [[1, 0], [1, 1]], [-1, 0]),  # value 5
        Pointwise(5, *relu),  # value 6
        Affine.combine(
            (6, 1), [(dense([[1, 2]]), 1), (dense([[3, 1]]), 2)], (dense([1]).entries, 1)
        ),  # value 7, a skip over two layers
        Affine.dense(7, [[2]], [1]),  # value 8
    )
    return Network(2, nodes, 8)


def dense(rows: list) -> Dense:
    return Dense(integer_matrix(rows, "rows")[0])


def test_layers_are_the_activation_nodes_in_order() -> None:
    network = skipping()
    found = [(e.number, e.index, e.source, e.value, e.units) for e in network.layers]
    assert found == [
        (0, 0, 0, 1, slice(0, 2)),
        (1, 1, 1, 2, slice(2, 4)),
        (2, 5, 5, 6, slice(4, 6)),
    ]
    assert [e.node for e in network.layers] == [network.nodes[k] for k in (0, 1, 5)]
    assert network.activations == (0, 1, 5)
    assert network.unit_offsets == (0, 2, 4, 6)
    pattern = np.arange(6, dtype=np.uint8)
    assert network.layers[1].codes(pattern).tolist() == [2, 3]
    assert network.layers[2].codes(pattern[None]).tolist() == [[4, 5]]


def test_affine_runs_lie_between_the_layers() -> None:
    network = skipping()
    assert [run.nodes for run in network.affine_runs] == [
        range(0, 0), range(1, 1), range(2, 5), range(6, 8),
    ]  # fmt: skip
    assert [set(run.live) for run in network.affine_runs] == [{0}, {1}, {1, 5}, {8}]
    assert sorted(network.affine_nodes) == [2, 3, 4, 6, 7]


def test_through_affine_keeps_what_is_read_later_and_works_on_any_type() -> None:
    network, asked = skipping(), []

    def apply(k: int, inputs: list[str]) -> str:
        asked.append(k)
        return f"f{k}({','.join(inputs)})"

    assert network.through_affine(0, {0: "x"}, apply) == {0: "x"}
    assert network.through_affine(1, {0: "x", 1: "a"}, apply) == {1: "a"}
    between = network.through_affine(2, {1: "a", 2: "b"}, apply)
    assert between == {1: "a", 5: "f4(f2(b))"}
    assert network.through_affine(3, {1: "a", 6: "c"}, apply) == {8: "f7(f6(c,a))"}
    assert asked == [2, 3, 4, 6, 7]


def test_skips_and_neighbouring_layers_evaluate_by_hand() -> None:
    network = skipping()
    # (3, -1): relu (3, 0), max (3, 0), then (3, 7), (2, 10), relu, 1 + 22 + 9/2, 2 y + 1
    assert network.evaluate([3, -1]) == (56,)
    assert network.patterns([[3, -1]]).tolist() == [[2, 0, 0, 0, 2, 2]]
    part = exactcam.partition(network, engine="reference")
    assert np.array_equal(part.patterns, exactcam.partition(network, engine="fast").patterns)


def test_a_network_without_layers_is_one_affine_run() -> None:
    network = from_arrays([(np.eye(2), [1, 2])])
    assert network.layers == ()
    assert [run.nodes for run in network.affine_runs] == [range(0, 1)]
    assert network.evaluate([1, 1]) == (2, 3)


def test_a_network_is_one_short_line() -> None:
    assert repr(skipping()) == "<Network 2 -> 1, 6 units in 3 layers, 22 parameters>"
    wide = from_arrays([(np.ones((64, 2)), np.ones(64)), (np.ones((1, 64)), [0])])
    assert repr(wide) == "<Network 2 -> 1, 64 units in 1 layer, 257 parameters>"
    for thing in (*skipping().nodes, *skipping().layers, Cpwl.relu(), skipping().nodes[2].matrices):
        assert len(repr(thing)) <= 100
        assert "\n" not in repr(thing)


@pytest.mark.parametrize("used", [False, True])
def test_a_network_pickles_without_what_it_has_computed(used: bool) -> None:
    network = skipping()
    fresh = len(pickle.dumps(skipping()))
    if used:
        exactcam.partition(network, engine="fast")
    text = pickle.dumps(network)
    assert len(text) == fresh
    again = pickle.loads(text)
    assert again.sha256 == network.sha256
    assert (again.names, again.notes, again.sizes) == (network.names, network.notes, network.sizes)
    assert again.evaluate([3, -1]) == (56,)
