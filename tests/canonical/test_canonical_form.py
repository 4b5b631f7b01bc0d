"""Canonical forms of one hidden layer are the same function within a proved bound, and unique."""
import dataclasses
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracles import path_sums
import reducednet as rn
from oracles.assertions import assert_close, assert_equal_bits, gamma
from reducednet.canonical.neurons import sorted_rows
from reducednet.numerics.exact_sums import exact_sums
from oracles.reference import exact_forward
from oracles.strategies import cases, entries, networks_with_domains, seeds, solid_domains


def shallow(**options):
    """Options of networks of one hidden layer on domains with interior points."""
    return {"max_depth": 1, "max_width": 10, "domain": solid_domains, **options}


def fractions(vector):
    return [Fraction(float(value)) for value in vector]


def dot(u, v):
    return sum((a * b for a, b in zip(u, v)), Fraction(0))


def exact_form(form, x):
    """Return the form's outputs at x in rationals, by its formula."""
    x, result = fractions(x), []
    z = [dot(fractions(w), x) + Fraction(float(b)) for w, b in zip(form.weights, form.thresholds)]
    h = [max(value, 0) if form.activation == "relu" else int(value > 0) for value in z]
    for c, alpha, beta in zip(form.output_weights, form.linear, form.constant):
        result.append(dot(fractions(alpha), x) + Fraction(float(beta)) + dot(fractions(c), h))
    return result


def beyond(network, x, margin):
    """Return True if |w_j.x + b_j| > margin |w_j| for each neuron with weights, in rationals."""
    x, margin = fractions(x), Fraction(float(margin))
    neurons = zip(network.weights[0], network.thresholds[0])
    rows = [(fractions(w), Fraction(float(b))) for w, b in neurons if w.any()]
    return all((dot(w, x) + b) ** 2 > margin**2 * dot(w, w) for w, b in rows)


def assert_within(network, other, X, bound, margin, what):
    """Assert |network - other| <= bound at X in rationals; binary: where no neuron is within the margin of 0."""
    for i, x in enumerate(X):
        if network.activation == "relu" or beyond(network, x, margin):
            for k, (left, right) in enumerate(zip(exact_forward(network, x), other(x))):
                off = abs(left - right)
                assert off <= Fraction(float(bound[k])), f"{what}, point {i}: {float(off)!r} > {bound[k]!r}"


def hard(W, b, C, domain, bias=None, activation="relu"):
    """Return a case: the network, the domain, its two end points and its middle."""
    d = domain.n_inputs
    X = np.vstack([domain.support_points(np.vstack([np.eye(d), -np.eye(d)])), domain.sample(5, 0)])
    return rn.Network([W], [b], C, bias, activation), domain, X


FAR = hard([[1.0], [1.0]], [1e16, -0.5], [[1.0, 1.0]], rn.Box(0, 1), [-1e16])
TINY = hard([[1e-310], [-2e-310]], [-5e-311, 1e-310], [[1.0, 2.0]], rn.Box(0, 1))
HUGE = hard([[1e200], [-1e200]], [1e200, 1e300], [[1e-200, 1e-300]], rn.Box(0, 1))


# the form is the function


@example(FAR)
@example(TINY)
@example(HUGE)
@given(cases(**shallow()))
def test_form_is_the_function_to_within_its_bound(case):
    network, domain, X = case
    form = rn.canonical_form(network, domain)
    assert np.isfinite(form.bound).all()
    assert_within(network, lambda x: exact_form(form, x), X, form.bound, form.margin, f"{form!r}")


@given(cases(**shallow()), st.sampled_from([0.0, 2.0**-30, 2.0**-4, 0.25]))
def test_bound_holds_for_every_tolerance(case, tolerance):
    network, domain, X = case
    form = rn.canonical_form(network, domain, tolerance)
    assert_within(network, lambda x: exact_form(form, x), X, form.bound, form.margin, f"{form!r}")


@given(seeds(), st.sampled_from([2.0**-20, 2.0**-10]), st.sampled_from(["relu", "binary"]))
def test_bound_holds_for_neurons_that_are_nearly_equal(seed, tolerance, activation):
    rng = np.random.default_rng(seed)
    domain = rn.Box([-1, 0], [1, 2])
    red = rn.ReducedNetwork.random((2, 4, 2), domain, rng, activation=activation)
    W = np.repeat(red.weights[0], 3, axis=0) + tolerance / 4 * rng.uniform(-1, 1, (12, 2))
    b = np.repeat(red.thresholds[0], 3) + tolerance / 4 * rng.uniform(-1, 1, 12)
    network = rn.Network([W], [b], rng.standard_normal((2, 12)), activation=activation)
    form = rn.canonical_form(network, domain, 8 * tolerance)
    assert form.n_neurons <= 4
    X = domain.sample(20, rng)
    assert_within(network, lambda x: exact_form(form, x), X, form.bound, form.margin, f"{form!r}")


@given(cases(**shallow()))
def test_computed_form_is_its_formula_to_rounding(case):
    network, domain, X = case
    form = rn.canonical_form(network, domain)
    K, d = form.linear.shape
    size = np.abs(X) @ np.abs(form.linear).T + np.abs(form.constant)
    H = np.abs(X) @ np.abs(form.weights).T + np.abs(form.thresholds)
    size = size + (H if form.activation == "relu" else np.ones_like(H)) @ np.abs(form.output_weights).T
    for x, computed, allowed in zip(X, form(X), gamma(form.n_neurons + 2 * d + 8) * size):
        z = [dot(fractions(w), fractions(x)) + Fraction(float(b)) for w, b in zip(form.weights, form.thresholds)]
        if form.activation == "relu" or all(abs(v) > gamma(d + 2) * (np.abs(x).sum() + abs(v)) for v in z):
            assert_close([float(v) for v in exact_form(form, x)], computed, allowed, f"{form!r}")


@given(cases(**shallow()))
def test_network_of_the_form_is_the_form_to_rounding(case):
    network, domain, X = case
    form = rn.canonical_form(network, domain)
    built = form.to_network()
    rank = np.linalg.matrix_rank(form.linear) if form.linear.any() else 0
    assert form.n_neurons <= built.sizes[1] <= max(1, form.n_neurons + min(rank + 1, *form.linear.shape))
    if form.activation == "relu":
        size = path_sums.outputs_tolerance(built, X) + path_sums.outputs_tolerance(network, X)
        K, d = form.linear.shape  # what is dropped as rounding error, and the roundings of the rest
        size += gamma(4 * d + 48) * (1.0 + np.sqrt(K)) * (largest(domain) @ form.terms.linear.T)
        assert_close(built(X), form(X), size, f"{form!r}")


def largest(domain):
    return np.abs(domain.bounding_box()).max(axis=0)


def rounded_anew(seed):
    """Return a case with an affine part, that its network rounds once more."""
    rng = np.random.default_rng(seed)
    d, K, n = rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 6)
    W, b, C = rng.standard_normal((n, d)), rng.standard_normal(n) + 30.0, rng.standard_normal((K, n))
    low = 1e3 * rng.standard_normal(d)
    return hard(W, b, C, rn.Box(low, low + rng.random(d) + 0.1))


@example(FAR)
@example(TINY)
@example(HUGE)
@example(rounded_anew(184))
@given(cases(**shallow()))
def test_network_of_the_form_is_the_network_to_within_its_own_bound(case):
    network, domain, X = case
    form = rn.canonical_form(network, domain)
    built = form.to_network()
    assert np.isfinite(form.network_bound).all() and not form.network_bound.flags.writeable
    assert (form.network_bound >= form.bound).all()
    assert_within(network, lambda x: exact_forward(built, x), X, form.network_bound, form.margin, f"{form!r}")


def differences_from_its_network(form, X):
    """Return |F - T| at X, for each output the largest, in rationals."""
    network = form.to_network()
    pairs = [zip(exact_form(form, x), exact_forward(network, x)) for x in X]
    return [max(errors) for errors in zip(*[[abs(left - right) for left, right in pair] for pair in pairs])]


def error_of_the_network(form):
    return [Fraction(float(own)) - Fraction(float(bound)) for own, bound in zip(form.network_bound, form.bound)]


@given(seeds())
def test_rounding_errors_of_the_network_of_the_form_are_within_its_bound(seed):
    network, domain, X = rounded_anew(seed)
    form = rn.canonical_form(network, domain)
    for off, bound in zip(differences_from_its_network(form, X), error_of_the_network(form), strict=True):
        assert off <= bound


CANCELLED = hard([[1.0], [1.0]], [3.0, 4.0], [[1.0, -1.0 + 2.0**-52]], rn.Box(-1, 1))
ROUNDED = hard([[1.0]], [256.1], [[1.0]], rn.Box(-0.03, 0.1))


@pytest.mark.parametrize("case, used", [(CANCELLED, 0.99), (ROUNDED, 0.9)], ids=["rounding error", "constant"])
def test_a_smaller_bound_would_not_cover_the_network_of_the_form(case, used):
    network, domain, X = case
    form = rn.canonical_form(network, domain)
    (off,), (bound,) = differences_from_its_network(form, X), error_of_the_network(form)
    assert used * bound < off <= bound


def test_bound_of_the_form_alone_does_not_cover_its_network():
    network, domain, X = rounded_anew(184)
    form = rn.canonical_form(network, domain)
    outputs = [exact_forward(network, x)[0] - exact_forward(form.to_network(), x)[0] for x in X]
    assert 2 * Fraction(float(form.bound[0])) < max(map(abs, outputs)) <= Fraction(float(form.network_bound[0]))


# the entries of a form


@given(networks_with_domains(**shallow()))
def test_rows_are_unit_oriented_and_meet_the_interior(case):
    form = rn.canonical_form(*case)
    d = form.weights.shape[1]
    assert_close(rn.sphere.row_norms(form.weights), 1.0, gamma(d + 6), "norms")
    for w in form.weights:
        assert w[np.abs(w) > form.tolerance][0] > 0.0
    low, high = -form.domain.support(form.weights), form.domain.support(-form.weights)
    assert ((low < form.thresholds) & (form.thresholds < high)).all()


@given(networks_with_domains(**shallow(max_width=8)))
def test_hyperplanes_are_distinct_and_sorted_with_outgoing_weights(case):
    form = rn.canonical_form(*case)
    rows = np.column_stack([form.weights, form.thresholds])
    gaps = np.full(rows.shape[1], form.tolerance)
    gaps[-1] *= form.domain.norm_bound
    for i, row in enumerate(rows):
        assert not (np.abs(rows[i + 1:] - row) <= gaps).all(axis=1).any()
        for next_row in rows[i + 1:i + 2]:
            step = (next_row - row)[np.abs(next_row - row) > gaps]
            assert step[0] > 0.0
    assert form.output_weights.any(axis=0).all()


@given(networks_with_domains(**shallow(activation="binary")))
def test_binary_form_has_no_linear_part(case):
    assert not rn.canonical_form(*case).linear.any()


def test_hand_worked_example():
    # s(2x - 1) + s(2 - 4x) + s(x + 8) = 2 s(x - 1/2) + [4 s(x - 1/2) - 4x + 2] + x + 8 on [0, 1]
    net = rn.Network([[[2.0], [-4.0], [1.0]]], [[-1.0, 2.0, 8.0]], [[1.0, 1.0, 1.0]])
    form = rn.canonical_form(net, rn.Box(0, 1))
    assert form.weights.tolist() == [[1.0]] and form.thresholds.tolist() == [-0.5]
    assert form.output_weights.tolist() == [[6.0]]
    assert form.linear.tolist() == [[-3.0]] and form.constant.tolist() == [10.0]
    assert form.opposite.tolist() == [True]  # the neuron of weight 4 is the larger one


def test_hand_worked_binary_example():
    # s(x - 1/2) + 3 s(1/2 - x) + 2 s(x + 1) = s(x - 1/2) + 3 - 3 s(x - 1/2) + 2
    net = rn.Network([[[1.0], [-1.0], [1.0]]], [[-0.5, 0.5, 1.0]], [[1.0, 3.0, 2.0]], activation="binary")
    form = rn.canonical_form(net, rn.Box(0, 1))
    assert form.output_weights.tolist() == [[-2.0]] and form.constant.tolist() == [5.0]


def test_offset_of_1e16_costs_no_accuracy():
    form = rn.canonical_form(rn.Network([[[1.0]]], [[1e16]], [[1.0]], [-1e16]), rn.Box(0, 1))
    assert form.n_neurons == 0
    assert form.linear.tolist() == [[1.0]] and form.constant.tolist() == [0.0]
    assert form([[0.3]]).tolist() == [[0.3]]


def exact_form_in_one_dimension(network, low, high):
    """Return breakpoints, jumps of slope, alpha and beta of a ReLU network with one input, in rationals.

    With all w = 1, every neuron of the form is off at the left end: alpha and beta are read there.
    """
    breakpoints = {}
    for (w,), b, c in zip(network.weights[0], network.thresholds[0], network.output_weights[0]):
        if w:
            point = -Fraction(float(b)) / Fraction(float(w))
            if low < point < high:
                breakpoints[point] = breakpoints.get(point, 0) + Fraction(float(c)) * abs(Fraction(float(w)))
    breakpoints = {point: jump for point, jump in sorted(breakpoints.items(), reverse=True) if jump}
    step = (min([*breakpoints, Fraction(high)]) - low) / 2
    (left,), (right,) = exact_forward(network, [low]), [exact_at(network, low + step)]
    alpha = (right - left) / step
    return list(breakpoints), list(breakpoints.values()), alpha, left - alpha * low


def exact_at(network, x):
    """Return the output at a rational x, which need not be a float."""
    bias = 0 if network.output_bias is None else Fraction(float(network.output_bias[0]))
    neurons = zip(network.weights[0], network.thresholds[0], network.output_weights[0])
    return bias + sum(
        Fraction(float(c)) * max(Fraction(float(w)) * x + Fraction(float(b)), 0) for (w,), b, c in neurons
    )


@given(networks_with_domains(
    activation="relu", max_depth=1, max_width=10, n_outputs=1, domain=rn.Box(-2, 3), numbers=("integer", "dyadic"),
    scaled=False,
))
def test_form_in_one_dimension_is_the_one_read_off_the_graph(case):
    network, domain = case
    form = rn.canonical_form(network, domain)
    breakpoints, jumps, alpha, beta = exact_form_in_one_dimension(network, -2, 3)
    assert form.n_neurons == len(breakpoints)
    expected = np.array([-float(point) for point in breakpoints])
    assert_close(form.thresholds, expected, gamma(4) * 3, "thresholds")
    sizes = form.terms.output_weights[0]
    assert_close(form.output_weights[0], np.array([float(jump) for jump in jumps]), gamma(4) * sizes, "c")
    assert_close(form.linear[0, 0], float(alpha), gamma(4) * form.terms.linear[0, 0], "alpha")
    assert_close(form.constant[0], float(beta), gamma(4) * form.terms.constant[0], "beta")


# unique


def disguised(network, domain, seed):
    """Return another network of the same function on the domain, with an output bias.

    Neurons are split, replaced by opposites, joined by dead, always-on and unused ones, scaled and permuted.
    """
    rng = np.random.default_rng(seed)
    (W,), (b,), C = network.weights, network.thresholds, network.output_weights
    K, d = len(C), W.shape[1]
    a = np.zeros(K) if network.output_bias is None else network.output_bias.copy()
    relu, part = network.activation == "relu", rng.random(len(b))
    W, b, C = np.vstack([W, W]), np.append(b, b), np.column_stack([C * part, C - C * part])
    opposite = (rng.random(len(b)) < 0.4) & W.any(axis=1)
    sign = np.where(opposite, -1.0, 1.0)
    shift = np.abs(b) + 2.0 * np.abs(W) @ largest(domain) + 1.0  # z + shift > 0 on the domain
    new_W, new_b, new_C = [W * sign[:, np.newaxis]], [b * sign], [C if relu else C * sign]
    if relu:  # c s(z) = c s(-z) + c z
        new_W.append(W[opposite]), new_b.append(b[opposite] + shift[opposite]), new_C.append(C[:, opposite])
        a = a - C[:, opposite] @ shift[opposite]
    else:  # c s(z) = c - c s(-z)
        a = a + C[:, opposite].sum(axis=1)
    V, ends = entries(rng, (3, d), "dyadic"), np.abs(entries(rng, 3, "dyadic")) + 1.0
    top = np.abs(V) @ largest(domain) + ends
    c = entries(rng, (K, 2), "dyadic")
    new_W.append(V[[0, 1, 1, 2]])  # dead, two always on that make a constant, one without outgoing weights
    new_b.append(np.array([-2.0 * top[0], 2.0 * top[1], 4.0 * top[1], 0.0]))
    new_C.append(np.column_stack([c[:, 0], c[:, 1], -c[:, 1], np.zeros(K)]))
    a = a + (2.0 * top[1] * c[:, 1] if relu else 0.0)
    W, b, C = np.vstack(new_W), np.concatenate(new_b), np.column_stack(new_C)
    order = rng.permutation(len(b))
    same = rn.Network([W[order]], [b[order]], C[:, order], a, network.activation)
    return rn.expand(same, rng)


def assert_same_form(one, other, n_extra, what):
    """Assert that two forms are the same to rounding.

    Rows within the tolerance of merging, by which copies of a neuron may differ; other entries
    within a count of roundings times the terms of both.
    """
    assert one.n_neurons == other.n_neurons, what
    X_B, d = one.domain.norm_bound, one.weights.shape[1]
    relative = gamma(4 * (d + 16) + n_extra)
    assert_close(one.weights, other.weights, one.tolerance, f"{what}: weights")
    assert_close(one.thresholds, other.thresholds, one.tolerance * X_B, f"{what}: thresholds")
    for name in ("output_weights", "linear", "constant"):
        sizes = getattr(one.terms, name) + getattr(other.terms, name)
        assert_close(getattr(one, name), getattr(other, name), relative * sizes, f"{what}: {name}")


@given(networks_with_domains(**shallow()), seeds())
def test_every_network_of_the_function_has_the_same_form(case, seed):
    network, domain = case
    other = disguised(network, domain, seed)
    forms = rn.canonical_form(network, domain), rn.canonical_form(other, domain)
    assert_same_form(*forms, len(other.thresholds[0]), f"{network!r}")


@given(networks_with_domains(**shallow()), seeds())
def test_order_and_powers_of_two_do_not_change_a_bit(case, seed):
    network, domain = case
    rng = np.random.default_rng(seed)
    order = rng.permutation(network.sizes[1])
    W, b, C = network.weights[0][order], network.thresholds[0][order], network.output_weights[:, order]
    scale = 2.0 ** rng.integers(-20, 21, len(b))
    column = scale if network.activation == "relu" else np.ones_like(scale)
    other = rn.Network(
        [W * scale[:, np.newaxis]], [b * scale], C / column, network.output_bias, network.activation)
    form = rn.canonical_form(network, domain)
    assert rn.canonical_form(other, domain) == form


def mixed(form, A):
    """Return the form with terms for roundings that mix the inputs: those of a whole row of alpha."""
    rows = form.terms.linear @ A
    terms = form.terms._replace(linear=rows[:, np.newaxis] / A, constant=form.terms.constant + rows)
    return dataclasses.replace(form, terms=terms)


@given(networks_with_domains(**shallow()))
def test_form_of_the_form_is_itself(case):
    form = rn.canonical_form(*case)
    again = rn.canonical_form(form.to_network(), form.domain)
    A = largest(form.domain)
    form, again = mixed(form, A), mixed(again, A)  # the neurons of `linear` are along its singular vectors
    assert_same_form(form, again, 64, f"{form!r}")


@given(networks_with_domains(**shallow(activation="relu", kinds=("cut",), numbers=("normal",))), seeds())
def test_changing_one_neuron_changes_one_column_of_the_form(case, seed):
    network, domain = case
    C = network.output_weights.copy()
    j = np.random.default_rng(seed).integers(C.shape[1])
    C[:, j] *= 1.0 + 2.0**-20
    one = rn.canonical_form(network, domain)
    other = rn.canonical_form(rn.Network(network.weights, network.thresholds, C, network.output_bias), domain)
    differs = np.abs(one.output_weights - other.output_weights) > gamma(8) * one.terms.output_weights
    assert differs.any(axis=0).sum() == 1 == (one.n_neurons > 0)


def test_many_disguised_neurons_are_recognised():
    domain = rn.Ball(np.zeros(8), 1.0)
    red = rn.ReducedNetwork.random((8, 5000, 2), domain, rng=0, output_bias=True)
    other = disguised(red, domain, 1)
    form = rn.canonical_form(red, domain)
    assert form.n_neurons == 5000
    assert_same_form(form, rn.canonical_form(other, domain), len(other.thresholds[0]), "5000 neurons")


def test_order_does_not_matter_where_each_neuron_is_near_the_next():
    b, c = np.array([0.0, 0.075, 0.15]), np.array([[1.0, 2.0, 4.0]])
    nets = [rn.Network([np.ones((3, 1))], [b[list(i)]], c[:, list(i)]) for i in permutations(range(3))]
    forms = {rn.canonical_form(net, rn.Box(-1, 1), 0.1) for net in nets}
    assert len(forms) == 1 and forms.pop().n_neurons == 2


def test_tolerance_zero_merges_equal_rows_only():
    net = rn.Network([[[1.0], [1.0], [1.0]]], [[-0.5, -0.5, -0.5 - 2.0**-53]], [[1.0, 2.0, 4.0]])
    assert rn.canonical_form(net, rn.Box(0, 1), 0.0).output_weights.tolist() == [[4.0, 3.0]]
    assert rn.canonical_form(net, rn.Box(0, 1)).output_weights.tolist() == [[7.0]]


@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_dropped_outgoing_weights_are_within_the_bound(activation):
    net = rn.Network([[[1.0], [1.0]]], [[-0.5, -0.5]], [[1.0, -1.0 + 2.0**-49]], activation=activation)
    form = rn.canonical_form(net, rn.Box(0, 1))
    assert form.n_neurons == 0
    X = np.array([[0.0], [0.75], [1.0]])
    assert_within(net, lambda x: exact_form(form, x), X, form.bound, form.margin, "sum")


def test_orientation_depends_on_the_first_entry_above_the_tolerance():
    net = rn.Network([[[1e-17, -1.0], [-1e-17, 1.0]]], [[0.25, -0.25]], [[1.0, 2.0]])
    form = rn.canonical_form(net, rn.Box([-1, -1], [1, 1]))
    assert form.n_neurons == 1 and form.weights[0, 1] == 1.0


# the record


def test_record_is_frozen_and_its_arrays_read_only():
    form = rn.canonical_form(rn.Network.random((2, 5, 1), rng=0), rn.Box([-1, -1], [1, 1]))
    with pytest.raises(AttributeError):
        form.linear = 0.0
    for array in (form.weights, form.thresholds, form.output_weights, form.linear, form.bound, *form.terms):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_equal_forms_have_equal_hashes_and_other_things_are_not_equal():
    net, box = rn.Network.random((2, 5, 1), rng=0), rn.Box([-1, -1], [1, 1])
    one, two = rn.canonical_form(net, box), rn.canonical_form(net, box)
    assert one == two and hash(one) == hash(two)
    assert one != rn.canonical_form(net, rn.Box([-1, -1], [1, 2])) and one != "form"


def test_repr_says_what_it_is():
    net = rn.Network([[[1.0, 0.0]]], [[0.5]], [[1.0]])
    assert repr(rn.canonical_form(net, rn.Ball([0, 0], 1))) == (
        "CanonicalForm(2-1-1, relu, 1 hyperplane and a constant, Ball([0, 0], 1))")


def test_constant_function_has_no_hyperplane():
    net = rn.Network([[[0.0], [1.0]]], [[2.0, -5.0]], [[1.5, 7.0]])
    form = rn.canonical_form(net, rn.Box(0, 1))
    assert form.n_neurons == 0 and form.constant.tolist() == [3.0]
    assert form([[0.5]]).tolist() == [[3.0]] == form.to_network()([[0.5]]).tolist()


def test_arguments_stay_as_they_were():
    net, box = rn.Network.random((2, 5, 1), rng=0), rn.Box([-1, -1], [1, 1])
    before = net.to_vector()
    rn.canonical_form(net, box)
    assert_equal_bits(net.to_vector(), before, "parameters")


# bad input

NET = rn.Network.random((2, 3, 1), rng=0)
SQUARE = rn.Box([0, 0], [1, 1])


@pytest.mark.parametrize("function", [rn.canonical_form, rn.minimal_form])
@pytest.mark.parametrize("net, domain, message", [
    (rn.Network.random((2, 3, 3, 1), rng=0), SQUARE, "`network` must be a network of one hidden layer, got 2"),
    (NET, rn.Box(0, 1), "`domain` must be of dimension 2"),
    (NET, rn.Box([0, 1], [1, 1]), "`domain` must be with interior points: the form is not unique, got a flat Box"),
    (NET, rn.Hull([[0.0, 0.0], [1.0, 1.0]]), "got a flat Hull"),
    (NET, rn.Hull([[0.1, 0.3], [0.2, 0.6], [0.3, 0.9]]), "got a flat Hull"),
    (NET, rn.Hull([[1e9, 1e9], [1e9 + 1, 1e9 + 1], [1e9 + 3, 1e9 + 3]]), "got a flat Hull"),
])
def test_bad_values_are_refused(function, net, domain, message):
    with pytest.raises(ValueError, match=message):
        function(net, domain)


@pytest.mark.parametrize("tolerance, error, message", [
    (-1e-9, ValueError, "`tolerance` must be finite and at least 0"),
    (0.8, ValueError, r"`tolerance` must be below 1 / sqrt\(n_inputs\), got 0.8"),
    ("small", TypeError, "`tolerance` must be a real number"),
])
def test_bad_tolerance_is_refused(tolerance, error, message):
    with pytest.raises(error, match=message):
        rn.canonical_form(NET, SQUARE, tolerance)


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="`network` must be a Network or ReducedNetwork, got str"):
        rn.canonical_form("net", SQUARE)
    with pytest.raises(TypeError, match="`domain` must be a Box, Ball or Hull, got int"):
        rn.canonical_form(NET, 1)
    with pytest.raises(ValueError, match=r"`X` must be of shape \(n_samples, 2\)"):
        rn.canonical_form(NET, SQUARE)([[1.0]])


@pytest.mark.parametrize("W, b, c, what", [
    (1e200, -1e199, 1e200, "an outgoing weight times the norm of its neuron"),
    (1e200, 1e201, 1e200, "leaves the range of float64"),
])
def test_products_beyond_float64_are_refused(W, b, c, what):
    with pytest.raises(ValueError, match=what):
        rn.canonical_form(rn.Network([[[W]]], [[b]], [[c]]), rn.Box(0, 1))


@pytest.mark.parametrize("weight", [-300, -150, 0, 150, 300])
@pytest.mark.parametrize("outgoing", [-300, -150, 0, 150, 300])
@pytest.mark.parametrize("size", [-150, 0, 150])
def test_at_any_scale_there_is_a_form_or_one_clear_refusal(weight, outgoing, size):
    rng = np.random.default_rng(0)
    threshold = 10.0 ** np.clip(weight + size, -300, 300)
    network = rn.Network([10.0**weight * rng.standard_normal((4, 2))], [threshold * rng.standard_normal(4)],
                         10.0**outgoing * rng.standard_normal((2, 4)))
    domain = rn.Box([-10.0**size, -10.0**size / 3.0], [10.0**size / 3.0, 10.0**size])
    made = []
    for make in (rn.canonical_form, rn.minimal_form, lambda *case: rn.canonical_form(*case).to_network()):
        try:
            made.append(make(network, domain))
        except ValueError as error:
            assert "leaves the range of float64" in str(error)
    if max(abs(weight + size), abs(weight + outgoing), abs(weight + outgoing + size)) <= 300:
        form, minimal, built = made
        X = domain.sample(3, 0)
        assert_within(network, lambda x: exact_form(form, x), X, form.bound, 0.0, "form")
        assert_within(network, lambda x: exact_forward(minimal.network, x), X, minimal.bound, 0.0, "minimal form")
        assert_within(network, lambda x: exact_forward(built, x), X, form.network_bound, 0.0, "its network")


def test_network_of_a_form_that_leaves_float64_is_said_to_do_so():
    form = rn.canonical_form(rn.Network([[[1.0]]], [[0.0]], [[1e300]]), rn.Box(1e10, 2e10))
    with pytest.raises(ValueError, match=r"^the network of CanonicalForm\(1-0-1, .* leaves the range of float64$"):
        form.to_network()
    with pytest.raises(ValueError, match="leaves the range of float64$"):
        form.network_bound


def test_sums_beyond_float64_are_refused():
    with pytest.raises(ValueError, match="leaves the range of float64"):
        rn.canonical_form(rn.Network([[[1.0], [1.0]]], [[2.0, 2.0]], [[1.5e308, 1.5e308]]), rn.Box(0, 1))


# helpers


@given(seeds(), st.integers(0, 30), st.integers(1, 3))
def test_sorting_with_gap_zero_is_the_lexicographic_order(seed, n, d):
    P = entries(np.random.default_rng(seed), (n, d), "integer")
    assert P[sorted_rows(P, np.zeros(d))].tolist() == sorted(P.tolist())


@given(seeds(), st.integers(1, 30), st.integers(1, 3))
def test_rounding_does_not_change_the_order_of_rows(seed, n, d):
    rng = np.random.default_rng(seed)
    P = np.unique(entries(rng, (n, d), "integer"), axis=0)
    order = sorted_rows(P + 2.0**-50 * rng.uniform(-1, 1, P.shape), np.full(d, 2.0**-48))
    assert order.tolist() == list(range(len(P)))


@given(seeds(), st.integers(0, 20))
def test_sums_are_rounded_once(seed, n):
    terms = entries(np.random.default_rng(seed), (n, 2, 3), "normal") * 2.0 ** np.arange(-60, 60, 20)[:3]
    exact = [[float(sum(map(Fraction, terms[:, i, j].tolist()), Fraction(0))) for j in range(3)] for i in range(2)]
    assert_equal_bits(exact_sums(terms), exact, "sums")


def test_the_old_name_of_opposite_still_works_with_a_warning():
    form = rn.canonical_form(rn.Network.random((1, 4, 1), rng=0), rn.Box(0, 1))
    with pytest.warns(DeprecationWarning, match="`turned` is now called `opposite`"):
        assert form.turned is form.opposite
