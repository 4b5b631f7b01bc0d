"""Reuse neurons that contribute little: absorb always-on ones, redraw spare ones.

A layer's always-on neurons add an affine function to the map above, and as many neurons as its
linear part has rank are enough for that. The others, and the dead ones, are spare: redrawn inside
the domain with zero outgoing weight, they do not change the function, but training can use them
(``reduce(..., spare="redraw")``; THEORY, section 3).
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.parameters import Affine
from ..numerics.low_rank import row_factors
from ..numerics.rounding import gamma
from ..numerics.sphere import normalise
from .intervals import LayerSpace
from .layer_reduction import ReducedLayer
from .reduced_network import natural_neurons


def dead_and_always_on(layer: ReducedLayer, space: LayerSpace) -> tuple[np.ndarray, np.ndarray]:
    """Return which neurons are dead and which always on, from the input set's support function."""
    low, high = (-end for end in reversed(space.domain.ranges(layer.W)))
    on = layer.b > high if space.activation.name == "binary" else layer.b >= high
    return layer.b <= low, on


def absorb_affine_sum(layer: ReducedLayer, space: LayerSpace) -> ReducedLayer:
    """Return the layer with as few always-on ReLU neurons as their sum needs.

    Over the always-on neurons, sum_j c_j (w_j.h + b_j) = alpha.h + beta. With alpha = M Q of rank
    r, the r neurons (q_i, high_i) with outgoing columns M_i give alpha.h + sum_i M_i high_i; the
    constant beta - sum_i M_i high_i goes to the bias, or is left over. All others become spare, as
    do the dead ones.

    References
    ----------
    THEORY, section 3 and Prop. 6: with an output bias, r always-on neurons are the fewest on a
    domain with interior points. On a flat domain fewer may do.
    """
    dead, on = dead_and_always_on(layer, space)
    spare, C = layer.spare | dead, layer.above.W
    alpha, beta = C[:, on] @ layer.W[on], C[:, on] @ layer.b[on]
    # each term is a product of an outgoing weight and a normalised weight, added to the others
    error = gamma(sum(layer.W.shape) + 8) * (np.abs(C[:, on]) @ np.abs(layer.W[on]))
    largest = np.abs(space.domain.bounding_box()).max(axis=0)
    M, Q = row_factors(alpha, error, largest)
    if len(Q) >= on.sum():
        return layer._replace(spare=spare)
    Q, norms = normalise(Q)
    M = M * norms
    kept = np.flatnonzero(on)[:len(Q)]
    W, b, C = layer.W.copy(), layer.b.copy(), C.copy()
    C[:, on | spare] = 0.0
    W[kept], b[kept], C[:, kept] = Q, space.intervals(Q)[:, 1], M
    spare = (spare | on) & ~np.isin(np.arange(len(b)), kept)
    constants = beta - M @ b[kept]
    if layer.above.b is None:
        return ReducedLayer(W, b, Affine(C, None), layer.constants + constants, spare)
    return ReducedLayer(W, b, Affine(C, layer.above.b + constants), layer.constants, spare)


def absorb_ones(layer: ReducedLayer, space: LayerSpace) -> ReducedLayer:
    """Return the layer with its always-on binary neurons, which output 1, absorbed by the bias.

    Without a bias one of them stays, with the sum of their outgoing weights.
    """
    dead, on = dead_and_always_on(layer, space)
    C, bias, total = layer.above.W.copy(), layer.above.b, layer.above.W[:, on].sum(axis=1)
    C[:, on] = 0.0
    if bias is not None:
        bias = bias + total
    elif on.any():
        kept = int(np.argmax(on))
        C[:, kept], on[kept] = total, False
    return layer._replace(above=Affine(C, bias), spare=on | dead)


def make_spare(layer: ReducedLayer, space: LayerSpace, is_last: bool) -> ReducedLayer:
    """Return the layer with dead neurons spare and, if it is the last, always-on ones absorbed."""
    if is_last:
        absorb_always_on = absorb_affine_sum if space.activation.name == "relu" else absorb_ones
        return absorb_always_on(layer, space)
    return layer._replace(spare=layer.spare | dead_and_always_on(layer, space)[0])


def redraw_spare(
    layer: ReducedLayer, space: LayerSpace, domain: Domain, below: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
) -> ReducedLayer:
    """Return the layer with spare neurons redrawn inside the domain, with zero outgoing weight."""
    spare = layer.spare
    if not spare.any():
        return layer
    W, b, C = layer.W.copy(), layer.b.copy(), layer.above.W.copy()
    W[spare], b[spare] = natural_neurons(int(spare.sum()), space, domain, below, rng)
    C[:, spare] = 0.0
    above = Affine(C, layer.above.b)
    return layer._replace(W=W, b=b, above=above, spare=np.zeros_like(spare), bounds=None)
