"""Orbits, tracks, slices of the loss, diagrams and sums of ramps: what is drawn, recomputed."""
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import reducednet as rn
from oracles.assertions import assert_close, assert_equal_bits
from reducednet import plotting

matplotlib.use("agg")
UNIT, SQUARE = rn.Box(0, 1), rn.Box([0, 0], [1, 1])
EPS = np.finfo(float).eps


@pytest.fixture
def ax():
    return Figure().subplots()


def line_named(ax, label):
    line, = [line for line in ax.lines if line.get_label() == label]
    return line


# steps


def test_dots_of_a_binary_network_show_its_values_at_the_breakpoints(ax):
    # breakpoints 1/4, 1/2, 3/4: left-facing, twice at one place, right-facing; all dyadic
    network = rn.Network([[[-1.0], [1.0], [-1.0], [1.0]]], [[0.25, -0.5, 0.5, -0.75]],
                         [[1.0, 2.0, 4.0, 8.0]], activation="binary")
    plotting.network(network, UNIT, ax)
    closed = [line for line in ax.lines if line.get_marker() == "o"][-1]
    assert closed.get_xdata().tolist() == [0.25, 0.5, 0.75]
    assert_equal_bits(closed.get_ydata(), network([[0.25], [0.5], [0.75]])[:, 0], "values")


def test_dots_of_a_deep_binary_network_show_its_values_at_the_breakpoints(ax):
    network = rn.Network([[[-1.0], [1.0]], [[1.0, -1.0], [1.0, 1.0]]], [[0.5, -0.25], [0.0, -1.0]],
                         [[1.0, 3.0]], [0.5], activation="binary")
    plotting.network(network, UNIT, ax)
    closed = [line for line in ax.lines if line.get_marker() == "o"][-1]
    assert_equal_bits(closed.get_ydata(), network(closed.get_xdata()[:, np.newaxis])[:, 0], "values")


# ramps


def test_lanes_hold_the_terms_and_the_top_their_sum(ax):
    network = rn.Network.random((1, 6, 2), rng=0, output_bias=True)
    plotting.ramps(network, rn.Box(-3, 3), ax, output=1)
    *lanes, top = [line for line in ax.lines if line.get_color() != "0.85"]
    x = top.get_xdata()[:, np.newaxis]
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    heights = []
    for lane, (line, label) in enumerate(zip(lanes, labels)):
        j = int(label.split("{")[1].split("}")[0]) - 1
        z = x[:, 0] * network.weights[0][j, 0] + network.thresholds[0][j]
        term = network.output_weights[1, j] * np.maximum(z, 0.0)
        drawn = line.get_ydata() - lane
        assert (np.sign(drawn) == np.sign(term))[np.abs(drawn) > 16 * EPS].all()
        heights += [(np.abs(term).max() / np.abs(drawn).max())] if np.abs(drawn).max() > 0.01 else []
    assert np.ptp(heights) < 1e-6 * max(heights), "all lanes have one scale"
    drawn, values = top.get_ydata() - (len(lanes) + 1.5), network(x)[:, 1]
    assert_close(drawn, values / np.abs(values).max(), 64 * EPS, "sum")


def test_every_neuron_has_a_lane_in_the_order_of_breakpoints(ax):
    network = rn.Network([[[1.0], [1.0], [1.0]]], [[-0.5, -0.25, -0.75]], [[1.0, 1.0, 1.0]])
    plotting.ramps(network, UNIT, ax)
    names = [tick.get_text()[4] for tick in ax.get_yticklabels()[:-1]]
    assert names[::-1] == ["2", "1", "3"]


# orbits and tracks


@pytest.mark.parametrize("domain", [UNIT, SQUARE, rn.Ball([0, 0, 0], 1)], ids=["1", "2", "3"])
def test_reduce_lands_where_the_orbit_is_drawn_to(ax, domain):
    network = rn.Network.random((domain.n_inputs, 9, 1), rng=2, output_bias=True)
    red = rn.reduce(network, domain)
    plotting.orbit(network, domain, ax)
    landed = line_named(ax, "where reduce lands").get_ydata()
    scale = 16 * EPS * (1 + np.abs(red.thresholds[0]).max())
    assert_close(landed, red.thresholds[0], scale, "thresholds")
    assert_equal_bits(line_named(ax, "network").get_ydata(), network.thresholds[0], "b")


def test_every_neuron_lies_on_its_orbit(ax):
    network = rn.Network.random((2, 5, 1), rng=0)
    plotting.orbit(network, SQUARE, ax)
    rays, start = ax.lines[:5], line_named(ax, "network")
    for ray, (x, y) in zip(rays, start.get_xydata()):
        (_, x_end), (_, y_end) = ray.get_xdata(), ray.get_ydata()
        assert_close(x * y_end, y * x_end, 32 * EPS * abs(x * y_end), "slope")


def films(inputs, n=4):
    box = rn.Box(np.zeros(inputs), np.ones(inputs))
    return [rn.ReducedNetwork.random((inputs, 3, 1), box, rng=seed) for seed in range(n)]


def test_tracks_of_two_inputs_go_through_every_network(ax):
    networks = films(2)
    plotting.tracks(networks, ax=ax)
    drawn = {tuple(np.round(point, 9)) for line in ax.lines for point in line.get_xydata()}
    for network in networks:
        angles = np.arctan2(*network.weights[0].T[::-1])
        for point in zip(angles, network.thresholds[0]):
            assert tuple(np.round(point, 9)) in drawn


def test_tracks_of_one_input_are_thresholds_by_network(ax):
    networks = films(1)
    plotting.tracks(networks, ax=ax)
    lines = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == len(networks)]
    assert_equal_bits(np.stack(lines).T, np.stack([net.thresholds[0] for net in networks]), "b")


# slices of the loss


@pytest.mark.parametrize("inputs", [1, 2])
def test_star_of_a_slice_is_the_loss_of_the_network(ax, inputs):
    rng = np.random.default_rng(0)
    X, y = rng.random((30, inputs)), rng.random(30)
    network = rn.Network.random((inputs, 5, 1), rng=1)
    domain = rn.Box(np.full(inputs, -9.0), np.full(inputs, 9.0))
    plotting.loss_slice(network, X, y, domain, ax, neuron=3)
    if inputs == 1:
        star = line_named(ax, "the network")
        loss, _ = rn.loss_and_gradient(network, X, y)
        assert_close(star.get_ydata()[0], loss, 1e4 * EPS * loss, "loss")
    else:
        angle, place = line_named(ax, "the network").get_xydata()[0]
        w = network.weights[0][3]
        assert_close(angle, np.arctan2(w[1], w[0]), 4 * EPS * np.pi, "angle")
        assert 0 <= place <= 1


def test_slice_is_the_loss_with_the_neuron_replaced(ax):
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 1)), rng.random(30)
    network = rn.Network.random((1, 5, 2), rng=1)
    Y = np.stack([y, -y], axis=1)
    plotting.loss_slice(network, X, Y, UNIT, ax, neuron=2)
    line = line_named(ax, "w = -1")
    for q, drawn in list(zip(*line.get_data()))[::100]:
        W, b = network.weights[0].copy(), network.thresholds[0].copy()
        C = network.output_weights.copy()
        C[:, 2] *= abs(W[2, 0])
        W[2], b[2] = -1.0, q  # I(-1) on [0, 1] is [0, 1]
        loss, _ = rn.loss_and_gradient(rn.Network([W], [b], C), X, Y)
        assert_close(drawn, loss, 1e4 * EPS * (1 + loss), "loss")


# diagrams


def test_dots_of_the_diagram_stand_where_the_thresholds_are(ax):
    red = rn.ReducedNetwork.random((2, 4, 3, 1), SQUARE, rng=0)
    plotting.diagram(red, ax)
    dots = np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == "o"])
    places = [(b - limits[:, 0]) / (limits[:, 1] - limits[:, 0])
              for b, limits in zip(red.thresholds, red.intervals)]
    heights = [np.arange(n) - (n - 1) / 2 for n in red.sizes[1:-1]]
    expected = np.concatenate([h + 0.34 - 0.68 * q for h, q in zip(heights, places)])
    assert_close(dots[:, 1], expected, 64 * EPS, "dots")


def test_diagram_has_an_edge_for_every_weight(ax):
    network = rn.Network([[[1.0, 0.0], [-2.0, 3.0]]], [[0.0, 9.0]], [[1.0, -1.0]])
    plotting.diagram(network, ax, domain=SQUARE)
    edges = sum(len(lines.get_segments()) for lines in ax.collections if hasattr(lines, "get_segments"))
    gauges = 2
    assert edges == 5 + gauges
    assert [len(line.get_xdata()) for line in ax.lines if line.get_marker() == "^"] == [1]


# what is refused


DEEP = rn.Network.random((1, 3, 3, 1), rng=0)
ONE = rn.Network.random((1, 3, 1), rng=0)


@pytest.mark.parametrize("call, words", [
    (lambda ax: plotting.ramps(rn.Network.random((2, 3, 1)), SQUARE, ax), "at most 1 inputs"),
    (lambda ax: plotting.ramps(ONE, UNIT, ax, output=2), "`output` must be below"),
    (lambda ax: plotting.ramps(ONE, None, ax), "`domain` must be given"),
    (lambda ax: plotting.orbit(ONE, None, ax), "`domain` must be given"),
    (lambda ax: plotting.orbit(rn.Network([[[0.0]]], [[1.0]], [[1.0]]), UNIT, ax), "zero rows only"),
    (lambda ax: plotting.orbit(rn.Network([[[1.0]]], [[1.0]], [[1.0]], activation="binary"), UNIT, ax),
     "a ReLU network"),
    (lambda ax: plotting.tracks([], UNIT, ax), "at least one network"),
    (lambda ax: plotting.tracks([ONE, DEEP], UNIT, ax), r"`networks\[1\]` must be of sizes"),
    (lambda ax: plotting.loss_slice(DEEP, [[0.0]], [0.0], UNIT, ax), "one hidden layer"),
    (lambda ax: plotting.loss_slice(ONE, [[0.0]], [0.0], UNIT, ax, neuron=3), "`neuron` must be below"),
    (lambda ax: plotting.loss_slice(ONE, [[0.0]], [np.nan], UNIT, ax), "`y`"),
    (lambda ax: plotting.diagram(rn.Network.random((1, 25, 1)), ax), "at most 24 nodes"),
    (lambda ax: plotting.diagram(ONE, ax, domain=SQUARE), "inputs"),
])
def test_what_cannot_be_drawn_is_refused_with_the_name_of_the_argument(ax, call, words):
    with pytest.raises(ValueError, match=words):
        call(ax)


def test_nothing_of_the_wrong_kind_is_drawn(ax):
    for call in (plotting.ramps, plotting.orbit, plotting.diagram, plotting.surface):
        with pytest.raises(TypeError, match="`network`"):
            call("a network")
    with pytest.raises(TypeError, match="`networks`"):
        plotting.tracks(3, UNIT, ax)
