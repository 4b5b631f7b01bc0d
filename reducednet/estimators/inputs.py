"""Check the arguments of estimators as scikit-learn does, without importing it.

scikit-learn's own checks of estimators look for certain words, which these messages contain.
"""
from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from .._validation import Array, message, real_array


class NotFittedError(ValueError, AttributeError):
    """An estimator was used before `fit`; scikit-learn's class is used instead if it is loaded."""


class DataConversionWarning(UserWarning):
    """Data were reshaped; scikit-learn's class is used instead if it is loaded."""


def sklearn_class(own: type) -> Any:
    """Return scikit-learn's exception of the same name if scikit-learn is loaded, else `own`.

    Examples
    --------
    >>> sklearn_class(NotFittedError).__name__
    'NotFittedError'
    """
    return getattr(sys.modules.get("sklearn.exceptions"), own.__name__, own)


def feature_names(X: Any) -> Any:
    """Return the names of a data frame's columns as an object array; None if they are not strings.

    Raises
    ------
    TypeError
        If only some are strings.
    """
    columns = getattr(X, "columns", None)
    if columns is None or not len(columns):
        return None
    kinds = {isinstance(name, str) for name in columns}
    if len(kinds) > 1:
        raise TypeError(message("X", "a table whose column names are all strings", "strings and other names"))
    return np.asarray(columns, dtype=object) if kinds == {True} else None


def check_feature_names(names: Any, fitted: Any, estimator: str) -> None:
    """Compare the column names with those of `fit`; None stands for no names.

    Warns
    -----
    UserWarning
        If only one of the two has names.

    Raises
    ------
    ValueError
        If they differ.
    """
    if names is None and fitted is None:
        return
    if names is None or fitted is None:
        has, was = ("does not have valid", "with") if names is None else ("has", "without")
        warnings.warn(f"X {has} feature names, but {estimator} was fitted {was} feature names",
                      UserWarning, stacklevel=5)
    elif not np.array_equal(names, fitted):
        unseen, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
        text = "The feature names should match those that were passed during fit.\n"
        text += _listed("Feature names unseen at fit time:", unseen)
        text += _listed("Feature names seen at fit time, yet now missing:", missing)
        if not unseen and not missing:
            text += "Feature names must be in the same order as they were in fit.\n"
        raise ValueError(text)


def _listed(head: str, names: list[str]) -> str:
    if not names:
        return ""
    rest = ["- ...\n"] if len(names) > 5 else []
    return "".join([head + "\n", *(f"- {name}\n" for name in names[:5]), *rest])


def check_samples(X: Any, estimator: str, n_features: int | None = None) -> Array:
    """Return X as a finite float64 array (n_samples, n_features).

    Parameters
    ----------
    X : array-like
    estimator : str
        Its name, for messages.
    n_features : int, optional
        How many features X must have.

    Raises
    ------
    TypeError, ValueError
        If X is sparse, complex, not a matrix, not of numbers, empty, has another number of features
        or is not finite; checked in this order.
    """
    A = _dense(X, "X")
    if A.ndim != 2:
        raise ValueError(f"Expected 2D array, got {A.ndim}D array instead. Reshape your data to "
                         "(n_samples, n_features): X.reshape(-1, 1) is one feature, X.reshape(1, -1) one sample")
    if A.dtype.kind == "O":
        A = A.astype(np.float64)
    for axis, what in enumerate(("sample", "feature")):
        if A.shape[axis] == 0:
            raise ValueError(f"Found array with 0 {what}(s) (shape={A.shape}) while a minimum of 1 is required.")
    if n_features is not None and A.shape[1] != n_features:
        raise ValueError(f"X has {A.shape[1]} features, but {estimator} is expecting {n_features} features as "
                         "input")
    return _finite(A, "X")


def check_responses(y: Any, n_samples: int) -> tuple[Array, bool]:
    """Return real responses as (n_samples, n_outputs), and whether `y` was a vector or one column."""
    A = _dense(_required(y), "y")
    if A.dtype.kind == "O":
        A = A.astype(np.float64)
    if A.ndim not in (1, 2):
        raise ValueError(message("y", "of shape (n_samples,) or (n_samples, n_outputs)", f"shape {A.shape}"))
    single = A.ndim == 1 or A.shape[1] == 1
    if A.ndim == 2 and single:
        _warn_of_column()
    _same_length(A, n_samples)
    return _finite(A.reshape(n_samples, -1), "y"), single


def check_labels(y: Any, n_samples: int) -> Any:
    """Return class labels (n_samples,): integers, booleans, whole floats or strings.

    Raises
    ------
    ValueError
        If they are not class labels, or have several columns.
    """
    labels = _dense(_required(y), "y")
    if labels.ndim == 2 and labels.shape[1] == 1:
        _warn_of_column()
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(message("y", "of shape (n_samples,)", f"shape {labels.shape}"))
    _same_length(labels, n_samples)
    if labels.dtype.kind == "f" or any(isinstance(label, float) for label in labels if labels.dtype.kind == "O"):
        values = _finite(labels.astype(np.float64), "y")
        if (values != np.floor(values)).any():
            raise ValueError("Unknown label type: continuous. `y` must be class labels, got broken numbers")
    elif labels.dtype.kind not in "biuOSU":
        raise ValueError(f"Unknown label type: `y` must be class labels, got dtype {labels.dtype}")
    return labels


def encode(labels: Any) -> tuple[Any, Any]:
    """Return the sorted distinct labels, and the index of each label among them.

    Raises
    ------
    ValueError
        If they cannot be sorted, such as numbers and strings together.

    Examples
    --------
    >>> classes, numbers = encode(np.array(["no", "yes", "no"]))
    >>> classes.tolist(), numbers.tolist()
    (['no', 'yes'], [0, 1, 0])
    """
    try:
        classes, numbers = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise ValueError("Unknown label type: `y` must be class labels of one kind, numbers or strings") from error
    return classes, numbers


def check_sample_weight(sample_weight: Any, n_samples: int) -> Array:
    """Return weights (n_samples,), ones for None.

    Raises
    ------
    TypeError, ValueError
        If they are of another shape, not finite, negative or all 0.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = real_array(np.asarray(sample_weight), "sample_weight", (n_samples,))
    if (weight < 0.0).any() or not weight.any():
        raise ValueError(message("sample_weight", "at least 0, and larger somewhere",
                                 f"{weight.min()}" if weight.any() else "zero weights only"))
    return weight


def _dense(value: Any, name: str) -> np.ndarray:
    if hasattr(value, "toarray") and not isinstance(value, np.ndarray):
        raise TypeError(message(name, "a dense array", f"a sparse one ({type(value).__name__}): "
                                f"`{name}`.toarray() makes it dense"))
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(message(name, "a rectangular array", "rows of different lengths")) from error
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: `{name}` must be real, got dtype {array.dtype}")
    if np.ma.is_masked(value):
        raise ValueError(message(name, "without masked entries", f"{np.ma.count_masked(value)} of them"))
    return array


def _finite(array: np.ndarray, name: str) -> Array:
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(message(name, "finite", "NaN"))
    return real_array(array, name)


def _required(y: Any) -> Any:
    if y is None:
        raise ValueError("the estimator requires y to be passed, but the target y is None")
    return y


def _same_length(array: np.ndarray, n_samples: int) -> None:
    if len(array) != n_samples:
        raise ValueError(message("y", f"of {n_samples} samples, as `X`", len(array)))


def _warn_of_column() -> None:
    warnings.warn("A column-vector y was passed when a 1d array was expected: it is taken as one",
                  sklearn_class(DataConversionWarning), stacklevel=5)
