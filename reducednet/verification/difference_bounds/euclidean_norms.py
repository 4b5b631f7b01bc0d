"""Bound the difference of two networks in the Euclidean norm, by spectral norms.

ReLU is 1-Lipschitz, so each layer multiplies the norm of the unknown part of the difference by at
most the spectral norm of W_f. Interval bounds multiply radii by |W_f|, whose norm is larger by
about the root of the width. This module only proposes pairs; `certificates.check_norms` proves.

References
----------
PROOFS, section 13.
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

MAX_WIDTH = 1000
"""Spectral norms of wider layers take too long."""


def norm_bound(
    matches: Sequence[Match], given: tuple[Network, Network], scaled: tuple[Network, Network],
    domain: Domain,
) -> tuple[float, dict[str, Any]] | None:
    """Return a bound on |f - g| over the domain, and the arrays that prove it.

    Return None unless all neurons are matched one to one, or if numbers leave the range of float64.

    Parameters
    ----------
    matches : sequence of Match
        Of the scaled networks' hidden layers.
    given, scaled : (f, g)
        ReLU networks as the user gave them, and with the rows that the provers scaled.
    domain : Domain
    """
    if given[0].sizes != given[1].sizes or max(given[0].sizes[1:-1]) > MAX_WIDTH:
        return None
    if not all(_one_to_one(match) for match in matches):
        return None
    arrays = layer_arrays(matches, given, scaled)
    with suppress(ArithmeticError, ValueError), np.errstate(all="ignore"):
        return check_norms.check(arrays, *given, domain), arrays
    return None


def _one_to_one(match: Match) -> bool:
    """Return True if each neuron of f has one of g in its class, with a positive scale."""
    numbers = np.arange(len(match.labels[0]))
    paired = all(np.array_equal(np.sort(labels), numbers) for labels in match.labels)
    return paired and bool((match.scales[0] > 0.0).all() and (match.scales[1] == 1.0).all())
