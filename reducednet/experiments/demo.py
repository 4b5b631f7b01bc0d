"""The main job in one function: the paper's idea on the paper's kind of problem.

Standard 1-20-1 ReLU networks drawn from N(0, 1) are mapped into the reduced space, the mapping is
checked on a fine grid against its rounding bound, and training from the same functions is compared
in the two spaces (after [QZX]; the settings are this project's).
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._validation import Array, integer
from ..domains import Box
from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork
from ..reduced_space.reduction import reduce
from ..training.result import TrainingResult
from ..training.train import train
from ..verification.reduction_bound import reduction_bound
from . import targets
from .comparison import Comparison, Equivalence
from .executors import told

SIZES = (1, 20, 1)
N_STEPS = 1000

SPACES: dict[str, Callable[[Network, np.random.Generator], Network]] = {
    "standard": lambda network, rng: network,
    "reduced, ball": lambda network, rng: reduce(network, Box(0, 1), "ball"),
    "reduced, support, redrawn": lambda network, rng: reduce(network, Box(0, 1), "support", "redraw", rng=rng),
}


def sin4pi_demo(
    starts: int = 20, seed: int = 0, progress: Callable[[int, int], object] | None = None
) -> Comparison:
    """Compare training in both spaces on sin(4 pi x), from the same N(0, 1) functions.

    200 equispaced samples, 4000 test points, 20 neurons, no output bias, L-BFGS with at most 1000
    steps.

    Parameters
    ----------
    starts : int
        How many networks are drawn.
    seed : int
        Start i is drawn from the i-th child of ``SeedSequence(seed)``.
    progress : callable, optional
        Called as ``progress(done, total)`` after each start. If it raises, that is a
        RuntimeWarning, and the demo goes on without it.

    Returns
    -------
    Comparison

    Raises
    ------
    KeyboardInterrupt
        Where the run is interrupted.

    Examples
    --------
    >>> comparison = sin4pi_demo(starts=1)
    >>> [equivalence.respected for equivalence in comparison.equivalence.values()]
    [True, True]
    """
    starts, seed = integer(starts, "starts", 1), integer(seed, "seed", 0)
    target = targets.sin4pi()
    X, X_test, grid = target.grid(200), target.grid(4000), target.grid(20001)
    networks: dict[str, list[Network]] = {space: [] for space in SPACES}
    results: dict[str, list[TrainingResult]] = {space: [] for space in SPACES}
    for done, child in enumerate(np.random.SeedSequence(seed).spawn(starts), start=1):
        rng = np.random.default_rng(child)
        network = Network.random(SIZES, rng)
        for space, into in SPACES.items():
            networks[space].append(into(network, rng))
            run = train(networks[space][-1], X, target(X), "lbfgs", n_steps=N_STEPS)
            results[space].append(_uninterrupted(run))
        if progress is not None:
            progress = told(progress, done, starts, stacklevel=3)
    y_test = target(X_test)
    errors = {
        space: np.array([np.mean((run.network(X_test)[:, 0] - y_test) ** 2) for run in runs])
        for space, runs in results.items()
    }
    standard, *reduced = SPACES
    equivalence = {space: _equivalence(networks[standard], networks[space], grid) for space in reduced}
    return Comparison(errors, results, equivalence)


def _uninterrupted(result: TrainingResult) -> TrainingResult:
    """Turn an interrupted run, which `train` ends quietly, into an interrupted demo."""
    if result.message == "interrupted":
        raise KeyboardInterrupt
    return result


def _equivalence(standard: list[Network], reduced: list[Network], grid: Array) -> Equivalence:
    differences, bounds = [], []
    for network, image in zip(standard, reduced):
        assert isinstance(image, ReducedNetwork)
        differences.append(float(np.abs(network(grid) - image(grid)).max()))
        bounds.append(float(reduction_bound(network, image).max()))
    respected = all(difference <= bound for difference, bound in zip(differences, bounds))
    neurons = max(image.sizes[1] for image in reduced)
    return Equivalence(max(differences), max(bounds), respected, neurons)
