"""The checkers of certificates: what they import, and that their bounds hold and are tight."""
import ast
import pathlib
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from reducednet.verification.certificates import (
    arithmetic, check_breakpoints, check_difference, check_evaluation, check_norms, check_permutation,
    check_rational, check_signs, check_symbolic,
)

CHECKERS = [
    arithmetic, check_breakpoints, check_difference, check_evaluation, check_norms,
    check_permutation, check_rational, check_signs, check_symbolic,
]
FORBIDDEN = ("__import__", "eval", "exec", "globals")


def source(module):
    return pathlib.Path(module.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", CHECKERS)
def test_checker_imports_numpy_the_standard_library_and_arithmetic_alone(module):
    names = set()
    for node in ast.walk(ast.parse(source(module))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or (node.level, node.module) == (1, "arithmetic")
            names.add(node.module.split(".")[0])
        assert not (isinstance(node, ast.Name) and node.id in FORBIDDEN)
    assert names <= {"numpy", "collections", "fractions", "functools", "math", "typing", "arithmetic"}


def exact_outputs(network, x):
    """Return the outputs at a point of rationals, by a loop."""
    h = x
    for W, b in zip(network.weights, network.thresholds):
        z = [sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(t)) for row, t in zip(W.tolist(), b.tolist())]
        h = [(v if network.activation == "relu" else Fraction(1)) if v > 0 else Fraction(0) for v in z]
    a = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    rows = zip(network.output_weights.tolist(), a.tolist())
    return [sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(t)) for row, t in rows]


def largest_difference(f, g, X):
    """Return the largest exact |f - g| at some points."""
    points = [list(map(Fraction, x)) for x in X.tolist()]
    pairs = [(exact_outputs(f, x), exact_outputs(g, x)) for x in points]
    return max(max(abs(a - b) for a, b in zip(*pair)) for pair in pairs)


def domains(d, rng):
    points = rng.standard_normal((d + 3, d))
    return [rn.Box(-np.ones(d), np.ones(d)), rn.Ball(rng.standard_normal(d), 0.75), rn.Hull(points)]


def points_of(domain, rng):
    """Return points that are surely inside: means of samples with the middle of them."""
    X = domain.sample(40, rng)
    return X + 2.0**-20 * (X.mean(axis=0) - X)


def whole(domain, f, g, matched):
    """Return the data of a proof on the whole domain: neuron j of f with neuron j of g, or none with none."""
    data = {"axis": np.array([-1]), "place": np.array([0.0]), "directions": np.empty((0, 1))}
    data |= {"margin": 0.0, "linear": 1}
    for layer, (n, m) in enumerate(zip(g.sizes[1:-1], f.sizes[1:-1])):
        labels = np.concatenate([np.arange(n), np.arange(m)]) if matched else np.full(n + m, -1)
        data |= {f"labels{layer}": labels, f"scales{layer}": np.ones(n + m)}
    return data


def test_rows_over_classes_are_sums_of_weights_and_factors_in_each_network():
    """Of 50 and 40 neurons some are in no class, some alone in theirs; each entry by a loop in
    rationals. Columns made part by part are those of the whole rows.
    """
    rng = np.random.default_rng(3)
    n_g, n_f, n_classes = 50, 40, 45
    labels = rng.integers(-1, n_classes, n_g + n_f)
    labels = np.unique(labels, return_inverse=True)[1] - 1  # none is missing
    scales = rng.choice([1.0, -1.0, 1.7, 0.3], n_g + n_f)
    layer_g, layer_f = (
        arithmetic.Layer(rng.standard_normal((3, n)), rng.standard_normal(3)) for n in (n_g, n_f)
    )
    classes = check_difference.classes_of(labels, scales, n_g + n_f)
    live = np.setdiff1d(np.arange(n_g + n_f), classes.representatives)[::2]
    rows = check_difference.rows_over_classes(layer_g, layer_f, classes, live)
    coefficients, errors = rows.whole()
    assert coefficients.shape == errors.shape == (6, len(classes.representatives) + len(live) + 1)

    for row in range(6):
        layer, own = (layer_g, range(n_g)) if row < 3 else (layer_f, range(n_g, n_g + n_f))
        weights = dict(zip(own, map(Fraction, layer.weights[row % 3].tolist())))
        expected = [Fraction(0)] * len(classes.representatives)
        for neuron in own:
            if labels[neuron] >= 0:
                factor = Fraction(classes.factors[neuron])
                expected[labels[neuron]] += weights[neuron] * factor
        expected += [weights.get(neuron, Fraction(0)) for neuron in live.tolist()]
        expected += [Fraction(layer.thresholds[row % 3])]
        for exact, value, error in zip(expected, coefficients[row], errors[row]):
            assert abs(exact - Fraction(value)) <= Fraction(error) <= Fraction(2) ** -48


def test_a_neuron_compared_to_one_of_the_other_network_keeps_its_own_remainders():
    """Where the representative's columns are 0 nothing is subtracted, and nothing rounds."""
    rows = check_difference.UncertainRows(np.array([[0.0, 0.0], [0.1, -0.7]]), np.zeros((2, 2)))
    for q in (3.0, -3.0):
        classes = check_difference.classes_of(np.zeros(2, dtype=int), np.array([1.0, q]), 2)
        found = check_difference.difference_rows(rows, classes)
        assert (found.coefficients[1] == np.sign(q) * rows.coefficients[1]).all()
        assert not found.errors.any() and not found.coefficients[0].any()


@pytest.mark.parametrize("sizes", [(1, 4, 1), (2, 5, 2), (3, 4, 4, 1), (2, 3, 3, 3, 2)])
@pytest.mark.parametrize("matched", [False, True])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_bounds_are_no_less_than_exact_differences_at_points(sizes, matched, kind):
    rng = np.random.default_rng([kind, matched, *sizes])
    for trial in range(4):
        f = rn.Network.random(sizes, rng, output_bias=trial % 2 == 0)
        g = f.with_vector(f.to_vector() + 10.0 ** -rng.integers(0, 14) * rng.standard_normal(f.n_parameters))
        domain = domains(sizes[0], rng)[kind]
        largest = largest_difference(f, g, points_of(domain, rng))
        data = whole(domain, f, g, matched)
        for linear in (0, 1):
            assert check_difference.check(data | {"linear": linear}, f, g, domain) >= largest
        assert check_rational.bound(data, f, g, domain) >= largest


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_binary_bounds_hold_at_points_further_than_the_margin(kind):
    rng = np.random.default_rng(kind)
    for margin in (0.0, 1e-3, 1e-1):
        f = rn.Network.random((2, 5, 4, 1), rng, activation="binary")
        g = f.with_vector(f.to_vector() + 1e-4 * rng.standard_normal(f.n_parameters))
        domain = domains(2, rng)[kind]
        X = points_of(domain, rng)
        far = np.ones(len(X), dtype=bool)
        for net in (f, g):
            distances = np.abs(net.pre_activations(X)[0]) / np.linalg.norm(net.weights[0], axis=1)
            far &= (distances > margin + 1e-9).all(axis=1)
        data = whole(domain, f, g, True) | {"margin": margin}
        bound = check_rational.bound(data, f, g, domain)
        assert not far.any() or bound >= largest_difference(f, g, X[far])


@pytest.mark.parametrize("exact", [0, 1])
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_sorted_breakpoints_give_the_supremum(n, exact):
    rng = np.random.default_rng(n)
    f, g = (rn.Network.random((1, n, 2), rng, output_bias=True) for _ in range(2))
    for domain in (rn.Box(-0.5, 1.0), rn.Ball(0.25, 0.75), rn.Hull([[-0.5], [1.0], [0.0]])):
        breakpoints = [Fraction(v) for v in (-0.5, 1.0)]
        for net in (f, g):
            pairs = zip(net.weights[0][:, 0].tolist(), net.thresholds[0].tolist())
            breakpoints += [-Fraction(b) / Fraction(w) for w, b in pairs if w]
        values = [[exact_outputs(net, [x]) for net in (f, g)] for x in breakpoints if -0.5 <= x <= 1]
        supremum = max(max(abs(a - b) for a, b in zip(*pair)) for pair in values)
        bound = check_breakpoints.check({"exact": exact}, f, g, domain)
        assert bound == supremum if exact else supremum <= bound <= supremum + Fraction(2) ** -40 * n


@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_equal_functions_cancel_exactly(activation):
    rng = np.random.default_rng(0)
    f = rn.Network.random((2, 4, 3, 1), rng, activation=activation)
    order, scales = rng.permutation(4), 2.0 ** rng.integers(-60, 60, 4)
    undone = scales if activation == "relu" else np.ones(4)
    W = (f.weights[0] * scales[:, np.newaxis])[order]
    g = rn.Network([W, (f.weights[1] / undone)[:, order]], [(f.thresholds[0] * scales)[order], f.thresholds[1]],
                   f.output_weights, activation=activation)
    weights, thresholds = [*f.weights, np.eye(3)], [*f.thresholds, np.zeros(3)]
    deeper = rn.Network(weights, thresholds, f.output_weights, activation=activation)
    for domain in domains(2, rng):
        data = {"axis": np.array([-1]), "place": np.array([0.0]), "directions": np.empty((0, 2)), "margin": 0.0}
        assert check_rational.bound(data, f, g, domain) == 0
        assert check_rational.bound(data, f, deeper, domain) == 0


def test_a_pair_that_carries_a_constant_cancels_through_always_on_neurons():
    f = rn.Network([np.eye(2), [[1.0, 1.0], [-1.0, -1.0]]], [np.zeros(2), [1.0, 3.0]], [[1.0, 1.0]])
    g = rn.Network([np.eye(2), [[1.0, -1.0], [-1.0, 1.0]]], [np.zeros(2), [2.0, 2.0]], [[1.0, 1.0]])
    box = rn.Box([0, 0], [1, 1])
    assert check_difference.check(whole(box, f, g, False), f, g, box) < 1e-13


def test_products_that_underflow_are_charged():
    """Here h = z of the last layer is always on, and the product of its outgoing and its own weight underflows."""
    far = 2.0**996
    rows, thresholds = [np.eye(2), [[2.0**-500, 1.0]]], [[0, 0], [0]]
    f, g = (rn.Network(rows, thresholds, [[weight]]) for weight in (2.0**-600, 0.0))
    box = rn.Box([0, 0], [far, 2.0**-600])
    assert check_difference.check(whole(box, f, g, True), f, g, box) >= Fraction(2) ** -104


def test_binary_neurons_above_the_first_layer_may_not_differ_at_any_inputs_of_0_and_1():
    """Their rows are 1e-20 apart, and where the first input is 0 that decides."""
    rows, b = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1e-20]]], [[-0.5, -0.5], [0.0]]
    f = rn.Network(rows, b, [[1.0]], activation="binary")
    g = rn.Network([[[1.0, 0.0]], [[1.0]]], [[-0.5], [0.0]], [[1.0]], activation="binary")
    data = {"axis": np.array([-1]), "place": np.array([0.0]), "directions": np.empty((0, 2)), "margin": 0.0}
    data |= {"labels0": np.array([0, 0, -1]), "scales0": np.ones(3)}
    data |= {"labels1": np.zeros(2, dtype=int), "scales1": np.ones(2)}
    assert check_rational.bound(data, f, g, rn.Box([0, 0], [1, 1])) == 1


def test_smallest_sizes_of_sums_of_0_and_1_are_those_of_all_of_them():
    rng = np.random.default_rng(0)
    for n in range(1, 9):
        y = {i: Fraction(int(v), 7) for i, v in enumerate(rng.integers(-9, 10, n)) if v}
        names = [i for i in y if i]
        for empty in (False, True):
            masks = [mask for mask in range(0 if empty else 1, 2 ** len(names))]
            sums = [abs(y.get(0, 0) + sum(y[i] for k, i in enumerate(names) if mask >> k & 1)) for mask in masks]
            if y and sums:
                assert check_rational.least_magnitude(y, empty) == min(sums)


def test_a_tree_must_cover_the_domain():
    f = rn.Network.random((2, 3, 1), 0)
    box, ball = rn.Box([0, 0], [1, 1]), rn.Ball([0, 0], 1)
    data = whole(box, f, f, True)

    def tree(axis, place, **more):
        return data | {"axis": np.array(axis), "place": np.array(place)} | more

    for check in (check_difference.check, check_rational.bound):
        assert check(tree([0, -1, -1], [0.5, 0.0, 0.0]), f, f, box) < 1e-300
        for axis, place in [([0, -1], [0.5, 0.0]), ([-1, -1], [0.0, 0.0]), ([0, -1, -1], [1.5, 0.0, 0.0]),
                            ([2, -1, -1], [0.5, 0.0, 0.0]), ([-3], [0.0]), ([0, -2, -1], [0.5, 0.0, 0.0])]:
            with pytest.raises((IndexError, StopIteration, ValueError, AttributeError)):
                check(tree(axis, place), f, f, box)
        corner = tree([0, -1, 1, -1, -2], [0.75, 0.0, 0.75, 0.0, 0.0], directions=np.array([[1.0, 1.0]]))
        assert check(corner, f, f, ball) < 1e-300
        with pytest.raises(ValueError, match="left out"):
            check(corner | {"place": np.array([0.5, 0.0, 0.5, 0.0, 0.0])}, f, f, ball)
        with pytest.raises(ValueError, match="left out"):
            check(corner | {"directions": np.array([[1.0, 0.0]])}, f, f, ball)
