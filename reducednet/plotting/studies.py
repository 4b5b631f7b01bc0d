"""Draw the test errors of a study, one per start, by method."""
from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, choice, instance, message, number
from ..experiments.study import Study
from .curves import error_histogram, floor
from .style import COLOURS, HATCHES, MARKERS, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def study(
    study: Study, kind: str = "box", ax: Axes | None = None, *, limit: float | None = None
) -> Axes:
    """Draw the test errors of a study, on logarithmic axes.

    Failed runs and errors of 0 cannot be drawn: the labels say how many are left out.

    Parameters
    ----------
    study : Study
    kind : "box", "histogram" or "pairs"
        One box per method (median, quartiles, whiskers to 1.5 times the interquartile range, single
        runs beyond); a histogram with the medians; or a point per start, with the error of the
        first method on the x axis and that of another on the y axis: below the diagonal the other
        has won.
    ax : Axes, optional
    limit : float, optional
        A bound of the test error of all networks of this size: a line says that none is below.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, no run can be drawn, or there is no pair of runs.

    Examples
    --------
    >>> from reducednet.experiments.compare import compare
    >>> runs = compare("sin4pi", (1, 5, 1), starts=2, methods=("standard", "ball"), n_steps=5)
    >>> [tick.get_text() for tick in study(runs).get_xticklabels()]
    ['standard', 'ball']
    """
    instance(study, "study", Study, "a Study, which `compare` returns")
    draw = _STUDY_KINDS[choice(kind, "kind", _STUDY_KINDS)]
    errors = {_counted(label, values): _drawable(values) for label, values in study.errors().items()}
    if kind != "pairs":
        errors = {label: values[~np.isnan(values)] for label, values in errors.items()}
    ax = draw(errors, ax)
    if limit is not None and number(limit, "limit", minimum=0.0) > 0.0:
        floor(ax, limit, vertical=kind != "box")
    return ax


def _drawable(errors: Array) -> Array:
    """Return the errors, with nan for those that a logarithmic axis cannot show."""
    return np.where(np.isfinite(errors) & (errors > 0.0), errors, np.nan)


def _counted(label: str, errors: Array) -> str:
    left_out = int((np.isnan(_drawable(errors)) & ~np.isnan(errors)).sum())
    return f"{label} ({left_out} left out)" if left_out else label


def _boxes(errors: Mapping[str, Array], ax: Axes | None) -> Axes:
    if not any(len(values) for values in errors.values()):
        raise ValueError(message("study", "one with errors that can be drawn", "none"))
    ax = axes(ax)
    positions = list(range(1, len(errors) + 1))
    drawn = ax.boxplot(list(errors.values()), positions=positions, widths=0.6, patch_artist=True,
                       medianprops={"color": "black", "linewidth": 2}, flierprops={"marker": ".", "alpha": 0.6})
    for box, colour, hatch in zip(drawn["boxes"], cycle(COLOURS), cycle(HATCHES)):
        box.set(facecolor=colour, alpha=0.75)
        box.set_hatch(hatch)
    ax.set_xticks(positions, list(errors), rotation=20 if len(errors) > 3 else 0)
    ax.set(yscale="log", xlabel="method", ylabel="test mean squared error")
    return ax


def _histogram(errors: Mapping[str, Array], ax: Axes | None) -> Axes:
    return error_histogram({label: values for label, values in errors.items() if len(values)}, ax)


def _pairs(errors: Mapping[str, Array], ax: Axes | None) -> Axes:
    (first, across), *others = errors.items()
    pairs = {label: ~np.isnan(across) & ~np.isnan(values) for label, values in others}
    if not any(both.any() for both in pairs.values()):
        raise ValueError(message("study", "one with a pair of errors that can be drawn", "none"))
    ax = axes(ax)
    series = zip(errors.items(), cycle(COLOURS), cycle(MARKERS))
    next(series)  # skip the first method, so that each has the colour of its box
    for (label, values), colour, marker in series:
        both = pairs[label]
        ax.scatter(across[both], values[both], s=22, color=colour, marker=marker, alpha=0.75, label=label)
    ax.set(xscale="log", yscale="log", xlabel=f"test mean squared error, {first}", ylabel="the same, others")
    limits = [np.nanmin(list(errors.values())), np.nanmax(list(errors.values()))]
    ax.plot(limits, limits, color="0.4", linewidth=1, label="equal")
    ax.legend(fontsize="small")
    return ax


_STUDY_KINDS: dict[str, Any] = {"box": _boxes, "histogram": _histogram, "pairs": _pairs}
