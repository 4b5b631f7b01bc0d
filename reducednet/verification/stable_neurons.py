"""Prove which neurons are stable: dead or always on over the whole domain."""
from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .._validation import Array, choice, message, number
from ..domains import Domain
from ..networks.network import Network, check_domain, check_network
from ..numerics.rationals import rationals
from ..numerics.records import read_only, record
from .difference_bounds.affine_forms import region_of
from .difference_bounds.difference import difference
from .difference_bounds.neuron_matching import no_match
from .exact_basis import Basis
from .symbolic_bounds.linear_programs import KINDS_OF_BOUNDS, Effort
from .symbolic_bounds.symbolic_difference import proved_neuron_bounds
from .symbolic_bounds.symbolic_network import MOST_NUMBERS

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


def stable_neurons(
    network: Network, domain: Domain, bounds: str = "linear", time_limit: float = 60.0
) -> StableNeurons:
    """Return which neurons are proved to be dead, or always on, over the domain.

    Bound every z by intervals and by linear functions of the inputs, rounding errors included. In
    the first layer, decide signs in rationals where a bound is within rounding of 0. A neuron
    called unstable may be stable all the same: bounds get looser from layer to layer. With "lp" and
    "milp", more signs of ReLU neurons are found, as in `compress`; a solver proposes them, and they
    count only if they are proved again without it.

    Parameters
    ----------
    network : Network
        ReLU or binary, of any depth.
    domain : Box, Ball or Hull
    bounds : "linear", "lp" or "milp"
        How to find the signs of ReLU neurons: by linear functions of the inputs; besides, by
        back-substitution and a linear program for each sign; or with branch and bound as well,
        which settles each sign in the end, but for those within rounding of 0.
    time_limit : float
        Seconds after which no further linear program begins.

    Returns
    -------
    StableNeurons

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the domain has another dimension, `bounds` is another
        word, the time limit is not positive, or the network is too large for linear programs.

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
    choice(bounds, "bounds", KINDS_OF_BOUNDS)
    time_limit = number(time_limit, "time_limit", above=0.0)
    deadline = time.monotonic() + time_limit
    linear = max(network.sizes) * (network.n_inputs + 2) <= LINEAR_NUMBERS
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = difference((network,), region_of(domain), no_match, linear)
    lows = [layer[0].low[:, 0] for layer in found.layers]
    highs = [layer[0].high[:, 0] for layer in found.layers]
    _decide_signs(network, domain, lows[0], highs[0])
    binary = network.activation == "binary"
    if bounds != "linear" and not binary:
        if max(network.sizes) * sum(network.sizes[:-1]) > MOST_NUMBERS:
            expected = f"of at most {MOST_NUMBERS} numbers, neurons times columns, for linear programs"
            raise ValueError(message("network", expected, repr(network)))
        _sharpen(network, domain, Effort(bounds == "milp", deadline), lows, highs)
    dead = tuple(high <= 0.0 for high in highs)
    on = tuple((low > 0.0 if binary else low >= 0.0) & ~d for low, d in zip(lows, dead))
    return StableNeurons(read_only(dead), read_only(on))


def _sharpen(
    network: Network, domain: Domain, effort: Effort, lows: list[Array], highs: list[Array]
) -> None:
    """Replace bounds by sharper ones that linear programs find and a checker proves, in place.

    The first layer's are signs where these were decided in rationals: bounds of the same sign
    change nothing there.
    """
    with suppress(ArithmeticError, ValueError):  # what leaves the range of float64 proves nothing
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            proved = proved_neuron_bounds(network, domain, effort)
        for own, low, high in zip(proved, lows, highs):
            np.maximum(low, own[0], out=low)
            np.minimum(high, own[1], out=high)


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
