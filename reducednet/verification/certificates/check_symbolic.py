"""Bound |f - g| of two ReLU networks by their symbolic rows, with all rounding errors included.

This checks proofs of kind "folded" again, without any code of the provers or of the evaluation of
networks. The data says where to look; signs of pre-activations and differences of rows are bounded
here, in float64. `docs/certificates.md` defines the data; PROOFS is `docs/rounding-and-proofs.md`,
whose section 19 is about symbolic rows.

Columns
-------
Both networks are written over the same functions, the columns: 1, the inputs x, and an activation
U_c = relu(z_c) for each class c, where z_c belongs to the class's representative, its first neuron
in f or else in g. A *symbolic row* of a function v is a vector r of coefficients with an error e:

    |v - r . columns| <= e    on the domain.

|column| <= B, the `bounds` of the columns. So a coefficient that is off by delta changes a row by
at most delta B, and one operation that rounds a term t of a coefficient by at most u |t| B.

Roles
-----
The label of each neuron says that it is dead (h = 0), always on (h = z) or in a class (z = s z_c
with the neuron's scale s). Whatever the truth is, the error of the neuron's row is bounded by

    |relu(z) - 0| <= max(high, 0),    |relu(z) - z| <= max(-low, 0),
    |relu(z) - relu(s z_c)| <= |z - s z_c|,

where low <= z <= high (PROOFS, Lemma 18). So a wrong label or scale makes the bound large, and
never wrong.

Bounds
------
Upper bounds on rows are found by back-substitution, as in DeepPoly and CROWN: from the last layer
on, lines above or below relu take the place of the U of its classes, until a row over the inputs is
left. Only `substitute` has lines; whatever is proposed, it takes lines that are right.
"""
from typing import Any, Callable, NamedTuple

import numpy as np

from .arithmetic import (
    UNDERFLOW, Interval, Layer, above, affine_bounds, bounding_box, gamma, layers_of, raised,
    require, support,
)

DEAD, ALWAYS_ON = -1, -2
"""Labels of neurons; those of classes are 0, 1, ..."""

MOST_LEAVES = 1 << 12
"""Trees with more leaves are refused: any two of them are compared."""


class SymbolicRows(NamedTuple):
    """Rows over the columns: |v - coefficients . columns| <= errors on the domain, for each row."""

    coefficients: Any
    errors: Any


class Representatives(NamedTuple):
    """The representatives of the classes that one layer adds.

    For each there is a function v of the inputs, with r . columns the value of its row, such that

        |U - relu(v)| + |v - r . columns| <= rows.errors,    low <= v <= high,

    and |r . columns| <= sizes: v is z, or after an exclusion the row itself (see `leave_out`).
    """

    rows: SymbolicRows
    low: Any
    high: Any
    sizes: Any


class Tree(NamedTuple):
    """The leaves of a tree of signs, which bound side * z of one neuron of f from above.

    Where a leaf's sign of a class is 1, v >= 0 there; where it is -1, v <= 0; 0 is for both. With
    the leaf's multiples m, m v is the line that takes the place of the class's U.
    """

    layer: int
    neuron: int
    side: int
    signs: Any
    multiples: Any


class Columns:
    """The columns 1, x, U, as far as they are known.

    Attributes
    ----------
    domain : Box, Ball or Hull
    n_affine : int
        How many columns 1 and x are.
    bounds : array (n_columns,)
        B >= |column| on the domain.
    layers : list of Representatives
        Layer by layer, of f and then of g.
    """

    def __init__(self, domain: Any) -> None:
        self.domain, self.n_affine = domain, 1 + domain.n_inputs
        self.bounds = np.append(1.0, bounding_box(domain).largest)
        self.layers: list[Representatives] = []

    @property
    def n_classes(self) -> int:
        """The number of classes, whose columns are the last ones."""
        return len(self.bounds) - self.n_affine

    @property
    def underflow(self) -> Any:
        """The charge for products that underflow: one in each coefficient, and one in the error
        for each column.

        A product that underflows is off by at most half of the smallest positive number, which is
        a quarter of UNDERFLOW. In the coefficient of a column it moves the row by B times as much.
        """
        return UNDERFLOW * (len(self.bounds) + self.bounds.sum())

    def sizes_of(self, rows: SymbolicRows) -> Any:
        """Return upper bounds on |r . columns|: the sums |r| . B, of one rounding for each column.
        """
        sizes = np.abs(rows.coefficients) @ self.bounds[:rows.coefficients.shape[1]]
        return raised(sizes + self.underflow, len(self.bounds) + 1)

    def add(self, rows: SymbolicRows, low: Any, high: Any) -> None:
        """Add the representatives of a layer's classes, with U <= max(high, error).

        Where v is z, U = relu(v) is at most max(high, 0); see `add_representatives` for the others.
        """
        self.layers.append(Representatives(rows, low, high, self.sizes_of(rows)))
        self.bounds = np.append(self.bounds, np.maximum(high, rows.errors))

    def rows_of(self, classes: Any, width: int) -> tuple[SymbolicRows, Any]:
        """Return the rows of these classes' representatives, of so many columns, and their sizes.
        """
        coefficients = [padded(layer.rows.coefficients, width) for layer in self.layers]
        errors = [layer.rows.errors for layer in self.layers]
        sizes = [layer.sizes for layer in self.layers]
        rows = SymbolicRows(np.concatenate(coefficients)[classes], np.concatenate(errors)[classes])
        return rows, np.concatenate(sizes)[classes]


def padded(coefficients: Any, width: int) -> Any:
    """Return rows with zeros up to a width."""
    return np.pad(coefficients, ((0, 0), (0, width - coefficients.shape[1])))


# upper bounds by back-substitution


Lines = Callable[[Any, Any, Representatives], Any]
"""From rows of coefficients below a layer, their coefficients of the U of its classes, and its
representatives, to the multiples m of the lines m v that are proposed for these U."""


def zero_lines(coefficients: Any, of_classes: Any, layer: Representatives) -> Any:
    """Propose U >= 0."""
    return np.zeros_like(of_classes)


def identity_lines(coefficients: Any, of_classes: Any, layer: Representatives) -> Any:
    """Propose U >= v."""
    return of_classes


def nearer_lines(coefficients: Any, of_classes: Any, layer: Representatives) -> Any:
    """Propose the one of these lines that leaves the smaller area below relu, as DeepPoly does."""
    return of_classes * (layer.high > -layer.low)


def cancelling_lines(coefficients: Any, of_classes: Any, layer: Representatives) -> Any:
    """Propose the one of these lines after which the row of slopes is shorter.

    With a <= 0 the coefficient of U, R the slopes of v and A those of the row, |A + a R| < |A| if
    and only if 2 A . R > -a |R|^2.
    """
    slopes = layer.rows.coefficients[:, 1:]
    down = np.minimum(of_classes, 0.0)
    is_shorter = 2.0 * coefficients[:, 1:] @ slopes.T > -down * (slopes ** 2).sum(axis=1)
    return down * is_shorter


def given_lines(multiples: Any, columns: Columns) -> Lines:
    """Return what proposes given multiples, one for each row and class."""
    def given(coefficients: Any, of_classes: Any, layer: Representatives) -> Any:
        first = layer.rows.coefficients.shape[1] - columns.n_affine
        return multiples[:, first:first + len(layer.low)]
    return given


CHOICES = zero_lines, identity_lines, nearer_lines, cancelling_lines


def chords(low: Any, high: Any) -> tuple[Any, Any]:
    """Return slopes t in [0, 1] and constants k with relu(v) <= t v + k for low <= v <= high.

    Whatever float t is,

        relu(v) - t v <= max(-t low, (1 - t) high),

    as the left side is convex, and so largest at low or high (PROOFS, Lemma 7). 1 - t and the
    product are two roundings, the sum with UNDERFLOW is a third.
    """
    is_unstable = (low < 0.0) & (high > 0.0)
    rising = np.minimum(high / np.where(is_unstable, high - low, 1.0), 1.0)
    slopes = np.where(is_unstable, rising, high > 0.0)
    gaps = np.maximum(np.maximum(-slopes * low, (1.0 - slopes) * high), 0.0)
    return slopes, raised(gaps + UNDERFLOW, 3)


def allowed(multiples: Any, of_classes: Any, signs: Any) -> Any:
    """Return these multiples m, moved to where a relu(v) <= m v for the coefficients a (PROOFS,
    Lemma 19).

    * Where v may have both signs: for a <= 0 and m in [a, 0], as relu(v) >= 0 and relu(v) >= v.
      For a > 0 m is 0 here, as the chord has taken the place of U.
    * Where v >= 0: for all m >= a, as a relu(v) = a v.
    * Where v <= 0: for all m <= 0, as a relu(v) = 0.
    """
    of_sign = np.where(signs > 0, of_classes, -np.inf)
    least = np.where(signs == 0, np.minimum(of_classes, 0.0), of_sign)
    most = np.where(signs > 0, np.inf, 0.0)
    return np.clip(multiples, least, most)


def substitute(
    rows: SymbolicRows, layer: Representatives, signs: Any, lines: Lines, columns: Columns
) -> SymbolicRows:
    """Return rows without the U of a layer's classes that are nowhere below the given rows.

    For each U with its coefficient a, U <= t v + k is the chord and

        a U <= a (t v + k) + a e,    or    a U <= m v + |a| e    (see `allowed`),

    where e is the error of U = relu(v). In place of v comes its row r, with an error e' of v, and
    e + e' are at most the representative's error. Both lines together are off by at most
    max(|a|, |m|) (e + e').

    Rounding: with n classes a term goes through at most n + 4 roundings: the product of a and t,
    that with r, n - 1 additions, and three more to the two other parts and the constant. So the row
    changes by at most gamma_(n+4) times the sum of absolute values of its terms,

        (|A| + sum over U of (a t + |m|) |r|) . B + sum over U of a k.

    A product a t that underflows turns the chord, which costs |r . columns| UNDERFLOW at most; in
    each coefficient there are 2 n products more, and n in the constant.
    """
    below, n = layer.rows.coefficients.shape[1], len(layer.low)
    coefficients, of_classes = rows.coefficients[:, :below], rows.coefficients[:, below:]

    slopes, constants = chords(layer.low, layer.high)
    up = np.where(signs == 0, np.maximum(of_classes, 0.0), 0.0)
    up_slopes = up * slopes
    result = coefficients + up_slopes @ layer.rows.coefficients
    multiples = allowed(lines(result, of_classes, layer), of_classes, signs)
    result += multiples @ layer.rows.coefficients
    result[:, 0] += up @ constants

    magnitudes = np.abs(coefficients) @ columns.bounds[:below]
    magnitudes += (up_slopes + np.abs(multiples)) @ layer.sizes + up @ constants
    rounding = raised(gamma(n + 4) * magnitudes, below + n + 4)
    underflow = columns.underflow * (n + 1) + UNDERFLOW * ((up > 0.0) @ layer.sizes)
    of_errors = np.maximum(np.abs(of_classes), np.abs(multiples)) @ layer.rows.errors
    return SymbolicRows(result, raised(rows.errors + of_errors + rounding + underflow, n + 3))


def upper_bounds_where(rows: SymbolicRows, signs: Any, lines: Lines, columns: Columns) -> Any:
    """Return upper bounds on the rows on the part of the domain where the v have these signs.

    After back-substitution a row is at most

        A_0 + A_x . x + e <= A_0 + h_D(A_x) + e,

    by the support function h_D of the whole domain, which has d + 3 roundings (see `support`); the
    sums with A_0 and with the margin have one each: gamma_(d+5) |A| . B. The margin is a sum
    itself, and has d + 5 roundings where it is added: a product and a sum over 1 + d columns, the
    product with gamma, and three sums.
    """
    for layer in columns.layers[::-1]:
        below, n = layer.rows.coefficients.shape[1], len(layer.low)
        if n and below < rows.coefficients.shape[1]:
            first = below - columns.n_affine
            rows = substitute(rows, layer, signs[:, first:first + n], lines, columns)

    d = columns.n_affine - 1
    magnitudes = np.abs(rows.coefficients) @ columns.bounds[:1 + d]
    rounding = gamma(d + 5) * magnitudes + columns.underflow * (d + 3)
    margin = raised(rows.errors + rounding, d + 5)
    return rows.coefficients[:, 0] + support(rows.coefficients[:, 1:], columns.domain) + margin


def upper_bounds(rows: SymbolicRows, columns: Columns) -> Any:
    """Return upper bounds on the rows over the domain, each the smallest of five.

    One is |r| . B + e; the others are those of back-substitution with each choice of lines.
    """
    by_sizes = raised(columns.sizes_of(rows) + rows.errors, 1)
    signs = np.zeros((1, columns.n_classes))
    substituted = [upper_bounds_where(rows, signs, lines, columns) for lines in CHOICES]
    return np.min([by_sizes, *substituted], axis=0)


def bounds_of(rows: SymbolicRows, columns: Columns) -> Interval:
    """Return lower and upper bounds on the rows over the domain."""
    low = -upper_bounds(SymbolicRows(-rows.coefficients, rows.errors), columns)
    return Interval(low, upper_bounds(rows, columns))


# trees of signs


def trees_of(data: Any) -> list[Tree]:
    """Return the trees of the data, whose leaves have the same target."""
    targets, trees = data["targets"], []
    for layer, neuron, side in np.unique(targets, axis=0).tolist():
        own = (targets == [layer, neuron, side]).all(axis=1)
        trees.append(Tree(layer, neuron, side, data["signs"][own], data["multiples"][own]))
    return trees


def covers(signs: Any) -> bool:
    """Return True if the leaves with these signs cover the domain.

    Of all 2^n vectors of n signs, a leaf with k signs has 2^(n-k), and two leaves have none in
    common if they have opposite signs of one class. So leaves that are all apart have all vectors
    if and only if these numbers sum to 2^n; and at each point of the domain each v has a sign
    (PROOFS, Lemma 20).
    """
    if len(signs) > MOST_LEAVES:
        return False
    on, off, n = (signs == 1.0) * 1.0, (signs == -1.0) * 1.0, signs.shape[1]
    are_apart = on @ off.T + off @ on.T + np.eye(len(signs)) > 0.0
    n_signs = (signs != 0.0).sum(axis=1).tolist()
    return bool(are_apart.all()) and sum(1 << n - k for k in n_signs) == 1 << n


def sharpened(z: Interval, rows: SymbolicRows, trees: list[Tree], columns: Columns) -> Interval:
    """Return bounds of a layer's z, sharpened by its trees: at leaves that cover the domain,

        sup z = max over the leaves of sup z.
    """
    low, high = z.low.copy(), z.high.copy()
    for _, neuron, side, signs, multiples in trees:
        require(0 <= neuron < len(low) and side in (-1, 1), "leaves for no side of any neuron")
        require(signs.shape[1] >= columns.n_classes and covers(signs),
                "leaves that do not cover the domain")

        coefficients = np.repeat(side * rows.coefficients[neuron:neuron + 1], len(signs), axis=0)
        errors = np.repeat(rows.errors[neuron], len(signs))
        row = SymbolicRows(coefficients, errors)
        top = upper_bounds_where(row, signs, given_lines(multiples, columns), columns).max()
        if side > 0:
            high[neuron] = np.minimum(high[neuron], top)
        else:
            low[neuron] = np.maximum(low[neuron], -top)
    return Interval(low, high)


# from layer to layer


def affine_rows(layer: Layer, activations: SymbolicRows, columns: Columns) -> SymbolicRows:
    """Return the rows of W h + b for the rows H of h.

    A coefficient is a sum of n products: a term goes through n roundings, or n - 1 if all numbers
    of H in its column are 1, -1 or 0, where products are exact; zeros do not count, and b may add
    one. With this number r,

        |W h + b - row| <= |W| e + sum over columns of gamma_r (|W| |H| + |b|) B.

    The magnitudes there are sums of so many terms as well.
    """
    W, b = layer
    H, width = activations.coefficients, activations.coefficients.shape[1]
    coefficients, magnitudes = W @ H, np.abs(W) @ np.abs(H)
    n_terms = (W != 0.0).astype(float) @ (H != 0.0).astype(float)
    has_exact_products = ((H == 0.0) | (np.abs(H) == 1.0)).all(axis=0)
    roundings = np.maximum(n_terms - has_exact_products, 0.0)

    roundings[:, 0] += (coefficients[:, 0] != 0.0) & (b != 0.0)
    coefficients[:, 0] += b
    magnitudes[:, 0] += np.abs(b)

    n = W.shape[1]
    rounding = raised((gamma(roundings) * magnitudes) @ columns.bounds, n + width + 2)
    errors = np.abs(W) @ activations.errors + rounding + columns.underflow * (n + 2)
    return SymbolicRows(coefficients, raised(errors, n + 2))


def leave_out(
    rows: SymbolicRows, index: int, other: int, multiplier: float, columns: Columns
) -> None:
    """Leave the U of another class out of a row, in place (PROOFS, Lemma 21).

    Let the row be p + a U, and let r with the error e be the row of U, so that |U - relu(r)| <= e.
    Then for mu >= max(a, 0), whatever the sign of a,

        |relu(p + a U) - relu(p)| <= max(p + mu r + mu e, |a| e, 0).

    Where r <= 0, U is at most e. Where r > 0, U is at most r + e, so that p and p + a U are both at
    most p + mu (r + e), and relu of both lies between 0 and that. This goes into the row's error.

    Of p + mu r each coefficient has two roundings; it is bounded with the row's own error besides,
    which is as in `docs/certificates.md`, and more than is needed.
    """
    column, width = columns.n_affine + other, rows.coefficients.shape[1]
    require(0 <= other < columns.n_classes, "an exclusion of no class")
    coefficient = rows.coefficients[index, column]
    require(multiplier >= max(coefficient, 0.0), "an exclusion that its multiplier does not allow")
    rows.coefficients[index, column] = 0.0

    rest = SymbolicRows(rows.coefficients[[index]], rows.errors[[index]])
    (r, e), size = columns.rows_of(np.array([other]), width)
    rounding = gamma(2) * (columns.sizes_of(rest) + multiplier * size)
    errors = rest.errors + multiplier * e + rounding + 2 * columns.underflow
    both = SymbolicRows(rest.coefficients + multiplier * r, raised(errors, 6))

    increase = np.maximum(upper_bounds(both, columns), np.abs(coefficient) * e)
    rows.errors[index] = raised(rows.errors[index] + increase[0] + UNDERFLOW, 3)


def add_representatives(
    rows: SymbolicRows, z: Interval, labels: Any, scales: Any, exclusions: Any, columns: Columns
) -> Any:
    """Add a layer's new classes to the columns; return the indices of their representatives.

    Of a row that an exclusion changed, v is the row itself: |U - relu(v)| <= e, where U = relu(z)
    as before. So for bounds of z and an upper bound t on v + e,

        v <= relu(v) <= U + e <= max(high, 0) + e,    v <= t,    U <= relu(v) + e <= max(t, e),

    and the smaller one of max(high, 0) + e and t takes the place of high.
    """
    numbers, neurons = np.unique(labels, return_index=True)
    neurons, numbers = neurons[numbers >= columns.n_classes], numbers[numbers >= columns.n_classes]
    in_order = (numbers == columns.n_classes + np.arange(len(numbers))).all()
    require(in_order and (scales[neurons] == 1.0).all(),
            "classes out of order, or a representative that is scaled")

    own = SymbolicRows(rows.coefficients[neurons], rows.errors[neurons])
    for index, number in enumerate(numbers.tolist()):
        for other, multiplier in exclusions.get(number, ()):
            leave_out(own, index, other, multiplier, columns)

    low, high = z.low[neurons], z.high[neurons]
    is_changed = np.array([number in exclusions for number in numbers.tolist()], dtype=bool)
    if is_changed.any():
        of_rows = bounds_of(own, columns)
        most = np.minimum(of_rows.high, above(np.maximum(high, 0.0) + own.errors))
        low, high = np.where(is_changed, [of_rows.low, most], [low, high])
    columns.add(own, low, high)
    return neurons


def multiples_of_classes(
    rows: SymbolicRows, scales: Any, classes: Any, columns: Columns
) -> SymbolicRows:
    """Return the rows of relu(z) for rows of z, where z is nearly s z_c of a class.

    With r and e the row and the error of c, relu(s r) = |s| relu(r) - max(-s, 0) r, and

        |relu(z) - |s| U_c + max(-s, 0) r| <= e_z + |r_z - s r| . B + |s| e.

    The product s r has a rounding, unless s is 1 or -1; it comes twice if s < 0.
    """
    width = rows.coefficients.shape[1]
    (r, e), sizes = columns.rows_of(classes, width)
    result = np.zeros((len(r), len(columns.bounds)))
    result[:, :width] = np.minimum(scales, 0.0)[:, np.newaxis] * r
    result[np.arange(len(r)), columns.n_affine + classes] = np.abs(scales)

    apart = SymbolicRows(rows.coefficients - scales[:, np.newaxis] * r, e)
    roundings = np.where(np.abs(scales) == 1.0, 0.0, np.where(scales < 0.0, 2.0, 1.0))
    rounding = gamma(roundings) * (np.abs(scales) * sizes)
    errors = rows.errors + columns.sizes_of(apart) + np.abs(scales) * e + rounding
    return SymbolicRows(result, raised(errors + 4 * columns.underflow, 6))


def activation_rows(
    rows: SymbolicRows, z: Interval, labels: Any, scales: Any, exclusions: Any, columns: Columns
) -> SymbolicRows:
    """Return the rows of a layer's h = relu(z) by the roles of its neurons; add new columns."""
    representatives = add_representatives(rows, z, labels, scales, exclusions, columns)
    n, width = rows.coefficients.shape
    coefficients, errors = np.zeros((n, len(columns.bounds))), np.zeros(n)

    dead, on, in_classes = labels == DEAD, labels == ALWAYS_ON, np.flatnonzero(labels >= 0)
    errors[dead] = np.maximum(z.high[dead], 0.0)
    coefficients[on, :width] = rows.coefficients[on]
    errors[on] = above(rows.errors[on] + np.maximum(-z.low[on], 0.0))

    own = SymbolicRows(rows.coefficients[in_classes], rows.errors[in_classes])
    if len(in_classes):
        multiples = multiples_of_classes(own, scales[in_classes], labels[in_classes], columns)
        coefficients[in_classes], errors[in_classes] = multiples
    errors[representatives] = 0.0  # their h is the column itself
    return SymbolicRows(coefficients, errors)


def output_rows(
    network: Any, roles: Any, exclusions: Any, trees: list[Tree], columns: Columns
) -> tuple[SymbolicRows, list[Interval]]:
    """Return the rows of the outputs, and bounds on z of the neurons in each hidden layer.

    The network's new classes become columns.

    roles : list of (labels, scales), one for each hidden layer
    """
    bounds = []
    *hidden, outputs = layers_of(network)
    h = bounding_box(columns.domain)
    inputs = np.eye(network.n_inputs, columns.n_affine, 1)
    activations = SymbolicRows(padded(inputs, len(columns.bounds)), np.zeros(len(inputs)))
    for number, (layer, (labels, scales)) in enumerate(zip(hidden, roles)):
        rows = affine_rows(layer, activations, columns)
        one, other = bounds_of(rows, columns), affine_bounds(layer, h)
        z = Interval(np.maximum(one.low, other.low), np.minimum(one.high, other.high))
        own_trees = [tree for tree in trees if tree.layer == number]
        z = sharpened(z, rows, own_trees, columns)
        h = Interval(np.maximum(z.low, 0.0), np.maximum(z.high, 0.0))
        bounds.append(z)

        require(labels.shape == scales.shape == (len(layer.weights),), "labels of other neurons")
        require(np.isfinite(z).all(), "numbers beyond float64")
        activations = activation_rows(rows, z, labels, scales, exclusions, columns)
    return affine_rows(outputs, activations, columns), bounds


def exclusions_of(data: Any) -> dict[int, list[tuple[int, float]]]:
    """Return {class: [(the class that is left out of its row, multiplier), ...]}."""
    exclusions: dict[int, list[tuple[int, float]]] = {}
    pairs = data["cuts"].reshape(-1, 2).tolist()
    for (number, other), multiplier in zip(pairs, data["mu"].tolist(), strict=True):
        exclusions.setdefault(number, []).append((other, multiplier))
    return exclusions


def roles_of(data: Any, depth: int) -> Any:
    """Return (labels, scales) of so many hidden layers."""
    labels = [data[f"labels{layer}"] for layer in range(depth)]
    scales = [data[f"scales{layer}"] for layer in range(depth)]
    require(all((own >= ALWAYS_ON).all() for own in labels), "labels that mean nothing")
    return list(zip(labels, scales))


def neuron_bounds(data: Any, network: Any, domain: Any) -> list[Interval]:
    """Return bounds on z of the neurons in each hidden layer of one ReLU network.

    data : as for `check`, of the network alone
    """
    roles, exclusions = roles_of(data, len(network.weights)), exclusions_of(data)
    return output_rows(network, roles, exclusions, trees_of(data), Columns(domain))[1]


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound on |f - g| over the domain: that of the difference of both networks' rows.

    The coefficients of the difference have one rounding each.

    data : `labels0`, `labels1`, ... and `scales0`, ... of f's hidden layers and then of g's; `cuts`
        (n, 2) of classes, the second one being left out of the row of the first, with their
        multipliers `mu`; `targets` (n, 3): layer, neuron of f and side of a bound, with a leaf's
        `signs` and `multiples` (n, n_classes); `exchanged`: 1 if f is the second network
    """
    f, g = (g, f) if data["exchanged"] else (f, g)
    depth = len(f.weights) + len(g.weights)
    require(f.activation == g.activation == "relu", "networks that are not ReLU")
    fit = {f.n_inputs, g.n_inputs} == {domain.n_inputs} and f.n_outputs == g.n_outputs
    require(fit, "networks that do not fit")

    roles, columns = roles_of(data, depth), Columns(domain)
    exclusions, trees = exclusions_of(data), trees_of(data)
    of_f, _ = output_rows(f, roles[:len(f.weights)], exclusions, trees, columns)
    of_g, _ = output_rows(g, roles[len(f.weights):], exclusions, [], columns)

    coefficients = padded(of_f.coefficients, len(columns.bounds)) - of_g.coefficients
    difference = SymbolicRows(coefficients, of_f.errors + of_g.errors)
    rounding = gamma(1) * columns.sizes_of(difference)
    difference = SymbolicRows(coefficients, raised(difference.errors + rounding, 3))
    low, high = bounds_of(difference, columns)
    return float(np.maximum(-low, high).max())
