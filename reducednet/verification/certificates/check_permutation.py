"""Show that two networks have the same parameters, permuted and scaled by powers of two.

This checks proofs of kind "permutation" again, without any code of the provers (PROOFS, Lemma 12).
g's neuron p_j of a hidden layer must be f's neuron j times 2^e_j, row and
threshold, and its outgoing weights must be those of j times 2^-e_j (ReLU), or the same (binary). So
for the rows W, b of f and V, c of g

    V[p_j, q_i] = 2^(e_j - d_i) W[j, i],    c[p_j] = 2^e_j b[j],

q and d being p and e of the layer below; d = 0 for inputs and above binary layers. As
relu(2^e z) = 2^e relu(z), and for binary s(2^e z) = s(z), the outputs are the same at every input.
Scaling by powers of two is exact where it can be undone, and all numbers are compared: nothing is
rounded.
"""
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import Layer, layers_of, require

LARGEST_EXPONENT = 5000
"""Powers of two between float64 numbers have exponents far below this, and C integers hold it."""


class Neurons(NamedTuple):
    """A layer's neurons: for each of f's the number p of g's neuron, and the exponent e."""

    of_g: Any
    exponents: Any


def neurons_in(data: Any, layer: int, n: int) -> Neurons:
    """Return the neurons of a hidden layer of n; ValueError unless each is there once."""
    of_g, exponents = data[f"permutation{layer}"], data[f"exponents{layer}"]
    is_permutation = of_g.shape == (n,) and np.array_equal(np.sort(of_g), np.arange(n))
    require(is_permutation, f"permutation{layer} is not a permutation of {n} neurons")
    in_range = exponents.shape == (n,) and \
        (-LARGEST_EXPONENT <= exponents).all() and (exponents <= LARGEST_EXPONENT).all()
    require(in_range, f"exponents{layer} are not {n} exponents of at most {LARGEST_EXPONENT}")
    return Neurons(of_g, exponents)


def scaled(numbers: Any, exponents: Any) -> Any:
    """Return numbers times 2^exponents; ValueError where that is no float64.

    A product that was rounded cannot be undone: multiplied by the opposite power it is another
    number.
    """
    exponents = np.broadcast_to(exponents, numbers.shape).astype(np.intc)
    with np.errstate(all="ignore"):
        result = np.ldexp(numbers, exponents)
        is_exact = np.isfinite(result) & (np.ldexp(result, -exponents) == numbers)
    require(is_exact.all(), "a number times its power of two leaves the range of float64")
    return result


def require_same(layer_f: Layer, layer_g: Layer, own: Neurons, below: Neurons) -> None:
    """Raise ValueError unless g's layer is f's in g's order, times the powers of two."""
    W, b = layer_f
    V, c = layer_g
    require(W.shape == V.shape, "the networks have other sizes")
    scaled_W = scaled(W, own.exponents[:, np.newaxis] - below.exponents)
    is_same = np.array_equal(scaled_W, V[own.of_g][:, below.of_g]) and \
        np.array_equal(scaled(b, own.exponents), c[own.of_g])
    require(is_same, "the numbers are not the same in this order with these exponents")


def check(data: Any, f: Any, g: Any, domain: Any) -> int:
    """Return 0, the largest |f - g| anywhere; ValueError unless the data turns f into g.

    data : permutation0, exponents0, ... of each hidden layer
    """
    same_kind = f.activation == g.activation and len(f.weights) == len(g.weights)
    require(same_kind, "the networks have another activation or depth")

    def unchanged(n: int) -> Neurons:
        return Neurons(np.arange(n), np.zeros(n, dtype=int))

    *hidden_f, outputs_f = layers_of(f)
    *hidden_g, outputs_g = layers_of(g)
    below = unchanged(f.weights[0].shape[1])
    for number, (layer_f, layer_g) in enumerate(zip(hidden_f, hidden_g)):
        own = neurons_in(data, number, len(layer_f.weights))
        require_same(layer_f, layer_g, own, below)
        is_relu = f.activation == "relu"
        below = own if is_relu else Neurons(own.of_g, 0 * own.exponents)  # values are 0 and 1
    require_same(outputs_f, outputs_g, unchanged(len(outputs_f.weights)), below)
    return 0
