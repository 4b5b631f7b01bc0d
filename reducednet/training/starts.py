"""Draw starting networks in the reduced space: data-placed and greedy ones.

The natural start, w uniform on the sphere and b in its interval, is `ReducedNetwork.random`.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._validation import (
    Array, RandomLike, choice, flag, generator, instance, integer, layer_sizes, message, responses,
    same_inputs, samples,
)
from ..domains import Domain
from ..networks.activations import activation_named
from ..numerics import sphere
from ..reduced_space.intervals import BOUNDS, LayerSpace
from ..reduced_space.reduced_network import ReducedNetwork, natural_neurons

N_CANDIDATES = 2000


def placed_neurons(
    n_neurons: int, space: LayerSpace, H: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw unit rows, uniform on the sphere, and thresholds: the hyperplanes go through rows of H.

    Parameters
    ----------
    n_neurons : int
    space : LayerSpace
        Gives the intervals that the thresholds are clipped to.
    H : array (n_samples, n_inputs)
        The layer's inputs at the samples.

    Returns
    -------
    W : array (n_neurons, n_inputs)
    b : array (n_neurons,)

    References
    ----------
    THEORY, section 8.
    """
    W = sphere.sample(n_neurons, H.shape[1], rng)
    b = -np.einsum("ij,ij->i", W, H[rng.integers(len(H), size=n_neurons)])
    low, high = space.intervals(W).T
    return W, np.clip(b, low, high)


def spread_neurons(
    n_neurons: int, space: LayerSpace, H: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw unit rows w, uniform on the sphere, and thresholds b, -b uniform on [min w.h, max w.h].

    The minimum and the maximum are over the rows h of H.

    Parameters
    ----------
    n_neurons, space, H, rng
        As for `placed_neurons`.

    Returns
    -------
    W : array (n_neurons, n_inputs)
    b : array (n_neurons,)
    """
    W, t = sphere.sample(n_neurons, H.shape[1], rng), rng.random(n_neurons)
    values = H @ W.T
    b = -(1.0 - t) * values.min(axis=0) - t * values.max(axis=0)
    low, high = space.intervals(W).T
    return W, np.clip(b, low, high)


def data_placed(
    sizes: Iterable[int], domain: Domain, X: Any, rng: RandomLike = None, *, bound: str = "support",
    output_bias: bool = False, activation: str = "relu", spread: bool = False,
) -> ReducedNetwork:
    """Return a reduced network whose hyperplanes, in every layer, go through the images of samples.

    w_j is uniform on the sphere and -b_j = w_j . h(x_i) for a random sample x_i, h(x) the input of
    the layer; outgoing weights are N(0, 1 / n_L). With `spread`, -b_j is uniform between the
    smallest and the largest w_j . h(x_i), which puts more hyperplanes near the edge of the data.

    Parameters
    ----------
    sizes : (n_inputs, n_1, ..., n_outputs)
    domain : Domain
    X : array (n_samples, n_inputs)
    rng : None, int, Generator or SeedSequence
    bound, output_bias, activation
        As for `ReducedNetwork`.
    spread : bool

    Returns
    -------
    ReducedNetwork

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> X = np.linspace(0, 1, 9)[:, np.newaxis]
    >>> data_placed((1, 4, 3, 1), Box(0, 1), X, rng=0).feasibility().ok
    True
    """
    sizes, kind = layer_sizes(sizes), activation_named(activation)
    space = _first_space(domain, sizes[0], kind.name, bound)
    X, rng = samples(X, sizes[0]), generator(rng)
    draw = spread_neurons if flag(spread, "spread") else placed_neurons
    weights, thresholds, H = [], [], X
    for n_neurons in sizes[1:-1]:
        W, b = draw(n_neurons, space, H, rng)
        weights.append(W)
        thresholds.append(b)
        space, H = space.next_layer(W, b), kind.value(H @ W.T + b)
    C = rng.standard_normal((sizes[-1], sizes[-2])) / np.sqrt(sizes[-2])
    bias = np.zeros(sizes[-1]) if flag(output_bias, "output_bias") else None
    return ReducedNetwork(weights, thresholds, C, bias, kind.name, domain=domain, bound=bound)


def greedy(
    sizes: Iterable[int], domain: Domain, X: Any, y: Any, rng: RandomLike = None, *,
    bound: str = "support", output_bias: bool = False, n_candidates: int = N_CANDIDATES,
) -> ReducedNetwork:
    """Build a ReLU network of one hidden layer neuron by neuron from random candidates.

    Orthogonal matching pursuit: of `n_candidates` neurons, half natural and half data-placed,
    choose the one that lowers the squared error most when all outgoing weights are solved for
    again; repeat.

    Parameters
    ----------
    sizes : (n_inputs, n_neurons, n_outputs)
    domain : Domain
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output
    rng : None, int, Generator or SeedSequence
    bound, output_bias
        As for `ReducedNetwork`.
    n_candidates : int
        At least `n_neurons`.

    Returns
    -------
    ReducedNetwork

    References
    ----------
    THEORY, section 8. Y. C. Pati, R. Rezaiifar, P. S. Krishnaprasad, *Orthogonal matching pursuit*
    (1993).

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> X = np.linspace(0, 1, 50)[:, np.newaxis]
    >>> net = greedy((1, 5, 1), Box(0, 1), X, np.abs(X[:, 0] - 0.5), rng=0)
    >>> bool(np.abs(net(X)[:, 0] - np.abs(X[:, 0] - 0.5)).max() < 0.05)
    True
    """
    sizes = layer_sizes(sizes)
    if len(sizes) != 3:
        raise ValueError(message("sizes", "(n_inputs, n_neurons, n_outputs), one hidden layer", sizes))
    X = samples(X, sizes[0])
    Y, rng = responses(y, len(X), sizes[2]), generator(rng)
    space = _first_space(domain, sizes[0], "relu", bound)
    W, b = candidate_neurons(integer(n_candidates, "n_candidates", sizes[1]), space, X, rng)
    A = np.maximum(X @ W.T + b, 0.0)
    fixed = np.ones((len(X), 1)) if flag(output_bias, "output_bias") else np.zeros((len(X), 0))
    chosen = pursue(A, fixed, Y, sizes[1])
    H = np.column_stack([A[:, chosen], fixed])
    C = np.linalg.lstsq(H, Y, rcond=None)[0].T
    bias = C[:, sizes[1]] if output_bias else None
    return ReducedNetwork([W[chosen]], [b[chosen]], C[:, :sizes[1]], bias, domain=domain, bound=bound)


def candidate_neurons(
    n: int, space: LayerSpace, X: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw n candidate neurons of a first layer: half natural, half data-placed.

    Returns
    -------
    W : array (n, n_inputs)
    b : array (n,)
    """
    W, b = natural_neurons(n - n // 2, space, space.domain, (), rng)
    V, c = placed_neurons(max(n // 2, 1), space, X, rng)
    return np.vstack([W, V])[:n], np.append(b, c)[:n]


def pursue(A: Array, fixed: Array, Y: Array, n: int) -> Array:
    """Return the indices of n columns of A, chosen one by one: each lowers the squared error most.

    With Q an orthonormal basis of the columns chosen before, column a lowers the squared error by
    sum_k (Pa . Y_k)^2 / |Pa|^2, where Pa = a - Q Q^T a.

    Parameters
    ----------
    A : array (n_samples, n_candidates)
    fixed : array (n_samples, m)
        Columns that are always included.
    Y : array (n_samples, n_outputs)
    n : int
    """
    Q = np.linalg.qr(fixed)[0] if fixed.size else fixed
    A, Y = A - Q @ (Q.T @ A), Y - Q @ (Q.T @ Y)
    start = np.einsum("ij,ij->j", A, A)
    available, chosen = np.ones(A.shape[1], dtype=bool), []
    for _ in range(n):
        lengths = np.einsum("ij,ij->j", A, A)
        usable = available & (lengths > 1e-12 * start)  # the others lie in the span of those chosen
        gains = ((A.T @ Y) ** 2).sum(axis=1)
        scores = np.where(available, -1.0, -2.0)
        scores[usable] = gains[usable] / lengths[usable]
        best = int(np.argmax(scores))
        chosen.append(best)
        available[best] = False
        if usable[best]:
            q = A[:, best] / np.sqrt(lengths[best])
            A, Y = A - np.outer(q, q @ A), Y - np.outer(q, q @ Y)
    return np.array(chosen)


def _first_space(domain: Domain, n_inputs: int, activation: str, bound: str) -> LayerSpace:
    """Check the domain and the bound, and return the space of the first layer."""
    instance(domain, "domain", Domain, "a Box, Ball or Hull")
    same_inputs(n_inputs, domain.n_inputs)
    return LayerSpace(domain, activation_named(activation), choice(bound, "bound", BOUNDS))
