"""Graphs, regions, neurons and films: the data that is drawn, against networks evaluated independently."""
from fractions import Fraction

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import reducednet as rn
from oracles.assertions import assert_close, assert_equal_bits
from reducednet import plotting

UNIT = rn.Box(0, 1)
SQUARE = rn.Box([-1, -1], [1, 1])
EPS = np.finfo(float).eps


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def pyplot_is_left_as_it_was():
    matplotlib.use("agg")
    settings, figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    yield
    assert dict(matplotlib.rcParams) == settings and pyplot.get_fignums() == figures


# graphs


def exact_breakpoints(network, low, high):
    """Return -b / w of the neurons of one hidden layer that lie inside, sorted, as fractions."""
    pairs = zip(network.weights[0][:, 0].tolist(), network.thresholds[0].tolist())
    points = {-Fraction(b) / Fraction(w) for w, b in pairs if w}
    return sorted(x for x in points if low < x < high)


@pytest.mark.parametrize("seed", range(5))
def test_breakpoints_of_one_hidden_layer_are_minus_b_over_w(ax, seed):
    network = rn.Network.random((1, 30, 1), rng=seed)
    plotting.network(network, UNIT, ax)
    line, marks = ax.lines
    expected = np.array([float(x) for x in exact_breakpoints(network, 0, 1)])
    size = (np.abs(network.weights[0][:, 0]) + np.abs(network.thresholds[0])).max()
    steepness = np.abs(network.weights[0]).min()
    assert_close(marks.get_xdata(), expected, 8 * EPS * size / steepness, "breakpoints")
    assert_equal_bits(line.get_xdata(), [0.0, *marks.get_xdata(), 1.0], "breakpoints")


@pytest.mark.parametrize("sizes", [(1, 9, 1), (1, 5, 4, 2), (1, 4, 4, 4, 1)])
def test_relu_network_is_affine_between_the_breakpoints_that_are_drawn(ax, sizes):
    network = rn.Network.random(sizes, rng=1)
    plotting.network(network, rn.Box(-2, 2), ax, hinges=False)
    bound = rn.evaluation_bound(network, rn.Box(-2, 2))
    for k, line in enumerate(ax.lines):
        x, y = line.get_xdata(), line.get_ydata()
        middles = (x[:-1] + x[1:]) / 2
        slope = np.abs(np.diff(y) / np.diff(x)).max()
        moved = 4e-12 * 4 * slope  # breakpoints nearer than 1e-12 of the interval to another one are left out
        assert_close(network(middles[:, None])[:, k], (y[:-1] + y[1:]) / 2, 4 * bound[k] + moved, "middles")
        assert_equal_bits(y, network(x[:, None])[:, k], "breakpoints")


def test_deep_breakpoints_are_marked_by_layer(ax):
    tent = rn.Network([[[1.0], [1.0]], [[2.0, -4.0]]], [[0.0, -0.5], [-0.5]], [[1.0]])  # relu(tent(x) - 1/2)
    plotting.network(tent, UNIT, ax)
    _, first, second = ax.lines
    assert first.get_xdata().tolist() == [0.5] and second.get_xdata().tolist() == [0.25, 0.75]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["breakpoints, layer 1", "breakpoints, layer 2"]


def test_binary_network_is_drawn_as_steps_with_gaps(ax):
    network = rn.Network([[[1.0], [-1.0]]], [[-0.25, 0.5]], [[3.0, 1.0]], activation="binary")
    plotting.network(network, UNIT, ax)
    x, y = ax.lines[0].get_xdata(), ax.lines[0].get_ydata()
    assert_equal_bits(x.reshape(-1, 3)[:, :2], [[0.0, 0.25], [0.25, 0.5], [0.5, 1.0]], "ends of steps")
    assert_equal_bits(y.reshape(-1, 3)[:, :2], [[1.0, 1.0], [4.0, 4.0], [3.0, 3.0]], "steps")
    assert np.isnan(y.reshape(-1, 3)[:, 2]).all()


def test_every_output_of_a_network_is_a_line(ax):
    plotting.network(rn.Network.random((1, 4, 3), rng=0), UNIT, ax, hinges=False)
    assert [line.get_label() for line in ax.lines] == ["output 0", "output 1", "output 2"]
    assert len({line.get_linestyle() for line in ax.lines}) == 3


@pytest.mark.parametrize("domain", [SQUARE, rn.Ball([0, 0], 1), rn.Hull([[0, 0], [2, 0], [1, 2]])])
def test_values_of_two_inputs_are_those_of_the_network_inside_the_domain(ax, domain):
    network = rn.Network.random((2, 6, 2), rng=0)
    plotting.network(network, domain, ax, output=1)
    mesh = ax.collections[0]
    values, corners = mesh.get_array(), mesh.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    low, high = domain.bounding_box()
    inside = domain.contains(centres.reshape(-1, 2)).reshape(values.shape)
    edge = np.abs(np.ma.getmaskarray(values) == inside)  # a cell at the border may fall to either side
    assert edge.mean() < 0.02
    seen = ~np.ma.getmaskarray(values)
    steepness = np.abs(network.output_weights[1]) @ np.abs(network.weights[0]).sum(axis=1)
    tolerance = steepness * 16 * EPS * np.abs([low, high]).max() + 2 * rn.evaluation_bound(network, domain)[1]
    assert_close(values[seen], network(centres[seen])[:, 1], tolerance, "values")


def test_zero_line_of_a_neuron_lies_where_z_is_zero(ax):
    network = rn.Network([[[1.0, 2.0], [1.0, 1.0]]], [[0.25, 9.0]], [[1.0, 1.0]])
    plotting.network(network, SQUARE, ax)
    lines = ax.collections[1:]  # after the values
    assert len(lines) == 1  # the second neuron has no zero in the square
    points = lines[0].get_paths()[0].vertices
    assert_close(points @ [1.0, 2.0] + 0.25, 0.0, 64 * EPS, "z")


# regions


def test_regions_of_one_input_are_the_pieces_between_breakpoints(ax):
    network = rn.Network.random((1, 12, 1), rng=0)
    plotting.regions(network, UNIT, ax)
    n = len(exact_breakpoints(network, 0, 1)) + 1
    assert ax.get_title() == f"{n} regions" and len(ax.patches) == n


def test_three_lines_in_general_position_make_seven_regions(ax):
    network = rn.Network([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]], [[0.0, 0.0, -0.5]], [[1.0, 1.0, 1.0]])
    plotting.regions(network, SQUARE, ax)
    assert ax.get_title() == "7 regions"


def test_affine_network_has_one_region(ax):
    plotting.regions(rn.Network([[[1.0, 0.0]]], [[5.0]], [[1.0]]), SQUARE, ax)
    assert ax.get_title() == "1 region"


# neurons


def test_neurons_are_drawn_at_their_angle_and_threshold_of_unit_rows(ax):
    network = rn.Network.random((2, 15, 1), rng=0)
    plotting.neurons(network, SQUARE, ax)
    norms = np.linalg.norm(network.weights[0], axis=1)
    points = np.concatenate([line.get_xydata() for line in ax.lines if line.get_linestyle() == "None"])
    angles = np.arctan2(*network.weights[0].T[::-1])
    expected = np.stack([angles, network.thresholds[0] / norms], axis=1)
    order, mine = np.lexsort(points.T), np.lexsort(expected.T)
    assert_close(points[order], expected[mine], 8 * EPS * (1 + np.abs(expected).max()), "points")


@pytest.mark.parametrize("domain", [UNIT, SQUARE, rn.Ball([0.5, 0], 2), rn.Hull([[0, 0], [2, 0], [1, 2]])])
def test_legend_counts_the_neurons_that_are_dead_or_always_on(ax, domain):
    network = rn.Network.random((domain.n_inputs, 40, 1), rng=3)
    plotting.neurons(network, domain, ax)
    stable = rn.stable_neurons(network, domain)
    words = [text.get_text() for text in ax.get_legend().get_texts()][2:]
    counts = {"unstable": stable.unstable, "dead": stable.dead, "always on": stable.always_on}
    assert words == [f"{word}: {which[0].sum()}" for word, which in counts.items() if which[0].any()]


def test_band_is_the_interval_of_every_direction(ax):
    plotting.neurons(rn.Network.random((2, 3, 1), rng=0), SQUARE, ax)
    vertices = ax.collections[0].get_paths()[0].vertices
    angles, b = vertices[:, 0], vertices[:, 1]
    extent = np.abs(np.cos(angles)) + np.abs(np.sin(angles))  # h of the square, in both directions
    assert_close(np.abs(b), extent, 8 * EPS, "ends")


def test_points_of_the_sphere_are_the_unit_rows(ax):
    network = rn.Network.random((2, 9, 1), rng=0)
    plotting.sphere(network, SQUARE, ax)
    points = np.asarray(ax.collections[0].get_offsets())
    assert_close(points, network.weights[0] / np.linalg.norm(network.weights[0], axis=1)[:, None], 4 * EPS, "rows")
    deep = plotting.sphere(rn.ReducedNetwork.random((3, 9, 1), rn.Ball([0, 0, 0], 1), rng=0),
                           ax=Figure().add_subplot(projection="3d"))
    assert deep.get_zlabel() == "$w_3$"


def test_reduction_brings_every_threshold_into_its_interval_and_every_norm_to_one(ax):
    network = rn.Network.random((2, 7, 5, 1), rng=0)
    red = rn.reduce(network, SQUARE)
    plotting.layers(network, red, ax=ax)
    after = [line.get_ydata() for line in ax.lines if line.get_marker() == "s"]
    assert [len(positions) for positions in after] == list(red.sizes[1:-1])
    assert all((positions >= -1e-12).all() and (positions <= 1 + 1e-12).all() for positions in after)
    norms = plotting.layers(network, red, "norms", Figure().subplots())
    before = [line.get_ydata() for line in norms.lines if line.get_marker() == "o"]
    for values, W in zip(before, network.weights):
        assert_close(values, np.linalg.norm(W, axis=1), 16 * EPS * values.max(), "norms")


# history and differences


def run(method="lbfgs"):
    X = np.linspace(0, 1, 30)[:, np.newaxis]
    network = rn.Network.random((1, 5, 1), rng=0)
    return rn.train(network, X, X[:, 0] ** 2, method, n_steps=6, validation=(X[::3], X[::3, 0]))


def test_history_draws_training_and_validation_losses(ax):
    result = run()
    plotting.history({"a": result, "b": result}, ax)
    assert [line.get_label() for line in ax.lines] == ["a training", "a validation", "b training", "b validation"]
    assert_equal_bits(ax.lines[1].get_ydata(), result.history["validation_loss"], "validation")
    assert_equal_bits(ax.lines[0].get_xdata(), result.history["step"], "steps")


def test_history_draws_the_gradients_norm_where_asked_to(ax):
    result = run("adam")
    plotting.history(result, ax, gradient_norm=True)
    assert_equal_bits(ax.lines[0].get_ydata(), result.history["gradient_norm"], "norms")


def test_difference_is_the_largest_over_the_outputs_and_the_counterexample_is_on_it(ax):
    f = rn.Network.random((1, 6, 2), rng=0)
    g = f.with_vector(f.to_vector() * 1.01)
    verdict = rn.verify(f, g, UNIT, 1e-6)
    plotting.difference(f, g, UNIT, verdict, ax)
    line, mark = ax.lines
    x = line.get_xdata()[:, np.newaxis]
    assert_equal_bits(line.get_ydata(), np.abs(f(x) - g(x)).max(axis=1), "difference")
    assert mark.get_xydata().tolist() == [[float(verdict.counterexample[0]), verdict.gap]]


def test_proved_bound_lies_above_the_difference(ax):
    f = rn.Network.random((1, 6, 1), rng=0)
    red = rn.reduce(f, UNIT)
    plotting.difference(f, red, verdict=rn.verify(f, red, UNIT), ax=ax)
    line, bound = ax.lines
    rounding = rn.evaluation_bound(f, UNIT)[0] + rn.evaluation_bound(red, UNIT)[0]
    assert line.get_ydata().max() <= bound.get_ydata()[0] + rounding


def test_difference_of_two_inputs_marks_the_counterexample(ax):
    f = rn.Network.random((2, 6, 1), rng=0)
    g = f.with_vector(f.to_vector() * 1.01)
    verdict = rn.verify(f, g, SQUARE, 1e-6)
    plotting.difference(f, g, SQUARE, verdict, ax)
    assert_equal_bits(ax.lines[0].get_xydata()[0], verdict.counterexample, "counterexample")


# films


def films(n=3, inputs=1):
    box = rn.Box(np.zeros(inputs), np.ones(inputs))
    return [rn.ReducedNetwork.random((inputs, 4, 1), box, rng=seed) for seed in range(n)]


@pytest.mark.parametrize("inputs", [1, 2])
def test_film_has_a_frame_a_network(tmp_path, inputs):
    from PIL import Image

    plotting.animate(films(3, inputs), path=tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as image:
        assert image.n_frames == 3
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_film_as_a_page_holds_every_frame(tmp_path):
    plotting.animate(films(2), X=[[0.0], [1.0]], y=[0.0, 2.0], path=tmp_path / "film.html")
    assert (tmp_path / "film.html").read_text(encoding="utf-8").count("data:image/png;base64") == 2


def test_film_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="ends in .gif or .html"):
        plotting.animate(films(1), path=tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


# what is refused


WIDE = rn.Network.random((4, 3, 1), rng=0)
BOX = rn.Box(np.zeros(4), np.ones(4))
SMALL, OTHER = rn.Network.random((1, 3, 1), rng=0), rn.Network.random((1, 3, 2), rng=0)


@pytest.mark.parametrize("call, words", [
    (lambda ax: plotting.network(WIDE, BOX, ax), "at most 2 inputs to be drawn, got 4"),
    (lambda ax: plotting.regions(WIDE, BOX, ax), "at most 2 inputs to be drawn, got 4"),
    (lambda ax: plotting.neurons(WIDE, BOX, ax), "at most 2 inputs to be drawn, got 4"),
    (lambda ax: plotting.sphere(WIDE, BOX, ax), "at most 3 inputs to be drawn, got 4"),
    (lambda ax: plotting.sphere(SMALL, UNIT, ax), "two or three inputs, got 1"),
    (lambda ax: plotting.network(SMALL, None, ax), "`domain` must be given"),
    (lambda ax: plotting.network(SMALL, SQUARE, ax), "domain"),
    (lambda ax: plotting.network(SMALL, UNIT, ax, output=1), "`output` must be below"),
    (lambda ax: plotting.neurons(rn.Network([[[0.0]]], [[1.0]], [[1.0]]), UNIT, ax), "zero rows only"),
    (lambda ax: plotting.sphere(rn.Network.random((3, 3, 1)), rn.Ball([0, 0, 0], 1), ax), "projection='3d'"),
    (lambda ax: plotting.layers(rn.Network.random((1, 5, 1)), films(1)[0], ax=ax), "must be a reduction"),
    (lambda ax: plotting.layers(films(1)[0], films(1)[0], "angles", ax), "`quantity` must be"),
    (lambda ax: plotting.history({}, ax), "`results` must be a dict of at least one"),
    (lambda ax: plotting.difference(SMALL, OTHER, UNIT, ax=ax), "`g`"),
    (lambda ax: plotting.animate([]), "at least one network"),
    (lambda ax: plotting.animate([*films(1), rn.Network.random((1, 9, 1))]), r"`networks\[1\]` must be of sizes"),
    (lambda ax: plotting.animate(films(1), seconds=0), "`seconds` must be"),
])
def test_what_cannot_be_drawn_is_refused_with_the_name_of_the_argument(ax, call, words):
    with pytest.raises(ValueError, match=words):
        call(ax)


def test_empty_history_is_refused(ax):
    result = run()
    history = {key: values[:0] for key, values in result.history.items()}
    empty = rn.TrainingResult(result.network, history, True, "")
    with pytest.raises(ValueError, match="a run with a history, got an empty one"):
        plotting.history(empty, ax)
    with pytest.raises(TypeError, match="a TrainingResult"):
        plotting.history({"a": 3}, ax)


def test_axes_of_a_closed_figure_is_refused():
    _, axes = pyplot.subplots()
    pyplot.close(axes.figure)
    with pytest.raises(ValueError, match="an Axes of an open figure, got one of the closed figure"):
        plotting.network(films(1)[0], ax=axes)


def test_axes_that_was_removed_is_refused(ax):
    ax.remove()
    with pytest.raises(TypeError, match="`ax` must be a matplotlib Axes that is in a figure"):
        plotting.network(films(1)[0], ax=ax)


def test_nothing_of_the_wrong_kind_is_drawn(ax):
    for call in (plotting.network, plotting.regions, plotting.neurons, plotting.sphere):
        with pytest.raises(TypeError, match="`network` must be a Network"):
            call("network", UNIT, ax)
    with pytest.raises(TypeError, match="`verdict` must be a Verdict"):
        plotting.difference(films(1)[0], films(1)[0], verdict="equal", ax=ax)
