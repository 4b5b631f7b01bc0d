"""Summarise a network: norms, thresholds, and how many neurons are dead, duplicate or unused."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import Network
from .._validation import Array
from ..domains import Domain
from ..networks.parameters import Layout
from ..numerics.equal_rows import classes_of_rows
from ..numerics.rounding import gamma
from ..reduced_space.layer_reduction import unit_directions


STABLE_NOTE = "dead, always on: on the whole domain, up to rounding"
"""The meaning of the columns with these names, in every command."""


def summarise(
    network: Network, domain: Domain | None = None, bounds: str = "linear",
    time_limit: float = 60.0,
) -> dict[str, Any]:
    """Return a summary of a network, on a domain if one is given.

    Parameters
    ----------
    network : Network
    domain : Domain, optional
    bounds, time_limit
        How the signs of neurons on the domain are found: as for `stable_neurons` and `compress`,
        which may each take this time.

    Returns
    -------
    dict
        ``"layers"`` is a list of one dict per hidden layer: ``"neurons"``; ``"norms"``, the
        smallest and the largest row norm; ``"thresholds"``, the same of the thresholds t = b / |w|
        of unit rows; ``"zero_rows"``, neurons without a direction; ``"duplicate"``, neurons on the
        hyperplane of an earlier one. On a domain each neuron counts as ``"dead"`` or
        ``"always_on"``, if that is proved or t lies at or beyond an end of its interval
        I(w) = [low, high], up to rounding, or else as ``"inside"``; ``"used"`` is the smallest and
        the largest (t - low) / (high - low) of the latter.

        ``"parameters"`` is a dict of numbers: ``"now"``; on a domain ``"reduced"``, the dimension
        of the reduced space, and ``"compressed"``, what `compress` leaves, or None if the network
        is too large for it; ``"without_idle"``, without dead and unused neurons; ``"saved"``, now
        less that.

    References
    ----------
    THEORY, Prop. 2, section 3 (counting); PROOFS, section 19.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[2.0], [-2.0], [1.0]]], [[-1.0, 1.0, -5.0]], [[1.0, 1.0, 1.0]])
    >>> found = summarise(net, Box(0, 1))
    >>> found["layers"][0]["duplicate"], found["layers"][0]["dead"]
    (1, 1)
    >>> found["parameters"]
    {'now': 9, 'reduced': 6, 'compressed': 7, 'without_idle': 6, 'saved': 3}
    """
    layers = [_layer(W, b) for W, b in zip(network.weights, network.thresholds)]
    parameters: dict[str, Any] = {"now": network.n_parameters}
    dead = None
    if domain is not None:
        counts, dead, parameters["reduced"] = _on_domain(
            network, domain, bounds, time_limit)
        layers = [layer | count for layer, count in zip(layers, counts)]
        parameters["compressed"] = _compressed(network, domain, bounds, time_limit)
    left = Layout(sizes_in_use(network, dead), network.output_bias is not None).n_parameters
    parameters |= {"without_idle": left, "saved": network.n_parameters - left}
    return {"layers": layers, "parameters": parameters}


def _compressed(network: Network, domain: Domain, bounds: str, time_limit: float) -> int | None:
    from .. import compress

    try:
        small, _ = compress(network, domain, bounds=bounds, time_limit=time_limit)
        return small.n_parameters
    except ValueError:  # too large, or with bounds beyond float64
        return None


def _on_domain(
    network: Network, domain: Domain, bounds: str, time_limit: float
) -> tuple[list[dict[str, Any]], list[np.ndarray], int]:
    """Return the counts of each layer, its dead neurons, and the dimension of the reduced space."""
    from .. import reduce, stable_neurons

    reduced = reduce(network, domain)
    stable = stable_neurons(network, domain, bounds, time_limit)
    counts, dead = [], []
    for t, intervals, is_dead, is_on in zip(reduced.thresholds, reduced.intervals, *stable):
        n = len(is_on)  # the last layer of the reduced network may have one more
        count, is_dead = _thresholds_on_domain(t[:n], intervals[:n], is_dead, is_on)
        counts.append(count)
        dead.append(is_dead)
    return counts, dead, reduced.dimension


def _layer(W: Array, b: Array) -> dict[str, Any]:
    units, norms = unit_directions(W)
    some = norms > 0.0
    with np.errstate(over="ignore"):
        t = b[some] / norms[some]
    return {"neurons": len(b), "norms": _range(norms), "thresholds": _range(t),
            "zero_rows": int((~some).sum()), "duplicate": duplicates(units[some], t)}


def _thresholds_on_domain(
    t: Array, intervals: Array, dead: np.ndarray, on: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """Return counts by reduced thresholds, and the dead neurons; proved signs take precedence."""
    low, high = intervals.T
    dead = dead | (t <= low) & ~on
    on = on | (t >= high) & ~dead
    inside = ~(dead | on)
    used = (t - low)[inside] / (high - low)[inside]
    return {"inside": int(inside.sum()), "used": _range(used),
            "dead": int(dead.sum()), "always_on": int(on.sum())}, dead


def _range(values: Array) -> tuple[float, float] | None:
    return (float(values.min()), float(values.max())) if len(values) else None


def duplicates(units: Array, t: Array) -> int:
    """Count the neurons that lie, up to rounding, on the hyperplane u.x + t = 0 of an earlier one.

    They may face either way.

    Parameters
    ----------
    units : array (n, d)
        Unit rows.
    t : array (n,)

    Examples
    --------
    >>> duplicates(np.array([[1.0], [-1.0], [1.0], [1.0]]), np.array([0.5, -0.5, 0.5, 0.25]))
    2
    """
    tolerance = gamma(units.shape[1] + 8)
    first = (np.abs(units) > np.sqrt(tolerance)).argmax(axis=1)
    side = np.sign(units[np.arange(len(units)), first])
    labels, t = classes_of_rows(units * side[:, np.newaxis], 2.0 * tolerance), t * side
    order = np.lexsort((t, labels))
    labels, t = labels[order], t[order]
    with np.errstate(invalid="ignore"):
        steps = np.diff(t)
    near = np.isfinite(steps) & (steps <= 2.0 * tolerance * np.maximum(np.abs(t[:-1]), np.abs(t[1:])))
    return int((near & (np.diff(labels) == 0)).sum())


def sizes_in_use(network: Network, dead: Sequence[np.ndarray] | None = None) -> tuple[int, ...]:
    """Return the sizes without dead neurons, and without those that only such neurons depend on.

    A hidden layer keeps at least one neuron.

    Examples
    --------
    >>> sizes_in_use(Network([[[1.0], [2.0]], [[1.0, 0.0]]], [[0.0, 0.0], [0.0]], [[1.0]]))
    (1, 1, 1, 1)
    """
    sizes, used = [network.n_outputs], np.ones(network.n_outputs, dtype=bool)
    above = [*network.weights[1:], network.output_weights]
    for number in reversed(range(network.depth)):
        used = (above[number][used] != 0.0).any(axis=0)
        if dead is not None:
            used &= ~dead[number]
        sizes.append(max(1, int(used.sum())))
    return (network.n_inputs, *reversed(sizes))
