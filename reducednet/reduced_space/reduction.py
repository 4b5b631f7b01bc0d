"""The mapping that the paper claims: every network equals one of the reduced parameter space.

`reduce` keeps the widths (THEORY, Prop. 4); `reduce_paper` takes two neurons for each always-on
one (Prop. 3, a reconstruction: the paper's own construction was not at hand).
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
from .layer_reduction import carry_constants, clip_thresholds, reduce_layer, unit_directions
from .reduced_network import ReducedNetwork
from .spare_neurons import draw_free, free_spare


def reduce(
    network: Network, domain: Domain, bound: str = "support", spare: str = "keep", *, rng: RandomLike = None
) -> ReducedNetwork:
    """Return the reduced network that is the same function on the domain.

    Layer by layer, with nu_j = |w_j| and [low_j, high_j] = I(w_j / nu_j):

    w_j <- w_j / nu_j,   b_j <- clip(b_j / nu_j, low_j, high_j),   c_j <- nu_j c_j  (ReLU),

    and what an always-on ReLU neuron loses by the clipping, kappa_j = b_j - nu_j high_j, enters
    the next layer's thresholds, or the output bias, as the constant c_j kappa_j. Without an output
    bias two neurons (u, high) and (-u, -low), whose sum is high - low on the domain, carry it.

    Widths stay as they are, but that a ReLU network without output bias may need one neuron more
    in its last hidden layer. Reducing twice changes nothing.

    Parameters
    ----------
    network : Network
        ReLU or binary, of any depth.
    domain : Domain
        The inputs on which the function is to be the same, of the network's dimension.
    bound : "support" or "ball"
        The intervals: the range of w.x over the domain (in deep layers over the box of their
        inputs), or the paper's [-X_B, X_B].
    spare : "keep" or "redraw"
        ``"keep"`` leaves neurons that do nothing at their interval's end. ``"redraw"`` replaces the
        always-on neurons of the last hidden layer by as many as the linear part of their sum has
        rank (without an output bias by one more, for the constant), if those are fewer. It then
        redraws the spare and the dead neurons inside the domain with zero outgoing weight: the
        function is the same, and training can use them.
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
    A threshold within rounding of an end is put at it, so that every network of one orbit comes
    back to the same reduced network; what it loses at the upper end is moved too, but not where only a pair
    of neurons could carry it. A zero row is a constant: it becomes the first unit vector
    with zero outgoing weight, and the constant is moved like those above. Binary neurons keep
    their outgoing weights, and a constant one sits at an end of its interval; their thresholds are
    lowered by the rounding margin where the row changes, so that ties z = 0 stay 0.
    `reduction_bound` bounds what rounding, and all of this, does to the function.

    References
    ----------
    THEORY, Prop. 1, 2, 4 and section 7. [QZX]

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
            reduced = free_spare(reduced, space, is_last=number == len(maps))
        reduced = carry_constants(reduced, space)
        if redraw:
            reduced = draw_free(reduced, space, domain, below, rng)
        space = space.next_layer(reduced.W, reduced.b)
        below.append((reduced.W, reduced.b))
        layer = reduced.above
    return _assemble(below, layer, network.activation, domain, bound)


def reduce_paper(network: Network, domain: Domain) -> ReducedNetwork:
    """Return a reduced network with two neurons for each always-on one.

    The paper claims that the reduced space loses nothing; this is a reconstruction of how.

    w.x + b = A s(w.x + X) + B s(-w.x + X) on |x| <= X, with A = (1 + b/X)/2, B = (b/X - 1)/2

    for a unit row w and b > X, X being X_B in the first layer and the norm bound in deeper ones.
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
        slack = space.rounding_error(unit_directions(layer.W)[0])
        W, b, C = replace_always_on(layer, above.W, space.domain.norm_bound, slack)
        finite_result(C, f"layer {number}: an outgoing weight of the pair that replaces an always-on neuron")
        space = space.next_layer(W, b)
        below.append((W, b))
        layer = Affine(C, above.b)
    return _assemble(below, layer, network.activation, domain, "ball")


def replace_always_on(
    layer: Affine, C: Array, X: float, slack: Array | float = 0.0
) -> tuple[Array, Array, Array]:
    """Return (W, b, C) with unit rows, |b| <= X and each always-on neuron replaced by two.

    With nu = |w|: columns c (nu + b/X)/2 and c (b/X - nu)/2, which are c nu A and c nu B of Prop. 3
    and hold for a zero row too.
    """
    assert layer.b is not None
    W, norms = unit_directions(layer.W)
    t, _ = clip_thresholds(layer.b, norms, np.full(len(W), -X), np.full(len(W), X), slack)
    on = layer.b > norms * X
    with np.errstate(over="ignore", invalid="ignore"):
        plus = C * np.where(on, (norms + layer.b / X) / 2, norms)
        minus = (C * (layer.b / X - norms) / 2)[:, on]
    t = np.where(on, X, t)
    return np.vstack([W, -W[on]]), np.append(t, t[on]), np.column_stack([plus, minus])


class LayerReport(NamedTuple):
    """What the reduction meets in one hidden layer.

    Attributes
    ----------
    neurons : int
    norms : (float, float)
        Smallest and largest row norm of the network as it is given.
    norm_bound : float
        X_B of the layer's input set.
    outside : int
        Neurons whose threshold, for a unit row, lies outside [-X_B, X_B].
    dead, always_on : int
        Neurons at or beyond an end of their interval. One that is at both, of zero width, is dead.
        In deep layers `stable_neurons` knows of more.
    zero_rows : int
        Neurons without a direction; counted there only.
    """

    neurons: int
    norms: tuple[float, float]
    norm_bound: float
    outside: int
    dead: int
    always_on: int
    zero_rows: int


def reduction_report(network: Network, domain: Domain, bound: str = "support") -> list[LayerReport]:
    """Return, layer by layer, what `reduce` meets: norms, thresholds outside, neurons that do nothing.

    Parameters
    ----------
    network, domain, bound
        As for `reduce`.

    Returns
    -------
    list of LayerReport, one a hidden layer

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
        space, layer = space.next_layer(reduced.W, reduced.b), reduced.above
    return reports


def _assemble(
    layers: list[tuple[Array, Array]], outgoing: Affine, activation: str, domain: Domain, bound: str
) -> ReducedNetwork:
    weights, thresholds = zip(*layers)
    return ReducedNetwork(
        weights, thresholds, outgoing.W, outgoing.b, activation, domain=domain, bound=bound
    )
