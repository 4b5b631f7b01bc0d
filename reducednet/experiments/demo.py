"""Show the paper's idea on sin(4 pi x) in one function.

Draw standard 1-20-1 ReLU networks from N(0, 1) and map them into the reduced space; check the
mapping on a fine grid against its bound of the rounding error; compare training in both spaces from
the same functions (after [QZX]; the settings are this project's), and with the best that any
network of this size can do.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._validation import Array, integer
from ..domains import Box
from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork
from ..reduced_space.reduction import reduce
from ..training.global_optima.fit_exact import fit_exact
from ..training.result import TrainingResult
from ..training.train import train
from ..verification.reduction_bound import reduction_bound
from . import targets
from .comparison import Comparison, Equivalence
from .executors import report_progress

SIZES = (1, 20, 1)
N_STEPS = 1000

MAPPINGS: dict[str, Callable[[Network, np.random.Generator], Network]] = {
    "standard": lambda network, rng: network,
    "reduced, ball": lambda network, rng: reduce(network, Box(0, 1), "ball"),
    "reduced, support, redrawn": lambda network, rng: reduce(network, Box(0, 1), "support", "redraw", rng=rng),
}
"""For each space a function that maps a standard network into it."""


def sin4pi_demo(
    starts: int = 20, seed: int = 0, progress: Callable[[int, int], object] | None = None
) -> Comparison:
    """Compare training in both spaces on sin(4 pi x), from the same N(0, 1) functions.

    200 equispaced samples, 4000 test points, 20 neurons, no output bias, L-BFGS with at most 1000
    steps.

    Parameters
    ----------
    starts : int
        How many networks to draw.
    seed : int
        Start i is drawn from the i-th child of ``SeedSequence(seed)``.
    progress : callable, optional
        Called as ``progress(done, total)`` after each start. If it raises, a RuntimeWarning says so
        and the demo continues without it.

    Returns
    -------
    Comparison

    Raises
    ------
    KeyboardInterrupt
        If the demo is interrupted.

    Examples
    --------
    >>> comparison = sin4pi_demo(starts=1)
    >>> [equivalence.respected for equivalence in comparison.equivalence.values()]
    [True, True]
    """
    starts, seed = integer(starts, "starts", 1), integer(seed, "seed", 0)
    target = targets.sin4pi()
    X, X_test, grid = target.grid(200), target.grid(4000), target.grid(20001)
    networks: dict[str, list[Network]] = {space: [] for space in MAPPINGS}
    results: dict[str, list[TrainingResult]] = {space: [] for space in MAPPINGS}
    for done, child in enumerate(np.random.SeedSequence(seed).spawn(starts), start=1):
        rng = np.random.default_rng(child)
        network = Network.random(SIZES, rng)
        for space, mapped in MAPPINGS.items():
            networks[space].append(mapped(network, rng))
            run = train(networks[space][-1], X, target(X), "lbfgs", n_steps=N_STEPS)
            results[space].append(_uninterrupted(run))
        if progress is not None:
            progress = report_progress(progress, done, starts, stacklevel=3)
    y_test = target(X_test)
    errors = {
        space: np.array([np.mean((run.network(X_test)[:, 0] - y_test) ** 2) for run in runs])
        for space, runs in results.items()
    }
    standard, *reduced = MAPPINGS
    equivalence = {space: _equivalence(networks[standard], networks[space], grid) for space in reduced}
    best, limit = fit_exact(X, target(X), SIZES[1], output_bias=False)
    limit_test_error = float(np.mean((best(X_test)[:, 0] - y_test) ** 2))
    return Comparison(errors, results, equivalence, limit, limit_test_error)


def _uninterrupted(result: TrainingResult) -> TrainingResult:
    """Return the result; raise KeyboardInterrupt if `train` noted an interrupt in it."""
    if result.message == "interrupted":
        raise KeyboardInterrupt
    return result


def _equivalence(standard: list[Network], reduced: list[Network], grid: Array) -> Equivalence:
    """Compare networks with their images in a reduced space on the grid."""
    differences, bounds = [], []
    for network, image in zip(standard, reduced):
        assert isinstance(image, ReducedNetwork)
        differences.append(float(np.abs(network(grid) - image(grid)).max()))
        bounds.append(float(reduction_bound(network, image).max()))
    respected = all(difference <= bound for difference, bound in zip(differences, bounds))
    neurons = max(image.sizes[1] for image in reduced)
    return Equivalence(max(differences), max(bounds), respected, neurons)
