"""Define the names of the training methods, and the result of a training run."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..networks.network import Network
from ..numerics.records import read_only, record

METHODS = ("auto", "sgd", "adam", "lbfgs", "slsqp", "varpro", "exchange", "surrogate", "exact")

MINIMISERS = {
    "sgd": ("gradient_descent", "minimise_sgd"),
    "adam": ("gradient_descent", "minimise_adam"),
    "lbfgs": ("quasi_newton", "minimise_lbfgs"),
    "slsqp": ("quasi_newton", "minimise_slsqp"),
    "varpro": ("varpro", "minimise"),
    "levenberg_marquardt": ("levenberg_marquardt", "minimise"),
    "exchange": ("binary_exchange", "minimise"),
    "surrogate": ("straight_through", "minimise"),
    "exact": ("exact", "minimise"),
}
"""The module of each optimiser in `methods/`, imported on first use, and its function there."""


class StateFields(NamedTuple):
    """The entries of an optimiser's state, beside the method's name; files store and check these.

    Attributes
    ----------
    counts : tuple of str
        The names of whole numbers of at least 0.
    arrays : mapping from str to tuple of int
        The arrays' names, and their shapes without the last length, n_parameters.
    batches : bool
        Whether mini-batches may add ``"permutation"``, an order of the samples, ``"position"``, how
        many of them were used, and ``"rng"``, the state of a bit generator.
    """

    counts: tuple[str, ...]
    arrays: Mapping[str, tuple[int, ...]]
    batches: bool


def state_fields(optimiser: str) -> StateFields | None:
    """Return what the optimiser's module declares in `STATES`, or None if it leaves no state."""
    module = import_module(f".methods.{MINIMISERS[optimiser][0]}", __package__)
    declared: Mapping[str, StateFields] = getattr(module, "STATES", {})
    return declared.get(optimiser)


@record
@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A finished training run.

    Attributes
    ----------
    network : Network or ReducedNetwork
        The best network found, of the same class as the start.
    history : dict of arrays
        One entry per record, beginning with the start: ``"step"``, ``"loss"``, ``"gradient_norm"``
        (nan if the method has none), ``"dead"`` and ``"always_on"`` (the numbers of hidden neurons
        that no sample, or every sample, activates), ``"seconds"`` and, with validation data,
        ``"validation_loss"``.
    converged : bool
        Whether the optimiser's own test was met: a small gradient, or no further decrease in
        floating point. A run that stops at its limit of steps has not converged.
    message : str
        Why the run ended.
    state : dict
        What ``"sgd"``, ``"adam"`` and ``"surrogate"`` continue from bit for bit: the last point, the
        moments and the order of mini-batches. Other methods continue from ``network``, and leave
        this empty.
    """

    network: Network
    history: Mapping[str, Array]
    converged: bool
    message: str
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Make the arrays read-only; the state stays a dict, also a generator's state in it."""
        state = {name: read_only(value) if isinstance(value, np.ndarray) else value
                 for name, value in self.state.items()}
        object.__setattr__(self, "history", read_only(self.history))
        object.__setattr__(self, "state", state)

    def __repr__(self) -> str:
        losses = self.history["loss"]
        course = f"loss {losses[0]:z.3g} -> {losses.min():z.3g}" if len(losses) else "no step"
        return f"TrainingResult({self.network!r}, {course} in {self.steps} steps, {self.message})"

    def limit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Return the `training_limit` of networks of this size, with this network's error.

        ``result.limit(X, y).gap`` bounds how much better any network of this size can be. Only for
        networks of one input and one hidden layer.

        Parameters
        ----------
        X, y, sample_weight
            The training samples.

        Returns
        -------
        TrainingLimit

        Raises
        ------
        ValueError
            If the network has more inputs or layers, or the samples do not fit it.

        Examples
        --------
        >>> from reducednet.training.train import train
        >>> X = np.linspace(0, 1, 50)[:, np.newaxis]
        >>> result = train(Network.random((1, 5, 1), rng=0), X, X**2, "adam", n_steps=500)
        >>> limit = result.limit(X, X**2)
        >>> bool(limit.bound <= result.history["loss"].min() <= limit.bound + limit.gap)
        True
        """
        module = import_module(".global_optima.limits", __package__)  # it stands above this one
        return module.limit_of(self.network, X, y, sample_weight)

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return int(self.history["step"][-1]) if len(self.history["step"]) else 0
