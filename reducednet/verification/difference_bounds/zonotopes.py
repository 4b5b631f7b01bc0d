"""Give each error of a layer a symbol of its own, so that errors may cancel further up.

An affine form c + a.t +- e of a relaxed neuron forgets where its error e came from. As a zonotope

    c + a.t + e t_new,        t_new in [-1, 1],

keeps it, what two neurons share of it cancels in their difference, and so does what a matched
neuron of f shares with that of g (Paulsen, Wang, Wang, Wang, NeurDiff, ASE 2020; VeryDiff).

References
----------
PROOFS, section 24.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .affine_forms import Forms

ROUNDING = 2.0**-30
"""Errors that are a smaller part of the values than this are rounding errors: they stay errors."""


def with_symbols(parts: Sequence[Forms]) -> list[Forms]:
    """Return the forms with each error e that matters as the slope of a new symbol.

    v = c + a.t +- e is c + a.t + e t_new for some t_new in [-1, 1], on each region another. No two
    quantities share a new symbol; all parts get the same columns.
    """
    relaxed = [_relaxed(part) for part in parts]
    starts = np.cumsum([0, *map(len, relaxed)])
    result = []
    for part, index, start in zip(parts, relaxed, starts):
        n, p, n_sets = part.values.shape
        values, radii = np.zeros((n, p + starts[-1], n_sets)), part.radii.copy()
        values[:, :p] = part.values
        values[index, p + start + np.arange(len(index))] = radii[index, 1]
        radii[index, 1] = 0.0
        result.append(Forms(values, radii))
    return result


def _relaxed(forms: Forms) -> np.ndarray:
    """Return the numbers of the quantities whose forms have more than rounding errors."""
    largest = np.abs(forms.values[:, 0]) + forms.radii[:, 0]
    return np.flatnonzero((forms.radii[:, 1] > ROUNDING * largest).any(axis=1))
