"""Hold forms against exact numbers: points of regions, and values that forms allow."""
from fractions import Fraction

import numpy as np

from reducednet.networks.affine_maps import affine_maps
from reducednet.numerics.rationals import rationals
from reducednet.verification.difference_bounds.affine_forms import Forms, Region
from reducednet.verification.rational import ExactNetwork

UNIT_VECTORS = ((1, 0), (-1, 0), (0, 1), (Fraction(3, 5), Fraction(4, 5)), (Fraction(-5, 13), Fraction(12, 13)))
SHARES = (-1, 1, 0, Fraction(1, 3), Fraction(-7, 8))


def exact_network(network):
    """Return the network for evaluation in rationals by the library's own exact evaluation."""
    return ExactNetwork(affine_maps(network), network.activation)


def points_of_region(region, rng, n=3):
    """Return a list of exact points for each of B sets, most of them on its boundary."""
    return [[_point(region, number, rng) for _ in range(n)] for number in range(region.n_sets)]


def _point(region, number, rng):
    middle, radius = (rationals(array[:, number]) for array in (region.middle, region.radius))
    return tuple(m + r * t for m, r, t in zip(middle, radius, _coordinates(region, rng)))


def _coordinates(region, rng):
    """Return exact coordinates t of a point: of the cube, the unit ball, or the hull."""
    d = len(region.middle)
    if region.kind == "hull":
        shares = rng.integers(0, 3, len(region.points))
        shares[rng.integers(len(shares))] += 1
        weights = [Fraction(int(share), int(shares.sum())) for share in shares]
        return [sum(w * v for w, v in zip(weights, rationals(column))) for column in region.points.T]
    if region.kind == "ball":
        t = [Fraction(0)] * d
        first = int(rng.integers(d))
        pair = UNIT_VECTORS[rng.integers(len(UNIT_VECTORS))] if d > 1 else (int(rng.choice([-1, 1])),)
        for k, value in enumerate(pair):
            t[(first + k) % d] = Fraction(value)
        return t
    return [Fraction(SHARES[rng.integers(len(SHARES))]) for _ in range(d)]


def coordinates(region, number, x):
    """Return the exact t of a point x = middle + radius t; 0 where the radius is 0."""
    middle, radius = (rationals(array[:, number]) for array in (region.middle, region.radius))
    assert all(r or v == m for v, m, r in zip(x, middle, radius)), f"{x} is not in set {number}"
    return [(v - m) / r if r else Fraction(0) for v, m, r in zip(x, middle, radius)]


def assert_holds(forms, region, number, x, values, what):
    """Assert |v - m| <= r and |v - c - a.t| <= e for the values v of the quantities at x, without rounding.

    Forms that are not finite hold nothing, and prove nothing.
    """
    t = None if forms.radii.shape[1] == 1 else coordinates(region, number, x)
    for j, value in enumerate(values):
        numbers, radii = forms.values[j, :, number], forms.radii[j, :, number]
        if np.isfinite(numbers[0]) and np.isfinite(radii[0]):
            off = abs(value - Fraction(float(numbers[0]))) - Fraction(float(radii[0]))
            assert off <= 0, f"{what}, quantity {j}: {float(value)} outside its interval by {float(off)}"
        if t is not None and np.isfinite(numbers[1:]).all() and np.isfinite(radii[1]):
            c, *a = rationals(numbers[1:])
            off = abs(value - c - sum(p * q for p, q in zip(a, t))) - Fraction(float(radii[1]))
            assert off <= 0, f"{what}, quantity {j}: {float(value)} outside its linear form by {float(off)}"


def assert_bounds(low, high, values, what):
    """Assert low <= v <= high, one number a value; a bound that is nan bounds nothing."""
    for j, (value, one, other) in enumerate(zip(values, low.tolist(), high.tolist())):
        assert not np.isfinite(one) or Fraction(one) <= value, f"{what}, {j}: {float(value)} below {one}"
        assert not np.isfinite(other) or value <= Fraction(other), f"{what}, {j}: {float(value)} above {other}"


def extreme_numbers(rng, shape, spread):
    """Return numbers +-m 2^k with |k| <= spread, some of them 0."""
    numbers = np.ldexp(rng.standard_normal(shape), rng.integers(-spread, spread + 1, shape))
    return np.where(rng.random(shape) < 0.15, 0.0, numbers)


def random_forms(rng, n, region, spread, linear=True):
    """Return forms of n quantities that say something: their intervals hold their linear forms."""
    d, count = region.middle.shape
    if not linear:
        middles, radii = (extreme_numbers(rng, (n, 1, count), spread) for _ in range(2))
        return Forms(middles, np.abs(radii))
    values, radii = extreme_numbers(rng, (n, 2 + d, count), spread), np.zeros((n, 2, count))
    radii[:, 1] = np.abs(extreme_numbers(rng, (n, count), spread))
    values[:, 0] = values[:, 1]
    sums = np.abs(values[:, 2:]).sum(axis=1) + radii[:, 1]
    radii[:, 0] = np.where(sums > 0.0, np.nextafter(sums * (1.0 + 2.0**-40), np.inf), 0.0)
    return Forms(values, radii)


def allowed_values(forms, region, number, x, rng):
    """Return exact values that the forms allow at x, most of them at an end of their error."""
    result = []
    for j in range(len(forms.values)):
        numbers, radius = rationals(forms.values[j, :, number]), Fraction(float(forms.radii[j, -1, number]))
        share = Fraction(SHARES[rng.integers(len(SHARES))])
        if forms.radii.shape[1] == 1:
            result.append(numbers[0] + share * radius)
        else:
            t = coordinates(region, number, x)
            result.append(numbers[1] + sum(p * q for p, q in zip(numbers[2:], t)) + share * radius)
    return result


def some_boxes(rng, count=1):
    """Return a region of boxes of any size and place, flat and thin ones too."""
    d = int(rng.integers(1, 4))
    middle = np.ldexp(rng.standard_normal((d, count)), rng.integers(-40, 41, (d, count)))
    radius = np.abs(np.ldexp(rng.standard_normal((d, count)), rng.integers(-90, 11, (d, count))))
    radius[rng.random((d, count)) < 0.2] = 0.0
    return Region(middle, radius, "box", np.empty((0, d)))
