"""Find the canonical form of one hidden layer: shallow networks are equal iff their forms are.

N(x) = alpha.x + beta + sum_i c_i s(w_i.x + b_i)   on the domain,

with distinct hyperplanes, each through the domain's interior (THEORY, Prop. 5).
"""
from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, finite_result, message, number, renamed, samples
from ..domains import Box, Domain, Hull
from ..networks.activations import activation_named
from ..networks.network import Network, check_domain, check_network
from ..numerics.equal_rows import Labels
from ..numerics.exact_sums import exact_sum, exact_sums
from ..numerics.records import read_only, record
from ..numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_part import AffineNeurons, affine_neurons
from .neurons import (
    MergedNeurons, ShallowNeurons, column_sums, interval_error, largest_inputs, merge_neurons,
    shallow_neurons,
)


@record
class Terms(NamedTuple):
    """For each entry of a form, the sum of absolute values of the terms that add up to it.

    Rounding errors are proportional to these magnitudes: two networks of the same function have the
    same form to within a few roundings of both networks' terms.

    Attributes
    ----------
    output_weights : array (K, n)
    linear : array (K, d)
    constant : array (K,)
    """

    output_weights: Array
    linear: Array
    constant: Array


@record
@dataclass(frozen=True, eq=False, repr=False)
class CanonicalForm:
    """The canonical form of a network of one hidden layer on a domain.

    F(x) = linear x + constant + output_weights s(weights x + thresholds)

    Calling it evaluates F at X, shape (n_samples, d), as (n_samples, K).

    Attributes
    ----------
    weights : array (n, d)
        Unit rows; the first entry with an absolute value above `tolerance` is positive.
    thresholds : array (n,)
        Each hyperplane meets the domain's interior. Rows (w, b) are in lexicographic order, in
        which entries nearer than the tolerance count as equal.
    output_weights : array (K, n)
        No column is zero.
    linear, constant : arrays (K, d), (K,)
        alpha and beta; alpha is 0 for binary networks.
    activation : "relu" or "binary"
    domain : Domain
    tolerance : float
        Neurons are merged if, after opposite neurons have been aligned, the entries of their unit
        rows differ by at most this and their thresholds by at most this times X_B.
    bound : array (K,)
        |N(x) - F(x)| is at most this for each output on the domain, N and F in real arithmetic. It
        covers merging, absorbing and rounding. inf where that leaves the range of float64.
    margin : float
        Binary: the bound holds where no neuron has |w_j.x + b_j| <= margin |w_j|. 0 for ReLU.
    opposite : bool array (n,)
        Whether the network contains the opposite neuron, -w and -b. Of the neurons on one
        hyperplane, the one with the largest outgoing weights counts.
    terms : Terms
        Magnitudes that the rounding errors of the entries are proportional to.

    References
    ----------
    THEORY, Prop. 5.
    """

    weights: Array
    thresholds: Array
    output_weights: Array
    linear: Array
    constant: Array
    activation: str
    domain: Domain
    tolerance: float
    bound: Array
    margin: float
    opposite: np.ndarray
    terms: Terms

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, read_only(getattr(self, field.name)))
        object.__setattr__(self, "terms", Terms(*map(read_only, self.terms)))

    @property
    def n_neurons(self) -> int:
        """The number of hyperplanes."""
        return len(self.thresholds)

    @property
    def turned(self) -> np.ndarray:
        """The old name of `opposite`, for this version."""
        warnings.warn("`turned` is now called `opposite`", DeprecationWarning, stacklevel=2)
        return self.opposite

    def __call__(self, X: Any) -> Array:
        """Return the outputs at X, shape (n_samples, n_inputs), as (n_samples, n_outputs)."""
        X = samples(X, self.domain.n_inputs, allow_empty=True)
        activate = activation_named(self.activation).value
        result = X @ self.linear.T + self.constant
        block = max(1, 2**20 // max(1, self.n_neurons))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(X), block):
                H = activate(X[start:start + block] @ self.weights.T + self.thresholds)
                result[start:start + block] += H @ self.output_weights.T
        return finite_result(result, "the form's output")

    def to_network(self) -> Network:
        """Return a network with output bias that computes this function on the domain.

        The affine part takes as many additional, always-on ReLU neurons as the rank of `linear`: at
        most one for one output. `minimal_form` tries to use fewer. The affine part is rounded once
        more, so that the error may exceed `bound`; `network_bound` covers it.

        Raises
        ------
        ValueError
            If one of its parameters leaves the range of float64.
        """
        return self._realised[0]

    @property
    def network_bound(self) -> Array:
        """Return a bound (K,) of |N(x) - T(x)| on the domain, where T is `to_network()`.

        Both in real arithmetic; for binary outside the margin, as `bound`. inf where it leaves the
        range of float64.
        """
        return self._realised[1]

    @cached_property
    def _realised(self) -> tuple[Network, Array]:
        """Return the network of the form and its `network_bound`."""
        try:
            return self._realise()
        except ValueError as error:  # names an argument that the caller never gave
            raise ValueError(f"the network of {self!r} leaves the range of float64") from error

    def _realise(self) -> tuple[Network, Array]:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            A = largest_inputs(self.domain)
            linear_error = gamma(4 * len(A) + 32) * self.terms.linear
            extra = affine_neurons(self.linear, linear_error, A, self.domain)
            affine = np.column_stack([self.linear, self.constant])
            constant, error = constant_and_error(affine[np.newaxis], extra, self.domain, True)
            W, b = np.vstack([self.weights, extra.W]), np.append(self.thresholds, extra.b)
            C = np.column_stack([self.output_weights, finite_result(extra.C, "an outgoing weight")])
            bound = (self.bound + error) * (1.0 + gamma(2))
        if not len(b):
            W, b, C = np.eye(1, len(A)), np.zeros(1), np.zeros((len(C), 1))
        bound = np.where(np.isfinite(bound), bound, np.inf)
        return Network([W], [b], C, constant, self.activation), read_only(bound)

    def __eq__(self, other: object) -> bool:
        """Return True if domain, activation and all parameters are equal, bit for bit."""
        if not isinstance(other, CanonicalForm):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        arrays = self.weights, self.thresholds, self.output_weights, self.linear, self.constant
        keys = ((array.shape, (array + 0.0).tobytes()) for array in arrays)
        return (self.activation, self.domain, *keys)

    def __repr__(self) -> str:
        n, (K, d) = self.n_neurons, self.linear.shape
        kind = "an affine part" if self.linear.any() else "a constant"
        hyperplanes = f"{n} hyperplane{'s' * (n != 1)}"
        return (f"CanonicalForm({d}-{n}-{K}, {self.activation}, {hyperplanes} and {kind}, "
                f"{self.domain!r})")


def constant_and_error(
    terms: Array, neurons: AffineNeurons, domain: Domain, bias: bool, exactly_on: bool = False
) -> tuple[Array, Array]:
    """Return the output bias for neurons that realise an affine map, and a bound on the error.

    The affine map is the sum of `terms`, m matrices (K, d + 1) with the constant as last column.
    C (W x + b) plus the bias differs from it by an affine map, and the neurons differ from
    C (W x + b) where they are off. Each product and each sum is rounded once, which costs at most u
    times the sum of the products' absolute values and u times the sum.

    Parameters
    ----------
    terms : array (m, K, d + 1)
        The first is exact, the others are products that were rounded.
    neurons : AffineNeurons
    domain : Domain
    bias : bool
        Whether there is an output bias; without one the neurons must provide the constant.
    exactly_on : bool
        Whether the neurons are affine on the whole domain; otherwise the error includes how far
        they may be below 0.

    Returns
    -------
    constant, error : arrays (K,)
    """
    rows = np.column_stack([neurons.W, neurons.b])
    terms = np.concatenate([terms, -neurons.C.T[:, :, np.newaxis] * rows[:, np.newaxis]])
    sums, A = exact_sums(terms), largest_inputs(domain)
    difference, constant = sums.copy(), sums[:, -1].copy() if bias else np.zeros(len(sums))
    difference[:, -1] -= constant
    rounding = np.zeros_like(difference)
    if len(terms) > 1:
        rounding = UNIT_ROUNDOFF * (np.abs(terms[1:]).sum(axis=0) + np.abs(sums))
        rounding += SMALLEST * len(terms)
    difference = np.abs(difference) + rounding
    error = difference @ np.append(A, 1.0) + SMALLEST * np.count_nonzero(difference, axis=1)
    if not exactly_on:
        below_0 = domain.support(-neurons.W) - neurons.b + interval_error(domain, neurons.W)
        error += np.abs(neurons.C) @ np.maximum(below_0, 0.0) + SMALLEST * len(below_0)
    return constant, error * (1.0 + gamma(4 * (len(terms) + len(A)) + 64))


@renamed("net", "network")
def canonical_form(network: Network, domain: Domain, tolerance: float | None = None) -> CanonicalForm:
    """Return the unique form of a network of one hidden layer on the domain.

    Drop dead neurons and those without outgoing weights. Absorb always-on neurons into the affine
    part alpha.x + beta. Replace each neuron whose first non-zero weight is negative by its
    opposite, with s(-z) = s(z) - z (binary: s(-z) = 1 - s(z), off the hyperplane). Merge equal
    neurons, and sort the rest.

    Parameters
    ----------
    network : Network
        ReLU or binary, with one hidden layer, reduced or not.
    domain : Domain
        Convex with interior points, of the network's dimension; elsewhere the form is not unique.
    tolerance : float, optional
        How far the weights of two merged unit rows may differ, and their thresholds in units of
        X_B; below 1 / sqrt(d). The default, 4 gamma(d + 8), is more than two normalised copies of
        one neuron differ by. A larger one merges more neurons, at a cost that `bound` includes; 0.0
        merges only neurons that are equal bit for bit.

    Returns
    -------
    CanonicalForm

    Raises
    ------
    TypeError, ValueError
        If the network has more than one hidden layer, the domain is flat, an argument is of the
        wrong kind, or a product leaves the range of float64.

    Notes
    -----
    A neuron counts as dead, or always on, if it is so to within the rounding error of its interval.
    The merged outgoing weights of a neuron are dropped if they may be rounding error alone: at most
    gamma(d + 16) times the sum of absolute values of their terms. Sums are rounded once
    (`math.fsum`), so the order of the network's neurons does not matter. `bound` covers it all.

    Binary networks have the same form iff they agree almost everywhere, off their hyperplanes.

    References
    ----------
    THEORY, Prop. 5.

    Examples
    --------
    >>> net = Network([[[2.0], [-4.0], [1.0]]], [[-1.0, 2.0, 8.0]], [[1.0, 1.0, 1.0]])
    >>> form = canonical_form(net, Box(0, 1))
    >>> form
    CanonicalForm(1-1-1, relu, 1 hyperplane and an affine part, Box([0], [1]))
    >>> form.weights.tolist(), form.thresholds.tolist(), form.output_weights.tolist()
    ([[1.0]], [-0.5], [[6.0]])
    >>> form.linear.tolist(), form.constant.tolist()
    ([[-3.0]], [10.0])
    """
    network = check_network(network)
    domain = check_domain(network, domain)
    if network.depth != 1:
        got = f"{network.depth} hidden layers"
        raise ValueError(message("network", "a network of one hidden layer", got))
    check_interior(domain)
    d = domain.n_inputs
    tolerance = 4.0 * gamma(d + 8) if tolerance is None else number(tolerance, "tolerance", 0.0)
    if tolerance >= d ** -0.5:
        raise ValueError(message("tolerance", "below 1 / sqrt(n_inputs)", tolerance))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        neurons = shallow_neurons(network, domain)
        return _assemble(network, neurons, merge_neurons(neurons, tolerance), domain, tolerance)


def check_interior(domain: Domain) -> None:
    """Raise ValueError if the domain has no interior points."""
    flat = False
    if isinstance(domain, Box):
        flat = bool((domain.low == domain.high).any())
    elif isinstance(domain, Hull):
        rows = domain.points - domain.points.mean(axis=0)
        values = np.linalg.svd(rows / np.abs(rows).max(), compute_uv=False)
        distance = np.abs(domain.points).max() / np.abs(rows).max()
        margin = gamma(4 * sum(rows.shape)) * (values[0] + distance)
        flat = len(values) < domain.n_inputs or values[-1] <= margin
    if flat:
        expected = "with interior points: the form is not unique"
        raise ValueError(message("domain", expected, f"a flat {domain!r}"))


def _assemble(
    network: Network, neurons: ShallowNeurons, merged: MergedNeurons, domain: Domain, tolerance: float
) -> CanonicalForm:
    """Return the form: add up outgoing weights and affine part, drop zero sums, bound the error."""
    scaled = neurons.C * neurons.scales
    columns = finite_result(scaled, "an outgoing weight times the norm of its neuron")
    opposite = merged.indices[merged.opposite]
    if network.activation == "binary":
        columns[:, opposite] *= -1.0
    C, magnitudes = column_sums(columns[:, merged.indices], merged.labels, len(merged.b))
    linear, linear_terms, constant, constant_terms = _affine_sums(network, neurons, opposite)
    terms = Terms(magnitudes, linear_terms, constant_terms)
    kept = (np.abs(C) > gamma(domain.n_inputs + 16) * magnitudes).any(axis=0)
    bound, margin = _bound(network, neurons, merged, domain, np.where(kept, 0.0, np.abs(C)), terms)
    return CanonicalForm(
        merged.W[kept], merged.b[kept], np.ascontiguousarray(C[:, kept]), linear, constant,
        network.activation, domain, tolerance, bound, margin, merged.opposite_representatives[kept],
        terms._replace(output_weights=magnitudes[:, kept]),
    )


def _affine_sums(
    network: Network, neurons: ShallowNeurons, opposite: Labels
) -> tuple[Array, Array, Array, Array]:
    """Return alpha and beta, each followed by the sums of absolute values of its terms.

    alpha = sum c_j w_j and beta = a + sum c_j b_j over the always-on neurons and those replaced by
    their opposites; a zero row adds c_j s(b_j) to beta. Binary: alpha = 0, and beta is a + sum c_j
    over all of these.
    """
    (K, _), d = neurons.C.shape, neurons.W.shape[1]
    binary = network.activation == "binary"
    rows = np.concatenate([np.flatnonzero(neurons.on), opposite])
    W, heights = neurons.W[rows], np.ones_like(neurons.b) if binary else neurons.b
    constants = np.concatenate([rows, np.flatnonzero(neurons.constant & (neurons.b > 0.0))])
    bias = np.zeros(K) if network.output_bias is None else network.output_bias
    linear, linear_terms = np.zeros((K, d)), np.zeros((K, d))
    constant, constant_terms = np.zeros(K), np.zeros(K)
    for k, outgoing in enumerate(neurons.C):
        products = np.append(outgoing[constants] * heights[constants], bias[k])
        constant[k], constant_terms[k] = exact_sum(products.tolist()), np.abs(products).sum()
        if not binary:
            products = finite_result(outgoing[rows] * W.T, "an outgoing weight times a weight")
            linear[k], linear_terms[k] = exact_sums(products.T), np.abs(products).sum(axis=1)
    constant = finite_result(constant, "the constant of the canonical form")
    return linear, linear_terms, constant, constant_terms


def _bound(
    network: Network,
    neurons: ShallowNeurons,
    merged: MergedNeurons,
    domain: Domain,
    dropped: Array,
    terms: Terms,
) -> tuple[Array, float]:
    """Return the bound on |N - F| for each output, and the margin in which it may fail for binary.

    ReLU: |c_j| (error_j + norm_j times the error of merging) for each unstable neuron; |c_j|
    stability_error_j for each dead or always-on neuron; two roundings of each term, times
    max s(z_i) for outgoing weights and |x| for alpha; and the outgoing weights that were dropped.
    """
    n, d = neurons.W.shape
    error = np.where(neurons.unstable, neurons.error, neurons.stability_error)
    error[merged.indices] += neurons.norms[merged.indices] * merged.error
    rounding = 2.0 * UNIT_ROUNDOFF * terms.output_weights + dropped
    safety = 1.0 + gamma(4 * (n + d) + 64)
    if network.activation == "binary":
        bound = rounding.sum(axis=1) + 2.0 * UNIT_ROUNDOFF * terms.constant
        distances = error / np.where(neurons.norms > 0.0, neurons.norms, 1.0)
        return bound * safety, 2.0 * float(distances.max()) * safety
    highest = domain.support(merged.W) + merged.b + interval_error(domain, merged.W)
    highest = np.maximum(highest, 0.0)
    bound = np.abs(neurons.C) @ error + rounding @ highest
    bound += 2.0 * UNIT_ROUNDOFF * (terms.linear @ neurons.A + terms.constant)
    underflow = 2.0 * SMALLEST * (n + 1) * (1.0 + neurons.A.sum() + highest.sum())
    bound = (bound + underflow) * safety
    return np.where(np.isfinite(bound), bound, np.inf), 0.0
