"""The best partition of samples into runs, in fractions and by plain loops: slow and plain."""
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from scipy.optimize import lsq_linear, nnls


def least_squared_error(points, affine):
    """Return the least sum of w (y - a - b x)^2 over a and b (or a alone) for points (w, x, y)."""
    total = sum(w for w, _, _ in points)
    x_mean = sum(w * x for w, x, _ in points) / total
    y_mean = sum(w * y for w, _, y in points) / total
    x_square = sum(w * (x - x_mean)**2 for w, x, _ in points)
    slope = Fraction(0)
    if affine and x_square:
        slope = sum(w * (x - x_mean) * (y - y_mean) for w, x, y in points) / x_square
    return sum(w * (y - y_mean - slope * (x - x_mean))**2 for w, x, y in points)


def least_partition_error(x, Y, n_runs, affine, weights=None):
    """Return the least weighted mean squared error of at most n_runs affine (constant) pieces."""
    weights = [Fraction(float(w)) for w in (np.ones(len(x)) if weights is None else weights)]
    rows = [(w, Fraction(float(t)), [Fraction(float(v)) for v in y])
            for w, t, y in zip(weights, x, Y) if w]
    groups = sorted({t for _, t, _ in rows})

    @cache
    def cost(i, j):
        inside = [row for row in rows if groups[i] <= row[1] <= groups[j]]
        return sum(least_squared_error([(w, t, y[k]) for w, t, y in inside], affine)
                   for k in range(Y.shape[1]))

    @cache
    def best(n_runs, j):
        """Return E_p(j): the best of at most n_runs runs up to group j."""
        if j < 0:
            return Fraction(0)
        if n_runs == 0:
            return None
        found = [(best(n_runs - 1, i - 1), cost(i, j)) for i in range(j + 1)]
        return min(before + last for before, last in found if before is not None)

    return best(n_runs, len(groups) - 1) / sum(weights)


def best_binary_error(x, y, n_neurons, output_bias):
    """Return the least mean squared error of all binary networks of one input, by trying them all."""
    places = np.concatenate([[x[0] - 1.0], (x[:-1] + x[1:]) / 2.0])
    columns = [x > t for t in places] + [x < t for t in places[1:]]
    best = np.inf
    for chosen in combinations_with_replacement(range(len(columns)), n_neurons):
        H = np.column_stack([columns[k] for k in chosen] + [np.ones(len(x))] * output_bias).astype(float)
        best = min(best, np.mean((H @ np.linalg.lstsq(H, y, rcond=None)[0] - y)**2))
    return best


def best_relu_error(x, y, n_neurons, output_bias):
    """Return the least mean squared error of all ReLU networks of one input, by trying them all.

    c s(x - t) with t between the neighbours x_i <= t <= x_{i+1} is, at the samples, a combination
    of s(x - x_i) and s(x - x_{i+1}) with coefficients of c's sign, and each such combination is one
    of these. A neuron that is always on is a combination of s(x - x_1) and 1. So each choice of
    gaps, sides and signs is a least squares problem with coefficients of known sign.
    """
    gaps = [None, *zip(x, x[1:])]

    def cone(gap, side):
        """Return the activations between which those of a neuron of this gap and side lie."""
        if gap is None:
            return [np.abs(x - (x[-1] if side < 0 else x[0])), np.ones(len(x))]
        return [np.maximum(side * (x - t), 0.0) for t in gap]

    kinds = [[sign * column for column in cone(gap, side)]
             for gap in gaps for side in (1.0, -1.0) for sign in (1.0, -1.0)]
    bias = [np.ones(len(x)), -np.ones(len(x))] if output_bias else []
    best = np.inf
    for chosen in combinations_with_replacement(range(len(kinds)), n_neurons):
        A = np.column_stack([column for k in chosen for column in kinds[k]] + bias)
        best = min(best, least_square(A, y) / len(x))
    return best


def least_square(A, y):
    """Return the least |A u - y|^2 over u >= 0. SciPy's nnls fails at times, in older versions."""
    try:
        return nnls(A, y)[1]**2
    except (RuntimeError, np.linalg.LinAlgError):
        return 2.0 * lsq_linear(A, y, (0.0, np.inf), method="bvls", tol=1e-14).cost
