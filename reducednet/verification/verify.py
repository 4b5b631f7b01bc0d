"""Prove or refute that two networks are the same function on a domain: ask the provers in turn."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .._validation import Array, choice, message, number
from ..domains import Box, Domain
from ..networks.network import Network, check_domain, check_network
from ..networks.rescaling import rescale
from ..numerics.rationals import above, rationals
from ..numerics.rounding import FLOAT64, FORMATS, FloatFormat
from ..numerics.sphere import row_norms
from ..reduced_space.rounding_error import evaluation_margin, forward_error
from .certificates.certificate import SEMANTICS as SEMANTICS
from .certify import certify
from .counterexamples import differences
from .decisions import Open, branch_decisions, on_whole_domain
from .disagreements import exact_decisions, search
from .findings import Findings, OutOfTime, Question
from .provers import PROVERS, next_prover, whole_domain
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN, Verdict

TARGETS = ("values", "top1")
OF_DECISIONS = (
    "permutation", "differences", "search", "matching", "decisions", "structure", "folding",
    "branching",
)
"""The provers to ask about decisions, the cheapest first."""
REFUTING = ("permutation", "differences", "breakpoints", "search")
"""The provers to ask where nothing can be proved: they may refute, and give a first bound."""
OUTPUT_PRODUCTS = 30_000_000
"""About how many products may be spent to estimate how much the outputs vary."""
WELL_SCALED = 8
"""Networks whose row norms all lie between 2^-8 and 2^9 are not rescaled."""


def verify(
    f: Network, g: Network, domain: Domain, eps: float | None = None, semantics: str = "real",
    time_limit: float = 60.0, method: str = "auto", target: str = "values", delta: float = 0.0,
) -> Verdict:
    """Prove or refute that two networks differ by at most eps on a domain, or decide alike there.

    sup over x in D of max_k |f_k(x) - g_k(x)| <= eps ?

    With target "top1": does g decide as f, wherever f decides by more than delta? That is, are
    there no x in D and outputs j, k with

        f_j(x) - f_i(x) > delta for all i != j    and    g_k(x) > g_j(x) ?

    Ask the provers, the cheapest first, until one decides. Their bounds include their own rounding
    errors; a counterexample is confirmed in rationals.

    Parameters
    ----------
    f, g : Network
        With the same numbers of inputs and outputs and the same activation; depths and widths may
        differ.
    domain : Box, Ball or Hull
    eps : float, optional
        None: equal up to rounding, that is up to the a-priori bound of both networks' own
        evaluation errors in float64 on the domain (`evaluation_bound`), or in float32 with that
        semantics, which the verdict shows. On a Ball or Hull in d dimensions this counts d + 8 more
        roundings for each sum: those of bounds over such a domain. 0.0: exactly equal.
    semantics : "real", "float64" or "float32"
        ``"real"``: the functions of the float64 parameters as exact numbers. ``"float64"``: what
        computers return at inputs in float64, so that the bound includes both networks' own
        evaluation errors, in any order of summation, with or without fused operations.
        ``"float32"``: the same in float32, of networks whose parameters are all float32 numbers, at
        inputs that are; rounded to nearest, with subnormal numbers. An eps that is not above these
        errors cannot be proved: then only a counterexample is looked for, and the verdict's
        `remark` says so.
    time_limit : float
        In seconds. At the limit, or at Ctrl-C, the verdict is "unknown", with the best bound and
        gap so far.
    method : "auto" or the name of one prover
        "permutation", "differences", "breakpoints", "search", "matching", "structure", "folding",
        "branching" or "milp"; with target "top1" without "breakpoints" and "milp", but "decisions".
    target : "values" or "top1"
        With "top1" the networks are ReLU classifiers with two outputs or more, eps stays None, and
        semantics "real".
    delta : float
        With target "top1": the lead of f's largest output above which g has to decide alike.

    Returns
    -------
    Verdict

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the networks or the domain do not fit, eps or delta is
        negative, or a parameter is no float32 number with semantics "float32".

    Notes
    -----
    Ties with target "top1": where f has several largest outputs, it decides nothing, and g may
    decide as it likes; where g has several, any of them is as good as another. So with delta = 0.0
    only a point refutes where f_j is strictly larger than all other outputs of f, and some g_k
    strictly larger than g_j. Wherever f and g differ by any rounding error, such points lie along
    the surfaces where f's decision changes: if the domain contains one, ask with delta > 0. A bound
    |f - g| <= delta / 2 implies agreement up to delta.

    Binary networks jump: if two hyperplanes differ by a rounding error, the networks differ by a
    whole step between them. So the bound for binary networks holds at points further than the
    verdict's `margin` from every hyperplane of both first layers; with eps = 0.0, "equivalent"
    requires the margin 0.

    References
    ----------
    PROOFS, section 10.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduction import reduce
    >>> net, box = Network.random((2, 10, 10, 1), rng=0), Box([0, 0], [1, 1])
    >>> verify(net, reduce(net, box), box).status
    'equivalent'
    >>> verify(net, rescale(net), box, eps=0.0).bound
    0.0
    >>> half = Network(net.weights, net.thresholds, net.output_weights / 2)
    >>> verify(net, half, box).status
    'not_equivalent'
    >>> net = Network.random((2, 10, 3), rng=0)
    >>> half = Network(net.weights, net.thresholds, net.output_weights / 2)
    >>> verify(net, half, box, target="top1", delta=1.0).status
    'equivalent'
    """
    domain = _check_pair(f, g, domain)
    if choice(target, "target", TARGETS) == "top1":
        delta = number(delta, "delta", minimum=0.0)
        _check_decisions(f, eps, semantics, method)
        time_limit = number(time_limit, "time_limit", above=0.0)
        return decide_top1(f, g, domain, delta, time_limit, method)
    if number(delta, "delta", minimum=0.0):
        raise ValueError(message("delta", "0.0 with target 'values'", delta))
    eps = None if eps is None else number(eps, "eps", minimum=0.0)
    choice(semantics, "semantics", SEMANTICS)
    if semantics == "float32":
        _check_parameters(f, "f", FORMATS[semantics])
        _check_parameters(g, "g", FORMATS[semantics])
    time_limit = number(time_limit, "time_limit", above=0.0)
    choice(method, "method", ["auto", *PROVERS])
    return decide(f, g, domain, eps, semantics, time_limit, method)


def decide(
    f: Network, g: Network, domain: Domain, eps: float | None = None, semantics: str = "real",
    time_limit: float = 60.0, method: str = "auto",
) -> Verdict:
    """Return the verdict of `verify`; the arguments are not checked."""
    findings = Findings(_question(f, g, domain, eps, semantics), time_limit)
    question = findings.question
    names = list(PROVERS) if method == "auto" else [method]
    if _cannot_be_proved(question):
        names = [name for name in names if name in REFUTING]
    interrupted = False
    try:
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            _ask(findings, names)
    except OutOfTime:
        pass
    except KeyboardInterrupt:
        interrupted = True
    return _verdict(findings, f, g, semantics, interrupted)


def decide_top1(
    f: Network, g: Network, domain: Domain, delta: float, time_limit: float, method: str = "auto"
) -> Verdict:
    """Return the verdict of `verify` with target "top1"; the arguments are not checked.

    The provers of `|f - g| <= delta / 2` are asked too, as this implies agreement up to delta.
    """
    question = _question(f, g, domain, delta, "real")._replace(target="top1")
    decisions = Findings(question, time_limit)
    values = Findings(question._replace(eps=delta / 2.0, target="values"), time_limit)
    interrupted = False
    try:
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            _ask_about_decisions(decisions, values, method)
    except OutOfTime:
        pass
    except KeyboardInterrupt:
        interrupted = True
    return _top1_verdict(decisions, values, f, g, interrupted)


def _ask_about_decisions(decisions: Findings, values: Findings, method: str) -> None:
    """Ask the provers of decisions and of values in turn until one decides."""
    left: Open | None = None
    for name in OF_DECISIONS if method == "auto" else [method]:
        if name in ("structure", "folding") and method == "auto" and not _may_be_equal(values):
            continue
        began = decisions.seconds
        try:
            if name == "search":
                search(decisions)
            elif name in ("decisions", "branching"):
                matches = whole_domain(values).matches
                if name == "decisions" or left is None:
                    left = on_whole_domain(decisions, matches)
                if name == "branching" and len(left.pairs):
                    branch_decisions(decisions, matches, left)
            else:
                PROVERS[name](values)
                if values.bound < decisions.bound / 2.0:
                    decisions.prove(2.0 * values.bound, name, None)
        finally:
            decisions.close(name, began)
        if decisions.status != UNKNOWN:
            return
        decisions.check_time()


def _may_be_equal(values: Findings) -> bool:
    """Return True if no sample shows a difference above the eps, up to rounding errors."""
    f, g, domain, eps = values.question[:4]
    rounding_error = float((forward_error(f, domain) + forward_error(g, domain)).max())
    return float(differences(f, g, domain.sample(16, 0)).max()) <= eps + 2.0 * rounding_error


def _ask(findings: Findings, names: Sequence[str]) -> None:
    """Ask the provers in turn until one decides, or no other can find more."""
    waiting = list(names)
    while waiting:
        name = next_prover(findings, waiting)
        waiting.remove(name)
        began = findings.seconds
        try:
            PROVERS[name](findings)
        finally:
            findings.close(name, began)
        if findings.status != UNKNOWN or findings.equal:
            return
        findings.check_time()


def _cannot_be_proved(question: Question) -> bool:
    """Return True if evaluation errors alone may exceed eps: then every bound does."""
    return question.evaluation_error > question.eps


def _check_pair(f: Any, g: Any, domain: Any) -> Domain:
    """Refuse networks that cannot be compared on the domain; return the domain."""
    check_network(f, "f")
    check_network(g, "g")
    if (f.n_inputs, f.n_outputs) != (g.n_inputs, g.n_outputs):
        expected = f"a network of {f.n_inputs} inputs and {f.n_outputs} outputs, as `f`"
        raise ValueError(message("g", expected, f"{g.n_inputs} and {g.n_outputs}"))
    if f.activation != g.activation:
        raise ValueError(message("g", f"a {f.activation} network, as `f`", g.activation))
    return check_domain(f, domain)


def _check_decisions(f: Network, eps: Any, semantics: str, method: str) -> None:
    """Refuse what cannot be asked with target "top1"."""
    if eps is not None:
        raise ValueError(message("eps", "None with target 'top1', which has `delta`", eps))
    if choice(semantics, "semantics", SEMANTICS) != "real":
        raise ValueError(message("semantics", "'real' with target 'top1'", repr(semantics)))
    choice(method, "method", ["auto", *OF_DECISIONS])
    if f.n_outputs < 2:
        raise ValueError(message("f", "a network of two outputs or more for target 'top1'", "one"))
    if f.activation != "relu":
        raise ValueError(message("f", "a relu network for target 'top1'", f.activation))


def _check_parameters(network: Network, name: str, float_format: FloatFormat) -> None:
    """Refuse a network with a parameter that is no number of this format; name the first one."""
    arrays: dict[str, Array] = {}
    for layer, (W, b) in enumerate(zip(network.weights, network.thresholds)):
        arrays |= {f"weights[{layer}]": W, f"thresholds[{layer}]": b}
    arrays["output_weights"] = network.output_weights
    if network.output_bias is not None:
        arrays["output_bias"] = network.output_bias
    for entry, values in arrays.items():
        others = np.argwhere(float_format.rounded(values) != values)
        if len(others):
            index = tuple(int(i) for i in others[0])
            place = f"{entry}[{', '.join(map(str, index))}]"
            expected = f"a network of {np.dtype(float_format.dtype).name} numbers"
            raise ValueError(message(name, expected, f"{place} = {float(values[index])!r}"))


def _question(
    f: Network, g: Network, domain: Domain, eps: float | None, semantics: str
) -> Question:
    """Return the question for the provers.

    Raises
    ------
    ValueError
        If eps is to be chosen and the evaluation errors have no finite bound.
    """
    computed, rounding_error = semantics != "real", np.inf
    float_format = FORMATS.get(semantics, FLOAT64)
    if computed or eps is None:
        rounding_error = _evaluation_error(f, g, domain, float_format)
    evaluation_error = rounding_error if computed else 0.0
    if eps is None:
        if not np.isfinite(rounding_error):
            expected = "given, for the evaluation errors have no finite bound here"
            raise ValueError(message("eps", expected, None))
        on_box = isinstance(domain, Box)
        # elsewhere the provers' bounds of z come from a Euclidean norm or from sums over the points,
        # with d + 8 roundings that an evaluation does not have (`Region.linear_bounds`); without
        # these, networks that differ by evaluation errors could not be proved equal
        extra = 0 if on_box else domain.n_inputs + 8
        eps = evaluation_error + _evaluation_error(f, g, domain, float_format, extra)
    eps += 0.0  # no -0.0
    depth = max(f.depth, g.depth)
    one, other = (_deepen(_well_scaled(network), depth) for network in (f, g))
    margin = 0.0
    if computed:
        margin = max(evaluation_margin(network, domain, float_format) for network in (f, g))
    return Question(
        one, other, domain, eps, evaluation_error, rounding_error, margin, (f, g), semantics)


def _evaluation_error(
    f: Network, g: Network, domain: Domain, float_format: FloatFormat, extra: int = 0
) -> float:
    """Return the a-priori bound of both networks' evaluation errors, with more roundings a sum."""
    one, other = (forward_error(network, domain, extra, float_format) for network in (f, g))
    return float((one + other).max())


def _well_scaled(network: Network) -> Network:
    """Return the same function with row norms of about 1; the network itself if they are."""
    norms = np.concatenate([row_norms(W) for W in network.weights])
    largest, least = 2.0 ** (WELL_SCALED + 1), 2.0**-WELL_SCALED
    well = ((norms == 0.0) | ((least <= norms) & (norms < largest))).all()
    return network if well else rescale(network)


def _deepen(network: Network, depth: int) -> Network:
    """Return the same function at this depth: s(h) = h for the values of a hidden layer."""
    missing = depth - network.depth
    if not missing:
        return network
    n = network.sizes[-2]
    weights = [*network.weights, *[np.eye(n)] * missing]
    thresholds = [*network.thresholds, *[np.zeros(n)] * missing]
    return Network(weights, thresholds, network.output_weights, network.output_bias, network.activation)


def _remark(question: Question, status: str, f: Network, g: Network) -> str:
    """Return a warning for the reader of the verdict, mostly an empty one."""
    if status == UNKNOWN and _cannot_be_proved(question):
        error = f"{question.evaluation_error:.3g}"
        return (f"no eps below {error} can be proved in {question.semantics}: the networks' own "
                "evaluation may add as much")
    if status == EQUIVALENT and _allows_a_constant(question, f, g):
        return ("mind that eps is more than half of what the outputs seem to vary: a constant could "
                "be as near")
    return ""


def _allows_a_constant(question: Question, f: Network, g: Network) -> bool:
    """Return True if a constant seems to be within eps of both networks, as far as samples show.

    The constant in the middle of a function's range differs from it by half of the range. If no
    output varies at all, compare eps with the largest absolute value of the outputs.
    """
    count = int(np.clip(OUTPUT_PRODUCTS // (f.n_parameters + g.n_parameters), 16, 1000))
    X = question.domain.sample(count, 0)
    try:
        Y = np.stack([f(X), g(X)])
    except ValueError:  # an output overflows
        return False
    half_range = float((Y.max(axis=1) / 2.0 - Y.min(axis=1) / 2.0).max())
    return question.eps > (half_range or float(np.abs(Y).max()))


def _top1_verdict(
    findings: Findings, values: Findings, f: Network, g: Network, interrupted: bool
) -> Verdict:
    """Return the verdict on these findings about decisions, with a certificate.

    Where a bound of |f - g| decided, its certificate is one of |f - g| <= delta / 2.
    """
    question, status = findings.question, findings.status
    by_values = status == EQUIVALENT and findings.method in PROVERS and values.status == EQUIVALENT
    certificate = certify(values if by_values else findings, f, g)
    method, counterexample, decisions = findings.method, None, None
    if status == DIFFERENT:
        method, counterexample = findings.gap_method, findings.counterexample
        decisions = exact_decisions(*findings.exact, rationals(counterexample))[:2]
    return Verdict(
        status, question.eps, findings.bound, findings.gap, counterexample, method, "real", 0.0,
        findings.seconds, findings.stages, certificate, interrupted, target="top1",
        decisions=decisions,
    )


def _verdict(findings: Findings, f: Network, g: Network, semantics: str, interrupted: bool) -> Verdict:
    """Return the verdict on these findings, with a certificate if a checker confirms one."""
    question, status, certificate = findings.question, findings.status, certify(findings, f, g)
    bound, margin = findings.bound, findings.margin
    if certificate is not None and certificate.claim == "bound":
        # state only the bound that the checker proves too
        bound = above(Fraction(certificate.value) + Fraction(certificate.slack))
        margin = certificate.margin
        status = EQUIVALENT if certificate.status == EQUIVALENT else status
    method = findings.gap_method if status == DIFFERENT else findings.method
    counterexample = findings.counterexample if status == DIFFERENT else None
    return Verdict(
        status, question.eps, bound, findings.gap, counterexample, method, semantics, margin,
        findings.seconds, findings.stages, certificate, interrupted, findings.solver_bound,
        _remark(question, status, f, g),
    )
