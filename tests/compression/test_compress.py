"""`compress`: the same function, fewer neurons, and a proof that checkers confirm."""
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import assert_close
from reducednet.verification import provers
from reducednet.verification.certificates import check_symbolic
from reducednet.verification.certificates.certificate import Certificate
from reducednet.verification.symbolic_bounds.symbolic_difference import (
    symbolic_arrays, symbolic_bound,
)
from oracles.strategies import cases, seeds
from verification.test_real_networks import FILES, box_of

KINDS = ("dead", "on", "multiple", "opposite")


def total(indices):
    return sum(map(len, indices))


def assert_compressed(net, small, report, domain, X):
    """Assert the report's bound at points, its certificate, and its counts."""
    rounding = rn.evaluation_bound(net, domain) + rn.evaluation_bound(small, domain)
    if net.activation == "binary":
        X = X[rn.decided(net, domain, X) & rn.decided(small, domain, X)]
    if len(X):
        assert_close(net(X), small(X), report.bound + rounding, f"{net!r} and {small!r}")
    assert report.certificate.check(net, small, domain), report
    assert report.certificate.value == report.bound and report.certificate.claim == "bound"
    assert report.neurons_after == sum(small.sizes[1:-1]) <= sum(net.sizes[1:-1]) == report.neurons_before
    assert report.parameters_after == small.n_parameters
    for n, *found in zip(net.sizes[1:-1], report.dead, report.folded, report.merged, report.unused):
        everything = np.concatenate(found)
        assert len(np.unique(everything)) == len(everything) and (everything < n).all()


# the same function


@given(cases(activation="relu"))
def test_compressed_network_is_the_same_function_with_no_more_neurons(case):
    net, domain, X = case
    assert_compressed(net, *rn.compress(net, domain), domain, X)


@given(cases(activation="binary"))
def test_compressed_binary_network_is_the_same_function(case):
    net, domain, X = case
    assert_compressed(net, *rn.compress(net, domain), domain, X)


@given(cases(activation="relu"))
def test_compressing_twice_saves_nothing_more(case):
    net, domain, _ = case
    small, _ = rn.compress(net, domain)
    again, report = rn.compress(small, domain)
    assert report.neurons_after == report.neurons_before or report.neurons_after < sum(small.sizes[1:-1])
    assert sum(again.sizes[1:-1]) <= sum(small.sizes[1:-1])


@given(cases(activation="relu"), st.sampled_from([1e-6, 1e-3, 1e-1]))
def test_tolerance_is_kept_and_never_costs_neurons(case, tolerance):
    net, domain, X = case
    exact, strict = rn.compress(net, domain)
    small, report = rn.compress(net, domain, tolerance)
    assert report.bound <= max(tolerance, strict.bound)
    assert report.neurons_after <= strict.neurons_after or strict.bound > tolerance
    assert_compressed(net, small, report, domain, X)


def test_tolerance_below_the_rounding_of_large_outputs_costs_no_accuracy():
    """The hyperplanes are 1e-12 apart: that is more than rounding, and makes 1e6 of a tolerance of 1e-6."""
    net = rn.Network([[[1.0], [1.0]]], [[0.0, -1e-12]], [[2.0**60, 2.0**60]])
    strict, tolerant = (rn.compress(net, rn.Box(-1, 1), tolerance)[1] for tolerance in (0.0, 1e-6))
    assert tolerant.bound <= max(1e-6, strict.bound)


@pytest.mark.parametrize("bounds", ["linear", "lp", "milp"])
def test_row_that_an_exclusion_leaves_0_makes_no_infinite_multiple_or_linear_program(bounds):
    weights = [[[-0.1875], [-1.125]], [[1.5625, -0.3125], [-1.25, 1.0625]], [[0.9375, 2.625]]]
    thresholds = [[-0.06376563274063349, 0.26865560868422755], [0.0, -0.20982003565042004], [-2.3e-15]]
    net, hull = rn.Network(weights, thresholds, [[1.0]]), rn.Hull([[-0.3834662749411984], [0.6165337250588017]])
    assert_compressed(net, *rn.compress(net, hull, bounds=bounds), hull, hull.sample(50, 0))


def test_network_whose_outputs_are_0_keeps_one_neuron():
    net, box = rn.Network([[[1.0], [2.0]]], [[0.0, 1.0]], [[0.0, 0.0]]), rn.Box(-1, 1)
    small, report = rn.compress(net, box)
    assert small.sizes == (1, 1, 1) and report.certificate.check(net, small, box)


# planted neurons


def planted(seed):
    """Return a network with needless neurons of every kind in each layer, its domain and counts."""
    rng = np.random.default_rng(seed)
    d, depth, K = rng.integers(1, 5), rng.integers(1, 4), rng.integers(1, 4)
    domain = rn.Box(-np.ones(d), np.ones(d)) if rng.random() < 0.5 else rn.Ball(rng.standard_normal(d), 1.0)
    low, high = domain.bounding_box()
    H, weights, thresholds, counts = domain.sample(200, rng), [], [], dict.fromkeys(KINDS, 0)
    for _ in range(depth):
        m, n = rng.integers(2, 6), H.shape[1]
        W = rng.standard_normal((m, n))
        rows = [(W[j], b) for j, b in enumerate(-np.median(H @ W.T, axis=0))]  # on at half of the points
        for kind in KINDS * 2:
            w, j = rng.standard_normal(n), rng.integers(m)
            scale = rng.choice([2.0 ** rng.integers(-5, 6), rng.uniform(0.1, 10.0)])
            if kind == "dead":
                rows.append((w, -(np.maximum(w, 0) @ high + np.minimum(w, 0) @ low) - rng.uniform(0.1, 1)))
            elif kind == "on":
                rows.append((w, -(np.maximum(w, 0) @ low + np.minimum(w, 0) @ high) + rng.uniform(0.1, 1)))
            else:
                sign = 1.0 if kind == "multiple" else -1.0
                rows.append((sign * scale * rows[j][0], sign * scale * rows[j][1]))
            counts[kind] += 1
        rows = [rows[i] for i in rng.permutation(len(rows))]
        weights.append(np.array([w for w, _ in rows]))
        thresholds.append(np.array([b for _, b in rows]))
        up, down = np.maximum(weights[-1], 0), np.minimum(weights[-1], 0)
        H = np.maximum(H @ weights[-1].T + thresholds[-1], 0.0)
        bounds = up @ low + down @ high, up @ high + down @ low
        low, high = (np.maximum(bound + thresholds[-1], 0.0) for bound in bounds)
    bias = rng.standard_normal(K) if rng.random() < 0.5 else None
    return rn.Network(weights, thresholds, rng.standard_normal((K, H.shape[1])), bias), domain, counts


@pytest.mark.parametrize("numbers", [range(25), pytest.param(range(25, 1000), marks=pytest.mark.slow)])
def test_planted_neurons_are_all_found(numbers):
    for seed in numbers:
        net, domain, counts = planted(seed)
        small, report = rn.compress(net, domain)
        gone = total(report.unused)
        assert total(report.dead) + gone >= counts["dead"], seed
        assert total(report.folded) + total(report.dead) + gone >= counts["on"] + counts["dead"], seed
        found = total(report.merged) + total(report.folded) + total(report.dead) + gone
        assert found >= sum(counts.values()), seed
        X = domain.sample(100, seed)
        rounding = rn.evaluation_bound(net, domain) + rn.evaluation_bound(small, domain)
        assert_close(net(X), small(X), report.bound + rounding, seed)
        assert report.bound <= 1e-12 * path_sum(net, domain), seed


def path_sum(net, domain):
    """Return the largest magnitude of an output: rounding errors are relative to it."""
    size = np.abs(domain.bounding_box()).max(axis=0)
    for W, b in zip(net.weights, net.thresholds):
        size = np.abs(W) @ size + np.abs(b)
    return (np.abs(net.output_weights) @ size).max()


# the smaller network


def test_dead_always_on_and_merged_neurons_are_named():
    W, b = [[1.0], [2.0], [1.0], [-1.0], [1.0]], [0.5, -1.0, -3.0, 0.5, -0.25]
    net = rn.Network([W], [b], [[1.0, 2.0, 1.0, 1.0, 0.0]])
    small, report = rn.compress(net, rn.Box(0, 1))
    assert [list(map(int, found[0])) for found in (report.dead, report.folded, report.merged, report.unused)] == [
        [2], [0], [3], [4]]
    assert small.sizes == (1, 1, 1)  # 1 + 5 relu(x - 1/2)


def test_network_without_unstable_neurons_has_as_few_neurons_as_its_rank():
    rng = np.random.default_rng(0)
    net = rn.Network(rng.standard_normal((2, 8, 8)), [np.full(8, 40.0), np.full(8, 2000.0)],
                     rng.standard_normal((3, 8)))
    small, report = rn.compress(net, rn.Box(-np.ones(8), np.ones(8)))
    assert small.sizes == (8, 3, 3)


def test_constant_network_keeps_one_neuron():
    net = rn.Network([np.ones((4, 2))], [-5.0 * np.ones(4)], np.ones((1, 4)), [2.5])
    small, report = rn.compress(net, rn.Box([0, 0], [1, 1]))
    assert small.sizes == (2, 1, 1) and small([[0.3, 0.4]]).tolist() == [[2.5]]


def test_layer_that_depends_on_no_other_moves_down():
    """relu(relu(x) + 2 - relu(x)) type chains: the second layer's neurons see only carried inputs."""
    W1 = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    net = rn.Network([W1, [[1.0, -1.0, 0.0]]], [[2.0, 2.0, -0.5], [0.0]], [[1.0]])
    small, _ = rn.compress(net, rn.Box([-1, -1], [1, 1]))
    assert small.sizes == (2, 1, 1)  # relu(x1 - x2); the third neuron is not used


def test_exclusive_pair_shares_a_layer():
    """On [-1, 1]: u = relu(x - 1/2), v = relu(-x - 1/2 - 8 u): v is on only where u is not."""
    net = rn.Network([[[1.0], [1.0]], [[-1.0, -8.0]]], [[2.0, -0.5], [1.5]], [[1.0]])
    twice = rn.Network([[[1.0], [1.0]], [[-1.0, -8.0], [0.0, 1.0]]], [[2.0, -0.5], [1.5, 0.0]], [[1.0, 1.0]])
    small, report = rn.compress(net, rn.Box(-1, 1))
    assert small.sizes == (1, 1, 1) and report.excluded == 1
    small, report = rn.compress(twice, rn.Box(-1, 1))
    assert small.sizes == (1, 2, 1)


def test_network_without_needless_neurons_is_returned_itself():
    net = rn.Network([[[1.0], [-2.0]]], [[-0.25, 1.0]], [[1.0, 1.0]])
    small, report = rn.compress(net, rn.Box(0, 1))
    assert small is net and report.bound < 1e-290


def test_constant_becomes_an_output_bias():
    net = rn.Network([[[1.0], [0.0]]], [[-0.5, 1.0]], [[1.0, 3.0]])
    small, report = rn.compress(net, rn.Box(0, 1))
    assert small.sizes == (1, 1, 1) and small.output_bias.tolist() == [3.0]


def test_output_bias_saves_the_second_neuron_of_an_affine_function():
    """THEORY, Prop. 6: x on [-1, 1] has rank 1, and without an output bias takes two neurons."""
    net, box = rn.Network([[[1.0], [-1.0]]], [[0.0, 0.0]], [[1.0, -1.0]]), rn.Box(-1, 1)
    fewest = rn.minimal_form(net, box)
    assert fewest.n_neurons == fewest.lower_bound == 2 and fewest.network.output_bias is None
    small, report = rn.compress(net, box)
    assert small.sizes == (1, 1, 1) and small.output_bias is not None
    assert_compressed(net, small, report, box, box.sample(100, rng=0))


@pytest.mark.parametrize("net, domain, fewer", [
    # (x1 + 1, x1 + 2 x2 + 2), of rank 2, where x2 = 1; then the same along x1 = x2
    (rn.Network([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]], [np.ones(3)], [[1.0, 0, 0], [0, 1.0, 1.0]], [0.0, 0.0]),
     rn.Box([0, 1], [1, 1]), rn.Network([[[1.0, 0.0]]], [[1.0]], [[1.0], [1.0]], [0.0, 3.0])),
    (rn.Network([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]], [np.ones(3)], [[1.0, 0, 0], [0, 1.0, 1.0]], [0.0, 0.0]),
     rn.Hull([[0, 0], [1, 1]]), rn.Network([[[1.0, 0.0]]], [[1.0]], [[1.0], [3.0]], [0.0, -1.0])),
    # s(y) + s(x - s(y)) - s(x) - s(y - s(x)) = max(0, x, y) - max(0, x, y)
    (rn.Network([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
                 [[0.0, -1.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]],
                [[0.0, 0.0, 1.0, 1.0], [-1.0, -1.0, 0.0, 0.0]], [[1.0, -1.0, -1.0, 1.0]]),
     rn.Box([-1, -1], [1, 1]), rn.Network([[[0.0, 0.0]]], [[0.0]], [[0.0]])),
])
def test_where_functions_are_dependent_on_the_domain_fewer_neurons_than_the_rank_may_do(net, domain, fewer):
    """THEORY, Prop. 6: compress is right there too, though it may keep more."""
    X = domain.sample(200, rng=0)
    small, report = rn.compress(net, domain)
    assert_compressed(net, small, report, domain, X)
    rounding = rn.evaluation_bound(net, domain) + rn.evaluation_bound(fewer, domain)
    assert_close(net(X), fewer(X), rounding, "fewer neurons")


def test_reduced_network_is_compressed_as_a_network():
    red = rn.reduce(rn.Network.random((2, 20, 1), rng=0), rn.Box([0, 0], [1, 1]))
    small, report = rn.compress(red, red.domain)
    assert type(small) is rn.Network or small is red
    assert report.certificate.check(red, small, red.domain)


def test_report_is_summarised_in_one_line():
    _, report = rn.compress(rn.Network.random((1, 20, 1), rng=0), rn.Box(0, 1))
    assert "dead" in repr(report) and "->" in repr(report) and 0.0 < report.saved < 1.0


def test_many_always_on_neurons_become_as_few_as_their_rank():
    """Ten always-on neurons and an unstable one, one output: the ten become one."""
    rng = np.random.default_rng(1)
    W = np.vstack([rng.standard_normal((10, 4)), [[1.0, 0, 0, 0]]])
    net = rn.Network([W], [np.append(np.full(10, 20.0), 0.0)], rng.standard_normal((1, 11)))
    small, report = rn.compress(net, rn.Box(-np.ones(4), np.ones(4)))
    assert small.sizes == (4, 2, 1) and total(report.folded) == 10


# certificates


def some_case():
    net, domain, _ = planted(3)
    small, report = rn.compress(net, domain)
    assert report.certificate.kind == "folded"
    return net, small, domain, report.certificate


def test_certificate_is_kept_in_a_file(tmp_path):
    net, small, domain, certificate = some_case()
    certificate.save(tmp_path / "proof.npz")
    assert Certificate.load(tmp_path / "proof.npz").check(net, small, domain)


def test_certificate_is_of_these_networks_only():
    net, small, domain, certificate = some_case()
    theta = small.to_vector()
    theta[0] += 1e-9
    assert not certificate.check(net, small.with_vector(theta), domain)


def exchanged(certificate, **changes):
    arrays = {**certificate.arrays, **changes}
    value, name = certificate.value, certificate.fingerprint
    return Certificate("bound", value, value, 0.0, 0.0, "folded", arrays, name)


@given(seeds())
def test_false_role_is_never_confirmed_with_the_same_bound(seed):
    """Unstable neurons called dead or on, classes exchanged, scales changed: charged or refused."""
    net, small, domain, certificate = some_case()
    rng = np.random.default_rng(seed)
    names = [name for name in certificate.arrays if name.startswith(("labels", "scales"))]
    name = names[rng.integers(len(names))]
    array = certificate.arrays[name].copy()
    j = rng.integers(len(array))
    others = [v for v in {-2, -1, *certificate.arrays[name].tolist()} if v != array[j]]
    array[j] = array[j] * 1.5 + 0.5 if name.startswith("scales") else others[rng.integers(len(others))]
    label = certificate.arrays[name.replace("scales", "labels")][j]
    if name.startswith("scales") and label < 0:
        return  # not read
    check = exchanged(certificate, **{name: array}).check(net, small, domain)
    if check:  # two roles can both be true: a dead neuron is a multiple 0 of nothing, but then it is dead
        X = domain.sample(2000, seed)
        assert np.abs(net(X) - small(X)).max() <= certificate.value + 1e-9


@given(cases(activation="relu"), seeds())
def test_checker_never_claims_less_than_the_difference_whatever_the_roles(case, seed):
    """Random labels, scales and networks: what it accepts is true at every point."""
    f, domain, X = case
    rng = np.random.default_rng(seed)
    g = f.with_vector(f.to_vector() * (1.0 + rng.choice([0.0, 1e-3, 1.0]) * rng.standard_normal(f.n_parameters)))
    data = {"cuts": np.empty((0, 2), dtype=int), "mu": np.empty(0), "targets": np.empty((0, 3), dtype=int),
            "signs": np.empty((0, 0), dtype=int), "multiples": np.empty((0, 0)), "exchanged": np.array(0)}
    first = 0
    for layer, n in enumerate(f.sizes[1:-1]):
        labels = np.where(rng.random(n) < 0.3, rng.choice([-1, -2], n), 0)
        own = np.flatnonzero(labels == 0)
        labels[own] = first + np.arange(len(own))
        first += len(own)
        theirs = np.where(rng.random(n) < 0.2, rng.choice([-1, -2], n), labels)
        data |= {f"labels{layer}": labels, f"scales{layer}": np.ones(n),
                 f"labels{f.depth + layer}": theirs, f"scales{f.depth + layer}": np.ones(n)}
    with np.errstate(all="ignore"):
        try:
            bound = check_symbolic.check(data, f, g, domain)
        except ValueError:
            return
    rounding = rn.evaluation_bound(f, domain) + rn.evaluation_bound(g, domain)
    assert_close(f(X), g(X), bound + rounding, "a claim")


def checked(f, g, domain, *roles, **more):
    """Return what the checker finds by these (labels, scales) of f's layers and then of g's."""
    arrays = symbolic_arrays([tuple(map(np.array, role)) for role in roles]) | more
    return symbolic_bound(arrays, f, g, domain)


def test_class_that_is_met_again_beside_a_row_that_has_it_costs_the_rounding_of_their_sum():
    """f = a + fl(a + b) relu(x); g = a relu(h + 1) + b relu(h' - 1), h = relu(x) and h' = relu(x + 1) = x + 1."""
    a, b = 1.0, 2.0**-53
    f = rn.Network([[[1.0]]], [[0.0]], [[a + b]], [a])
    g = rn.Network([[[1.0], [1.0]], np.eye(2)], [[0.0, 1.0], [1.0, -1.0]], [[a, b]])
    bound = checked(f, g, rn.Box(-1, 1), ([0], [1.0]), ([0, -2], [1.0, 0.0]), ([-2, 0], [0.0, 1.0]))
    truth = Fraction(a) + Fraction(b) - Fraction(a + b)
    assert 0 < truth <= bound <= 2 * truth


def test_several_neurons_of_a_class_may_have_any_scale_and_each_is_charged_what_it_is_off_by():
    """f = relu(x); g = relu(x) / 4 + relu(3 x) / 4 - relu(-x) / 8 + relu(-2 x) / 16."""
    f, domain = rn.Network([[[1.0]]], [[0.0]], [[1.0]]), rn.Box(-1, 1)
    W, C = np.array([[1.0], [3.0], [-1.0], [-2.0]]), [[0.25, 0.25, -0.125, 0.0625]]
    scales = [1.0, 3.0, -1.0, -2.0]
    g = rn.Network([W], [np.zeros(4)], C)
    assert checked(f, g, domain, ([0], [1.0]), ([0] * 4, scales)) < 1e-15
    off = rn.Network([W], [[0.0, 0.5, 0.0, 0.0]], C)  # 1/8 at x = 0 and above
    assert 0.125 <= checked(f, off, domain, ([0], [1.0]), ([0] * 4, scales)) <= 0.125 * (1.0 + 2.0**-28)


def test_class_of_the_second_network_alone_gets_a_representative_of_its_own():
    f, g = (rn.Network([W], [np.zeros(len(W))], np.ones((1, len(W)))) for W in ([[1.0]], [[1.0], [2.0]]))
    bound = checked(f, g, rn.Box(-1, 1), ([0], [1.0]), ([0, 1], [1.0, 1.0]))
    assert 2.0 <= bound <= 2.0 * (1.0 + 2.0**-28)  # relu(2 x)
    with pytest.raises(ValueError, match="a representative that is scaled"):
        checked(f, g, rn.Box(-1, 1), ([0], [1.0]), ([0, 1], [1.0, 2.0]))
    with pytest.raises(ValueError, match="out of order"):
        checked(f, g, rn.Box(-1, 1), ([0], [1.0]), ([0, 2], [1.0, 1.0]))


def nothing(d):
    return rn.Network([np.zeros((1, d))], [[0.0]], [[0.0]])


def assert_charged(f, domain, x, labels, cuts=(), mu=()):
    """Assert that the claim that f is 0, by labels with scales of 1, is refused, or not below f(x)."""
    more = {"cuts": np.array(cuts), "mu": np.array(mu)} if cuts else {}
    with suppress(ValueError):
        roles = ((own, np.ones(len(own))) for own in labels)
        assert checked(f, nothing(f.n_inputs), domain, *roles, **more) >= np.abs(f([x])).max()


def test_pair_that_is_nearly_exclusive_is_charged_where_the_rest_of_its_row_is_off():
    """z = 102 U - 100 without U is off, and so is the slope of its chord; but relu(z) = 2 where U = 1."""
    f = rn.Network([[[1.0]], [[102.0]]], [[0.0], [-100.0]], [[1.0]])
    assert_charged(f, rn.Box(-1, 1), [1.0], ([0], [1], [-1]), [[1, 0]], [102.001])


def test_exclusion_by_a_class_with_an_exclusion_is_charged_for_what_that_class_may_still_be():
    f = rn.Network([[[1.0], [0.0]], [[102.0, 0.0]], [[50.0]]], [[0.0, 1.0], [-100.0], [-1.0]], [[1.0]])
    data = ([0, -2], [1], [2], [-1]), [[1, 0], [2, 1]], [102.001, 50.001]
    assert_charged(f, rn.Box(-1, 1), [1.0], *data)


def test_exclusive_pair_with_a_column_that_is_no_class_is_refused():
    """Class -1 would be the last input."""
    f = rn.Network([[[1.0], [1.0]], [[2.0, 0.0]]], [[0.0, -100.0], [-1.0]], [[1.0]])
    assert_charged(f, rn.Box(0, 1), [1.0], ([-2, 0], [1], [-1]), [[1, -1]], [2.001])


@pytest.mark.parametrize("k", [-600, -1000])
def test_weights_whose_squares_vanish_count_on_a_ball(k):
    f = rn.Network([[[2.0**k]]], [[0.0]], [[2.0**-k]])
    assert_charged(f, rn.Ball(0, 1), [1.0], ([-1], [-1]))


def test_networks_of_other_numbers_of_outputs_are_not_compared():
    f, g = (rn.Network([[[1.0]]], [[0.0]], np.ones((n, 1))) for n in (1, 2))
    with pytest.raises(ValueError, match="do not fit"):
        checked(f, g, rn.Box(-1, 1), ([0], [1.0]), ([0], [1.0]))


# real networks


@pytest.mark.skipif(not FILES, reason="no folder of networks (REDUCEDNET_NETS)")
@pytest.mark.parametrize("path", [path for path in FILES if "mnist" not in path.stem], ids=lambda path: path.stem)
def test_real_network_is_compressed_with_a_certificate(path):
    net = rn.load(path)
    box = box_of(path, net)
    small, report = rn.compress(net, box)
    assert_compressed(net, small, report, box, box.sample(500, rng=0))


@pytest.mark.skipif(not FILES, reason="no folder of networks (REDUCEDNET_NETS)")
def test_collision_avoidance_network_loses_95_percent_of_its_neurons_on_its_box():
    path = next(path for path in FILES if path.stem == "coav_sat")
    _, report = rn.compress(rn.load(path), rn.load_box(path))
    assert report.saved > 0.95


# the limits of float64


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("radius", [1.0, 1e-300, 1e300])
def test_network_beyond_float64_is_compressed_or_refused_by_its_own_name(seed, radius):
    rng = np.random.default_rng(seed)
    net = rn.Network.random((2, *rng.integers(1, 6, seed % 3 + 1), 1), rng=rng)
    net = net.with_vector(np.ldexp(net.to_vector(), rng.integers(-900, 900, net.n_parameters)))
    domain = rn.Box([-radius, -radius], [radius, radius])
    try:
        small, report = rn.compress(net, domain)
    except ValueError as error:
        assert str(error).startswith("`network` must be one whose bounds on the domain stay in the range of")
    else:
        assert report.certificate.check(net, small, domain)


# interruption


@pytest.mark.parametrize("activation, last", [("relu", -9.0), ("binary", -9.0), ("binary", -0.75)])
def test_ctrl_c_inside_a_proof_ends_the_compression(monkeypatch, activation, last):
    def interrupted(findings):
        raise KeyboardInterrupt

    for name in provers.PROVERS:
        monkeypatch.setitem(provers.PROVERS, name, interrupted)
    net = rn.Network([[[1.0], [1.0], [1.0]]], [[-0.5, -0.25, last]], [[1.0, 1.0, 1.0]], activation=activation)
    with pytest.raises(KeyboardInterrupt):
        rn.compress(net, rn.Box(0, 1))


# what is refused


@pytest.mark.parametrize("arguments, error, words", [
    (("net", rn.Box(0, 1)), TypeError, "`network` must be a Network"),
    ((rn.Network.random((1, 3, 1), rng=0), "box"), TypeError, "`domain` must be a Box, Ball or Hull"),
    ((rn.Network.random((1, 3, 1), rng=0), rn.Box([0, 0], [1, 1])), ValueError, "domain"),
    ((rn.Network.random((1, 3, 1), rng=0), rn.Box(0, 1), -1.0), ValueError, "`tolerance` must be"),
    ((rn.Network.random((1, 3, 1), rng=0), rn.Box(0, 1), np.nan), ValueError, "`tolerance` must be"),
])
def test_bad_arguments_are_refused_by_name(arguments, error, words):
    with pytest.raises(error, match=words):
        rn.compress(*arguments)
