"""`train`: checks, and the choice of the optimiser."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from .._validation import (
    RandomLike, choice, flag, fraction, generator, instance, integer, message, number, real_array,
    samples, weights_of_mean_one,
)
from ..networks.losses import check_responses
from ..networks.network import Network, check_network
from ..reduced_space.reduced_network import ReducedNetwork
from . import memory
from .monitor import Monitor, State, StopTraining, bar
from .objective import Objective
from .result import METHODS, TrainingResult

DEFAULT_STEPS = {"sgd": 10_000, "adam": 10_000, "lbfgs": 1000, "slsqp": 1000, "varpro": 300,
           "levenberg_marquardt": 300, "exchange": 100, "surrogate": 5000}
DEFAULT_TOLERANCE = {"varpro": 1e-9, "levenberg_marquardt": 1e-9, "exchange": 1e-9, "slsqp": 1e-12}
OPTIONS: dict[str, tuple[str, ...]] = {
    "sgd": ("learning_rate", "batch_size", "momentum"),
    "adam": ("learning_rate", "batch_size", "beta1", "beta2", "epsilon"),
    "surrogate": ("learning_rate", "width"), "varpro": ("rounds",),
}
RANDOM = ("sgd", "adam", "varpro", "exchange")
MINIMISERS = {
    "sgd": ("gradient_descent", "minimise_sgd"),
    "adam": ("gradient_descent", "minimise_adam"),
    "lbfgs": ("quasi_newton", "minimise_lbfgs"),
    "slsqp": ("quasi_newton", "minimise_slsqp"),
    "varpro": ("varpro", "minimise"),
    "levenberg_marquardt": ("levenberg_marquardt", "minimise"),
    "exchange": ("binary_exchange", "minimise"),
    "surrogate": ("straight_through", "minimise"),
}
"""The module in `methods/` and the function that runs each optimiser, loaded when it is asked for."""


def train(
    network: Network | TrainingResult, X: Any, y: Any, method: str = "auto", *, loss: str = "mse",
    sample_weight: Any = None, n_steps: int | None = None, tolerance: float | None = None, rng: RandomLike = 0,
    validation: tuple[Any, ...] | None = None, patience: int | None = None,
    callback: Callable[[State], Any] | None = None, record_every: int = 1, progress: bool = False,
    allow_outside: bool = False, **options: Any,
) -> TrainingResult:
    """Train a network in the space that it lies in, and return the best network met.

    A Network moves freely. A ReducedNetwork stays one: unit rows, thresholds in their intervals,
    after every step.

    ===============  ==================================================================
    method           what it does
    ===============  ==================================================================
    ``"auto"``       for mean squared error the best method of which a step needs at most 1 GiB of
                     memory and 10^10 operations: ReLU networks ``"varpro"`` (at 500 samples up to
                     2000 parameters), binary ones of one hidden layer ``"exchange"``; otherwise
                     ``"lbfgs"`` for ReLU networks and ``"surrogate"`` for binary ones
    ``"sgd"``        mini-batches with momentum; options learning_rate, batch_size, momentum
    ``"adam"``       Adam on mini-batches; options learning_rate, batch_size, beta1, beta2, epsilon
    ``"lbfgs"``      limited-memory BFGS with bounds, all samples at once
    ``"slsqp"``      sequential quadratic programming: the constrained form, small networks
    ``"varpro"``     variable projection with Levenberg-Marquardt for one hidden layer (option
                     rounds: exchanges of useless neurons that follow), Levenberg-Marquardt on all
                     parameters for deeper ones; mean squared error
    ``"exchange"``   binary networks of one hidden layer: exact exchange of hyperplanes
    ``"surrogate"``  binary networks: straight-through gradients; options learning_rate, width
    ===============  ==================================================================

    Parameters
    ----------
    network : Network, ReducedNetwork or TrainingResult
        Where training starts; it is not changed. A TrainingResult is continued: with the same method,
        samples and options, n steps and m more give what n + m steps give, bit for bit. ``"lbfgs"`` and
        ``"slsqp"`` make the earlier steps again to get there, which costs their time. (The last step of a
        part is recorded, so that with `record_every` it may be the best network.) With another
        method or, but for ``"sgd"``, ``"adam"`` and ``"surrogate"``, other samples, training starts
        anew at the best network. To start anew in any case, give ``result.network``.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output or class labels
    method : str
        See the table.
    loss : "mse" or "cross_entropy"
    sample_weight : array (n_samples,), optional
        At least 0. The loss is the mean with these weights: integers count a sample so many times, 0
        leaves it out. Not for ``"exchange"``.
    n_steps : int, optional
        The largest number of steps.
    tolerance : float, optional
        When a run has converged: on the gradient for ``"sgd"``, ``"adam"`` and ``"lbfgs"``, on the
        decrease of the loss for the others.
    rng : None, int, Generator or SeedSequence
        For mini-batches and candidates; the same seed gives the same bytes.
    validation : (X, y) or (X, y, sample_weight), optional
        The best network is the one of least validation loss.
    patience : int, optional
        Stop after so many records without a better one.
    callback : callable, optional
        Called with a `State` after each record; a true answer stops the run.
    record_every : int
        Steps between records.
    progress : bool
        Show a progress bar on stderr through tqdm where it is installed, else a plain line.
    allow_outside : bool
        Go on although samples, or those of `validation`, lie outside a ReducedNetwork's domain.
    **options
        Of the method, see the table; the ``minimise`` function of its module describes them.

    Returns
    -------
    TrainingResult(network, history, converged, message)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or shape, the method does not serve the activation, the
        depth or the loss, samples lie outside the domain, or a ReducedNetwork is not feasible.
    MemoryError
        Before the first step, if a method that was asked for by name needs more memory than the
        machine has: ``"varpro"`` and ``"slsqp"`` keep matrices of n_parameters^2 entries, and
        ``"varpro"``, ``"exchange"`` and ``"surrogate"`` keep arrays of n_samples rows.

    Notes
    -----
    An interrupted run (Ctrl-C), and one that meets a non-finite loss, returns the best network so
    far and says so in ``message``.

    References
    ----------
    THEORY, sections 4 and 8. [QZX]

    Examples
    --------
    >>> X = np.linspace(0, 1, 50)[:, np.newaxis]
    >>> net = Network.random((1, 5, 1), rng=0)
    >>> result = train(net, X, X[:, 0] ** 2)
    >>> bool(result.history["loss"][-1] < 1e-3 * result.history["loss"][0])
    True
    """
    earlier = network if isinstance(network, TrainingResult) else None
    network = check_network(network.network if isinstance(network, TrainingResult) else network)
    X, allow_outside = samples(X, network.n_inputs), flag(allow_outside, "allow_outside")
    _check_feasible(network)
    _check_inside(network, X, allow_outside)
    objective = Objective(network, X, y, loss, sample_weight)
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(objective.value(network.to_vector())):
            raise ValueError("the loss of `network` at the samples leaves the range of float64")
    if callback is not None and not callable(callback):
        raise TypeError(message("callback", "a function of a State", type(callback).__name__))
    optimiser = _optimiser(network, method, loss, len(X))
    if optimiser == "exchange" and objective.sample_weight is not None:
        raise ValueError(message("sample_weight", "left out with method 'exchange'", "weights that differ"))
    arguments = _arguments(optimiser, method, n_steps, tolerance, options)
    needed = memory.bytes_needed(optimiser, network, len(X), arguments.get("rounds", 0))
    if needed > memory.machine_bytes():
        raise MemoryError(memory.refusal(method, network, needed))
    if optimiser in RANDOM:
        arguments["rng"] = generator(rng)
    if earlier is not None and earlier.state.get("method") == optimiser:
        arguments["state"] = _checked_state(earlier.state, network)
    monitor = Monitor(
        network, objective, _validation(network, validation, loss, allow_outside), callback,
        None if patience is None else integer(patience, "patience", 1),
        integer(record_every, "record_every", 1), earlier,
    )
    monitor.state = dict(arguments.get("state", {}))
    last_step, progress = monitor.step + 1 + arguments["n_steps"], flag(progress, "progress")
    try:
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, bar(last_step, progress) as monitor.on_step:
            return _run(optimiser, network, objective, monitor, arguments)
    except MemoryError as error:
        if needed < memory.AUTO_BYTES:
            raise  # it was not the method that asked for too much
        raise MemoryError(memory.refusal(method, network, needed)) from error


def _run(
    optimiser: str, network: Network, objective: Objective, monitor: Monitor, arguments: dict[str, Any]
) -> TrainingResult:
    """Run an optimiser to its end, whatever ends it."""
    try:
        try:
            home, name = MINIMISERS[optimiser]
            minimise = getattr(import_module(f".methods.{home}", __package__), name)
            converged, text = minimise(network, objective, monitor, **arguments)
        finally:
            monitor.flush()
    except StopTraining as stop:
        converged, text = False, str(stop)
    except KeyboardInterrupt:
        converged, text = False, "interrupted"
    return monitor.result(converged, text)


def _optimiser(network: Network, method: str, loss: str, n_samples: int) -> str:
    """Return the optimiser that serves the method and the network, or refuse the method."""
    method, relu, shallow = choice(method, "method", METHODS), network.activation == "relu", network.depth == 1
    if method == "auto":
        if relu:
            second_order = "varpro" if shallow else "levenberg_marquardt"
            small = loss == "mse" and memory.served(second_order, network, n_samples)
            method = "varpro" if small else "lbfgs"
        else:
            small = shallow and loss == "mse" and memory.served("exchange", network, n_samples)
            method = "exchange" if small else "surrogate"
    needs = {
        "varpro": (relu and loss == "mse", "a ReLU network and loss='mse'"),
        "exchange": (not relu and shallow and loss == "mse",
                     "a binary network of one hidden layer and loss='mse'"),
        "surrogate": (not relu, "a binary network"),
    }
    served, what = needs.get(method, (True, ""))
    if not served:
        got = f"a {network.activation} network of depth {network.depth} and loss={loss!r}"
        raise ValueError(message("method", f"one that serves the network: {method!r} needs {what}", got))
    return "levenberg_marquardt" if method == "varpro" and not shallow else method


def _arguments(
    optimiser: str, method: str, n_steps: int | None, tolerance: float | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the optimiser's keyword arguments, checked."""
    allowed = OPTIONS.get(optimiser, ())
    for name in options:
        if name not in allowed:
            expected = f"one of {list(allowed)}" if allowed else "left out"
            expected += f" with method {method!r}"
            raise TypeError(message(name, expected, repr(options[name])))
    checks = {
        "learning_rate": lambda v: number(v, "learning_rate", above=0.0),
        "momentum": lambda v: fraction(v, "momentum"),
        "beta1": lambda v: fraction(v, "beta1"),
        "beta2": lambda v: fraction(v, "beta2"),
        "epsilon": lambda v: number(v, "epsilon", above=0.0),
        "width": lambda v: number(v, "width", above=0.0),
        "batch_size": lambda v: None if v is None else integer(v, "batch_size", 1),
        "rounds": lambda v: integer(v, "rounds", 0),
    }
    return {
        "n_steps": integer(DEFAULT_STEPS[optimiser] if n_steps is None else n_steps, "n_steps", 1),
        "tolerance": number(DEFAULT_TOLERANCE.get(optimiser, 1e-10) if tolerance is None else tolerance, "tolerance", 0.0),
        **{name: checks[name](value) for name, value in options.items()},
    }


def _validation(network: Network, validation: Any, loss: str, allow_outside: bool) -> Objective | None:
    if validation is None:
        return None
    expected = "a pair (X, y), or (X, y, sample_weight)"
    instance(validation, "validation", tuple, expected)
    if len(validation) not in (2, 3):
        raise ValueError(message("validation", expected, f"{len(validation)} entries"))
    X = samples(validation[0], network.n_inputs, "validation[0]")
    check_responses(loss, validation[1], len(X), network.n_outputs, "validation[1]")
    _check_inside(network, X, allow_outside, "validation[0]")
    weight = None if len(validation) == 2 else weights_of_mean_one(validation[2], len(X), "validation[2]")
    return Objective(network, X, validation[1], loss, weight)


def _checked_state(state: Mapping[str, Any], network: Network) -> Mapping[str, Any]:
    """Return the state of a TrainingResult, its points checked to be points of the network's space."""
    for name in ("vector", "best", "origin"):
        if name in state:
            vector = real_array(state[name], f"network.state[{name!r}]", (network.n_parameters,))
            point = network.with_vector(vector)
            if isinstance(point, ReducedNetwork) and not (feasible := point.feasibility()):
                expected = "of a feasible network"
                raise ValueError(message(f"network.state[{name!r}]", expected, f"one with {feasible.reason}"))
    return state


def _check_feasible(network: Network) -> None:
    """Refuse a reduced network that is not in its space."""
    if isinstance(network, ReducedNetwork) and not (feasible := network.feasibility()):
        raise ValueError(f"`network` must be feasible, got one with {feasible.reason}")


def _check_inside(network: Network, X: np.ndarray, allow_outside: bool, name: str = "X") -> None:
    """Refuse samples that are not in a reduced network's domain, unless they may lie outside."""
    if allow_outside or not isinstance(network, ReducedNetwork):
        return
    outside = int((~network.domain.contains(X)).sum())
    if outside:
        raise ValueError(f"`{name}` must lie in the network's domain {network.domain!r}, got {outside} of "
                         f"{len(X)} samples outside (allow_outside=True goes on all the same)")
