"""Reduce one layer: normalise its rows, clip its thresholds, and pass what is lost to the next map.

THEORY, Prop. 1, 2 and 4. A ReLU layer does three things in turn: `clip_thresholds`, `absorb` and,
without an output bias, `represent_constants`.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..networks.parameters import Affine
from ..numerics import sphere
from .intervals import LayerSpace, RowBounds


class ReducedLayer(NamedTuple):
    """A reduced layer and the map above it, with anything that does not fit in either.

    Attributes
    ----------
    W, b : arrays (n_neurons, n_inputs), (n_neurons,)
        Unit rows, and thresholds in their intervals.
    above : Affine
        The map of the next hidden layer, or the outgoing one.
    constants : array (n_above,)
        Still to be added to the map above, which has no bias to take it; zeros otherwise.
    spare : bool array (n_neurons,)
        Neurons that contribute nothing, so that new ones may replace them.
    bounds : RowBounds
        Of the rows W; None where rows have been replaced.
    """

    W: Array
    b: Array
    above: Affine
    constants: Array
    spare: np.ndarray
    bounds: RowBounds | None = None


def unit_directions(W: Array) -> tuple[Array, Array]:
    """Return the rows as unit vectors, and their norms; a zero row becomes the first unit vector.

    Raises
    ------
    ValueError
        If a norm leaves the range of float64.
    """
    units, norms = sphere.normalise(W)
    units[norms == 0.0, 0] = 1.0
    return units, finite_result(norms, "a row norm of `weights`")


def clip_thresholds(
    b: Array, norms: Array, low: Array, high: Array, margin: Array | float = 0
) -> tuple[Array, Array]:
    """Return thresholds t in [low, high] for unit rows, and the constants that clipping removes.

    For a ReLU neuron with row nu w, w of length 1, the clip identity on the layer's input set is

        s(nu w.h + b) = nu s(w.h + t) + kappa,   t = clip(b / nu, low, high),
        kappa = b - nu high where b / nu > high, else 0.

    A zero row (nu = 0) has t = low and kappa = s(b). A ratio b / nu within the margin of an end is
    set to that end; at the upper one kappa = b - nu high whatever its sign. The arithmetic is that
    of the arguments: with `fractions.Fraction` entries and no margin the identity is exact.

    Parameters
    ----------
    b, norms, low, high, margin : arrays (n_neurons,)

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
    from_low, to_high = ratios - low, high - ratios
    nearest_end = np.where(to_high <= from_low, high, low)
    t = np.where((from_low <= margin) | (to_high <= margin), nearest_end, ratios)
    t = np.where(zero | (ratios <= low), low, np.where(ratios >= high, high, t))
    constants = np.where((t == high) & (ratios > low), b - norms * high, 0 * high)
    return t, np.where(zero, np.maximum(b, 0), constants)


def absorb(above: Affine, norms: Array, constants: Array) -> tuple[Affine, Array]:
    """Return the map above with the norms in its columns and the constants in its bias.

    C <- C diag(nu),   b <- b + C kappa

    The second result is what could not be absorbed: C kappa if there is no bias, else zeros.
    """
    total = above.W @ constants
    W = above.W * norms
    if above.b is None:
        return Affine(W, None), total
    return Affine(W, above.b + total), 0 * total


def clip_binary_thresholds(b: Array, norms: Array, low: Array, high: Array, margin: float) -> Array:
    """Return the thresholds of binary neurons on unit rows.

    Where normalising changes the row, the ratio b / nu is lowered by the margin: a neuron that
    is off because z = 0 exactly then stays off in spite of rounding. A stable neuron gets an end of
    its interval, which is wider by the margin (`LayerSpace.intervals`).
    """
    zero = norms == 0.0
    with np.errstate(over="ignore"):
        ratios = b / np.where(zero, 1.0, norms)
    lowered = np.where(norms == 1.0, ratios, ratios - margin)
    always_on = np.where(zero, b > 0.0, ratios >= high - margin / 2)
    dead = zero | (lowered <= low + 1.5 * margin)  # a second reduction decides the same
    return np.where(always_on, high, np.where(dead, low, np.clip(lowered, low, high)))


def reduce_layer(layer: Affine, above: Affine, space: LayerSpace, number: int) -> ReducedLayer:
    """Return the reduced layer, with the map above changed so that the function stays the same.

    Raises
    ------
    ValueError
        If a product leaves the range of float64; `number` names the layer.
    """
    W, norms = unit_directions(layer.W)
    bounds = space.row_bounds(W)
    low, high = space.intervals(W, bounds).T
    assert layer.b is not None
    if space.activation.name == "binary":
        b = clip_binary_thresholds(layer.b, norms, low, high, space.margin)
        constants, spare = np.zeros(len(above.W)), np.zeros(len(b), dtype=bool)
        return ReducedLayer(W, b, above, constants, spare, bounds)
    with np.errstate(over="ignore", invalid="ignore"):
        b, constants = clip_thresholds(layer.b, norms, low, high, bounds.error)
        if above.b is None:  # what may be a mere rounding error is not worth two neurons
            constants[np.abs(constants) <= norms * bounds.error] = 0.0
        above, leftover = absorb(above, norms, constants)
    for array in (above.W, above.b, leftover):
        if array is not None:
            finite_result(array, f"layer {number}: an outgoing weight times the norm of its neuron")
    spare = (norms == 0.0) | ((b == high) & (high - low <= bounds.error))
    return ReducedLayer(W, b, above, leftover, spare, bounds)


def widest_axis(space: LayerSpace) -> Array:
    """Return the unit vector along which the layer's input set is widest, as one row (1, n_inputs)."""
    axes = np.eye(space.domain.n_inputs)
    low, high = space.intervals(axes).T
    return axes[[np.argmax(high - low)]]


def represent_constants(layer: ReducedLayer, space: LayerSpace) -> ReducedLayer:
    """Return the layer with its left-over constants represented by a pair of ReLU neurons.

    s(u.h + high) + s(-u.h - low) = high - low on the input set, so both neurons take the extra
    outgoing weight constants / (high - low). The first is the always-on neuron of largest width
    high - low; if none has positive width, it is a spare neuron along the widest axis. The second
    is a spare neuron, or a new one if none is left.

    References
    ----------
    THEORY, Prop. 4.
    """
    if not layer.constants.any():
        return layer
    W, b, C, spare = layer.W.copy(), layer.b.copy(), layer.above.W.copy(), layer.spare.copy()
    low, high = space.intervals(W, layer.bounds).T
    widths = np.where((b == high) & ~spare, high - low, 0.0)
    first = int(np.argmax(widths))
    if widths[first] == 0.0:
        first = int(np.argmax(spare))
        W[first], C[:, first], spare[first] = widest_axis(space), 0.0, False
    (low_u, high_u), = space.intervals(W[[first]])
    b[first] = high_u
    if not spare.any():
        W, b = np.vstack([W, W[[first]]]), np.append(b, high_u)
        C, spare = np.column_stack([C, C[:, first]]), np.append(spare, True)
    second = int(np.argmax(spare))
    W[second], b[second], C[:, second], spare[second] = -W[first], -low_u, 0.0, False
    with np.errstate(over="ignore"):
        C[:, [first, second]] += (layer.constants / (high_u - low_u))[:, np.newaxis]
    finite_result(C, "the outgoing weight of the pair of neurons that carries a constant")
    return ReducedLayer(W, b, Affine(C, layer.above.b), 0.0 * layer.constants, spare)
