"""Certificates of every kind, made once, and how to change them: what the tests of certificates
share.
"""
from fractions import Fraction

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_outputs
from reducednet.networks.rescaling import expand
from reducednet.verification.certificates.certificate import Certificate
from reducednet.verification.certify import certify
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference
from reducednet.verification.difference_bounds.neuron_matching import (
    same_hyperplanes, same_indices, similar_first_layers,
)
from reducednet.verification.findings import Findings, OutOfTime, Question
from reducednet.verification.provers import by_search, take_turns
from reducednet.verification.sign_splitting import split_signs
from reducednet.verification.verify import verify

FIELDS = ("claim", "value", "eps", "slack", "margin", "kind", "arrays", "fingerprint", "semantics")


def changed(certificate, repaired=True, **fields):
    """Return a certificate with other fields; its digest is made to fit, or is the old one."""
    own = {name: getattr(certificate, name) for name in FIELDS} | fields
    return Certificate(**own, digest=None if repaired else certificate.digest)


def with_arrays(certificate, repaired=True, **arrays):
    return changed(certificate, repaired, arrays={**certificate.arrays, **arrays})


def permuted(network, rng):
    """Return the same function with its neurons in another order."""
    weights, thresholds = [W.copy() for W in network.weights], [b.copy() for b in network.thresholds]
    C = network.output_weights.copy()
    for layer in range(network.depth):
        order = rng.permutation(len(weights[layer]))
        weights[layer], thresholds[layer] = weights[layer][order], thresholds[layer][order]
        if layer + 1 < network.depth:
            weights[layer + 1] = weights[layer + 1][:, order]
        else:
            C = C[:, order]
    return rn.Network(weights, thresholds, C, network.output_bias, network.activation)


def split(network):
    """Return the same function with the first neuron of the last layer twice, at half its outgoing
    weight.
    """
    C = np.column_stack([network.output_weights, network.output_weights[:, :1] / 2])
    C[:, 0] /= 2
    weights = [*network.weights[:-1], np.vstack([network.weights[-1], network.weights[-1][:1]])]
    thresholds = [*network.thresholds[:-1], np.append(network.thresholds[-1], network.thresholds[-1][:1])]
    return rn.Network(weights, thresholds, C, network.output_bias, network.activation)


def with_opposite(network):
    """Return the same function of one hidden layer, one neuron made its opposite.

    s(z) = s(-z) + z and z = s(z + r) - r.
    """
    w, b, C = network.weights[0], network.thresholds[0], network.output_weights
    far = 2.0**6
    weights, thresholds = np.vstack([w, w[:1]]), np.append(b, b[0] + far)
    weights[0], thresholds[0] = -w[0], -b[0]
    bias = (0.0 if network.output_bias is None else network.output_bias) - far * C[:, 0]
    return rn.Network([weights], [thresholds], np.column_stack([C, C[:, 0]]), bias)


def deepened(network):
    """Return the same function with one more hidden layer, which changes nothing."""
    n = network.sizes[-2]
    return rn.Network([*network.weights, np.eye(n)], [*network.thresholds, np.zeros(n)], network.output_weights,
                      network.output_bias, network.activation)


def domain_of(kind, d, rng):
    if kind == "Box":
        return rn.Box(-np.ones(d), np.ones(d) / 2)
    if kind == "Hull":
        return rn.Hull(rng.standard_normal((d + 3, d)))
    return rn.Ball(rng.standard_normal(d) / 2, 0.75)


def pairs(sizes, activation, domain, rng):
    """Yield (name, f, g) of equal, nearly equal and different networks."""
    n = rn.Network.random(sizes, 0).n_parameters
    numbers = np.round(4.0 * rng.standard_normal(n)) / 4.0
    plain = rn.Network.random(sizes, rng, output_bias=bool(rng.integers(2)), activation=activation)
    dyadic = rn.Network.random(sizes, rng, activation=activation).with_vector(numbers)
    yield "reduced", plain, rn.reduce(plain, domain)
    yield "expanded", plain, expand(plain, rng)
    yield "moved", plain, plain.with_vector(plain.to_vector() + 1e-6 * rng.standard_normal(plain.n_parameters))
    for name, make in {"permuted": lambda net: permuted(net, rng), "split": split, "deepened": deepened}.items():
        yield name, dyadic, make(dyadic)
    if len(sizes) == 3 and activation == "relu":
        yield "with_opposite", dyadic, with_opposite(dyadic)


def search_signs(f, g, domain, eps, seconds=5.0):
    """Return the findings of sign splitting alone, and of a search for counterexamples."""
    findings = Findings(Question(f, g, domain, eps, 0.0, np.inf, 0.0, (f, g)), seconds)
    try:
        with np.errstate(all="ignore"):
            by_search(findings)
            region = region_of(domain)
            matcher = same_hyperplanes(region, 2.0**-20, True)
            matcher = same_indices if f.sizes == g.sizes and similar_first_layers(f, g) else matcher
            matches = difference((f, g), region, matcher).matches
            take_turns(findings, [split_signs(findings, matches)], [1.0])
    except OutOfTime:
        pass
    return findings


CASES = {}


def proofs():
    """Return {name: (certificate, f, g, domain)} of every kind; made once."""
    if CASES:
        return CASES
    rng = np.random.default_rng(1)
    box, ball = rn.Box([-1, -1], [1, 1]), rn.Ball([0, 0], 1)
    hull, line = rn.Hull([[0, 0], [1, 0], [0, 2], [2, 2]]), rn.Box(-1, 1)

    def add(name, f, g, domain, **options):
        CASES[name] = verify(f, g, domain, **options).certificate, f, g, domain

    for name, domain in {"box": box, "ball": ball, "hull": hull}.items():
        f = rn.rescale(rn.Network.random((2, 6, 5, 1), rng, output_bias=True))
        g = f.with_vector(f.to_vector() + 1e-3 * rng.standard_normal(f.n_parameters))
        add(f"pieces {name}", f, g, domain, eps=1.0, method="differences")
        add(f"point {name}", f, g, domain, eps=1e-5, method="search")
        gap = verify(f, g, domain, eps=0.0, method="search").gap
        add(f"tree {name}", f, g, domain, eps=1.05 * gap, method="branching", time_limit=5.0)
        add(f"reduced {name}", f, rn.reduce(f, domain), domain)
        f = rn.Network.random((2, 5, 1), rng, activation="binary")
        add(f"binary {name}", f, rn.reduce(f, domain), domain, eps=1e-6, method="matching")
        f = rn.Network.random((2, 5, 3, 1), rng, activation="binary")
        f = f.with_vector(np.round(4.0 * f.to_vector()) / 4.0)
        add(f"exact {name}", f, permuted(f, rng), domain, eps=0.0, method="structure")
    f, g = (rn.Network.random((1, 6, 4, 1), rng) for _ in range(2))
    add("line", f, g, line, eps=1e3, method="breakpoints")
    f, g = (rn.Network.random((1, 9, 1), rng) for _ in range(2))
    add("sorted", f, g, line, eps=1e3, method="breakpoints")
    g = rn.Network([[[1.0, 1.0], [1.0, -2.0]]], [[0.5, 0.1]], [[1.0, 1.0]])
    f = rn.Network([[[-3.0, -3.0], [1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0, -4.0], [1.0, 3.0, 3.0]]],
                   [[-1.5, 9.0, 9.0], [18.2, -52.5]], [[0.5, 1.0 / 3.0]], [0.25])
    add("folded", f, g, box, eps=10.0, method="folding")
    f = rn.Network.random((2, 5, 3, 1), rng, output_bias=True)
    add("permutation", f, permuted(f, rng), box, method="permutation")
    f = rn.Network.random((2, 6, 5, 3), rng, output_bias=True)
    g = f.with_vector(f.to_vector() + 3e-3 * rng.standard_normal(f.n_parameters))
    for name, delta, domain in (("top1", 0.5, hull), ("top1 tree", 0.08, box)):
        method = "branching" if "tree" in name else "decisions"
        add(name, f, g, domain, target="top1", delta=delta, method=method, time_limit=5.0)
    add("top1_point", f, g, box, target="top1", method="search")
    f = rn.Network.random((2, *[16] * 6, 1), 0, scheme="he", output_bias=True)
    add("norms", f, rn.reduce(f, box), box)
    f = rn.Network.random((3, 6, 2), 0, scheme="he", output_bias=True)
    g = f.with_vector(f.to_vector() + 1e-2 * rng.standard_normal(f.n_parameters))
    cube = rn.Box(-np.ones(3), np.ones(3))
    eps = 1.05 * search_signs(f, g, cube, 0.0).gap
    CASES["signs"] = certify(search_signs(f, g, cube, eps), f, g), f, g, cube
    return CASES


AT_A_POINT = ("gap", "disagreement")


def number_at(claim, f, g, x):
    """Return what the claim is about, exactly, at one point: |f - g|, or f's lead if g disagrees."""
    one, other = exact_outputs(f, x), exact_outputs(g, x)
    if claim in ("bound", "gap"):
        return max(abs(a - b) for a, b in zip(one, other))
    j = one.index(max(one))
    return one[j] - max(one[:j] + one[j + 1:]) if max(other) > other[j] else Fraction(0)


def differences_at(f, g, domain, rng, n=12, claim="bound"):
    """Return points of the domain and the exact differences there, or what the claim is about."""
    X = domain.sample(n, rng)
    X = X + 2.0**-20 * (X.mean(axis=0) - X)
    values = []
    for x in X.tolist():
        values.append(number_at(claim, f, g, list(map(Fraction, x))))
    return X, values
