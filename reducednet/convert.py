"""Networks from and to other libraries: scikit-learn, PyTorch, Keras; none of them is imported before it is used.

A model is read as a chain of affine maps and ReLUs, in real arithmetic on the numbers that it holds:

* float16, bfloat16, float32 and float64 are converted exactly, and arrays are copies.
* Two affine maps without a ReLU between them, V (W h + b) + c, are multiplied out in float64. That rounds:
  |error of VW| <= gamma_n |V| |W|,  |error of Vb + c| <= gamma_(n+1) (|V| |b| + |c|),  n the columns of V.
* After a last ReLU the outgoing weights are the identity; before a first affine map it is a layer of its own.
* What is not known to be one of these is refused by its name. So is a model without any ReLU.

References
----------
THEORY, section 1 (the network), section 7 (gamma).
"""
from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from ._validation import Array, message, real_array
from .affine_chain import AffineChain
from .networks import Network, check_network

_LAST_SKLEARN = ("identity", "softmax", "logistic")


class Affine(NamedTuple):
    """The map h -> W h + b of a layer, and the layer's name; b None is no vector."""

    name: str
    W: Array
    b: Array | None


Step = Affine | None  # None is a ReLU


def from_sklearn(mlp: Any) -> Network:
    """Return the network of a fitted MLPRegressor or MLPClassifier of scikit-learn.

    A regressor's network is its prediction. A classifier's gives the scores before softmax, one a class
    in the order of `classes_`, or before the logistic function, where two classes have one score: it
    is positive for `classes_[1]`.

    Parameters
    ----------
    mlp : MLPRegressor or MLPClassifier
        Fitted, with activation "relu" and a hidden layer.

    Returns
    -------
    Network
        With an output bias.

    Raises
    ------
    TypeError
        If it is another object, such as a Pipeline.
    ValueError
        If it is not fitted, its activation is not "relu" or its predictions are another function of the
        scores (`loss="poisson"`: the exponential).

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor  # doctest: +SKIP
    >>> mlp = MLPRegressor((20,), solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])  # doctest: +SKIP
    >>> from_sklearn(mlp)  # doctest: +SKIP
    Network(1-20-1, relu, output bias, 61 parameters)
    """
    _check_sklearn(mlp)
    return _network(_sklearn_steps(mlp), "mlp")


def _check_sklearn(mlp: Any) -> None:
    if not hasattr(mlp, "hidden_layer_sizes") or not hasattr(mlp, "activation"):
        advice = ("; its last step alone can be converted, whose inputs are what the steps before it return"
                  if hasattr(mlp, "steps") else "")
        raise TypeError(message("mlp", "an MLPRegressor or MLPClassifier", f"{type(mlp).__name__}{advice}"))
    if not hasattr(mlp, "coefs_") or not hasattr(mlp, "intercepts_"):
        raise ValueError(message("mlp", "fitted", f"an unfitted {type(mlp).__name__}: call its `fit` first"))
    if mlp.activation != "relu":
        raise ValueError(message("mlp.activation", "'relu'", repr(mlp.activation)))
    if mlp.out_activation_ not in _LAST_SKLEARN:
        raise ValueError(message("mlp.out_activation_", f"one of {list(_LAST_SKLEARN)}", repr(mlp.out_activation_)))


def _sklearn_steps(mlp: Any) -> Iterator[Step]:
    """Yield the layers; scikit-learn has a column a neuron."""
    for number, (V, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        if number:
            yield None
        yield _affine(f"mlp.coefs_[{number}]", np.transpose(V), f"mlp.intercepts_[{number}]", b)


def from_torch(sequential: Any) -> Network:
    """Return the network of a torch.nn.Sequential as a function of one flat sample.

    Its modules may be Linear, ReLU, Flatten (of all axes but the first), Identity, Dropout in evaluation mode,
    and Sequential again. A Linear with a weight that is computed (`torch.nn.utils.parametrizations`) has
    the present one.

    Parameters
    ----------
    sequential : torch.nn.Sequential
        On any device, with parameters of any floating-point type.

    Returns
    -------
    Network
        Without output bias if the last Linear has none. ``from_torch(to_torch(net))`` has the parameters
        of `net`, bit for bit.

    Raises
    ------
    TypeError
        If it is not a Sequential, or its parameters are not real.
    ValueError
        If a module is another one or has forward hooks, which could change what it returns; if sizes do not
        fit or a parameter is not finite.
    ImportError
        If PyTorch is not installed.

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> from_torch(nn.Sequential(nn.Flatten(), nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 2)))  # doctest: +SKIP
    Network(6-10-2, relu, output bias, 92 parameters)
    """
    nn = _library("torch", "from_torch").nn
    if not _is(sequential, nn.Sequential):
        raise TypeError(message("sequential", "a torch.nn.Sequential", type(sequential).__name__))
    return _network(_torch_steps(sequential, "sequential", nn), "sequential")


def _is(module: Any, kind: Any) -> bool:
    """Tell whether a module is of the kind and computes what the kind does."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def _torch_steps(module: Any, name: str, nn: Any) -> Iterator[Step]:
    if _is(module, nn.Linear):
        yield _affine(f"{name}.weight", _torch_array(module.weight, f"{name}.weight", nn),
                      f"{name}.bias", _torch_array(module.bias, f"{name}.bias", nn))
    elif _is(module, nn.ReLU):
        yield None
    elif _is(module, nn.Sequential):
        for number, child in enumerate(module):
            yield from _torch_steps(child, f"{name}[{number}]", nn)
    elif not _is_torch_identity(module, nn):
        expected = "Linear, ReLU, Flatten(1, -1), Identity, Sequential or Dropout in evaluation mode (`eval()`)"
        raise ValueError(message(name, expected, shorten(repr(module), 90)))
    if module._forward_hooks or module._forward_pre_hooks:  # as of the older weight_norm, pruning: not in `weight`
        raise ValueError(message(name, "without forward hooks", f"{type(module).__name__} with some: remove them"))


def _is_torch_identity(module: Any, nn: Any) -> bool:
    if _is(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    return _is(module, nn.Identity) or _is(module, nn.Dropout) and not module.training


def _torch_array(tensor: Any, name: str, nn: Any) -> Array | None:
    if tensor is None:
        return None
    if nn.parameter.is_lazy(tensor) or tensor.is_meta:
        raise ValueError(message(name, "initialised", "a tensor that holds no numbers"))
    if not tensor.is_floating_point():
        raise TypeError(message(name, "a tensor of real numbers", tensor.dtype))
    array: Array = tensor.detach().cpu().double().numpy()
    return array


def to_torch(network: Network) -> Any:
    """Return a ReLU network as a torch.nn.Sequential of Linear and ReLU.

    Parameters
    ----------
    network : Network
        A `ReducedNetwork` is one; its domain is left behind.

    Returns
    -------
    torch.nn.Sequential
        With trainable float64 parameters on the CPU, bit for bit those of the network and not shared with it;
        without a last bias if there is no output bias. ``to_torch(net).float()`` is rounded to float32.

    Raises
    ------
    TypeError
        If it is not a network.
    ValueError
        If it is binary: PyTorch has no such layer.
    ImportError
        If PyTorch is not installed.

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> to_torch(Network.random((2, 5, 1), rng=0))  # doctest: +SKIP
    Sequential(
      (0): Linear(in_features=2, out_features=5, bias=True)
      (1): ReLU()
      (2): Linear(in_features=5, out_features=1, bias=False)
    )
    """
    network = check_network(network)
    if network.activation != "relu":
        raise ValueError(message("network", "a ReLU network for PyTorch", f"activation {network.activation!r}"))
    torch, layers = _library("torch", "to_torch"), []
    for W, b in zip(network.weights, network.thresholds):
        layers += [_torch_linear(W, b, torch), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, _torch_linear(network.output_weights, network.output_bias, torch))


def _torch_linear(W: Array, b: Array | None, torch: Any) -> Any:
    """Return a Linear with these parameters; skip_init draws no random numbers, which are the caller's."""
    n_outputs, n_inputs = W.shape
    linear = torch.nn.utils.skip_init(
        torch.nn.Linear, n_inputs, n_outputs, bias=b is not None, dtype=torch.float64, device="cpu")
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(W))
        if b is not None:
            linear.bias.copy_(torch.tensor(b))
    return linear


def from_keras(model: Any) -> Network:
    """Return the network of a Keras 3 model as a function of one flat sample.

    The model is a Sequential, or a functional one whose layers form a chain. Its layers may be Dense and
    Activation ("relu" or "linear"), ReLU (without options), Flatten, InputLayer, Identity, Dropout, which does
    nothing outside training, and such models again.

    Parameters
    ----------
    model : keras.Sequential or keras.Model
        Built: its input shape is known, and has one axis more than the samples unless Flatten is before Dense.

    Returns
    -------
    Network
        Without output bias if the last Dense has none.

    Raises
    ------
    TypeError
        If it is not such a model.
    ValueError
        If it is not built, a layer is another one, it is no chain or an entry is not finite.
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
    keras = _library("keras", "from_keras")
    if not _is_keras_graph(model, keras):
        raise TypeError(message("model", "a keras.Sequential or a functional keras.Model", type(model).__name__))
    if not model.built or not model.layers:
        raise ValueError(message("model", "built", "one without weights: call it once, or give it an Input"))
    network, shape = _network(_keras_steps(model, keras), "model"), model.inputs[0].shape[1:]
    if None in shape or math.prod(shape) != network.n_inputs:
        raise ValueError(message("model", f"of {network.n_inputs} inputs, as its first Dense", f"shape {shape}"))
    return network


def _is_keras_graph(model: Any, keras: Any) -> bool:
    """Tell whether the model's graph is what it computes: a class of one's own could call anything."""
    is_own = type(model).__module__.split(".")[0] != "keras"
    return isinstance(model, keras.Model) and not is_own and hasattr(model, "inputs")


def _keras_steps(layer: Any, keras: Any) -> Iterator[Step]:
    kind, layers = type(layer), keras.layers
    if kind is layers.Dense:
        yield _keras_dense(layer, keras)
    if kind in (layers.Dense, layers.Activation):
        yield from _keras_activation(layer, keras)
    elif kind is layers.ReLU and (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0.0, 0.0):
        yield None
    elif _is_keras_graph(layer, keras):
        for inner in _keras_layers(layer, keras):
            yield from _keras_steps(inner, keras)
    elif not _is_keras_identity(layer, layers):
        expected = "a chain of Dense, Activation, ReLU (no options), Flatten (channels last), Identity and Dropout"
        raise ValueError(message("model", expected, f"{kind.__name__} {layer.name!r}"))


def _is_keras_identity(layer: Any, layers: Any) -> bool:
    if type(layer) is layers.Flatten:
        return bool(layer.data_format == "channels_last")
    return type(layer) in (layers.InputLayer, layers.Identity, layers.Dropout)


def _keras_dense(layer: Any, keras: Any) -> Affine:
    """Return the map of a Dense layer; Keras has a column a neuron."""
    if getattr(layer, "quantization_mode", None):
        raise ValueError(message(layer.name, "not quantised", f"{layer.quantization_mode!r}"))
    kernel, bias = (
        None if part is None else keras.ops.convert_to_numpy(part).astype(np.float64)  # bfloat16 has no dtype of ours
        for part in (layer.kernel, layer.bias)
    )
    return _affine(f"{layer.name}.kernel", kernel.T, f"{layer.name}.bias", bias)


def _keras_activation(layer: Any, keras: Any) -> Iterator[Step]:
    if layer.activation is keras.activations.relu:
        yield None
    elif layer.activation is not keras.activations.linear:
        got = getattr(layer.activation, "__name__", repr(layer.activation))
        raise ValueError(message(f"{layer.name}.activation", "relu or linear", got))


def _keras_layers(model: Any, keras: Any) -> list[Any]:
    """Return the layers of a model, the first one first: those that its one output comes from."""
    if isinstance(model, keras.Sequential):
        return list(model.layers)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        got = f"{len(model.inputs)} and {len(model.outputs)}"
        raise ValueError(message("model", "of one input and one output", got))
    layers, tensor = [], model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, call, _ = tensor._keras_history
        node = layer._inbound_nodes[call]
        _check_keras_call(layer, node)
        layers.append(layer)
        tensor = node.input_tensors[0]
    return layers[::-1]


def _check_keras_call(layer: Any, node: Any) -> None:
    if len(node.input_tensors) != 1:
        got = f"{type(layer).__name__} {layer.name!r} of {len(node.input_tensors)} inputs"
        raise ValueError(message("model", "a chain of layers of one input", got))
    if any(option is True for option in (*node.arguments.args, *node.arguments.kwargs.values())):
        raise ValueError(message(layer.name, "called without `training=True`", "a call with an option that is True"))


def _affine(weight_name: str, W: Any, bias_name: str, b: Any) -> Affine:
    W = real_array(W, weight_name, ("n_outputs", "n_inputs"))
    return Affine(weight_name, W, None if b is None else real_array(b, bias_name, (len(W),)))


def _network(steps: Iterable[Step], name: str) -> Network:
    """Return the network of a chain; its first affine map tells how many inputs it has."""
    steps = list(steps)
    maps = [step for step in steps if step is not None]
    if not maps:
        raise ValueError(message(name, "of at least one affine layer", "none"))
    chain = AffineChain(maps[0].W.shape[1], sys.maxsize)
    for step in steps:
        if step is None:
            chain.relu()
        else:
            _append(chain, step)
    return chain.network()


def _append(chain: AffineChain, step: Affine) -> None:
    if step.W.shape[1] != chain.size:
        raise ValueError(message(step.name, f"of {chain.size} inputs, the outputs before it", step.W.shape[1]))
    chain.multiply(step.W)
    if step.b is not None:
        chain.add(step.b)


def _library(name: str, caller: str) -> Any:
    """Return a library that is not required, loaded now."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # the library is there, something that it needs is not
        raise ImportError(f'`{caller}` needs {name}: pip install "reducednet[{name}]"') from error
