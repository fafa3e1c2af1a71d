"""Networks whose sums are carried along (`exactcam.engine.carried`): the same layers, bit for bit."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exactcam import Network, Slice, Window, partition
from exactcam.arithmetic.matrix import Dense, Sparse
from exactcam.arithmetic.rational import mpq, mpz, objects
from exactcam.engine.carried import carried
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise

SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
WINDOW = Window.rectangle(-1, -1, 1, 1)
FUNCTIONS = (
    Cpwl.relu(),
    Cpwl.through([0], [-1, 0]),
    Cpwl.through(["1/3", 1], [0, 2, -1], "1/7"),
)


class _Reduced:
    """A network whose every layer reads the input and all layers before it."""

    def __init__(self, rng: np.random.Generator, small: bool, sparse: bool) -> None:
        self.rng, self.small, self.sparse = rng, small, sparse
        self.nodes: list[Node] = []
        self.read = [(0, 2)]  # values and their sizes

    def numbers(self, *shape: int) -> np.ndarray:
        """Small integers, so that lines meet, or quotients of a few digits."""
        low = 3 if self.small else 999
        return objects(map(mpz, self.rng.integers(-low, low + 1, shape).ravel().tolist()), shape)

    def append(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes)

    def affine(self, size: int) -> int:
        """The number of a new sum over all that may be read."""
        matrices: list[Dense | Sparse] = []
        for _, columns in self.read:
            entries = self.numbers(size, columns)
            if self.sparse and self.rng.random() < 0.5:
                entries[self.rng.random(entries.shape) < 0.5] = mpz(0)
                rows, places = np.nonzero(entries)
                matrix = Sparse.of_entries((size, columns), rows, places, entries[rows, places])
                matrices.append(matrix)
            else:
                matrices.append(Dense(entries))
        inputs = tuple(v for v, _ in self.read)
        scale = mpz(int(self.rng.choice([1, 8, 12, 1000])))
        return self.append(Affine(inputs, tuple(matrices), self.numbers(size), scale))

    def pointwise(self, size: int) -> None:
        which = self.rng.integers(0, len(FUNCTIONS), size)
        value = self.append(Pointwise(self.affine(size), FUNCTIONS, which))
        self.read.append((value, size))

    def largest(self, size: int) -> None:
        """Max groups, of which only the difference from a member is read."""
        source = self.affine(2 * size)
        value = self.append(MaxGroups(source, tuple((k, size + k) for k in range(size))))
        own = Sparse.selection(size, range(size), 2)
        other = Sparse.selection(2 * size, range(size), -2)
        zeros = objects([mpz(0)] * size)
        self.read.append((self.append(Affine((value, source), (own, other), zeros, mpz(2))), size))


def reduced(seed: int, layers: int = 9) -> Network:
    rng = np.random.default_rng(seed)
    build = _Reduced(rng, bool(rng.random() < 0.5), bool(rng.random() < 0.5))
    for _ in range(layers):
        (build.largest if rng.random() < 0.25 else build.pointwise)(int(rng.integers(1, 4)))
    output = build.affine(2)
    return Network(2, tuple(build.nodes), output)


@SOME
@given(seed=st.integers(0, 1 << 30), x=st.integers(-99, 99), y=st.integers(-99, 99))
def test_it_computes_the_same(seed: int, x: int, y: int) -> None:
    network = reduced(seed)
    with_output, without = carried(network, True), carried(network)
    points = [(mpq(x, 97), mpq(y, 89)), (0, 0)]
    assert with_output is not network
    assert without is not network
    assert with_output.evaluate_many(points) == network.evaluate_many(points)
    for other in (with_output, without):
        assert (other.patterns(points) == network.patterns(points)).all()
        for one, two in zip(network.layers, other.layers, strict=True):
            assert (one.number, one.units) == (two.number, two.units)
    # Each sum is read from one value; a layer's own value only by what follows it.
    affine = without.affine_nodes.values()
    assert max(len(node.inputs) for node in affine) <= 3


@settings(SOME, max_examples=8)
@given(seed=st.integers(0, 1 << 30), jobs=st.sampled_from([1, 1, 2]))
def test_the_engines_agree(seed: int, jobs: int) -> None:
    case = reduced(seed, 7), Slice.plane(2), WINDOW
    ours, truth = partition(*case, engine="fast", jobs=jobs), partition(*case, engine="reference")
    assert np.array_equal(ours.patterns, truth.patterns)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices) == list(truth.vertices)
    assert ours.counts == truth.counts
    assert ours.decision_boundary() == truth.decision_boundary()
    assert [ours.form(k).tolist() for k in range(len(ours))] == [
        truth.form(k).tolist() for k in range(len(truth))
    ]
