"""Laws of the starts: hyperplanes through samples, and orthogonal matching pursuit against brute force."""
import numpy as np
import pytest
from oracles import strategies
from oracles.assertions import assert_close, assert_equal_bits, assert_feasible
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.networks.activations import activation_named
from reducednet.numerics.rounding import gamma
from reducednet.reduced_space.intervals import LayerSpace
from reducednet.training import starts

SQUARE = rn.Box([-1.0, 0.0], [1.0, 1.0])
seeds = strategies.seeds()
bounds = strategies.BOUNDS
DOMAINS = [SQUARE, rn.Ball([1.0, -2.0], 0.5), rn.Hull([[0, 0], [2, 1], [0, 3]]), rn.Box([0, 1], [1, 1])]


def problem(domain=SQUARE, n_samples=25, n_outputs=1):
    X = domain.sample(n_samples, 7)
    return X, np.sin(3.0 * X.sum(axis=1, keepdims=True) + np.arange(n_outputs))


# data-placed


@given(st.sampled_from([(2, 6, 1), (2, 5, 4, 2), (2, 4, 3, 5, 1)]), st.sampled_from(DOMAINS), bounds,
       st.sampled_from(["relu", "binary"]), seeds)
def test_hyperplane_of_every_neuron_goes_through_the_image_of_a_sample(sizes, domain, bound, activation, seed):
    X, _ = problem(domain)
    network = starts.data_placed(sizes, domain, X, seed, bound=bound, activation=activation)
    H = X
    for W, b, interval, space in zip(network.weights, network.thresholds, network.intervals, network.layer_spaces):
        Z = H @ W.T + b
        size = np.abs(H) @ np.abs(W).T + np.abs(b)
        # rounding, and that of the ends that the threshold is clipped to
        allowed = gamma(4 * W.shape[1] + 32) * (size + space.domain.norm_bound)
        distance = np.abs(Z) - allowed - space.rounding_error(W)
        assert (distance.min(axis=0) <= 0.0).all(), f"nearest images {np.abs(Z).min(axis=0)}"
        H = activation_named(activation).value(Z)


@given(st.sampled_from([(2, 6, 1), (2, 5, 4, 2)]), st.sampled_from(DOMAINS), bounds,
       st.sampled_from(["relu", "binary"]), st.booleans(), seeds)
def test_data_placed_network_is_feasible_and_as_asked(sizes, domain, bound, activation, output_bias, seed):
    X, _ = problem(domain)
    options = {"bound": bound, "activation": activation, "output_bias": output_bias}
    network = starts.data_placed(sizes, domain, X, seed, **options)
    assert_feasible(network)
    assert (network.sizes, network.domain, network.bound) == (sizes, domain, bound)
    assert network.activation == activation and (network.output_bias is not None) == output_bias


def test_data_placed_outgoing_weights_have_the_variance_of_one_over_the_neurons():
    network = starts.data_placed((2, 2000, 2), SQUARE, problem()[0], 0)
    scaled = network.output_weights.ravel() * np.sqrt(2000)
    # a mean of 4000 squares of N(0, 1) has the standard deviation sqrt(2 / 4000)
    assert abs(scaled.var() - 1.0) < 5.0 * np.sqrt(2.0 / len(scaled))


def test_placed_neurons_take_every_sample():
    space = LayerSpace(rn.Box(0.0, 1.0), activation_named("relu"), "support")
    H = np.array([[0.2], [0.5], [0.9]])
    W, b = starts.placed_neurons(200, space, H, np.random.default_rng(0))
    assert set(np.round(-b * W[:, 0], 6)) == {0.2, 0.5, 0.9} and set(W[:, 0]) == {-1.0, 1.0}


@given(st.sampled_from([(2, 6, 1), (2, 5, 4, 2)]), st.sampled_from(DOMAINS), bounds, seeds)
def test_spread_hyperplane_of_every_neuron_cuts_the_images_of_the_samples(sizes, domain, bound, seed):
    X, _ = problem(domain)
    network = starts.data_placed(sizes, domain, X, seed, bound=bound, spread=True)
    assert_feasible(network)
    H = X
    for W, b, space in zip(network.weights, network.thresholds, network.layer_spaces):
        Z = H @ W.T + b
        size = np.abs(H) @ np.abs(W).T + np.abs(b)
        allowed = gamma(4 * W.shape[1] + 32) * (size + space.domain.norm_bound) + space.rounding_error(W)
        assert ((Z - allowed).min(axis=0) <= 0.0).all() and ((Z + allowed).max(axis=0) >= 0.0).all()
        H = np.maximum(Z, 0.0)


def test_spread_thresholds_are_uniform_over_the_range_of_the_samples():
    space = LayerSpace(rn.Box(-9.0, 9.0), activation_named("relu"), "support")
    H = np.array([[2.0], [2.0], [2.1], [6.0]])
    W, b = starts.spread_neurons(4000, space, H, np.random.default_rng(0))
    positions = (-b * W[:, 0] - 2.0) / 4.0
    # moments of 4000 uniform numbers: standard deviations sqrt(1/12) and sqrt(1/180) over the root of 4000
    assert abs(positions.mean() - 0.5) < 5.0 * np.sqrt(1.0 / 12.0 / 4000)
    assert abs(((positions - 0.5) ** 2).mean() - 1.0 / 12.0) < 5.0 * np.sqrt(1.0 / 180.0 / 4000)


@pytest.mark.parametrize("make", [
    lambda rng: starts.data_placed((2, 5, 4, 1), SQUARE, problem()[0], rng),
    lambda rng: starts.data_placed((2, 5, 4, 1), SQUARE, problem()[0], rng, spread=True),
    lambda rng: starts.greedy((2, 5, 1), SQUARE, *problem(), rng, n_candidates=30),
])
def test_same_seed_gives_the_same_bytes(make):
    one, two, other = make(3), make(np.random.default_rng(3)), make(4)
    assert one.to_vector().tobytes() == two.to_vector().tobytes() != other.to_vector().tobytes()


# candidates


@given(st.integers(1, 9), st.sampled_from(DOMAINS), bounds, seeds)
def test_candidates_are_as_many_as_asked_and_feasible(n, domain, bound, seed):
    space = LayerSpace(domain, activation_named("relu"), bound)
    W, b = starts.candidate_neurons(n, space, problem(domain)[0], np.random.default_rng(seed))
    assert W.shape == (n, 2) and b.shape == (n,)
    assert_feasible(rn.ReducedNetwork([W], [b], np.ones((1, n)), domain=domain, bound=bound))


def test_half_of_the_candidates_go_through_a_sample():
    X, _ = problem()
    space = LayerSpace(SQUARE, activation_named("relu"), "support")
    W, b = starts.candidate_neurons(100, space, X, np.random.default_rng(0))
    nearest = np.abs(X @ W.T + b).min(axis=0)
    assert (nearest <= gamma(64) * 4.0).sum() == 50


# pursuit


def brute_force_pursuit(A, fixed, Y, n):
    """Orthogonal matching pursuit with a least squares fit for each candidate at each step."""
    chosen, margins = [], []
    for _ in range(n):
        errors = np.full(A.shape[1], np.inf)
        for j in set(range(A.shape[1])) - set(chosen):
            H = np.column_stack([fixed, A[:, chosen], A[:, j]])
            errors[j] = ((Y - H @ np.linalg.lstsq(H, Y, rcond=None)[0]) ** 2).sum()
        order = np.sort(errors)
        margins.append(order[1] - order[0])
        chosen.append(int(np.argmin(errors)))
    return np.array(chosen), min(margins)


@given(seeds, st.integers(1, 3), st.booleans())
def test_pursuit_is_that_of_brute_force(seed, n_outputs, has_fixed):
    rng = np.random.default_rng(seed)
    A, Y = rng.standard_normal((15, 12)), rng.standard_normal((15, n_outputs))
    fixed = np.ones((15, 1)) if has_fixed else np.zeros((15, 0))
    expected, margin = brute_force_pursuit(A, fixed, Y, 5)
    # two candidates may be equal to rounding; random ones never are
    assert margin > gamma(1024) * (Y**2).sum() * np.linalg.cond(A[:, expected]) ** 2
    np.testing.assert_array_equal(starts.pursue(A, fixed, Y, 5), expected)


def test_pursuit_finds_the_columns_that_the_responses_are_made_of():
    A = np.eye(6)[:, [3, 0, 5, 1]]
    Y = A[:, [2]] * 3.0 + A[:, [0]] * 2.0
    np.testing.assert_array_equal(starts.pursue(A, np.zeros((6, 0)), Y, 2), [2, 0])


def test_pursuit_takes_dependent_columns_last_and_none_twice():
    rng = np.random.default_rng(0)
    a, c = rng.standard_normal((2, 8))
    A = np.column_stack([0.0 * a, a, a, 2.0 * a, c])  # dead, three of one direction, another
    chosen = starts.pursue(A, np.zeros((8, 0)), (a + 0.5 * c)[:, np.newaxis], 5)
    assert sorted(chosen) == [0, 1, 2, 3, 4]
    assert 4 in chosen[:2] and len({1, 2, 3} & set(chosen[:2])) == 1


def test_pursuit_does_not_change_its_arguments():
    rng = np.random.default_rng(0)
    A, Y = rng.standard_normal((8, 4)), rng.standard_normal((8, 1))
    before = A.copy(), Y.copy()
    starts.pursue(A, np.ones((8, 1)), Y, 3)
    assert_equal_bits(A, before[0], "A")
    assert_equal_bits(Y, before[1], "Y")


# greedy


@given(seeds, st.sampled_from(DOMAINS), bounds, st.booleans(), st.integers(1, 2))
@example(20, rn.Ball([1, -2], 0.5), "support", False, 1)  # a neuron that rounding alone makes active
def test_greedy_is_feasible_and_has_the_best_outgoing_weights(seed, domain, bound, output_bias, n_outputs):
    X, Y = problem(domain, n_outputs=n_outputs)
    network = starts.greedy((2, 4, n_outputs), domain, X, Y, seed, bound=bound, output_bias=output_bias,
                            n_candidates=40)
    assert_feasible(network)
    H = np.maximum(network.pre_activations(X)[0], 0.0)
    if output_bias:
        H = np.column_stack([H, np.ones(len(X))])
    residual = Y - network(X)
    size = np.abs(network.output_weights).max() * np.abs(H).max() + np.abs(Y).max()
    lengths = np.linalg.norm(H, axis=0)[:, np.newaxis]
    rank_limit = np.finfo(float).eps * max(H.shape) * np.linalg.norm(H, 2)  # `lstsq` leaves out what is below it
    lost = np.where(lengths <= rank_limit, lengths * np.linalg.norm(residual), 0.0)
    allowed = gamma(256) * lengths * size * len(X) + lost
    assert_close(H.T @ residual, 0.0, allowed, "products of the residual with activations")


def test_greedy_takes_the_neurons_of_brute_force():
    X, Y = problem(n_samples=30)
    space = LayerSpace(SQUARE, activation_named("relu"), "support")
    W, b = starts.candidate_neurons(25, space, X, np.random.default_rng(3))
    A = np.array([[max(float(w @ x + t), 0.0) for w, t in zip(W, b)] for x in X])
    expected, _ = brute_force_pursuit(A, np.ones((30, 1)), Y, 4)
    network = starts.greedy((2, 4, 1), SQUARE, X, Y, 3, output_bias=True, n_candidates=25)
    assert_equal_bits(network.weights[0], W[expected], "weights")
    assert_equal_bits(network.thresholds[0], b[expected], "thresholds")


def test_more_neurons_never_fit_worse():
    X, Y = problem(n_samples=60)
    losses = [rn.loss_and_gradient(starts.greedy((2, n, 1), SQUARE, X, Y, 0, n_candidates=60), X, Y)[0]
              for n in (1, 2, 4, 8)]
    assert (np.diff(losses) < 0.0).all()


# refusals


@pytest.mark.parametrize("call, error, match", [
    (lambda X, y: starts.greedy((2, 3, 3, 1), SQUARE, X, y), ValueError, "one hidden layer"),
    (lambda X, y: starts.greedy((2, 5, 1), SQUARE, X, y, n_candidates=4), ValueError, "`n_candidates` must be"),
    (lambda X, y: starts.greedy((2, 5, 1), SQUARE, X, y[:-1]), ValueError, "`y` must be of shape"),
    (lambda X, y: starts.greedy((2, 5, 1), SQUARE, X, y * np.nan), ValueError, "`y` must be finite"),
    (lambda X, y: starts.greedy((2, 5, 1), rn.Box(0, 1), X, y), ValueError, "of dimension 2"),
    (lambda X, y: starts.greedy((2, 5, 1), SQUARE, X, y, bound="cube"), ValueError, "`bound` must be one of"),
    (lambda X, y: starts.greedy((2, 5, 1), SQUARE, X, y, output_bias=1), TypeError, "must be True or"),
    (lambda X, y: starts.data_placed((2, 5, 1), SQUARE, X[:, :1]), ValueError, "`X` must be of shape"),
    (lambda X, y: starts.data_placed((2, 5, 1), SQUARE, X * np.inf), ValueError, "`X` must be finite"),
    (lambda X, y: starts.data_placed((2, 1), SQUARE, X), ValueError, "with a hidden layer"),
    (lambda X, y: starts.data_placed((2, 5, 1), "box", X), TypeError, "a Box, Ball or Hull, got str"),
    (lambda X, y: starts.data_placed((2, 5, 1), SQUARE, X, spread=1), TypeError, "`spread` must be True or False"),
    (lambda X, y: starts.data_placed((2, 5, 1), SQUARE, X, -1), ValueError, "`rng` must be a seed"),
    (lambda X, y: starts.data_placed((2, 5, 1), SQUARE, X, activation="tanh"), ValueError, "`activation` must"),
])
def test_bad_arguments_are_refused(call, error, match):
    X, y = problem(rn.Box([0.1, 0.1], [1.0, 1.0]))
    with pytest.raises(error, match=match):
        call(X, y)
