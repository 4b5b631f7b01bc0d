"""Regions and surfaces: exact polygons, against the referee's cells and networks in rationals."""
from fractions import Fraction

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import reducednet as rn
from oracles.assertions import assert_close
from oracles.exact_suprema import exact_outputs, middle, subdivide, vertices
from oracles.reference import affine, as_lists
from reducednet import plotting
from reducednet.plotting.linear_regions import linear_regions

matplotlib.use("agg")
SQUARE = rn.Box([-1, -1], [1, 1])
TRIANGLE = rn.Hull([[0, 0], [2, 0], [1, 2], [1, 1]])


@pytest.fixture
def ax():
    return Figure().subplots()


def points(region):
    return [(Fraction(x, d), Fraction(y, d)) for x, y, d in region.corners]


def area(corners):
    """Return the area of a counter-clockwise polygon, exactly."""
    following = corners[1:] + corners[:1]
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(corners, following)) / 2


NETWORKS = [
    rn.Network.random((2, 7, 1), rng=0),
    rn.Network.random((2, 5, 4, 2), rng=1),
    rn.Network.random((2, 3, 3, 3, 1), rng=2),
    rn.Network([[[1, 0], [2, 0], [0, 0], [-1, 0], [0, 1]]], [[0, 0, 1, 0, -5]], [[1, 1, 1, 1, 1]]),
    rn.Network([[[1e-160, 0], [1e160, 1e160]]], [[0, 1e159]], [[1, 1]]),
]


@pytest.mark.parametrize("domain", [SQUARE, TRIANGLE], ids=["square", "triangle"])
@pytest.mark.parametrize("network", NETWORKS)
def test_regions_are_the_cells_of_the_referee(network, domain):
    found = linear_regions(network, domain)
    cells = subdivide([vertices(domain)], network)
    assert len(found) == len(cells)
    assert sum(area(points(region)) for region in found) == area(vertices(domain))
    assert {frozenset(points(region)) for region in found} == {
        frozenset(vertex[:2] for vertex in cell) for cell in cells
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_outputs_of_a_region_are_those_of_the_network_at_its_corners(network):
    for region in linear_regions(network, SQUARE):
        for x, y in points(region):
            values = [a * x + b * y + c for a, b, c in region.outputs]
            assert values == exact_outputs(network, (x, y))


@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_pattern_says_which_neurons_are_on_inside(activation):
    drawn = rn.Network.random((2, 4, 3, 1), rng=3)
    network = rn.Network(drawn.weights, drawn.thresholds, drawn.output_weights, activation=activation)
    hidden, _ = as_lists(network, Fraction)
    for region in linear_regions(network, SQUARE):
        h = middle(points(region))
        for (W, b), signs in zip(hidden, region.pattern, strict=True):
            z = affine(W, b, h)
            assert tuple(value > 0 for value in z) == signs
            h = [max(value, Fraction(0)) if activation == "relu" else Fraction(value > 0) for value in z]
        assert [c for _, _, c in region.outputs] == exact_outputs(network, middle(points(region))) \
            or activation == "relu"


def test_regions_of_a_ball_fill_its_polygon():
    regions = linear_regions(NETWORKS[0], rn.Ball([0.5, 0], 2))
    total = float(sum(area(points(region)) for region in regions))
    inscribed = 0.5 * 256 * 4.0 * np.sin(2.0 * np.pi / 256)
    assert_close(total, inscribed, 256 * 64 * np.finfo(float).eps, "area")


def test_patterns_are_written_where_they_hold(ax):
    network = rn.Network([[[1.0, 0.0], [0.0, 1.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    plotting.regions(network, SQUARE, ax, patterns=True)
    for text in ax.texts:
        x, y = text.get_position()
        assert text.get_text() == f"{int(x > 0)}{int(y > 0)}"


def test_patterns_of_one_input_are_written_into_their_bars(ax):
    network = rn.Network([[[1.0], [-1.0]]], [[-0.25, 0.75]], [[1.0, 1.0]])
    plotting.regions(network, rn.Box(0, 1), ax, patterns=True)
    assert [text.get_text() for text in ax.texts] == ["01", "11", "10"]


@pytest.mark.parametrize("seed", range(3))
def test_heights_of_the_surface_are_the_values_of_the_network(seed):
    network = rn.ReducedNetwork.random((2, 6, 3, 1), rn.Box([0, 0], [1, 1]), rng=seed)
    corners = np.concatenate([
        np.column_stack([region.polygon, region.values(0)])
        for region in linear_regions(network, network.domain)
    ])
    bound = 2 * rn.evaluation_bound(network, network.domain)[0]
    steepness = np.abs(network.output_weights).sum() * 2 * 6 * np.sqrt(2)  # unit rows, 6 neurons
    moved = steepness * 2.0 * np.finfo(float).eps  # corners rounded to floats
    assert_close(corners[:, 2], network(np.clip(corners[:, :2], 0, 1))[:, 0], bound + moved, "heights")


def test_surface_has_a_piece_for_every_region():
    network = NETWORKS[1]
    ax = plotting.surface(network, SQUARE, Figure().add_subplot(projection="3d"), output=1)
    assert len(ax.collections[0].get_facecolor()) == len(linear_regions(network, SQUARE))


@pytest.mark.parametrize("sizes", [(2, 20, 1), (2, 5, 9, 1)])
def test_too_many_regions_are_refused(monkeypatch, sizes):
    monkeypatch.setattr("reducednet.plotting.linear_regions.MOST_REGIONS", 20)
    with pytest.raises(ValueError, match="at most 20 regions to be drawn, got one with more"):
        linear_regions(rn.ReducedNetwork.random(sizes, SQUARE, rng=0), SQUARE)


@pytest.mark.parametrize("call, words", [
    (lambda ax: plotting.surface(rn.Network.random((1, 3, 1)), rn.Box(0, 1)), "of two inputs, got 1"),
    (lambda ax: plotting.surface(NETWORKS[0], SQUARE, ax), "projection='3d'"),
    (lambda ax: plotting.surface(NETWORKS[0], SQUARE, output=1), "`output` must be below"),
    (lambda ax: plotting.regions(NETWORKS[0], rn.Hull([[0, 0], [1, 1]]), ax), "one with an interior"),
])
def test_what_has_no_regions_is_refused(ax, call, words):
    with pytest.raises(ValueError, match=words):
        call(ax)
