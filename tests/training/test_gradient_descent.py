"""Laws of SGD and Adam in both spaces: against the published formula, feasible, resumable, reproducible."""
import numpy as np
import pytest
from oracles.assertions import assert_close, assert_equal_bits, assert_feasible, gamma

import reducednet as rn
from reducednet.networks.backward import LossAndGradient
from reducednet.training.methods import gradient_descent
from reducednet.training.methods.gradient_descent import (
    FLUSH_EVERY, NEGLIGIBLE, minimise_adam, minimise_sgd,
)
from reducednet.training.monitor import Monitor, NotFinite, StopTraining
from reducednet.training.objective import Objective

BOX = rn.Box([-0.5, 0.0], [1.0, 2.0])
METHODS = {"sgd": minimise_sgd, "adam": minimise_adam}
ROUNDING = 1 << 16  # roundings of a few steps of a network of this size, in units of eps / 2 of the largest number

networks = {
    "standard": lambda: rn.Network.random((2, 6, 4, 2), rng=1, output_bias=True),
    "support": lambda: rn.ReducedNetwork.random((2, 6, 4, 2), BOX, rng=1, output_bias=True),
    "ball": lambda: rn.ReducedNetwork.random((2, 6, 4, 2), BOX, rng=1, bound="ball"),
    "one input": lambda: rn.ReducedNetwork.random((1, 6, 1), rn.Box(0.0, 1.0), rng=1),
    "one input, deep": lambda: rn.ReducedNetwork.random((1, 6, 4, 2), rn.Box(-1.0, 1.0), rng=1),
    "round domain": lambda: rn.ReducedNetwork.random((2, 6, 4, 2), rn.Ball([0.5, 0.5], 1.0), rng=1),
    "binary": lambda: rn.ReducedNetwork.random((2, 6, 4, 2), BOX, rng=1, activation="binary"),
}
all_networks = pytest.mark.parametrize("network", [make() for make in networks.values()], ids=list(networks))
all_methods = pytest.mark.parametrize("minimise", METHODS.values(), ids=list(METHODS))
all_batches = pytest.mark.parametrize("batch_size", [None, 7, 1], ids=["full", "batches", "single samples"])


def problem(network, n_samples=30):
    """Return samples of the network's domain and responses."""
    rng = np.random.default_rng(5)
    domain = getattr(network, "domain", BOX)
    return domain.sample(n_samples, rng), rng.standard_normal((n_samples, network.n_outputs))


class Recorder(Monitor):
    """A monitor that keeps every vector, loss and gradient norm it is told."""

    def __init__(self, network, objective, **options):
        super().__init__(network, objective, **options)
        self.vectors, self.losses, self.norms = [], [], []

    def record(self, vector, loss, gradient_norm=np.nan):
        self.vectors.append(vector.copy())
        self.losses.append(loss)
        self.norms.append(gradient_norm)
        super().record(vector, loss, gradient_norm)


def run(minimise, network, n_steps, monitor_options=(), tolerance=0.0, rng=3, **options):
    """Return the monitor of a run."""
    objective = Objective(network, *problem(network))
    monitor = Recorder(network, objective, **dict(monitor_options))
    monitor.answer = minimise(network, objective, monitor, n_steps, tolerance, rng=rng, **options)
    monitor.flush()
    return monitor


def gradient_at(network, theta):
    """Return the Riemannian gradient as the public function finds it."""
    X, y = problem(network)
    return rn.loss_and_gradient(network.with_vector(theta), X, y)[1].to_vector()


def weight_rows(network, vector):
    """Yield (layer, neuron, the indices of its weights in the flat vector)."""
    indices = np.arange(len(vector))
    for layer, block in enumerate(network.layout.blocks(indices)[:-1]):
        for j in range(block.shape[1]):
            yield layer, j, block[:-1, j]


def transported(network, theta, vector):
    """Return the vector with each weight row's part along the row of theta taken away, row by row."""
    result = vector.copy()
    if isinstance(network, rn.ReducedNetwork):
        for _, _, row in weight_rows(network, vector):
            w = theta[row]
            result[row] -= sum(w * vector[row]) * w
    return result


def moved(network, theta, step):
    """Return the retraction of theta + step, neuron by neuron."""
    v = theta + step
    if not isinstance(network, rn.ReducedNetwork):
        return v
    blocks = network.layout.blocks(v)
    for layer, (block, above) in enumerate(zip(blocks, blocks[1:])):
        for j in range(block.shape[1]):
            norm = np.sqrt(sum(block[:-1, j] ** 2))
            block[:, j] /= norm
            if network.activation == "relu":
                above[j] *= norm
        low, high = network.with_vector(v).intervals[layer].T
        block[-1] = np.clip(block[-1], low, high)
    return v


def sgd_by_hand(network, n_steps, learning_rate, momentum):
    """Return the vectors of a run of heavy-ball descent, by its formula."""
    theta = network.to_vector()
    M, vectors = np.zeros_like(theta), [theta]
    for _ in range(n_steps):
        M = momentum * M + gradient_at(network, theta)
        theta = moved(network, theta, -learning_rate * M)
        M = transported(network, theta, M)
        vectors.append(theta)
    return vectors


def adam_by_hand(network, n_steps, learning_rate, beta1, beta2, epsilon):
    """Return the vectors of a run of Adam: Kingma & Ba, with |g_j|^2 of a row on spheres."""
    theta = network.to_vector()
    m, v, vectors = np.zeros_like(theta), np.zeros_like(theta), [theta]
    for t in range(1, n_steps + 1):
        g = gradient_at(network, theta)
        squares = g**2
        if isinstance(network, rn.ReducedNetwork):
            for _, _, row in weight_rows(network, g):
                squares[row] = sum(g[row] ** 2)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * squares
        mhat, vhat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = moved(network, theta, -learning_rate * mhat / (np.sqrt(vhat) + epsilon))
        m = transported(network, theta, m)
        vectors.append(theta)
    return vectors


def assert_same_path(computed, expected):
    assert len(computed) == len(expected)
    for step, (left, right) in enumerate(zip(computed, expected)):
        assert_close(left, right, gamma(ROUNDING) * np.abs(right).max(), f"vector after step {step}")


# the formula


@all_networks
def test_sgd_step_is_that_of_the_formula(network):
    monitor = run(minimise_sgd, network, 4, learning_rate=0.05, momentum=0.8)
    assert_same_path(monitor.vectors, sgd_by_hand(network, 4, 0.05, 0.8))


@all_networks
def test_adam_step_is_that_of_the_formula(network):
    monitor = run(minimise_adam, network, 4, learning_rate=0.05, beta1=0.8, beta2=0.99, epsilon=1e-3)
    assert_same_path(monitor.vectors, adam_by_hand(network, 4, 0.05, 0.8, 0.99, 1e-3))


def test_first_adam_step_has_the_length_of_the_learning_rate():
    network = networks["standard"]()
    monitor = run(minimise_adam, network, 1, learning_rate=0.25, epsilon=1e-300)
    step = monitor.vectors[1] - monitor.vectors[0]
    moving = gradient_at(network, network.to_vector()) != 0.0
    assert_close(np.abs(step[moving]), 0.25, gamma(64) * 4.0, "first step")
    assert not step[~moving].any()


@all_networks
@all_methods
def test_recorded_losses_and_norms_are_those_of_the_recorded_networks(network, minimise):
    monitor = run(minimise, network, 3)
    X, y = problem(network)
    for vector, loss, norm in zip(monitor.vectors, monitor.losses, monitor.norms):
        value, gradient = rn.loss_and_gradient(network.with_vector(vector), X, y)
        length = np.linalg.norm(gradient.to_vector())
        assert_close(loss, value, gamma(1024) * value, "loss")
        assert_close(norm, length, gamma(1024) * max(length, 1.0), "gradient norm")


@all_methods
def test_training_lowers_the_loss(minimise):
    for make in networks.values():
        monitor = run(minimise, make(), 200, batch_size=10, monitor_options={"record_every": 50})
        assert monitor.rows[-1][1] < monitor.rows[0][1]


# the space


@pytest.mark.parametrize("name", [name for name in networks if name != "standard"])
@all_methods
@all_batches
def test_every_step_stays_in_the_space(name, minimise, batch_size):
    network = networks[name]()
    for vector in run(minimise, network, 12, batch_size=batch_size, learning_rate=0.3).vectors:
        if np.isfinite(vector).all():
            assert_feasible(network.with_vector(vector))


@all_methods
def test_signs_of_rows_of_one_weight_never_move(minimise):
    network = networks["one input"]()
    last = run(minimise, network, 20, learning_rate=0.5).vectors[-1]
    assert_equal_bits(network.with_vector(last).weights[0], network.weights[0], "signs")


# an interrupted run


@all_networks
@all_methods
@all_batches
def test_two_runs_of_fifty_steps_are_one_of_a_hundred(network, minimise, batch_size):
    options = {"batch_size": batch_size, "learning_rate": 1e-2}
    whole = run(minimise, network, 100, **options)
    first = run(minimise, network, 50, **options)
    middle = network.with_vector(first.state["vector"])
    second = run(minimise, middle, 50, rng=99, state=first.state, **options)
    assert first.vectors[-1].tobytes() == second.vectors[0].tobytes()
    for step, (left, right) in enumerate(zip(first.vectors + second.vectors[1:], whole.vectors)):
        assert left.tobytes() == right.tobytes(), f"step {step}"
    assert first.losses + second.losses[1:] == whole.losses or batch_size
    for name in ("vector", "moments"):
        assert second.state[name].tobytes() == whole.state[name].tobytes(), name
    assert second.state["n_steps"] == whole.state["n_steps"] == 100
    assert second.state.get("rng") == whole.state.get("rng")
    assert ("rng" in whole.state) == (batch_size is not None)  # all samples at once need no order


class Interruption(Recorder):
    """Raises an error in place of the record of a step."""

    error, at = KeyboardInterrupt, 13

    def record(self, vector, loss, gradient_norm=np.nan):
        if len(self.vectors) == self.at:
            raise self.error
        super().record(vector, loss, gradient_norm)


@all_methods
@all_batches
@pytest.mark.parametrize("error", [KeyboardInterrupt, StopTraining])
def test_interrupted_run_leaves_a_state_to_go_on_from(minimise, batch_size, error):
    network = networks["support"]()
    whole = run(minimise, network, 40, batch_size=batch_size)
    monitor = Interruption(network, Objective(network, *problem(network)))
    monitor.error = error
    with pytest.raises(error):
        minimise(network, monitor.objective, monitor, 40, 0.0, rng=3, batch_size=batch_size)
    assert monitor.state["n_steps"] == 13
    rest = run(minimise, network, 27, batch_size=batch_size, state=monitor.state, rng=0)
    assert rest.vectors[-1].tobytes() == whole.vectors[-1].tobytes()


@all_methods
@all_batches
def test_interrupt_within_a_step_leaves_the_state_before_it(minimise, batch_size, monkeypatch):
    network = networks["support"]()
    whole = run(minimise, network, 20, batch_size=batch_size)
    objective = Objective(network, *problem(network))
    monitor, calls = Recorder(network, objective), []
    original = LossAndGradient.__call__

    def evaluate(self, *arguments):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(LossAndGradient, "__call__", evaluate)
    with pytest.raises(KeyboardInterrupt):
        minimise(network, objective, monitor, 20, 0.0, rng=3, batch_size=batch_size)
    done = monitor.state["n_steps"]
    assert monitor.state["vector"].tobytes() == monitor.vectors[-1].tobytes() == whole.vectors[done].tobytes()
    rest = run(minimise, network, 20 - done, batch_size=batch_size, state=monitor.state)
    assert rest.vectors[-1].tobytes() == whole.vectors[-1].tobytes()


@all_methods
def test_interrupt_within_the_saving_of_a_step_leaves_the_state_before_it(minimise, monkeypatch):
    network, steps = networks["support"](), []
    whole = run(minimise, network, 20)
    original = gradient_descent.Descent.save

    def save(self):
        if len(steps) == 9:
            raise KeyboardInterrupt
        steps.append(original(self))

    monkeypatch.setattr(gradient_descent.Descent, "save", save)
    monitor = Recorder(network, Objective(network, *problem(network)))
    with pytest.raises(KeyboardInterrupt):
        minimise(network, monitor.objective, monitor, 20, 0.0, rng=3)
    state = monitor.state
    assert state["vector"].tobytes() == monitor.vectors[-1].tobytes() == whole.vectors[state["n_steps"]].tobytes()


@all_methods
def test_state_is_not_changed_by_the_run_that_goes_on_from_it(minimise):
    network = networks["support"]()
    state = run(minimise, network, 5, batch_size=7).state
    before = {name: np.array(state[name]).tobytes() for name in ("vector", "moments", "permutation", "position")}
    run(minimise, network, 20, batch_size=7, state=state)
    assert before == {name: np.array(state[name]).tobytes() for name in before}


# mini-batches


@all_methods
@all_batches
def test_same_seed_gives_the_same_bytes(minimise, batch_size):
    network = networks["support"]()
    left, right = (run(minimise, network, 20, batch_size=batch_size) for _ in range(2))
    assert [v.tobytes() for v in left.vectors] == [v.tobytes() for v in right.vectors]


@all_methods
@pytest.mark.parametrize("batch_size", [1, 7, 15, 29])
def test_each_sample_is_used_once_an_epoch(minimise, batch_size, monkeypatch):
    network, batches = networks["standard"](), []
    original = Objective.on_batch

    def on_batch(self, theta, indices):
        batches.append(indices.copy())
        return original(self, theta, indices)

    monkeypatch.setattr(Objective, "on_batch", on_batch)
    n_batches = -(-30 // batch_size)
    run(minimise, network, 3 * n_batches, batch_size=batch_size)
    epochs = [batches[i:i + n_batches] for i in range(0, len(batches), n_batches)]
    assert len(epochs) == 3
    for epoch in epochs:
        assert sorted(np.concatenate(epoch)) == list(range(30))
        assert all(len(batch) == batch_size for batch in epoch[:-1])
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_loss_and_gradient_of_a_batch_are_those_of_its_samples(loss):
    network = networks["standard"]()
    X, y = problem(network)
    y = y if loss == "mse" else (y[:, 0] > 0.0).astype(int)
    objective = Objective(network, X, y, loss)
    for indices in (np.array([3, 28, 3]), np.arange(30)[::-1], np.array([7]), np.array([0, 1, 2])):
        value, gradient = objective.on_batch(network.to_vector(), indices)
        expected, by_parameters = rn.loss_and_gradient(network, X[indices], y[indices], loss)
        assert value == expected
        assert_equal_bits(gradient, by_parameters.to_vector(), "gradient of a batch")


@all_methods
@pytest.mark.parametrize("batch_size", [30, 31, 1000])
def test_batch_of_all_samples_is_the_full_batch(minimise, batch_size):
    network = networks["support"]()
    assert (run(minimise, network, 5, batch_size=batch_size).vectors[-1].tobytes()
            == run(minimise, network, 5).vectors[-1].tobytes())


@all_methods
def test_recorded_losses_of_mini_batches_are_of_all_samples(minimise):
    network = networks["support"]()
    monitor = run(minimise, network, 11, batch_size=7, monitor_options={"record_every": 4})
    assert [row[0] for row in monitor.rows] == [0, 4, 8, 11]
    for step, loss, *_ in monitor.rows:
        value = Objective(network, *problem(network)).value(monitor.vectors[int(step)])
        assert_close(loss, value, gamma(1024) * value, f"loss at step {step}")


# numbers


@all_methods
def test_subnormals_are_flushed(minimise):
    network = networks["standard"]()
    state = run(minimise, network, 0).state
    network = network.with_vector(0.0 * network.to_vector())  # dead neurons have gradient 0
    state["vector"][...] = network.to_vector()
    state["moments"][:, :4] = 1e-310, 1e-295, 1e-280, 5e-324
    state["n_steps"] = FLUSH_EVERY - 1
    moments = run(minimise, network, 1, state=state, learning_rate=1e-300).state["moments"]
    assert not moments[:, [0, 1, 3]].any() and (moments[:, 2] > NEGLIGIBLE).all()


@all_methods
def test_small_gradient_ends_the_run(minimise):
    network = networks["support"]()
    converged, message = run(minimise, network, 5, tolerance=1e6).answer
    assert converged and "converged" in message
    monitor = run(minimise, network, 5, tolerance=1e-9)
    assert monitor.answer[0] is False and "limit of 5 steps" in monitor.answer[1]
    middle = sorted(run(minimise, network, 30).norms)[10]
    monitor = run(minimise, network, 30, tolerance=middle)
    assert monitor.answer[0] and monitor.norms[-1] <= middle < min(monitor.norms[:-1])


@all_batches
def test_loss_out_of_range_ends_the_run(batch_size):
    network = networks["standard"]()
    objective = Objective(network, *problem(network))
    monitor = Recorder(network, objective)
    with pytest.raises(NotFinite, match="not finite"):
        minimise_sgd(network, objective, monitor, 200, 0.0, rng=0, batch_size=batch_size, learning_rate=1e6)
    assert np.isfinite(monitor.state["vector"]).all()


@all_methods
def test_network_is_not_changed(minimise):
    network = networks["support"]()
    before = network.to_vector()
    run(minimise, network, 10)
    assert before.tobytes() == network.to_vector().tobytes()


# errors


@pytest.mark.parametrize("minimise, options, change, match", [
    (minimise_adam, {}, {"moments": np.zeros((2, 3))}, "`state\\['moments'\\]` must be of shape"),
    (minimise_adam, {"batch_size": 7}, {}, "`state` must be one of the same samples"),
    (minimise_adam, {}, {"permutation": np.arange(30)}, "`state` must be one of the same samples"),
])
def test_state_of_another_run_is_refused(minimise, options, change, match):
    network = networks["standard"]()
    state = {**run(minimise_adam, network, 2).state, **change}
    with pytest.raises(ValueError, match=match):
        run(minimise, network, 1, state=state, **options)


def test_generator_of_another_kind_is_refused():
    network, options = networks["standard"](), {"batch_size": 7}
    state = run(minimise_adam, network, 2, **options).state
    with pytest.raises(ValueError, match="`rng` must be a generator of PCG64"):
        run(minimise_adam, network, 1, state=state, rng=np.random.Generator(np.random.MT19937(0)), **options)
