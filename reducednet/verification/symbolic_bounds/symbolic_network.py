"""Write a ReLU network symbolically: each neuron over the inputs and the unstable neurons below it.

The columns are 1, the inputs x, and the activation U_c = relu(z_c) of the representative of each
class c of unstable neurons on one hyperplane. Every pre-activation of the network is then a row,

    z = A . columns = A_0 + A_x . x + A_U . U,

and every activation h = relu(z) is one too, by the role of its neuron:

    dead, z <= 0 on D:               h = 0
    always on, z >= 0 on D:          h = A . columns
    unstable, z = s z_c with s > 0:  h = s U_c
    unstable, z = s z_c with s < 0:  h = |s| (U_c - z_c)

so that W h + b has the rows W H + b e_0 for the rows H of h. Signs of z are bounded by
back-substitution. Nothing is approximated between the classes, so that these bounds are sharp.

These floats need not be rigorous: the checker of the certificate bounds everything anew.

References
----------
PROOFS, section 19, Lemmas 18 and 21.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain
from ...networks.network import Network
from ...numerics.equal_rows import classes_of_rows
from ...numerics.sphere import normalise
from .back_substitution import SymbolicLayer, row_bounds, upper_bounds
from .linear_programs import Effort, Proof, sharpen

DEAD, ON, UNSTABLE = -1, -2, -3
FINEST_PRECISION = 2.0**-50
"""Coefficients below this share of their magnitude are rounding errors."""
MOST_NUMBERS = 1 << 26
"""The largest matrix of symbolic rows, neurons times columns."""
MOST_PAIRS = 400
"""The largest number of pairs of classes in a layer that are tried for exclusion."""


class Roles(NamedTuple):
    """The role of each neuron of a layer.

    labels : integer array (n_neurons,)
        DEAD, ON or the number of the neuron's class.
    scales : array (n_neurons,)
        s in z = s z_c, where z_c belongs to the class's representative.
    """

    labels: np.ndarray
    scales: Array


class SymbolicNetwork(NamedTuple):
    """A network over the columns 1, x, U: its outputs are A . columns.

    roles, layers : lists, one entry for each hidden layer
    exclusive : list of ((class, other class), multiplier)
        Exclusive pairs, where the other class is left out of the class's row.
    proofs : list of Proof
        Of the bounds that linear programs made sharper.
    A, S : arrays (n_outputs, n_columns)
        Rows of the outputs, and their magnitudes.
    column_bounds : array (n_columns,)
        The largest absolute value of each column.
    """

    roles: list[Roles]
    layers: list[SymbolicLayer]
    exclusive: list[tuple[tuple[int, int], float]]
    proofs: list[Proof]
    A: Array
    S: Array
    column_bounds: Array


def write_symbolically(
    network: Network, domain: Domain, precision: float, exclude: bool = True,
    effort: Effort | None = None, known: SymbolicNetwork | None = None,
    check_time: Callable[[], None] = lambda: None,
) -> SymbolicNetwork:
    """Write a network over the inputs and its unstable neurons.

    Parameters
    ----------
    network : Network
        ReLU.
    domain : Domain
    precision : float
        Numbers below this share of their magnitude count as 0.
    exclude : bool
        Look for exclusive pairs, and leave the lower class out of the upper one's row.
    effort : Effort, optional
        For sharper bounds by linear programs; there are none without it.
    known : SymbolicNetwork, optional
        Another network, whose columns come first: neurons of `network` on the hyperplane of one of
        its classes are multiples of that class. The result holds its layers and exclusive pairs
        too, but only the roles and proofs of `network`.
    check_time : function
        Called now and then; it may raise.
    """
    n_affine = 1 + network.n_inputs
    h = np.stack(domain.bounding_box())
    column_bounds = np.append(1.0, np.abs(h).max(axis=0)) if known is None else known.column_bounds
    known_layers = [] if known is None else known.layers
    layers, exclusive = list(known_layers), [] if known is None else list(known.exclusive)
    A = S = np.eye(network.n_inputs, len(column_bounds), 1)  # the rows of h, here of x
    roles: list[Roles] = []
    proofs: list[Proof] = []
    for W, b in zip(network.weights, network.thresholds):
        check_time()
        A, S = _affine_rows(W, b, A, S)
        margin = precision * (S @ column_bounds)
        low, high = _intersect(row_bounds(A, layers, domain), W, b, h)
        if effort:
            (low, high), found = sharpen(A, (low, high), margin, layers, domain, effort)
            proofs += found
        h = np.maximum([low, high], 0.0)

        labels = np.where(high <= margin, DEAD, np.where(low >= -margin, ON, UNSTABLE))
        own = _match_known(labels, A, S, column_bounds, precision, known_layers)
        own, representatives = _number_classes(
            own, A, column_bounds, precision, len(column_bounds) - n_affine)

        new = SymbolicLayer(*(part[representatives] for part in (A, S, low, high)))
        if exclude:
            n_neurons = np.bincount(own.labels[own.labels >= 0])[own.labels[representatives]]
            new, pairs = _leave_out_exclusive(
                new, n_neurons == 1, layers, domain, margin[representatives], n_affine, check_time)
            exclusive += pairs
        column_bounds = np.append(column_bounds, np.maximum(new.high, 0.0))
        roles, layers = [*roles, own], [*layers, new]
        A, S = _activation_rows(own, A, S, layers, n_affine)
    A, S = _affine_rows(network.output_weights, network.output_bias, A, S)
    return SymbolicNetwork(roles, layers, exclusive, proofs, A, S, column_bounds)


def _affine_rows(W: Array, b: Array | None, A: Array, S: Array) -> tuple[Array, Array]:
    """Return the rows of W h + b and their magnitudes, for the rows A of h:

        W A + b e_0,    |W| S + |b| e_0    (n_neurons, n_columns),    e_0 being the column 1.
    """
    A, S = W @ A, np.abs(W) @ S
    if b is not None:
        A[:, 0], S[:, 0] = A[:, 0] + b, S[:, 0] + np.abs(b)
    return A, S


def _intersect(
    bounds: tuple[Array, Array], W: Array, b: Array, h: Array
) -> tuple[Array, Array]:
    """Return bounds of W h + b, made sharper by those for h[0] <= h <= h[1]: with W = W+ - W-,

        W+ h[0] - W- h[1] + b <= W h + b <= W+ h[1] - W- h[0] + b.
    """
    up, down = np.maximum(W, 0.0), np.minimum(W, 0.0)
    low, high = up @ h[0] + down @ h[1] + b, up @ h[1] + down @ h[0] + b
    return np.maximum(bounds[0], low), np.minimum(bounds[1], high)


def class_rows(layers: list[SymbolicLayer], classes: np.ndarray, width: int) -> tuple[Array, Array]:
    """Return the rows A_c and S_c (n_classes, width) of these classes, padded with zeros."""
    first = np.cumsum([0, *(len(layer.low) for layer in layers)])
    A, S = np.zeros((len(classes), width)), np.zeros((len(classes), width))
    for start, layer in zip(first, layers):
        here = np.flatnonzero((classes >= start) & (classes < start + len(layer.low)))
        for rows, own in ((A, layer.A), (S, layer.S)):
            rows[here, :own.shape[1]] = own[classes[here] - start]
    return A, S


def _match_known(
    labels: np.ndarray, A: Array, S: Array, column_bounds: Array, precision: float,
    known: list[SymbolicLayer],
) -> Roles:
    """Give unstable neurons on the hyperplane of a known class its number; others stay UNSTABLE.

    Rows r of neurons and q of classes are compared in units of the columns' bounds B, entry by
    entry: r = A B, q = A_c B. The class is that of the largest |cos(r, q)|, and its scale
    s = r . q / |q|^2. The neuron is on its hyperplane if the 1-norm of r - s q, which bounds
    |z - s z_c| on D, is negligible beside the magnitudes:

        |r - s q|_1 <= 8 precision (S B + |s| S_c B).
    """
    labels, scales = labels.copy(), np.zeros(len(labels))
    unstable = np.flatnonzero(labels == UNSTABLE)
    n_classes = sum(len(layer.low) for layer in known)
    if not n_classes or not len(unstable):
        return Roles(labels, scales)

    q, terms = (
        part * column_bounds
        for part in class_rows(known, np.arange(n_classes), len(column_bounds)))
    r = A[unstable] * column_bounds
    c = np.abs(normalise(r)[0] @ normalise(q)[0].T).argmax(axis=1)
    q, magnitudes = q[c], terms[c].sum(axis=1)
    s = np.einsum("ij,ij->i", r, q) / np.einsum("ij,ij->i", q, q)
    distance = np.abs(r - s[:, np.newaxis] * q).sum(axis=1)
    near = distance <= 8.0 * precision * (S[unstable] @ column_bounds + np.abs(s) * magnitudes)
    labels[unstable[near]], scales[unstable[near]] = c[near], s[near]
    return Roles(labels, scales)


def _number_classes(
    own: Roles, A: Array, column_bounds: Array, precision: float, first: int
) -> tuple[Roles, np.ndarray]:
    """Number the classes of the neurons that are UNSTABLE still, from `first` on.

    Neurons are in one class if their rows r = A B, each divided by its entry of the largest
    absolute value (so that opposite rows agree too), are nearly equal. Their scales are
    s = r . q / |q|^2 for the row q of the representative, the first neuron of the class.

    Return the roles, and the indices of the representatives.
    """
    labels, scales = own.labels.copy(), own.scales.copy()
    unstable = np.flatnonzero(labels == UNSTABLE)
    r = A[unstable] * column_bounds
    largest = np.abs(r).argmax(axis=1) if len(unstable) else np.empty(0, dtype=int)
    classes = classes_of_rows(r / r[np.arange(len(r)), largest][:, np.newaxis], 8.0 * precision)
    _, at = np.unique(classes, return_index=True)
    q = r[at[classes]]
    scales[unstable] = np.einsum("ij,ij->i", r, q) / np.einsum("ij,ij->i", q, q)
    scales[unstable[at]] = 1.0
    labels[unstable] = first + classes
    return Roles(labels, scales), unstable[at]


def _activation_rows(
    own: Roles, A: Array, S: Array, layers: list[SymbolicLayer], n_affine: int
) -> tuple[Array, Array]:
    """Return the rows of h = relu(z) over all columns, the new classes' too, and their magnitudes:

        0 if dead,    A if always on,    |s| e_c - max(-s, 0) A_c in class c, of the row A_c.
    """
    width = n_affine + sum(len(layer.low) for layer in layers)
    unstable = np.flatnonzero(own.labels >= 0)
    c, s = own.labels[unstable], own.scales[unstable]
    opposite = np.minimum(s, 0.0)
    A_c, S_c = class_rows(layers, c, width)

    results = []
    for rows, of_classes, factors in ((A, A_c, opposite), (S, S_c, np.abs(opposite))):
        result = np.zeros((len(rows), width))
        result[:, :rows.shape[1]] = rows * (own.labels == ON)[:, np.newaxis]
        result[unstable] = factors[:, np.newaxis] * of_classes
        result[unstable, n_affine + c] = np.abs(s)
        results.append(result)
    return results[0], results[1]


def _leave_out_exclusive(
    new: SymbolicLayer, alone: np.ndarray, layers: list[SymbolicLayer], domain: Domain,
    margin: Array, n_affine: int, check_time: Callable[[], None],
) -> tuple[SymbolicLayer, list[tuple[tuple[int, int], float]]]:
    """Leave out of each row the classes that are never on together with it; return the pairs too.

    Let z = p + a U_i. Then relu(z) = relu(p) on D if, for some mu >= max(a, 0),

        p + mu z_i <= 0 on D,

    for where z_i > 0, U_i is z_i, and both p + a U_i and p are at most p + mu z_i; and elsewhere
    U_i is 0 (PROOFS, Lemma 21).

    Only rows of neurons `alone` in their class change: multiples of z would not follow.
    """
    A, S, found = new.A.copy(), new.S.copy(), []
    below = [(layer, k) for layer in layers for k in range(len(layer.low))]
    pairs = [(j, c) for j in np.flatnonzero(alone) for c in range(len(below))
             if A[j, n_affine + c] != 0.0]
    for j, c in pairs if len(pairs) <= MOST_PAIRS else ():
        check_time()
        layer, k = below[c]
        z_i = np.pad(layer.A[k], (0, A.shape[1] - layer.A.shape[1]))
        mu = _multiplier(A[j], n_affine + c, z_i, layers, domain, margin[j])
        if mu is not None:
            A[j, n_affine + c] = S[j, n_affine + c] = 0.0
            found.append(((len(below) + int(j), c), mu))
    low = np.where((A != new.A).any(axis=1), row_bounds(A, layers, domain)[0], new.low)
    return new._replace(A=A, S=S, low=low), found


def _multiplier(
    row: Array, column: int, z_i: Array, layers: list[SymbolicLayer], domain: Domain,
    margin: float,
) -> float | None:
    """Return the mu with the least upper bound on p + mu z_i, or None if that is above the margin.

    Those tried are max(a, 0) and 49 above it, spaced logarithmically around the quotient of the
    rows' largest entries.
    """
    a, p = row[column], row.copy()
    p[column] = 0.0
    least = max(a * (1.0 + 2.0**-20), 0.0)
    scale = np.abs(row).max() / max(np.abs(z_i).max(), np.finfo(float).tiny)
    multipliers = least + scale * np.append(0.0, np.logspace(-3, 3, 49))
    multipliers = multipliers[np.isfinite(multipliers)]  # all of z_i may have been left out
    bounds = upper_bounds(p + multipliers[:, np.newaxis] * z_i, layers, domain)
    best = int(np.argmin(bounds))
    return float(multipliers[best]) if bounds[best] <= margin else None
