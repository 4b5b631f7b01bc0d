"""Map any network to the reduced parameter space without changing its function on the domain.

`reduce` keeps the widths (THEORY, Prop. 4). `reduce_paper` uses two neurons for each always-on one
(Prop. 3, a reconstruction: the paper's own construction was not at hand).
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, RandomLike, choice, finite_result, generator
from ..domains import Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network, check_domain, check_network
from ..networks.parameters import Affine
from ..numerics.sphere import row_norms
from .intervals import BOUNDS, SPARE, LayerSpace
from .layer_reduction import clip_thresholds, reduce_layer, represent_constants, unit_directions
from .reduced_network import ReducedNetwork
from .spare_neurons import make_spare, redraw_spare


def reduce(
    network: Network, domain: Domain, bound: str = "support", spare: str = "keep", *, rng: RandomLike = None
) -> ReducedNetwork:
    """Return the reduced network that is the same function on the domain.

    Layer by layer, with nu_j = |w_j| and [low_j, high_j] = I(w_j / nu_j):

    w_j <- w_j / nu_j,   b_j <- clip(b_j / nu_j, low_j, high_j),   c_j <- nu_j c_j  (ReLU).

    Clipping an always-on ReLU neuron removes the constant kappa_j = b_j - nu_j high_j. The next
    layer's thresholds, or the output bias, absorb it as c_j kappa_j. Without an output bias, two
    neurons (u, high) and (-u, -low) represent it: their sum is high - low on the domain.

    Widths stay the same, except that a ReLU network without output bias may need one more neuron
    in its last hidden layer. Reducing a second time changes nothing.

    Parameters
    ----------
    network : Network
        ReLU or binary, of any depth.
    domain : Domain
        The inputs on which the function must stay the same; of the network's dimension.
    bound : "support" or "ball"
        The intervals: the range of w.x over the domain (in deep layers, of w.h over a box that
        contains the layer's inputs), or the paper's [-X_B, X_B].
    spare : "keep" or "redraw"
        ``"keep"`` leaves dead and always-on neurons at an end of their interval. ``"redraw"``
        replaces the always-on neurons of the last hidden layer by as many as the linear part of
        their sum has rank (one more, for the constant, without an output bias), if that is fewer.
        It then redraws the spare and the dead neurons inside the domain with zero outgoing weight:
        the function is the same, and training can use them.
    rng : None, int, Generator or SeedSequence
        For ``spare="redraw"``.

    Returns
    -------
    ReducedNetwork

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the domain has another dimension, or a norm or a
        product with it leaves the range of float64.

    Notes
    -----
    A threshold within rounding error of an interval's end is set to that end, so that all networks
    of one orbit give the same reduced network. What this removes at the upper end is absorbed too,
    unless it would take a pair of neurons. A zero row is a constant: it becomes the first unit
    vector with zero outgoing weight, and the constant is absorbed like those above.

    Binary neurons keep their outgoing weights, and a stable one sits at an end of its interval.
    Where the row changes, the threshold is lowered by the rounding margin: a tie z = 0 stays 0.
    `reduction_bound` bounds what all of this, rounding included, does to the function.

    References
    ----------
    THEORY, Prop. 1, 2, 4; PROOFS, section 3. [QZX]

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network([[[2.0], [-4.0]]], [[-1.0, 8.0]], [[1.0, 1.0]], [0.5])
    >>> red = reduce(net, Box(0, 1))
    >>> red.weights[0].tolist(), red.thresholds[0].tolist()
    ([[1.0], [-1.0]], [-0.5, 1.0])
    >>> red.output_weights.tolist(), red.output_bias.tolist()
    ([[2.0, 4.0]], [4.5])
    >>> float(net([[0.75]])[0, 0]), float(red([[0.75]])[0, 0])
    (6.0, 6.0)
    """
    network, domain = check_network(network), check_domain(network, domain)
    space = LayerSpace(domain, network._activation, choice(bound, "bound", BOUNDS))
    redraw, rng = choice(spare, "spare", SPARE) == "redraw", generator(rng)
    layer, *maps = affine_maps(network)
    below: list[tuple[Array, Array]] = []
    for number, above in enumerate(maps, start=1):
        reduced = reduce_layer(layer, above, space, number)
        if redraw:
            reduced = make_spare(reduced, space, is_last=number == len(maps))
        reduced = represent_constants(reduced, space)
        if redraw:
            reduced = redraw_spare(reduced, space, domain, below, rng)
        space = space.next_layer(reduced.W, reduced.b, reduced.bounds)
        below.append((reduced.W, reduced.b))
        layer = reduced.above
    return _assemble(below, layer, network.activation, domain, bound)


def reduce_paper(network: Network, domain: Domain) -> ReducedNetwork:
    """Return a reduced network with two neurons for each always-on one.

    The paper claims that the reduced space contains every network; this reconstructs how. For a
    unit row w and b > X, where X is X_B in the first layer and the norm bound in deeper ones,

    w.x + b = A s(w.x + X) + B s(-w.x + X) on |x| <= X, with A = (1 + b/X)/2, B = (b/X - 1)/2.

    So N neurons become at most 2N, and no output bias is needed.

    Parameters
    ----------
    network : Network
    domain : Domain

    Returns
    -------
    ReducedNetwork
        With ``bound="ball"``. For binary networks the same as ``reduce(network, domain, "ball")``.

    Raises
    ------
    TypeError, ValueError
        As `reduce`.

    References
    ----------
    THEORY, Prop. 3: the claim is [QZX], the formula reconstructed.

    Examples
    --------
    >>> from reducednet.domains import Ball
    >>> red = reduce_paper(Network([[[1.0]]], [[3.0]], [[1.0]]), Ball(0, 1))
    >>> red.weights[0].ravel().tolist(), red.thresholds[0].tolist(), red.output_weights.tolist()
    ([1.0, -1.0], [1.0, 1.0], [[2.0, 1.0]])
    """
    network, domain = check_network(network), check_domain(network, domain)
    if network.activation == "binary":
        return reduce(network, domain, "ball")
    space = LayerSpace(domain, network._activation, "ball")
    layer, *maps = affine_maps(network)
    below: list[tuple[Array, Array]] = []
    for number, above in enumerate(maps, start=1):
        margin = space.rounding_error(unit_directions(layer.W)[0])
        W, b, C = replace_always_on(layer, above.W, space.domain.norm_bound, margin)
        finite_result(C, f"layer {number}: an outgoing weight of the pair that replaces an always-on neuron")
        space = space.next_layer(W, b)
        below.append((W, b))
        layer = Affine(C, above.b)
    return _assemble(below, layer, network.activation, domain, "ball")


def replace_always_on(
    layer: Affine, C: Array, X: float, margin: Array | float = 0.0
) -> tuple[Array, Array, Array]:
    """Return (W, b, C) with unit rows, |b| <= X and each always-on neuron replaced by two.

    With nu = |w|, their outgoing columns are c (nu + b/X)/2 and c (b/X - nu)/2. These are c nu A
    and c nu B of Prop. 3, in a form that holds for a zero row too.
    """
    assert layer.b is not None
    W, norms = unit_directions(layer.W)
    t, _ = clip_thresholds(layer.b, norms, np.full(len(W), -X), np.full(len(W), X), margin)
    on = layer.b > norms * X
    with np.errstate(over="ignore", invalid="ignore"):
        plus = C * np.where(on, (norms + layer.b / X) / 2, norms)
        minus = (C * (layer.b / X - norms) / 2)[:, on]
    t = np.where(on, X, t)
    return np.vstack([W, -W[on]]), np.append(t, t[on]), np.column_stack([plus, minus])


class LayerReport(NamedTuple):
    """What `reduce` finds in one hidden layer.

    Attributes
    ----------
    neurons : int
    norms : (float, float)
        Smallest and largest row norm, before the reduction.
    norm_bound : float
        X_B of the layer's input set.
    outside : int
        Neurons whose threshold, for a unit row, lies outside [-X_B, X_B].
    dead, always_on : int
        Neurons at or beyond an end of their interval; one of zero width counts as dead. In deep
        layers `stable_neurons` finds more.
    zero_rows : int
        Neurons without a direction; they are not counted as dead or always on.
    """

    neurons: int
    norms: tuple[float, float]
    norm_bound: float
    outside: int
    dead: int
    always_on: int
    zero_rows: int


def reduction_report(network: Network, domain: Domain, bound: str = "support") -> list[LayerReport]:
    """Return, for each layer, what `reduce` finds: norms, thresholds, stable neurons.

    Parameters
    ----------
    network, domain, bound
        As for `reduce`.

    Returns
    -------
    list of LayerReport
        One for each hidden layer.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> report, = reduction_report(Network([[[2.0], [3.0]]], [[-9.0, 1.0]], [[1.0, 1.0]]), Box(0, 1))
    >>> report.norms, report.outside, report.dead, report.always_on
    ((2.0, 3.0), 1, 1, 1)
    """
    network, domain = check_network(network), check_domain(network, domain)
    space = LayerSpace(domain, network._activation, choice(bound, "bound", BOUNDS))
    layer, *maps = affine_maps(network)
    reports = []
    for number, (above, given) in enumerate(zip(maps, network.weights), start=1):
        assert layer.b is not None
        units, norms = unit_directions(layer.W)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratios = np.where(norms > 0.0, layer.b / norms, np.nan)
        low, high = space.intervals(units).T
        lengths, X = row_norms(given), space.domain.norm_bound
        reports.append(LayerReport(
            len(norms), (float(lengths.min()), float(lengths.max())), X, int((np.abs(ratios) > X).sum()),
            int((ratios <= low).sum()), int(((ratios >= high) & (ratios > low)).sum()),
            int((norms == 0.0).sum()),
        ))
        reduced = reduce_layer(layer, above, space, number)
        space = space.next_layer(reduced.W, reduced.b, reduced.bounds)
        layer = reduced.above
    return reports


def _assemble(
    layers: list[tuple[Array, Array]], outgoing: Affine, activation: str, domain: Domain, bound: str
) -> ReducedNetwork:
    weights, thresholds = zip(*layers)
    return ReducedNetwork(
        weights, thresholds, outgoing.W, outgoing.b, activation, domain=domain, bound=bound
    )
