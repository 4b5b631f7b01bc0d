"""Studies: every start's test error, by method."""
from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Array, choice, instance, message
from ..experiments.study import Study
from .curves import error_histogram
from .style import COLOURS, HATCHES, MARKERS, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    >>> from reducednet.experiments.compare import compare
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
    ax = axes(ax)
    places = list(range(1, len(errors) + 1))
    drawn = ax.boxplot(list(errors.values()), positions=places, widths=0.6, patch_artist=True,
                       medianprops={"color": "black", "linewidth": 2}, flierprops={"marker": ".", "alpha": 0.6})
    for box, colour, hatch in zip(drawn["boxes"], cycle(COLOURS), cycle(HATCHES)):
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
    ax = axes(ax)
    series = zip(errors.items(), cycle(COLOURS), cycle(MARKERS))
    next(series)  # the first method's, so that each has the colour of its box
    for (label, values), colour, marker in series:
        both = pairs[label]
        ax.scatter(across[both], values[both], s=22, color=colour, marker=marker, alpha=0.75, label=label)
    ax.set(xscale="log", yscale="log", xlabel=f"test mean squared error, {first}", ylabel="the same, others")
    ends = [np.nanmin(list(errors.values())), np.nanmax(list(errors.values()))]
    ax.plot(ends, ends, color="0.4", linewidth=1, label="equal")
    ax.legend(fontsize="small")
    return ax


_STUDY_KINDS: dict[str, Any] = {"box": _boxes, "histogram": _histogram, "pairs": _pairs}
