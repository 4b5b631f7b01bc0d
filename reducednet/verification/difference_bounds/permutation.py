"""Networks that are the same numbers after permuting neurons and scaling rows by powers of two.

Each row is divided by the power of two of its largest number, which does not depend on any order.
Then neurons are told apart by a fingerprint of their row over the layer below, in the order that
was found there, and where that is not enough by one of all that they lead to. Fingerprints only
propose; `permutation_checker` compares all numbers.

References
----------
THEORY, section 9.
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

Marks = npt.NDArray[np.uint64]

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
"""Odd numbers whose products spread the bits of what is multiplied: splitmix64's."""


def permutation_arrays(
    f: Network, g: Network, check_time: Callable[[], None] = lambda: None
) -> dict[str, Any] | None:
    """Return the data of a confirmed certificate of kind "permutation", or None.

    Of neurons that nothing tells apart any order is taken; it may be a wrong one, and then None is
    returned. `check_time` is called now and then, and may raise.

    Examples
    --------
    >>> f = Network([[[1.0], [3.0]]], [[0.0, -1.0]], [[1.0, 2.0]])
    >>> g = Network([[[6.0], [1.0]]], [[-2.0, 0.0]], [[1.0, 1.0]])
    >>> arrays = permutation_arrays(f, g)
    >>> arrays["permutation0"].tolist(), arrays["exponents0"].tolist()
    ([1, 0], [0, 1])
    """
    if f.sizes != g.sizes or f.activation != g.activation:
        return None
    scaled = _Scaled(f), _Scaled(g)
    arrays: dict[str, Any] = {}
    order = np.arange(f.n_inputs)
    for layer in range(f.depth):
        check_time()
        marks = [scaled[0].marks_of_rows(layer, np.arange(len(order))),
                 scaled[1].marks_of_rows(layer, order)]
        first, second = (np.sort(own) for own in marks)
        if not np.array_equal(first, second):
            return None
        if (first[1:] == first[:-1]).any():
            above = [own.marks_from_above(layer) for own in scaled]
            sorted_f, sorted_g = (np.lexsort(keys) for keys in zip(above, marks))
        else:
            sorted_f, sorted_g = (np.argsort(rows) for rows in marks)
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


class _Scaled:
    """A network with each hidden row's largest number in [1/2, 1).

    Layers are scaled when they are asked for. A neuron for which that is not exact keeps its row.

    exponents : list of the e of each neuron of each layer so far; its row was divided by 2^e
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

    def marks_of_rows(self, layer: int, order: np.ndarray) -> Marks:
        """Return a fingerprint of each neuron's row, its entries in this order, and threshold."""
        self._scale_up_to(layer)
        W, b = self.maps[layer]
        assert b is not None
        places = _mixed(np.arange(len(order) + 1, dtype=np.uint64))
        numbers = _bits(np.column_stack([W[:, order], b]))
        return np.asarray(_mixed(numbers ^ places).sum(axis=1, dtype=np.uint64))

    def marks_from_above(self, layer: int) -> Marks:
        """Return a fingerprint of what each neuron of a layer leads to, in whatever order that is."""
        self._scale_up_to(self.depth - 1)
        marks = _mixed(np.arange(len(self.maps[-1].W), dtype=np.uint64))
        for above in self.maps[:layer:-1]:
            paths = _mixed(_bits(above.W) ^ marks[:, np.newaxis])
            marks = _mixed(paths.sum(axis=0, dtype=np.uint64))
        return marks


def _times_power(A: Any, exponents: np.ndarray) -> tuple[Array, np.ndarray]:
    """Return A times 2^exponents, and where that is exact; it may also be refused where it is."""
    with np.errstate(all="ignore"):  # a product rounds only where ldexp does, and takes less time
        result = A * np.ldexp(1.0, exponents)
        return result, np.isfinite(result) & (result * np.ldexp(1.0, -exponents) == A)


def _bits(numbers: Array) -> Marks:
    return (numbers + 0.0).view(np.uint64)  # -0.0 is 0.0


def _mixed(values: Marks) -> Marks:
    """Return the numbers with all bits spread: of two that differ in one bit half of all differ."""
    with np.errstate(over="ignore"):
        values = (values + _FACTORS[0]) * _FACTORS[1]
        values = (values ^ (values >> np.uint64(29))) * _FACTORS[2]
        return np.asarray(values ^ (values >> np.uint64(32)))
