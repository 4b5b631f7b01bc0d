"""Define the two activations of the paper, ReLU and binary: value and slope.

Both are 0 at z = 0, and for alpha > 0 both commute with scaling (THEORY, section 1):
relu(alpha z) = alpha relu(z), binary(alpha z) = binary(z).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._validation import Array, choice


def relu(Z: Array, out: Array | None = None) -> Array:
    """Return the rectified linear unit s(z) = max(z, 0), entry by entry.

    Examples
    --------
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(Z, 0.0, out=out)


def relu_slope(Z: Array) -> Array:
    """Return s'(z) = 1 if z > 0 else 0.

    It may also be given s(z) instead of z: s(z) > 0 exactly where z > 0.

    Examples
    --------
    >>> relu_slope(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return np.heaviside(Z, 0.0)


def binary(Z: Array, out: Array | None = None) -> Array:
    """Return the Heaviside step s(z) = 1 if z > 0 else 0, entry by entry.

    Examples
    --------
    >>> binary(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return np.heaviside(Z, 0.0, out=out)


def binary_slope(Z: Array) -> Array:
    """Return s'(z) = 0: the step is constant on both sides of 0.

    Examples
    --------
    >>> binary_slope(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 0.])
    """
    return np.zeros_like(Z)


class Activation(NamedTuple):
    """An activation: its name, value(Z, out=None) = s(Z), slope(Z) = s'(Z), ufunc(Z, 0) = s(Z)."""

    name: str
    value: Callable[..., Array]
    slope: Callable[[Array], Array]
    ufunc: np.ufunc


ACTIVATIONS = {
    "relu": Activation("relu", relu, relu_slope, np.maximum),
    "binary": Activation("binary", binary, binary_slope, np.heaviside),
}


def activation_named(name: str) -> Activation:
    """Return the activation with the given name.

    Raises
    ------
    TypeError, ValueError
        If the name is not ``"relu"`` or ``"binary"``.

    Examples
    --------
    >>> activation_named("relu").value(np.array([-3.0, 3.0]))
    array([0., 3.])
    """
    return ACTIVATIONS[choice(name, "activation", ACTIVATIONS)]
