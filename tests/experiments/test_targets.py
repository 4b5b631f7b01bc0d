"""Laws of the target functions: values at known points, against formulas written a second time."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reducednet.experiments import targets
from reducednet.experiments.targets import TARGETS, target_named
from reducednet.numerics.rounding import gamma

every_target = pytest.mark.parametrize("name", sorted(TARGETS))
EXP = 64  # roundings charged for an exponential, cosine or power of an argument of size up to 60


def franke(x, y):
    hill = 0.75 * math.exp(-((9 * x - 2) ** 2) / 4 - (9 * y - 2) ** 2 / 4)
    slope = 0.75 * math.exp(-((9 * x + 1) ** 2) / 49 - (9 * y + 1) / 10)
    bump = 0.5 * math.exp(-((9 * x - 7) ** 2) / 4 - (9 * y - 3) ** 2 / 4)
    dip = 0.2 * math.exp(-((9 * x - 4) ** 2) - (9 * y - 7) ** 2)
    return hill + slope + bump - dip


def weights(d, difficulty):
    """c_i proportional to i, with sum `difficulty`."""
    total = d * (d + 1) / 2
    return [difficulty * i / total for i in range(1, d + 1)]


def genz_product(x, difficulty=7.25):
    value = 1.0
    for c, xi in zip(weights(len(x), difficulty), x):
        value /= 1.0 + c * c * (xi - 0.5) ** 2
    return value


def genz_oscillatory(x, difficulty=9.0):
    return -math.sin(sum(c * xi for c, xi in zip(weights(len(x), difficulty), x)))


def gaussian_bump(x, width=0.25):
    return math.exp(-sum((xi - 0.5) ** 2 for xi in x) / (2 * width * width))


LOOPS = {
    "sin4pi": lambda x: math.sin(4 * math.pi * x[0]),
    "abs_sin4pi": lambda x: abs(math.sin(4 * math.pi * x[0])),
    "step": lambda x: 1.0 if x[0] > 0.5 else 0.0,
    "franke": lambda x: franke(*x),
    "gaussian_bump": gaussian_bump,
    "genz_product": genz_product,
    "genz_oscillatory": genz_oscillatory,
}


@every_target
def test_values_are_those_of_a_loop(name):
    target = target_named(name)
    X = target.sample(50, 0)
    expected = [LOOPS[name](x) for x in X.tolist()]
    # arguments reach 4 pi, 9 or 81 / 4 + 100; each term is at most 1
    assert (np.abs(target(X) - expected) <= 4 * gamma(EXP)).all()


@pytest.mark.parametrize("make, loop", [
    (targets.genz_product, genz_product), (targets.genz_oscillatory, genz_oscillatory),
    (targets.gaussian_bump, gaussian_bump),
])
@given(d=st.integers(1, 6), parameter=st.floats(0.3, 20.0), seed=st.integers(0, 1000))
def test_families_follow_their_parameters(make, loop, d, parameter, seed):
    target = make(d, parameter)
    X = target.sample(5, seed)
    expected = [loop(x, parameter) for x in X.tolist()]
    assert (np.abs(target(X) - expected) <= gamma(EXP + 8 * d) * 4).all()


@pytest.mark.parametrize("name, point, value", [
    ("sin4pi", [0.125], 1.0), ("sin4pi", [0.375], -1.0), ("sin4pi", [0.0], 0.0), ("abs_sin4pi", [0.375], 1.0),
    ("step", [0.5], 0.0), ("step", [0.0], 0.0), ("step", [0.5 + 2.0**-52], 1.0), ("step", [1.0], 1.0),
    ("gaussian_bump", [0.5, 0.5], 1.0), ("genz_product", [0.5] * 4, 1.0), ("genz_oscillatory", [0.0] * 4, 0.0),
    ("franke", [2 / 9, 2 / 9], 0.75 + 0.75 * math.exp(-9 / 49 - 0.3) + 0.5 * math.exp(-6.5)
     - 0.2 * math.exp(-29.0)),
])
def test_value_at_a_known_point(name, point, value):
    assert abs(target_named(name)([point])[0] - value) <= gamma(EXP)


@pytest.mark.parametrize("width", [1e-200, 1e200])
def test_centre_of_a_bump_of_any_width_has_value_one(width):
    assert targets.gaussian_bump(2, width)([[0.5, 0.5]]) == 1.0


@every_target
def test_values_come_as_a_vector(name):
    target = target_named(name)
    assert target(target.sample(3, 0)).shape == (3,)


@every_target
def test_samples_lie_in_the_box(name):
    target = target_named(name)
    X = target.sample(200, 0)
    assert X.shape == (200, target.n_inputs)
    assert ((target.low <= X) & (X <= target.high)).all()


@every_target
def test_the_same_seed_samples_the_same_bytes(name):
    target = target_named(name)
    assert target.sample(4, 3).tobytes() == target.sample(4, 3).tobytes()


@every_target
def test_grid_is_the_product_of_its_sides(name):
    target = target_named(name)
    sides = [[a, (a + b) / 2, b] for a, b in zip(target.low.tolist(), target.high.tolist())]
    assert target.grid(3).tolist() == [list(point) for point in itertools.product(*sides)]


@every_target
def test_a_target_knows_its_name(name):
    target = target_named(name)
    assert target.name == name and repr(target) == f"Target('{name}', n_inputs={target.n_inputs})"


@every_target
def test_every_family_is_a_public_function(name):
    assert getattr(targets, name) is TARGETS[name]


@pytest.mark.parametrize("call, error, text", [
    (lambda: target_named("sine"), ValueError, r"`target` must be one of \['sin4pi', .*\], got 'sine'"),
    (lambda: target_named(3), TypeError, "`target` must be one of"),
    (lambda: targets.sin4pi()([[0.0, 1.0]]), ValueError, r"`X` must be of shape \(n_samples, 1\)"),
    (lambda: targets.sin4pi()([[np.nan]]), ValueError, "`X` must be finite"),
    (lambda: targets.sin4pi().grid(1), ValueError, "`n` must be at least 2, got 1"),
    (lambda: targets.genz_product(9).grid(10), ValueError, r"`n` must be small enough for n\*\*9 <= 10\*\*8"),
    (lambda: targets.sin4pi().sample(-1), ValueError, "`n` must be at least 0, got -1"),
    (lambda: targets.sin4pi().sample(1.0), TypeError, "`n` must be an integer, got float 1.0"),
    (lambda: targets.gaussian_bump(0), ValueError, "`n_inputs` must be at least 1, got 0"),
    (lambda: targets.gaussian_bump(2, 0.0), ValueError, "`width` must be finite and larger than 0.0, got 0.0"),
    (lambda: targets.genz_product(2, -1.0), ValueError, "`difficulty` must be finite and larger than 0.0"),
    (lambda: targets.genz_oscillatory(2.0), TypeError, "`n_inputs` must be an integer"),
])
def test_bad_arguments_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
