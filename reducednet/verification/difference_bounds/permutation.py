"""Find a permutation of neurons and powers of two on rows that turn one network into another.

Each row is divided by the power of two of its largest entry, which does not depend on the order of
neurons. Neurons are then paired by fingerprints (hashes) of their rows, with the layer below in the
order already found, and, where rows are equal, by fingerprints of the weights above them.
Fingerprints only propose a permutation; `certificates.check_permutation` compares all numbers.

References
----------
PROOFS, section 14.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from ...networks.parameters import Affine
from ..certificates import check_permutation

Fingerprints = npt.NDArray[np.uint64]

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
"""The odd constants of the hash function splitmix64."""


def permutation_arrays(
    f: Network, g: Network, check_time: Callable[[], None] = lambda: None
) -> dict[str, Any] | None:
    """Return the arrays of a checked certificate of kind "permutation", or None if none is found.

    Neurons with equal fingerprints are paired in any order; if that is wrong, the result is None
    too. `check_time` is called once a layer, and may raise.

    Examples
    --------
    >>> f = Network([[[1.0], [3.0]]], [[0.0, -1.0]], [[1.0, 2.0]])
    >>> g = Network([[[6.0], [1.0]]], [[-2.0, 0.0]], [[1.0, 1.0]])
    >>> arrays = permutation_arrays(f, g)
    >>> arrays["permutation0"].tolist(), arrays["exponents0"].tolist()
    ([1, 0], [0, 1])
    """
    if f.sizes != g.sizes or f.activation != g.activation or not _may_correspond(f, g):
        return None
    scaled = _Scaled(f), _Scaled(g)
    arrays: dict[str, Any] = {}
    order = np.arange(f.n_inputs)
    for layer in range(f.depth):
        check_time()
        rows = [scaled[0].row_fingerprints(layer, np.arange(len(order))),
                scaled[1].row_fingerprints(layer, order)]
        first, second = (np.sort(own) for own in rows)
        if not np.array_equal(first, second):
            return None
        if (first[1:] == first[:-1]).any():
            above = [own.upper_fingerprints(layer) for own in scaled]
            sorted_f, sorted_g = (np.lexsort(keys) for keys in zip(above, rows))
        else:
            sorted_f, sorted_g = (np.argsort(own) for own in rows)
        order = np.empty_like(sorted_f)
        order[sorted_f] = sorted_g
        exponents = scaled[1].exponents[layer][order] - scaled[0].exponents[layer]
        arrays[f"permutation{layer}"] = order.astype(np.int64)
        arrays[f"exponents{layer}"] = exponents.astype(np.int64)
    check_time()
    try:
        check_permutation.check(arrays, f, g, None)
    except ValueError:
        return None
    return arrays


def _may_correspond(f: Network, g: Network) -> bool:
    """Return False if no permutation and powers of two turn f's first layer into that of g.

    A power of two keeps the mantissa of each neuron's first weight and threshold, and a permutation
    their sorted lists. Mostly this answers without a pass over all weights.
    """
    numbers = [[own.weights[0][:, 0], own.thresholds[0]] for own in (f, g)]
    one, other = (np.sort(np.frexp(own)[0], axis=1) for own in numbers)
    return np.array_equal(one, other)


class _Scaled:
    """A network with the largest entry of each hidden row scaled to [1/2, 1) by a power of two.

    Layers are scaled when they are needed. A row that cannot be scaled exactly stays as it is.

    exponents : list of arrays
        e for each neuron of the layers scaled so far: its row was divided by 2^e.
    """

    def __init__(self, network: Network) -> None:
        self.maps, self.depth = affine_maps(network), network.depth
        self.relu = network.activation == "relu"
        self.exponents: list[np.ndarray] = []

    def _scale_up_to(self, layer: int) -> None:
        for number in range(len(self.exponents), layer + 1):
            (W, b), (V, a) = self.maps[number:number + 2]
            assert b is not None
            e = np.frexp(np.maximum(np.abs(W).max(axis=1), np.abs(b)))[1]
            rows, exact = _times_power(W, -e[:, np.newaxis])
            thresholds, exact_thresholds = _times_power(b, -e)
            exact = exact.all(axis=1) & exact_thresholds
            if self.relu:
                columns, exact_columns = _times_power(V, e)
                exact &= exact_columns.all(axis=0)
                self.maps[number + 1] = Affine(np.where(exact, columns, V), a)
            rows = np.where(exact[:, np.newaxis], rows, W)
            self.maps[number] = Affine(rows, np.where(exact, thresholds, b))
            self.exponents.append(np.where(exact, e, 0))

    def row_fingerprints(self, layer: int, order: np.ndarray) -> Fingerprints:
        """Return a fingerprint of each neuron's row, with entries in this order, and threshold."""
        self._scale_up_to(layer)
        W, b = self.maps[layer]
        assert b is not None
        positions = _mix_bits(np.arange(len(order) + 1, dtype=np.uint64))
        numbers = _bits(np.column_stack([W[:, order], b]))
        return np.asarray(_mix_bits(numbers ^ positions).sum(axis=1, dtype=np.uint64))

    def upper_fingerprints(self, layer: int) -> Fingerprints:
        """Return a fingerprint of all weights above each neuron, whatever the order of neurons."""
        self._scale_up_to(self.depth - 1)
        result = _mix_bits(np.arange(len(self.maps[-1].W), dtype=np.uint64))
        for above in self.maps[:layer:-1]:
            paths = _mix_bits(_bits(above.W) ^ result[:, np.newaxis])
            result = _mix_bits(paths.sum(axis=0, dtype=np.uint64))
        return result


def _times_power(A: Any, exponents: np.ndarray) -> tuple[Array, np.ndarray]:
    """Return A times 2^exponents, and True where that is surely exact."""
    with np.errstate(all="ignore"):  # products round only where ldexp does, and are faster
        result = A * np.ldexp(1.0, exponents)
        return result, np.isfinite(result) & (result * np.ldexp(1.0, -exponents) == A)


def _bits(numbers: Array) -> Fingerprints:
    return (numbers + 0.0).view(np.uint64)  # -0.0 becomes 0.0


def _mix_bits(values: Fingerprints) -> Fingerprints:
    """Return a hash of each number: changing one bit changes about half of the bits of its hash."""
    with np.errstate(over="ignore"):
        values = (values + _FACTORS[0]) * _FACTORS[1]
        values = (values ^ (values >> np.uint64(29))) * _FACTORS[2]
        return np.asarray(values ^ (values >> np.uint64(32)))
