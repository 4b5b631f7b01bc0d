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
from ..numerics.rationals import above
from ..numerics.rounding import FLOAT64, FORMATS, FloatFormat
from ..numerics.sphere import row_norms
from ..reduced_space.rounding_error import evaluation_margin, forward_error
from .certificates.certificate import SEMANTICS as SEMANTICS
from .certify import certify
from .findings import Findings, OutOfTime, Question
from .provers import PROVERS
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN, Verdict

REFUTING = ("permutation", "differences", "breakpoints", "search")
"""The provers to ask where nothing can be proved: they may refute, and give a first bound."""
OUTPUT_PRODUCTS = 30_000_000
"""About how many products may be spent to estimate how much the outputs vary."""
WELL_SCALED = 8
"""Networks whose row norms all lie between 2^-8 and 2^9 are not rescaled."""


def verify(
    f: Network, g: Network, domain: Domain, eps: float | None = None, semantics: str = "real",
    time_limit: float = 60.0, method: str = "auto",
) -> Verdict:
    """Prove or refute that two networks differ by at most eps on a domain.

    sup over x in D of max_k |f_k(x) - g_k(x)| <= eps ?

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
        "branching" or "milp".

    Returns
    -------
    Verdict

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the networks or the domain do not fit, eps is negative,
        or a parameter is no float32 number with semantics "float32".

    Notes
    -----
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
    """
    domain = _check_pair(f, g, domain)
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


def _ask(findings: Findings, names: Sequence[str]) -> None:
    """Ask the provers in turn until one decides."""
    for name in names:
        began = findings.seconds
        try:
            PROVERS[name](findings)
        finally:
            findings.close(name, began)
        if findings.status != UNKNOWN:
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
