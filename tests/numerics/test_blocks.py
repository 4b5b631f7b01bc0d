"""Products and copies in blocks are those of whole matrices."""
import math

import numpy as np
import pytest

from oracles.assertions import assert_equal_bits
from reducednet.numerics import blocks
from reducednet.numerics.rounding import gamma

SHAPES = [(1, 1), (3, 5), (7, 300), (300, 7), (129, 140)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Make blocks so small that every shape but the first has several."""
    monkeypatch.setattr(blocks, "BLOCK", 8)
    monkeypatch.setattr(blocks, "TILE", 4)


def some_matrices(shape):
    """Return a matrix in row order, in column order and as a view with steps."""
    W = np.random.default_rng(0).standard_normal(shape)
    return [W, np.asfortranarray(W), np.repeat(W, 2, axis=1)[:, ::2]]


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_cover_each_entry_once(shape):
    for W in some_matrices(shape):
        count = np.zeros(shape, dtype=int)
        for part in blocks.blocks(W):
            count[part] += 1
        assert (count == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_products_in_blocks_are_sums_of_at_most_n_roundings_a_term(shape):
    m, n = shape
    P, N = np.random.default_rng(1).standard_normal((2, n, 3))
    for W in some_matrices(shape):
        absolute = blocks.absolute_product(W, P)
        signs = blocks.product_of_signs(W, P, N)
        for i, k in ((0, 0), (m - 1, 2)):
            terms = [abs(w) * p for w, p in zip(W[i], P[:, k])]
            allowed = 2 * gamma(n + 1) * math.fsum(map(abs, terms))  # the terms are rounded too
            assert abs(absolute[i, k] - math.fsum(terms)) <= allowed
            terms = [w * (p if w > 0.0 else q) for w, p, q in zip(W[i], P[:, k], N[:, k])]
            allowed = 2 * gamma(n + 1) * math.fsum(map(abs, terms))
            assert abs(signs[i, k] - math.fsum(terms)) <= allowed


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_is_copied_whatever_the_memory_orders(shape, order):
    for W in some_matrices(shape):
        out = np.zeros(shape, order=order)
        blocks.assign(out, W)
        assert_equal_bits(out, W, "copy")
