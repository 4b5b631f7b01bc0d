"""One input: the supremum found at breakpoints is exact in rationals, and bounded in floats."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import exact_difference, supremum, vertices
from reducednet.numerics.rationals import above, below
from reducednet.verification.breakpoints import (
    as_fractions, breakpoints_and_values, deep_supremum, exact_interval, joint_neurons, shallow_bounds,
    shallow_supremum,
)
from oracles.strategies import domains, networks, seeds


@st.composite
def pairs(draw, activation="relu", depth=1):
    domain = draw(domains(1))
    f = draw(networks(activation, depth, depth, 5, domain=domain))
    return f, draw(networks(activation, depth, depth, 5, n_outputs=f.n_outputs, domain=domain)), domain


@given(domains(1))
def test_ends_of_a_domain_are_exact(domain):
    assert list(exact_interval(domain)) == sorted(x for (x,) in vertices(domain))


@given(pairs())
def test_shallow_supremum_is_the_exact_one(pair):
    f, g, domain = pair
    value, x = shallow_supremum(joint_neurons(f, g), *exact_interval(domain))
    assert value == supremum(f, g, domain).value == exact_difference(f, g, [x])


@given(pairs())
def test_float_bounds_hold_the_supremum_and_their_gap_a_difference_at_the_knot(pair):
    f, g, domain = pair
    low, high = exact_interval(domain)
    gap, bound, points = shallow_bounds(joint_neurons(f, g), below(low), above(high))
    assert supremum(f, g, domain).value <= Fraction(bound)
    assert Fraction(gap) <= exact_difference(f, g, points[:1])


@given(seeds(), st.sampled_from([30, 300]), st.sampled_from([-1060, -900, 0, 100]))
def test_float_bounds_hold_at_extreme_scales(seed, spread, place):
    """Rows and columns of 2^-300 to 2^300 on domains of subnormal numbers to 2^100."""
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return np.ldexp(rng.standard_normal(shape), rng.integers(-spread, spread + 1, shape))

    f, g = (rn.Network([numbers(6, 1)], [numbers(6) * 2.0**place], numbers(2, 6)) for _ in range(2))
    low, high = np.sort(np.ldexp(rng.standard_normal(2), place))
    with np.errstate(over="ignore", invalid="ignore"):
        gap, bound, points = shallow_bounds(joint_neurons(f, g), low, high)
    assert supremum(f, g, rn.Box(low, high)).value <= Fraction(bound)
    assert Fraction(gap) <= exact_difference(f, g, points[:1])


def test_float_bounds_of_many_neurons_are_near_the_supremum():
    rng = np.random.default_rng(0)
    f, g = (rn.Network.random((1, 2000, 1), rng=rng) for _ in range(2))
    gap, bound, _ = shallow_bounds(joint_neurons(f, g), -1.0, 1.0)
    value, _ = shallow_supremum(joint_neurons(f, g), Fraction(-1), Fraction(1))
    assert Fraction(gap) <= value <= Fraction(bound)
    assert bound - gap <= 1e-8 * gap


@pytest.mark.parametrize("activation", ["relu", "binary"])
@given(data=st.data(), depth=st.integers(1, 3))
def test_deep_supremum_is_the_exact_one(activation, data, depth):
    f, g, domain = data.draw(pairs(activation, depth))
    value, x, points = deep_supremum(f, g, *exact_interval(domain))
    assert value == supremum(f, g, domain).value
    assert exact_difference(f, g, [x]) == value
    assert points == sorted(set(points))
    assert (points[0], points[-1]) == exact_interval(domain)


def test_breakpoints_and_values_of_a_hat():
    """s(x) - 2 s(x - 1/2) + s(x - 1) on [0, 1], a neuron of weight 0 and one that goes out on the way."""
    W, b, C = [[2.0], [1.0], [1.0], [0.0], [-1.0]], [0.0, -0.5, -1.0, 3.0, 0.25], [0.5, -2.0, 1.0, 1.0, 4.0]
    f = rn.Network([W], [b], [C])
    g = rn.Network([[[1.0]]], [[-9.0]], [[1.0]], [3.0])
    neurons = [as_fractions(array) for array in joint_neurons(f, g)]
    exact = type(joint_neurons(f, g))(*neurons)
    points, values = breakpoints_and_values(exact, Fraction(0), Fraction(1))
    hat = {Fraction(0): 1, Fraction(1, 4): Fraction(1, 4), Fraction(1, 2): Fraction(1, 2), Fraction(1): 0}
    assert dict(zip(points, values[0])) == hat
