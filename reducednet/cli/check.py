"""Run the command ``check``: check a certificate of two networks again, without any prover."""
from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

from .._validation import number
from ..verification.certificates.certificate import Certificate, fingerprint, status_for
from .answers import CODES, Answer, domain_report, exactly, point_report
from .options import add_domain, add_json, add_until, domain_of, read_network


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser(
        "check", help="check a certificate that verify wrote, without any code of the provers")
    parser.add_argument("certificate", type=Path, metavar="CERTIFICATE",
                        help="a .json or .npz file")
    parser.add_argument("first", type=Path, metavar="A", help="a .npz, .nnet or .onnx file")
    parser.add_argument("second", type=Path, metavar="B", help="another, in the order of verify")
    add_domain(parser)
    parser.add_argument("--eps", type=float,
                        help="largest difference, or the delta of a certificate of decisions "
                        "(default: the certificate's own: give yours if you do not trust who "
                        "wrote it)")
    parser.add_argument("--exact", action="store_true",
                        help="check in rational arithmetic: for small networks, takes longer")
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Check the certificate, and say what it proves of |f - g| <= eps, or of decisions."""
    certificate = Certificate.load(options.certificate)
    f, g = (read_network(path, until=options.until) for path in (options.first, options.second))
    domain = domain_of(options, (f, options.first), (g, options.second))
    eps = certificate.eps if options.eps is None else number(options.eps, "eps", minimum=0.0)

    ok, reason = certificate.check(f, g, domain, exact=options.exact)
    if not ok and certificate.fingerprint == fingerprint(g, f, domain):
        reason = "the certificate is about B and A, in this order"
    status = status_for(certificate, eps) if ok else "unknown"
    point = witness(certificate) if status == "not_equivalent" else []

    names = ("claim", "kind", "semantics", "value", "slack", "margin")
    claim = {name: getattr(certificate, name) for name in names}
    report = {"status": status, "ok": ok, "reason": reason, **claim, "eps": eps,
              **point_report(point), "domain": domain_report(domain)}
    found = sentence(certificate, eps, options.exact) if ok else f"not confirmed: {reason}"
    lines = [f"{status}: {found}", f"on {domain!r}"]
    if point:
        lines.append(f"counterexample: {', '.join(map(exactly, point))}")
    return Answer(report, lines, CODES[status])


def sentence(certificate: Certificate, eps: float, exact: bool = False) -> str:
    """Return what a certificate proves once it is checked.

    Examples
    --------
    >>> import numpy as np
    >>> arrays = {"point": np.array([0.5])}
    >>> sentence(Certificate("gap", 0.25, 0.0, 0.0, 0.0, "point", arrays, ""), 0.125)
    "|f - g| >= 0.25 at the counterexample, asked for 0.125 (confirmed by the checker of 'point')"
    """
    if certificate.claim == "agreement":
        claim = ("B decides as A on the domain wherever A's largest output leads by more than "
                 f"{certificate.value:z.3g}")
    elif certificate.claim == "disagreement":
        claim = f"A decides by at least {certificate.value:z.3g} at the counterexample, and B otherwise"
    elif certificate.claim == "gap":
        number_found = certificate.value - certificate.slack
        claim = f"|f - g| >= {number_found:z.3g} at the counterexample"
    else:
        number_found = certificate.value + certificate.slack
        claim = f"|f - g| <= {number_found:z.3g} on the domain"
    if certificate.margin:
        claim += f", further than {certificate.margin:z.3g} from every hyperplane"
    if certificate.semantics != "real":
        claim += f", as {certificate.semantics} computes it"
    checker = f"checker of {certificate.kind!r}" + " in rational arithmetic" * exact
    return f"{claim}, asked for {eps:z.3g} (confirmed by the {checker})"


def witness(certificate: Certificate) -> list[Any]:
    """Return the point of a gap, as floats or fractions."""
    values = certificate.arrays["point"].tolist()
    return [Fraction(value) if isinstance(value, str) else value for value in values]
