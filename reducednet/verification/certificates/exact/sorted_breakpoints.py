"""Kind "sorted": one input, one hidden ReLU layer (docs/certificates.md, section 8)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import box_around, evaluate, layers_of, require


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the largest |f - g|, which stands at an end of the interval or a breakpoint (24)."""
    one_layer = f.n_inputs == 1 and f.depth == 1 and g.depth == 1
    require(f.activation == "relu" and one_layer, "for ReLU networks of one input and one layer")
    (low,), (high,) = box_around(domain)
    candidates = {low, high}
    for network in (f, g):
        W, b = layers_of(network)[0]
        breakpoints = (-b_j / w for (w,), b_j in zip(W, b) if w != 0)
        candidates |= {x for x in breakpoints if low <= x <= high}
    points = [np.array([x], dtype=object) for x in candidates]
    return Fraction(max(max(abs(evaluate(f, x) - evaluate(g, x))) for x in points))
