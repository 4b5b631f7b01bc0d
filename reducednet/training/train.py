"""Train a network: check the arguments, choose the optimiser and run it."""
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
from .monitor import Monitor, State, StopTraining, progress_bar
from .objective import Objective
from .result import METHODS, MINIMISERS, TrainingResult
from .weight_decay import WeightDecay

DEFAULT_STEPS = {
    "sgd": 10_000, "adam": 10_000, "lbfgs": 1000, "slsqp": 1000, "varpro": 300,
    "levenberg_marquardt": 300, "exchange": 100, "surrogate": 5000, "exact": 100,
}
DEFAULT_TOLERANCE = {"varpro": 1e-9, "levenberg_marquardt": 1e-9, "exchange": 1e-9, "slsqp": 1e-12, "exact": 1e-6}
OPTIONS: dict[str, tuple[str, ...]] = {
    "sgd": ("learning_rate", "batch_size", "momentum"),
    "adam": ("learning_rate", "batch_size", "beta1", "beta2", "epsilon"),
    "surrogate": ("learning_rate", "width"), "varpro": ("rounds",), "lbfgs": ("threshold_unit",),
}
WITH_DECAY = ("sgd", "adam", "lbfgs", "slsqp")
"""The optimisers that take any differentiable function of the parameters, so also weight decay."""
RANDOM = ("sgd", "adam", "varpro", "exchange")


def train(
    network: Network | TrainingResult, X: Any, y: Any, method: str = "auto", *, loss: str = "mse",
    sample_weight: Any = None, n_steps: int | None = None, tolerance: float | None = None,
    rng: RandomLike = 0, validation: tuple[Any, ...] | None = None, patience: int | None = None,
    callback: Callable[[State], Any] | None = None, record_every: int = 1, progress: bool = False,
    allow_outside: bool = False, weight_decay: float = 0.0, **options: Any,
) -> TrainingResult:
    """Train a network in its own parameter space and return the best network found.

    The parameters of a Network are free. A ReducedNetwork stays reduced: after every step its rows
    are unit vectors and its thresholds lie in their intervals.

    ===============  ==================================================================
    method           what it does
    ===============  ==================================================================
    ``"auto"``       for mean squared error, if a step needs at most 1 GiB of memory and 10^10
                     operations: ``"exact"`` for one input and one hidden layer without validation
                     (up to about 2000 samples), ``"varpro"`` for other ReLU networks (with 500 samples,
                     up to 39,000 parameters), ``"exchange"`` for other binary ones with one hidden
                     layer; otherwise ``"lbfgs"`` for ReLU networks and ``"surrogate"`` for binary
                     ones
    ``"sgd"``        mini-batches with momentum; options learning_rate, batch_size, momentum
    ``"adam"``       Adam on mini-batches; options learning_rate, batch_size, beta1, beta2, epsilon
    ``"lbfgs"``      limited-memory BFGS with bounds, all samples at once; option threshold_unit
    ``"slsqp"``      sequential quadratic programming with unit rows as constraints; small networks
    ``"varpro"``     mean squared error: variable projection with Levenberg-Marquardt for one hidden
                     layer (option rounds: how often the least needed neurons are then exchanged),
                     Levenberg-Marquardt on all parameters for deeper networks
    ``"exchange"``   binary networks with one hidden layer: exact exchange of hyperplanes
    ``"surrogate"``  binary networks: straight-through gradients; options learning_rate, width
    ``"exact"``      mean squared error, one input, one hidden layer: the network that `fit_exact`
                     constructs, whatever the start; the message says how near the best it is
    ===============  ==================================================================

    Parameters
    ----------
    network : Network, ReducedNetwork or TrainingResult
        Where training starts; it is not changed. A TrainingResult is continued, and its history
        extended. ``"sgd"``, ``"adam"`` and ``"surrogate"`` continue from the last step of the same
        method: with the same samples and options, n steps followed by m more give the same bits as
        n + m steps. (The last step of each part is recorded even if `record_every` would skip it,
        so it may be the best network.) All other methods, and another method, start at the best
        network with nothing else from before: no curvature, damping or random state. To start anew
        in any case, give ``result.network``.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output or class labels
    method : str
        See the table.
    loss : "mse" or "cross_entropy"
    sample_weight : array (n_samples,), optional
        At least 0. The loss is the mean with these weights: an integer k counts a sample k times, 0
        leaves it out. Not for ``"exchange"``.
    n_steps : int, optional
        The largest number of steps.
    tolerance : float, optional
        The run has converged when the gradient (``"sgd"``, ``"adam"``, ``"lbfgs"``,
        ``"surrogate"``) or the decrease of the loss (the others) is this small.
    rng : None, int, Generator or SeedSequence
        For mini-batches and candidate neurons; the same seed gives the same bytes.
    validation : (X, y) or (X, y, sample_weight), optional
        The best network is then the one with the smallest validation loss.
    patience : int, optional
        Stop after this many records in a row without a smaller loss.
    callback : callable, optional
        Called with a `State` after each record; the run stops if it returns a true value.
    record_every : int
        Steps between records.
    progress : bool
        Show progress on stderr: a tqdm bar if tqdm is installed, otherwise a plain line.
    allow_outside : bool
        Accept samples, also in `validation`, outside a ReducedNetwork's domain.
    weight_decay : float
        With ``"sgd"``, ``"adam"``, ``"lbfgs"`` and ``"slsqp"``: add this times
        (|W_1|^2 + ... + |C|^2) / 2 to the loss of a Network, and this times the sum of the norms of
        each last neuron's outgoing weights to that of a ReducedNetwork; with one hidden layer the
        two have the same least value. The validation loss is without it.
    **options
        Options of the method, see the table; its ``minimise`` function explains them.

    Returns
    -------
    TrainingResult(network, history, converged, message)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, the method cannot train networks of this
        activation or depth or with this loss, samples lie outside the domain, or a ReducedNetwork
        is not feasible.
    MemoryError
        Before the first step, if a method chosen by name needs more memory than the machine has:
        ``"slsqp"`` keeps matrices of n_parameters^2 entries, ``"varpro"`` arrays of n_samples
        n_parameters, ``"exchange"`` and ``"surrogate"`` arrays of n_samples rows.

    Notes
    -----
    A run that is interrupted (Ctrl-C) or meets a non-finite loss returns the best network so far,
    and ``message`` says so.

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
    decay = None
    if number(weight_decay, "weight_decay", minimum=0.0):
        decay = WeightDecay(network.layout, float(weight_decay), isinstance(network, ReducedNetwork))
    objective = Objective(network, X, y, loss, sample_weight, decay)
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(objective.value(network.to_vector())):
            raise ValueError("the loss of `network` at the samples leaves the range of float64")
    if callback is not None and not callable(callback):
        raise TypeError(message("callback", "a function of a State", type(callback).__name__))
    optimiser = _optimiser(network, method, loss, len(X), validation is not None)
    if optimiser == "exchange" and objective.sample_weight is not None:
        raise ValueError(message("sample_weight", "left out with method 'exchange'", "weights that differ"))
    if decay is not None and optimiser not in WITH_DECAY:
        expected = f"0 with method {method!r}; 'adam', 'sgd', 'lbfgs' and 'slsqp' take others"
        raise ValueError(message("weight_decay", expected, weight_decay))
    arguments = _arguments(optimiser, method, n_steps, tolerance, options)
    needed = memory.bytes_needed(optimiser, network, len(X), arguments.get("rounds", 0))
    if needed > memory.machine_bytes():
        raise MemoryError(memory.refusal_message(method, network, needed))
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
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with quiet, progress_bar(last_step, progress) as monitor.on_step:
            return _run(optimiser, network, objective, monitor, arguments)
    except MemoryError as error:
        if needed < memory.AUTO_BYTES:
            raise  # the method itself needs little: something else used up the memory
        raise MemoryError(memory.refusal_message(method, network, needed)) from error


def _run(
    optimiser: str, network: Network, objective: Objective, monitor: Monitor,
    arguments: dict[str, Any],
) -> TrainingResult:
    """Run an optimiser and return its result, also if it is stopped or interrupted."""
    try:
        try:
            module, name = MINIMISERS[optimiser]
            minimise = getattr(import_module(f".methods.{module}", __package__), name)
            converged, text = minimise(network, objective, monitor, **arguments)
        finally:
            monitor.flush()
    except StopTraining as stop:
        converged, text = False, str(stop)
    except KeyboardInterrupt:
        converged, text = False, "interrupted"
    return monitor.result(converged, text)


def _optimiser(network: Network, method: str, loss: str, n_samples: int, validated: bool = False) -> str:
    """Return the optimiser that runs the method on this network; raise if the method cannot."""
    method = choice(method, "method", METHODS)
    relu, shallow = network.activation == "relu", network.depth == 1
    one_input = shallow and network.n_inputs == 1
    if method == "auto":
        construct = one_input and loss == "mse" and not validated
        if construct and memory.affordable("exact", network, n_samples):
            method = "exact"
        elif relu:
            second_order = "varpro" if shallow else "levenberg_marquardt"
            small = loss == "mse" and memory.affordable(second_order, network, n_samples)
            method = "varpro" if small else "lbfgs"
        else:
            small = shallow and loss == "mse" and memory.affordable("exchange", network, n_samples)
            method = "exchange" if small else "surrogate"
    needs = {
        "varpro": (relu and loss == "mse", "a ReLU network and loss='mse'"),
        "exchange": (not relu and shallow and loss == "mse",
                     "a binary network of one hidden layer and loss='mse'"),
        "surrogate": (not relu, "a binary network"),
        "exact": (one_input and loss == "mse", "one input, one hidden layer and loss='mse'"),
    }
    suitable, what = needs.get(method, (True, ""))
    if not suitable:
        got = f"a {network.activation} network of depth {network.depth} and loss={loss!r}"
        expected = f"one that can train the network: {method!r} needs {what}"
        raise ValueError(message("method", expected, got))
    return "levenberg_marquardt" if method == "varpro" and not shallow else method


def _arguments(
    optimiser: str, method: str, n_steps: int | None, tolerance: float | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Check the optimiser's keyword arguments and return them, with defaults filled in."""
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
        "threshold_unit": lambda v: None if v is None else number(v, "threshold_unit", above=0.0),
        "batch_size": lambda v: None if v is None else integer(v, "batch_size", 1),
        "rounds": lambda v: integer(v, "rounds", 0),
    }
    n_steps = DEFAULT_STEPS[optimiser] if n_steps is None else n_steps
    tolerance = DEFAULT_TOLERANCE.get(optimiser, 1e-10) if tolerance is None else tolerance
    return {
        "n_steps": integer(n_steps, "n_steps", 1),
        "tolerance": number(tolerance, "tolerance", minimum=0.0),
        **{name: checks[name](value) for name, value in options.items()},
    }


def _validation(network: Network, validation: Any, loss: str, allow_outside: bool) -> Objective | None:
    """Return the loss on the validation data, or None without any."""
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
    """Check that the vector in a TrainingResult's state lies in the network's space; return it."""
    vector = real_array(state["vector"], "network.state['vector']", (network.n_parameters,))
    point = network.with_vector(vector)
    if isinstance(point, ReducedNetwork) and not (feasible := point.feasibility()):
        expected, got = "of a feasible network", f"one with {feasible.reason}"
        raise ValueError(message("network.state['vector']", expected, got))
    return state


def _check_feasible(network: Network) -> None:
    """Raise if a reduced network is not feasible."""
    if isinstance(network, ReducedNetwork) and not (feasible := network.feasibility()):
        raise ValueError(f"`network` must be feasible, got one with {feasible.reason}")


def _check_inside(network: Network, X: np.ndarray, allow_outside: bool, name: str = "X") -> None:
    """Raise if samples lie outside a reduced network's domain, unless that is allowed."""
    if allow_outside or not isinstance(network, ReducedNetwork):
        return
    outside = int((~network.domain.contains(X)).sum())
    if outside:
        raise ValueError(f"`{name}` must lie in the network's domain {network.domain!r}, got {outside} of "
                         f"{len(X)} samples outside (allow_outside=True accepts them)")
