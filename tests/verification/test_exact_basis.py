"""If f - g is 0 over the basis, they are equal; for one hidden layer, if not, they differ."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_forms import exact_network
from oracles.exact_suprema import supremum
from oracles.exact_truth import BINARY, KEEPING, pairs
from reducednet.numerics.rationals import rationals
from reducednet.verification.exact_basis import (
    Basis, add, primitive, subtract, write_over_basis,
)
from oracles.strategies import domains, networks, networks_with_domains, points_of, seeds


def nothing():
    """Do what is asked after each neuron."""


def value_of(z, basis, x, known):
    """Return a sum over the basis at a point, exactly."""
    total = Fraction(0)
    for number, c in z.items():
        if number == 0:
            total += c
        elif number <= len(x):
            total += c * x[number - 1]
        else:
            if number not in known:
                inner = value_of(basis.hyperplanes[number], basis, x, known)
                known[number] = Fraction(inner > 0) if basis.binary else max(inner, Fraction(0))
            total += c * known[number]
    return total


@given(networks_with_domains(max_depth=3, max_width=4), seeds())
def test_network_over_the_basis_is_the_network(case, seed):
    """At exact points of the domain; binary: off the first layer's hyperplanes, where s(-z) = 1 - s(z)."""
    network, domain = case
    basis = Basis(domain, network.activation == "binary")
    outputs = write_over_basis(network, basis, nothing)
    exact = exact_network(network)
    X = points_of(domain, seed, 2)
    for x in map(rationals, X[domain.contains(X)]):
        if isinstance(domain, rn.Ball) and sum((v - Fraction(float(c))) ** 2 for v, c in zip(x, domain.centre)) \
                > Fraction(domain.radius) ** 2 or isinstance(domain, rn.Hull):
            continue
        if basis.binary and exact.on_hyperplane(exact.layers(x)):
            continue
        known = {}
        assert [value_of(z, basis, x, known) for z in outputs] == exact(x)


@pytest.mark.parametrize("binary", [False, True])
def test_equal_pairs_without_a_deeper_change_leave_nothing_and_what_leaves_nothing_is_equal(binary):
    found = 0
    for f, g, domain, kind in pairs(120, 11):
        if f.depth != g.depth or kind.startswith(BINARY) != binary:
            continue
        differences, _ = subtract(f, g, domain)
        if not any(differences):
            assert supremum(f, g, domain).value == 0, kind
        name = kind.removeprefix(BINARY)
        if name in KEEPING and (f.depth == 1 or name in ("identical", "permuted", "scaled", "split")):
            flat = isinstance(domain, rn.Box) and (domain.low == domain.high).any()
            assert not any(differences) or isinstance(domain, rn.Hull) or flat, kind
            found += 1
    assert found >= 10


@given(st.data())
def test_shallow_relu_networks_are_equal_if_and_only_if_nothing_is_left(data):
    """On a box with interior, where the form is unique (Prop. 5)."""
    domain = rn.Box([-1.0, 0.0], [2.0, 1.0])
    f = data.draw(networks("relu", 1, 1, 4, domain=domain, numbers=("integer", "dyadic")))
    g = f
    if data.draw(st.booleans()):
        order = np.random.default_rng(data.draw(seeds())).permutation(f.sizes[1])
        change = data.draw(st.sampled_from([0.0, 0.0, 0.5]))
        C = f.output_weights[:, order] + change * np.eye(f.n_outputs, len(order))
        g = rn.Network([f.weights[0][order]], [f.thresholds[0][order]], C, f.output_bias)
    differences, _ = subtract(f, g, domain)
    assert (not any(differences)) == (supremum(f, g, domain).value == 0)


@given(domains(2), seeds())
def test_extremes_have_the_signs_of_bounds_that_hold(domain, seed):
    rng = np.random.default_rng(seed)
    w, b = rationals(rng.standard_normal(2)), Fraction(float(rng.standard_normal()))
    low, high = Basis(domain, False).signed_bounds({0: b, 1: w[0], 2: w[1]})
    X = domain.points if isinstance(domain, rn.Hull) else [domain.centre] if isinstance(domain, rn.Ball) else \
        [domain.low, domain.high]
    for x in map(rationals, X):
        z = b + sum(p * q for p, q in zip(w, x))
        if isinstance(domain, rn.Ball):
            assert (z > 0 or low <= 0) and (z < 0 or high >= 0)
        else:
            assert low <= z <= high


@pytest.mark.parametrize("offset, reaches", [(-1.25, False), (-5.0 / 4.0 + 2.0**-52, True), (2.0, True)])
def test_ball_is_touched_exactly_where_its_radius_says(offset, reaches):
    """3 x + 4 y + 5 t > 0 somewhere in the ball of radius 5/4 about 0 exactly if t > -5/4."""
    ball = rn.Ball([0.0, 0.0], 1.25)
    basis = Basis(ball, False)
    z = {0: 5 * Fraction(offset), 1: Fraction(3), 2: Fraction(4)}
    assert (basis.neuron(z) != {}) == reaches


def test_binary_ties_in_deeper_layers_are_not_turned():
    """z = h1 - h2 is 0 on whole cells: s(z) and 1 - s(-z) differ there."""
    f = rn.Network([np.eye(2), [[1.0, -1.0]]], [[-0.5, -0.5], [0.0]], [[1.0]], [0.0], "binary")
    g = rn.Network([np.eye(2), [[-1.0, 1.0]]], [[-0.5, -0.5], [0.0]], [[-1.0]], [1.0], "binary")
    square = rn.Box([0.0, 0.0], [1.0, 1.0])
    assert any(subtract(f, g, square)[0])
    assert supremum(f, g, square).value == 1


def test_flipped_relu_leaves_its_argument():
    """s(-z) = s(z) - z: c s(z) + d s(-z) has one breakpoint, where the slope changes by c + d."""
    basis = Basis(rn.Box([-1.0], [1.0]), False)
    z = {0: Fraction(1, 2), 1: Fraction(-3)}
    minus = {i: -value for i, value in z.items()}
    assert add(basis.neuron(minus), basis.neuron(z), Fraction(-1)) == minus
    assert len(basis.hyperplanes) == 1


def test_dead_and_always_on_neurons_need_no_basis_function():
    basis, binary = (Basis(rn.Box([0.0], [1.0]), kind) for kind in (False, True))
    dead, on = {0: Fraction(-1), 1: Fraction(1)}, {1: Fraction(2)}
    assert (basis.neuron(dead), basis.neuron(on), basis.neuron({})) == ({}, on, {})
    assert binary.neuron(dead) == {}
    assert binary.neuron({0: Fraction(1), 1: Fraction(2)}) == {0: Fraction(1)}
    assert len(binary.neuron(on)) == 1 and binary.hyperplanes  # 0 at x = 0, the boundary
    assert not basis.hyperplanes


def test_primitive_numbers():
    key, scale = primitive({0: Fraction(5, 6), 2: Fraction(-5, 4)})
    assert (key, scale) == (((0, 2), (2, -3)), Fraction(5, 12))


def test_count_can_be_ended():
    def stop():
        raise TimeoutError

    f = rn.Network.random((2, 3, 1), rng=0)
    with pytest.raises(TimeoutError):
        subtract(f, f, rn.Box([0.0, 0.0], [1.0, 1.0]), stop)
