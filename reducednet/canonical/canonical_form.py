"""The canonical form of one hidden layer: two shallow networks are equal iff their forms are.

N(x) = alpha.x + beta + sum_i c_i s(w_i.x + b_i)   on the domain,

with distinct hyperplanes through the domain's interior, each written once (THEORY, Prop. 5).
"""
from __future__ import annotations

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
    MergedNeurons, ShallowNeurons, column_sums, end_slack, largest_inputs, merge_neurons,
    shallow_neurons,
)


@record
class Terms(NamedTuple):
    """Sums of the absolute values of the terms that each entry of a form is the sum of.

    What the rounding of these entries is measured by: two networks of the same function have the
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
        Unit rows; the first entry that is larger than `tolerance` in size is positive.
    thresholds : array (n,)
        The hyperplanes cut the domain's interior. Rows are sorted by (w, b), entry after entry;
        entries nearer than the tolerance count as equal there.
    output_weights : array (K, n)
        No column is zero.
    linear, constant : arrays (K, d), (K,)
        alpha and beta; alpha is 0 for binary networks.
    activation : "relu" or "binary"
    domain : Domain
    tolerance : float
        Neurons are merged whose oriented unit rows differ by at most this in each entry, and their
        thresholds by this times X_B.
    bound : array (K,)
        |N(x) - F(x)| is at most this for each output on the domain, N and F in real arithmetic: what
        merging, folding and rounding have changed. inf where that leaves the range of float64.
    margin : float
        Binary: the bound holds where no neuron has |w_j.x + b_j| <= margin |w_j|. 0 for ReLU.
    turned : bool array (n,)
        Whether the network has the neuron the other way round (its largest, of those merged into it).
    terms : Terms
        What the rounding of the entries is measured by.

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
    turned: np.ndarray
    terms: Terms

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, read_only(getattr(self, field.name)))
        object.__setattr__(self, "terms", Terms(*map(read_only, self.terms)))

    @property
    def n_neurons(self) -> int:
        """The number of hyperplanes."""
        return len(self.thresholds)

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
        """Return a network, with output bias, that is this function on the domain.

        The affine part takes as many more ReLU neurons, always on, as `linear` has rank: at most one
        for one output. `minimal_form` tries to do with less. The affine part is rounded once more, so
        that the network may be further off than `bound`: `network_bound` says how far.

        Raises
        ------
        ValueError
            If a parameter of it leaves the range of float64.
        """
        return self._realised[0]

    @property
    def network_bound(self) -> Array:
        """Return a bound (K,) of |N(x) - T(x)| on the domain, where T is `to_network()`.

        Both in real arithmetic. For binary off the margin, as `bound`. inf where it leaves the range
        of float64.
        """
        return self._realised[1]

    @cached_property
    def _realised(self) -> tuple[Network, Array]:
        """The network of the form, and its `network_bound`."""
        try:
            return self._realise()
        except ValueError as error:  # of arguments of the steps inside, which the caller never gave
            raise ValueError(f"the network of {self!r} leaves the range of float64") from error

    def _realise(self) -> tuple[Network, Array]:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            A = largest_inputs(self.domain)
            noise = gamma(4 * len(A) + 32) * self.terms.linear
            more = affine_neurons(self.linear, noise, A, self.domain)
            own = np.column_stack([self.linear, self.constant])
            constant, charge = constant_and_charge(own[np.newaxis], more, self.domain, True)
            W, b = np.vstack([self.weights, more.W]), np.append(self.thresholds, more.b)
            C = np.column_stack([self.output_weights, finite_result(more.C, "an outgoing weight")])
            bound = (self.bound + charge) * (1.0 + gamma(2))
        if not len(b):
            W, b, C = np.eye(1, len(A)), np.zeros(1), np.zeros((len(C), 1))
        bound = np.where(np.isfinite(bound), bound, np.inf)
        return Network([W], [b], C, constant, self.activation), read_only(bound)

    def __eq__(self, other: object) -> bool:
        """Tell whether the other is the same function on the same domain, bit for bit in its parameters."""
        if not isinstance(other, CanonicalForm):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        arrays = self.weights, self.thresholds, self.output_weights, self.linear, self.constant
        return (self.activation, self.domain, *((array.shape, (array + 0.0).tobytes()) for array in arrays))

    def __repr__(self) -> str:
        n, (K, d) = self.n_neurons, self.linear.shape
        kind = "an affine part" if self.linear.any() else "a constant"
        return (f"CanonicalForm({d}-{n}-{K}, {self.activation}, {n} hyperplane{'s' * (n != 1)} and {kind}, "
                f"{self.domain!r})")


def constant_and_charge(
    terms: Array, neurons: AffineNeurons, domain: Domain, bias: bool, exactly_on: bool = False
) -> tuple[Array, Array]:
    """Return the output bias that goes with always-on neurons, and a bound of what they are off.

    The neurons stand for the affine map that is the sum of `terms`, m matrices (K, d + 1), the
    constant last. C (W x + b) and the bias differ from it by an affine map, and the neurons from
    C (W x + b) where they are not on. Each product and each sum is rounded once: u times the sum of
    the products' absolute values, and u times the sum.

    Parameters
    ----------
    terms : array (m, K, d + 1)
        The first as it is, the others products that were rounded.
    neurons : AffineNeurons
    domain : Domain
    bias : bool
        Whether the constant may have a bias; without, all of it is left to the neurons.
    exactly_on : bool
        Whether the neurons are affine on all of the domain; otherwise what they may be below 0 is
        charged.

    Returns
    -------
    constant, charge : arrays (K,)
    """
    taken = -neurons.C.T[:, :, np.newaxis] * np.column_stack([neurons.W, neurons.b])[:, np.newaxis]
    terms = np.concatenate([terms, taken])
    sums, A = exact_sums(terms), largest_inputs(domain)
    off, constant = sums.copy(), sums[:, -1].copy() if bias else np.zeros(len(sums))
    off[:, -1] -= constant
    rounding = np.zeros_like(off)
    if len(terms) > 1:
        rounding = UNIT_ROUNDOFF * (np.abs(terms[1:]).sum(axis=0) + np.abs(sums))
        rounding += SMALLEST * len(terms)
    off = np.abs(off) + rounding
    charge = off @ np.append(A, 1.0) + SMALLEST * np.count_nonzero(off, axis=1)
    if not exactly_on:
        below_0 = domain.support(-neurons.W) - neurons.b + end_slack(domain, neurons.W)
        charge += np.abs(neurons.C) @ np.maximum(below_0, 0.0) + SMALLEST * len(below_0)
    return constant, charge * (1.0 + gamma(4 * (len(terms) + len(A)) + 64))


@renamed("net", "network")
def canonical_form(network: Network, domain: Domain, tolerance: float | None = None) -> CanonicalForm:
    """Return the unique form of a network of one hidden layer on the domain.

    Dead neurons and those without outgoing weights are dropped, always-on ones go into the affine
    part alpha.x + beta, each neuron is turned so that its first non-zero weight is positive, by
    s(-z) = s(z) - z (binary: s(-z) = 1 - s(z), off the hyperplane), equal neurons are merged, and what
    is left is sorted.

    Parameters
    ----------
    network : Network
        ReLU or binary, one hidden layer. Reduced and standard networks will do.
    domain : Domain
        Convex with interior points, of the network's dimension; elsewhere the form is not unique.
    tolerance : float, optional
        For merging, in units of the rows' length 1 and, for thresholds, of X_B; below 1 / sqrt(d). By
        default 4 gamma(d + 8): more than two normalised copies of one neuron differ by. A larger one
        merges more, and `bound` says what that costs; 0.0 merges what is equal bit for bit.

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
    A neuron counts as dead, or always on, if its threshold is that to within the rounding of the
    interval's end. A merged column is dropped if it is nothing but rounding: at most gamma(d + 16) times
    the sum of its terms' sizes. Sums are exactly rounded (`math.fsum`), so the order of the
    network's neurons does not matter. All of it is in `bound`.

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
    """Refuse a domain without interior points."""
    flat = False
    if isinstance(domain, Box):
        flat = bool((domain.low == domain.high).any())
    elif isinstance(domain, Hull):
        rows = domain.points - domain.points.mean(axis=0)
        values = np.linalg.svd(rows / np.abs(rows).max(), compute_uv=False)
        size = np.abs(domain.points).max() / np.abs(rows).max()
        flat = len(values) < domain.n_inputs or values[-1] <= gamma(4 * sum(rows.shape)) * (values[0] + size)
    if flat:
        raise ValueError(message("domain", "with interior points: the form is not unique", f"a flat {domain!r}"))


def _assemble(
    network: Network, neurons: ShallowNeurons, merged: MergedNeurons, domain: Domain, tolerance: float
) -> CanonicalForm:
    """Return the form: add up columns and affine part, drop columns that vanish, and bound all of it."""
    columns = finite_result(neurons.C * neurons.scales, "an outgoing weight times the norm of its neuron")
    if network.activation == "binary":
        columns = columns.copy()
        columns[:, merged.members[merged.turned]] *= -1.0
    C, sizes = column_sums(columns[:, merged.members], merged.place, len(merged.b))
    linear, linear_sizes, constant, constant_sizes = _affine_sums(network, neurons, merged.members[merged.turned])
    terms = Terms(sizes, linear_sizes, constant_sizes)
    kept = (np.abs(C) > gamma(domain.n_inputs + 16) * sizes).any(axis=0)
    bound, margin = _bound(network, neurons, merged, domain, np.where(kept, 0.0, np.abs(C)), terms)
    return CanonicalForm(
        merged.W[kept], merged.b[kept], np.ascontiguousarray(C[:, kept]), linear, constant,
        network.activation, domain, tolerance, bound, margin, merged.turned_rows[kept],
        terms._replace(output_weights=sizes[:, kept]),
    )


def _affine_sums(network: Network, neurons: ShallowNeurons, turned: Labels) -> tuple[Array, Array, Array, Array]:
    """Return alpha and beta, each with the sums of its terms' sizes.

    alpha = sum c_j w_j, beta = a + sum c_j b_j over the always-on and the turned neurons, and c_j s(b_j)
    for a zero row; binary: alpha = 0, beta = a + sum c_j over all these.
    """
    (K, _), d = neurons.C.shape, neurons.W.shape[1]
    binary = network.activation == "binary"
    rows = np.concatenate([np.flatnonzero(neurons.on), turned])
    W, heights = neurons.W[rows], np.ones_like(neurons.b) if binary else neurons.b
    constants = np.concatenate([rows, np.flatnonzero(neurons.constant & (neurons.b > 0.0))])
    bias = np.zeros(K) if network.output_bias is None else network.output_bias
    linear, constant, linear_sizes, constant_sizes = np.zeros((K, d)), np.zeros(K), np.zeros((K, d)), np.zeros(K)
    for k, column in enumerate(neurons.C):
        products = np.append(column[constants] * heights[constants], bias[k])
        constant[k], constant_sizes[k] = exact_sum(products.tolist()), np.abs(products).sum()
        if not binary:
            products = finite_result(column[rows] * W.T, "an outgoing weight times a weight")
            linear[k], linear_sizes[k] = exact_sums(products.T), np.abs(products).sum(axis=1)
    return linear, linear_sizes, finite_result(constant, "the constant of the canonical form"), constant_sizes


def _bound(
    network: Network, neurons: ShallowNeurons, merged: MergedNeurons, domain: Domain, dropped: Array, terms: Terms
) -> tuple[Array, float]:
    """Return the bound of |N - F| for each output, and the margin within which it may fail for binary.

    ReLU: |c_j| (error_j + norm_j drift_j) for each merged neuron, |c_j| overlap_j for each that was
    dropped or folded; two roundings of each term, times max s(z_i) for a column and |x| for alpha; the
    dropped columns.
    """
    n, d = neurons.W.shape
    off = np.where(neurons.cut, neurons.error, neurons.overlap)
    off[merged.members] += neurons.norms[merged.members] * merged.drift
    rounding = 2.0 * UNIT_ROUNDOFF * terms.output_weights + dropped
    safety = 1.0 + gamma(4 * (n + d) + 64)
    if network.activation == "binary":
        bound = rounding.sum(axis=1) + 2.0 * UNIT_ROUNDOFF * terms.constant
        distances = off / np.where(neurons.norms > 0.0, neurons.norms, 1.0)
        return bound * safety, 2.0 * float(distances.max()) * safety
    highest = np.maximum(domain.support(merged.W) + merged.b + end_slack(domain, merged.W), 0.0)
    bound = np.abs(neurons.C) @ off + rounding @ highest
    bound += 2.0 * UNIT_ROUNDOFF * (terms.linear @ neurons.A + terms.constant)
    underflow = 2.0 * SMALLEST * (n + 1) * (1.0 + neurons.A.sum() + highest.sum())
    bound = (bound + underflow) * safety
    return np.where(np.isfinite(bound), bound, np.inf), 0.0
