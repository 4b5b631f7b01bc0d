"""Construct the best network of one input: from the best runs, with the best orientations.

docs/global-optima.md, sections 2 to 4: a network of n neurons is a function whose breakpoints
separate the runs of `partitions`, subject to the constraints of `orientations`.
"""
from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array, choice, finite_result, flag, message
from ...domains import Box, Domain, data_box
from ...networks.activations import activation_named
from ...numerics.rationals import below
from ...reduced_space.intervals import LayerSpace
from ...reduced_space.reduced_network import ReducedNetwork
from ..methods import varpro
from ..monitor import Monitor, StopTraining
from ..objective import Objective
from ..starts import greedy
from .limits import Samples, TrainingLimit, check_arguments, compared, make_limit, scaled_line
from .meeting_conditions import ascend, exact_bound, float_lines, integer_lines, no_multipliers
from .orientations import Constraints, best_orientations
from .partitions import Run, RunCosts, best_partitions

BOUNDS = ("runs", "continuous")

N_BEST = 4
"""How many orientations of each partition are tried, and how many greedy starts."""

N_CANDIDATES = 50
"""Candidates for each neuron of a greedy start: few, so that the starts differ."""

CLOSE = 1e-6
"""A partition's networks are not improved if one's error is at most 1 + this times the bound."""

NEAR = 1e-3
"""No further partitions and starts are tried if the error is at most 1 + this times the bound."""

N_STEPS = 100
"""The largest number of steps of each variable projection."""

TOLERANCE = 1e-6
"""It ends when a step lowers the loss by less than this share of it."""

ROUNDS, STEPS = 6, 50
"""Of `sharpened`: rounds, and steps in each."""

SHARP = 1e-4
"""It ends when the bound is this near the error, relative to it."""

RCOND = 1e-12
"""Smaller singular values of the activations, relative to the largest, count as 0."""


def fit_exact(
    X: Any, y: Any, n_neurons: int, activation: str = "relu", output_bias: bool = True, *,
    sample_weight: Any = None, bound: str = "runs",
) -> tuple[ReducedNetwork, TrainingLimit]:
    """Construct a network of one input with the least training error, and prove how near it is.

    1. The best partition of the samples into n_neurons + 1 runs gives the bound of
       `training_limit`.
    2. The breakpoints are where the lines of neighbouring runs meet, or the nearest points between
       the runs. (Binary: the middles.)
    3. Each neuron faces left or right. The constraints that this choice puts on the function are
       evaluated for all choices at once.
    4. The outgoing weights solve a least squares problem. Where the runs do not meet, variable
       projection then improves the best few networks, and some that greedy starts give.
    5. The error is computed in exact integers. ``limit.gap`` is proved: no network of this size
       has an error smaller by more than that.

    Binary networks with an output bias attain the bound exactly, up to the rounding of their
    weights. So do, nearly, ReLU networks of smooth data with an output bias. The gap is large for
    few samples per neuron, for noise, and for a few neurons without an output bias;
    ``bound="continuous"`` narrows it.

    Parameters
    ----------
    X : array (n_samples, 1)
    y : array (n_samples, n_outputs), or (n_samples,) for one output
    n_neurons : int
    activation : "relu" or "binary"
    output_bias : bool
    sample_weight, bound
        As for `training_limit`. With ``bound="continuous"`` the runs that nearly meet give better
        networks too, where the best runs do not.

    Returns
    -------
    network : ReducedNetwork
        On the interval of the samples.
    limit : TrainingLimit

    Raises
    ------
    TypeError, ValueError
        As for `training_limit`.

    References
    ----------
    docs/global-optima.md.

    Examples
    --------
    >>> X = np.linspace(0, 1, 200)[:, np.newaxis]
    >>> network, limit = fit_exact(X, np.sin(4 * np.pi * X), 20)
    >>> print(f"{limit.bound:.5g}, {limit.gap / limit.bound:.0e}")
    4.0651e-05, 2e-09
    """
    samples, n_neurons = check_arguments(X, y, n_neurons, activation, sample_weight)
    flag(output_bias, "output_bias")
    task = Task(samples, n_neurons, activation, output_bias, data_box(samples.X))
    if choice(bound, "bound", BOUNDS) == "continuous" and activation == "relu":
        if samples.Y.shape[1] > 1:
            raise ValueError(message("bound", "'runs' for several outputs", repr(bound)))
        return best_fit(task, sharpen=True)
    return best_fit(task)


class Task(NamedTuple):
    """What is to be fitted, and the kind of network.

    Attributes
    ----------
    samples : Samples
    n_neurons : int
    activation : str
    output_bias : bool
    domain : Domain
    n_steps, tolerance : int and float
        Of each variable projection.
    """

    samples: Samples
    n_neurons: int
    activation: str
    output_bias: bool
    domain: Domain
    n_steps: int = N_STEPS
    tolerance: float = TOLERANCE

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the domain."""
        low, high = self.domain.bounding_box()
        return float(low[0]), float(high[0])


@np.errstate(over="ignore", invalid="ignore")
def best_fit(task: Task, sharpen: bool = False) -> tuple[ReducedNetwork, TrainingLimit]:
    """Return the best network found, and the bound; arguments are not checked.

    Samples are scaled by powers of two first, where that rounds nothing, so that squares of large
    and of small numbers stay in range. Where it would round, some candidates may overflow: their
    loss is inf, and another one is taken. Bound and error are exact all the same.
    """
    X, Y, weights = task.samples
    x_exponent, y_exponent = exact_exponent(np.append(X[:, 0], task.ends)), exact_exponent(Y)
    box = Box(*np.ldexp(task.ends, -x_exponent))
    samples = Samples(np.ldexp(X, -x_exponent), np.ldexp(Y, -y_exponent), weights)
    scaled = task._replace(samples=samples, domain=box)
    network, limit = _best_of_partitions(scaled)
    if sharpen:
        network, limit = sharpened(scaled, network, limit)

    relu = task.activation == "relu"
    low, high = network_space(task).intervals(network.weights[0]).T
    b = np.clip(np.ldexp(network.thresholds[0], x_exponent), low, high)
    C = np.ldexp(network.output_weights, y_exponent - (x_exponent if relu else 0))
    finite_result(C, "an outgoing weight of the best network")
    bias = None if network.output_bias is None else np.ldexp(network.output_bias, y_exponent)
    network = ReducedNetwork(network.weights, [b], C, bias, task.activation, domain=task.domain)
    limit = replace(
        limit, X=X, y=Y, bound=below(Fraction(limit.bound) * Fraction(4)**y_exponent),
        runs=tuple(scaled_line(line, x_exponent, y_exponent) for line in limit.runs))
    return network, compared(limit, network)


def exact_exponent(values: Array) -> int:
    """Return e such that the values times 2^-e are exact and at most 1; 0 if they are not exact."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    return exponent if (np.ldexp(np.ldexp(values, -exponent), exponent) == values).all() else 0


def network_space(task: Task) -> LayerSpace:
    """Return the reduced space of the hidden layer."""
    return LayerSpace(task.domain, activation_named(task.activation), "support")


def _best_of_partitions(task: Task) -> tuple[ReducedNetwork, TrainingLimit]:
    """Return the best network found for samples of moderate size, and the bound.

    Each missing degree of freedom is one constraint on the function (two for ReLU, one for binary
    neurons; an output bias takes one away). A partition into as many runs fewer leaves neurons to
    be always on, and is free of them: such partitions follow if the error is not close enough.
    """
    samples, n_runs = task.samples, task.n_neurons + 1
    costs = RunCosts(samples.x, samples.Y, samples.weights, task.activation == "relu")
    partitions = best_partitions(costs, n_runs)
    most, n_constraints = max(partitions), (2 if costs.affine else 1) - int(task.output_bias)
    limit = make_limit(samples, task.n_neurons, task.activation, partitions[most])
    close, near = (1.0 + CLOSE) * limit.bound, (1.0 + NEAR) * limit.bound
    rng = np.random.default_rng(0)
    found: list[tuple[float, ReducedNetwork]] = []
    for number in range(most, most - n_constraints - 1, -1):
        if number in partitions:
            found += _constructed(task, partitions[number].runs, costs.positions, close, rng)
        if min(found, key=_loss)[0] <= near:
            break
    else:
        found += _from_greedy_starts(task, rng)
    network = min(found, key=_loss)[1]
    return network, compared(limit, network)


def sharpened(
    task: Task, network: ReducedNetwork, limit: TrainingLimit
) -> tuple[ReducedNetwork, TrainingLimit]:
    """Return a better network where there is one, and the bound with the meeting conditions.

    Rounds of ascent in the multipliers raise the bound. The runs of each round nearly meet, and are
    tried as starts. The bound holds for all networks that are not worse than the one given.
    """
    samples, n_pieces, rng = task.samples, task.n_neurons + 1, np.random.default_rng(0)
    if limit.gap == 0.0 or limit.error is None:
        return network, limit
    costs = RunCosts(samples.x, samples.Y, samples.weights, affine=True)
    most = Fraction(limit.error) * costs.total_weight / costs.unit
    exact = integer_lines(costs, most)
    lines, multiplier_unit, error_unit = float_lines(exact)
    best, multipliers = (samples.loss(network), network), no_multipliers(lines)
    for _ in range(ROUNDS):
        target = best[0] * float(costs.total_weight / costs.unit / error_unit)
        multipliers, pieces, value = ascend(lines, multipliers, n_pieces, target, STEPS)
        if value >= (1.0 - SHARP) * target:
            break
        runs = [costs.run(piece.start, piece.end - 1) for piece in pieces]
        found = _constructed(task, runs, costs.positions, (1.0 + CLOSE) * limit.bound, rng)
        best = min([best, *found], key=_loss)
    proved = exact_bound(exact, multipliers, multiplier_unit, n_pieces)
    bound = below(min(proved, most) * costs.unit / costs.total_weight)
    limit = compared(replace(limit, bound=max(bound, limit.bound)), best[1])
    return best[1], limit


def _loss(candidate: tuple[float, ReducedNetwork]) -> float:
    return candidate[0]


def _constructed(
    task: Task, runs: list[Run], positions: Array, close: float, rng: np.random.Generator
) -> list[tuple[float, ReducedNetwork]]:
    """Return networks with these runs and their losses; improved ones too if none is close."""
    t = breakpoints(task, runs, positions)
    networks = [network_with(task, t, left) for left in orientations(task, t, rng)]
    found = [(task.samples.loss(network), network) for network in networks]
    if task.activation == "relu" and min(found, key=_loss)[0] > close:
        networks = [descend(network, task, rng) for network in networks]
        found += [(task.samples.loss(network), network) for network in networks]
    return found


def _from_greedy_starts(
    task: Task, rng: np.random.Generator
) -> list[tuple[float, ReducedNetwork]]:
    """Return networks that variable projection finds from greedy starts, and their losses."""
    if task.activation == "binary":
        return []
    sizes = 1, task.n_neurons, task.samples.Y.shape[1]
    n_candidates = max(N_CANDIDATES, task.n_neurons)
    networks = [
        descend(greedy(sizes, task.domain, task.samples.X, task.samples.Y, rng,
                       output_bias=task.output_bias, n_candidates=n_candidates), task, rng)
        for _ in range(N_BEST)
    ]
    return [(task.samples.loss(network), network) for network in networks]


def descend(network: ReducedNetwork, task: Task, rng: np.random.Generator) -> ReducedNetwork:
    """Return the network after variable projection, which moves the breakpoints."""
    X, Y, weights = task.samples
    objective = Objective(network, X, Y, sample_weight=weights)
    monitor = Monitor(network, objective)
    with suppress(StopTraining, np.linalg.LinAlgError):  # numbers left the range of float64
        varpro.minimise(network, objective, monitor, task.n_steps, task.tolerance, rng=rng)
    return network.with_vector(monitor.best_vector)


def breakpoints(task: Task, runs: list[Run], positions: Array) -> Array:
    """Return a breakpoint between each two runs, then one at the domain's end per spare neuron."""
    low, high = task.ends
    if task.activation == "binary":  # ends lie outside, so that a neuron can be always on
        low, high = low - (high - low), high + (high - low)
    between = [
        meeting_point(left, right, positions[left.last], positions[right.first])
        for left, right in zip(runs, runs[1:])
    ]
    n_spare = task.n_neurons - len(between)
    return np.array(between + [high if number % 2 else low for number in range(n_spare)])


def meeting_point(left: Run, right: Run, low: float, high: float) -> float:
    """Return the point of [low, high] where the lines of two runs are nearest to each other."""
    middle = low + (high - low) / 2.0
    slopes = [b - a for a, b in zip(left.slopes, right.slopes)]
    square = sum(slope * slope for slope in slopes)
    if square == 0:
        return middle if middle < high else low
    offsets = [
        (b - right.centre * q) - (a - left.centre * p)
        for a, b, p, q in zip(left.means, right.means, left.slopes, right.slopes)
    ]
    nearest = -sum(d * slope for d, slope in zip(offsets, slopes)) / square
    return float(min(max(nearest, Fraction(low)), Fraction(high)))  # it may exceed all floats


def orientations(task: Task, t: Array, rng: np.random.Generator) -> np.ndarray:
    """Return the best sets of neurons that face left, for given breakpoints.

    Left of all breakpoints a network is the sum of d_k (t_k - x) over those that face left, plus
    the bias. So S(x) = alpha_0 + alpha_1 x + sum_k d_k s(x - t_k) is one if its slope there is
    right, alpha_1 + sum d_k = 0, and without a bias its value at 0, alpha_0 - sum d_k t_k = 0.
    A binary S without a bias must satisfy alpha_0 + sum d_k = 0.
    """
    low, high = task.ends
    middle, half = low + (high - low) / 2.0, (high - low) / 2.0
    x, t = (task.samples.x - middle) / half, (t - middle) / half  # in [-1, 1]: well conditioned
    Z, one = x[:, np.newaxis] - t, np.ones_like(x)
    if task.activation == "relu":
        A = np.column_stack([one, x, np.maximum(Z, 0.0)])
        base, left = np.array([[0.0, 1.0], [1.0, 0.0]]), np.stack([np.ones_like(t), -t])
        n_constraints = 1 if task.output_bias else 2
    else:
        A = np.column_stack([one, Z > 0.0])
        base, left = np.ones((1, 1)), np.ones((1, len(t)))
        n_constraints = 0 if task.output_bias else 1
    root = np.sqrt(task.samples.weights)[:, np.newaxis]
    constraints = Constraints(base[:n_constraints], left[:n_constraints])
    return best_orientations(root * A, root * task.samples.Y, constraints, rng, N_BEST)


def network_with(task: Task, t: Array, left: np.ndarray) -> ReducedNetwork:
    """Return the network of these breakpoints, with outgoing weights by least squares."""
    kind = activation_named(task.activation)
    W = np.where(left, -1.0, 1.0)[:, np.newaxis]
    low, high = network_space(task).intervals(W).T
    b = np.clip(-W[:, 0] * t, low, high)

    H = kind.value(task.samples.X @ W.T + b)
    if task.output_bias:
        H = np.column_stack([H, np.ones(len(H))])
    root = np.sqrt(task.samples.weights)[:, np.newaxis]
    scales = np.sqrt(((root * H)**2).sum(axis=0))
    scales[scales == 0.0] = 1.0  # a dead neuron
    C = np.linalg.lstsq(root * H / scales, root * task.samples.Y, rcond=RCOND)[0].T / scales
    n, bias = len(t), C[:, -1] if task.output_bias else None
    return ReducedNetwork([W], [b], C[:, :n], bias, task.activation, domain=task.domain)
