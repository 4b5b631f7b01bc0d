"""Bound from below the training error of every network of one input and a given size."""
from __future__ import annotations

from typing import Any

from ..._validation import choice
from .fit_exact import BOUNDS, fit_exact
from .limits import TrainingLimit, check_arguments, limit_of_samples


def training_limit(
    X: Any, y: Any, n_neurons: int, activation: str = "relu", sample_weight: Any = None,
    bound: str = "runs",
) -> TrainingLimit:
    """Return a proved lower bound of the training error of every network 1-n_neurons-n_outputs.

    A network with one hidden layer of n neurons on one input is affine (binary: constant) on each
    of at most n + 1 runs of neighbouring samples. So its mean squared error is at least that of the
    best partition of the samples into n + 1 runs with a line (constant) of its own on each, which a
    dynamic programme finds. Costs are rounded down, and everything is computed in integers: the
    bound holds for the data as they are, and for networks in real arithmetic. With as many runs as
    different x (ReLU: half as many) it is 0, unless samples of equal x have different y.

    `fit_exact` constructs a network that nearly attains the bound where any does.

    Time grows as n_samples^2, memory as n_samples n_neurons: about .02 s for 200 samples and 1 s
    for 2,000, and 30 s for 10,000. What would take more than about ten minutes is refused (noise
    from 28,000 samples on; smooth data with many neurons need less).

    Parameters
    ----------
    X : array (n_samples, 1)
    y : array (n_samples, n_outputs), or (n_samples,) for one output
    n_neurons : int
    activation : "relu" or "binary"
    sample_weight : array (n_samples,), optional
        At least 0. The error is the mean with these weights.
    bound : "runs" or "continuous"
        ``"continuous"``, for ReLU networks of one output, uses that the lines of neighbouring runs
        meet: a larger bound for data with kinks or noise, in seconds instead of hundredths, with
        the network of `fit_exact` that it needs.

    Returns
    -------
    TrainingLimit

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, in particular if X has more than one column, or
        if there are too many samples.

    References
    ----------
    docs/global-optima.md, sections 1 and 6. R. Bellman, *On the approximation of curves by line
    segments using dynamic programming*, Comm. ACM 4 (1961).

    Examples
    --------
    >>> limit = training_limit([[0], [1], [2], [3], [4], [5]], [0, 1, 2, 2, 0, 1], n_neurons=1)
    >>> limit
    TrainingLimit(relu networks 1-1-1: mean squared error >= 0.05)
    >>> [(line.low, line.high) for line in limit.runs]
    [(0.0, 3.0), (4.0, 5.0)]
    """
    if choice(bound, "bound", BOUNDS) == "continuous":
        return fit_exact(X, y, n_neurons, activation, sample_weight=sample_weight, bound=bound)[1]
    samples, n_neurons = check_arguments(X, y, n_neurons, activation, sample_weight)
    return limit_of_samples(samples, n_neurons, activation)
