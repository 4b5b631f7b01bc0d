"""The neurons of one hidden layer on a domain: unit rows, their kinds, and how far off these are."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.activations import ACTIVATIONS
from ..networks.network import Network
from ..numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from ..reduced_space.intervals import LayerSpace
from ..reduced_space.layer_reduction import unit_directions


class ShallowNeurons(NamedTuple):
    """One hidden layer in units of its rows' norms, z_j = scales_j (units_j.x + t_j) + error_j.

    Attributes
    ----------
    W, b, C : arrays (n, d), (n,), (K, n)
        As the network has them.
    units, norms, t : arrays (n, d), (n,), (n,)
    scales : array (n,)
        What goes to the outgoing column: the norms for ReLU, ones for binary.
    on, cut, constant : bool arrays (n,)
        Always on; through the interior; a zero row. Neurons without outgoing weights are none of
        these, and neither are dead ones.
    error : array (n,)
        max over the domain of the error of z_j.
    overlap : array (n,)
        How far the z_j of a dead or an always-on neuron can still be on the other side of 0.
    A : array (d,)
        The largest |x_i|.
    X_B : float
    """

    W: Array
    b: Array
    C: Array
    units: Array
    norms: Array
    t: Array
    scales: Array
    on: np.ndarray
    cut: np.ndarray
    constant: np.ndarray
    error: Array
    overlap: Array
    A: Array
    X_B: float


def largest_inputs(domain: Domain) -> Array:
    """Return A >= |x_i| on the domain, as (n_inputs,), rounding included."""
    largest = np.abs(domain.bounding_box()).max(axis=0)
    return np.asarray(largest * (1.0 + gamma(domain.n_inputs + 4)) + SMALLEST)


def end_slack(domain: Domain, units: Array) -> Array:
    """Return twice what `reduce` allows for the rounding of each unit row's interval ends, as (n,)."""
    return 2.0 * LayerSpace(domain, ACTIVATIONS["relu"], "support").rounding(units)


def shallow_neurons(network: Network, domain: Domain) -> ShallowNeurons:
    """Return the neurons of the one hidden layer, with their kinds on the domain.

    With [low, high] = I(w), a threshold t within rounding of low makes a dead neuron, one within rounding of
    high one that is always on. If it is both, the nearer end decides.

    References
    ----------
    THEORY, Prop. 2 and section 5.
    """
    (W,), (b,), C = network.weights, network.thresholds, network.output_weights
    units, norms = unit_directions(W)
    A, slack = largest_inputs(domain), end_slack(domain, units)
    zero, used = norms == 0.0, C.any(axis=0)
    t = b / np.where(zero, 1.0, norms)
    above, below = t + domain.support(units), domain.support(-units) - t
    dead, on = above <= np.minimum(slack, below), below <= slack
    ones = np.ones_like(norms) if network.activation == "binary" else norms
    error = _scaling_error(W, b, units, norms, t, A)
    overlap = np.maximum(norms * (np.where(dead, above, below) + slack) + error, 0.0)
    overlap[zero | ~np.isfinite(t) | ~(dead | on)] = 0.0
    return ShallowNeurons(
        W, b, C, units, norms, t, ones, used & on & ~dead & ~zero, used & ~dead & ~on & ~zero, used & zero,
        np.where(zero | ~np.isfinite(t), 0.0, error), np.where(used, overlap, 0.0), A, domain.norm_bound,
    )


def _scaling_error(W: Array, b: Array, units: Array, norms: Array, t: Array, A: Array) -> Array:
    """Return max over the domain of |w.x + b - norm (unit.x + t)|: the residual, and its own rounding."""
    off = np.abs(W - norms[:, np.newaxis] * units) @ A + np.abs(b - norms * t)
    rounding = 4.0 * UNIT_ROUNDOFF * (np.abs(W) @ A + np.abs(b)) + 2.0 * SMALLEST * (A.sum() + 1.0)
    return np.asarray((off + rounding) * (1.0 + gamma(len(A) + 8)))
