"""Kinds "point" and "top1_point": both networks at a point (docs/certificates.md, 7 and 13)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from ....domains import Ball, Box, Domain, Hull
from ....networks.network import Network
from .objects import evaluate, layers_of, rational, require


def gap(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return max_k |f_k(x) - g_k(x)| at the point x, which must lie in the domain."""
    x = rational(arrays["point"])
    require_inside(x, arrays, domain)
    if f.activation == "binary":
        require_off_hyperplanes(x, f)
        require_off_hyperplanes(x, g)
    return Fraction(max(abs(evaluate(f, x) - evaluate(g, x))))


def lead(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return by how much f's largest output leads the others at the point, where g disagrees."""
    x = rational(arrays["point"])
    require_inside(x, arrays, domain)
    of_f, of_g = evaluate(f, x).tolist(), evaluate(g, x).tolist()
    j = max(range(len(of_f)), key=lambda i: of_f[i])
    found = min((of_f[j] - value for i, value in enumerate(of_f) if i != j), default=Fraction(0))
    require(found > 0, "f has no single largest output")
    require(any(value > of_g[j] for value in of_g), "the output is a largest one of g too")
    return Fraction(found)


def require_inside(x: Any, arrays: Any, domain: Domain) -> None:
    """Refuse a point that is not proved to lie in the domain."""
    is_hull = isinstance(domain, Hull)
    require(("corners" in arrays) == is_hull, "corners are for a Hull, and only for that")
    if isinstance(domain, Box):
        inside = (rational(domain.low) <= x).all() and (x <= rational(domain.high)).all()
    elif isinstance(domain, Ball):
        inside = sum((x - rational(domain.centre)) ** 2) <= Fraction(domain.radius) ** 2
    else:
        assert isinstance(domain, Hull)
        corners, shares = arrays["corners"], rational(arrays["shares"])
        require((corners < len(domain.points)).all(), "a corner is not a point of the Hull")
        convex = (shares >= 0).all() and sum(shares) == 1
        inside = convex and (shares @ rational(domain.points)[corners] == x).all()  # (23)
    require(inside, "the point is not in the domain")


def require_off_hyperplanes(x: Any, network: Network) -> None:
    """Refuse a point on a hyperplane of the first layer, where a binary network jumps."""
    first = layers_of(network)[0]
    for w, b in zip(*first):
        require(not any(w) or w @ x + b != 0, "the point lies on a hyperplane")
