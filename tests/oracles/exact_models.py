"""Networks whose parameters are fractions, and changes of them that keep the function exactly.

A change works on a `Model` in place and rounds nothing. `as_network` refuses a parameter that float64
does not hold, so what is equal as a model is equal as a network.
"""
from fractions import Fraction

import reducednet as rn
from oracles.exact_suprema import vertices
from oracles.reference import activate, as_lists


class Unrepresentable(ValueError):
    """A parameter, exact as a fraction, is no float64."""


class Inapplicable(ValueError):
    """The model holds no neuron that this change is about."""


class Model:
    """A network as nested lists of fractions: layers [(W, b), ...], outgoing C, output bias a or None."""

    def __init__(self, layers, C, a, activation):
        self.layers = [([list(row) for row in W], list(b)) for W, b in layers]
        self.C, self.a = [list(row) for row in C], None if a is None else list(a)
        self.activation = activation

    def copy(self):
        return Model(self.layers, self.C, self.a, self.activation)

    def outgoing(self, layer):
        """Return the matrix that the layer's activations go through; its columns are the neurons'."""
        return self.layers[layer + 1][0] if layer + 1 < len(self.layers) else self.C

    def column(self, layer, j):
        return [row[j] for row in self.outgoing(layer)]

    def set_column(self, layer, j, column):
        for row, value in zip(self.outgoing(layer), column):
            row[j] = value

    def add(self, layer, w, b, column):
        """Add the neuron column * s(w.h + b) to the layer, at its end."""
        W, thresholds = self.layers[layer]
        W.append(list(w))
        thresholds.append(b)
        for row, value in zip(self.outgoing(layer), column):
            row.append(value)

    def absorb(self, layer, constants):
        """Add constants to what follows the layer: the next thresholds, or the output bias, made if missing."""
        if layer + 1 < len(self.layers):
            b = self.layers[layer + 1][1]
            b[:] = [old + new for old, new in zip(b, constants)]
        elif any(constants) or self.a is not None:
            self.a = [old + new for old, new in zip(self.a or [Fraction(0)] * len(self.C), constants)]

    def neurons(self):
        """Return all (layer, j)."""
        return [(layer, j) for layer, (_, b) in enumerate(self.layers) for j in range(len(b))]


def as_model(network):
    """Return a network's parameters as they are."""
    layers, (C, a) = as_lists(network, Fraction)
    return Model(layers, C, None if network.output_bias is None else a, network.activation)


def as_float(value):
    """Return the float64 that the fraction is, or raise Unrepresentable."""
    try:
        result = float(value)
    except OverflowError:
        result = 0.0
    if Fraction(result) != value:
        raise Unrepresentable(f"{value} is no float64")
    return result


def as_network(model):
    """Return the model as a network with exactly these parameters."""
    def matrix(W):
        return [[as_float(value) for value in row] for row in W]

    bias = None if model.a is None else [as_float(value) for value in model.a]
    return rn.Network([matrix(W) for W, _ in model.layers], [matrix([b])[0] for _, b in model.layers],
                      matrix(model.C), bias, model.activation)


def ranges(model, domain):
    """Return one function a layer, w -> (low, high): exact bounds of w.h over its inputs h.

    Attained in the first layer; the deeper ones take the box of the layer below.
    """
    corners = vertices(domain)

    def first(w):
        values = [sum(p * q for p, q in zip(w, x)) for x in corners]
        return min(values), max(values)

    functions = [first]
    for W, b in model.layers[:-1]:
        ends = [[z + t for z in functions[-1](w)] for w, t in zip(W, b)]
        box = [activate(pair, model.activation) for pair in ends]
        functions.append(lambda w, box=box: (
            sum(min(p * low, p * high) for p, (low, high) in zip(w, box)),
            sum(max(p * low, p * high) for p, (low, high) in zip(w, box))))
    return functions


def stable(model, domain, kind):
    """Return the (layer, j) that are "dead" (z <= 0) or "on" (z >= 0; binary: z > 0) by their range."""
    found = []
    for layer, ((W, b), bounds) in enumerate(zip(model.layers, ranges(model, domain))):
        for j, (w, t) in enumerate(zip(W, b)):
            low, high = bounds(w)
            on = low + t > 0 or low + t == 0 and model.activation == "relu"
            if high + t <= 0 if kind == "dead" else on:
                found.append((layer, j))
    return found


def pick(rng, items):
    """Return a random item of a list (of anything), or raise Inapplicable if it is empty."""
    items = list(items)
    if not items:
        raise Inapplicable("nothing to choose from")
    return items[rng.integers(len(items))]


def small(rng, nonzero=False):
    """Return a random multiple of 1/16 in [-3, 3]."""
    value = Fraction(int(rng.integers(-48, 49)), 16)
    return value if value or not nonzero else Fraction(1)


def rounded(value):
    """Return the fraction rounded to float64, as a fraction."""
    return Fraction(float(value))


# Changes that keep the function, everywhere (where it is said: on the domain, off the hyperplanes).

def permute(model, rng, domain):
    """Put every layer's neurons into another order."""
    for layer, (W, b) in enumerate(model.layers):
        order = [int(j) for j in rng.permutation(len(b))]
        W[:], b[:] = [W[j] for j in order], [b[j] for j in order]
        for row in model.outgoing(layer):
            row[:] = [row[j] for j in order]


def scale_neuron(model, layer, j, factor):
    """Multiply a row by a positive factor, and for ReLU divide its column by it."""
    W, b = model.layers[layer]
    W[j], b[j] = [factor * w for w in W[j]], factor * b[j]
    if model.activation == "relu":
        model.set_column(layer, j, [c / factor for c in model.column(layer, j)])


def scale(model, rng, domain):
    """Scale rows by 2^-60 .. 2^60, in some models by far less."""
    largest = pick(rng, [1, 10, 30, 60, 60])
    for layer, j in model.neurons():
        scale_neuron(model, layer, j, Fraction(2) ** int(rng.integers(-largest, largest + 1)))


def split(model, rng, domain):
    """Make two of one neuron, with shares p and 1 - p of its column, the second one rescaled."""
    layer, j = pick(rng, model.neurons())
    (W, b), column = model.layers[layer], model.column(layer, j)
    p = Fraction(pick(rng, [1, 2, 3, -2, 4, 1024])) / 2
    model.set_column(layer, j, [p * c for c in column])
    model.add(layer, W[j], b[j], [(1 - p) * c for c in column])
    scale_neuron(model, layer, len(b) - 1, Fraction(2) ** int(rng.integers(-8, 9)))


def flip(model, rng, domain):
    """Replace s(z) by s(-z) + z for ReLU, and off the hyperplane by 1 - s(-z) for binary.

    The z of ReLU is a neuron that is always on, s(z + t) - t, on the domain, or everywhere the two
    s(z + t) - s(-z - t) - t. Binary: in the first layer, for deeper z may be 0 on a cell.
    """
    binary = model.activation == "binary"
    layer, j = pick(rng, [(k, i) for k, i in model.neurons() if any(model.layers[k][0][i]) and not (k and binary)])
    (W, b), c = model.layers[layer], model.column(layer, j)
    w, minus = W[j], [-value for value in W[j]]
    low = ranges(model, domain)[layer](w)[0] + b[j]
    W[j], b[j], t = minus, -b[j], b[j]
    if binary:
        model.set_column(layer, j, [-value for value in c])
        model.absorb(layer, c)
        return
    always = bool(rng.integers(2))
    shift = max(Fraction(0), Fraction(-(low // 1))) + int(rng.integers(3)) if always else small(rng)
    model.add(layer, w, t + shift, c)
    if not always:
        model.add(layer, minus, -t - shift, [-value for value in c])
    model.absorb(layer, [-shift * value for value in c])


def draw_dead(model, rng, domain, layer, touch=False):
    """Return (w, b) of a neuron that is dead on the layer's inputs: by some distance, or just so."""
    w = [small(rng) for _ in model.layers[layer][0][0]]
    w[0] = w[0] or Fraction(1)
    distance = Fraction(0) if touch else abs(small(rng)) + Fraction(1, 16)
    return w, -ranges(model, domain)[layer](w)[1] - distance


def add_dead(model, rng, domain):
    """Add a neuron that is dead on the domain, in some models with its hyperplane on the boundary."""
    layer = int(rng.integers(len(model.layers)))
    w, b = draw_dead(model, rng, domain, layer, touch=bool(rng.integers(2)))
    model.add(layer, w, b, [small(rng, nonzero=True) for _ in model.outgoing(layer)])


def change_dead(model, rng, domain):
    """Make of a dead neuron another dead one, with another column: the change is seen off the domain only."""
    layer, j = pick(rng, stable(model, domain, "dead"))
    W, b = model.layers[layer]
    W[j], b[j] = draw_dead(model, rng, domain, layer, touch=bool(rng.integers(2)))
    model.set_column(layer, j, [small(rng, nonzero=True) for _ in model.outgoing(layer)])


def move_always_on(model, rng, domain):
    """Raise the threshold of a neuron that is always on: seen off the domain only."""
    layer, j = pick(rng, stable(model, domain, "on"))
    t = abs(small(rng, nonzero=True)) * 2 ** pick(rng, [0, 0, 10, 40])
    model.layers[layer][1][j] += t
    if model.activation == "relu":
        model.absorb(layer, [-t * c for c in model.column(layer, j)])


def add_zero_row(model, rng, domain):
    """Add a neuron of zero weights, and take away its constant where it is not zero."""
    layer = int(rng.integers(len(model.layers)))
    b, column = small(rng), [small(rng) for _ in model.outgoing(layer)]
    model.add(layer, [Fraction(0)] * len(model.layers[layer][0][0]), b, column)
    constant = activate([b], model.activation)[0]
    model.absorb(layer, [-constant * c for c in column])


def deepen(model, rng, domain):
    """Put a layer in that changes nothing: s(h) = h after a layer, or for ReLU s(y) - s(-y) = y at the end."""
    zero = Fraction(0)
    if model.activation == "relu" and rng.integers(2):
        bias = model.a or [zero] * len(model.C)
        rows = [row for C in model.C for row in (C, [-c for c in C])]
        model.layers.append((rows, [t for a in bias for t in (a, -a)]))
        n = len(model.C)
        model.C = [[Fraction((j // 2 == k) * (1 - 2 * (j % 2))) for j in range(2 * n)] for k in range(n)]
        model.a = pick(rng, [None, [zero] * n])
        return
    layer = int(rng.integers(len(model.layers)))
    n = len(model.layers[layer][1])
    unit = [[Fraction(i == j) for j in range(n)] for i in range(n)]
    threshold = zero if model.activation == "relu" else Fraction(-1, 2)
    model.layers.insert(layer + 1, (unit, [threshold] * n))


def move_bias(model, rng, domain):
    """Give the output bias to a neuron of zero weights; a network without one gets a bias of zeros."""
    if model.a is None:
        model.a = [Fraction(0)] * len(model.C)
        return
    last = len(model.layers) - 1
    model.add(last, [Fraction(0)] * len(model.layers[last][0][0]), Fraction(1), model.a)
    model.a = None


def keep(model, rng, domain):
    """Change nothing."""


KEEPING = {
    "identical": keep, "permuted": permute, "scaled": scale, "split": split, "flipped": flip,
    "dead added": add_dead, "dead changed": change_dead, "always on moved": move_always_on,
    "zero row added": add_zero_row, "deeper": deepen, "output bias moved": move_bias,
}


# Random models.

NEURONS = ("cut", "cut", "cut", "cut", "zero", "duplicate", "opposite", "dead", "on", "touch")


def draw_neuron(kind, before, rng, bounds, n_inputs, entry):
    """Return (w, b) of a neuron of this kind on inputs with these bounds; `before`: the layer so far."""
    if kind == "zero":
        return [Fraction(0)] * n_inputs, entry()
    if kind in ("duplicate", "opposite") and before:
        sign = 1 if kind == "duplicate" else -1
        return [sign * w for w in before[-1][0]], sign * before[-1][1]
    w = [entry() for _ in range(n_inputs)]
    w[0] = w[0] or Fraction(1)
    low, high = bounds(w)
    distance = abs(entry()) + Fraction(1, 16)
    return w, {
        "dead": -high - distance, "on": -low + distance, "touch": -(low, high)[rng.integers(2)],
    }.get(kind, -low - (high - low) * int(rng.integers(1, 16)) / 16)


def draw_model(rng, domain, activation, widths, n_outputs, bias, dyadic=True):
    """Return a random model with neurons of all `NEURONS`; entries are sixteenths, or any float64."""
    def entry():
        return small(rng) if dyadic else Fraction(float(rng.standard_normal()))

    model = Model([], [], None, activation)
    n_inputs = domain.n_inputs
    for n in widths:
        model.layers.append(([], []))
        bounds = ranges(model, domain)[-1]
        layer = []
        for _ in range(n):
            w, b = draw_neuron(pick(rng, NEURONS), layer, rng, bounds, n_inputs, entry)
            layer.append((w, b if dyadic else rounded(b)))
        model.layers[-1] = ([w for w, _ in layer], [b for _, b in layer])
        n_inputs = n
    model.C = [[entry() for _ in range(n_inputs)] for _ in range(n_outputs)]
    model.a = [entry() for _ in range(n_outputs)] if bias else None
    return model
