"""The operators of ONNX that a ReLU network may consist of, one function each.

A function takes a `Call`, the operator with its operands, and returns its result. An operand is a
`Constant` or a `Tensor`: a value of the network under construction with its shape, its entries in
row-major order. A tensor is that of one sample: the first axis, the batch, has length 1.

Functions that only move entries (Reshape, Transpose, Concat, ...) take constants as well, so that
shapes may be computed as exporters do: Shape, Gather, Unsqueeze, Concat, Reshape.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, real_array
from ..convert.relu_graph import ReluGraph, Value
from .onnx_tensors import (
    BFLOAT16, FLOAT32, FLOATS, INT64, MAX_AXES, Constant, converted, short, type_name,
)

# types of attributes; the oldest models state none
_NO_TYPE, _FLOAT, _INT, _FLOATS, _INTS = 0, 1, 2, 6, 7
_LARGEST = {kind: float(np.finfo(name).max) for kind, name in FLOATS.items() if kind != BFLOAT16}
_LARGEST[BFLOAT16] = float.fromhex("0x1.fep127")


class Tensor(NamedTuple):
    """A value of the network, its ONNX type and shape."""

    kind: int
    shape: tuple[int, ...]
    value: Value


Operand = Tensor | Constant


class Call:
    """An operator of the graph, applied to its operands.

    Parameters
    ----------
    node : onnx.NodeProto
    place : str
        Where the operator is, for messages.
    operands : list of Operand or None
        None stands for an optional one that is left out.
    relus : ReluGraph
    batch : int
        The fixed length of the first axis in the file, which counts as 1 here; operators may not
        mix its samples. 1 if there is nothing to mind.
    """

    def __init__(
        self, node: Any, place: str, operands: list[Operand | None], relus: ReluGraph, batch: int,
    ) -> None:
        self.node, self.relus, self.batch = node, relus, batch
        self._place, self._operands = place, operands

    def fault(self, reason: str) -> ValueError:
        """Return the error that this operator cannot be read, with its place."""
        return fault(self.node, self._place, reason)

    def operands(self, least: int, most: int | None = None) -> list[Operand | None]:
        """Return the operands, None for those left out; the first `least` must be there."""
        most, given = least if most is None else most, self._operands
        if not least <= len(given) <= most or any(one is None for one in given[:least]):
            count = str(least) if least == most else f"{least} to {most}"
            raise self.fault(
                f"must take {count} inputs, got {sum(one is not None for one in given)}")
        return given + [None] * (most - len(given))

    def attributes(self, **defaults: Any) -> dict[str, Any]:
        """Return the attributes, each of the type of its default.

        That is an int, a float, a list of ints or a tuple, which stands for a list of floats.
        A type as default stands for an attribute that may be left out, and is then None.
        """
        values = {name: None if isinstance(one, type) else one for name, one in defaults.items()}
        for attribute in self.node.attribute:
            name = attribute.name
            if name not in defaults or attribute.ref_attr_name:
                raise self.fault(f"has the attribute {short(name)}, which is not supported")
            field, code = _attribute_field(defaults[name])
            if attribute.type not in (_NO_TYPE, code):
                raise self.fault(f"has the attribute {short(name)} of ONNX type {attribute.type}")
            content = getattr(attribute, field)
            values[name] = list(content) if field in ("ints", "floats") else content
        return values

    def floats(self, operand: Operand | None, kind: int, what: str) -> Array:
        """Return the numbers of a constant of the tensor's type."""
        if not isinstance(operand, Constant):
            raise self.fault(f"must have a constant as {what}: {ADVICE_CONSTANT}")
        if operand.kind != kind:
            raise self.fault(
                f"needs {what} of type {type_name(kind)}, got {type_name(operand.kind)}")
        try:
            return real_array(operand.array, what)
        except ValueError as error:
            raise self.fault(f"cannot be used: {error}") from None

    def integers(self, operand: Operand | None, what: str) -> list[int]:
        """Return a constant list of integers, which may be a single one."""
        if not isinstance(operand, Constant) or operand.kind != INT64 or operand.array.ndim > 1:
            raise self.fault(f"must have constant integers as {what}: {ADVICE_SHAPE}")
        if operand.array.size > MAX_AXES:
            raise self.fault(
                f"must have at most {MAX_AXES} numbers as {what}, got {operand.array.size}")
        return [int(one) for one in operand.array.ravel()]

    def has_batch(self, operand: Operand | None) -> bool:
        """Return True if the first axis of the operand stands for several samples."""
        return self.batch > 1 and isinstance(operand, Tensor)

    def mixing(self) -> ValueError:
        """Return the error that the operator does not treat every sample for itself."""
        return self.fault(f"mixes the {self.batch} samples of the batch: {ADVICE_BATCH}")

    def axes(self, operand: Operand | None, numbers: list[int], n_axes: int) -> list[int]:
        """Return axes counted from the front, each once, none of them that of a batch."""
        found = [axis + n_axes if axis < 0 else axis for axis in numbers]
        if len(set(found)) < len(found) or not all(0 <= axis < n_axes for axis in found):
            raise self.fault(f"has the axes {str(numbers)[:60]} for a value of {n_axes} axes")
        if self.has_batch(operand) and 0 in found:
            raise self.mixing()
        return found


ADVICE_CONSTANT = "a ReLU network multiplies values by constants only"
ADVICE_SHAPE = "export with a fixed input shape, apart from the batch"
ADVICE_BATCH = "export for one sample, or with a free batch size"


def fault(node: Any, place: str, reason: str) -> ValueError:
    """Return the error that an operator cannot be read."""
    name = node.name or (node.output[0] if node.output else "")
    return ValueError(f"operator {node.op_type} {short(name)} ({place}) {reason}")


def _attribute_field(default: Any) -> tuple[str, int]:
    """Return the field that holds an attribute of the default's type, and the code of the type."""
    kind = default if isinstance(default, type) else type(default)
    if kind is list:
        return "ints", _INTS
    if kind is tuple:
        return "floats", _FLOATS
    return ("f", _FLOAT) if kind is float else ("i", _INT)


def _only_tensor(call: Call, operand: Operand | None) -> Tensor:
    if not isinstance(operand, Tensor):
        raise call.fault("must take a value of the network first, got a constant")
    return operand


# --------------------------------------------------------------------------------- affine operators


def _gemm(call: Call) -> Operand:
    """Y = alpha A' B' + beta C, where ' transposes if transA or transB is set."""
    options = call.attributes(alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0)
    A, B, C = call.operands(2, 3)
    left = isinstance(A, Constant)
    tensor, matrix = (B, A) if left else (A, B)
    if not isinstance(tensor, Tensor) or len(tensor.shape) != 2:
        raise call.fault("must multiply a value of the network, of two axes, by a constant matrix")
    M = call.floats(matrix, tensor.kind, "a matrix")
    if M.ndim != 2:
        raise call.fault("must multiply a value of the network, of two axes, by a constant matrix")
    M = M.T if options["transA" if left else "transB"] else M
    if options["transB" if left else "transA"]:
        if call.batch > 1:
            raise call.mixing()
        tensor = tensor._replace(shape=tensor.shape[::-1])
    result = _product(call, tensor, _scaled(options["alpha"], M), left)
    if C is None:
        return result
    _check_repeats(call, result.shape, C)
    if isinstance(C, Tensor):
        return _tensor_sum(call, result, _times(call, C, np.array(options["beta"])))
    return _plus(call, result, _scaled(options["beta"], call.floats(C, tensor.kind, "a vector")))


def _scaled(factor: float, array: Array) -> Array:
    with np.errstate(all="ignore"):
        return array if factor == 1.0 else factor * array


def _matmul(call: Call) -> Operand:
    """Y = A B, the matrix product as numpy.matmul has it."""
    call.attributes()
    A, B = call.operands(2)
    left = isinstance(A, Constant)
    tensor, matrix = (B, A) if left else (A, B)
    if not isinstance(tensor, Tensor) or not isinstance(matrix, Constant):
        raise call.fault(
            f"must multiply a value of the network by a constant matrix: {ADVICE_CONSTANT}")
    return _product(call, tensor, call.floats(matrix, tensor.kind, "a matrix"), left)


def _product(call: Call, tensor: Tensor, M: Array, left: bool) -> Tensor:
    """Multiply a tensor of one row by M from the right, or one of one column from the left."""
    shape, n = tensor.shape, tensor.value.size
    axis = -2 if left and len(shape) > 1 else -1
    if not shape or M.ndim not in (1, 2) or not shape[axis] == n == M.shape[-1 if left else 0]:
        side = "left" if left else "right"
        raise call.fault(
            f"multiplies a value of shape {shape} from the {side} by a constant of shape "
            f"{M.shape}: it must be one sample by a matrix that fits")
    if call.batch > 1 and len(shape) < (3 if left else 2):
        raise call.mixing()
    lengths = M.shape[:-1] if left else M.shape[1:]
    V = M.reshape(-1, n) if left else M.reshape(n, -1).T
    shape = (*shape[:axis], *lengths, *shape[axis:][1:])
    return Tensor(tensor.kind, shape, call.relus.multiply(V, tensor.value))


def _add(call: Call) -> Operand:
    """C = A + B, entry by entry."""
    return _sum_of(call, 1.0, np.add)


def _sub(call: Call) -> Operand:
    """C = A - B, entry by entry."""
    return _sum_of(call, -1.0, np.subtract)


def _sum_of(call: Call, sign: float, on_constants: Callable[..., Any]) -> Operand:
    """Return A + sign B."""
    call.attributes(broadcast=0)
    A, B = call.operands(2)
    if isinstance(A, Constant) and isinstance(B, Constant):
        return _arithmetic(call, A, B, on_constants)
    if isinstance(B, Constant):
        tensor = _only_tensor(call, A)
        return _plus(call, tensor, sign * call.floats(B, tensor.kind, "a constant"))
    tensor = _only_tensor(call, B)
    tensor = tensor if sign > 0.0 else _times(call, tensor, np.array(-1.0))
    if isinstance(A, Constant):
        return _plus(call, tensor, call.floats(A, tensor.kind, "a constant"))
    return _tensor_sum(call, _only_tensor(call, A), tensor)


def _variadic_sum(call: Call) -> Operand:
    """Y = X_1 + ... + X_k."""
    call.attributes()
    return _fold(call, lambda y, z: _tensor_sum(call, y, z), lambda y, c: _plus(call, y, c))


def _mul(call: Call) -> Operand:
    """C = A B, entry by entry."""
    call.attributes(broadcast=0)
    A, B = call.operands(2)
    if isinstance(A, Constant) and isinstance(B, Constant):
        return _arithmetic(call, A, B, np.multiply)
    if isinstance(A, Tensor) and isinstance(B, Tensor):
        raise call.fault(f"multiplies two values: {ADVICE_CONSTANT}")
    tensor, factors = (A, B) if isinstance(A, Tensor) else (_only_tensor(call, B), A)
    return _times(call, tensor, call.floats(factors, tensor.kind, "a factor"))


def _div(call: Call) -> Operand:
    """C = A / B, entry by entry; integers without their fraction. Here A (1 / B), rounded twice."""
    call.attributes(broadcast=0)
    A, B = call.operands(2)
    if isinstance(A, Constant) and isinstance(B, Constant):
        return _arithmetic(call, A, B, np.divide if A.kind in FLOATS else np.floor_divide)
    if not isinstance(B, Constant) or not isinstance(A, Tensor):
        raise call.fault(f"divides by a value of the network: {ADVICE_CONSTANT}")
    divisors = call.floats(B, A.kind, "a divisor")
    with np.errstate(all="ignore"):
        factors = 1.0 / divisors
    if not np.isfinite(factors).all():
        raise call.fault("divides by 0 or by a number too small")
    return _times(call, A, factors)


def _neg(call: Call) -> Operand:
    """Y = -X."""
    call.attributes()
    (X,) = call.operands(1)
    return _times(call, _only_tensor(call, X), np.array(-1.0))


def _arithmetic(call: Call, A: Constant, B: Constant, operation: Callable[..., Any]) -> Constant:
    """Compute with two constants, as with lengths of a shape; in float64 and int64."""
    is_sound = A.kind == B.kind
    if operation is np.floor_divide:
        is_sound &= bool((A.array >= 0).all() and (B.array > 0).all())
    if not is_sound:
        raise call.fault(
            "computes with constants of two types, or divides by integers that are not positive")
    shape = _common_shape(call, A.array.shape, B.array.shape)
    call.relus.count(math.prod(shape))
    with np.errstate(all="ignore"):
        return converted(Constant(A.kind, np.asarray(operation(A.array, B.array))), A.kind)


def _scaler(call: Call) -> Operand:
    """Y = (X - offset) scale, of the domain ai.onnx.ml; Y is float32."""
    options = call.attributes(offset=(), scale=())
    (X,) = call.operands(1)
    tensor = _only_tensor(call, X)
    offset, scale = (
        real_array(list(options[name]), name, allow_empty=True) for name in ("offset", "scale"))
    if not offset.size or not scale.size:
        raise call.fault("must have an offset and a scale")
    tensor = _times(call, _plus(call, tensor, -offset), scale)
    return tensor._replace(kind=FLOAT32)


def _batch_normalization(call: Call) -> Operand:
    """Y = (X - mean) / sqrt(var + epsilon) scale + B, with constants of axis 1.

    The factor scale / sqrt(var + epsilon) is computed in float64: three roundings.
    """
    options = call.attributes(epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1, is_test=0)
    X, *parts = call.operands(5)
    tensor = _only_tensor(call, X)
    if options["training_mode"] or not options["spatial"] or any(call.node.output[1:]):
        raise call.fault("computes statistics of its batch: export in evaluation mode")
    scale, shift, mean, variance = (call.floats(one, tensor.kind, "a constant") for one in parts)
    n_channels = tensor.shape[1] if len(tensor.shape) > 1 else 1
    if {one.shape for one in (scale, shift, mean, variance)} != {(n_channels,)}:
        raise call.fault(
            f"must have four constants of {n_channels} entries for a value of shape {tensor.shape}")
    with np.errstate(all="ignore"):
        factors = scale / np.sqrt(variance + options["epsilon"])
    if not np.isfinite(factors).all():
        raise call.fault("has a variance that is not positive")
    axes = (n_channels, *[1] * (len(tensor.shape) - 2))
    scale, shift, mean = (one.reshape(axes) for one in (factors, shift, mean))
    return _plus(call, _times(call, _plus(call, tensor, -mean), scale), shift)


def _reduce_sum(call: Call) -> Operand:
    """Return sums along axes."""
    return _reduced(call, lambda count: 1.0)


def _reduce_mean(call: Call) -> Operand:
    """Return means along axes; 1 / count is rounded."""
    return _reduced(call, lambda count: 1.0 / count)


def _reduced(call: Call, factor: Callable[[int], float]) -> Operand:
    options = call.attributes(axes=list, keepdims=1, noop_with_empty_axes=0)
    X, axes = call.operands(1, 2)
    tensor = _only_tensor(call, X)
    numbers = call.integers(axes, "axes") if axes is not None else options["axes"] or []
    if not numbers and options["noop_with_empty_axes"]:
        return tensor
    along = tuple(call.axes(tensor, numbers or list(range(len(tensor.shape))), len(tensor.shape)))
    kept = np.zeros(tensor.shape).sum(axis=along, keepdims=True)
    call.relus.count(kept.size * tensor.value.size)
    V = np.zeros((kept.size, tensor.value.size))
    rows = np.broadcast_to(np.arange(kept.size).reshape(kept.shape), tensor.shape).ravel()
    V[rows, np.arange(tensor.value.size)] = factor(tensor.value.size // kept.size)
    shape = kept.shape if options["keepdims"] else kept.squeeze(axis=along).shape
    return Tensor(tensor.kind, shape, call.relus.multiply(V, tensor.value))


# ----------------------------------------------------------------------- operators that bend: ReLUs


def _relu(call: Call) -> Operand:
    """Y = max(X, 0)."""
    return _entrywise(call, call.relus.relu)


def _abs(call: Call) -> Operand:
    """Y = |X|."""
    return _entrywise(call, call.relus.absolute)


def _leaky_relu(call: Call) -> Operand:
    """Y = X where X >= 0, else alpha X."""
    alpha = call.attributes(alpha=0.01)["alpha"]
    if not math.isfinite(alpha):
        raise call.fault("must have a finite alpha")
    return _entrywise(call, lambda z: call.relus.leaky_relu(z, np.array(alpha)), alpha=0.01)


def _prelu(call: Call) -> Operand:
    """Y = X where X >= 0, else slope X."""
    call.attributes()
    X, slope = call.operands(2)
    tensor = _only_tensor(call, X)
    _check_repeats(call, tensor.shape, slope)
    slopes = call.floats(slope, tensor.kind, "a slope")
    return _with_entries(call, tensor, slopes, call.relus.leaky_relu)


def _hard_sigmoid(call: Call) -> Operand:
    """Y = max(0, min(1, alpha X + beta))."""
    options = call.attributes(alpha=0.2, beta=0.5)
    (X,) = call.operands(1)
    tensor = _times(call, _only_tensor(call, X), np.array(options["alpha"]))
    z = _plus(call, tensor, np.array(options["beta"])).value
    return tensor._replace(value=call.relus.clip(z, np.array(0.0), np.array(1.0)))


def _clip(call: Call) -> Operand:
    """Y = min(max(X, low), high), by attributes in old models and by inputs in newer ones."""
    options = call.attributes(min=float, max=float)
    X, *bounds = call.operands(1, 3)
    tensor = _only_tensor(call, X)
    low = _bound(call, tensor, bounds[0], options["min"])
    high = _bound(call, tensor, bounds[1], options["max"])
    if low is not None and high is not None and (low > high).any():
        raise call.fault("has a lower bound above the upper one")
    return tensor._replace(value=call.relus.clip(tensor.value, low, high))


def _bound(
    call: Call, tensor: Tensor, operand: Operand | None, attribute: float | None,
) -> Array | None:
    """Return a bound of Clip; None without one, or if no number of its type lies beyond."""
    if operand is None and attribute is None:
        return None
    if operand is None:
        bound = np.array(float(attribute or 0.0))
    elif isinstance(operand, Constant) and operand.kind == tensor.kind and operand.array.size == 1:
        bound = operand.array.reshape(())
    else:
        raise call.fault(f"must have single constants of type {type_name(tensor.kind)} as bounds")
    if np.isnan(bound):
        raise call.fault("has a bound that is not a number")
    return None if abs(bound) >= _LARGEST[tensor.kind] else bound


def _max(call: Call) -> Operand:
    """Y = max(X_1, ..., X_k), entry by entry."""
    call.attributes()

    def above(y: Tensor, c: Array) -> Tensor:
        return _with_entries(call, y, c, lambda z, low: call.relus.clip(z, low, None))

    return _fold(call, lambda y, z: _of_pair(call, y, z, call.relus.maximum), above)


def _min(call: Call) -> Operand:
    """Y = min(X_1, ..., X_k), entry by entry."""
    call.attributes()

    def below(y: Tensor, c: Array) -> Tensor:
        return _with_entries(call, y, c, lambda z, high: call.relus.clip(z, None, high))

    return _fold(call, lambda y, z: _of_pair(call, y, z, call.relus.minimum), below)


def _fold(
    call: Call, of_two: Callable[[Tensor, Tensor], Tensor],
    with_constant: Callable[[Tensor, Array], Tensor],
) -> Operand:
    """Apply an operation of two operands, whose order does not matter, to all: tensors first."""
    operands = call.operands(max(1, len(call.node.input)))
    tensors = [one for one in operands if isinstance(one, Tensor)]
    result = _only_tensor(call, tensors[0] if tensors else None)
    for tensor in tensors[1:]:
        result = of_two(result, tensor)
    for constant in operands:
        if isinstance(constant, Constant):
            result = with_constant(result, call.floats(constant, result.kind, "a constant"))
    return result


def _entrywise(call: Call, operation: Callable[[Value], Value], **attributes: Any) -> Tensor:
    call.attributes(**attributes)
    (X,) = call.operands(1)
    tensor = _only_tensor(call, X)
    return tensor._replace(value=operation(tensor.value))


# -------------------------------------------------------------------------- entries of two operands


def _common_shape(call: Call, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise call.fault(
            f"combines values of the shapes {' and '.join(map(str, shapes))[:90]}") from None
    if len(shape) > MAX_AXES:
        raise call.fault(f"gives a value of {len(shape)} axes, more than {MAX_AXES}")
    return shape


def _fitting_shape(call: Call, tensor: Tensor, c: Array) -> tuple[int, ...]:
    """Return the shape of tensor and constant together, which has as many entries as the tensor."""
    try:
        shape = np.broadcast_shapes(tensor.shape, c.shape)
    except ValueError:
        shape = (0,)
    if math.prod(shape) != tensor.value.size:
        raise call.fault(
            f"combines a constant of shape {c.shape} with a value of shape {tensor.shape}: "
            f"the result must be one sample of {tensor.value.size} numbers")
    if call.batch > 1 and len(shape) > len(tensor.shape):
        raise call.mixing()
    return _common_shape(call, tensor.shape, c.shape)


def _check_repeats(call: Call, shape: tuple[int, ...], operand: Operand | None) -> None:
    """Raise ValueError unless the operand can be repeated to the shape, which stays as it is."""
    if isinstance(operand, Constant):
        own = operand.array.shape
    else:
        own = _only_tensor(call, operand).shape
    if len(own) > len(shape) or _common_shape(call, shape, own) != shape:
        raise call.fault(
            f"adds to or multiplies a value of shape {shape} by one of shape {str(own)[:60]}")


def _with_entries(
    call: Call, tensor: Tensor, c: Array, operation: Callable[[Value, Array], Value],
) -> Tensor:
    """Apply an operation to a tensor and a constant, which is repeated along axes as it must be."""
    shape = _fitting_shape(call, tensor, c)
    entries = c.reshape(()) if c.size == 1 else np.broadcast_to(c, shape).ravel()
    return Tensor(tensor.kind, shape, operation(tensor.value, entries))


def _plus(call: Call, tensor: Tensor, c: Array) -> Tensor:
    def shifted(z: Value, entries: Array) -> Value:
        return call.relus.shift(z, np.broadcast_to(entries, (z.size,)))

    return _with_entries(call, tensor, c, shifted)


def _times(call: Call, tensor: Tensor, c: Array) -> Tensor:
    return _with_entries(call, tensor, c, lambda z, factors: call.relus.scale(factors, z))


def _of_pair(
    call: Call, y: Tensor, z: Tensor, operation: Callable[[Value, Value], Value],
) -> Tensor:
    """Apply an operation to two tensors, of which one may be repeated along axes of length 1."""
    if y.kind != z.kind:
        raise call.fault(
            f"combines values of the types {type_name(y.kind)} and {type_name(z.kind)}")
    if call.batch > 1 and len(y.shape) != len(z.shape):
        raise call.mixing()
    shape = _common_shape(call, y.shape, z.shape)
    y, z = (_repeated(call, one, shape) for one in (y, z))
    return Tensor(y.kind, shape, operation(y.value, z.value))


def _tensor_sum(call: Call, y: Tensor, z: Tensor) -> Tensor:
    return _of_pair(call, y, z, call.relus.add)


def _repeated(call: Call, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    if math.prod(shape) == tensor.value.size:
        return tensor
    call.relus.count(math.prod(shape))
    index = np.broadcast_to(np.arange(tensor.value.size).reshape(tensor.shape), shape).ravel()
    return Tensor(tensor.kind, shape, call.relus.select(tensor.value, index))


# ----------------------------------------------------------------- operators that only move entries


def _identity(call: Call) -> Operand:
    """Y = X."""
    call.attributes()
    (X,) = call.operands(1)
    return _shaped(call, X, lambda shape: shape)


def _dropout(call: Call) -> Operand:
    """Y = X in evaluation mode."""
    options = call.attributes(ratio=0.5, seed=0, is_test=1)
    X, _, training = call.operands(1, 3)
    is_off = training is None or isinstance(training, Constant) and not training.array.any()
    if not is_off or not options["is_test"]:
        raise call.fault("drops entries at random: export in evaluation mode")
    return _shaped(call, X, lambda shape: shape)


def _cast(call: Call) -> Operand:
    """Y = X in another type. A tensor keeps its real numbers: the network rounds nowhere.

    Constants are rounded as the operator says. `saturate` concerns types of 8 bits alone.
    """
    kind = call.attributes(to=0, saturate=1)["to"]
    (X,) = call.operands(1)
    if isinstance(X, Constant):
        if kind not in (*FLOATS, INT64):
            raise call.fault(f"casts a constant to {type_name(kind)}")
        return converted(X, kind)
    tensor = _only_tensor(call, X)
    if kind not in FLOATS:
        raise call.fault(
            f"casts a value to {type_name(kind)}: a ReLU network computes with real numbers")
    return tensor._replace(kind=kind)


def _shape(call: Call) -> Operand:
    """Return the lengths of the axes; a batch of unknown length counts as 1."""
    options = call.attributes(start=0, end=int)
    (X,) = call.operands(1)
    shape = X.array.shape if isinstance(X, Constant) else _only_tensor(call, X).shape
    shape = (call.batch, *shape[1:]) if call.has_batch(X) else shape
    return Constant(INT64, np.array(shape[options["start"]:options["end"]], dtype=np.int64))


def _flatten(call: Call) -> Operand:
    """Make two axes of those before `axis` and those from there on."""
    axis = call.attributes(axis=1)["axis"]
    (X,) = call.operands(1)

    def two_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
        if not -len(shape) <= axis <= len(shape):
            raise call.fault(f"flattens at axis {axis} a value of shape {shape}")
        cut = axis + len(shape) if axis < 0 else axis
        if call.has_batch(X) and cut != 1:
            raise call.mixing()
        return math.prod(shape[:cut]), math.prod(shape[cut:])

    return _shaped(call, X, two_axes)


def _reshape(call: Call) -> Operand:
    """Change the shape: 0 keeps the value's own length, -1 stands for the length that fits."""
    allow_zero = call.attributes(allowzero=0)["allowzero"]
    X, shape = call.operands(2)
    wanted = call.integers(shape, "a shape")
    if isinstance(shape, Constant) and shape.array.ndim != 1:
        wanted = [-1, -1]

    def reshaped(own: tuple[int, ...]) -> tuple[int, ...]:
        lengths = list(wanted)
        if call.has_batch(X):
            if lengths[:1] not in ([call.batch], [0], [-1]):
                raise call.mixing()
            lengths[0] = 1 if lengths[0] == call.batch else lengths[0]
        if not allow_zero:
            padded = (*own, *[0] * len(lengths))
            lengths = [padded[i] if length == 0 else length for i, length in enumerate(lengths)]
        known = math.prod(length for length in lengths if length != -1)
        size = math.prod(own)
        new = tuple(size // max(known, 1) if length == -1 else length for length in lengths)
        fits = lengths.count(-1) <= 1 and min(new, default=1) > 0 and math.prod(new) == size
        if not fits or call.has_batch(X) and new[0] != 1:
            raise call.fault(f"gives a value of shape {own} the shape {str(wanted)[:60]}")
        return new

    return _shaped(call, X, reshaped)


def _squeeze(call: Call) -> Operand:
    """Remove axes of length 1: those given, or all."""
    options = call.attributes(axes=list)
    X, axes = call.operands(1, 2)
    numbers = call.integers(axes, "axes") if axes is not None else options["axes"]

    def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
        if numbers is None:
            first = 1 if call.has_batch(X) else 0
            gone = [axis for axis in range(first, len(shape)) if shape[axis] == 1]
        else:
            gone = call.axes(X, numbers, len(shape))
        if any(shape[axis] != 1 for axis in gone):
            raise call.fault(f"removes the axes {str(numbers)[:60]} of a value of shape {shape}")
        return tuple(length for axis, length in enumerate(shape) if axis not in gone)

    return _shaped(call, X, squeezed)


def _unsqueeze(call: Call) -> Operand:
    """Insert axes of length 1."""
    options = call.attributes(axes=list)
    X, axes = call.operands(1, 2)
    numbers = call.integers(axes, "axes") if axes is not None else options["axes"] or []

    def unsqueezed(shape: tuple[int, ...]) -> tuple[int, ...]:
        new = set(call.axes(X, numbers, len(shape) + len(numbers)))
        rest = iter(shape)
        return tuple(1 if axis in new else next(rest) for axis in range(len(shape) + len(numbers)))

    return _shaped(call, X, unsqueezed)


def _shaped(
    call: Call, X: Operand | None, shape_of: Callable[[tuple[int, ...]], tuple[int, ...]],
) -> Operand:
    """Return the operand with another shape, its entries in the same order."""
    if isinstance(X, Constant):
        return X._replace(array=X.array.reshape(shape_of(X.array.shape)))
    tensor = _only_tensor(call, X)
    shape = shape_of(tensor.shape)
    if len(shape) > MAX_AXES:
        raise call.fault(f"gives a value of {len(shape)} axes, more than {MAX_AXES}")
    return tensor._replace(shape=shape)


def _transpose(call: Call) -> Operand:
    """Permute the axes; without `perm` in reverse order."""
    order = call.attributes(perm=list)["perm"]
    (X,) = call.operands(1)

    def transposed(array: np.ndarray) -> np.ndarray:
        axes = list(range(array.ndim))[::-1] if order is None else order
        if sorted(axes) != list(range(array.ndim)):
            raise call.fault(
                f"permutes the axes of a value of shape {array.shape} by {str(axes)[:60]}")
        if call.has_batch(X) and axes[:1] != [0]:
            raise call.mixing()
        return array.transpose(axes)

    return _moved(call, X, transposed)


def _gather(call: Call) -> Operand:
    """Take the entries of constant indices along an axis."""
    axis = call.attributes(axis=0)["axis"]
    X, indices = call.operands(2)
    if not isinstance(indices, Constant) or indices.kind != INT64:
        raise call.fault(f"must have constant integers as indices: {ADVICE_SHAPE}")

    def gathered(array: np.ndarray) -> np.ndarray:
        (along,) = call.axes(X, [axis], array.ndim)
        call.relus.count(indices.array.size * (array.size // max(1, array.shape[along])))
        return np.take(array, indices.array, axis=along)

    return _moved(call, X, gathered)


def _concat(call: Call) -> Operand:
    """Join operands along an axis."""
    axis = call.attributes(axis=1)["axis"]
    operands = call.operands(max(1, len(call.node.input)))
    if all(isinstance(one, Constant) for one in operands):
        constants = [one for one in operands if isinstance(one, Constant)]
        if len({one.kind for one in constants}) > 1:
            raise call.fault("joins constants of several types")
        call.relus.count(sum(one.array.size for one in constants))
        return Constant(constants[0].kind, _joined(call, [one.array for one in constants], axis))
    tensors = [_only_tensor(call, one) for one in operands]
    if len({one.kind for one in tensors}) > 1:
        raise call.fault("joins values of several types")
    (axis,) = call.axes(tensors[0], [axis], len(tensors[0].shape))
    starts = np.cumsum([0, *(one.value.size for one in tensors)])
    call.relus.count(int(starts[-1]))
    index = _joined(call, [np.arange(start, start + one.value.size).reshape(one.shape)
                           for start, one in zip(starts, tensors)], axis)
    value = call.relus.select(call.relus.concatenate([one.value for one in tensors]), index.ravel())
    return Tensor(tensors[0].kind, index.shape, value)


def _joined(call: Call, arrays: list[np.ndarray], axis: int) -> np.ndarray:
    try:
        return np.concatenate(arrays, axis=axis)
    except ValueError:
        shapes = ", ".join(str(one.shape) for one in arrays[:4])
        raise call.fault(f"joins values of the shapes {shapes} along axis {axis}") from None


def _moved(call: Call, X: Operand | None, move: Callable[[np.ndarray], np.ndarray]) -> Operand:
    """Apply a function that only moves entries, to a constant or to the numbers of the entries."""
    try:
        if isinstance(X, Constant):
            return X._replace(array=move(X.array))
        tensor = _only_tensor(call, X)
        call.relus.count(tensor.value.size)
        index = move(np.arange(tensor.value.size).reshape(tensor.shape))
    except IndexError:
        raise call.fault("takes entries that are not there") from None
    if index.size == 0 or index.ndim > MAX_AXES:
        raise call.fault("leaves no entries, or too many axes")
    return Tensor(tensor.kind, index.shape, call.relus.select(tensor.value, index.ravel()))


# --------------------------------------------------------------------------------------- the tables

OPERATORS: dict[str, Callable[[Call], Operand]] = {
    "Gemm": _gemm, "MatMul": _matmul, "Add": _add, "Sub": _sub, "Sum": _variadic_sum, "Mul": _mul,
    "Div": _div, "Neg": _neg, "BatchNormalization": _batch_normalization, "Scaler": _scaler,
    "ReduceSum": _reduce_sum, "ReduceMean": _reduce_mean,
    "Relu": _relu, "LeakyRelu": _leaky_relu, "PRelu": _prelu, "Abs": _abs, "Clip": _clip,
    "Max": _max, "Min": _min, "HardSigmoid": _hard_sigmoid,
    "Identity": _identity, "Dropout": _dropout, "Cast": _cast, "Shape": _shape, "Flatten": _flatten,
    "Reshape": _reshape, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Transpose": _transpose,
    "Gather": _gather, "Concat": _concat,
}
"""The operators that are read, by name."""

LAST = ("Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "ZipMap", "Hardmax")
"""Operators that turn the scores of classes, the logits, into probabilities or a class."""

AFTER_LAST = (
    *LAST, "ArrayFeatureExtractor", "Binarizer", "Cast", "Concat", "Flatten", "Identity",
    "Normalizer", "Reshape", "Squeeze", "Sub", "Transpose", "Unsqueeze",
)
"""Operators that may follow one of `LAST`: they do not compute further, they hand out."""

_OF_THE_ML_DOMAIN = ("Scaler", "ZipMap", "ArrayFeatureExtractor", "Binarizer", "Normalizer")

_CONVOLUTION = "a convolution is no dense layer: only networks of dense layers are read"
_QUANTISED = "the model is quantised: export it before quantisation, in float32"
_SMOOTH = "it is no ReLU: only networks of ReLUs are read, train one with ReLU in its place"
_CONTROL = "export in evaluation mode, without control flow"
_HELP = {
    _CONVOLUTION: ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool"),
    _QUANTISED: ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearMatMul",
                 "QGemm", "MatMulInteger", "QLinearConv", "ConvInteger"),
    _SMOOTH: ("Tanh", "Gelu", "Elu", "Selu", "Celu", "Erf", "Softplus", "Softsign", "HardSwish",
              "Mish", "Swish", "Exp", "Sqrt", "Pow", "Sin", "Cos", "ThresholdedRelu"),
    _CONTROL: ("If", "Loop", "Scan"),
}


def unknown_operator(node: Any, place: str) -> ValueError | None:
    """Return the error for an operator that is not read, and what would help; None for others."""
    name, domain = node.op_type, node.domain
    domains = ("ai.onnx.ml",) if name in _OF_THE_ML_DOMAIN else ("", "ai.onnx")
    if domain in domains and (name in OPERATORS or name in AFTER_LAST or name == "Constant"):
        return None
    own = f" of the domain {short(domain)}" if domain else ""
    advice = f"a ReLU network is made of {', '.join(OPERATORS)}"
    for helpful, names in _HELP.items():
        advice = helpful if name in names else advice
    return ValueError(f"operator {short(name)}{own} ({place}) is not supported: {advice}")
