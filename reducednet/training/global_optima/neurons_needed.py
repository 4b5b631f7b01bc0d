"""Find how many neurons of one input a given training error needs, at least and in fact."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..._validation import flag, message, number
from ...domains import data_box
from .exact_error import exact_mean_squared_error
from .fit_exact import Task, best_fit
from .limits import check_arguments, limit_of_samples


class NeuronsNeeded(NamedTuple):
    """How many neurons an error needs.

    Attributes
    ----------
    at_least : int
        No network of fewer neurons has so small an error: their `training_limit` is larger.
    enough : int
        `fit_exact` constructs a network of this many neurons whose error is as small.
    """

    at_least: int
    enough: int


def neurons_needed(
    X: Any, y: Any, error: float, activation: str = "relu", output_bias: bool = True, *,
    sample_weight: Any = None,
) -> NeuronsNeeded:
    """Return how many neurons a mean squared training error needs at least, and how many suffice.

    The first number is proved by `training_limit`, the second by a network of `fit_exact`. Both
    searches try 1, 2, 4, ... neurons more until they suffice, and halve the last step. Often the
    numbers are equal.

    Parameters
    ----------
    X : array (n_samples, 1)
    y : array (n_samples, n_outputs), or (n_samples,) for one output
    error : float
        Larger than 0.
    activation, output_bias, sample_weight
        As for `fit_exact`.

    Returns
    -------
    NeuronsNeeded(at_least, enough)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, or no network has so small an error, because
        samples of equal x have different y.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 200)[:, np.newaxis]
    >>> neurons_needed(X, np.sin(4 * np.pi * X), error=1e-3)
    NeuronsNeeded(at_least=8, enough=8)
    """
    samples, _ = check_arguments(X, y, 1, activation, sample_weight)
    flag(output_bias, "output_bias")
    error, domain = number(error, "error", above=0.0), data_box(samples.X)

    def limit_allows(n_neurons: int) -> bool:
        return limit_of_samples(samples, n_neurons, activation).bound <= error

    def network_attains(n_neurons: int) -> bool:
        network, _ = best_fit(Task(samples, n_neurons, activation, output_bias, domain))
        return exact_mean_squared_error(network, *samples) <= error

    at_least = _fewest(limit_allows, 1, len(samples.X))
    if at_least is None:
        least = limit_of_samples(samples, len(samples.X), activation).bound
        expected = f"at least {least}, the error of the means at equal x"
        raise ValueError(message("error", expected, error))
    enough = _fewest(network_attains, at_least, len(samples.X) + 1)
    if enough is None:
        expected = "larger than what rounding leaves of an exact fit"
        raise ValueError(message("error", expected, error))
    return NeuronsNeeded(at_least, enough)


def _fewest(suffices: Callable[[int], bool], first: int, most: int) -> int | None:
    """Return the smallest number from `first` on that suffices, or None if `most` does not.

    If a larger number may not suffice though a smaller one does, it is one that suffices.
    """
    too_few, n, step = first - 1, first, 1
    while not suffices(n):
        if n >= most:
            return None
        too_few, n, step = n, min(n + step, most), 2 * step
    while n - too_few > 1:
        middle = (too_few + n) // 2
        if suffices(middle):
            n = middle
        else:
            too_few = middle
    return n
