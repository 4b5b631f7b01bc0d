"""The fewest neurons that realise the function of a network of one hidden layer."""
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
from .canonical_form import CanonicalForm, canonical_form, constant_and_charge
from .neurons import largest_inputs

ENUMERATED = 10
"""Up to so many hyperplanes every way to turn the neurons is tried."""


@record
@dataclass(frozen=True, eq=False)
class MinimalForm:
    """A network of few neurons, and how few there can be.

    Attributes
    ----------
    network : Network
        The function of the given network on the domain (binary: almost everywhere).
    n_neurons : int
        Its number of neurons.
    lower_bound : int
        No network of one hidden layer, with an output bias or without as `network`, is the function of the
        canonical form with fewer; what is left of the affine part counts as 0, or as of lower
        rank, where rounding can explain it.
    exact : bool
        Whether the two numbers are the same.
    bound : array (K,)
        The network differs from the given one by at most this for each output on the domain, both in real
        arithmetic; for binary off the margin of the canonical form.
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

    Each of the m hyperplanes of the canonical form needs a neuron, whose column is given. Turning neuron i
    round adds c_i (w_i.x + b_i) to the affine part. What is left of it after turning a set S,

    R_S = (alpha, beta) + sum over S of c_i (w_i, b_i),

    takes rank(R_S) neurons that are always on, the constant being free with an output bias and costing one more
    where no combination of the rows is positive on the domain. So the fewest is m + min over S of that.

    Parameters
    ----------
    network : Network
        ReLU or binary, one hidden layer.
    domain : Domain
        With interior points.
    output_bias : bool, optional
        Whether the result has an output bias, and which networks it is compared with. By default as
        `network`.

    Returns
    -------
    MinimalForm

    Raises
    ------
    TypeError, ValueError
        As `canonical_form`.

    Notes
    -----
    Whether a subset of the c_i w_i has a given sum is a hard question (subset sum). The library asks it of every
    subset up to 10 hyperplanes; up to 30 it finds a set that leaves nothing, if there is one, by meeting
    in the middle; beyond, it tries the neurons as the network has them, all one way, and all the other.
    So a network without always-on neurons, with no two neurons on one hyperplane, is always answered
    exactly. Where the fewest is not certain, `lower_bound` is less than `n_neurons`: for one output by at
    most 1 with an output bias, by at most 2 without. A sum counts as 0 if rounding of its terms can
    explain it.

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
        return _assemble(problem, *_fewest(problem))


class _Problem(NamedTuple):
    """What the affine part is made of: R_S = left + sum of items over S, to within the noise.

    Attributes
    ----------
    form : CanonicalForm
    bias : bool
        Whether there is an output bias: the constant is then no part of this.
    left, noise : arrays (K, q)
        q = d, d + 1 with the constant; for binary 0, 1.
    items : array (n, K, q)
    sizes : array (q,)
        The largest |x_i|, and 1 for the constant.
    """

    form: CanonicalForm
    bias: bool
    left: Array
    noise: Array
    items: Array
    sizes: Array


class _More(NamedTuple):
    """Neurons for the affine part, and what is added to the columns of the hyperplanes' own."""

    neurons: AffineNeurons
    change: Array


class _Answer(NamedTuple):
    """Which hyperplanes are turned, the neurons for the rest, and how many at least any choice needs."""

    turned: np.ndarray
    more: _More
    least: int


def _problem(form: CanonicalForm, bias: bool) -> _Problem:
    """Return the affine part, its noise and what turning each neuron adds."""
    d, A = form.domain.n_inputs, largest_inputs(form.domain)
    rows = np.column_stack([form.weights, form.thresholds])
    if form.activation == "binary":
        rows = np.column_stack([0.0 * form.weights, np.ones_like(form.thresholds)])
    left = np.column_stack([form.linear, form.constant])
    terms = np.column_stack([form.terms.linear, form.terms.constant]) + form.terms.output_weights @ np.abs(rows)
    columns = slice(d if form.activation == "binary" else 0, d if bias else d + 1)
    items = form.output_weights.T[:, :, np.newaxis] * rows[:, np.newaxis, columns]
    sizes = np.append(A, 1.0)[columns]
    return _Problem(form, bias, left[:, columns], gamma(4 * d + 32) * terms[:, columns], items, sizes)


def _fewest(problem: _Problem) -> _Answer:
    """Return the best choice of neurons to turn that is found."""
    n = problem.form.n_neurons
    if n <= ENUMERATED:
        return _best_of_all(problem)
    answers = [_realise(problem, turned) for turned in _candidates(problem)]
    best = min(answers, key=lambda answer: len(answer.more.neurons.b))
    return best._replace(least=min(best.least, 0 if _can_vanish(problem) else 1))


def _candidates(problem: _Problem) -> Iterator[np.ndarray]:
    """Yield the neurons as they are in the network, all one way, all the other, and one that leaves nothing."""
    n = problem.form.n_neurons
    yield problem.form.turned
    yield np.zeros(n, dtype=bool)
    yield np.ones(n, dtype=bool)
    if n <= MAX_ITEMS and (found := _vanishing(problem)) is not None:
        yield found


def _vanishing(problem: _Problem) -> np.ndarray | None:
    """Return a set to turn that leaves nothing but noise, or None if there is none; up to `MAX_ITEMS` neurons."""
    n = problem.form.n_neurons
    if not len(problem.sizes):
        return problem.form.turned
    items = in_units_of_error(problem.items, problem.noise, problem.sizes)
    left = in_units_of_error(problem.left, problem.noise, problem.sizes)
    return subset_with_sum(items.reshape(n, -1), -left.ravel(), 1.0)


def _can_vanish(problem: _Problem) -> bool:
    """Tell whether some set may leave nothing: False is certain."""
    if problem.form.n_neurons <= MAX_ITEMS:
        return _vanishing(problem) is not None
    least = problem.left + np.minimum(problem.items, 0.0).sum(axis=0)
    most = problem.left + np.maximum(problem.items, 0.0).sum(axis=0)
    sizes = np.abs(least) + np.abs(most) + 2.0 * np.abs(problem.left)
    slack = problem.noise + gamma(2 * problem.form.n_neurons) * sizes
    return bool(((least <= slack) & (most >= -slack)).all())


def _best_of_all(problem: _Problem) -> _Answer:
    """Return the best of all ways to turn the neurons: those of the smallest rank come first.

    A set of rank r needs r or r + 1 neurons, so no other can be better by more than nothing.
    """
    n, given = problem.form.n_neurons, problem.form.turned
    subsets = all_subsets(n) ^ given  # as in the network first
    R = problem.left + np.tensordot(subsets.astype(float), problem.items, 1)
    ranks = numerical_ranks(R, problem.noise, problem.sizes)
    answers = []
    for turned in subsets[ranks == ranks.min()]:
        answers.append(_realise(problem, turned))
        if len(answers[-1].more.neurons.b) == ranks.min():
            return answers[-1]
    return answers[0]._replace(least=min(answer.least for answer in answers))


def _left_over(problem: _Problem, turned: np.ndarray) -> Array:
    """Return R_S, each entry rounded once after the products."""
    terms = np.concatenate([problem.left[np.newaxis], problem.items[turned]])
    return exact_sums(terms)


def _realise(problem: _Problem, turned: np.ndarray) -> _Answer:
    """Return neurons for what is left of the affine part, and how many it needs at least."""
    form, R, noise = problem.form, _left_over(problem, turned), problem.noise
    change = np.zeros_like(form.output_weights)
    if form.activation == "binary":
        n = int(numerical_ranks(R, noise, problem.sizes))
        one = AffineNeurons(np.zeros((n, form.domain.n_inputs)), np.ones(n), R[:, :n])
        return _Answer(turned, _More(one, change), n)
    if problem.bias:
        neurons = affine_neurons(R, noise, problem.sizes, form.domain)
        return _Answer(turned, _More(neurons, change), len(neurons.b))
    neurons, is_least = positive_neurons(R, noise, problem.sizes, form.domain)
    if len(neurons.b) == 2 and is_least and (other := _on_a_hyperplane(problem, turned, R)) is not None:
        return _Answer(turned, other, 1)
    return _Answer(turned, _More(neurons, change), len(neurons.b) - (not is_least))


def _on_a_hyperplane(problem: _Problem, turned: np.ndarray, R: Array) -> _More | None:
    """Return the one neuron for R = v (w_i, b_i) of rank 1, if there is such an i.

    v z = v s(z) - v s(-z): the hyperplane's own neuron takes v, and one on its other side -v.
    """
    form = problem.form
    M, Q = row_factors(R, problem.noise, problem.sizes)
    if len(Q) != 1:
        return None
    rows = np.column_stack([form.weights, form.thresholds])
    scaled, q = rows * problem.sizes, Q[0] * problem.sizes
    factors = scaled @ q / (scaled ** 2).sum(axis=1)
    off = R - (M * factors).T[:, :, np.newaxis] * rows[:, np.newaxis]
    fits = np.flatnonzero(numerical_ranks(off, problem.noise, problem.sizes) == 0)
    if not len(fits):
        return None
    i, change = fits[0], np.zeros_like(form.output_weights)
    sign = -1.0 if turned[i] else 1.0
    v = M[:, 0] * factors[i]
    change[:, i] = sign * v
    return _More(AffineNeurons(-sign * rows[[i], :-1], -sign * rows[[i], -1], -sign * v[:, np.newaxis]), change)


def _assemble(problem: _Problem, turned: np.ndarray, more: _More, least: int) -> MinimalForm:
    """Return the network, with what it differs from the form by charged."""
    form, extra = problem.form, more.neurons
    signs = np.where(turned, -1.0, 1.0)
    C = form.output_weights * (signs if form.activation == "binary" else 1.0)
    rows, thresholds = form.weights * signs[:, np.newaxis], form.thresholds * signs
    W, b = np.vstack([rows, extra.W]) + 0.0, np.append(thresholds, extra.b) + 0.0
    constant, charge = _constant_and_charge(problem, turned, more)
    columns = finite_result(np.column_stack([C + more.change, extra.C]), "an outgoing weight of the minimal form")
    if not len(b):
        W, b, columns = np.eye(1, W.shape[1]), np.zeros(1), np.zeros((len(C), 1))
    network = Network([W], [b], columns, constant if problem.bias else None, form.activation)
    least = max(1, form.n_neurons + least)
    return MinimalForm(network, len(b), least, len(b) == least, form.bound + charge, form)


def _constant_and_charge(problem: _Problem, turned: np.ndarray, more: _More) -> tuple[Array, Array]:
    """Return the output bias, and a bound of the difference of network and form for each output.

    The difference is an affine map, and what the always-on neurons are off where they are not.
    """
    form, extra = problem.form, more.neurons
    binary, d = form.activation == "binary", form.domain.n_inputs
    rows = np.column_stack([form.weights, form.thresholds])
    if binary:
        rows = np.column_stack([0.0 * form.weights, np.ones_like(form.thresholds)])
    paired = more.change.any(axis=0)
    if paired.any():  # together with the change of its column the extra neuron is v z, exactly
        v = more.change[:, paired] * np.where(turned, -1.0, 1.0)[paired]
        extra = AffineNeurons(rows[paired, :-1], rows[paired, -1], v)
    terms = np.concatenate([
        np.column_stack([form.linear, form.constant])[np.newaxis],
        form.output_weights.T[turned, :, np.newaxis] * rows[turned, np.newaxis],
    ])
    exactly_on = binary or bool(paired.any())
    constant, charge = constant_and_charge(terms, extra, form.domain, problem.bias, exactly_on)
    changed = (np.abs(form.output_weights) + np.abs(more.change))[:, paired]
    sizes = np.append(largest_inputs(form.domain), 1.0)
    lost = 2.0 * UNIT_ROUNDOFF * changed @ (np.abs(rows[paired]) @ sizes)
    charge += lost * (1.0 + gamma(4 * d + 64))
    return constant, np.where(np.isfinite(charge), charge, np.inf)
