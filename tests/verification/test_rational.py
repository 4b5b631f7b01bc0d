"""Exact evaluation is the rational function of the stored numbers; membership is exact too."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_forms import exact_network
from oracles.exact_suprema import domain_contains, exact_difference, exact_outputs
from reducednet.numerics.rationals import ExactRows, above, below, integers, rationals, simplex_weights
from reducednet.verification.rational import contains, corners_around, gap_at
from oracles.reference import exact_layers
from oracles.strategies import networks_with_domains, points_of, seeds

EXTREMES = st.floats(allow_nan=False, allow_infinity=False)
"""All finite float64 numbers, subnormal ones too."""
FRACTIONS = st.fractions(min_value=-4, max_value=4, max_denominator=3**40)


@given(st.lists(EXTREMES, min_size=1, max_size=8))
@example([5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, 0.0, -0.0, 3.0])
def test_numbers_are_odd_integers_times_powers_of_two(values):
    M, p = integers(np.array(values))
    for value, m, power in zip(values, M.tolist(), p.tolist()):
        assert m * Fraction(2) ** power == Fraction(value)
        assert m % 2 == 1 or m == power == 0


@given(st.integers(1, 4), st.integers(1, 5), st.data())
def test_rows_in_digits_times_integers_are_exact(n_rows, n, data):
    W = [[data.draw(EXTREMES) for _ in range(n)] for _ in range(n_rows)]
    h = [data.draw(st.integers(-2**200, 2**200)) for _ in range(n)]
    rows = ExactRows(np.array(W))
    for row, power, total in zip(W, rows.exponents.tolist(), rows.dot(h)):
        assert total * Fraction(2) ** power == sum(Fraction(w) * value for w, value in zip(row, h))


def test_sums_of_the_most_and_largest_digits_fit():
    n = 3 * 1024 + 1
    W = np.full((2, n), 2.0**53 - 1.0)
    W[1] *= -1.0
    h = [2**260 - 1] * n
    expected = (2**53 - 1) * (2**260 - 1) * n
    rows = ExactRows(W)
    assert [t * 2**p for t, p in zip(rows.dot(h), rows.exponents.tolist())] == [expected, -expected]


@given(networks_with_domains(), seeds())
def test_exact_network_is_the_rational_function_at_floats(case, seed):
    network, domain = case
    exact = exact_network(network)
    for x in points_of(domain, seed, 2):
        Z, _, outputs = exact_layers(network, x)
        layers = exact.layers(rationals(x))
        assert [own.values() for own in layers] == [*Z, outputs]
        assert exact(rationals(x)) == outputs


@given(networks_with_domains(max_depth=3), st.data())
def test_exact_network_is_the_rational_function_at_rationals(case, data):
    network, _ = case
    x = [data.draw(FRACTIONS) for _ in range(network.n_inputs)]
    assert exact_network(network)(x) == exact_outputs(network, x)


@given(st.lists(EXTREMES, min_size=8, max_size=8), st.sampled_from(["relu", "binary"]), FRACTIONS)
@example([5e-324, 1.7e308, -5e-324, 1.7e308, 1.7e308, 5e-324, 0.0, -1.7e308], "relu", Fraction(1, 3))
def test_exact_network_knows_no_overflow(values, activation, x):
    w, b, v, c, u, a, t, s = values
    network = rn.Network([[[w], [t]], [[v, s]]], [[b, t], [c]], [[u]], [a], activation)
    assert exact_network(network)([x]) == exact_outputs(network, [x])


@given(networks_with_domains(activation="relu", max_depth=2), seeds())
def test_gap_is_the_largest_difference_over_the_outputs(case, seed):
    f, domain = case
    rng = np.random.default_rng(seed)
    g = rn.Network(f.weights, f.thresholds, f.output_weights + rng.integers(-1, 2, f.output_weights.shape))
    for x in points_of(domain, seed, 2):
        assert gap_at(exact_network(f), exact_network(g), rationals(x)) == exact_difference(f, g, x)


def test_binary_gap_is_none_on_a_hyperplane_and_a_zero_row_has_none():
    f, g = (rn.Network([[[1.0], [0.0]]], [[-0.5, 0.0]], [[c, 1.0]], None, "binary") for c in (1.0, 3.0))
    exact = exact_network(f), exact_network(g)
    assert gap_at(*exact, [Fraction(1, 2)]) == 0
    assert gap_at(*exact, [Fraction(3, 4)]) == 2


def test_zero_is_rounded_to_zero_and_not_to_minus_zero():
    assert not np.signbit([below(Fraction(0)), above(Fraction(0))]).any()


@given(st.fractions())
@example(Fraction(1, 3))
@example(Fraction(10) ** 400)
@example(-Fraction(10) ** 400)
@example(Fraction(1, 10**400))
def test_ends_are_floats_on_the_right_side(value):
    low, high = below(value), above(value)
    assert low == -np.inf or Fraction(low) <= value
    assert high == np.inf or Fraction(high) >= value
    with np.errstate(over="ignore"):
        assert np.nextafter(np.nextafter(low, np.inf), np.inf) >= high


@given(networks_with_domains(n_inputs=2), seeds())
def test_containing_a_point_is_told_exactly(case, seed):
    domain = case[1]
    if isinstance(domain, rn.Hull):
        return
    rng = np.random.default_rng(seed)
    inside = points_of(domain, seed, 2)
    for x in [*inside, *np.nextafter(inside, rng.choice([-np.inf, np.inf], inside.shape))]:
        x = rationals(x)
        if isinstance(domain, rn.Ball):
            expected = sum((v - Fraction(float(c))) ** 2 for v, c in zip(x, domain.centre)) \
                <= Fraction(domain.radius) ** 2
        else:
            expected = domain_contains(domain, x)
        assert contains(domain, x) == expected


@given(seeds())
def test_point_in_a_simplex_of_a_hull_is_in_the_hull(seed):
    """True only for points of the hull; never False for a corner or a mean of the simplex."""
    rng = np.random.default_rng(seed)
    hull = rn.Hull(np.append(rng.integers(-8, 9, (5, 2)) / 4.0, [[9.0, 0.0]], axis=0))
    for x in rng.integers(-9, 10, (8, 2)) / 4.0:
        if contains(hull, rationals(x), corners_around(hull, x)):
            assert domain_contains(hull, x)
    for corner in hull.points:
        assert contains(hull, rationals(corner), corners_around(hull, corner))


def test_simplices():
    corners = [[Fraction(0), Fraction(0)], [Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
    third = Fraction(1, 3)
    assert simplex_weights(corners, [third, third]) is not None
    assert simplex_weights(corners, [2 * third, third]) is not None
    assert simplex_weights(corners, [2 * third, third + Fraction(1, 10**30)]) is None
    assert simplex_weights([*corners, [third, third]], [third, third]) is None  # dependent
    assert simplex_weights(corners[:2], [third, Fraction(0)]) is not None
    assert simplex_weights(corners[:2], [third, Fraction(1, 10**30)]) is None
    assert simplex_weights([], [third, third]) is None


@pytest.mark.parametrize("scale", [2.0**-1000, 1.0, 2.0**900])
def test_scaled_rows_are_evaluated_exactly(scale):
    network = rn.Network([[[scale, 3.0 * scale]]], [[-scale]], [[1.0]])
    x = [Fraction(1, 3), Fraction(1, 7)]
    assert exact_network(network)(x) == [max(Fraction(scale) * (x[0] + 3 * x[1] - 1), Fraction(0))]
