"""Show that two networks have the same parameters, permuted and scaled by powers of two.

This checks proofs of kind "permutation" again, without any code of the provers (PROOFS,
Lemma 12). g's neuron p_j of a hidden layer must be f's neuron j times 2^e_j, row and
threshold, and its outgoing weights must be those of j times 2^-e_j (ReLU), or the same (binary). So
for the rows W, b of f and V, c of g

    V[p_j, q_i] = 2^(e_j - d_i) W[j, i],    c[p_j] = 2^e_j b[j],

q and d being p and e of the layer below; d = 0 for inputs and above binary layers. As
relu(2^e z) = 2^e relu(z) and s(2^e z) = s(z), the outputs are the same at every input. Scaling by
powers of two is exact where it can be undone, and all numbers are compared: nothing is rounded.
"""
from typing import Any

import numpy as np

LARGEST = 5000
"""Powers of two between float64 numbers have exponents far below this, and C integers hold it."""


def scaled(A: Any, exponents: Any) -> Any:
    """Return A times 2^exponents; ValueError where that is no float64."""
    e = np.broadcast_to(exponents, A.shape).astype(np.intc)
    with np.errstate(all="ignore"):
        result = np.ldexp(A, e)
        exact = np.isfinite(result) & (np.ldexp(result, -e) == A)
    if not exact.all():
        raise ValueError("a number times its power of two leaves the range of float64")
    return result


def require_equal(A: Any, B: Any) -> None:
    """Raise ValueError unless two arrays are equal, number by number."""
    if A.shape != B.shape or not (A == B).all():
        raise ValueError("the numbers are not the same in this order with these exponents")


def neurons(data: Any, layer: int, n: int) -> tuple[Any, Any]:
    """Return the order and the exponents of a layer of n neurons; ValueError if not valid."""
    order, exponents = data[f"permutation{layer}"], data[f"exponents{layer}"]
    if order.shape != (n,) or not np.array_equal(np.sort(order), np.arange(n)):
        raise ValueError(f"permutation{layer} is not a permutation of {n} neurons")
    if exponents.shape != (n,) or (exponents > LARGEST).any() or (exponents < -LARGEST).any():
        raise ValueError(f"exponents{layer} are not {n} exponents of at most {LARGEST}")
    return order, exponents


def bias(network: Any) -> Any:
    """Return the output bias, zeros where there is none."""
    n_outputs = len(network.output_weights)
    return np.zeros(n_outputs) if network.output_bias is None else network.output_bias


def check(data: Any, f: Any, g: Any, domain: Any) -> int:
    """Return 0, the largest |f - g| anywhere; ValueError unless the data turns f into g."""
    if f.activation != g.activation or len(f.weights) != len(g.weights):
        raise ValueError("the networks have another activation or depth")
    order, below = np.arange(f.weights[0].shape[1]), np.zeros(f.weights[0].shape[1], dtype=int)
    layers = zip(f.weights, f.thresholds, g.weights, g.thresholds, strict=True)
    for layer, (W, b, V, c) in enumerate(layers):
        if W.shape != V.shape:
            raise ValueError("the networks have other sizes")
        own, exponents = neurons(data, layer, len(W))
        require_equal(scaled(W, exponents[:, np.newaxis] - below), V[own][:, order])
        require_equal(scaled(b, exponents), c[own])
        order, below = own, exponents if f.activation == "relu" else 0 * exponents
    require_equal(scaled(f.output_weights, -below), g.output_weights[:, order])
    require_equal(bias(f), bias(g))
    return 0
