"""The prover "folding" writes two networks over the same symbolic columns, of any depths."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import exact_difference
from reducednet.verification import provers
from reducednet.verification.findings import OutOfTime
from reducednet.verification.symbolic_bounds import symbolic_difference, symbolic_network
from reducednet.verification.symbolic_bounds.symbolic_network import write_symbolically
from oracles.strategies import cases, seeds
from compression.test_compress import path_sum, planted
from verification.test_verify import permuted

FINEST_PRECISION = provers.FINEST_PRECISION


def scaled(f, rng):
    """Multiply rows by positive numbers and divide the next layer by them: one function."""
    weights, thresholds, below = [], [], np.ones(f.n_inputs)
    for W, b in zip(f.weights, f.thresholds):
        factors = rng.uniform(0.1, 10.0, len(W))
        weights.append(W * factors[:, np.newaxis] / below)
        thresholds.append(b * factors)
        below = factors
    return rn.Network(weights, thresholds, f.output_weights / below, f.output_bias)


def proved(f, g, domain, eps):
    verdict = rn.verify(f, g, domain, eps, method="folding")
    return verdict.status == "equivalent" and bool(verdict.certificate.check(f, g, domain))


def bound_of(f, g, domain, precision, exclude):
    """Return the bound that the checker finds, also where nothing is shared."""
    known = write_symbolically(f, domain, precision, exclude)
    written = write_symbolically(g, domain, precision, exclude, known=known)
    roles = [*known.roles, *written.roles]
    arrays = symbolic_difference.symbolic_arrays(roles, written.exclusive)
    return symbolic_difference.symbolic_bound(arrays, f, g, domain)


# proved


FORMS = {
    "as it is": lambda small, domain, rng: small,
    "permuted": lambda small, domain, rng: permuted(small, rng),
    "scaled": lambda small, domain, rng: permuted(scaled(small, rng), rng),
    "reduced": lambda small, domain, rng: permuted(rn.reduce(small, domain), rng),
    "expanded": lambda small, domain, rng: rn.expand(rn.reduce(small, domain), rng),
}


@pytest.mark.parametrize("form", FORMS)
def test_network_equals_any_form_of_its_compressed_network(form):
    for seed in range(8):
        net, domain, _ = planted(seed)
        small, _ = rn.compress(net, domain)
        g = FORMS[form](small, domain, np.random.default_rng(seed))
        assert proved(net, g, domain, 1e-12 * path_sum(net, domain)), seed
        assert proved(g, net, domain, 1e-12 * path_sum(net, domain)), seed


def test_network_equals_itself_with_half_of_its_needless_neurons_removed():
    """Dead neurons removed, two merged, an always-on one split: neither is a compressed network."""
    f = rn.Network([[[1.0], [3.0], [1.0], [1.0]], [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 2.0, 0.0]]],
                   [[0.0, 0.0, 2.0, -9.0], [-1.0, -1.0]], [[1.0, -2.0]])
    g = rn.Network([[[2.0], [0.5], [0.5]], [[2.0, 1.0, 1.0], [0.5, 2.0, 2.0]]],
                   [[0.0, 1.0, 1.0], [-1.0, -1.0]], [[1.0, -2.0]])
    assert proved(f, g, rn.Box(-1, 1), 1e-13)
    assert not proved(f, g, rn.Box(-1, 10), 1e-13)  # where relu(x - 9) is not dead


def test_networks_that_leave_out_different_neurons_that_no_output_depends_on_are_equal():
    f, g = (rn.Network([[[1.0, 1.0], own]], [[-0.5, 0.25]], [[1.0, 0.0]]) for own in ([1.0, -1.0], [2.0, 1.0]))
    assert proved(f, g, rn.Box([-1, -1], [1, 1]), 1e-14)


def test_exclusion_is_found_from_the_networks_alone():
    """On [-1, 1]: u = relu(x - 1/2), v = relu(-x - 1/2 - 8 u) = relu(-x - 1/2)."""
    f = rn.Network([[[1.0], [1.0]], [[-1.0, -8.0], [0.0, 1.0]]], [[2.0, -0.5], [1.5, 0.0]], [[1.0, 1.0]])
    g = rn.Network([[[2.0], [-4.0]]], [[-1.0, -2.0]], [[0.5, 0.25]])
    assert proved(f, g, rn.Box(-1, 1), 1e-14) and proved(g, f, rn.Box(-1, 1), 1e-14)


def test_exclusion_may_be_all_that_makes_a_neuron_like_the_others():
    """As before, without u in the output: relu(-x - 1/2) is like neither u nor relu(-x - 1/2 - 8 u)."""
    f = rn.Network([[[2.0], [1.0]], [[-4.0, -1.0]]], [[-1.0, 2.0], [1.5]], [[1.0]])
    g = rn.Network([[[-1.0]]], [[-0.5]], [[1.0]])
    assert proved(f, g, rn.Box(-1, 1), 1e-14) and proved(g, f, rn.Box(-1, 1), 1e-14)


def test_verify_proves_compressed_networks_by_itself():
    """No other prover does, where layers vanished."""
    for seed in (4, 10):
        net, domain, _ = planted(seed)
        small, report = rn.compress(net, domain)
        eps = 1e-12 * path_sum(net, domain)
        verdict = rn.verify(net, small, domain, eps, time_limit=20.0)
        assert verdict.status == "equivalent"
        assert verdict.certificate.check(net, small, domain)
        assert rn.verify(net, small, domain, eps, "float64").status == "equivalent"


@pytest.mark.parametrize("exchanged", [False, True])
def test_verify_branches_on_signs_where_one_network_has_fewer_neurons(exchanged):
    """relu(x + y) + relu(x - y) - 2.5 is off on the square, which no line below or above shows."""
    rows, square = [[1.0, 1.0], [1.0, -1.0]], rn.Box([-1, -1], [1, 1])
    net = rn.Network([rows, rows], [[0.0, 0.0], [-2.5, 0.0]], [[1.0, 1.0]])
    pair = (rn.Network([rows, rows[1:]], [[0.0, 0.0], [0.0]], [[1.0]]), net)
    assert proved(*(pair[::-1] if exchanged else pair), square, 1e-14)
    wrong = rn.Network([rows, rows], [[0.0, 0.0], [-2.0 + 2.0**-10, 0.0]], [[1.0, 1.0]])
    assert not proved(wrong, pair[0], square, 1e-14)


@pytest.mark.parametrize("bounds", ["lp", "milp"])
def test_verify_proves_networks_compressed_by_linear_programs_and_by_branching(bounds):
    """A linear program shows neuron 1 of the second layer to be dead, only branching neuron 0."""
    net = rn.Network([[[1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 0.0]],
                      [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.5], [1.0, -1.0, 0.0, 0.0]]],
                     [[0.0, 0.0, 0.0, 2.0], [-2.5, -1.125, 0.0]], [[1.0, 1.0, 1.0]])
    square = rn.Box([-1, -1], [1, 1])
    small, report = rn.compress(net, square, bounds=bounds)
    assert report.dead[1].tolist() == ([1] if bounds == "lp" else [0, 1])
    assert proved(net, small, square, 1e-14) and proved(small, net, square, 1e-14)


# not proved


@pytest.mark.parametrize("seed", range(15))
def test_changed_weight_is_never_proved(seed):
    """A share of 1e-6: no bound is below the difference at a point, and what a point refutes is not proved."""
    net, domain, _ = planted(seed)
    small, _ = rn.compress(net, domain)
    rng, theta = np.random.default_rng(seed), small.to_vector()
    theta[rng.integers(len(theta))] *= 1.0 + 1e-6
    g = small.with_vector(theta)
    gap = max(exact_difference(net, g, list(map(Fraction, x.tolist()))) for x in domain.sample(10, rng))
    eps = 1e-12 * path_sum(net, domain)
    verdict = rn.verify(net, g, domain, eps, method="folding")
    assert gap <= Fraction(verdict.bound)
    if gap > eps:
        assert verdict.status == "unknown"
        assert rn.verify(net, g, domain, eps, time_limit=5.0).status == "not_equivalent"


@given(cases(activation="relu"), seeds(), st.booleans())
def test_bound_is_above_the_difference_of_any_two_networks(case, seed, exclude):
    """Of other depths and widths, or one with some neurons like the other's: exact at each point."""
    f, domain, X = case
    rng = np.random.default_rng(seed)
    g = rn.Network.random((f.n_inputs, *rng.integers(1, 6, rng.integers(1, 4)), f.output_weights.shape[0]), rng)
    if rng.random() < 0.5:
        change = rng.choice([0.0, 1e-9, 1e-2], f.n_parameters) * rng.standard_normal(f.n_parameters)
        g = permuted(f.with_vector(f.to_vector() * (1.0 + change)), rng)
    with np.errstate(all="ignore"):
        bound = bound_of(f, g, domain, FINEST_PRECISION, exclude)
    for x in X[:5]:
        if domain.contains(x[np.newaxis])[0]:
            assert float(exact_difference(f, g, list(map(Fraction, x.tolist())))) <= bound


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 40), marks=pytest.mark.slow)])
def test_coarser_zeros_only_make_the_bound_larger(seeds):
    """What is called dead, always on or a multiple with an error of that size is charged for it."""
    for seed in seeds:
        net, domain, _ = planted(seed)
        g = net.with_vector(net.to_vector() * (1.0 + 1e-3 * np.random.default_rng(seed).standard_normal(
            net.n_parameters)))
        X = domain.sample(20, seed)
        largest = max(exact_difference(net, g, list(map(Fraction, x.tolist()))) for x in X)
        for precision in (2.0**-50, 2.0**-20, 2.0**-6):
            assert largest <= bound_of(net, g, domain, precision, True)


# a network over another's columns


def test_neuron_is_a_multiple_of_a_known_class_in_any_layer_and_of_either_sign():
    f = rn.Network([[[1.0, 1.0], [1.0, -2.0]]], [[0.5, 0.0]], [[1.0, 1.0]])
    g = rn.Network([[[-3.0, -3.0], [1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0, -4.0], [0.0, 1.0, 1.0]]],
                   [[-1.5, 9.0, 9.0], [18.0, -12.0]], [[1.0, 1.0]])
    box = rn.Box([-1, -1], [1, 1])
    known = write_symbolically(f, box, FINEST_PRECISION)
    both = write_symbolically(g, box, FINEST_PRECISION, known=known)
    assert [own.labels.tolist() for own in both.roles] == [[0, -2, -2], [1, -2]]
    assert [own.scales[:1].tolist() for own in both.roles] == [[-3.0], [2.0]]
    g = rn.Network([[[1.0, 2.0]]], [[0.25]], [[1.0]])
    known = write_symbolically(f, box, FINEST_PRECISION)
    both = write_symbolically(g, box, FINEST_PRECISION, known=known)
    assert both.roles[0].labels.tolist() == [2] and len(both.column_bounds) == 6


def test_rows_of_classes_are_those_of_their_layers():
    net, domain, _ = planted(4)
    found = write_symbolically(net, domain, FINEST_PRECISION)
    numbers = np.arange(sum(len(layer.low) for layer in found.layers))[::-1]
    A, S = symbolic_network.class_rows(found.layers, numbers, len(found.column_bounds))
    width = len(found.column_bounds)
    wide = [np.pad(layer.A, ((0, 0), (0, width - layer.A.shape[1]))) for layer in found.layers]
    assert np.array_equal(A, np.concatenate(wide)[::-1]) and (np.abs(A) <= S).all()


# limits


def test_networks_without_a_common_hyperplane_are_left_to_other_provers():
    f, g = (rn.Network.random((3, 20, 20, 1), rng=seed) for seed in range(2))
    box = rn.Box(-np.ones(3), np.ones(3))
    nothing = symbolic_difference.propose_symbolic_proof(
        f, g, box, FINEST_PRECISION, False, None, lambda: None)
    assert nothing is None
    assert rn.verify(f, g, box, 1e-9, method="folding").bound == np.inf
    assert np.isfinite(bound_of(f, g, box, FINEST_PRECISION, False))


def test_time_is_checked_between_steps_and_a_cost_beyond_the_limit_is_not_begun(monkeypatch):
    net, domain, _ = planted(4)
    small, _ = rn.compress(net, domain)

    def over():
        raise OutOfTime

    with pytest.raises(OutOfTime):
        symbolic_difference.propose_symbolic_proof(
            net, small, domain, FINEST_PRECISION, True, None, over)
    monkeypatch.setattr(provers, "propose_symbolic_proof", None)  # must not be called
    for sizes, most in (((2, 1500, 1), 1e11), ((2, 5000, 1), np.inf)):
        large = rn.Network.random(sizes, rng=0)
        cost = symbolic_difference.symbolic_cost(large, large)
        assert provers.PRODUCTS_A_SECOND * 60.0 < cost <= most
        verdict = rn.verify(large, large, rn.Box([0, 0], [1, 1]), 1e-9, method="folding")
        assert (verdict.status, verdict.bound) == ("unknown", np.inf)


def test_ctrl_c_while_rows_are_written_gives_unknown(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    net, domain, _ = planted(4)
    monkeypatch.setattr(provers, "propose_symbolic_proof", interrupted)
    verdict = rn.verify(net, net, domain, method="folding")
    assert verdict.status == "unknown" and verdict.interrupted


def test_binary_networks_are_left_to_other_provers():
    f = rn.Network.random((2, 5, 1), rng=0, activation="binary")
    assert rn.verify(f, f, rn.Box([0, 0], [1, 1]), 1e-9, method="folding").bound == np.inf


@pytest.mark.parametrize("seed", range(20))
def test_numbers_near_the_limits_of_float64_prove_nothing_false(seed):
    rng = np.random.default_rng(seed)
    f, g = (rn.Network.random((2, *rng.integers(1, 6, 2), 1), rng=rng) for _ in range(2))
    powers = [rng.integers(-900, 900, net.n_parameters) for net in (f, g)]
    f, g = (net.with_vector(np.ldexp(net.to_vector(), own)) for net, own in zip((f, g), powers))
    box = rn.Box([-1, -1], [1, 1])
    verdict = rn.verify(f, g, box, 1e-9, method="folding")
    x = [Fraction(v) for v in box.sample(1, rng)[0].tolist()]
    assert verdict.bound == np.inf or exact_difference(f, g, x) <= Fraction(verdict.bound)
