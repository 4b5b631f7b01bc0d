"""Fit one hidden ReLU layer of any width, with a proof that no width does better.

The penalised error is convex in the measure that the outgoing weights put on the reduced space,
and that space is compact: its best neuron exists. Column generation solves the problem of the
neurons at hand, asks the oracle which neurons violate the dual's constraints most, and adds them,
until the network's value and the proved bound are near (docs/global-optima.md, section 7).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..._validation import (
    Array, RandomLike, finite_result, flag, fraction, generator, instance, integer, message, number,
    real_array, responses, same_inputs,
)
from ...domains import Domain, data_box
from ...networks.activations import activation_named
from ...networks.network import Network, check_network
from ...numerics import sphere
from ...numerics.rationals import non_negative_fit
from ...reduced_space.intervals import LayerSpace
from ...reduced_space.reduced_network import ReducedNetwork
from ..monitor import progress_bar
from .neuron_oracle import Neurons, Oracle, SearchOracle, oracle_for
from .optimality import OptimalityProof, dual_value, feasible, penalised_error

NEW_NEURONS = 24
"""Neurons added at a time. One at a time takes two to three times as long."""
PATIENCE = 10
"""The fit ends after so many steps in a row that shrink the gap by less than a thousandth: where
the penalty is tiny beside the sums of the samples (by 1e-8 or so), float64 gets no further."""


class ConvexState(NamedTuple):
    """The fit after a step, as a callback sees it: its best network's proof so far."""

    step: int
    proof: OptimalityProof


def fit_convex(
    X: Any, y: Any, penalty: float, domain: Domain | None = None, *, tolerance: float = 1e-3,
    n_steps: int = 200, rng: RandomLike = 0, callback: Callable[[ConvexState], Any] | None = None,
    progress: bool = False,
) -> tuple[ReducedNetwork, OptimalityProof]:
    """Fit one hidden ReLU layer of any width to samples, nearly as well as any network can.

    Minimises over all widths, outgoing weights c, output biases a, unit rows w and thresholds b

        1/2 sum_i (N(x_i) - y_i)^2 + penalty sum_j |c_j|.

    For free rows the penalty is that of |c_j| |w_j|, or weight decay, penalty / 2 times
    sum_j (|w_j|^2 + c_j^2), at the best scaling of each neuron. The output bias is free and not
    penalised: without one, a neuron far outside the samples would buy a constant for nothing.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
        One or two inputs are proved; with more, good neurons are searched for and `proof.bound`
        is 0. Two inputs need 72 bytes for each pair of different samples: at most 10,000 of them.
    y : array (n_samples,) or (n_samples, 1)
    penalty : float
        Larger than 0.
    domain : Domain, optional
        Contains the samples; by default their smallest box.
    tolerance : float
        The fit ends when the relative gap is this small.
    n_steps : int
        The largest number of steps; each adds some neurons.
    rng : None, int, Generator or SeedSequence
        For the search in three and more inputs.
    callback : callable, optional
        Called with a `ConvexState` after each step; the fit ends if it returns a true value.
    progress : bool
        Show progress on stderr.

    Returns
    -------
    network : ReducedNetwork
        With an output bias. Only neurons that are used are in it: their number is often much
        smaller than that of samples, but need not be the smallest.
    proof : OptimalityProof

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, samples lie outside the domain, or their scale
        leaves the range of float64.

    Notes
    -----
    A fit that is interrupted (Ctrl-C) returns the best network so far, and `proof.message` says so.

    References
    ----------
    docs/global-optima.md, section 7. M. Pilanci, T. Ergen, *Neural networks are convex
    regularizers*, ICML 2020.

    Examples
    --------
    >>> X = np.linspace(0.0, 1.0, 50)[:, np.newaxis]
    >>> network, proof = fit_convex(X, np.abs(X[:, 0] - 0.5), penalty=0.01)
    >>> proof.gap <= 1e-3, proof.check()
    (True, True)
    """
    X, y = _checked_samples(X, y)
    penalty = number(penalty, "penalty", above=0.0)
    domain = _checked_domain(domain, X)
    tolerance, n_steps = fraction(tolerance, "tolerance"), integer(n_steps, "n_steps", 1)
    if callback is not None and not callable(callback):
        raise TypeError(message("callback", "a function of a ConvexState", type(callback).__name__))
    fit = _ColumnGeneration(X, y, penalty, domain, generator(rng))
    text = f"stopped after {n_steps} steps"
    try:
        with progress_bar(n_steps, flag(progress, "progress")) as on_step:
            for step in range(1, n_steps + 1):
                more = fit.step()
                on_step(step)
                if callback is not None and callback(ConvexState(step, fit.proof(""))):
                    text = "stopped by the callback"
                    break
                if fit.gap() <= tolerance:
                    text = "the gap is within the tolerance"
                    break
                if not more or fit.steps_without_progress >= PATIENCE:
                    text = "no better network was found"
                    break
    except KeyboardInterrupt:
        text = "interrupted"
    proof = fit.proof(text)
    return proof.network, proof  # type: ignore[return-value]


def optimality_gap(
    network: Network, X: Any, y: Any, penalty: float, **options: Any
) -> OptimalityProof:
    """Return how far a trained network's penalised error is from the least of all widths.

    Parameters
    ----------
    network : Network
        One hidden ReLU layer and one output; its rows may be free. Without an output bias its
        value is compared with that of networks that have one.
    X, y, penalty
        As for `fit_convex`, which finds the bound.
    **options
        Of `fit_convex`.

    Returns
    -------
    OptimalityProof

    Raises
    ------
    TypeError, ValueError
        As `fit_convex`, or if the network is another one.

    Examples
    --------
    >>> X = np.linspace(0.0, 1.0, 50)[:, np.newaxis]
    >>> network = Network([[[1.0], [-1.0]]], [[-0.5, 0.5]], [[1.0, 1.0]])
    >>> 0.0 < optimality_gap(network, X, np.abs(X[:, 0] - 0.5), penalty=0.01).gap < 0.1
    True
    """
    network = check_network(network)
    if network.depth != 1 or network.activation != "relu" or network.n_outputs != 1:
        expected = "a ReLU network of one hidden layer and one output"
        raise ValueError(message("network", expected, repr(network)))
    X, y = _checked_samples(X, y)
    same_inputs(network.n_inputs, X.shape[1])
    _, best = fit_convex(X, y, penalty, **options)
    value = penalised_error(network, X, y, best.penalty)
    return OptimalityProof(network, X, y, best.penalty, value, best.bound, best.multipliers)


class _ColumnGeneration:
    """The neurons at hand, and the best network and multipliers so far.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
    y : array (n_samples,)
    penalty : float
    domain : Domain
    rng : Generator
    """

    def __init__(
        self, X: Array, y: Array, penalty: float, domain: Domain, rng: np.random.Generator
    ) -> None:
        self.X, self.y, self.penalty, self.domain = X, y, penalty, domain
        self.space = LayerSpace(domain, activation_named("relu"), "support")
        self.oracle: Oracle = oracle_for(X, rng)
        self.W, self.b = np.empty((0, X.shape[1])), np.empty(0)
        self.best_residuals, self.estimate = np.zeros(len(X)), 0.0
        self.steps_without_progress = 0
        bias, residuals = _bias_and_residuals(y)
        self.network = self._network(np.empty(0), bias)
        self.value = penalised_error(self.network, X, y, penalty)
        self._add(self.oracle.best(residuals))

    def step(self) -> bool:
        """Fit the neurons at hand, then add neurons; return False if there are none to add."""
        before, H = self.gap(), np.maximum(self.X @ self.W.T + self.b, 0.0)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            c = best_outgoing_weights(H, self.y, self.penalty)
        finite_result(c, "an outgoing weight of the best network")
        used = c != 0.0
        self.W, self.b = self.W[used], self.b[used]
        bias, residuals = _bias_and_residuals(self.y - H[:, used] @ c[used])
        network = self._network(c[used], bias)
        value = penalised_error(network, self.X, self.y, self.penalty)
        if value < self.value:
            self.network, self.value = network, value

        neurons = self.oracle.best(residuals)
        self._keep_if_better(residuals, float(np.abs(neurons.values).max(initial=0.0)))
        progress = self.gap() < 0.999 * before
        self.steps_without_progress = 0 if progress else self.steps_without_progress + 1
        return self._add(neurons)

    def gap(self) -> float:
        """Return the relative gap to the best bound, not yet proved."""
        return (self.value - self.estimate) / self.value if self.value > 0.0 else 0.0

    def proof(self, text: str) -> OptimalityProof:
        """Return the proof of the best network, with the bound that its multipliers prove."""
        multipliers, bound = np.zeros(len(self.X)), 0.0
        if not isinstance(self.oracle, SearchOracle):
            multipliers = feasible(self.best_residuals, self.oracle, self.X, self.y, self.penalty)
            bound = dual_value(self.y, multipliers)
        return OptimalityProof(
            self.network, self.X, self.y, self.penalty, self.value, bound, multipliers, text)

    def _add(self, neurons: Neurons) -> bool:
        """Add the neurons that violate |phi| <= penalty most; return whether there are any."""
        new = neurons.largest(NEW_NEURONS)
        violates = np.abs(new.values) > self.penalty * (1.0 + 1e-12)
        W = new.weights[violates]
        low, high = self.space.intervals(W).T
        self.W = np.vstack([self.W, W])
        self.b = np.concatenate([self.b, np.clip(new.thresholds[violates], low, high)])
        return bool(violates.any())

    def _network(self, c: Array, bias: float) -> ReducedNetwork:
        """Return the network of the neurons at hand; one neuron of weight 0 if there are none."""
        W, b = self.W, self.b
        if not len(W):
            W = np.eye(1, self.X.shape[1])
            b, c = self.space.intervals(W).mean(axis=1), np.zeros(1)
        return ReducedNetwork([W], [b], [c], [bias], domain=self.domain)

    def _keep_if_better(self, residuals: Array, largest: float) -> None:
        """Keep the residuals if they are the best multipliers so far, scaled to |phi| <= penalty.
        """
        square = float(residuals @ residuals)
        scale = float(residuals @ self.y) / square if square > 0.0 else 0.0
        if largest > 0.0:
            scale = min(scale, self.penalty / largest)
        estimate = scale * float(residuals @ self.y) - scale**2 * square / 2.0
        if estimate > self.estimate:
            self.best_residuals, self.estimate = residuals, estimate


def _bias_and_residuals(differences: Array) -> tuple[float, Array]:
    """Return the best output bias, the mean of y - H c, and the residuals, which then sum to 0.

    At the optimum they are the dual's multipliers.
    """
    bias = float(differences.mean())
    return bias, differences - bias


def best_outgoing_weights(H: Array, y: Array, penalty: float) -> Array:
    """Return the c that minimises 1/2 |y - a - H c|^2 + penalty |c|_1 over c and a.

    With columns and y centred, a is gone, and the dual is the point lambda nearest to y with
    |H' lambda| <= penalty: least distance programming. By Lawson and Hanson it is one problem of
    non-negative least squares: the least x = lambda - y with G x >= h is

        x = -r[:m] / r[m],    r = E u - f,   u = argmin over u >= 0 of |E u - f|,
        E = [G'; h'],    f = (0, ..., 0, 1),

    and the multipliers -u / r[m] of the constraints are the positive and negative parts of c.

    Parameters
    ----------
    H : array (n_samples, n_neurons)
    y : array (n_samples,)
    penalty : float

    Returns
    -------
    array (n_neurons,)

    References
    ----------
    C. L. Lawson, R. J. Hanson, *Solving Least Squares Problems* (1974), chapter 23.
    """
    H, y = H - H.mean(axis=0), y - y.mean()
    scale = float(np.linalg.norm(y))
    norms = sphere.row_norms(H.T)
    norms[norms == 0.0] = 1.0
    if scale == 0.0 or not H.size:
        return np.zeros(H.shape[1])

    columns, correlations, limits = H / norms, (H / norms).T @ (y / scale), penalty / norms / scale
    E = np.vstack([
        np.hstack([-columns, columns]),
        np.concatenate([correlations - limits, -correlations - limits]),
    ])
    f = np.zeros(len(E))
    f[-1] = 1.0
    u = non_negative_fit(E, f)
    multipliers = u / (1.0 - E[-1] @ u)
    positive, negative = np.split(multipliers, 2)
    return np.asarray((positive - negative) * scale / norms)


def _checked_samples(X: Any, y: Any) -> tuple[Array, Array]:
    """Return the samples as arrays (n_samples, n_inputs) and (n_samples,)."""
    X = real_array(X, "X", ("n_samples", "n_inputs"))
    y = responses(y, len(X), 1)[:, 0]
    with np.errstate(over="ignore"):
        finite_result(np.array([np.square(X).sum() * len(X), np.square(y).sum()]), "the error")
    return X, y


def _checked_domain(domain: Domain | None, X: Array) -> Domain:
    """Return the domain, by default the box of the samples, and refuse one without them all."""
    if domain is None:
        return data_box(X)
    instance(domain, "domain", Domain, "a Box, Ball or Hull")
    same_inputs(X.shape[1], domain.n_inputs)
    outside = int((~domain.contains(X)).sum())
    if outside:
        came = f"{outside} of {len(X)} samples outside"
        raise ValueError(message("X", f"inside {domain!r}", came))
    return domain
