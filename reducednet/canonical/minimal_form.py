"""Find the fewest neurons with which one hidden layer realises the function of a network."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result, flag, renamed
from ..domains import Domain
from ..networks.network import Network
from ..numerics.exact_sums import exact_sums
from ..numerics.low_rank import in_units_of_error, numerical_ranks, row_factors
from ..numerics.records import read_only, record
from ..numerics.rounding import UNIT_ROUNDOFF, gamma
from ..numerics.subset_sum import MAX_ITEMS, all_subsets, subset_with_sum
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

    remains, and takes rank(R_S) always-on neurons. With an output bias the constant is free;
    without one it costs one more neuron if no combination of the rows is positive on the domain.
    The fewest neurons are m plus the minimum of this over S.

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
    hyperplanes every subset is tried. Up to 30, a set S with R_S = 0 is found, if there is one, by
    meeting in the middle. Beyond that, the orientations tried are those of the network's own
    neurons, none replaced, and all replaced. So the answer is always exact for a network without
    always-on neurons and without two neurons on one hyperplane. Where it may not be, `lower_bound`
    is less than `n_neurons`: for one output by at most 1 with an output bias and by at most 2
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
        problem = _problem(form, bias)
        return _assemble(problem, _fewest(problem))


class _Problem(NamedTuple):
    """The affine parts R_S = affine + sum of the items over S, known to within an error.

    Attributes
    ----------
    form : CanonicalForm
    bias : bool
        Whether there is an output bias: the constant is then no part of this.
    affine, error : arrays (K, q)
        The affine part of the form and a bound on the error of each entry. q is d, or d + 1 with
        the constant; for binary 0 or 1.
    items : array (n, K, q)
        Item i is added if neuron i is replaced by its opposite.
    A : array (q,)
        The largest |x_i|, and 1 for the constant.
    """

    form: CanonicalForm
    bias: bool
    affine: Array
    error: Array
    items: Array
    A: Array


class _Extra(NamedTuple):
    """Neurons for the affine part, and the change of the outgoing weights of the other neurons."""

    neurons: AffineNeurons
    change: Array


class _Answer(NamedTuple):
    """The neurons replaced by their opposites, the extra ones, and the fewest extra possible."""

    opposite: np.ndarray
    extra: _Extra
    fewest: int


def _problem(form: CanonicalForm, bias: bool) -> _Problem:
    """Return the affine part, its error and the items that opposite neurons add."""
    d, A = form.domain.n_inputs, largest_inputs(form.domain)
    rows = _opposite_terms(form)
    affine = np.column_stack([form.linear, form.constant])
    magnitude = np.column_stack([form.terms.linear, form.terms.constant])
    magnitude = magnitude + form.terms.output_weights @ np.abs(rows)
    columns = slice(d if form.activation == "binary" else 0, d if bias else d + 1)
    items = form.output_weights.T[:, :, np.newaxis] * rows[:, np.newaxis, columns]
    error = gamma(4 * d + 32) * magnitude[:, columns]
    return _Problem(form, bias, affine[:, columns], error, items, np.append(A, 1.0)[columns])


def _opposite_terms(form: CanonicalForm) -> Array:
    """Return z = s(z) - s(-z) of each neuron as an affine map; for binary 1 = s(z) + s(-z)."""
    if form.activation == "binary":
        return np.column_stack([0.0 * form.weights, np.ones_like(form.thresholds)])
    return np.column_stack([form.weights, form.thresholds])


def _fewest(problem: _Problem) -> _Answer:
    """Return the best choice of opposite neurons that is found."""
    n = problem.form.n_neurons
    if n <= ENUMERATED:
        return _best_of_all(problem)
    answers = [_realise(problem, opposite) for opposite in _orientations(problem)]
    best = min(answers, key=lambda answer: len(answer.extra.neurons.b))
    return best._replace(fewest=min(best.fewest, 0 if _can_vanish(problem) else 1))


def _orientations(problem: _Problem) -> Iterator[np.ndarray]:
    """Yield the network's own orientation, none and all opposite, and one with R_S = 0 if found."""
    n = problem.form.n_neurons
    yield problem.form.opposite
    yield np.zeros(n, dtype=bool)
    yield np.ones(n, dtype=bool)
    if n <= MAX_ITEMS and (found := _vanishing_set(problem)) is not None:
        yield found


def _vanishing_set(problem: _Problem) -> np.ndarray | None:
    """Return a set S with R_S = 0 to within the error, or None; for up to `MAX_ITEMS` neurons."""
    n = problem.form.n_neurons
    if not len(problem.A):
        return problem.form.opposite
    items = in_units_of_error(problem.items, problem.error, problem.A)
    affine = in_units_of_error(problem.affine, problem.error, problem.A)
    return subset_with_sum(items.reshape(n, -1), -affine.ravel(), 1.0)


def _can_vanish(problem: _Problem) -> bool:
    """Return False if R_S is certainly 0 for no S."""
    if problem.form.n_neurons <= MAX_ITEMS:
        return _vanishing_set(problem) is not None
    lowest = problem.affine + np.minimum(problem.items, 0.0).sum(axis=0)
    highest = problem.affine + np.maximum(problem.items, 0.0).sum(axis=0)
    magnitude = np.abs(lowest) + np.abs(highest) + 2.0 * np.abs(problem.affine)
    margin = problem.error + gamma(2 * problem.form.n_neurons) * magnitude
    return bool(((lowest <= margin) & (highest >= -margin)).all())


def _best_of_all(problem: _Problem) -> _Answer:
    """Return the best of all choices of opposite neurons.

    A set of rank r takes r or r + 1 neurons, so only sets of the smallest rank need be realised.
    """
    n, given = problem.form.n_neurons, problem.form.opposite
    subsets = all_subsets(n) ^ given  # the network's own orientation first
    R = problem.affine + np.tensordot(subsets.astype(float), problem.items, 1)
    ranks = numerical_ranks(R, problem.error, problem.A)
    answers = []
    for opposite in subsets[ranks == ranks.min()]:
        answers.append(_realise(problem, opposite))
        if len(answers[-1].extra.neurons.b) == ranks.min():
            return answers[-1]
    return answers[0]._replace(fewest=min(answer.fewest for answer in answers))


def _remaining_part(problem: _Problem, opposite: np.ndarray) -> Array:
    """Return R_S, each entry rounded once after the products."""
    terms = np.concatenate([problem.affine[np.newaxis], problem.items[opposite]])
    return exact_sums(terms)


def _realise(problem: _Problem, opposite: np.ndarray) -> _Answer:
    """Return neurons for the remaining affine part, and the fewest that it takes."""
    form, R, error = problem.form, _remaining_part(problem, opposite), problem.error
    change = np.zeros_like(form.output_weights)
    if form.activation == "binary":
        n = int(numerical_ranks(R, error, problem.A))
        one = AffineNeurons(np.zeros((n, form.domain.n_inputs)), np.ones(n), R[:, :n])
        return _Answer(opposite, _Extra(one, change), n)
    if problem.bias:
        neurons = affine_neurons(R, error, problem.A, form.domain)
        return _Answer(opposite, _Extra(neurons, change), len(neurons.b))
    neurons, is_least = positive_neurons(R, error, problem.A, form.domain)
    if len(neurons.b) == 2 and is_least:
        paired = _on_a_hyperplane(problem, opposite, R)
        if paired is not None:
            return _Answer(opposite, paired, 1)
    return _Answer(opposite, _Extra(neurons, change), len(neurons.b) - (not is_least))


def _on_a_hyperplane(problem: _Problem, opposite: np.ndarray, R: Array) -> _Extra | None:
    """Return the one neuron for R = v (w_i, b_i) of rank 1, or None if there is no such i.

    v z = v s(z) - v s(-z): the outgoing weights of the hyperplane's own neuron change by v, and the
    opposite neuron takes -v.
    """
    form = problem.form
    M, Q = row_factors(R, problem.error, problem.A)
    if len(Q) != 1:
        return None
    rows = np.column_stack([form.weights, form.thresholds])
    scaled, q = rows * problem.A, Q[0] * problem.A
    factors = scaled @ q / (scaled ** 2).sum(axis=1)
    residual = R - (M * factors).T[:, :, np.newaxis] * rows[:, np.newaxis]
    fits = np.flatnonzero(numerical_ranks(residual, problem.error, problem.A) == 0)
    if not len(fits):
        return None
    i, change = fits[0], np.zeros_like(form.output_weights)
    sign = -1.0 if opposite[i] else 1.0
    v = M[:, 0] * factors[i]
    change[:, i] = sign * v
    w, b = -sign * rows[[i], :-1], -sign * rows[[i], -1]
    return _Extra(AffineNeurons(w, b, -sign * v[:, np.newaxis]), change)


def _assemble(problem: _Problem, answer: _Answer) -> MinimalForm:
    """Return the network, with a bound on its difference from the given one."""
    form, extra = problem.form, answer.extra.neurons
    signs = np.where(answer.opposite, -1.0, 1.0)
    C = form.output_weights * (signs if form.activation == "binary" else 1.0)
    rows, thresholds = form.weights * signs[:, np.newaxis], form.thresholds * signs
    W, b = np.vstack([rows, extra.W]) + 0.0, np.append(thresholds, extra.b) + 0.0
    constant, error = _constant_and_error(problem, answer)
    C = np.column_stack([C + answer.extra.change, extra.C])
    C = finite_result(C, "an outgoing weight of the minimal form")
    if not len(b):
        W, b, C = np.eye(1, W.shape[1]), np.zeros(1), np.zeros((len(C), 1))
    network = Network([W], [b], C, constant if problem.bias else None, form.activation)
    fewest = max(1, form.n_neurons + answer.fewest)
    return MinimalForm(network, len(b), fewest, len(b) == fewest, form.bound + error, form)


def _constant_and_error(problem: _Problem, answer: _Answer) -> tuple[Array, Array]:
    """Return the output bias, and a bound on the difference of network and form for each output.

    The difference is an affine map, plus what always-on neurons miss where they are below 0.
    """
    form, (extra, change) = problem.form, answer.extra
    binary, d = form.activation == "binary", form.domain.n_inputs
    rows, opposite = _opposite_terms(form), answer.opposite
    paired = change.any(axis=0)
    if paired.any():  # with the change of outgoing weights the extra neuron is exactly v z
        v = change[:, paired] * np.where(opposite, -1.0, 1.0)[paired]
        extra = AffineNeurons(rows[paired, :-1], rows[paired, -1], v)
    terms = np.concatenate([
        np.column_stack([form.linear, form.constant])[np.newaxis],
        form.output_weights.T[opposite, :, np.newaxis] * rows[opposite, np.newaxis],
    ])
    exactly_on = binary or bool(paired.any())
    constant, error = constant_and_error(terms, extra, form.domain, problem.bias, exactly_on)
    changed = (np.abs(form.output_weights) + np.abs(change))[:, paired]
    A = np.append(largest_inputs(form.domain), 1.0)
    rounding = 2.0 * UNIT_ROUNDOFF * changed @ (np.abs(rows[paired]) @ A)
    error += rounding * (1.0 + gamma(4 * d + 64))
    return constant, np.where(np.isfinite(error), error, np.inf)
