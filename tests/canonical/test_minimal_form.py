"""Minimal forms are the same function with the fewest neurons, and a true lower bound."""
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import assert_close, gamma
from reducednet.canonical.affine_part import affine_neurons, positive_neurons
from reducednet.numerics.rounding import UNIT_ROUNDOFF
from oracles.reference import exact_forward
from oracles.strategies import cases, networks_with_domains, seeds
from canonical.test_canonical_form import (
    FAR, HUGE, TINY, assert_within, beyond, disguised, exact_form, largest, shallow,
)

BIAS = st.sampled_from([None, False, True])


# the same function


@example(FAR, None)
@example(TINY, None)
@example(HUGE, None)
@given(cases(**shallow()), BIAS)
def test_minimal_network_is_the_function_to_within_its_bound(case, output_bias):
    network, domain, X = case
    form = rn.minimal_form(network, domain, output_bias=output_bias)
    assert np.isfinite(form.bound).all()
    assert_within(network, lambda x: exact_forward(form.network, x), X, form.bound, form.form.margin, f"{form!r}")


@given(cases(**shallow()), BIAS)
def test_minimal_network_is_the_form_to_within_what_its_bound_adds(case, output_bias):
    network, domain, X = case
    form = rn.minimal_form(network, domain, output_bias=output_bias)
    added = (form.bound - form.form.bound) + 2 * UNIT_ROUNDOFF * form.bound  # the difference is rounded itself
    for x in X:
        if network.activation == "relu" or beyond(form.network, x, 0):
            for left, right, most in zip(exact_form(form.form, x), exact_forward(form.network, x), added):
                assert abs(left - right) <= Fraction(float(most)), f"{form!r}: {float(abs(left - right))!r}"


def test_neuron_that_is_not_quite_always_on_is_charged():
    net = one_input([(1, -0.1 - 2e-15, 1)])  # within rounding of the end: the form is x - 0.1 - 2e-15
    form = rn.minimal_form(net, rn.Box(0.1, 1))
    (left,), (right,) = exact_form(form.form, [0.1]), exact_forward(form.network, [0.1])
    assert form.form.n_neurons == 0 and form.n_neurons == 1 and left < right == 0
    assert right - left <= Fraction(float(form.bound[0] - form.form.bound[0]))


@given(networks_with_domains(**shallow()), BIAS)
def test_record_fits_its_network(case, output_bias):
    network, domain = case
    form = rn.minimal_form(network, domain, output_bias=output_bias)
    wanted = network.output_bias is not None if output_bias is None else output_bias
    assert (form.network.output_bias is not None) == wanted
    assert form.network.activation == network.activation
    assert form.n_neurons == form.network.sizes[1] >= form.lower_bound
    assert form.exact == (form.n_neurons == form.lower_bound)


# the fewest


@given(networks_with_domains(**shallow()))
def test_no_network_of_the_function_has_fewer_neurons_than_the_lower_bound(case):
    network, domain = case
    assert rn.minimal_form(network, domain).lower_bound <= network.sizes[1]


@given(networks_with_domains(**shallow()), seeds())
def test_disguise_does_not_raise_the_lower_bound(case, seed):
    network, domain = case
    other = disguised(network, domain, seed)
    has_bias = network.output_bias is not None
    assert rn.minimal_form(other, domain, output_bias=has_bias).lower_bound <= network.sizes[1]


@given(networks_with_domains(**shallow(n_outputs=1)), BIAS)
def test_up_to_ten_hyperplanes_one_output_is_always_answered(case, output_bias):
    network, domain = case
    form = rn.minimal_form(network, domain, output_bias=output_bias)
    assert form.exact and form.n_neurons <= max(1, form.form.n_neurons + 2)


@pytest.mark.parametrize("activation", ["relu", "binary"])
@pytest.mark.parametrize("output_bias", [False, True])
@pytest.mark.parametrize("n", [5, 20, 100])
def test_network_without_spare_neurons_is_found_back(n, output_bias, activation):
    domain = rn.Box([-1, -1], [1, 1])
    red = rn.ReducedNetwork.random((2, n, 2), domain, rng=n, output_bias=output_bias, activation=activation)
    form = rn.minimal_form(rn.expand(red, 0), domain)
    assert form.exact and form.n_neurons == n


def distinct_rows(rng, n, box):
    """Return n integer rows (w, b) whose hyperplanes are different and meet the box."""
    rows = {}
    while len(rows) < n:
        row = rng.integers(-4, 5, 3)
        highest = np.abs(row[:2]).sum() * box
        if row[:2].any() and abs(row[2]) < highest:
            row = row // np.gcd.reduce(row)
            rows.setdefault(tuple(row * np.sign(row[np.flatnonzero(row)[0]])), row)
    return np.array(list(rows.values()))


def fewest_by_force(rows, c, affine, with_bias, box):
    """Return how many neurons c.s(rows (x, 1)) + affine.(x, 1) needs on the square [-box, box]^2, in integers.

    Every choice of opposite neurons is tried: R = affine + the sum of c_i rows_i over these must be
    0, or one neuron, or two.
    """
    best = 2
    for opposite in product([0, 1], repeat=len(rows)):
        R = affine + (c * np.array(opposite)) @ rows
        lowest = R[2] - np.abs(R[:2]).sum() * box
        highest = R[2] + np.abs(R[:2]).sum() * box
        parallel = [(np.outer(R, row) == np.outer(row, R)).all() for row in rows]
        if not (R[:2] if with_bias else R).any():
            best = min(best, 0)
        elif with_bias or lowest >= 0 or highest <= 0 or any(parallel):
            best = min(best, 1)
    return max(1, len(rows) + best)


@given(seeds(), st.integers(0, 5), st.booleans(), st.booleans())
def test_fewest_is_what_trying_all_finds(seed, n, with_bias, planted):
    rng, box = np.random.default_rng(seed), 2
    rows = distinct_rows(rng, n, box).reshape(n, 3)
    c, affine = rng.choice([-2, -1, 1, 2, 3], n), rng.integers(-3, 4, 3)
    if planted:  # some choice leaves nothing, a multiple of a neuron, or a constant
        rest = [np.zeros(3, dtype=int), rows[0] if n else affine, np.array([0, 0, affine[2]])][rng.integers(3)]
        affine = rest - (c * rng.integers(0, 2, n)) @ rows
    far = 9 * (np.abs(affine).sum() + 1)  # affine.(x, 1) by an always-on neuron and a constant one
    W = np.vstack([rows[:, :2], affine[:2], [0, 0]])
    b, C = np.append(rows[:, 2], [affine[2] + far, 1]), np.append(c, [1, -far])
    network = rn.Network([W], [b], [C], [0.0])
    form = rn.minimal_form(network, rn.Box([-box, -box], [box, box]), output_bias=with_bias)
    assert form.exact
    assert form.n_neurons == fewest_by_force(rows, c, affine, with_bias, box)


@given(seeds(), st.integers(0, 6), st.booleans())
def test_fewest_binary_neurons_are_what_trying_all_finds(seed, n, planted):
    rng, box = np.random.default_rng(seed), 2
    rows = distinct_rows(rng, n, box).reshape(n, 3)
    c, constant = rng.choice([-3, -2, -1, 1, 2, 3], n), rng.integers(-4, 5)
    if planted:
        constant = -c @ rng.integers(0, 2, n)
    network = rn.Network(
        [np.vstack([rows[:, :2], [0, 0]])], [np.append(rows[:, 2], 1)], [np.append(c, constant)],
        activation="binary",
    )
    form = rn.minimal_form(network, rn.Box([-box, -box], [box, box]))
    can_vanish = any(constant + c @ np.array(opposite) == 0 for opposite in product([0, 1], repeat=n))
    assert form.exact and form.n_neurons == max(1, n + (not can_vanish))


@pytest.mark.parametrize("output_bias", [True, False])
@pytest.mark.parametrize("n", [11, 17, 40])
def test_above_ten_hyperplanes_one_output_takes_one_or_two_more_at_most(n, output_bias):
    rng = np.random.default_rng(n)
    domain = rn.Box([-1, -1], [1, 1])
    red = rn.ReducedNetwork.random((2, n, 1), domain, rng, output_bias=True)
    W, b, C = red.weights[0], red.thresholds[0], red.output_weights
    opposite = rng.random(n) < 0.5  # c s(z) = c s(-z) + c z, all the c z in neurons that are always on
    signs = np.where(opposite, -1.0, 1.0)
    W2, b2 = np.vstack([W * signs[:, np.newaxis], W[opposite]]), np.append(b * signs, b[opposite] + 4.0)
    C2 = np.column_stack([C, C[:, opposite]])
    other = rn.Network([W2], [b2], C2, -4.0 * C[:, opposite].sum(axis=1))
    form = rn.minimal_form(other, domain, output_bias=output_bias)
    # n neurons are enough with an output bias: the network before it was disguised
    assert form.lower_bound == n <= form.n_neurons <= n + (1 if output_bias else 2)


@pytest.mark.parametrize("n", [11, 30, 500])
def test_what_is_not_known_is_not_claimed(n):
    """One neuron more than the hyperplanes, and some of these might make up for it."""
    domain = rn.Box([-1, -1], [1, 1])
    red = rn.ReducedNetwork.random((2, n, 1), domain, rng=0, output_bias=True)
    W, b = np.vstack([red.weights[0], [0.6, 0.8]]), np.append(red.thresholds[0], 5.0)
    form = rn.minimal_form(rn.Network([W], [b], np.append(red.output_weights, 0.125)[np.newaxis], [0.0]), domain)
    assert (form.n_neurons, form.lower_bound, form.exact) == (n + 1, n, False)


def test_many_hyperplanes_that_cannot_make_up_for_the_affine_part():
    domain = rn.Box([-1, -1], [1, 1])
    red = rn.ReducedNetwork.random((2, 50, 1), domain, rng=0, output_bias=True)
    W, b = np.vstack([red.weights[0], [0.6, 0.8]]), np.append(red.thresholds[0], 5.0)
    form = rn.minimal_form(rn.Network([W], [b], np.append(red.output_weights, 1e3)[np.newaxis], [0.0]), domain)
    assert form.exact and form.n_neurons == 51


def one_input(neurons, bias=None, activation="relu"):
    """Return the network of neurons (w, b, c) with one input and one output."""
    w, b, c = np.array(neurons, dtype=float).T
    return rn.Network([w[:, np.newaxis]], [b], [c], None if bias is None else [bias], activation)


@pytest.mark.parametrize("neurons, bias, box, with_bias, fewest", [
    ([(1, 5, 1)], -5, (-1, 1), True, 1),  # x
    ([(1, 5, 1)], -5, (-1, 1), False, 2),
    ([(1, 5, 1)], -5, (0, 1), False, 1),
    ([(1, 5, -1)], 5, (0, 1), False, 1),  # -x
    ([(1, 5, 1)], -5, (-1, 0), False, 1),
    ([(1, 0, 1), (-1, 0, -0.5)], None, (-1, 1), None, 2),  # leaky ReLU: one hyperplane twice
    ([(1, 0, 1), (-1, 0, -0.5)], None, (-1, 1), True, 2),
    ([(1, 0, 1), (-1, 0, 2), (1, 5, -1)], 5, (-1, 1), True, 1),  # 3 s(-x)
    ([(1, 0, 1), (-1, 0, 2), (1, 5, -1)], 5, (-1, 1), False, 1),
    ([(1, 0, 0)], 0, (-1, 1), True, 1),  # 0, and a network has a neuron
    ([(1, 0, 0)], None, (-1, 1), None, 1),
    ([(0, 2, 3)], None, (-1, 1), None, 1),  # 6
    ([(1, 0, 1), (1, -0.5, 2), (-1, 0.5, 1), (-1, 0, 1)], None, (-1, 1), None, 3),  # 1/2 is left
])
def test_small_functions_have_the_known_number(neurons, bias, box, with_bias, fewest):
    form = rn.minimal_form(one_input(neurons, bias), rn.Box(*box), output_bias=with_bias)
    assert form.exact and form.n_neurons == fewest


def test_two_outputs_with_two_linear_parts_need_two_neurons():
    net = rn.Network([np.eye(2)], [[5.0, 5.0]], np.eye(2), [0.0, 0.0])
    assert rn.minimal_form(net, rn.Box([-1, -1], [1, 1])).n_neurons == 2


def test_two_outputs_with_proportional_linear_parts_need_one():
    net = rn.Network([[[1.0, 2.0], [2.0, 4.0]]], [[9.0, 9.0]], [[1.0, 0.0], [0.0, 3.0]], [0.0, 0.0])
    assert rn.minimal_form(net, rn.Box([-1, -1], [1, 1])).n_neurons == 1


def test_positive_functions_without_output_bias_take_as_many_as_their_rank():
    W, b, C = [[1.0, 2.0], [2.0, -4.0], [1.0, 0.0]], [9.0, 9.0, 9.0], [[1.0, 0.0, 1.0], [0.0, 3.0, 1.0]]
    net = rn.Network([W], [b], C)
    form = rn.minimal_form(net, rn.Box([-1, -1], [1, 1]))
    assert form.exact and form.n_neurons == 2


def test_repr_says_what_is_known():
    net = one_input([(1, 0, 1)])
    assert repr(rn.minimal_form(net, rn.Box(-1, 1))) == f"MinimalForm({net!r}, n_neurons=1, the fewest)"
    domain = rn.Box([-1, -1], [1, 1])
    red = rn.ReducedNetwork.random((2, 40, 1), domain, rng=0, output_bias=True)
    W, b = np.vstack([red.weights[0], [0.6, 0.8]]), np.append(red.thresholds[0], 5.0)
    open_ = rn.minimal_form(rn.Network([W], [b], np.append(red.output_weights, 0.1)[np.newaxis], [0.0]), domain)
    assert "n_neurons=41, at least 40 are needed)" in repr(open_)


def test_output_bias_must_be_a_flag():
    with pytest.raises(TypeError, match="`output_bias` must be True or False, got int 1"):
        rn.minimal_form(one_input([(1, 0, 1)]), rn.Box(-1, 1), output_bias=1)


# neurons for affine maps


@given(seeds(), st.integers(1, 3), st.integers(1, 3))
def test_affine_neurons_are_always_on_and_have_the_linear_part(seed, K, d):
    rng = np.random.default_rng(seed)
    domain, R = rn.Ball(rng.standard_normal(d), 0.5), rng.standard_normal((K, d))
    error, A = gamma(32) * np.abs(R) + gamma(1), largest(domain)
    neurons = affine_neurons(R, error, A, domain)
    assert (neurons.b >= domain.support(-neurons.W)).all()
    assert_close((neurons.C @ neurons.W) * A, R * A, 2 * np.sqrt(K) * (error @ A)[:, np.newaxis], "linear part")


@given(seeds(), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_positive_neurons_are_always_on_and_are_the_affine_map(seed, K, d, shifted):
    rng = np.random.default_rng(seed)
    domain, R = rn.Box(-np.ones(d), np.ones(d)), rng.standard_normal((K, d + 1))
    R[:, -1] += 5.0 * shifted
    error, A = gamma(32) * np.abs(R) + gamma(1), np.ones(d + 1)
    neurons, is_least = positive_neurons(R, error, A, domain)
    rank = np.linalg.matrix_rank(R)
    assert rank <= len(neurons.b) <= rank + 1
    assert not is_least or K == 1 or len(neurons.b) == rank
    highest = np.abs(neurons.W).sum(axis=1) + np.abs(neurons.b)
    assert (neurons.b - domain.support(-neurons.W) >= -gamma(16) * highest).all()
    got = neurons.C @ np.column_stack([neurons.W, neurons.b])
    magnitude = np.abs(neurons.C) @ np.column_stack([np.abs(neurons.W), np.abs(neurons.b)])
    magnitude += (d + 1) ** 2 * np.abs(R).sum(axis=1, keepdims=True)  # at least |M| |Q|, what C is made of
    dropped = 2 * np.sqrt(K) * error.sum(axis=1, keepdims=True)
    assert_close(got, R, gamma(32) * magnitude + dropped, "affine map")


def test_pair_on_one_hyperplane_is_exact_in_rationals_to_within_the_bound():
    """v z on the hyperplane z = 0: its own neuron's outgoing weights change, and one neuron is added."""
    net = one_input([(3, 1, 2), (-3, -1, -0.7)])
    form = rn.minimal_form(net, rn.Box(-1, 1))
    assert form.n_neurons == 2
    for x in np.linspace(-1, 1, 9):
        (left,), (right,) = exact_forward(net, [x]), exact_forward(form.network, [x])
        assert abs(left - right) <= Fraction(float(form.bound[0]))
