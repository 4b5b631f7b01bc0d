"""Binary neurons of a class agree with its representative beyond the margin; deeper ones always."""
from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import supremum
from reducednet.networks.parameters import Affine
from reducednet.verification.difference_bounds.affine_forms import Forms, region_of
from reducednet.verification.difference_bounds.binary_layer import keep_proved
from reducednet.verification.difference_bounds.difference import difference
from reducednet.verification.difference_bounds.neuron_classes import LayerActivations, Match
from reducednet.verification.difference_bounds.neuron_matching import no_match
from reducednet.verification.findings import Findings, Question
from reducednet.verification.provers import _margin, by_matching
from oracles.strategies import boxes, networks, seeds
from verification.test_difference import random_matcher

FINE = st.sampled_from([2.0**-50, 2.0**-40, 0.25])


def zero_forms(n):
    return Forms(np.zeros((n, 3, 1)), np.zeros((n, 2, 1)))


@given(seeds(), st.booleans(), FINE)
def test_neurons_that_stay_are_their_representatives_for_all_inputs_of_0_and_1(seed, integer, fine):
    """Random rows, small changes and multiples: what `keep_proved` keeps is the same at all 2^4 inputs."""
    rng = np.random.default_rng(seed)
    n, m = 4, 5
    W = rng.integers(-2, 3, (2, n)).astype(float) if integer else rng.standard_normal((2, n))
    b = rng.integers(-2, 3, 2) / 2.0
    scales = rng.choice([1.0, 2.0, 0.25, 1 / 3, -1.0], m)
    rows, labels = np.zeros((m, n)), rng.integers(0, 2, m)
    rows[:] = W[labels] * scales[:, np.newaxis] + fine * rng.integers(-1, 2, (m, n)) * (rng.random((m, 1)) < 0.5)
    thresholds = b[labels] * scales + fine * rng.integers(-1, 2, m)
    match = Match((labels, np.arange(2)), (scales, np.ones(2)))
    below = [LayerActivations(np.arange(n), np.ones(n), zero_forms(n)) for _ in range(2)]
    kept = keep_proved([Affine(rows, thresholds), Affine(W, b)], below, match)
    assert kept.labels[1].tolist() == [0, 1]
    for j in np.flatnonzero(kept.labels[0] >= 0):
        for h in product((0, 1), repeat=n):
            z = [sum(Fraction(float(w)) * v for w, v in zip(row, h)) + Fraction(float(t))
                 for row, t in ((rows[j], thresholds[j]), (W[labels[j]], b[labels[j]]))]
            assert (z[0] > 0) == (z[1] > 0)


def test_exact_multiples_stay_and_ties_do_not_pass_for_nearness():
    """z = h1 + h2 - 2 is 0 on a whole cell: lowered by 2^-50 it stays 0 there, raised by it it does not."""
    below = [LayerActivations(np.arange(2), np.ones(2), zero_forms(2)) for _ in range(2)]
    rows, b = np.array([[3.0, 3.0], [1.0, 1.0], [1.0, 1.0]]), np.array([-6.0, -2.0 - 2.0**-50, -2.0 + 2.0**-50])
    match = Match((np.zeros(3, dtype=int), np.zeros(1, dtype=int)), (np.array([3.0, 1.0, 1.0]), np.ones(1)))
    kept = keep_proved([Affine(rows, b), Affine(np.ones((1, 2)), np.array([-2.0]))], below, match)
    assert kept.labels[0].tolist() == [0, 0, -1]


@given(st.data(), seeds(), st.booleans(), st.booleans())
def test_bounds_of_binary_networks_hold_further_off_than_the_margin(data, seed, wrong, linear):
    domain = data.draw(boxes(2, far=False))
    f = data.draw(networks("binary", max_depth=2, max_width=3, domain=domain))
    g = data.draw(networks("binary", f.depth, f.depth, 3, n_outputs=f.n_outputs, domain=domain))
    question, region = Question(f, g, domain, 0.0, 0.0, np.inf), region_of(domain)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = difference((f, g), region, random_matcher(seed) if wrong else no_match, linear)
        margin = _margin(question, found)
    low, high = region.bounds(found.forms)
    bound = float(np.maximum(-low, high).max())
    if np.isfinite(bound) and np.isfinite(margin):
        assert supremum(f, g, domain, margin).value <= Fraction(bound)


@given(st.data(), st.sampled_from([1.0, 1.0 + 2.0**-50, 1 / 3]))
def test_binary_matching_holds_for_networks_that_are_rounded_apart(data, factor):
    domain = data.draw(boxes(2, far=False))
    f = data.draw(networks("binary", max_depth=2, max_width=3, domain=domain))
    order = np.random.default_rng(data.draw(seeds())).permutation(f.sizes[1])
    W, b = f.weights[0][order] * factor, f.thresholds[0][order] * factor
    above = [*f.weights[1:], f.output_weights]
    above[0] = above[0][:, order]
    g = rn.Network([W, *above[:-1]], [b, *f.thresholds[1:]], above[-1], f.output_bias, "binary")
    findings = Findings(Question(f, g, domain, 0.0, 0.0, np.inf), 10.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        by_matching(findings)
    if np.isfinite(findings.bound):
        assert supremum(f, g, domain, findings.margin).value <= Fraction(findings.bound)


def test_weights_beyond_float64_in_a_sum_are_not_sure():
    """1.7e308 of two neurons of one class add up to more than float64 holds: nothing is claimed."""
    W = np.array([[1.0], [1.0]])
    f = rn.Network([W, [[1.7e308, 1.7e308]]], [[-0.5, -0.5], [-1.0]], [[1.0]], activation="binary")
    g = rn.Network([W, [[1.7e308, 1.6e308]]], [[-0.5, -0.5], [-1.0]], [[1.0]], activation="binary")
    assert rn.verify(f, g, rn.Box(0, 1), eps=0.5, method="matching").status != "not_equivalent"
