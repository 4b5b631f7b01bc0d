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

START = 0.1
"""The scale of outgoing weights at the start: the network is nearly constant."""


class Task(NamedTuple):
    """The samples and the checked parameters of a fit.

    Y is (n_samples, n_outputs); for ``loss="cross_entropy"`` it is (n_samples, 1), class numbers
    from 0. Sample weights are larger than 0.
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
    >>> X, Y, weight = distinct_samples(np.array([[2.0], [1.0], [2.0]]), np.zeros((3, 1)), np.ones(3))
    >>> X.tolist(), weight.tolist()
    ([[1.0], [2.0]], [0.5, 1.0])
    """
    rows = np.column_stack([X, Y]) + 0.0  # -0.0 and 0.0 are the same
    rows, labels = np.unique(rows, axis=0, return_inverse=True)
    weight = np.ldexp(weight, -int(np.frexp(weight.max())[1]))  # exact; sums stay finite
    sums = np.bincount(labels.ravel(), weights=weight)
    return rows[:, :X.shape[1]], rows[:, X.shape[1]:], np.asarray(sums, dtype=np.float64)


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

    With parts, the number of steps is chosen at which the mean loss of the samples held out, part
    after part, is least; the network is then trained on all samples for that many steps, from the
    same start.
    """
    X, Y, weight = distinct_samples(task.X, task.Y, task.sample_weight)
    inputs, used = _input_scaling(X, weight, task.domain)
    outputs = _output_scaling(Y, weight, task)
    Z = inputs.standardise(X[:, used])
    targets = Y[:, 0] if task.loss == "cross_entropy" else outputs.standardise(Y)
    strata = Y[:, 0] if task.loss == "cross_entropy" else np.zeros(len(Y))
    part = None
    if task.n_parts and len(Y) > 1:
        part = stratified_parts(strata, min(task.n_parts, len(Y)), rng)
    corners = np.stack(task.domain.bounding_box())[:, used]
    box = Box(*inputs.standardise(corners))
    runs = [_run(_start(task, box, Z, rng), Z, targets, weight, part, task, rng) for _ in range(task.n_starts)]
    result, curve = min(runs, key=_criterion)
    network = absorb_scaling(result.network, inputs, outputs, used)
    if task.space == "reduced":
        network = reduce(network, task.domain, task.bound)
    losses = result.history["loss"]
    return Fit(network, losses, curve, len(losses) - 1)


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
    network = data_placed(sizes, box, Z, rng, bound=task.bound, output_bias=True, spread=True)
    C = START * network.output_weights
    arrays = network.weights, network.thresholds, C, network.output_bias
    if task.space == "standard":
        return Network(*arrays)
    return ReducedNetwork(*arrays, domain=box, bound=task.bound)


def _run(
    start: Network, Z: Array, targets: Array, weight: Array, part: np.ndarray | None, task: Task,
    rng: np.random.Generator,
) -> tuple[TrainingResult, Array | None]:
    """Return the training run on all samples, and the mean loss of held-out samples by step."""
    curve, n_steps = None, task.n_steps
    if part is not None:
        curve, held = np.zeros(n_steps + 1), 0.0
        for number in range(int(part.max()) + 1):
            out = part == number
            result = _train(start, Z[~out], targets[~out], weight[~out], n_steps, task, rng,
                            validation=(Z[out], targets[out], weight[out]), callback=_Patience())
            curve += weight[out].sum() * _extended(result.history["validation_loss"], n_steps + 1)
            held += weight[out].sum()
            if (part <= number).sum() >= HELD_OUT:
                break
        curve /= held
        if task.method != "exact":  # its network does not come step by step
            n_steps = max(int(np.argmin(curve)), 1)
    return _train(start, Z, targets, weight, n_steps, task, rng), curve


def _train(
    start: Network, Z: Array, targets: Array, weight: Array, n_steps: int, task: Task, rng: np.random.Generator,
    **options: Any,
) -> TrainingResult:
    """Train and record every step; with mini-batches a step is a pass over the samples."""
    if task.method in ("adam", "sgd"):
        per_pass = math.ceil(len(Z) / BATCH_SIZE)
        options |= {"batch_size": BATCH_SIZE, "record_every": per_pass}
        n_steps *= per_pass
    return train(start, Z, targets, task.method, loss=task.loss, sample_weight=weight, n_steps=n_steps, rng=rng,
                 progress=task.verbose, allow_outside=True, **options)


class _Patience:
    """End a run when its validation loss hardly falls: tiny gains would prolong it for long."""

    def __init__(self) -> None:
        self.best, self.waited = np.inf, 0

    def __call__(self, state: State) -> bool:
        self.waited += 1
        if state.validation_loss < (1.0 - GAIN) * self.best:
            self.best, self.waited = state.validation_loss, 0
        return self.waited >= PATIENCE


def _extended(losses: Array, length: int) -> Array:
    """Return the losses of a run, continued by its last one up to a length."""
    return np.append(losses, np.full(length - len(losses), losses[-1]))


def _criterion(run: tuple[TrainingResult, Array | None]) -> float:
    result, curve = run
    return float(result.history["loss"].min() if curve is None else curve.min())
