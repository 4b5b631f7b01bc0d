"""Bound the rounding errors of a network's evaluation, for all inputs of a domain at once.

The property tests assert these bounds instead of guessed tolerances (PROOFS, sections 2 and 4).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import Array, integer, samples
from ..domains import Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network, check_domain, check_network
from ..numerics import sphere
from ..numerics.blocks import absolute_product
from ..numerics.rounding import FLOAT64, SMALLEST, FloatFormat, gamma
from .intervals import LayerSpace


def evaluation_bound(network: Network, domain: Domain, extra_roundings: int = 0) -> Array:
    """Return a bound on |fl(N(x)) - N(x)| over the domain, for each output.

    With A >= |h| on the domain and e the error of the layer below, one layer has

    err = |W| e + gamma_(n+2+extra) (|W| (A + e) + |b|) + underflow,
    e <- clip(sup z + 2 err, 0, err):

    a ReLU neuron that is dead by more than its error outputs 0 exactly. The bound holds for sums
    taken in any order. For a binary network it holds at `decided` points.

    Parameters
    ----------
    network : Network
    domain : Domain
    extra_roundings : int
        Added to the count for each entry of each layer, for parameters that are rounded themselves.

    Returns
    -------
    array (n_outputs,)
        inf where the bound leaves the range of float64.

    References
    ----------
    PROOFS, Lemma 2.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[1.0]]], [[0.0]], [[1.0]])
    >>> bool(0.0 < evaluation_bound(net, Box(0, 1))[0] < 1e-14)
    True
    """
    network, domain = check_network(network), check_domain(network, domain)
    return forward_error(network, domain, integer(extra_roundings, "extra_roundings", 0))


def forward_error(
    network: Network, domain: Domain, extra: int = 0, float_format: FloatFormat = FLOAT64
) -> Array:
    """Return `evaluation_bound` for the inputs and the arithmetic of this format.

    The arguments are not checked. The network's parameters have to be numbers of the format.
    """
    low, high = domain.bounding_box()
    A, e = np.maximum(np.abs(low), np.abs(high)) * (1.0 + gamma(domain.n_inputs + 4)), np.zeros(len(low))
    *hidden, (C, a) = affine_maps(network)
    with np.errstate(over="ignore", invalid="ignore"):
        for number, (W, b) in enumerate(hidden):
            if network.activation == "binary":
                A, e = np.ones(len(W)), np.zeros(len(W))
                continue
            assert b is not None
            error, spread = _affine_error(W, b, A, e, extra, high / 2.0 - low / 2.0, float_format)
            if not np.isfinite(error).all():
                return np.full(network.n_outputs, np.inf)
            if number:
                middle = b + W @ (low / 2.0 + high / 2.0)
                z_low, z_high = middle - spread, middle + spread
            else:
                z_low, z_high = (b + end for end in domain.ranges(W))
            low, high = (network._activation.value(end) for end in (z_low - 2.0 * error, z_high + 2.0 * error))
            A, e = high, np.clip(z_high + 2.0 * error, 0.0, error)
        bias = np.zeros(len(C)) if a is None else a
        result, _ = _affine_error(C, bias, A, e, extra, A, float_format)
    return np.where(np.isfinite(result), result, np.inf)


def _affine_error(
    W: Array, b: Array, A: Array, e: Array, extra: int, half: Array, float_format: FloatFormat
) -> tuple[Array, Array]:
    """Return the error bound on the computed W h + b, for |h| <= A of error e; and |W| half.

    It is computed in float64, whatever the format, and its own rounding errors are added. It is inf
    where a partial sum may overflow.
    """
    n = W.shape[1]
    terms, propagated, spread = absolute_product(W, np.stack([A + e, e, half], axis=1)).T
    terms = terms + np.abs(b)
    underflow = 4.0 * SMALLEST * (n + 2 + (A + e).sum()) + n * float_format.smallest
    local = gamma(n + 2 + extra, float_format.unit_roundoff)
    fits = terms * (1.0 + local) * (1.0 + gamma(n + 8)) <= float_format.largest
    error = (propagated + local * terms) * (1.0 + gamma(2 * n + 8)) + underflow
    return np.where(fits, error, np.inf), spread


def evaluation_margin(
    network: Network, domain: Domain, float_format: FloatFormat = FLOAT64
) -> float:
    """Return a distance from the hyperplanes beyond which rounding switches no binary neuron.

    The arguments are not checked.

    For the hyperplanes of the first layer,

    |fl(w.x + b) - (w.x + b)| <= gamma_(n+2) (|w|.A + |b|) + underflow <= margin |w|

    A neuron with |z| above its error on the whole domain needs no margin. In deeper layers, whose
    inputs are 0 or 1, whole cells can lie on a hyperplane. There every sum must be exact in any
    order, as are sums of multiples of some q whose absolute values add up to at most 2^(p - 1) q,
    with the p digits of the format.

    Parameters
    ----------
    network : Network
    domain : Domain
    float_format : FloatFormat

    Returns
    -------
    float
        0.0 for ReLU; inf where a neuron above the first layer may be rounded.

    References
    ----------
    PROOFS, sections 4 and 17.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[3.0]]], [[-1.0]], [[1.0]], activation="binary")
    >>> bool(0.0 < evaluation_margin(net, Box(0, 1)) < 1e-15)
    True
    """
    if network.activation == "relu":
        return 0.0
    (W, b), *above = zip(network.weights, network.thresholds)
    if not all(_sums_are_exact(V, c, float_format) for V, c in above):
        return np.inf
    n, norms = network.n_inputs, sphere.row_norms(W)
    A = np.abs(domain.bounding_box()).max(axis=0) * (1.0 + gamma(n + 4))
    with np.errstate(over="ignore", invalid="ignore"):
        terms, local = np.abs(W) @ A + np.abs(b), gamma(n + 4, float_format.unit_roundoff)
        error = local * terms + 4.0 * SMALLEST * (n + 2 + A.sum()) + n * float_format.smallest
        error[~(terms * (1.0 + local) * (1.0 + gamma(n + 8)) <= float_format.largest)] = np.inf
        low, high = domain.ranges(W)
        least = np.maximum(-b - high, b + low)  # <= |z|
        uncertain = (norms > 0.0) & ~(least > 2.0 * error)
        margins = np.divide(error, norms, out=np.zeros_like(error), where=uncertain)
    return float(np.where(np.isnan(margins), np.inf, margins).max()) * (1.0 + gamma(2 * n + 16))


def _sums_are_exact(W: Array, b: Array, float_format: FloatFormat = FLOAT64) -> bool:
    """Return True if all partial sums of w.h + b, h of 0 and 1, are exact in any order."""
    entries = np.column_stack([W, b])
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.abs(entries).sum(axis=1) * (1.0 + gamma(entries.shape[1] + 1))
        shifts = float_format.digits - 1 - np.frexp(total)[1][:, np.newaxis]
        scaled = np.ldexp(entries, shifts)
        kept = np.ldexp(scaled, -shifts) == entries  # else an entry was too small to be scaled
    is_finite = (total <= float_format.largest).all()
    return bool(is_finite and (kept & (scaled == np.rint(scaled))).all())


def decided(network: Network, domain: Domain, X: Any) -> np.ndarray:
    """Return at which points rounding cannot switch a neuron, in a binary network or its reduction.

    A point is decided if every pre-activation is further from 0 than all roundings and the lowering
    of the threshold in `reduce` together. ReLU is continuous: there all points are decided.

    Parameters
    ----------
    network : Network
    domain : Domain
        The set that contains the points; the margin is proportional to its norm bound.
    X : array (n_samples, n_inputs)

    Returns
    -------
    bool array (n_samples,)

    References
    ----------
    PROOFS, Lemma 3.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[3.0]]], [[-1.0]], [[1.0]], activation="binary")
    >>> decided(net, Box(0, 1), [[0.5], [1 / 3]]).tolist()
    [True, False]
    """
    network, domain = check_network(network), check_domain(network, domain)
    X = samples(X, network.n_inputs, allow_empty=True)
    result = np.ones(len(X), dtype=bool)
    if network.activation == "relu":
        return result
    space = LayerSpace(domain, network._activation, "ball")
    for Z, W, b in zip(network.pre_activations(X), network.weights, network.thresholds):
        norms, n, X_B = sphere.row_norms(W), W.shape[1], space.domain.norm_bound
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            underflow = 4.0 * (n + 2) * SMALLEST * (1.0 + X_B + np.abs(b) / norms)
        margins = 3.0 * norms * space.margin + 4.0 * gamma(n + 6) * np.abs(b) + underflow
        result &= ((np.abs(Z) > margins) | (norms == 0.0)).all(axis=1)
        space = space.next_layer(W, b)
    return result
