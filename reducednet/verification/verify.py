"""`verify`: are two networks the same function on a domain? The provers in turn, the cheapest first."""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .._validation import choice, message, number
from ..domains import Domain
from ..error_bounds import evaluation_bound
from ..networks import Network, check_network
from ..orbit import rescale
from ..reduced_networks import check_domain
from ..sphere import row_norms
from . import breakpoints, mixed_integer, search
from .branching import branch
from .certificates import Certificate, certify
from .differences import Difference, Matcher, difference
from .exact import ExactNetwork, above, below, gap_at
from .findings import Findings, OutOfTime, Question
from .forms import region_of
from .matching import TOLERANCES, no_match, same_hyperplanes, same_places
from .structure import what_is_left
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN, Verdict

SEMANTICS = ("real", "float64")
EXACT_PARAMETERS = 200_000
"""The largest number of parameters that is counted in rationals."""
LINEAR_NUMBERS = 20_000_000
"""The largest number of slopes that is kept of a layer."""
BRANCHING_INPUTS = 12


def verify(
    f: Network, g: Network, domain: Domain, eps: float | None = None, semantics: str = "real",
    time_limit: float = 60.0, method: str = "auto",
) -> Verdict:
    """Prove, or refute, that two networks differ by at most eps on a domain.

    sup over x in D of max_k |f_k(x) - g_k(x)| <= eps ?

    Provers take turns, the cheapest first, until one decides. All of them charge every rounding of their
    own; a counterexample counts if it is one in rationals.

    Parameters
    ----------
    f, g : Network
        Of the same numbers of inputs and outputs and the same activation; of any, also different, structure.
    domain : Box, Ball or Hull
    eps : float, optional
        None: equal up to rounding, that is to the a-priori bound of both networks' own evaluation errors
        in float64 on the domain (`evaluation_bound`), which the verdict shows. 0.0: exactly.
    semantics : "real" or "float64"
        ``"real"``: the functions of the float64 parameters as exact numbers. ``"float64"``: what computers
        return, so that both networks' own evaluation in any order of summation is charged too.
    time_limit : float
        Seconds. At the limit, or at Ctrl-C, the verdict is "unknown", with the best bound and gap so far.
    method : "auto" or the name of one prover
        "differences", "search", "breakpoints", "structure", "branching" or "milp".

    Returns
    -------
    Verdict

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the networks or the domain do not fit, or eps is negative.

    Notes
    -----
    Binary networks jump: two whose hyperplanes differ by a rounding differ by a whole step between them. So their bound
    is of the points off the first layer's hyperplanes, further than the verdict's `margin` from each; with
    eps = 0.0 "equivalent" needs the margin 0.

    References
    ----------
    THEORY, section 9.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduction import reduce
    >>> net, box = Network.random((2, 10, 10, 1), rng=0), Box([0, 0], [1, 1])
    >>> verify(net, reduce(net, box), box).status
    'equivalent'
    >>> verify(net, rescale(net), box, eps=0.0).bound
    0.0
    >>> half = Network(net.weights, net.thresholds, net.output_weights / 2)
    >>> verify(net, half, box).status
    'not_equivalent'
    """
    question, time_limit = _question(f, g, domain, eps, semantics, time_limit)
    findings = Findings(question, time_limit)
    names = list(PROVERS) if choice(method, "method", ["auto", *PROVERS]) == "auto" else [method]
    state: dict[str, Difference] = {}
    try:
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            for name in names:
                began = findings.seconds
                try:
                    PROVERS[name](findings, state)
                finally:
                    findings.close(name, began)
                if findings.status != UNKNOWN:
                    break
                findings.check_time()
    except (OutOfTime, KeyboardInterrupt):
        pass
    return _verdict(findings, f, g, semantics)


def _question(
    f: Any, g: Any, domain: Any, eps: Any, semantics: Any, time_limit: Any
) -> tuple[Question, float]:
    """Check the arguments and return the question about networks that the provers work with."""
    f, g = check_network(f, "f"), check_network(g, "g")
    if (f.n_inputs, f.n_outputs) != (g.n_inputs, g.n_outputs):
        expected = f"a network of {f.n_inputs} inputs and {f.n_outputs} outputs, as `f`"
        raise ValueError(message("g", expected, f"{g.n_inputs} and {g.n_outputs}"))
    if f.activation != g.activation:
        raise ValueError(message("g", f"a {f.activation} network, as `f`", g.activation))
    domain = check_domain(f, domain)
    float64 = choice(semantics, "semantics", SEMANTICS) == "float64"
    time_limit = number(time_limit, "time_limit", above=0.0)
    rounding = 0.0
    if float64 or eps is None:
        rounding = float(sum(evaluation_bound(network, domain) for network in (f, g)).max())
    slack = rounding if float64 else 0.0
    if eps is None:
        if not np.isfinite(rounding):
            raise ValueError(message("eps", "given, for the evaluation errors have no finite bound here", None))
        eps = slack + rounding
    eps = number(eps, "eps", minimum=0.0)
    depth = max(f.depth, g.depth)
    return Question(*(_deepened(rescale(network), depth) for network in (f, g)), domain, eps, slack), time_limit


def _deepened(network: Network, depth: int) -> Network:
    """Return the same function with so many hidden layers: s(h) = h for what a hidden layer gives."""
    missing = depth - network.depth
    if not missing:
        return network
    n = network.sizes[-2]
    weights = [*network.weights, *[np.eye(n)] * missing]
    thresholds = [*network.thresholds, *[np.zeros(n)] * missing]
    return Network(weights, thresholds, network.output_weights, network.output_bias, network.activation)


def _differences(findings: Findings, state: dict[str, Difference]) -> None:
    """Bound the difference on the whole domain, with neurons matched by place, then by hyperplane."""
    question = findings.question
    f, g, region = question.f, question.g, region_of(question.domain)
    linear = max(f.sizes + g.sizes) * (f.n_inputs + 2) <= LINEAR_NUMBERS
    flips = f.depth == 1 and linear
    matchers: list[Matcher] = [same_places, *(same_hyperplanes(region, one, flips) for one in TOLERANCES), no_match]
    if f.activation == "binary":  # the same only within rounding: what else is matched, the margin would tell
        matchers = [same_hyperplanes(region, TOLERANCES[0], flips=True), no_match]
    for matcher in matchers:
        findings.check_time()
        found = difference((f, g), region, matcher, linear)
        low, high = region.bounds(found.forms)
        bound = float(np.maximum(-low, high).max())
        best = findings.bound
        findings.prove(bound, "differences", {"kind": "pieces", "matches": found.matches, "linear": linear},
                       _margin(question, found))
        if findings.bound < best or "found" not in state:
            state["found"] = found
        if findings.status == EQUIVALENT:
            return


def _margin(question: Question, found: Difference) -> float:
    """Return how far from every hyperplane a point must be for binary members to be their representatives."""
    if question.f.activation == "relu":
        return 0.0
    largest = 0.0  # above the first layer members are surely their representatives
    for known, network in zip(found.layers[0], (question.f, question.g)):
        norms, drift = row_norms(network.weights[0]), known.drift[:, 0]
        largest = max(largest, float(np.divide(drift, norms, out=np.zeros_like(drift), where=norms > 0.0).max()))
    return largest


def _search(findings: Findings, state: dict[str, Difference]) -> None:
    """Look for a counterexample and confirm it."""
    question = findings.question
    X = search.candidates(question.f, question.g, question.domain)
    findings.refute(*search.confirm(question.f, question.g, question.domain, X, question.eps), "search")


def _breakpoints(findings: Findings, state: dict[str, Difference]) -> None:
    """One input: the supremum sits at a breakpoint."""
    question = findings.question
    f, g = question.f, question.g
    if f.n_inputs > 1:
        return
    low, high = breakpoints.ends(question.domain)
    shallow = f.depth == 1 and f.activation == "relu"
    n = sum(f.sizes[1:-1]) + sum(g.sizes[1:-1])
    if shallow:
        neurons = breakpoints.joint_neurons(f, g)
        bound, knots = breakpoints.shallow_bound(neurons, below(low), above(high))
        findings.prove(bound, "breakpoints", {"kind": "sorted", "exact": False})
        findings.refute(*search.confirm(f, g, question.domain, knots[:, np.newaxis], question.eps), "breakpoints")
    if findings.status == UNKNOWN and shallow and n <= breakpoints.LARGEST_SHALLOW:
        supremum, x = breakpoints.shallow_supremum(neurons, low, high)
        findings.prove(above(supremum), "breakpoints", {"kind": "sorted", "exact": True})
        _confirm(findings, x)
    elif findings.status == UNKNOWN and n * (f.n_parameters + g.n_parameters) <= breakpoints.LARGEST_DEEP:
        supremum, x, all_knots = breakpoints.deep_supremum(f, g, low, high)
        findings.prove(above(supremum), "breakpoints", {"kind": "line", "knots": all_knots})
        _confirm(findings, x)


def _confirm(findings: Findings, x: Fraction) -> None:
    """Note the difference at an exact point of one dimension: at a float64 beside it if that refutes too."""
    question, nearest = findings.question, float(x)
    X = np.array([[nearest], [np.nextafter(nearest, -np.inf)], [np.nextafter(nearest, np.inf)]])
    findings.refute(*search.confirm(question.f, question.g, question.domain, X, question.eps), "breakpoints")
    if findings.gap <= question.eps:
        exact = ExactNetwork(question.f), ExactNetwork(question.g)
        findings.refute(gap_at(*exact, [x]), np.array([x]), "breakpoints")


def _structure(findings: Findings, state: dict[str, Difference]) -> None:
    """Count in rationals whether everything cancels; for one hidden layer, look at the hyperplanes that stay."""
    question = findings.question
    f, g, domain = question.f, question.g, question.domain
    if findings.gap > 0.0 or f.n_parameters + g.n_parameters > EXACT_PARAMETERS:
        return
    left, basis = what_is_left(f, g, domain)
    if not any(left):
        findings.prove(0.0, "structure", {"kind": "exact"})
    elif f.depth == 1:
        kinks = {number: max(abs(row.get(number, 0)) for row in left) for number in basis.hyperplanes}
        worst = sorted(kinks, key=lambda number: -kinks[number])[:16]
        rows = [[float(basis.hyperplanes[number].get(i, 0)) for i in [*range(1, f.n_inputs + 1), 0]] for number in worst]
        X = search.candidates(f, g, domain, search.across_hyperplanes(domain, np.array(rows)))
        findings.refute(*search.confirm(f, g, domain, X, question.eps), "structure")


def _branching(findings: Findings, state: dict[str, Difference]) -> None:
    """Split the inputs."""
    question = findings.question
    if question.f.n_inputs > BRANCHING_INPUTS:
        return
    if "found" not in state:
        _differences(findings, state)
    branch(findings, state["found"].matches, _margin(question, state["found"]))


def _milp(findings: Findings, state: dict[str, Difference]) -> None:
    """Ask a mixed-integer solver for points, and for its word."""
    if "found" not in state:
        _differences(findings, state)
    mixed_integer.propose(findings, state["found"])


PROVERS: dict[str, Callable[[Findings, dict[str, Difference]], None]] = {
    "differences": _differences, "breakpoints": _breakpoints, "search": _search, "structure": _structure,
    "branching": _branching, "milp": _milp,
}


def _verdict(findings: Findings, f: Network, g: Network, semantics: str) -> Verdict:
    """Write down what was found."""
    question, status = findings.question, findings.status
    rigorous = not (status == UNKNOWN and findings.gap <= findings.solver_bound < findings.bound)
    method = findings.method if status == EQUIVALENT or findings.gap <= question.eps else findings.gap_method
    certificate = certify(findings, f, g)
    return Verdict(
        status, question.eps, findings.bound if rigorous else findings.solver_bound, findings.gap,
        findings.counterexample if status == DIFFERENT else None, method if rigorous else "milp", rigorous, semantics, findings.margin,
        findings.seconds, findings.stages, certificate,
    )
