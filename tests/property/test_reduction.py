"""A network reduced to its unstable units has the whole one's partition, entry by entry."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Network, Slice, Window
from exactcam.arithmetic.kept_floats import Floats
from exactcam.arithmetic.matrix import Convolution, Dense, Matrix
from exactcam.arithmetic.rational import mpq, mpz, objects
from exactcam.errors import ReductionError
from exactcam.model.nodes import Cpwl
from exactcam.reduction.arrays import HOST
from exactcam.reduction.digits import Columns, ExactMatrix
from exactcam.reduction.ranges import FloatColumns, Ranges, deviation, settled
from exactcam.reduction.unstable import Reduced, reduced
from exactcam.runtime.float_mode import quiet
from exactcam.testing.strategies import KINDS, cases, functions, networks_of, slices, windows
from tools.partitions import same

Case = tuple[Network, Slice, Window]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

sizes = st.sampled_from([0, 1, 18, 19, 20, 21, 39, 40, 41, 59, 60, 61, 200, 1000])


@st.composite
def integers(draw: st.DrawFn, rows: int, columns: int) -> np.ndarray:
    """Integers around the powers of two at which digits begin, and random ones."""
    wide = draw(sizes)
    near = st.sampled_from([1 << wide, (1 << wide) - 1, 1 << max(0, wide - 1), 0, 1])
    entries = st.tuples(near | st.integers(0, 1 << wide), st.sampled_from([1, -1]))
    drawn = draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))
    return objects((mpz(x) * sign for x, sign in drawn), (rows, columns))


fractions = st.fractions(-8, 8, max_denominator=50)


@QUICK
@given(st.data())
def test_digits_compute_as_integers_do(data: st.DataObject) -> None:
    x, y, matrix = (data.draw(integers(*shape)) for shape in ((5, 2), (5, 2), (3, 5)))
    first, second = (mpq(data.draw(fractions.filter(lambda f: f > 0))) for _ in range(2))
    a, b, everything = Columns.of(x, first), Columns.of(y, second), np.arange(5)
    assert (a.exact(everything) == x * first).all()
    assert (a.plus(b).exact(everything) == x * first + y * second).all()
    numbers = objects(mpq(data.draw(fractions)) for _ in range(5))
    assert (a.times_by(numbers, everything).exact(everything) == x * first * numbers[:, None]).all()
    product = ExactMatrix(Dense(matrix), mpz(7))(a)
    assert (product.exact(np.arange(3)) == matrix.dot(x) * first / 7).all()
    assert (np.abs(product.planes) <= 1 << 19).all()


def test_sums_up_to_the_limit_are_exact_and_beyond_are_refused() -> None:
    """Lemma 29 at its limit: rows of 2^14 weights and numbers of the largest digits."""
    digit = (1 << 19) - 1
    rows = objects([mpz(digit)] * (1 << 14), (1, -1))
    number = sum(digit << 20 * p for p in range(5))
    product = ExactMatrix(Dense(rows), mpz(1))(Columns.of(rows.T * 0 + number, mpq(1)))
    assert product.exact(np.arange(1))[0, 0] == digit * number << 14
    with pytest.raises(ReductionError, match="too many weights in a row"):
        ExactMatrix(Dense(np.concatenate([rows, rows[:, :9]], axis=1)), mpz(1))


@QUICK
@given(st.data())
def test_floats_of_digits_are_within_their_error(data: st.DataObject) -> None:
    x = data.draw(integers(6, 3))
    factor = mpq(data.draw(fractions.filter(lambda f: f > 0))) / (
        1 << data.draw(st.sampled_from([0, 500, 1000]))
    )
    floats, error = Columns.of(x, factor).floats()
    if error == np.inf:
        return
    exact = [[mpq(value) for value in row] for row in floats.T.tolist()]
    assert all(
        abs(value - number * factor) <= error
        for row, numbers in zip(exact, x, strict=True)
        for value, number in zip(row, numbers, strict=True)
    )


def kept(rng: np.random.Generator, shape: tuple[int, ...], rows: int) -> Floats:
    """Floats of which a few are far smaller than the others, each row times a factor."""
    values = rng.standard_normal(shape).astype(np.float32)
    flat = values.reshape(-1)
    flat[rng.integers(flat.size, size=2)] *= np.float32(2.0**-60)
    flat[rng.integers(flat.size, size=2)] = 0.0
    return Floats.of(values, "w").times(objects(mpq(k + 1, 3) for k in range(rows)))


@pytest.mark.parametrize("factor", [-3, 0])
def test_one_factor_of_all_floats_may_be_zero_or_negative(factor: int) -> None:
    held = Floats.of(np.asarray([[1.5, -2.0]]), "w").times(mpq(factor))
    x = Columns.of(objects([mpz(5), mpz(7)], (2, 1)), mpq(1))
    found = ExactMatrix(Dense(held), mpz(1))(x)  # type: ignore[arg-type]
    assert found.plus(x.rows(np.asarray([0]))).exact(np.arange(1)) == factor * (7.5 - 14) + 5


def matrices(rng: np.random.Generator) -> list[Matrix]:
    """Matrices of every kind whose entries were floats."""
    taps: Any = ((2, 1), (1, 1), (1, 1))
    found: list[Any] = [Dense(kept(rng, (6, 40), rows)) for rows in (1, 6)]
    for rows in (1, 6):
        kernel = kept(rng, (6, 2, 3, 3), rows)
        found.append(Convolution((4, 5, 5), (6, 3, 5), kernel, *taps, groups=2))
    kernel = kept(rng, (4, 3, 3, 3), 1)
    found.append(Convolution((4, 3, 5), (6, 5, 5), kernel, *taps, groups=2, transpose=True))
    found.append(Convolution((4, 3, 5), (6, 5, 5), kept(rng, (4, 3, 3, 3), 4), *taps, 2, True))
    return found


@pytest.mark.parametrize("number", range(6))
def test_matrices_of_floats_multiply_exactly(number: int) -> None:
    rng = np.random.default_rng(number)
    matrix = matrices(rng)[number]
    scale = matrix.held.denominator
    whole = matrix.with_numbers(matrix.held.times(mpq(scale)))
    x = objects((mpz(int(v)) for v in rng.integers(-99, 99, 2 * matrix.shape[1])), (-1, 2))
    product = ExactMatrix(whole, scale)(Columns.of(x, mpq(1, 5)))
    assert (product.exact(np.arange(matrix.shape[0])) == whole.apply(x) * mpq(1, 5 * scale)).all()


@QUICK
@given(st.data())
def test_values_are_within_their_ranges(data: st.DataObject) -> None:
    """Lemma 30, at random corners of the box of coordinates and deviations."""
    x = data.draw(integers(4, 3))
    more = data.draw(integers(4, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    low, high = np.sort(rng.uniform(-1, 1, (2, 2)), axis=0)
    ranges = Ranges(low, high)
    ends = np.sort(rng.normal(size=(2, 16, 2)) * 10.0 ** rng.integers(-9, 9), axis=0)
    ranges.append(*ends)
    blocks = [Columns.of(x, mpq(1, 3)), Columns.of(more, mpq(1, 1 << 99))]
    floats = [FloatColumns(k, *block.floats(), HOST) for k, block in enumerate(blocks)]
    with quiet():
        least, greatest = ranges.of(4, floats)
    for box in range(16):
        middle, radius = ranges._middles[0][box], ranges._radii[0][box]
        place = [
            mpq(m + r * s)
            for m, r, s in zip(middle, radius, (*rng.choice([-1, 0, 1], 2), 0), strict=True)
        ]
        own = [mpq(ends[side, box, k]) for k, side in enumerate(rng.integers(0, 2, 2))]
        exact = blocks[0].exact(np.arange(4)).dot(objects(place))
        exact += blocks[1].exact(np.arange(4)).dot(objects(own))
        for low, z, high in zip(least[box].tolist(), exact, greatest[box].tolist(), strict=True):
            assert high == np.inf or mpq(low) <= z <= mpq(high)


@QUICK
@given(functions(), st.data())
def test_deviations_are_within_their_ranges(function: Cpwl, data: st.DataObject) -> None:
    piece = data.draw(st.integers(0, len(function.breakpoints)))
    ends = st.floats(-10, 10) | st.sampled_from([float(t) for t in function.breakpoints] or [0.0])
    low, high = sorted((data.draw(ends), data.draw(ends)))
    least, most = deviation(function, piece, np.asarray([low]), np.asarray([high]))
    slope, intercept = function.pieces[piece]
    share = mpq(data.draw(st.fractions(0, 1)))
    for z in (
        mpq(low),
        mpq(high),
        mpq(low) + share * (mpq(high) - mpq(low)),
        *function.breakpoints,
    ):
        if low <= z <= high:
            own, height = function.pieces[sum(t < z for t in function.breakpoints)]
            exact = (own - slope) * z + height - intercept
            assert mpq(float(least[0])) <= exact <= mpq(float(most[0]))
    below = settled(function, np.asarray([low]), np.asarray([high]))[0]
    if below >= 0:
        assert sum(t < low for t in function.breakpoints) == below
        assert not any(low <= t <= high for t in function.breakpoints)


def test_products_that_underflow_are_within_their_range() -> None:
    """The float product of the least float and 0.99 is larger than the exact one."""
    function = Cpwl.relu(0.01)
    least, _ = deviation(function, 0, np.asarray([2.0**-1074]), np.asarray([1.0]))
    assert mpq(float(least[0])) <= (1 - mpq(0.01)) * mpq(2.0**-1074)


def agrees(case: Case) -> None:
    """Theorem 31: the reduction by both engines against the reference without it."""
    truth = exactcam.partition(*case, engine="reference")
    assert same(truth, exactcam.partition(*case, engine="reference", reduce=True))
    ours = exactcam.partition(*case, engine="fast", reduce=True)
    ours.engine = truth.engine
    assert same(truth, ours)
    assert ours.counts == truth.counts


@QUICK
@given(cases())
def test_reduced_networks_have_the_same_partition(case: Case) -> None:
    agrees(case)


@pytest.mark.parametrize("kind", KINDS)
def test_reduced_networks_of_every_kind(kind: str) -> None:
    @settings(QUICK, max_examples=12)
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        network = data.draw(networks_of(kind))
        plane = data.draw(slices(network.inputs))
        agrees((network, plane, data.draw(windows(network, plane))))

    agree()


def test_stable_units_may_be_called_unstable(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, true_ranges = np.random.default_rng(0), Ranges.of

    def wider(self: Ranges, *given: Any) -> tuple[np.ndarray, np.ndarray]:
        low, high = true_ranges(self, *given)
        return low - rng.choice([0.0, 1e9], low.shape), high + rng.choice([0.0, 1e9], low.shape)

    monkeypatch.setattr(Ranges, "of", wider)

    @QUICK
    @given(cases())
    def agree(case: Case) -> None:
        agrees(case)

    agree()


def convolutional(channels: int, seed: int = 0) -> Network:
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    layers = [torch.nn.Conv2d(1, channels, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    layers += [torch.nn.Conv2d(channels, channels, 3, padding=1), torch.nn.ReLU6()]
    layers += [torch.nn.Flatten(), torch.nn.Linear(64 * channels, 3)]
    return exactcam.from_torch(torch.nn.Sequential(*layers), input_shape=(1, 16, 16))


def plane_of(size: int, seed: int = 0) -> Slice:
    return Slice(*np.random.default_rng(seed).standard_normal((3, size)))


def test_large_networks_are_reduced_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    network, window = convolutional(8), (0, 0, "0.001", "0.001")
    monkeypatch.setattr("exactcam.compute._LARGE", 1 << 15)
    assert network.units > 2048
    called = []
    monkeypatch.setattr(
        "exactcam.reduction.unstable.reduced",
        lambda *given: called.append(reduced(*given)) or called[-1],
    )
    part = exactcam.partition(network, plane_of(256), window, engine="fast")
    (found,) = called
    assert 0 < len(found.units) < 100
    assert same(part, exactcam.partition(network, plane_of(256), window, "fast", reduce=False))


def devices() -> list[str]:
    """Torch's names of the devices that this machine has."""
    try:
        import torch
    except ImportError:
        return []
    return ["cpu", *["cuda"] * torch.cuda.is_available()]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_devices_compute_the_same_bit_for_bit(device: str) -> None:
    if device not in devices():
        pytest.skip(f"torch has no {device} here")

    def agree(network: Network, plane: Slice, window: Window) -> None:
        here = reduced(network, plane, window, network.units)
        there = reduced(network, plane, window, network.units, device)
        assert here.network.sha256 == there.network.sha256
        assert all(np.array_equal(*pair) for pair in zip(arrays(here), arrays(there), strict=True))

    def arrays(found: Reduced) -> tuple[np.ndarray, ...]:
        return found.pattern, found.units, found.starts, found.codes

    agree(convolutional(4), plane_of(256), Window.rectangle(0, 0, "0.05", "0.05"))

    @settings(QUICK, max_examples=15)
    @given(st.sampled_from(KINDS), st.data())
    def every(kind: str, data: st.DataObject) -> None:
        network = data.draw(networks_of(kind))
        plane = data.draw(slices(network.inputs))
        agree(network, plane, data.draw(windows(network, plane)))

    every()


def test_a_device_that_is_not_there_is_one_line() -> None:
    pytest.importorskip("torch")
    for device in ("nowhere", "cuda:99"):
        with pytest.raises(exactcam.ExactcamError, match=f"device '{device}' cannot be used: "):
            exactcam.partition(convolutional(1), plane_of(256), reduce=device)


def test_where_too_many_units_change_the_reduction_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, plane, window = convolutional(8), plane_of(256), Window.rectangle(0, 0, 1, 1)
    with pytest.raises(ReductionError, match="more than 100 units"):
        reduced(network, plane, window, 100)
    with monkeypatch.context() as patch:
        patch.setattr("exactcam.reduction.unstable.memory", lambda: 1e6)
        with pytest.raises(ReductionError, match=r"some \d+ GB of memory, and this machine has 0"):
            reduced(network, plane, window)
    with pytest.raises(exactcam.ExactcamError, match="reduce is a int"):
        exactcam.partition(network, plane, window, reduce=3)  # type: ignore[arg-type]


def test_a_reduced_partition_pickles_certifies_and_holds(tmp_path: Path) -> None:
    network = convolutional(2)
    part = exactcam.partition(network, plane_of(256), (0, 0, "0.05", "0.05"), reduce=True)
    assert len(part) > 3
    again = pickle.loads(pickle.dumps(part))
    assert same(part, again)
    part.check_invariants()
    names = [tmp_path / name for name in ("c.cert", "n.json", "s.json")]
    part.certify(*names)
    assert exactcam.check(*names)
