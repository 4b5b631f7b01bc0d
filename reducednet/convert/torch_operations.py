"""The operations of PyTorch that a ReLU network may consist of, one method each.

A method has the arguments of PyTorch's function of its name. An operand that depends on the input
is a `Value` of a `ReluGraph`, the vector of one sample; others are numbers or a `Constant`, a
tensor of the model. Of the shape (n_samples, n) only n is kept.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, message
from .relu_graph import ReluGraph, Value, dense_layer, square_root

BATCH = "the number of samples"
SHAPE = "the shape of a value"


class Constant(NamedTuple):
    """A tensor of the model, and its name for messages."""

    name: str
    tensor: Any


class Logits(NamedTuple):
    """What a last Softmax, LogSoftmax or Sigmoid gives, by the value before it."""

    z: Value


class Unreadable(ValueError):
    """The reason why an operation cannot be read; the caller adds its name and place."""


class Operations:
    """The operations, applied to values of a graph.

    Parameters
    ----------
    graph : ReluGraph
    torch : module
        PyTorch.
    """

    def __init__(self, graph: ReluGraph, torch: Any) -> None:
        self._graph, self._torch = graph, torch

    # --------------------------------------------------------------------------- affine operations

    def linear(self, input: Value, weight: Any, bias: Any = None) -> Value:
        W = self._matrix(weight)
        if bias is None:
            return dense_layer(self._graph, input, weight.name, W)
        if not isinstance(bias, Constant):
            raise Unreadable("must add a tensor of the model")
        return dense_layer(
            self._graph, input, weight.name, W, bias.name, to_array(bias, self._torch))

    def matmul(self, input: Value, other: Any) -> Value:
        """Return z W for a matrix W of the model."""
        return dense_layer(self._graph, input, other.name, self._matrix(other).T)

    def _matrix(self, weight: Any) -> Array:
        if not isinstance(weight, Constant):
            raise Unreadable("must multiply by a tensor of the model")
        return to_array(weight, self._torch)

    def batch_norm(
        self, input: Value, running_mean: Any, running_var: Any, weight: Any = None,
        bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Value:
        """Return (z - mean) / sqrt(var + eps) weight + bias."""
        if training or running_mean is None or running_var is None:
            raise Unreadable("computes statistics of its batch: call `eval()` first")
        n = input.size
        if running_mean.tensor.numel() != n:
            n_features = running_mean.tensor.numel()
            raise Unreadable(f"is of {n_features} features, but {n} come before it")
        mean, variance = (self._entries(one, n) for one in (running_mean, running_var))
        scale, shift = (None if one is None else self._entries(one, n) for one in (weight, bias))
        return self._graph.standardize(input, mean, square_root(variance + eps), scale, shift)

    def add(self, input: Any, other: Any, *, alpha: Any = 1) -> Value:
        return self._sum(*self._pair(input, other), alpha)

    def sub(self, input: Any, other: Any, *, alpha: Any = 1) -> Value:
        y, z = self._pair(input, other)
        return self._sum(y, self._graph.negate(z) if isinstance(z, Value) else -z, alpha)

    def _sum(self, y: Any, z: Any, alpha: Any) -> Value:
        if alpha != 1:
            raise Unreadable("has `alpha`: multiply in an operation of its own")
        if isinstance(y, Value) and isinstance(z, Value):
            return self._graph.add(y, z)
        return self._graph.shift(y, z) if isinstance(y, Value) else self._graph.shift(z, y)

    def mul(self, input: Any, other: Any) -> Value:
        y, z = self._pair(input, other)
        if isinstance(y, Value) and isinstance(z, Value):
            raise Unreadable("multiplies two values that depend on the input: no affine map")
        return self._graph.scale(z, y) if isinstance(y, Value) else self._graph.scale(y, z)

    def div(self, input: Any, other: Any) -> Value:
        """Return y (1 / z), which rounds twice."""
        y, z = self._pair(input, other)
        if not isinstance(y, Value) or isinstance(z, Value):
            raise Unreadable("divides by a value that depends on the input: no affine map")
        with np.errstate(all="ignore"):
            factors = 1.0 / z
        if not np.isfinite(factors).all():
            raise Unreadable("divides by 0 or by a number too small")
        return self._graph.scale(factors, y)

    def neg(self, input: Value) -> Value:
        return self._graph.negate(input)

    # --------------------------------------------------------------- operations that are not affine

    def relu(self, input: Value, inplace: bool = False) -> Value:
        return self._graph.relu(input)

    def leaky_relu(
        self, input: Value, negative_slope: float = 0.01, inplace: bool = False,
    ) -> Value:
        return self._graph.leaky_relu(input, self._entries(negative_slope, input.size))

    def prelu(self, input: Value, weight: Any) -> Value:
        return self._graph.leaky_relu(input, self._entries(weight, input.size))

    def hardtanh(
        self, input: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False,
    ) -> Value:
        return self.clamp(input, min_val, max_val)

    def relu6(self, input: Value, inplace: bool = False) -> Value:
        return self.clamp(input, 0.0, 6.0)

    def clamp(self, input: Value, min: Any = None, max: Any = None) -> Value:
        low, high = (None if one is None else self._entries(one, input.size) for one in (min, max))
        if low is not None and high is not None and (low > high).any():
            raise Unreadable("has a lower bound above the upper one")
        return self._graph.clip(input, low, high)

    def abs(self, input: Value) -> Value:
        return self._graph.absolute(input)

    def maximum(self, input: Any, other: Any) -> Value:
        return self._graph.maximum(*self._two_values(input, other))

    def minimum(self, input: Any, other: Any) -> Value:
        return self._graph.minimum(*self._two_values(input, other))

    # ----------------------------------------------------------------- operations that move entries

    def identity(self, input: Any) -> Any:
        return input

    def dropout(
        self, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False,
    ) -> Any:
        if training and p != 0:
            raise Unreadable("drops entries at random: call `eval()` first")
        return input

    def flatten(self, input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
        if (start_dim, end_dim) != (1, -1):
            raise Unreadable("must flatten all axes but the first: start_dim=1, end_dim=-1")
        return input

    def view(self, input: Value, *shape: Any) -> Value:
        """Return the value of the shape (n_samples, n)."""
        if len(shape) == 1 and isinstance(shape[0], tuple | list):
            shape = tuple(shape[0])
        first, last = shape if len(shape) == 2 else (None, None)
        if first not in (BATCH, -1) or last not in (-1, input.size) or (first, last) == (-1, -1):
            row = f"one row of {input.size} numbers per sample"
            raise Unreadable(f"must keep {row}, as `x.flatten(1)`")
        return input

    def squeeze(self, input: Any, dim: Any = None) -> Any:
        """Drop the axis of the only output; nothing may come after it."""
        if dim not in (1, -1) or (input.z if isinstance(input, Logits) else input).size != 1:
            raise Unreadable("must drop the second axis, of length 1")
        return input

    def size(self, input: Value, dim: Any = None) -> str:
        if dim not in (None, 0):
            raise Unreadable("asks for a length that is not that of the samples: write the number")
        return SHAPE if dim is None else BATCH

    def getattr(self, input: Value, name: str) -> str:
        if name != "shape":
            raise Unreadable(f"asks for the attribute {name!r}")
        return SHAPE

    def getitem(self, input: Any, index: Any) -> Any:
        """Return the entries [:, start:stop:step], or the number of samples from the shape."""
        if input == SHAPE and index == 0:
            return BATCH
        is_columns = isinstance(index, tuple) and len(index) == 2 and index[0] in (slice(None), ...)
        if not isinstance(input, Value) or not is_columns or not isinstance(index[1], slice):
            raise Unreadable("must take columns, as `x[:, 2:5]`")
        if not isinstance(index[1].start, int | None) or not isinstance(index[1].stop, int | None):
            raise Unreadable("must take columns by numbers, as `x[:, 2:5]`")
        chosen = np.arange(input.size)[index[1]]
        if not chosen.size:
            raise Unreadable(f"takes no column of {input.size}")
        return self._graph.select(input, chosen)

    def cat(self, tensors: Any, dim: int = 0) -> Value:
        if dim not in (1, -1):
            raise Unreadable("must join along the second axis: dim=1")
        if not all(isinstance(one, Value) for one in tensors):
            raise Unreadable("must join values that depend on the input")
        return self._graph.concatenate(list(tensors))

    # ----------------------------------------------------------------------------------- the logits

    def softmax(self, input: Any, dim: Any = None, *_: Any, **__: Any) -> Logits:
        return input if isinstance(input, Logits) else Logits(input)

    log_softmax = sigmoid = softmax

    # ------------------------------------------------------------------------------------- operands

    def _pair(self, y: Any, z: Any) -> tuple[Any, Any]:
        """Return two operands, at least one of them a value, as values or arrays of one size."""
        size = max((one.size for one in (y, z) if isinstance(one, Value)), default=0)
        for one in (y, z):
            if isinstance(one, Constant):
                size = max(size, int(one.tensor.numel()))
        y, z = (self._widened(one, size) if isinstance(one, Value) else self._entries(one, size)
                for one in (y, z))
        return y, z

    def _two_values(self, y: Any, z: Any) -> tuple[Value, Value]:
        if not isinstance(y, Value) or not isinstance(z, Value):
            raise Unreadable("must take two values that depend on the input")
        return self._pair(y, z)

    def _widened(self, z: Value, size: int) -> Value:
        """Return the value with that size; one entry is repeated."""
        if z.size == size:
            return z
        if z.size != 1:
            raise Unreadable(f"combines {z.size} and {size} numbers per sample")
        self._graph.count(size)
        return self._graph.select(z, np.zeros(size, dtype=int))

    def _entries(self, value: Any, size: int) -> Array:
        """Return a number or a tensor of the model as a vector; a single number is repeated."""
        if isinstance(value, Constant):
            array = to_array(value, self._torch)
            while array.ndim > 1 and len(array) == 1:
                array = array[0]
        elif isinstance(value, (int, float)):
            array = np.asarray(float(value))
        else:
            raise Unreadable("takes an operand that is neither a number nor a tensor of the model")
        if not np.isfinite(array).all():
            raise Unreadable("takes numbers that are not finite")
        if array.ndim > 1 or array.size not in (1, size):
            got = f"a tensor of shape {array.shape}"
            raise Unreadable(f"combines {size} numbers per sample with {got}")
        return np.array(np.broadcast_to(array, (size,)))


def check_initialised(constant: Constant, torch: Any) -> None:
    """Raise ValueError for a tensor without numbers, of a lazy module or on the device "meta"."""
    if torch.nn.parameter.is_lazy(constant.tensor) or constant.tensor.is_meta:
        raise ValueError(message(constant.name, "initialised", "a tensor that holds no numbers"))


def to_array(constant: Constant, torch: Any) -> Array:
    """Return the numbers of a tensor as float64, exactly.

    Raises
    ------
    TypeError
        If they are not real, or the tensor is not a dense one of one of PyTorch's own classes.
    ValueError
        If there are none yet.
    """
    name, tensor = constant
    check_initialised(constant, torch)
    if not tensor.is_floating_point():
        raise TypeError(message(name, "a tensor of real numbers", tensor.dtype))
    # a tensor of another class could compute something else
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        raise TypeError(message(name, "a torch.Tensor or Parameter", type(tensor).__name__))
    if tensor.layout != torch.strided:
        raise TypeError(message(name, "a dense tensor", tensor.layout))
    array: Array = tensor.detach().cpu().double().numpy()
    return array
