"""Bound the difference between a network and its reduction.

The bound is computed from the two networks absorbed, whatever the reduction decided on the way.

References
----------
THEORY, section 7.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, instance, message, same_inputs
from ..domains import Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network, check_network
from ..networks.parameters import Affine
from ..numerics.rounding import SMALLEST, gamma
from ..numerics.sphere import normalise
from ..reduced_space.reduced_network import ReducedNetwork
from ..reduced_space.rounding_error import forward_error

THIN = 2.0**-30
"""Two directions, or a neuron and a constant, count as equal up to rounding below this."""


class Enclosure(NamedTuple):
    """Bounds of a layer's values in the reduced network: |h - middle| <= half, |h| <= largest."""

    middle: Array
    half: Array
    largest: Array


class Layer(NamedTuple):
    """A hidden layer of the reduced network: z = V h + c in [low, high].

    magnitude : bounds of the sums of the absolute values of all terms
    """

    V: Array
    c: Array
    low: Array
    high: Array
    magnitude: Array


class OverReduced(NamedTuple):
    """A layer of the network over the reduced layer below: |z - F h - beta| <= error.

    magnitude : bounds of the sums of the absolute values of all terms
    """

    F: Array
    beta: Array
    magnitude: Array
    error: Array


class Link(NamedTuple):
    """A layer of the network in terms of the reduced one: |h_N - S h_R - constants| <= error.

    (S h)_j = scales_j h_j. For the neurons `split` add partners_i h_(n + i): `reduce_paper` appends
    a second neuron for each of them, in this order.
    """

    scales: Array
    split: np.ndarray
    partners: Array
    constants: Array
    error: Array

    def after(self, X: Array) -> Array:
        """Return S X, for a matrix or a vector X."""
        if X.ndim == 1:
            return self.after(X[:, np.newaxis])[:, 0]
        n = len(self.scales)
        product = self.scales[:, np.newaxis] * X[:n]
        product[self.split] += self.partners[:, np.newaxis] * X[n:n + len(self.split)]
        return product

    def before(self, W: Array, n_reduced: int) -> Array:
        """Return W S, with a column for each of the n_reduced neurons of the reduced layer."""
        n, last = len(self.scales), len(self.scales) + len(self.split)
        product = np.zeros((len(W), n_reduced))
        product[:, :n], product[:, n:last] = W * self.scales, W[:, self.split] * self.partners
        return product


def mapping_bound(network: Network, reduced: ReducedNetwork) -> Array:
    """Return a bound on |N(x) - R(x)| over R's domain, in real arithmetic, for each output.

    Layer by layer find kappa and e with |h_N - nu h_R - kappa| <= e, for norms nu computed anew:

    W h_N + b = nu' z_R + rho +- r,   r = |W nu - nu' V| |h_R| + |W| e + rounding errors.

    Let p = nu' sup max(-z_R, 0), plus sup max(-(W h_N + b), 0) if rho < 0. If |rho| > p, the neuron
    is nearly always on: kappa' = rho and e' = r + p. Otherwise kappa' = 0 and
    e' = min(r + |rho|, sup max(W h_N + b, nu' z_R, 0)).

    Parameters
    ----------
    network : Network
        ReLU.
    reduced : ReducedNetwork
        The result of `reduce` or `reduce_paper` for it. For other networks of its depth the bound
        holds too, but is large.

    Returns
    -------
    array (n_outputs,)
        inf where a bound leaves the range of float64.

    References
    ----------
    THEORY, section 7.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduction import reduce
    >>> net = Network([[[2.0], [-4.0]]], [[-1.0, 8.0]], [[1.0, 1.0]], [0.5])
    >>> bool(mapping_bound(net, reduce(net, Box(0, 1)))[0] < 1e-12)
    True
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        result = np.fmin(_bound(network, reduced, True), _bound(network, reduced, False))
    return np.where(np.isfinite(result), result, np.inf)


def _bound(network: Network, reduced: ReducedNetwork, constants: bool) -> Array:
    """Return a bound, or nan.

    constants : use constants for constant neurons that seem to be redrawn. A dead neuron may seem
        so though it was kept, and then its scale is needed: `mapping_bound` tries both.
    """
    *hidden, outgoing = affine_maps(network)
    *units, last = affine_maps(reduced)
    link, h = _identity(network.n_inputs), _inputs(reduced)
    for number, (given, own) in enumerate(zip(hidden, units)):
        below, domain = h, None if number else reduced.domain
        affine, layer = _over_reduced(given, link, h), _layer(own, h, domain)
        link = _link_by_norms(affine.F, layer.V)
        if number < len(hidden) - 1:
            link = _with_partners(link, given, layer)
        z_low, z_high = _z_bounds(affine, h, domain)
        link, redrawn = _with_error(link, affine, layer, h, z_low, z_high)
        if constants:
            link = _with_constants(link, redrawn, z_low, z_high)
        h = _enclosure(np.maximum(layer.low, 0.0), np.maximum(layer.high, 0.0))
    on, absorbed = _mostly_on(layer.low, layer.high), np.zeros(len(affine.F), dtype=bool)
    direct = _outputs(outgoing, last, link, h, layer, affine, below, on & False, absorbed)
    absorbed, link = _absorb(link, affine, redrawn, z_low, z_high)
    through = _outputs(outgoing, last, link, h, layer, affine, below, on, absorbed)
    return np.fmin(direct, through)


def _check_pair(network: Network, reduced: ReducedNetwork) -> None:
    """Raise a ValueError if `reduced` cannot be a reduction of the network."""
    same_inputs(network.n_inputs, reduced.n_inputs)
    if network.activation != reduced.activation:
        raise ValueError(message("reduced", f"a {network.activation} network, as `network`", reduced.activation))
    given, own = network.sizes, reduced.sizes
    fits = len(given) == len(own) and given[-1] == own[-1] and all(n <= m for n, m in zip(given, own))
    if not fits:
        raise ValueError(message("reduced", f"of sizes {given}, or wider hidden layers", own))


def _inputs(reduced: ReducedNetwork) -> Enclosure:
    low, high = reduced.domain.bounding_box()
    error = gamma(reduced.n_inputs + 4) * np.maximum(np.abs(low), np.abs(high))
    return _enclosure(low - error, high + error)


def _enclosure(low: Array, high: Array) -> Enclosure:
    middle = low / 2.0 + high / 2.0
    half = np.maximum(high - middle, middle - low) * (1.0 + gamma(4))
    return Enclosure(middle, half, np.maximum(np.abs(low), np.abs(high)))


def _identity(n: int) -> Link:
    return Link(np.ones(n), np.arange(0), np.zeros(0), np.zeros(n), np.zeros(n))


def _rounding_error(magnitude: Array, *inputs: Array) -> Array:
    """Return a bound on the rounding error of sums of this magnitude over these inputs.

    It includes the rounding error of the bound itself. A coefficient may be a sum of n products,
    each of which may underflow.
    """
    n = sum(map(len, inputs))
    underflow = 16.0 * SMALLEST * (n + 2) * (1.0 + sum(A.sum() for A in inputs))
    return gamma(4 * n + 16) * magnitude + underflow


def _layer(own: Affine, h: Enclosure, domain: Domain | None) -> Layer:
    """Return the layer with bounds of z on the enclosure, or for the first layer on the domain."""
    V, c = own
    assert c is not None
    magnitude = np.abs(V) @ h.largest + np.abs(c)
    error = _rounding_error(magnitude, h.largest)
    if domain is not None:
        low, high = c - domain.support(-V), c + domain.support(V)
    else:
        middle, half = c + V @ h.middle, np.abs(V) @ h.half
        low, high = middle - half, middle + half
    return Layer(V, c, low - error, high + error, magnitude)


def _over_reduced(given: Affine, link: Link, h: Enclosure) -> OverReduced:
    """Return the pre-activations with S h + constants +- error substituted for the inputs."""
    W, b = given.W, np.zeros(len(given.W)) if given.b is None else given.b
    F = link.before(W, len(h.largest))
    constants, error = (np.abs(W) @ np.stack([np.abs(link.constants), link.error], axis=1)).T
    magnitude = np.abs(F) @ h.largest + constants + np.abs(b)
    error = error * (1.0 + gamma(W.shape[1] + 2)) + _rounding_error(magnitude, h.largest)
    return OverReduced(F, b + W @ link.constants, magnitude, error)


def _link_by_norms(F: Array, V: Array) -> Link:
    """Return the link with the norms of the neurons that kept their direction, and 0 for others."""
    n = len(F)
    units, norms = normalise(F)
    same = (np.abs(units - V[:n]).max(axis=1) <= THIN) & np.isfinite(norms)
    return _identity(n)._replace(scales=np.where(same, norms, 0.0))


def _with_partners(link: Link, given: Affine, layer: Layer) -> Link:
    """Return the link with both scales of each pair that replaces an always-on neuron (Prop. 3).

    The appended neurons all have the threshold X there; the bound holds for any X > 0.
    """
    norms, b, appended = link.scales, given.b, layer.c[len(link.scales):]
    assert b is not None
    X = appended.max(initial=0.0)
    on = b > norms * X
    if X == 0.0 or on.sum() != len(appended):
        return link
    scales, partners = np.where(on, (norms + b / X) / 2, norms), (b / X - norms) / 2
    return link._replace(scales=scales, split=np.flatnonzero(on), partners=partners[on])


def _z_bounds(affine: OverReduced, h: Enclosure, domain: Domain | None) -> tuple[Array, Array]:
    """Return the bounds on the network's own pre-activations."""
    layer = _layer(Affine(affine.F, affine.beta), h, domain)
    return layer.low - affine.error, layer.high + affine.error


def _with_error(
    link: Link, affine: OverReduced, layer: Layer, h: Enclosure, z_low: Array, z_high: Array
) -> tuple[Link, np.ndarray]:
    """Return the link with constants and errors, and which neurons seem to be redrawn.

    The letters are those of `mapping_bound`; a neuron seems to be redrawn if its error is far above
    rounding.
    """
    M = affine.F - link.after(layer.V)
    rho = affine.beta - link.after(layer.c) + M @ h.middle
    magnitude = affine.magnitude + link.after(layer.magnitude)
    r = affine.error + np.abs(M) @ h.half + _rounding_error(magnitude, h.largest)
    p, highest = link.after(np.maximum(-layer.low, 0.0)), link.after(np.maximum(layer.high, 0.0))
    p += np.where(rho < 0.0, np.maximum(-z_low, 0.0), 0.0)
    on, split = np.abs(rho) > p, link.split
    error = np.where(on, r + p, np.minimum(r + np.abs(rho), np.maximum(highest, z_high)))
    constants = np.where(on, rho, 0.0)
    constants[split], error[split] = 0.0, (r + np.abs(rho) + p)[split]
    redrawn = error > np.minimum(256.0 * r, link.after(layer.magnitude) / 16.0)
    return link._replace(constants=constants, error=error * (1.0 + gamma(16)) + SMALLEST), redrawn


def _with_constants(link: Link, redrawn: np.ndarray, z_low: Array, z_high: Array) -> Link:
    """Return the link with a constant for each neuron that is one and seems to be redrawn."""
    own = _enclosure(np.maximum(z_low, 0.0), np.maximum(z_high, 0.0))
    constant = redrawn & (own.half <= THIN * link.error)
    constant[link.split] = False
    return link._replace(
        scales=np.where(constant, 0.0, link.scales),
        constants=np.where(constant, own.middle, link.constants),
        error=np.where(constant, own.half, link.error),
    )


def _mostly_on(low: Array, high: Array) -> np.ndarray:
    """Return True for neurons that are nearer to z than to 0."""
    return np.asarray(-low <= high / 4.0)


def _absorb(
    link: Link, affine: OverReduced, redrawn: np.ndarray, z_low: Array, z_high: Array
) -> tuple[np.ndarray, Link]:
    """Return the always-on neurons that were absorbed or redrawn, and their link as F h + beta."""
    absorbed = _mostly_on(z_low, z_high) & ((link.scales == 0.0) | redrawn)
    excess = affine.error + np.maximum(-z_low, 0.0)
    return absorbed, link._replace(
        scales=np.where(absorbed, 0.0, link.scales),
        constants=np.where(absorbed, affine.beta, link.constants),
        error=np.where(absorbed, excess, link.error),
    )


def _outputs(
    outgoing: Affine, last: Affine, link: Link, h: Enclosure, layer: Layer, affine: OverReduced,
    below: Enclosure, on: np.ndarray, absorbed: np.ndarray,
) -> Array:
    """Return the bound on the outputs.

    on, absorbed : the neurons of R and of N to write as affine functions of the layer below
    """
    sums = _over_reduced(outgoing, link, h)
    Q, a = sums.F - last.W, 0.0 if last.b is None else last.b
    G = Q[:, on] @ layer.V[on] + outgoing.W[:, absorbed] @ affine.F[absorbed]
    centre = Q @ np.where(on, 0.0, h.middle) + G @ below.middle + (sums.beta - a + Q[:, on] @ layer.c[on])
    radius = np.abs(Q) @ np.where(on, np.maximum(-layer.low, 0.0), h.half) + np.abs(G) @ below.half + sums.error
    terms = np.where(on, layer.magnitude, h.largest)
    magnitude = (np.abs(sums.F) + np.abs(last.W)) @ terms + np.abs(a)
    magnitude += sums.magnitude + np.abs(outgoing.W[:, absorbed]) @ affine.magnitude[absorbed]
    error = _rounding_error(magnitude, layer.magnitude, below.largest, link.error)
    return (np.abs(centre) + radius + error) * (1.0 + gamma(2 * len(h.largest) + 16))


def reduction_bound(network: Network, reduced: ReducedNetwork) -> Array:
    """Return a bound on |fl(N(x)) - fl(R(x))| on R's domain, where R is a reduction of N.

    |fl(N) - fl(R)| <= |fl(N) - N| + |N - R| + |R - fl(R)|:   `evaluation_bound` of both, and `mapping_bound`

    So the rounding errors of the reduction, and the errors of thresholds clipped to their
    intervals, are measured on the two networks. For binary networks nothing is measured: the bound
    holds if R is a reduction of N, at points that are `decided` for N. There the hidden neurons
    agree, except those that ``spare="redraw"`` drew anew, on which no output depends. Sums of
    constants may be rounded.

    Parameters
    ----------
    network : Network
    reduced : ReducedNetwork
        The result of `reduce` or `reduce_paper` for it.

    Returns
    -------
    array (n_outputs,)
        inf where a bound leaves the range of float64.

    Raises
    ------
    ValueError
        If `reduced` has another activation, depth or number of inputs or outputs, or fewer neurons in a layer.

    References
    ----------
    THEORY, section 7.

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
    bounds = forward_error(network, reduced.domain, extra) + forward_error(reduced, reduced.domain, extra)
    return bounds if binary else (bounds + mapping_bound(network, reduced)) * (1.0 + gamma(4))
