"""Networks as functions: their graphs with hinges, their linear regions, and the difference of two."""
from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, instance, integer, message
from ..domains import Domain
from ..networks.network import Network
from ..verification.verdict import Verdict
from .style import COLOURS, MARKERS, STYLES, axes, network_on_domain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = 201
"""Points along each side of the grid that functions of two inputs are drawn on."""


def network(network: Network, domain: Domain | None = None, ax: Axes | None = None, *, output: int = 0,
            hinges: bool = True) -> Axes:
    """Draw the graph of a network of one input, or the values of one of two inputs, with its hinges.

    One input: ReLU networks are drawn through their hinges, the places where a neuron's z changes its sign,
    with a marker for each hidden layer; binary ones as steps. Every output is a line. Two inputs: the values of
    one output as colours, and the line z = 0 of every neuron, bent where those below it have hinges.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of one or two inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
    output : int
        Which output has its values drawn, with two inputs.
    hinges : bool
        Whether the hinges are marked.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the network has more than two inputs.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> tent = Network([[[1.0], [1.0]]], [[0.0, -0.5]], [[2.0, -4.0]])
    >>> network(tent, Box(0, 1)).lines[0].get_xydata()
    array([[0. , 0. ],
           [0.5, 1. ],
           [1. , 0. ]])
    """
    network, domain = network_on_domain(network, domain, 2)
    output = _output(network, output)
    if network.n_inputs == 2:
        return _values(network, domain, axes(ax), output, hinges)
    ax, (low, high) = axes(ax), interval(domain)
    places = hinge_places(network, low, high)
    for k, colour, style in zip(range(network.n_outputs), cycle(COLOURS), cycle(STYLES)):
        x, y = _graph(network, low, high, np.concatenate(places), k)
        label = f"output {k}" if network.n_outputs > 1 else None
        ax.plot(x, y, color=colour, linestyle=style, linewidth=1.8, label=label)
    if hinges:
        _mark(network, places, ax)
    ax.set(xlabel="x", ylabel="N(x)")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize="small")
    return ax


def _output(network: Network, output: Any) -> int:
    output = integer(output, "output", 0)
    if output >= network.n_outputs:
        raise ValueError(message("output", f"below the number of outputs, {network.n_outputs}", output))
    return output


def interval(domain: Domain) -> tuple[float, float]:
    """Return the ends of a domain of one input."""
    low, high = domain.bounding_box()
    return float(low[0]), float(high[0])


def hinge_places(network: Network, low: float, high: float) -> list[Array]:
    """Return the places strictly inside [low, high] where a neuron's z changes its sign, one array a layer.

    Between the hinges of the layers below z is affine (binary: constant, so only the first layer has any): a zero
    lies between two of them where z has opposite signs, and linear interpolation finds it.
    """
    knots, places = np.array([low, high]), []
    for layer in range(network.depth):
        if network.activation == "binary" and layer:
            places.append(np.empty(0))
            continue
        Z = network.pre_activations(knots[:, np.newaxis])[layer]
        x, width = knots[:-1, np.newaxis], np.diff(knots)[:, np.newaxis]
        with np.errstate(divide="ignore", invalid="ignore"):
            zeros = x + width * (Z[:-1] / (Z[:-1] - Z[1:]))
        places.append(_apart(zeros[Z[:-1] * Z[1:] < 0.0], knots))
        knots = np.sort(np.concatenate([knots, places[-1]]))
    return places


def _apart(places: Array, knots: Array) -> Array:
    """Return the places that are no knots already, as far as rounding tells, each once."""
    near = 1e-12 * (knots[-1] - knots[0])
    places = np.unique(places)
    distances = np.abs(places[:, np.newaxis] - knots).min(axis=1)
    return places[(distances > near) & (np.diff(places, prepend=-np.inf) > near)]


def _graph(network: Network, low: float, high: float, places: Array, output: int) -> tuple[Array, Array]:
    """Return the graph's corners; binary: both ends of each step, with a gap (nan) at each jump."""
    knots = np.concatenate([[low], np.sort(places), [high]])
    if network.activation == "relu":
        return knots, network(knots[:, np.newaxis])[:, output]
    middles = (knots[:-1] + knots[1:]) / 2
    steps = network(middles[:, np.newaxis])[:, output]
    gaps = np.full(len(steps), np.nan)
    return (np.stack([knots[:-1], knots[1:], gaps], axis=1).ravel(),
            np.stack([steps, steps, gaps], axis=1).ravel())


def _mark(network: Network, places: list[Array], ax: Axes) -> None:
    """Mark the hinges of each layer: on the graph, or for steps at their foot."""
    for layer, (x, marker) in enumerate(zip(places, cycle(MARKERS)), start=1):
        if not len(x):
            continue
        label = "hinges" if network.depth == 1 else f"hinges, layer {layer}"
        if network.activation == "binary":
            ax.plot(x, np.zeros(len(x)), linestyle="", marker="|", markersize=9, color="black", label="jumps",
                    transform=ax.get_xaxis_transform())
            continue
        y = network(x[:, np.newaxis])
        for k in range(network.n_outputs):
            ax.plot(x, y[:, k], linestyle="", marker=marker, markersize=5, color="black", fillstyle="none",
                    label=label if k == 0 else None)


def grid(domain: Domain) -> tuple[Array, Array, Array, np.ndarray]:
    """Return a grid over the box around a domain of two inputs: x, y, points (GRID^2, 2), and which are inside."""
    low, high = domain.bounding_box()
    x, y = np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return x, y, points, domain.contains(points).reshape(GRID, GRID)


def _values(network: Network, domain: Domain, ax: Axes, output: int, hinges: bool) -> Axes:
    x, y, points, inside = grid(domain)
    _image(x, y, network(points)[:, output], inside, "N(x)" if network.n_outputs == 1 else f"output {output}", ax)
    if hinges:
        zero_lines(network, x, y, points, inside, ax)
    return ax


def _image(x: Array, y: Array, values: Array, inside: np.ndarray, label: str, ax: Axes) -> None:
    """Draw values at the points of a grid as colours, those inside the domain."""
    shown = np.ma.array(values.reshape(inside.shape), mask=~inside)
    image = ax.pcolormesh(x, y, shown, shading="nearest", cmap="cividis", rasterized=True)
    ax.figure.colorbar(image, ax=ax, label=label)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def zero_lines(network: Network, x: Array, y: Array, points: Array, inside: np.ndarray, ax: Axes) -> None:
    """Draw the line z = 0 of every neuron, each layer in a style of its own, where z has both signs."""
    for layer, (Z, style) in enumerate(zip(network.pre_activations(points), cycle(STYLES)), start=1):
        for z in Z.T:
            z = np.ma.array(z.reshape(inside.shape), mask=~inside)
            if z.min() < 0.0 < z.max():
                ax.contour(x, y, z, levels=[0.0], colors="white", linestyles=[style], linewidths=1.0)


def regions(network: Network, domain: Domain | None = None, ax: Axes | None = None) -> Axes:
    """Draw the pieces of the domain on which the same neurons are on: there the network is affine.

    Pieces of one input are bars, of two inputs patches of a grid, in colours that neighbours seldom share; the
    title counts those that were met.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of one or two inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the network has more than two inputs.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> cross = Network([[[1.0, 0.0], [0.0, 1.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    >>> regions(cross, Box([-1, -1], [1, 1])).get_title()
    '4 regions'
    """
    network, domain = network_on_domain(network, domain, 2)
    ax = axes(ax)
    if network.n_inputs == 1:
        low, high = interval(domain)
        knots = np.concatenate([[low], np.sort(np.concatenate(hinge_places(network, low, high))), [high]])
        ax.bar(knots[:-1], np.ones(len(knots) - 1), np.diff(knots), align="edge", color=_pale(len(knots) - 1))
        ax.set(xlabel="x", yticks=[], title=_count(len(knots) - 1, "region"), xlim=(low, high), ylim=(0, 1))
        return ax
    x, y, points, inside = grid(domain)
    numbers = _patterns(network, points, inside)
    n = int(numbers.max()) + 1
    from matplotlib.colors import ListedColormap

    ax.pcolormesh(x, y, numbers, shading="nearest", cmap=ListedColormap(_pale(n)), vmin=-0.5, vmax=n - 0.5,
                  rasterized=True)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", title=_count(n, "region"))
    return ax


def _patterns(network: Network, points: Array, inside: np.ndarray) -> Any:
    """Return the number of each point's pattern of neurons that are on, outside the domain masked."""
    on = np.hstack(network.pre_activations(points)) > 0.0
    packed = np.packbits(on[inside.ravel()], axis=1)
    _, numbers = np.unique(packed, axis=0, return_inverse=True)
    result = np.zeros(inside.size)
    result[inside.ravel()] = numbers.ravel()
    return np.ma.array(result.reshape(inside.shape), mask=~inside)


def _pale(n: int) -> list[tuple[float, float, float]]:
    """Return n pale colours; the lightness varies too, for print in grey."""
    from matplotlib.colors import to_rgb

    shades = [0.35 + 0.4 * (7 * i % 5) / 4 for i in range(n)]
    colours = [to_rgb(colour) for _, colour in zip(range(n), cycle(COLOURS))]
    return [(1 - (1 - r) * s, 1 - (1 - g) * s, 1 - (1 - b) * s) for (r, g, b), s in zip(colours, shades)]


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def difference(f: Network, g: Network, domain: Domain | None = None, verdict: Verdict | None = None,
               ax: Axes | None = None) -> Axes:
    """Draw |f - g|, the largest over the outputs, and what `verify` said of it.

    The difference is what float64 computes: where it is as small as the rounding of both networks it is noise,
    and may exceed a bound that was proved of the real functions.

    Parameters
    ----------
    f, g : Network or ReducedNetwork
        Of one input or two, and as many outputs.
    domain : Box, Ball or Hull, optional
        By default that of g, or else of f, if reduced.
    verdict : Verdict, optional
        Its counterexample is marked; its proved bound is a line, or with two inputs the title.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the networks do not fit, or have more than two inputs.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.verification.verify import verify
    >>> f = Network([[[1.0]]], [[0.0]], [[1.0]])
    >>> g = Network([[[1.0]]], [[0.0]], [[1.5]])
    >>> ax = difference(f, g, Box(0, 1), verify(f, g, Box(0, 1)))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['|f - g|', 'counterexample: 0.5']
    """
    for network in (g, f):
        domain = getattr(network, "domain", None) if domain is None else domain
    g, domain = network_on_domain(g, domain, 2, "g")
    f, domain = network_on_domain(f, domain, 2, "f")
    if f.n_outputs != g.n_outputs:
        raise ValueError(message("g", f"of {f.n_outputs} outputs, as `f`", f"{g.n_outputs}"))
    if verdict is not None:
        instance(verdict, "verdict", Verdict, "a Verdict, what verify returns")
    draw = _difference_of_one_input if f.n_inputs == 1 else _difference_of_two
    return draw(f, g, domain, verdict, axes(ax))


def _distance(f: Network, g: Network, points: Array) -> Array:
    result: Array = np.abs(f(points) - g(points)).max(axis=1)
    return result


def _difference_of_one_input(f: Network, g: Network, domain: Domain, verdict: Verdict | None, ax: Axes) -> Axes:
    low, high = interval(domain)
    knots = [*hinge_places(f, low, high), *hinge_places(g, low, high), np.linspace(low, high, 1001)]
    x = np.unique(np.concatenate(knots))
    ax.plot(x, _distance(f, g, x[:, np.newaxis]), color=COLOURS[1], linewidth=1.6, label="|f - g|")
    if verdict is not None:
        if verdict.status != "not_equivalent" and np.isfinite(verdict.bound):
            ax.axhline(verdict.bound, color=COLOURS[0], linestyle="--", label=f"proved bound: {verdict.bound:.2g}")
        _mark_counterexample(verdict, ax)
    ax.set(xlabel="x", ylabel="|f(x) - g(x)|")
    ax.legend(fontsize="small")
    return ax


def _difference_of_two(f: Network, g: Network, domain: Domain, verdict: Verdict | None, ax: Axes) -> Axes:
    x, y, points, inside = grid(domain)
    _image(x, y, _distance(f, g, points), inside, "|f(x) - g(x)|", ax)
    if verdict is not None:
        if verdict.status != "not_equivalent" and np.isfinite(verdict.bound):
            ax.set_title(f"proved bound: {verdict.bound:.2g}")
        _mark_counterexample(verdict, ax)
        if verdict.counterexample is not None:
            ax.legend(fontsize="small")
    return ax


def _mark_counterexample(verdict: Verdict, ax: Axes) -> None:
    """Mark the point of a refutation, with its gap as the height where one input leaves that free."""
    if verdict.counterexample is None:
        return
    point = np.atleast_1d(np.asarray(verdict.counterexample, dtype=float))
    place = (point[0], verdict.gap) if len(point) == 1 else (point[0], point[1])
    ax.plot(*place, linestyle="", marker="X", markersize=11, color=COLOURS[0], markeredgecolor="white",
            label=f"counterexample: {verdict.gap:.2g}")
