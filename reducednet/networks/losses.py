"""Define the losses and their gradients with respect to the network's outputs.

Outputs have shape (n_samples, n_outputs). Each loss is a mean over the samples; with sample weights
u_i, which must have mean 1, it is the weighted mean.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._validation import Array, choice, class_labels, message, responses

Loss = Callable[..., tuple[float, Array]]


def mean_squared_error(
    outputs: Array, y: Array, out: Array | None = None, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """Return the mean squared error, without a factor 1/2, and its gradient.

    loss = (1/n) sum_i u_i |outputs_i - y_i|^2,    gradient_i = (2/n) u_i (outputs_i - y_i)

    Parameters
    ----------
    outputs, y : arrays (n_samples, n_outputs)
    out : array (n_samples, n_outputs), optional
        Where the gradient is written; may be `outputs` itself.
    sample_weight : array (n_samples,), optional
        The u_i; None means all 1.

    Examples
    --------
    >>> mean_squared_error(np.array([[1.0], [3.0]]), np.array([[0.0], [3.0]]))
    (0.5, array([[1.],
           [0.]]))
    """
    _check_not_empty(outputs)
    residuals = np.subtract(outputs, y, out=out)
    if sample_weight is None:
        flat = residuals.ravel(order="K")
        value = float(flat.dot(flat)) / len(outputs)
    else:
        value = float(np.einsum("ij,ij->i", residuals, residuals).dot(sample_weight)) / len(outputs)
        residuals *= sample_weight[:, np.newaxis]
    residuals *= np.array(2.0 / len(outputs))  # a 0-d array: less overhead than a Python number
    return value, residuals


def cross_entropy(
    outputs: Array, y: Array, out: Array | None = None, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """Return the cross entropy of the softmax of the outputs, and its gradient.

    loss = (1/n) sum_i u_i (log sum_k exp outputs_ik - outputs_i,y_i),
    gradient_i = u_i (softmax(outputs_i) - onehot(y_i)) / n

    Parameters
    ----------
    outputs : array (n_samples, n_classes)
    y : integer array (n_samples,)
        Class labels from 0.
    out : array (n_samples, n_classes), optional
        Where the gradient is written; may be `outputs` itself.
    sample_weight : array (n_samples,), optional
        The u_i; None means all 1.

    Examples
    --------
    >>> value, gradient = cross_entropy(np.zeros((1, 2)), np.array([1]))
    >>> round(value, 6), gradient
    (0.693147, array([[ 0.5, -0.5]]))
    """
    _check_not_empty(outputs)
    n_samples, rows = len(outputs), np.arange(len(outputs))
    shifted = np.subtract(outputs, outputs.max(axis=1, keepdims=True), out=out)
    chosen = shifted[rows, y]
    exponentials = np.exp(shifted, out=shifted)
    totals = exponentials.sum(axis=1, keepdims=True)
    if sample_weight is None:
        value = float(np.log(totals).sum() - chosen.sum()) / n_samples
    else:
        value = float((np.log(totals)[:, 0] - chosen).dot(sample_weight)) / n_samples
    gradient = np.divide(exponentials, totals * n_samples, out=exponentials)
    gradient[rows, y] -= 1.0 / n_samples
    if sample_weight is not None:
        gradient *= sample_weight[:, np.newaxis]
    return value, gradient


def _check_not_empty(outputs: Array) -> None:
    """Refuse to take a mean over no samples."""
    if not len(outputs):
        expected = "those of at least one sample"
        raise ValueError(message("outputs", expected, "none: a loss is a mean"))


LOSSES: dict[str, Loss] = {"mse": mean_squared_error, "cross_entropy": cross_entropy}


def loss_named(name: str) -> Loss:
    """Return the loss with the given name, ``"mse"`` or ``"cross_entropy"``.

    Raises
    ------
    TypeError, ValueError
        If there is no such loss.

    Examples
    --------
    >>> loss_named("mse") is mean_squared_error
    True
    """
    return LOSSES[choice(name, "loss", LOSSES)]


def check_responses(loss: str, y: Any, n_samples: int, n_outputs: int, name: str = "y") -> Any:
    """Return `y` as the loss expects it: a matrix for ``"mse"``, labels for ``"cross_entropy"``.

    Raises
    ------
    TypeError, ValueError
        If `y` has the wrong length or shape or is not finite, or a label is not a class number.

    Examples
    --------
    >>> check_responses("mse", [1, 2], 2, 1).shape
    (2, 1)
    """
    check = class_labels if choice(loss, "loss", LOSSES) == "cross_entropy" else responses
    return check(y, n_samples, n_outputs, name)
