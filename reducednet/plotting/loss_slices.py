"""Draw the loss of a network over the reduced space of one of its neurons."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, integer, message, responses, samples
from ..domains import Domain
from ..networks.activations import activation_named
from ..networks.network import Network
from .neurons import intervals_of, label_angles, unit_neurons
from .style import COLOURS, axes, network_on_domain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Losses = Callable[[Array, Array], Array]
ANGLES, POSITIONS = 181, 101
"""Points of the grid over the angles of w and over the positions of b in I(w)."""


def loss_slice(
    network: Network, X: Any, y: Any, domain: Domain | None = None, ax: Axes | None = None, *,
    neuron: int = 0,
) -> Axes:
    """Draw the mean squared error over the angle and position of one neuron; all else stays.

    The neuron's unit weights are w = (cos t, sin t), its threshold is b = (1 - q) low + q high in
    I(w) = [low, high], and its outgoing weight is that of the network with |w| = 1. A star marks
    the network's own neuron. With one input there are two weights, -1 and 1: two curves over q.

    Parameters
    ----------
    network : Network or ReducedNetwork
        A network of one hidden layer and one or two inputs.
    X : array (n_samples, n_inputs)
    y : array (n_samples,) or (n_samples, n_outputs)
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
    neuron : int
        Which one, counted from 0.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, the network is deeper or has more inputs, or
        there is no such neuron, or its weights are 0.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduced_network import ReducedNetwork
    >>> red = ReducedNetwork.random((1, 5, 1), Box(0, 1), rng=0)
    >>> X = np.linspace(0, 1, 20)[:, np.newaxis]
    >>> [line.get_label() for line in loss_slice(red, X, X[:, 0], neuron=1).lines]
    ['w = 1', 'w = -1', 'the network']
    """
    network, domain = network_on_domain(network, domain, 2)
    if network.depth != 1:
        got = f"{network.depth} hidden layers"
        raise ValueError(message("network", "one of one hidden layer", got))
    neuron = integer(neuron, "neuron", 0)
    if neuron >= network.sizes[1]:
        expected = f"below the number of neurons, {network.sizes[1]}"
        raise ValueError(message("neuron", expected, neuron))
    if not network.weights[0][neuron].any():
        raise ValueError(message("neuron", "one whose weights are not 0", neuron))
    X = samples(X, network.n_inputs)
    y = responses(y, len(X), network.n_outputs)
    units, thresholds = unit_neurons(network, keep_zero_rows=True)
    losses = _loss_of_neuron(network, X, y, neuron)
    draw = _curves if network.n_inputs == 1 else _map
    return draw(losses, units[[neuron]], thresholds[[neuron]], domain, axes(ax))


def _loss_of_neuron(network: Network, X: Array, y: Array, neuron: int) -> Losses:
    """Return the loss as a function of the neuron's unit weights (n, n_inputs) and thresholds (n,).

    The residual of sample i is r_i + c h_i, h_i = s(w.x_i + b), where r is the residual without the
    neuron and c its outgoing weights, so that with sums over the outputs

        loss = mean_i |r_i|^2 + 2 h_i (r_i.c) + h_i^2 |c|^2.
    """
    s = activation_named(network.activation).value
    w, threshold = network.weights[0][neuron], network.thresholds[0][neuron]
    outgoing = network.output_weights[:, neuron]
    scale = float(np.linalg.norm(w)) if network.activation == "relu" else 1.0
    c = outgoing * scale  # for a unit row
    r = network(X) - y - s(X @ w + threshold)[:, np.newaxis] * outgoing
    squares, products = (r * r).sum(axis=1)[:, np.newaxis], (r @ c)[:, np.newaxis]

    def losses(units: Array, b: Array) -> Array:
        H = s(X @ units.T + b)  # (n_samples, n)
        terms = squares + 2.0 * H * products + H * H * float(c @ c)
        return np.asarray(terms.mean(axis=0))

    return losses


def _position(domain: Domain, unit: Array, b: Array) -> float:
    """Return q with b = (1 - q) low + q high, for one unit row (1, n_inputs) and b (1,)."""
    low, high = intervals_of(domain, unit)[0]
    return float((b[0] - low) / (high - low)) if high > low else 0.0


def _curves(losses: Losses, unit: Array, b: Array, domain: Domain, ax: Axes) -> Axes:
    """Draw the loss for one input: a curve over the position for each of the weights 1 and -1."""
    positions = np.linspace(0.0, 1.0, 4 * POSITIONS)
    for sign, colour, style in ((1.0, COLOURS[1], "-"), (-1.0, COLOURS[0], "--")):
        units = np.full((len(positions), 1), sign)
        low, high = intervals_of(domain, units).T
        thresholds = (1.0 - positions) * low + positions * high
        ax.plot(positions, losses(units, thresholds), color=colour, linestyle=style, linewidth=1.8,
                label=f"w = {sign:.0f}")
    ax.plot(_position(domain, unit, b), losses(unit, b), linestyle="", marker="*", markersize=13,
            color=COLOURS[2], markeredgecolor="black", label="the network")
    ax.set(xlabel="position q of b in I(w)", ylabel="mean squared error")
    ax.legend(fontsize="small")
    return ax


def _map(losses: Losses, unit: Array, b: Array, domain: Domain, ax: Axes) -> Axes:
    """Draw the loss for two inputs, as a map over the angle and the position."""
    angles, positions = np.linspace(-np.pi, np.pi, ANGLES), np.linspace(0.0, 1.0, POSITIONS)
    units = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    low, high = intervals_of(domain, units).T
    rows = [losses(units, (1.0 - q) * low + q * high) for q in positions]
    image = ax.contourf(angles, positions, np.stack(rows), levels=20, cmap="cividis")
    ax.figure.colorbar(image, ax=ax, label="mean squared error")
    ax.plot(np.arctan2(unit[0, 1], unit[0, 0]), _position(domain, unit, b), linestyle="",
            marker="*", markersize=14, color=COLOURS[0], markeredgecolor="white",
            label="the network")
    label_angles(ax)
    ax.set_ylabel("position q of b in I(w)")
    ax.legend(fontsize="small")
    return ax
