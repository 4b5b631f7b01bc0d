"""Define target functions on boxes: some like the paper's, some from numerical integration.

A target is called like a network, with X of shape (n_samples, n_inputs), and returns (n_samples,).

References
----------
R. Franke, *Scattered data interpolation: tests of some methods*, Math. Comp. 38 (1982).
A. Genz, *A package for testing multiple integration subroutines* (1987); the difficulties 9 and
7.25 are customary for the oscillatory and the product peak family.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .._validation import Array, RandomLike, choice, generator, integer, message, number, samples
from ..numerics.records import key, read_only


class Target:
    """A function on a box, with methods that sample the box.

    Attributes
    ----------
    name : str
    low, high : arrays (n_inputs,)
        The bounds of its domain, ``Box(target.low, target.high)``.
    n_inputs : int
    """

    def __init__(self, name: str, function: Callable[[Array], Array], low: Array, high: Array) -> None:
        self.name = name
        self.low, self.high = read_only(low), read_only(high)
        self.n_inputs = len(low)
        self._function = function

    def __reduce__(self) -> tuple[Any, ...]:
        return Target, (self.name, self._function, self.low, self.high)

    def __eq__(self, other: object) -> bool:
        """Return True if the other has the same name, function, parameters and box."""
        return self._key() == other._key() if isinstance(other, Target) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, key(self.low), key(self.high)))

    def _key(self) -> Any:
        return key((self.name, self._function, self.low, self.high))

    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self):
            raise AttributeError(f"Target is frozen: `{name}` cannot be set")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Target is frozen: `{name}` cannot be deleted")

    def __call__(self, X: Any) -> Array:
        """Return the values at the rows of X, shape (n_samples, n_inputs), as (n_samples,)."""
        return self._function(samples(X, self.n_inputs, allow_empty=True))

    def sample(self, n: int, rng: RandomLike = None) -> Array:
        """Draw n points uniformly from the box, as (n, n_inputs)."""
        t = generator(rng).random((integer(n, "n", 0), self.n_inputs))
        return (1.0 - t) * self.low + t * self.high

    def grid(self, n: int) -> Array:
        """Return the grid of n equispaced points per side, as (n ** n_inputs, n_inputs)."""
        n = integer(n, "n", 2)
        if n**self.n_inputs > 10**8:
            raise ValueError(message("n", f"small enough for n**{self.n_inputs} <= 10**8", n))
        sides = [np.linspace(low, high, n) for low, high in zip(self.low, self.high)]
        return np.stack([side.ravel() for side in np.meshgrid(*sides, indexing="ij")], axis=1)

    def __repr__(self) -> str:
        return f"Target({self.name!r}, n_inputs={self.n_inputs})"


def _on_unit_cube(name: str, function: Callable[[Array], Array], n_inputs: int = 1) -> Target:
    """Return the target of this function on [0, 1]^n_inputs."""
    n_inputs = integer(n_inputs, "n_inputs", 1)
    return Target(name, function, np.zeros(n_inputs), np.ones(n_inputs))


def sin4pi() -> Target:
    """Return sin(4 pi x) on [0, 1]: two full waves.

    Examples
    --------
    >>> sin4pi()([[0.125]])
    array([1.])
    """
    return _on_unit_cube("sin4pi", _sin4pi)


def _sin4pi(X: Array) -> Array:
    return np.sin(4 * np.pi * X[:, 0])


def abs_sin4pi() -> Target:
    """Return |sin(4 pi x)| on [0, 1]: four arches with breakpoints between them.

    Examples
    --------
    >>> abs_sin4pi()([[0.375]])
    array([1.])
    """
    return _on_unit_cube("abs_sin4pi", _abs_sin4pi)


def _abs_sin4pi(X: Array) -> Array:
    return np.abs(_sin4pi(X))


def step() -> Target:
    """Return the jump from 0 to 1 at x = 1/2, on [0, 1]; 0 at the jump.

    Examples
    --------
    >>> step()([[0.5], [0.75]])
    array([0., 1.])
    """
    return _on_unit_cube("step", _step)


def _step(X: Array) -> Array:
    return np.heaviside(X[:, 0] - 0.5, 0.0)


def franke() -> Target:
    """Return Franke's function on [0, 1]^2: two hills, a dip and a bump.

    Examples
    --------
    >>> franke()([[0.0, 0.0]]).round(4)
    array([0.7664])
    """
    return _on_unit_cube("franke", _franke, 2)


def _franke(X: Array) -> Array:
    x, y = 9.0 * X[:, 0], 9.0 * X[:, 1]
    return (
        0.75 * np.exp(-((x - 2) ** 2 + (y - 2) ** 2) / 4)
        + 0.75 * np.exp(-((x + 1) ** 2) / 49 - (y + 1) / 10)
        + 0.5 * np.exp(-((x - 7) ** 2 + (y - 3) ** 2) / 4)
        - 0.2 * np.exp(-((x - 4) ** 2) - (y - 7) ** 2)
    )


def gaussian_bump(n_inputs: int = 2, width: float = 0.25) -> Target:
    """Return exp(-|x - 1/2|^2 / (2 width^2)) on [0, 1]^d.

    Examples
    --------
    >>> gaussian_bump(3)([[0.5, 0.5, 0.5]])
    array([1.])
    """
    width = number(width, "width", above=0.0)
    return _on_unit_cube("gaussian_bump", partial(_gaussian_bump, width=width), n_inputs)


def _gaussian_bump(X: Array, width: float) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(-0.5 * (((X - 0.5) / width) ** 2).sum(axis=1))


def _genz_weights(n_inputs: int, difficulty: float) -> Array:
    """Return weights c_i proportional to i with sum `difficulty`."""
    d = integer(n_inputs, "n_inputs", 1)
    return number(difficulty, "difficulty", above=0.0) * 2.0 * np.arange(1, d + 1) / (d * (d + 1))


def genz_product(n_inputs: int = 4, difficulty: float = 7.25) -> Target:
    """Return Genz's product peak at 1/2, scaled to height 1: prod_i 1 / (1 + c_i^2 (x_i - 1/2)^2).

    The weights c_i are proportional to i, with sum `difficulty`.

    Examples
    --------
    >>> genz_product(2)([[0.5, 0.5]])
    array([1.])
    """
    c = _genz_weights(n_inputs, difficulty)
    return _on_unit_cube("genz_product", partial(_genz_product, c=c), n_inputs)


def _genz_product(X: Array, c: Array) -> Array:
    return np.asarray(1.0 / (1.0 + (c * (X - 0.5)) ** 2).prod(axis=1))


def genz_oscillatory(n_inputs: int = 4, difficulty: float = 9.0) -> Target:
    """Return Genz's oscillatory function cos(2 pi / 4 + c.x) = -sin(c.x) on [0, 1]^d.

    The weights c_i are proportional to i, with sum `difficulty`.

    Examples
    --------
    >>> genz_oscillatory(2)([[0.0, 0.0]]).round(12) + 0.0
    array([0.])
    """
    c = _genz_weights(n_inputs, difficulty)
    return _on_unit_cube("genz_oscillatory", partial(_genz_oscillatory, c=c), n_inputs)


def _genz_oscillatory(X: Array, c: Array) -> Array:
    return np.cos(np.pi / 2 + X @ c)


TARGETS: dict[str, Callable[..., Target]] = {
    make.__name__: make
    for make in (sin4pi, abs_sin4pi, step, franke, gaussian_bump, genz_product, genz_oscillatory)
}


def target_named(name: str) -> Target:
    """Return the target with this name, in its default dimension.

    Raises
    ------
    TypeError, ValueError
        If there is no such target.

    Examples
    --------
    >>> target_named("franke").n_inputs
    2
    """
    return TARGETS[choice(name, "target", TARGETS)]()
