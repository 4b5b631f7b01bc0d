"""What evaluation in float64 may add, as the checker of certificates finds it: never less than it
adds, and not much more.
"""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import exact_outputs, off_hyperplanes
from reducednet.reduced_space.rounding_error import evaluation_margin
from reducednet.verification.certificates import check_evaluation
from oracles.strategies import seeds


def domains(d, rng):
    centre = 10.0 ** rng.integers(-3, 4) * rng.standard_normal(d)
    size = 10.0 ** rng.integers(-3, 3)
    points = centre + size * rng.standard_normal((d + 3, d))
    return [rn.Box(centre - size, centre + size), rn.Ball(centre, size), rn.Hull(points)]


def evaluated(network, x, rng):
    """Return the outputs in float64, every sum taken in an order of its own."""
    def layer(W, b, h):
        result = []
        for row, threshold in zip(W, b):
            terms = np.append(row * h, threshold)
            total = 0.0
            for term in terms[rng.permutation(len(terms))]:
                total = total + term
            result.append(total)
        return np.array(result)

    h = np.asarray(x)
    for W, b in zip(network.weights, network.thresholds):
        z = layer(W, b, h)
        h = np.maximum(z, 0.0) if network.activation == "relu" else (z > 0.0).astype(float)
    a = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    return layer(network.output_weights, a, h)


@given(seeds(), st.sampled_from([(1, 4, 1), (2, 6, 1), (3, 5, 5, 2), (2, 3, 3, 3, 1)]), st.integers(0, 2))
def test_evaluation_error_is_no_less_than_what_any_order_of_sums_adds(seed, sizes, kind):
    rng = np.random.default_rng(seed)
    f = rn.expand(rn.Network.random(sizes, rng, output_bias=True), rng)
    domain = domains(sizes[0], rng)[kind]
    bound = Fraction(check_evaluation.error_of(f, domain))
    for x in domain.sample(6, rng):
        exact = exact_outputs(f, x)
        assert max(abs(Fraction(float(y)) - z) for y, z in zip(evaluated(f, x, rng), exact)) <= bound


def worst(n):
    """Return a network whose evaluation uses its error bound up: n + 1 equal terms, each sum just above a
    half of a unit.
    """
    return rn.Network([np.full((1, n), 1.0)], [[0.0]], [[1.0]])


def test_evaluation_error_is_used_up_within_a_small_factor():
    """1 + n terms of 2^-53 each: one after the other they all round away, n u in all of about (n +
    4) u that are charged.
    """
    n = 40
    f = worst(n + 1)
    box = rn.Box(np.zeros(n + 1), np.append(1.0, np.full(n, 2.0**-53)))
    x = np.append(1.0, np.full(n, 2.0**-53))
    total = 0.0
    for value in x:
        total += value
    rounding = Fraction(float(total)) - sum(map(Fraction, x.tolist()))
    assert -rounding <= Fraction(check_evaluation.error_of(f, box)) <= -2 * rounding


def test_dead_neurons_add_nothing_and_unbounded_numbers_have_no_bound():
    dead = rn.Network([[[1.0]]], [[-3.0]], [[1.0]])
    assert check_evaluation.error_of(dead, rn.Box(-1, 1)) < 1e-300
    huge = rn.Network([[[1e300]], [[1e300]]], [[0.0], [0.0]], [[1.0]])
    assert not np.isfinite(check_evaluation.evaluation_error(huge, huge, rn.Box(-1, 1)))


# binary networks


@given(seeds(), st.integers(1, 4), st.integers(0, 2))
def test_float64_finds_all_neurons_right_further_than_the_margin(seed, d, kind):
    rng = np.random.default_rng(seed)
    domain = domains(d, rng)[kind]
    f = rn.Network.random((d, 6, 1), rng, activation="binary")
    X = domain.sample(40, rng)
    on = f.weights[0] @ X[:6].T  # hyperplanes through samples: rounding decides there
    f = rn.Network([f.weights[0]], [-np.diag(on)[:6]], f.output_weights, activation="binary")
    margin = check_evaluation.margin(f, f, domain)
    assert margin <= 2.0 * max(evaluation_margin(f, domain), 2.0**-1000)
    for x in X:
        point = [Fraction(v) for v in x.tolist()]
        exact = [sum(Fraction(w) * v for w, v in zip(row, point)) + Fraction(b)
                 for row, b in zip(f.weights[0].tolist(), f.thresholds[0].tolist())]
        squares = [sum(Fraction(w) ** 2 for w in row) for row in f.weights[0].tolist()]
        found = (f.weights[0] @ x + f.thresholds[0] > 0.0).tolist()
        for z, square, own in zip(exact, squares, found):
            if z * z > Fraction(margin) ** 2 * square:
                assert own == (z > 0)
        if check_evaluation.is_decided(f, f, x.tolist()):
            assert off_hyperplanes(f, x) and found == [z > 0 for z in exact]


def test_sums_that_round_above_the_first_layer_have_no_margin():
    rows = [[[1.0], [2.0], [3.0]], [[0.1, 0.2, -0.3]]]
    f = rn.Network(rows, [[0.5, 0.5, 0.5], [0.0]], [[1.0]], activation="binary")
    assert check_evaluation.margin(f, f, rn.Box(-1, 1)) == np.inf
    assert not check_evaluation.is_decided(f, f, [0.25])
    exact = rn.Network([rows[0], [[0.25, 0.5, -0.75]]], f.thresholds, [[1.0]], activation="binary")
    assert check_evaluation.margin(exact, exact, rn.Box(-1, 1)) < 1e-14


@pytest.mark.parametrize("bound", [evaluation_margin, lambda f, box: check_evaluation.margin(f, f, box)])
def test_numbers_too_small_to_be_scaled_are_no_multiples(bound):
    """1e300 - 1e300 + 1e-300 depends on the order; scaled to the size of the sum the last number is
    0.
    """
    f = rn.Network([[[1.0], [1.0], [1.0]], [[1e300, -1e300, 1e-300]]], [[0.0, 0.0, 0.0], [0.0]], [[1.0]],
                   activation="binary")
    assert bound(f, rn.Box(-1, 1)) == np.inf


@pytest.mark.parametrize("bound", [evaluation_margin, lambda f, box: check_evaluation.margin(f, f, box)])
def test_a_hyperplane_far_off_needs_no_margin(bound):
    far = rn.Network([[[1.0], [1.0]]], [[0.0, 1e10]], [[1.0, 1.0]], activation="binary")
    assert 0.0 < bound(far, rn.Box(-1, 1)) < 1e-15


def opposite_overflow(sign=1.0):
    """Return s(sign a (x - y)) with a x and |w| beyond float64: a x - a y may be inf, -inf or nan."""
    a = sign * 1.5e308
    return rn.Network([[[a, -a]]], [[0.0]], [[1.0]], activation="binary")


@pytest.mark.parametrize("bound", [evaluation_margin, lambda f, box: check_evaluation.margin(f, f, box)])
def test_sums_that_may_overflow_in_the_first_layer_have_no_margin(bound):
    assert bound(opposite_overflow(), rn.Box([10, 10], [11, 11])) == np.inf


def test_a_first_layer_that_may_overflow_at_a_point_is_not_decided_there():
    f = opposite_overflow(-1.0)
    assert exact_outputs(f, [Fraction(10), Fraction(11)]) == [1]
    with np.errstate(over="ignore"):
        assert (f.weights[0][0] * [10.0, 11.0]).tolist() == [-np.inf, np.inf]
    assert not check_evaluation.is_decided(f, f, [10.0, 11.0])
    assert check_evaluation.is_decided(f, f, [0.25, 0.5])
