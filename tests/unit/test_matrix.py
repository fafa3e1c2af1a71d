"""Dense, sparse and convolutional maps against their definitions in plain loops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exactcam.arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from exactcam.arithmetic.rational import mpz, objects
from exactcam.errors import NetworkError

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return objects((mpz(int(x)) for x in rng.integers(-3, 4, prod(shape))), shape)


@st.composite
def convolutions(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Convolution:
    """Any convolution of one or two small space dimensions, plain or transposed."""
    space = draw(st.integers(1, 2))
    sizes = st.tuples(*[st.integers(1, 5)] * space)
    small = st.tuples(*[st.integers(1, 3)] * space)
    groups = draw(st.integers(1, 2))
    wide, narrow = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    transpose = draw(st.booleans())
    here, there = (wide, *draw(sizes)), (narrow, *draw(sizes))
    kernel = (narrow, wide // groups, *draw(small))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Convolution(
        there if transpose else here,
        here if transpose else there,
        integers(rng, *kernel),
        draw(small),
        draw(st.tuples(*[st.integers(0, 2)] * space)),
        draw(small),
        groups,
        transpose,
    )


def by_definition(c: Convolution) -> np.ndarray:
    """The dense matrix, entry by entry, of the class's docstring."""
    source, target = (c.target, c.source) if c.transpose else (c.source, c.target)
    out = np.zeros((*target, *source), dtype=object)
    per_out, per_in = target[0] // c.groups, source[0] // c.groups
    for o, i in product(range(target[0]), range(per_in)):
        channel = (o // per_out) * per_in + i
        for where in product(*map(range, target[1:])):
            for tap in product(*map(range, c.kernel.shape[2:])):
                at = tuple(
                    p * s + t * d - pad
                    for p, s, t, d, pad in zip(
                        where, c.stride, tap, c.dilation, c.padding, strict=True
                    )
                )
                if all(0 <= a < n for a, n in zip(at, source[1:], strict=True)):
                    out[(o, *where, channel, *at)] += c.kernel[(o, i, *tap)]
    matrix = out.reshape(prod(target), prod(source))
    return matrix.T if c.transpose else matrix


def check(matrix: Matrix, dense: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    assert matrix.shape == dense.shape
    columns = integers(rng, dense.shape[1], 3)
    assert (matrix.apply(columns) == dense.dot(columns)).all()
    which = np.nonzero(rng.integers(0, 2, dense.shape[1]))[0]
    if len(which):
        assert (
            matrix.apply_columns(which, columns[which]) == dense[:, which].dot(columns[which])
        ).all()
    indptr, indices, data = matrix.csr()
    rebuilt = np.zeros(dense.shape, dtype=object)
    for row in range(dense.shape[0]):
        part = slice(indptr[row], indptr[row + 1])
        assert (np.diff(indices[part]) > 0).all()
        rebuilt[row, indices[part]] = data[part]
    assert (rebuilt == dense).all()


@SETTINGS
@given(convolutions(), st.booleans())
def test_convolutions(matrix: Convolution, small: bool) -> None:
    """Those whose columns are expanded, and those that never are."""
    dense = by_definition(matrix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exactcam.arithmetic.matrix._SMALL", 1 << 15 if small else 0)
        check(matrix, dense)
    doubled = matrix.with_numbers(matrix.numbers * 2)
    check(doubled, dense * 2)


@SETTINGS
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_dense_and_sparse(rows: int, cols: int, seed: int) -> None:
    entries = integers(np.random.default_rng(seed), rows, cols)
    dense = Dense(entries)
    check(dense, entries)
    sparse = Sparse((rows, cols), *dense.csr())
    check(sparse, entries)
    check(sparse.transposed(), entries.T)


def test_a_sparse_product_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = integers(np.random.default_rng(1), 40, 9)
    entries[5:20] = mpz(0)
    sparse = Sparse((40, 9), *Dense(entries).csr())
    for chunk in (1, 7, 64):
        monkeypatch.setattr("exactcam.arithmetic.matrix._CHUNK", chunk)
        check(sparse, entries)


def test_selection() -> None:
    picks = Sparse.selection(4, [2, -1, 0, 2])
    assert picks.apply(objects([5, 6, 7, 8], (4, 1))).ravel().tolist() == [7, 0, 5, 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": (1,)}, "disagree"),
        ({"groups": 2}, "do not fit"),
        ({"groups": 0}, "do not fit"),
        ({"dilation": (0, 1)}, "do not fit"),
        ({"padding": (1 << 40, 0)}, r"exceeds 2\^30"),
        ({"stride": (1 << 31, 1)}, r"exceeds 2\^30"),
        ({"target": (2, 3)}, "disagree"),
    ],
)
def test_convolutions_that_are_none(change: dict, message: str) -> None:
    good = {
        "source": (1, 3, 3),
        "target": (2, 3, 3),
        "kernel": objects([mpz(1)] * 18, (2, 1, 3, 3)),
        "stride": (1, 1),
        "padding": (1, 1),
        "dilation": (1, 1),
    }
    Convolution(**good)
    with pytest.raises(NetworkError, match=message):
        Convolution(**(good | change))
