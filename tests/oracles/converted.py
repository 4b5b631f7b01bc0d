"""What a converted network must be: the function that the library itself computes, and one to work with."""
import doctest
import sys

import numpy as np
from oracles.assertions import assert_close, assert_same_function

import reducednet as rn


def samples_of(shape, n=50):
    return np.random.default_rng(1).uniform(-2.0, 2.0, (n, *shape))


def evaluation_error(net, X):
    """Return what two float64 evaluations at X, whatever the order of their sums, can differ by."""
    return 2.0 * rn.evaluation_bound(net, rn.Box(X.min(axis=0), X.max(axis=0)))


def assert_computes(net, X, outputs):
    """Assert that the network gives the outputs that a library computed in float64 at X, to rounding."""
    flat = np.reshape(X, (len(X), -1))
    assert_close(net(flat), np.reshape(outputs, (len(X), -1)), evaluation_error(net, flat), f"{net!r}")


def assert_computes_in_float32(net, X, outputs):
    """Assert that the network gives the outputs that a library computed in float32 at X, to rounding.

    The roundoff of float32 is 2^29 times that of float64; 1.01 stands for terms of second order, and
    eight roundings more for those of a normalisation.
    """
    flat = np.reshape(X, (len(X), -1)).astype(float)
    bound = rn.evaluation_bound(net, rn.Box(flat.min(axis=0), flat.max(axis=0)), extra_roundings=8)
    outputs = np.reshape(outputs, (len(X), -1)).astype(float)
    assert_close(net(flat), outputs, np.broadcast_to(2.0**29 * 1.01 * bound, outputs.shape), f"{net!r}")


def assert_reduces_and_is_verified(net):
    domain = rn.Box(-np.ones(net.n_inputs), np.ones(net.n_inputs))
    red = rn.reduce(net, domain)
    assert_same_function(net, red, domain.sample(20, np.random.default_rng(0)))
    assert rn.verify(net, red, domain, eps=rn.reduction_bound(net, red).max()).status == "equivalent"


def assert_examples_run(function):
    """Assert that the examples of a function's docstring run, those too that need another library."""
    text = function.__doc__.replace("# doctest: +SKIP", "")
    names = vars(sys.modules[function.__module__]).copy()
    example = doctest.DocTestParser().get_doctest(text, names, function.__name__, None, None)
    assert len(example.examples) >= 1
    assert doctest.DocTestRunner().run(example, out=sys.stderr.write).failed == 0
