"""Every form contains the exact value at every point of its region, at any scale."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_forms import (
    allowed_values, assert_bounds, assert_holds, coordinates, extreme_numbers, points_of_region,
    random_forms, some_boxes,
)
from reducednet.numerics.rationals import rationals
from reducednet.numerics.rounding import SMALLEST, gamma
from reducednet.verification.difference_bounds import affine_forms
from reducednet.verification.difference_bounds.affine_forms import (
    Forms, Region, absolute_product, boxes, linear_relaxation, matrix_product, region_of, relu,
    product_with_forms, with_interval,
)
from oracles.strategies import domains, points_of, seeds

SPREADS = st.sampled_from([0, 20, 300, 500])
FAR = [
    rn.Box([2.0**40, 0.0], [2.0**40 + 1.0, 2.0**-30]), rn.Box([1.0, 0.0], [1.0, 1.0]),
    rn.Box([0.0, 0.0], [5e-324, 1e-310]), rn.Box([-1.7e308, 0.0], [1.7e308, 1.0]),
    rn.Ball([2.0**30, -1.0], 2.0**-30), rn.Ball([1.0, 1.0], 2.0**-60), rn.Ball([0.0, 0.0], 1e-320),
    rn.Hull([[1.0, 1.0], [1.0, 2.0]]), rn.Hull([[0.0, 1e-310], [5e-324, 0.0]]),
    rn.Hull([[2.0**40, 0.1], [2.0**40 + 1.0, 0.3], [2.0**40, 0.7]]),
]


def assert_region_holds(domain, X):
    """Assert that exact points x of the domain have |t_i| <= 1 and forms x_i, and for a ball |t| <= 1."""
    region = region_of(domain)
    for x in map(rationals, X):
        t = coordinates(region, 0, x)
        assert all(abs(value) <= 1 for value in t), f"{domain}: {x}"
        assert_holds(region.inputs(), region, 0, x, x, f"inputs of {domain}")
        if region.kind == "ball":
            assert sum(value * value for value in t) <= 1


@given(domains(2), seeds())
def test_region_of_a_domain_holds_its_points(domain, seed):
    X = domain.points if isinstance(domain, rn.Hull) else points_of(domain, seed, 2)
    if isinstance(domain, rn.Ball):
        X = [domain.centre, domain.centre + np.array([domain.radius, 0.0])]
        X = [x for x in X if sum((v - c) ** 2 for v, c in zip(rationals(x), rationals(domain.centre)))
             <= Fraction(domain.radius) ** 2]
    assert_region_holds(domain, X)


@pytest.mark.parametrize("domain", FAR, ids=repr)
def test_region_of_an_extreme_domain_holds_its_points(domain):
    if isinstance(domain, rn.Ball):
        X = [domain.centre]
    else:
        X = domain.points if isinstance(domain, rn.Hull) else [domain.low, domain.high]
    assert_region_holds(domain, X)


@given(seeds(), st.integers(1, 3), st.integers(1, 5))
def test_boxes_hold_their_corners_and_are_flat_where_these_are(seed, d, count):
    rng = np.random.default_rng(seed)
    low = extreme_numbers(rng, (d, count), 1000)
    high = np.where(rng.random((d, count)) < 0.3, low, np.maximum(low, extreme_numbers(rng, (d, count), 1000)))
    region = boxes(low, high)
    assert np.array_equal(region.radius == 0.0, low == high)
    for number in range(count):
        for end in (low, high):
            for v, m, r in zip(*(rationals(array[:, number]) for array in (end, *region[:2]))):
                assert m - r <= v <= m + r


@pytest.mark.parametrize("domain", FAR, ids=repr)
@pytest.mark.parametrize("spread", [0, 300])
def test_linear_bounds_hold_every_linear_form(domain, spread):
    rng, region = np.random.default_rng(0), region_of(domain)
    for _ in range(20):
        slopes = extreme_numbers(rng, (3, region.middle.shape[0], 1), spread)
        low, high = (end[:, 0] for end in region.linear_bounds(slopes))
        for t in exact_coordinates(domain, region, rng):
            values = [sum(a * v for a, v in zip(rationals(row), t)) for row in slopes[:, :, 0]]
            assert_bounds(low, high, values, f"a.t over {domain}")


def exact_coordinates(domain, region, rng):
    """Return coordinates t of exact points: of a hull its own points, which the region rounds."""
    if region.kind == "hull":
        return [coordinates(region, 0, rationals(x)) for x in domain.points]
    if region.kind == "ball":
        unit = [(5, 3, -4), (1, -1, 0), (13, 5, 12)]
        return [[Fraction(p, n), Fraction(q, n)] for n, p, q in unit]
    return [[Fraction(int(s)) for s in rng.choice([-1, 1], region.middle.shape[0])] for _ in range(4)]


@given(seeds(), SPREADS, st.booleans())
def test_bounds_hold_what_forms_allow(seed, spread, linear):
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    forms = random_forms(rng, 4, region, spread, linear)
    low, high = region.bounds(forms)
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            values = allowed_values(forms, region, number, x, rng)
            assert_holds(forms, region, number, x, values, "the values themselves")
            assert_bounds(low[:, number], high[:, number], values, "bounds")


@given(seeds(), SPREADS, st.booleans())
def test_relu_of_forms_holds_relu_of_what_they_allow(seed, spread, linear):
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    forms = random_forms(rng, 4, region, spread, linear)
    result = relu(forms, region)
    assert result.values.shape == forms.values.shape
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            values = [max(v, Fraction(0)) for v in allowed_values(forms, region, number, x, rng)]
            assert_holds(result, region, number, x, values, "relu")


def test_relu_is_exact_where_a_sign_is_known():
    region = boxes(np.array([[1.0]]), np.array([[2.0]]))
    x = region.inputs()
    above, below = relu(x, region), relu(Forms(-x.values, x.radii), region)
    assert np.array_equal(above.values[:, 1:], x.values[:, 1:])
    assert above.radii[0, 1, 0] <= gamma(16) * 2.0
    assert np.abs(below.values).max() + below.radii.max() <= 4 * SMALLEST


def test_relu_of_an_unstable_neuron_loses_as_much_as_the_triangle():
    """z in [-1, 3]: slope 3/4, and the line 3/4 z + 3/8 is off by 3/8."""
    region = boxes(np.array([[-1.0]]), np.array([[3.0]]))
    result = relu(region.inputs(), region)
    for got, expected in [(result.values[0, 1, 0], 0.75 + 0.375), (result.radii[0, 1, 0], 0.375)]:
        assert abs(got - expected) <= gamma(64) * 4.0


@given(seeds(), SPREADS)
def test_linear_relaxations_hold_every_value_of_the_strip(seed, spread):
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    forms = random_forms(rng, 4, region, spread)
    slope = rng.choice([0.0, 0.5, 1.0, rng.random(), 2.0**-300], (4, 2))
    middle, half = extreme_numbers(rng, (4, 2), spread), np.abs(extreme_numbers(rng, (4, 2), spread))
    strip = linear_relaxation(forms, slope, middle, half)
    result = with_interval(*strip, np.full((4, 2), -1e300), np.full((4, 2), 1e300))
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            allowed, signs = allowed_values(forms, region, number, x, rng), rng.choice([-1, 1], 4)
            values = [
                Fraction(slope[j, number]) * v + Fraction(middle[j, number]) + int(s) * Fraction(half[j, number])
                for j, (v, s) in enumerate(zip(allowed, signs))
            ]
            assert_holds(result, region, number, x, values, "the strip")


def test_products_are_those_of_matrices_and_of_absolute_values_however_large():
    rng = np.random.default_rng(0)
    W = rng.integers(-9, 10, (700, 300)).astype(float)
    vectors = rng.integers(-9, 10, (300, 3, 2)).astype(float)
    assert np.array_equal(matrix_product(W, vectors), np.einsum("mn,nkb->mkb", W, vectors))
    assert np.array_equal(absolute_product(W, vectors), np.einsum("mn,nkb->mkb", np.abs(W), vectors))


@pytest.mark.parametrize("n", [0, 5, 2048, 5000])
def test_products_of_matrices_without_rows_are_empty(n):
    vectors = np.ones((n, 3, 2))
    assert matrix_product(np.empty((0, n)), vectors).shape == (0, 3, 2)
    assert absolute_product(np.empty((0, n)), vectors).shape == (0, 3, 2)


def test_magnitudes_are_no_less_than_values():
    region = Region(np.zeros((2, 1)), np.ones((2, 1)), "box", np.empty((0, 2)))
    forms = Forms(np.array([[[3.0], [-2.0], [1.0], [-5.0]]]), np.array([[[2.0], [0.5]]]))
    for got, expected in zip(forms.magnitude[0, :, 0], [5.0, 8.5]):
        assert expected <= got <= expected * (1.0 + gamma(16))
    assert np.array_equal(forms.slopes, forms.values[:, 2:])
    low, high = region.bounds(forms)
    assert abs(high[0, 0] - 4.5) <= gamma(99) * 9.0  # c + |a| + e = 4.5, m + r = 5
    assert abs(low[0, 0] - 1.0) <= gamma(99) * 9.0  # m - r = 1, c - |a| - e = -8.5


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_overflow_proves_nothing(bad):
    region = boxes(np.zeros((1, 1)), np.ones((1, 1)))
    for place in (0, 1):  # of the middle m and of c
        values, radii = np.ones((1, 3, 1)), np.zeros((1, 2, 1))
        values[0, place] = bad
        with np.errstate(invalid="ignore", over="ignore"):
            for forms in (Forms(values, radii), relu(Forms(values.copy(), radii.copy()), region)):
                low, high = region.bounds(forms)
                assert not (np.isfinite(low).all() and np.isfinite(high).all())


def test_products_with_the_inputs_have_the_bits_of_whole_products(monkeypatch):
    """Also where a slope is 0, and where the forms are others with as many slopes."""
    monkeypatch.setattr(affine_forms, "CHUNK", 0)
    rng = np.random.default_rng(0)
    inputs = region_of(rn.Box([0.0, -1.0, 2.0], [1.0, 1.0, 2.0])).inputs()
    mixed = Forms(rng.standard_normal(inputs.values.shape), inputs.radii)
    W = rng.standard_normal((4, 3))
    for H in (inputs, mixed):
        expected = matrix_product(W, H.values)
        assert (product_with_forms(W, H) == expected).all()
