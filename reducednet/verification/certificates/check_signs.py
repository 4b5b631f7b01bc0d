"""Bound f - g of two ReLU networks of one hidden layer by splitting the signs of neurons.

This checks proofs of kind "signs" again, without any code of the provers or of the evaluation of
networks. The data names pairs of neurons, one of each network; a tree of signs for each output and
each side; and for each leaf a multiple of every neuron's z. Every number is computed here, rounding
errors included.

For one output k and one side, +1 or -1,

    side (f_k - g_k) = sum_j a_j s(z_j) + constant,

summed over the neurons of both networks, g's before f's. On a leaf some z_j have a known sign, and
each a_j s(z_j) is replaced by an affine bound:

    z_j >= 0:             a_j s(z_j) = a_j z_j <= t z_j    for any t >= a_j,
    z_j <= 0:             a_j s(z_j) = 0 <= t z_j          for any t <= 0,
    unknown, a_j <= 0:    a_j s(z_j) <= t z_j              for any t in [a_j, 0],
    unknown, a_j > 0:     a_j s(z_j) + c_i s(z_i) <= max(0, D) <= share D + height,
                          D = a_j z_j + c_i z_i,    share in [0, 1].

Neuron i is the partner of neuron j, and a_i <= c_i <= 0 the part of its coefficient that belongs
to the pair; the rest, a_i - c_i, is treated as a neuron of its own. Without a partner, D = a_j z_j.
What is left is one affine function of x, and its maximum over the domain is a value of the support
function.

u = 2^-53, gamma_n and the charges for underflow are those of `arithmetic`.

References
----------
PROOFS, section 23; docs/certificates.md, section 12.
"""
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import (
    UNDERFLOW, Interval, bounding_box, gamma, highest, layers_of, raised, require,
)

SIDES = (1.0, -1.0)
"""The functionals of an output, in this order: f_k - g_k and g_k - f_k."""


class Neurons(NamedTuple):
    """The hidden neurons of both networks, g's before f's: z_j = weights_j x + thresholds_j.

    A neuron that is labelled as opposite has been replaced by the negative of its row.

    magnitude : at least sum_i |w_ji x_i| + |b_j| on the domain
    is_opposite : where the row is the negative of the network's
    scales : absolute values of the labelled neurons' scales
    partner : the neuron of the other network with the same label, or -1
    """

    weights: Any
    thresholds: Any
    magnitude: Any
    is_opposite: Any
    scales: Any
    partner: Any


class Functional(NamedTuple):
    """side (f_k - g_k) = sum_j a_j s(z_j) + constant, for the neurons as the network has them.

    constants : the two output biases, whose sum is the constant
    lead : for each neuron i with a_i < 0, its partner j if a_j > 0; else -1
    pair_part : c_i, the part of a_i that belongs to the pair; 0 where there is no lead

    In a pair (j, i), a_j > 0 > a_i, neuron j leads and neuron i is led.
    """

    a: Any
    constants: Any
    lead: Any
    pair_part: Any


class Multiples(NamedTuple):
    """What each leaf has of each neuron's z, arrays (leaves, neurons): own z_j + of_pair z_j.

    is_joint : where the sign is unknown and a_j > 0
    share : the share of D there, else 0
    """

    own: Any
    of_pair: Any
    is_joint: Any
    share: Any


# both networks


def neurons_of(labels: Any, scales: Any, f: Any, g: Any, domain: Any) -> Neurons:
    """Return the neurons of both networks; ValueError if labels do not name pairs.

    A scale below 0 says that the neuron is opposite: its row is replaced by the negative.
    """
    is_opposite = (labels >= 0) & (scales < 0.0)
    signs = np.where(is_opposite, -1.0, 1.0)
    weights = np.concatenate([g.weights[0], f.weights[0]]) * signs[:, np.newaxis]
    thresholds = np.concatenate([g.thresholds[0], f.thresholds[0]]) * signs

    largest, d = bounding_box(domain).largest, weights.shape[1]
    magnitude = raised(np.abs(weights) @ largest + np.abs(thresholds), d + 1)
    magnitude = magnitude + UNDERFLOW * (d + 1)

    require((scales[labels >= 0] != 0.0).all(), "a scale of 0")
    n_g, partner = len(g.thresholds[0]), np.full(len(labels), -1)
    of_g, of_f = named_once(labels[:n_g]), named_once(labels[n_g:])
    for label in of_g.keys() & of_f.keys():
        i, j = of_g[label], n_g + of_f[label]
        partner[i], partner[j] = j, i
    return Neurons(weights, thresholds, magnitude, is_opposite, np.abs(scales), partner)


def named_once(labels: Any) -> dict[int, int]:
    """Return the neuron of each label that is not -1; ValueError if two neurons have it."""
    neurons = {label: j for j, label in enumerate(labels.tolist()) if label >= 0}
    require(len(neurons) == (labels >= 0).sum(), "two neurons of one network with the same label")
    return neurons


def functional_of(f: Any, g: Any, output: int, side: float, neurons: Neurons) -> Functional:
    """Return side (f_k - g_k) as coefficients of all neurons' activations, which are exact.

    If z_j is near r z_i, then c_i = -min(-a_i, a_j r) makes the range of D small. r is the quotient
    of the scales; quotient and product are rounded, and any c_i in [a_i, 0] is right.
    (PROOFS, section 23, says why a larger part would be worse.)
    """
    C_f, a_f = layers_of(f)[-1]
    C_g, a_g = layers_of(g)[-1]
    a = np.concatenate([-side * C_g[output], side * C_f[output]])
    constants = np.array([-side * a_g[output], side * a_f[output]])

    has_lead = (a < 0.0) & (neurons.partner >= 0) & (a[neurons.partner] > 0.0)
    led, pair_part = np.flatnonzero(has_lead), np.zeros(len(a))
    lead = neurons.partner[led]
    ratio = neurons.scales[lead] / neurons.scales[led]
    pair_part[led] = -np.minimum(-a[led], a[lead] * ratio)
    return Functional(a, constants, np.where(has_lead, neurons.partner, -1), pair_part)


def ranges_of_pairs(functional: Functional, neurons: Neurons, domain: Any) -> Interval:
    """Return bounds on D_j = a_j z_j + c_i z_i over the domain; where a_j <= 0 they mean nothing.

    Neuron i is the one that j leads, if there is one. An entry of the row of D goes through two
    roundings, and so does its constant:

        |fl(row) - row| |x| + |fl(constant) - constant| <= gamma_2 (|a_j| Z_j + |c_i| Z_i)

    with the neurons' magnitudes Z; and support and constant are added, with two roundings of at
    most as much. Eight are charged. Four products of each entry may underflow: an entry that is off
    by UNDERFLOW meets |x_i|, and the constant 1.
    """
    led = np.flatnonzero(functional.lead >= 0)
    lead, c = functional.lead[led], functional.pair_part[led]
    rows = functional.a[:, np.newaxis] * neurons.weights
    constants = functional.a * neurons.thresholds
    magnitudes = np.abs(functional.a) * neurons.magnitude
    rows[lead] += c[:, np.newaxis] * neurons.weights[led]
    constants[lead] += c * neurons.thresholds[led]
    magnitudes[lead] += np.abs(c) * neurons.magnitude[led]

    of_underflow = raised(bounding_box(domain).largest.sum() + 1.0, rows.shape[1] + 1)
    error = raised(gamma(8) * magnitudes, 4) + 4.0 * UNDERFLOW * of_underflow
    return Interval(
        -(highest(-rows, domain) - constants + error), highest(rows, domain) + constants + error
    )


# leaves


def multiples_of_z(signs: Any, multiples: Any, functional: Functional) -> Multiples:
    """Return what takes the place of each a_j s(z_j) on each leaf.

    Multiples are moved to the nearest number that the table at the top allows. Where the sign is
    unknown and a_j > 0, this is the share of D in [0, 1]: z_j is taken share a_j times, and the
    neuron i that j leads share c_i times; the rest of its coefficient, a_i - c_i, takes the place
    of a_i. Where the sign of z_j is known there is no pair, and a_i stays whole.
    """
    is_joint = (signs == 0) & (functional.a > 0.0)
    share = np.where(is_joint, np.clip(multiples, 0.0, 1.0), 0.0)
    is_led = (functional.lead >= 0) & is_joint[:, functional.lead]
    of_pair = np.where(is_joint, share * functional.a, 0.0)
    of_pair = np.where(is_led, share[:, functional.lead] * functional.pair_part, of_pair)

    a = np.where(is_led, functional.a - functional.pair_part, functional.a)
    least = np.where(signs < 0, -np.inf, a)
    most = np.where(signs > 0, np.inf, 0.0)
    own = np.minimum(np.maximum(multiples, least), most)
    return Multiples(np.where(is_joint, 0.0, own), of_pair, is_joint, share)


def leaf_bounds(
    signs: Any, multiples: Any, functional: Functional, neurons: Neurons, domain: Any
) -> Any:
    """Return a bound on side (f_k - g_k) for each leaf of a tree.

    share D + height is above max(0, D) for D in [low, high] with

        height = max(-share low, (1 - share) high, 0).

    An opposite neuron z = -z' stands for s(z') = s(z) - z, which adds -a_j z_j. So the multiple of
    z_j is a sum of three numbers, each of which goes through three roundings at most, and a term of
    the slopes and of the constant through n more:

        |fl(A) - A| |x| + |fl(c) - c| <= gamma_(n+3) sum_j (|own_j| + |of_pair_j| + |a_j|) Z_j,

    a_j counting for opposite neurons alone. Then the support, c, the heights and the constant,
    which has been rounded once, are added: less than 5 u of all magnitudes. So gamma_(n+9) of them
    covers everything; they are sums of n + 4 roundings themselves.
    """
    n, d = neurons.weights.shape
    used = multiples_of_z(signs, multiples, functional)
    D = ranges_of_pairs(functional, neurons, domain)
    height = np.maximum(np.maximum(-used.share * D.low, (1.0 - used.share) * D.high), 0.0)
    height = np.where(used.is_joint, raised(height, 2) + UNDERFLOW, 0.0)
    heights = raised(height.sum(axis=1), n)

    of_opposite = np.where(neurons.is_opposite, -functional.a, 0.0)
    total = used.own + used.of_pair + of_opposite
    slopes, constants = total @ neurons.weights, total @ neurons.thresholds

    sizes = np.abs(used.own) + np.abs(used.of_pair) + np.abs(of_opposite)
    magnitude = sizes @ neurons.magnitude + heights + np.abs(functional.constants).sum()
    # products that underflow: of slopes, which meet x, and of multiples, which meet z
    of_underflow = bounding_box(domain).largest.sum() + neurons.magnitude.sum() + 1.0
    error = raised(gamma(n + 9) * magnitude, n + 6)
    error = error + UNDERFLOW * (n + 2) * raised(of_underflow, n + d + 2)
    return highest(slopes, domain) + constants + heights + functional.constants.sum() + error


def leaves_of(splits: Any, n_neurons: int) -> Any:
    """Return the signs (leaves, neurons) at the leaves of the next tree: 1, -1, or 0 for unknown.

    splits : iterator over the nodes

    A node is the number of the neuron that it splits, or -1 for a leaf; the nodes below its side
    z >= 0 come next, all of them before those below z <= 0. Both sides of every split are there, so
    that the leaves cover the domain.

    ValueError for a split of no neuron, or of one whose sign is known; StopIteration if the tree
    is not complete.
    """
    waiting, leaves = [np.zeros(n_neurons, dtype=np.int8)], []
    while waiting:
        signs, neuron = waiting.pop(), next(splits)
        if neuron == -1:
            leaves.append(signs)
            continue
        require(neuron < n_neurons and signs[neuron] == 0, "a split of no neuron, or a second one")
        for sign in (-1, 1):  # the last one that waits comes next
            part = signs.copy()
            part[neuron] = sign
            waiting.append(part)
    return np.array(leaves)


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound on |f - g| over the domain.

    data : labels0, scales0, g's neurons before f's; splits0, the trees of all outputs and sides;
        multiples0, a row for each leaf

    ValueError if the data proves none.
    """
    relu = f.activation == g.activation == "relu" and len(f.weights) == len(g.weights) == 1
    n_outputs = len(f.output_weights)
    require(relu and n_outputs == len(g.output_weights), "networks that do not fit")

    neurons = neurons_of(data["labels0"], data["scales0"], f, g, domain)
    splits, multiples = iter(data["splits0"].tolist()), data["multiples0"]
    bounds, first = [0.0], 0
    for output, side in ((k, side) for k in range(n_outputs) for side in SIDES):
        signs = leaves_of(splits, len(neurons.partner))
        own = multiples[first:first + len(signs)]
        require(len(own) == len(signs), "fewer multiples than leaves")
        first += len(signs)
        functional = functional_of(f, g, output, side, neurons)
        bounds.append(leaf_bounds(signs, own, functional, neurons, domain).max())
    at_end = next(splits, None) is None and first == len(multiples)
    require(at_end, "more nodes, or more multiples, than the trees have")
    return float(np.max(bounds))
