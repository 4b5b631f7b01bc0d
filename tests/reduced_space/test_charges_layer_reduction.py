"""Thresholds set to the ends of their intervals, and constants that are mere rounding errors."""

import numpy as np

import reducednet as rn
from reducednet.networks.activations import ACTIVATIONS
from reducednet.networks.parameters import Affine
from reducednet.reduced_space.intervals import LayerSpace
from reducednet.reduced_space.layer_reduction import (
    clip_binary_thresholds, clip_thresholds, reduce_layer,
)


def test_thresholds_within_the_margin_of_an_end_are_set_to_it():
    one = np.ones(4)
    ratios = np.array([0.75, -0.75, 0.74, -0.74])
    t, constants = clip_thresholds(ratios, one, -one, one, 0.25)
    assert t.tolist() == [1.0, -1.0, 0.74, -0.74] and constants.tolist() == [-0.25, 0.0, 0.0, 0.0]


def test_binary_thresholds_are_lowered_by_the_margin():
    """In units of the margin 1/8 and on [-1, 1]: lowered by 1; on from 1 - 1/2; dead where lowered
    up to -1 + 3/2.
    """
    eighths = np.array([0.0, 3.0, 3.75, 4.0, -2.75, -3.0, -3.25])
    b = 2.0 * np.array([0.0, 0.5, 0.93, 0.9375, -0.6875, -0.689, -0.9])
    one = np.ones(len(eighths))
    t = clip_binary_thresholds(b, 2.0 * one, -one, one, 0.125)
    assert t.tolist() == [-0.125, 0.375, 0.93 - 0.125, 1.0, -1.0, -1.0, -1.0]
    assert (
        clip_binary_thresholds(np.array([2.0 * -0.6874]), np.full(1, 2.0), -one[:1], one[:1], 0.125)
        > -1.0
    )


def test_a_constant_within_rounding_error_is_dropped_only_if_no_bias_absorbs_it():
    """The threshold is above its end by half of, or by twice, what counts as rounding."""
    space = LayerSpace(rn.Box([-1.0], [1.0]), ACTIVATIONS["relu"], "support")
    rounding = space.rounding_error(np.ones((1, 1)))
    for share, kept in ((0.5, False), (2.0, True)):
        layer = Affine(np.ones((1, 1)), 1.0 + share * rounding)
        assert (
            bool(reduce_layer(layer, Affine(np.ones((1, 1)), None), space, 1).constants[0])
            == kept
        )
        above = reduce_layer(layer, Affine(np.ones((1, 1)), np.zeros(1)), space, 1).above
        assert above.b[0] == layer.b[0] - 1.0 > 0.0


def test_an_always_on_neuron_is_spare_only_where_its_width_is_within_rounding_error():
    flat, thin = rn.Box([0.1, 0.0], [0.1, 1.0]), rn.Box([0.1, 0.0], [0.1 + 2.0**-40, 1.0])
    for box, spare in ((flat, True), (thin, False)):
        space = LayerSpace(box, ACTIVATIONS["relu"], "support")
        layer = reduce_layer(
            Affine(np.eye(2)[:1], np.full(1, 9.0)), Affine(np.ones((1, 1)), None), space, 1
        )
        assert bool(layer.spare[0]) == spare
    box = rn.Box(
        [0.1, 0.2, 0.0], [0.1, np.nextafter(0.2, 1.0), 1.0]
    )  # one unit wide, which is rounding
    space = LayerSpace(box, ACTIVATIONS["relu"], "support")
    layer = reduce_layer(
        Affine(np.array([[0.0, 1.0, 0.0]]), np.full(1, 9.0)),
        Affine(np.ones((1, 1)), None),
        space,
        1,
    )
    assert layer.spare[0]
