"""One layer's step of the reduction: unit rows, clipped thresholds, and the constants they leave."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..networks.parameters import Affine
from ..numerics import sphere
from .intervals import LayerSpace


class Reduced(NamedTuple):
    """A reduced layer, the map above it, and what is still to be placed.

    Attributes
    ----------
    W, b : arrays (n_neurons, n_inputs), (n_neurons,)
        Unit rows and thresholds in their intervals.
    above : Affine
        The next layer's, or the outgoing, map.
    constants : array (n_above,)
        What must still be added to the map above, which has no bias to take it; else zeros.
    free : bool array (n_neurons,)
        Neurons that add nothing and whose place may be used.
    """

    W: Array
    b: Array
    above: Affine
    constants: Array
    free: np.ndarray


def unit_directions(W: Array) -> tuple[Array, Array]:
    """Return unit rows and norms; a zero row, with norm 0, becomes the first unit vector.

    Raises
    ------
    ValueError
        If a norm leaves the range of float64.
    """
    units, norms = sphere.normalise(W)
    units[norms == 0.0, 0] = 1.0
    return units, finite_result(norms, "a row norm of `weights`")


def clip_thresholds(
    b: Array, norms: Array, low: Array, high: Array, slack: Array | float = 0
) -> tuple[Array, Array]:
    """Return thresholds t in [low, high] of the unit rows, and the constants that ReLU neurons lose.

    s(nu w.h + b) = nu s(w.h + t) + kappa on the layer's input set, with

    t = clip(b / nu, low, high),   kappa = b - nu high where b / nu > high, else 0;

    a zero row (nu = 0) has t = low and kappa = s(b). A ratio b / nu as near to an end as the slack is
    put at it, and kappa is b - nu high on both sides of the upper end. The arithmetic is that of the
    arguments: with `fractions.Fraction` entries and no slack the identity is exact.

    Parameters
    ----------
    b, norms, low, high, slack : arrays (n_neurons,)

    References
    ----------
    THEORY, Prop. 2 and 4.

    Examples
    --------
    >>> half = np.array([0.5])
    >>> clip_thresholds(np.array([9.0]), 2 * half, -half, half)
    (array([0.5]), array([8.5]))
    """
    zero = norms == 0
    with np.errstate(over="ignore"):
        ratios = b / np.where(zero, 1, norms)
    above, below = ratios - low, high - ratios
    near = np.where(below <= above, high, low)
    t = np.where((above <= slack) | (below <= slack), near, ratios)
    t = np.where(zero | (ratios <= low), low, np.where(ratios >= high, high, t))
    constants = np.where((t == high) & (ratios > low), b - norms * high, 0 * high)
    return t, np.where(zero, np.maximum(b, 0), constants)


def push_up(above: Affine, norms: Array, constants: Array) -> tuple[Affine, Array]:
    """Return the map above after its columns took the norms and its bias the constants.

    C <- C diag(nu),   b <- b + C kappa; without a bias C kappa is returned as left over.
    """
    leftover = above.W @ constants
    W = above.W * norms
    if above.b is None:
        return Affine(W, None), leftover
    return Affine(W, above.b + leftover), 0 * leftover


def clip_binary_thresholds(b: Array, norms: Array, low: Array, high: Array, margin: float) -> Array:
    """Return the thresholds of binary neurons on unit rows.

    A ratio b / nu is lowered by the margin where the row changes, so that a computed tie z = 0
    stays 0 after rounding; a neuron that is constant sits at an end of its interval, which is
    widened by the margin.
    """
    zero = norms == 0.0
    with np.errstate(over="ignore"):
        ratios = b / np.where(zero, 1.0, norms)
    lowered = np.where(norms == 1.0, ratios, ratios - margin)
    always_on = np.where(zero, b > 0.0, ratios >= high - margin / 2)
    dead = zero | (lowered <= low + 1.5 * margin)  # as when reduced again
    return np.where(always_on, high, np.where(dead, low, np.clip(lowered, low, high)))


def reduce_layer(layer: Affine, above: Affine, space: LayerSpace, number: int) -> Reduced:
    """Return the layer in its reduced space, and the map above that makes up for it.

    Raises
    ------
    ValueError
        If a product leaves the range of float64; `number` names the layer.
    """
    W, norms = unit_directions(layer.W)
    low, high = space.intervals(W).T
    assert layer.b is not None
    if space.activation.name == "binary":
        b = clip_binary_thresholds(layer.b, norms, low, high, space.margin)
        return Reduced(W, b, above, np.zeros(len(above.W)), np.zeros(len(b), dtype=bool))
    with np.errstate(over="ignore", invalid="ignore"):
        b, constants = clip_thresholds(layer.b, norms, low, high, space.rounding_error(W))
        if above.b is None:  # a pair of neurons is not added for what may be nothing but rounding
            constants[np.abs(constants) <= norms * space.rounding_error(W)] = 0.0
        above, leftover = push_up(above, norms, constants)
    for array in (above.W, above.b, leftover):
        if array is not None:
            finite_result(array, f"layer {number}: an outgoing weight times the norm of its neuron")
    free = (norms == 0.0) | ((b == high) & (high - low <= space.rounding_error(W)))
    return Reduced(W, b, above, leftover, free)


def widest_axis(space: LayerSpace) -> Array:
    """Return the unit vector along which the layer's input set is widest, as one row (1, n_inputs)."""
    axes = np.eye(space.domain.n_inputs)
    low, high = space.intervals(axes).T
    return axes[[np.argmax(high - low)]]


def carry_constants(layer: Reduced, space: LayerSpace) -> Reduced:
    """Return the layer with its left-over constants carried by a pair of ReLU neurons.

    s(u.h + high) + s(-u.h - low) = high - low on the input set, so both neurons take the extra
    outgoing weight constants / (high - low). The first is the always-on neuron of largest width
    or, where none has width, a free place with the widest axis; the second takes a free place or
    is added.

    References
    ----------
    THEORY, Prop. 4.
    """
    if not layer.constants.any():
        return layer
    W, b, C, free = layer.W.copy(), layer.b.copy(), layer.above.W.copy(), layer.free.copy()
    low, high = space.intervals(W).T
    widths = np.where((b == high) & ~free, high - low, 0.0)
    first = int(np.argmax(widths))
    if widths[first] == 0.0:
        first = int(np.argmax(free))
        W[first], C[:, first], free[first] = widest_axis(space), 0.0, False
    (low_u, high_u), = space.intervals(W[[first]])
    b[first] = high_u
    if not free.any():
        W, b = np.vstack([W, W[[first]]]), np.append(b, high_u)
        C, free = np.column_stack([C, C[:, first]]), np.append(free, True)
    second = int(np.argmax(free))
    W[second], b[second], C[:, second], free[second] = -W[first], -low_u, 0.0, False
    with np.errstate(over="ignore"):
        C[:, [first, second]] += (layer.constants / (high_u - low_u))[:, np.newaxis]
    finite_result(C, "the outgoing weight of the pair of neurons that carries a constant")
    return Reduced(W, b, Affine(C, layer.above.b), 0.0 * layer.constants, free)
