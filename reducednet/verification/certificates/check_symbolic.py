"""Bound |f - g| of two ReLU networks by their symbolic rows, with all rounding errors included.

This checks proofs of kind "folded" again, without any code of the provers or of the evaluation of
networks (THEORY, section 9, "Two networks over the same columns"). The data says where to look;
signs of pre-activations and differences of rows are bounded here.

Notation
--------
columns
    1, the inputs x, and one activation U_c = relu(z_c) for each class c: that of its
    representative, its first neuron in f or else in g.
label
    Each neuron is dead (label -1: h is 0), always on (-2: h is its own row), or in the class c
    that its label numbers. With the scale s of a neuron in a class, relu(s z_c) is s U_c for
    s >= 0 and |s| (U_c - z_c) for s < 0, and

        |relu(z) - relu(s z_c)| <= |z - s z_c|,

    which goes into its error. Neurons with other roles than they have cost max(high, 0) if said to
    be dead and max(-low, 0) if said to be always on. So labels and scales may be anything.
row
    Three arrays: `coefficients` A and `magnitudes` S over the columns, and an error e, with
    |v - A columns| <= e. S has the sums of absolute values of the terms of A: n more roundings of
    them change the row by at most n u (S |columns|).
exclusion
    Where z_i > 0 makes relu of a representative's row 0 with U_i and without, U_i is left out of
    the row: an entry of `cuts` is the pair (class, i), and `mu` proves it: see `exclude`.

Rows are bounded by back-substitution, as in DeepPoly and CROWN: lines above or below relu take the
place of U, the last class first. Where a tree splits on signs of z, its leaves give sharper bounds.
u is the unit roundoff 2^-53.
"""
from typing import Any

import numpy as np

UNIT_ROUNDOFF, TINY = 2.0**-53, 2.0**-1060
"""TINY is far more than the 2^-1074 that a product that underflows is off by."""

GUARD, MOST_ROUNDINGS = 1.0 + 2.0**-30, 1 << 21
"""A sum of absolute values has at most MOST_ROUNDINGS = 2^21 roundings, so that GUARD covers them:
2^21 u = 2^-32."""


def require(fact: Any, otherwise: str) -> None:
    """Raise ValueError with this text unless the fact is true."""
    if not fact:
        raise ValueError(otherwise)


def highest(slopes: Any, domain: Any) -> Any:
    """Return the largest a.x of each row a over the domain, up to rounding.

    a.x <= sum_i max(a_i low_i, a_i high_i) on a Box, a.centre + radius |a|_2 on a Ball, and the
    largest a.p over the points p of a Hull.
    """
    if type(domain).__name__ == "Box":
        up, down = np.maximum(slopes, 0.0), np.minimum(slopes, 0.0)
        return (up * domain.high + down * domain.low).sum(axis=1)
    if type(domain).__name__ == "Ball":
        roundings = 4 * (len(slopes.T) + 2)
        norms = domain.radius * np.hypot.reduce(slopes, axis=1) * (1.0 + roundings * UNIT_ROUNDOFF)
        return slopes @ domain.centre + norms
    return (slopes @ domain.points.T).max(axis=1)


class Representatives:
    """The classes' representatives: their rows over the columns before them, and bounds of z.

    Attributes
    ----------
    n_affine : int
        How many columns 1 and x are.
    n_roundings : int
        No term of a row goes through more roundings, whatever its path through both networks.
    column_bounds : array
        Upper bounds of |column|.
    layers : list of (rows, low, high)
        Layer by layer of f and then of g, low <= z <= high on the domain.
    """

    def __init__(self, f: Any, g: Any, domain: Any) -> None:
        self.domain, self.n_affine = domain, 1 + f.n_inputs
        self.n_roundings = sum(f.sizes) + sum(g.sizes) + 12 * (len(f.sizes) + len(g.sizes)) + 16
        box = np.stack([highest(sign * np.eye(f.n_inputs), domain) for sign in (-1.0, 1.0)])
        self.column_bounds = np.append(1.0, np.abs(box).max(axis=0) * GUARD + TINY)
        self.layers: list[Any] = []

    def margin(self, magnitudes: Any, errors: Any) -> Any:
        """Return how far off rows may be after back-substitution: e + n u (S |columns|).

        A term goes through one rounding for each column, six for each layer, and eight at the end.
        """
        sizes = self.column_bounds[:magnitudes.shape[1]]
        n = len(self.column_bounds) + 6 * len(self.layers) + 8
        rounding = n * UNIT_ROUNDOFF * (magnitudes @ sizes)
        return (rounding + errors) * GUARD + n * TINY * (1.0 + sizes.sum())

    def upper_bounds(self, coefficients: Any, magnitudes: Any, errors: Any) -> Any:
        """Return upper bounds on the rows over the whole domain: the smallest of five.

        The first is sum_i |A_i| |column_i|, so that high is hardly above S |columns|; the others
        come from four choices of lines below relu.
        """
        rows = coefficients, magnitudes, errors
        sizes = self.column_bounds[:coefficients.shape[1]]
        largest = np.abs(coefficients) @ sizes * GUARD + self.margin(magnitudes, errors)
        none = np.zeros((len(coefficients), coefficients.shape[1] - self.n_affine))
        substituted = [
            self.upper_bounds_where(*rows, none, none, choice) for choice in range(1, 5)
        ]
        return np.min([largest, *substituted], axis=0)

    def upper_bounds_where(
        self, coefficients: Any, magnitudes: Any, errors: Any, signs: Any, multiples: Any,
        choice: int = 0,
    ) -> Any:
        """Return upper bounds on the rows where the classes' z have these signs (0: unknown).

        With U = relu(z), low <= z <= high, and a coefficient a of U:

        * a U <= a (slope z + constant) for a > 0: the chord, or for any slope in [0, 1] a constant
          max(-slope low, (1 - slope) high);
        * a U <= m z for a <= 0 and m in [a, 0];
        * where z >= 0, a U = a z <= m z for m >= a; where z <= 0, a U = 0 <= m z for m <= 0.

        The m are the multiples (choice 0), moved to where they are allowed, or one of four choices:
        0, a, a where |low| < high, or a where that makes the row's slopes smaller.
        """
        width = coefficients.shape[1]
        below = [layer for layer in self.layers if layer[0][0].shape[1] < width]
        for (row_coefficients, row_magnitudes, row_errors), low, high in below[::-1]:
            start = row_coefficients.shape[1]
            end = start + len(low)
            of_relus, relu_magnitudes = coefficients[:, start:end], magnitudes[:, start:end]
            coefficients, magnitudes = coefficients[:, :start].copy(), magnitudes[:, :start].copy()
            sign = signs[:, start - self.n_affine:end - self.n_affine]
            given = multiples[:, start - self.n_affine:end - self.n_affine]

            partly = np.minimum(high / (high - low), 1.0)
            slope = np.where(high <= 0.0, 0.0, np.where(low >= 0.0, 1.0, partly))
            highest_gap = np.maximum(-slope * low, high - slope * high)
            constant = np.maximum(highest_gap, 0.0) * GUARD + TINY

            up, down = np.maximum(of_relus, 0.0) * (sign == 0.0), np.minimum(of_relus, 0.0)
            coefficients += (up * slope) @ row_coefficients
            # a product up slope that underflows turns its line, by less than TINY |z|
            turned = (up > 0.0) & (slope > 0.0) & (slope < 1.0)
            errors = errors + TINY * (turned @ np.maximum(np.abs(low), np.abs(high)))

            slopes = row_coefficients[:, 1:]
            smaller = 2.0 * coefficients[:, 1:] @ slopes.T > -down * (slopes ** 2).sum(axis=1)
            chosen = (given, 0.0 * down, down, down * (high > -low), down * smaller)[choice]
            least = np.where(sign > 0.0, of_relus, np.where(sign < 0.0, -np.inf, down))
            chosen = np.clip(chosen, least, np.where(sign > 0.0, np.inf, 0.0))
            coefficients += chosen @ row_coefficients

            terms = relu_magnitudes + np.abs(of_relus)
            magnitudes = magnitudes + (terms * slope + np.abs(chosen)) @ row_magnitudes
            errors = errors + (terms + np.abs(chosen)) @ row_errors
            coefficients[:, 0] = coefficients[:, 0] + up @ constant
            magnitudes[:, 0] = magnitudes[:, 0] + terms @ constant
        of_inputs = highest(coefficients[:, 1:self.n_affine], self.domain)
        return coefficients[:, 0] + of_inputs + self.margin(magnitudes, errors)

    def add(self, rows: Any, low: Any, high: Any) -> None:
        """Add one layer's representatives, with numbers below and above their z."""
        coefficients, magnitudes, errors = rows
        low = np.maximum(low, -self.upper_bounds(-coefficients, magnitudes, errors))
        high = np.minimum(high, self.upper_bounds(*rows))
        self.layers.append((rows, low, high))
        self.column_bounds = np.append(self.column_bounds, np.maximum(high, errors))

    def rows_of(self, classes: Any, width: int) -> Any:
        """Return the rows of these classes' z, with zeros up to a width."""
        rows_of_layers = [
            (padded(coefficients, width), padded(magnitudes, width), errors)
            for (coefficients, magnitudes, errors), _, _ in self.layers
        ]
        return tuple(np.concatenate(part)[classes] for part in zip(*rows_of_layers))


def padded(part: Any, width: int) -> Any:
    """Return rows with zeros up to a width."""
    return np.pad(part, ((0, 0), (0, width - part.shape[1])))


def affine_rows(W: Any, b: Any, activations: Any, representatives: Representatives) -> Any:
    """Return the rows of W h + b; the rounding error of this sum is in their errors.

    h_j has a row and an error, and besides, for the neurons of classes, a multiple of U_c. With r
    roundings of a term of an entry,

        |error| <= |W| e + u sum over columns of r S |column|,

    where r counts a term's product, unless all products there are by 1, -1 or 0, and the additions
    after it: one fewer than there are terms.
    """
    (rows, errors), in_classes, classes, multiples = activations
    width = len(representatives.column_bounds)
    columns = classes + representatives.n_affine

    n_terms = (W != 0.0).astype(float) @ (rows != 0.0)
    has_exact_products = np.isin(rows, (-1.0, 0.0, 1.0)).all(axis=0)
    roundings = padded(np.maximum(n_terms - has_exact_products, 0.0), width)
    alone = padded(n_terms, width)[:, columns] == 0.0

    coefficients, magnitudes = padded(W @ rows, width), padded(np.abs(W) @ np.abs(rows), width)
    of_classes = W[:, in_classes] * multiples
    np.add.at(coefficients.T, columns, of_classes.T)
    np.add.at(magnitudes.T, columns, np.abs(of_classes).T)
    np.add.at(roundings.T, columns, 1.0)
    roundings[:, columns] -= alone
    np.add.at(roundings.T, columns[multiples != 1.0], 1.0)

    if b is not None:
        roundings[:, 0] += coefficients[:, 0] != 0.0
        coefficients[:, 0] = coefficients[:, 0] + b
        magnitudes[:, 0] = magnitudes[:, 0] + np.abs(b)

    sizes = representatives.column_bounds
    rounding = UNIT_ROUNDOFF * (roundings * magnitudes) @ sizes[:width]
    errors = np.abs(W) @ errors + rounding
    each = representatives.n_roundings * TINY * (1.0 + sizes.sum())
    underflow = each * (1.0 + np.abs(W).sum(axis=1))
    return coefficients, magnitudes, errors * GUARD + underflow


def sharpen_by_intervals(W: Any, b: Any, h: Any, low: Any, high: Any) -> Any:
    """Return low and high, sharpened by the bounds on W h + b for h between h[0] and h[1].

    A sum of n products and b is smallest and largest at corners, rounded by (n + 4) u times its
    magnitude at most.
    """
    up, down = np.maximum(W, 0.0), np.minimum(W, 0.0)
    magnitude = np.abs(W) @ np.abs(h).max(axis=0) + np.abs(b)
    margin = (W.shape[1] + 4) * (UNIT_ROUNDOFF * magnitude + TINY) * GUARD
    lower, upper = up @ h[0] + down @ h[1] + b - margin, up @ h[1] + down @ h[0] + b + margin
    return np.maximum(low, lower), np.minimum(high, upper)


def covers(signs: Any) -> bool:
    """Return True if the leaves with these signs (1, -1, 0: both) cover the whole domain.

    They are if any two have opposite signs of one z, and their shares 2^-(number of signs) sum to
    1, here in multiples of 2^-n.
    """
    on, off, n = (signs == 1.0) * 1.0, (signs == -1.0) * 1.0, signs.shape[1]
    few = len(signs) <= 1 << 12  # the products below are of as many rows and columns
    apart = few and (on @ off.T + off @ on.T + np.eye(len(signs)) > 0.0).all()
    n_signs = (signs != 0.0).sum(axis=1).tolist()
    return apart and sum(1 << n - k for k in n_signs) == 1 << n


def sharpen_by_leaves(
    rows: Any, bounds: Any, trees: Any, layer: int, representatives: Representatives
) -> Any:
    """Return low and high of a layer's rows, sharpened where a tree bounds the row or its opposite.

    A bound over the domain is the largest of the bounds at leaves that cover it.
    """
    targets, signs, multiples = trees
    n_classes = len(representatives.column_bounds) - representatives.n_affine
    for neuron, side in {(j, side) for i, j, side in targets.tolist() if i == layer}:
        own = (targets == [layer, neuron, side]).all(axis=1)
        allowed = side in (-1, 1) and signs.shape[1] >= n_classes and covers(signs[own])
        require(allowed, "leaves that do not cover the domain")
        coefficients, magnitudes, errors = (
            np.repeat(part[neuron:neuron + 1], own.sum(), axis=0) for part in rows
        )
        top = representatives.upper_bounds_where(
            side * coefficients, magnitudes, errors, signs[own], multiples[own]
        ).max()
        bound = bounds[(side + 1) // 2]
        bound[neuron] = side * np.minimum(top, side * bound[neuron])
    return bounds


def exclude(rows: Any, exclusions: Any, first: int, representatives: Representatives) -> Any:
    """Leave the U_i of exclusions (class, i) out of rows, in place; return which rows changed.

    Let the row be p + a U_i. Where z_i <= 0, U_i is 0 and nothing changes. Where z_i > 0, U_i is
    z_i, and p and p + a U_i are both at most p + mu z_i if mu >= max(a, 0). So
    |relu(p + a U_i) - relu(p)| <= max(p + mu z_i, 0) on the domain, which goes into the error; or
    |a| times the error of U_i, where that alone makes U_i positive.
    """
    changed = np.zeros(len(rows[0]), dtype=bool)
    here = [(number - first, other, mu) for (number, other), mu in exclusions
            if 0 <= number - first < len(rows[0])]
    for j, other, mu in here:
        changed[j], column = True, representatives.n_affine + other
        row = [part[j:j + 1] for part in rows]
        coefficients, magnitudes, errors = row
        coefficient, coefficients[0, column] = coefficients[0, column], 0.0
        rounding = representatives.n_roundings * UNIT_ROUNDOFF * magnitudes[0, column] * GUARD
        allowed = other >= 0 and mu >= max(coefficient + rounding, 0.0)
        require(allowed, "an exclusion of no class, or one that its multiplier does not allow")
        others = representatives.rows_of(np.array([other]), coefficients.shape[1])
        both = [own + mu * theirs for own, theirs in zip(row, others)]
        top = representatives.upper_bounds(*both)
        errors += np.maximum(top, abs(coefficient) * others[2]) * GUARD
        magnitudes[0, column] = 0.0
    return changed


def symbolic_outputs(
    network: Any, labels: Any, scales: Any, exclusions: Any, trees: Any,
    representatives: Representatives,
) -> Any:
    """Return the rows of the outputs; first neurons of new classes become their representatives."""
    n_affine, none = representatives.n_affine, np.empty(0, dtype=int)
    inputs = np.eye(network.n_inputs, n_affine, 1)
    activations: Any = ((inputs, np.zeros(network.n_inputs)), none, none, np.empty(0))
    intervals = np.array([-1.0, 1.0])[:, None] * representatives.column_bounds[1:n_affine]
    layers = zip(network.weights, network.thresholds, labels, scales)
    for layer, (W, b, label, scale) in enumerate(layers):
        rows = affine_rows(W, b, activations, representatives)
        coefficients, magnitudes, errors = rows
        low = -representatives.upper_bounds(-coefficients, magnitudes, errors)
        high = representatives.upper_bounds(*rows)
        bounds = sharpen_by_intervals(W, b, intervals, low, high)
        low, high = sharpen_by_leaves(rows, bounds, trees, layer, representatives)
        intervals = np.maximum([low, high], 0.0)
        usable = label.shape == scale.shape == (len(W),) and np.isfinite([low, high]).all()
        require(usable, "labels of other neurons, or numbers beyond float64")
        activations = written_activations(
            rows, low, high, label, scale, exclusions, representatives
        )
    return affine_rows(
        network.output_weights, network.output_bias, activations, representatives
    )


def written_activations(
    rows: Any, low: Any, high: Any, label: Any, scale: Any, exclusions: Any,
    representatives: Representatives,
) -> Any:
    """Return a layer's h as rows with errors, and as multiples of classes; add new representatives.

    For a neuron in class c with the scale s, the error is the bound |row - s row_c| |columns| of
    |z - s z_c|, with the errors of both rows.
    """
    coefficients, _, errors = rows
    first = len(representatives.column_bounds) - representatives.n_affine
    in_classes, on = np.flatnonzero(label >= 0), label == -2
    classes, s = label[in_classes], scale[in_classes]

    h_rows = coefficients * on[:, None]
    of_dead = np.where(label == -1, np.maximum(high, 0.0), 0.0)
    h_errors = np.where(on, errors + np.maximum(-low, 0.0), of_dead)

    numbers, at = np.unique(classes, return_index=True)
    at = at[numbers >= first]
    ordered = (classes[at] == np.arange(first, first + len(at))).all()
    require(ordered and (s[at] == 1.0).all(),
            "classes out of order, or a representative that is scaled")
    own = tuple(part[in_classes[at]] for part in rows)
    changed = exclude(own, exclusions, first, representatives)
    own_low, own_high = low[in_classes[at]], high[in_classes[at]]
    top = np.where(changed, np.maximum(own_high, 0.0) + own[2], own_high)
    representatives.add(own, np.where(changed, -np.inf, own_low), top)

    row_c, magnitude_c, error_c = representatives.rows_of(classes, coefficients.shape[1])
    sizes = representatives.column_bounds[:coefficients.shape[1]]
    is_rounded = np.abs(s) != 1.0
    rounding = UNIT_ROUNDOFF * np.abs(s) * is_rounded * (magnitude_c @ sizes)  # of s z_c
    apart = np.abs(coefficients[in_classes] - s[:, None] * row_c) @ sizes
    difference = (apart + rounding) * GUARD
    difference += (errors[in_classes] + np.abs(s) * error_c) * GUARD
    difference[at] = 0.0  # a representative's h is U_c itself

    negative = np.minimum(s, 0.0)
    h_rows[in_classes] = negative[:, None] * row_c
    h_errors[in_classes] = difference + (np.abs(negative) * error_c + rounding) * GUARD
    return (h_rows, h_errors), in_classes, classes, np.abs(s)


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound on |f - g| over the domain: the difference of both networks' rows is bounded.

    data : labels0, labels1, ... and scales0, ... of f's hidden layers and then of g's; cuts (n, 2)
        of classes, with their multipliers mu; targets (n, 3): layer, neuron of f and side of a
        bound, with a leaf's signs and multiples (n, n_classes); exchanged: 1 if f is the second
        network
    """
    f, g = (g, f) if data["exchanged"] else (f, g)
    n_layers = len(f.weights), len(g.weights)
    representatives = Representatives(f, g, domain)
    labels = [data[f"labels{layer}"] for layer in range(sum(n_layers))]
    scales = [data[f"scales{layer}"] for layer in range(sum(n_layers))]
    relu = f.activation == g.activation == "relu"
    require(relu and all((own >= -2).all() for own in labels),
            "not ReLU networks, or labels that mean nothing")
    fit = {f.n_inputs, g.n_inputs} == {domain.n_inputs} and f.n_outputs == g.n_outputs
    require(fit and representatives.n_roundings <= MOST_ROUNDINGS,
            "networks that do not fit, or more roundings than GUARD allows")

    exclusions = list(zip(data["cuts"].reshape(-1, 2).tolist(), data["mu"].tolist(), strict=True))
    trees = data["targets"], data["signs"], data["multiples"]
    no_trees = tuple(part[:0] for part in trees)
    own_labels, own_scales = labels[:n_layers[0]], scales[:n_layers[0]]
    rows_f = symbolic_outputs(f, own_labels, own_scales, exclusions, trees, representatives)
    own_labels, own_scales = labels[n_layers[0]:], scales[n_layers[0]:]
    rows_g = symbolic_outputs(g, own_labels, own_scales, exclusions, no_trees, representatives)

    width = len(representatives.column_bounds)
    coefficients = padded(rows_f[0], width) - padded(rows_g[0], width)
    magnitudes = padded(rows_f[1], width) + padded(rows_g[1], width)
    errors = rows_f[2] + rows_g[2]
    above = representatives.upper_bounds(coefficients, magnitudes, errors)
    below = representatives.upper_bounds(-coefficients, magnitudes, errors)
    by_columns = (np.abs(coefficients) @ representatives.column_bounds + errors) * GUARD
    return float(np.minimum(np.maximum(above, below), by_columns).max())
