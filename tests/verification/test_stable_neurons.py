"""Neurons called dead or always on are so at every point, in rationals."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.reference import layers
from oracles.strategies import boxes, cases, seeds


KINDS = ("linear", "lp", "milp")


@given(cases(domain=boxes), st.sampled_from(KINDS))
def test_dead_and_always_on_neurons_are_so_at_every_point(case, bounds):
    network, domain, X = case
    found = rn.stable_neurons(network, domain, bounds)
    for x in np.clip(X, domain.low, domain.high):
        for z, dead, on in zip(layers(network, x, Fraction)[0], found.dead, found.always_on):
            assert all(value <= 0 for value, is_dead in zip(z, dead) if is_dead)
            assert all(value >= 0 for value, is_on in zip(z, on) if is_on)


@given(st.integers(1, 4).flatmap(boxes), seeds())
def test_first_layer_on_a_box_is_decided_exactly(box, seed):
    """On a box the smallest and largest w.x + b are attained at corners: exact in rationals."""
    rng = np.random.default_rng(seed)
    W, low, high = rng.integers(-3, 4, (8, box.n_inputs)).astype(float), box.low, box.high
    ends = [
        [sum((pick(Fraction(w) * Fraction(lo), Fraction(w) * Fraction(hi)) for w, lo, hi in zip(row, low, high)),
             Fraction(0)) for pick in (min, max)] for row in W
    ]
    b = np.array([-float(end[rng.integers(2)]) for end in ends])  # hyperplanes at the boundary, about
    found = rn.stable_neurons(rn.Network([W], [b], np.ones((1, 8))), box)
    for j, ((smallest, largest), threshold) in enumerate(zip(ends, b)):
        assert found.dead[0][j] == (largest + Fraction(threshold) <= 0)
        assert found.always_on[0][j] == (smallest + Fraction(threshold) >= 0 and not found.dead[0][j])


def test_counts_by_hand():
    """On [0, 1]: x - 2 dead, x - 1/2 neither, x + 1 always on; above, 5 - 4 h_2 >= 5 - 4/2 = 3."""
    net = rn.Network([[[1.0], [1.0], [1.0]], [[0.0, -4.0, 0.0]]], [[-2.0, -0.5, 1.0], [5.0]], [[1.0]])
    found = rn.stable_neurons(net, rn.Box(0, 1))
    assert [layer.tolist() for layer in found.dead] == [[True, False, False], [False]]
    assert [layer.tolist() for layer in found.always_on] == [[False, False, True], [True]]
    assert [layer.tolist() for layer in found.unstable] == [[False, True, False], [False]]
    assert repr(found) == "StableNeurons(1 dead, 1 always on, 1 unstable; 0 dead, 1 always on, 0 unstable)"


def test_linear_bounds_see_what_intervals_do_not():
    """h_1 - h_2 with h_1 = x + 1, h_2 = x + 1: 0, where intervals give [-1, 1]."""
    net = rn.Network([[[1.0], [1.0]], [[1.0, -1.0]]], [[1.0, 1.0], [0.5]], [[1.0]])
    assert rn.stable_neurons(net, rn.Box(0, 1)).always_on[1].tolist() == [True]


def test_a_binary_tie_is_not_always_on():
    """z = x on [0, 1] is 0 at x = 0, where s(z) = 0."""
    net = rn.Network([[[1.0]]], [[0.0]], [[1.0]], activation="binary")
    assert rn.stable_neurons(net, rn.Box(0, 1)).unstable[0].tolist() == [True]
    assert rn.stable_neurons(net, rn.Box(1, 2)).always_on[0].tolist() == [True]


def signs_on(network, X):
    """Return, for each hidden layer, which neurons are above and which below 0 at some sample."""
    Z = network.pre_activations(X)
    return [((own > 0.0).any(axis=0), (own < 0.0).any(axis=0)) for own in Z]


@pytest.mark.parametrize("n, seed", [
    (4, 0), *[pytest.param(6, seed, marks=pytest.mark.slow) for seed in range(4)],
])
@pytest.mark.parametrize("domain", [
    rn.Box([-1.0, -1.0], [1.0, 1.0]), rn.Ball([0.5, 0.0], 1.0),
    rn.Hull([[0.0, 0.0], [1.0, 0.2], [0.3, 1.0]]),
], ids=["box", "ball", "hull"])
def test_each_further_kind_of_bounds_finds_more_and_branching_settles_every_sign(n, seed, domain):
    """Neurons that are unstable after branch and bound have both signs at some samples."""
    network = rn.Network.random((2, n, n, n, 1), rng=seed)
    found = [rn.stable_neurons(network, domain, bounds) for bounds in KINDS]
    for less, more in zip(found, found[1:]):
        for kind in ("dead", "always_on"):
            assert all((a <= b).all() for a, b in zip(getattr(less, kind), getattr(more, kind)))
    X = domain.sample(20_000, 0)
    X = np.concatenate([X, domain.support_points(np.random.default_rng(0).standard_normal((200, 2)))])
    signs = signs_on(network, X)
    for (above, below), dead, on in zip(signs, *found[-1]):
        assert not (above & dead).any() and not (below & on).any()
    if not isinstance(domain, rn.Ball):  # the linear programs are about the box around a ball
        for (above, below), unstable in zip(signs, found[-1].unstable):
            assert (above & below)[unstable].all()


def test_linear_programs_find_signs_that_lines_do_not():
    box = rn.Box(-np.ones(2), np.ones(2))
    network = rn.Network.random((2, 6, 6, 6, 1), rng=1)
    counts = [
        sum(int(own.sum()) for own in rn.stable_neurons(network, box, bounds).unstable)
        for bounds in KINDS
    ]
    assert counts[0] > counts[1] > counts[2]


def test_no_linear_program_begins_after_the_time_limit(monkeypatch):
    """What back-substitution finds by then is proved, and added to the linear bounds."""
    def too_late(*arguments, **options):
        raise AssertionError("a linear program after the time limit")

    monkeypatch.setattr("scipy.optimize.linprog", too_late)
    network, box = rn.Network.random((3, 10, 10, 10, 1), rng=1), rn.Box(-np.ones(3), np.ones(3))
    quick = rn.stable_neurons(network, box, "milp", time_limit=1e-9)
    for less, more in zip(rn.stable_neurons(network, box).dead, quick.dead):
        assert (less <= more).all()


def test_numbers_beyond_float64_leave_the_linear_bounds():
    network = rn.Network([[[1e200]], [[1e200]], [[1e200]]], [[0.0]] * 3, [[1.0]])
    box = rn.Box(-1.0, 1.0)
    for bounds in KINDS:
        assert not any(own.any() for own in rn.stable_neurons(network, box, bounds).dead)


@pytest.mark.parametrize("arguments, words", [
    (dict(bounds="sdp"), "`bounds`"), (dict(bounds=1), "`bounds`"),
    (dict(time_limit=0.0), "`time_limit`"), (dict(bounds="lp", time_limit=np.nan), "`time_limit`"),
])
def test_bad_choices_are_refused(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        rn.stable_neurons(rn.Network.random((1, 3, 1), rng=0), rn.Box(0, 1), **arguments)


@pytest.mark.parametrize("domain, words", [(rn.Box([0, 0], [1, 1]), "dimension"), ("box", "domain")])
def test_bad_domains_are_refused(domain, words):
    with pytest.raises((TypeError, ValueError), match=words):
        rn.stable_neurons(rn.Network.random((1, 3, 1), rng=0), domain)
