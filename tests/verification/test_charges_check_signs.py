"""Bounds by signs: each charge is used up by numbers that round the bad way."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.worst_rounding import ODD, ODDER, ROUNDED, U, in_order, staircase

from reducednet.verification.certificates import check_signs as signs

UNIT, N = rn.Box(0.0, 1.0), 60


def neurons(weights, thresholds, partner=None):
    """Return neurons of one input in [0, 1], whose products are summed in order."""
    weights, thresholds = (np.array(v, dtype=float) for v in (weights, thresholds))
    n = len(weights)
    partner = np.full(n, -1) if partner is None else np.array(partner)
    return signs.Neurons(
        in_order(weights[:, np.newaxis]), in_order(thresholds),
        np.abs(weights) + np.abs(thresholds), np.zeros(n, dtype=bool), np.ones(n), partner,
    )


def functional(a, pair_part=None, lead=None, constants=(0.0, 0.0)):
    """Return a functional with these coefficients."""
    n = len(a)
    return signs.Functional(
        np.array(a, dtype=float), np.array(constants, dtype=float),
        np.full(n, -1) if lead is None else np.array(lead),
        np.zeros(n) if pair_part is None else np.array(pair_part, dtype=float),
    )


def leaf_bound(known, multiples, of, rows):
    """Return the bound of one leaf."""
    known, multiples = np.array([known]), in_order([multiples])
    return Q(float(signs.leaf_bounds(known, multiples, of, rows, UNIT)[0]))


def test_sums_over_many_neurons_hold_what_each_addition_loses():
    """At x = 1 the sum of 1, U, U, ... is 1 + 59 U, and 1 as it is added up."""
    ones, none, steps = np.ones(N), np.zeros(N), staircase(N)
    truth = 1 + (N - 1) * Q(U)
    for rows in (neurons(steps, none), neurons(none, steps)):
        assert leaf_bound(ones, ones, functional(ones), rows) >= truth
    for rows in (neurons(ones, none), neurons(none, ones)):
        assert leaf_bound(ones, steps, functional(steps), rows) >= truth


def test_the_range_of_a_pair_holds_what_its_products_lose():
    """ODD ODDER - ROUNDED is U, and 0 as it is computed."""
    of = functional([-1.0, ODD], pair_part=[-1.0, 0.0], lead=[1, -1])
    for weights, thresholds in (([ROUNDED, ODDER], [0.0, 0.0]), ([0.0, 0.0], [ROUNDED, ODDER])):
        D = signs.ranges_of_pairs(of, neurons(weights, thresholds, [1, 0]), UNIT)
        assert Q(float(D.high[1])) >= Q(ODD) * Q(ODDER) - Q(ROUNDED) > 0


def test_heights_are_those_of_the_line_at_both_ends():
    """a s(z) for z = x - 1/2 in [-1/2, 1/2] is at most share z + height, with any share."""
    for share in (0.0, 0.25, 0.5, 1.0, 7.0, -3.0):
        bound = leaf_bound([0], [share], functional([1.0]), neurons([1.0], [-0.5]))
        share = min(max(share, 0.0), 1.0)
        height = max(share / 2, (1 - share) / 2)
        assert Q(share / 2 + height) <= bound <= Q(share / 2 + height) + Q(999 * U)


def test_multiples_are_moved_to_the_numbers_that_are_allowed():
    """z = x - 1/2: (known sign, a, multiple asked for, multiple that is used)."""
    rows = neurons([1.0], [-0.5])
    for known, a, asked, used in (
        (1, 2.0, 0.0, 2.0), (1, 2.0, 3.0, 3.0), (1, -2.0, -3.0, -2.0), (1, -2.0, 5.0, 5.0),
        (-1, 2.0, 1.0, 0.0), (-1, 2.0, -1.0, -1.0), (-1, -2.0, -5.0, -5.0),
        (0, -2.0, -1.0, -1.0), (0, -2.0, -3.0, -2.0), (0, -2.0, 1.0, 0.0),
    ):
        bound = leaf_bound([known], [asked], functional([a]), rows)
        assert Q(abs(used) / 2) <= bound <= Q(abs(used) / 2) + Q(999 * U)


def test_only_a_part_of_a_neuron_belongs_to_a_pair():
    """f has s(u), g 3 s(v) with v = 2 u: half of its outgoing weight is that of u."""
    f, g = rn.Network([[[1.0]]], [[0.0]], [[1.0]]), rn.Network([[[2.0]]], [[0.0]], [[3.0]])
    both = signs.neurons_of(np.zeros(2, dtype=int), np.array([2.0, 1.0]), f, g, UNIT)
    of = signs.functional(f, g, 0, 1.0, both)
    assert of.a.tolist() == [-3.0, 1.0] and of.lead.tolist() == [1, -1]
    assert of.pair_part.tolist() == [-0.5, 0.0]
    assert signs.functional(f, g, 0, -1.0, both).pair_part.tolist() == [0.0, -1.0]


def test_output_biases_add_up_and_are_charged():
    """1 + (1 + 2 U) is rounded to 2."""
    of = functional([0.0], constants=(1.0, 1.0 + 2.0 * U))
    assert leaf_bound([0], [0.0], of, neurons([0.0], [0.0])) >= 2 + 2 * Q(U)
