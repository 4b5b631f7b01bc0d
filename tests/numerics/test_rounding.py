"""Laws of the rounding constants: each against exact rational arithmetic."""
from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from reducednet.numerics.rounding import FLOAT32, FLOAT64, SMALLEST, UNIT_ROUNDOFF, gamma

U = Fraction(1, 2**53)


@given(st.integers(1, 10**9))
def test_gamma_is_its_formula_to_a_few_roundings(n):
    exact = n * U / (1 - n * U)
    assert abs(Fraction(gamma(n)) - exact) <= 4 * U * exact


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_gamma_bounds_a_product_of_rounding_factors(n, seed):
    signs = np.random.default_rng(seed).choice([-1, 1], n)
    product = Fraction(1)
    for sign in signs:
        product *= 1 + int(sign) * U
    assert abs(product - 1) <= Fraction(gamma(n))


@given(st.integers(1, 40))
def test_gamma_bounds_a_product_of_the_largest_rounding_factors(n):
    assert (1 + U) ** n - 1 <= Fraction(gamma(n))


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=40))
def test_gamma_bounds_the_rounding_of_a_sum(values):
    exact = sum(map(Fraction, values))
    computed = 0.0
    for value in values:
        computed += value
    assert abs(Fraction(computed) - exact) <= Fraction(gamma(len(values))) * sum(abs(Fraction(v)) for v in values)


@given(st.integers(0, 10**6))
def test_gamma_grows_with_the_number_of_roundings(n):
    assert gamma(n) < gamma(n + 1)


def test_gamma_of_no_rounding_is_zero():
    assert gamma(0) == 0.0


def test_the_unit_roundoff_is_the_largest_error_that_does_not_move_one():
    assert 1.0 + UNIT_ROUNDOFF == 1.0 < 1.0 + UNIT_ROUNDOFF * (1.0 + 2 * UNIT_ROUNDOFF)


def test_the_smallest_number_is_the_successor_of_zero():
    assert SMALLEST == np.nextafter(0.0, 1.0) > 0.0


@given(st.integers(1, 2**24 - 1))
def test_gamma_of_float32_is_its_formula_and_infinite_where_that_has_no_meaning(n):
    u = Fraction(1, 2**24)
    exact = n * u / (1 - n * u)
    assert abs(Fraction(gamma(n, FLOAT32.unit_roundoff)) - exact) <= 4 * U * exact
    assert gamma(2**24 - 1 + n, FLOAT32.unit_roundoff) == np.inf


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(float(np.finfo(float).max))
@example(-float(np.finfo(float).max))
def test_inner_intervals_are_the_nearest_numbers_of_the_format_inside(x):
    for low, high in (FLOAT64.inner_interval(x, x), FLOAT32.inner_interval(x, x)):
        assert high <= x <= low
    assert float(low) == float(np.float32(low)) and float(high) == float(np.float32(high))
    assert (low == high == x) == (FLOAT32.rounded(x) == x)
    if low != high:
        with np.errstate(over="ignore"):
            assert np.nextafter(np.float32(high), np.float32(np.inf)) == np.float32(low)
