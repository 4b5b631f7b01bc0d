"""Neurons that never change: dead or always on over the whole domain, proved."""
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
"""The largest number of slopes that is kept of a layer."""


@record
class StableNeurons(NamedTuple):
    """What is proved of each neuron, one boolean array a hidden layer.

    Attributes
    ----------
    dead : tuple of bool arrays (n_l,)
        z <= 0 on the domain: the neuron is 0.
    always_on : tuple of bool arrays (n_l,)
        ReLU: z >= 0 on the domain, the neuron is affine where those below it are. Binary: z > 0, it is 1.
    """

    dead: tuple[np.ndarray, ...]
    always_on: tuple[np.ndarray, ...]

    @property
    def unstable(self) -> tuple[np.ndarray, ...]:
        """The neurons of which neither is proved."""
        return tuple(~(dead | on) for dead, on in zip(self.dead, self.always_on))

    def __repr__(self) -> str:
        layers = zip(self.dead, self.always_on, self.unstable)
        words = (f"{d.sum()} dead, {on.sum()} always on, {rest.sum()} unstable" for d, on, rest in layers)
        return f"StableNeurons({'; '.join(words)})"


def stable_neurons(network: Network, domain: Domain) -> StableNeurons:
    """Return which neurons are proved to be dead, or always on, over the domain.

    Bounds of every z by intervals and by linear bounds in the inputs, every rounding charged; in the first
    layer bounds that end within rounding of 0 are replaced by exact ones. What is not proved is called
    unstable and may be stable all the same, the more so the deeper it lies.

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
    THEORY, Prop. 2 and section 9.

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
    _sharpen(network, domain, lows[0], highs[0])
    binary = network.activation == "binary"
    dead = tuple(high <= 0.0 for high in highs)
    on = tuple((low > 0.0 if binary else low >= 0.0) & ~d for low, d in zip(lows, dead))
    return StableNeurons(read_only(dead), read_only(on))


def _sharpen(network: Network, domain: Domain, low: np.ndarray, high: np.ndarray) -> None:
    """Put exact signs in the place of the first layer's bounds that end within rounding of 0."""
    ends = np.abs(domain.bounding_box()).max(axis=0)
    size = np.abs(network.weights[0]) @ ends + np.abs(network.thresholds[0])
    basis = Basis(domain, network.activation == "binary")
    for j in np.flatnonzero(np.minimum(np.abs(low), np.abs(high)) <= 2.0**-30 * size + 2.0**-1000):
        row = rationals([network.thresholds[0][j], *network.weights[0][j]])
        signs = basis.extremes({i: value for i, value in enumerate(row) if value != Fraction(0)})
        low[j], high[j] = (float((end > 0) - (end < 0)) for end in signs)
