"""Training of shallow binary networks by exact exchange of hyperplanes.

The outgoing weights of a binary network are a linear least squares problem, and at n samples a
neuron is no more than the set of samples that it activates: finitely many hyperplanes matter. A
step sweeps over the neurons. For each one it tries every candidate hyperplane in its place, with
all outgoing weights solved anew, and keeps the best. With g the candidate's column of zeros and
ones, P the projection onto the span of the other neurons and r the residual of y against it,

    decrease of |y - N|^2 = |r.g|^2 / |g - P g|^2.

The samples sorted along a direction make r.g and |P g|^2 cumulative sums: all thresholds of a
direction cost what one costs. The span is held by its dual basis v_j (v_j.h_i = 1 if i = j, else
0), for v_j / |v_j| is what the span loses with neuron j; all of it changes by rank-one updates.

Where no single exchange helps, a few neurons are put elsewhere at random, and the sweeps that
follow count if they end below the best network so far.

The candidates are, for one input, the midpoints between neighbouring samples in both orientations
and the constant neuron: all that there is. For more inputs they are all thresholds along random
directions, those through the data, and those near the present neurons, drawn anew in each sweep.

References
----------
THEORY, section 8. The exchanges are those of V. V. Fedorov, *Theory of Optimal Experiments*
(1972), for designs; the formula is that of orthogonal least squares, S. Chen, S. A. Billings,
W. Luo, Int. J. Control 50 (1989).
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array, RandomLike, generator
from ...networks.losses import mean_squared_error
from ...networks.network import Network
from ...numerics.rounding import gamma
from ..monitor import Monitor
from ..objective import Objective
from .binary_candidates import Pool, directions, make_pool
from .resume import restored, state_for

ATTEMPTS = 20
"""After so many random displacements in a row without a better network the run has converged."""

IN_SPAN = 1e-9
"""A candidate with |g - P g|^2 <= IN_SPAN |g|^2 lies in the span of the other neurons."""

BETTER = 1e-10
"""An exchange must lower |y - N|^2 by more than this part of what it is without the neuron."""

DISPLACED = 3
"""How many neurons a random displacement moves."""


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike = None, state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Exchange hyperplanes from the network's on, under the monitor's eyes.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Binary, with one hidden layer.
    objective : Objective
        The mean squared error to minimise.
    monitor : Monitor
        Records the start, and the best network so far after each step.
    n_steps : int
        The largest number of sweeps.
    tolerance : float
        A sweep that gains no more than this part of the loss has ended its descent.
    rng : None, int, Generator or SeedSequence
        Draws the order of the neurons, directions and displacements.
    state : dict, optional
        What an earlier run at the same samples left in ``monitor.state``; the run goes on from there, bit
        for bit as if it had not ended.

    Returns
    -------
    (converged, message)

    Raises
    ------
    ValueError
        If the network is not binary, is deeper or the loss is another.
    """
    _check(network, objective)
    state = state_for(objective, state)
    rng = generator(rng) if state is None else restored(state["rng"])
    best = current = _point(objective, network.to_vector())
    failures, ended = 0, False
    if state is not None:
        current, best = _point(objective, state["vector"]), _point(objective, state["best"])
        failures, ended = int(state["failures"]), bool(state["ended"])
    monitor.record(*best)
    for done in range(n_steps + 1):
        if failures > ATTEMPTS or best.loss <= _noise(objective):
            return True, "converged: no exchange of a hyperplane lowers the loss"
        if done == n_steps:
            break
        if ended:
            current = _displace(network, objective, best, rng)
        before, current = current, _sweep(network, objective, current, rng)
        ended = before.loss - current.loss <= tolerance * before.loss
        better = best.loss - current.loss > tolerance * best.loss
        failures = 0 if better else failures + ended
        best = min(best, current, key=_loss)
        monitor.record(*best, state={
            "method": "exchange", "vector": current.vector, "loss": current.loss, "best": best.vector,
            "failures": failures, "ended": ended, "rng": rng.bit_generator.state,
        })
    return False, f"the limit of {n_steps} steps is reached"


def _point(objective: Objective, vector: Array) -> _Point:
    return _Point(vector, objective.value(vector))


class _Point(NamedTuple):
    """A network's flat vector and its loss."""

    vector: Array
    loss: float


def _loss(point: _Point) -> float:
    """Return the point's loss."""
    return point.loss


def _check(network: Network, objective: Objective) -> None:
    """Refuse what the exchange of hyperplanes is not made for."""
    kind = f"a {network.activation} network of {network.depth} hidden layers"
    if network.activation != "binary" or network.depth != 1:
        raise ValueError(f"`method` 'exchange' is for binary networks of one hidden layer, got {kind}")
    if objective.loss is not mean_squared_error:
        raise ValueError("`method` 'exchange' needs loss 'mse', got 'cross_entropy'")


def _noise(objective: Objective) -> float:
    """Return the mean squared error that rounding alone leaves of an exact fit."""
    rounding = gamma(objective.H.shape[1] + objective.vector.size)
    return rounding**2 * float(np.mean(np.sum(objective.y**2, axis=1)))


class Span:
    """Columns in the sample space, their dual basis and the residual of y against them.

    A column that depends on the others, or has not been put yet, has the dual vector 0 and does
    not count.

    Parameters
    ----------
    y : array (n_samples, n_outputs)
    n_columns : int
    """

    def __init__(self, y: Array, n_columns: int) -> None:
        self.residual = y.copy()
        self.columns = np.zeros((len(y), n_columns))
        self.dual = np.zeros((len(y), n_columns))

    def direction(self, j: int) -> Array:
        """Return the unit vector that the span loses with column j, or 0."""
        v = self.dual[:, j]
        return v / (np.linalg.norm(v) or 1.0)

    def remove(self, j: int, y: Array) -> Array:
        """Take column j out and return `direction(j)` as it was.

        v_i <- v_i - d d.v_i,   r <- r + d d.y
        """
        d = self.direction(j)
        self.dual -= np.outer(d, d @ self.dual)
        self.residual += np.outer(d, d @ y)
        self.columns[:, j] = self.dual[:, j] = 0.0
        return d

    def put(self, j: int, g: Array) -> Array:
        """Put g in the place of the removed column j and return the unit vector q that the span gains.

        p = g - P g,   v_i <- v_i - (v_i.g) p / |p|^2,   v_j = p / |p|^2,   r <- r - q q.r
        """
        p = g - self.dual @ (self.columns.T @ g)
        p -= self.dual @ (self.columns.T @ p)  # once more: what rounding left of P g
        size = float(p @ p)
        if size <= IN_SPAN * float(g @ g):
            return np.zeros_like(p)
        self.dual -= np.outer(p / size, g @ self.dual)
        self.columns[:, j], self.dual[:, j] = g, p / size
        q = p / np.sqrt(size)
        self.residual -= np.outer(q, q @ self.residual)
        return q


class Exchange:
    """A network's columns and, of all candidates at once, what each would gain in a column's place.

    Parameters
    ----------
    pool : Pool
    y : array (n_samples, n_outputs)
    columns : array (n_samples, n_columns)

    Attributes
    ----------
    span : Span
        Of the columns.
    free : array (m, n_samples)
        |g - P g|^2 of every candidate g, P the projection onto the span; inf if g is not allowed.
    correlations : array (n_outputs, m, n_samples)
        g.r of every candidate, r the residual.
    """

    def __init__(self, pool: Pool, y: Array, columns: Array) -> None:
        self.pool, self.y, self.span = pool, y, Span(y, columns.shape[1])
        self.free = np.where(pool.allowed, pool.counts, np.inf)
        self.correlations = np.stack([pool.products(v) for v in y.T])
        self._floor = IN_SPAN * pool.counts
        self._products, self._term, self._size, self._decrease = np.empty((4, *self.free.shape))
        for j, g in enumerate(columns.T):
            self._put(j, g)

    def gains(self, j: int) -> Array:
        """Return the decrease of |y - N|^2 by each candidate in the place of column j, (m, n_samples).

        It is counted from the network without column j, and 0 for candidates that are not allowed
        or lie in the span of the other columns. With d what the span loses with column j,

            (|g.r + g.d d.y|^2) / (|g - P g|^2 + |g.d|^2).

        The next call overwrites the array.
        """
        d = self.span.direction(j)
        products, size = self.pool.products(d, out=self._products), self._size
        np.multiply(products, products, out=size)
        size += self.free
        size[size <= self._floor] = np.inf
        self._decrease.fill(0.0)
        for correlation, t in zip(self.correlations, d @ self.y):
            term = np.multiply(products, t, out=self._term)
            term += correlation
            term *= term
            self._decrease += term
        return np.divide(self._decrease, size, out=self._decrease)

    def improve(self, j: int) -> tuple[int, int] | None:
        """Put the best candidate (i, s) in the place of column j and return it; None if none is better."""
        gains = self.gains(j)
        i, s = divmod(int(np.argmax(gains)), gains.shape[1])
        present = float(np.sum((self.span.direction(j) @ self.y) ** 2))
        total = float(np.sum(self.span.residual**2)) + present
        if gains[i, s] - present <= BETTER * total:
            return None
        d = self.span.remove(j, self.y)
        self._change(d, d @ self.y)
        self._put(j, self.pool.column(i, s))
        return i, s

    def _put(self, j: int, g: Array) -> None:
        before = self.span.residual.copy()
        q = self.span.put(j, g)
        self._change(q, -(q @ before), sign=-1.0)

    def _change(self, q: Array, steps: Array, sign: float = 1.0) -> None:
        """Follow the span's loss (sign 1) or gain (-1) of the unit vector q: r <- r + q steps."""
        products = self.pool.products(q, out=self._products)
        for correlation, step in zip(self.correlations, steps):
            correlation += np.multiply(products, step, out=self._term)
        products *= products
        products *= sign
        self.free += products


def _sweep(network: Network, objective: Objective, point: _Point, rng: np.random.Generator) -> _Point:
    """Return the point after each neuron was exchanged, spare ones first; never a worse one."""
    block = network.layout.blocks(point.vector.copy())[0]
    X = objective.H[:-1].T
    pool = make_pool(network, X, directions(network, X, block[:-1].T, rng))
    exchange = Exchange(pool, objective.y, _columns(network, objective, block))
    bias = int(network.output_bias is not None)
    order = rng.permutation(block.shape[1])
    used = np.asarray(exchange.span.dual[:, bias + order].any(axis=0))
    for j in order[np.argsort(used, kind="stable")]:
        found = exchange.improve(bias + j)
        if found is not None:
            block[:, j] = pool.neuron(*found)
    return min(point, _solve(network, objective, block), key=_loss)


def _columns(network: Network, objective: Objective, block: Array) -> Array:
    """Return the activations (n_samples, n_neurons) of a hidden layer, behind ones for an output bias."""
    H = objective.activation.value(block.T @ objective.H).T
    return H if network.output_bias is None else np.hstack([np.ones((len(H), 1)), H])


def _solve(network: Network, objective: Objective, block: Array) -> _Point:
    """Return the point of this hidden layer with the outgoing weights of least squares."""
    columns = _columns(network, objective, block)
    C = np.linalg.lstsq(columns, objective.y, rcond=None)[0]
    if network.output_bias is not None:
        C = np.roll(C, -1, axis=0)
    vector = np.concatenate([block.ravel(), C.ravel()])
    return _Point(vector, objective.value(vector))


def _displace(network: Network, objective: Objective, point: _Point, rng: np.random.Generator) -> _Point:
    """Return the point with a few neurons replaced by random candidates."""
    block = network.layout.blocks(point.vector.copy())[0]
    X = objective.H[:-1].T
    pool = make_pool(network, X, directions(network, X, block[:-1].T, rng))
    allowed = np.argwhere(pool.allowed)
    n_neurons = block.shape[1]
    for j in rng.permutation(n_neurons)[:DISPLACED]:
        if len(allowed):
            block[:, j] = pool.neuron(*allowed[rng.integers(len(allowed))])
    return _solve(network, objective, block)
