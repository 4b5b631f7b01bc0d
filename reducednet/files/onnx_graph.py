"""Read the graph of an ONNX model as a chain of operators on one value, each affine or a ReLU.

The value is a vector in row-major order, whatever its shape: Flatten, Reshape and Identity change
only the shape. An unknown first length of the input, the batch, counts as 1: the network is the
function of one sample.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._validation import Array, real_array
from ..convert.relu_graph import ReluGraph
from ..networks.network import Network

FLOAT32, FLOAT64, INT64 = 1, 11, 7
_STORED = {FLOAT32: ("<f4", "float_data"), FLOAT64: ("<f8", "double_data"), INT64: ("<i8", "int64_data")}
_NO_TYPE, _FLOAT, _INT = 0, 1, 2  # types of attributes; the oldest models state none
_MAX_AXES = 16


class OnnxChain:
    """A graph, and the part of it that has been followed from its input.

    Parameters
    ----------
    graph : onnx.GraphProto
    limit : int
        Largest number of entries that the network may have.

    Raises
    ------
    ValueError
        If an operator or a type is unknown, or there is not exactly one input.
    """

    def __init__(self, graph: Any, limit: int) -> None:
        for node in graph.node:
            _check_operator(node)
        self._graph, self._constants = graph, _constants(graph)
        value = _only([value for value in graph.input if value.name not in self._constants], "input")
        self._name, self._kind = value.name, value.type.tensor_type.elem_type
        if self._kind not in (FLOAT32, FLOAT64):
            raise ValueError(f"input {_short(value.name)} must be of float32 or float64 numbers, "
                             f"got ONNX type {self._kind}")
        self._shape = _input_shape(value)
        self._relus = ReluGraph(math.prod(self._shape), limit)
        self._z = self._relus.input

    def network(self) -> Network:
        """Follow the chain from the input to the output.

        Raises
        ------
        ValueError
            If the graph is not a chain, or an operator is used as no ReLU network uses it.
        """
        output = _only(self._graph.output, "output").name
        nodes = [node for node in self._graph.node if node.op_type != "Constant"]
        users, done = _users(nodes), 0
        while self._name != output:
            node = _only(users.get(self._name, []), f"operator that takes {_short(self._name)}")
            if done == len(nodes):
                raise _fault(node, "is part of a cycle")
            if len(node.output) != 1 or node.output[0] in self._constants:
                raise _fault(node, "must have one output with a name of its own")
            _OPERATORS[node.op_type](self, node)
            self._name, done = node.output[0], done + 1
        if done < len(nodes):
            raise ValueError(f"{len(nodes) - done} operators are not on the chain from the input to the output")
        return self._relus.network(self._z)

    def _operands(self, node: Any, least: int, most: int) -> tuple[int, list[Array]]:
        """Return the position of the value among the operator's inputs, and the constant ones."""
        inputs = [name for name in node.input if name]
        if inputs.count(self._name) != 1 or not least < len(inputs) <= most + 1:
            count = str(most) if least == most else f"{least} or {most}"
            raise _fault(node, f"must take the chain's value once and {count} constants, got {len(inputs)} inputs")
        position = inputs.index(self._name)
        return position, [self._floats(node, name) for name in inputs if name != self._name]

    def _constant(self, node: Any, name: str, kind: int) -> np.ndarray:
        if name not in self._constants:
            raise _fault(node, f"must take the chain's value and constants, and {_short(name)} is neither")
        tensor = self._constants[name]
        if tensor.data_type != kind:
            raise _fault(node, f"needs {_short(name)} of ONNX type {kind}, got type {tensor.data_type}")
        return stored_array(tensor, name)

    def _floats(self, node: Any, name: str) -> Array:
        return real_array(self._constant(node, name, self._kind), _short(name).strip("'"))

    # ------------------------------------------------------------------- operators that are affine

    def _gemm(self, node: Any) -> None:
        """Y = alpha A' B' + beta C, where ' transposes if transA or transB is set."""
        options = _attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0)
        position, (M, *bias) = self._operands(node, 1, 2)
        if position == 2 or len(self._shape) != 2 or M.ndim != 2 or any(C.ndim > 2 for C in bias):
            raise _fault(node, "must multiply the chain's value, of two axes, by a constant matrix")
        is_transposed = (options["transA"], options["transB"])
        M = M.T if is_transposed[1 - position] else M
        self._shape = self._shape[::-1] if is_transposed[position] else self._shape
        self._multiply(node, _scaled(options["alpha"], M), position)
        for C in bias:
            self._add_constant(node, _scaled(options["beta"], C))

    def _matmul(self, node: Any) -> None:
        _attributes(node)
        position, (M,) = self._operands(node, 1, 1)
        self._multiply(node, M, position)

    def _multiply(self, node: Any, M: Array, position: int) -> None:
        """Multiply a value of one row by M (position 0), or M by a value of one column (1)."""
        shape, n = self._shape, self._z.size
        axis = -1 if position == 0 or len(shape) == 1 else -2
        if not shape or M.ndim not in (1, 2) or not shape[axis] == n == M.shape[-position]:
            side = ("right", "left")[position]
            raise _fault(node, f"multiplies a value of shape {shape} from the {side} by a constant of shape "
                               f"{M.shape}: it must be one sample by a matrix that fits")
        lengths = M.shape[1:] if position == 0 else M.shape[:-1]
        self._shape = (*shape[:axis], *lengths, *shape[axis:][1:])
        V = M.reshape(n, -1).T if position == 0 else M.reshape(-1, n)
        self._z = self._relus.multiply(V, self._z)

    def _add(self, node: Any) -> None:
        _attributes(node, broadcast=0)
        _, (c,) = self._operands(node, 1, 1)
        self._add_constant(node, c)

    def _sub(self, node: Any) -> None:
        _attributes(node, broadcast=0)
        position, (c,) = self._operands(node, 1, 1)
        if position == 1:
            self._z = self._relus.negate(self._z)
        self._add_constant(node, c if position == 1 else -c)

    def _add_constant(self, node: Any, c: Array) -> None:
        try:
            shape = np.broadcast_shapes(self._shape, c.shape)
        except ValueError:
            shape = (0,)
        if math.prod(shape) != self._z.size:
            raise _fault(node, f"adds a constant of shape {c.shape} to a value of shape {self._shape}: "
                               f"the sum must be one sample of {self._z.size} numbers")
        self._shape = shape
        self._z = self._relus.shift(self._z, np.broadcast_to(c, shape).ravel())

    # ----------------------------------------------------------------- operators that are not affine

    def _relu(self, node: Any) -> None:
        _attributes(node)
        self._operands(node, 0, 0)
        self._z = self._relus.relu(self._z)

    def _identity(self, node: Any) -> None:
        _attributes(node)
        self._operands(node, 0, 0)

    def _flatten(self, node: Any) -> None:
        axis = _attributes(node, axis=1)["axis"]
        self._operands(node, 0, 0)
        if not -len(self._shape) <= axis <= len(self._shape):
            raise _fault(node, f"flattens at axis {axis} a value of shape {self._shape}")
        axis = axis + len(self._shape) if axis < 0 else axis
        self._shape = (math.prod(self._shape[:axis]), math.prod(self._shape[axis:]))

    def _reshape(self, node: Any) -> None:
        """Change the shape: 0 keeps the value's own length, -1 stands for the length that fits."""
        allow_zero = _attributes(node, allowzero=0)["allowzero"]
        if len(node.input) != 2 or node.input[0] != self._name:
            raise _fault(node, "must take the chain's value and a constant shape")
        wanted = self._constant(node, node.input[1], INT64)
        lengths = wanted.tolist() if wanted.ndim == 1 else [-1, -1]
        if not allow_zero:
            own = (*self._shape, *[0] * len(lengths))
            lengths = [own[i] if length == 0 else length for i, length in enumerate(lengths)]
        known = math.prod(length for length in lengths if length != -1)
        shape = tuple(self._z.size // max(known, 1) if length == -1 else length for length in lengths)
        fits = lengths.count(-1) <= 1 and len(shape) <= _MAX_AXES and min(shape, default=1) > 0
        if not fits or math.prod(shape) != self._z.size:
            raise _fault(node, f"gives a value of shape {self._shape} the shape {str(wanted.tolist())[:60]}")
        self._shape = shape


_OPERATORS = {
    "Gemm": OnnxChain._gemm, "MatMul": OnnxChain._matmul, "Add": OnnxChain._add, "Sub": OnnxChain._sub,
    "Relu": OnnxChain._relu, "Identity": OnnxChain._identity, "Flatten": OnnxChain._flatten,
    "Reshape": OnnxChain._reshape,
}


def _scaled(factor: float, array: Array) -> Array:
    with np.errstate(all="ignore"):
        return array if factor == 1.0 else factor * array


def _check_operator(node: Any) -> None:
    known = node.op_type in _OPERATORS or node.op_type == "Constant"
    if not known or node.domain not in ("", "ai.onnx"):
        domain = f" of the domain {_short(node.domain)}" if node.domain else ""
        raise ValueError(f"operator {_short(node.op_type)}{domain} is not supported: a ReLU network is a chain of "
                         f"{', '.join(_OPERATORS)}")


def _users(nodes: list[Any]) -> dict[str, list[Any]]:
    """Return the operators that take each value, by its name."""
    users: dict[str, list[Any]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.input):
            users.setdefault(name, []).append(node)
    return users


def _only(values: Any, what: str) -> Any:
    if len(values) != 1:
        raise ValueError(f"the graph must have one {what}, got {len(values)}")
    return values[0]


def _constants(graph: Any) -> dict[str, Any]:
    """Return the tensors of initialisers and Constant operators by name, not yet decoded."""
    pairs = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            if [a.name for a in node.attribute] != ["value"] or len(node.output) != 1:
                raise _fault(node, "must have one attribute, `value`, and one output")
            pairs.append((node.output[0], node.attribute[0].t))
    if graph.sparse_initializer:
        raise ValueError("sparse initialisers are not supported")
    constants = dict(pairs)
    if len(constants) != len(pairs):
        raise ValueError("two constants have the same name")
    return constants


def _input_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of one sample of the input."""
    dims = value.type.tensor_type.shape.dim
    lengths = [dim.dim_value for dim in dims]  # 0 where there is a name or nothing
    if not 0 < len(lengths) <= _MAX_AXES:
        raise ValueError(f"input {_short(value.name)} must have 1 to {_MAX_AXES} axes, got {len(lengths)}")
    lengths[0] = max(lengths[0], 1)
    if min(lengths) < 1:
        raise ValueError(f"input {_short(value.name)} must have known lengths, except for the first one, "
                         f"got {lengths}")
    return tuple(lengths)


def stored_array(tensor: Any, name: str) -> np.ndarray:
    """Return the numbers of a TensorProto; nothing is allocated for a shape that it only claims.

    Raises
    ------
    ValueError
        If they are in another file, their type is not float32, float64 or int64, or their count
        does not fit the shape.
    """
    if tensor.data_location or tensor.external_data:
        raise ValueError(f"constant {_short(name)} keeps its numbers in another file, which is not read")
    if tensor.data_type not in _STORED or tensor.HasField("segment"):
        raise ValueError(f"constant {_short(name)} must be a whole tensor of float32, float64 or int64, "
                         f"got ONNX type {tensor.data_type}")
    dtype, field = _STORED[tensor.data_type]
    shape, numbers = tuple(tensor.dims), getattr(tensor, field)
    is_raw, width = tensor.HasField("raw_data"), np.dtype(dtype).itemsize
    n_bytes = len(tensor.raw_data) if is_raw else width * len(numbers)
    if len(shape) > _MAX_AXES or min(shape, default=1) < 0 or math.prod(shape) * width != n_bytes:
        raise ValueError(f"constant {_short(name)} claims the shape {str(shape)[:60]}, but holds {n_bytes} bytes")
    if is_raw:
        return np.frombuffer(tensor.raw_data, dtype).reshape(shape)
    return np.fromiter(numbers, dtype, len(numbers)).reshape(shape)


def _attributes(node: Any, **defaults: Any) -> dict[str, Any]:
    """Return the operator's attributes, each an integer or a float like its default."""
    values = dict(defaults)
    for attribute in node.attribute:
        if attribute.name not in defaults or attribute.ref_attr_name:
            raise _fault(node, f"has the attribute {_short(attribute.name)}, which is not supported")
        is_float = isinstance(defaults[attribute.name], float)
        if attribute.type not in (_NO_TYPE, _FLOAT if is_float else _INT):
            raise _fault(node, f"has the attribute {_short(attribute.name)} of ONNX type {attribute.type}")
        values[attribute.name] = attribute.f if is_float else attribute.i
    return values


def _fault(node: Any, reason: str) -> ValueError:
    name = node.name or (node.output[0] if node.output else "")
    return ValueError(f"operator {node.op_type} {_short(name)} {reason}")


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:60]}...")
