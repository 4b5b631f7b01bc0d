"""Draw the regions on which a network is affine: as a map, and as the folded surface above it."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, flag, message
from ..domains import Domain
from ..networks.network import Network
from .functions import breakpoints, checked_output, interval
from .linear_regions import LinearRegion, Pattern, linear_regions
from .style import COLOURS, axes, network_on_domain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER = 1 / 45
"""About the width of a letter, as a share of the width of the picture."""


def regions(
    network: Network, domain: Domain | None = None, ax: Axes | None = None, *,
    patterns: bool = False,
) -> Axes:
    """Draw the regions of the domain on which the same neurons are on: there the network is affine.

    Regions of one input are bars, those of two inputs exact polygons, in colours that neighbours
    seldom share; the title counts them.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of one or two inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
    patterns : bool
        Write into each region which neurons are on, as digits 0 and 1, the layers in lines below
        each other; small regions have no room for it.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, the network has more than two inputs, or there are too
        many regions to be drawn.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> cross = Network([[[1.0, 0.0], [0.0, 1.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    >>> ax = regions(cross, Box([-1, -1], [1, 1]), patterns=True)
    >>> ax.get_title(), [text.get_text() for text in ax.texts]
    ('4 regions', ['11', '10', '01', '00'])
    """
    network, domain = network_on_domain(network, domain, 2)
    patterns = flag(patterns, "patterns")
    if network.n_inputs == 1:
        return _bars(network, domain, axes(ax), patterns)
    found = linear_regions(network, domain)
    ax = axes(ax)
    from matplotlib.collections import PolyCollection

    polygons = [region.polygon for region in found]
    ax.add_collection(PolyCollection(polygons, facecolors=_pale(len(found)), edgecolors="white",
                                     linewidths=0.6))
    if patterns:
        _write_patterns(ax, polygons, [region.pattern for region in found])
    _frame(ax, domain)
    ax.set_title(_count(len(found), "region"))
    return ax


def _bars(network: Network, domain: Domain, ax: Axes, patterns: bool) -> Axes:
    """Draw the regions of one input as bars."""
    low, high = interval(domain)
    inner = np.sort(np.concatenate(breakpoints(network, low, high)))
    edges, n = np.concatenate([[low], inner, [high]]), len(inner) + 1
    ax.bar(edges[:-1], np.ones(n), np.diff(edges), align="edge", color=_pale(n))
    if patterns:
        middles = (edges[:-1] + edges[1:]) / 2.0
        on = [Z > 0.0 for Z in network.pre_activations(middles[:, np.newaxis])]
        for i in np.flatnonzero(np.diff(edges) > (high - low) / 30.0):
            pattern = tuple(tuple(bool(value) for value in layer[i]) for layer in on)
            ax.text(middles[i], 0.5, _text(pattern), rotation=90, ha="center", va="center",
                    family="monospace", fontsize="small")
    ax.set(xlabel="x", yticks=[], title=_count(n, "region"), xlim=(low, high), ylim=(0, 1))
    return ax


def _write_patterns(ax: Axes, polygons: Sequence[Array], patterns: Sequence[Pattern]) -> None:
    """Write each pattern into the middle of its polygon, where there is room."""
    width, height = np.ptp(np.concatenate(polygons), axis=0)
    for polygon, pattern in zip(polygons, patterns):
        half_width = 0.5 * LETTER * width * max(len(layer) for layer in pattern)
        half_height = 0.8 * LETTER * height * len(pattern)
        x, y = polygon.mean(axis=0)
        corners = [(x + i * half_width, y + j * half_height) for i in (-1, 1) for j in (-1, 1)]
        if all(_contains(polygon, corner) for corner in corners):
            ax.text(x, y, _text(pattern), ha="center", va="center", family="monospace",
                    fontsize="small")


def _contains(polygon: Array, point: tuple[float, float]) -> bool:
    """Return True if a point lies to the left of every side of a counter-clockwise polygon."""
    sides = np.roll(polygon, -1, axis=0) - polygon
    to_point = point - polygon
    return bool((sides[:, 0] * to_point[:, 1] - sides[:, 1] * to_point[:, 0] >= 0.0).all())


def _text(pattern: Pattern) -> str:
    """Return a pattern as digits 0 and 1, a line for each layer."""
    return "\n".join("".join(str(int(on)) for on in layer) for layer in pattern)


def _frame(ax: Axes, domain: Domain) -> None:
    """Set the axes to the box around the domain."""
    (x_low, y_low), (x_high, y_high) = domain.bounding_box()
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", xlim=(x_low, x_high),
           ylim=(y_low, y_high))


def _pale(n: int) -> list[tuple[float, float, float]]:
    """Return n pale colours, whose lightness varies as well, for prints in grey.

    Each is a colour of the style mixed with white; its share runs through five values, in an order
    in which regions that follow each other differ.
    """
    from matplotlib.colors import to_rgb

    shares = [0.35 + 0.4 * (7 * i % 5) / 4 for i in range(n)]
    colours = [to_rgb(colour) for _, colour in zip(range(n), cycle(COLOURS))]
    return [
        (1 - (1 - red) * share, 1 - (1 - green) * share, 1 - (1 - blue) * share)
        for (red, green, blue), share in zip(colours, shares)
    ]


def _count(n: int, word: str) -> str:
    """Return a number with its noun."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def surface(
    network: Network, domain: Domain | None = None, ax: Axes | None = None, *, output: int = 0
) -> Axes:
    """Draw a network of two inputs as a surface in space: flat pieces, joined at folds.

    A ReLU network is flat above each of its regions, and folded along their sides. A binary one is
    level there, and jumps between them.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of two inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
        With ``projection="3d"``.
    output : int
        The output that is drawn.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, the network has another number of inputs, or there are
        too many regions to be drawn.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> roof = Network([[[1.0, 0.0], [-1.0, 0.0]]], [[0.0, 0.0]], [[-1.0, -1.0]])
    >>> ax = surface(roof, Box([-1, -1], [1, 1]))
    >>> len(ax.collections[0].get_facecolor())
    2
    """
    network, domain = network_on_domain(network, domain, 2)
    if network.n_inputs == 1:
        raise ValueError(message("network", "of two inputs", "1: see `network`"))
    output = checked_output(network, output)
    found = linear_regions(network, domain)
    space: Any = axes(ax, "3d")
    heights = [region.values(output) for region in found]
    _draw_pieces(space, found, heights)
    _frame_space(space, domain, heights)
    space.set_zlabel("N(x)" if network.n_outputs == 1 else f"output {output}")
    return space


def _draw_pieces(ax: Any, found: Sequence[LinearRegion], heights: Sequence[Array]) -> None:
    """Draw each region at the height of the function, coloured by its mean height."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    pieces = [np.column_stack([region.polygon, z]) for region, z in zip(found, heights)]
    means = np.array([z.mean() for z in heights])
    colours = colormaps["cividis"](Normalize()(means))
    ax.add_collection3d(Poly3DCollection(pieces, facecolors=colours, edgecolors="white",
                                         linewidths=0.8))


def _frame_space(ax: Any, domain: Domain, heights: Sequence[Array]) -> None:
    """Set the axes to the box around the domain and the function's values."""
    (x_low, y_low), (x_high, y_high) = domain.bounding_box()
    low, high = min(z.min() for z in heights), max(z.max() for z in heights)
    margin = 0.05 * (high - low) or 1.0
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(x_low, x_high), ylim=(y_low, y_high),
           zlim=(low - margin, high + margin))
