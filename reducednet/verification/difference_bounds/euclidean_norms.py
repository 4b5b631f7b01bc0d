"""Bounds of the difference in the Euclidean norm, where ReLU is 1-Lipschitz and spectral norms grow slower.

Intervals multiply a vector of radii by |W_f| in each layer; the norm of what is not known grows by
|W_f|_2 alone, by about a root of the width less. What is proved, and the proof, is `norms_checker`;
here it is proposed to.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ...domains import Domain
from ...networks.network import Network
from ..certificates import check_norms
from .given_terms import layer_arrays
from .neuron_classes import Match

WIDEST = 1000
"""Spectral norms of wider layers cost too much."""


def norm_bound(
    matches: Sequence[Match], given: tuple[Network, Network], scaled: tuple[Network, Network], domain: Domain
) -> tuple[float, dict[str, Any]] | None:
    """Return a bound of |f - g| over the domain, and the arrays that prove it; None if neurons are
    not all matched.

    Parameters
    ----------
    matches : sequence of Match
        Of the scaled networks' hidden layers.
    given, scaled : (f, g)
        ReLU networks as they were given, and as the provers have them.
    domain : Domain
    """
    if given[0].sizes != given[1].sizes or max(given[0].sizes[1:-1]) > WIDEST:
        return None
    if not all(_one_to_one(match) for match in matches):
        return None
    arrays = layer_arrays(matches, given, scaled)
    with suppress(ArithmeticError, ValueError), np.errstate(all="ignore"):  # what leaves the range of float64
        return check_norms.check(arrays, *given, domain), arrays
    return None


def _one_to_one(match: Match) -> bool:
    places = np.arange(len(match.labels[0]))
    same = all(np.array_equal(np.sort(labels), places) for labels in match.labels)
    return same and bool((match.scales[0] > 0.0).all() and (match.scales[1] == 1.0).all())
