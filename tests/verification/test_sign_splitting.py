"""Splitting signs: every bound holds, few leaves reach far, and nothing is lost where it is simple."""
from fractions import Fraction

import numpy as np
import pytest
from oracles.certificate_cases import changed, domain_of, proofs, search_signs, with_arrays
from oracles.exact_suprema import supremum
from oracles.exact_truth import pairs
from oracles.random_evidence import evidence_signs, random_pair

import reducednet as rn
from reducednet.verification.certificates import check_signs
from reducednet.verification.certify import certify
from reducednet.verification.sign_splitting import Trees


def perturbed(f, size=1e-2, rng=1):
    """Return the network with noise on all parameters."""
    noise = np.random.default_rng(rng).standard_normal(f.n_parameters)
    return f.with_vector(f.to_vector() + size * noise)


def unit_domains(d):
    corners = np.vstack([np.eye(d), -np.eye(d)])
    box, ball = rn.Box(-np.ones(d), np.ones(d)), rn.Ball(np.zeros(d), 1.0)
    return {"box": box, "ball": ball, "hull": rn.Hull(corners)}


def shallow_pairs(n, seed):
    """Yield pairs of ReLU networks of one hidden layer, with their domains."""
    for f, g, domain, _ in pairs(n, seed):
        if f.activation == "relu" and f.depth == g.depth == 1:
            yield f, g, domain


@pytest.mark.parametrize("n_pairs", [25, pytest.param(300, marks=pytest.mark.slow)])
def test_bound_and_gap_hold_the_exact_supremum_of_nearly_equal_networks(n_pairs):
    for f, g, domain in shallow_pairs(n_pairs, 31):
        truth = supremum(f, g, domain).value
        findings = search_signs(f, g, domain, 1.1 * float(truth), seconds=0.2)
        assert Fraction(findings.gap) <= truth
        assert findings.bound == np.inf or truth <= Fraction(findings.bound)


@pytest.mark.parametrize("n_pairs", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_most_perturbed_networks_are_bounded_within_a_tenth_of_the_exact_supremum(n_pairs):
    proved = 0
    for seed in range(n_pairs):
        rng = np.random.default_rng([3, seed])
        d, n = int(rng.integers(1, 3)), int(rng.integers(1, 7))
        f = rn.Network.random((d, n, int(rng.integers(1, 3))), rng, output_bias=bool(rng.integers(2)))
        g = perturbed(f, 10.0 ** -rng.uniform(0.5, 3.0), rng)
        domain = domain_of(("Box", "Hull")[rng.integers(2)], d, rng)
        truth = supremum(f, g, domain).value
        findings = search_signs(f, g, domain, 1.1 * float(truth))
        proved += truth == 0 or findings.status == "equivalent"
        if findings.bound == np.inf:
            continue
        assert Fraction(findings.gap) <= truth <= Fraction(findings.bound)
        below = search_signs(f, g, domain, 0.99 * float(truth), seconds=0.2)
        assert below.status != "equivalent" and float(truth) <= below.bound * (1.0 + 2.0**-52)
    assert proved >= 0.9 * n_pairs


@pytest.mark.parametrize("n_cases", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_any_pairs_trees_and_multiples_prove_a_bound(n_cases):
    for seed in range(n_cases):
        rng = np.random.default_rng([7, seed])
        f, g = random_pair("signs", "relu", rng)
        domain = domain_of(("Box", "Hull")[rng.integers(2)], f.n_inputs, rng)
        if f.n_inputs > 2 or f.depth + g.depth > 2:
            continue
        try:
            bound = check_signs.check(evidence_signs(f, g, domain, rng), f, g, domain)
        except (StopIteration, ValueError):
            continue
        assert Fraction(bound) >= supremum(f, g, domain).value


@pytest.mark.parametrize("kind", ["box", "ball", "hull"])
def test_many_inputs_are_no_obstacle(kind):
    domain = unit_domains(20)[kind]
    f = rn.Network.random((20, 16, 2), 0, scheme="he", output_bias=True)
    g = perturbed(f)
    gap = search_signs(f, g, domain, 0.0).gap
    findings = search_signs(f, g, domain, 1.25 * gap, 20.0)
    assert findings.status == "equivalent"
    assert certify(findings, f, g).check(f, g, domain)


def test_signs_decide_what_boxes_do_not():
    """Twelve inputs, and a bound of 1.2 times the largest difference found."""
    box = unit_domains(12)["box"]
    f = rn.Network.random((12, 16, 1), 0, scheme="he", output_bias=True)
    g = perturbed(f)
    gap = rn.verify(f, g, box, eps=0.0, method="search").gap
    verdict = rn.verify(f, g, box, eps=1.2 * gap, time_limit=20.0)
    assert verdict.status == "equivalent" and verdict.certificate.kind == "signs"
    assert verdict.certificate.check(f, g, box)


def test_an_opposite_neuron_is_a_partner():
    """s(-z) = s(z) - z: with the opposite neurons as partners the bound is that of the noise."""
    rng = np.random.default_rng(0)
    f = rn.Network.random((8, 12, 1), rng, output_bias=True)
    W, b, C = f.weights[0], f.thresholds[0], f.output_weights
    shift = np.append(C @ W, 0.0)[:-1]
    far = 2.0**6
    # C s(W x + b) = C s(-W x - b) + C (W x + b), and the affine part is one always-on neuron
    g = rn.Network([np.vstack([-W, shift])], [np.append(-b, far)], np.column_stack([C, [[1.0]]]),
                   f.output_bias + C @ b - far)
    box = unit_domains(8)["box"]
    findings = search_signs(f, perturbed(g, 1e-7), box, 1e-4)
    assert findings.status == "equivalent" and findings.bound < 1e-4
    assert (findings.evidence["arrays"]["scales0"] < 0.0).any()


def degenerate_pairs():
    """Yield (name, f, g, true supremum or None) on the box [-1, 1]^2."""
    f = rn.Network.random((2, 5, 1), 0, output_bias=True)
    yield "equal", f, f
    W, b, C = f.weights[0].copy(), f.thresholds[0].copy(), f.output_weights.copy()
    W[0] = 0.0
    yield "a row of zeros", f, rn.Network([W], [b], C, f.output_bias)
    W[0], b[1], b[2] = 0.0, -9.0, 9.0
    stable = rn.Network([W], [b], C, f.output_bias)
    yield "dead and always on", stable, perturbed(stable)
    C[0, :3] = 0.0
    yield "outgoing weights of 0", f, rn.Network([W], [b], C, f.output_bias)
    yield "opposite signs", f, rn.Network(f.weights, f.thresholds, -f.output_weights, f.output_bias)
    yield "no bias", f, rn.Network(f.weights, f.thresholds, f.output_weights)
    yield "fewer neurons", f, rn.Network([f.weights[0][:2]], [f.thresholds[0][:2]], f.output_weights[:, :2])
    two = rn.Network.random((2, 4, 3), 1)
    yield "three outputs", two, perturbed(two, 0.1)


@pytest.mark.parametrize("name, f, g", list(degenerate_pairs()))
def test_degenerate_pairs_are_bounded_closely(name, f, g):
    box = rn.Box([-1, -1], [1, 1])
    truth = supremum(f, g, box).value
    findings = search_signs(f, g, box, 1.05 * float(truth) + 1e-9)
    assert findings.status == "equivalent"
    assert truth <= Fraction(findings.bound)
    assert certify(findings, f, g).check(f, g, box, exact=True)


@pytest.mark.parametrize("row, outgoing", [(60, -60), (-60, 60), (60, 0), (-60, 0), (0, 60)])
def test_scales_of_rows_change_nothing(row, outgoing):
    """All numbers times powers of two: the bound is the same but for rounding."""
    def scaled(network):
        powers = np.arange(-1, 2)[np.arange(6) % 3] * row // 2 + row // 2
        W, b = np.ldexp(network.weights[0], powers[:, np.newaxis]), np.ldexp(network.thresholds[0], powers)
        C = np.ldexp(network.output_weights, row + outgoing - powers)
        return rn.Network([W], [b], C)

    f, box = rn.Network.random((4, 6, 1), 0, scheme="he"), unit_domains(4)["box"]
    g = perturbed(f)
    gap = search_signs(f, g, box, 0.0).gap
    factor = 2.0 ** (row + outgoing)
    findings = search_signs(scaled(f), scaled(g), box, 1.1 * gap * factor)
    assert findings.status == "equivalent"
    assert certify(findings, scaled(f), scaled(g)).check(scaled(f), scaled(g), box)


def test_nothing_is_split_where_eps_is_0_and_the_networks_differ_by_rounding():
    f = rn.Network.random((6, 8, 1), 0)
    findings = search_signs(f, perturbed(f, 1e-16), unit_domains(6)["box"], 0.0, seconds=5.0)
    assert findings.seconds < 2.0


def test_at_the_time_limit_the_best_bound_has_a_certificate():
    f = rn.Network.random((16, 60, 1), 0, scheme="he")
    g, box = perturbed(f, 0.1), unit_domains(16)["box"]
    gap = rn.verify(f, g, box, eps=0.0, method="search").gap
    first = rn.verify(f, g, box, eps=1.01 * gap, method="differences").bound
    verdict = rn.verify(f, g, box, eps=1.01 * gap, method="branching", time_limit=0.5)
    assert verdict.status == "unknown" and gap <= verdict.bound < first
    assert verdict.certificate.check(f, g, box)


# certificates


def refused(certificate, f, g, domain, **arrays):
    """Return whether both checkers refuse the certificate with these arrays."""
    try:
        other = with_arrays(certificate, **arrays)
    except (TypeError, ValueError):
        return True
    return not other.check(f, g, domain) and not other.check(f, g, domain, exact=True)


def test_trees_that_do_not_cover_the_domain_are_refused():
    case = proofs()["signs"]
    arrays = case[0].arrays
    splits, multiples = arrays["splits0"], arrays["multiples0"]
    split = np.flatnonzero(splits >= 0)[0]
    n = len(arrays["labels0"])
    assert refused(*case, splits0=splits[:-1])
    assert refused(*case, splits0=np.append(splits, -1))
    assert refused(*case, multiples0=multiples[:-1])
    assert refused(*case, multiples0=np.vstack([multiples, multiples[:1]]))
    below = np.insert(splits, split + 1, [splits[split], -1])  # the same neuron twice
    assert refused(*case, splits0=below, multiples0=np.vstack([multiples, multiples[:1]]))
    for other in (n, -2, 2**62):
        wrong = splits.copy()
        wrong[split] = other
        assert refused(*case, splits0=wrong)


def test_labels_that_are_no_pairs_are_refused():
    case = proofs()["signs"]
    labels, scales = (case[0].arrays[name].copy() for name in ("labels0", "scales0"))
    labelled = np.flatnonzero(labels[:len(labels) // 2] >= 0)
    labels[labelled[1]] = labels[labelled[0]]
    assert refused(*case, labels0=labels)
    scales[labelled[0]] = 0.0
    assert refused(*case, scales0=scales)


def test_a_claim_below_a_true_difference_is_refused():
    certificate, f, g, domain = proofs()["signs"]
    largest = float(np.abs(f(domain.sample(4000, 0)) - g(domain.sample(4000, 0))).max())
    forged = changed(certificate, value=0.99 * largest)
    assert not forged.check(f, g, domain) and not forged.check(f, g, domain, exact=True)


def test_multiples_of_known_signs_are_needed():
    """Without multipliers the same trees prove less."""
    certificate, f, g, domain = proofs()["signs"]
    arrays = dict(certificate.arrays)
    bound = check_signs.check(arrays, f, g, domain)
    without = check_signs.check(arrays | {"multiples0": 0.0 * arrays["multiples0"]}, f, g, domain)
    assert bound < without


def test_trees_are_listed_in_preorder():
    trees = Trees(2)
    trees.multiples = {0: np.array([0.0]), 1: np.array([1.0])}
    parts = trees.split(np.array([0]), np.array([5]))
    assert parts.tolist() == [2, 3] and trees.multiples.keys() == {1, 2, 3}
    trees.multiples |= {2: np.array([2.0]), 3: np.array([3.0])}
    trees.split(np.array([3]), np.array([4]))
    trees.multiples |= {4: np.array([4.0]), 5: np.array([5.0])}
    arrays = trees.arrays()
    assert arrays["splits0"].tolist() == [5, -1, 4, -1, -1, -1]
    assert arrays["multiples0"].ravel().tolist() == [2.0, 4.0, 5.0, 1.0]
    signs = check_signs.leaves_of(iter(arrays["splits0"].tolist()), 6)
    assert signs[:, 5].tolist() == [1, -1, -1] and signs[:, 4].tolist() == [0, 1, -1]
