"""Random evidence of every kind, for random pairs of small networks: most of it proves little.

A certificate may contain any numbers that its schema allows, so the checkers are compared on
evidence that no prover would write.
"""
from fractions import Fraction

import numpy as np

import reducednet as rn
from oracles.certificate_cases import domain_of, permuted
from reducednet.verification.certificates.schemas import largest_margin

KINDS = (
    "pieces", "exact", "point", "sorted", "folded", "norms", "permutation", "signs", "zonotopes",
    "top1", "top1_point",
)
ONE_LAYER = ("sorted", "signs")


def random_case(rng):
    """Return (kind, arrays, margin, f, g, domain)."""
    kind = KINDS[rng.integers(len(KINDS))]
    activation = "binary" if kind in ("exact", "point", "permutation") and rng.random() < 0.5 else "relu"
    f, g = random_pair(kind, activation, rng)
    domain = domain_of(("Box", "Ball", "Hull")[rng.integers(3)], f.n_inputs, rng)
    arrays = globals()[f"evidence_{kind}"](f, g, domain, rng)
    margin = 1e-14 if kind == "exact" and activation == "binary" and rng.random() < 0.5 else 0.0
    return kind, arrays, margin, f, g, domain


def random_pair(kind, activation, rng):
    """Return two networks: g is f changed a little, rescaled or permuted, or another one."""
    depth = 1 if kind in ONE_LAYER else int(rng.integers(1, 4))
    d = 1 if kind == "sorted" else int(rng.integers(1, 4))
    n_outputs = int(rng.integers(2, 4) if kind.startswith("top1") else rng.integers(1, 3))
    sizes = (d, *rng.integers(1, 5, depth).tolist(), n_outputs)
    f = rn.Network.random(sizes, rng, output_bias=bool(rng.integers(2)), activation=activation)
    if rng.random() < 0.5:
        f = f.with_vector(np.round(4.0 * f.to_vector()) / 4.0)
    what = rng.integers(5)
    if what == 0 and kind not in ("norms", "permutation"):
        other = (d, *rng.integers(1, 5, 1 if kind in ONE_LAYER else rng.integers(1, 4)).tolist(), sizes[-1])
        return f, rn.Network.random(other, rng, activation=activation)
    g = {1: lambda: rn.expand(f, rng), 2: lambda: permuted(f, rng), 3: lambda: f}.get(what, lambda: f)()
    if rng.random() < 0.7:
        size = 10.0 ** -rng.integers(0, 12)
        g = g.with_vector(g.to_vector() + size * rng.standard_normal(g.n_parameters))
    return f, g


def tree(f, g, domain, rng, rational=False):
    """Return the arrays of a random tree of boxes."""
    if rng.random() < 0.5:
        return {"axis": np.array([-1]), "place": np.array([0.0])}
    low, high = domain.bounding_box()
    axis, place, directions = [], [], []

    def grow(low, high, depth):
        if depth == 0 or rng.random() < 0.4:
            separable = not isinstance(domain, rn.Box) and rng.random() < 0.5
            u = (low + high) / 2 - domain.sample(1, rng)[0]
            outside = np.minimum(u * low, u * high).sum() > domain.support([u])[0] + 1e-9
            if separable and (outside or rng.random() < 0.02):
                directions.append(u)
            axis.append(-2 if separable and directions and directions[-1] is u else -1)
            place.append(0.0)
            return
        i = int(rng.integers(len(low)))
        cut = low[i] + (high[i] - low[i]) * rng.choice([0.25, 0.5, rng.random(), 1.0], p=[0.4, 0.4, 0.19, 0.01])
        axis.append(i)
        place.append(cut)
        below, above = high.copy(), low.copy()
        below[i] = above[i] = cut
        grow(low, below, depth - 1)
        grow(above, high, depth - 1)

    grow(low, high, 3)
    arrays = {"axis": np.array(axis), "place": np.array(place)}
    return arrays | ({"directions": np.array(directions)} if directions else {})


def matches(f, g, rng):
    """Return labels and scales of both networks' neurons, g's first: partners, or at random."""
    arrays = {}
    for layer in range(max(f.depth, g.depth)):
        sizes = [net.sizes[1 + min(layer, net.depth - 1)] for net in (g, f)]
        labels = np.concatenate([np.arange(sizes[0]), np.arange(sizes[1])])
        if rng.random() < 0.4:
            labels = rng.integers(-1, 3, sum(sizes))
            present = np.unique(labels[labels >= 0])
            if rng.random() < 0.98:
                labels = np.where(labels >= 0, np.searchsorted(present, labels), -1)
        arrays[f"labels{layer}"] = labels
        arrays[f"scales{layer}"] = scales(sum(sizes), rng)
    return arrays


def scales(n, rng):
    """Return mostly 1, and other factors."""
    return np.where(rng.random(n) < 0.7, 1.0, rng.choice([0.5, 2.0, -1.0, 0.0, -0.3, 1.7], n))


def evidence_pieces(f, g, domain, rng):
    return tree(f, g, domain, rng) | matches(f, g, rng) | {"linear": np.array(rng.integers(2))}


def evidence_zonotopes(f, g, domain, rng):
    """Trees and matches; classes without a neuron of g, mostly, and scales <= 0 are taken out."""
    arrays = tree(f, g, domain, rng) | matches(f, g, rng)
    for layer in range(max(f.depth, g.depth)):
        labels, own = arrays[f"labels{layer}"], np.abs(arrays[f"scales{layer}"])
        n_g = g.sizes[1 + min(layer, g.depth - 1)]
        if rng.random() < 0.95:
            labels = np.where(np.isin(labels, labels[:n_g]), labels, -1)
            present = np.unique(labels[labels >= 0])
            labels = np.where(labels >= 0, np.searchsorted(present, labels), -1)
            own = np.where(own > 0.0, own, 1.0)
        arrays |= {f"labels{layer}": labels, f"scales{layer}": own}
    return arrays


def evidence_exact(f, g, domain, rng):
    return tree(f, g, domain, rng) | (matches(f, g, rng) if rng.random() < 0.7 else {})


def evidence_point(f, g, domain, rng):
    if not isinstance(domain, rn.Hull):
        return {"point": domain.sample(1, rng)[0] * rng.choice([0.9, 1.0, 1.1])}
    corners = rng.integers(0, len(domain.points), 4)
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    return {"point": shares @ domain.points[corners], "corners": corners, "shares": shares}


def evidence_top1(f, g, domain, rng):
    """Return a tree, some pairs of outputs that its leaves are for, and multipliers at random."""
    arrays = tree(f, g, domain, rng) | matches(f, g, rng) | {"linear": np.array(rng.integers(2))}
    if rng.random() < 0.6:
        arrays |= {f"roles{layer}": rng.choice([0, -1, -2], len(arrays[f"labels{layer}"]), p=[0.6, 0.2, 0.2])
                   for layer in range(max(f.depth, g.depth))}
    K, n_leaves = f.n_outputs, int((arrays["axis"] == -1).sum())
    ordered = np.array([(j, k) for j in range(K) for k in range(K) if j != k])
    if rng.random() < 0.7:
        arrays["rows"] = np.array(rng.integers(2) if "roles0" in arrays else 0)
        arrays["open"] = ordered[rng.permutation(len(ordered))[:rng.integers(1, len(ordered) + 1)]]
    if rng.random() < 0.7:
        n = int(rng.integers(1, 4))
        pairs = ordered[rng.integers(len(ordered), size=n)]
        multipliers = rng.choice([0.0, 0.5, 1.0, rng.random()], (n, K))
        multipliers[range(n), pairs[:, 0]] = rng.choice([0.0, 1.0], p=[0.98, 0.02])
        leaf = rng.integers(-1, n_leaves + 1, n)
        arrays |= {"leaf": leaf, "pairs": pairs, "multipliers": multipliers}
    return arrays


def evidence_top1_point(f, g, domain, rng):
    return evidence_point(f, g, domain, rng)


def evidence_sorted(f, g, domain, rng):
    return {"exact": np.array(rng.integers(2))}


def evidence_norms(f, g, domain, rng):
    arrays = {}
    for layer, n in enumerate(f.sizes[1:-1]):
        order = rng.permutation(n) if rng.random() < 0.3 else np.arange(n)
        own = np.where(rng.random(n) < 0.7, 1.0, rng.choice([0.5, 2.0, 1.3], n))
        arrays[f"labels{layer}"] = np.concatenate([np.arange(n), order])
        arrays[f"scales{layer}"] = np.concatenate([np.ones(n), own])
    return arrays


def evidence_signs(f, g, domain, rng):
    """Pairs in both orders, trees of signs for all outputs and sides, and any multiples."""
    n_g, n_f = g.sizes[1], f.sizes[1]
    labels = np.concatenate([np.arange(n_g), rng.permutation(n_f) if rng.random() < 0.3 else np.arange(n_f)])
    labels[rng.random(n_g + n_f) < 0.2] = -1
    own = np.where(rng.random(n_g + n_f) < 0.7, 1.0, rng.choice([0.5, 2.0, -1.0, -0.3, 1.7], n_g + n_f))
    splits, n_leaves = [], 0

    def grow(unknown, depth):
        nonlocal n_leaves
        if depth == 0 or not unknown or rng.random() < 0.4:
            splits.append(-1)
            n_leaves += 1
            return
        neuron = int(rng.choice(unknown))
        splits.append(neuron)
        for _ in range(2):
            grow([j for j in unknown if j != neuron], depth - 1)

    for _ in range(2 * f.n_outputs):
        grow(list(range(n_g + n_f)), 3)
    if rng.random() < 0.02:
        splits.pop()
    multiples = rng.standard_normal((n_leaves, n_g + n_f)) * rng.choice([0.0, 0.1, 1.0, 2.0**300])
    arrays = {"labels0": labels, "scales0": own, "splits0": np.array(splits)}
    return arrays | {"multiples0": multiples}


def evidence_permutation(f, g, domain, rng):
    arrays = {}
    for layer, n in enumerate(f.sizes[1:-1]):
        order = rng.permutation(n) if rng.random() < 0.2 else np.arange(n)
        arrays[f"permutation{layer}"] = order
        arrays[f"exponents{layer}"] = np.zeros(n, dtype=int) + (rng.random() < 0.1)
    return arrays


def evidence_folded(f, g, domain, rng):
    """Labels of dead and always-on neurons and classes, exclusions and sign trees, at random."""
    arrays, known, layer_of = {}, 0, []
    layers = [*f.sizes[1:-1], *g.sizes[1:-1]]
    for layer, n in enumerate(layers):
        labels, own = np.empty(n, dtype=int), scales(n, rng)
        for j in range(n):
            labels[j] = rng.choice([-1, -2, known, rng.integers(-2, known + 1)], p=[0.1, 0.1, 0.5, 0.3])
            if labels[j] == known:
                own[j], known = 1.0, known + 1
                layer_of.append(layer)
        arrays |= {f"labels{layer}": labels, f"scales{layer}": own}
    if known > 1 and rng.random() < 0.4:
        cuts = np.array([sorted(rng.choice(known, 2, replace=False))[::-1] for _ in range(2)])
        arrays |= {"cuts": cuts, "mu": np.abs(rng.normal(size=2)) * 2.0}
    if known and rng.random() < 0.5 and f.depth > 1:
        layer = int(rng.integers(1, f.depth))
        below = [c for c, number in enumerate(layer_of) if number < layer]
        if below:
            first, second = rng.choice(below), rng.choice(below)
            signs = np.zeros((4 if first != second else 2, known), dtype=int)
            signs[:, first] = [1, 1, -1, -1][:len(signs)] if first != second else [1, -1]
            if first != second:
                signs[:, second] = [1, -1, 1, -1]
            target = [layer, int(rng.integers(layers[layer])), int(rng.choice([1, -1]))]
            arrays |= {"targets": np.array([target] * len(signs)), "signs": signs,
                       "multiples": rng.normal(size=signs.shape)}
    return arrays


# numbers at the limits of float64

EXTREMES = (
    0.0, -0.0, 2.0**-1074, -3.0 * 2.0**-1074, 2.0**-1022, 2.0**-540, 2.0**-53, -1.0,
    1.0 + 2.0**-52, 2.0**53 + 2.0, 2.0**500, 2.0**1020, -(2.0**1023),
)


def hostile_case(rng):
    """Return (kind, arrays, margin, f, g, domain) with numbers near the limits of float64.

    Entries, rows and whole networks are tiny, huge, subnormal or 0, domains are flat, tiny, huge or
    far from the origin, and folded evidence has many trees of signs. ValueError if the domain would
    be beyond float64.
    """
    kind = KINDS[rng.integers(len(KINDS))]
    may_be_binary = kind in ("exact", "point", "permutation")
    activation = "binary" if may_be_binary and rng.random() < 0.5 else "relu"
    f, g = random_pair(kind, activation, rng)
    damage = HOSTILE[rng.integers(len(HOSTILE))]
    state = int(rng.integers(2**32))
    alike = f.sizes == g.sizes and rng.random() < 0.7  # the same damage to both
    f = damage(f, np.random.default_rng(state))
    g = damage(g, np.random.default_rng(state if alike else state + 1))
    domain = hostile_domain(f.n_inputs, rng)
    arrays = globals()[f"evidence_{kind}"](f, g, domain, rng)
    if kind == "folded" and rng.random() < 0.5:
        arrays |= many_trees(f, arrays, rng)
    for name in arrays:
        if name.startswith("scales") and kind != "norms" and rng.random() < 0.1:
            arrays[name] = rng.choice(EXTREMES, len(arrays[name]))
    margin = 0.0
    if kind == "exact" and activation == "binary":
        margin = float(largest_margin(domain) * rng.choice([0.0, 0.25, 0.99]))
    return kind, arrays, margin, f, g, domain


def with_extremes(network, rng):
    """Return the network with some numbers replaced."""
    vector = network.to_vector()
    where = rng.random(len(vector)) < 0.15
    vector[where] = rng.choice(EXTREMES, where.sum())
    return network.with_vector(vector)


def with_scaled_rows(network, rng):
    """Return a network whose rows are multiplied by powers of two, not undone in the next layer."""
    largest = int(rng.choice([8, 60, 300, 900]))
    powers = [rng.integers(-largest, largest, len(b)) for b in network.thresholds]
    weights = [np.ldexp(W, p[:, np.newaxis]) for W, p in zip(network.weights, powers)]
    thresholds = [np.ldexp(b, p) for b, p in zip(network.thresholds, powers)]
    arrays = weights, thresholds, network.output_weights, network.output_bias
    return rn.Network(*arrays, network.activation) if all_finite(weights, thresholds) else network


def with_balanced_scales(network, rng):
    """Return the same ReLU function up to underflow: rows scaled, and undone in the next layer."""
    if network.activation != "relu":
        return with_scaled_rows(network, rng)
    largest = int(rng.choice([60, 400, 1000]))
    weights, thresholds, below = [], [], np.zeros(network.n_inputs, dtype=int)
    for W, b in zip(network.weights, network.thresholds):
        p = rng.integers(-largest, largest + 1, len(b))
        weights.append(np.ldexp(W, p[:, np.newaxis] - below))
        thresholds.append(np.ldexp(b, p))
        below = p
    C = np.ldexp(network.output_weights, -below)
    if not all_finite(weights, thresholds, [C]):
        return network
    return rn.Network(weights, thresholds, C, network.output_bias, network.activation)


def with_zero_rows(network, rng):
    """Return the network with some rows of zeros, some of them with a threshold of 0 too."""
    weights = [W * (rng.random((len(W), 1)) < 0.7) for W in network.weights]
    thresholds = [b * (rng.random(len(b)) < 0.7) for b in network.thresholds]
    arrays = weights, thresholds, network.output_weights, network.output_bias
    return rn.Network(*arrays, network.activation)


def as_it_is(network, rng):
    """Return the network."""
    return network


HOSTILE = (with_extremes, with_scaled_rows, with_balanced_scales, with_zero_rows, as_it_is)


def all_finite(*lists):
    """Return True if all arrays of all lists are finite."""
    return all(np.isfinite(array).all() for arrays in lists for array in arrays)


def hostile_domain(d, rng):
    """Return a domain that may be flat, tiny, huge or far away."""
    scale = float(rng.choice([1.0, 2.0**-1060, 2.0**-300, 2.0**-30, 2.0**40, 2.0**1000]))
    with np.errstate(over="ignore"):  # what overflows is refused as a domain
        centre = rng.standard_normal(d) * float(rng.choice([0.0, 1.0, 2.0**30])) * scale
    kind = rng.integers(3)
    if kind == 0:
        sides = np.abs(rng.standard_normal(d)) * scale * (rng.random(d) < 0.6)
        sides[rng.integers(d)] = scale
        low, high = centre - sides, centre + sides
        return rn.Box(low, np.where(sides > 0, np.maximum(high, np.nextafter(low, np.inf)), low))
    if kind == 1:
        return rn.Ball(centre, scale)
    shape = (d + 2, 1 if rng.random() < 0.5 else d)  # points on one line, or in general
    points = centre + scale * rng.standard_normal(shape) * np.ones(d)
    points[0] = np.where(points[1] == points[0], np.nextafter(points[1], np.inf), points[0])
    return rn.Hull(points)


def many_trees(f, arrays, rng):
    """Return leaves of up to 30 trees of signs, most of which cover the domain."""
    n_layers = sum(name.startswith("labels") for name in arrays)
    n_classes = 1 + max(int(arrays[f"labels{layer}"].max()) for layer in range(n_layers))
    if f.depth < 2 or n_classes < 1:
        return {}
    targets, signs = [], []
    for _ in range(30):
        layer = int(rng.integers(1, f.depth))
        neuron = int(rng.integers(f.sizes[1 + layer]))
        target = [layer, neuron, int(rng.choice([1, -1]))]
        if target in targets:
            continue
        for leaf in random_leaves(n_classes, rng):
            targets.append(target)
            signs.append(leaf)
    multiples = rng.standard_normal((len(signs), n_classes)) * rng.choice([0.0, 1.0, 2.0**600])
    return {"targets": np.array(targets), "signs": np.array(signs), "multiples": multiples}


def random_leaves(n_classes, rng):
    """Return the signs of the leaves of a random tree; rarely one is missing or changed."""
    leaves = [np.zeros(n_classes, dtype=int)]
    for _ in range(rng.integers(1, 4)):
        leaf = leaves.pop(rng.integers(len(leaves)))
        free = np.flatnonzero(leaf == 0)
        if not len(free):
            leaves.append(leaf)
            continue
        split = rng.choice(free)
        for sign in (1, -1):
            leaves.append(np.where(np.arange(n_classes) == split, sign, leaf))
    if rng.random() < 0.02:
        leaves.pop()
    elif rng.random() < 0.02:
        leaves[-1] = -leaves[-1]
    return leaves


def rational_points(domain, rng, n=6):
    """Return points of the domain, many on its boundary, as lists of fractions."""
    points = []
    for _ in range(n):
        if isinstance(domain, rn.Box):
            shares = rng.choice([0, 0, 1, 1, rng.random()], domain.n_inputs).tolist()
            ends = zip(domain.low.tolist(), domain.high.tolist(), shares)
            points.append([between(low, high, share) for low, high, share in ends])
        elif isinstance(domain, rn.Ball):
            x = list(map(Fraction, domain.centre.tolist()))
            x[rng.integers(len(x))] += Fraction(domain.radius) * int(rng.choice([-1, 1]))
            points.append(x)
        else:
            one, other = domain.points[rng.integers(len(domain.points), size=2)].tolist()
            share = float(rng.choice([0.0, 1.0, rng.random()]))
            points.append([between(low, high, share) for low, high in zip(one, other)])
    return points


def between(low, high, share):
    """Return low + share (high - low), exactly."""
    return Fraction(low) + Fraction(share) * (Fraction(high) - Fraction(low))


def is_claimed(f, g, x, margin):
    """Return True if x is further than the margin from all first hyperplanes of binary networks."""
    for network in (f, g):
        for w, b in zip(network.weights[0].tolist(), network.thresholds[0].tolist()):
            w = list(map(Fraction, w))
            z = sum((a * v for a, v in zip(w, x)), Fraction(b))
            if any(w) and z**2 <= Fraction(margin)**2 * sum(a * a for a in w):
                return False
    return True
