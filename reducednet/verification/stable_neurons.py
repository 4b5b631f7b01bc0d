"""Prove which neurons are stable: dead or always on over the whole domain."""
from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..domains import Domain
from ..networks.network import Network, check_domain, check_network
from ..numerics.rationals import rationals
from ..numerics.records import read_only, record
from .difference_bounds.affine_forms import region_of
from .difference_bounds.difference import difference
from .difference_bounds.neuron_matching import no_match
from .exact_basis import Basis

LINEAR_NUMBERS = 20_000_000
"""The largest number of slopes of one layer; above that, use intervals alone."""


@record
class StableNeurons(NamedTuple):
    """The neurons proved stable, in one boolean array for each hidden layer.

    Attributes
    ----------
    dead : tuple of bool arrays (n_l,)
        z <= 0 on the domain: the neuron is 0.
    always_on : tuple of bool arrays (n_l,)
        ReLU: z >= 0 on the domain, so that the neuron is z. Binary: z > 0, so that it is 1.
    """

    dead: tuple[np.ndarray, ...]
    always_on: tuple[np.ndarray, ...]

    @property
    def unstable(self) -> tuple[np.ndarray, ...]:
        """The neurons proved neither dead nor always on."""
        return tuple(~(dead | on) for dead, on in zip(self.dead, self.always_on))

    def __repr__(self) -> str:
        layers = zip(self.dead, self.always_on, self.unstable)
        words = (f"{d.sum()} dead, {on.sum()} always on, {rest.sum()} unstable" for d, on, rest in layers)
        return f"StableNeurons({'; '.join(words)})"


def stable_neurons(network: Network, domain: Domain) -> StableNeurons:
    """Return which neurons are proved to be dead, or always on, over the domain.

    Bound every z by intervals and by linear functions of the inputs, rounding errors included. In
    the first layer, decide signs in rationals where a bound is within rounding of 0. A neuron
    called unstable may be stable all the same: bounds get looser from layer to layer.

    Parameters
    ----------
    network : Network
        ReLU or binary, of any depth.
    domain : Box, Ball or Hull

    Returns
    -------
    StableNeurons

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or the domain has another dimension.

    References
    ----------
    THEORY, Prop. 2; PROOFS, section 19.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[1.0], [1.0], [1.0]]], [[-2.0, -0.5, 1.0]], [[1.0, 1.0, 1.0]])
    >>> stable_neurons(net, Box(0, 1))
    StableNeurons(1 dead, 1 always on, 1 unstable)
    """
    network, domain = check_network(network), check_domain(network, domain)
    linear = max(network.sizes) * (network.n_inputs + 2) <= LINEAR_NUMBERS
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = difference((network,), region_of(domain), no_match, linear)
    lows = [layer[0].low[:, 0] for layer in found.layers]
    highs = [layer[0].high[:, 0] for layer in found.layers]
    _decide_signs(network, domain, lows[0], highs[0])
    binary = network.activation == "binary"
    dead = tuple(high <= 0.0 for high in highs)
    on = tuple((low > 0.0 if binary else low >= 0.0) & ~d for low, d in zip(lows, dead))
    return StableNeurons(read_only(dead), read_only(on))


def _decide_signs(network: Network, domain: Domain, low: np.ndarray, high: np.ndarray) -> None:
    """Replace the first layer's bounds by their exact signs where one is within rounding of 0."""
    largest = np.abs(domain.bounding_box()).max(axis=0)
    magnitude = np.abs(network.weights[0]) @ largest + np.abs(network.thresholds[0])
    basis = Basis(domain, network.activation == "binary")
    near_0 = np.minimum(np.abs(low), np.abs(high)) <= 2.0**-30 * magnitude + 2.0**-1000
    for j in np.flatnonzero(near_0):
        row = rationals([network.thresholds[0][j], *network.weights[0][j]])
        z = {i: value for i, value in enumerate(row) if value != Fraction(0)}
        low[j], high[j] = (float((bound > 0) - (bound < 0)) for bound in basis.signed_bounds(z))
