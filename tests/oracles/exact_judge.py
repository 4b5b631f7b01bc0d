"""What is wrong with a verdict on two networks, by the exact truth: every claim it makes is held against it."""
from fractions import Fraction
from math import inf, isfinite

import numpy as np

from oracles.exact_suprema import domain_contains, exact_difference, off_hyperplanes, supremum

STATUSES = ("equivalent", "not_equivalent", "unknown")


def thresholds_to_ask(truth):
    """Return the eps that are worth asking for where the supremum is `truth`: at it, around it, far from it.

    None is the verifier's own threshold, 0.0 exact equality.
    """
    nearest = float(truth)
    around = [nearest, np.nextafter(nearest, inf), nearest / 2, 2 * nearest]
    return [None, 0.0, 1e-9, *(float(value) for value in around)]


def wrong_counterexample(f, g, domain, x, eps):
    """Return what is wrong with a counterexample, or None. A point is told by floats or fractions."""
    x = np.asarray(x).reshape(-1)
    if len(x) != domain.n_inputs:
        return f"a counterexample of {len(x)} inputs"
    if not all(isfinite(value) for value in x):
        return f"a counterexample {x} that is not finite"
    if not domain_contains(domain, x):
        return f"a counterexample {x} outside of the domain"
    if f.activation == "binary" and not (off_hyperplanes(f, x) and off_hyperplanes(g, x)):
        return f"a counterexample {x} on a hyperplane"
    difference = exact_difference(f, g, x)
    return None if difference > eps else f"a difference {float(difference)} <= eps at the counterexample {x}"


def complaints(f, g, domain, verdict, asked=None, truth=None):
    """Return a list of what is wrong with the verdict; [] if it is right, or owns that it does not know.

    asked : the eps that was asked for, or None for the verifier's own
    truth : the exact supremum, if `supremum` cannot tell it; None takes that

    What the verdict says of binary networks "off a margin" is judged off it: see `supremum`. That a
    refuted pair has a counterexample is not asked: there need not be one among the floats.
    """
    if verdict.status not in STATUSES:
        return [f"status {verdict.status!r}"]
    if not isfinite(verdict.eps) or verdict.eps < 0 or (asked is not None and verdict.eps != asked):
        return [f"eps {verdict.eps} where {asked} was asked for"]
    if not verdict.bound >= 0 or not verdict.gap >= 0 or not isfinite(verdict.gap):
        return [f"gap {verdict.gap}, bound {verdict.bound}"]
    eps, gap = Fraction(verdict.eps), Fraction(verdict.gap)
    largest = supremum(f, g, domain).value if truth is None else truth
    margin = (getattr(verdict, "margin", None) or 0.0) if f.activation == "binary" else 0.0
    proved = supremum(f, g, domain, margin).value if margin and truth is None else largest
    found = []
    if gap > largest:
        found.append(f"gap {verdict.gap} above the supremum {float(largest)}")
    if verdict.bound < inf and Fraction(verdict.bound) < proved:
        found.append(f"bound {verdict.bound} below the supremum {float(proved)}")
    if verdict.status == "equivalent" and proved > eps:
        found.append(f"equivalent, where the supremum {float(proved)} > eps {verdict.eps}")
    if verdict.status == "not_equivalent" and largest <= eps:
        found.append(f"not equivalent, where the supremum {float(largest)} <= eps {verdict.eps}")
    if verdict.counterexample is not None:
        wrong = wrong_counterexample(f, g, domain, verdict.counterexample, eps)
        found += [wrong] if wrong else []
    return found
