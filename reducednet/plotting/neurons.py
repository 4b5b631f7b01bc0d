"""Draw neurons as points on the circle or the sphere, with their thresholds in their intervals."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, choice, instance, message
from ..domains import Domain
from ..networks.activations import activation_named
from ..networks.network import Network, check_network
from ..numerics import sphere as geometry
from ..reduced_space.intervals import LayerSpace
from ..reduced_space.reduced_network import ReducedNetwork
from .style import COLOURS, MARKERS, axes, network_on_domain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGE = 1e-9
"""A threshold this near to an end of its interval, relative to its width, is drawn at the end."""


def neurons(network: Network, domain: Domain | None = None, ax: Axes | None = None) -> Axes:
    """Draw the first layer's thresholds against the directions of its weights, and the intervals I(w).

    Each neuron is a point (direction, b / |w|). With two inputs the direction is an angle; with one
    input it is a sign, and the points are spread a little. Below the band of intervals a neuron is
    dead, above it always on; [-X_B, X_B] is dashed.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of one or two inputs. Rows may have any norm: neurons are scaled to unit rows for the
        drawing.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, the network has more than two inputs, or every row is 0.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[2.0], [1.0], [-1.0]]], [[-1.0, 3.0, 0.5]], [[1.0, 1.0, 1.0]])
    >>> ax = neurons(net, Box(0, 1))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['I(w)', '$X_B$', 'unstable: 2', 'always on: 1']
    """
    network, domain = network_on_domain(network, domain, 2)
    W, b = unit_neurons(network)
    ax = axes(ax)
    if network.n_inputs == 1:
        x = np.array([-1.2, -0.8, np.nan, 0.8, 1.2])  # a band around each sign
        _band(ax, x, np.where(x > 0.0, 1.0, -1.0)[:, np.newaxis], domain)
        rng = np.random.default_rng(0)
        # spread, so that they do not overlap
        directions = W[:, 0] + rng.uniform(-0.12, 0.12, len(W))
        ax.set(xlabel="w", xlim=(-1.6, 1.6), xticks=[-1, 1])
    else:
        draw_bands(ax, domain)
        directions = np.arctan2(W[:, 1], W[:, 0])
    for kind, colour, marker, chosen in stability(network, domain, W, b):
        ax.plot(directions[chosen], b[chosen], linestyle="", marker=marker, color=colour, markersize=6,
                markeredgecolor="black", markeredgewidth=0.5, label=f"{kind}: {chosen.sum()}")
    ax.set_ylabel("threshold b")
    ax.legend(fontsize="small")
    return ax


def draw_bands(ax: Axes, domain: Domain) -> None:
    """Draw the band of the intervals I(w) of all directions of two inputs, over their angles."""
    angles = np.linspace(-np.pi, np.pi, 361)
    _band(ax, angles, np.stack([np.cos(angles), np.sin(angles)], axis=1), domain)
    ax.set_ylabel("threshold b")
    label_angles(ax)


def label_angles(ax: Axes) -> None:
    """Make the x axis that of the angles of w, from -pi to pi."""
    ax.set(xlabel="angle of w", xlim=(-np.pi, np.pi))
    ax.set_xticks(np.pi * np.array([-1, -0.5, 0, 0.5, 1]),
                  ["$-\\pi$", "$-\\pi/2$", "0", "$\\pi/2$", "$\\pi$"])


def unit_neurons(network: Network, keep_zero_rows: bool = False) -> tuple[Array, Array]:
    """Return the first layer's rows and thresholds scaled to unit rows.

    Zero rows have no direction: they are left out, or nan if they are kept.
    """
    W, b = network.weights[0], network.thresholds[0]
    some = W.any(axis=1)
    if not some.any():
        raise ValueError(message("network", "one with a neuron that depends on its input", "zero rows only"))
    units, thresholds = np.full(W.shape, np.nan), np.full(len(b), np.nan)
    units[some], norms = geometry.normalise(W[some])
    with np.errstate(over="ignore"):
        thresholds[some] = np.clip(b[some] / norms, -1e300, 1e300)
    return (units, thresholds) if keep_zero_rows else (units[some], thresholds[some])


def intervals_of(domain: Domain, units: Array) -> Array:
    """Return I(w) = [-h(w), h(-w)] of each unit row, (n, 2)."""
    return LayerSpace(domain, activation_named("relu"), "support").intervals(units)


def _band(ax: Axes, x: Array, units: Array, domain: Domain) -> None:
    low, high = intervals_of(domain, units).T
    ax.fill_between(x, low, high, color="0.85", label="I(w)")
    for sign in (-1.0, 1.0):
        ax.axhline(sign * domain.norm_bound, color="0.4", linestyle="--", linewidth=1,
                   label="$X_B$" if sign > 0.0 else None)


def stability(
    network: Network, domain: Domain, W: Array, b: Array
) -> list[tuple[str, str, str, Any]]:
    """Return (word, colour, marker, mask) for unstable, dead and always-on neurons, if any."""
    low, high = intervals_of(domain, W).T
    edge = EDGE * (high - low)
    dead, on = b <= low + edge, b >= high - edge
    rows = [("unstable", ~(dead | on)), ("dead", dead), ("always on", on & ~dead)]
    looks = zip(rows, (COLOURS[1], COLOURS[0], COLOURS[2]), MARKERS)
    return [(word, colour, marker, chosen) for (word, chosen), colour, marker in looks if chosen.any()]


def sphere(network: Network, domain: Domain | None = None, ax: Axes | None = None) -> Axes:
    """Draw the directions of the first layer's weights on the circle, or on the sphere.

    The colour of a point shows where its threshold lies in I(w): 0 at the end where the neuron is
    dead, 1 at the end where it is always on.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of two or three inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
        For three inputs one with ``projection="3d"``.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, the number of inputs is another one, or every row is 0.

    Examples
    --------
    >>> from reducednet.domains import Ball
    >>> red = ReducedNetwork.random((2, 5, 1), Ball([0, 0], 1), rng=0)
    >>> sphere(red).collections[0].get_array().shape
    (5,)
    """
    network, domain = network_on_domain(network, domain, 3)
    if network.n_inputs == 1:
        raise ValueError(message("network", "of two or three inputs", "1: see `neurons`"))
    W, b = unit_neurons(network)
    low, high = intervals_of(domain, W).T
    positions = np.clip((b - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    ax = axes(ax, "3d" if network.n_inputs == 3 else None)
    draw = _draw_circle if network.n_inputs == 2 else _draw_sphere
    draw(ax)
    options: dict[str, Any] = {
        "c": positions, "cmap": "cividis", "vmin": 0.0, "vmax": 1.0, "s": 40, "zorder": 3,
    }
    points = ax.scatter(*W.T, edgecolors="black", **options)
    ax.figure.colorbar(points, ax=ax, label="position of b in I(w)", shrink=0.8)
    ax.set(xlabel="$w_1$", ylabel="$w_2$", aspect="equal")
    return ax


def _draw_circle(ax: Axes) -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 361)
    ax.plot(np.cos(angles), np.sin(angles), color="0.6", linewidth=1)


def _draw_sphere(ax: Any) -> None:
    latitude, longitude = np.meshgrid(np.linspace(0.0, np.pi, 13), np.linspace(0.0, 2.0 * np.pi, 25))
    x, y = np.sin(latitude) * np.cos(longitude), np.sin(latitude) * np.sin(longitude)
    ax.plot_surface(x, y, np.cos(latitude), color="0.8", alpha=0.25, linewidth=0, shade=False)
    ax.plot_wireframe(x, y, np.cos(latitude), color="0.6", linewidth=0.5, alpha=0.6)
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], zticks=[-1, 0, 1])
    ax.set_zlabel("$w_3$")


def layers(
    network: Network, reduced: ReducedNetwork, quantity: str = "thresholds", ax: Axes | None = None
) -> Axes:
    """Draw every neuron of a network before and after `reduce`, layer by layer.

    Parameters
    ----------
    network : Network
    reduced : ReducedNetwork
        The result of ``reduce(network, domain)``.
    quantity : "thresholds" or "norms"
        The position of b / |w| in the interval of its neuron: 0 is the lower end, 1 the upper end;
        beyond them the neuron is dead or always on, and the axis logarithmic. The norms of the
        layer below are absorbed into w first. Or the norm |w|.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or the networks do not belong together.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduction import reduce
    >>> net = Network.random((2, 6, 4, 1), rng=0)
    >>> ax = layers(net, reduce(net, Box([0, 0], [1, 1])))
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['1', "1'", '2', "2'"]
    """
    network = check_network(network)
    instance(reduced, "reduced", ReducedNetwork, "a ReducedNetwork")
    choice(quantity, "quantity", ("thresholds", "norms"))
    pairs = zip(network.sizes[:-1], reduced.sizes[:-1])
    if network.depth != reduced.depth or network.n_inputs != reduced.n_inputs or any(n > m for n, m in pairs):
        raise ValueError(message("reduced", f"a reduction of a {'-'.join(map(str, network.sizes))} network",
                                 "-".join(map(str, reduced.sizes))))
    ax = axes(ax)
    for layer, (before, after) in enumerate(_norms(network, reduced) if quantity == "norms"
                                            else _positions(network, reduced)):
        _draw_layer(ax, layer, before, after)
    ticks = [x for layer in range(network.depth) for x in (3 * layer, 3 * layer + 1)]
    ax.set_xticks(ticks, [f"{t // 3 + 1}{chr(39) * (t % 3)}" for t in ticks])
    ax.set_xlabel("hidden layer, before and after (')")
    _finish(ax, quantity)
    return ax


def _finish(ax: Axes, quantity: str) -> None:
    if quantity == "norms":
        ax.set(yscale="log", ylabel="|w|")
    else:
        from matplotlib.ticker import FuncFormatter, NullFormatter

        ax.axhspan(0.0, 1.0, color="0.85", zorder=0, label="I(w)")
        ax.set_yscale("symlog", linthresh=2.0)
        ax.set_ylabel("position of b / |w| in I(w)")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())  # between 0 and 1 they would be stray
    ax.legend(fontsize="small")


def _draw_layer(ax: Axes, layer: int, before: Array, after: Array) -> None:
    left, right = 3 * layer, 3 * layer + 1
    n = len(before)
    ax.plot([left, right], np.stack([before, after[:n]]), color="0.7", linewidth=0.8)
    series = zip((left, right), (before, after), ("before", "after"), COLOURS, MARKERS)
    for x, values, word, colour, marker in series:
        ax.plot(np.full(len(values), x), values, linestyle="", marker=marker, color=colour,
                markersize=5, label=None if layer else word)


def _unit_thresholds(network: Network) -> list[Array]:
    """Return b / |w| of each layer, after the layer above has absorbed the norms."""
    result, factors = [], np.ones(network.n_inputs)
    for W, b in zip(network.weights, network.thresholds):
        norms = geometry.row_norms(W * factors)
        result.append(b / np.where(norms > 0.0, norms, 1.0))
        factors = norms if network.activation == "relu" else np.ones(len(norms))
    return result


def _norms(network: Network, reduced: ReducedNetwork) -> list[tuple[Array, Array]]:
    pairs = zip(network.weights, reduced.weights)
    return [(geometry.row_norms(W), geometry.row_norms(units)) for W, units in pairs]


def _positions(network: Network, reduced: ReducedNetwork) -> list[tuple[Array, Array]]:
    """Return positions of thresholds in the reduced network's intervals, before and after."""
    result = []
    layers = zip(_unit_thresholds(network), reduced.thresholds, reduced.intervals)
    for b, b_after, intervals in layers:
        low = intervals[:, 0]
        width = np.maximum(intervals[:, 1] - low, np.finfo(float).tiny)
        result.append(((b - low[:len(b)]) / width[:len(b)], (b_after - low) / width))
    return result
