"""Laws of the counts that `info` gives."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.cli.network_summary import summarise, duplicates, sizes_in_use
from reducednet.reduced_space.intervals import LayerSpace
from oracles.strategies import networks_with_domains, points_of, seeds


@given(networks_with_domains())
def test_each_neuron_is_dead_or_always_on_or_inside(case):
    network, domain = case
    for layer in summarise(network, domain)["layers"]:
        assert layer["dead"] + layer["always_on"] + layer["inside"] == layer["neurons"]


@given(networks_with_domains())
def test_thresholds_inside_use_parts_of_their_interval_between_0_and_1(case):
    for layer in summarise(*case)["layers"]:
        assert (layer["used"] is None) == (layer["inside"] == 0)
        if layer["inside"]:
            low, high = layer["used"]
            assert 0.0 < low <= high < 1.0 or low == high


@given(networks_with_domains(), seeds())
def test_first_neurons_that_switch_on_the_domain_lie_inside(case, seed):
    network, domain = case
    X, W, b = points_of(domain, seed), network.weights[0], network.thresholds[0]
    Z = X @ W.T + b
    # one margin for the rounding of Z, one for ends that the reduction takes a threshold to
    slack = 2 * LayerSpace(domain, network._activation, "ball").margin * np.linalg.norm(W, axis=1)
    switching = (Z > slack).any(axis=0) & (Z < -slack).any(axis=0)
    assert switching.sum() <= summarise(network, domain)["layers"][0]["inside"]


def test_counts_by_hand():
    # w, b = (2, -1), (-1, 5), (1, 0.25), (-4, 2), (3, -9) on [0, 1]: the 1st and 4th hyperplane is x = 1/2
    network = rn.Network([[[2.0], [-1.0], [1.0], [-4.0], [3.0], [0.0]]], [[-1.0, 5.0, 0.25, 2.0, -9.0, 1.0]],
                         [[1.0] * 6], [0.0])
    found = summarise(network, rn.Box(0, 1))
    assert found["layers"] == [{
        "neurons": 6, "norms": (0.0, 4.0), "thresholds": (-3.0, 5.0), "zero_rows": 1, "duplicate": 1,
        "inside": 2, "used": (0.5, 0.5), "dead": 1, "always_on": 3,
    }]
    # 3 s(2 x - 1) and an affine map, for which one neuron does: a 1-2-1 with an output bias
    assert found["parameters"] == {"now": 19, "reduced": 13, "compressed": 7, "without_idle": 16, "saved": 3}


def test_a_reduction_has_the_counts_of_its_network():
    network, box = rn.Network.random((2, 30, 20, 1), rng=0, output_bias=True), rn.Box([0, 0], [1, 1])
    before, after = (summarise(net, box) for net in (network, rn.reduce(network, box)))
    names = ("inside", "dead", "always_on", "duplicate")
    assert [[layer[name] for name in names] for layer in before["layers"]] == [
        [layer[name] for name in names] for layer in after["layers"]]
    assert before["parameters"] == after["parameters"]


def test_without_a_domain_nothing_is_said_that_needs_one():
    found = summarise(rn.Network.random((2, 3, 1), rng=0))
    assert found["layers"][0].keys() == {"neurons", "norms", "thresholds", "zero_rows", "duplicate"}
    assert found["parameters"] == {"now": 12, "without_idle": 12, "saved": 0}


# duplicates

SMALL = st.integers(-2, 2)
FACTORS = [1.0, -1.0, 3.0, -7.0, 0.1, 2.0**40, -1e-9]


@st.composite
def hyperplanes(draw):
    """Rows (w, b) of small integers with w_1 > 0 or < 0, and a factor a row."""
    d = draw(st.integers(1, 3))
    row = st.tuples(st.sampled_from([-2, -1, 1, 2]), *[SMALL] * d)
    rows = draw(st.lists(st.tuples(row.map(list), st.sampled_from(FACTORS)), min_size=1, max_size=12))
    return tuple(zip(*rows))


def same_hyperplane(p, q):
    """Tell whether two rows (w, b) of integers are multiples of each other, exactly."""
    return all(y == Fraction(q[0], p[0]) * x for x, y in zip(p, q))


@given(hyperplanes())
@example(([[1, 0], [-1, 0]], [1.0, 1.0]))
def test_duplicates_are_the_rows_that_are_multiples_of_an_earlier_one(case):
    rows, factors = case
    expected = sum(any(same_hyperplane(p, q) for p in rows[:j]) for j, q in enumerate(rows))
    scaled = np.array(rows, dtype=float) * np.array(factors)[:, np.newaxis]
    norms = np.linalg.norm(scaled[:, :-1], axis=1)
    assert duplicates(scaled[:, :-1] / norms[:, np.newaxis], scaled[:, -1] / norms) == expected


def test_thresholds_beyond_the_range_of_float64_are_no_duplicates():
    network = rn.Network([[[5e-324], [1.0], [1e-320]]], [[1e308, 1.0, 1e308]], [[1.0, 1.0, 1.0]])
    layer, = summarise(network)["layers"]
    assert (layer["duplicate"], layer["thresholds"]) == (0, (1.0, np.inf))


# dead and unused neurons


def reaches_output(network, dead, layer, j):
    """Tell by walking from neuron to neuron whether a living path leads to an output."""
    if dead[layer][j]:
        return False
    if layer == network.depth - 1:
        return bool(network.output_weights[:, j].any())
    column = network.weights[layer + 1][:, j]
    return any(reaches_output(network, dead, layer + 1, k) for k in np.flatnonzero(column))


@pytest.mark.parametrize("seed", range(20))
def test_neurons_in_use_are_those_with_a_living_path_to_an_output(seed):
    rng = np.random.default_rng(seed)
    network = rn.Network.random((2, 4, 3, 4, 2), rng)
    network = network.with_vector(network.to_vector() * (rng.random(network.n_parameters) < 0.3))
    dead = [rng.random(n) < 0.2 for n in network.sizes[1:-1]]
    expected = [max(1, sum(reaches_output(network, dead, layer, j) for j in range(n)))
                for layer, n in enumerate(network.sizes[1:-1])]
    assert sizes_in_use(network, dead) == (2, *expected, 2)


def test_linear_programs_find_more_dead_and_always_on_neurons():
    network, box = rn.Network.random((2, 6, 6, 6, 1), rng=1), rn.Box(-np.ones(2), np.ones(2))
    inside = [
        sum(layer["inside"] for layer in summarise(network, box, bounds)["layers"])
        for bounds in ("linear", "milp")
    ]
    assert inside == [11, 8]
