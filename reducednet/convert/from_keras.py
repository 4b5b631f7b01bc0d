"""Convert a Keras 3 model to a network; Keras is imported only when it is used.

Each layer is applied to values of a `ReluGraph`, in the order of the model's graph. `relu_graph`
says what is exact and what rounds.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, choice, library, message
from ..networks.network import Network
from .relu_graph import (
    LAST_ADVICE, ReluGraph, Value, advice, dense_layer, limit_of, square_root,
)

_CALLS = ("call", "forward", "_wrapped_call_impl", "_call_impl")
"""Attributes of a layer that compute its outputs when called; the last three are PyTorch's."""


def from_keras(model: Any, until: str | None = None) -> Network:
    """Return the network of a Keras 3 model as a function of one flat sample.

    The model is a Sequential or a functional model of one input and one output. Its layers may be
    Dense, BatchNormalization, Normalization and Rescaling; ReLU (with `max_value` and
    `negative_slope`), LeakyReLU, PReLU and Activation ("linear", "relu", "relu6", "leaky_relu");
    Add, Subtract, Maximum, Minimum, Average and Concatenate of values; Flatten, Reshape,
    InputLayer, Identity, Dropout and other layers that do nothing outside training; and such models
    again. Files `.h5` of Keras 2 are models as ``keras.models.load_model`` returns them.

    Parameters
    ----------
    model : keras.Sequential or keras.Model
        Built, so that its input shape is known. An axis of unknown length, besides the samples,
        counts as one of length 1.
    until : "logits", optional
        End the network before a last softmax, log_softmax or sigmoid, which is no ReLU.

    Returns
    -------
    Network
        Inputs of several axes are taken flat, in row-major order. Without output bias if the last
        Dense has none. An affine model gets one hidden layer, z = s(z) - s(-z).

    Raises
    ------
    TypeError
        If it is not such a model.
    ValueError
        If it is not built; if a layer is of another kind, which the message names, or has a `call`
        set on this instance or forward hooks (with the backend torch); if a parameter is not
        finite.
    ImportError
        If Keras is not installed.

    Notes
    -----
    The network is the model's function in real arithmetic, on its numbers, which float64 holds
    exactly. The model's own evaluation rounds in its own type: in float32 it may differ from the
    network by about 2^29 `evaluation_bound(network, domain)`, the ratio of both unit roundoffs.

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> from keras import Input, Sequential, layers  # doctest: +SKIP
    >>> model = Sequential([Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(1)])  # doctest: +SKIP
    >>> from_keras(model)  # doctest: +SKIP
    Network(3-8-1, relu, output bias, 41 parameters)
    """
    keras = library("keras", "`from_keras`")
    if not _is_graph(model, keras):
        expected = "a keras.Sequential or a functional keras.Model"
        raise TypeError(message("model", expected, type(model).__name__))
    if until is not None:
        choice(until, "until", ["logits"])
    if not model.built:
        got = "one without weights: call it once, or give it an Input"
        raise ValueError(message("model", "built", got))
    shape = tuple(1 if length is None else length for length in model.inputs[0].shape[1:])
    if 0 in shape or model.inputs[0].shape[1:][-1:] in ((), (None,)):
        raise ValueError(message("model", "of a known number of inputs", model.inputs[0].shape))
    n_numbers = sum(math.prod(variable.shape) for variable in model.variables)
    graph = ReluGraph(math.prod(shape), limit_of(n_numbers))
    z = _Layers(graph, keras, until).apply(model, [_Tensor(shape, graph.input)]).value
    return graph.network(graph.carry(z, max(1, z.layer)))


def _is_graph(model: Any, keras: Any) -> bool:
    """Return True if the model computes its graph; only Keras's own classes are sure to."""
    is_of_keras = type(model).__module__.split(".")[0] == "keras"
    return is_of_keras and isinstance(model, keras.Model)


def _check_untouched(layer: Any) -> None:
    """Raise ValueError if a layer or model may not compute what its class does.

    With the backend torch a layer is also a module of PyTorch, which may have forward hooks.
    """
    kind, own = type(layer), vars(layer)
    for name in _CALLS:
        if name in own and hasattr(kind, name) and own[name] != getattr(kind, name).__get__(layer):
            got = f"{kind.__name__} with a `{name}` of its own: delete it"
            raise ValueError(message(layer.name, "a layer that computes what its class does", got))
    if own.get("_forward_hooks") or own.get("_forward_pre_hooks"):
        got = f"{kind.__name__} with some: remove them"
        raise ValueError(message(layer.name, "without forward hooks", got))


class _Tensor(NamedTuple):
    """A value of one sample and its shape; `is_last` after a softmax, with its logits as value."""

    shape: tuple[int, ...]
    value: Value
    is_last: bool = False


class _Layers:
    """The layers of Keras that are read, applied to values of a graph."""

    def __init__(self, graph: ReluGraph, keras: Any, until: str | None) -> None:
        self._graph, self._keras, self._until = graph, keras, until
        layers, one = keras.layers, self._of_one
        self._read: dict[type, Callable[[Any, list[_Tensor]], _Tensor]] = {
            layers.Dense: one(self._dense),
            layers.Activation: one(self._activation),
            layers.Softmax: one(self._last),
            layers.BatchNormalization: one(self._batch_normalization),
            layers.Normalization: one(self._normalization),
            layers.Rescaling: one(self._rescaling),
            layers.ReLU: one(self._relu_layer),
            layers.LeakyReLU: one(self._leaky_relu),
            layers.PReLU: one(self._prelu),
            layers.Flatten: one(self._flatten),
            layers.Reshape: one(self._reshape),
            layers.Add: self._merged(graph.add),
            layers.Subtract: self._merged(graph.subtract),
            layers.Maximum: self._merged(graph.maximum),
            layers.Minimum: self._merged(graph.minimum),
            layers.Average: self._average,
            layers.Concatenate: self._concatenate,
        }
        for kind in ("Identity", "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise",
                     "SpatialDropout1D", "ActivityRegularization"):
            self._read[getattr(layers, kind)] = one(lambda layer, tensor: tensor)
        # what stands for x + y and the like in a functional model
        self._operators: dict[str, Callable[[Any, list[_Tensor]], _Tensor]] = {}
        for kind, operation in (("Add", graph.add), ("Subtract", graph.subtract),
                                ("Maximum", graph.maximum), ("Minimum", graph.minimum)):
            self._operators[f"keras.src.ops.numpy.{kind}"] = self._merged(operation)
        self._operators["keras.src.ops.nn.Relu"] = one(
            lambda layer, tensor: self._relu(self._before_last(layer, tensor)))
        self._operators["keras.src.activations.activations.ReLU"] = one(self._relu_layer)

    # ---------------------------------------------------------------------------- layers and models

    def apply(self, layer: Any, tensors: list[_Tensor]) -> _Tensor:
        """Return the output of a layer or a model.

        Raises
        ------
        ValueError
            If the layer, or one inside it, is unknown or has a computation of its own.
        """
        _check_untouched(layer)
        if _is_graph(layer, self._keras):
            return self._model(layer, tensors)
        kind = type(layer)
        read = self._read.get(kind) or self._operators.get(f"{kind.__module__}.{kind.__name__}")
        if read is None:
            raise _fault(layer, f"is not supported: {advice(kind.__name__)}")
        return read(layer, tensors)

    def _model(self, model: Any, tensors: list[_Tensor]) -> _Tensor:
        """Apply the layers of a model in the order of its graph."""
        if len(model.inputs) != 1 or len(model.outputs) != 1 or len(tensors) != 1:
            got = f"{len(model.inputs)} and {len(model.outputs)}"
            raise ValueError(message("model", "of one input and one output", got))
        values = {id(model.inputs[0]): tensors[0]}
        pending = [model.outputs[0]]
        while pending:
            layer, call, _ = pending[-1]._keras_history
            node = layer._inbound_nodes[call]
            missing = [one for one in node.input_tensors if id(one) not in values]
            if id(pending[-1]) in values:
                pending.pop()
            elif missing:
                pending += missing
            else:
                _check_call(layer, node)
                operands = [values[id(one)] for one in node.input_tensors]
                values[id(pending.pop())] = self.apply(layer, operands)
        return values[id(model.outputs[0])]

    def _of_one(
        self, read: Callable[[Any, _Tensor], _Tensor],
    ) -> Callable[[Any, list[_Tensor]], _Tensor]:
        """Return the reader of a layer of one input."""
        def checked(layer: Any, tensors: list[_Tensor]) -> _Tensor:
            if len(tensors) != 1:
                raise _fault(layer, f"must take one value, got {len(tensors)}")
            return read(layer, tensors[0])

        return checked

    def _before_last(self, layer: Any, tensor: _Tensor) -> _Tensor:
        """Return the tensor; raise ValueError if it comes after the logits."""
        if tensor.is_last:
            last = "a softmax, log_softmax or sigmoid, which must be the last"
            raise _fault(layer, f"comes after {last}")
        return tensor

    # -------------------------------------------------------------------------------- affine layers

    def _dense(self, layer: Any, tensor: _Tensor) -> _Tensor:
        """Keras stores one column per neuron."""
        if getattr(layer, "quantization_mode", None):
            raise ValueError(message(layer.name, "not quantised", f"{layer.quantization_mode!r}"))
        shape, z = self._before_last(layer, tensor)[:2]
        if not shape or shape[-1] != z.size:
            reason = f"takes the last axis of a value of shape {shape}: flatten it first"
            raise _fault(layer, reason)
        bias = None if layer.bias is None else self._array(layer.bias)
        kernel, name = self._array(layer.kernel), layer.name
        z = dense_layer(self._graph, z, f"{name}.kernel", kernel.T, f"{name}.bias", bias)
        return self._activation(layer, _Tensor((*shape[:-1], z.size), z))

    def _batch_normalization(self, layer: Any, tensor: _Tensor) -> _Tensor:
        """Return (z - mean) / sqrt(variance + epsilon) gamma + beta, along one axis."""
        shape = self._before_last(layer, tensor).shape
        axis = layer.axis - 1 if layer.axis > 0 else layer.axis + len(shape)
        lengths = [1] * len(shape)
        lengths[axis] = shape[axis]

        def entries(variable: Any) -> Array:
            return np.broadcast_to(self._array(variable).reshape(lengths), shape).ravel()

        mean, variance = entries(layer.moving_mean), entries(layer.moving_variance)
        scale = entries(layer.gamma) if layer.scale else None
        shift = entries(layer.beta) if layer.center else None
        deviation = square_root(variance + layer.epsilon)
        z = self._graph.standardize(tensor.value, mean, deviation, scale, shift)
        return tensor._replace(value=z)

    def _normalization(self, layer: Any, tensor: _Tensor) -> _Tensor:
        """Return (z - mean) / max(sqrt(variance), epsilon), or with `invert` its inverse."""
        shape, z = self._before_last(layer, tensor)[:2]
        mean, variance = (np.broadcast_to(self._array(one), (1, *shape)).ravel()
                          for one in (layer.mean, layer.variance))
        deviation = np.maximum(square_root(variance), self._keras.config.epsilon())
        if layer.invert:
            return tensor._replace(value=self._graph.shift(self._graph.scale(deviation, z), mean))
        return tensor._replace(value=self._graph.standardize(z, mean, deviation))

    def _rescaling(self, layer: Any, tensor: _Tensor) -> _Tensor:
        """Return z scale + offset."""
        shape, z = self._before_last(layer, tensor)[:2]
        scale, offset = (np.asarray(one, dtype=float) for one in (layer.scale, layer.offset))
        if scale.ndim and self._keras.config.image_data_format() == "channels_first":
            raise _fault(layer, "has one scale per channel, and channels come first")
        scale, offset = (np.broadcast_to(one, shape).ravel() for one in (scale, offset))
        return tensor._replace(value=self._graph.shift(self._graph.scale(scale, z), offset))

    # ---------------------------------------------------------------------------------- activations

    def _activation(self, layer: Any, tensor: _Tensor) -> _Tensor:
        """Apply the activation of a layer, a function or again a layer."""
        known, function = self._keras.activations, layer.activation
        if function is known.linear:
            return tensor
        if function in (known.softmax, known.log_softmax, known.sigmoid):
            return self._last(layer, tensor)
        if function is known.relu:
            return self._relu(self._before_last(layer, tensor))
        if function is known.relu6:
            return self._relu(self._before_last(layer, tensor), largest=6.0)
        if function is known.leaky_relu:
            return self._relu(self._before_last(layer, tensor), slope=0.2)
        if isinstance(function, self._keras.layers.Layer):
            return self.apply(function, [tensor])
        name = getattr(function, "__name__", repr(function))
        raise _fault(layer, f"with the activation {name} is not supported: {advice(name)}")

    def _relu(self, tensor: _Tensor, slope: float = 0.0, largest: float | None = None) -> _Tensor:
        """Return max(z, 0) + slope min(z, 0), at most `largest`: minus s(z - largest)."""
        graph, z = self._graph, tensor.value
        result = graph.leaky_relu(z, np.array(float(slope))) if slope else graph.relu(z)
        if largest is not None:
            above = graph.relu(graph.shift(z, np.full(z.size, -float(largest))))
            result = graph.subtract(result, above)
        return tensor._replace(value=result)

    def _relu_layer(self, layer: Any, tensor: _Tensor) -> _Tensor:
        if layer.threshold != 0.0:
            raise _fault(layer, "with a threshold jumps, which no ReLU network does")
        return self._relu(self._before_last(layer, tensor), layer.negative_slope, layer.max_value)

    def _leaky_relu(self, layer: Any, tensor: _Tensor) -> _Tensor:
        return self._relu(self._before_last(layer, tensor), slope=layer.negative_slope)

    def _prelu(self, layer: Any, tensor: _Tensor) -> _Tensor:
        shape, z = self._before_last(layer, tensor)[:2]
        slopes = np.broadcast_to(self._array(layer.alpha), shape).ravel()
        return tensor._replace(value=self._graph.leaky_relu(z, slopes))

    def _last(self, layer: Any, tensor: _Tensor) -> _Tensor:
        if self._until is None:
            what = f"with {layer.activation.__name__} " if hasattr(layer, "activation") else ""
            raise _fault(layer, f"{what}is no ReLU; if it is the last one, {LAST_ADVICE}")
        return tensor._replace(is_last=True)

    # ------------------------------------------------------------------- shapes, and several values

    def _flatten(self, layer: Any, tensor: _Tensor) -> _Tensor:
        if layer.data_format != "channels_last":
            raise _fault(layer, "with channels first moves entries: use channels last")
        return tensor._replace(shape=(tensor.value.size,))

    def _reshape(self, layer: Any, tensor: _Tensor) -> _Tensor:
        try:
            index = np.arange(tensor.value.size).reshape(layer.target_shape)
        except (TypeError, ValueError):
            reason = f"to {layer.target_shape} does not fit a value of shape {tensor.shape}"
            raise _fault(layer, reason) from None
        return tensor._replace(shape=index.shape)

    def _merged(
        self, operation: Callable[[Value, Value], Value],
    ) -> Callable[[Any, list[_Tensor]], _Tensor]:
        """Return the reader of a layer that combines values of one shape, entry by entry."""
        def combined(layer: Any, tensors: list[_Tensor]) -> _Tensor:
            shapes = {self._before_last(layer, one).shape for one in tensors}
            if len(tensors) < 2 or len(shapes) > 1:
                got = f"got {sorted(shapes)}"
                raise _fault(layer, f"must combine several values of one shape, {got}")
            value = tensors[0].value
            for other in tensors[1:]:
                value = operation(value, other.value)
            return tensors[0]._replace(value=value)

        return combined

    def _average(self, layer: Any, tensors: list[_Tensor]) -> _Tensor:
        tensor = self._merged(self._graph.add)(layer, tensors)
        return tensor._replace(value=self._graph.scale(np.array(1.0 / len(tensors)), tensor.value))

    def _concatenate(self, layer: Any, tensors: list[_Tensor]) -> _Tensor:
        if layer.axis == 0 or any(self._before_last(layer, one).is_last for one in tensors):
            raise _fault(layer, "must not join samples")
        starts = np.cumsum([0, *(one.value.size for one in tensors)])
        self._graph.count(int(starts[-1]))
        places = [np.arange(start, start + one.value.size).reshape(1, *one.shape)
                  for start, one in zip(starts, tensors)]
        index = np.concatenate(places, axis=layer.axis)[0]
        joined = self._graph.concatenate([one.value for one in tensors])
        return _Tensor(index.shape, self._graph.select(joined, index.ravel()))

    def _array(self, variable: Any) -> Array:
        """Return the numbers as float64, exactly."""
        # NumPy itself has no bfloat16
        return np.asarray(self._keras.ops.convert_to_numpy(variable)).astype(np.float64)


def _fault(layer: Any, reason: str) -> ValueError:
    """Return the error that a layer cannot be read."""
    return ValueError(f"`{layer.name}`: {type(layer).__name__} {reason}")


def _check_call(layer: Any, node: Any) -> None:
    if not node.input_tensors or len(node.outputs) != 1:
        raise _fault(layer, "is another input, or has several outputs")
    options = node.arguments.kwargs.values()
    if any(option for option in options if isinstance(option, (bool, int, float))):
        expected = "called without `training=True`"
        raise ValueError(message(layer.name, expected, "an option that is True"))
