"""Build a network from affine maps and ReLUs whose values may be used more than once.

A converter or a file format applies operations to the values of a `ReluGraph`. A value is an affine
function of the neurons of one layer, in real arithmetic on the given numbers:

    z = M_1 h_1 + ... + M_k h_k + c,    h_i: neurons that one operation made, all of layer l

where layer 0 is the input. `relu` makes new neurons, of layer l + 1. Everything else is written by
these two:

    Leaky ReLU      s(z) - slope s(-z)
    |z|             s(z) + s(-z)
    clip(z)         low + s(z - low) - s(z - high)
    max(y, z)       z + s(y - z)
    min(y, z)       z - s(z - y)

**Values that skip a layer.** Where a sum needs a value of a lower layer, neurons carry it upwards:
neurons are >= 0, so that s(h) = h, one neuron each; a value of either sign is z = s(z) - s(-z), two
neurons per entry. Of both ways the one with fewer neurons is taken; the input has only the second.

**What is exact.** float16, bfloat16, float32 and float64 are converted exactly, and carrying is
exact. With one matrix and one vector between two ReLUs the network holds the given numbers. Affine
maps without a ReLU between them are multiplied out in float64, and `ReluGraph.n_folded` counts how
often that can have rounded. With n the number of columns of V, and apart from underflow,

    |error of V M| <= gamma_n |V| |M|,    |error of V c + d| <= gamma_(n+1) (|V| |c| + |d|),

and for a diagonal V n = 1. Differences, such as y - z in max(y, z) and z - low in clip(z), round
once per entry: |error| <= u |result|.

References
----------
THEORY, section 1 (the network); PROOFS, section 1 (gamma).
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, message, real_array
from ..networks.network import Network

_MOST_CREATED = 1 << 28  # 2 GB in float64
_EXTRA_NUMBERS = 1 << 22
_GROUP = 256  # what the record of a group of neurons takes beside its numbers
_ONE = np.ones(())


@dataclass(frozen=True, eq=False)
class Neurons:
    """The neurons h = s(z) that one operation made; the inputs are of layer 0 and have no z."""

    number: int
    layer: int
    size: int
    z: Value | None


@dataclass(frozen=True, eq=False)
class Value:
    """The affine function sum_i M_i h_i + c of neurons of one layer.

    A coefficient M of two axes is a matrix. One of fewer axes is a diagonal, by which the input and
    the outputs of ReLUs take no memory for the size that they claim. c is None where there is none.
    """

    layer: int
    size: int
    terms: dict[Neurons, Array]
    c: Array | None = None


def limit_of(n_numbers: int) -> int:
    """Return how many numbers the graph of a model of that many numbers may create.

    Carried values make a network larger than its model: a residual block of n neurons with
    matrices of 2 n^2 numbers becomes layers of 2 n to 3 n neurons, 9 n^2 numbers at most. Up to
    2 GB this may be; what the model itself holds is always admitted.
    """
    return max(2 * n_numbers, min(16 * n_numbers, _MOST_CREATED)) + _EXTRA_NUMBERS


class ReluGraph:
    """A network under construction, and the operations that its values may undergo.

    Parameters
    ----------
    n_inputs : int
    limit : int
        Largest number of entries that all operations together may create, and that the network
        may have: see `limit_of`.

    Attributes
    ----------
    input : Value
        The inputs of the network.
    n_folded : int
        How often affine maps were multiplied out, which can round.

    Raises
    ------
    ValueError
        By each operation that would exceed the limit, before it allocates anything.

    Examples
    --------
    A residual block y = x + 3 s(2 x - 1), and its ReLU:

    >>> graph = ReluGraph(1, limit_of(3))
    >>> x = graph.input
    >>> h = graph.relu(graph.shift(graph.multiply(np.array([[2.0]]), x), np.array([-1.0])))
    >>> y = graph.add(x, graph.multiply(np.array([[3.0]]), h))
    >>> network = graph.network(graph.relu(y))
    >>> network
    Network(1-3-1-1, relu, no output bias, 11 parameters)
    >>> network([[-1.0], [0.25], [1.0]]).ravel().tolist()
    [0.0, 0.25, 4.0]
    """

    def __init__(self, n_inputs: int, limit: int) -> None:
        self.n_folded, self.limit, self._created, self._n_groups = 0, limit, 0, 0
        self._carried: dict[Neurons | Value, Value] = {}
        self.input = self._neurons(0, n_inputs, None)

    def count(self, n_entries: int) -> None:
        """Count numbers before they take memory."""
        self._created += n_entries
        self._check_limit(self._created)

    def _check_limit(self, n_entries: int) -> None:
        if n_entries > self.limit:
            most = f"the network has more than {self.limit} numbers"
            raise ValueError(f"{most}, too many for a model of this size")

    def _neurons(self, layer: int, size: int, z: Value | None) -> Value:
        """Return new neurons as a value."""
        self.count(size + _GROUP)
        self._n_groups += 1
        return Value(layer, size, {Neurons(self._n_groups, layer, size, z): _ONE})

    # ---------------------------------------------------------------------------- affine operations

    def multiply(self, V: Array, z: Value) -> Value:
        """Return V z for a matrix V of z.size columns."""
        self.count(V.size)
        terms = {h: self._product(V, M) for h, M in z.terms.items()}
        return Value(z.layer, len(V), terms, self._times_vector(V, z.c))

    def scale(self, factors: Array, z: Value) -> Value:
        """Return factors * z, entry by entry; the factors are one number or z.size of them."""
        terms = {h: self._product(factors, M) for h, M in z.terms.items()}
        return Value(z.layer, z.size, terms, self._times_vector(factors, z.c))

    def negate(self, z: Value) -> Value:
        """Return -z."""
        return self.scale(-_ONE, z)

    def shift(self, z: Value, c: Array) -> Value:
        """Return z + c for a vector c of z.size entries."""
        self.count(z.size)
        return Value(z.layer, z.size, z.terms, self._sum(z.c, c))

    def add(self, y: Value, z: Value) -> Value:
        """Return y + z of two values of one size; the lower one is carried to the other's layer."""
        y, z = self.carry(y, z.layer), self.carry(z, y.layer)
        self.count(len(y.terms) + len(z.terms))
        terms = dict(y.terms)
        for h, M in z.terms.items():
            terms[h] = self._coefficient_sum(terms[h], M, y.size) if h in terms else M
        c = z.c if y.c is None else y.c if z.c is None else self._sum(y.c, z.c)
        return Value(y.layer, y.size, terms, c)

    def subtract(self, y: Value, z: Value) -> Value:
        """Return y - z."""
        return self.add(y, self.negate(z))

    def select(self, z: Value, index: np.ndarray) -> Value:
        """Return the entries z[index], for an array of integers index."""
        if np.array_equal(index, np.arange(z.size)):
            return z
        self.count(sum(len(index) * h.size for h in z.terms))
        terms = {h: self._rows(M, h.size)[index] for h, M in z.terms.items()}
        return Value(z.layer, len(index), terms, None if z.c is None else z.c[index])

    def concatenate(self, values: Sequence[Value]) -> Value:
        """Return the entries of the values one after the other; lower ones are carried upwards."""
        layer = max(z.layer for z in values)
        values = [self.carry(z, layer) for z in values]
        if len(values) == 1:
            return values[0]
        size, start = sum(z.size for z in values), 0
        terms: dict[Neurons, Array] = {}
        c = None if all(z.c is None for z in values) else np.zeros(size)
        for z in values:
            rows = slice(start, start := start + z.size)
            for h, M in z.terms.items():
                if h not in terms:
                    self.count(size * h.size)
                    terms[h] = np.zeros((size, h.size))
                terms[h][rows] = self._rows(M, h.size)
            if c is not None and z.c is not None:
                c[rows] = z.c
        return Value(layer, size, terms, c)

    # --------------------------------------------------------------- operations that are not affine

    def relu(self, z: Value) -> Value:
        """Return s(z); the output of a ReLU itself is not changed by another one."""
        if z.layer > 0 and z.c is None and [_is_one(M) for M in z.terms.values()] == [True]:
            return z
        return self._neurons(z.layer + 1, z.size, z)

    def leaky_relu(self, z: Value, slope: Array) -> Value:
        """Return max(z, 0) + slope min(z, 0) = s(z) - slope s(-z); one slope or one per entry."""
        return self.subtract(self.relu(z), self.scale(slope, self.relu(self.negate(z))))

    def absolute(self, z: Value) -> Value:
        """Return |z| = s(z) + s(-z)."""
        return self.add(self.relu(z), self.relu(self.negate(z)))

    def clip(self, z: Value, low: Array | None, high: Array | None) -> Value:
        """Return min(max(z, low), high), with low <= high; None stands for no bound.

        low + s(z - low) - s(z - high); without `low` it is high - s(high - z).
        """
        if low is None:
            return z if high is None else self.negate(self.clip(self.negate(z), -high, None))
        above = self.relu(self._shifted(z, -low))
        if high is not None:
            above = self.subtract(above, self.relu(self._shifted(z, -high)))
        return self._shifted(above, low)

    def _shifted(self, z: Value, c: Array) -> Value:
        """Return z + c without a vector of zeros."""
        return self.shift(z, np.broadcast_to(c, (z.size,))) if c.any() else z

    def maximum(self, y: Value, z: Value) -> Value:
        """Return max(y, z) = z + s(y - z), entry by entry."""
        return self.add(z, self.relu(self.subtract(y, z)))

    def minimum(self, y: Value, z: Value) -> Value:
        """Return min(y, z) = z - s(z - y), entry by entry."""
        return self.subtract(z, self.relu(self.subtract(z, y)))

    # ------------------------------------------------------------------------------- carried values

    def carry(self, z: Value, layer: int) -> Value:
        """Return the same value as a function of the neurons of a layer, if that is higher than its own."""
        while z.layer < layer:
            by_neurons = z.layer > 0 and sum(h.size for h in z.terms) <= 2 * z.size
            z = self._carry_neurons(z) if by_neurons else self._carry_value(z)
        return z

    def _carry_neurons(self, z: Value) -> Value:
        """Carry the neurons of z, each by one neuron of the next layer: s(h) = h."""
        terms = {}
        for h, M in z.terms.items():
            if h not in self._carried:
                own = Value(h.layer, h.size, {h: _ONE})
                self._carried[h] = self._neurons(h.layer + 1, h.size, own)
            (above,) = self._carried[h].terms
            terms[above] = M
        return Value(z.layer + 1, z.size, terms, z.c)

    def _carry_value(self, z: Value) -> Value:
        """Carry z = s(z) - s(-z), by two neurons per entry."""
        if z not in self._carried:
            positive = self._neurons(z.layer + 1, z.size, z)
            negative = self._neurons(z.layer + 1, z.size, self.negate(z))
            self._carried[z] = self.subtract(positive, negative)
        return self._carried[z]

    # ------------------------------------------------------------- coefficients: matrix or diagonal

    def _product(self, V: Array, M: Array) -> Array:
        """Return V M, each of them a matrix or a diagonal."""
        self.n_folded += not (_only_signs(V) or _only_signs(M))
        with np.errstate(all="ignore"):
            if V.ndim == 2 and M.ndim == 2:
                self.count(len(V) * M.shape[1])
                return V @ M
            if _is_one(M):
                return V
            if V.ndim == 1 and M.ndim == 2:
                V = V[:, np.newaxis]
            self.count(max(V.size, M.size))
            product: Array = np.asarray(V * M)
            return product

    def _times_vector(self, V: Array, c: Array | None) -> Array | None:
        if c is None:
            return None
        self.count(c.size)
        self.n_folded += not _only_signs(V)
        with np.errstate(all="ignore"):
            return V @ c if V.ndim == 2 else V * c

    def _sum(self, c: Array | None, d: Array) -> Array:
        if c is None:
            return d
        self.n_folded += 1
        self.count(c.size)
        with np.errstate(all="ignore"):
            return c + d

    def _coefficient_sum(self, M: Array, N: Array, size: int) -> Array:
        """Return M + N, coefficients of the same neurons in values of that size."""
        self.n_folded += 1
        if M.ndim != N.ndim:
            M, N = (self._rows(one, size) for one in (M, N))
        self.count(max(M.size, N.size))
        with np.errstate(all="ignore"):
            return np.asarray(M + N)

    def _rows(self, M: Array, n_columns: int) -> Array:
        """Return the coefficient as a matrix."""
        if M.ndim == 2:
            return M
        self.count(n_columns * n_columns)
        return np.diag(np.broadcast_to(M, (n_columns,)))

    # ---------------------------------------------------------------------------------- the network

    def network(self, output: Value) -> Network:
        """Return the network of which the value is the output.

        Raises
        ------
        ValueError
            If the output depends on no ReLU (`carry(output, 1)` is the same function with two
            neurons per entry), if the network is too large, or if an entry is not finite.
        """
        if output.layer == 0:
            raise ValueError("the network has no Relu: it is not a ReLU network but an affine map")
        layers = _layers_below(output)
        sizes = [sum(h.size for h in layer) for layer in layers]
        self._check_limit(sum(n * (m + 1) for m, n in zip(sizes, [*sizes[1:], output.size])))
        weights, thresholds = [], []
        for below, layer in zip(layers, layers[1:]):
            rows = [h.z for h in layer if h.z is not None]
            weights.append(_matrix(rows, below))
            constants = [np.zeros(z.size) if z.c is None else z.c for z in rows]
            thresholds.append(np.concatenate(constants))
        return Network(weights, thresholds, _matrix([output], layers[-1]), output.c)


def _is_one(M: Array) -> bool:
    return M.ndim == 0 and bool(M == 1.0)


def _only_signs(M: Array) -> bool:
    """Return True for a diagonal of 1 and -1, by which products are exact."""
    return M.ndim < 2 and bool((np.abs(M) == 1.0).all())


def _layers_below(output: Value) -> list[list[Neurons]]:
    """Return the neurons on which the value depends, layer by layer, in order of their making."""
    layers: list[set[Neurons]] = [set() for _ in range(output.layer + 1)]
    pending = [output]
    while pending:
        for h in pending.pop().terms:
            if h not in layers[h.layer]:
                layers[h.layer].add(h)
                if h.z is not None:
                    pending.append(h.z)
    return [sorted(layer, key=lambda h: h.number) for layer in layers]


def _matrix(values: Sequence[Value], below: Sequence[Neurons]) -> Array:
    """Return the matrix of the values, one below the other, as functions of the layer below."""
    W = np.zeros((sum(z.size for z in values), sum(h.size for h in below)))
    row = 0
    for z in values:
        column = 0
        for h in below:
            if h in z.terms:
                block, M = W[row:row + z.size, column:column + h.size], z.terms[h]
                if M.ndim == 2:
                    block[:] = M
                else:
                    np.fill_diagonal(block, M)
            column += h.size
        row += z.size
    return W


# ---------------------------------------------------------------------------------- chains of steps


class AffineStep(NamedTuple):
    """The affine map h -> W h + b of a layer (b None: no vector), and its name for messages."""

    name: str
    W: Array
    b: Array | None


Step = AffineStep | None  # None is a ReLU


def affine(weight_name: str, W: Any, bias_name: str, b: Any) -> AffineStep:
    """Check the arrays and return their step; messages call them by the given names."""
    W = real_array(W, weight_name, ("n_outputs", "n_inputs"))
    return AffineStep(weight_name, W, None if b is None else real_array(b, bias_name, (len(W),)))


def chain_network(steps: Iterable[Step], name: str) -> Network:
    """Return the network of the steps; the first affine map sets the number of inputs."""
    steps = list(steps)
    maps = [step for step in steps if step is not None]
    if not maps:
        raise ValueError(message(name, "of at least one affine layer", "none"))
    n_numbers = sum(step.W.size + len(step.W) for step in maps)
    graph = ReluGraph(maps[0].W.shape[1], limit_of(n_numbers))
    z = graph.input
    for step in steps:
        z = graph.relu(z) if step is None else apply_step(graph, z, step)
    return graph.network(z)


def apply_step(graph: ReluGraph, z: Value, step: AffineStep) -> Value:
    """Return W z + b; raise ValueError unless W fits."""
    if step.W.shape[1] != z.size:
        expected = f"of {z.size} inputs, the outputs before it"
        raise ValueError(message(step.name, expected, step.W.shape[1]))
    z = graph.multiply(step.W, z)
    return z if step.b is None else graph.shift(z, step.b)
