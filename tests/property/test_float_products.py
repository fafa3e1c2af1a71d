"""Products of rounded matrices: every kind of convolution against its dense matrix.

All numbers are small integers, so that float sums are exact in any order and must be equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Network, Slice, Window
from exactcam.arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from exactcam.arithmetic.rational import mpz, objects
from exactcam.engine import float_products
from exactcam.engine.float_products import FloatProduct, float_product
from exactcam.engine.kernels.arrays import Pieces, Siblings
from exactcam.engine.kernels.forms import add_differences
from exactcam.engine.value_numbers import _Rows
from exactcam.loaders.float_network import FloatMatrix
from exactcam.model.nodes import Affine, Cpwl, Pointwise

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def convolutions(draw: Any, space: int = 3, size: int = 5) -> Convolution:
    """Any convolution of one to three space dimensions: strided, dilated, padded, in groups,
    depthwise, transposed."""
    space = draw(st.integers(1, space))
    size = size if space < 3 else 3
    small = st.tuples(*[st.integers(1, 3 if space < 3 else 2)] * space)
    sizes = st.tuples(*[st.integers(1, size)] * space)
    groups = draw(st.integers(1, 3 if size > 3 else 2))
    wide, narrow = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = (narrow, wide // groups, *draw(small))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    here, there, transpose = (wide, *draw(sizes)), (narrow, *draw(sizes)), draw(st.booleans())
    return Convolution(
        there if transpose else here,
        here if transpose else there,
        objects(map(mpz, rng.integers(-3, 4, kernel).ravel().tolist()), kernel),
        draw(small),
        draw(st.tuples(*[st.integers(0, 2)] * space)),
        draw(small),
        groups,
        transpose,
    )


@st.composite
def matrices(draw: Any) -> Matrix:
    if draw(st.integers(0, 3)):
        return draw(convolutions())
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    numbers = map(mpz, rng.integers(-1, 2, rows * columns).tolist())
    dense = Dense(objects(numbers, (rows, columns)))
    return dense if draw(st.booleans()) else Sparse(dense.shape, *dense.csr())


def dense_of(matrix: Matrix) -> np.ndarray:
    """The whole matrix in floats, column by column from exact products (see test_matrix)."""
    unit = objects(map(mpz, np.eye(matrix.shape[1], dtype=np.int64).ravel().tolist()))
    return matrix.apply(unit.reshape(matrix.shape[1], -1)).astype(np.float64)


def prepared(matrix: Matrix) -> FloatProduct:
    return float_product(matrix, matrix.numbers.astype(np.float64))


@SETTINGS
@given(matrices(), st.sampled_from([1, 40, 1 << 18]))
def test_products_are_those_of_the_dense_matrix(matrix: Matrix, room: int) -> None:
    """However few patches are held at once."""
    product, dense = prepared(matrix), dense_of(matrix)
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, matrix.shape[1])).astype(np.float64)
    out = np.empty((2, 3, matrix.shape[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(float_products, "_PATCH", room)
        product(x, out, False)
        assert (out == x @ dense.T).all()
        product(x, out, True)
        assert (out == 2 * (x @ dense.T)).all()
        product.moduli(x, out, False)
        assert (out == x @ np.abs(dense).T).all()


@SETTINGS
@given(matrices())
def test_row_bounds(matrix: Matrix) -> None:
    product, sizes = prepared(matrix), np.abs(dense_of(matrix))
    most = np.count_nonzero(sizes, axis=1).max()
    assert product.terms == (matrix.shape[1] if isinstance(matrix, Dense) else most)
    assert (product.sums >= sizes.sum(axis=1)).all()
    assert np.allclose(product.sums, sizes.sum(axis=1))
    assert (product.largest >= sizes.max(axis=1)).all()
    assert product.largest.max() == np.abs(matrix.numbers.astype(np.float64)).max(initial=0.0)


@SETTINGS
@given(matrices(), st.sampled_from([0, 1 << 15]), st.data())
def test_siblings_differ_by_columns(matrix: Matrix, small: int, data: st.DataObject) -> None:
    """The difference that changed units make is that of their columns of the dense matrix, whether
    those of a convolution are expanded or not."""
    rows, units = matrix.shape
    some = st.lists(st.integers(0, units - 1), max_size=3)
    codes = np.zeros((3, units), dtype=np.int8)
    for cell in (1, 2):
        codes[cell, data.draw(some)] = 2
    rng = np.random.default_rng(0)
    source = rng.integers(-9, 9, (1, 3, units)).astype(np.float64)
    base, bias = (rng.integers(-9, 9, n).astype(np.float64) for n in ((1, 3, rows), rows))
    slopes, intercepts = np.asarray([[0.0, 2.0]]), np.asarray([[0.0, 1.0]])
    nothing = np.zeros(3, dtype=np.int64)
    siblings = Siblings(nothing, nothing[:1], codes, source, nothing)
    pieces = Pieces(np.zeros(units, dtype=np.int64), slopes, intercepts)
    out = np.empty((3, 3, rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exactcam.arithmetic.matrix._SMALL", small)
        weights = prepared(matrix).weights
    changed = add_differences(base, bias, siblings, pieces, weights, np.zeros((1, 2)), out)
    assert changed == np.count_nonzero(codes, axis=1).max()
    new = 2.0 * source
    new[:, 2] += 1.0
    expected = base + (new * (codes[:, None] == 2)) @ dense_of(matrix).T
    expected[:, 2] += bias
    assert (out == expected).all()


@SETTINGS
@given(st.lists(matrices(), min_size=1, max_size=2), st.data())
def test_rows_share_a_class_if_their_entries_are_equal(
    matrices: list[Matrix], data: st.DataObject
) -> None:
    """Value numbers are those of the dense rows, entries of class and weight 0 left out."""
    rows = matrices[0].shape[0]
    if matrices[-1].shape[0] != rows:
        matrices[-1] = Sparse.selection(rows, range(rows))
    bias = objects(map(mpz, data.draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows))))
    node = Affine(tuple(range(len(matrices))), tuple(matrices), bias, mpz(1))
    inputs = [
        np.asarray(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=np.int64)
        for n in (matrix.shape[1] for matrix in matrices)
    ]
    rows, free, before = _Rows(node), 3, np.zeros(0, dtype=np.int64)
    last = rows.none()
    for _ in range(data.draw(st.integers(1, 4))):  # later calls number only rows with a new input
        classes, following = rows.classes(inputs, free, last)
        known, seen = np.concatenate(inputs), {}
        for row, own, number in zip(
            np.concatenate([dense_of(m) for m in matrices], axis=1), bias, classes, strict=True
        ):
            entries = tuple((w, x) for w, x in zip(row, known, strict=True) if w and x)
            assert (number == 0) == (not entries and own == 0)
            assert seen.setdefault(number, (own, entries)) == (own, entries)
        assert len(seen) == len(set(seen.values()))
        assert set(classes) <= {0, *before, *range(free, following)}
        assert free > 3 or following == 3 + len(set(classes) - {0})
        free, before = following, classes
        for x in inputs:
            x[data.draw(st.integers(0, len(x) - 1))] = data.draw(st.integers(0, 2))


@st.composite
def convolutional_networks(draw: Any) -> Network:
    """Two inputs, a layer of units, a convolution of any kind and its units, one output."""
    matrix = draw(convolutions(space=2, size=2))
    rows, columns = matrix.shape
    rng = np.random.default_rng(draw(st.integers(0, 99)))

    def numbers(*shape: int) -> np.ndarray:
        """Small integers, so that many ties occur."""
        return rng.integers(-3, 4, shape)

    def relu(source: int, size: int) -> Pointwise:
        return Pointwise(source, (Cpwl.relu(),), np.zeros(size, dtype=np.int64))

    shift = objects(map(mpz, numbers(rows).tolist()))
    nodes = (
        Affine.dense(0, numbers(columns, 2), numbers(columns)),
        relu(1, columns),
        Affine.combine([2], [(matrix, mpz(draw(st.sampled_from([1, 3]))))], (shift, mpz(2))),
        relu(3, rows),
        Affine.dense(4, numbers(1, rows), numbers(1)),
    )
    return Network(2, nodes, len(nodes))


@settings(SETTINGS, max_examples=15)
@given(convolutional_networks(), st.sampled_from([0, 1 << 15]))
def test_partitions_are_the_references(network: Network, small: int) -> None:
    """Every kind of convolution, with weights that are floats and others that are rounded."""
    case = network, Slice.plane(2), Window.rectangle(-1, -1, 1, 1)
    truth = exactcam.partition(*case, engine="reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exactcam.arithmetic.matrix._SMALL", small)
        ours = exactcam.partition(*case, engine="fast")
    assert np.array_equal(ours.patterns, truth.patterns)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices) == list(truth.vertices)
    assert (ours.forms * truth.form_scale == truth.forms * ours.form_scale).all()


SCALES = st.integers(-240, 240).map(lambda e: 2.0**e)


@SETTINGS
@given(matrices(), st.integers(0, 99), st.lists(SCALES, min_size=1, max_size=3))
def test_norms_bound_a_product_of_absolute_numbers(matrix: Matrix, seed: int, scales: Any) -> None:
    rng = np.random.default_rng(seed)
    x = np.abs(rng.standard_normal((matrix.shape[1], 2))) * rng.choice([0.0, *scales], (1, 2))
    x[rng.random(len(x)) < 0.3] *= rng.choice(scales)
    floats = FloatMatrix(matrix, 1)
    floats._kept = floats.numbers * rng.choice(scales)
    assert (floats.bound(x) * (1 + 2.0**-40) >= floats.apply_absolute(x)).all()
