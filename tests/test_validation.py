"""Laws of the argument checks: what passes, what comes back, and the message of what does not."""
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import reducednet as rn
from reducednet import _validation as validation

finite = st.floats(allow_nan=False, allow_infinity=False)
matrices = arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=finite)


def refused(error, text):
    return pytest.raises(error, match=text)


# arrays


@given(matrices)
def test_array_comes_back_with_the_same_numbers(array):
    np.testing.assert_array_equal(validation.real_array(array, "X"), array)


@given(matrices)
def test_array_comes_back_as_a_copy(array):
    result = validation.real_array(array, "X")
    assert not np.shares_memory(result, array) and result.flags.writeable and result.flags.c_contiguous


@pytest.mark.parametrize("value", [
    [[1, 2]], ((True, False),), np.float32([[1, 2]]), np.uint8([[1, 2]]), np.asfortranarray([[1.0, 2.0]]),
    np.longdouble([[1, 2]]), np.float16([[1, 2]]), range(3),
])
def test_array_of_any_real_kind_becomes_float64(value):
    result = validation.real_array(value, "X")
    assert result.dtype == np.float64 and result.tolist() == np.asarray(value).tolist()


@pytest.mark.parametrize("shape", [(2, 3), (2, None), (None, "n_inputs"), ("rows", 3)])
def test_array_of_the_wanted_shape_passes(shape):
    assert validation.real_array(np.zeros((2, 3)), "X", shape).shape == (2, 3)


@pytest.mark.parametrize("value, shape, error, text", [
    (np.zeros(3), (3, 1), ValueError, r"`X` must be of shape \(3, 1\), got shape \(3,\)"),
    (np.zeros((3, 2)), ("n_samples", 1), ValueError, r"`X` must be of shape \(n_samples, 1\), got shape \(3, 2\)"),
    (np.zeros((3, 2)), (None,), ValueError, r"`X` must be of shape \(any,\), got shape \(3, 2\)"),
    ([], None, ValueError, r"`X` must be non-empty, got shape \(0,\)"),
    (np.zeros((0, 2)), ("n_samples", 2), ValueError, r"`X` must be non-empty, got shape \(0, 2\)"),
    ([[1.0], [2.0, 3.0]], None, ValueError, "`X` must be a rectangular array, got rows of different lengths"),
    ([1.0, np.nan], None, ValueError, "`X` must be finite, got nan at index 1"),
    ([[1.0, -np.inf]], None, ValueError, r"`X` must be finite, got -inf at index \(0, 1\)"),
    (np.nan, None, ValueError, "`X` must be finite, got nan"),
    ([np.longdouble("1e4000")], None, ValueError, "`X` must be finite, got inf at index 0"),
    (["1"], None, TypeError, "`X` must be an array of real numbers, got dtype <U1"),
    ([1j], None, TypeError, "`X` must be an array of real numbers, got dtype complex128"),
    ([None], None, TypeError, "`X` must be an array of real numbers, got dtype object"),
    (None, None, TypeError, "`X` must be an array of real numbers, got dtype object"),
    ({"a": 1}, None, TypeError, "`X` must be an array of real numbers, got dtype object"),
    pytest.param([10**400], None, TypeError, "`X` must be .*, got dtype object", id="huge integer"),
])
def test_bad_array_is_refused(value, shape, error, text):
    with refused(error, text):
        validation.real_array(value, "X", shape)


def test_empty_array_passes_where_it_may():
    assert validation.real_array(np.zeros((0, 2)), "U", ("m", 2), allow_empty=True).shape == (0, 2)


@pytest.mark.parametrize("y, n_samples, n_outputs", [([1, 2], 2, 1), ([[1], [2]], 2, 1), ([[1, 2]], 1, 2)])
def test_responses_come_back_as_a_matrix(y, n_samples, n_outputs):
    assert validation.responses(y, n_samples, n_outputs).shape == (n_samples, n_outputs)


@given(st.integers(2, 5), st.lists(st.integers(0, 1), min_size=1, max_size=5))
def test_labels_come_back_as_integers(n_classes, labels):
    for given_labels in (labels, np.array(labels, float), np.array(labels, bool)):
        result = validation.class_labels(given_labels, len(labels), n_classes)
        assert result.dtype == np.int64 and result.tolist() == labels


@pytest.mark.parametrize("value", ["W", b"W", {"a": 1}, 3, None])
def test_list_of_arrays_must_be_a_list(value):
    with refused(TypeError, "`weights` must be a list of arrays, one for each hidden layer, got "):
        validation.array_list(value, "weights")


def test_list_of_arrays_must_not_be_empty():
    with refused(ValueError, "`weights` must be a list of at least one array, got an empty list"):
        validation.array_list((), "weights")


# numbers and words


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_integer_comes_back_as_an_int(value):
    result = validation.integer(value, "n", 1)
    assert type(result) is int and result == 3


@pytest.mark.parametrize("value, error, text", [
    (0, ValueError, "`n` must be at least 1, got 0"),
    (np.int64(-2), ValueError, "`n` must be at least 1, got -2"),
    (1.0, TypeError, "`n` must be an integer, got float 1.0"),
    (True, TypeError, "`n` must be an integer, got bool"),
    (np.True_, TypeError, "`n` must be an integer"), ("1", TypeError, "`n` must be an integer, got str '1'"),
    (None, TypeError, "`n` must be an integer, got NoneType None"),
])
def test_bad_integer_is_refused(value, error, text):
    with refused(error, text):
        validation.integer(value, "n", 1)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int16(2), np.longdouble(2), np.float16(2)])
def test_number_comes_back_as_a_float(value):
    result = validation.number(value, "t")
    assert type(result) is float and result == 2.0


@pytest.mark.parametrize("value, limits, error, text", [
    (-1.0, {"minimum": 0.0}, ValueError, "`t` must be finite and at least 0.0, got -1.0"),
    (0, {"above": 0.0}, ValueError, "`t` must be finite and larger than 0.0, got 0.0"),
    (np.nan, {}, ValueError, "`t` must be finite, got nan"),
    (np.inf, {}, ValueError, "`t` must be finite, got inf"),
    pytest.param(10**400, {}, ValueError, "`t` must be finite", id="huge integer"),
    pytest.param(-(10**400), {}, ValueError, "`t` must be finite", id="minus a huge integer"),
    (True, {}, TypeError, "`t` must be a real number, got bool True"),
    (np.True_, {}, TypeError, "`t` must be a real number"),
    (1j, {}, TypeError, "`t` must be a real number, got complex 1j"),
    (np.complex64(1 + 2j), {}, TypeError, "`t` must be a real number, got complex64"),
    (np.complex128(1 + 2j), {}, TypeError, "`t` must be a real number, got complex128"),
    ("1", {}, TypeError, "`t` must be a real number, got str '1'"),
    (None, {}, TypeError, "`t` must be a real number, got NoneType None"),
    ([1.0], {}, TypeError, "`t` must be a real number, got list"),
])
def test_bad_number_is_refused(value, limits, error, text):
    with refused(error, text):
        validation.number(value, "t", **limits)


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_flag_comes_back_as_a_bool(value):
    assert validation.flag(value, "f") is bool(value)


@pytest.mark.parametrize("value", [0, 1.0, "yes", None])
def test_bad_flag_is_refused(value):
    with refused(TypeError, "`f` must be True or False, got "):
        validation.flag(value, "f")


def test_choice_comes_back():
    assert validation.choice("a", "word", ("a", "b")) == "a"


@pytest.mark.parametrize("value, error, text", [
    ("c", ValueError, r"`word` must be one of \['a', 'b'\], got 'c'"),
    ("A", ValueError, "`word` must be one of"), (1, TypeError, r"`word` must be one of \['a', 'b'\], got int 1"),
    (None, TypeError, "`word` must be one of .*, got NoneType None"), (["a"], TypeError, "`word` must be one of"),
])
def test_bad_choice_is_refused(value, error, text):
    with refused(error, text):
        validation.choice(value, "word", ("a", "b"))


@pytest.mark.parametrize("sizes", [(1, 2, 1), [1, 2, 1], np.array([1, 2, 1]), iter((1, 2, 1))])
def test_sizes_come_back_as_a_tuple(sizes):
    assert validation.layer_sizes(sizes) == (1, 2, 1)


@pytest.mark.parametrize("sizes, error, text", [
    ((1, 1), ValueError, r"`sizes` must be \(n_inputs, n_1, ..., n_outputs\) with a hidden layer, got \(1, 1\)"),
    ((), ValueError, "`sizes` must be .* with a hidden layer"),
    ((1, 0, 1), ValueError, r"`sizes\[1\]` must be at least 1, got 0"),
    ((1, 2.0, 1), TypeError, r"`sizes\[1\]` must be an integer, got float 2.0"),
    ("121", TypeError, r"`sizes` must be \(n_inputs, n_1, ..., n_outputs\), got '121'"),
    (3, TypeError, "`sizes` must be"),
])
def test_bad_sizes_are_refused(sizes, error, text):
    with refused(error, text):
        validation.layer_sizes(sizes)


def test_instance_of_another_kind_is_refused():
    with refused(TypeError, "`domain` must be a Box, Ball or Hull, got list"):
        validation.instance([], "domain", rn.Box, "a Box, Ball or Hull")


def test_domain_of_another_dimension_is_refused():
    with refused(ValueError, "`domain` must be of dimension 2, the network's number of inputs, got dimension 3"):
        validation.same_inputs(2, 3)


def test_result_that_is_no_number_is_refused():
    with refused(ValueError, "the answer leaves the range of float64: the arguments are too large"):
        validation.finite_result(np.array([1.0, np.inf]), "the answer")


# random generators


@given(st.integers(0, 2**64))
def test_the_same_seed_gives_the_same_numbers(seed):
    assert validation.generator(seed).random() == validation.generator(seed).random()


def test_a_generator_is_used_as_it_is():
    rng = np.random.default_rng(0)
    assert validation.generator(rng) is rng


def test_a_seed_sequence_gives_its_generator():
    expected = np.random.default_rng(np.random.SeedSequence(5)).random()
    assert validation.generator(np.random.SeedSequence(5)).random() == expected


def test_no_seed_gives_different_numbers():
    assert validation.generator(None).random() != validation.generator(None).random()


@pytest.mark.parametrize("rng, error, text", [
    (-1, ValueError, "`rng` must be a seed of at least 0, got -1"),
    (True, TypeError, "`rng` must be None, an int, a numpy Generator or a SeedSequence, got bool True"),
    (1.5, TypeError, "`rng` must be None, an int"), ("0", TypeError, "`rng` must be None, an int"),
    (np.random.RandomState(0), TypeError, "`rng` must be None, an int"),
])
def test_bad_rng_is_refused(rng, error, text):
    with refused(error, text):
        validation.generator(rng)


def test_no_global_random_state_is_used_or_changed():
    before = np.random.get_state()[1].tobytes()
    rn.Network.random((1, 3, 1))
    rn.Box(0, 1).sample(3)
    assert np.random.get_state()[1].tobytes() == before


@pytest.mark.parametrize("function", [rn.canonical_form, rn.minimal_form, rn.compress])
def test_argument_by_its_old_name_warns_and_is_the_same(function):
    net, box = rn.Network.random((1, 3, 1), rng=0), rn.Box(0, 1)
    name = function.__name__
    with pytest.warns(DeprecationWarning, match=f"`net` of `{name}` is now called `network`") as caught:
        old = function(net=net, domain=box)
    assert [warning.filename for warning in caught] == [__file__]
    assert old == function(network=net, domain=box) == function(net, box)
    with pytest.raises(TypeError, match="`net` must be left out, for it is `network`, got both"):
        function(net=net, network=net, domain=box)


def test_a_network_is_called_network_everywhere():
    for name in rn.__all__:
        value = getattr(rn, name)
        members = vars(value).values() if inspect.ismodule(value) else [value]
        for function in filter(inspect.isfunction, members):
            assert "net" not in inspect.signature(function).parameters, name
