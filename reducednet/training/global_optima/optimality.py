"""Prove how far a network is from the best over all widths, by the dual of convex training.

For one hidden ReLU layer of any width, with a free output bias a, let

    P = min over networks of 1/2 sum_i (N(x_i) - y_i)^2 + beta sum_j |c_j| |w_j|.

For any lambda with sum_i lambda_i = 0 and |sum_i lambda_i s(w.x_i + b)| <= beta for all unit w and
all b, weak duality gives

    lambda.y - |lambda|^2 / 2 <= P.

Proof: with r = y - N(X), the first term is lambda.r + lambda.N(X) - |lambda|^2 / 2, in which

    lambda.r - |lambda|^2 / 2 <= |r|^2 / 2,
    lambda.N(X) = sum_j c_j |w_j| phi(w_j / |w_j|, b_j / |w_j|) <= beta sum_j |c_j| |w_j|.

(docs/global-optima.md, section 7; Pilanci and Ergen, 2020.)
"""
from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ...numerics import sphere
from ...numerics.rationals import above, below
from ...numerics.records import read_only, record
from ...numerics.rounding import SMALLEST, gamma
from .neuron_oracle import LineOracle, PlaneOracle, exact_oracle, largest_value

BITS = 45
"""The multipliers are integers of this many bits times one power of two, so that their sum is 0
exactly: with any other sum, the free output bias would make the dual -inf."""


@record
@dataclass(frozen=True, eq=False)
class OptimalityProof:
    """How far a network's penalised error is from the least of all widths.

    Attributes
    ----------
    network : Network
        One hidden ReLU layer and one output.
    X : array (n_samples, n_inputs)
    y : array (n_samples,)
    penalty : float
        The factor beta of sum_j |c_j| |w_j|.
    value : float
        At least 1/2 sum_i (N(x_i) - y_i)^2 + beta sum_j |c_j| |w_j| of the network.
    bound : float
        Proved: no network of any width, with output bias, has a smaller one. 0 for three and more
        inputs, for which the search of the best neuron proves nothing.
    multipliers : array (n_samples,)
        The lambda that proves the bound.
    message : str
        Why the fit ended; "" for a network that was given.
    """

    network: Network
    X: Array
    y: Array
    penalty: float
    value: float
    bound: float
    multipliers: Array
    message: str = ""

    def __post_init__(self) -> None:
        for name in ("X", "y", "multipliers"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __repr__(self) -> str:
        numbers = f"value={self.value:.6g}, bound={self.bound:.6g}, gap={self.gap:.2g}"
        return f"OptimalityProof({numbers}, {self.network.sizes[1]} neurons)"

    @property
    def gap(self) -> float:
        """The proved relative gap (value - bound) / value; 0 if the value is 0."""
        if self.value == 0.0 or not np.isfinite([self.value, self.bound]).all():
            return 0.0 if self.value == 0.0 else np.inf
        return above(1 - Fraction(self.bound) / Fraction(self.value))

    def check(self) -> bool:
        """Return True if value and bound hold, both computed again from network and multipliers.

        The largest |phi| comes from the oracle with its rounding errors added; the multipliers' sum
        and the bound are computed in rational arithmetic. A proof whose parts do not fit together
        (another kind of network, a penalty <= 0, numbers that are not finite) is none: False.
        """
        if not self._fits_together():
            return False
        if not is_feasible(self.X, self.penalty, self.multipliers):
            return False
        error = penalised_error(self.network, self.X, self.y, self.penalty)
        return self.bound <= dual_value(self.y, self.multipliers) and self.value >= error

    def _fits_together(self) -> bool:
        """Return True if the statement is about a network and samples of the kind in question."""
        network, samples = self.network, (self.X, self.y, self.multipliers)
        m, shapes = len(self.X), [array.shape for array in samples]
        return (
            network.depth == 1 and network.activation == "relu" and network.n_outputs == 1
            and shapes == [(m, network.n_inputs), (m,), (m,)]
            and all(np.isfinite(array).all() for array in samples) and 0.0 < self.penalty < np.inf
        )


def penalised_error(network: Network, X: Array, y: Array, penalty: float) -> float:
    """Return an upper bound of 1/2 |N(X) - y|^2 + penalty sum_j |c_j| |w_j|.

    The computed outputs are within gamma_(d + n + 6) of sums of absolute values of the exact ones:
    d + 2 roundings a pre-activation, n + 2 an output and 1 for the difference to y. The sums after
    that have at most m + n + d + 10 roundings and non-negative terms. Norms and products that may
    underflow are raised by the smallest number.
    """
    (W,), (b,), c = network.weights, network.thresholds, network.output_weights[0]
    n, d = W.shape
    a = 0.0 if network.output_bias is None else network.output_bias[0]
    magnitudes = (np.abs(X) @ np.abs(W).T + np.abs(b)) @ np.abs(c) + np.abs(a) + np.abs(y)
    underflow = (d + 1.0) * SMALLEST * np.abs(c).sum() + (n + 1.0) * SMALLEST
    errors = gamma(2 * (d + n + 6)) * magnitudes + 2.0 * underflow
    residuals = np.abs(network(X)[:, 0] - y) + errors
    prices = np.abs(c) * (sphere.row_norms(W) + SMALLEST) + SMALLEST
    value = 0.5 * (residuals @ residuals) + penalty * prices.sum()
    return float(value * (1.0 + gamma(len(X) + n + d + 10)) + (len(X) + n) * SMALLEST)


def is_feasible(X: Array, penalty: float, multipliers: Array) -> bool:
    """Return True if the exact sum is 0, and no neuron's |phi| exceeds the penalty.

    For three and more inputs no oracle can tell, and only lambda = 0 is known to be feasible.
    """
    if sum(map(Fraction, multipliers.tolist())) != 0:
        return False
    if not multipliers.any():
        return True
    return X.shape[1] <= 2 and largest_value(exact_oracle(X), X, multipliers) <= penalty


def dual_value(y: Array, multipliers: Array) -> float:
    """Return lambda.y - |lambda|^2 / 2 rounded down: a bound of P if lambda is feasible."""
    exact = sum(
        (Fraction(v) * (Fraction(target) - Fraction(v) / 2)
         for v, target in zip(multipliers.tolist(), y.tolist())), Fraction(0))
    return below(exact)


def with_sum_zero(multipliers: Array) -> Array:
    """Return nearby multipliers that are multiples of one power of two and sum to 0 exactly."""
    largest = np.abs(multipliers).max(initial=0.0)
    if largest == 0.0:
        return np.zeros_like(multipliers)
    exponent = int(np.frexp(largest)[1]) - BITS
    integers = np.rint(np.ldexp(multipliers, -exponent)).astype(np.int64)
    integers[np.abs(integers).argmax()] -= integers.sum()
    return np.ldexp(integers.astype(np.float64), exponent)


def feasible(
    multipliers: Array, oracle: LineOracle | PlaneOracle, X: Array, y: Array, penalty: float
) -> Array:
    """Return the multiple of these multipliers that is feasible and proves most; 0 if none is.

    Of s lambda, s >= 0, the dual s lambda.y - s^2 |lambda|^2 / 2 is largest at
    s = lambda.y / |lambda|^2, but |phi| must stay below the penalty.
    """
    multipliers = with_sum_zero(multipliers)
    square = float(multipliers @ multipliers)
    scale = max(float(multipliers @ y), 0.0) / square if square > 0.0 else 0.0
    largest = largest_value(oracle, X, multipliers)
    for safety in (2.0**-40, 2.0**-30, 2.0**-20):
        limit = penalty * (1.0 - safety) / largest if largest > 0.0 else scale
        scaled = with_sum_zero(min(scale, limit) * multipliers)
        if largest_value(oracle, X, scaled) <= penalty:
            return scaled
    return np.zeros_like(multipliers)
