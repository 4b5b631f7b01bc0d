"""Networks that are the same numbers after a permutation of neurons and scalings of rows by powers of two.

Each row is divided by the power of two of its largest number, which does not depend on any order. Then neurons are
told apart by two fingerprints: of their row over the layer below, in the order that was found there, and of all that
they lead to. Fingerprints only propose; `permutation_checker` compares all numbers.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._validation import Array
from ..layers import Affine, affine_maps
from ..networks import Network
from . import permutation_checker

Marks = npt.NDArray[np.uint64]

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
"""Odd numbers whose products spread the bits of what is multiplied: splitmix64's."""


def permutation_arrays(
    f: Network, g: Network, check_time: Callable[[], None] = lambda: None
) -> dict[str, Any] | None:
    """Return the data of a certificate of kind "permutation" that its checker has confirmed; None if there is none.

    Of several neurons that nothing tells apart any order is taken: one may be the wrong one, and then None.
    `check_time` is called now and then, and may raise.

    Examples
    --------
    >>> f = Network([[[1.0], [3.0]]], [[0.0, -1.0]], [[1.0, 2.0]])
    >>> g = Network([[[6.0], [1.0]]], [[-2.0, 0.0]], [[1.0, 1.0]])
    >>> arrays = permutation_arrays(f, g)
    >>> arrays["permutation0"].tolist(), arrays["exponents0"].tolist()
    ([1, 0], [0, 1])
    """
    if f.sizes != g.sizes or f.activation != g.activation or not _alike_in_the_first_layer(f, g):
        return None
    check_time()
    (maps_f, exponents_f), (maps_g, exponents_g) = _normal(f), _normal(g)
    check_time()
    above_f, above_g = _marks_from_above(maps_f), _marks_from_above(maps_g)
    arrays: dict[str, Any] = {}
    order = np.arange(f.n_inputs)
    for layer in range(f.depth):
        check_time()
        marks_f = _marks_of_rows(maps_f[layer], np.arange(len(order)))
        marks_g = _marks_of_rows(maps_g[layer], order)
        sorted_f, sorted_g = (np.lexsort(keys) for keys in ((above_f[layer], marks_f), (above_g[layer], marks_g)))
        if not np.array_equal(marks_f[sorted_f], marks_g[sorted_g]):
            return None
        order = np.empty_like(sorted_f)
        order[sorted_f] = sorted_g
        arrays[f"permutation{layer}"] = order.astype(np.int64)
        arrays[f"exponents{layer}"] = (exponents_g[layer][order] - exponents_f[layer]).astype(np.int64)
    check_time()
    try:
        permutation_checker.check(arrays, f, g, None)
    except ValueError:
        return None
    return arrays


def _alike_in_the_first_layer(f: Network, g: Network) -> bool:
    """Return True if the first rows are the same in some order: most pairs that differ do so there."""
    marks = []
    for network in (f, g):
        layer, _ = _divided(affine_maps(network)[0], _exponents(affine_maps(network)[0]))
        marks.append(np.sort(_marks_of_rows(layer, np.arange(network.n_inputs))))
    return np.array_equal(*marks)


def _normal(network: Network) -> tuple[list[Affine], list[np.ndarray]]:
    """Return the maps with each hidden row's largest number in [1/2, 1), and the exponents they were divided by.

    A neuron for which that is not exact keeps its row.
    """
    maps, exponents = affine_maps(network), []
    for layer in range(network.depth):
        e = _exponents(maps[layer])
        row, exact = _divided(maps[layer], e)
        if network.activation == "relu":
            columns, exact_columns = _times_power(maps[layer + 1].W, e)
            exact &= exact_columns.all(axis=0)
            maps[layer + 1] = Affine(np.where(exact, columns, maps[layer + 1].W), maps[layer + 1].b)
        assert row.b is not None and maps[layer].b is not None
        W = np.where(exact[:, np.newaxis], row.W, maps[layer].W)
        maps[layer] = Affine(W, np.where(exact, row.b, maps[layer].b))
        exponents.append(np.where(exact, e, 0))
    return maps, exponents


def _exponents(layer: Affine) -> np.ndarray:
    """Return the e of each neuron with 2^(e - 1) <= max(|w|, |b|) < 2^e; 0 where all are 0."""
    assert layer.b is not None
    return np.frexp(np.maximum(np.abs(layer.W).max(axis=1), np.abs(layer.b)))[1]


def _divided(layer: Affine, exponents: np.ndarray) -> tuple[Affine, np.ndarray]:
    """Return the layer with rows and thresholds divided by 2^exponents, and for which neurons that is exact."""
    W, exact = _times_power(layer.W, -exponents[:, np.newaxis])
    b, exact_b = _times_power(layer.b, -exponents)
    return Affine(W, b), exact.all(axis=1) & exact_b


def _times_power(A: Any, exponents: np.ndarray) -> tuple[Array, np.ndarray]:
    """Return A times 2^exponents, and where that is exact: it may also be refused where it is."""
    with np.errstate(all="ignore"):  # a product rounds only where it leaves the range, and takes a tenth of ldexp's time
        result = A * np.ldexp(1.0, exponents)
        return result, np.isfinite(result) & (result * np.ldexp(1.0, -exponents) == A)


def _marks_from_above(maps: Sequence[Affine]) -> list[Marks]:
    """Return a fingerprint of where each neuron of each hidden layer leads to, in whatever order that stands."""
    marks = [_mixed(np.arange(len(maps[-1].W), dtype=np.uint64))]
    for layer in reversed(maps[1:]):
        marks.append(_mixed(_mixed(_bits(layer.W) ^ marks[-1][:, np.newaxis]).sum(axis=0, dtype=np.uint64)))
    return marks[:0:-1]


def _marks_of_rows(layer: Affine, order: np.ndarray) -> Marks:
    """Return a fingerprint of each neuron's row, its entries in this order, and threshold."""
    places = _mixed(np.arange(len(order) + 1, dtype=np.uint64))
    numbers = np.column_stack([layer.W[:, order], layer.b])
    return np.asarray(_mixed(_bits(numbers) ^ places).sum(axis=1, dtype=np.uint64))


def _bits(numbers: Array) -> Marks:
    return (numbers + 0.0).view(np.uint64)  # -0.0 is 0.0


def _mixed(values: Marks) -> Marks:
    """Return numbers with all bits spread: what differs in one bit differs in about half of them."""
    with np.errstate(over="ignore"):
        values = (values + _FACTORS[0]) * _FACTORS[1]
        values = (values ^ (values >> np.uint64(29))) * _FACTORS[2]
        return np.asarray(values ^ (values >> np.uint64(32)))
