"""The search for points where f decides clearly and g decides otherwise."""
from fractions import Fraction

import numpy as np
import pytest
from oracles.exact_suprema import exact_outputs

import reducednet as rn
from reducednet.networks.affine_maps import affine_maps
from reducednet.verification import disagreements
from reducednet.verification.rational import ExactNetwork

PLANE = rn.Box([-1, -1], [1, 1])


def pair(size, seed=0):
    f = rn.Network.random((2, 8, 3), rng=seed, output_bias=True)
    noise = np.random.default_rng(seed).standard_normal(f.n_parameters)
    return f, f.with_vector(f.to_vector() + size * noise)


def test_decisions_are_those_of_sorted_outputs():
    f, g = pair(0.3)
    X = PLANE.sample(200, 0)
    found = disagreements.decisions_at(f, g, X)
    for one, other, j, k, lead, excess in zip(f(X), g(X), *found):
        assert one[j] == one.max() and lead == np.sort(one)[-1] - np.sort(one)[-2]
        assert k != j and excess == np.delete(other, j).max() - other[j]
    expected = np.minimum(found.lead - 0.25, found.excess)
    assert (found.score(0.25) == expected).all()


def test_an_output_that_overflows_has_no_score():
    f = rn.Network([[[1.0, 0.0]]], [[0.0]], [[1e308], [0.0]], None)
    huge = rn.Box([1e10, 0], [1e11, 1])
    assert (disagreements.decisions_at(f, f, huge.sample(5, 0)).score(0.0) == -np.inf).all()


@pytest.mark.parametrize("size", [1e-2, 1e-5, 1e-9, 1e-13])
def test_slivers_between_decisions_are_found(size):
    """The surfaces of f and g are about `size` apart: no sample falls between, segments do."""
    f, g = pair(size, seed=2)
    X = disagreements.promising_points(f, g, PLANE, 0.0)
    found = disagreements.decisions_at(f, g, X)
    assert (found.score(0.0) > 0.0).any()


def test_exact_decisions_are_those_of_rationals():
    f, g = pair(0.5, seed=3)
    networks = [ExactNetwork(affine_maps(network), network.activation) for network in (f, g)]
    for x in PLANE.sample(30, 1):
        point = list(map(Fraction, x.tolist()))
        one, other = (exact_outputs(network, point) for network in (f, g))
        j, k, lead = disagreements.exact_decisions(*networks, point)
        assert one[j] == max(one)
        if max(other) == other[j]:
            assert (k, lead) == (j, 0)
        else:
            assert other[k] == max(other) and lead == one[j] - sorted(one)[-2]
