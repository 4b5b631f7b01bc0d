"""Fit a network to checked samples in any units; the network takes and returns the same units.

Inputs and responses are standardised for training, z = (x - mean) / scale; the trained network then
absorbs the two affine maps. Equal samples are merged, with their weights added, and all are sorted:
neither the order of the samples matters nor whether one has weight 2 or is given twice.
"""
from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Box, Domain
from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork
from ..reduced_space.reduction import reduce
from ..training.monitor import State
from ..training.result import TrainingResult
from ..training.starts import data_placed
from ..training.train import train

PATIENCE, GAIN = 20, 0.01
"""A run ends when PATIENCE steps have not lowered the validation loss by the share GAIN."""

HELD_OUT = 200
"""Parts are held out in turn until this many samples have been held out, or all."""

BATCH_SIZE = 64
"""How many samples a mini-batch has by default."""

MANY_SAMPLES = 10_000
"""More samples than these need no start that is slow to overfit, so the fast one is taken. The
range of w.x grows with their number, and of hyperplanes uniform on it ever fewer meet many samples;
hyperplanes through random samples all do. Thresholds move in units of the samples' deviation."""

START = 0.1
"""The scale of outgoing weights at the start: the network is nearly constant."""


class Task(NamedTuple):
    """The samples and the checked parameters of a fit.

    Y is (n_samples, n_outputs); for ``loss="cross_entropy"`` it is (n_samples, 1), class numbers
    from 0. Sample weights are larger than 0. The samples are dealt into `n_parts` parts, which are
    held out in turn; 0 holds nothing out. `alpha` is scikit-learn's penalty. `stopping` is
    (tol, n_iter_no_change), or None for this library's own rule. `start` is a network in the units
    of the samples, from which the fit continues, or None.
    """

    X: Array
    Y: Array
    sample_weight: Array
    loss: str
    n_outputs: int
    hidden_layer_sizes: tuple[int, ...]
    domain: Domain
    bound: str
    space: str
    method: str
    n_steps: int
    n_starts: int
    n_parts: int
    verbose: bool
    alpha: float
    batch_size: int
    learning_rate: float
    stopping: tuple[float, int] | None
    early_stopping: bool
    start: Network | None


class Fit(NamedTuple):
    """A fitted network in the units of the samples, and its losses in standardised units."""

    network: Network
    loss_curve: Array
    validation_curve: Array | None
    n_steps: int


class Scaling(NamedTuple):
    """The map z = (x - mean) / scale, column by column."""

    mean: Array
    scale: Array

    def standardise(self, A: Array) -> Array:
        """Return z for each row."""
        return (A - self.mean) / self.scale


def scaling_of(A: Array, weight: Array) -> Scaling:
    """Return the weighted mean and standard deviation (0 if constant) of each column.

    Columns are mapped to [-1, 1] first, where squares neither overflow nor vanish.

    Examples
    --------
    >>> scaling_of(np.array([[1.0, 5.0], [3.0, 5.0]]), np.ones(2))
    Scaling(mean=array([2., 5.]), scale=array([1., 0.]))
    """
    low, high = A.min(axis=0), A.max(axis=0)
    centre, half = low / 2.0 + high / 2.0, high / 2.0 - low / 2.0
    U = (A - centre) / np.where(half > 0.0, half, 1.0)
    mean = np.average(U, axis=0, weights=weight)
    deviation = np.sqrt(np.average((U - mean) ** 2, axis=0, weights=weight))
    return Scaling(centre + half * mean, half * deviation)


def distinct_samples(X: Array, Y: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Return the distinct samples, sorted, and their added weights, times a power of two.

    Examples
    --------
    >>> X = np.array([[2.0], [1.0], [2.0]])
    >>> X, Y, weight = distinct_samples(X, np.zeros((3, 1)), np.ones(3))
    >>> X.tolist(), weight.tolist()
    ([[1.0], [2.0]], [0.5, 1.0])
    """
    rows = np.column_stack([X, Y]) + 0.0  # -0.0 and 0.0 are the same
    weight = np.ldexp(weight, _exponent_to_one(weight))  # exact; sums stay finite
    order = np.argsort(rows[:, 0])
    first = rows[order, 0]
    if (first[1:] > first[:-1]).all():  # the first column alone sorts them: much faster
        rows, weight = rows[order], weight[order]
    else:
        rows, labels = np.unique(rows, axis=0, return_inverse=True)
        weight = np.bincount(labels.ravel(), weights=weight).astype(np.float64)
    return rows[:, :X.shape[1]], rows[:, X.shape[1]:], weight


def _exponent_to_one(weight: Array) -> int:
    """Return the e for which the largest weight times 2^e is in [1/2, 1)."""
    return -int(np.frexp(weight.max())[1])


def stratified_parts(strata: np.ndarray, n_parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return the number of each sample's part: random, but each stratum is dealt out evenly.

    Examples
    --------
    >>> part = stratified_parts(np.array([0, 0, 1, 1]), 2, np.random.default_rng(0))
    >>> part.reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    part = np.empty(len(strata), dtype=int)
    part[order] = np.arange(len(strata)) % n_parts
    return part


def absorb_scaling(
    network: Network, inputs: Scaling, outputs: Scaling, used: np.ndarray
) -> Network:
    """Return the network of x that computes mean + scale N(z), with z the used columns, scaled.

        W <- W / scale,   b <- b - (W / scale) mean   (first layer),
        C <- scale C,     a <- mean + scale a
    """
    W_used = network.weights[0] / inputs.scale
    W = np.zeros((network.sizes[1], len(used)))
    W[:, used] = W_used
    b = network.thresholds[0] - W_used @ inputs.mean
    assert network.output_bias is not None
    return Network(
        [W, *network.weights[1:]], [b, *network.thresholds[1:]],
        network.output_weights * outputs.scale[:, np.newaxis],
        outputs.mean + outputs.scale * network.output_bias,
    )


def fit(task: Task, rng: np.random.Generator) -> Fit:
    """Return the fitted network of the best start.

    With parts, the number of steps is chosen at which the mean loss of the samples held out, part
    after part, is least; the network is then trained on all samples for that many steps, from the
    same start. With early stopping, the network of least loss on the first part held out is kept
    instead, which has not seen these samples.
    """
    X, Y, weight = distinct_samples(task.X, task.Y, task.sample_weight)
    inputs, used = _input_scaling(X, weight, task.domain)
    outputs = _output_scaling(Y, weight, task)
    Z = inputs.standardise(X[:, used])
    targets = _targets(Y, outputs, task)
    part = None
    if task.n_parts and len(Y) > 1:
        strata = Y[:, 0] if task.loss == "cross_entropy" else np.zeros(len(Y))
        part = stratified_parts(strata, min(task.n_parts, len(Y)), rng)
    box = _standardised_box(task.domain, inputs, used)
    if task.start is not None:
        start = _continued(task, box, inputs, outputs, used, X[0])
        runs = [_run(start, Z, targets, weight, part, task, rng)]
    else:
        runs = [_run(_start(task, box, Z, rng), Z, targets, weight, part, task, rng)
                for _ in range(task.n_starts)]
    result, curve = min(runs, key=_least_loss)
    losses = result.history["loss"]
    network = _in_units(result.network, inputs, outputs, used, task)
    return Fit(network, losses, curve, len(losses) - 1)


def _targets(Y: Array, outputs: Scaling, task: Task) -> Array:
    """Return what the standardised network is trained on: responses, or class numbers."""
    return Y[:, 0] if task.loss == "cross_entropy" else outputs.standardise(Y)


class Stream(NamedTuple):
    """A fit that continues with further samples, in the units of the first ones.

    `state` is that of the optimiser after the last pass, empty at first, and `rng` draws the order
    of samples. `kind` is the space, the kind of interval and the method, for which the state is.
    """

    kind: tuple[str, str, str]
    inputs: Scaling
    outputs: Scaling
    network: Network
    state: dict[str, Any]
    rng: np.random.Generator


def kind_of(task: Task) -> tuple[str, str, str]:
    """Return what a stream cannot change: the space, the kind of interval and the method."""
    return task.space, task.bound, task.method


def begin_stream(task: Task, rng: np.random.Generator) -> Stream:
    """Return the start of a stream whose units are those of the task's samples.

    All columns are used: one that is constant in the first samples may vary later.
    """
    X, Y, weight = distinct_samples(task.X, task.Y, task.sample_weight)
    mean, scale = scaling_of(X, weight)
    inputs = Scaling(mean, np.where(scale > 0.0, scale, 1.0))
    outputs, used = _output_scaling(Y, weight, task), np.ones(X.shape[1], dtype=bool)
    box = _standardised_box(task.domain, inputs, used)
    if task.start is not None:
        network = _continued(task, box, inputs, outputs, used, X[0])
    else:
        network = _start(task, box, inputs.standardise(X), rng)
    return Stream(kind_of(task), inputs, outputs, network, {}, rng)


def continue_stream(stream: Stream, task: Task) -> tuple[Stream, Fit]:
    """Pass once over the task's samples, and return the stream after it and its last network.

    A larger box has wider intervals, so that the network stays feasible when the domain grows, and
    the optimiser's moments stay what they are.
    """
    X, Y, weight = distinct_samples(task.X, task.Y, task.sample_weight)
    used = np.ones(X.shape[1], dtype=bool)
    network = stream.network
    if task.space == "reduced":
        box = _standardised_box(task.domain, stream.inputs, used)
        network = ReducedNetwork(
            network.weights, network.thresholds, network.output_weights, network.output_bias,
            domain=box, bound=task.bound,
        )
    targets = _targets(Y, stream.outputs, task)
    state = _with_new_order(stream.state, len(X), task.batch_size, stream.rng)
    # `train` continues from a result, of which only the network and the state count here
    earlier = TrainingResult(network, {"step": np.empty(0)}, False, "", state)
    result = _train(earlier, stream.inputs.standardise(X), targets, weight, 1, task, stream.rng)
    network = network.with_vector(result.state["vector"])
    found = Fit(_in_units(network, stream.inputs, stream.outputs, used, task),
                result.history["loss"][-1:], None, 1)
    return stream._replace(network=network, state=dict(result.state)), found


def _with_new_order(
    state: dict[str, Any], n_samples: int, batch_size: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the optimiser's state as if an order of these samples had just come to its end."""
    if not state:
        return {}
    state = {name: state[name] for name in ("method", "n_steps", "vector", "moments")}
    if batch_size < n_samples:
        state |= {"permutation": np.arange(n_samples), "position": n_samples,
                  "rng": rng.bit_generator.state}
    return state


def _standardised_box(domain: Domain, inputs: Scaling, used: np.ndarray) -> Box:
    """Return the box around the domain in standardised inputs."""
    return Box(*inputs.standardise(np.stack(domain.bounding_box())[:, used]))


def _in_units(
    network: Network, inputs: Scaling, outputs: Scaling, used: np.ndarray, task: Task
) -> Network:
    """Return the network in the units of the samples, in the task's space and on its domain."""
    network = absorb_scaling(network, inputs, outputs, used)
    return reduce(network, task.domain, task.bound) if task.space == "reduced" else network


def _continued(
    task: Task, box: Box, inputs: Scaling, outputs: Scaling, used: np.ndarray, constants: Array
) -> Network:
    """Return the task's network as a start: the same function, of standardised inputs and outputs.

    It undoes `absorb_scaling`. Inputs that are not used have the values in `constants`:

        b <- b + W mean + W_unused constants,   W <- scale W,
        C <- C / scale,                         a <- (a - mean) / scale
    """
    network = task.start
    assert network is not None and network.output_bias is not None
    W = network.weights[0]
    b = network.thresholds[0] + W[:, used] @ inputs.mean + W[:, ~used] @ constants[~used]
    network = Network(
        [W[:, used] * inputs.scale, *network.weights[1:]], [b, *network.thresholds[1:]],
        network.output_weights / outputs.scale[:, np.newaxis],
        (network.output_bias - outputs.mean) / outputs.scale,
    )
    return reduce(network, box, task.bound) if task.space == "reduced" else network


def _input_scaling(X: Array, weight: Array, domain: Domain) -> tuple[Scaling, np.ndarray]:
    """Return the scaling of the columns that vary, and a mask of these columns.

    If no column varies, the widest one of the domain is kept, since a network needs an input.
    """
    scaling = scaling_of(X, weight)
    used = scaling.scale > 0.0
    if not used.any():
        low, high = domain.bounding_box()
        widest = int(np.argmax(high / 2.0 - low / 2.0))
        used[widest] = True
        scaling.scale[widest] = high[widest] / 2.0 - low[widest] / 2.0
    return Scaling(scaling.mean[used], scaling.scale[used]), used


def _output_scaling(Y: Array, weight: Array, task: Task) -> Scaling:
    """Return the scaling of the responses; constant responses and class scores keep their units."""
    if task.loss == "cross_entropy":
        return Scaling(np.zeros(task.n_outputs), np.ones(task.n_outputs))
    mean, scale = scaling_of(Y, weight)
    return Scaling(mean, np.where(scale > 0.0, scale, 1.0))


def _start(task: Task, box: Box, Z: Array, rng: np.random.Generator) -> Network:
    """Return a start in either space: hyperplanes between samples, small outgoing weights."""
    sizes = (Z.shape[1], *task.hidden_layer_sizes, task.n_outputs)
    network = data_placed(
        sizes, box, Z, rng, bound=task.bound, output_bias=True, spread=len(task.X) <= MANY_SAMPLES)
    C = START * network.output_weights
    arrays = network.weights, network.thresholds, C, network.output_bias
    if task.space == "standard":
        return Network(*arrays)
    return ReducedNetwork(*arrays, domain=box, bound=task.bound)


def _run(
    start: Network, Z: Array, targets: Array, weight: Array, part: np.ndarray | None, task: Task,
    rng: np.random.Generator,
) -> tuple[TrainingResult, Array | None]:
    """Return the training run, and the mean loss of held-out samples by step."""
    if part is None:
        rule = _NoChange(*task.stopping) if task.stopping else None
        return _train(start, Z, targets, weight, task.n_steps, task, rng, callback=rule), None
    n_steps, curve, total_weight = task.n_steps, np.zeros(task.n_steps + 1), 0.0
    for number in range(int(part.max()) + 1):
        out = part == number
        result = _train(start, Z[~out], targets[~out], weight[~out], n_steps, task, rng,
                        validation=(Z[out], targets[out], weight[out]),
                        callback=_NoChange(*task.stopping) if task.stopping else _Patience())
        losses = result.history["validation_loss"]
        if task.early_stopping:
            return result, losses
        weight_out = weight[out].sum()
        curve += weight_out * _extended(losses, n_steps + 1)
        total_weight += weight_out
        if (part <= number).sum() >= HELD_OUT:  # so many have been held out by now
            break
    curve /= total_weight
    if task.method != "exact":  # its network does not come step by step
        n_steps = max(int(np.argmin(curve)), 1)
    return _train(start, Z, targets, weight, n_steps, task, rng), curve


def _train(
    start: Network | TrainingResult, Z: Array, targets: Array, weight: Array, n_steps: int,
    task: Task, rng: np.random.Generator, **options: Any,
) -> TrainingResult:
    """Train and record every step; with mini-batches a step is a pass over the samples."""
    if task.method in ("adam", "sgd"):
        per_pass = math.ceil(len(Z) / task.batch_size)
        options |= {"batch_size": task.batch_size, "learning_rate": task.learning_rate,
                    "record_every": per_pass}
        n_steps *= per_pass
    elif task.method == "lbfgs" and len(task.X) > MANY_SAMPLES:
        options["threshold_unit"] = 1.0  # see MANY_SAMPLES
    return train(
        start, Z, targets, task.method, loss=task.loss, sample_weight=weight, n_steps=n_steps,
        rng=rng, progress=task.verbose, allow_outside=True, weight_decay=_weight_decay(task),
        **options,
    )


def _weight_decay(task: Task) -> float:
    """Return the strength of weight decay that makes our loss a multiple of scikit-learn's.

    scikit-learn adds alpha / (2 n) |W|^2, with n the sum of sample weights, to the mean cross
    entropy, or to half the squared error, averaged over the K outputs. Ours is the sum over the
    outputs, and not half of it: 2 K times as large.
    """
    if not task.alpha:
        return 0.0
    factor = 2.0 * task.n_outputs if task.loss == "mse" else 1.0
    # the exact sum: in any order, a weight of 2 or a sample given twice, the same bits
    exponent = _exponent_to_one(task.sample_weight)
    total = math.fsum(np.ldexp(task.sample_weight, exponent))
    return float(np.ldexp(factor * task.alpha / total, exponent))


class _Patience:
    """End a run when its validation loss hardly falls: tiny gains would prolong it for long."""

    def __init__(self) -> None:
        self.best, self.waited = np.inf, 0

    def __call__(self, state: State) -> bool:
        self.waited += 1
        if state.validation_loss < (1.0 - GAIN) * self.best:
            self.best, self.waited = state.validation_loss, 0
        return self.waited >= PATIENCE


class _NoChange:
    """End a run as scikit-learn does: after more than `patience` steps without a gain of `tol`.

    The loss is that of the samples held out, or without them the training loss. A step counts if it
    does not lower the least loss of all steps before by `tol`.
    """

    def __init__(self, tol: float, patience: int) -> None:
        self.tol, self.patience, self.best, self.waited = tol, patience, np.inf, 0

    def __call__(self, state: State) -> bool:
        held_out = not math.isnan(state.validation_loss)
        loss = state.validation_loss if held_out else state.loss
        self.waited = self.waited + 1 if loss > self.best - self.tol else 0
        self.best = min(self.best, loss)
        return self.waited > self.patience


def _extended(losses: Array, length: int) -> Array:
    """Return the losses of a run, continued by its last one up to a length."""
    return np.append(losses, np.full(length - len(losses), losses[-1]))


def _least_loss(run: tuple[TrainingResult, Array | None]) -> float:
    """Return the loss by which starts are compared: that of held-out samples if there are any."""
    result, curve = run
    return float(result.history["loss"].min() if curve is None else curve.min())
