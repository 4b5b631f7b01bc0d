"""Semantics "float32": bounds and counterexamples hold for what float32 computes, in any order."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.certificate_cases import changed, permuted, with_arrays
from oracles.exact_suprema import exact_outputs
from oracles.random_evidence import hostile_case, random_case
from oracles.strategies import seeds

import reducednet as rn
from reducednet.numerics.rounding import FLOAT32, FLOAT64
from reducednet.reduced_space.rounding_error import evaluation_margin, forward_error
from reducednet.verification.certificates import check_evaluation
from reducednet.verification.certificates.certificate import Certificate, fingerprint
from reducednet.verification.certificates.exact.float_semantics import (
    ARITHMETICS, evaluation_error, require_semantics,
)
from reducednet.verification.certificates.exact.objects import Refused
from reducednet.verification.certificates.schemas import largest_margin

ORDERS = 20
SINGLE = np.float32
CHECKER = check_evaluation.FLOAT32
LARGEST = float(np.finfo(np.float32).max)


def single(network):
    """Return the network with its parameters rounded to float32."""
    return network.with_vector(network.to_vector().astype(SINGLE).astype(float))


def sum_of_products(row, h, threshold, rng):
    """Return row.h + threshold in float32, summed in one of three ways, in a random order."""
    order = rng.permutation(len(row))
    row, h = row[order].astype(SINGLE), h[order].astype(SINGLE)
    way = rng.integers(3)
    if way == 0:  # fused: a product of two float32 numbers is a float64 number
        total = SINGLE(threshold)
        for a, b in zip(row, h):
            total = SINGLE(float(a) * float(b) + float(total))
        return total
    terms = list(row * h)
    terms.insert(rng.integers(len(terms) + 1), SINGLE(threshold))
    if way == 1:  # one after the other
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total
    while len(terms) > 1:  # in a tree
        i = rng.integers(len(terms) - 1)
        terms[i:i + 2] = [terms[i] + terms[i + 1]]
    return terms[0]


def computed(network, x, rng):
    """Return the outputs in float32, as float64."""
    h = np.asarray(x, dtype=SINGLE)
    bias = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    with np.errstate(all="ignore"):
        for W, b in zip(network.weights, network.thresholds):
            z = np.array([sum_of_products(row, h, t, rng) for row, t in zip(W, b)])
            if network.activation == "relu":
                h = np.maximum(z, SINGLE(0.0))
            else:
                h = (z > 0.0).astype(SINGLE)
        C = network.output_weights
        return np.array([sum_of_products(row, h, a, rng) for row, a in zip(C, bias)], dtype=float)


def single_points(domain, count, rng):
    """Return float32 points of the domain, as float64."""
    X = FLOAT32.rounded(domain.sample(count, rng))
    return X[domain.contains(X)]


def error_at(network, x, rng):
    """Return the largest error of the computed outputs, exactly."""
    pairs = zip(computed(network, x, rng).tolist(), exact_outputs(network, x))
    return max(abs(Fraction(one) - other) for one, other in pairs)


def assert_bounds_hold(network, domain, X, rng):
    """Assert that the provers' and the checker's bounds hold in twenty orders of summation."""
    bounds = [
        float(forward_error(network, domain, 0, FLOAT32).max()),
        check_evaluation.error_of(network, domain, CHECKER),
    ]
    assert np.isfinite(bounds).all()
    largest = max(error_at(network, x, rng) for x in X for _ in range(ORDERS))
    assert largest <= Fraction(min(bounds))
    return float(largest), min(bounds)


@pytest.mark.parametrize("sizes", [(1, 5, 1), (3, 6, 5, 2), (12, 5, 1)], ids=str)
@pytest.mark.parametrize("kind", ["box", "far", "ball", "hull"])
def test_error_bounds_hold_in_twenty_orders_of_summation(sizes, kind):
    rng = np.random.default_rng(len(sizes))
    d = sizes[0]
    f = single(rn.Network.random(sizes, rng, output_bias=True))
    domain = {
        "box": rn.Box(-np.ones(d), np.ones(d)),
        "far": rn.Box(np.full(d, 1e3), np.full(d, 1001.0)),
        "ball": rn.Ball(np.full(d, 0.5), 2.0), "hull": rn.Hull(rng.standard_normal((d + 2, d))),
    }[kind]
    X = single_points(domain, 20, rng)[:3]
    assert len(X)
    assert_bounds_hold(f, domain, X, rng)


@given(seeds(), st.integers(1, 3))
def test_error_bounds_hold_where_much_cancels(seed, depth):
    """Each row has pairs of opposite large weights: what is left is small, what rounds is not."""
    rng = np.random.default_rng(seed)
    f = rn.Network.random((2, *[4] * depth, 1), rng)
    large = 2.0 ** rng.integers(0, 20)
    weights = [np.hstack([W[:, :1] * large, -W[:, :1] * large + W[:, 1:2], W[:, 2:]]) for W in f.weights]
    f = single(rn.Network(weights, f.thresholds, f.output_weights))
    box = rn.Box([1.0, 1.0], [1.25, 1.25])
    point = FLOAT32.rounded(box.sample(1, rng))
    assert_bounds_hold(f, box, point, rng)


def test_error_bounds_are_used_up_by_half():
    """The terms 1 and n times 2^-24: one after the other they all round away, n u in all."""
    n = 60
    f = rn.Network([np.ones((1, n + 1))], [[0.0]], [[1.0]])
    x = np.append(1.0, np.full(n, 2.0**-24))
    box = rn.Box(np.zeros(n + 1), x)
    total = SINGLE(0.0)
    for value in x.astype(SINGLE):
        total = total + value
    off = sum(map(Fraction, x.tolist())) - Fraction(float(total))
    for bound in (
        forward_error(f, box, 0, FLOAT32)[0], check_evaluation.error_of(f, box, CHECKER),
    ):
        assert off <= Fraction(float(bound)) <= 2 * off


@pytest.mark.parametrize("scale", [2.0**-75, 2.0**-74, 2.0**-100])
def test_products_that_are_subnormal_or_vanish_are_charged(scale):
    rng = np.random.default_rng(0)
    tiny = FLOAT32.rounded(scale * rng.uniform(0.5, 1.5, (1, 30)))
    f = rn.Network([tiny], [[0.0]], [[1.0]])
    x = FLOAT32.rounded(scale * rng.uniform(0.5, 1.5, 30))
    assert_bounds_hold(f, rn.Box(np.zeros(30), x), [x], rng)


@pytest.mark.parametrize("factor, may_overflow", [(0.9, False), (1.1, True)])
def test_sums_that_may_overflow_have_no_bound(factor, may_overflow):
    n = 8
    f = single(rn.Network([np.full((1, n), factor * LARGEST / n)], [[0.0]], [[1.0]]))
    box = rn.Box(np.zeros(n), np.ones(n))
    outputs = computed(f, np.ones(n), np.random.default_rng(0))
    assert np.isinf(outputs).all() == may_overflow
    for bound in (
        forward_error(f, box, 0, FLOAT32)[0], check_evaluation.error_of(f, box, CHECKER),
    ):
        assert np.isfinite(bound) != may_overflow
    assert np.isfinite(forward_error(f, box)[0])
    if may_overflow:
        verdict = rn.verify(f, f, box, 1.0, "float32", 1.0)
        assert verdict.status == "unknown" and "in float32" in verdict.remark


@pytest.mark.slow
def test_bounds_hold_for_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    f = single(rn.Network.random((40, 100, 30, 3), rng, output_bias=True))
    box = rn.Box(-np.ones(40), np.ones(40))
    X = single_points(box, 200, rng)
    h = torch.tensor(X, dtype=torch.float32)
    for W, b in zip([*f.weights, f.output_weights], [*f.thresholds, f.output_bias]):
        W, b = (torch.tensor(values, dtype=torch.float32) for values in (W, b))
        z = torch.nn.functional.linear(h, W, b)
        h = torch.relu(z)
    outputs = z.numpy().astype(float)
    bounds = forward_error(f, box, 0, FLOAT32)
    exact = np.array([[float(y) for y in exact_outputs(f, x)] for x in X[:20]])
    assert (np.abs(outputs[:20] - exact) <= bounds).all()
    assert (np.abs(outputs - f(X)) <= bounds + forward_error(f, box)).all()


# binary networks


@given(seeds(), st.integers(1, 4))
def test_binary_neurons_are_right_further_than_the_margin(seed, d):
    rng = np.random.default_rng(seed)
    box = rn.Box(-np.ones(d), np.ones(d))
    X = single_points(box, 6, rng)
    W = FLOAT32.rounded(rng.standard_normal((len(X), d)))
    b = FLOAT32.rounded(-np.einsum("ij,ij->i", W, X))  # hyperplanes through the points, nearly
    f = rn.Network([W], [b], np.ones((1, len(X))), activation="binary")
    margins = [
        evaluation_margin(f, box, FLOAT32), check_evaluation.margin(f, f, box, CHECKER),
    ]
    for x in X:
        for row, threshold in zip(W, b):
            z = sum(Fraction(p) * Fraction(q) for p, q in zip(row.tolist(), x.tolist()))
            z += Fraction(float(threshold))
            square = sum(Fraction(p) ** 2 for p in row.tolist())
            if z * z > Fraction(min(margins)) ** 2 * square:
                found = [sum_of_products(row, x, threshold, rng) > 0.0 for _ in range(5)]
                assert found == [z > 0] * 5
        if check_evaluation.is_decided(f, f, x.tolist(), CHECKER):
            for _ in range(5):
                assert computed(f, x, rng).tolist() == [float(y) for y in exact_outputs(f, x)]


@pytest.mark.parametrize("weights, exact", [
    ([2.0**22, 1.0], True), ([2.0**24, 1.0], False), ([0.75, 0.25], True),
    ([float(SINGLE(0.1)), 1.0], False),
])
def test_sums_above_the_first_layer_must_fit_the_digits_of_float32(weights, exact):
    f = rn.Network([[[1.0], [2.0]], [weights]], [[0.5, 0.5], [0.0]], [[1.0]], activation="binary")
    box = rn.Box(-1.0, 1.0)
    assert check_evaluation.sums_are_exact(f, CHECKER) == exact
    assert np.isfinite(evaluation_margin(f, box, FLOAT32)) == exact


def test_binary_networks_are_proved_with_the_margin_that_float32_needs():
    f = rn.Network([[[0.25, 0.5]]], [[-0.125]], [[1.0]], activation="binary")
    g = rn.Network([[[0.5, 1.0], [1.0, 2.0]]], [[-0.25, -0.5]], [[0.25, 0.75]], activation="binary")
    box = rn.Box([0.0, 0.0], [1.0, 1.0])
    verdict = rn.verify(f, g, box, semantics="float32")
    assert verdict.status == "equivalent"
    assert 1e-8 < verdict.margin <= largest_margin(box, "float32")
    for exact in (False, True):
        assert verdict.certificate.check(f, g, box, exact=exact)
        smaller = changed(verdict.certificate, margin=verdict.margin / 64.0)
        assert not smaller.check(f, g, box, exact=exact)


# verdicts


SQUARE = rn.Box([-1.0, -1.0], [1.0, 1.0])
F = single(rn.Network.random((2, 12, 8, 2), rng=3))


def test_bound_holds_for_every_order_of_summation_and_is_proved_by_certificate():
    rng = np.random.default_rng(4)
    g = permuted(F, rng)
    verdict = rn.verify(F, g, SQUARE, semantics="float32")
    assert (verdict.status, verdict.semantics) == ("equivalent", "float32")
    assert verdict.bound > 1e3 * rn.verify(F, g, SQUARE, semantics="float64").bound
    for x in single_points(SQUARE, 5, rng):
        for _ in range(ORDERS):
            assert np.abs(computed(F, x, rng) - computed(g, x, rng)).max() <= verdict.bound
    certificate = verdict.certificate
    assert certificate.semantics == "float32" and "in float32" in repr(certificate)
    for exact in (False, True):
        assert certificate.check(F, g, SQUARE, exact=exact)
        less = changed(certificate, slack=certificate.slack / 2.0)
        assert not less.check(F, g, SQUARE, exact=exact)


@pytest.mark.parametrize("domain", [
    SQUARE, rn.Ball([1 / 3, 1 / 7], 0.7), rn.Hull([[0.1, 0.1], [0.9, 0.3], [0.3, 0.7]]),
    rn.Box([0.1, -0.3], [0.7, 0.9]),
], ids=repr)
def test_counterexamples_are_float32_points_at_which_float32_differs(domain):
    rng = np.random.default_rng(5)
    g = single(rn.Network(F.weights, F.thresholds, 1.01 * F.output_weights))
    verdict = rn.verify(F, g, domain, semantics="float32")
    assert verdict.status == "not_equivalent"
    x = np.asarray(verdict.counterexample)
    assert (FLOAT32.rounded(x) == x).all() and domain.contains(x[np.newaxis]).all()
    for _ in range(ORDERS):
        gap = np.abs(computed(F, x, rng) - computed(g, x, rng)).max()
        assert gap >= verdict.gap > verdict.eps
    certificate = verdict.certificate
    moved = with_arrays(certificate, point=x * (1.0 - 2.0**-40))
    for exact in (False, True):
        assert certificate.check(F, g, domain, exact=exact)
        assert not moved.check(F, g, domain, exact=exact)


def test_one_input_is_refuted_at_a_float32_point():
    f = rn.Network([[[1.0], [-1.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    g = single(rn.Network([[[1.0], [-1.0]]], [[-0.1, -0.1]], [[1.0, 1.0]]))
    verdict = rn.verify(f, g, rn.Box(-1.0, 1.0), 1e-3, semantics="float32")
    assert verdict.status == "not_equivalent"
    assert (FLOAT32.rounded(verdict.counterexample) == verdict.counterexample).all()


def test_domain_without_float32_points_refutes_nothing():
    g = single(rn.Network(F.weights, F.thresholds, 2.0 * F.output_weights))
    box = rn.Box([-1.0, 0.1], [1.0, 0.1])
    assert rn.verify(F, g, box, 1e-3, "float32", method="search").status == "unknown"
    assert rn.verify(F, g, box, 1e-3, "float64", method="search").status == "not_equivalent"


@pytest.mark.parametrize("entry, word", [
    (0, r"weights\[0\]\[0, 0\]"), (25, r"thresholds\[0\]\[1\]"), (-1, r"output_weights\[1, 7\]"),
])
def test_the_first_parameter_that_is_no_float32_number_is_named(entry, word):
    vector = F.to_vector()
    vector[entry] = 0.1
    g = F.with_vector(vector)
    with pytest.raises(ValueError, match=f"`g` must be a network of float32 numbers, got {word} = 0.1"):
        rn.verify(F, g, SQUARE, 1.0, "float32")
    certificate = rn.verify(F, g, SQUARE, 10.0, "float64").certificate
    forged = changed(certificate, semantics="float32", slack=1.0)
    for exact in (False, True):
        assert "no " in forged.check(F, g, SQUARE, exact=exact).reason


# random evidence


def random_semantics(rng):
    """Return a certificate with random evidence, for float32 or float64, and the case.

    Its slack is what the fast checker asks for, and so is its margin. None if there are none, or if
    the evidence does not fit.
    """
    semantics = ("float32", "float64")[rng.integers(2)]
    arithmetic = check_evaluation.ARITHMETICS[semantics]
    try:
        with np.errstate(all="ignore"):
            kind, arrays, _, f, g, domain = (random_case, hostile_case)[rng.integers(2)](rng)
            f, g = (single(network) if semantics == "float32" else network for network in (f, g))
        slack = check_evaluation.evaluation_error(f, g, domain, arithmetic)
        margin = 0.0
        if f.activation == "binary" and kind != "point":
            margin = check_evaluation.margin(f, g, domain, arithmetic)
        claim = "gap" if kind == "point" else "bound"
        certificate = Certificate(claim, 1.0, 0.0, slack, margin, kind, arrays,
                                  fingerprint(f, g, domain), semantics=semantics)
    except (TypeError, ValueError):
        return None
    return certificate, f, g, domain


def refusal_of_semantics(certificate, f, g, domain):
    try:
        require_semantics(certificate, f, g, domain)
    except Refused as error:
        return str(error)
    return ""


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_fast_checker_never_asks_for_less_than_rational_arithmetic(count):
    accepted = {"float32": 0, "float64": 0}
    refused = 0
    for seed in range(count):
        case = random_semantics(np.random.default_rng([12, seed]))
        if case is None:
            continue
        certificate, *others = case
        if certificate.margin > largest_margin(others[-1], certificate.semantics):
            continue
        if certificate.unproved_semantics(*others):
            continue
        assert refusal_of_semantics(*case) == ""
        accepted[certificate.semantics] += 1
        errors = [evaluation_error(net, others[-1], certificate) for net in others[:2]]
        less = changed(certificate, slack=float(sum(errors)) * (1.0 - 1e-12))
        if less.slack < sum(errors):
            assert less.unproved_semantics(*others) and refusal_of_semantics(less, *others)
            refused += 1
    assert min(accepted.values()) > count / 8 and refused > count / 8


def test_three_records_of_each_arithmetic_agree():
    """The provers', the checker's and the exact checker's are written apart."""
    for name, of_provers in (("float64", FLOAT64), ("float32", FLOAT32)):
        for other in (check_evaluation.ARITHMETICS[name], ARITHMETICS[name]):
            assert tuple(of_provers) == tuple(other)
        info = np.finfo(of_provers.dtype)
        assert of_provers.unit_roundoff == float(info.eps) / 2.0
        assert (of_provers.smallest, of_provers.largest) == (info.smallest_subnormal, info.max)
