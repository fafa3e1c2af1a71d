"""The exact helpers under the loaders: roots rounded correctly, sparse rows, convolutions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcam.arithmetic.matrix import Convolution, Sparse
from exactcam.arithmetic.rational import mpq, mpz, nearest_with_root, objects, to_float
from exactcam.loaders.graph import Graph
from exactcam.model.nodes import Cpwl

small = st.fractions(-8, 8, max_denominator=64)


@settings(max_examples=100, deadline=None)
@given(small, small, st.fractions(0, 8, max_denominator=64))
def test_root_is_rounded_like_a_high_precision_one(start, factor, square):
    exact = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    bits = 400
    floor = math.isqrt((square.numerator << 2 * bits) // square.denominator)
    root = exact if exact**2 == square else Fraction(floor, 1 << bits)
    expected = to_float(mpq(start + factor * root))
    assert nearest_with_root(mpq(start), mpq(factor), mpq(square)) == expected


def test_perfect_squares_are_exact():
    assert nearest_with_root(mpq(1), mpq(-2), mpq(1, 4)) == 0.0


def test_entries_at_one_place_add_up():
    rows, cols = np.asarray([1, 0, 1]), np.asarray([2, 0, 2])
    matrix = Sparse.of_entries((3, 3), rows, cols, objects([mpz(1), mpz(5), mpz(2)]))
    columns = objects([mpz(1), mpz(10), mpz(100)], (3, 1))
    assert matrix.apply(columns).ravel().tolist() == [5, 300, 0]
    taken = matrix.take_rows(np.asarray([1, -1, 1, 0]))
    assert taken.apply(columns).ravel().tolist() == [300, 0, 300, 5]


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("stride", "dilation", "padding"), [(1, 1, 0), (2, 1, 1), (1, 2, 2), (3, 2, 1)]
)
def test_patches_equal_the_sparse_matrix(transpose, groups, stride, dilation, padding):
    rng = np.random.default_rng(stride + dilation)
    big, small_side = 7, (7 + 2 * padding - dilation * 2 - 1) // stride + 1
    wide, narrow = (4, big, big + 1), (6, small_side, small_side)
    source, target = (narrow, wide) if transpose else (wide, narrow)
    kernel = objects(mpz(int(x)) for x in rng.integers(-9, 9, 6 * (4 // groups) * 9))
    matrix = Convolution(
        source,
        target,
        kernel.reshape(6, 4 // groups, 3, 3),
        (stride, stride),
        (padding, padding),
        (dilation, dilation),
        groups,
        transpose,
    )
    numbers = objects(mpz(int(x)) for x in rng.integers(-9, 9, 2 * math.prod(source)))
    columns = numbers.reshape(-1, 2)
    assert (matrix.apply(columns) == Sparse(matrix.shape, *matrix.csr()).apply(columns)).all()


def test_what_the_output_does_not_need_leaves_no_mass():
    graph = Graph((1, 2))
    for scale in (1, 3):
        graph.pointwise(graph.multiply(graph.input, np.asarray(scale)), [Cpwl.relu()])
    network = graph.network(graph.add(graph.input, np.ones(2)))
    assert len(network.nodes) == len(network.names) == len(graph.masses) == 1
