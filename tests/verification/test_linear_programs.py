"""Bounds by linear programs and branch and bound: laws, independent optima, and hostile leaves."""
import itertools
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import exact_difference, supremum
from reducednet.verification.certificates import check_symbolic
from reducednet.verification.certificates.certificate import Certificate
from reducednet.verification.symbolic_bounds.back_substitution import Leaf
from reducednet.verification.symbolic_bounds.linear_programs import Effort, Proof
from reducednet.verification.symbolic_bounds.symbolic_difference import (
    symbolic_arrays, symbolic_bound,
)
from reducednet.verification.symbolic_bounds.symbolic_network import DEAD, ON, write_symbolically
from oracles.strategies import cases, seeds


def effort(branching, seconds=60.0):
    return Effort(branching, time.monotonic() + seconds)


def random_leaves(rng, n_classes, depth=4):
    """Return the signs of a random tree's leaves, its root alone now and then."""
    signs = np.zeros((1, n_classes), dtype=int)
    for _ in range(rng.integers(depth)):
        leaf, column = rng.integers(len(signs)), rng.integers(max(n_classes, 1))
        if n_classes and not signs[leaf, column]:
            halves = np.repeat(signs[leaf:leaf + 1], 2, axis=0)
            halves[:, column] = -1, 1
            signs = np.vstack([np.delete(signs, leaf, axis=0), halves])
    return signs


def all_classes(net, domain):
    """Return the checker's columns where every neuron is a class of its own."""
    columns = check_symbolic.Columns(domain)
    ends = np.cumsum([0, *net.sizes[1:-1]])
    labels = [np.arange(start, end) for start, end in zip(ends, ends[1:])]
    roles = [(own, np.ones(len(own))) for own in labels]
    check_symbolic.output_rows(net, roles, {}, [], columns)
    return columns


def exact_columns(net, x):
    """Return 1, x and all activations at a point, as fractions, and all z."""
    h = [Fraction(value) for value in x.tolist()]
    columns, z = [Fraction(1), *h], []
    for W, b in zip(net.weights, net.thresholds):
        rows = zip(W.tolist(), b.tolist())
        own = [sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(t)) for row, t in rows]
        h = [max(value, Fraction(0)) for value in own]
        columns, z = columns + h, z + own
    return columns, z


@given(cases(activation="relu"), seeds())
def test_row_is_below_its_bound_where_the_signs_are_whatever_the_multiples(case, seed):
    net, domain, X = case
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        try:
            known = all_classes(net, domain)
        except ValueError:  # beyond float64
            return
        n = known.n_classes
        A = rng.standard_normal((20, len(known.bounds))) * rng.choice([0.0, 1.0, 2.0**20], (20, 1))
        signs = np.stack([rng.permutation(random_leaves(rng, n))[0] for _ in A])
        multiples = rng.standard_normal((20, n)) * rng.choice([0.0, 1.0, 2.0**20], (20, n))
        rows = check_symbolic.SymbolicRows(A, np.zeros(20))
        given = check_symbolic.given_lines(multiples, known)
        bounds = check_symbolic.upper_bounds_where(rows, signs, given, known)
    for x in X[:4]:
        columns, z = exact_columns(net, x)
        for row, sign, bound in zip(A.tolist(), signs.tolist(), bounds):
            if all(s * value >= 0 for s, value in zip(sign, z)) and np.isfinite(bound):
                assert sum(Fraction(a) * v for a, v in zip(row, columns)) <= Fraction(float(bound))


@given(cases(activation="relu"), seeds())
def test_checker_never_claims_less_than_the_difference_whatever_the_trees(case, seed):
    """Random trees, some without a leaf, and random multiples: all that is accepted is true."""
    f, domain, X = case
    rng = np.random.default_rng(seed)
    noise = rng.choice([0.0, 1e-3, 1.0]) * rng.standard_normal(f.n_parameters)
    g = f.with_vector(f.to_vector() * (1.0 + noise))
    roles, proofs, first = [], [], 0
    for layer, n in enumerate(f.sizes[1:-1]):
        unstable = rng.random(n) < 0.7
        roles.append((np.where(unstable, first + np.cumsum(unstable) - 1, -1), np.ones(n)))
        for neuron in rng.choice(n, min(n, 2), replace=False).tolist():
            signs = random_leaves(rng, first)[rng.choice([0, 0, 0, 1]):]
            multiples = rng.standard_normal(signs.shape) * rng.choice([0.0, 1.0, 2.0**20])
            proofs.append(Proof(layer, neuron, int(rng.choice([-1, 1])), list(map(Leaf, signs, multiples))))
        first += int(unstable.sum())
    arrays = symbolic_arrays([*roles, *roles], (), [proof for proof in proofs if proof.leaves])
    with np.errstate(all="ignore"):
        try:
            bound = symbolic_bound(arrays, f, g, domain)
        except ValueError:  # leaves that do not cover the domain, or numbers beyond float64
            return
    if np.isfinite(bound):
        assert all(exact_difference(f, g, x) <= Fraction(bound) for x in X[:6].tolist())


# trees


@given(st.integers(0, 4), st.integers(0, 6), seeds())
def test_leaves_cover_the_domain_only_if_all_signs_are_in_one(n_classes, n_leaves, seed):
    signs = np.random.default_rng(seed).choice([-1, 0, 1], (n_leaves, n_classes))
    counts = [sum(all(s in (0, t) for s, t in zip(leaf, point)) for leaf in signs.tolist())
              for point in itertools.product((-1, 1), repeat=n_classes)]
    assert check_symbolic.covers(signs) == all(count == 1 for count in counts)


@given(st.integers(1, 50), seeds())
def test_leaves_of_a_tree_cover_the_domain_and_no_fewer_do(n_classes, seed):
    rng = np.random.default_rng(seed)
    signs = random_leaves(rng, n_classes, 12)
    assert check_symbolic.covers(signs)
    assert not check_symbolic.covers(np.delete(signs, rng.integers(len(signs)), axis=0))


@pytest.mark.parametrize("sign", [2.0, 0.5, np.nan, -1.5])
def test_invalid_sign_covers_nothing(sign):
    assert not check_symbolic.covers(np.array([[sign], [-sign]]))


# neurons whose signs only a linear program, or only branching, finds


def ridge(offset):
    """Return relu(x + y), relu(x - y) and a neuron of their sum, which is at most 2 on [-1, 1]^2 and relaxed 3."""
    rows = [[1.0, 1.0], [1.0, -1.0]]
    return rn.Network([rows, rows], [[0.0, 0.0], [offset, 0.0]], [[1.0, 1.0]])


SQUARES = [rn.Box([-1, -1], [1, 1]), rn.Hull([[-1, -1], [-1, 1], [1, -1], [1, 1]])]


def dead_of(net, domain, bounds, layer=1):
    small, report = rn.compress(net, domain, bounds=bounds)
    assert report.certificate.check(net, small, domain)
    return report.dead[layer].tolist()


@pytest.mark.parametrize("domain", [rn.Box(-1, 1), rn.Ball([0.0], 1.0), rn.Hull([[-1.0], [1.0]])], ids=repr)
def test_slope_between_0_and_1_shows_a_dead_neuron(domain):
    """x / 2 - relu(x) <= 0, by relu(x) >= x / 2 and by no line that the other bounds choose."""
    net = rn.Network([[[1.0], [1.0]], [[-1.0, 0.5], [1.0, 1.0]]], [[0.0, 2.0], [-1.125, -1.5]], [[1.0, 1.0]])
    assert [dead_of(net, domain, bounds) for bounds in ("linear", "lp", "milp")] == [[], [0], [0]]


@pytest.mark.parametrize("domain", SQUARES, ids=repr)
def test_branching_shows_a_dead_neuron_that_the_relaxation_does_not(domain):
    net = ridge(-2.5)
    assert [dead_of(net, domain, bounds) for bounds in ("linear", "lp", "milp")] == [[], [], [0]]


def test_neuron_that_is_on_in_a_corner_alone_is_kept():
    net = ridge(-2.0 + 2.0**-20)
    assert dead_of(net, SQUARES[0], "milp") == []


def exact_largest(net, domain, layer, neuron, sign):
    """Return the exact largest sign z over the domain: of shift + sign z > 0, less the shift."""
    shift = 2.0**20
    z = rn.Network(net.weights[:layer], net.thresholds[:layer], [sign * net.weights[layer][neuron]], [shift])
    zero = rn.Network([[[0.0] * domain.n_inputs]], [[0.0]], [[0.0]])
    return supremum(z, zero, domain).value - Fraction(shift) + Fraction(sign * net.thresholds[layer][neuron])


@pytest.mark.parametrize("seed", range(12))
def test_branching_finds_every_sign(seed):
    """Each neuron of the second layer is dead, always on or unstable by its exact bounds."""
    rng = np.random.default_rng(seed)
    d, n = (1, 8) if seed % 2 else (2, 4)
    net = rn.Network.random((d, n, 8, 1), rng=rng).with_vector(np.round(
        rn.Network.random((d, n, 8, 1), rng=rng).to_vector() * 8.0) / 8.0)
    domain = rn.Box(-np.ones(d), np.ones(d))
    roles = write_symbolically(net, domain, 2.0**-50, exclude=False, effort=effort(True)).roles
    for neuron, label in enumerate(roles[1].labels.tolist()):
        top, low = (exact_largest(net, domain, 1, neuron, sign) for sign in (1.0, -1.0))
        if 0 in (top, low):
            continue  # within the solver's rounding, either is right
        assert label == (DEAD if top < 0 else ON if low < 0 else abs(label)), (top, -low)
        assert label >= 0 or min(top, low) < 0


@given(cases(activation="relu"))
def test_linear_programs_keep_the_function_and_never_cost_neurons(case):
    net, domain, X = case
    _, plain = rn.compress(net, domain)
    for bounds in ("lp", "milp"):
        small, report = rn.compress(net, domain, bounds=bounds, time_limit=5.0)
        rounding = rn.evaluation_bound(net, domain) + rn.evaluation_bound(small, domain)
        assert (np.abs(net(X) - small(X)) <= report.bound + rounding).all()
        assert report.certificate.check(net, small, domain)
        assert report.neurons_after <= plain.neurons_after


def test_without_time_the_other_bounds_serve():
    net, box = ridge(-2.5), SQUARES[0]
    small, report = rn.compress(net, box, bounds="milp", time_limit=1e-9)
    plain, expected = rn.compress(net, box)
    assert small.sizes == plain.sizes and report.bound == expected.bound


# hostile leaves


def certificate_with_leaves():
    net, box = ridge(-2.5), SQUARES[0]
    small, report = rn.compress(net, box, bounds="milp")
    return net, small, box, report.certificate


def exchanged(certificate, **changes):
    arrays = {**certificate.arrays, **changes}
    return Certificate("bound", certificate.value, certificate.value, 0.0, 0.0, "folded", arrays,
                       certificate.fingerprint)


def test_certificate_with_leaves_is_kept_in_a_file(tmp_path):
    net, small, box, certificate = certificate_with_leaves()
    certificate.save(tmp_path / "proof.npz")
    assert Certificate.load(tmp_path / "proof.npz") == certificate
    assert Certificate.load(tmp_path / "proof.npz").check(net, small, box)


def test_each_leaf_is_needed():
    net, small, box, certificate = certificate_with_leaves()
    names = ("targets", "signs", "multiples")
    branched = [i for i, signs in enumerate(certificate.arrays["signs"]) if signs.any()]
    assert branched
    for i in branched:
        fewer = {name: np.delete(certificate.arrays[name], i, axis=0) for name in names}
        assert "do not cover the domain" in exchanged(certificate, **fewer).check(net, small, box).reason


@pytest.mark.parametrize("changes", [
    {"signs": lambda signs: -signs},
    {"signs": lambda signs: 0 * signs},
    {"signs": lambda signs: signs[:, :1]},
    {"targets": lambda _: [[1, 0, 1]] * 2, "signs": lambda _: [[-1], [1]],
     "multiples": lambda _: np.zeros((2, 1))},
    {"targets": lambda targets: targets * [1, 1, 2]},
    {"targets": lambda targets: targets * [1, 1, -1]},
    {"targets": lambda targets: targets + [0, 40, 0]},
    {"targets": lambda targets: targets[:, :2]},
    {"multiples": lambda multiples: 1e300 * multiples},
    {"multiples": lambda multiples: multiples[:1]},
], ids=lambda changes: next(iter(changes)))
def test_changed_leaves_prove_nothing(changes):
    net, small, box, certificate = certificate_with_leaves()
    changed = {name: change(certificate.arrays[name]) for name, change in changes.items()}
    try:
        other = exchanged(certificate, **changed)
    except ValueError as error:  # of another shape: refused before it is a certificate
        assert "must be" in str(error)
    else:
        assert not other.check(net, small, box)


@pytest.mark.parametrize("bounds, error", [("exact", ValueError), (None, TypeError), (1, TypeError)])
def test_other_bounds_are_refused_by_name(bounds, error):
    with pytest.raises(error, match="`bounds`.*linear"):
        rn.compress(ridge(0.0), SQUARES[0], bounds=bounds)


@pytest.mark.parametrize("seconds, error", [(0.0, ValueError), (np.nan, ValueError), ("1", TypeError)])
def test_invalid_time_limit_is_refused_by_name(seconds, error):
    with pytest.raises(error, match="`time_limit`"):
        rn.compress(ridge(0.0), SQUARES[0], bounds="lp", time_limit=seconds)
