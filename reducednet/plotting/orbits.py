"""Draw how neurons move in the reduced space: along an orbit to `reduce`, and during training."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, instance, message
from ..domains import Domain
from ..networks.network import Network
from ..numerics.sphere import row_norms
from .neurons import draw_bands, intervals_of, unit_neurons
from .style import COLOURS, network_on_domain, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def orbit(network: Network, domain: Domain | None = None, ax: Axes | None = None) -> Axes:
    """Draw the orbits of the first layer's neurons, and where `reduce` lands on each.

    A ReLU neuron (w, b, c) has the same function as (a w, a b, c / a) for every a > 0: these are
    a ray in the plane of |w| and b, its orbit. The reduced space meets it where |w| = 1. If b is
    outside of the interval I(w) there, the neuron is dead or always on, and `reduce` moves it to
    the interval's end; the next layer takes the constant that this leaves over.

    With one input the plane is that of w and b, with the two unit weights -1 and 1.

    Parameters
    ----------
    network : Network or ReducedNetwork
        A ReLU network of any number of inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, the network is binary, or every row is 0.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[2.0], [0.5]]], [[-1.0, 1.0]], [[1.0, 1.0]])
    >>> ax = orbit(net, Box(0, 1))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['orbit', 'I(w)', 'network', 'where reduce lands']
    """
    network, domain = network_on_domain(network, domain, None)
    if network.activation != "relu":
        expected = "a ReLU network: only its neurons have rays"
        raise ValueError(message("network", expected, "a binary one"))
    units, unit_b = unit_neurons(network)
    is_neuron = network.weights[0].any(axis=1)  # rows of 0 have no ray
    W, b = network.weights[0][is_neuron], network.thresholds[0][is_neuron]
    low, high = intervals_of(domain, units).T
    landed = np.clip(unit_b, low, high)
    # the horizontal axis is |w|, or w itself for one input
    unit_w = units[:, 0] if network.n_inputs == 1 else np.ones(len(units))
    w = unit_w * row_norms(W)

    ax = axes(ax)
    width = 1.15 * max(1.0, float(np.abs(w).max()))
    _draw_rays(ax, width, unit_w, unit_b)
    for i, (x, bottom, top) in enumerate(zip(unit_w.tolist(), low.tolist(), high.tolist())):
        ax.plot([x, x], [bottom, top], color=COLOURS[5], linewidth=6, alpha=0.3,
                solid_capstyle="butt", label=None if i else "I(w)")
    for start, end in zip(zip(w, b), zip(unit_w, landed)):
        _arrow(ax, start, end)
    ax.plot(w, b, linestyle="", marker="o", color=COLOURS[1], markersize=6, label="network")
    ax.plot(unit_w, landed, linestyle="", marker="s", color=COLOURS[0], markersize=6,
            label="where reduce lands")

    heights = np.concatenate([b, landed, low, high, [0.0]])
    margin = 0.1 * float(np.ptp(heights)) or 1.0
    ax.set(xlabel="w" if network.n_inputs == 1 else "|w|", ylabel="b",
           xlim=(-width, width) if unit_w.min() < 0.0 else (0.0, width),
           ylim=(float(heights.min()) - margin, float(heights.max()) + margin))
    ax.legend(fontsize="small")
    return ax


def _draw_rays(ax: Axes, width: float, unit_w: Array, unit_b: Array) -> None:
    """Draw the rays from 0 through the points (unit_w, unit_b), with |unit_w| = 1."""
    for x, y in zip(unit_w.tolist(), unit_b.tolist()):
        label = None if ax.lines else "orbit"
        ax.plot([0.0, x * width], [0.0, y * width], color="0.8", linewidth=1.0, label=label)


def _arrow(ax: Axes, start: Any, end: Any) -> None:
    """Draw an arrow whose head is of one size, however long it is."""
    if np.hypot(*np.subtract(end, start)) > 0.0:
        style = {"arrowstyle": "-|>", "color": "0.3", "linewidth": 0.9, "shrinkA": 3, "shrinkB": 3}
        ax.annotate("", end, start, arrowprops=style)


def tracks(
    networks: Sequence[Network], domain: Domain | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how the first layer's neurons moved during training, over the band of intervals I(w).

    Each neuron is a line through its points (angle of w, b / |w|), from an open dot to a closed
    one. With one input, whose weights are -1 and 1, the line runs over the networks instead, and
    the weights' signs have two line styles.

    Parameters
    ----------
    networks : sequence of Network or ReducedNetwork
        Of one or two inputs, all of the same sizes, in the order of the steps: collect them with
        the callback ``lambda state: networks.append(state.network)``.
    domain : Box, Ball or Hull, optional
        By default that of the first network, if it is reduced.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If there is no network, their sizes differ, or they have more than two inputs.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduced_network import ReducedNetwork
    >>> box = Box([0, 0], [1, 1])
    >>> steps = [ReducedNetwork.random((2, 5, 1), box, rng=seed) for seed in range(3)]
    >>> tracks(steps).get_xlabel()
    'angle of w'
    """
    networks, domain = networks_of_one_kind(networks, domain)
    rows = [unit_neurons(network, keep_zero_rows=True) for network in networks]
    W, b = np.stack([units for units, _ in rows]), np.stack([thresholds for _, thresholds in rows])
    draw = _tracks_of_one_input if W.shape[2] == 1 else _tracks_of_two
    return draw(W, b, domain, axes(ax))


def networks_of_one_kind(
    networks: Sequence[Network], domain: Domain | None
) -> tuple[list[Network], Domain]:
    """Return the networks as a list, with the domain to draw; refuse those of other sizes."""
    networks = list(instance(networks, "networks", Sequence, "a sequence of networks"))
    if not networks:
        raise ValueError(message("networks", "at least one network", "an empty sequence"))
    first, domain = network_on_domain(networks[0], domain, 2, "networks[0]")
    for i, other in enumerate(networks):
        if getattr(other, "sizes", None) != first.sizes:
            raise ValueError(message(f"networks[{i}]", f"of sizes {first.sizes}", repr(other)))
    return networks, domain


def _tracks_of_two(W: Array, b: Array, domain: Domain, ax: Axes) -> Axes:
    """Draw the tracks over the angle; a line that passes pi comes in again at -pi."""
    draw_bands(ax, domain)
    angles = np.arctan2(W[..., 1], W[..., 0])
    for angle, threshold, colour in zip(angles.T, b.T, cycle(COLOURS)):
        # the track without jumps, once for each number of turns that brings a part into view
        unwrapped = np.unwrap(angle)
        first, stop = -np.ceil(unwrapped.max() / np.pi), 2 - unwrapped.min() // np.pi
        for shift in 2.0 * np.pi * np.arange(first, stop):
            in_view = (unwrapped + shift >= -4.0) & (unwrapped + shift <= 4.0)
            if in_view.any():
                ax.plot(unwrapped + shift, threshold, color=colour, linewidth=1.0)
        _ends(ax, angle, threshold, colour)
    ax.legend(fontsize="small")
    return ax


def _tracks_of_one_input(W: Array, b: Array, domain: Domain, ax: Axes) -> Axes:
    """Draw the thresholds over the networks' numbers, and the two intervals as bands."""
    steps = np.arange(float(len(b)))
    for sign, hatch in ((1.0, "//"), (-1.0, "\\\\")):
        low, high = intervals_of(domain, np.array([[sign]]))[0]
        ax.axhspan(low, high, facecolor="none", edgecolor="0.8", hatch=hatch, linewidth=0,
                   label=f"I(w), w = {sign:.0f}")
    for w, threshold, colour in zip(W[..., 0].T, b.T, cycle(COLOURS)):
        style = "-" if w[-1] > 0.0 else "--"
        ax.plot(steps, threshold, color=colour, linewidth=1.2, linestyle=style)
        _ends(ax, steps, threshold, colour)
    ax.set(xlabel="network", ylabel="threshold b")
    ax.legend(fontsize="small")
    return ax


def _ends(ax: Axes, x: Array, y: Array, colour: str) -> None:
    """Mark the start of a track by an open dot, its end by a closed one."""
    ax.plot(x[0], y[0], marker="o", color=colour, markersize=5, markerfacecolor="white", zorder=3)
    ax.plot(x[-1], y[-1], marker="o", color=colour, markersize=5, markeredgecolor="black", zorder=3)
