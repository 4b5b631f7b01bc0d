"""Pairs of networks whose largest difference is known exactly: what provers of equality are judged by.

`random_pair` plants what goes wrong in such proofs: row scales 2^-60 .. 2^60, domains far from the
origin, kinks on the boundary, neurons that are dead, always on, zero, duplicate or opposite, other
widths and depths, differences of 0 and of relative size 1e-12 .. 1e-1, and PROOFS, part II's
failures. The truth of a pair is `supremum(f, g, domain)`.
"""
from fractions import Fraction
from typing import NamedTuple

import numpy as np

import reducednet as rn
from oracles.exact_models import (
    KEEPING, Inapplicable, Model, Unrepresentable, as_model, as_network, draw_dead, draw_model, pick, ranges,
    rounded, scale, small, stable,
)
from oracles.exact_suprema import (
    Supremum, domain_contains, exact_difference, exact_outputs, off_hyperplanes, rationals, supremum, vertices,
)

__all__ = [
    "BINARY", "CHANGED", "EQUAL", "KINDS", "Pair", "Supremum", "domain_contains", "exact_difference",
    "exact_outputs", "off_hyperplanes", "pairs", "random_pair", "rationals", "supremum", "truth_of_kind",
    "vertices",
]


class Pair(NamedTuple):
    """Two networks, a domain, and how the second was made of the first."""

    f: rn.Network
    g: rn.Network
    domain: rn.Box | rn.Ball | rn.Hull
    kind: str


def relative(rng, value):
    """Return the value changed by a relative 1e-12 .. 1e-1, as a float64; 0 becomes as small a number."""
    size = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-12.0, -1.0))
    return rounded(float(value) * (1.0 + size) if value else size)


# Changes of the function; `random_pair` sees to it that the change is seen on the domain.

def change_bias(model, rng, domain):
    k = int(rng.integers(len(model.C)))
    model.a = model.a or [Fraction(0)] * len(model.C)
    model.a[k] = relative(rng, model.a[k])


def change_column(model, rng, domain):
    row = pick(rng, model.C)
    j = int(rng.integers(len(row)))
    row[j] = relative(rng, row[j])


def change_threshold(model, rng, domain):
    layer, j = pick(rng, model.neurons())
    b = model.layers[layer][1]
    b[j] = relative(rng, b[j])


def change_row(model, rng, domain):
    layer, j = pick(rng, model.neurons())
    row = model.layers[layer][0][j]
    i = int(rng.integers(len(row)))
    row[i] = relative(rng, row[i])


def cut_a_corner(model, rng, domain):
    """Move a neuron whose hyperplane touches the domain, dead there, a little into it."""
    W, b = model.layers[0]
    touching = [j for j, w in enumerate(W) if any(w) and ranges(model, domain)[0](w)[1] + b[j] == 0]
    b[pick(rng, touching)] += Fraction(1, 2 ** int(rng.integers(4, 25)))


def add_spike(model, rng, domain):
    """Add a thin wedge (binary: a thin slab) inside the domain, which samples do not see."""
    w = [small(rng, nonzero=True) for _ in range(domain.n_inputs)]
    low, high = ranges(model, domain)[0](w)
    at, width = low + (high - low) * int(rng.integers(1, 8)) / 8, Fraction(1, 2 ** int(rng.integers(8, 25)))
    column = [small(rng, nonzero=True) / 2 ** int(rng.integers(21)) for _ in model.outgoing(0)]
    shares = [1, -1] if model.activation == "binary" else [1 / width, -2 / width, 1 / width]
    for i, share in enumerate(shares):
        model.add(0, w, -at - i * width, [share * c for c in column])


def another(model, rng, domain):
    """Become an independent network with the same numbers of inputs and outputs."""
    widths, bias = draw_widths(rng, domain), bool(rng.integers(2))
    drawn = draw_model(rng, domain, model.activation, widths, len(model.C), bias)
    model.layers, model.C, model.a = drawn.layers, drawn.C, drawn.a


CHANGING = {
    "output bias changed": change_bias, "column changed": change_column, "threshold changed": change_threshold,
    "row changed": change_row, "corner cut": cut_a_corner, "spike": add_spike, "independent": another,
}


# Networks of one input after PROOFS, section 15.

def one_neuron(w, b, c, a=None):
    """Return c s(w x + b) + a as a model."""
    w, b, c = map(Fraction, (w, b, c))
    return Model([([[w]], [b])], [[c]], None if a is None else [Fraction(a)], "relu")


def shifted_against_x(rng):
    """relu(x + 1e16) - 1e16 is x on [0, 1], though evaluated in float64 it is 0 at x = 0.3."""
    return one_neuron(1.0, 1e16, 1.0, -1e16), one_neuron(1.0, 0.0, 1.0)


def shifted_against_zero(rng):
    return one_neuron(1.0, 1e16, 1.0, -1e16), one_neuron(1.0, 0.0, 0.0)


def tiny_slope_against_zero(rng):
    """relu(s x) / s is x; solvers with absolute tolerances take relu(s x) for 0."""
    s = pick(rng, [1e-6, 1e-7, 1e-9, 1e-12, 2.0**-20, 2.0**-40, 2.0**-60])
    return one_neuron(s, 0.0, 1.0 / s), one_neuron(1.0, 0.0, 0.0)


def tiny_slope_against_x(rng):
    s = Fraction(2) ** -int(rng.integers(20, 61))
    return one_neuron(s, 0, 1 / s), one_neuron(1, 0, 1)


def below_tolerance(rng):
    """The difference, 1e-12 .. 1e-7, is below the tolerances of solvers."""
    return one_neuron(1.0, -0.5, 1.0), one_neuron(1.0, -0.5, 1.0 + float(10.0 ** rng.uniform(-12, -7)))


TRAPS = {
    "relu(x + 1e16) - 1e16 against x": shifted_against_x, "relu(s x) / s against x": tiny_slope_against_x,
    "relu(x + 1e16) - 1e16 against 0": shifted_against_zero, "relu(s x) / s against 0": tiny_slope_against_zero,
    "below solver tolerances": below_tolerance,
}


# Rounded networks: the truth is a difference of the size of a rounding, or 0.

def normalised(f, domain):
    """Return f with rows w / |w|, b / |w| as they round (binary: hyperplanes turn a little)."""
    model = as_model(f)
    for layer, j in model.neurons():
        W, b = model.layers[layer]
        norm = float(np.hypot.reduce([float(w) for w in W[j]])) or 1.0
        column = model.column(layer, j)
        W[j], b[j] = [rounded(float(w) / norm) for w in W[j]], rounded(float(b[j]) / norm)
        if f.activation == "relu":
            model.set_column(layer, j, [rounded(float(c) * norm) for c in column])
    return as_network(model)


ROUNDING = {"normalised": normalised, "reduced": rn.reduce}

COMBINED = "combined"
EQUAL = (*KEEPING, COMBINED, *list(TRAPS)[:2])
CHANGED = (*CHANGING, *list(TRAPS)[2:])
BINARY = "binary, "
KINDS = (*EQUAL, *CHANGED, *ROUNDING, *(
    BINARY + kind for kind in (*KEEPING, COMBINED, *CHANGING, *ROUNDING)
))
"""What `random_pair` makes; those of binary networks begin with "binary, "."""


def truth_of_kind(kind):
    """Return "equal" (the supremum is exactly 0), "different" (it is above 0) or "either"."""
    name = kind.removeprefix(BINARY)
    return "equal" if name in EQUAL else "different" if name in CHANGED else "either"


def draw_domain(rng, n_inputs, dyadic=True):
    """Return a Box, Ball (d = 1) or Hull, up to 2^20 away from the origin, some of them flat."""
    offset = rng.choice([-1.0, 1.0], n_inputs) * rng.choice([0.0, 1.0]) * 2.0 ** rng.integers(0, 21, n_inputs)
    if not dyadic:
        offset = offset + rng.standard_normal(n_inputs)
    kind = pick(rng, ["box", "box", "hull", "ball" if n_inputs == 1 else "hull"])
    if kind == "ball":
        return rn.Ball(offset, float(rng.integers(1, 33)) / 8.0)
    if kind == "box":
        sides = rng.integers(1, 33, n_inputs) / 8.0
        if n_inputs > 1 and rng.random() < 0.1:
            sides[rng.integers(n_inputs)] = 0.0
        return rn.Box(offset, offset + sides)
    points = offset + rng.integers(-32, 33, (int(rng.integers(2, 7)), n_inputs)) / 16.0
    points[-1, 0] = points[0, 0] + 1.0
    return rn.Hull(points)


def draw_widths(rng, domain):
    """Return the widths of one to three hidden layers, small enough for a truth within milliseconds."""
    depth = pick(rng, [1, 1, 1, 2, 2, 3])
    largest = ((12, 6, 3) if domain.n_inputs == 1 else (6, 3, 2))[depth - 1]
    return [int(n) for n in rng.integers(1, largest + 1, depth)]


def draw_base(rng, kind, activation, dyadic):
    """Return (model, domain) with the neuron that this kind is about."""
    domain = draw_domain(rng, int(rng.integers(1, 3)), dyadic)
    widths = draw_widths(rng, domain)
    model = draw_model(rng, domain, activation, widths, int(rng.integers(1, 4)), bool(rng.integers(2)), dyadic)
    column = [small(rng, nonzero=True) for _ in model.outgoing(0)]
    if kind in ("dead changed", "corner cut"):
        w, b = draw_dead(model, rng, domain, 0, touch=kind == "corner cut")
        model.add(0, w, b, column)
    if kind == "always on moved" and not stable(model, domain, "on"):
        w, b = draw_dead(model, rng, domain, 0)
        model.add(0, [-value for value in w], -b, column)
    return model, domain


def apply_some(model, rng, domain, names, n):
    """Apply n random ones of the named changes that keep the function, as far as they are applicable."""
    for _ in range(n):
        changed = model.copy()
        try:
            KEEPING[pick(rng, names)](changed, rng, domain)
        except Inapplicable:
            continue
        model.layers, model.C, model.a = changed.layers, changed.C, changed.a


def attempt(rng, kind, activation, dyadic):
    """Return one (f, g, domain) of the kind, or raise Unrepresentable or Inapplicable."""
    if kind in TRAPS:
        domain = pick(rng, [rn.Box(0.0, 1.0), rn.Ball(0.5, 0.5), rn.Hull([[1.0], [0.0]])])
        return (*map(as_network, TRAPS[kind](rng)), domain)
    first, domain = draw_base(rng, kind, activation, dyadic)
    second = first.copy()
    scaled = bool(rng.integers(2))
    if kind in ROUNDING:
        if scaled:
            scale(first, rng, domain)
        f = as_network(first)
        return f, ROUNDING[kind](f, domain), domain
    if kind in CHANGING:
        CHANGING[kind](second, rng, domain)
        apply_some(second, rng, domain, ["permuted", "split", "flipped", "scaled"], int(rng.integers(3)))
    elif kind == COMBINED:
        apply_some(second, rng, domain, list(KEEPING), int(rng.integers(2, 5)))
    else:
        KEEPING[kind](second, rng, domain)
    if scaled:
        scale(first if rng.integers(2) else second, rng, domain)
    f, g = as_network(first), as_network(second)
    return (f, g, domain) if rng.integers(2) else (g, f, domain)


def random_pair(rng, kind=None):
    """Return a random Pair(f, g, domain, kind): 1 to 3 outputs, one or two inputs, small networks.

    rng : Generator or seed
    kind : one of KINDS, or None for a random one
    """
    rng = np.random.default_rng(rng)
    kind = pick(rng, KINDS) if kind is None else kind
    name, activation = kind.removeprefix(BINARY), "binary" if kind.startswith(BINARY) else "relu"
    for trial in range(1000):
        try:
            f, g, domain = attempt(rng, name, activation, dyadic=trial > 1 or bool(rng.integers(2)))
        except (Inapplicable, Unrepresentable):
            continue
        if truth_of_kind(kind) != "different" or supremum(f, g, domain).value > 0:
            return Pair(f, g, domain, kind)
    raise AssertionError(f"no pair of kind {kind!r} in 1000 trials")


def pairs(n, rng):
    """Yield n random pairs; the kinds take turns in random order, so each occurs when n >= len(KINDS)."""
    rng = np.random.default_rng(rng)
    order = []
    for _ in range(n):
        order = order or list(rng.permutation(KINDS))
        yield random_pair(rng, str(order.pop()))
