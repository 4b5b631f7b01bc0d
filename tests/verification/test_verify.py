"""`verify` never errs where the truth is known, decides what it should, and says so when it does not know."""
import time
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from oracles.exact_judge import complaints, thresholds_to_ask
from oracles.exact_suprema import exact_difference, exact_outputs, supremum
from oracles.exact_truth import pairs
from reducednet.numerics.rounding import gamma
from reducednet.reduced_space.rounding_error import evaluation_margin
from reducednet.verification import provers, verify as verify_module
from reducednet.verification.findings import OutOfTime
from reducednet.verification.verify import verify
from verification.test_real_networks import FILES, box_of

SQUARE = rn.Box([0.0, 0.0], [1.0, 1.0])
WIDE = rn.Network.random((2, 8, 6, 2), rng=0)


def judged(f, g, domain, eps=None, **options):
    """Return the verdict after it was held against the exact truth."""
    verdict = verify(f, g, domain, eps, **options)
    assert complaints(f, g, domain, verdict, eps) == [], verdict
    assert verdict.gap <= verdict.bound
    return verdict


def one_neuron(w, b, c, a=None, activation="relu"):
    return rn.Network([[[w]]], [[b]], [[c]], None if a is None else [a], activation)


# The exact truth.

@pytest.mark.parametrize("n_pairs", [80, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_verdict_on_pairs_of_known_truth_is_wrong(n_pairs):
    """At one eps each: the verifier's own, 0, or at, just above, half or twice the truth."""
    rng, wrong, decided = np.random.default_rng(1), [], 0
    for f, g, domain, kind in pairs(n_pairs, 2):
        choices = thresholds_to_ask(supremum(f, g, domain).value)
        eps = choices[rng.integers(len(choices))]
        verdict = verify(f, g, domain, eps, time_limit=0.3)
        wrong += [(kind, eps, complaint) for complaint in complaints(f, g, domain, verdict, eps)]
        decided += verdict.status != "unknown"
    assert wrong == []
    assert decided >= 0.8 * n_pairs  # it does not buy its soundness with "unknown"


@pytest.mark.parametrize("n_pairs", [15, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", list(provers.PROVERS))
def test_no_verdict_of_a_single_prover_is_wrong(method, n_pairs):
    rng = np.random.default_rng(3)
    for f, g, domain, kind in pairs(n_pairs, 4):
        choices = thresholds_to_ask(supremum(f, g, domain).value)
        eps = choices[rng.integers(len(choices))]
        verdict = verify(f, g, domain, eps, time_limit=0.1, method=method)
        assert complaints(f, g, domain, verdict, eps) == [], kind


# The failures of PROOFS, part II, and those of other provers.

def test_large_threshold_hides_x_from_samples():
    """relu(x + 1e16) - 1e16 is x; float64 finds 0 at x = 0.3."""
    f, box = one_neuron(1.0, 1e16, 1.0, -1e16), rn.Box(0.0, 1.0)
    assert f([[0.3]]).item() == 0.0
    assert judged(f, one_neuron(1.0, 0.0, 1.0), box, 0.0).status == "equivalent"
    refuted = judged(f, one_neuron(1.0, 0.0, 0.0), box, 0.25)
    assert refuted.status == "not_equivalent"
    assert exact_difference(f, one_neuron(1.0, 0.0, 0.0), refuted.counterexample) > Fraction(1, 4)


@pytest.mark.parametrize("s", [1e-6, 1e-7, 1e-12, 2.0**-60, 1e-200])
def test_tiny_slopes_are_no_zeros(s):
    """relu(s x) / s against 0: solvers with absolute tolerances say the largest difference is 0; it is 1."""
    f, box = one_neuron(s, 0.0, 1.0 / s), rn.Box(0.0, 1.0)
    verdict = judged(f, one_neuron(1.0, 0.0, 0.0), box, 0.5)
    assert verdict.status == "not_equivalent"


def test_badly_scaled_rows_of_equal_networks_do_not_mislead():
    rng = np.random.default_rng(0)
    for _ in range(20):
        f = rn.Network.random((2, 4, 1), rng=rng)
        factors = 2.0 ** rng.integers(-50, 41, 4)
        W, b = f.weights[0] * factors[:, np.newaxis], f.thresholds[0] * factors
        g = rn.Network([W], [b], f.output_weights / factors)
        assert judged(f, g, SQUARE, 0.0, time_limit=5.0).bound == 0.0


def test_bounds_are_not_below_a_small_true_difference():
    """A solver returned about -2e-16 for both max(f - g) and max(g - f)."""
    f, g = one_neuron(1.0, -0.5, 1.0), one_neuron(1.0, -0.5, 1.0 + 2.0**-52)
    verdict = judged(f, g, rn.Box(0.0, 1.0), 0.0)
    assert verdict.status == "not_equivalent"
    assert 0.0 < verdict.gap <= 2.0**-53 <= verdict.bound


def test_normalised_binary_networks_flip_points_near_hyperplanes_and_the_verdict_tells_how_near():
    """1/sqrt 6 + 1/sqrt 6 - 2/sqrt 6 need not be 0: equal only further than the margin from each hyperplane."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        W, b = rng.integers(-3, 4, (6, 2)) + 0.0, rng.integers(-3, 4, 6) + 0.0
        W[~W.any(axis=1)] = 1.0
        norms = np.sqrt((W * W).sum(axis=1))
        C = rng.standard_normal((1, 6))
        f = rn.Network([W], [b], C, None, "binary")
        g = rn.Network([(W.T / norms).T], [b / norms], C, None, "binary")
        verdict = judged(f, g, rn.Box([-3.0, -3.0], [3.0, 3.0]), time_limit=2.0)
        assert verdict.status == "equivalent"
        assert verdict.margin <= gamma(16) * 3.0 * np.sqrt(2.0)


# Failures of `verify` itself.

@pytest.mark.parametrize("d", [1, 2])
def test_binary_zero_row_does_not_hide_a_difference(d):
    """Its z is 0 everywhere, so that every point seemed to lie on a hyperplane, where nothing differs."""
    W = np.zeros((2, d))
    W[0] = 1.0
    f, g = (rn.Network([W], [[-0.5, 0.0]], [[c, 1.0]], None, "binary") for c in (1.0, 2.0))
    assert judged(f, g, rn.Box(np.zeros(d), np.ones(d)), 0.0, time_limit=2.0).status == "not_equivalent"


def test_differences_beyond_float64_are_differences():
    """1e300 relu(1e300 x) at 1 is no float64."""
    verdict = judged(one_neuron(1e300, 0.0, 1e300), one_neuron(1.0, 0.0, 0.0), rn.Box(0.0, 1.0), 1.0)
    assert verdict.status == "not_equivalent"
    assert np.isfinite(verdict.gap)


def test_hyperplane_with_a_subnormal_weight_is_looked_at():
    """Its primitive integers exceed float64."""
    w, t = [1.0, 5e-324], 2.0**-22
    f = rn.Network([[w, [1, 1], [1, 1], [1, 1]]], [[-0.5, -0.7, -0.7 - t, -0.7 - 2 * t]], [[1.0, 1, -2, 1]])
    g = rn.Network([[w, [1, 1]]], [[-0.5, -0.7]], [[1.0, 0.0]])
    judged(f, g, SQUARE, 0.0, time_limit=2.0, method="structure")


def test_difference_nearer_than_the_margin_is_not_contradicted_by_a_smaller_bound():
    """The corner lies between two parallel hyperplanes 2^-50 apart, where f - g = 1; further off it is 0."""
    a = 0.75 * 2.0**-50
    f, g = (rn.Network([[[1.0, 1.0]]], [[-b]], [[1.0]], None, "binary") for b in (2.0**-50, 2.0**-49))
    verdict = judged(f, g, rn.Box([a, a], [1.0, 1.0]), 1.5)
    assert verdict.status == "equivalent"
    assert verdict.gap <= verdict.bound


def test_ball_that_rounds_to_a_point_is_searched_whole():
    """The bounding box of this ball is its centre alone, as float64 rounds it."""
    ball = rn.Ball([1.0, 1.0], 2.0**-60)
    f = rn.Network([[[2.0**60, 0.0]]], [[-(2.0**60)]], [[1.0]])
    g = rn.Network([[[1.0, 0.0]]], [[0.0]], [[0.0]])
    for eps in (0.5, 0.0):
        verdict = verify(f, g, ball, eps, time_limit=1.0)
        assert verdict.status != "equivalent"
        assert verdict.bound >= 1.0


@pytest.mark.parametrize("activation", ["relu", "binary"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 24))])
def test_networks_of_numbers_of_all_sizes_are_answered_and_never_wrongly(activation, seed):
    """Entries of 2^-1062 to 2^1000, the smallest, the largest and 0 too: sums overflow, products underflow."""
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        largest = rng.choice([60, 1000])
        values = np.ldexp(rng.standard_normal(shape), rng.integers(-largest - largest // 16, largest, shape))
        values[rng.random(shape) < 0.2] = rng.choice([0.0, 5e-324, 1.7e308, 1.0])
        return values

    def drawn(d):
        if rng.random() < 0.5:
            return rn.Network([numbers(3, d)], [numbers(3)], numbers(1, 3), None, activation)
        weights, thresholds = [numbers(3, d), numbers(2, 3)], [numbers(3), numbers(2)]
        return rn.Network(weights, thresholds, numbers(1, 2), numbers(1), activation)

    d = int(rng.integers(1, 3))
    f, g = drawn(d), drawn(d)
    for domain in (rn.Box(-np.ones(d), np.ones(d)), rn.Hull(rng.standard_normal((4, d)))):
        for pair in ((f, g), (f, f)):
            eps = float(rng.choice([0.0, 1e-9, 1.0, 1e200]))
            judged(*pair, domain, eps, time_limit=0.1)
            verify(*pair, domain, eps, "float64", 0.1)


# Pairs that are decided.

def permuted(f, rng):
    orders = [rng.permutation(n) for n in f.sizes[1:-1]]
    weights, below = [], np.arange(f.n_inputs)
    for W, order in zip(f.weights, orders):
        weights.append(W[order][:, below])
        below = order
    thresholds = [b[order] for b, order in zip(f.thresholds, orders)]
    return rn.Network(weights, thresholds, f.output_weights[:, below], f.output_bias, f.activation)


def split(f, rng):
    """Make two of the first neuron of the last layer, with twice and minus its column: exact in float64."""
    C = np.concatenate([f.output_weights, -f.output_weights[:, :1]], axis=1)
    C[:, 0] *= 2.0
    weights = [*f.weights[:-1], np.concatenate([f.weights[-1], f.weights[-1][:1]])]
    thresholds = [*f.thresholds[:-1], np.append(f.thresholds[-1], f.thresholds[-1][0])]
    return rn.Network(weights, thresholds, C, f.output_bias, f.activation)


def rescaled(f, rng):
    factors = 2.0 ** rng.integers(-8, 9, f.sizes[-2])
    weights = [*f.weights[:-1], f.weights[-1] * factors[:, np.newaxis]]
    thresholds = [*f.thresholds[:-1], f.thresholds[-1] * factors]
    C = f.output_weights / factors if f.activation == "relu" else f.output_weights
    return rn.Network(weights, thresholds, C, f.output_bias, f.activation)


def deeper(f, rng):
    n = f.sizes[-2]
    weights, thresholds = [*f.weights, np.eye(n)], [*f.thresholds, np.zeros(n)]
    return rn.Network(weights, thresholds, f.output_weights, f.output_bias, f.activation)


CHANGES = {change.__name__: change for change in (permuted, split, rescaled, deeper)}


@pytest.mark.parametrize("sizes", [(1, 9, 1), (2, 8, 6, 2), (3, 40, 1), (6, 12, 12, 12, 3)], ids=str)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_changes_that_keep_the_function_are_decided(sizes, change, activation):
    rng = np.random.default_rng(5)
    f = rn.Network.random(sizes, rng=0, activation=activation, output_bias=True)
    g = CHANGES[change](f, rng)
    box = rn.Box(-np.ones(sizes[0]), np.ones(sizes[0]))
    assert verify(f, g, box, time_limit=10.0).status == "equivalent"
    assert verify(g, f, box, 0.0, time_limit=10.0).status != "not_equivalent"
    worse = rn.Network(g.weights, g.thresholds, 1.01 * g.output_weights, g.output_bias, activation)
    assert verify(f, worse, box, time_limit=10.0).status == "not_equivalent"


def test_flipped_neurons_are_decided():
    """s(z) = s(-z) + z, the z by two opposite neurons; binary: 1 - s(-z)."""
    f = rn.Network([[[1.0, -2.0], [0.5, 1.0]]], [[0.25, -0.75]], [[1.5, -1.0]], [0.125])
    rows, b = [[-1.0, 2.0], [0.5, 1.0], [1.0, -2.0]], [-0.25, -0.75, 4.25]
    g = rn.Network([rows], [b], [[1.5, -1.0, 1.5]], [0.125 - 6.0])
    assert judged(f, g, SQUARE, 0.0).status == "equivalent"
    f = rn.Network(f.weights, f.thresholds, f.output_weights, f.output_bias, "binary")
    g = rn.Network([[[-1.0, 2.0], [0.5, 1.0]]], [[-0.25, -0.75]], [[-1.5, -1.0]], [1.625], "binary")
    assert judged(f, g, SQUARE, 0.0).status == "equivalent"


def test_one_changed_neuron_of_many_is_found():
    rng = np.random.default_rng(0)
    f = rn.Network.random((4, 5000, 1), rng=0)
    C = f.output_weights.copy()
    C[0, 17] *= 1.0 + 1e-6
    g = permuted(rn.Network(f.weights, f.thresholds, C), rng)
    verdict = verify(f, g, rn.Box(-np.ones(4), np.ones(4)))
    assert verdict.status == "not_equivalent"
    assert exact_difference(f, g, verdict.counterexample) >= Fraction(verdict.gap) > Fraction(verdict.eps)


NETS = pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.stem if path else "none")
SKIPPED = pytest.mark.skipif(not FILES, reason="no folder of networks (REDUCEDNET_NETS)")
LOOSE = ("acasxu_1_1", "acasxu_3_3", "mnist10x10")
"""Their relative bound is above the target 1e-10; taken out here as soon as it is not."""


def against_its_reduced_form(path):
    """Return the verdict, and its bound relative to the largest output of 1000 samples."""
    network = rn.load(path)
    box = box_of(path, network)
    verdict = verify(network, rn.reduce(network, box), box)
    return verdict, verdict.bound / np.abs(network(box.sample(1000, 0))).max()


@SKIPPED
@NETS
def test_real_network_is_proved_equal_to_its_reduced_form(path):
    verdict, relative = against_its_reduced_form(path)
    assert verdict.status == "equivalent", f"{path.stem}: relative bound {relative:.3g}, {verdict}"


@SKIPPED
@NETS
def test_relative_bound_of_a_real_network_and_its_reduced_form_is_the_target(path):
    _, relative = against_its_reduced_form(path)
    small = bool(relative <= (1e-8 if path.stem.startswith("twin") else 1e-10))
    assert small != (path.stem in LOOSE), f"{path.stem}: relative bound {relative:.3g}"


# Questions and answers.

@pytest.mark.parametrize("arguments, kind, words", [
    (dict(g=rn.Network.random((2, 3, 1), rng=0)), ValueError, "`g` must be a network of 2 inputs and 2 outputs"),
    (dict(g=rn.Network.random((3, 3, 2), rng=0)), ValueError, "`g` must be a network of 2 inputs and 2 outputs"),
    (dict(g=rn.Network.random((2, 3, 2), rng=0, activation="binary")), ValueError, "`g` must be a relu network"),
    (dict(f="net"), TypeError, "`f`"), (dict(g=None), TypeError, "`g`"),
    (dict(domain=rn.Box(0.0, 1.0)), ValueError, "`domain` must be of dimension 2"),
    (dict(domain=[0, 1]), TypeError, "`domain` must be a Box, Ball or Hull"),
    (dict(eps=-1e-9), ValueError, "`eps` must be finite and at least 0"),
    (dict(eps=np.nan), ValueError, "`eps`"), (dict(eps=np.inf), ValueError, "`eps`"),
    (dict(eps="0"), TypeError, "`eps` must be a real number"),
    (dict(semantics="float16"), ValueError, "`semantics` must be one of"),
    (dict(semantics="float32"), ValueError,
     r"`f` must be a network of float32 numbers, got weights\[0\]\[0, 0\] = "),
    (dict(method="magic"), ValueError, "`method` must be one of"), (dict(method=1), TypeError, "`method`"),
    (dict(time_limit=0.0), ValueError, "`time_limit` must be finite and larger than 0"),
    (dict(time_limit=np.nan), ValueError, "`time_limit`"), (dict(time_limit=-1), ValueError, "`time_limit`"),
])
def test_bad_arguments_are_refused_by_name(arguments, kind, words):
    with pytest.raises(kind, match=words):
        verify(**{"f": WIDE, "g": WIDE, "domain": SQUARE, **arguments})


def test_own_rounding_without_a_finite_bound_needs_an_eps():
    f = one_neuron(1e300, 0.0, 1e300)
    with pytest.raises(ValueError, match="`eps` must be given"):
        verify(f, f, rn.Box(0.0, 1.0))
    for semantics in ("real", "float64"):
        assert verify(f, f, rn.Box(0.0, 1.0), 1.0, semantics, 2.0).status in ("equivalent", "unknown")
    g = one_neuron(1.0, 0.0, 0.0)
    assert verify(f, g, rn.Box(0.0, 1.0), 1.0, "float64", 2.0).status == "unknown"  # evaluation overflows


def test_default_eps_is_the_rounding_of_both_and_is_shown():
    g = permuted(WIDE, np.random.default_rng(0))
    expected = float((rn.evaluation_bound(WIDE, SQUARE) + rn.evaluation_bound(g, SQUARE)).max())
    real, computed = (verify(WIDE, g, SQUARE, semantics=semantics) for semantics in ("real", "float64"))
    assert real.eps == expected
    assert computed.eps == 2.0 * expected
    assert f"asked for {real.eps:.3g}" in repr(real)


def computed(network, X, rng):
    """Return the outputs as float64 finds them with every sum taken in a shuffled order."""
    H = X
    maps = [*zip(network.weights, network.thresholds), (network.output_weights, network.output_bias)]
    for number, (W, b) in enumerate(maps):
        terms = H[:, np.newaxis, :] * W
        if b is not None:
            terms = np.concatenate([terms, np.broadcast_to(b[:, np.newaxis], (len(X), len(W), 1))], axis=2)
        H = np.zeros(terms.shape[:2])
        for j in rng.permutation(terms.shape[2]):
            H = H + terms[:, :, j]
        if number < network.depth:
            H = np.maximum(H, 0.0) if network.activation == "relu" else (H > 0.0).astype(float)
    return H


@pytest.mark.parametrize("sizes", [(2, 8, 6, 2), (1, 20, 1)], ids=str)
def test_float64_bound_holds_for_every_order_of_summation(sizes):
    rng = np.random.default_rng(7)
    f = rn.Network.random(sizes, rng=1)
    domain = rn.Box(2.0**10 * np.ones(sizes[0]), 2.0**10 + np.ones(sizes[0]))
    g = permuted(f, rng)
    verdict = verify(f, g, domain, semantics="float64")
    assert verdict.status == "equivalent"
    X = domain.sample(200, rng)
    for _ in range(20):
        assert np.abs(computed(f, X, rng) - computed(g, X, rng)).max() <= verdict.bound


def test_float64_refutation_holds_for_every_order_of_summation():
    rng = np.random.default_rng(7)
    g = rn.Network(WIDE.weights, WIDE.thresholds, 1.001 * WIDE.output_weights)
    verdict = verify(WIDE, g, SQUARE, semantics="float64")
    assert verdict.status == "not_equivalent"
    x = np.asarray(verdict.counterexample)[np.newaxis]
    for _ in range(50):
        assert np.abs(computed(WIDE, x, rng) - computed(g, x, rng)).max() >= verdict.gap > verdict.eps


def test_float64_verdict_on_binary_networks_keeps_off_what_evaluation_can_flip():
    """Beside the hyperplane (1/3) x + (1/7) y = 1/11 the computed z of the two have different signs."""
    f = rn.Network([[[1 / 3, 1 / 7]]], [[-1 / 11]], [[1.0]], None, "binary")
    g = rn.Network([[[1 / 3, 1 / 7]] * 2], [[-1 / 11] * 2], [[0.25, 0.75]], None, "binary")
    verdict = verify(f, g, SQUARE, semantics="float64")
    assert verdict.status == "equivalent"
    margin = max(evaluation_margin(network, SQUARE) for network in (f, g))
    assert verdict.margin >= margin > 0.0
    rng = np.random.default_rng(0)
    x = rng.random(4000) * 0.25
    X = np.stack([x, (1 / 11 - x / 3) * 7], axis=1)
    X = X[SQUARE.contains(X)]
    w, b = [Fraction(v) for v in (1 / 3, 1 / 7)], Fraction(-1 / 11)
    for _ in range(4):
        for point, one, other in zip(X, computed(f, X, rng)[:, 0], computed(g, X, rng)[:, 0]):
            if abs(one - other) > verdict.bound:
                z = sum(p * Fraction(float(q)) for p, q in zip(w, point)) + b
                assert z * z <= Fraction(verdict.margin) ** 2 * sum(p * p for p in w)


def test_float64_verdict_on_binary_networks_whose_deep_sums_round_is_unknown():
    """z = 3 times 0.1 - 0.3 is not 0 in float64, or 0 in another order, on a whole cell."""
    f = rn.Network([np.eye(2)[[0, 0, 1]], [[0.1, 0.1, 0.1]]], [[1.0, 1.0, 1.0], [-0.3]], [[1.0]], None, "binary")
    g = rn.Network([np.eye(2)[[0, 0, 1]], [[1.0, 1.0, 1.0]]], [[1.0, 1.0, 1.0], [-2.5]], [[1.0]], None, "binary")
    assert verify(f, g, SQUARE, 0.5, "float64", 1.0).status == "unknown"
    assert judged(f, g, SQUARE, 0.5).status != "unknown"
    assert verify(g, g, SQUARE, 0.5, "float64").status == "equivalent"  # its sums are exact


def test_exact_counterexample_between_floats_is_none_of_float64():
    """Near 2^52 one output's breakpoint lies between two neighbours."""
    f = rn.Network([[[3.0], [3.0]]], [[-3.0 * 2.0**52 - 2.0, -3.0 * 2.0**52 - 4.0]], [[1.0, -1.0]])
    g = one_neuron(1.0, 0.0, 0.0)
    verdict = verify(f, g, rn.Box(2.0**52, 2.0**52 + 4.0), 0.0, "float64")
    assert verdict.counterexample is None or np.asarray(verdict.counterexample).dtype == np.float64


# Time and interruption.

def perturbed(f, size):
    """Return the network with every weight changed by about this share of it."""
    rng = np.random.default_rng(1)
    weights = [W * (1.0 + size * rng.standard_normal(W.shape)) for W in f.weights]
    return rn.Network(weights, f.thresholds, f.output_weights, f.output_bias, f.activation)


def quickest(limit, *arguments, **options):
    """Return the verdict after it came within 1.2 times the limit; on a busy machine at a later try."""
    seconds = []
    while not seconds or seconds[-1] > 1.2 * limit and len(seconds) < 3:
        began = time.perf_counter()
        verdict = verify(*arguments, **options)
        seconds.append(time.perf_counter() - began)
    assert seconds[-1] <= 1.2 * limit, f"{seconds} seconds for a limit of {limit}: {verdict.stages}"
    return verdict


@pytest.mark.parametrize("limit", [0.6, 1.5])
def test_time_limit_is_kept_and_leaves_bounds(limit):
    """Too hard a question for that time, as its bound and gap show."""
    f, box = rn.Network.random((8, 60, 60, 1), rng=0, scheme="he"), rn.Box(-np.ones(8), np.ones(8))
    verdict = quickest(limit, f, perturbed(f, 1e-2), box, eps=0.2, time_limit=limit)
    assert verdict.status == "unknown"
    assert verdict.seconds >= limit / 2.0, "the rest of the time belongs to the checker of the tree"
    assert 0.0 < verdict.gap <= 0.2 < verdict.bound < np.inf


@pytest.mark.parametrize("sizes", [(2, 60, 60, 60, 60, 1), (1, 9000, 1)], ids=str)
def test_time_limit_is_kept_in_rationals(sizes):
    """Both are small enough to be counted exactly, but not within the time."""
    rng = np.random.default_rng(0)
    f = rn.Network.random(sizes, rng=0, scheme="he")
    g = rn.Network([*f.weights[:-1], f.weights[-1] * (1.0 + 2.0**-52)], f.thresholds, f.output_weights)
    box = rn.Box(-np.ones(sizes[0]), np.ones(sizes[0]))
    method = "structure" if sizes[0] > 1 else "breakpoints"
    verdict = quickest(0.5, f, permuted(g, rng), box, eps=1e-300, time_limit=0.5, method=method)
    assert verdict.status != "equivalent"


def test_ctrl_c_gives_what_was_found(monkeypatch):
    def interrupted(findings):
        raise KeyboardInterrupt

    g = rn.Network(WIDE.weights, WIDE.thresholds, WIDE.output_weights + 1e-3)
    monkeypatch.setitem(provers.PROVERS, "branching", interrupted)
    verdict = verify(WIDE, g, SQUARE, eps=np.nextafter(verify(WIDE, g, SQUARE, 1e-9).gap, np.inf) * 1.5)
    if verdict.status == "unknown":
        assert [stage.name for stage in verdict.stages][-1] == "branching"
    monkeypatch.setitem(provers.PROVERS, "search", interrupted)
    verdict = verify(WIDE, g, SQUARE, eps=1e-9)
    assert verdict.status == "unknown"
    assert [stage.name for stage in verdict.stages][-1] == "search"
    assert 0.0 < verdict.bound < np.inf
    assert verdict.counterexample is None


def test_ctrl_c_inside_a_prover_gives_unknown(monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(provers, "difference", interrupted)
    verdict = verify(WIDE, permuted(WIDE, np.random.default_rng(0)), SQUARE, method="matching")
    assert (verdict.status, verdict.bound, verdict.gap) == ("unknown", np.inf, 0.0)


@pytest.mark.parametrize("error, interrupted", [(KeyboardInterrupt, True), (OutOfTime, False)])
def test_verdict_says_whether_ctrl_c_ended_the_search(monkeypatch, error, interrupted):
    def end(findings):
        raise error

    monkeypatch.setitem(provers.PROVERS, "search", end)
    assert verify(WIDE, WIDE, SQUARE, method="search").interrupted is interrupted
    assert verify(WIDE, WIDE, SQUARE, method="differences").interrupted is False


def test_same_question_gets_the_same_verdict():
    g = permuted(WIDE, np.random.default_rng(0))
    worse = rn.Network(g.weights, g.thresholds, g.output_weights * (1.0 + 1e-3))
    for other, eps in [(g, None), (worse, 0.0), (worse, 0.02)]:
        one, two = (verify(WIDE, other, SQUARE, eps) for _ in range(2))
        assert (one.status, one.bound, one.gap, one.method) == (two.status, two.bound, two.gap, two.method)
        assert np.array_equal(one.counterexample, two.counterexample) or one.counterexample is two.counterexample


def test_stages_never_lose_what_was_known():
    g = rn.Network(WIDE.weights, WIDE.thresholds, WIDE.output_weights * (1.0 + 1e-3))
    stages = verify(WIDE, g, SQUARE, eps=0.0).stages
    for one, two in zip(stages, stages[1:]):
        assert two.bound <= one.bound
        assert two.gap >= one.gap


def test_question_is_about_the_same_functions():
    """The networks that provers see, rescaled and deepened, equal the given ones in rationals."""
    rng = np.random.default_rng(0)
    for activation in ("relu", "binary"):
        f = rn.Network.random((2, 3, 2, 2), rng=rng, activation=activation)
        weights = [f.weights[0] * 2.0**-300, f.weights[1] * 2.0**200]
        thresholds = [f.thresholds[0] * 2.0**-300, f.thresholds[1]]
        f = rn.Network(weights, thresholds, f.output_weights, None, activation)
        question = verify_module._question(f, deeper(f, rng), SQUARE, 1.0, "real")
        assert question.f.depth == question.g.depth == 3
        for x in SQUARE.sample(5, rng):
            assert exact_outputs(question.f, x) == exact_outputs(question.g, x) == exact_outputs(f, x)


# Remarks.

@pytest.mark.parametrize("factor, proved", [(0.999, False), (1.0, True), (1.001, True)])
def test_eps_that_evaluation_uses_up_is_answered_at_once(factor, proved):
    """Bounds of float64 include the evaluation errors, whatever is proved of the real functions."""
    g = permuted(WIDE, np.random.default_rng(0))
    slack = float(sum(rn.evaluation_bound(network, SQUARE) for network in (WIDE, g)).max())
    verdict = verify(WIDE, g, SQUARE, factor * slack, "float64", 30.0)
    assert verdict.seconds < 5.0
    assert verdict.status == ("equivalent" if proved else "unknown")
    assert (f"no eps below {slack:.3g} can be proved" in verdict.sentence) != proved


def test_eps_that_evaluation_uses_up_may_still_be_refuted():
    worse = rn.Network(WIDE.weights, WIDE.thresholds, 1.1 * WIDE.output_weights)
    verdict = verify(WIDE, worse, SQUARE, 1e-17, "float64", 30.0)
    assert (verdict.status, verdict.remark) == ("not_equivalent", "")


def test_verdict_says_where_eps_is_so_large_that_a_constant_passes():
    """The outputs of F vary by 1: the constant in the middle is as near as 1/2."""
    f = one_neuron(1.0, 0.0, 1.0, 5.0)
    middle = one_neuron(1.0, 0.0, 0.0, 5.5)
    box = rn.Box(0.0, 1.0)
    said = verify(f, middle, box, 0.51)
    assert said.status == "equivalent"
    assert "eps is more than half of what the outputs seem to vary" in said.sentence
    assert verify(f, f, box, 0.49).remark == ""
    assert verify(f, f, box).remark == ""
    assert verify(middle, middle, box, 1e-9).remark == ""  # beside 5.5
    assert verify(middle, middle, box, 6.0).remark != ""


def test_default_eps_of_networks_whose_rounding_exceeds_their_outputs_is_remarked():
    f = one_neuron(1.0, 1e16, 1.0, -1e16)
    verdict = verify(f, one_neuron(1.0, 0.0, 1.0), rn.Box(0.0, 1.0))
    assert (verdict.status, verdict.remark != "") == ("equivalent", True)
    assert verdict.eps > 1.0


# Cases that were once undecided.

@pytest.mark.parametrize("kind, seeds", [
    ("hull", [6, 19, 56, 103, 108, 131]), ("ball", [4042, 4048, 4056, 4101, 4126, 4192, *range(10)]),
])
def test_networks_and_their_reduced_forms_are_proved_equal_by_the_default_eps(kind, seeds):
    """Those seeds are of pairs whose bound was up to twice the errors of evaluation."""
    for seed in seeds:
        rng = np.random.default_rng(1000 + seed)
        d = int(rng.integers(1, 5))
        sizes = (d, *rng.integers(2, 12, rng.integers(1, 4)).tolist(), int(rng.integers(1, 3)))
        scheme, odd = ("normal", "he", "uniform")[seed % 1000 % 3], bool(seed % 2)
        f = rn.Network.random(sizes, rng=rng, scheme=scheme, output_bias=odd)
        points = rng.standard_normal((int(rng.integers(d + 1, d + 6)), d))
        points = points * 10.0 ** rng.integers(-2, 3) + rng.standard_normal(d) * 10.0 * odd
        middle = points.mean(axis=0)
        ball = rn.Ball(middle, float(np.linalg.norm(points - middle, axis=1).max()))
        domain = rn.Hull(points) if kind == "hull" else ball
        verdict = verify(f, rn.reduce(f, domain), domain, time_limit=0.5)
        assert verdict.status == "equivalent", (seed, verdict)


def step(w, b, height=1.0):
    return rn.Network([[w]], [[b]], [[height]], None, "binary")


@pytest.mark.parametrize("moved", [1e-7, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("domain", [
    SQUARE, rn.Ball([0.5, 0.5], 0.6), rn.Hull([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]),
], ids=repr)
def test_steps_that_are_moved_are_refuted_whatever_their_heights(domain, moved):
    f, g = step([1.0, 2.0], -1.3), step([1.0, 2.0], -1.3 - moved, 1.0 + 1e-7)
    for one, other in ((f, g), (g, f)):
        verdict = verify(one, other, domain, 0.1, time_limit=5.0)
        assert verdict.status == "not_equivalent"
        assert exact_difference(one, other, verdict.counterexample) >= 1
    turned = rn.Network([[[-1.0, -2.0]]], [[1.3 + moved]], [[-1.0]], [1.0], "binary")
    assert verify(f, turned, domain, 0.1, time_limit=5.0).status == "not_equivalent"


@pytest.mark.parametrize("d, moved", [(2, 1e-7), (2, 1e-11), (6, 1e-9)])
def test_conjunction_of_steps_of_which_one_is_moved_is_refuted(d, moved):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2, d))
    f, g = (rn.Network([rows, [[1.0, 1.0]]], [[0.1, -b], [-1.5]], [[1.0]], None, "binary")
            for b in (0.2, 0.2 + moved))
    verdict = verify(f, g, rn.Box(-np.ones(d), np.ones(d)), 0.1, time_limit=5.0)
    assert verdict.status == "not_equivalent"
    assert exact_difference(f, g, verdict.counterexample) == 1


def test_supremum_just_above_eps_is_refuted():
    """relu(x) - relu(3 x - 1) is 1/3 at 1/3, and float64's 1/3 is below it."""
    f, g = rn.Network([[[1.0], [3.0]]], [[0.0, -1.0]], [[1.0, -1.0]]), one_neuron(1.0, 0.0, 0.0)
    box = rn.Box(0.0, 0.5)
    assert supremum(f, g, box).value == Fraction(1, 3) > Fraction(1 / 3)
    for one, other in ((f, g), (deeper(f, None), g)):
        verdict = judged(one, other, box, 1 / 3)
        assert (verdict.status, verdict.gap, verdict.method) == ("not_equivalent", 1 / 3, "breakpoints")
        assert verdict.counterexample == [Fraction(1, 3)]
        assert judged(one, other, box, float(np.nextafter(1 / 3, 1.0))).status == "equivalent"
