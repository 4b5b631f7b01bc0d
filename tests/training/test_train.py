"""Laws of training: coordinates, equal starts, feasible and never worse results, and honest ends."""
import numpy as np
from oracles import path_sums
import pytest
from oracles import strategies
from oracles.assertions import assert_equal_bits, assert_feasible
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.numerics.sphere import unit_tolerance
from reducednet.training.coordinates import ReducedCoordinates
from reducednet.training.monitor import Monitor
from reducednet.training.objective import Objective

seeds = strategies.seeds()
both_bounds = pytest.mark.parametrize("bound", ["ball", "support"])
SQUARE = rn.Box([-1.0, 0.0], [1.0, 1.0])


def wave(X):
    return np.sin(2.0 * (X - X.min(axis=0)).sum(axis=1))


def problem(domain=SQUARE, n=30, seed=5):
    """Return samples of the domain and responses."""
    X = domain.sample(n, seed)
    return X, wave(X)


# coordinates of the reduced space


@st.composite
def coordinates_and_points(draw):
    """Coordinates of a reduced space, and a random point inside their bounds."""
    sizes = (draw(st.integers(1, 4)), *draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)), 1)
    domain = draw(strategies.domains(sizes[0]))
    rng = np.random.default_rng(draw(seeds))
    red = rn.ReducedNetwork.random(sizes, domain, rng, bound=draw(st.sampled_from(["ball", "support"])))
    coordinates = ReducedCoordinates(red)
    return red, coordinates, random_point(coordinates, rng, 2.0 ** draw(st.integers(-20, 20)))


def random_point(coordinates, rng, length=1.0):
    """Return coordinates with rows of any length and positions anywhere in their closed bounds."""
    u = coordinates.start()
    low, high = coordinates.bounds(u)
    for block, lower, upper in zip(*(coordinates.layout.blocks(v)[:-1] for v in (u, low, high))):
        rows = rng.standard_normal(block[:-1].shape)
        rows[0] += np.where(rows[0] >= 0.0, 0.5, -0.5)  # never near zero
        block[:-1] = length * rows
        block[-1] = lower[-1] + rng.choice([0.0, 1.0, 0.5, rng.random()], block.shape[1]) * (upper[-1] - lower[-1])
    return u


@given(coordinates_and_points())
def test_every_point_of_coordinates_is_a_feasible_network(case):
    red, coordinates, u = case
    assert_feasible(red.with_vector(coordinates.feasible_vector(u)))


@given(coordinates_and_points())
def test_feasible_point_differs_by_rounding_only(case):
    red, coordinates, u = case
    one, other = (coordinates.layout.blocks(v) for v in (coordinates.to_vector(u), coordinates.feasible_vector(u)))
    size = red.domain.norm_bound  # the thresholds of deeper layers may move with those below
    assert (np.abs(one[0] - other[0]) <= 4 * gamma(4 * len(one[0]) + 16) * size).all()
    for before, after in zip(one, other):
        np.testing.assert_array_equal(before[:-1], after[:-1])


@given(coordinates_and_points())
def test_length_of_a_row_does_not_matter(case):
    red, coordinates, u = case
    longer = u.copy()
    for block in coordinates.layout.blocks(longer)[:-1]:
        block[:-1] *= 8.0
    n = max(red.sizes)
    sizes = [space.domain.norm_bound for space in red.layer_spaces]
    pairs = zip(*(coordinates.layout.blocks(coordinates.to_vector(v))[:-1] for v in (u, longer)))
    for size, (one, other) in zip(sizes, pairs):
        assert (np.abs(one[:-1] - other[:-1]) <= gamma(2 * n + 16)).all()


@given(coordinates_and_points())
def test_start_of_coordinates_is_the_network(case):
    red, coordinates, _ = case
    theta = coordinates.to_vector(coordinates.start())
    old, new = coordinates.layout.blocks(red.to_vector()), coordinates.layout.blocks(theta)
    np.testing.assert_array_equal(new[-1], old[-1])
    moved = 0.0
    for space, before, after in zip(red.layer_spaces, old, new):
        # a row that counts as a unit vector is divided by its norm
        n = len(before)
        assert (np.abs(after[:-1] - before[:-1]) <= unit_tolerance(n) + gamma(n + 8)).all()
        # position and threshold carry n + 8 roundings of the interval's bounds; the layer's set
        # moved with those below
        allowed = 4 * gamma(4 * n + 16) * (space.domain.norm_bound + np.abs(before[-1])) + 2 * np.sqrt(n) * moved
        assert (np.abs(after[-1] - before[-1]) <= allowed).all()
        moved = 4 * float(np.max(allowed))


@given(coordinates_and_points())
def test_start_lies_in_the_bounds(case):
    _, coordinates, _ = case
    u = coordinates.start()
    low, high = coordinates.bounds(u)
    assert ((low <= u) & (u <= high)).all()


def clear_domain(kind, rng, d):
    """Return a domain whose support points are smooth near the rows of `clear_rows`."""
    if kind == "Box":
        low = rng.uniform(-2.0, 0.5, d)
        return rn.Box(low, low + rng.uniform(0.5, 2.0, d))
    if kind == "Ball":
        return rn.Ball(rng.uniform(-1.0, 1.0, d), 1.3)
    corners = np.vstack([3.0 * np.eye(d), -3.0 * np.eye(d)])
    return rn.Hull(corners + 0.1 * rng.standard_normal(corners.shape))


def clear_rows(rng, n_rows, d):
    """Return rows of lengths 1-4 with no entry near 0 and one that is by far the largest."""
    rows = rng.uniform(0.2, 0.4, (n_rows, d)) * rng.choice([-1.0, 1.0], (n_rows, d))
    largest = rng.integers(0, d, n_rows)
    rows[np.arange(n_rows), largest] *= 8.0
    return rows


@both_bounds
@pytest.mark.parametrize("kind", ["Box", "Ball", "Hull"])
@pytest.mark.parametrize("hidden", [(4,), (4, 3), (4, 3, 5), (3, 4, 2, 3)])
@pytest.mark.parametrize("d", [1, 3])
def test_pull_back_is_the_difference_along_coordinates(bound, kind, hidden, d):
    rng = np.random.default_rng(len(hidden))
    red = rn.ReducedNetwork.random((d, *hidden, 2), clear_domain(kind, rng, d), 0, bound=bound, output_bias=True)
    coordinates = ReducedCoordinates(red)
    u = coordinates.start()
    low, high = coordinates.bounds(u)
    for block, lower, upper in zip(*(coordinates.layout.blocks(v)[:-1] for v in (u, low, high))):
        block[:-1] = clear_rows(rng, block.shape[1], len(block) - 1).T
        block[-1] = lower[-1] + rng.uniform(0.2, 0.8, block.shape[1]) * (upper[-1] - lower[-1])
    a, V = rng.standard_normal(len(u)), rng.standard_normal(len(u))
    coordinates.to_vector(u)
    analytic = float(coordinates.pull_back(a) @ V)

    def central(t):
        return float(a @ (coordinates.to_vector(u + t * V) - coordinates.to_vector(u - t * V))) / (2 * t)

    t = 2.0**-8
    one, two = central(t), central(t / 2)
    better = (4 * two - one) / 3  # Richardson: what it changes is more than what is left
    rounding = gamma(64 * max(red.sizes)) * float(np.abs(a) @ np.abs(coordinates.to_vector(u))) / t
    assert abs(better - analytic) <= abs(better - two) + rounding
    assert abs(better - two) <= 0.01 * float(np.abs(a).sum() * np.abs(V).max())  # the check could fail


@given(st.sampled_from([(1, 4, 1), (1, 3, 4, 2)]), st.sampled_from(["ball", "support"]), seeds)
def test_held_signs_give_the_coordinates_and_gradients_of_rows_of_one_weight(sizes, bound, seed):
    red = rn.ReducedNetwork.random(sizes, rn.Box(-1.0, 2.0), seed, bound=bound)
    held, free = ReducedCoordinates(red, hold_first_weights=True), ReducedCoordinates(red)
    u = red.to_vector()
    for block in held.layout.blocks(u)[:-1]:
        block[-1] = np.random.default_rng(seed).uniform(0.1, 1.9, len(block[-1]))
    assert_equal_bits(held.to_vector(u), free.to_vector(u), "the vector")
    gradient = np.random.default_rng(seed).standard_normal(len(u))
    held.layout.blocks(gradient)[0][:-1] = 0.0  # as an objective gives it
    assert_equal_bits(held.pull_back(gradient) + 0.0, free.pull_back(gradient) + 0.0, "the gradient")


@pytest.mark.parametrize("bound", ["ball", "support"])
@pytest.mark.parametrize("length", [1e-200, 1e-160, 1e160, 1e300])
def test_rows_whose_squares_leave_float64_have_the_same_direction(bound, length):
    red = rn.ReducedNetwork.random((3, 4, 3, 1), rn.Box(np.zeros(3), np.ones(3)), 0, bound=bound)
    coordinates = ReducedCoordinates(red)
    u = coordinates.start()
    expected = coordinates.to_vector(u)
    for block in coordinates.layout.blocks(u)[:-1]:
        block[:-1] *= length
    with np.errstate(over="ignore", divide="ignore"):
        found = coordinates.to_vector(u)
    assert (np.abs(found - expected) <= gamma(256) * np.maximum(np.abs(expected), 1.0)).all()


@given(coordinates_and_points(), seeds)
def test_pull_back_of_a_gradient_is_orthogonal_to_the_rows(case, seed):
    _, coordinates, u = case
    coordinates.to_vector(u)
    rng = np.random.default_rng(seed)
    gradient = rng.standard_normal(len(u))
    pulled = coordinates.pull_back(gradient)
    for layer, (block, g) in enumerate(zip(coordinates.layout.blocks(u), coordinates.layout.blocks(pulled)[:-1])):
        products = np.abs((block[:-1] * g[:-1]).sum(axis=0))
        terms = np.abs(g[:-1]) + total_gradient(coordinates, layer, gradient, block)
        sizes = (np.abs(block[:-1]) * terms).sum(axis=0)
        assert (products <= gamma(4 * len(block) + 32) * sizes).all()


def total_gradient(coordinates, layer, gradient, block):
    """A bound of the entries of the gradient by a unit row, before its radial part is taken, over the length.

    By the threshold b = -w.x_q it is at most 2 X_B, by what depends on b in the layers above as much again
    for each of them.
    """
    sizes = [space.domain.norm_bound for space in coordinates.spaces]
    above = np.prod([2.0 * np.sqrt(n) * 2.0 + 2.0 for n in coordinates.layout.sizes[layer + 1:]])
    bound = np.abs(gradient).sum() * (1.0 + 4.0 * sizes[layer]) * above
    return bound / np.linalg.norm(block[:-1], axis=0)


# equal starts


def start_tolerance(network, red, X, y):
    """Bound of the difference of the losses of a network and of its reduction's coordinates.

    The outputs differ by the reduction's bound and, since a threshold is kept as its position between
    two ends of size X_B, by the path sums of a network with thresholds as large as those ends.
    """
    loud = rn.Network(
        red.weights, [np.full(len(b), 4.0 * space.domain.norm_bound) for b, space in zip(
            red.thresholds, red.layer_spaces)], red.output_weights, red.output_bias)
    extra = 8 * sum(red.sizes) + 32
    delta = rn.reduction_bound(network, red) + path_sums.outputs_tolerance(loud, X, extra)
    residual = np.abs(network(X) - np.reshape(y, (len(X), -1)))
    mean = float(((2 * residual + delta) * delta).sum(axis=1).mean())
    return mean + path_sums.loss_tolerance(network, X, y, "mse")


@both_bounds
@pytest.mark.parametrize("spare", ["keep", "redraw"])
@pytest.mark.parametrize("hidden", [(8,), (6, 5), (5, 4, 3)])
@given(seed=seeds)
def test_network_and_its_reduction_start_at_the_same_loss(bound, spare, hidden, seed):
    X, y = problem(seed=seed)
    network = rn.Network.random((2, *hidden, 1), seed)
    red = rn.reduce(network, SQUARE, bound, spare, rng=seed)
    one, other = (rn.train(start, X, y, "lbfgs", n_steps=1).history["loss"][0] for start in (network, red))
    assert abs(one - other) <= start_tolerance(network, red, X, y)


@given(seeds)
def test_first_loss_of_a_network_is_its_loss(seed):
    X, y = problem(seed=seed)
    network = rn.Network.random((2, 5, 1), seed)
    result = rn.train(network, X, y, "lbfgs", n_steps=2)
    assert result.history["loss"][0] == rn.loss_and_gradient(network, X, y)[0]


# results


def starts(kind, sizes, seed):
    """Return a network of the kind to train on SQUARE."""
    if kind == "standard":
        return rn.Network.random(sizes, seed, output_bias=True)
    if kind == "reduced":
        return rn.reduce(rn.Network.random(sizes, seed, output_bias=True), SQUARE)
    return rn.ReducedNetwork.random(sizes, SQUARE, seed, bound=kind)


some_starts = st.sampled_from(["standard", "reduced", "ball", "support"])
some_sizes = st.sampled_from([(2, 6, 1), (2, 5, 4, 1), (2, 4, 3, 3, 1)])


@given(some_starts, some_sizes, seeds)
def test_best_network_has_the_smallest_loss_of_the_history(kind, sizes, seed):
    X, y = problem()
    result = rn.train(starts(kind, sizes, seed), X, y, "lbfgs", n_steps=15)
    value = rn.loss_and_gradient(result.network, X, y)[0]
    if kind == "standard":
        assert value == result.history["loss"].min()
    else:
        allowed = start_tolerance(result.network, result.network, X, y)
        assert abs(value - result.history["loss"].min()) <= allowed


METHODS = ["sgd", "adam", "lbfgs", "slsqp", "varpro"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sizes", [(2, 6, 1), (2, 5, 4, 1)], ids=str)
def test_samples_of_weight_zero_say_nothing(method, sizes):
    X, y = problem()
    counts = (np.arange(len(X)) % 3 > 0).astype(float)
    wild = np.where(counts > 0.0, y, 1e3)
    net = rn.ReducedNetwork.random(sizes, SQUARE, 0, output_bias=True)
    results = [rn.train(net, X, responses, method, sample_weight=counts, n_steps=8) for responses in (y, wild)]
    assert results[0].network == results[1].network != net
    network, kept = results[0].network, counts > 0.0
    value = rn.loss_and_gradient(network, X[kept], y[kept])[0]
    # the recorded loss is of coordinates, or of a projection: as for the starts below
    allowed = start_tolerance(network, network, X[kept], y[kept])
    assert abs(value - results[0].history["loss"].min()) <= 2 * allowed


def test_validation_loss_is_weighted():
    X, y = problem()
    net = rn.Network.random((2, 6, 1), 0)
    weight = np.arange(float(len(X)))
    result = rn.train(net, X, y, "lbfgs", n_steps=3, validation=(X, y, weight))
    expected = rn.loss_and_gradient(net, X, y, sample_weight=weight)[0]
    allowed = path_sums.loss_tolerance(net, X, y[:, np.newaxis], "mse") * len(X)
    assert abs(result.history["validation_loss"][0] - expected) <= allowed


def test_exchange_refuses_weights_that_differ():
    net = rn.Network.random((2, 3, 1), 0, activation="binary")
    with pytest.raises(ValueError, match="`sample_weight` must be left out with method 'exchange'"):
        rn.train(net, [[0, 0], [1, 1]], [0, 1], sample_weight=[1, 2])


@given(some_starts, some_sizes, seeds)
def test_training_is_never_worse_than_its_start(kind, sizes, seed):
    X, y = problem()
    history = rn.train(starts(kind, sizes, seed), X, y, "lbfgs", n_steps=10).history["loss"]
    assert history.min() <= history[0]


@given(st.sampled_from(["reduced", "ball", "support"]), some_sizes, seeds)
def test_trained_reduced_network_is_feasible(kind, sizes, seed):
    X, y = problem()
    start = starts(kind, sizes, seed)
    result = rn.train(start, X, y, "lbfgs", n_steps=10)
    assert type(result.network) is rn.ReducedNetwork
    assert (result.network.domain, result.network.bound) == (start.domain, start.bound)
    assert_feasible(result.network)


@both_bounds
@pytest.mark.parametrize("domain", [
    rn.Box([1990.0, 0.0], [2020.0, 1.0]), rn.Ball([1e6, -1e6], 1.0),
    rn.Hull([[1e4, 1e4], [1e4, 1e4 + 1], [1e4 + 1, 1e4]]), rn.Box([0.0, 0.1], [1.0, 0.1]),
], ids=["years", "far ball", "far hull", "flat box"])
def test_network_trained_on_an_awkward_domain_is_feasible(bound, domain):
    X, y = problem(domain)
    result = rn.train(rn.ReducedNetwork.random((2, 5, 4, 1), domain, 0, bound=bound), X, y, "lbfgs", n_steps=10)
    assert_feasible(result.network)


@pytest.mark.parametrize("kind", ["standard", "reduced", "ball", "support"])
def test_the_same_call_trains_the_same_bytes(kind):
    X, y = problem()
    one, two = (rn.train(starts(kind, (2, 5, 4, 1), 3), X, y, "lbfgs", n_steps=20) for _ in range(2))
    assert one.network.to_vector().tobytes() == two.network.to_vector().tobytes()
    assert one.history["loss"].tobytes() == two.history["loss"].tobytes()


@pytest.mark.parametrize("kind", ["standard", "reduced", "ball", "support"])
def test_training_does_not_change_the_start(kind):
    X, y = problem()
    start, before = starts(kind, (2, 5, 1), 3), (X.copy(), y.copy())
    theta = start.to_vector()
    rn.train(start, X, y, "lbfgs", n_steps=5)
    assert start.to_vector().tobytes() == theta.tobytes()
    assert X.tobytes() == before[0].tobytes() and y.tobytes() == before[1].tobytes()


@pytest.mark.parametrize("kind", ["standard", "reduced", "ball", "support"])
def test_training_lowers_the_loss(kind):
    X, y = problem()
    history = rn.train(starts(kind, (2, 12, 1), 1), X, y, "lbfgs", n_steps=100).history["loss"]
    assert history.min() < 0.2 * min(history[0], float(np.var(y)))


def independent_loss(X, y, n_neurons):
    """Return theta -> (loss, gradient) of a 1-n-1 network, written apart from the library."""
    def evaluate(theta):
        w, b, c = theta.reshape(3, n_neurons)
        Z = np.outer(X[:, 0], w) + b
        residual = np.maximum(Z, 0.0) @ c - y
        D = 2.0 / len(y) * np.outer(residual, c) * (Z > 0.0)
        dc = 2.0 / len(y) * np.maximum(Z, 0.0).T @ residual
        return np.mean(residual**2), np.concatenate([X[:, 0] @ D, D.sum(axis=0), dc])

    return evaluate


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_standard_run_ends_where_plain_scipy_ends(seed):
    from scipy.optimize import minimize
    rng = np.random.default_rng(seed)
    X = rng.random((30, 1))
    y = np.abs(X[:, 0] - 0.4) + 0.05 * rng.standard_normal(30)
    network = rn.Network.random((1, 4, 1), seed)
    result = rn.train(network, X, y, "lbfgs", n_steps=3000)
    plain = minimize(
        independent_loss(X, y, 4), network.to_vector(), jac=True, method="L-BFGS-B",
        options={"maxcor": 20, "ftol": 0.0, "gtol": 1e-10, "maxiter": 3000, "maxfun": 60000})
    # at a minimum a relative error of theta is one of the loss in second order: only rounding is left
    assert abs(result.history["loss"].min() - plain.fun) <= path_sums.loss_tolerance(result.network, X, y, "mse")


@pytest.mark.parametrize("kind", ["standard", "reduced"])
@pytest.mark.parametrize("sizes", [(2, 6, 3), (2, 5, 4, 3)])
def test_cross_entropy_is_trained(kind, sizes):
    X, _ = problem()
    y = (X[:, 0] > 0.0) + 1 * (X[:, 1] > 0.5)
    result = rn.train(starts(kind, sizes, 1), X, y, "lbfgs", loss="cross_entropy", n_steps=60)
    assert result.history["loss"].min() < 0.5 * result.history["loss"][0]


# binary networks


def binary_start(reduced, sizes, seed=0, output_bias=True):
    network = rn.Network.random(sizes, seed, activation="binary", output_bias=output_bias)
    return rn.reduce(network, SQUARE) if reduced else network


reduced_or_not = pytest.mark.parametrize("reduced", [False, True], ids=["standard", "reduced"])


@reduced_or_not
@pytest.mark.parametrize("sizes", [(2, 6, 1), (2, 6, 5, 1)])
def test_binary_training_moves_outgoing_weights_only(reduced, sizes):
    X, y = problem()
    start = binary_start(reduced, sizes)
    result = rn.train(start, X, y, "lbfgs", n_steps=50)
    hidden = [[*network.weights, *network.thresholds] for network in (start, result.network)]
    for before, after in zip(*hidden):
        assert before.tobytes() == after.tobytes()
    assert not np.array_equal(start.output_weights, result.network.output_weights)


@reduced_or_not
@pytest.mark.parametrize("sizes", [(2, 6, 1), (2, 6, 5, 1)])
def test_binary_training_starts_at_the_loss_of_its_start(reduced, sizes):
    X, y = problem(n=60)
    X = np.vstack([X, [[-1.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [1.0, 0.0]]])  # where neurons at an end are nearly 0
    y, start = wave(X), binary_start(reduced, sizes)
    result = rn.train(start, X, y, "lbfgs", n_steps=1)
    expected = rn.loss_and_gradient(start, X, y)[0]
    assert abs(result.history["loss"][0] - expected) <= path_sums.loss_tolerance(start, X, y, "mse")


@reduced_or_not
@pytest.mark.parametrize("sizes", [(2, 6, 1), (2, 6, 5, 1)])
def test_binary_training_reaches_the_linear_least_squares_optimum(reduced, sizes):
    X, y = problem()
    start = binary_start(reduced, sizes)
    result = rn.train(start, X, y, "lbfgs", n_steps=500, tolerance=1e-10)
    H = (start.pre_activations(X)[-1] > 0.0) * 1.0
    H = np.column_stack([H, np.ones(len(X))])
    best = float(np.mean((y - H @ np.linalg.lstsq(H, y, rcond=None)[0]) ** 2))
    # a quadratic with smallest positive curvature mu lies at most |gradient|^2 / (2 mu) above its minimum
    curvatures = np.linalg.eigvalsh(2.0 / len(X) * H.T @ H)
    mu = curvatures[curvatures > gamma(len(X) * H.shape[1]) * curvatures.max()].min()
    gradient = rn.loss_and_gradient(result.network, X, y)[1].to_vector()
    allowed = float(gradient @ gradient) / (2 * mu) + path_sums.loss_tolerance(result.network, X, y, "mse")
    assert abs(result.history["loss"].min() - best) <= allowed
    assert np.abs(gradient).max() <= 1e-6 * np.abs(y).max()  # it did end near a stationary point


# ends


def interrupt_after(monkeypatch, calls, action):
    """Let the objective do something else from the given call on."""
    original, made = Objective.__call__, [0]

    def call(self, theta, count=False):
        made[0] += 1
        evaluation = original(self, theta, count)
        return action(evaluation) if made[0] > calls else evaluation

    monkeypatch.setattr(Objective, "__call__", call)


def stop(evaluation):
    raise KeyboardInterrupt


def no_number(evaluation):
    return np.nan, evaluation[1]


def no_gradient(evaluation):
    return evaluation[0], np.full_like(evaluation[1], np.inf)


@pytest.mark.parametrize("kind", ["standard", "support"])
@pytest.mark.parametrize("action, words", [
    (stop, "interrupted"), (no_number, "not finite"), (no_gradient, "not finite"),
], ids=["interrupt", "loss", "gradient"])
def test_run_that_breaks_off_returns_the_best_network_so_far(monkeypatch, kind, action, words):
    X, y = problem()
    start = starts(kind, (2, 8, 1), 0)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 25, action)
        result = rn.train(start, X, y, "lbfgs", n_steps=200)
    assert not result.converged and words in result.message
    losses = result.history["loss"]
    assert 5 < len(losses) <= 26 and losses.min() < losses[0]
    value = rn.loss_and_gradient(result.network, X, y)[0]
    assert abs(value - losses.min()) <= own_tolerance(result.network, X, y)


def own_tolerance(network, X, y):
    if isinstance(network, rn.ReducedNetwork):
        return start_tolerance(network, network, X, y)
    return path_sums.loss_tolerance(network, X, y, "mse")


def test_run_that_is_interrupted_at_once_returns_its_start(monkeypatch):
    X, y = problem()
    start = starts("standard", (2, 5, 1), 0)
    interrupt_after(monkeypatch, 0, stop)
    result = rn.train(start, X, y, "lbfgs")
    assert result.network == start and "interrupted" in repr(result)


@pytest.mark.parametrize("scale", [1e100, 1e200])
def test_start_whose_loss_is_no_number_is_refused(scale):
    X, y = problem()
    network = rn.Network([[[scale, scale]]], [[0.0]], [[scale]])
    with pytest.raises(ValueError, match="the loss of `network` at the samples leaves the range of float64"):
        rn.train(network, X, y, "lbfgs")


@pytest.mark.parametrize("kind", ["standard", "support"])
def test_run_ends_at_its_limit_of_steps(kind):
    X, y = problem()
    result = rn.train(starts(kind, (2, 8, 1), 0), X, y, "lbfgs", n_steps=7)
    assert len(result.history["loss"]) == 8 and not result.converged


def test_run_from_a_minimum_has_converged():
    X = np.linspace(0.0, 1.0, 9)[:, np.newaxis]
    network = rn.Network([[[1.0]]], [[0.0]], [[2.0]])
    result = rn.train(network, X, 2.0 * X[:, 0], "lbfgs")
    assert result.converged and result.network == network and result.history["loss"].min() == 0.0


def test_best_network_is_kept_where_the_loss_rises_again():
    X, y = problem()
    start = starts("standard", (2, 5, 1), 0)
    monitor = Monitor(start, Objective(start, X, y))
    vectors = [start.to_vector() + shift for shift in range(4)]
    for vector, loss in zip(vectors, [3.0, 1.0, 2.0, 1.5]):
        monitor.record(vector, loss)
    assert monitor.result(False, "").network.to_vector().tobytes() == vectors[1].tobytes()


def test_history_has_a_time_for_each_loss():
    X, y = problem()
    history = rn.train(starts("standard", (2, 5, 1), 0), X, y, "lbfgs", n_steps=9).history
    assert history["seconds"].shape == history["loss"].shape
    assert history["seconds"][0] >= 0.0 and (np.diff(history["seconds"]) >= 0.0).all()


def test_result_tells_its_story():
    X, y = problem()
    text = repr(rn.train(starts("standard", (2, 5, 1), 0), X, y, "lbfgs", n_steps=3))
    assert text.startswith("TrainingResult(Network(2-5-1, relu, output bias, 21 parameters), loss ")
    assert "in 3 steps" in text


def test_result_is_frozen():
    X, y = problem()
    result = rn.train(starts("standard", (2, 5, 1), 0), X, y, "lbfgs", n_steps=3)
    with pytest.raises(AttributeError):
        result.converged = True
    assert not any(column.flags.writeable for column in result.history.values())


def test_results_can_be_compared():
    X, y = problem()
    one, two = (rn.train(starts("standard", (2, 5, 1), 0), X, y, "lbfgs", n_steps=3) for _ in range(2))
    assert (one == two) in (True, False)


# refusals

OUTSIDE = np.array([[0.0, 0.5], [1.5, 0.5], [0.0, -0.1], [0.5, 0.5], [2.0, 2.0]])


def test_samples_outside_the_domain_are_counted():
    red = rn.ReducedNetwork.random((2, 4, 1), SQUARE, 0)
    text = r"`X` must lie in the network's domain Box\(.*\), got 3 of 5 samples outside"
    with pytest.raises(ValueError, match=text):
        rn.train(red, OUTSIDE, np.zeros(5), "lbfgs")


def test_samples_outside_the_domain_pass_where_they_may():
    red = rn.ReducedNetwork.random((2, 4, 1), SQUARE, 0)
    assert rn.train(red, OUTSIDE, np.ones(5), "lbfgs", n_steps=3, allow_outside=True).network.feasibility()


@pytest.mark.parametrize("W, b, text", [
    ([[2.0, 0.0]], [0.0], "`network` must be feasible, got one with layer 1, neuron 0: weights of norm 2, not 1"),
    ([[1.0, 0.0]], [7.0], r"`network` must be feasible, got one with layer 1, neuron 0: threshold 7 lies outside"),
])
def test_infeasible_network_is_refused(W, b, text):
    red = rn.ReducedNetwork([W], [b], [[1.0]], domain=SQUARE)
    with pytest.raises(ValueError, match=text):
        rn.train(red, *problem(), "lbfgs")


NET = rn.Network([[[1.0, 0.0]]], [[0.0]], [[1.0]])


@pytest.mark.parametrize("arguments, options, error, text", [
    (("net", [[0, 0]], [0]), {}, TypeError, "`network` must be a Network or ReducedNetwork, got str"),
    ((NET, [[0]], [0]), {}, ValueError, r"`X` must be of shape \(n_samples, 2\), got shape \(1, 1\)"),
    ((NET, [[0, np.inf]], [0]), {}, ValueError, r"`X` must be finite, got inf at index \(0, 1\)"),
    ((NET, [[0, 0]], [0, 1]), {}, ValueError, r"`y` must be of shape \(1, 1\) or \(1,\), got shape \(2,\)"),
    ((NET, [[0, 0]], [0]), {"method": "sgd?"}, ValueError, r"`method` must be one of \[.*'lbfgs'.*\]"),
    ((NET, [[0, 0]], [0]), {"method": 3}, TypeError, "`method` must be one of"),
    ((NET, [[0, 0]], [0]), {"loss": "l1"}, ValueError, "`loss` must be one of"),
    ((NET, [[0, 0]], [0]), {"loss": "cross_entropy"}, ValueError, "'mse' for a network of one output"),
    ((NET, [[0, 0]], [0]), {"n_steps": 0}, ValueError, "`n_steps` must be at least 1, got 0"),
    ((NET, [[0, 0]], [0]), {"n_steps": 1.5}, TypeError, "`n_steps` must be an integer, got float 1.5"),
    ((NET, [[0, 0]], [0]), {"tolerance": -1.0}, ValueError, "`tolerance` must be finite and at least 0.0"),
    ((NET, [[0, 0]], [0]), {"tolerance": "0"}, TypeError, "`tolerance` must be a real number, got str '0'"),
    ((NET, [[0, 0]], [0]), {"sample_weight": [-1]}, ValueError, "`sample_weight` must be at least 0, got -1"),
    ((NET, [[0, 0]], [0]), {"validation": ([[0, 0]], [0], [-1])}, ValueError, r"`validation\[2\]` must be at"),
    ((NET, [[0, 0]], [0]), {"validation": ([[0, 0]],)}, ValueError, r"a pair \(X, y\), or \(X, y, sample"),
    ((NET, [[0, 0]], [0]), {"allow_outside": 1}, TypeError, "`allow_outside` must be True or False, got int 1"),
])
def test_bad_arguments_are_refused(arguments, options, error, text):
    with pytest.raises(error, match=text):
        rn.train(*arguments, **options)
