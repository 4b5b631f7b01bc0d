"""Convert a scikit-learn MLP, alone or after scalers, to a network, without importing scikit-learn.

`relu_graph` says what is exact, what rounds and what is refused.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, choice, message, real_array
from ..networks.network import Network
from .relu_graph import AffineStep, Step, affine, chain_network

_PREDICTIONS = ("predict", "_predict", "predict_proba", "_forward_pass", "_forward_pass_fast")
_LAST_SKLEARN = ("identity", "softmax", "logistic")


def from_sklearn(mlp: Any) -> Network:
    """Return the network of a fitted MLPRegressor or MLPClassifier of scikit-learn, or of a Pipeline.

    The network of a regressor computes its prediction. That of a classifier computes the scores
    before softmax, one per class in the order of `classes_`; for two classes the one score before
    the logistic function, which is positive for `classes_[1]`.

    Parameters
    ----------
    mlp : MLPRegressor, MLPClassifier or Pipeline
        Fitted, with activation "relu" and a hidden layer. The steps of a Pipeline before the MLP
        may be StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, "passthrough", and
        Pipelines of these.

    Returns
    -------
    Network
        With an output bias.

    Raises
    ------
    TypeError
        If it is another object, or a Pipeline has another step, which the message names.
    ValueError
        If it or its class has a `predict` of its own, which could be another function; if it is not
        fitted, if its activation is not "relu", or if its predictions are another function of the
        scores (`loss="poisson"`: the exponential); if a scaler clips.

    Notes
    -----
    The numbers of an MLP are kept exactly. Scalers z = f x + t are multiplied into its first layer,
    b <- b + W t, W <- W diag(f), which rounds: a scaler's f has the relative error u where it is 1
    over its `scale_`, and its t 2 u. With one scaler, n inputs and apart from underflow

    |error of W diag(f)| <= gamma_2 |W| |f|,   |error of b + W t| <= gamma_(n+3) (|b| + |W| |t|).

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
    scalers, mlp = _split_pipeline(mlp)
    _check_sklearn(mlp)
    _check_untouched(mlp)
    return chain_network(_sklearn_steps(mlp, scalers), "mlp")


class _Scaler(NamedTuple):
    """The map z = factor x + shift, entry by entry."""

    factor: Array
    shift: Array


def _split_pipeline(model: Any) -> tuple[list[_Scaler], Any]:
    """Return the scalers of a Pipeline and its last step; of anything else none, and itself."""
    if not _is_pipeline(model):
        return [], model
    *before, (_, mlp) = model.steps
    return _scalers_of(before), mlp


def _is_pipeline(model: Any) -> bool:
    """Return True for a Pipeline of scikit-learn itself, whose methods are its own."""
    kind = type(model)
    own = kind.__name__ == "Pipeline" and kind.__module__.split(".")[0] == "sklearn"
    return own and bool(model.steps) and not {"predict", "transform"} & set(vars(model))


def _scalers_of(steps: Any) -> list[_Scaler]:
    """Return the maps of the steps (name, transformer); raise TypeError for one that is no scaler."""
    scalers: list[_Scaler] = []
    for name, step in steps:
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        if _is_pipeline(step):
            scalers += _scalers_of(step.steps)
        elif _is_scaler(step):
            scalers.append(_scaler(f"mlp[{name!r}]", step))
        else:
            expected = f"one of {sorted(_SCALERS)} before the MLP"
            got = f"{step!r}: apply it to the samples yourself, and convert the steps after it"
            raise TypeError(message(f"mlp[{name!r}]", expected, got))
    return scalers


def _is_scaler(step: Any) -> bool:
    """Return True for a scaler of scikit-learn itself that transforms in its own way."""
    own = type(step).__module__.split(".")[0] == "sklearn" and "transform" not in vars(step)
    return own and type(step).__name__ in _SCALERS


def _scaler(name: str, step: Any) -> _Scaler:
    """Return the map of a fitted scaler."""
    if not hasattr(step, "n_features_in_"):
        raise ValueError(message(name, "fitted", f"an unfitted {type(step).__name__}: call `fit` first"))
    if getattr(step, "clip", False):
        raise ValueError(message(name, "a scaler without clip=True, which is no affine map", repr(step)))
    shape = (step.n_features_in_,)
    with np.errstate(all="ignore"):  # numbers that are not finite are refused below
        factor, shift = _SCALERS[type(step).__name__](step)
    factor = np.ones(shape) if factor is None else real_array(factor, f"{name}: the factors", shape)
    shift = np.zeros(shape) if shift is None else real_array(shift, f"{name}: the shifts", shape)
    return _Scaler(factor, shift)


def _divided(centre: Any, scale: Any) -> tuple[Any, Any]:
    """Return factor and shift of z = (x - centre) / scale; None stands for 0 and 1."""
    factor = None if scale is None else 1.0 / np.asarray(scale)
    if centre is None:
        return factor, None
    return factor, -np.asarray(centre) / (1.0 if scale is None else np.asarray(scale))


_SCALERS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "StandardScaler": lambda step: _divided(step.mean_ if step.with_mean else None, step.scale_),
    "RobustScaler": lambda step: _divided(step.center_, step.scale_),
    "MaxAbsScaler": lambda step: _divided(None, step.scale_),
    "MinMaxScaler": lambda step: (step.scale_, step.min_),
}
"""The factor and the shift of each fitted scaler."""


def _check_sklearn(mlp: Any) -> None:
    if not hasattr(mlp, "hidden_layer_sizes") or not hasattr(mlp, "activation"):
        expected = "an MLPRegressor or MLPClassifier, or a Pipeline of scalers and one"
        raise TypeError(message("mlp", expected, type(mlp).__name__))
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


def _sklearn_steps(mlp: Any, scalers: list[_Scaler]) -> Iterator[Step]:
    """Yield the steps; scikit-learn stores one column per neuron."""
    for number, (V, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        if number:
            yield None
        step = affine(f"mlp.coefs_[{number}]", np.transpose(V), f"mlp.intercepts_[{number}]", b)
        yield step if number else _scaled(step, scalers)


def _scaled(step: AffineStep, scalers: list[_Scaler]) -> AffineStep:
    """Return the first affine map after the scalers: W (f x + t) + b."""
    W, b = step.W, step.b
    assert b is not None
    for scaler in reversed(scalers):
        if len(scaler.factor) != W.shape[1]:
            raise ValueError(message(step.name, f"of {len(scaler.factor)} inputs, as the scaler", W.shape[1]))
        b = b + W @ scaler.shift
        W = W * scaler.factor
    return step._replace(W=W, b=b)
