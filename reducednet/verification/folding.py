"""Certificates for networks without what does nothing, from the roles of their neurons.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..domains import Domain
from ..networks import Network
from .certificates import Certificate, fingerprint, proved_number
from .relaxation import Proof

SPARE = 1.0 / 16.0
"""What a claim is larger than a bound by: sums of floats may come out otherwise on another computer."""


def folded_certificate(
    f: Network, g: Network, domain: Domain, roles: Sequence[tuple[Any, Any]],
    cuts: Sequence[tuple[tuple[int, int], float]] = (), proofs: Sequence[Proof] = (),
) -> Certificate:
    """Return the certificate of |f - g| <= value, with the value that its checker finds.

    Parameters
    ----------
    f, g : Network
        ReLU; g is f without what does nothing.
    domain : Domain
    roles : sequence of (labels, scales)
        Of f's hidden layers and then of g's: -1 dead, -2 always on, or the number of the neuron's class.
    cuts : sequence of ((class, other), multiplier)
        Which classes leave out which others in their rows, see `folded_checker`.
    proofs : sequence of Proof
        Of sharper bounds.

    Raises
    ------
    ArithmeticError, ValueError
        If nothing is proved by that.
    """
    arrays: dict[str, Any] = {}
    if cuts:
        pairs, multipliers = zip(*cuts)
        arrays = {"cuts": np.array(pairs), "mu": np.array(multipliers)}
    if proofs:
        arrays |= _trees(proofs)
    for layer, (labels, scales) in enumerate(roles):
        arrays |= {f"labels{layer}": labels, f"scales{layer}": scales}

    def claimed(value: float) -> Certificate:
        return Certificate("bound", value, value, 0.0, 0.0, "folded", arrays, fingerprint(f, g, domain))

    return claimed((1.0 + SPARE) * float(proved_number(claimed(0.0), f, g, domain)))


def _trees(proofs: Sequence[Proof]) -> dict[str, Any]:
    """Return the leaves as rows, over all classes that one of them is about."""
    leaves = [(proof[:3], leaf) for proof in proofs for leaf in proof.leaves]
    width = max(len(leaf.signs) for _, leaf in leaves)
    signs, multiples = np.zeros((len(leaves), width), dtype=int), np.zeros((len(leaves), width))
    for row, (_, leaf) in enumerate(leaves):
        signs[row, :len(leaf.signs)], multiples[row, :len(leaf.signs)] = leaf
    return {"targets": np.array([target for target, _ in leaves]), "signs": signs, "multiples": multiples}
