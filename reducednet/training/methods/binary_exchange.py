"""Train shallow binary networks by exact exchange of hyperplanes.

The outgoing weights of a binary network solve a linear least squares problem, and on n samples a
neuron is no more than the set of samples that it activates: finitely many hyperplanes matter. A
step sweeps over the neurons. For each one it tries every candidate hyperplane instead, with all
outgoing weights solved for again, and keeps the best. With g the candidate's column of zeros and
ones, P the projection onto the span of the other neurons' columns and r = y - P y,

    decrease of |y - N|^2 = |r.g|^2 / |g - P g|^2.

With the samples sorted along a direction, r.g and |P g|^2 are cumulative sums: all thresholds along
a direction cost what one costs. The span is stored as its dual basis v_j (v_j.h_i = 1 if i = j,
else 0), because v_j / |v_j| is the unit vector that the span loses without column j. Every change
is a rank-one update.

When no single exchange helps, a few neurons are replaced at random, and the sweeps that follow
count only if they end below the best network so far.

For one input the candidates are the midpoints between neighbouring samples in both orientations and
the constant neuron, which is all there is. For more inputs they are all thresholds along three
kinds of directions, drawn again for each sweep: random ones, normals of planes through the data,
and those near the present neurons' weights.

References
----------
THEORY, section 8. V. V. Fedorov, *Theory of Optimal Experiments* (1972), exchanges the points of a
design in this way; the formula is that of orthogonal least squares, S. Chen, S. A. Billings,
W. Luo, Int. J. Control 50 (1989).
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._validation import Array, RandomLike, generator
from ...networks.network import Network
from ...numerics.rounding import gamma
from ..monitor import Monitor
from ..objective import Objective
from .binary_candidates import Pool, directions, make_pool

ATTEMPTS = 20
"""After this many random displacements in a row without a better network the run has converged."""

IN_SPAN = 1e-9
"""A candidate with |g - P g|^2 <= IN_SPAN |g|^2 lies in the span of the other neurons."""

BETTER = 1e-10
"""An exchange must lower |y - N|^2 by more than this share of its value without the neuron."""

DISPLACED = 3
"""How many neurons a random displacement moves."""


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike = None,
) -> tuple[bool, str]:
    """Exchange hyperplanes, starting from the network's, and record each sweep in the monitor.

    Parameters
    ----------
    network : Network or ReducedNetwork
        A binary network with one hidden layer.
    objective : Objective
        The mean squared error to minimise.
    monitor : Monitor
        Records the start, and the best network so far after each step.
    n_steps : int
        The largest number of sweeps.
    tolerance : float
        A descent has ended when a sweep lowers the loss by no more than this share of it.
    rng : None, int, Generator or SeedSequence
        Draws the order of the neurons, directions and displacements.

    Returns
    -------
    (converged, message)
    """
    rng = generator(rng)
    best = current = _point(objective, network.to_vector())
    failures, ended = 0, False
    monitor.record(*best)
    for done in range(n_steps + 1):
        if failures > ATTEMPTS or best.loss <= _rounding_floor(objective):
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
        monitor.record(*best)
    return False, f"the limit of {n_steps} steps is reached"


def _point(objective: Objective, vector: Array) -> _Point:
    """Return the vector with its loss."""
    return _Point(vector, objective.value(vector))


class _Point(NamedTuple):
    """A network's flat vector and its loss."""

    vector: Array
    loss: float


def _loss(point: _Point) -> float:
    """Return the point's loss."""
    return point.loss


def _rounding_floor(objective: Objective) -> float:
    """Return the mean squared error that rounding alone leaves in an exact fit."""
    rounding = gamma(objective.H.shape[1] + objective.vector.size)
    return rounding**2 * float(np.mean(np.sum(objective.y**2, axis=1)))


class Span:
    """The span of columns of length n_samples: the columns, their dual basis, the residual of y.

    A column that depends on the others, or has not been put in yet, has the dual vector 0 and is
    ignored.

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
        """Return the unit vector that the span loses without column j, or 0."""
        v = self.dual[:, j]
        return v / (np.linalg.norm(v) or 1.0)

    def remove(self, j: int, y: Array) -> Array:
        """Remove column j and return `direction(j)` as it was before.

        v_i <- v_i - d d.v_i,   r <- r + d d.y
        """
        d = self.direction(j)
        self.dual -= np.outer(d, d @ self.dual)
        self.residual += np.outer(d, d @ y)
        self.columns[:, j] = self.dual[:, j] = 0.0
        return d

    def put(self, j: int, g: Array) -> Array:
        """Put g in as the removed column j and return the unit vector q that the span gains.

        p = g - P g,   v_i <- v_i - (v_i.g) p / |p|^2,   v_j = p / |p|^2,   r <- r - q q.r
        """
        p = g - self.dual @ (self.columns.T @ g)
        p -= self.dual @ (self.columns.T @ p)  # once more, for what rounding left of P g
        squared_norm = float(p @ p)
        if squared_norm <= IN_SPAN * float(g @ g):
            return np.zeros_like(p)
        self.dual -= np.outer(p / squared_norm, g @ self.dual)
        self.columns[:, j], self.dual[:, j] = g, p / squared_norm
        q = p / np.sqrt(squared_norm)
        self.residual -= np.outer(q, q @ self.residual)
        return q


class Exchange:
    """A network's columns, and for all candidates at once the gain of replacing a column by them.

    Parameters
    ----------
    pool : Pool
    y : array (n_samples, n_outputs)
    columns : array (n_samples, n_columns)

    Attributes
    ----------
    span : Span
        The span of the columns.
    squared_distances : array (m, n_samples)
        |g - P g|^2 of every candidate g, P the projection onto the span; inf if g is not allowed.
    correlations : array (n_outputs, m, n_samples)
        g.r of every candidate, r the residual.
    """

    def __init__(self, pool: Pool, y: Array, columns: Array) -> None:
        self.pool, self.y, self.span = pool, y, Span(y, columns.shape[1])
        self.squared_distances = np.where(pool.allowed, pool.counts, np.inf)
        self.correlations = np.stack([pool.products(v) for v in y.T])
        self._floor = IN_SPAN * pool.counts
        buffers = np.empty((4, *self.squared_distances.shape))
        self._products, self._term, self._denominator, self._decrease = buffers
        for j, g in enumerate(columns.T):
            self._put(j, g)

    def gains(self, j: int) -> Array:
        """Return how much each candidate lowers |y - N|^2 as column j, an array (m, n_samples).

        The comparison is with the network without column j. The decrease is 0 for candidates that
        are not allowed or lie in the span of the other columns. With d = `direction(j)` of the span
        it is

            |g.r + g.d d.y|^2 / (|g - P g|^2 + |g.d|^2).

        The next call overwrites the array.
        """
        d = self.span.direction(j)
        products, denominator = self.pool.products(d, out=self._products), self._denominator
        np.multiply(products, products, out=denominator)
        denominator += self.squared_distances
        denominator[denominator <= self._floor] = np.inf
        self._decrease.fill(0.0)
        for correlation, t in zip(self.correlations, d @ self.y):
            term = np.multiply(products, t, out=self._term)
            term += correlation
            term *= term
            self._decrease += term
        return np.divide(self._decrease, denominator, out=self._decrease)

    def improve(self, j: int) -> tuple[int, int] | None:
        """Replace column j by the best candidate and return its (i, s); None if none is better."""
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
        """Put g in as column j."""
        before = self.span.residual.copy()
        q = self.span.put(j, g)
        self._change(q, -(q @ before), sign=-1.0)

    def _change(self, q: Array, steps: Array, sign: float = 1.0) -> None:
        """Update for a unit vector q that the span loses (sign 1) or gains (-1): r += q steps."""
        products = self.pool.products(q, out=self._products)
        for correlation, step in zip(self.correlations, steps):
            correlation += np.multiply(products, step, out=self._term)
        products *= products
        products *= sign
        self.squared_distances += products


def _sweep(
    network: Network, objective: Objective, point: _Point, rng: np.random.Generator
) -> _Point:
    """Try to exchange each neuron once, spare ones first; return a point that is not worse."""
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
    """Return the activations (n_samples, n_neurons) of a layer, after ones if there is a bias."""
    H = objective.activation.value(block.T @ objective.H).T
    return H if network.output_bias is None else np.hstack([np.ones((len(H), 1)), H])


def _solve(network: Network, objective: Objective, block: Array) -> _Point:
    """Return the point of this hidden layer with the outgoing weights by least squares."""
    columns = _columns(network, objective, block)
    C = np.linalg.lstsq(columns, objective.y, rcond=None)[0]
    if network.output_bias is not None:
        C = np.roll(C, -1, axis=0)
    vector = np.concatenate([block.ravel(), C.ravel()])
    return _Point(vector, objective.value(vector))


def _displace(
    network: Network, objective: Objective, point: _Point, rng: np.random.Generator
) -> _Point:
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
