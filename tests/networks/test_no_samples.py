"""Laws of empty samples, (0, n_inputs): no values at no points; a mean over none is refused."""
import numpy as np
import pytest
from matplotlib import pyplot

import reducednet as rn

DOMAINS = [
    rn.Box([0.0, 0.0], [1.0, 2.0]), rn.Ball([1.0, 0.0], 2.0),
    rn.Hull([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
]
NONE = np.empty((0, 2))

on_domains = pytest.mark.parametrize("domain", DOMAINS, ids=repr)
activations = pytest.mark.parametrize("activation", ["relu", "binary"])


@pytest.mark.parametrize("sizes", [(2, 4, 1), (2, 4, 3, 2)])
@activations
@on_domains
def test_a_network_at_no_sample_gives_no_output(sizes, activation, domain):
    network = rn.Network.random(sizes, 0, activation=activation)
    for f in (network, rn.reduce(network, domain)):
        for X in (NONE, NONE.astype(int), NONE.astype(np.float32)):
            assert f(X).shape == (0, sizes[-1]) and f(X).dtype == np.float64
        assert [Z.shape for Z in f.pre_activations(NONE)] == [(0, n) for n in f.sizes[1:-1]]
        assert rn.jacobian(f, NONE).shape == (0, sizes[-1], f.n_parameters)
        assert rn.decided(f, domain, NONE).shape == (0,)


@activations
@on_domains
def test_a_canonical_form_at_no_sample_gives_no_output(activation, domain):
    network = rn.Network.random((2, 4, 3), 0, activation=activation)
    assert rn.canonical_form(network, domain)(NONE).shape == (0, 3)


@on_domains
def test_a_domain_contains_none_of_no_points_and_samples_none(domain):
    assert domain.contains(NONE).shape == (0,) and domain.contains(NONE).dtype == bool
    assert domain.sample(0, rng=0).shape == (0, 2)
    assert domain.contains(domain.sample(0)).shape == (0,)


def test_a_target_and_the_sphere_have_no_points_too():
    for target in (rn.targets.franke(), rn.targets.genz_product(2), rn.targets.genz_oscillatory(2)):
        assert target.sample(0).shape == (0, 2) and target(NONE).shape == (0,)
    for target in (rn.targets.sin4pi(), rn.targets.abs_sin4pi(), rn.targets.step()):
        assert target(np.empty((0, 1))).shape == (0,)
    assert rn.sphere.sample(0, 3).shape == (0, 3)


@pytest.mark.parametrize("values", [[], np.empty(0), np.empty((0, 3)), np.empty((0, 2, 1))])
def test_no_samples_of_another_shape_are_refused(values):
    with pytest.raises(ValueError, match=r"`X` must be of shape \(n_samples, 2\), got shape"):
        rn.Network.random((2, 4, 1), 0)(values)


NETWORK = rn.Network.random((2, 4, 1), 0)
Y = np.empty((0, 1))


@pytest.mark.parametrize("call", [
    lambda: rn.loss_and_gradient(NETWORK, NONE, Y), lambda: rn.check_gradient(NETWORK, NONE, Y),
    lambda: rn.train(NETWORK, NONE, Y),
])
def test_a_loss_of_no_samples_is_refused(call):
    with pytest.raises(ValueError, match=r"`X` must be non-empty, got shape \(0, 2\)"):
        call()


@pytest.mark.parametrize("loss, y", [
    (rn.losses.mean_squared_error, Y), (rn.losses.cross_entropy, np.empty(0, int)),
])
@pytest.mark.parametrize("weight", [None, np.empty(0)])
def test_the_losses_themselves_refuse_no_samples(loss, y, weight):
    words = "`outputs` must be those of at least one sample, got none: a loss is a mean"
    with pytest.raises(ValueError, match=words):
        loss(np.empty((0, 1)), y, sample_weight=weight)


def test_other_numbers_of_points_stay_refused():
    with pytest.raises(ValueError, match="`n` must be at least 0, got -1"):
        DOMAINS[0].sample(-1)


def test_a_film_is_drawn_without_samples():
    networks = [rn.ReducedNetwork.random((1, 3, 1), rn.Box(0, 1), rng=seed) for seed in range(2)]
    film = rn.plotting.animate(networks, X=np.empty((0, 1)), y=np.empty(0))
    film._draw_frame(1)
    film._draw_was_started = True  # it would warn that it was never shown
    pyplot.close("all")
