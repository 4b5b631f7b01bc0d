"""Networks from and to other libraries: scikit-learn, PyTorch, Keras; none of them is imported before it is used.

A model is read as a chain of affine maps and ReLUs, in real arithmetic on the numbers that it holds:

* float16, bfloat16, float32 and float64 are converted exactly, and arrays are copies.
* Two affine maps without a ReLU between them, V (W h + b) + c, are multiplied out in float64. That rounds:
  |error of VW| <= gamma_n |V| |W|,  |error of Vb + c| <= gamma_(n+1) (|V| |b| + |c|),  n the columns of V,
  but for underflow.
* After a last ReLU the outgoing weights are the identity; before a first affine map it is a layer of its own.
* What is not known to be one of these is refused by its name. So is a model without any ReLU.

References
----------
THEORY, section 1 (the network), section 7 (gamma).
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._validation import choice, library, message
from ..networks.network import Network, check_network
from .from_keras import is_graph, keras_steps
from .from_torch import is_plain, torch_linear, torch_steps
from .steps import Step, affine, chain_network

_PREDICTIONS = ("predict", "_predict", "predict_proba", "_forward_pass", "_forward_pass_fast")
_LAST_SKLEARN = ("identity", "softmax", "logistic")


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
        If it, or its class, has a `predict` of its own, which could be another function; if it is
        not fitted, its activation is not "relu" or its predictions are another function of the
        scores (`loss="poisson"`: the exponential).

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor  # doctest: +SKIP
    >>> mlp = MLPRegressor(hidden_layer_sizes=(20,), solver="lbfgs", random_state=0)  # doctest: +SKIP
    >>> mlp = mlp.fit([[0.0], [1.0]], [0.0, 1.0])  # doctest: +SKIP
    >>> from_sklearn(mlp)  # doctest: +SKIP
    Network(1-20-1, relu, output bias, 61 parameters)
    """
    _check_sklearn(mlp)
    _check_untouched(mlp)
    return chain_network(_sklearn_steps(mlp), "mlp")


def _check_sklearn(mlp: Any) -> None:
    if not hasattr(mlp, "hidden_layer_sizes") or not hasattr(mlp, "activation"):
        advice = ("; its last step alone can be converted, whose inputs are what the steps before it return"
                  if hasattr(mlp, "steps") else "")
        raise TypeError(message("mlp", "an MLPRegressor or MLPClassifier", f"{type(mlp).__name__}{advice}"))
    if not hasattr(mlp, "coefs_") or not hasattr(mlp, "intercepts_"):
        raise ValueError(message("mlp", "fitted", f"an unfitted {type(mlp).__name__}: call its `fit` first"))
    if mlp.activation != "relu":
        raise ValueError(message("mlp.activation", "'relu'", repr(mlp.activation)))
    choice(mlp.out_activation_, "mlp.out_activation_", _LAST_SKLEARN)


def _check_untouched(mlp: Any) -> None:
    """Refuse a model that predicts in its own way, by its class or by what was set on it."""
    own = [kind for kind in type(mlp).__mro__ if kind.__module__.split(".")[0] == "sklearn"]
    if not own or own[0].__name__ not in ("MLPRegressor", "MLPClassifier"):
        raise TypeError(message("mlp", "an MLPRegressor or MLPClassifier", type(mlp).__name__))
    for name in _PREDICTIONS:
        if name in vars(mlp) or getattr(type(mlp), name, None) is not getattr(own[0], name, None):
            expected = f"one that predicts as scikit-learn's {own[0].__name__}"
            got = f"{type(mlp).__name__} with a `{name}` of its own"
            raise ValueError(message("mlp", expected, got))


def _sklearn_steps(mlp: Any) -> Iterator[Step]:
    """Yield the layers; scikit-learn has a column a neuron."""
    for number, (V, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        if number:
            yield None
        yield affine(f"mlp.coefs_[{number}]", np.transpose(V), f"mlp.intercepts_[{number}]", b)


def from_torch(sequential: Any) -> Network:
    """Return the network of a torch.nn.Sequential as a function of one flat sample.

    Its modules may be Linear, ReLU, Flatten (of all axes but the first), Identity, Dropout in evaluation mode,
    and Sequential again. A Linear with a weight that is computed (`torch.nn.utils.parametrizations`) has
    the present one, and must be in evaluation mode.

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
        If it is not a Sequential, or its parameters are not real, or no dense tensors of PyTorch's
        own.
    ValueError
        If a module is another one, or has forward hooks or a `forward` that was set on this instance,
        which could change what it returns; if sizes do not fit or a parameter is not finite.
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
    torch = library("torch", "`from_torch`")
    if not is_plain(sequential, torch.nn.Sequential):
        raise TypeError(message("sequential", "a torch.nn.Sequential", type(sequential).__name__))
    return chain_network(torch_steps(sequential, "sequential", torch), "sequential")


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
    torch, layers = library("torch", "`to_torch`"), []
    for W, b in zip(network.weights, network.thresholds):
        layers += [torch_linear(W, b, torch), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch_linear(network.output_weights, network.output_bias, torch))


def from_keras(model: Any) -> Network:
    """Return the network of a Keras 3 model as a function of one flat sample.

    The model is a Sequential, or a functional one whose layers form a chain. Its layers may be Dense and
    Activation ("relu" or "linear"), ReLU (without options), Flatten, InputLayer, Identity, Dropout, which does
    nothing outside training, and such models again.

    Parameters
    ----------
    model : keras.Sequential or keras.Model
        Built, so that its input shape is known. A sample is a vector, unless Flatten is before the first Dense.

    Returns
    -------
    Network
        Without output bias if the last Dense has none.

    Raises
    ------
    TypeError
        If it is not such a model.
    ValueError
        If it is not built, a layer is another one or has a `call` that was set on this instance or
        forward hooks (of the backend torch), it is no chain or an entry is not finite.
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
    if not is_graph(model, keras):
        raise TypeError(message("model", "a keras.Sequential or a functional keras.Model", type(model).__name__))
    if not model.built:
        raise ValueError(message("model", "built", "one without weights: call it once, or give it an Input"))
    network, shape = chain_network(keras_steps(model, keras), "model"), model.inputs[0].shape[1:]
    if None in shape or math.prod(shape) != network.n_inputs:
        raise ValueError(message("model", f"of {network.n_inputs} inputs, as its first Dense", f"shape {shape}"))
    return network
