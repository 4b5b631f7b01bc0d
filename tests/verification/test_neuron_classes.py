"""Rows over classes contain every exact value, at any scale and for any match."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracles.exact_forms import (
    allowed_values, assert_holds, extreme_numbers, points_of_region, random_forms, some_boxes,
)
from reducednet.networks.parameters import Affine
from reducednet.numerics.rationals import rationals
from reducednet.verification.difference_bounds.affine_forms import Forms
from reducednet.verification.difference_bounds.neuron_classes import (
    LayerActivations, Match, NeuronRows, concatenate_rows, evaluate, representative_rows,
    rows_over_classes, subtract_multiple, sums_over_classes,
)
from oracles.strategies import seeds

SPREADS = st.sampled_from([0, 20, 300])


class Layer:
    """A random layer over random classes, and at a point the exact z of its neurons."""

    def __init__(self, rng, region, classes, spread, linear=True):
        n_classes, n = len(classes.values), int(rng.integers(1, 6))
        labels = rng.integers(-1, n_classes, n)
        scales = np.where(labels >= 0, np.abs(extreme_numbers(rng, n, spread // 4)), 0.0)
        scales[(rng.random(n) < 0.3) & (labels >= 0)] = 1.0
        rest = random_forms(rng, n, region, spread, linear)
        if rng.random() < 0.3:
            rest = rest.zeros(n)
        if rng.random() < 0.2 and n == n_classes:
            labels, scales = np.arange(n), np.ones(n)
        self.map = Affine(extreme_numbers(rng, (3, n), spread), extreme_numbers(rng, 3, spread))
        self.below = LayerActivations(labels, scales, rest)
        self.rows = rows_over_classes(self.map, self.below, classes.magnitude)

    def exact(self, H, region, number, x, rng):
        """Return W (s H + r) + b for some r of the remainder."""
        r = allowed_values(self.below.rest, region, number, x, rng)
        h = [Fraction(float(s)) * (H[label] if label >= 0 else 0) + own
             for label, s, own in zip(self.below.labels, self.below.scales, r)]
        return [sum((p * q for p, q in zip(rationals(row), h)), Fraction(b))
                for row, b in zip(self.map.W, self.map.b.tolist())]


@given(seeds(), SPREADS, st.booleans())
def test_rows_hold_the_exact_pre_activations(seed, spread, linear):
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    classes = random_forms(rng, int(rng.integers(1, 5)), region, spread, linear)
    layer = Layer(rng, region, classes, spread, linear)
    result = evaluate(layer.rows, classes)
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            z = layer.exact(allowed_values(classes, region, number, x, rng), region, number, x, rng)
            assert_holds(result, region, number, x, z, "z = F H + rest")


@given(seeds(), SPREADS, st.booleans())
def test_differences_of_rows_hold_the_exact_ones(seed, spread, linear):
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    classes = random_forms(rng, int(rng.integers(1, 5)), region, spread, linear)
    one, other = (Layer(rng, region, classes, spread, linear) for _ in range(2))
    scale = rng.choice([1.0, 0.0, -1.0, rng.standard_normal(), 2.0**-200, -2.0**200], 3)
    result = evaluate(subtract_multiple(one.rows, scale, other.rows), classes)
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            H = allowed_values(classes, region, number, x, rng)
            z, y = (layer.exact(H, region, number, x, rng) for layer in (one, other))
            values = [p - Fraction(float(s)) * q for p, s, q in zip(z, scale, y)]
            assert_holds(result, region, number, x, values, "z_one - s z_other")


@given(st.integers(-1074, -900), st.integers(-100, 1020), seeds())
@example(-1030, 1000, 0)
@example(-1074, 1020, 1)
def test_subnormal_values_times_huge_weights_are_charged(tiny, huge, seed):
    """What gamma |v| underflows to still counts where |W| multiplies it."""
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 1)
    n, p = 3, len(region.middle)
    values = np.ldexp(rng.uniform(0.5, 1.0, (n, 2 + p, 1)), tiny)
    values[:, 0] = values[:, 1]
    radii = np.zeros((n, 2, 1))
    radii[:, 0, 0] = np.ldexp(1.0, tiny + p + 2) if tiny > -1070 else 2.0**-1060
    forms, zero = Forms(values, radii), Forms(np.zeros((n, 2 + p, 1)), np.zeros((n, 2, 1)))
    W = Affine(np.ldexp(rng.uniform(0.5, 1.0, (2, n)), huge), np.zeros(2))
    nobody, everybody = (np.full(n, -1), np.zeros(n)), (np.arange(n), np.ones(n))
    without, with_classes = LayerActivations(*nobody, forms), LayerActivations(*everybody, zero)
    for below, classes in [(without, zero), (with_classes, forms)]:
        result = evaluate(rows_over_classes(W, below, classes.magnitude), classes)
        for x in points_of_region(region, rng)[0]:
            v = allowed_values(forms, region, 0, x, rng)
            z = [sum(a * b for a, b in zip(rationals(row), v)) for row in W.W]
            assert_holds(result, region, 0, x, z, "W v")


def test_sums_over_classes_are_over_the_neurons_of_each_class():
    W = np.arange(1.0, 9.0).reshape(2, 4)
    classes = np.array([2, -1, 0, 2]), np.array([2.0, 0.0, 1.0, 0.5])
    assert sums_over_classes(W, *classes, 3).tolist() == [[3.0, 0.0, 4.0], [7.0, 0.0, 14.0]]
    assert sums_over_classes(W, *classes, 5).tolist() == [[3.0, 0.0, 4.0, 0.0, 0.0], [7.0, 0.0, 14.0, 0.0, 0.0]]
    same = np.arange(4), np.array([1.0, 2.0, 1.0, 1.0])
    assert sums_over_classes(W, *same, 4).tolist() == (W * [1.0, 2.0, 1.0, 1.0]).tolist()
    assert not sums_over_classes(W, np.full(4, -1), np.zeros(4), 2).any()


def test_representatives_are_the_first_neurons_in_the_last_network_that_has_one():
    match = Match((np.array([1, 0, 0, 2]), np.array([1, -1, 0, 0])), (np.ones(4), np.ones(4)))
    network, index = match.representatives()
    assert network.tolist() == [1, 1, 0]
    assert index.tolist() == [2, 0, 3]


@given(seeds())
def test_representative_rows_are_those_of_the_representatives(seed):
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for n in rng.integers(1, 6, 2):
        forms = Forms(rng.standard_normal((n, 3, 1)), rng.random((n, 2, 1)))
        rows.append(NeuronRows(rng.standard_normal((n, 2)), forms, rng.random((n, 2, 1))))
        labels.append(rng.integers(-1, 3, n))
    together = np.unique(np.concatenate(labels)[np.concatenate(labels) >= 0], return_inverse=True)[1]
    compact, used = [own.copy() for own in labels], 0
    for own in compact:
        n = int((own >= 0).sum())
        own[own >= 0] = together[used:used + n]
        used += n
    match = Match(tuple(compact), tuple(np.ones(len(own)) for own in compact))
    result = representative_rows(rows, match)
    for c, (network, j) in enumerate(zip(*match.representatives())):
        assert np.array_equal(result.F[c], rows[network].F[j])
        assert np.array_equal(result.rest.values[c], rows[network].rest.values[j])
        assert np.array_equal(result.rest.radii[c], rows[network].rest.radii[j])
        assert np.array_equal(result.magnitude[c], rows[network].magnitude[j])


def test_concatenated_rows_and_rows_with_signs():
    forms = Forms(np.array([[[1.0]], [[-2.0]]]), np.array([[[0.5]], [[0.25]]]))
    rows = NeuronRows(np.array([[3.0], [4.0]]), forms, np.ones((2, 1, 1)))
    both = concatenate_rows([rows, rows.with_signs(np.array([1.0, -1.0]))])
    assert both.F[:, 0].tolist() == [3.0, 4.0, 3.0, -4.0]
    assert both.rest.values[:, 0, 0].tolist() == [1.0, -2.0, 1.0, 2.0]
    assert both.rest.radii[:, 0, 0].tolist() == [0.5, 0.25, 0.5, 0.25]
    assert rows.take(np.arange(2)) is rows
    assert rows.take(np.array([1])).F.tolist() == [[4.0]]


@pytest.mark.parametrize("weight", [1e308, -1e308])
def test_overflow_in_rows_is_not_finite(weight):
    classes = Forms(np.full((2, 1, 1), 10.0), np.zeros((2, 1, 1)))
    below = LayerActivations(np.arange(2), np.ones(2), classes.zeros(2))
    with np.errstate(over="ignore", invalid="ignore"):
        rows = rows_over_classes(Affine(np.full((1, 2), weight), np.zeros(1)), below, classes.magnitude)
        z = evaluate(rows, classes)
    assert not (np.isfinite(z.values).all() and np.isfinite(z.radii).all())
