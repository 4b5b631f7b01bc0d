"""The paper in one file: each of its functions does what the library does, and it runs as a script."""
import ast
import runpy
import time

import numpy as np
import pytest
import the_paper
from hypothesis import given
from hypothesis import strategies as st
from oracles import path_sums, strategies
from oracles.assertions import assert_close

import reducednet as rn
from reducednet.networks import backward
from reducednet.numerics import sphere
from reducednet.numerics.rounding import gamma
from reducednet.reduced_space.intervals import LayerSpace

PATH = the_paper.__file__
X_B = 1.5
kinds = st.sampled_from(["relu", "binary"])
each_kind = pytest.mark.parametrize("kind", ["relu", "binary"])


@st.composite
def cases(draw):
    """(W, b, c), samples in the ball of radius X_B, and responses; some neurons are dead or always on."""
    rng = np.random.default_rng(draw(strategies.seeds()))
    d, m, n = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 7))
    parameters = rng.normal(0.0, 1.0, (m, d)), rng.normal(0.0, 3.0, m), rng.normal(0.0, 1.0, m)
    return parameters, rn.Ball(np.zeros(d), X_B).sample(n, rng), rng.normal(0.0, 1.0, n)


def as_network(parameters, kind):
    W, b, c = parameters
    return rn.Network([W], [b], [c], activation=kind)


def as_vector(parameters, kind="relu"):
    return as_network(parameters, kind).to_vector()


def reduced_point(parameters, kind):
    """Return (W, b, c) in the reduced space, its vector and that space."""
    W, b, c = parameters
    reduced = sphere.normalise(W)[0], np.clip(b, -X_B, X_B), c
    ball = rn.Ball(np.zeros(W.shape[1]), X_B)
    return reduced, as_vector(reduced), rn.ReducedSpace((*W.T.shape, 1), ball, "ball", activation=kind)


@given(cases(), kinds)
def test_forward_is_the_library_s(case, kind):
    parameters, X, _ = case
    network = as_network(parameters, kind)
    outputs, Z, H = the_paper.forward(*parameters, X, kind)
    expected, (all_z,), (_, all_h) = backward.forward(network, X)
    W, b = np.abs(parameters[0]), np.abs(parameters[1])
    sums = 2 * gamma(W.shape[1] + 2) * (np.abs(X) @ W.T + b)
    assert_close(Z, all_z, sums, "Z")
    assert_close(H, all_h, sums if kind == "relu" else 0.0, "H")
    assert_close(outputs, expected[:, 0], path_sums.outputs_tolerance(network, X)[:, 0], "outputs")


@each_kind
def test_activation_and_slope_are_the_library_s_at_0_too(kind):
    Z, own = np.array([[-2.0, -0.0, 0.0, 2.0**-1074, 3.0]]), rn.activations.activation_named(kind)
    np.testing.assert_array_equal(the_paper.activation(Z, kind), own.value(Z))
    np.testing.assert_array_equal(the_paper.slope(Z, kind), own.slope(Z))


@given(cases(), kinds)
def test_backward_is_the_library_s(case, kind):
    parameters, X, y = case
    network = as_network(parameters, kind)
    loss, *gradient = the_paper.backward(*parameters, X, y, kind)
    expected, expected_gradient = rn.loss_and_gradient(network, X, y)
    assert_close(loss, expected, path_sums.loss_tolerance(network, X, y, "mse"), "loss")
    assert_close(as_vector(gradient), expected_gradient.to_vector(),
                 path_sums.gradient_tolerance(network, X, y, "mse"), "gradient")


@given(cases())
def test_relu_mapping_is_reduce_paper(case):
    (W, b, c), X, _ = case
    reduced = the_paper.reduce(W, b, c, X_B, "relu")
    expected = rn.reduce_paper(as_network((W, b, c), "relu"), rn.Ball(np.zeros(W.shape[1]), X_B))
    n = W.shape[1]
    relative = 2 * gamma(2 * n + 16)  # a norm each, normalised or not, then a few operations
    assert_close(reduced[0], expected.weights[0], relative * np.abs(reduced[0]), "rows")
    # a threshold within the rounding error of an end lies there
    ends = LayerSpace(expected.domain, expected._activation, "ball").rounding_error(expected.weights[0])
    assert_close(reduced[1], expected.thresholds[0], relative * np.abs(reduced[1]) + ends, "thresholds")
    doubled = np.append(c, c[b > np.linalg.norm(W, axis=1) * X_B])
    magnitude = np.abs(doubled) * (np.linalg.norm(W, axis=1).max() + np.abs(b).max() / X_B)
    assert_close(reduced[2], expected.output_weights[0], relative * magnitude, "outgoing weights")


@given(cases())
def test_binary_mapping_is_the_library_s_within_its_margin(case):
    (W, b, c), X, _ = case
    reduced = the_paper.reduce(W, b, c, X_B, "binary")
    domain = rn.Ball(np.zeros(W.shape[1]), X_B)
    expected = rn.reduce(as_network((W, b, c), "binary"), domain, "ball")
    margin = expected.layer_spaces[0].margin
    relative = 2 * gamma(2 * W.shape[1] + 16)
    assert_close(reduced[0], expected.weights[0], relative * np.abs(reduced[0]), "rows")
    # the library lowers thresholds by the margin and moves those within 1.5 of it to an end
    assert_close(reduced[1], expected.thresholds[0], 3.5 * margin, "thresholds")
    np.testing.assert_array_equal(reduced[2], expected.output_weights[0])


@given(cases(), kinds)
def test_mapping_keeps_the_function_and_lands_in_the_reduced_space(case, kind):
    parameters, X, _ = case
    W, b, c = reduced = the_paper.reduce(*parameters, X_B, kind)
    assert rn.ReducedSpace((W.shape[1], len(b), 1), rn.Ball(np.zeros(W.shape[1]), X_B), "ball").contains(
        as_vector(reduced))
    outputs = [the_paper.forward(*p, X, kind)[0] for p in (parameters, reduced)]
    allowed = sum(path_sums.outputs_tolerance(as_network(p, kind), X, 40) for p in (parameters, reduced))
    assert_close(*outputs, allowed[:, 0], f"{kind} network and its reduction")


@given(cases(), kinds)
def test_projection_and_retraction_are_those_of_the_reduced_space(case, kind):
    parameters, X, y = case
    (W, b, c), theta, space = reduced_point(parameters, kind)
    G = [np.random.default_rng(len(b)).standard_normal(array.shape) for array in (W, b, c)]
    n = W.shape[1]
    tangent = the_paper.project(W, G[0])
    expected = space.gradient(theta, as_vector(G))
    allowed = 2 * gamma(n + 2) * (np.abs(G[0]) + np.abs(W) * (np.abs(W * G[0])).sum(axis=1, keepdims=True))
    assert_close(tangent, space.network(theta + expected).weights[0] - W, allowed + gamma(2) * (
        np.abs(W) + np.abs(tangent)), "projection")
    moved = W + tangent, b + G[1], c + G[2]
    step = space.step(theta, as_vector(moved) - theta)
    back = as_vector(the_paper.retract(*moved, X_B, kind))
    assert_close(back, step, gamma(4 * n + 32) * (np.abs(back) + np.abs(theta) + np.abs(as_vector(moved)) * np.max(
        np.linalg.norm(moved[0], axis=1)) + X_B), "retraction")


RATE = 0.05


def step_case(kind, reduced):
    """Return (W, b, c), samples, responses, and the library's network and its network a step later."""
    rng = np.random.default_rng(3)
    X, y = rng.uniform(-1.0, 1.0, (30, 2)), rng.standard_normal(30)
    parameters = rng.normal(0.0, 1.0, (6, 2)), rng.normal(0.0, 1.0, 6), rng.normal(0.0, 1.0, 6)
    network = as_network(parameters, kind)
    if reduced:
        parameters, vector, space = reduced_point(parameters, kind)
        network = space.network(vector)
    run = rn.train(network, X, y, "sgd", n_steps=1, learning_rate=RATE, momentum=0.0)
    assert run.history["loss"][1] < run.history["loss"][0]  # so the network is that of the last step
    return parameters, X, y, network, run.network


@each_kind
def test_standard_step_is_that_of_train_without_momentum(kind):
    parameters, X, y, network, expected = step_case(kind, reduced=False)
    _, after = the_paper.standard_step(*parameters, X, y, RATE, kind)
    theta, moved = network.to_vector(), as_vector(after)
    allowed = RATE * path_sums.gradient_tolerance(network, X, y, "mse")
    assert_close(moved, expected.to_vector(), allowed + gamma(4) * (np.abs(theta) + np.abs(moved)), "step")


@each_kind
def test_reduced_step_is_that_of_train_without_momentum(kind):
    parameters, X, y, network, expected = step_case(kind, reduced=True)
    _, (W, b, c) = the_paper.reduced_step(*parameters, X, y, RATE, X_B, kind)
    block, outgoing = network.layout.blocks(path_sums.gradient_tolerance(network, X, y, "mse"))
    of_W, of_b, of_c = RATE * block[:-1].T, RATE * block[-1], RATE * outgoing[:, 0]
    # the projection, a sum of n products, adds the row's errors; then the norm has their sum
    of_W = of_W + np.abs(parameters[0]) * of_W.sum(axis=1, keepdims=True) + gamma(16) * np.abs(parameters[0])
    norm = of_W.sum(axis=1) + gamma(16)
    assert_close(W, expected.weights[0], of_W + norm[:, np.newaxis] * np.abs(W), "rows")
    assert_close(b, expected.thresholds[0], of_b + (norm + gamma(16)) * np.abs(parameters[1]), "thresholds")
    assert_close(c, expected.output_weights[0], 2.0 * of_c + (norm + gamma(16)) * np.abs(c), "outgoing weights")


def test_it_runs_alone_in_a_few_seconds_and_prints_what_it_says(capsys):
    started = time.process_time()
    runpy.run_path(PATH, run_name="__main__")
    assert time.process_time() - started < 3.0
    printed = capsys.readouterr().out
    runs = printed.strip().split("\n\n")
    assert [run.split(":")[0] for run in runs] == ["relu", "relu", "binary"]
    for run in runs:
        _, difference, _, _, *rows = run.splitlines()
        assert float(difference.split()[-1]) <= 1e-14
        losses = np.array([row.split() for row in rows], dtype=float)[:, 1:]
        assert losses[0, 0] == losses[0, 1] and (losses[-1] < losses[0] / 10.0).all()


def test_it_is_at_most_150_plain_lines_of_numpy_alone():
    with open(PATH, encoding="utf-8") as file:
        text = file.read()
    lines, tree = text.splitlines(), ast.parse(text)
    assert len(lines) <= 150 and max(map(len, lines)) <= 100 and ";" not in text
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]
