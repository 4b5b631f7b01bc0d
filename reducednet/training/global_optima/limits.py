"""Record a proved lower bound of the training error of networks of one input, and make it."""
from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..._validation import (
    Array, choice, finite_result, integer, message, real_array, responses, weights_of_mean_one,
)
from ...networks.activations import ACTIVATIONS
from ...networks.network import Network
from ...numerics.rationals import above, below
from ...numerics.records import read_only, record
from .exact_error import exact_mean_squared_error
from .partitions import Partition, Run, RunCosts, best_partitions


@record
class Line(NamedTuple):
    """The best affine (binary: constant) function on a run of neighbouring samples.

    Attributes
    ----------
    low, high : float
        The first and the last x of the run.
    left, right : arrays (n_outputs,)
        The function's values there.
    """

    low: float
    high: float
    left: Array
    right: Array


@record
@dataclass(frozen=True, eq=False)
class TrainingLimit:
    """A proved lower bound of the training error of all networks of one input and one size.

    Attributes
    ----------
    bound : float
        The mean squared error of every such network is at least this.
    runs : tuple of Line
        The best partition of the samples into runs with a line for each. No network is better than
        these lines, which need not meet. (With ``bound="continuous"`` the bound is above their
        error.)
    n_neurons : int
    activation : "relu" or "binary"
    X, y : arrays (n_samples, 1) and (n_samples, n_outputs)
    sample_weight : array (n_samples,) or None
    network : Network or None
        A network of that size, if one was compared with the bound.
    error : float or None
        Its mean squared error, computed exactly and rounded up.
    """

    bound: float
    runs: tuple[Line, ...]
    n_neurons: int
    activation: str
    X: Array
    y: Array
    sample_weight: Array | None = None
    network: Network | None = None
    error: float | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in ("X", "y", "sample_weight"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def gap(self) -> float | None:
        """A proved bound of how much the network's error exceeds the least possible one."""
        return None if self.error is None else above(Fraction(self.error) - Fraction(self.bound))

    def __repr__(self) -> str:
        size = f"1-{self.n_neurons}-{self.y.shape[1]}"
        text = f"{self.activation} networks {size}: mean squared error >= {self.bound:.9g}"
        if self.error is not None:
            text += f", network given: {self.error:.9g}, gap {self.gap:.3g}"
        return f"TrainingLimit({text})"


class Samples(NamedTuple):
    """Checked samples of one input.

    Attributes
    ----------
    X : array (n_samples, 1)
    Y : array (n_samples, n_outputs)
    weights : array (n_samples,)
        Ones for samples without weights.
    """

    X: Array
    Y: Array
    weights: Array

    @property
    def x(self) -> Array:
        """The samples as a vector."""
        return self.X[:, 0]

    def loss(self, network: Network) -> float:
        """Return the mean squared error, in float64; inf if it is too large for that."""
        squares = ((network(self.X) - self.Y)**2).sum(axis=1)
        loss = float(self.weights @ squares / self.weights.sum())
        return np.inf if np.isnan(loss) else loss


def limit_of(network: Network, X: Any, y: Any, sample_weight: Any = None) -> TrainingLimit:
    """Return `training_limit` for a network's size, with the network's own error."""
    if network.n_inputs != 1 or network.depth != 1:
        sizes = "-".join(map(str, network.sizes))
        raise ValueError(message("network", "one of one input and one hidden layer", sizes))
    samples, _ = check_arguments(X, y, network.sizes[1], network.activation, sample_weight)
    responses(samples.Y, len(samples.X), network.n_outputs)
    return compared(limit_of_samples(samples, network.sizes[1], network.activation), network)


def limit_in_parts(
    X: Array, Y: Array, n_neurons: int, activation: str = "relu", n_parts: int = 20
) -> float:
    """Return a slightly lower bound in far less time, for many samples; arguments are not checked.

    The error at all samples is the mean of the errors at every n_parts-th sample, for each of the
    n_parts starts, weighted by their numbers. So the mean of the parts' bounds is a bound.
    """
    order, total = np.argsort(X[:, 0], kind="stable"), Fraction(0)
    for start in range(min(n_parts, len(X))):
        part = order[start::n_parts]
        samples = Samples(X[part], Y[part], np.ones(len(part)))
        total += len(part) * Fraction(limit_of_samples(samples, n_neurons, activation).bound)
    return below(total / len(X))


def limit_of_samples(samples: Samples, n_neurons: int, activation: str) -> TrainingLimit:
    """Return `training_limit`; the arguments are not checked."""
    costs = RunCosts(samples.x, samples.Y, samples.weights, activation == "relu")
    partitions = best_partitions(costs, n_neurons + 1)
    return make_limit(samples, n_neurons, activation, partitions[max(partitions)])


def check_arguments(
    X: Any, y: Any, n_neurons: Any, activation: Any, sample_weight: Any
) -> tuple[Samples, int]:
    """Check the arguments of `training_limit`, and return the samples and n_neurons."""
    X = real_array(X, "X", ("n_samples", 1))
    y = real_array(y, "y")
    Y = responses(y, len(X), y.shape[1] if y.ndim == 2 else 1)
    weights_of_mean_one(sample_weight, len(X))
    weights = np.ones(len(X))
    if sample_weight is not None:
        weights = real_array(sample_weight, "sample_weight")
    choice(activation, "activation", ACTIVATIONS)
    return Samples(X, Y, weights), integer(n_neurons, "n_neurons", 1)


def make_limit(
    samples: Samples, n_neurons: int, activation: str, partition: Partition
) -> TrainingLimit:
    """Return the limit that the best partition proves."""
    kept = np.sort(samples.x[samples.weights > 0.0])
    positions = np.unique(kept)
    lines = tuple(_line(run, positions) for run in partition.runs)
    equal = (samples.weights == samples.weights[0]).all()
    return TrainingLimit(below(partition.bound), lines, n_neurons, activation, samples.X, samples.Y,
                         None if equal else samples.weights)


def _line(run: Run, positions: Array) -> Line:
    """Return the run's line by its values at the ends."""
    low, high = float(positions[run.first]), float(positions[run.last])
    left, right = (
        np.array([float(mean + slope * (Fraction(x) - run.centre))
                  for mean, slope in zip(run.means, run.slopes)])
        for x in (low, high)
    )
    return Line(low, high, read_only(left), read_only(right))


def scaled_line(line: Line, x_exponent: int, y_exponent: int) -> Line:
    """Return the line of samples that are 2^x_exponent and 2^y_exponent times as large."""
    low, high = np.ldexp([line.low, line.high], x_exponent).tolist()
    left, right = (read_only(np.ldexp(values, y_exponent)) for values in (line.left, line.right))
    return Line(low, high, left, right)


def compared(limit: TrainingLimit, network: Network) -> TrainingLimit:
    """Return the limit with a network of its size and the network's exact error."""
    weights = np.ones(len(limit.X)) if limit.sample_weight is None else limit.sample_weight
    error = exact_mean_squared_error(network, limit.X, limit.y, weights)
    rounded = float(finite_result(np.array(above(error)), "the squared error of the network"))
    return replace(limit, network=network, error=rounded)
