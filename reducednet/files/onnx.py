"""Read and write ReLU networks as .onnx files, through the package `onnx`.

Graphs of affine operators and ReLUs are read, see `onnx_graph`. A network is written as one Gemm per
layer, with the weights as they are (transB), and a Relu after each hidden layer; constants are
called W0, b0, W1, b1, ..., C and a, as in .npz files, and are float64.
"""
from __future__ import annotations

import os
from typing import Any

import numpy as np

from .._validation import Array, library, message
from ..networks.network import Network
from .archives import read_bytes
from .onnx_graph import OnnxContent, read_graph
from .onnx_tensors import FLOAT64

MAX_BYTES = 1 << 28
_MAX_PARTS = 1 << 17
_IR_VERSION, _OPSET = 8, 13
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # how a part of a protobuf message is stored
# types of protobuf fields whose packed lists have at least one byte per number
_WHOLE_NUMBERS = (3, 4, 5, 8, 13, 14, 17, 18)


def read_onnx(path: str, until: str | None = None) -> OnnxContent:
    """Read the network of a .onnx file; with `until="logits"`, that before a last Softmax or the like.

    Raises
    ------
    ValueError
        If the file is not a model of a ReLU network, or the network is much larger than the file.
        No other file is opened than those in its own folder that it names to hold its numbers.
    ImportError
        If the package `onnx` is not installed.
    """
    data = read_bytes(path, MAX_BYTES, "a .onnx file")
    onnx = library("onnx", "a .onnx file")
    check_wire(data, onnx.ModelProto.DESCRIPTOR)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError; protobuf is no dependency of ours
        raise ValueError(f"not a valid ONNX model: {error}") from error
    if model.functions:
        raise ValueError("functions in the model are not supported: export with them inlined")
    return read_graph(model.graph, os.path.dirname(path), len(data), MAX_BYTES, until)


def check_wire(data: bytes, kind: Any) -> None:
    """Raise ValueError for a protobuf message that would take far more memory than it has bytes.

    An empty part has 2 bytes and takes about 200 in memory. A packed whole number is a part too.

    Parameters
    ----------
    data : bytes
    kind : google.protobuf.descriptor.Descriptor
    """
    n_parts, pending = 0, [(0, len(data), kind)]
    while pending:
        position, stop, kind = pending.pop()
        while position < stop:
            key, position = _varint(data, position)
            field, start = kind.fields_by_number.get(key >> 3), position
            position = _end(data, position, key & 7)
            if position > stop:
                raise ValueError("not a valid ONNX model: it ends within a part")
            n_parts += 1
            if key & 7 == _LENGTH and field is not None:
                length, start = _varint(data, start)
                n_parts += length if field.type in _WHOLE_NUMBERS else 0
                if field.message_type is not None:
                    pending.append((start, position, field.message_type))
            if n_parts > _MAX_PARTS:
                raise ValueError(f"a model of at most {_MAX_PARTS} parts is read, this one has more")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Decode the number at a position, 7 bits per byte; return it and the position after it."""
    number = 0
    for shift, byte in enumerate(data[position:position + 10]):
        number |= (byte & 127) << 7 * shift
        if byte < 128:
            return number, position + shift + 1
    raise ValueError("not a valid ONNX model: a number has no end")


def _end(data: bytes, position: int, wire_type: int) -> int:
    """Return the position after the value that begins at a position."""
    if wire_type == _VARINT:
        return _varint(data, position)[1]
    if wire_type == _LENGTH:
        length, position = _varint(data, position)
        return position + length
    if wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
        return position + (8 if wire_type == _EIGHT_BYTES else 4)
    raise ValueError(f"not a valid ONNX model: a part is of the wire type {wire_type}")


def onnx_bytes(network: Network) -> bytes:
    """Return the network as the bytes of a .onnx file; every number is read back bit for bit.

    Raises
    ------
    ValueError
        If the network is binary, or too large or too deep to be read back.
    ImportError
        If the package `onnx` is not installed.
    """
    if network.activation != "relu":
        expected = "a ReLU network for a .onnx file"
        raise ValueError(message("network", expected, f"activation {network.activation!r}"))
    if 8 * network.n_parameters > MAX_BYTES - (1 << 20):
        raise ValueError(message("network", f"of less than {MAX_BYTES} bytes for a .onnx file",
                                 f"{network.n_parameters} parameters of 8 bytes"))
    onnx = library("onnx", "a .onnx file")
    helper = onnx.helper
    nodes, constants = _nodes(network, helper)
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info("x", FLOAT64, ["batch", network.n_inputs])],
        [helper.make_tensor_value_info("y", FLOAT64, ["batch", network.n_outputs])],
        [_tensor(name, array, helper) for name, array in constants.items()],
    )
    model = helper.make_model(graph, producer_name="reducednet", ir_version=_IR_VERSION,
                              opset_imports=[helper.make_opsetid("", _OPSET)])
    data: bytes = model.SerializeToString(deterministic=True)
    check_wire(data, onnx.ModelProto.DESCRIPTOR)
    return data


def _nodes(network: Network, helper: Any) -> tuple[list[Any], dict[str, Array]]:
    """Return the operators, from x through z0, h0, z1, h1, ... to y, and their constants."""
    nodes: list[Any] = []
    constants: dict[str, Array] = {}
    name = "x"
    for layer, (W, b) in enumerate(zip(network.weights, network.thresholds)):
        constants |= {f"W{layer}": W, f"b{layer}": b}
        nodes.append(helper.make_node("Gemm", [name, f"W{layer}", f"b{layer}"], [f"z{layer}"], transB=1))
        nodes.append(helper.make_node("Relu", [f"z{layer}"], [f"h{layer}"]))
        name = f"h{layer}"
    constants["C"] = network.output_weights
    if network.output_bias is not None:
        constants["a"] = network.output_bias
    bias = [] if network.output_bias is None else ["a"]
    return [*nodes, helper.make_node("Gemm", [name, "C", *bias], ["y"], transB=1)], constants


def _tensor(name: str, array: Array, helper: Any) -> Any:
    data = np.ascontiguousarray(array, dtype="<f8").tobytes()
    return helper.make_tensor(name, FLOAT64, array.shape, data, raw=True)
