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
from typing import Any, Protocol

import numpy as np

from ..._validation import Array, RandomLike, generator, message, real_array
from ...networks.network import Network
from ...reduced_space.in_place import InPlaceSpace
from ...reduced_space.spaces import space_of
from ..monitor import Monitor, NotFinite
from ..objective import Objective

FLUSH_EVERY = 64
NEGLIGIBLE = 1e-290
"""Numbers below are set to 0 every FLUSH_EVERY steps: the moments of dead neurons would decay to
subnormals, which are slow."""


class _Rule(Protocol):
    """Computes the step from the gradient, in the first four rows of an objective.

    Row 0 has the gradient, row 1 is a buffer, and rows 2 and 3 have the moments.
    """

    name: str
    n_moments: int

    def begin(self, rows: Array, point: InPlaceSpace) -> None: ...

    def write_step(self, t: int, step: Array) -> None:
        """Update the moments and write step number t = 1, 2, ... to `step`."""


class _HeavyBall:
    """rows: g, -, M."""

    name, n_moments = "sgd", 1

    def __init__(self, learning_rate: float, momentum: float) -> None:
        self._rate, self._momentum = np.array(-learning_rate), np.array(momentum)

    def begin(self, rows: Array, point: InPlaceSpace) -> None:
        self._gradient, self._moment = rows[0], rows[2]

    def write_step(self, t: int, step: Array) -> None:
        moment = self._moment
        moment *= self._momentum
        moment += self._gradient
        np.multiply(moment, self._rate, out=step)


class _Adam:
    """rows: g, g^2, M = m / (1 - beta1), V = v / (1 - beta2).

    Without the factors 1 - beta an update takes two operations less. With
    s^2 = (1 - beta2) / (1 - beta2^t),

    step = -learning_rate (1 - beta1) / ((1 - beta1^t) s) M / (sqrt(V) + epsilon / s)
    """

    name, n_moments = "adam", 2

    def __init__(self, learning_rate: float, beta1: float, beta2: float, epsilon: float) -> None:
        self._learning_rate, self._betas, self._epsilon = learning_rate, (beta1, beta2), epsilon
        self._rate, self._floor = np.empty(()), np.empty(())

    def begin(self, rows: Array, point: InPlaceSpace) -> None:
        self._gradient, self._squares, self._mean, self._square = rows[:4]
        self._additions, self._moments = rows[:2], rows[2:4]
        # one entry per moment: arrays of equal shape are multiplied faster than broadcast ones
        self._decays = np.repeat(self._betas, rows.shape[1]).reshape(self._moments.shape)
        self._point, self._rows = point, point.weight_views(rows[1:2])

    def write_step(self, t: int, step: Array) -> None:
        beta1, beta2 = self._betas
        s = math.sqrt((1.0 - beta2) / (1.0 - beta2**t))
        self._rate.fill(-self._learning_rate * (1.0 - beta1) / ((1.0 - beta1**t) * s))
        self._floor.fill(self._epsilon / s)
        np.multiply(self._gradient, self._gradient, out=self._squares)
        self._point.sum_over_rows(self._rows)
        moments = self._moments
        moments *= self._decays
        moments += self._additions
        np.sqrt(self._square, out=step)
        step += self._floor
        np.divide(self._mean, step, out=step)
        step *= self._rate


class _Batches:
    """Mini-batches: each epoch has every sample once, in a new order; the last may be smaller."""

    def __init__(
        self, n_samples: int, size: int, rng: np.random.Generator, state: dict[str, Any] | None
    ) -> None:
        self._n_samples, self._size, self._rng = n_samples, size, rng
        if state is None:
            self._draw()
        else:
            self.permutation = np.array(state["permutation"], dtype=np.intp)
            self.position = int(state["position"])
            self.rng_state = rng.bit_generator.state

    def _draw(self) -> None:
        """Draw the order of the next epoch."""
        self.permutation, self.position = self._rng.permutation(self._n_samples), 0
        self.rng_state = self._rng.bit_generator.state

    def take(self) -> Any:
        """Return the indices of the next batch."""
        indices = self.permutation[self.position:self.position + self._size]
        self.position += len(indices)
        return indices

    def settle(self) -> None:
        """Draw the order of the next epoch if this one is over."""
        if self.position == self._n_samples:
            self._draw()


class _Run:
    """The current point and moments, in the rows of the objective, and a saved copy of them.

    What must be tangent is rows 0 and 2, the gradient and the first moment, or the moment alone.
    """

    def __init__(self, network: Network, objective: Objective, rule: _Rule, rng: np.random.Generator,
                 batch_size: int | None, state: dict[str, Any] | None) -> None:
        self.objective, self.rule, self.rng = objective, rule, rng
        self.rows, self.gradient, self.vector = objective.rows, objective.gradient, objective.vector
        self.moments, self._moving = self.rows[2:2 + rule.n_moments], self.rows[2:]
        self._kept, self._step = np.empty((2, *self._moving.shape)), np.empty_like(self.vector)
        self.t = 0
        self.rows.fill(0.0)
        self.vector[...] = network.to_vector()
        if state is not None:
            self.vector[...], self.t = state["vector"], int(state["n_steps"])
            rng.bit_generator.state = state["rng"]
        self.point = space_of(network).in_place(self.vector)
        if self.point.first_weights_fixed:
            objective.hold_first_weights()
        self._tangents = self.point.weight_views(self.rows[0:3:2])
        self._moment = self.point.weight_views(self.rows[2:3])
        rule.begin(self.rows, self.point)
        full = batch_size is None or batch_size >= objective.n_samples
        self.batches = None if full else _Batches(objective.n_samples, batch_size or 1, rng, state)
        self.loss, self.gradient_norm = self.observe()
        if state is not None:  # `observe` projected the saved moment again, which changes last bits
            self.moments[...] = state["moments"]
        self.save()

    def observe(self) -> tuple[float, float]:
        """Return the loss of all samples and the gradient's norm; project gradient and moment."""
        loss, _ = self.objective(self.vector)
        return loss, self._take_gradient()

    def _take_gradient(self) -> float:
        """Make the gradient (and the moment) tangent and return the gradient's norm."""
        self.point.project(self._tangents)
        return math.sqrt(self.gradient.dot(self.gradient))

    def step(self, observed: bool) -> None:
        """Make one step; with mini-batches, compute the loss of all samples only if `observed`."""
        if self.batches is not None:
            self.loss, _ = self.objective.on_batch(self.vector, self.batches.take())
            self.gradient_norm = self._take_gradient()
        self.t += 1
        self.rule.write_step(self.t, self._step)
        self.vector += self._step
        if self.t % FLUSH_EVERY == 0:
            self.rows[np.abs(self.rows) < NEGLIGIBLE] = 0.0
        self.point.retract()
        if self.batches is None or observed:
            self.loss, self.gradient_norm = self.observe()
        else:
            self.point.project(self._moment)
        if self.batches is not None:
            self.batches.settle()

    def save(self) -> None:
        """Save what `state` returns, in the other of two copies: an interrupt may come here too."""
        self._kept[self.t % 2] = self._moving
        batches = self.batches
        order = (batches.permutation, batches.position, batches.rng_state) if batches else ()
        self.saved = self.t, *order

    def state(self) -> dict[str, Any]:
        """Return the state after the last complete step, from which another run can continue."""
        *moments, vector = self._kept[self.saved[0] % 2]
        state: dict[str, Any] = {
            "method": self.rule.name, "n_steps": self.saved[0], "vector": vector.copy(),
            "moments": np.array(moments[:self.rule.n_moments]),
        }
        if self.batches is None:
            return {**state, "rng": self.rng.bit_generator.state}
        return {**state, **dict(zip(("permutation", "position", "rng"), self.saved[1:]))}


def _minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float,
    rule: _Rule, rng: RandomLike, batch_size: int | None, state: dict[str, Any] | None,
) -> tuple[bool, str]:
    """Run the rule from the network, or from the state of an earlier run."""
    rng = generator(rng)
    if state is not None:
        _check_state(state, rule, network, objective, rng, batch_size)
    with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite ends the run
        run = _Run(network, objective, rule, rng, batch_size, state)
        full = run.batches is None
        try:
            for done in range(n_steps + 1):
                recorded = (monitor.step + 1) % monitor.record_every == 0
                observed = full or recorded or done in (0, n_steps)
                if done:
                    run.step(observed)
                if not (math.isfinite(run.loss) and math.isfinite(run.gradient_norm)):
                    raise NotFinite
                if done:
                    run.save()
                monitor.record(run.vector, run.loss, run.gradient_norm)
                if observed and run.gradient_norm <= tolerance:
                    return True, f"converged: the gradient's norm is {run.gradient_norm:.3g}"
            return False, f"the limit of {n_steps} steps is reached"
        finally:
            monitor.state = run.state()
            run.vector[...] = monitor.state["vector"]  # a skipped step that `flush` records has it
            monitor.flush()


def _check_state(
    state: Any, rule: _Rule, network: Network, objective: Objective, rng: np.random.Generator,
    batch_size: int | None,
) -> None:
    """Raise if a state comes from other samples, batches or another kind of generator.

    `train` has checked its method and its vector.
    """
    real_array(state["moments"], "state['moments']", (rule.n_moments, network.n_parameters))
    kind = rng.bit_generator.state["bit_generator"]
    if state["rng"]["bit_generator"] != kind:
        expected = f"a generator of {state['rng']['bit_generator']}, as in `state`"
        raise ValueError(message("rng", expected, kind))
    batches = batch_size is not None and batch_size < objective.n_samples
    if len(state.get("permutation", ())) != (objective.n_samples if batches else 0):
        raise ValueError(message("state", "one of the same samples and kind of batches", "another"))


def minimise_sgd(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike, batch_size: int | None = None, learning_rate: float = 1e-2,
    momentum: float = 0.9, state: dict[str, Any] | None = None,
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
    rule = _HeavyBall(learning_rate, momentum)
    return _minimise(network, objective, monitor, n_steps, tolerance, rule, rng, batch_size, state)


def minimise_adam(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike, batch_size: int | None = None, learning_rate: float = 1e-2, beta1: float = 0.9,
    beta2: float = 0.999, epsilon: float = 1e-8, state: dict[str, Any] | None = None,
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
    rule = _Adam(learning_rate, beta1, beta2, epsilon)
    return _minimise(network, objective, monitor, n_steps, tolerance, rule, rng, batch_size, state)
