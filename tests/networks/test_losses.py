"""Laws of the two losses, against loops over the samples."""
import math

import numpy as np
import pytest
from oracles import reference
from hypothesis import given
from hypothesis import strategies as st

from reducednet.networks.losses import (
    check_responses, cross_entropy, loss_named, mean_squared_error,
)
from reducednet.numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma

LOSSES = ["mse", "cross_entropy"]
names = st.sampled_from(LOSSES)


@st.composite
def outputs_and_responses(draw, name=None, scale=None):
    """(loss, outputs, y) of 1-9 samples and 1-4 outputs (2-4 for classes)."""
    name = draw(names) if name is None else name
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(1, 9)), draw(st.integers(1 if name == "mse" else 2, 4))
    scale = draw(st.sampled_from([1e-3, 1.0, 30.0])) if scale is None else scale
    outputs = scale * rng.standard_normal((n, k))
    return name, outputs, scale * rng.standard_normal((n, k)) if name == "mse" else rng.integers(0, k, n)


def value_tolerance(name, outputs, y):
    """Roundings of the mean of n losses: squares of residuals, or sums of exponentials and a logarithm."""
    n, k = outputs.shape
    if name == "mse":
        return gamma(n * k + 8) * 2 * float(((np.abs(outputs) + np.abs(y)) ** 2).sum()) / n
    # exp of a rounded difference z errs by |z| u, and by 2 u of its own; so does the sum and its log
    sizes = np.abs(outputs).max(axis=1) * 2 + 4.0
    return gamma(2 * n + 2 * k + 16) * float(sizes.sum() + n * math.log(k)) / n


def gradient_tolerance(name, outputs, y):
    n, k = outputs.shape
    if name == "mse":
        return gamma(4) * 2.0 / n * (np.abs(outputs) + np.abs(y))
    return gamma(2 * k + 16) * (np.abs(outputs).max(axis=1, keepdims=True) * 2 + 4.0) / n


@given(outputs_and_responses())
def test_value_is_the_mean_over_the_samples(case):
    name, outputs, y = case
    expected = sum(reference.sample_loss(list(o), t, name)[0] for o, t in zip(outputs, y)) / len(y)
    assert abs(loss_named(name)(outputs, y)[0] - expected) <= value_tolerance(name, outputs, y)


@given(outputs_and_responses())
def test_gradient_is_that_of_each_sample_over_their_number(case):
    name, outputs, y = case
    expected = np.array([reference.sample_loss(list(o), t, name)[1] for o, t in zip(outputs, y)]) / len(y)
    difference = np.abs(loss_named(name)(outputs, y)[1] - expected)
    assert (difference <= gradient_tolerance(name, outputs, y)).all()


@given(outputs_and_responses(scale=1.0), st.integers(0, 2**32 - 1))
def test_gradient_is_the_directional_difference(case, seed):
    name, outputs, y = case
    loss, V = loss_named(name), np.random.default_rng(seed).standard_normal(outputs.shape)
    t = 2.0**-13
    numeric = (loss(outputs + t * V, y)[0] - loss(outputs - t * V, y)[0]) / (2 * t)
    # the third derivative of the mean along V: 0 for squares, at most 8 max |V|^3 for the softmax
    truncation = t**2 / 6 * 8 * np.abs(V).max() ** 3 if name == "cross_entropy" else 0.0
    larger = np.abs(outputs) + np.abs(V)
    rounding = value_tolerance(name, larger, y) / t + outputs.size * UNIT_ROUNDOFF
    analytic = float((loss(outputs, y)[1] * V).sum())
    assert abs(numeric - analytic) <= truncation + 2 * rounding


@given(outputs_and_responses(), st.integers(1, 8))
def test_value_is_the_weighted_mean_over_parts_of_the_samples(case, cut):
    name, outputs, y = case
    n, loss = len(y), loss_named(name)
    cut = min(cut, n)
    parts = loss(outputs[:cut], y[:cut])[0] * cut
    parts += loss(outputs[cut:], y[cut:])[0] * (n - cut) if cut < n else 0.0
    assert abs(loss(outputs, y)[0] - parts / n) <= 2 * value_tolerance(name, outputs, y)


@given(outputs_and_responses(), st.integers(0, 2**32 - 1))
def test_integer_weights_count_a_sample_so_many_times(case, seed):
    name, outputs, y = case
    counts = np.random.default_rng(seed).integers(0, 4, len(y))
    counts[0] += 1
    weight, loss = counts / counts.mean(), loss_named(name)
    value, gradient = loss(outputs, y, sample_weight=weight)
    repeated, _ = loss(np.repeat(outputs, counts, axis=0), np.repeat(y, counts, axis=0))
    # n l / sum of the counts errs by a few roundings more, and no sample weighs more than n
    assert abs(value - repeated) <= len(y) * 2 * value_tolerance(name, outputs, y)
    expected = loss(outputs, y)[1] * weight[:, np.newaxis]
    assert (np.abs(gradient - expected) <= len(y) * 2 * gradient_tolerance(name, outputs, y)).all()


@given(outputs_and_responses())
def test_weights_of_one_change_nothing(case):
    name, outputs, y = case
    value, gradient = loss_named(name)(outputs, y, sample_weight=np.ones(len(y)))
    expected, slopes = loss_named(name)(outputs, y)
    assert abs(value - expected) <= 2 * value_tolerance(name, outputs, y)
    np.testing.assert_array_equal(gradient, slopes)


@given(outputs_and_responses())
def test_value_is_not_negative(case):
    name, outputs, y = case
    assert loss_named(name)(outputs, y)[0] >= 0.0


@given(outputs_and_responses())
def test_out_receives_the_gradient(case):
    name, outputs, y = case
    out = np.empty_like(outputs)
    value, gradient = loss_named(name)(outputs.copy(), y, out=out)
    assert gradient is out
    np.testing.assert_array_equal(out, loss_named(name)(outputs, y)[1])


@given(outputs_and_responses(), st.sampled_from(["C", "F"]))
def test_out_may_be_the_outputs(case, order):
    name, outputs, y = case
    value, gradient = loss_named(name)(outputs, y)
    same = np.array(outputs, order=order)
    value_in_place, _ = loss_named(name)(same, y, out=same)
    assert abs(value_in_place - value) <= 2 * value_tolerance(name, outputs, y)
    assert (np.abs(same - gradient) <= 2 * gradient_tolerance(name, outputs, y)).all()


@given(outputs_and_responses())
def test_arguments_are_not_changed(case):
    name, outputs, y = case
    before = outputs.copy(), y.copy()
    loss_named(name)(outputs, y)
    np.testing.assert_array_equal(outputs, before[0])
    np.testing.assert_array_equal(y, before[1])


@given(outputs_and_responses("mse"))
def test_squared_error_of_the_responses_themselves_is_zero(case):
    _, _, y = case
    value, gradient = mean_squared_error(y, y)
    assert value == 0.0 and not gradient.any()


def test_squared_error_has_no_factor_one_half():
    assert mean_squared_error(np.array([[3.0, 4.0]]), np.zeros((1, 2)))[0] == 25.0


@given(outputs_and_responses("cross_entropy"), st.integers(-1000, 1000))
def test_softmax_does_not_see_a_shift(case, shift):
    _, outputs, y = case
    outputs = np.round(outputs * 2.0**20) / 2.0**20  # so that the shift is exact
    value, gradient = cross_entropy(outputs, y)
    shifted_value, shifted_gradient = cross_entropy(outputs + shift, y)
    assert shifted_value == value
    np.testing.assert_array_equal(shifted_gradient, gradient)


@given(outputs_and_responses("cross_entropy"))
def test_gradient_of_the_cross_entropy_sums_to_zero_over_the_classes(case):
    _, outputs, y = case
    sums = cross_entropy(outputs, y)[1].sum(axis=1)
    assert (np.abs(sums) <= gamma(2 * outputs.shape[1] + 8) * 2.0 / len(y)).all()


@given(st.integers(2, 6))
def test_cross_entropy_of_equal_outputs_is_the_logarithm_of_their_number(k):
    value, _ = cross_entropy(np.full((1, k), 7.0), np.array([0]))
    assert abs(value - math.log(k)) <= gamma(4) * math.log(k)


@pytest.mark.parametrize("label, value, gradient", [(0, 0.0, [0.0, 0.0]), (1, 2e300, [1.0, -1.0])])
def test_cross_entropy_survives_outputs_of_1e300(label, value, gradient):
    result, slope = cross_entropy(np.array([[1e300, -1e300]]), np.array([label]))
    assert (result, slope.tolist()) == (value, [gradient])


@pytest.mark.parametrize("outputs", [[[1e300, 1e300]], [[-1e300, -1e300]], [[800.0, 800.0]]])
def test_cross_entropy_of_two_equal_large_outputs_is_log_two(outputs):
    value, gradient = cross_entropy(np.array(outputs), np.array([0]))
    assert abs(value - math.log(2.0)) <= gamma(4) and gradient.tolist() == [[-0.5, 0.5]]


def test_gradient_of_the_cross_entropy_is_finite_where_probabilities_underflow():
    _, gradient = cross_entropy(np.array([[0.0, -2000.0], [-2000.0, 0.0]]), np.array([1, 1]))
    assert gradient.tolist() == [[0.5, -0.5], [0.0, 0.0]]


def test_squared_error_of_small_residuals_is_their_square():
    value, gradient = mean_squared_error(np.array([[2.0**-500]]), np.zeros((1, 1)))
    assert abs(value - 2.0**-1000) <= SMALLEST and gradient == 2.0**-499


# responses


def test_responses_of_one_output_may_be_a_vector():
    np.testing.assert_array_equal(check_responses("mse", [1, 2], 2, 1), [[1.0], [2.0]])


def test_labels_come_out_as_integers():
    labels = check_responses("cross_entropy", [0.0, 2.0], 2, 3)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 2]


@pytest.mark.parametrize("arguments, error, text", [
    (("mse", [1.0, 2.0], 3, 1), ValueError, r"`y` must be of shape \(3, 1\) or \(3,\), got shape \(2,\)"),
    (("mse", [1.0, 2.0], 2, 2), ValueError, r"`y` must be of shape \(2, 2\), got shape \(2,\)"),
    (("mse", [[1.0, 2.0]], 2, 1), ValueError, r"`y` must be of shape \(2, 1\) or \(2,\), got shape \(1, 2\)"),
    (("mse", [np.inf], 1, 1), ValueError, "`y` must be finite, got inf at index 0"),
    (("mse", ["a"], 1, 1), TypeError, "`y` must be an array of real numbers"),
    (("cross_entropy", [0, 3], 2, 3), ValueError, r"`y` must be class labels from 0 to 2, got 3"),
    (("cross_entropy", [-1], 1, 3), ValueError, r"`y` must be class labels from 0 to 2, got -1"),
    (("cross_entropy", [0.5], 1, 3), ValueError, r"`y` must be class labels from 0 to 2, got 0.5"),
    (("cross_entropy", [0], 2, 3), ValueError, r"`y` must be of shape \(2,\), got shape \(1,\)"),
    (("cross_entropy", [0], 1, 1), ValueError, "'mse' for a network of one output"),
    (("hinge", [0], 1, 2), ValueError, r"`loss` must be one of \['mse', 'cross_entropy'\], got 'hinge'"),
    ((None, [0], 1, 2), TypeError, "`loss` must be one of"),
])
def test_bad_responses_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        check_responses(*arguments)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match=r"`loss` must be one of \['mse', 'cross_entropy'\], got 'l1'"):
        loss_named("l1")
