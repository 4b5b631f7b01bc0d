"""Laws of the graph of affine maps and ReLUs: its network is the function of its operations."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.assertions import assert_equal_bits, assert_same_network
import reducednet as rn
from reducednet.convert.relu_graph import ReluGraph, affine, chain_network, limit_of
from reducednet.numerics.rounding import gamma

N = 3
SEEDS = st.integers(0, 2**32 - 1)


class Twin:
    """A value of a graph, and beside it the same value at one input x, computed by NumPy alone."""

    def __init__(self, graph, z, h):
        self.graph, self.z, self.h = graph, z, h


def integers(rng, *shape):
    return rng.integers(-2, 3, shape).astype(float)


def multiply(rng, twin, other):
    V = integers(rng, N, N)
    return Twin(twin.graph, twin.graph.multiply(V, twin.z), V @ twin.h)


def shift(rng, twin, other):
    c = integers(rng, N)
    return Twin(twin.graph, twin.graph.shift(twin.z, c), twin.h + c)


def scale(rng, twin, other):
    s = integers(rng, *[(), (N,)][rng.integers(2)])
    return Twin(twin.graph, twin.graph.scale(s, twin.z), s * twin.h)


def add(rng, twin, other):
    return Twin(twin.graph, twin.graph.add(twin.z, other.z), twin.h + other.h)


def subtract(rng, twin, other):
    return Twin(twin.graph, twin.graph.subtract(twin.z, other.z), twin.h - other.h)


def select(rng, twin, other):
    index = rng.integers(0, N, N)
    return Twin(twin.graph, twin.graph.select(twin.z, index), twin.h[index])


def concatenate(rng, twin, other):
    V, graph = integers(rng, N, 2 * N), twin.graph
    z = graph.multiply(V, graph.concatenate([twin.z, other.z]))
    return Twin(graph, z, V @ np.concatenate([twin.h, other.h]))


def relu(rng, twin, other):
    return Twin(twin.graph, twin.graph.relu(twin.z), np.maximum(twin.h, 0.0))


def leaky_relu(rng, twin, other):
    slope = np.array(float(rng.choice([0.5, -1.0, 2.0])))
    return Twin(twin.graph, twin.graph.leaky_relu(twin.z, slope), np.where(twin.h > 0, twin.h, slope * twin.h))


def absolute(rng, twin, other):
    return Twin(twin.graph, twin.graph.absolute(twin.z), np.abs(twin.h))


def clip(rng, twin, other):
    low, high = np.sort(integers(rng, 2, N), axis=0)
    low, high = [(low, high), (low, None), (None, high), (None, None)][rng.integers(4)]
    h = twin.h if low is None else np.maximum(twin.h, low)
    h = h if high is None else np.minimum(h, high)
    return Twin(twin.graph, twin.graph.clip(twin.z, low, high), h)


def maximum(rng, twin, other):
    return Twin(twin.graph, twin.graph.maximum(twin.z, other.z), np.maximum(twin.h, other.h))


def minimum(rng, twin, other):
    return Twin(twin.graph, twin.graph.minimum(twin.z, other.z), np.minimum(twin.h, other.h))


OPERATIONS = (multiply, shift, scale, add, subtract, select, concatenate, relu, leaky_relu, absolute, clip,
              maximum, minimum)


def random_graph(seed, plan):
    """Return the values of a random graph at a random integer x, the last one with a ReLU below."""
    rng = np.random.default_rng(seed)
    graph, x = ReluGraph(N, limit_of(0)), integers(rng, N)
    twins = [Twin(graph, graph.input, x)]
    for operation in (*plan, *[relu] * (seed % 2)):
        twins.append(operation(rng, twins[-1], twins[rng.integers(len(twins))]))
    last = twins[-1]
    return x, last, graph.network(graph.carry(last.z, max(1, last.z.layer)))


@given(seed=SEEDS, plan=st.lists(st.sampled_from(OPERATIONS), max_size=8))
@settings(max_examples=200)
def test_network_of_integers_is_exactly_the_function_of_its_operations(seed, plan):
    x, last, network = random_graph(seed, plan)
    # the numbers are integers and halves, far below 2^53: exact in any order
    assert_equal_bits(network(x[np.newaxis])[0] + 0.0, last.h + 0.0, f"{[one.__name__ for one in plan]}")


def residual_block(graph, x, W, V):
    return graph.add(x, graph.multiply(V, graph.relu(graph.multiply(W, x))))


def test_relu_output_is_carried_by_one_neuron_each_and_another_value_by_two():
    graph, rng = ReluGraph(4, limit_of(1000)), np.random.default_rng(0)
    W, V = rng.standard_normal((5, 4)), rng.standard_normal((4, 5))
    y = residual_block(graph, graph.relu(graph.input), W, V)
    assert graph.network(y).sizes == (4, 4, 4 + 5, 4)
    assert graph.network(residual_block(graph, y, W, V)).sizes == (4, 4, 4 + 5, 8 + 5, 4)


def test_value_used_twice_is_carried_once():
    graph, eye = ReluGraph(2, limit_of(1000)), np.eye(2)
    h = graph.relu(graph.relu(graph.shift(graph.relu(graph.shift(graph.input, np.ones(2))), np.ones(2))))
    low = graph.multiply(eye, graph.input)
    both = graph.add(graph.add(h, low), low)
    assert graph.network(both).sizes == (2, 2 + 4, 2 + 4, 2)


def test_one_matrix_and_one_vector_between_relus_are_kept_bit_for_bit_and_nothing_is_folded():
    rng = np.random.default_rng(0)
    W, b, C, a = (rng.standard_normal(shape) for shape in ((4, 3), 4, (2, 4), 2))
    graph = ReluGraph(3, limit_of(100))
    h = graph.relu(graph.shift(graph.multiply(W, graph.input), b))
    network = graph.network(graph.shift(graph.multiply(C, h), a))
    assert_same_network(network, rn.Network([W], [b], C, a), "built")
    assert graph.n_folded == 0


@pytest.mark.parametrize("fold", [
    lambda graph, z: graph.multiply(np.eye(2), graph.multiply(np.eye(2), z)),
    lambda graph, z: graph.scale(np.array([0.1, 0.2]), graph.multiply(np.eye(2), z)),
    lambda graph, z: graph.shift(graph.shift(z, np.ones(2)), np.ones(2)),
    lambda graph, z: graph.multiply(np.eye(2), graph.shift(z, np.ones(2))),
    lambda graph, z: graph.add(z, z),
], ids=["two matrices", "a factor", "two vectors", "a matrix of a vector", "a sum"])
def test_what_can_round_is_counted(fold):
    graph = ReluGraph(2, limit_of(100))
    fold(graph, graph.input)
    assert graph.n_folded == 1


def test_diagonal_of_a_large_input_takes_no_matrix():
    graph, n = ReluGraph(100_000, limit_of(0)), 100_000
    z = graph.multiply(np.ones((1, n)), graph.scale(np.full(n, 0.5), graph.input))
    network = graph.network(graph.relu(z))
    assert network.sizes == (n, 1, 1) and (network.weights[0] == 0.5).all()


def deep_residual(n_inputs, n_blocks):
    graph = ReluGraph(n_inputs, limit_of(2 * n_blocks))
    x = z = graph.input
    for _ in range(n_blocks):
        z = graph.relu(graph.multiply(np.ones((1, z.size)), z))
    return graph.network(graph.add(graph.multiply(np.ones((n_inputs, 1)), z), x))


@pytest.mark.parametrize("build", [
    lambda: ReluGraph(10**12, limit_of(100)),
    lambda: deep_residual(4000, 4),  # matrices of 8,000 by 8,000
    lambda: deep_residual(10, 1 << 14),
    lambda: ReluGraph(10**6, limit_of(100)).concatenate([ReluGraph(10**6, limit_of(0)).input] * 2),
], ids=["input", "wide", "deep", "two heads"])
def test_network_of_too_many_numbers_is_refused_before_it_takes_memory(build):
    with pytest.raises(ValueError, match="the network has more than .* numbers, too many for a model of"):
        build()


def test_affine_map_is_no_network_unless_it_is_carried():
    graph = ReluGraph(2, limit_of(10))
    z = graph.multiply(np.array([[2.0, -3.0]]), graph.input)
    with pytest.raises(ValueError, match="the network has no Relu"):
        graph.network(z)
    want = rn.Network([[[2.0, -3.0], [-2.0, 3.0]]], [[0.0, 0.0]], [[1.0, -1.0]])
    assert_same_network(graph.network(graph.carry(z, 1)), want, "carried")


def test_chain_of_steps_that_do_not_fit_is_refused():
    steps = [affine("W", [[1.0, 2.0]], "b", [0.0]), None, affine("C", [[1.0, 2.0]], "a", None)]
    with pytest.raises(ValueError, match="`C` must be of 1 inputs, the outputs before it, got 2"):
        chain_network(steps, "model")


def exactly(array):
    return np.array([Fraction(float(one)) for one in np.ravel(array)], dtype=object).reshape(np.shape(array))


def test_folding_rounds_as_the_module_says():
    """|error of V M| <= gamma_n |V||M| and |error of V c + d| <= gamma_(n+1) (|V||c| + |d|), in rationals."""
    rng, n = np.random.default_rng(0), 7
    for _ in range(20):
        M, V, c, d = (rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)
                      for shape in ((n, 4), (3, n), n, 3))
        graph = ReluGraph(4, limit_of(1000))
        z = graph.shift(graph.multiply(V, graph.shift(graph.multiply(M, graph.input), c)), d)
        network = graph.network(graph.relu(z))
        V, M, c, d = map(exactly, (V, M, c, d))
        error = abs(exactly(network.weights[0]) - V @ M)
        assert (error <= Fraction(gamma(n)) * (abs(V) @ abs(M))).all()
        error = abs(exactly(network.thresholds[0]) - (V @ c + d))
        assert (error <= Fraction(gamma(n + 1)) * (abs(V) @ abs(c) + abs(d))).all()


def test_bounds_and_differences_round_once_an_entry():
    rng = np.random.default_rng(0)
    M, N, c, low = (rng.standard_normal(shape) for shape in ((3, 3), (3, 3), 3, 3))
    graph = ReluGraph(3, limit_of(1000))
    y, z = (graph.multiply(one, graph.input) for one in (M, N))
    network = graph.network(graph.maximum(y, z))
    exact = exactly(M) - exactly(N)
    assert any((abs(exactly(rows) - exact) <= Fraction(2.0**-53) * abs(exact)).all()
               for rows in np.split(network.weights[0], 3))
    network = graph.network(graph.clip(graph.shift(y, c), low, None))
    exact = exactly(c) - exactly(low)
    assert (abs(exactly(network.thresholds[0]) - exact) <= Fraction(2.0**-53) * abs(exact)).all()
