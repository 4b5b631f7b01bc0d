"""Generate networks, domains and points for Hypothesis. All are constructed; nothing is filtered.

Every hard feature is planted on purpose and can be switched off: a neuron's kind is one of `KINDS`,
and rows have scales 2^-60 .. 2^60. Whether a neuron is dead, always on or touching depends on the
domain; a box is propagated through the layers here to plant such neurons.
"""
import numpy as np
from hypothesis import strategies as st

import reducednet as rn

KINDS = ("cut", "zero", "duplicate", "opposite", "dead", "on", "touch", "axis")
"""The kinds of neurons, relative to their layer's input set.

cut: its hyperplane meets the set's box; zero: a zero row; duplicate, opposite: row and threshold of
the neuron before, or minus them; dead, on: constant zero, or affine, on the set, by some distance;
touch: threshold at an end of its interval; axis: one non-zero weight.
"""

NUMBERS = ("integer", "dyadic", "normal")


def seeds():
    """Seeds of a NumPy generator."""
    return st.integers(0, 2**32 - 1)


def entries(rng, shape, numbers):
    """Return random numbers: small integers (ties!), sixteenths, or normally distributed ones."""
    if numbers == "integer":
        return rng.integers(-3, 4, shape).astype(float)
    if numbers == "dyadic":
        return rng.integers(-48, 49, shape) / 16.0
    return rng.standard_normal(shape)


@st.composite
def boxes(draw, n_inputs, flat=None, far=None):
    """Boxes: some sides may have length 0 (never all), some lie far from the origin."""
    rng = np.random.default_rng(draw(seeds()))
    numbers = draw(st.sampled_from(NUMBERS))
    flat = draw(st.booleans()) if flat is None else flat
    low = entries(rng, n_inputs, numbers)
    sides = np.abs(entries(rng, n_inputs, numbers))
    sides[sides == 0.0] = 1.0
    if flat:
        sides[rng.random(n_inputs) < 0.5] = 0.0
        if not sides.any():
            sides[rng.integers(n_inputs)] = 1.0
    if draw(st.sampled_from([False, False, True])) if far is None else far:
        low = low + rng.choice([-1.0, 1.0], n_inputs) * 2.0 ** rng.integers(10, 40)
    return rn.Box(low, low + sides)


@st.composite
def balls(draw, n_inputs, far=None):
    """Balls, about 0 (the paper's), elsewhere, and far from the origin."""
    rng = np.random.default_rng(draw(seeds()))
    centre = entries(rng, n_inputs, draw(st.sampled_from(NUMBERS)))
    if draw(st.booleans()):
        centre = np.zeros(n_inputs)
    if draw(st.sampled_from([False, False, True])) if far is None else far:
        centre = centre + rng.choice([-1.0, 1.0], n_inputs) * 2.0 ** rng.integers(10, 40)
    return rn.Ball(centre, draw(st.sampled_from([0.125, 1.0, 1.7, 32.0])))


@st.composite
def hulls(draw, n_inputs, flat=None):
    """Hulls of 2 to 6 points; flat ones lie on a line."""
    rng = np.random.default_rng(draw(seeds()))
    numbers = draw(st.sampled_from(NUMBERS))
    n_points = draw(st.integers(2, 6))
    flat = draw(st.booleans()) if flat is None else flat
    if flat:
        direction = entries(rng, n_inputs, numbers)
        direction[rng.integers(n_inputs)] = 1.0
        points = entries(rng, n_inputs, numbers) + np.arange(n_points)[:, np.newaxis] * direction
    else:
        points = entries(rng, (n_points, n_inputs), numbers)
        points[-1, 0] = points[0, 0] + 1.0
    return rn.Hull(points)


def domains(n_inputs):
    """Domains of dimension n_inputs of all three kinds."""
    return st.one_of(boxes(n_inputs), balls(n_inputs), hulls(n_inputs))


@st.composite
def solid_hulls(draw, n_inputs):
    """Hulls with interior points: a simplex with right angles, and up to three points more."""
    rng = np.random.default_rng(draw(seeds()))
    numbers = draw(st.sampled_from(NUMBERS))
    corner, more = entries(rng, n_inputs, numbers), entries(rng, (draw(st.integers(0, 3)), n_inputs), numbers)
    sides = rng.choice([-1.0, 0.5, 2.0], n_inputs)
    return rn.Hull(np.vstack([corner, corner + np.diag(sides), corner + more]))


def solid_domains(n_inputs):
    """Domains with interior points, of all three kinds."""
    return st.one_of(boxes(n_inputs, flat=False), balls(n_inputs), solid_hulls(n_inputs))


def plant_layer(rng, kinds, numbers, support):
    """Return (W, b) of a layer whose neuron j is of kind kinds[j] on the set of this support function."""
    n_inputs = support.n_inputs
    W = entries(rng, (len(kinds), n_inputs), numbers)
    W[~W.any(axis=1), 0] = 1.0
    b = np.zeros(len(kinds))
    for j, kind in enumerate(kinds):
        if kind == "zero":
            W[j], b[j] = 0.0, entries(rng, 1, numbers)[0]
            continue
        if kind == "axis":
            W[j] = np.where(np.arange(n_inputs) == rng.integers(n_inputs), rng.choice([-1.0, 2.0]), 0.0)
        if kind in ("duplicate", "opposite") and j:
            sign = 1.0 if kind == "duplicate" else -1.0
            W[j], b[j] = sign * W[j - 1], sign * b[j - 1]
            continue
        top, bottom = support(W[j]), -support(-W[j])
        distance = np.abs(entries(rng, 1, numbers))[0] + 0.5
        middle = bottom + rng.random() * (top - bottom)
        if numbers != "normal":
            middle = np.clip(np.round(middle), bottom, top)
        b[j] = {
            "dead": -top - distance * (1.0 + abs(top)), "on": -bottom + distance * (1.0 + abs(bottom)),
            "touch": -(top if rng.random() < 0.5 else bottom),
        }.get(kind, -middle)
    return W, b


class Support:
    """The support function of a domain, or of a box, for one direction."""

    def __init__(self, domain):
        self.domain, self.n_inputs = domain, domain.n_inputs

    def __call__(self, u):
        return float(self.domain.support(u[np.newaxis])[0])

    def image(self, W, b, activation):
        """Return the support function of the box of a layer's activations."""
        low = b - self.domain.support(-W)
        high = b + self.domain.support(W)
        if activation == "relu":
            low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
        else:
            low, high = (low > 0.0) * 1.0, (high > 0.0) * 1.0
        return Support(rn.Box(low, high if (low < high).any() else 2.0 * high + 1.0))


@st.composite
def networks_with_domains(
    draw, activation=None, min_depth=1, max_depth=4, max_width=6, n_inputs=None, n_outputs=None,
    output_bias=None, kinds=KINDS, numbers=NUMBERS, scaled=None, domain=None,
):
    """Pairs (network, domain); see `networks`. `domain`: a domain or a function n_inputs -> strategy."""
    if isinstance(domain, rn.Box | rn.Ball | rn.Hull):
        n_inputs = domain.n_inputs
    n_inputs = draw(st.integers(1, 4)) if n_inputs is None else n_inputs
    if not isinstance(domain, rn.Box | rn.Ball | rn.Hull):
        domain = draw((domains if domain is None else domain)(n_inputs))
    network = draw(networks(
        activation, min_depth, max_depth, max_width, n_inputs, n_outputs, output_bias, kinds, numbers,
        scaled, domain,
    ))
    return network, domain


@st.composite
def networks(
    draw, activation=None, min_depth=1, max_depth=4, max_width=6, n_inputs=None, n_outputs=None,
    output_bias=None, kinds=KINDS, numbers=NUMBERS, scaled=None, domain=None,
):
    """Networks of 1-4 inputs, 1-6 neurons a layer and 1-3 outputs, with the neurons of `KINDS` planted.

    activation : "relu", "binary" or None for both
    min_depth, max_depth : number of hidden layers
    max_width : largest number of neurons in a layer
    n_inputs, n_outputs : fixed numbers, or None
    output_bias : True, False or None for both
    kinds, numbers : subsets of KINDS and NUMBERS
    scaled : whether rows are multiplied by 2^-60 .. 2^60; in half of them the outgoing column of a
        ReLU neuron is divided by it, so that the function stays as it was
    domain : what "dead" and "always on" refer to; None draws one
    """
    if domain is not None:
        n_inputs = domain.n_inputs
    n_inputs = draw(st.integers(1, 4)) if n_inputs is None else n_inputs
    domain = draw(domains(n_inputs)) if domain is None else domain
    activation = activation or draw(st.sampled_from(["relu", "binary"]))
    numbers = draw(st.sampled_from(numbers))
    scaled = draw(st.booleans()) if scaled is None else scaled
    depth = draw(st.integers(min_depth, max_depth))
    plan = [
        draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=max_width)) for _ in range(depth)
    ]
    n_outputs = draw(st.integers(1, 3)) if n_outputs is None else n_outputs
    output_bias = draw(st.booleans()) if output_bias is None else output_bias
    rng = np.random.default_rng(draw(seeds()))
    support, weights, thresholds = Support(domain), [], []
    for layer in plan:
        W, b = plant_layer(rng, layer, numbers, support)
        weights.append(W)
        thresholds.append(b)
        support = support.image(W, b, activation)
    C = entries(rng, (n_outputs, len(plan[-1])), numbers)
    bias = entries(rng, n_outputs, numbers) if output_bias else None
    if scaled:
        for layer in range(depth):
            factors = 2.0 ** rng.integers(-60, 61, len(plan[layer]))
            weights[layer] = weights[layer] * factors[:, np.newaxis]
            thresholds[layer] = thresholds[layer] * factors
            if activation == "relu" and rng.random() < 0.5:
                if layer + 1 < depth:
                    weights[layer + 1] = weights[layer + 1] / factors
                else:
                    C = C / factors
    return rn.Network(weights, thresholds, C, bias, activation)


def points(domain, n=8):
    """Arrays of points of the domain: random ones, and the extreme ones of axes and random directions."""
    return seeds().map(lambda seed: points_of(domain, seed, n))


def points_of(domain, seed, n=8):
    """Return n random points of the domain, and the support points of axes and n random directions."""
    rng = np.random.default_rng(seed)
    axes = np.eye(domain.n_inputs)
    directions = np.vstack([axes, -axes, rng.standard_normal((n, domain.n_inputs))])
    return np.vstack([domain.sample(n, rng), domain.support_points(directions)])


def hyperplane_points(network, domain):
    """Return points of the domain where the neurons of the first layer are largest, smallest and near 0."""
    W, b = network.weights[0], network.thresholds[0]
    top, bottom = domain.support_points(W), domain.support_points(-W)
    z_top, z_bottom = (W * top).sum(axis=1) + b, (W * bottom).sum(axis=1) + b
    span = z_top - z_bottom
    t = np.divide(z_top, span, out=np.zeros_like(span), where=span > 0.0)
    t = np.clip(t, 0.0, 1.0)[:, np.newaxis]
    return np.vstack([top, bottom, (1.0 - t) * top + t * bottom])


@st.composite
def cases(draw, **options):
    """Triples (network, domain, X): X are points of the domain, those on hyperplanes among them."""
    network, domain = draw(networks_with_domains(**options))
    return network, domain, np.vstack([draw(points(domain)), hyperplane_points(network, domain)])


BOUNDS = st.sampled_from(["support", "ball"])


def touching(rng, W, support):
    """Return thresholds at an end of their interval, up to 3 units in the last place, on this support function."""
    extremes = np.where(rng.random(len(W)) < 0.5, [support(w) for w in W], [-support(-w) for w in W])
    return -extremes * (1.0 + rng.integers(-3, 4, len(W)) * 2.0**-52)


def ill_conditioned_of(seed):
    """Return (network, domain): ReLU, entries of sizes 1e-12 .. 1e16, most neurons stable.

    A size is drawn for each row and each threshold by itself, so that most neurons are stable. A
    third of the thresholds lie within a few units in the last place of an end of their interval.
    """
    rng = np.random.default_rng(seed)
    n_inputs, depth = int(rng.integers(1, 3)), int(rng.integers(1, 7))
    box, ball = rn.Box(rng.integers(-2, 3, n_inputs), [3] * n_inputs), rn.Ball([2.0] * n_inputs, 1)
    domain = box if rng.random() < 0.5 else ball
    support, weights, thresholds, n = Support(domain), [], [], n_inputs
    for m in rng.integers(1, 4, depth):
        W = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-12, 16, (m, 1)) * (rng.random((m, 1)) < 0.8)
        b = rng.choice([-1.0, 1.0], m) * 10.0 ** rng.uniform(-12, 17, m)
        b = np.where(rng.random(m) < 1 / 3, touching(rng, W, support), b)
        support, n = support.image(W, b, "relu"), m
        weights.append(W)
        thresholds.append(b)
    C = rng.standard_normal((rng.integers(1, 3), n)) * 10.0 ** rng.uniform(-12, 2, n)
    bias = rng.standard_normal(len(C)) if rng.random() < 0.5 else None
    return rn.Network(weights, thresholds, C, bias), domain


def ill_conditioned():
    """Networks and domains of `ill_conditioned_of`."""
    return seeds().map(ill_conditioned_of)
