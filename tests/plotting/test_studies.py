"""What is drawn: the data of the artists, not pixels."""
import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import reducednet as rn
from reducednet import plotting
from reducednet.training.result import TrainingResult


def result(losses):
    network = rn.Network.random((1, 2, 1), rng=0)
    return TrainingResult(network, {"loss": np.array(losses)}, True, "")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def no_figure_is_left_open_and_no_setting_is_touched():
    matplotlib.use("agg")
    before = dict(matplotlib.rcParams)
    yield
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == before


def test_fits_draws_the_target_and_each_network(ax):
    network = rn.Network.random((1, 5, 1), rng=0)
    plotting.fits(rn.targets.step(), {"mine": network}, ax)
    target_line, line = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), network(line.get_xdata()[:, np.newaxis])[:, 0])
    np.testing.assert_array_equal(target_line.get_ydata(), np.where(target_line.get_xdata() > 0.5, 1.0, 0.0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["step", "mine"]
    assert ax.get_xlabel() and ax.get_ylabel()


def test_loss_curves_draw_the_median_while_half_of_the_runs_go_on(ax):
    runs = [result([4.0, 2.0, 1.0]), result([8.0, 4.0]), result([2.0])]
    plotting.loss_curves({"runs": runs}, ax)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 1])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [4.0, 2.0], rtol=1e-15)
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize("lengths, last", [
    ([3], 2), ([3, 1000], 999), ([3, 3, 1000], 2), ([1, 50, 60, 70], 59),
])
def test_a_curve_ends_where_less_than_half_of_its_runs_go_on(ax, lengths, last):
    long = result(np.geomspace(1.0, 1e-3, 1000))
    runs = [result(np.geomspace(1.0, 0.1, n)) for n in lengths]
    plotting.loss_curves({"short": runs, "long": [long]}, ax)
    assert [line.get_xdata()[-1] for line in ax.lines] == [last, 999]
    bands = [band.get_paths()[0].vertices[:, 0].max() for band in ax.collections]
    assert bands == [last, 999]


def test_loss_curves_are_drawn_against_the_steps_that_were_recorded(ax):
    X = np.linspace(0.0, 1.0, 20)[:, np.newaxis]
    network = rn.Network.random((1, 4, 1), rng=0)
    each, some = (rn.train(network, X, X[:, 0], "adam", n_steps=10, record_every=n) for n in (1, 4))
    plotting.loss_curves({"each": [each], "some": [some], "both": [each, some]}, ax)
    for line, run in zip(ax.lines, (each, some)):
        np.testing.assert_array_equal(line.get_xdata(), run.history["step"])
        np.testing.assert_array_equal(line.get_ydata(), run.history["loss"])
    held = some.history["loss"][[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3]]  # at steps 0, 4, 8, 10
    np.testing.assert_array_equal(ax.lines[2].get_xdata(), np.arange(11))
    middle = (each.history["loss"] + held) / 2
    np.testing.assert_allclose(ax.lines[2].get_ydata(), middle, rtol=1e-15)


def test_error_histogram_counts_every_error_once(ax):
    errors = {"a": [1e-3, 1e-2, 1e-2, 5.0], "b": [2e-7]}
    plotting.error_histogram(errors, ax)
    counts = [sum(bar.get_height() for bar in group) for group in ax.containers]
    assert counts == [4, 1]


def test_error_histogram_marks_the_median(ax):
    plotting.error_histogram({"a": [1e-3, 1e-2, 1e-1]}, ax)
    assert [line.get_xdata()[0] for line in ax.lines] == [1e-2]


def test_dots_are_the_errors_of_their_row_and_lines_the_medians(ax):
    errors = {"a": [3e-2, 1e-3, 2e-3], "b": [0.5]}
    plotting.error_dots(errors, ax)
    dots, medians = ax.lines[::2], ax.lines[1::2]
    for row, (line, median, values) in enumerate(zip(dots, medians, errors.values())):
        assert sorted(line.get_xdata()) == sorted(values)
        assert (np.abs(line.get_ydata() - row) < 0.5).all()
        assert median.get_xdata()[0] == np.median(values)


def test_a_single_error_is_a_bar_with_room_on_both_sides(ax):
    plotting.error_histogram({"a": [1e-3]}, ax)
    bar, = ax.patches
    low, high = ax.get_xlim()
    assert low < bar.get_x() <= 1e-3 < bar.get_x() + bar.get_width() < high


def test_fits_of_two_inputs_are_contours_at_the_levels_of_the_target(ax):
    target = rn.targets.franke()
    plotting.fits(target, {"drawn": rn.Network.random((2, 5, 1), rng=0)}, ax)
    filled, own, fitted = ax.collections
    assert list(own.levels) == list(fitted.levels) == list(filled.levels)[1:-1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["franke", "drawn"]


def test_each_series_has_its_own_colour_and_style(ax):
    network = rn.Network.random((1, 5, 1), rng=0)
    plotting.fits(rn.targets.step(), {str(i): network for i in range(6)}, ax)
    looks = {(line.get_color(), str(line._dash_pattern)) for line in ax.lines}
    assert len(looks) == 7


def test_a_new_axes_is_made_where_none_is_given():
    assert plotting.error_histogram({"a": [1.0]}).figure is not None


@pytest.mark.parametrize("call, words", [
    (lambda ax: plotting.fits(rn.targets.genz_product(3), {}, ax), "`target` must be of one or two inputs"),
    (lambda ax: plotting.fits(rn.targets.step(), {"n": rn.Network.random((2, 3, 1))}, ax),
     "`n` must be of as many inputs"),
    (lambda ax: plotting.loss_curves({"none": []}, ax), "at least one run"),
    (lambda ax: plotting.loss_curves({"none": [result([])]}, ax), "must be runs with a history"),
    (lambda ax: plotting.loss_curves({}, ax), "`results` must be a dict of at least one"),
    (lambda ax: plotting.error_histogram({"a": [1.0, 0.0]}, ax), "positive finite errors"),
    (lambda ax: plotting.error_histogram({"a": []}, ax), "positive finite errors"),
    (lambda ax: plotting.error_histogram({}, ax), "`errors` must be a dict of at least one"),
    (lambda ax: plotting.error_dots({"a": [1.0, -1.0]}, ax), "positive finite errors"),
])
def test_bad_data_is_refused_with_the_name_of_the_argument(ax, call, words):
    with pytest.raises(ValueError, match=words):
        call(ax)


def test_something_else_than_an_axes_is_refused():
    with pytest.raises(TypeError, match="`ax` must be a matplotlib Axes"):
        plotting.fits(rn.targets.step(), {}, "axes")


# lower bounds


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_training_limit_draws_the_samples_the_runs_and_the_network(ax, n_outputs):
    X = np.linspace(0.0, 1.0, 30)[:, np.newaxis]
    Y = np.sin(6.0 * X + np.arange(n_outputs))
    network, limit = rn.fit_exact(X, Y, 3)
    plotting.training_limit(limit, ax)
    data, fit, *runs = (ax.lines[i:i + n_outputs] for i in range(0, len(ax.lines), n_outputs))
    np.testing.assert_array_equal([line.get_ydata() for line in data], Y.T)
    for line, outputs in zip(fit, network(fit[0].get_xdata()[:, np.newaxis]).T):
        np.testing.assert_array_equal(line.get_ydata(), outputs)
    for drawn, run in zip(runs, limit.runs):
        assert [line.get_xdata().tolist() for line in drawn] == [[run.low, run.high]] * n_outputs
        assert [tuple(line.get_ydata()) for line in drawn] == list(zip(run.left, run.right))
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["samples", f"best runs, no network is below: {limit.bound:.6g}",
                     f"network: {limit.error:.6g}"]


def test_training_limit_without_a_network_draws_the_runs(ax):
    X = np.arange(6.0)[:, np.newaxis]
    plotting.training_limit(rn.training_limit(X, X**2, 5, "binary"), ax)
    assert len(ax.lines) == 7 and ax.lines[1].get_marker() == "o"


@pytest.mark.parametrize("kind, axis", [("box", "y"), ("histogram", "x"), ("pairs", "x")])
def test_study_draws_a_limit_where_the_errors_are(ax, kind, axis):
    study = rn.compare("sin4pi", (1, 4, 1), 3, ("standard", "ball"), n_steps=5)
    plotting.study(study, kind, ax, limit=1e-5)
    line = next(line for line in ax.lines if line.get_linestyle() == "--" and len(line.get_xdata()) == 2
                and 1e-5 in getattr(line, f"get_{axis}data")())
    assert line.get_xdata() == [1e-5, 1e-5] if axis == "x" else line.get_ydata() == [1e-5, 1e-5]
    assert "no network of this size is below" in [text.get_text() for text in ax.texts]


def test_something_else_than_a_limit_is_refused():
    with pytest.raises(TypeError, match="`limit` must be a TrainingLimit"):
        plotting.training_limit(3.0)
