"""Pictures. Each function draws into `ax` (a new one if None) and returns it; none shows or saves.

Colours are Okabe and Ito's, told apart by the colour-blind, and each series has a line style or a
hatch of its own, so that a print in grey can be read too.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._validation import Array, instance, message
from .demo import Comparison
from .networks import Network
from .targets import Target
from .training import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
HATCHES = ("", "//", "..", "xx", "\\\\", "++")


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        if getattr(ax, "figure", None) is None or not hasattr(ax, "plot"):
            raise TypeError(message("ax", "a matplotlib Axes that is in a figure, or None", repr(ax)))
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]


def fits(target: Target, networks: Mapping[str, Network], ax: Axes | None = None) -> Axes:
    """Draw a target of one input and networks that were fitted to it.

    Parameters
    ----------
    target : Target
        Of one input.
    networks : dict of Network
        By the label that each is drawn with.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the target or a network has more than one input.

    Examples
    --------
    >>> from reducednet import targets
    >>> ax = fits(targets.sin4pi(), {"drawn": Network.random((1, 5, 1), rng=0)})
    >>> [line.get_label() for line in ax.lines]
    ['sin4pi', 'drawn']
    """
    widths = {"target": target.n_inputs} | {label: network.n_inputs for label, network in networks.items()}
    for name, n_inputs in widths.items():
        if n_inputs != 1:
            raise ValueError(message(name, "of one input", f"{n_inputs} inputs"))
    ax, X = _axes(ax), target.grid(1000)
    ax.plot(X[:, 0], target(X), color="0.6", linewidth=4, label=target.name)
    for (label, network), colour, style in zip(networks.items(), _cycle(COLOURS), _cycle(STYLES)):
        ax.plot(X[:, 0], network(X)[:, 0], color=colour, linestyle=style, linewidth=1.6, label=label)
    ax.set(xlabel="x", ylabel="y")
    ax.legend(fontsize="small")
    return ax


def loss_curves(results: Mapping[str, Sequence[TrainingResult]], ax: Axes | None = None) -> Axes:
    """Draw the median training loss of groups of runs against the step, with their quartiles.

    A run that ended early keeps its last loss.

    Parameters
    ----------
    results : dict of lists of TrainingResult
        By label; a group may be one run.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a group holds no run.

    Examples
    --------
    >>> from reducednet.training import train
    >>> X = np.linspace(0, 1, 20)[:, np.newaxis]
    >>> run = train(Network.random((1, 3, 1), rng=0), X, X[:, 0], n_steps=5)
    >>> loss_curves({"three neurons": [run]}).get_ylabel()
    'training loss'
    """
    for label, runs in _groups(results, "results").items():
        if not runs:
            raise ValueError(message(f"results[{label!r}]", "a list of at least one run", "an empty one"))
    ax = _axes(ax)
    steps = np.arange(max(len(run.history["loss"]) for runs in results.values() for run in runs))
    for (label, runs), colour, style in zip(results.items(), _cycle(COLOURS), _cycle(STYLES)):
        losses = _padded([run.history["loss"] for run in runs], len(steps))
        low, median, high = np.quantile(losses, [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(steps, median, color=colour, linestyle=style, linewidth=2, label=label)
    ax.set(xlabel="step", ylabel="training loss", yscale="log")
    ax.legend(fontsize="small")
    return ax


def _padded(histories: Sequence[Array], length: int) -> Array:
    """Return histories as rows of one length, each with its last value repeated."""
    return np.stack([np.pad(history, (0, length - len(history)), mode="edge") for history in histories])


def error_histogram(errors: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw histograms of final errors on a logarithmic axis, a mark at each median.

    Parameters
    ----------
    errors : dict of arrays (n_runs,)
        Positive errors by label.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If an error is not positive or there is none.

    Examples
    --------
    >>> error_histogram({"a": [1e-3, 2e-3], "b": [1e-2]}).get_xscale()
    'log'
    """
    arrays = {label: np.asarray(values, dtype=float) for label, values in _groups(errors, "errors").items()}
    for label, values in arrays.items():
        if values.size == 0 or not (np.isfinite(values) & (values > 0.0)).all():
            raise ValueError(message(f"errors[{label!r}]", "positive finite errors, at least one", values))
    ax, n = _axes(ax), len(arrays)
    everything = np.log10(np.concatenate(list(arrays.values())))
    first, last = np.floor(2 * everything.min()), np.floor(2 * everything.max()) + 1
    edges = np.logspace(first / 2, last / 2, int(last - first) + 1)
    groups: Any
    _, _, groups = ax.hist(list(arrays.values()), bins=edges.tolist(), label=list(arrays),
                           color=[colour for _, colour in zip(arrays, _cycle(COLOURS))], edgecolor="white")
    groups = groups if n > 1 else [groups]
    for values, bars, colour, hatch, style in zip(
        arrays.values(), groups, _cycle(COLOURS), _cycle(HATCHES), _cycle(STYLES)
    ):
        for bar in bars:
            bar.set_hatch(hatch)
        ax.axvline(float(np.median(values)), color=colour, linestyle=style, linewidth=2)
    ax.set(xscale="log", xlabel="test mean squared error (lines: medians)", ylabel="number of starts")
    ax.legend(fontsize="small")
    return ax


def _groups(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    instance(value, name, Mapping, "a dict by label")
    if not value:
        raise ValueError(message(name, "a dict of at least one group", "an empty one"))
    return value


def _cycle(items: Sequence[Any]) -> Any:
    from itertools import cycle

    return cycle(items)


def comparison_figure(comparison: Comparison, target: Target) -> Figure:
    """Return the demo's figure: median fits, convergence and the histogram of final errors.

    Parameters
    ----------
    comparison : Comparison
    target : Target

    Returns
    -------
    Figure
        Of its own, not one of pyplot's: nothing is shown and nothing need be closed.

    Examples
    --------
    >>> from reducednet import sin4pi_demo, targets
    >>> len(comparison_figure(sin4pi_demo(starts=1), targets.sin4pi()).axes)
    3
    """
    from matplotlib.figure import Figure

    instance(comparison, "comparison", Comparison, "a Comparison, what sin4pi_demo returns")
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    fits(target, {space: comparison.median_run(space).network for space in comparison.errors}, left)
    loss_curves(comparison.results, middle)
    error_histogram(comparison.errors, right)
    left.set_title("fit of the median run")
    middle.set_title("training loss: median and quartiles")
    right.set_title("test error of every start")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    for axes in (left, middle, right):
        axes.get_legend().remove()
    return figure
