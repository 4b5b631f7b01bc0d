"""Convert a scikit-learn MLP to a network; scikit-learn itself is not imported.

`relu_graph` says what is exact, what rounds and what is refused.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._validation import choice, message
from ..networks.network import Network
from .relu_graph import Step, affine, chain_network

_PREDICTIONS = ("predict", "_predict", "predict_proba", "_forward_pass", "_forward_pass_fast")
_LAST_SKLEARN = ("identity", "softmax", "logistic")


def from_sklearn(mlp: Any) -> Network:
    """Return the network of a fitted MLPRegressor or MLPClassifier of scikit-learn.

    The network of a regressor computes its prediction. That of a classifier computes the scores
    before softmax, one per class in the order of `classes_`; for two classes the one score before
    the logistic function, which is positive for `classes_[1]`.

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
        If it or its class has a `predict` of its own, which could be another function; if it is not
        fitted, if its activation is not "relu", or if its predictions are another function of the
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
    """Raise an error if the class or the instance predicts in a way of its own."""
    own = [kind for kind in type(mlp).__mro__ if kind.__module__.split(".")[0] == "sklearn"]
    if not own or own[0].__name__ not in ("MLPRegressor", "MLPClassifier"):
        raise TypeError(message("mlp", "an MLPRegressor or MLPClassifier", type(mlp).__name__))
    for name in _PREDICTIONS:
        if name in vars(mlp) or getattr(type(mlp), name, None) is not getattr(own[0], name, None):
            expected = f"one that predicts as scikit-learn's {own[0].__name__}"
            got = f"{type(mlp).__name__} with a `{name}` of its own"
            raise ValueError(message("mlp", expected, got))


def _sklearn_steps(mlp: Any) -> Iterator[Step]:
    """Yield the steps; scikit-learn stores one column per neuron."""
    for number, (V, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        if number:
            yield None
        yield affine(f"mlp.coefs_[{number}]", np.transpose(V), f"mlp.intercepts_[{number}]", b)
