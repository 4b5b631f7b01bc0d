"""Bound the difference between a network and its reduction.

Only the two networks are looked at, whatever the reduction decided on the way.

References
----------
PROOFS, section 8.
"""
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from .._validation import Array, instance, message, same_inputs
from ..networks.network import Network, check_network
from ..numerics.rounding import gamma
from ..reduced_space.reduced_network import ReducedNetwork
from ..reduced_space.rounding_error import forward_error
from .difference_bounds.affine_forms import region_of
from .difference_bounds.difference import Matcher, difference, linear_forms_are_cheap
from .difference_bounds.neuron_matching import TOLERANCES, same_hyperplanes, same_indices
from .symbolic_bounds.symbolic_difference import (
    propose_symbolic_proof, symbolic_bound, symbolic_cost,
)
from .symbolic_bounds.symbolic_network import FINEST_PRECISION

MOST_PRODUCTS = 1e10
"""How many products symbolic rows may cost: some seconds."""


def reduction_bound(network: Network, reduced: ReducedNetwork) -> Array:
    """Return a bound on |fl(N(x)) - fl(R(x))| on R's domain, where R is a reduction of N.

    |fl(N) - fl(R)| <= |fl(N) - N| + |N - R| + |R - fl(R)|

    The first and the last part are the `evaluation_bound` of both networks. The middle one is
    measured on the two networks by provers of `verify`: it includes the rounding errors of the
    reduction and the errors of thresholds clipped to their intervals. Further provers are asked
    only while the middle part is larger than the others, so they could halve the bound at most.

    For binary networks nothing is measured: the bound holds if R is a reduction of N, at points
    that are `decided` for N. There the hidden neurons agree, except those that ``spare="redraw"``
    drew anew, on which no output depends. Sums of constants may be rounded.

    Parameters
    ----------
    network : Network
    reduced : ReducedNetwork
        The result of `reduce` or `reduce_paper` for it. For other ReLU networks of its depth the
        bound holds too, but is large.

    Returns
    -------
    array (n_outputs,)
        inf where a bound leaves the range of float64.

    Raises
    ------
    ValueError
        If `reduced` has another activation, depth or number of inputs or outputs, or fewer neurons
        in a layer.

    References
    ----------
    PROOFS, section 8.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduction import reduce
    >>> net = Network.random((2, 10, 1), rng=0)
    >>> red = reduce(net, Box([0, 0], [1, 1]))
    >>> bool(abs(net([[0.3, 0.4]]) - red([[0.3, 0.4]])) <= reduction_bound(net, red))
    True
    """
    network = check_network(network)
    _check_pair(network, instance(reduced, "reduced", ReducedNetwork, "a ReducedNetwork"))
    binary = network.activation == "binary"
    extra = reduced.sizes[-2] + 2 if binary else 0  # constants that `spare="redraw"` adds up
    domain = reduced.domain
    evaluation = forward_error(network, domain, extra) + forward_error(reduced, domain, extra)
    if binary:
        return evaluation
    return (evaluation + real_difference(network, reduced, evaluation)) * (1.0 + gamma(4))


def real_difference(network: Network, reduced: ReducedNetwork, enough: Array | float = 0.0) -> Array:
    """Return a bound on |N(x) - R(x)| over R's domain, in real arithmetic, for each output.

    It is the smallest that the provers find: with neurons of the same index matched, then with
    those on one hyperplane, then with both networks written over the same symbolic columns. Stop
    once no output's bound exceeds `enough`.
    """
    provers: list[Callable[[Network, ReducedNetwork], Array | float]] = [
        lambda f, g: _matched_difference(f, g, same_indices),
        lambda f, g: _matched_difference(
            f, g, same_hyperplanes(region_of(g.domain), TOLERANCES[0], opposite=False)),
        _symbolic_difference,
    ]
    bound = np.full(network.n_outputs, np.inf)
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        for prover in provers:
            bound = np.fmin(bound, prover(network, reduced))
            if (bound <= enough).all():
                break
    return bound


def _matched_difference(f: Network, g: ReducedNetwork, matcher: Matcher) -> Array:
    """Return the bound on |f - g| for each output with these neurons matched; it may be nan."""
    region = region_of(g.domain)
    found = difference((f, g), region, matcher, linear_forms_are_cheap(f, g))
    low, high = region.bounds(found.forms)
    return np.maximum(-low, high)[:, 0]


def _symbolic_difference(f: Network, g: ReducedNetwork) -> float:
    """Return the bound on |f - g| by symbolic rows; inf where these are too costly or overflow."""
    if symbolic_cost(f, g) <= MOST_PRODUCTS:
        with suppress(ArithmeticError, ValueError):  # a bound leaves the range of float64
            arrays = propose_symbolic_proof(
                f, g, g.domain, FINEST_PRECISION, exclude=False, effort=None,
                check_time=lambda: None)
            if arrays is not None:
                return symbolic_bound(arrays, f, g, g.domain)
    return np.inf


def _check_pair(network: Network, reduced: ReducedNetwork) -> None:
    """Raise a ValueError if `reduced` cannot be a reduction of the network."""
    same_inputs(network.n_inputs, reduced.n_inputs)
    if network.activation != reduced.activation:
        expected = f"a {network.activation} network, as `network`"
        raise ValueError(message("reduced", expected, reduced.activation))
    given, own = network.sizes, reduced.sizes
    wider = len(given) == len(own) and all(n <= m for n, m in zip(given, own))
    if not (wider and given[-1] == own[-1]):
        raise ValueError(message("reduced", f"of sizes {given}, or wider hidden layers", own))
