"""Networks without what does nothing: the roles of two networks' neurons, and what they prove.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...domains import Domain
from ...networks.network import Network
from ..certificates.certificate import Certificate, fingerprint, proved_number
from .linear_programs import Effort, Proof
from .symbolic_network import MOST_NUMBERS, expand

Cuts = Sequence[tuple[tuple[int, int], float]]
SPARE = 1.0 / 16.0
"""What a claim is larger than a bound by: sums of floats may come out otherwise on another computer."""


def folded_certificate(
    f: Network, g: Network, domain: Domain, roles: Sequence[tuple[Any, Any]],
    cuts: Cuts = (), proofs: Sequence[Proof] = (),
) -> Certificate:
    """Return the certificate of |f - g| <= value, with the value that its checker finds.

    Parameters
    ----------
    f, g : Network
        ReLU.
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
    arrays = folded_arrays(roles, cuts, proofs)
    value = (1.0 + SPARE) * symbolic_bound(arrays, f, g, domain)
    return Certificate("bound", value, value, 0.0, 0.0, "folded", arrays, fingerprint(f, g, domain))


def folded_arrays(
    roles: Sequence[tuple[Any, Any]], cuts: Cuts = (), proofs: Sequence[Proof] = ()
) -> dict[str, Any]:
    """Return the data of a certificate of kind "folded"."""
    arrays: dict[str, Any] = {}
    if cuts:
        pairs, multipliers = zip(*cuts)
        arrays = {"cuts": np.array(pairs), "mu": np.array(multipliers)}
    if proofs:
        arrays |= _trees(proofs)
    for layer, (labels, scales) in enumerate(roles):
        arrays |= {f"labels{layer}": labels, f"scales{layer}": scales}
    return arrays


def _trees(proofs: Sequence[Proof]) -> dict[str, Any]:
    """Return the leaves as rows, over all classes that one of them is about."""
    leaves = [(proof[:3], leaf) for proof in proofs for leaf in proof.leaves]
    width = max(len(leaf.signs) for _, leaf in leaves)
    signs, multiples = np.zeros((len(leaves), width), dtype=int), np.zeros((len(leaves), width))
    for row, (_, leaf) in enumerate(leaves):
        signs[row, :len(leaf.signs)], multiples[row, :len(leaf.signs)] = leaf
    return {"targets": np.array([target for target, _ in leaves]), "signs": signs, "multiples": multiples}


def symbolic_bound(arrays: dict[str, Any], f: Network, g: Network, domain: Domain) -> float:
    """Return the bound of |f - g| that the checker finds by this data.

    Raises
    ------
    ArithmeticError, ValueError
        If nothing is proved by that.
    """
    return float(proved_number(Certificate("bound", 0.0, 0.0, 0.0, 0.0, "folded", arrays, ""), f, g, domain))


def propose_symbolic_proof(
    f: Network, g: Network, domain: Domain, precision: float, exclude: bool, effort: Effort | None,
    check_time: Callable[[], None],
) -> dict[str, Any] | None:
    """Return such data of any two ReLU networks: the larger is written out, and the other over the same columns.

    None if neurons of the other bend, but none on a hyperplane of the larger: then nothing that bends cancels.

    Parameters
    ----------
    f, g : Network
    domain : Domain
    precision, exclude, effort
        As for `expand`; the effort is for the larger network alone.
    check_time : function
        Is called now and then, and may raise.

    Raises
    ------
    ValueError
        If a bound leaves the range of float64.
    """
    exchanged = sum(g.sizes[1:-1]) > sum(f.sizes[1:-1])
    one, other = (g, f) if exchanged else (f, g)
    mine = expand(one, domain, precision, exclude, effort, check_time=check_time)
    theirs = expand(other, domain, precision, exclude, known=mine, check_time=check_time)
    labels, n = np.concatenate([own.labels for own in theirs.roles]), len(mine.sizes) - 1 - domain.n_inputs
    if (labels >= 0).any() and not ((labels >= 0) & (labels < n)).any():
        return None
    arrays = folded_arrays([*mine.roles, *theirs.roles], theirs.cuts, mine.proofs)
    return arrays | ({"exchanged": np.array(1)} if exchanged else {})


def symbolic_cost(f: Network, g: Network) -> float:
    """Return about how many products it costs to bound all neurons of both; inf if their rows are too large.

    Every neuron's row is carried through the rows of the classes below it.
    """
    neurons = sum(f.sizes[1:-1]) + sum(g.sizes[1:-1])
    columns = 1 + f.n_inputs + neurons
    return float(neurons * neurons * columns) if neurons * columns <= MOST_NUMBERS else np.inf
