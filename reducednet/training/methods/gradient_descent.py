"""Train by gradient descent with momentum or by Adam, in both spaces: full batch or mini-batches.

Each method is written once, for any space. With g the Riemannian gradient of the mean loss over the
batch (THEORY, section 4):

* SGD with Polyak's heavy ball (not Nesterov's momentum):   M <- momentum M + g,
  step = -learning_rate M
* Adam:   m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2,
  step = -learning_rate mhat / (sqrt(vhat) + epsilon),
  mhat = m / (1 - beta1^t),   vhat = v / (1 - beta2^t)

After a step the point is retracted (`ReducedSpace.step`) and the momentum is projected onto the new
tangent space. In the reduced space the square in Adam's v is that of the whole weight row, |g_j|^2,
as Becigneul & Ganea propose for products of manifolds: so the step stays tangent, which it would
not if each entry were divided by a number of its own. Each threshold and outgoing weight has its
own square.

The retraction moves a row's norm to the outgoing weights. The moments are not rescaled with it: the
step is tangent, so the norm is 1 + O(learning_rate^2). Over 1 / (1 - beta2) steps, the memory of v,
this is less than the random variation of g^2 that v averages.

References: D. P. Kingma, J. Ba, Adam, ICLR 2015. G. Becigneul, O.-E. Ganea, Riemannian adaptive
optimization methods, ICLR 2019. B. T. Polyak, USSR Comput. Math. Math. Phys. 4 (1964).
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._validation import Array, RandomLike, generator, message, real_array
from ...networks.network import Network
from ...reduced_space.in_place import InPlaceSpace
from ...reduced_space.spaces import space_of
from ..monitor import Monitor, NotFinite
from ..objective import Objective
from ..result import StateFields

FLUSH_EVERY = 64
NEGLIGIBLE = 1e-290
"""Moments below are set to 0 every FLUSH_EVERY steps: those of dead neurons would decay to
subnormals, which are slow."""


class HeavyBall:
    """Polyak's heavy ball. Its one moment is M."""

    name, n_moments = "sgd", 1

    def __init__(self, learning_rate: float, momentum: float) -> None:
        self._minus_rate, self._momentum = np.array(-learning_rate), np.array(momentum)

    def use_arrays(self, terms: Array, moments: Array, point: InPlaceSpace) -> None:
        """Compute steps from now on from the gradient in `terms` and the moment in `moments`."""
        self._gradient, self._moment = terms[0], moments[0]

    def write_step(self, t: int, step: Array) -> None:
        """Update the moment and write step number t = 1, 2, ... to `step`."""
        moment = self._moment
        moment *= self._momentum
        moment += self._gradient
        np.multiply(moment, self._minus_rate, out=step)


class Adam:
    """Adam. Its moments are m and v, and their new terms are g and g^2."""

    name, n_moments = "adam", 2

    def __init__(self, learning_rate: float, beta1: float, beta2: float, epsilon: float) -> None:
        self._learning_rate, self._epsilon = learning_rate, epsilon
        self._beta1, self._beta2 = beta1, beta2

    def use_arrays(self, terms: Array, moments: Array, point: InPlaceSpace) -> None:
        """Compute steps from now on from the gradient in `terms` and the moments in `moments`."""
        self._terms, self._moments = terms, moments
        self._gradient, self._squares = terms
        self._mean, self._square = moments
        self._point, self._rows_of_squares = point, point.weight_views(terms[1:])
        # small arrays of equal shape are multiplied faster than broadcast ones; from some 8000
        # parameters on, reading a second array costs more (3 % of a step on 10-100-100-1)
        n_columns = moments.shape[1] if moments.shape[1] < 8000 else 1
        self._betas = np.empty((2, n_columns))
        self._betas[0], self._betas[1] = self._beta1, self._beta2
        self._complements = 1.0 - self._betas
        self._additions = np.empty(moments.shape)

    def write_step(self, t: int, step: Array) -> None:
        """Update the moments and write step number t = 1, 2, ... to `step`."""
        np.multiply(self._gradient, self._gradient, out=self._squares)
        self._point.sum_over_rows(self._rows_of_squares)

        # both moments at once, which halves the number of calls:
        # m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
        moments = self._moments
        moments *= self._betas
        np.multiply(self._terms, self._complements, out=self._additions)
        moments += self._additions

        # with sqrt(vhat) = sqrt(v) / root, the step is
        # -learning_rate root / (1 - beta1^t) m / (sqrt(v) + epsilon root)
        root = math.sqrt(1.0 - self._beta2**t)
        np.sqrt(self._square, out=step)
        step += self._epsilon * root
        np.divide(self._mean, step, out=step)
        step *= -self._learning_rate * root / (1.0 - self._beta1**t)


class Batches:
    """Mini-batches: each epoch has every sample once, in a new order; the last may be smaller."""

    def __init__(
        self, n_samples: int, size: int, rng: np.random.Generator, state: Mapping[str, Any] | None
    ) -> None:
        self._n_samples, self._size, self._rng = n_samples, size, rng
        if state is None:
            self._draw()
        else:
            rng.bit_generator.state = self._rng_state = state["rng"]
            self._permutation = np.array(state["permutation"], dtype=np.intp)
            self._position = int(state["position"])

    def _draw(self) -> None:
        """Draw the order of the next epoch."""
        self._permutation, self._position = self._rng.permutation(self._n_samples), 0
        self._rng_state = self._rng.bit_generator.state

    def take(self) -> Any:
        """Return the indices of the next batch."""
        if self._position == self._n_samples:
            self._draw()
        indices = self._permutation[self._position:self._position + self._size]
        self._position += len(indices)
        return indices

    def state(self) -> dict[str, Any]:
        """Return what another run needs to continue in the same order."""
        return {"permutation": self._permutation, "position": self._position, "rng": self._rng_state}


class Descent:
    """The current point and moments of a run.

    Attributes
    ----------
    vector : array (n_parameters,)
        The point, which steps change in place.
    moments : array (n_moments, n_parameters)
    terms : array (n_moments, n_parameters)
        What the rule adds to the moments; first the gradient.
    t : int
        How many steps have been made.
    loss, gradient_norm : float
        Of all samples where they were observed, otherwise of the last batch.
    saved : tuple
        t, a copy of the moments and the vector in one array (n_moments + 1, n_parameters), and the
        order of mini-batches after the last complete step. It is replaced in one assignment, so
        that an interrupt at any moment leaves parts that match.
    """

    def __init__(
        self, network: Network, objective: Objective, rule: HeavyBall | Adam, batches: Batches | None,
        state: Mapping[str, Any] | None,
    ) -> None:
        self._objective, self._rule, self._batches = objective, rule, batches
        self._moving = np.zeros((rule.n_moments + 1, network.n_parameters))
        self.moments, self.vector = self._moving[:-1], self._moving[-1]
        self.terms = np.zeros_like(self.moments)
        self.gradient, self._step = self.terms[0], np.empty_like(self.vector)
        self.vector[...] = network.to_vector() if state is None else state["vector"]
        self.t = 0 if state is None else int(state["n_steps"])

        self._point = space_of(network).in_place(self.vector)
        objective.use_arrays(self.vector, self.gradient, self._point.first_weights_fixed)
        rule.use_arrays(self.terms, self.moments, self._point)
        momentum = self.moments[0]  # tangent vectors: the gradient and the momentum
        self._tangents = self._point.weight_views([self.gradient, momentum])
        self._momentum = self._point.weight_views([momentum])

        self.observe(count=True)
        if state is not None:  # after `observe`, whose projection would change their last bits
            self.moments[...] = real_array(state["moments"], "state['moments']", self.moments.shape)
        self.save()

    def observe(self, count: bool) -> None:
        """Compute loss and gradient over all samples; count stable neurons if asked to."""
        self.loss, _ = self._objective(self.vector, count)
        self._make_tangent()

    def _make_tangent(self) -> None:
        """Project gradient and momentum onto the tangent space and compute the gradient's norm."""
        self._point.project(self._tangents)
        self.gradient_norm = math.sqrt(self.gradient.dot(self.gradient))

    def step(self, observed: bool, count: bool) -> None:
        """Make one step; with mini-batches, compute the loss of all samples only if `observed`."""
        if self._batches is not None:
            self.loss, _ = self._objective.on_batch(self.vector, self._batches.take())
            self._make_tangent()
        # with all samples the gradient is that of the last `observe`, at this point
        self.t += 1
        self._rule.write_step(self.t, self._step)
        self.vector += self._step
        if self.t % FLUSH_EVERY == 0:
            self.moments[np.abs(self.moments) < NEGLIGIBLE] = 0.0
        self._point.retract()
        if observed:
            self.observe(count)
        else:
            self._point.project(self._momentum)

    def save(self) -> None:
        """Save the state after a step."""
        batches = {} if self._batches is None else self._batches.state()
        self.saved = self.t, self._moving.copy(), batches

    def state(self) -> dict[str, Any]:
        """Return the saved state, from which another run can continue."""
        t, moving, batches = self.saved
        return {"method": self._rule.name, "n_steps": t, "vector": moving[-1], "moments": moving[:-1],
                **batches}


def descend(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float,
    rule: HeavyBall | Adam, batches: Batches | None = None, state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run the rule from the network, or from the state of an earlier run."""
    with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite ends the run
        descent = Descent(network, objective, rule, batches, state)
        try:
            for done in range(n_steps + 1):  # 0 records the start and makes no step
                recorded = (monitor.step + 1) % monitor.record_every == 0
                observed = batches is None or recorded or done in (0, n_steps)
                if done:
                    descent.step(observed, recorded)
                if not (math.isfinite(descent.loss) and math.isfinite(descent.gradient_norm)):
                    raise NotFinite
                if done:
                    descent.save()
                monitor.record(descent.saved[1][-1], descent.loss, descent.gradient_norm)
                if observed and descent.gradient_norm <= tolerance:
                    return True, f"converged: the gradient's norm is {descent.gradient_norm:.3g}"
            return False, f"the limit of {n_steps} steps is reached"
        finally:
            monitor.state = descent.state()


def batches_of_run(
    objective: Objective, rng: RandomLike, batch_size: int | None, state: Mapping[str, Any] | None
) -> Batches | None:
    """Return the mini-batches of a run, or None if it takes all samples at once.

    Raises
    ------
    ValueError
        If a state comes from other samples, batches or another kind of generator.
    """
    rng, n_samples = generator(rng), objective.n_samples
    full = batch_size is None or batch_size >= n_samples
    if state is not None:
        if len(state.get("permutation", ())) != (0 if full else n_samples):
            raise ValueError(message("state", "one of the same samples and kind of batches", "another"))
        kind = rng.bit_generator.state["bit_generator"]
        if not full and state["rng"]["bit_generator"] != kind:
            expected = f"a generator of {state['rng']['bit_generator']}, as in `state`"
            raise ValueError(message("rng", expected, kind))
    return None if full or batch_size is None else Batches(n_samples, batch_size, rng, state)


def state_fields(rule: type[HeavyBall] | type[Adam], batches: bool) -> StateFields:
    """Return what `Descent.state` holds for this rule, for files."""
    return StateFields(("n_steps",), {"vector": (), "moments": (rule.n_moments,)}, batches)


STATES = {rule.name: state_fields(rule, batches=True) for rule in (HeavyBall, Adam)}


def minimise_sgd(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike, batch_size: int | None = None, learning_rate: float = 1e-2,
    momentum: float = 0.9, state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run gradient descent with heavy-ball momentum from the network and record it in the monitor.

    M <- momentum M + g,   theta <- retract(theta, -learning_rate M)

    Parameters
    ----------
    network : Network or ReducedNetwork
    objective : Objective
        The loss to minimise.
    monitor : Monitor
        With mini-batches the loss and gradient of all samples, which cost another pass, are
        computed at the steps that it records; at the others it gets those of the batch.
    n_steps : int
        The largest number of steps.
    tolerance : float
        The run has converged when the Riemannian gradient over all samples has at most this norm.
    rng : None, int, Generator or SeedSequence
        Draws the order of the samples; not used without mini-batches.
    batch_size : int, optional
        By default all samples.
    learning_rate, momentum : float
    state : dict, optional
        What an earlier run left in ``monitor.state``; this run continues it bit for bit.

    Returns
    -------
    (converged, message)

    Raises
    ------
    NotFinite
        If the loss or its gradient leaves the range of float64.
    """
    rule = HeavyBall(learning_rate, momentum)
    batches = batches_of_run(objective, rng, batch_size, state)
    return descend(network, objective, monitor, n_steps, tolerance, rule, batches, state)


def minimise_adam(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike, batch_size: int | None = None, learning_rate: float = 1e-2, beta1: float = 0.9,
    beta2: float = 0.999, epsilon: float = 1e-8, state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run Adam from the network and record it in the monitor; the module has the formula.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
    network, objective, monitor, n_steps, tolerance, rng, batch_size, state
        As for `minimise_sgd`.

    Returns
    -------
    (converged, message)

    Raises
    ------
    NotFinite
        If the loss or its gradient leaves the range of float64.
    """
    rule = Adam(learning_rate, beta1, beta2, epsilon)
    batches = batches_of_run(objective, rng, batch_size, state)
    return descend(network, objective, monitor, n_steps, tolerance, rule, batches, state)
