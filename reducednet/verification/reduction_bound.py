"""How far a reduced network is from the network that it was made of, as real functions.

Found from the two networks alone, whatever the reduction decided on the way.

References
----------
THEORY, section 7.
"""
from __future__ import annotations

from collections.abc import Callable
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
from ..reduced_space.rounding_error import evaluation_bound

THIN = 2.0**-30
"""What counts as rounding where two directions, or a neuron and a constant, are tried as the same."""


class Enclosure(NamedTuple):
    """What a layer of the reduced network gives: |h - middle| <= half, |h| <= size."""

    middle: Array
    half: Array
    size: Array


class Layer(NamedTuple):
    """A hidden layer of the reduced network: z = V h + c lies in [low, high], its terms add up to size."""

    V: Array
    c: Array
    low: Array
    high: Array
    size: Array


class Rows(NamedTuple):
    """A layer of the network over the reduced layer below: |z - F h - beta| <= error, of terms up to size."""

    F: Array
    beta: Array
    size: Array
    error: Array


class Link(NamedTuple):
    """How a layer of the network follows from the reduced one: |h_N - S h_R - constants| <= error.

    (S h)_j = scales_j h_j, and for the neurons `split`, in this order, a multiple of a further h on top.
    """

    scales: Array
    split: np.ndarray
    partners: Array
    constants: Array
    error: Array

    def after(self, X: Array) -> Array:
        """Return S X, of one column where X has one."""
        if X.ndim == 1:
            return self.after(X[:, np.newaxis])[:, 0]
        n = len(self.scales)
        product = self.scales[:, np.newaxis] * X[:n]
        product[self.split] += self.partners[:, np.newaxis] * X[n:n + len(self.split)]
        return product

    def before(self, W: Array, n_reduced: int) -> Array:
        """Return W S, over the n_reduced neurons of the reduced layer."""
        n, last = len(self.scales), len(self.scales) + len(self.split)
        product = np.zeros((len(W), n_reduced))
        product[:, :n], product[:, n:last] = W * self.scales, W[:, self.split] * self.partners
        return product


def mapping_bound(network: Network, reduced: ReducedNetwork) -> Array:
    """Return a bound of |N(x) - R(x)| over R's domain, in real arithmetic, for each output.

    Layer by layer h_N = nu h_R + kappa +- e, with norms nu that are recomputed:

    W h_N + b = nu z_R + rho +- r,   r = |W nu - nu' V| |h_R| + |W| e + roundings,

    where kappa = rho and e' = r + p if |rho| > p: always on, but for p = nu' max(-inf z_R, 0), and as much of
    W h_N + b if rho < 0; otherwise kappa = 0 and e' = min(r + |rho|, sup max(W h_N + b, nu' z_R, 0)).

    Parameters
    ----------
    network : Network
        ReLU.
    reduced : ReducedNetwork
        What `reduce` or `reduce_paper` made of it; for any other of its depth the bound is right, but large.

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
    >>> net = Network([[[2.0], [-4.0]]], [[-1.0, 8.0]], [[1.0, 1.0]], [0.5])
    >>> bool(mapping_bound(net, reduce(net, Box(0, 1)))[0] < 1e-12)
    True
    """
    check_pair(network, reduced)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        result = np.fmin(_bound(network, reduced, _or_constant), _bound(network, reduced, _as_it_is))
    return np.where(np.isfinite(result), result, np.inf)


def _bound(network: Network, reduced: ReducedNetwork, settled: Callable[..., Link]) -> Array:
    """Return a bound, or nan, with the links that `settled` makes of those of each layer."""
    *hidden, outgoing = affine_maps(network)
    *units, last = affine_maps(reduced)
    link, h = _identity(network.n_inputs), _inputs(reduced)
    for number, (given, own) in enumerate(zip(hidden, units)):
        below, domain = h, None if number else reduced.domain
        rows, layer = _carried(given, link, h), _layer(own, h, domain)
        link = _scales(rows.F, layer.V)
        if number < len(hidden) - 1:
            link = _with_partners(link, given, layer)
        z_low, z_high = _range_of_rows(rows, h, domain)
        link, misses = _with_error(link, rows, layer, h, z_low, z_high)
        link = settled(link, misses, z_low, z_high)
        h = _enclosure(np.maximum(layer.low, 0.0), np.maximum(layer.high, 0.0))
    on, alone = _mostly_on(layer.low, layer.high), np.zeros(len(rows.F), dtype=bool)
    direct = _outputs(outgoing, last, link, h, layer, rows, below, on & False, alone)
    alone, link = _alone(link, rows, misses, z_low, z_high)
    through = _outputs(outgoing, last, link, h, layer, rows, below, on, alone)
    return np.fmin(direct, through)


def check_pair(network: Network, reduced: ReducedNetwork) -> None:
    """Refuse what cannot be a reduction of the network."""
    same_inputs(network.n_inputs, reduced.n_inputs)
    if network.activation != reduced.activation:
        raise ValueError(message("reduced", f"a {network.activation} network, as `network`", reduced.activation))
    given, own = network.sizes, reduced.sizes
    fits = len(given) == len(own) and given[-1] == own[-1] and all(n <= m for n, m in zip(given, own))
    if not fits:
        raise ValueError(message("reduced", f"of sizes {given}, or wider hidden layers", own))


def _inputs(reduced: ReducedNetwork) -> Enclosure:
    low, high = reduced.domain.bounding_box()
    slack = gamma(reduced.n_inputs + 4) * np.maximum(np.abs(low), np.abs(high))
    return _enclosure(low - slack, high + slack)


def _enclosure(low: Array, high: Array) -> Enclosure:
    middle = low / 2.0 + high / 2.0
    half = np.maximum(high - middle, middle - low) * (1.0 + gamma(4))
    return Enclosure(middle, half, np.maximum(np.abs(low), np.abs(high)))


def _identity(n: int) -> Link:
    return Link(np.ones(n), np.arange(0), np.zeros(0), np.zeros(n), np.zeros(n))


def _roundings(size: Array, *inputs: Array) -> Array:
    """Return a bound of what sums of such terms over these inputs lose, this bound's own sums included.

    A coefficient may itself be a sum of n products, of which each may underflow.
    """
    n = sum(map(len, inputs))
    return gamma(4 * n + 16) * size + 16.0 * SMALLEST * (n + 2) * (1.0 + sum(A.sum() for A in inputs))


def _layer(own: Affine, h: Enclosure, domain: Domain | None) -> Layer:
    """Return the range of z on the enclosure, or in the first layer on the domain."""
    V, c = own
    assert c is not None
    size = np.abs(V) @ h.size + np.abs(c)
    lost = _roundings(size, h.size)
    if domain is not None:
        low, high = c - domain.support(-V), c + domain.support(V)
    else:
        middle, spread = c + V @ h.middle, np.abs(V) @ h.half
        low, high = middle - spread, middle + spread
    return Layer(V, c, low - lost, high + lost, size)


def _carried(given: Affine, link: Link, h: Enclosure) -> Rows:
    """Return the layer's pre-activations with S h + constants +- error in the place of its inputs."""
    W, b = given.W, np.zeros(len(given.W)) if given.b is None else given.b
    F = link.before(W, len(h.size))
    constants, error = (np.abs(W) @ np.stack([np.abs(link.constants), link.error], axis=1)).T
    size = np.abs(F) @ h.size + constants + np.abs(b)
    error = error * (1.0 + gamma(W.shape[1] + 2)) + _roundings(size, h.size)
    return Rows(F, b + W @ link.constants, size, error)


def _scales(F: Array, V: Array) -> Link:
    """Return the norms of the neurons whose place still has their direction; of others 0."""
    n = len(F)
    units, norms = normalise(F)
    same = (np.abs(units - V[:n]).max(axis=1) <= THIN) & np.isfinite(norms)
    return _identity(n)._replace(scales=np.where(same, norms, 0.0))


def _with_partners(link: Link, given: Affine, layer: Layer) -> Link:
    """Return the link with the two multiples of the pair that replaces an always-on neuron (Prop. 3).

    The further neurons all have the threshold X there; here any X > 0 is right.
    """
    norms, b, further = link.scales, given.b, layer.c[len(link.scales):]
    assert b is not None
    X = further.max(initial=0.0)
    on = b > norms * X
    if X == 0.0 or on.sum() != len(further):
        return link
    scales, partners = np.where(on, (norms + b / X) / 2, norms), (b / X - norms) / 2
    return link._replace(scales=scales, split=np.flatnonzero(on), partners=partners[on])


def _range_of_rows(rows: Rows, h: Enclosure, domain: Domain | None) -> tuple[Array, Array]:
    """Return the range of the network's own z."""
    layer = _layer(Affine(rows.F, rows.beta), h, domain)
    return layer.low - rows.error, layer.high + rows.error


def _with_error(
    link: Link, rows: Rows, layer: Layer, h: Enclosure, z_low: Array, z_high: Array
) -> tuple[Link, np.ndarray]:
    """Return the link with its constants and errors, and which of these say that the place went to another."""
    M = rows.F - link.after(layer.V)
    rho = rows.beta - link.after(layer.c) + M @ h.middle
    r = rows.error + np.abs(M) @ h.half + _roundings(rows.size + link.after(layer.size), h.size)
    below_0, top = link.after(np.maximum(-layer.low, 0.0)), link.after(np.maximum(layer.high, 0.0))
    below_0 += np.where(rho < 0.0, np.maximum(-z_low, 0.0), 0.0)
    on, split = np.abs(rho) > below_0, link.split
    error = np.where(on, r + below_0, np.minimum(r + np.abs(rho), np.maximum(top, z_high)))
    constants = np.where(on, rho, 0.0)
    constants[split], error[split] = 0.0, (r + np.abs(rho) + below_0)[split]
    misses = error > np.minimum(256.0 * r, link.after(layer.size) / 16.0)
    return link._replace(constants=constants, error=error * (1.0 + gamma(16)) + SMALLEST), misses


def _or_constant(link: Link, misses: np.ndarray, z_low: Array, z_high: Array) -> Link:
    """Return the link with a constant for each neuron that is one and whose place was given away."""
    own = _enclosure(np.maximum(z_low, 0.0), np.maximum(z_high, 0.0))
    constant = misses & (own.half <= THIN * link.error)
    constant[link.split] = False
    return link._replace(
        scales=np.where(constant, 0.0, link.scales),
        constants=np.where(constant, own.middle, link.constants),
        error=np.where(constant, own.half, link.error),
    )


def _as_it_is(link: Link, misses: np.ndarray, z_low: Array, z_high: Array) -> Link:
    """Return the link: a dead neuron that kept its place and its column keeps its multiple."""
    return link


def _mostly_on(low: Array, high: Array) -> np.ndarray:
    """Tell which neurons are nearer to z, which is affine, than to a constant."""
    return np.asarray(-low <= high / 4.0)


def _alone(
    link: Link, rows: Rows, misses: np.ndarray, z_low: Array, z_high: Array
) -> tuple[np.ndarray, Link]:
    """Return which always-on neurons have no place of their own, and the link where they are F h + beta."""
    alone = _mostly_on(z_low, z_high) & ((link.scales == 0.0) | misses)
    excess = rows.error + np.maximum(-z_low, 0.0)
    return alone, link._replace(
        scales=np.where(alone, 0.0, link.scales),
        constants=np.where(alone, rows.beta, link.constants),
        error=np.where(alone, excess, link.error),
    )


def _outputs(
    outgoing: Affine, last: Affine, link: Link, h: Enclosure, layer: Layer, rows: Rows, below: Enclosure,
    on: np.ndarray, alone: np.ndarray,
) -> Array:
    """Return the bound for the outputs, neurons `on` of R, and `alone` of N, written over the layer below."""
    sums = _carried(outgoing, link, h)
    Q, a = sums.F - last.W, 0.0 if last.b is None else last.b
    G = Q[:, on] @ layer.V[on] + outgoing.W[:, alone] @ rows.F[alone]
    centre = Q @ np.where(on, 0.0, h.middle) + G @ below.middle + (sums.beta - a + Q[:, on] @ layer.c[on])
    radius = np.abs(Q) @ np.where(on, np.maximum(-layer.low, 0.0), h.half) + np.abs(G) @ below.half + sums.error
    size = (np.abs(sums.F) + np.abs(last.W)) @ np.where(on, layer.size, h.size) + np.abs(a)
    size += sums.size + np.abs(outgoing.W[:, alone]) @ rows.size[alone]
    lost = _roundings(size, layer.size, below.size, link.error)
    return (np.abs(centre) + radius + lost) * (1.0 + gamma(2 * len(h.size) + 16))


def reduction_bound(network: Network, reduced: ReducedNetwork) -> Array:
    """Return a bound of |fl(N(x)) - fl(R(x))| on R's domain, where R is a reduction of N.

    |fl(N) - fl(R)| <= |fl(N) - N| + |N - R| + |R - fl(R)|:   `evaluation_bound` of both, and `mapping_bound`

    So what the mapping rounds, and what it loses by putting thresholds at the ends of their intervals, is measured
    on the two networks. For binary networks nothing is measured: the bound holds for a reduction
    of N, at points that are `decided` for N. There hidden neurons agree, but for those in the place of
    a dead or an always-on neuron that ``spare="redraw"`` drew anew: no output depends on them. Sums of
    constants may be rounded.

    Parameters
    ----------
    network : Network
    reduced : ReducedNetwork
        What `reduce` or `reduce_paper` made of it.

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
    check_pair(network, instance(reduced, "reduced", ReducedNetwork, "a ReducedNetwork"))
    binary = network.activation == "binary"
    extra = reduced.sizes[-2] + 2 if binary else 0  # constants that `spare="redraw"` adds up
    bounds = evaluation_bound(network, reduced.domain, extra) + evaluation_bound(reduced, reduced.domain, extra)
    return bounds if binary else (bounds + mapping_bound(network, reduced)) * (1.0 + gamma(4))
