"""Draw networks as functions: graphs with breakpoints, sums of ramps, the difference of two."""
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
"""Points along each side of the grid on which functions of two inputs are drawn."""
MOST_DOTS = 60
"""More steps than this are drawn without risers and dots, which would hide them."""


def network(network: Network, domain: Domain | None = None, ax: Axes | None = None, *, output: int = 0,
            hinges: bool = True) -> Axes:
    """Draw a network of one or two inputs as a function, with its breakpoints.

    One input: a ReLU network is drawn through its breakpoints, where the z of a neuron changes its
    sign, with a marker for each hidden layer; a binary network is drawn as steps. Every output is a
    line. Two inputs: the values of one output are colours, and the line z = 0 of every neuron is
    drawn.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of one or two inputs.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
    output : int
        The output whose values are drawn, with two inputs.
    hinges : bool
        Whether breakpoints, or the lines z = 0, are marked.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or the network has more than two inputs.

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
    output = checked_output(network, output)
    if network.n_inputs == 2:
        return _values(network, domain, axes(ax), output, hinges)
    ax, (low, high) = axes(ax), interval(domain)
    found = breakpoints(network, low, high)
    for k, colour, style in zip(range(network.n_outputs), cycle(COLOURS), cycle(STYLES)):
        x, y = _graph(network, low, high, np.concatenate(found), k)
        label = f"output {k}" if network.n_outputs > 1 else None
        ax.plot(x, y, color=colour, linestyle=style, linewidth=1.8, label=label)
        if network.activation == "binary":
            _draw_risers(network, x.reshape(-1, 3), y.reshape(-1, 3), k, colour, ax)
    if hinges:
        _mark(network, found, ax)
    ax.set(xlabel="x", ylabel="N(x)")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize="small")
    return ax


def checked_output(network: Network, output: Any) -> int:
    """Return the output's index; raise ValueError if the network has no such output."""
    output = integer(output, "output", 0)
    if output >= network.n_outputs:
        raise ValueError(message("output", f"below the number of outputs, {network.n_outputs}", output))
    return output


def interval(domain: Domain) -> tuple[float, float]:
    """Return the two ends of a domain of one input."""
    low, high = domain.bounding_box()
    return float(low[0]), float(high[0])


def breakpoints(network: Network, low: float, high: float) -> list[Array]:
    """Return, by layer, the points inside (low, high) where the z of a neuron changes its sign.

    Between two breakpoints of the layers below, z is affine (binary: constant, so that only the
    first layer has breakpoints): where z has opposite signs at the two, linear interpolation finds
    its zero.
    """
    edges, found = np.array([low, high]), []
    for layer in range(network.depth):
        if network.activation == "binary" and layer:
            found.append(np.empty(0))
            continue
        Z = network.pre_activations(edges[:, np.newaxis])[layer]
        x, width = edges[:-1, np.newaxis], np.diff(edges)[:, np.newaxis]
        with np.errstate(divide="ignore", invalid="ignore"):
            zeros = x + width * (Z[:-1] / (Z[:-1] - Z[1:]))
        found.append(_apart(zeros[Z[:-1] * Z[1:] < 0.0], edges))
        edges = np.sort(np.concatenate([edges, found[-1]]))
    return found


def _apart(points: Array, edges: Array) -> Array:
    """Return the distinct points that are not edges already, up to rounding."""
    near = 1e-12 * (edges[-1] - edges[0])
    points = np.unique(points)
    distances = np.abs(points[:, np.newaxis] - edges).min(axis=1)
    return points[(distances > near) & (np.diff(points, prepend=-np.inf) > near)]


def _graph(
    network: Network, low: float, high: float, points: Array, output: int
) -> tuple[Array, Array]:
    """Return x and y at the breakpoints; binary: both ends of each step, nan between steps."""
    edges = np.concatenate([[low], np.sort(points), [high]])
    if network.activation == "relu":
        return edges, network(edges[:, np.newaxis])[:, output]
    middles = (edges[:-1] + edges[1:]) / 2
    steps = network(middles[:, np.newaxis])[:, output]
    gaps = np.full(len(steps), np.nan)
    return (np.stack([edges[:-1], edges[1:], gaps], axis=1).ravel(),
            np.stack([steps, steps, gaps], axis=1).ravel())


def _draw_risers(
    network: Network, x: Array, y: Array, output: int, colour: str, ax: Axes
) -> None:
    """Join the steps by dotted risers; a closed dot shows the value at a breakpoint, an open one not.

    x, y : arrays (n_steps, 3), the two ends of each step, and nan
    """
    breaks, left, right = x[:-1, 1], y[:-1, 1], y[1:, 0]
    if len(breaks) == 0 or len(breaks) > MOST_DOTS:
        return
    at_breaks = _values_at_breakpoints(network, x)[:, output]
    ax.vlines(breaks, left, right, colors=colour, linestyles=":", linewidth=1.0)
    for ends in (left, right):
        ax.plot(breaks, ends, linestyle="", marker="o", markersize=4, color=colour,
                markerfacecolor="white")
    ax.plot(breaks, at_breaks, linestyle="", marker="o", markersize=4, color=colour)


def _values_at_breakpoints(network: Network, x: Array) -> Array:
    """Return a binary network's outputs at the breakpoints between its steps, (n_steps - 1, n_outputs).

    s(0) = 0: on are there the neurons of the first layer that are on at both sides.
    """
    on = network.pre_activations(x[:, :2].mean(axis=1, keepdims=True))[0] > 0.0
    H = (on[:-1] & on[1:]).astype(float)
    for W, b in zip(network.weights[1:], network.thresholds[1:]):
        H = (H @ W.T + b > 0.0).astype(float)
    bias = 0.0 if network.output_bias is None else network.output_bias
    outputs: Array = H @ network.output_weights.T + bias
    return outputs


def _mark(network: Network, found: list[Array], ax: Axes) -> None:
    """Mark the breakpoints of each layer: on the graph, or for steps on the x axis."""
    for layer, (x, marker) in enumerate(zip(found, cycle(MARKERS)), start=1):
        if not len(x):
            continue
        label = "breakpoints" if network.depth == 1 else f"breakpoints, layer {layer}"
        if network.activation == "binary":
            ax.plot(x, np.zeros(len(x)), linestyle="", marker="|", markersize=9, color="black",
                    label="breakpoints", transform=ax.get_xaxis_transform())
            continue
        y = network(x[:, np.newaxis])
        for k in range(network.n_outputs):
            ax.plot(x, y[:, k], linestyle="", marker=marker, markersize=5, color="black", fillstyle="none",
                    label=label if k == 0 else None)


def ramps(
    network: Network, domain: Domain | None = None, ax: Axes | None = None, *, output: int = 0
) -> Axes:
    """Draw the terms c_j s(w_j x + b_j) of one output below each other, and on top their sum.

    Each term has a lane of its own around its zero line, all lanes have one scale, and the sum has
    its own. The terms are those of the last hidden layer, in the order of their breakpoints: deep
    networks sum folded functions instead of ramps.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Of one input.
    domain : Box, Ball or Hull, optional
        By default that of a reduced network.
    ax : Axes, optional
    output : int
        The output whose terms are drawn.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or the network has more than one input.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> tent = Network([[[1.0], [1.0]]], [[0.0, -0.5]], [[2.0, -4.0]])
    >>> [tick.get_text() for tick in ramps(tent, Box(0, 1)).get_yticklabels()]
    ['$c_{2} s(z_{2})$', '$c_{1} s(z_{1})$', '$N(x)$']
    """
    network, domain = network_on_domain(network, domain, 1)
    output = checked_output(network, output)
    low, high = interval(domain)
    x = np.unique(np.concatenate([[low, high], *breakpoints(network, low, high)]))
    if network.activation == "binary":
        x = np.linspace(low, high, 2001)
    terms = _terms(network, x, output)
    order = np.argsort([-_first_change(term, x) for term in terms], kind="stable")
    height = 1.25 * max(float(np.abs(terms).max(initial=0.0)), float(np.finfo(float).tiny))
    ax = axes(ax)
    for lane, (j, colour) in enumerate(zip(order.tolist(), cycle(COLOURS))):
        ax.axhline(lane, color="0.85", linewidth=0.8)
        ax.fill_between(x, lane, lane + terms[j] / height, color=colour, alpha=0.3, linewidth=0)
        ax.plot(x, lane + terms[j] / height, color=colour, linewidth=1.4)
    n, total = len(order), network(x[:, np.newaxis])[:, output]
    zero = n + 1.5
    scale = 2.0 * max(float(np.abs(total).max()), float(np.finfo(float).tiny))
    ax.axhline(zero, color="0.85", linewidth=0.8)
    ax.plot(x, zero + 2.0 * total / scale, color="black", linewidth=2)
    labels = [f"$c_{{{j + 1}}} s(z_{{{j + 1}}})$" for j in order.tolist()]
    ax.set_yticks([*range(n), zero], [*labels, "$N(x)$"])
    ax.set(xlabel="x", xlim=(low, high), ylim=(-1.0, zero + 1.2))
    return ax


def _terms(network: Network, x: Array, output: int) -> Array:
    """Return c_j s(z_j) of the last hidden layer at the points, (n_neurons, n_points)."""
    Z = network.pre_activations(x[:, np.newaxis])[-1]
    H = np.maximum(Z, 0.0) if network.activation == "relu" else (Z > 0.0).astype(float)
    terms: Array = (H * network.output_weights[output]).T
    return terms


def _first_change(term: Array, x: Array) -> float:
    """Return about where a term begins to bend: the middle of its last piece before another slope."""
    slopes = np.diff(term) / np.diff(x)
    changes = np.flatnonzero(np.abs(np.diff(slopes)) > 1e-9 * np.abs(slopes).max(initial=0.0))
    return float(x[changes[0] + 1]) if len(changes) else float(x[0])


def grid(domain: Domain) -> tuple[Array, Array, Array, np.ndarray]:
    """Return a grid over the box around a domain: x, y, points (GRID^2, 2), and a mask inside."""
    low, high = domain.bounding_box()
    x, y = np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return x, y, points, domain.contains(points).reshape(GRID, GRID)


def _values(network: Network, domain: Domain, ax: Axes, output: int, hinges: bool) -> Axes:
    x, y, points, inside = grid(domain)
    _image(x, y, network(points)[:, output], inside, "N(x)" if network.n_outputs == 1 else f"output {output}", ax)
    if hinges:
        hyperplanes(network, x, y, points, inside, ax)
    return ax


def _image(x: Array, y: Array, values: Array, inside: np.ndarray, label: str, ax: Axes) -> None:
    """Draw the values at the points of a grid inside the domain as colours."""
    shown = np.ma.array(values.reshape(inside.shape), mask=~inside)
    image = ax.pcolormesh(x, y, shown, shading="nearest", cmap="cividis", rasterized=True)
    ax.figure.colorbar(image, ax=ax, label=label)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def hyperplanes(
    network: Network, x: Array, y: Array, points: Array, inside: np.ndarray, ax: Axes
) -> None:
    """Draw the line z = 0 of every neuron whose z has both signs, with one line style per layer."""
    for layer, (Z, style) in enumerate(zip(network.pre_activations(points), cycle(STYLES)), start=1):
        for z in Z.T:
            z = np.ma.array(z.reshape(inside.shape), mask=~inside)
            if z.min() < 0.0 < z.max():
                ax.contour(x, y, z, levels=[0.0], colors="white", linestyles=[style], linewidths=1.0)


def difference(f: Network, g: Network, domain: Domain | None = None, verdict: Verdict | None = None,
               ax: Axes | None = None) -> Axes:
    """Draw |f - g|, the largest over the outputs, and the verdict of `verify`.

    The difference is computed in float64: where it is as small as the rounding errors of both
    networks, it may exceed a bound that was proved of the real functions.

    Parameters
    ----------
    f, g : Network or ReducedNetwork
        Of one or two inputs, and with the same number of outputs.
    domain : Box, Ball or Hull, optional
        By default that of g if it is reduced, or else that of f.
    verdict : Verdict, optional
        Its counterexample is marked; its proved bound is a line, or the title with two inputs.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, the networks do not fit, or have more than two inputs.

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
        instance(verdict, "verdict", Verdict, "a Verdict, which `verify` returns")
    draw = _difference_of_one_input if f.n_inputs == 1 else _difference_of_two
    return draw(f, g, domain, verdict, axes(ax))


def _distance(f: Network, g: Network, points: Array) -> Array:
    result: Array = np.abs(f(points) - g(points)).max(axis=1)
    return result


def _difference_of_one_input(f: Network, g: Network, domain: Domain, verdict: Verdict | None, ax: Axes) -> Axes:
    low, high = interval(domain)
    edges = [*breakpoints(f, low, high), *breakpoints(g, low, high), np.linspace(low, high, 1001)]
    x = np.unique(np.concatenate(edges))
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
    """Mark the counterexample; with one input, at the height of its gap."""
    if verdict.counterexample is None:
        return
    point = np.atleast_1d(np.asarray(verdict.counterexample, dtype=float))
    position = (point[0], verdict.gap) if len(point) == 1 else (point[0], point[1])
    ax.plot(*position, linestyle="", marker="X", markersize=11, color=COLOURS[0],
            markeredgecolor="white", label=f"counterexample: {verdict.gap:.2g}")
