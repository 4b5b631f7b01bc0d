"""Laws of the two activations."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reducednet.networks.activations import (
    ACTIVATIONS, activation_named, binary, binary_slope, relu, relu_slope,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
matrices = arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=2, max_side=6), elements=finite)
powers = st.integers(-30, 30).map(lambda k: 2.0**k)
names = st.sampled_from(sorted(ACTIVATIONS))


@given(matrices)
def test_relu_is_the_larger_of_its_argument_and_zero(Z):
    expected = [value if value > 0 else 0.0 for value in Z.ravel().tolist()]
    assert relu(Z).ravel().tolist() == expected


@given(matrices)
def test_the_slope_of_relu_is_one_where_its_argument_is_positive(Z):
    assert relu_slope(Z).ravel().tolist() == [1.0 if value > 0 else 0.0 for value in Z.ravel().tolist()]


@given(matrices)
def test_binary_is_one_where_its_argument_is_positive(Z):
    assert binary(Z).ravel().tolist() == [1.0 if value > 0 else 0.0 for value in Z.ravel().tolist()]


@given(matrices)
def test_the_slope_of_binary_is_zero(Z):
    assert not binary_slope(Z).any()


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_value_at_zero_is_zero(name, zero):
    assert activation_named(name).value(np.array([zero])) == 0.0


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_slope_at_zero_is_zero(name, zero):
    assert activation_named(name).slope(np.array([zero])) == 0.0


@given(arrays.arrays(np.float64, 5, elements=st.floats(-1e200, 1e200, allow_subnormal=False)), powers)
def test_relu_is_homogeneous(Z, alpha):
    Z = np.where(np.abs(Z) < 1e-200, 0.0, Z)
    np.testing.assert_array_equal(relu(alpha * Z), alpha * relu(Z))


@given(arrays.arrays(np.float64, 5, elements=st.floats(-1e200, 1e200)), powers)
def test_binary_does_not_see_the_scale(Z, alpha):
    Z = np.where(np.abs(Z) < 1e-200, 0.0, Z)
    np.testing.assert_array_equal(binary(alpha * Z), binary(Z))


@given(matrices, names)
def test_value_and_slope_are_finite_on_finite_arguments(Z, name):
    kind = activation_named(name)
    assert np.isfinite(kind.value(Z)).all() and np.isfinite(kind.slope(Z)).all()


@given(matrices, names)
def test_out_receives_the_value(Z, name):
    kind = activation_named(name)
    out = np.full_like(Z, 7.0)
    assert kind.value(Z, out=out) is out
    np.testing.assert_array_equal(out, kind.value(Z))


@given(matrices, names)
def test_out_may_be_the_argument(Z, name):
    kind = activation_named(name)
    expected = kind.value(Z)
    kind.value(Z, out=Z)
    np.testing.assert_array_equal(Z, expected)


@given(matrices, names)
def test_the_argument_is_not_changed(Z, name):
    kind, before = activation_named(name), Z.copy()
    kind.value(Z)
    kind.slope(Z)
    np.testing.assert_array_equal(Z, before)


@given(matrices)
def test_the_slope_of_relu_may_be_taken_at_its_value(Z):
    np.testing.assert_array_equal(relu_slope(relu(Z)), relu_slope(Z))


@given(finite)
def test_relu_of_z_less_relu_of_minus_z_is_z(z):
    assert relu(np.array([z])) - relu(np.array([-z])) == z


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_knows_its_name(name):
    assert activation_named(name).name == name


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match=r"`activation` must be one of \['relu', 'binary'\], got 'tanh'"):
        activation_named("tanh")


def test_an_activation_that_is_no_word_is_refused():
    with pytest.raises(TypeError, match=r"`activation` must be one of .*, got int 1"):
        activation_named(1)
