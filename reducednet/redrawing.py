"""Spare neurons put to use: always-on ones folded, freed and dead ones drawn anew."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._validation import Array
from .domains import Domain
from .intervals import LayerSpace
from .layers import Affine, Reduced
from .reduced_networks import natural_neurons
from .rounding import gamma


def row_space(alpha: Array, magnitude: Array) -> tuple[Array, Array] | None:
    """Return (M, Q) with alpha = M Q to rounding, the rows of Q orthonormal and as few as possible.

    Parameters
    ----------
    alpha : array (n_outputs, n)
    magnitude : array (n_outputs, n)
        The sum of absolute values of the terms that alpha is a sum of.

    Returns
    -------
    (M, Q) : arrays (n_outputs, r), (r, n), or None
        None where the residual |alpha - M Q| is more than a few roundings of the magnitude: the
        factors come from a singular value decomposition, whose rounding is checked here.
    """
    allowed = gamma(sum(alpha.shape))
    _, singular, rows = np.linalg.svd(alpha, full_matrices=False)
    Q = rows[singular > allowed * magnitude.max() / 4]
    M = alpha @ Q.T
    residual = np.abs(alpha - M @ Q).sum(axis=1)
    return (M, Q) if (residual <= allowed * magnitude.sum(axis=1)).all() else None


def fold_affine_sum(layer: Reduced, space: LayerSpace) -> Reduced:
    """Return the layer with its always-on ReLU neurons folded into as few as their sum needs.

    sum_j c_j (w_j.h + b_j) = alpha.h + beta over the always-on neurons, with alpha = M Q of rank r:
    neurons (q_i, high_i) with outgoing columns M_i, and the constant beta - sum_i M_i high_i for
    the bias, or left over. Dead neurons and those no longer needed come out free.

    References
    ----------
    THEORY, section 3.
    """
    low, high = space.intervals(layer.W).T
    on, free = layer.b >= high, layer.free | (layer.b <= low)
    C = layer.above.W
    alpha, beta = C[:, on] @ layer.W[on], C[:, on] @ layer.b[on]
    factors = row_space(alpha, np.abs(C[:, on]) @ np.abs(layer.W[on]))
    if factors is None or len(factors[1]) >= on.sum():
        return layer._replace(free=free)
    M, Q = factors
    places = np.flatnonzero(on)[:len(Q)]
    W, b, C = layer.W.copy(), layer.b.copy(), C.copy()
    C[:, on | free] = 0.0
    W[places], b[places], C[:, places] = Q, space.intervals(Q)[:, 1], M
    free = (free | on) & ~np.isin(np.arange(len(b)), places)
    constants = beta - M @ b[places]
    if layer.above.b is None:
        return Reduced(W, b, Affine(C, None), layer.constants + constants, free)
    return Reduced(W, b, Affine(C, layer.above.b + constants), layer.constants, free)


def fold_constants(layer: Reduced, space: LayerSpace) -> Reduced:
    """Return the layer with its always-on binary neurons folded into the bias, or else into one."""
    low, high = space.intervals(layer.W).T
    on, dead = layer.b >= high, layer.b <= low
    C, bias, total = layer.above.W.copy(), layer.above.b, layer.above.W[:, on].sum(axis=1)
    C[:, on] = 0.0
    if bias is not None:
        bias = bias + total
    elif on.any():
        first = int(np.argmax(on))
        C[:, first], on[first] = total, False
    return layer._replace(above=Affine(C, bias), free=on | dead)


def free_spare(layer: Reduced, space: LayerSpace, is_last: bool) -> Reduced:
    """Return the layer with its dead neurons free and, if it is the last, its always-on ones folded."""
    if is_last:
        return (fold_affine_sum if space.activation.name == "relu" else fold_constants)(layer, space)
    low = space.intervals(layer.W)[:, 0]
    return layer._replace(free=layer.free | (layer.b <= low))


def draw_free(
    layer: Reduced, space: LayerSpace, domain: Domain, below: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
) -> Reduced:
    """Return the layer with its free neurons drawn anew inside the domain, with zero outgoing weight."""
    if not layer.free.any():
        return layer
    W, b, C = layer.W.copy(), layer.b.copy(), layer.above.W.copy()
    W[layer.free], b[layer.free] = natural_neurons(int(layer.free.sum()), space, domain, below, rng)
    C[:, layer.free] = 0.0
    return layer._replace(W=W, b=b, above=Affine(C, layer.above.b), free=np.zeros_like(layer.free))
