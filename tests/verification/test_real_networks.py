"""Networks that were trained elsewhere, if the folder that REDUCEDNET_NETS names is there."""
import os
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn
from oracles.assertions import assert_close, assert_feasible, assert_same_function, assert_same_network
from oracles.strategies import hyperplane_points

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("REDUCEDNET_NETS", ROOT / ".." / "shared" / "nets"))
FILES = sorted(FOLDER.glob("*.nnet")) if FOLDER.is_dir() else []

pytestmark = pytest.mark.skipif(not FILES, reason="no folder of networks (REDUCEDNET_NETS)")


def box_of(path, network):
    """Return the box that the file declares, or the unit box."""
    try:
        return rn.load_box(path)
    except ValueError as error:
        assert str(error).startswith(str(path))
        return rn.Box(np.zeros(network.n_inputs), np.ones(network.n_inputs))


LONG = ("mnist10x10", "acasxu_3_3")
"""Networks that are left to the slow tests."""


@pytest.fixture(params=[
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else [])
    for path in FILES
] or [None])
def real(request):
    """A network, its box and points of it: random ones, corners, some on first-layer hyperplanes."""
    network = rn.load(request.param)
    box, rng = box_of(request.param, network), np.random.default_rng(0)
    corners = np.where(rng.random((50, box.n_inputs)) < 0.5, box.low, box.high)
    return network, box, np.vstack([box.sample(200, rng), corners, hyperplane_points(network, box)])


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_reduction_of_a_real_network_is_feasible_and_the_same_function(real, bound):
    network, box, X = real
    red = rn.reduce(network, box, bound)
    assert_feasible(red)
    assert red.sizes == network.sizes  # these networks have an output bias
    assert_same_function(network, red, X)


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_reducing_a_real_network_twice_changes_nothing(real, bound):
    network, box, _ = real
    red = rn.reduce(network, box, bound)
    assert_same_network(rn.reduce(red, box, bound), red, "reduced twice and once")


def test_papers_reduction_of_a_real_network_is_feasible_and_the_same_function(real):
    network, box, X = real
    red = rn.reduce_paper(network, box)
    assert_feasible(red)
    assert all(n <= 2 * given for n, given in zip(red.sizes[1:-1], network.sizes[1:-1]))
    assert_same_function(network, red, X)


def test_redrawn_real_network_is_the_same_function_without_dead_neurons(real):
    network, box, X = real
    red = rn.reduce(network, box, spare="redraw", rng=0)
    assert_feasible(red)
    assert (red.thresholds[0] > red.intervals[0][:, 0]).all()
    assert_same_function(network, red, X)


def test_real_network_without_its_output_bias_needs_at_most_one_neuron_more(real):
    network, box, X = real
    bare = rn.Network(network.weights, network.thresholds, network.output_weights)
    red = rn.reduce(bare, box)
    assert red.sizes[-2] - bare.sizes[-2] in (0, 1)
    assert_feasible(red)
    assert_same_function(bare, red, X)


def test_rescaled_real_network_computes_the_same_bit_for_bit(real):
    network, _, X = real
    assert np.array_equal(rn.rescale(network)(X), network(X))


def test_real_network_and_what_compress_makes_of_it_are_proved_equal_without_its_certificate(real):
    network, box, _ = real
    small, report = rn.compress(network, box)
    verdict = rn.verify(network, small, box, report.bound, method="folding")
    assert verdict.status == "equivalent"
    assert verdict.certificate.check(network, small, box)


@pytest.mark.parametrize("stem", ["coav_a", "coav_b", "cartpole"])
def test_real_network_and_its_compressed_form_are_equal_up_to_rounding(stem):
    path = next(path for path in FILES if path.stem == stem)
    network = rn.load(path)
    box = box_of(path, network)
    verdict = rn.verify(network, rn.compress(network, box)[0], box)
    assert (verdict.status, verdict.method) == ("equivalent", "folding")


def test_expanded_real_network_is_the_same_function(real):
    network, box, X = real
    expanded = rn.expand(network, 0)
    bound = rn.evaluation_bound(network, box, 4) + rn.evaluation_bound(expanded, box, 4)
    assert_close(expanded(X), network(X), bound, "expanded")
