"""What the estimators do with checked arrays: any units in, a network in the same units out.

Training sees standardised inputs and responses, z = (x - mean) / scale; the two affine maps are folded
into the trained network afterwards. It sees the set of different samples with the sums of their weights, in an
order of its own: neither the order of the samples counts, nor whether one is weighted by 2 or given twice.
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
"""A run ends where so many steps have not lowered the loss of the samples held out by this share."""

HELD_OUT = 200
"""Parts are held out in turn until so many samples have been, or all."""

BATCH_SIZE = 64

START = 0.1
"""Outgoing weights of a start, in units of N(0, 1 / n): it is nearly constant, and so are its first steps."""


class Task(NamedTuple):
    """What is to be fitted, all arguments checked.

    Y is (n_samples, n_outputs), or (n_samples, 1) class numbers from 0 for ``loss="cross_entropy"``. Sample
    weights are larger than 0.
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


class Fit(NamedTuple):
    """A fitted network, in the units of the samples, and its losses in standardised ones."""

    network: Network
    loss_curve: Array
    validation_curve: Array | None
    n_steps: int


class Scaling(NamedTuple):
    """z = (x - mean) / scale, column by column."""

    mean: Array
    scale: Array

    def standardise(self, A: Array) -> Array:
        """Return z of each row."""
        return (A - self.mean) / self.scale


def scaling_of(A: Array, weight: Array) -> Scaling:
    """Return the weighted mean and standard deviation of each column; the deviation of a constant one is 0.

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
    """Return the different samples, sorted, and the sum of the weights of each, times some power of two.

    Examples
    --------
    >>> X, Y, weight = distinct_samples(np.array([[2.0], [1.0], [2.0]]), np.zeros((3, 1)), np.ones(3))
    >>> X.tolist(), weight.tolist()
    ([[1.0], [2.0]], [0.5, 1.0])
    """
    rows = np.column_stack([X, Y]) + 0.0  # -0.0 and 0.0 are the same
    rows, place = np.unique(rows, axis=0, return_inverse=True)
    weight = np.ldexp(weight, -int(np.frexp(weight.max())[1]))  # exact, and sums are finite
    sums = np.bincount(place.ravel(), weights=weight)
    return rows[:, :X.shape[1]], rows[:, X.shape[1]:], np.asarray(sums, dtype=np.float64)


def deal(groups: np.ndarray, n_parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return a part's number for each sample: at random, but every group is dealt out evenly.

    Examples
    --------
    >>> deal(np.array([0, 0, 1, 1]), 2, np.random.default_rng(0)).reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    part = np.empty(len(groups), dtype=int)
    part[order] = np.arange(len(groups)) % n_parts
    return part


def data_box(X: Array) -> Box:
    """Return the smallest box around the samples; one point is given a width.

    Examples
    --------
    >>> data_box(np.array([[0.0, 1.0], [2.0, 1.0]])), data_box(np.array([[3.0]]))
    (Box([0, 1], [2, 1]), Box([0], [6]))
    """
    low, high = X.min(axis=0), X.max(axis=0)
    if (low == high).all():
        width = np.maximum(np.abs(low), 1.0)
        low, high = low - width, high + width
    return Box(low, high)


def folded(network: Network, inputs: Scaling, outputs: Scaling, used: np.ndarray) -> Network:
    """Return the network of x whose output is mean + scale N(z), with z made of the used columns of x.

    W <- W / scale,   b <- b - W mean / scale   (first layer),   C <- scale C,   a <- mean + scale a
    """
    W = np.zeros((network.sizes[1], len(used)))
    W[:, used] = network.weights[0] / inputs.scale
    b = network.thresholds[0] - (network.weights[0] / inputs.scale) @ inputs.mean
    assert network.output_bias is not None
    return Network(
        [W, *network.weights[1:]], [b, *network.thresholds[1:]],
        network.output_weights * outputs.scale[:, np.newaxis], outputs.mean + outputs.scale * network.output_bias,
    )


def fit(task: Task, rng: np.random.Generator) -> Fit:
    """Return the fitted network of the best start.

    With parts, the number of steps is that of the least mean loss of the samples held out, part after
    part; then the network is trained on all samples for so many steps, from the same start.
    """
    X, Y, weight = distinct_samples(task.X, task.Y, task.sample_weight)
    inputs, used = _input_scaling(X, weight, task.domain)
    outputs = _output_scaling(Y, weight, task)
    Z = inputs.standardise(X[:, used])
    targets = Y[:, 0] if task.loss == "cross_entropy" else outputs.standardise(Y)
    groups = Y[:, 0] if task.loss == "cross_entropy" else np.zeros(len(Y))
    part = deal(groups, min(task.n_parts, len(Y)), rng) if task.n_parts and len(Y) > 1 else None
    ends = np.stack(task.domain.bounding_box())[:, used]
    box = Box(*inputs.standardise(ends))
    runs = [_run(_start(task, box, Z, rng), Z, targets, weight, part, task, rng) for _ in range(task.n_starts)]
    result, curve = min(runs, key=_criterion)
    network = folded(result.network, inputs, outputs, used)
    if task.space == "reduced":
        network = reduce(network, task.domain, task.bound)
    losses = result.history["loss"]
    return Fit(network, losses, curve, len(losses) - 1)


def _input_scaling(X: Array, weight: Array, domain: Domain) -> tuple[Scaling, np.ndarray]:
    """Return the scaling of the columns that vary, and which they are.

    Where none varies one column is kept, as wide as the domain: a network has inputs.
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
    """Return the scaling of the responses: a constant one is left in its units, and so are scores of classes."""
    if task.loss == "cross_entropy":
        return Scaling(np.zeros(task.n_outputs), np.ones(task.n_outputs))
    mean, scale = scaling_of(Y, weight)
    return Scaling(mean, np.where(scale > 0.0, scale, 1.0))


def _start(task: Task, box: Box, Z: Array, rng: np.random.Generator) -> Network:
    """Return a network of either space whose hyperplanes cut the samples, with small outgoing weights."""
    sizes = (Z.shape[1], *task.hidden_layer_sizes, task.n_outputs)
    net = data_placed(sizes, box, Z, rng, bound=task.bound, output_bias=True, spread=True)
    arrays = net.weights, net.thresholds, START * net.output_weights, net.output_bias
    if task.space == "standard":
        return Network(*arrays)
    return ReducedNetwork(*arrays, domain=box, bound=task.bound)


def _run(
    start: Network, Z: Array, targets: Array, weight: Array, part: np.ndarray | None, task: Task,
    rng: np.random.Generator,
) -> tuple[TrainingResult, Array | None]:
    """Return the training run on all samples, and the mean loss of those held out, step by step."""
    curve, n_steps = None, task.n_steps
    if part is not None:
        curve, held = np.zeros(n_steps + 1), 0.0
        for number in range(int(part.max()) + 1):
            out = part == number
            result = _train(start, Z[~out], targets[~out], weight[~out], n_steps, task, rng,
                            validation=(Z[out], targets[out], weight[out]), callback=_Patience())
            curve += weight[out].sum() * _prolonged(result.history["validation_loss"], n_steps + 1)
            held += weight[out].sum()
            if (part <= number).sum() >= HELD_OUT:
                break
        curve /= held
        n_steps = max(int(np.argmin(curve)), 1)
    return _train(start, Z, targets, weight, n_steps, task, rng), curve


def _train(
    start: Network, Z: Array, targets: Array, weight: Array, n_steps: int, task: Task, rng: np.random.Generator,
    **options: Any,
) -> TrainingResult:
    """Train for so many steps, each recorded; for mini-batches a step is a pass over the samples."""
    if task.method in ("adam", "sgd"):
        per_pass = math.ceil(len(Z) / BATCH_SIZE)
        options |= {"batch_size": BATCH_SIZE, "record_every": per_pass}
        n_steps *= per_pass
    return train(start, Z, targets, task.method, loss=task.loss, sample_weight=weight, n_steps=n_steps, rng=rng,
                 progress=task.verbose, allow_outside=True, **options)


class _Patience:
    """A callback that ends a run; the loss must fall by a share, or a run would creep on for long."""

    def __init__(self) -> None:
        self.best, self.waited = np.inf, 0

    def __call__(self, state: State) -> bool:
        self.waited += 1
        if state.validation_loss < (1.0 - GAIN) * self.best:
            self.best, self.waited = state.validation_loss, 0
        return self.waited >= PATIENCE


def _prolonged(losses: Array, length: int) -> Array:
    """Return the losses of a run that ended early, as if its last network had stood still."""
    return np.append(losses, np.full(length - len(losses), losses[-1]))


def _criterion(run: tuple[TrainingResult, Array | None]) -> float:
    result, curve = run
    return float(result.history["loss"].min() if curve is None else curve.min())
