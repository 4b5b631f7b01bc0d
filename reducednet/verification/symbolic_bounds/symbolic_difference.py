"""Bound the difference of two ReLU networks that are written over the same symbolic columns.

With f = A . columns and g = A' . columns, and |columns| <= B on the domain,

    |f - g| <= |A - A'| B    (n_outputs,).

Where the networks share the hyperplanes of their unstable neurons, these rows cancel, whatever
dead, always-on and repeated neurons each of them has, and in however many layers.

References
----------
PROOFS, section 19, Lemma 18.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._validation import Array
from ...domains import Domain
from ...networks.network import Network
from ..certificates import check_symbolic
from ..certificates.certificate import Certificate, complete, fingerprint, proved_number
from .linear_programs import Effort, Proof
from .symbolic_network import FINEST_PRECISION, MOST_NUMBERS, write_symbolically

ExclusivePairs = Sequence[tuple[tuple[int, int], float]]
CLAIM_MARGIN = 1.0 / 16.0
"""Relative margin of a claim: another computer may round sums of floats in another order."""


def symbolic_certificate(
    f: Network, g: Network, domain: Domain, roles: Sequence[tuple[Any, Any]],
    exclusive: ExclusivePairs = (), proofs: Sequence[Proof] = (),
) -> Certificate:
    """Return the certificate of |f - g| <= value, with the value that its checker finds.

    Parameters
    ----------
    f, g : Network
        ReLU.
    domain : Domain
    roles : sequence of (labels, scales)
        Of f's hidden layers and then of g's: -1 dead, -2 always on, or the number of the class.
    exclusive : sequence of ((class, other class), multiplier)
        Exclusive pairs: the other class is left out of the class's row, see `check_symbolic`.
    proofs : sequence of Proof
        Of sharper bounds.

    Raises
    ------
    ArithmeticError, ValueError
        If the checker proves nothing.
    """
    arrays = symbolic_arrays(roles, exclusive, proofs)
    value = (1.0 + CLAIM_MARGIN) * symbolic_bound(arrays, f, g, domain)
    name = fingerprint(f, g, domain)
    return Certificate("bound", value, value, 0.0, 0.0, "folded", arrays, name)


def symbolic_arrays(
    roles: Sequence[tuple[Any, Any]], exclusive: ExclusivePairs = (), proofs: Sequence[Proof] = ()
) -> dict[str, Any]:
    """Return the arrays of a certificate of kind "folded"."""
    arrays: dict[str, Any] = {}
    if exclusive:
        pairs, multipliers = zip(*exclusive)
        arrays = {"cuts": np.array(pairs), "mu": np.array(multipliers)}
    if proofs:
        arrays |= _leaf_arrays(proofs)
    for layer, (labels, scales) in enumerate(roles):
        arrays |= {f"labels{layer}": labels, f"scales{layer}": scales}
    return arrays


def _leaf_arrays(proofs: Sequence[Proof]) -> dict[str, Any]:
    """Return all leaves as rows, padded with zeros to the classes of the highest layer."""
    leaves = [(proof[:3], leaf) for proof in proofs for leaf in proof.leaves]
    width = max(len(leaf.signs) for _, leaf in leaves)
    signs, multiples = np.zeros((len(leaves), width), dtype=int), np.zeros((len(leaves), width))
    for row, (_, leaf) in enumerate(leaves):
        signs[row, :len(leaf.signs)], multiples[row, :len(leaf.signs)] = leaf
    targets = np.array([target for target, _ in leaves])
    return {"targets": targets, "signs": signs, "multiples": multiples}


def symbolic_bound(arrays: dict[str, Any], f: Network, g: Network, domain: Domain) -> float:
    """Return the bound on |f - g| that the checker finds from these arrays.

    Raises
    ------
    ArithmeticError, ValueError
        If the checker proves nothing.
    """
    evidence = Certificate("bound", 0.0, 0.0, 0.0, 0.0, "folded", arrays, "")
    return float(proved_number(evidence, f, g, domain))


def proved_neuron_bounds(
    network: Network, domain: Domain, effort: Effort
) -> list[tuple[Array, Array]]:
    """Return proved bounds (low, high) on z of the neurons in each hidden layer.

    They are those that the checker of symbolic rows finds from what back-substitution and linear
    programs propose.

    Raises
    ------
    ArithmeticError, ValueError
        If a number leaves the range of float64.
    """
    written = write_symbolically(network, domain, FINEST_PRECISION, effort=effort)
    arrays = symbolic_arrays(written.roles, written.exclusive, written.proofs)
    bounds = check_symbolic.neuron_bounds(complete(arrays, domain), network, domain)
    return [(own.low, own.high) for own in bounds]


def propose_symbolic_proof(
    f: Network, g: Network, domain: Domain, precision: float, exclude: bool, effort: Effort | None,
    check_time: Callable[[], None],
) -> dict[str, Any] | None:
    """Return such arrays for any two ReLU networks, to be checked by `symbolic_bound`.

    Write the larger network symbolically, then the other over its columns. Return None if outputs
    of the other depend on its own unstable neurons, and none lies on a hyperplane of the larger:
    then no unstable neuron cancels.

    Parameters
    ----------
    f, g : Network
    domain : Domain
    precision, exclude, effort
        As for `write_symbolically`; the effort is spent on the larger network alone.
    check_time : function
        Called now and then; it may raise.

    Raises
    ------
    ValueError
        If a bound leaves the range of float64.
    """
    exchanged = sum(g.sizes[1:-1]) > sum(f.sizes[1:-1])
    larger, other = (g, f) if exchanged else (f, g)
    known = write_symbolically(larger, domain, precision, exclude, effort, check_time=check_time)
    written = write_symbolically(
        other, domain, precision, exclude, known=known, check_time=check_time)
    labels = np.concatenate([own.labels for own in written.roles])
    n_columns = len(known.column_bounds)
    n_known = n_columns - 1 - domain.n_inputs
    shared = (labels >= 0) & (labels < n_known)
    depends = np.abs(written.A) > precision * written.S
    if depends[:, n_columns:].any() and not shared.any():
        return None
    arrays = symbolic_arrays([*known.roles, *written.roles], written.exclusive, known.proofs)
    return arrays | ({"exchanged": np.array(1)} if exchanged else {})


def symbolic_cost(f: Network, g: Network) -> float:
    """Return roughly how many multiplications it takes to bound all n neurons of both networks:

        n^2 (1 + n_inputs + n),

    as each neuron's row passes through the rows of all classes below it. inf if the rows are too
    large to be written.
    """
    neurons = sum(f.sizes[1:-1]) + sum(g.sizes[1:-1])
    columns = 1 + f.n_inputs + neurons
    return float(neurons * neurons * columns) if neurons * columns <= MOST_NUMBERS else np.inf
