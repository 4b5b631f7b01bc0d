"""Follow the graph of an ONNX model from its input to its output, as a ReLU network of one sample.

Each operator is applied to values of a `ReluGraph`: `onnx_operators` has them all. A value is a
vector in row-major order, whatever its shape. An unknown first length of the input, the batch,
counts as 1. A known one may be the batch or an axis of one sample: if the operators do not fit the
latter, they are read again as operators on a batch, whose samples they may not mix.
"""
from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..convert.relu_graph import ReluGraph, Value, limit_of
from ..networks.network import Network
from .onnx_operators import (
    AFTER_LAST, LAST, OPERATORS, Call, Operand, Tensor, fault, unknown_operator,
)
from .onnx_tensors import FLOAT32, FLOATS, INT64, MAX_AXES, Constants, short, type_name

LEFT_OFF_ADVICE = (
    '`load(..., until="logits")` gives the network before it '
    "(`--until logits` on the command line)")


class OnnxContent(NamedTuple):
    """What an ONNX model holds.

    Attributes
    ----------
    network : Network
    numbers : str
        The type of the model's numbers, such as "float32": all of them are converted exactly.
    n_folded : int
        How often affine maps were multiplied out, which can round: see `convert.relu_graph`.
    left_off : tuple of str
        The operators after the logits, where the network ends before them.
    """

    network: Network
    numbers: str
    n_folded: int
    left_off: tuple[str, ...]


class _Misfit(ValueError):
    """An error of one reading of a graph, and how many operators were read before."""

    def __init__(self, error: ValueError, n_done: int) -> None:
        super().__init__(str(error))
        self.n_done = n_done


def read_graph(
    graph: Any, folder: str, n_bytes: int, most_bytes: int, until: str | None,
) -> OnnxContent:
    """Return the network of a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
    folder : str
        Where the model lies.
    n_bytes : int
        The size of the model: the network may not be much larger, see `limit_of`.
    most_bytes : int
        How many bytes the files beside the model may have.
    until : "logits" or None

    Raises
    ------
    ValueError
        If the graph is not that of a ReLU network.
    """
    operators = _operators(graph)
    constants = Constants(_tensors(graph), folder, most_bytes)
    limit = limit_of((n_bytes + constants.n_bytes_beside) // 2)
    value = _only([value for value in graph.input if value.name not in constants], "input")
    kind, shape = value.type.tensor_type.elem_type, _input_shape(value)
    if kind not in FLOATS:
        kinds = ", ".join(FLOATS.values())
        raise ValueError(
            f"input {short(value.name)} must be of {kinds} numbers, got {type_name(kind)}")
    outputs = [output.name for output in graph.output]
    reading = _Reading(operators, constants, limit, until)
    try:
        return reading.content(value.name, kind, shape, outputs, 1)
    except _Misfit as error:
        if shape[0] == 1 or len(shape) == 1:
            raise
        first = error
    try:
        reading = _Reading(operators, constants, limit, until)
        return reading.content(value.name, kind, (1, *shape[1:]), outputs, shape[0])
    except _Misfit as second:
        # the reading that came further is the one that was meant
        raise (second if second.n_done >= first.n_done else first) from None


class _Reading:
    """One way of reading a graph: the values that have been found so far, by name."""

    def __init__(
        self, operators: list[_Operator], constants: Constants, limit: int, until: str | None,
    ) -> None:
        self._operators, self._constants = operators, constants
        self._limit, self._until = limit, until
        self._values: dict[str, Operand] = {}
        self._logits: list[Tensor] = []
        self._after: set[str] = set()  # names of values after the logits, which no network computes
        self._left_off: list[str] = []

    def content(
        self, name: str, kind: int, shape: tuple[int, ...], outputs: list[str], batch: int,
    ) -> OnnxContent:
        """Apply all operators and return the network of the output."""
        n_done = 0
        try:
            relus = ReluGraph(math.prod(shape), self._limit)
            self._values[name] = Tensor(kind, shape, relus.input)
            for operator in _in_order(self._operators, {name, *self._constants}):
                self._apply(operator, relus, batch)
                n_done += 1
            network = relus.network(self._output(outputs))
        except ValueError as error:
            raise _Misfit(error, n_done) from error
        return OnnxContent(network, FLOATS[kind], relus.n_folded, tuple(self._left_off))

    def _apply(self, operator: _Operator, relus: ReluGraph, batch: int) -> None:
        node, place = operator
        if any(name in self._after for name in node.input):
            if node.op_type not in AFTER_LAST:
                reason = f"computes with what comes after {self._left_off[0]}, which is no ReLU"
                raise fault(node, place, f"{reason}: only networks of ReLUs are read")
            self._leave_off(node)
        elif node.op_type in LAST:
            self._end(operator, [self._operand(name) for name in node.input])
        elif node.op_type not in OPERATORS:
            raise fault(node, place, "is read only after the logits")
        else:
            call = Call(node, place, [self._operand(name) for name in node.input], relus, batch)
            self._values[node.output[0]] = OPERATORS[node.op_type](call)

    def _operand(self, name: str) -> Operand | None:
        if not name:
            return None
        if name not in self._values and name not in self._constants:
            raise ValueError(
                f"value {short(name)} is a further output of its operator, which is not read")
        return self._values[name] if name in self._values else self._constants[name]

    def _end(self, operator: _Operator, operands: list[Any]) -> None:
        """End the network before a last operator, if that was asked for."""
        node, place = operator
        if self._until is None:
            raise fault(node, place, f"is no ReLU; if it is the last one, {LEFT_OFF_ADVICE}")
        if len(operands) != 1 or not isinstance(operands[0], Tensor):
            raise fault(node, place, "must take one value of the network")
        self._logits.append(operands[0])
        self._leave_off(node)

    def _leave_off(self, node: Any) -> None:
        self._left_off.append(node.op_type)
        self._after.update(node.output)

    def _output(self, outputs: list[str]) -> Value:
        """Return the value of the only output, or the logits."""
        found = []
        for name in outputs:
            one = self._values.get(name)
            if isinstance(one, Tensor):
                found.append(one)
            elif name not in self._after:
                raise ValueError(f"output {short(name)} does not depend on the input")
        if not self._left_off:
            output: Tensor = _only(found, "output")
            return output.value
        values = [one.value for one in (*self._logits, *found)]
        if any(value is not values[0] for value in values):
            raise ValueError("the graph has several values that could be the logits")
        return values[0]


# ----------------------------------------------------------------------------- the parts of a graph


class _Operator(NamedTuple):
    """An operator of the graph, and its place for messages."""

    node: Any
    place: str


def _operators(graph: Any) -> list[_Operator]:
    """Return the operators but constants, all of which are known."""
    nodes = [node for node in graph.node if node.op_type != "Constant"]
    operators = [_Operator(node, f"{number} of {len(nodes)}")
                 for number, node in enumerate(nodes, start=1)]
    for node, place in operators:
        error = unknown_operator(node, place)
        if error is not None:
            raise error
        if not node.output or not node.output[0]:
            raise fault(node, place, "must have an output with a name")
    return operators


def _in_order(operators: list[_Operator], known: set[str]) -> list[_Operator]:
    """Return the operators in such an order that each takes what is known or was given before.

    Raises
    ------
    ValueError
        If a name is given twice, or some operators cannot be put in order.
    """
    given = set(known)
    missing: dict[int, int] = {}  # by operator: how many of its inputs are not known yet
    users: dict[str, list[int]] = {}
    for number, (node, place) in enumerate(operators):
        for name in filter(None, node.output):
            if name in given:
                raise fault(node, place, "must have outputs with names of their own")
            given.add(name)
        unknown = {name for name in node.input if name and name not in known}
        missing[number] = len(unknown)
        for name in unknown:
            users.setdefault(name, []).append(number)
    for name in users:
        if name not in given:
            raise fault(*operators[users[name][0]], f"takes {short(name)}, which no operator gives")
    ordered = [number for number, count in missing.items() if count == 0]
    for number in ordered:  # grows while it is read
        for name in filter(None, operators[number].node.output):
            for user in users.get(name, []):
                missing[user] -= 1
                if missing[user] == 0:
                    ordered.append(user)
    if len(ordered) < len(operators):
        stuck = next(number for number, count in missing.items() if count > 0)
        raise fault(*operators[stuck], "is part of a cycle, or comes after one")
    return [operators[number] for number in ordered]


def _only(values: Any, what: str) -> Any:
    if len(values) != 1:
        raise ValueError(f"the graph must have one {what}, got {len(values)}")
    return values[0]


def _tensors(graph: Any) -> dict[str, Any]:
    """Return the tensors of initialisers and Constant operators by name, not yet decoded."""
    pairs = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            if len(node.attribute) != 1 or len(node.output) != 1:
                raise fault(node, "a constant", "must have one attribute and one output")
            pairs.append((node.output[0], _tensor_of_attribute(node, node.attribute[0])))
    if graph.sparse_initializer:
        raise ValueError("sparse initialisers are not supported: export dense ones")
    tensors = dict(pairs)
    if len(tensors) != len(pairs):
        raise ValueError("two constants have the same name")
    return tensors


def _tensor_of_attribute(node: Any, attribute: Any) -> Any:
    """Return the tensor of a Constant operator, which may be given as one or as plain numbers."""
    tensor = type(attribute.t)()
    if attribute.name == "value":
        return attribute.t
    if attribute.name in ("value_int", "value_ints"):
        tensor.data_type = INT64
        tensor.int64_data.extend([attribute.i] if attribute.name == "value_int" else attribute.ints)
    elif attribute.name in ("value_float", "value_floats"):
        tensor.data_type = FLOAT32
        is_one = attribute.name == "value_float"
        tensor.float_data.extend([attribute.f] if is_one else attribute.floats)
    else:
        reason = f"has the attribute {short(attribute.name)}, which is not supported"
        raise fault(node, "a constant", reason)
    if attribute.name.endswith("s"):
        tensor.dims.append(len(tensor.int64_data) + len(tensor.float_data))
    return tensor


def _input_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of the input; an unknown first length is 1."""
    dims = value.type.tensor_type.shape.dim
    lengths = [dim.dim_value for dim in dims]  # 0 where there is a name or nothing
    if not 0 < len(lengths) <= MAX_AXES:
        raise ValueError(
            f"input {short(value.name)} must have 1 to {MAX_AXES} axes, got {len(lengths)}")
    lengths[0] = max(lengths[0], 1)
    if min(lengths) < 1:
        raise ValueError(
            f"input {short(value.name)} must have known lengths, except for the first one, "
            f"got {lengths}: export with a fixed input shape, apart from the batch")
    return tuple(lengths)
