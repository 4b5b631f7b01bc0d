"""Convert a Keras 3 model to a network; Keras is imported only when it is used.

`relu_graph` says what is exact, what rounds and what is refused.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._validation import Array, library, message
from ..networks.network import Network
from .relu_graph import AffineStep, Step, affine, chain_network

_CALLS = ("call", "forward", "_wrapped_call_impl", "_call_impl")
"""Attributes of a layer that compute its outputs when called; the last three are PyTorch's."""


def from_keras(model: Any) -> Network:
    """Return the network of a Keras 3 model as a function of one flat sample.

    The model is a Sequential, or a functional model whose layers form a chain. Its layers may be
    Dense and Activation ("relu" or "linear"), ReLU (without options), Flatten, InputLayer,
    Identity, Dropout (the identity outside training), and such models again.

    Parameters
    ----------
    model : keras.Sequential or keras.Model
        Built, so that its input shape is known. Samples are vectors, unless a Flatten precedes the
        first Dense.

    Returns
    -------
    Network
        Without output bias if the last Dense has none.

    Raises
    ------
    TypeError
        If it is not such a model.
    ValueError
        If it is not built or not a chain; if a layer is of another kind, has a `call` set on this
        instance or forward hooks (with the backend torch); if a parameter is not finite.
    ImportError
        If Keras is not installed.

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
        raise TypeError(message("model", "a keras.Sequential or a functional keras.Model", type(model).__name__))
    if not model.built:
        raise ValueError(message("model", "built", "one without weights: call it once, or give it an Input"))
    network, shape = chain_network(_steps(model, keras), "model"), model.inputs[0].shape[1:]
    if None in shape or math.prod(shape) != network.n_inputs:
        raise ValueError(message("model", f"of {network.n_inputs} inputs, as its first Dense", f"shape {shape}"))
    return network


def _is_graph(model: Any, keras: Any) -> bool:
    """Return True if the model computes its graph; only Keras's own classes are sure to."""
    is_of_keras = type(model).__module__.split(".")[0] == "keras"
    return is_of_keras and isinstance(model, keras.Model)


def _steps(layer: Any, keras: Any) -> Iterator[Step]:
    """Yield the steps of a layer or a model.

    Raises
    ------
    ValueError
        If the layer, or one inside it, is unknown or has a computation of its own, or a model is
        not a chain.
    """
    _check_untouched(layer)
    kind, layers = type(layer), keras.layers
    if kind is layers.Dense:
        yield _dense(layer, keras)
    if kind in (layers.Dense, layers.Activation):
        yield from _activation(layer, keras)
    elif kind is layers.ReLU and (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0.0, 0.0):
        yield None
    elif _is_graph(layer, keras):
        for inner in _layers(layer):
            yield from _steps(inner, keras)
    elif not _is_identity(layer, layers):
        expected = "a chain of Dense, Activation, ReLU (no options), Flatten (channels last), Identity and Dropout"
        raise ValueError(message("model", expected, f"{kind.__name__} {layer.name!r}"))


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


def _is_identity(layer: Any, layers: Any) -> bool:
    if type(layer) is layers.Flatten:
        return bool(layer.data_format == "channels_last")
    return type(layer) in (layers.Identity, layers.Dropout)


def _dense(layer: Any, keras: Any) -> AffineStep:
    """Return the step of a Dense layer; Keras stores one column per neuron."""
    if getattr(layer, "quantization_mode", None):
        raise ValueError(message(layer.name, "not quantised", f"{layer.quantization_mode!r}"))
    kernel = _array(layer.kernel, keras)
    bias = None if layer.bias is None else _array(layer.bias, keras)
    return affine(f"{layer.name}.kernel", kernel.T, f"{layer.name}.bias", bias)


def _array(variable: Any, keras: Any) -> Array:
    """Return the numbers as float64, exactly; NumPy itself has no bfloat16, hence the detour."""
    return np.asarray(keras.ops.convert_to_numpy(variable)).astype(np.float64)


def _activation(layer: Any, keras: Any) -> Iterator[Step]:
    if layer.activation is keras.activations.relu:
        yield None
    elif layer.activation is not keras.activations.linear:
        got = getattr(layer.activation, "__name__", repr(layer.activation))
        raise ValueError(message(f"{layer.name}.activation", "relu or linear", got))


def _layers(model: Any) -> list[Any]:
    """Return the layers from the input of the model to its output, in this order."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        got = f"{len(model.inputs)} and {len(model.outputs)}"
        raise ValueError(message("model", "of one input and one output", got))
    layers, tensor = [], model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, call, _ = tensor._keras_history
        node = layer._inbound_nodes[call]
        _check_call(layer, node)
        layers.append(layer)
        tensor = node.input_tensors[0]
    return layers[::-1]


def _check_call(layer: Any, node: Any) -> None:
    if len(node.input_tensors) != 1:
        got = f"{type(layer).__name__} {layer.name!r} of {len(node.input_tensors)} inputs"
        raise ValueError(message("model", "a chain of layers of one input", got))
    options = node.arguments.kwargs.values()
    if any(option for option in options if isinstance(option, (bool, int, float))):
        raise ValueError(message(layer.name, "called without `training=True`", "an option that is True"))
