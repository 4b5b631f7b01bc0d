"""The exact truth itself: worked by hand, against brute force that shares no step with it, and its laws."""
from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np
import pytest

import reducednet as rn
from oracles.exact_models import KEEPING, Model, Unrepresentable, as_model, as_network, permute, scale, split
from oracles.exact_suprema import subdivide
from oracles.exact_truth import (
    BINARY, CHANGED, EQUAL, KINDS, domain_contains, exact_difference, exact_outputs, off_hyperplanes, pairs,
    random_pair, rationals, supremum, truth_of_kind, vertices,
)
from oracles.reference import affine, as_lists

PAIRS = list(pairs(6 * len(KINDS), 0))


def shallow(W, b, C, a=None, activation="relu"):
    """Return a network of one hidden layer."""
    return rn.Network([W], [b], C, a, activation)


def zero(n_inputs, activation="relu"):
    """Return the network that is 0."""
    return shallow([[1.0] * n_inputs], [0.0], [[0.0]], activation=activation)


# By hand

def test_supremum_by_hand_in_one_dimension():
    """f - g = x - 2 s(x - 1/2) on [0, 1]: 0 at 0, 1/2 at the kink 1/2, 1 - 2/2 = 0 at 1."""
    f, g = shallow([[1.0]], [0.0], [[1.0]]), shallow([[1.0]], [-0.5], [[2.0]])
    assert supremum(f, g, rn.Box(0, 1)) == (Fraction(1, 2), (Fraction(1, 2),))


def test_supremum_by_hand_in_two_dimensions():
    """s(x) + s(y) - s(x + y) is min(x, -y) where x >= 0 >= y, likewise there mirrored, else 0; so at most 1."""
    f, g = shallow([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]]), shallow([[1.0, 1.0]], [0.0], [[1.0]])
    value, point = supremum(f, g, rn.Box([-1, -1], [1, 1]))
    assert value == 1
    assert point in [(1, -1), (-1, 1)]


def test_supremum_by_hand_of_a_deep_network():
    """T(x) = 2 s(x) - 4 s(x - 1/2) is the tent; T(T(x)) has its tops, 1, at 1/4 and 3/4 and is 0 at 1/2."""
    tent = shallow([[1.0], [1.0]], [0.0, -0.5], [[2.0, -4.0]])
    twice = rn.Network([[[1.0], [1.0]], [[2.0, -4.0]] * 2], [[0.0, -0.5]] * 2, [[2.0, -4.0]])
    box = rn.Box(0, 1)
    assert supremum(twice, zero(1), box) in [(1, (Fraction(1, 4),)), (1, (Fraction(3, 4),))]
    assert supremum(twice, tent, box) == (1, (Fraction(1, 2),))  # 0 against 1; at 1/4: 1 against 1/2


def test_supremum_by_hand_is_the_largest_over_outputs():
    """Outputs x and -3 x against 0 on [-1, 1], as s(x) - s(-x): 3 at an end."""
    f = shallow([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -1.0], [-3.0, 3.0]])
    g = shallow([[1.0]], [0.0], [[0.0], [0.0]])
    assert supremum(f, g, rn.Box(-1, 1)).value == 3


def test_ends_of_a_ball_are_rationals():
    """x = s(x + 1) - 1 on the ball of centre 0.1, radius 0.2: the sum of the stored numbers, not 0.1 + 0.2."""
    f, end = shallow([[1.0]], [1.0], [[1.0]], [-1.0]), Fraction(0.1) + Fraction(0.2)
    assert supremum(f, zero(1), rn.Ball(0.1, 0.2)) == (end, (end,))
    assert end != Fraction(0.1 + 0.2)


def test_supremum_by_hand_over_a_triangle():
    """s(x + y) on the triangle (0, 0), (1, 0), (0, 2), with a point inside and one on an edge: 2 at (0, 2)."""
    hull = rn.Hull([[0.0, 0.0], [0.25, 0.25], [0.5, 0.0], [1.0, 0.0], [0.0, 2.0]])
    assert vertices(hull) == [(0, 0), (1, 0), (0, 2)]
    assert supremum(shallow([[1.0, 1.0]], [0.0], [[1.0]]), zero(2), hull) == (2, (0, 2))


@pytest.mark.parametrize("flat", [rn.Hull([[1, 1], [0, 0], [3, 3]]), rn.Hull([[0, 0], [3, 3]])])
def test_supremum_by_hand_on_a_segment(flat):
    """s(x - y + 1) - s(2 x - 4) on the diagonal (0, 0) .. (3, 3): 1 until x = 2, then 5 - 2 x, so -1 at 3."""
    f, g = shallow([[1.0, -1.0]], [1.0], [[1.0]]), shallow([[2.0, 0.0]], [-4.0], [[1.0]])
    assert supremum(f, g, flat).value == 1
    assert supremum(shallow([[1.0, -1.0]], [0.0], [[1.0]]), zero(2), flat).value == 0


def test_binary_supremum_by_hand_is_attained_in_a_sliver():
    """s(x - 1/2) and s(x - 1/2 - 2^-30) differ between the two thresholds only."""
    f = shallow([[1.0]], [-0.5], [[3.0]], activation="binary")
    g = shallow([[1.0]], [-0.5 - 2.0**-30], [[3.0]], activation="binary")
    value, (x,) = supremum(f, g, rn.Box(0, 1))
    assert value == 3
    assert Fraction(1, 2) < x < Fraction(1, 2) + Fraction(1, 2**30)


def test_binary_supremum_leaves_hyperplanes_out():
    """s(x - 1/2) and 1 - s(1/2 - x) are 0 and 1 at x = 1/2, and equal elsewhere."""
    f = shallow([[1.0]], [-0.5], [[1.0]], activation="binary")
    g = shallow([[-1.0]], [0.5], [[-1.0]], [1.0], "binary")
    assert exact_difference(f, g, [0.5]) == 1
    assert supremum(f, g, rn.Box(0, 1)).value == 0
    assert off_hyperplanes(f, [0.25]) and not off_hyperplanes(f, [0.5])


def test_binary_supremum_off_a_margin_by_hand():
    """s(3 x + 4 y) and s(3 x + 4 y - 1/2) differ in a strip of width 1/10: its middle is 1/20 away from both."""
    f = shallow([[3.0, 4.0]], [0.0], [[2.0]], activation="binary")
    g = shallow([[3.0, 4.0]], [-0.5], [[2.0]], activation="binary")
    box = rn.Box([-1, -1], [1, 1])
    assert supremum(f, g, box, 0.0499).value == 2
    assert supremum(f, g, box, 0.0501).value == 0
    assert supremum(f, g, box, 10.0) == (0, None)


def test_binary_deep_tie_counts_as_zero():
    """s(s(x) + s(y) - 2) is 0 where both are 1: z = 0 on a whole cell."""
    f = rn.Network([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [-2.0]], [[1.0]], activation="binary")
    assert supremum(f, zero(2, "binary"), rn.Box([-1, -1], [1, 1])).value == 0


def test_large_shift_is_no_zero():
    """s(x + 1e16) - 1e16 is x: in rationals 0.3 at x = 0.3, though float64 says 0."""
    f = shallow([[1.0]], [1e16], [[1.0]], [-1e16])
    assert exact_outputs(f, [0.3]) == [Fraction(0.3)]
    assert f([[0.3]])[0, 0] == 0.0
    assert supremum(f, zero(1), rn.Box(0, 1)) == (1, (1,))


def test_exact_outputs_take_points_that_are_no_floats():
    """s(3 x) at x = 1/3 is 1, and it is not at the float64 nearest to 1/3."""
    f = shallow([[3.0]], [0.0], [[1.0]])
    assert exact_outputs(f, [Fraction(1, 3)]) == [1]
    assert exact_outputs(f, [1 / 3]) != [1]


# Domains

def test_domain_contains_its_boundary_and_nothing_beyond():
    beyond = float(np.nextafter(4.0, 5.0))
    for domain, inside, outside in [
        (rn.Ball([0.0, 0.0], 5.0), [3.0, 4.0], [3.0, beyond]),
        (rn.Ball([0.0, 0.0, 0.0], 3.0), [1.0, 2.0, 2.0], [1.0, 2.0, float(np.nextafter(2.0, 3.0))]),
        (rn.Box([0.0, 1.0, 2.0], [1.0, 4.0, 2.0]), [1.0, 4.0, 2.0], [1.0, beyond, 2.0]),
        (rn.Hull([[0.0], [4.0], [1.0]]), [4.0], [beyond]),
        (rn.Hull([[0.0, 0.0], [1.0, 0.0], [0.0, 4.0]]), [0.25, 3.0], [0.25, float(np.nextafter(3.0, 4.0))]),
        (rn.Hull([[0.0, 0.0], [2.0, 4.0]]), [1.0, 2.0], [1.0, float(np.nextafter(2.0, 3.0))]),
        (rn.Hull([[0.0, 0.0], [2.0, 4.0]]), [2.0, 4.0], [2.5, 5.0]),
        (rn.Hull([[0.0, 0.0], [0.0, 4.0]]), [0.0, 3.0], [0.0, beyond]),
    ]:
        assert domain_contains(domain, inside), domain
        assert not domain_contains(domain, outside), domain


def in_some_triangle(points, x):
    """Tell by Caratheodory's theorem whether x is in the hull of points of the plane."""
    def side(p, q):
        return (q[0] - p[0]) * (x[1] - p[1]) - (q[1] - p[1]) * (x[0] - p[0])

    def within(corners):
        sides = [side(p, q) for p, q in zip(corners, corners[1:] + corners[:1])]
        box = all(min(values) <= v <= max(values) for v, *values in zip(x, *corners))
        return box and (min(sides) >= 0 or max(sides) <= 0)

    return any(within(list(corners)) for corners in combinations(points, 3))


@pytest.mark.slow
def test_hull_contains_what_some_triangle_of_its_points_contains():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(100):
        points = rng.integers(-3, 4, (rng.integers(3, 7), 2)).astype(float)
        if (points == points[0]).all():
            continue
        exact = [rationals(p) for p in points]
        for x in rng.integers(-7, 8, (20, 2)) / 2:
            answer = in_some_triangle(exact, rationals(x))
            assert domain_contains(rn.Hull(points), x) == answer, (points, x)
            seen.add(answer)
    assert seen == {True, False}


def test_supremum_refuses_what_it_cannot_cut():
    with pytest.raises(ValueError, match="no polygon"):
        supremum(zero(3), zero(3), rn.Box([0] * 3, [1] * 3))
    with pytest.raises(ValueError, match="no polygon"):
        supremum(zero(2), zero(2), rn.Ball([0, 0], 1))
    with pytest.raises(ValueError, match="activations"):
        supremum(zero(1), zero(1, "binary"), rn.Box(0, 1))
    with pytest.raises(ValueError, match="dimension 2"):
        domain_contains(rn.Box(0, 1), [0.0, 0.0])


# Against brute force: every activation pattern, no cells

def linear_forms(network):
    """Return the affine forms (u, v), z = u.x + v, of every neuron under every pattern of the layers below.

    Binary: of the first layer, since deeper ones have no kinks of their own.
    """
    hidden, _ = as_lists(network, Fraction)
    hidden = hidden[:1] if network.activation == "binary" else hidden
    d = network.n_inputs
    below = [[[Fraction(i == j) for j in range(d)] + [Fraction(0)] for i in range(d)]]  # rows (u, v) of h
    found = set()
    for layer, (W, b) in enumerate(hidden):
        above = []
        for h in below:
            rows = [affine([w], [Fraction(0)], column)[0] for w in W for column in zip(*h)]
            rows = [rows[j * (d + 1):(j + 1) * (d + 1)] for j in range(len(W))]
            rows = [row[:-1] + [row[-1] + t] for row, t in zip(rows, b)]
            found.update(tuple(row) for row in rows)
            if layer + 1 < len(hidden):
                above += [[[on * value for value in row] for on, row in zip(pattern, rows)]
                          for pattern in product([0, 1], repeat=len(W))]
        below = above
    return {scaled_form(form) for form in found if any(form[:-1])}


def scaled_form(form):
    """Divide by the first entry that is not 0: one form for one hyperplane."""
    first = next(value for value in form if value)
    return tuple(value / first for value in form)


def edges(domain):
    """Return the lines through any two corners of a polygon, or the ends of an interval, as forms."""
    points = vertices(domain)
    if domain.n_inputs == 1:
        return {(Fraction(1), -x) for (x,) in points}
    return {scaled_form((q[1] - p[1], p[0] - q[0], q[0] * p[1] - p[0] * q[1])) for p, q in combinations(points, 2)}


def candidates(f, g, domain):
    """Return the points of the domain where the forms of both networks and its edges meet."""
    forms = linear_forms(f) | linear_forms(g) | edges(domain)
    if domain.n_inputs == 1:
        points = {(-v / u,) for u, v in forms}
    else:
        points = set()
        for (a, b, c), (p, q, r) in combinations(forms, 2):
            if a * q != b * p:
                points.add(((b * r - c * q) / (a * q - b * p), (c * p - a * r) / (a * q - b * p)))
    return [x for x in points | set(vertices(domain)) if domain_contains(domain, x)]


def n_candidates(pair):
    """Return about how many candidates there are."""
    n = sum(len(linear_forms(network)) for network in (pair.f, pair.g)) + 4
    return n if pair.domain.n_inputs == 1 else n * n / 2


@pytest.mark.slow
def test_supremum_is_the_largest_difference_where_forms_meet():
    """The difference is affine on cells whose corners are all among the candidates: theirs is the largest."""
    tried = [pair for pair in PAIRS if pair.f.activation == "relu" and n_candidates(pair) < 300]
    for f, g, domain, kind in tried:
        largest = max(exact_difference(f, g, x) for x in candidates(f, g, domain))
        assert supremum(f, g, domain).value == largest, kind
    depths = {(domain.n_inputs, len(f.weights), supremum(f, g, domain).value > 0) for f, g, domain, _ in tried}
    assert depths >= set(product([1, 2], [1, 2], [False, True]))
    assert len({kind for *_, kind in tried}) == len([kind for kind in KINDS if not kind.startswith(BINARY)])


@pytest.mark.slow
def test_binary_supremum_is_the_largest_difference_at_centroids():
    """The centroid of three corners of a cell (in one dimension: of two) is inside it."""
    tried = []
    for f, g, domain, kind in PAIRS:
        count = domain.n_inputs + 1
        corners = candidates(f, g, domain) if f.activation == "binary" and len(vertices(domain)) >= count else []
        if not 0 < comb(len(corners), count) < 700:
            continue
        centroids = {tuple(sum(values) / count for values in zip(*chosen))
                     for chosen in combinations(corners, count)}
        inside = [x for x in centroids if off_hyperplanes(f, x) and off_hyperplanes(g, x)]
        assert supremum(f, g, domain).value == max(exact_difference(f, g, x) for x in inside), kind
        tried.append((domain.n_inputs, len(f.weights)))
    assert all(tried.count(case) >= 10 for case in product([1, 2], [1, 2]))


# Laws

def size(cell):
    """Return the length of an interval, or twice the area of a polygon by the shoelace formula."""
    if len(cell[0]) == 1:
        return max(cell)[0] - min(cell)[0]
    return sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(cell, cell[1:] + cell[:1]))


@pytest.mark.slow
def test_cells_tile_the_domain():
    """None is missing and none counted twice, also where lines run through corners (a square's diagonal)."""
    diagonal = shallow([[1.0, -1.0]], [0.0], [[1.0]])
    cases = [(diagonal, zero(2), rn.Box([-1, -1], [1, 1]))] + [pair[:3] for pair in PAIRS]
    for f, g, domain in cases:
        d = domain.n_inputs
        cells = [[v[:d] for v in cell] for cell in subdivide(subdivide([vertices(domain)], f), g)]
        sizes = [size(cell) for cell in cells]
        flat = d == 2 and len(vertices(domain)) == 2
        assert sum(sizes) == size(vertices(domain)), (f, g, domain)
        assert all(s > 0 or flat for s in sizes)


@pytest.mark.slow
def test_supremum_is_attained_at_its_point():
    for f, g, domain, kind in PAIRS:
        value, point = supremum(f, g, domain)
        assert domain_contains(domain, point), kind
        assert exact_difference(f, g, point) == value, kind
        flat = len(vertices(domain)) < domain.n_inputs + 1
        if f.activation == "binary" and not flat:
            assert off_hyperplanes(f, point) and off_hyperplanes(g, point), kind


@pytest.mark.slow
def test_supremum_is_never_exceeded_by_samples():
    for f, g, domain, kind in PAIRS[::2]:
        value = supremum(f, g, domain).value
        for x in domain.sample(15, 0):
            binary = f.activation == "binary"
            if domain_contains(domain, x) and not (binary and not all(off_hyperplanes(n, x) for n in (f, g))):
                assert exact_difference(f, g, x) <= value, kind


@pytest.mark.parametrize("change", [permute, split, scale])
def test_supremum_is_invariant_under_changes_that_keep_the_function(change):
    rng, seen = np.random.default_rng(1), 0
    for f, g, domain, kind in PAIRS[::3]:
        model = as_model(f)
        change(model, rng, domain)
        try:
            changed = as_network(model)
        except Unrepresentable:
            continue
        assert supremum(changed, g, domain).value == supremum(f, g, domain).value, kind
        seen += 1
    assert seen > 50


def test_supremum_is_symmetric_and_a_network_equals_itself():
    for f, g, domain, kind in PAIRS[::3]:
        assert supremum(g, f, domain).value == supremum(f, g, domain).value, kind
        assert supremum(f, f, domain).value == 0, kind


def test_margin_only_lowers_the_supremum():
    for f, g, domain, kind in PAIRS[::6]:
        values = [supremum(f, g, domain, margin).value for margin in (0.0, 2.0**-40, 0.125)]
        assert values == sorted(values, reverse=True), kind
        assert f.activation == "binary" or values[0] == values[-1], kind


def test_margin_hides_what_normalising_does_to_binary_networks():
    """Rounding turns a hyperplane by some 2^-53 of the domain's distance and size, below 2^24."""
    seen = 0
    for f, g, domain, kind in PAIRS:
        if kind == BINARY + "normalised" and len(f.weights) == 1:
            assert supremum(f, g, domain, 2.0**-26).value <= Fraction(1, 2**40), kind
            seen += supremum(f, g, domain).value > 0
    assert seen


# The generator

def test_truth_of_every_kind_is_as_said():
    for f, g, domain, kind in PAIRS:
        value = supremum(f, g, domain).value
        assert {"equal": value == 0, "different": value > 0, "either": True}[truth_of_kind(kind)], kind


def test_every_kind_occurs_and_has_one_truth():
    assert {pair.kind for pair in PAIRS} == set(KINDS)
    assert {kind for *_, kind in pairs(len(KINDS), 7)} == set(KINDS)
    assert not set(EQUAL) & set(CHANGED)


def test_pairs_are_repeatable_and_a_single_kind_can_be_asked_for():
    assert list(pairs(10, 3)) == list(pairs(10, 3))
    assert random_pair(0, "flipped").kind == "flipped"
    assert random_pair(np.random.default_rng(5)) == random_pair(5)


def largest_exponent(network):
    """Return the largest |log2| of a non-zero first-layer weight."""
    W = np.abs(network.weights[0])
    return np.abs(np.log2(W[W > 0])).max(initial=0.0)


def touches(network, domain):
    """Tell whether a first-layer neuron with a row is 0 at a corner, and of one sign on the domain."""
    hidden, _ = as_lists(network, Fraction)
    for w, b in zip(*hidden[0]):
        z = [affine([w], [b], x)[0] for x in vertices(domain)]
        if any(w) and 0 in z and min(z) * max(z) == 0 and any(z):
            return True
    return False


def test_pairs_hold_every_hard_feature():
    features = {
        "scales": lambda f, g, domain: largest_exponent(f) > 50,
        "far domains": lambda f, g, domain: domain.norm_bound > 2.0**18,
        "flat domains": lambda f, g, domain: domain.n_inputs == 2 and len(vertices(domain)) == 2,
        "kinks on the boundary": lambda f, g, domain: touches(f, domain),
        "other depths": lambda f, g, domain: len(f.weights) != len(g.weights),
        "other widths": lambda f, g, domain: f.sizes != g.sizes and len(f.weights) == len(g.weights),
        "zero rows": lambda f, g, domain: not f.weights[0].any(axis=1).all(),
        "no output bias": lambda f, g, domain: f.output_bias is None,
        "output bias": lambda f, g, domain: f.output_bias is not None,
        "output bias of one only": lambda f, g, domain: (f.output_bias is None) != (g.output_bias is None),
        "three outputs": lambda f, g, domain: len(f.output_weights) == 3,
        "three layers": lambda f, g, domain: len(f.weights) == 3,
        "balls": lambda f, g, domain: isinstance(domain, rn.Ball),
        "hulls": lambda f, g, domain: isinstance(domain, rn.Hull),
        "tiny differences": lambda f, g, domain: 0 < supremum(f, g, domain).value < 1e-10,
        "all bits": lambda f, g, domain: any(np.any(t * 2.0**20 % 1.0) for t in f.thresholds),
    }
    for name, has in features.items():
        count = sum(has(f, g, domain) for f, g, domain, _ in PAIRS)
        assert count >= len(PAIRS) // 50, f"{name}: {count} of {len(PAIRS)}"


def test_changes_off_the_domain_are_seen_off_it():
    """Those kinds are equal on the domain, and some of them differ near it."""
    differ = {kind: 0 for kind in ("dead added", "dead changed", "always on moved")}
    for f, g, domain, kind in PAIRS:
        if kind in differ:
            low, high = domain.bounding_box()
            larger = rn.Box(low - 2.0**24, high + 2.0**24)
            differ[kind] += supremum(f, g, larger).value > 0
    assert all(differ.values()), differ


def test_model_refuses_what_float64_does_not_hold():
    with pytest.raises(Unrepresentable, match="1/3"):
        as_network(Model([([[Fraction(1, 3)]], [Fraction(0)])], [[Fraction(1)]], None, "relu"))
    with pytest.raises(Unrepresentable):
        as_network(Model([([[Fraction(2)**1025]], [Fraction(0)])], [[Fraction(1)]], None, "relu"))


def test_models_and_networks_are_the_same_numbers():
    for f, *_ in PAIRS[::5]:
        assert as_network(as_model(f)) == rn.Network(f.weights, f.thresholds, f.output_weights, f.output_bias,
                                                     f.activation)


@pytest.mark.parametrize("name", KEEPING)
def test_keeping_changes_leave_the_given_network_alone(name):
    f, _, domain, _ = random_pair(3, "always on moved" if name == "always on moved" else "dead changed")
    model = as_model(f)
    KEEPING[name](model.copy(), np.random.default_rng(0), domain)
    assert as_network(model) == f
