"""Draw the proved lower bound of a training error: the best runs, and a network beside them."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._validation import instance
from ..training.global_optima.limits import TrainingLimit
from .style import COLOURS, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_limit(limit: TrainingLimit, ax: Axes | None = None) -> Axes:
    """Draw the samples, the lines of the best runs, and the network that was compared with them.

    The legend gives the bound, which is the error of the runs, and the network's error.

    Parameters
    ----------
    limit : TrainingLimit
        From `training_limit`, or from `fit_exact` or ``TrainingResult.limit`` with a network.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> from reducednet.training.global_optima.fit_exact import fit_exact
    >>> X = np.linspace(0, 1, 30)[:, np.newaxis]
    >>> _, limit = fit_exact(X, np.sin(6 * X), n_neurons=3)
    >>> ax = training_limit(limit)
    >>> [text.get_text().split(":")[0] for text in ax.get_legend().get_texts()]
    ['samples', 'best runs, no network is below', 'network']
    """
    instance(limit, "limit", TrainingLimit, "a TrainingLimit, which `training_limit` returns")
    ax = axes(ax)
    n_outputs = limit.y.shape[1]
    ax.plot(limit.X[:, 0], limit.y, ".", color="0.6", label=_once("samples", n_outputs))
    if limit.network is not None:
        x = _grid(limit)
        error = f"network: {limit.error:.6g}"
        ax.plot(x, limit.network(x[:, np.newaxis]), color=COLOURS[1], linewidth=1.6,
                label=_once(error, n_outputs))
    bound = f"best runs, no network is below: {limit.bound:.6g}"
    for number, line in enumerate(limit.runs):
        label = _once(bound, n_outputs) if number == 0 else ["_"] * n_outputs
        marker = "o" if line.low == line.high else ""
        ax.plot([line.low, line.high], [line.left, line.right], color=COLOURS[0], linewidth=3,
                alpha=0.7, marker=marker, markersize=5, solid_capstyle="butt", label=label)
    ax.set(xlabel="x", ylabel="y")
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i].startswith("network"))
    ax.legend([handles[i] for i in order], [labels[i] for i in order], fontsize="small",
              title="mean squared error")
    return ax


def _grid(limit: TrainingLimit) -> np.ndarray:
    """Return points between the samples, with both sides of each gap between runs."""
    ends = [end for line in limit.runs for end in (line.low, line.high)]
    return np.unique(np.concatenate([np.linspace(limit.X.min(), limit.X.max(), 1000), ends]))


def _once(label: str, n_outputs: int) -> list[str]:
    """Return the label for the first output, and hidden ones for the others."""
    return [label] + ["_"] * (n_outputs - 1)
