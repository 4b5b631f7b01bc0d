"""Pictures. Each function draws into `ax` (a new one if None) and returns it; none shows or saves.

Colours are Okabe and Ito's, told apart by the colour-blind, and each series has a line style or a
hatch of its own, so that a print in grey can be read too.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._validation import Array, choice, instance, message
from .demo import Comparison
from .networks import Network
from .study_record import Study
from .targets import Target
from .training import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
HATCHES = ("", "//", "..", "xx", "\\\\", "++")
MARKERS = ("o", "s", "^", "D", "v", "P")


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


def study(study: Study, kind: str = "box", ax: Axes | None = None) -> Axes:
    """Draw the test errors of a study, on logarithmic axes.

    Runs that failed, and errors of 0, have no place there: the labels say how many are left out.

    Parameters
    ----------
    study : Study
    kind : "box", "histogram" or "pairs"
        A box a method (median, quartiles, whiskers to 1.5 times their distance, single runs
        beyond); a histogram with the medians; or each start as a point, the first method's error
        to the right and another's upwards: below the diagonal the other has won.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, no run is left to be drawn, or there is no pair.

    Examples
    --------
    >>> from reducednet.studies import compare
    >>> runs = compare("sin4pi", (1, 5, 1), starts=2, methods=("standard", "ball"), n_steps=5)
    >>> [tick.get_text() for tick in study(runs).get_xticklabels()]
    ['standard', 'ball']
    """
    instance(study, "study", Study, "a Study, what compare returns")
    draw = _STUDY_KINDS[choice(kind, "kind", _STUDY_KINDS)]
    errors = {_counted(label, values): _drawable(values) for label, values in study.errors().items()}
    if kind != "pairs":
        errors = {label: values[~np.isnan(values)] for label, values in errors.items()}
    return draw(errors, ax)


def _drawable(errors: Array) -> Array:
    """Return errors with nan in the place of those that a logarithmic axis has no place for."""
    return np.where(np.isfinite(errors) & (errors > 0.0), errors, np.nan)


def _counted(label: str, errors: Array) -> str:
    left_out = int((np.isnan(_drawable(errors)) & ~np.isnan(errors)).sum())
    return f"{label} ({left_out} left out)" if left_out else label


def _boxes(errors: Mapping[str, Array], ax: Axes | None) -> Axes:
    if not any(len(values) for values in errors.values()):
        raise ValueError(message("study", "one with errors that can be drawn", "none"))
    ax = _axes(ax)
    places = list(range(1, len(errors) + 1))
    drawn = ax.boxplot(list(errors.values()), positions=places, widths=0.6, patch_artist=True,
                       medianprops={"color": "black", "linewidth": 2}, flierprops={"marker": ".", "alpha": 0.6})
    for box, colour, hatch in zip(drawn["boxes"], _cycle(COLOURS), _cycle(HATCHES)):
        box.set(facecolor=colour, alpha=0.75)
        box.set_hatch(hatch)
    ax.set_xticks(places, list(errors), rotation=20 if len(errors) > 3 else 0)
    ax.set(yscale="log", xlabel="method", ylabel="test mean squared error")
    return ax


def _histogram(errors: Mapping[str, Array], ax: Axes | None) -> Axes:
    return error_histogram({label: values for label, values in errors.items() if len(values)}, ax)


def _pairs(errors: Mapping[str, Array], ax: Axes | None) -> Axes:
    (first, across), *others = errors.items()
    pairs = {label: ~np.isnan(across) & ~np.isnan(values) for label, values in others}
    if not any(both.any() for both in pairs.values()):
        raise ValueError(message("study", "one with a pair of errors that can be drawn", "none"))
    ax = _axes(ax)
    looks = zip(errors.items(), _cycle(COLOURS), _cycle(MARKERS))
    next(looks)  # the first method's, so that each has the colour of its box
    for (label, values), colour, marker in looks:
        both = pairs[label]
        ax.scatter(across[both], values[both], s=22, color=colour, marker=marker, alpha=0.75, label=label)
    ax.set(xscale="log", yscale="log", xlabel=f"test mean squared error, {first}", ylabel="the same, others")
    ends = [np.nanmin(list(errors.values())), np.nanmax(list(errors.values()))]
    ax.plot(ends, ends, color="0.4", linewidth=1, label="equal")
    ax.legend(fontsize="small")
    return ax


_STUDY_KINDS: dict[str, Any] = {"box": _boxes, "histogram": _histogram, "pairs": _pairs}


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
