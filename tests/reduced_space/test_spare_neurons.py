"""reduce(..., spare="redraw"): the same function, and no neuron wasted."""
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import (
    assert_close, assert_equal_bits, assert_feasible, assert_same_function, assert_same_network, gamma,
    hidden_outputs, path_sums, roundings,
)
from oracles.strategies import BOUNDS, boxes, cases, hyperplane_points, networks_with_domains, points_of, seeds


def redrawn(network, domain, bound="support", rng=0):
    return rn.reduce(network, domain, bound, "redraw", rng=rng)


def always_on(red, layer):
    return red.thresholds[layer] >= red.intervals[layer][:, 1]


def dead(red, layer):
    return red.thresholds[layer] <= red.intervals[layer][:, 0]


def fat_boxes(n):
    """Boxes around 0 with sides of 1 to 4: no direction is thin, no neuron is at an end by rounding."""
    return st.lists(st.floats(0.5, 2.0), min_size=n, max_size=n).map(lambda r: rn.Box([-v for v in r], r))


def hard(network, domain):
    return network, domain, np.vstack([points_of(domain, 0), hyperplane_points(network, domain)])


RANK_TWO = rn.Network(
    [[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]]], [[9.0, 9.0, 9.0, 9.0]], [[1, 2, 3, 4], [1, 1, 1, 1]]
)
NO_WIDTH = rn.Network([[[1.0, 0.0]] * 3], [[9.0, 8.0, 7.0]], [[1.0, 1.0, 1.0]])
ALL_ZERO = rn.Network([[[0.0], [0.0]]], [[1.0, -1.0]], [[1.0, 1.0]])


@example(hard(RANK_TWO, rn.Box([0, 0], [1, 1])), "support", 0)
@example(hard(ALL_ZERO, rn.Box(0, 1)), "ball", 0)
@example(hard(NO_WIDTH, rn.Box([1, 0], [1, 1])), "support", 0)
@given(cases(), BOUNDS, seeds())
def test_redrawn_network_equals_standard_network_on_the_domain(case, bound, seed):
    network, domain, X = case
    assert_same_function(network, redrawn(network, domain, bound, seed), X, same_widths=False)


@given(networks_with_domains(), BOUNDS, seeds())
def test_redrawn_network_is_feasible(pair, bound, seed):
    network, domain = pair
    assert_feasible(redrawn(network, domain, bound, seed))


@given(networks_with_domains(), BOUNDS, seeds())
def test_redrawn_width_is_at_most_one_more(pair, bound, seed):
    network, domain = pair
    red = redrawn(network, domain, bound, seed)
    assert red.sizes[:-2] == network.sizes[:-2] and red.sizes[-1] == network.sizes[-1]
    more = red.sizes[-2] - network.sizes[-2]
    assert more in ((0, 1) if network.activation == "relu" and network.output_bias is None else (0,))


@example((rn.Network([[[1.0]]], [[-1.0]], [[1.0]], activation="binary"), rn.Box(-1, 1)), 0)  # z = x - 1 <= 0
@example((rn.Network([[[2.0]]], [[-2.0]], [[1.0]], activation="binary"), rn.Box(-1, 1)), 0)
@example((rn.Network([[[1.0]]], [[-1.0]], [[1.0]]), rn.Box(-1, 1)), 0)
@given(networks_with_domains(domain=fat_boxes), seeds())
def test_no_neuron_of_the_first_layer_stays_dead(pair, seed):
    network, domain = pair
    red = redrawn(network, domain, "support", seed)
    assert not dead(red, 0).any()
    W, b = red.weights[0], red.thresholds[0]
    X = domain.support_points(W)  # where each neuron is largest
    assert (np.einsum("ij,ij->i", X, W) + b > 0.0).all()


@given(networks_with_domains(domain=fat_boxes, max_depth=1, kinds=("cut", "dead", "zero")), seeds())
def test_new_neurons_have_no_outgoing_weight(pair, seed):
    network, domain = pair
    kept, red = rn.reduce(network, domain), redrawn(network, domain, "support", seed)
    n = min(kept.sizes[1], red.sizes[1])
    same = (kept.weights[0][:n] == red.weights[0][:n]).all(axis=1)
    same &= kept.thresholds[0][:n] == red.thresholds[0][:n]
    spare = dead(kept, 0)[:n]
    new = ~same & ~always_on(red, 0)[:n]
    assert not red.output_weights[:, :n][:, new].any()
    assert (spare <= (new | always_on(red, 0)[:n])).all()  # each dead one was replaced


@given(networks_with_domains(domain=fat_boxes, kinds=("dead",), max_depth=1), seeds())
def test_a_network_of_dead_neurons_is_redrawn_without_outgoing_weights(pair, seed):
    network, domain = pair
    red = redrawn(network, domain, "support", seed)
    assert red.sizes == network.sizes and not red.output_weights.any()


@given(networks_with_domains(n_outputs=1, activation="relu", domain=fat_boxes, max_depth=2), BOUNDS, seeds())
def test_at_most_two_neurons_of_the_last_layer_stay_always_on_for_one_output(pair, bound, seed):
    network, domain = pair
    red = redrawn(network, domain, bound, seed)
    useful = always_on(red, -1) & (red.output_weights != 0.0).any(axis=0)
    assert useful.sum() <= (1 if red.output_bias is not None else 2)


@given(networks_with_domains(n_outputs=1, activation="binary", domain=fat_boxes, max_depth=2), BOUNDS, seeds())
def test_at_most_one_binary_neuron_of_the_last_layer_stays_always_on(pair, bound, seed):
    network, domain = pair
    red = redrawn(network, domain, bound, seed)
    useful = always_on(red, -1) & (red.output_weights != 0.0).any(axis=0)
    assert useful.sum() <= (0 if red.output_bias is not None else 1)


@given(networks_with_domains(), BOUNDS, seeds())
def test_the_same_seed_gives_the_same_network(pair, bound, seed):
    network, domain = pair
    again = redrawn(network, domain, bound, np.random.default_rng(seed))
    assert_same_network(redrawn(network, domain, bound, seed), again, "the same seed")


def test_another_seed_gives_other_neurons():
    net, box = rn.Network([[[1.0, 1.0], [1.0, 2.0]]], [[-9.0, 0.0]], [[1.0, 1.0]]), rn.Box([0, 0], [1, 1])
    one, other = redrawn(net, box, rng=1), redrawn(net, box, rng=2)
    assert (one.weights[0][0] != other.weights[0][0]).all()
    assert (one.weights[0][1] == other.weights[0][1]).all()


def test_redrawn_neurons_cut_the_domain():
    net = rn.Network([np.zeros((50, 2))], [np.zeros(50)], np.zeros((1, 50)))
    red = redrawn(net, rn.Box([0, 0], [1, 1]))
    low, high = red.intervals[0].T
    assert ((low < red.thresholds[0]) & (red.thresholds[0] < high)).all()
    assert len(np.unique(red.thresholds[0])) == 50


def test_three_always_on_neurons_become_two_by_hand():
    # N(x) = s(x+3) + 2 s(-x+4) + 3 s(2x+5) = 1 (x+3) + 2 (4-x) + 3 (2x+5) = 5x + 26 on [-1, 1]:
    # alpha = 5, q = 1, high(q) = 1: 5 s(x+1) = 5x + 5 leaves 21; s(x+1) + s(-x+1) = 2, so each takes 10.5
    net = rn.Network([[[1.0], [-1.0], [2.0]]], [[3.0, 4.0, 5.0]], [[1.0, 2.0, 3.0]])
    red = redrawn(net, rn.Box(-1, 1))
    used = (red.output_weights != 0.0).any(axis=0)
    assert red.sizes == (1, 3, 1) and used.sum() == 2
    X = np.linspace(-1, 1, 9)[:, np.newaxis]
    assert_close(red(X), 5 * X + 26, gamma(8) * 31, "5 x + 26")
    assert_close(np.sort(red.output_weights[0, used]), [10.5, 15.5], gamma(8) * 16, "outgoing weights")


def test_folding_with_an_output_bias_leaves_one_neuron():
    net = rn.Network([[[1.0], [-1.0], [2.0]]], [[3.0, 4.0, 5.0]], [[1.0, 2.0, 3.0]], [1.0])
    red = redrawn(net, rn.Box(-1, 1))
    used = (red.output_weights != 0.0).any(axis=0)
    assert used.sum() == 1
    # 5 s(x + 1) + 22 = 5 x + 27
    assert_close(red.output_bias, [22.0], gamma(8) * 27, "output_bias")


def test_rank_of_the_affine_sum_counts_for_several_outputs():
    red = redrawn(RANK_TWO, rn.Box([0, 0], [1, 1]))
    useful = always_on(red, 0) & (red.output_weights != 0.0).any(axis=0)
    assert red.sizes == (2, 4, 2) and useful.sum() == 3  # rank 2, and a partner for the constant


@pytest.mark.parametrize("size", [1e3, 1e6, 1e12])
def test_absorbing_keeps_the_accuracy_of_an_output_that_does_not_see_the_large_input(size):
    # output 0 is x_2 + constants, of size 40; x_1 is as large as `size` and concerns output 1 only
    box = rn.Box([-size, -1.0], [size, 1.0])
    W, b = np.array([[0.0, 1.0], [1e-3, 1.0], [1e-3, 2.0]]), np.array([9.0, size, size])
    C = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    net = rn.Network([W], [b], C, [0.0, 0.0])
    red, X = redrawn(net, box), box.sample(50, 0)
    allowed = gamma(int(2 * roundings(red)[-1])) * 3 * path_sums(net, box)[-1]
    assert_close(red(X), net(X), allowed, "absorbed")


@given(boxes(2, flat=True, far=False), seeds())
def test_flat_boxes_are_served(box, seed):
    rng = np.random.default_rng(seed)
    net = rn.Network([rng.standard_normal((4, 2))], [10.0 + 10.0 * rng.random(4)], rng.standard_normal((2, 4)))
    red = redrawn(net, box, rng=seed)
    assert red.sizes[1] in (4, 5)
    assert_same_function(net, red, points_of(box, seed))


@given(cases(activation="binary"), BOUNDS, seeds())
def test_binary_neurons_that_are_not_constant_agree_at_decided_points(case, bound, seed):
    network, domain, X = case
    red, X = redrawn(network, domain, bound, seed), X[rn.decided(network, domain, X)]
    if len(X) and red.sizes == network.sizes:
        for left, right in zip(hidden_outputs(network, X), hidden_outputs(red, X), strict=True):
            both = left.any(axis=0) & ~left.all(axis=0)
            assert_equal_bits(left[:, both], right[:, both], f"hidden outputs of {red!r}")


def test_drawn_binary_neurons_do_not_agree_and_the_bound_holds():
    net = rn.Network([[[1.0], [1.0]]], [[-5.0, -0.5]], [[3.0, 1.0]], activation="binary")  # the first is dead
    box, X = rn.Box(0, 1), np.linspace(0.0, 1.0, 20)[:, np.newaxis]
    red = redrawn(net, box)
    assert rn.decided(net, box, X).all()
    (before,), (after,) = hidden_outputs(net, X), hidden_outputs(red, X)
    assert (before != after).any(axis=0).tolist() == [True, False]
    assert (np.abs(net(X) - red(X)) <= rn.reduction_bound(net, red)).all()
