"""Numbers: nothing lost on the way in, nothing but numbers let in, files exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from exactcam.arithmetic.rational import (
    all_from_hex,
    by_runs,
    common_integers,
    decimal_text,
    from_hex,
    integer_matrix,
    mpq,
    mpz,
    nearest,
    objects,
    rational,
    rational_from_hex,
    rational_to_hex,
    root_sum,
    spread,
    to_float,
    to_hex,
)
from exactcam.errors import NumberError

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
RATIONALS = st.fractions().map(lambda f: mpq(f.numerator, f.denominator))


@given(FLOATS)
def test_floats_are_the_dyadic_rationals_they_are(value: float) -> None:
    assert rational(value) == Fraction(value)
    assert to_float(rational(value)) == value


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(st.data())
def test_arrays_of_every_width(dtype: type, data: st.DataObject) -> None:
    width = np.finfo(dtype).bits
    values = data.draw(
        st.lists(st.floats(allow_nan=False, allow_infinity=False, width=width), max_size=9)
    )  # type: ignore[arg-type]
    numbers, scale = integer_matrix(np.array(values, dtype=dtype), "x")
    assert [Fraction(int(n), int(scale)) for n in numbers] == [Fraction(v) for v in values]
    assert all(rational(np.asarray([v], dtype)[0]) == Fraction(v) for v in values)
    least = max([1, *(Fraction(v).denominator for v in values)])
    assert scale == least


EXTREMES = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    2.225073858507201e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    1 + 2**-52,
    2.0**53 + 2,
    1e-320,
]


@pytest.mark.parametrize("value", EXTREMES)
def test_extreme_floats(value: float) -> None:
    numbers, scale = integer_matrix(np.array([[value, 1.0]]), "x")
    assert mpq(numbers[0, 0], scale) == Fraction(value)
    assert mpq(numbers[0, 1], scale) == 1


def test_subnormal_halves() -> None:
    tiny = np.array([6e-8, -6e-8, 0.0], dtype=np.float16)
    numbers, scale = integer_matrix(tiny, "x")
    assert (numbers.tolist(), scale) == ([1, -1, 0], 2**24)


def test_negative_zero_is_zero() -> None:
    numbers, scale = integer_matrix(np.array([-0.0, 0.0]), "x")
    assert (numbers.tolist(), scale) == ([0, 0], 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_name_and_index(dtype: type, bad: float) -> None:
    array = np.ones((2, 3), dtype=dtype)
    array[1, 2] = bad
    with pytest.raises(NumberError, match=rf"layer 3 weight\[1, 2\] is {bad}"):
        integer_matrix(array, "layer 3 weight")
    with pytest.raises(NumberError, match=rf"layer 3 weight\[1, 2\] is {bad}"):
        integer_matrix(array.tolist(), "layer 3 weight")


def test_lists_are_read_entry_by_entry() -> None:
    """numpy would round 2**53 + 1 beside a float, and 2**63 beside a negative number."""
    numbers, scale = integer_matrix([2**53 + 1, 0.5, Fraction(1, 3), "0.1", 2**70], "x")
    assert [mpq(n, scale) for n in numbers] == [2**53 + 1, mpq(1, 2), mpq(1, 3), mpq(1, 10), 2**70]


@pytest.mark.parametrize(
    "array",
    [np.array(["0.1"]), np.array([1j]), np.array([np.longdouble(1)]), [[1, 2], [3]], [None]],
)
def test_arrays_of_something_else_are_refused(array: object) -> None:
    with pytest.raises(NumberError, match="weight"):
        integer_matrix(array, "weight")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", mpq(1, 10)),
        ("-0.10", mpq(-1, 10)),
        ("+3", mpq(3)),
        (".5", mpq(1, 2)),
        ("5.", mpq(5)),
        ("2e-5", mpq(2, 10**5)),
        ("-1.5E3", mpq(-1500)),
        ("1/3", mpq(1, 3)),
        ("-6/4", mpq(-3, 2)),
        ("0", mpq(0)),
        ("-0.0", mpq(0)),
        ("0." + "3" * 5000, mpq((10**5000 - 1) // 3, mpz(10) ** 5000)),
    ],
)
def test_decimal_text_means_what_it_says(text: str, value: mpq) -> None:
    assert rational(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1_000", "nan", "inf", "-inf", "0x10", "1/0", "1/-2", "1.5/2"),
        *("٣", "1e99999", "--1", ".", "e5", "1e", "½"),
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        rational(text, "entry")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1j, None, b"1", [1], np.float32("nan"), np.longdouble(1)]
)
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(NumberError, match="entry"):
        rational(value, "entry")


@given(RATIONALS)
def test_text_forms_are_inverse(value: mpq) -> None:
    assert rational_from_hex(rational_to_hex(value), "x") == value
    assert from_hex(to_hex(value.numerator), "x") == value.numerator
    assert rational(decimal_text(value)) == value


@pytest.mark.parametrize(
    "text", ["", "00", "01", "-0", "+1", "A", "0x1", "1 ", "1_0", "1,2", 1, None, "٣"]
)
def test_hexadecimal_is_canonical(text: object) -> None:
    with pytest.raises(NumberError):
        from_hex(text, "x")
    with pytest.raises(NumberError):
        rational_from_hex(text, "x")
    with pytest.raises(NumberError, match=r"^x\[1\] is not"):
        all_from_hex(["1f", text, "0"], "x")


@pytest.mark.parametrize("text", ["1/1", "2/2", "1/0", "1/-2", "1/2/3", "/2", "1/", "4/6"])
def test_hexadecimal_rationals_are_in_lowest_terms(text: str) -> None:
    with pytest.raises(NumberError):
        rational_from_hex(text, "x")


def test_numbers_beyond_pythons_decimal_limit() -> None:
    large = mpz(7) ** 9000
    assert from_hex(to_hex(large), "x") == large
    assert len(decimal_text(mpq(large))) > 4300


@given(st.lists(RATIONALS, max_size=6))
def test_common_integers(values: list[mpq]) -> None:
    numbers, scale = common_integers(values)
    assert [mpq(n, scale) for n in numbers] == values
    assert scale >= 1


@given(RATIONALS)
def test_to_float_is_the_nearest(value: mpq) -> None:
    assert to_float(value) == float(Fraction(int(value.numerator), int(value.denominator)))


def test_to_float_beyond_the_range() -> None:
    assert to_float(mpz(10) ** 400) == float("inf")
    assert to_float(-(mpz(10) ** 400)) == float("-inf")
    assert to_float(mpq(1, mpz(10) ** 400)) == 0.0


@given(RATIONALS, st.sampled_from([-3000, 3000]))
@example(mpq(2**53 + 1), 3000)  # halfway between two floats, to even
@example(mpq(-(2**53) - 3), -3000)
def test_beyond_the_range_numbers_are_rounded_alike(value: mpq, power: int) -> None:
    assume(value == 0 or mpq(1, 2**900) < abs(value) < 2**900)
    assert nearest(value * mpq(2) ** power) == mpq(to_float(value)) * mpq(2) ** power


@given(st.lists(st.fractions(min_value=0, max_value=10), max_size=5))
def test_root_sum_of_squares_is_their_sum(values: list[Fraction]) -> None:
    squares = [mpq(v.numerator, v.denominator) ** 2 for v in values]
    assert root_sum(squares) == float(sum(values, Fraction(0)))


def test_root_sum_of_irrational_roots() -> None:
    assert root_sum([]) == 0.0
    assert root_sum([mpq(2)]) == 2**0.5
    assert root_sum([mpq(2), mpq(3), mpq(5)]) == 5.382332347441762
    # 1 + sqrt(2) 2^-60 is nearer to 1 than to its neighbour, however many are added one by one.
    assert root_sum([mpq(1), mpq(2, 4**60)]) == 1.0
    assert root_sum([mpq(1), *[mpq(2, 4**60)] * 128]) == 1 + 2**-52


def test_objects_are_never_guessed_into_another_shape() -> None:
    entries = [[1, 2], (3, 4), np.zeros(2), None, rational("1/3")]
    for values in (entries, iter(entries), entries[:2]):
        array = objects(values)
        assert array.shape == (len(array),)
        assert all(a is b for a, b in zip(array, entries, strict=False))
    assert type(objects([rational(1).numerator])[0]) is type(rational(1).numerator)
    assert objects(range(6), (2, 3)).shape == (2, 3)
    assert objects([]).shape == (0,)


def test_runs_end_where_any_of_the_arrays_changes() -> None:
    one, few = objects([mpz(1)] * 5000), objects([mpz(2)] * 2500 + [mpz(3)] * 2500)
    for arrays in ((one, few), (few, one)):
        assert (by_runs(np.add, *arrays) == one + few).all()


def test_spread_bounds_the_bits_of_floats_over_one_scale() -> None:
    rng = np.random.default_rng(0)
    for power in (0, 30, 1000):
        values = np.ldexp(rng.standard_normal(50), rng.integers(-power, power + 1, 50))
        numbers, _ = integer_matrix(values, "x")
        assert max(int(abs(n)).bit_length() for n in numbers) <= spread(values) <= 2 * power + 70
    assert spread(np.zeros(3)) == spread(np.float64([])) == spread(np.float32([1e30, 1e-30])) == 0
