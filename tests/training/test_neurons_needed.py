"""Laws of the number of neurons that an error needs."""
import numpy as np
import pytest

import reducednet as rn

X = np.linspace(0.0, 1.0, 60)[:, np.newaxis]
Y = np.sin(9.0 * X) + np.cos(23.0 * X)


@pytest.mark.parametrize("activation, error", [("relu", 1e-2), ("binary", 0.3), ("binary", 0.01)])
def test_fewer_neurons_cannot_have_the_error_and_enough_have_it(activation, error):
    needed = rn.neurons_needed(X, Y, error, activation)
    assert 1 <= needed.at_least <= needed.enough
    if needed.at_least > 1:
        assert rn.training_limit(X, Y, needed.at_least - 1, activation).bound > error
    assert rn.training_limit(X, Y, needed.at_least, activation).bound <= error
    assert rn.fit_exact(X, Y, needed.enough, activation)[1].error <= error


def test_both_numbers_are_equal_for_binary_networks_with_a_bias():
    needed = rn.neurons_needed(X, Y, 0.05, "binary")
    assert needed.at_least == needed.enough


def test_a_large_error_needs_one_neuron():
    assert rn.neurons_needed(X, Y, 1e9) == (1, 1)


def test_an_error_below_that_of_ties_is_refused():
    with pytest.raises(ValueError, match=r"`error` must be at least 0.25, the error of the means at equal x"):
        rn.neurons_needed([[0.0], [0.0], [1.0], [1.0]], [0.0, 1.0, 2.0, 3.0], 0.2)


def test_an_error_below_rounding_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="`error` must be larger than what rounding leaves"):
        rn.neurons_needed(rng.random((4, 1)), rng.random(4), 1e-200, "binary")


@pytest.mark.parametrize("error", [0.0, -1.0, np.nan])
def test_errors_that_are_not_positive_are_refused(error):
    with pytest.raises(ValueError, match="`error` must be finite"):
        rn.neurons_needed(X, Y, error)
