"""Draw a network as its textbook diagram, with every threshold on its interval."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, message
from ..domains import Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network, check_domain, check_network
from ..numerics.sphere import normalise, row_norms
from ..reduced_space.reduced_network import ReducedNetwork
from .neurons import intervals_of
from .style import COLOURS, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NODES = 24
"""A wider layer has no room for its nodes."""
HALF_HEIGHT = 0.34
"""Half of the height at which an interval is drawn; neighbouring nodes have the distance 1."""


def diagram(network: Network, ax: Axes | None = None, *, domain: Domain | None = None) -> Axes:
    """Draw the nodes and edges of a network, and each threshold on its interval.

    Edges are the weights: their width grows with the absolute value, their colour and style is the
    sign. Beside a hidden neuron stands its interval I(w), with a dot where the threshold is: at
    its lower end the neuron is dead, at its upper end always on. A standard network has intervals
    only in the first layer, and only on a domain; a dot beyond the interval is drawn at its end
    with an arrow's head.

    Parameters
    ----------
    network : Network or ReducedNetwork
        With at most 24 nodes in each layer.
    ax : Axes, optional
    domain : Box, Ball or Hull, optional
        For a standard network.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or a layer is too wide.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> red = ReducedNetwork.random((2, 3, 1), Box([0, 0], [1, 1]), rng=0)
    >>> [text.get_text() for text in diagram(red).texts]
    ['$x_{1}$', '$x_{2}$', '$N_{1}$']
    """
    network = check_network(network)
    if max(network.sizes) > MOST_NODES:
        expected = f"one with at most {MOST_NODES} nodes in each layer to be drawn"
        raise ValueError(message("network", expected, "-".join(map(str, network.sizes))))
    intervals = _intervals_by_layer(network, domain)
    ax = axes(ax)
    heights: list[Array] = [np.arange(float(n)) - (n - 1) / 2.0 for n in network.sizes]
    for layer, (W, _) in enumerate(affine_maps(network)):
        _draw_edges(ax, layer, W, heights[layer], heights[layer + 1])
    _draw_nodes(ax, network, heights)
    for layer, limits in enumerate(intervals, start=1):
        b = _unit_thresholds(network.weights[layer - 1], network.thresholds[layer - 1])
        _draw_thresholds(ax, layer, b, limits, heights[layer])
    ax.set(xlim=(-0.5, len(heights) - 0.5), aspect="auto", xticks=range(len(heights)), yticks=[])
    ax.set_ylim(max(h[-1] for h in heights) + 0.8, -max(h[-1] for h in heights) - 0.8)
    hidden = [f"layer {layer}" for layer in range(1, network.depth + 1)]
    ax.set_xticklabels(["inputs", *hidden, "outputs"])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax


def _intervals_by_layer(network: Network, domain: Domain | None) -> list[Array]:
    """Return the intervals of the hidden layers for which they are known, from the first one on."""
    if isinstance(network, ReducedNetwork):
        return list(network.intervals)
    if domain is None:
        return []
    units, _ = normalise(network.weights[0])
    return [intervals_of(check_domain(network, domain), units)]


def _unit_thresholds(W: Array, b: Array) -> Array:
    """Return b / |w| for each neuron, and b where w = 0."""
    norms = row_norms(W)
    return np.asarray(b / np.where(norms > 0.0, norms, 1.0))


def _draw_edges(ax: Axes, layer: int, W: Array, below: Array, above: Array) -> None:
    """Draw the weights of a layer as lines from its inputs to its neurons."""
    from matplotlib.collections import LineCollection

    largest = float(np.abs(W).max()) or 1.0
    for sign, colour, style in ((1.0, COLOURS[1], "-"), (-1.0, COLOURS[0], "--")):
        neurons, inputs = np.nonzero(sign * W > 0.0)
        segments: Any = [
            ((layer, below[i]), (layer + 1, above[j])) for j, i in zip(neurons, inputs)
        ]
        widths = 0.3 + 2.7 * np.abs(W[neurons, inputs]) / largest
        label = None if layer else ("positive" if sign > 0.0 else "negative") + " weight"
        ax.add_collection(LineCollection(segments, linewidths=widths, colors=colour,
                                         linestyles=style, alpha=0.75, zorder=1, label=label))


def _draw_nodes(ax: Axes, network: Network, heights: list[Array]) -> None:
    """Draw the nodes as circles, and name inputs and outputs."""
    for layer, of_layer in enumerate(heights):
        ax.scatter(np.full(len(of_layer), layer), of_layer, s=180, facecolors="white",
                   edgecolors="black", zorder=2)
    for layer, letter in ((0, "x"), (len(heights) - 1, "N")):
        shift = -0.12 if layer == 0 else 0.12
        for k, height in enumerate(heights[layer], start=1):
            ax.text(layer + shift, height, f"${letter}_{{{k}}}$", va="center",
                    ha="right" if layer == 0 else "left")


def _draw_thresholds(ax: Axes, layer: int, b: Array, limits: Array, heights: Array) -> None:
    """Draw the interval of each threshold beside its node, and the threshold on it."""
    x = np.full(len(b), layer + 0.13)
    low, high = limits.T
    position = (b - low) / np.where(high > low, high - low, 1.0)
    bottom, top = heights + HALF_HEIGHT, heights - HALF_HEIGHT  # the axis points downwards
    ax.vlines(x, top, bottom, colors="0.55", linewidth=3, zorder=3,
              label="I(w), dot: threshold" if layer == 1 else "")
    inside = (position >= 0.0) & (position <= 1.0)
    shown = bottom + np.clip(position, 0.0, 1.0) * (top - bottom)
    for chosen, marker in ((inside, "o"), (position > 1.0, "^"), (position < 0.0, "v")):
        ax.plot(x[chosen], shown[chosen], linestyle="", marker=marker, color=COLOURS[2],
                markeredgecolor="black", markersize=6, zorder=4)
