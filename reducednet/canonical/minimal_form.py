"""Find the fewest neurons with which one hidden layer realises the function of a network."""
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result, flag, renamed
from ..domains import Domain
from ..networks.network import Network
from ..numerics.exact_sums import exact_sums
from ..numerics.low_rank import numerical_ranks, row_factors
from ..numerics.records import read_only, record
from ..numerics.rounding import UNIT_ROUNDOFF, gamma
from .affine_part import AffineNeurons, affine_neurons, positive_neurons
from .canonical_form import CanonicalForm, canonical_form, constant_and_error
from .neurons import largest_inputs

ENUMERATED = 10
"""Largest number of hyperplanes for which every choice of opposite neurons is tried."""


@record
@dataclass(frozen=True, eq=False)
class MinimalForm:
    """A network of few neurons, with a lower bound on how few are possible.

    Attributes
    ----------
    network : Network
        Computes the function of the given network on the domain (binary: almost everywhere).
    n_neurons : int
        Its number of neurons.
    lower_bound : int
        No network of one hidden layer that has an output bias if `network` has one computes the
        function of the canonical form with fewer neurons. An affine part counts as 0, or as of
        lower rank, if rounding errors can explain the difference.
    exact : bool
        Whether the two numbers are equal.
    bound : array (K,)
        The network differs from the given one by at most this for each output on the domain, both
        in real arithmetic; for binary outside the margin of the canonical form.
    form : CanonicalForm
    """

    network: Network
    n_neurons: int
    lower_bound: int
    exact: bool
    bound: Array
    form: CanonicalForm

    def __post_init__(self) -> None:
        object.__setattr__(self, "bound", read_only(self.bound))

    def __repr__(self) -> str:
        least = "the fewest" if self.exact else f"at least {self.lower_bound} are needed"
        return f"MinimalForm({self.network!r}, n_neurons={self.n_neurons}, {least})"


@renamed("net", "network")
def minimal_form(network: Network, domain: Domain, *, output_bias: bool | None = None) -> MinimalForm:
    """Return a network of one hidden layer with as few neurons as its function on the domain needs.

    Each of the m hyperplanes of the canonical form needs a neuron, with given outgoing weights.
    Replacing neuron i by its opposite adds c_i (w_i.x + b_i) to the affine part. If S is the set of
    neurons that are replaced, the affine part

    R_S = (alpha, beta) + sum over S of c_i (w_i, b_i)

    remains. With an output bias its constants are free, and its linear part takes as many always-on
    neurons as it has rank, no fewer as the domain has interior points. Without an output bias R_S
    takes its rank, constants included, or one more if no combination of its rows is positive on the
    domain. The fewest neurons are m plus the minimum of this over S.

    Parameters
    ----------
    network : Network
        ReLU or binary, with one hidden layer.
    domain : Domain
        With interior points.
    output_bias : bool, optional
        Whether the result, and the networks it is compared with, have an output bias. By default as
        `network`.

    Returns
    -------
    MinimalForm

    Raises
    ------
    TypeError, ValueError
        As in `canonical_form`.

    Notes
    -----
    Whether some of the c_i w_i have a given sum is the subset sum problem, which is hard. Up to 10
    hyperplanes every subset is tried. Beyond that, the orientations tried are those of the
    network's own neurons, none replaced, and all replaced. The answer is still exact for a network
    without always-on neurons and without two neurons on one hyperplane, whose own orientation
    leaves R_S = 0. Otherwise `lower_bound` may be less than `n_neurons`: for one output by at most
    1 with an output bias, so that the network has the fewest neurons or one more, and by at most 2
    without. A sum counts as 0 if rounding errors of its terms can explain it.

    References
    ----------
    THEORY, section 5, minimal width.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[1.0], [-1.0], [1.0]]], [[0.0, 0.0, 5.0]], [[1.0, 2.0, -1.0]], [5.0])  # 3 s(-x)
    >>> minimal_form(net, Box(-1, 1))
    MinimalForm(Network(1-1-1, relu, output bias, 4 parameters), n_neurons=1, the fewest)
    """
    form = canonical_form(network, domain)
    bias = network.output_bias is not None if output_bias is None else flag(output_bias, "output_bias")
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        parts = _affine_parts(form, bias)
        best = _best_of_all if form.n_neurons <= ENUMERATED else _best_of_three
        return _assemble(parts, best(parts))


class _AffineParts(NamedTuple):
    """The affine parts R_S = affine + sum of the terms over S, known to within an error.

    Attributes
    ----------
    form : CanonicalForm
    bias : bool
        Whether there is an output bias: the constant is then no part of this.
    affine, error : arrays (K, q)
        The affine part of the form and a bound on the error of each entry. q is d, or d + 1 with
        the constant; for binary 0 or 1.
    terms : array (n, K, q)
        Term i is added if neuron i is replaced by its opposite.
    A : array (q,)
        The largest |x_i|, and 1 for the constant.
    """

    form: CanonicalForm
    bias: bool
    affine: Array
    error: Array
    terms: Array
    A: Array

    def remaining(self, opposite: np.ndarray) -> Array:
        """Return R_S, each entry rounded once after the products."""
        return exact_sums(np.concatenate([self.affine[np.newaxis], self.terms[opposite]]))


class _Choice(NamedTuple):
    """A set of neurons to replace by their opposites, and neurons for the rest.

    Attributes
    ----------
    opposite : bool array (n,)
        The set S.
    extra : AffineNeurons
        Neurons for R_S.
    change : array (K, n)
        What is added to the outgoing weights of the form for `extra` to be right.
    fewest : int
        A lower bound on the number of extra neurons that R_S takes.
    """

    opposite: np.ndarray
    extra: AffineNeurons
    change: Array
    fewest: int


def _affine_parts(form: CanonicalForm, bias: bool) -> _AffineParts:
    """Return the affine part, its error and the terms that opposite neurons add."""
    d, A = form.domain.n_inputs, np.append(largest_inputs(form.domain), 1.0)
    rows = _opposite_terms(form)
    affine = np.column_stack([form.linear, form.constant])
    magnitude = np.column_stack([form.terms.linear, form.terms.constant])
    magnitude = magnitude + form.terms.output_weights @ np.abs(rows)
    error = gamma(4 * d + 32) * magnitude
    terms = form.output_weights.T[:, :, np.newaxis] * rows[:, np.newaxis]
    # the linear part of a binary form is 0, and an output bias takes all constants
    part = slice(d if form.activation == "binary" else 0, d if bias else d + 1)
    return _AffineParts(form, bias, affine[:, part], error[:, part], terms[:, :, part], A[part])


def _opposite_terms(form: CanonicalForm) -> Array:
    """Return z = s(z) - s(-z) of each neuron as an affine map; for binary 1 = s(z) + s(-z)."""
    if form.activation == "binary":
        return np.column_stack([0.0 * form.weights, np.ones_like(form.thresholds)])
    return np.column_stack([form.weights, form.thresholds])


def _best_of_all(parts: _AffineParts) -> _Choice:
    """Return the best of all choices of opposite neurons.

    A set of rank r takes r or r + 1 neurons, so only sets of the smallest rank need be realised.
    """
    n, given = parts.form.n_neurons, parts.form.opposite
    subsets = _all_subsets(n) ^ given  # the network's own orientation first
    R = parts.affine + np.tensordot(subsets.astype(float), parts.terms, 1)
    ranks = numerical_ranks(R, parts.error, parts.A)
    choices = []
    for opposite in subsets[ranks == ranks.min()]:
        choices.append(_realise(parts, opposite))
        if len(choices[-1].extra.b) == ranks.min():
            return choices[-1]
    return choices[0]._replace(fewest=min(choice.fewest for choice in choices))


def _all_subsets(n: int) -> np.ndarray:
    """Return all subsets of n items, as the rows of a bool array (2^n, n); the empty one first."""
    return np.asarray((np.arange(2**n)[:, np.newaxis] >> np.arange(n)) & 1, dtype=bool)


def _best_of_three(parts: _AffineParts) -> _Choice:
    """Return the best of the network's own orientation, no opposite neurons, and all opposite."""
    n = parts.form.n_neurons
    orientations = parts.form.opposite, np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    choices = [_realise(parts, opposite) for opposite in orientations]
    best = min(choices, key=lambda choice: len(choice.extra.b))
    return best._replace(fewest=min(best.fewest, 0 if _may_vanish(parts) else 1))


def _may_vanish(parts: _AffineParts) -> bool:
    """Return False if R_S is certainly 0 for no S: if an entry has one sign whatever S is."""
    lowest = parts.affine + np.minimum(parts.terms, 0.0).sum(axis=0)
    highest = parts.affine + np.maximum(parts.terms, 0.0).sum(axis=0)
    magnitude = np.abs(lowest) + np.abs(highest) + 2.0 * np.abs(parts.affine)
    margin = parts.error + gamma(2 * parts.form.n_neurons) * magnitude
    return bool(((lowest <= margin) & (highest >= -margin)).all())


def _realise(parts: _AffineParts, opposite: np.ndarray) -> _Choice:
    """Return neurons for the remaining affine part, and the fewest that it takes."""
    form, R, error = parts.form, parts.remaining(opposite), parts.error
    unchanged = np.zeros_like(form.output_weights)
    if form.activation == "binary":  # R is a constant, or nothing with an output bias
        n = int(numerical_ranks(R, error, parts.A))
        ones = AffineNeurons(np.zeros((n, form.domain.n_inputs)), np.ones(n), R[:, :n])
        return _Choice(opposite, ones, unchanged, n)
    if parts.bias:
        neurons = affine_neurons(R, error, parts.A, form.domain)
        return _Choice(opposite, neurons, unchanged, len(neurons.b))
    neurons, is_least = positive_neurons(R, error, parts.A, form.domain)
    if len(neurons.b) == 2 and is_least:
        paired = _on_a_hyperplane(parts, opposite, R)
        if paired is not None:
            return paired
    return _Choice(opposite, neurons, unchanged, len(neurons.b) - (not is_least))


def _on_a_hyperplane(parts: _AffineParts, opposite: np.ndarray, R: Array) -> _Choice | None:
    """Return the choice of one neuron for R = v z_i of rank 1, or None if there is no such i.

    v z = v s(z) - v s(-z): the outgoing weights of the hyperplane's own neuron change by v, and an
    opposite neuron takes -v. Where the own neuron is the opposite one, the roles are exchanged.
    """
    form = parts.form
    M, Q = row_factors(R, parts.error, parts.A)
    if len(Q) != 1:
        return None
    rows = np.column_stack([form.weights, form.thresholds])
    # the multiples f_i for which f_i (w_i, b_i) is nearest to the row Q, each input in units of A
    scaled, q = rows * parts.A, Q[0] * parts.A
    multiples = scaled @ q / (scaled ** 2).sum(axis=1)
    residual = R - (M * multiples).T[:, :, np.newaxis] * rows[:, np.newaxis]
    fits = np.flatnonzero(numerical_ranks(residual, parts.error, parts.A) == 0)
    if not len(fits):
        return None
    i, change = fits[0], np.zeros_like(form.output_weights)
    sign = -1.0 if opposite[i] else 1.0
    v = M[:, 0] * multiples[i]
    change[:, i] = sign * v
    W, b, C = -sign * rows[[i], :-1], -sign * rows[[i], -1], -sign * v[:, np.newaxis]
    return _Choice(opposite, AffineNeurons(W, b, C), change, 1)


def _assemble(parts: _AffineParts, choice: _Choice) -> MinimalForm:
    """Return the network, with a bound on its difference from the given one."""
    form, extra = parts.form, choice.extra
    signs = np.where(choice.opposite, -1.0, 1.0)
    C = form.output_weights * (signs if form.activation == "binary" else 1.0) + choice.change
    W = np.vstack([form.weights * signs[:, np.newaxis], extra.W]) + 0.0
    b = np.append(form.thresholds * signs, extra.b) + 0.0
    C = finite_result(np.column_stack([C, extra.C]), "an outgoing weight of the minimal form")
    constant, error = _constant_and_error(parts, choice)
    if not len(b):
        W, b, C = np.eye(1, W.shape[1]), np.zeros(1), np.zeros((len(C), 1))
    network = Network([W], [b], C, constant if parts.bias else None, form.activation)
    fewest = max(1, form.n_neurons + choice.fewest)
    return MinimalForm(network, len(b), fewest, len(b) == fewest, form.bound + error, form)


def _constant_and_error(parts: _AffineParts, choice: _Choice) -> tuple[Array, Array]:
    """Return the output bias, and a bound on the difference of network and form for each output.

    The difference is an affine map, plus what always-on neurons miss where they are below 0.
    """
    form, opposite, change = parts.form, choice.opposite, choice.change
    d, rows = form.domain.n_inputs, _opposite_terms(form)
    extra, paired = choice.extra, change.any(axis=0)
    if paired.any():  # with the change of outgoing weights the extra neuron is exactly v z
        v = change[:, paired] * np.where(opposite, -1.0, 1.0)[paired]
        extra = AffineNeurons(rows[paired, :-1], rows[paired, -1], v)
    terms = np.concatenate([
        np.column_stack([form.linear, form.constant])[np.newaxis],
        form.output_weights.T[opposite, :, np.newaxis] * rows[opposite, np.newaxis],
    ])
    exactly_on = form.activation == "binary" or bool(paired.any())
    constant, error = constant_and_error(terms, extra, form.domain, parts.bias, exactly_on)
    # each changed outgoing weight is a rounded sum, and its neuron's |z| is at most |rows| A
    changed = (np.abs(form.output_weights) + np.abs(change))[:, paired]
    A = np.append(largest_inputs(form.domain), 1.0)
    rounding = 2.0 * UNIT_ROUNDOFF * changed @ (np.abs(rows[paired]) @ A)
    error += rounding * (1.0 + gamma(4 * d + 64))
    return constant, np.where(np.isfinite(error), error, np.inf)
