"""Draw results of training: fits, losses by step, and final errors."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, instance, message
from ..experiments.comparison import Comparison
from ..experiments.targets import Target
from ..networks.network import Network
from ..training.result import TrainingResult
from .style import COLOURS, HATCHES, MARKERS, STYLES, axes, labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def fits(target: Target, networks: Mapping[str, Network], ax: Axes | None = None) -> Axes:
    """Draw a target of one or two inputs and networks that were fitted to it.

    One input: the graphs. Two inputs: the target's values as colours, and one contour line of each
    network and of the target at every tick of the colour bar.

    Parameters
    ----------
    target : Target
        Of one or two inputs.
    networks : dict of Network
        The networks, by label, with as many inputs.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the target has more than two inputs, or a network another number than the target.

    Examples
    --------
    >>> from reducednet.experiments import targets
    >>> ax = fits(targets.sin4pi(), {"drawn": Network.random((1, 5, 1), rng=0)})
    >>> [line.get_label() for line in ax.lines]
    ['sin4pi', 'drawn']
    """
    if target.n_inputs > 2:
        raise ValueError(message("target", "of one or two inputs", f"{target.n_inputs} inputs"))
    for label, network in networks.items():
        if network.n_inputs != target.n_inputs:
            expected = f"of as many inputs as the target, {target.n_inputs}"
            raise ValueError(message(label, expected, f"{network.n_inputs} inputs"))
    if target.n_inputs == 2:
        return _fits_of_two_inputs(target, networks, axes(ax))
    ax, X = axes(ax), target.grid(1000)
    ax.plot(X[:, 0], target(X), color="0.6", linewidth=4, label=target.name)
    for (label, network), colour, style in zip(networks.items(), cycle(COLOURS), cycle(STYLES)):
        ax.plot(X[:, 0], network(X)[:, 0], color=colour, linestyle=style, linewidth=1.6, label=label)
    ax.set(xlabel="x", ylabel="y")
    ax.legend(fontsize="small")
    return ax


def _fits_of_two_inputs(target: Target, networks: Mapping[str, Network], ax: Axes) -> Axes:
    """Draw the target's values as colours, and contour lines of all at the same heights."""
    from matplotlib.lines import Line2D

    x, y = (np.linspace(low, high, 101) for low, high in zip(target.low, target.high))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    values = target(points).reshape(len(y), len(x))
    image = ax.contourf(x, y, values, levels=8, cmap="cividis", alpha=0.55)
    ax.figure.colorbar(image, ax=ax, label=target.name)
    levels = np.asarray(image.levels)[1:-1]
    ax.contour(x, y, values, levels=levels, colors="0.35", linewidths=2.5)
    handles = [Line2D([], [], color="0.35", linewidth=2.5, label=target.name)]
    style: Any
    for (label, network), colour, style in zip(networks.items(), cycle(COLOURS), cycle(STYLES)):
        fitted = network(points)[:, 0].reshape(len(y), len(x))
        ax.contour(x, y, fitted, levels=levels, colors=colour, linestyles=[style], linewidths=1.3)
        handles.append(Line2D([], [], color=colour, linestyle=style, linewidth=1.3, label=label))
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.legend(handles=handles, fontsize="small")
    return ax


def history(
    results: TrainingResult | Mapping[str, TrainingResult], ax: Axes | None = None, *, gradient_norm: bool = False
) -> Axes:
    """Draw the training loss, and the validation loss if there is one, of one or more runs by step.

    Parameters
    ----------
    results : TrainingResult, or dict of TrainingResult by label
    ax : Axes, optional
    gradient_norm : bool
        Draw the norm of the gradient instead of the losses.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `results` is something else, a history is empty, or no value is positive.

    Examples
    --------
    >>> from reducednet.training.train import train
    >>> X = np.linspace(0, 1, 20)[:, np.newaxis]
    >>> ax = history(train(Network.random((1, 3, 1), rng=0), X, X[:, 0], n_steps=5))
    >>> [line.get_label() for line in ax.lines]
    ['training']
    """
    named = {"": results} if isinstance(results, TrainingResult) else labelled(results, "results")
    for label, run in named.items():
        expected = "a TrainingResult, which `train` returns"
        instance(run, f"results[{label!r}]", TrainingResult, expected)
        if not len(run.history["step"]):
            raise ValueError(message(f"results[{label!r}]", "a run with a history", "an empty one"))
    keys = {"gradient_norm": ""} if gradient_norm else {"loss": "training", "validation_loss": "validation"}
    curves = [(" ".join(filter(None, (label, word))), colour, style, run.history["step"], run.history[key])
              for (label, run), colour in zip(named.items(), cycle(COLOURS))
              for (key, word), style in zip(keys.items(), STYLES) if key in run.history]
    if not any((np.isfinite(values) & (values > 0.0)).any() for *_, values in curves):
        raise ValueError(message("results", "histories with positive values", "none"))
    ax = axes(ax)
    for label, colour, style, steps, values in curves:
        ax.plot(steps, values, color=colour, linestyle=style, linewidth=1.8, label=label or "gradient")
    ax.set(xlabel="step", ylabel="norm of the gradient" if gradient_norm else "loss", yscale="log")
    ax.legend(fontsize="small")
    return ax


def loss_curves(results: Mapping[str, Sequence[TrainingResult]], ax: Axes | None = None) -> Axes:
    """Draw the median training loss of groups of runs by step, with their quartiles.

    The curve of a single run ends with the run, that of a group where fewer than half of its runs
    continue; until then a run that has ended counts with its last loss.

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
        If a group has no runs, or a history is empty.

    Examples
    --------
    >>> from reducednet.training.train import train
    >>> X = np.linspace(0, 1, 20)[:, np.newaxis]
    >>> run = train(Network.random((1, 3, 1), rng=0), X, X[:, 0], n_steps=5)
    >>> loss_curves({"three neurons": [run]}).get_ylabel()
    'training loss'
    """
    for label, runs in labelled(results, "results").items():
        if not runs:
            expected = "a list of at least one run"
            raise ValueError(message(f"results[{label!r}]", expected, "an empty one"))
        if not all(len(run.history["loss"]) for run in runs):
            raise ValueError(message(f"results[{label!r}]", "runs with a history", "an empty one"))
    ax = axes(ax)
    for (label, runs), colour, style in zip(results.items(), cycle(COLOURS), cycle(STYLES)):
        steps, losses = _aligned(runs)
        low, median, high = np.quantile(losses, [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(steps, median, color=colour, linestyle=style, linewidth=2, label=label)
    ax.set(xlabel="step", ylabel="training loss", yscale="log")
    ax.legend(fontsize="small")
    return ax


def _aligned(runs: Sequence[TrainingResult]) -> tuple[Array, Array]:
    """Return the recorded steps at which half of the runs continue, and the losses of each run.

    Between two records, and after its end, a run has the loss of its last record.
    """
    recorded = [run.history.get("step", np.arange(len(run.history["loss"]))) for run in runs]
    last_steps = np.sort([steps[-1] for steps in recorded])
    steps = np.unique(np.concatenate(recorded))
    steps = steps[steps <= last_steps[len(last_steps) // 2]]
    rows = [run.history["loss"][np.searchsorted(own, steps, side="right") - 1]
            for run, own in zip(runs, recorded)]
    return steps, np.stack(rows)


def _positive_errors(errors: Mapping[str, Any]) -> dict[str, Array]:
    """Return the errors as arrays; refuse what a logarithmic axis cannot show."""
    arrays = {
        label: np.asarray(values, dtype=float)
        for label, values in labelled(errors, "errors").items()
    }
    for label, values in arrays.items():
        if values.size == 0 or not (np.isfinite(values) & (values > 0.0)).all():
            raise ValueError(message(f"errors[{label!r}]", "positive finite errors, at least one", values))
    return arrays


def error_dots(errors: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw final errors as a dot a start, in one row for each label, with a line at each median.

    Dots are shifted up and down, in an order that follows the errors, so that they can be counted.

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
        If an error is not positive, or there are none.

    Examples
    --------
    >>> ax = error_dots({"a": [1e-3, 2e-3], "b": [1e-2]})
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['a', 'b']
    """
    arrays = _positive_errors(errors)
    ax = axes(ax)
    series = zip(arrays.items(), cycle(COLOURS), cycle(MARKERS))
    for row, ((label, values), colour, marker) in enumerate(series):
        shifts = 0.3 * np.sin(2.4 * np.arange(len(values)))
        ax.plot(np.sort(values), row + shifts, linestyle="", marker=marker, markersize=5,
                color=colour, alpha=0.7, label=label)
        median = float(np.median(values))
        ax.plot([median, median], [row - 0.45, row + 0.45], color="black", linewidth=2)
    ax.set_yticks(range(len(arrays)), list(arrays))
    ax.set(xscale="log", xlabel="test mean squared error (lines: medians)",
           ylim=(len(arrays) - 0.45, -0.55))
    return ax


def error_histogram(errors: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw histograms of final errors on a logarithmic axis, with a line at each median.

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
        If an error is not positive, or there are none.

    Examples
    --------
    >>> error_histogram({"a": [1e-3, 2e-3], "b": [1e-2]}).get_xscale()
    'log'
    """
    arrays = _positive_errors(errors)
    ax, n = axes(ax), len(arrays)
    everything = np.log10(np.concatenate(list(arrays.values())))
    first, last = np.floor(2 * everything.min()), np.floor(2 * everything.max()) + 1
    edges = np.logspace(first / 2, last / 2, int(last - first) + 1)
    stacks: Any
    _, _, stacks = ax.hist(list(arrays.values()), bins=edges.tolist(), label=list(arrays),
                           color=[colour for _, colour in zip(arrays, cycle(COLOURS))], edgecolor="white")
    stacks = stacks if n > 1 else [stacks]
    for values, bars, colour, hatch, style in zip(
        arrays.values(), stacks, cycle(COLOURS), cycle(HATCHES), cycle(STYLES)
    ):
        for bar in bars:
            bar.set_hatch(hatch)
        ax.axvline(float(np.median(values)), color=colour, linestyle=style, linewidth=2)
    half_decade = 10.0**0.5  # room on both sides, so that a single bar is seen as one
    ax.set_xlim(edges[0] / half_decade, edges[-1] * half_decade)
    ax.set(xscale="log", xlabel="test mean squared error (lines: medians)", ylabel="number of starts")
    ax.legend(fontsize="small")
    return ax


def floor(
    ax: Axes, bound: float, text: str = "no network of this size is below", vertical: bool = False
) -> None:
    """Draw a line at an error that others are compared with, with a text beside it."""
    line, scale = (ax.axvline, ax.get_xaxis_transform()) if vertical else (ax.axhline, ax.get_yaxis_transform())
    line(bound, color="0.25", linewidth=1.2, linestyle=(0, (6, 2)))
    place = (bound, 0.97) if vertical else (0.98, bound)
    ax.annotate(text, place, (3, -3) if vertical else (0, 3), scale,
                "offset points", fontsize="small", color="0.25", ha="left" if vertical else "right",
                va="top" if vertical else "bottom", rotation=90 if vertical else 0)


def comparison_figure(comparison: Comparison, target: Target) -> Figure:
    """Return the figure of the demo: median fits, convergence and the final errors of all starts.

    Parameters
    ----------
    comparison : Comparison
    target : Target

    Returns
    -------
    Figure
        A figure without pyplot: nothing is shown, and nothing has to be closed.

    Examples
    --------
    >>> from reducednet.experiments import targets
    >>> from reducednet.experiments.demo import sin4pi_demo
    >>> len(comparison_figure(sin4pi_demo(starts=1), targets.sin4pi()).axes)
    3
    """
    from matplotlib.figure import Figure

    instance(comparison, "comparison", Comparison, "a Comparison, which `sin4pi_demo` returns")
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    fits(target, {space: comparison.median_run(space).network for space in comparison.errors}, left)
    loss_curves(comparison.results, middle)
    error_dots(comparison.errors, right)
    right.yaxis.set_visible(False)  # the figure's legend names the rows
    limit = comparison.limit
    floor(middle, limit.bound, f"no network of {limit.n_neurons} neurons is below")
    floor(right, comparison.limit_test_error, "network of fit_exact", vertical=True)
    left.set_title("fit of the median run")
    middle.set_title("training loss: median and quartiles")
    right.set_title("test error of every start")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    for panel in (left, middle):
        panel.get_legend().remove()
    return figure
