"""Decisions: the same largest output wherever f's leads, against exact truth in one and two inputs."""
import os
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from oracles.certificate_cases import domain_of, number_at, permuted
from oracles.exact_suprema import cut, rationals, subdivide, vertices

import reducednet as rn
from reducednet.verification import verify as verifying
from reducednet.verification.verify import OF_DECISIONS

FOLDER = Path(os.environ.get("REDUCEDNET_NETS", Path(__file__).parents[3] / "shared" / "nets"))
PLANE = rn.Box([-1, -1], [1, 1])


def largest_lead(f, g, domain):
    """Return the supremum of f's lead over the points where g has another largest output, exactly.

    On the cells of a subdivision by both networks, by all f_j = f_i and by g_k = g_j the lead and
    who leads are affine and the same, so that the supremum is attained at a vertex of a cell.
    """
    d, K, largest = domain.n_inputs, f.n_outputs, Fraction(0)
    cells = [[rationals(x) for x in vertices(domain)]]
    for network in (f, g):
        cells = subdivide(cells, network)
    for i, l in combinations(range(K), 2):  # noqa: E741
        for start in (d, d + K):
            cells = [
                [v[:-1] for v in part] for cell in cells
                for part in cut([v + (v[start + i] - v[start + l],) for v in cell], d + 2 * K)
            ]
    for cell in cells:
        middle = [sum(values) / len(cell) for values in zip(*cell)]
        of_f, of_g = middle[d:d + K], middle[d + K:]
        j = of_f.index(max(of_f))
        if of_f.count(of_f[j]) == 1 and max(of_g) > of_g[j]:
            leads = [min(v[d + j] - v[d + i] for i in range(K) if i != j) for v in cell]
            largest = max(largest, *leads)
    return largest


def random_pair(rng, d):
    """Return two classifiers that are near, and a domain."""
    sizes = (d, *rng.integers(2, 5, rng.integers(1, 3)).tolist(), int(rng.integers(2, 4)))
    f = rn.Network.random(sizes, rng, output_bias=bool(rng.integers(2)))
    size = 10.0 ** -rng.integers(0, 4)
    g = f.with_vector(f.to_vector() + size * rng.standard_normal(f.n_parameters))
    if rng.random() < 0.3:
        g = permuted(g, rng)
    if rng.random() < 0.2:
        other = (d, int(rng.integers(2, 5)), sizes[-1])
        g = rn.Network.random(other, rng)
    return f, g, domain_of("Box" if d == 2 or rng.random() < 0.5 else "Hull", d, rng)


def assert_right(verdict, f, g, domain, truth):
    """Assert that bound, gap, status and counterexample of a verdict are true."""
    delta = Fraction(verdict.delta)
    assert verdict.gap <= truth <= verdict.bound
    assert verdict.status != "equivalent" or truth <= delta
    assert verdict.status != "not_equivalent" or truth > delta
    if verdict.counterexample is not None:
        x = rationals(verdict.counterexample)
        lead = number_at("disagreement", f, g, x)
        assert lead > delta and lead >= Fraction(verdict.gap)
    if verdict.certificate is not None:
        assert verdict.certificate.check(f, g, domain)
        assert verdict.certificate.status == verdict.status


@pytest.mark.parametrize("count", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_verdicts_are_those_of_exact_truth(count):
    decided = 0
    for seed in range(count):
        rng = np.random.default_rng([3, seed])
        f, g, domain = random_pair(rng, int(rng.integers(1, 3)))
        truth = largest_lead(f, g, domain)
        delta = float(truth) * float(rng.choice([0.0, 0.5, 1.5, 3.0])) + float(rng.choice([0.0, 1e-3]))
        verdict = rn.verify(f, g, domain, target="top1", delta=delta, time_limit=1.5)
        assert_right(verdict, f, g, domain, truth)
        decided += verdict.status != "unknown"
    assert decided >= 0.7 * count


@pytest.mark.parametrize("method", ["decisions", "branching", "matching", "search"])
def test_each_prover_alone_is_right(method):
    f = rn.Network.random((2, 5, 3), rng=1, output_bias=True)
    g = f.with_vector(f.to_vector() + 1e-2 * np.random.default_rng(0).standard_normal(f.n_parameters))
    truth = largest_lead(f, g, PLANE)
    assert truth > 0
    for share in (0.5, 1.5, 8.0):
        delta = share * float(truth)
        verdict = rn.verify(f, g, PLANE, target="top1", delta=delta, method=method, time_limit=2.0)
        assert_right(verdict, f, g, PLANE, truth)


def test_equal_networks_agree_without_any_lead():
    f = rn.Network.random((6, 20, 15, 4), rng=0)
    for g in (f, permuted(f, np.random.default_rng(0)), rn.rescale(f)):
        verdict = rn.verify(f, g, rn.Ball(np.zeros(6), 1.0), target="top1")
        assert (verdict.status, verdict.bound, verdict.method) == ("equivalent", 0.0, "permutation")
        assert verdict.certificate.check(f, g, rn.Ball(np.zeros(6), 1.0))


def test_a_bound_of_the_difference_by_half_of_delta_proves_agreement():
    f = rn.Network.random((3, 10, 3), rng=0)
    g, box = rn.reduce(f, rn.Box([-1] * 3, [1] * 3)), rn.Box([-1] * 3, [1] * 3)
    verdict = rn.verify(f, g, box, target="top1", delta=1e-9)
    assert (verdict.status, verdict.method) == ("equivalent", "differences")
    certificate = verdict.certificate
    assert (certificate.claim, certificate.eps) == ("bound", 0.5e-9)
    assert certificate.status == "equivalent" and certificate.check(f, g, box)


def test_ties_refute_nothing():
    """f is (x, 0), and `tied` is (min(x, 0), 0): they decide alike for x < 0, and one ties for x > 0."""
    f = rn.Network([[[1.0], [-1.0]]], [[0.0, 0.0]], [[1.0, -1.0], [0.0, 0.0]])
    tied = rn.Network([[[1.0], [-1.0]]], [[0.0, 0.0]], [[0.0, -1.0], [0.0, 0.0]])
    for one, other in ((f, tied), (tied, f)):
        assert largest_lead(one, other, rn.Box(-1, 1)) == 0
        verdict = rn.verify(one, other, rn.Box(-1, 1), target="top1", time_limit=0.5)
        assert verdict.status != "not_equivalent" and verdict.gap == 0.0
    less = rn.Network(tied.weights, tied.thresholds, tied.output_weights, [-2.0**-40, 0.0])
    verdict = rn.verify(f, less, rn.Box(-1, 1), target="top1")
    assert verdict.status == "not_equivalent" and verdict.decisions == (0, 1)


def test_outputs_of_another_scale_are_settled_by_multipliers():
    """g = 10 f decides alike although it differs by much; g - f leads wherever f does not."""
    f = rn.Network.random((2, 6, 2), rng=3, output_bias=True)
    g = rn.Network(f.weights, f.thresholds, 4.0 * f.output_weights, 4.0 * f.output_bias)
    assert largest_lead(f, g, PLANE) == 0
    verdict = rn.verify(f, g, PLANE, target="top1", delta=1e-9)
    assert verdict.status == "equivalent"
    assert "multipliers" in verdict.certificate.arrays


def test_sentence_says_which_outputs():
    f = rn.Network([[[1.0], [-1.0]]], [[0.0, 0.0]], [[1.0, -1.0], [0.0, 0.0], [-1.0, -1.0]])
    g = rn.Network(f.weights, f.thresholds, -f.output_weights)
    verdict = rn.verify(f, g, rn.Box(0, 1), target="top1", delta=0.25)
    assert "f decides for output 0" in verdict.sentence and "and g for output 2" in verdict.sentence
    assert (verdict.target, verdict.delta, verdict.decisions) == ("top1", 0.25, (0, 2))
    verdict = rn.verify(f, g, rn.Box(0, 1), target="top1", delta=2.0)
    assert "wherever f's largest output leads by more than" in verdict.sentence
    verdict = rn.verify(f, g, rn.Box(0, 1), target="top1", delta=0.99, method="decisions")
    assert verdict.sentence.startswith("that g decides as f is")
    assert rn.verify(f, f, rn.Box(0, 1)).delta is None


def test_fifty_outputs_are_settled_on_the_whole_domain():
    rng = np.random.default_rng(0)
    f = rn.Network.random((8, 20, 50), rng, output_bias=True)
    f = rn.Network(f.weights, f.thresholds, f.output_weights, np.arange(50.0) / 3.0)
    g = f.with_vector(f.to_vector() + 1e-3 * rng.standard_normal(f.n_parameters))
    box = rn.Box(0.5 * np.ones(8), 0.55 * np.ones(8))
    verdict = rn.verify(f, g, box, target="top1", method="decisions")
    assert verdict.status == "equivalent" and verdict.certificate.check(f, g, box)


# arguments


def test_bad_questions_are_refused_by_name():
    f, one = rn.Network.random((2, 3, 2), 0), rn.Network.random((2, 3, 1), 0)
    binary = rn.Network.random((2, 3, 2), 0, activation="binary")
    calls = [
        (dict(target="top2"), "`target`"), (dict(target="top1", delta=-1.0), "`delta`"),
        (dict(target="top1", delta=float("nan")), "`delta`"), (dict(delta=0.5), "`delta`"),
        (dict(target="top1", eps=0.1), "`eps`"), (dict(target="top1", semantics="float64"), "`semantics`"),
        (dict(target="top1", method="milp"), "`method`"), (dict(method="decisions"), "`method`"),
    ]
    for options, words in calls:
        with pytest.raises(ValueError, match=words):
            rn.verify(f, f, PLANE, **options)
    with pytest.raises(TypeError, match="`delta`"):
        rn.verify(f, f, PLANE, target="top1", delta="0")
    with pytest.raises(ValueError, match="`f` must be a network of two outputs or more"):
        rn.verify(one, one, PLANE, target="top1")
    with pytest.raises(ValueError, match="`g` must be a network of 2 inputs and 2 outputs"):
        rn.verify(f, one, PLANE, target="top1")
    with pytest.raises(ValueError, match="`f` must be a relu network"):
        rn.verify(binary, binary, PLANE, target="top1")


def test_an_interrupt_leaves_what_is_known(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(verifying, "search", interrupted)
    f, g = (rn.Network.random((2, 3, 2), seed) for seed in (0, 1))
    verdict = rn.verify(f, g, PLANE, target="top1")
    assert verdict.interrupted and verdict.status == "unknown"


def test_time_is_kept():
    f = rn.Network.random((6, 30, 30, 4), rng=0, output_bias=True)
    g = f.with_vector(f.to_vector() + 1e-3 * np.random.default_rng(0).standard_normal(f.n_parameters))
    verdict = rn.verify(f, g, rn.Box([-1] * 6, [1] * 6), target="top1", delta=0.05, time_limit=0.5)
    assert verdict.seconds < 1.5
    assert set(stage.name for stage in verdict.stages) <= set(OF_DECISIONS)


# networks from elsewhere


@pytest.mark.slow
@pytest.mark.skipif(not (FOLDER / "pairs").is_dir(), reason="no folder of networks (REDUCEDNET_NETS)")
@pytest.mark.parametrize("name", ["36_10", "12_12_12_10"])
def test_students_of_a_digits_classifier_agree_near_an_image(name):
    """The questions of NNEquiv (samysweb/nnequiv-experiments)."""
    pytest.importorskip("onnx")
    start = FOLDER / "pairs" / f"nnequiv_mnist8x8_student_{name}"
    f, g = (rn.load(f"{start}{end}.onnx") for end in ("", "-mirror"))
    centre = np.loadtxt(FOLDER / "pairs" / "mnist8x8_centres.csv", delimiter=",")[0]
    box = rn.Box(np.maximum(centre - 0.7, 0.0), np.minimum(centre + 0.7, 16.0))
    verdict = rn.verify(f, g, box, target="top1", time_limit=20.0)
    assert verdict.status == "equivalent" and verdict.certificate.check(f, g, box)
    assert "roles0" in verdict.certificate.arrays


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("form, delta", [("float16", 0.1), ("int8", 1.0), ("compressed", 1e-6)])
def test_small_forms_of_a_digits_classifier_decide_alike_near_test_images(form, delta):
    datasets, networks = (pytest.importorskip(f"sklearn.{name}") for name in ("datasets", "neural_network"))
    X, y = datasets.load_digits(return_X_y=True)
    model = networks.MLPClassifier((20,), max_iter=60, random_state=0).fit(X[:1200], y[:1200])
    f = rn.from_sklearn(model)
    for x in X[1200:1204]:
        box = rn.Box(np.maximum(x - 1.0, 0.0), np.minimum(x + 1.0, 16.0))
        g = rn.compress(f, box)[0] if form == "compressed" else rounded(f, form)
        verdict = rn.verify(f, g, box, target="top1", delta=delta, time_limit=20.0)
        assert verdict.status == "equivalent" and verdict.certificate.check(f, g, box)


def rounded(network, form):
    """Return the network with its numbers in float16, or its weights in 255 steps a layer."""
    if form == "float16":
        return network.with_vector(network.to_vector().astype(np.float16).astype(float))
    steps = [np.abs(W).max() / 127.0 for W in (*network.weights, network.output_weights)]
    *weights, C = (
        np.round(W / step) * step for W, step in zip((*network.weights, network.output_weights), steps))
    return rn.Network(weights, network.thresholds, C, network.output_bias)
