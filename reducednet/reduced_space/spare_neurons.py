"""Spare neurons put to use: always-on ones folded, freed and dead ones drawn anew."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.parameters import Affine
from ..numerics.low_rank import row_space
from .intervals import LayerSpace
from .layer_reduction import Reduced
from .reduced_network import natural_neurons


def constant_neurons(layer: Reduced, space: LayerSpace) -> tuple[np.ndarray, np.ndarray]:
    """Return which neurons are dead and which always on, by the support function of the input set."""
    low, high = -space.domain.support(layer.W), space.domain.support(-layer.W)
    on = layer.b > high if space.activation.name == "binary" else layer.b >= high
    return layer.b <= low, on


def fold_affine_sum(layer: Reduced, space: LayerSpace) -> Reduced:
    """Return the layer with its always-on ReLU neurons replaced by as many as their sum has rank.

    sum_j c_j (w_j.h + b_j) = alpha.h + beta over the always-on neurons, with alpha = M Q of rank r:
    neurons (q_i, high_i) with outgoing columns M_i, and the constant beta - sum_i M_i high_i for
    the bias, or left over. Dead neurons and those no longer needed come out free.

    References
    ----------
    THEORY, section 3. On a flat domain fewer may do (Prop. 6).
    """
    dead, on = constant_neurons(layer, space)
    free, C = layer.free | dead, layer.above.W
    alpha, beta = C[:, on] @ layer.W[on], C[:, on] @ layer.b[on]
    box = np.abs(space.domain.bounding_box()).max(axis=0)
    factors = row_space(alpha, np.abs(C[:, on]) @ np.abs(layer.W[on]), box)
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
    dead, on = constant_neurons(layer, space)
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
    return layer._replace(free=layer.free | constant_neurons(layer, space)[0])


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
