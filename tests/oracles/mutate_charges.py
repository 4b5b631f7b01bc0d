"""Takes away one charge of rounding at a time and lists the changes that no test notices.

    python tests/oracles/mutate_charges.py [text]

goes through the table below (with a text: the entries whose module or snippet has it) and prints
what survives. Each entry names a module, a snippet that occurs there once, and what it is changed
to. The tests that shall fail then run on a copy of the package, in a process of their own: each
function `test_...` of a module is called without arguments. `test_mutate_charges.py` does this
in the slow run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

MODULES = {
    "arithmetic": "reducednet/verification/certificates/arithmetic.py",
    "checker": "reducednet/verification/certificates/check_difference.py",
    "evaluation": "reducednet/verification/certificates/check_evaluation.py",
    "exact": "reducednet/verification/certificates/check_rational.py",
    "folded": "reducednet/verification/certificates/check_symbolic.py",
    "sorted": "reducednet/verification/certificates/check_breakpoints.py",
    "forms": "reducednet/verification/difference_bounds/affine_forms.py",
    "classes": "reducednet/verification/difference_bounds/neuron_classes.py",
    "outward": "reducednet/verification/difference_bounds/affine_forms.py",
    "relu": "reducednet/verification/difference_bounds/relu_layer.py",
    "binary": "reducednet/verification/difference_bounds/binary_layer.py",
    "norms": "reducednet/verification/certificates/check_norms.py",
    "signs": "reducednet/verification/certificates/check_signs.py",
    "breakpoints": "reducednet/verification/breakpoints.py",
    "differences": "reducednet/verification/difference_bounds/difference.py",
    "provers": "reducednet/verification/provers.py",
    "intervals": "reducednet/reduced_space/intervals.py",
    "layers": "reducednet/reduced_space/layer_reduction.py",
    "errors": "reducednet/reduced_space/rounding_error.py",
    "domains": "reducednet/domains.py",
    "rank": "reducednet/numerics/low_rank.py",
}
"""Where each module of the table is."""

TESTS = {
    "arithmetic": "verification.test_arithmetic",
    "checker": "verification.test_charges_check_difference",
    "evaluation": "verification.test_charges_check_evaluation",
    "exact": "verification.test_charges_check_rational",
    "folded": "verification.test_charges_check_symbolic",
    "sorted": "verification.test_charges_check_breakpoints",
    "forms": "verification.test_charges_affine_forms",
    "classes": "verification.test_charges_neuron_classes",
    "outward": "verification.test_charges_relu_layer",
    "relu": "verification.test_charges_relu_layer",
    "binary": "verification.test_charges_binary_layer",
    "norms": "verification.test_charges_check_norms",
    "signs": "verification.test_charges_check_signs",
    "breakpoints": "verification.test_charges_breakpoints",
    "differences": "verification.test_charges_difference",
    "provers": "verification.test_charges_provers",
    "intervals": "reduced_space.test_charges_intervals",
    "layers": "reduced_space.test_charges_layer_reduction",
    "errors": "reduced_space.test_charges_rounding_error",
    "domains": "test_charges_domains",
    "rank": "numerics.test_charges_low_rank",
}
"""Which tests shall fail when a charge of a module is changed."""


class Change(NamedTuple):
    """One snippet of a module, and what is put in its place; the reason why no test need notice,
    if none need.
    """

    module: str
    snippet: str
    mutated: str
    spared: str = ""

    def __str__(self) -> str:
        return f"{self.module}: {self.snippet!r} -> {self.mutated!r}"


def changes(module: str, *rows: tuple[str, ...]) -> list[Change]:
    """Return the changes of one module, given as (snippet, what is put in its place, why it may
    survive if it may).
    """
    return [Change(module, *row) for row in rows]


EIGHT = (
    "eight roundings are charged where three are done at most: a product or sum, and the step"
    " itself twice"
)
SIX = "six roundings are charged where three are done: one of the radius, two of the sum"

IN_PARTS = (
    "sums in a row are charged, for any order is allowed; a product with ones is summed in parts,"
    " which loses less"
)


CHANGES = [
    *changes(
        "arithmetic",
        (
            "n_roundings * u / (1.0 - (n_roundings + 2)",
            "n_roundings * u / (1.0 - (n_roundings)",
        ),
        ("(1.0 + gamma(n_roundings + 3))", "(1.0 + gamma(n_roundings))"),
        ("(1.0 + gamma(n_roundings + 3))", "(1.0 + gamma(n_roundings + 1))"),
        ("np.nextafter(x, -np.inf)", "x"),
        ("np.nextafter(x, np.inf)", "x"),
        (
            "raised(np.maximum(high - middle, middle - low), 1)",
            "np.maximum(high - middle, middle - low)",
        ),
        ("raised(np.maximum(high - middle, middle - low), 1)", "raised(high - middle, 1)"),
        (
            "raised(np.sqrt((rows * rows).sum(axis=-1)), n + 1) + n",
            "np.sqrt((rows * rows).sum(axis=-1)) + n",
        ),
        ("n + 1) + n * 2.0**-537", "n + 1)"),
        ("n + 1) + n * 2.0**-537", "n + 1) + 2.0**-539"),
        ("return longest + max(len(parts) - 1, 0)", "return longest"),
        ("return longest + max(len(parts) - 1, 0)", "return len(parts)"),
        ("raised(gamma(n + 3) * magnitude, n + 4)", "0.0"),
        ("raised(gamma(n + 3) * magnitude, n + 4)", "raised(gamma(n + 3) / 2 * magnitude, n + 4)"),
        (
            "raised(gamma(n + 3) * magnitude, n + 4)", "gamma(n + 3) * magnitude",
            "of second order, where n + 3 roundings are charged and a sum in a row meets n + 1",
        ),
        (" + UNDERFLOW * (n + 1)\n    low, high =", "\n    low, high ="),
        ("below(domain.centre - domain.radius)", "domain.centre - domain.radius"),
        ("above(domain.centre + domain.radius)", "domain.centre + domain.radius"),
        ("raised(gamma(n + 4) * magnitude, n + 6) + underflow", "underflow"),
        (
            "raised(gamma(n + 4) * magnitude, n + 6) + underflow",
            "raised(gamma(n + 4) / 2 * magnitude, n + 6) + underflow",
        ),
        (
            "raised(gamma(n + 4) * magnitude, n + 6) + underflow",
            "gamma(n + 4) * magnitude + underflow",
            "of second order, where n + 4 roundings are charged and a sum in a row meets n + 1",
        ),
        (
            "raised(gamma(n + 4) * magnitude, n + 6) + underflow",
            "raised(gamma(n + 4) * magnitude, n + 6)",
        ),
        ("UNDERFLOW * (n + 2 + domain.radius)", "UNDERFLOW * (n + 2)"),
        ("isqrt((p * q << 400) - 1) + 1", "isqrt((p * q << 400) - 1)"),
        ("distance > 0 and distance**2 > radius**2", "distance >= 0 and distance**2 >= radius**2"),
        ("distance > 0 and distance**2 > radius**2", "distance**2 > radius**2"),
        ("sum(v * v for v in u)", "sum(v * v for v in u) / 2"),
        ('low < place < high, "a split', 'low <= place <= high, "a split'),
    ),
    *changes(
        "checker",
        (
            "np.maximum(slope * down, (1.0 - slope) * up)",
            "np.minimum(slope * down, (1.0 - slope) * up)",
        ),
        # combine
        ("each = forms.radii + (gamma", "each = (gamma"),
        ("gamma(roundings) * magnitudes +", "gamma(roundings) * 0.0 * magnitudes +"),
        ("gamma(roundings) * magnitudes +", "gamma(roundings) / 2 * magnitudes +"),
        ("magnitudes + SMALLEST)\n\n    constants", "magnitudes)\n\n    constants"),
        ("radii += UNIT_ROUNDOFF * np.abs(values[:, :2])", "pass"),
        (
            "radii += UNIT_ROUNDOFF * np.abs(values[:, :2])",
            "radii += UNIT_ROUNDOFF / 2 * np.abs(values[:, :2])",
        ),
        ("of_errors += product(", "of_errors += 0.0 * product("),
        ("of_errors += product(", "of_errors += 0.5 * product("),
        ("of_errors += errors_of_constants[:, :, np.newaxis]", "pass"),
        ("raised(radii + of_errors, roundings + n_columns + 4) +", "radii + of_errors +"),
        ("of_errors, roundings + n_columns + 4)", "of_errors, roundings)"),
        ("of_errors, roundings + n_columns + 4)", "of_errors, n_columns)"),
        ("(n_forms - 1) * n_columns + magnitudes.sum(axis=0)", "magnitudes.sum(axis=0)"),
        ("(n_forms - 1) * n_columns + magnitudes.sum(axis=0)", "(n_forms - 1) * n_columns"),
        # bounds
        ("margin = radii + gamma(2) * np.abs(values[:, :2])", "margin = 1.0 * radii"),
        (
            "gamma(2) * np.abs(values[:, :2])", "gamma(1) * np.abs(values[:, :2])",
            "the margin is raised besides, and one of the two roundings is of a sum near the constant",
        ),
        ("margin[:, 1] += gamma(n_columns + 2) * spread", "pass"),
        ("gamma(n_columns + 2) * spread", "gamma(n_columns + 2) / 2 * spread"),
        (
            "raised(margin, n_columns + 2) + n_columns * UNDERFLOW",
            "margin + n_columns * UNDERFLOW",
            "of second order, but for one rounding of radii beside constants, where two are charged",
        ),
        ("raised(margin, n_columns + 2) + n_columns * UNDERFLOW", "raised(margin, n_columns + 2)"),
        ("raised(margin, n_columns + 2) + n_columns", "raised(margin, n_columns + 2) + 1"),
        (".sum(axis=1) + n_columns * UNDERFLOW)", ".sum(axis=1))"),
        # coefficients over classes
        ("np.abs(sums) * gamma(roundings) + UNDERFLOW", "0.0 * sums + UNDERFLOW"),
        (
            "np.abs(sums) * gamma(roundings) + UNDERFLOW",
            "np.abs(sums) * gamma(roundings) / 2 + UNDERFLOW",
        ),
        ("gamma(roundings) + UNDERFLOW * (roundings > 0)", "gamma(roundings)"),
        ("roundings = additions + (factors != 1.0)", "roundings = additions"),
        (
            "raised(errors, len(labels) + 3)",
            "errors",
            "of second order: what sums of errors lose, of which gamma has as much to spare",
        ),
        # differences of rows
        ("both_errors = error + scale * error_c", "both_errors = scale * error_c"),
        ("both_errors = error + scale * error_c", "both_errors = 1.0 * error"),
        ("(np.abs(difference) + of_product)", "(of_product)"),
        ("(np.abs(difference) + of_product)", "(np.abs(difference) / 2 + of_product)"),
        ("(np.abs(difference) + of_product)", "(np.abs(difference))"),
        ("(np.abs(difference) + of_product)", "(np.abs(difference) + of_product / 2)"),
        ("raised(both_errors + rounding, 5)", "both_errors + rounding"),
        # differences of ReLUs
        ("outward(scale * bound[classes.compared_to])", "scale * bound[classes.compared_to]"),
        ("zip((below, above), delta_bounds)", "zip((below, below), delta_bounds)"),
        ("zip((below, above), delta_bounds)", "zip((above, above), delta_bounds)"),
        ("below(b.low + delta_bounds.low)", "b.low + delta_bounds.low"),
        ("above(b.high + delta_bounds.high)", "b.high + delta_bounds.high"),
        ("below(delta.low - np.maximum(-b.low, 0.0))", "delta.low - np.maximum(-b.low, 0.0)"),
        (
            "above(delta.high + np.maximum(-a.low, 0.0))", "delta.high + np.maximum(-a.low, 0.0)",
            "the sum is no smaller than delta_high nor -b_low, and rounding is monotone",
        ),
        ("/ 2.0, a_negative + b_negative),", "/ 2.0, (a_negative + b_negative) / 2.0),"),
        (", interval.high - interval.low),", ", (interval.high - interval.low) / 2.0),"),
        (
            "Enclosure(zero + 0.5, zero, delta.largest)",
            "Enclosure(zero + 0.5, zero, delta.largest / 2.0)",
        ),
        ("Enclosure(slope, width / 2.0, width)", "Enclosure(slope, width / 2.0, width / 2.0)"),
        ("rounding = gamma(2) * (of_slope", "rounding = 0.0 * (of_slope"),
        (
            "raised(linear_radius, n_columns + 6) + underflow",
            "raised(linear_radius, n_columns + 6)",
        ),
        ("raised(linear_radius, n_columns + 6) + underflow", "linear_radius + underflow"),
        ("slope * delta.radii[:, 1] + width / 2.0 + rounding", "width / 2.0 + rounding"),
        # opposite neurons
        ("radii[opposite] + z.radii + of_sum, values", "radii[opposite] + of_sum, values"),
        ("radii[opposite] + z.radii + of_sum, values", "z.radii + of_sum, values"),
        ("radii[opposite] + z.radii + of_sum, values", "radii[opposite] + z.radii, values"),
        (
            "raised(radii[opposite] + z.radii + of_sum, values.shape[1] + 2)",
            "(radii[opposite] + z.radii + of_sum)",
        ),
        # outputs
        ("of_g.errors + of_f.errors + UNIT", "of_g.errors + UNIT"),
        ("of_g.errors + of_f.errors + UNIT", "of_f.errors + UNIT"),
        ("of_f.errors + UNIT_ROUNDOFF * np.abs(difference)", "of_f.errors"),
        (
            "of_f.errors + UNIT_ROUNDOFF * np.abs(difference)",
            "of_f.errors + UNIT_ROUNDOFF / 2 * np.abs(difference)",
        ),
        ("raised(errors, 2)", "errors"),
        # always-on neurons
        (
            "np.maximum(-lows, 0.0)[:, np.newaxis] / 2.0",
            "np.maximum(-lows, 0.0)[:, np.newaxis] / 4.0",
        ),
        ("with_nu.radii[on] += SMALLEST * (lows < 0.0)[:, np.newaxis]", "pass"),
        ("(rows.errors + (gamma(k) * magnitudes + SMALLEST))", "rows.errors"),
        (
            "(rows.errors + (gamma(k) * magnitudes + SMALLEST))",
            "(rows.errors + (gamma(k) / 2 * magnitudes + SMALLEST))",
        ),
        (
            "(rows.errors + (gamma(k) * magnitudes + SMALLEST))",
            "(gamma(k) * magnitudes + SMALLEST)",
        ),
        (
            "(rows.errors + (gamma(k) * magnitudes + SMALLEST))",
            "(rows.errors + gamma(k) * magnitudes)",
        ),
        ("raised(of_rows + of_outputs, k + 5)", "raised(of_rows, k + 5)"),
        (
            "raised(of_rows + of_outputs, k + 5) + UNDERFLOW",
            "(of_rows + of_outputs) + UNDERFLOW",
        ),
        ("k + 5) + UNDERFLOW * k", "k + 5)"),
        (
            "uncertain @ (magnitudes + rows.errors)", "uncertain @ magnitudes",
        ),
        (
            "raised(kept.radii + replaced.radii + of_sum, total.shape[1] + 2)",
            "(kept.radii + replaced.radii + of_sum)",
        ),
        ("kept.radii + replaced.radii + of_sum", "kept.radii + replaced.radii"),
        ("kept.radii + replaced.radii + of_sum", "kept.radii + of_sum"),
        ("kept.radii + replaced.radii + of_sum", "replaced.radii + of_sum"),
    ),
    *changes(
        "evaluation",
        (
            "raised(products[:, 0] + np.abs(b), n + 2)", "products[:, 0] + np.abs(b)",
            "n + 2 roundings are charged to the computed terms, where a rounding is to spare",
        ),
        ("return np.where(fits, error, np.inf)", "return error"),
        ("terms * (1.0 + local), 2) <= arithmetic.largest", "terms, 2) <= arithmetic.largest"),
        ("products[:, 0] + np.abs(b)", "products[:, 0]"),
        (
            "np.stack([h.interval.largest + h.error,", "np.stack([h.interval.largest,",
            "of second order: u times an error",
        ),
        ("error = products[:, 1] + local * terms", "error = products[:, 1]"),
        ("error = products[:, 1] + local * terms", "error = local * terms"),
        ("error = products[:, 1] + local * terms", "error = products[:, 1] + local / 2 * terms"),
        ("gamma(n + 1, arithmetic.unit_roundoff)", "gamma(n + 1)"),
        (" + n * arithmetic.smallest", ""),
        (
            "raised(error, n + 4) + UNDERFLOW", "error + UNDERFLOW",
            "of second order: u times an error, where a rounding of the threshold is to spare",
        ),
        (
            "raised(error, n + 4) + UNDERFLOW * (2 * n + 2)", "raised(error, n + 4)",
            "of float64's smallest number, where as much is charged for the evaluation",
        ),
        (
            "raised(np.maximum(z.high + error, 0.0), 1)", "np.maximum(z.high, 0.0)",
            "the margin of z.high, of n + 3 roundings, grows as the error of n + 1 does",
        ),
        (
            "raised(np.maximum(z.high + error, 0.0), 1)", "np.maximum(z.high + error, 0.0)",
            "of second order: z.high is above the exact one by its own margin",
        ),
        ("raised(sum(errors), 1)", "errors[0]"),
        ("raised(sum(errors), 1)", "errors[1]"),
        ("arithmetic.digits - 1 - np.frexp", "arithmetic.digits + 1 - np.frexp"),
        ("arithmetic.digits - 1 - np.frexp", "52 - np.frexp"),
        (" or (np.ldexp(multiples, -shift) != terms).any()", ""),
        ("is_sure = np.maximum(z.low, -z.high) > error", "is_sure = True"),
        (
            "is_sure = np.maximum(z.low, -z.high) > error",
            "is_sure = np.maximum(z.low, -z.high) > 0.0",
            "the bounds have a margin of n + 3 roundings, the error is of n + 1",
        ),
        ("raised(distances, layer.weights.shape[1] + 2).max()", "distances.max() / 4"),
        ("abs(sum(terms)) <= error", "abs(sum(terms)) <= 0"),
        ("abs(sum(terms)) <= error", "abs(sum(terms)) <= error / 2"),
        (" or magnitude + error > Fraction(arithmetic.largest)", ""),
        ("[Fraction(value) for value in point]", "point"),
    ),
    *changes(
        "exact",
        ("max(-low, high)**2 <= margin**2 *", "max(-low, high)**2 <= 4 * margin**2 *"),
        ("max(-low, high)**2 <= margin**2 *", "max(-low, high)**2 < margin**2 *"),
        ("for number, c in z.items() if number)", "for number, c in y.items() if number)"),
        ("high < common_divisor(z)", "high <= common_divisor(z)"),
        ("low > -s * common_divisor(y)", "low >= -s * common_divisor(y)"),
        ("max(-low, high) < s * least", "max(-low, high) <= s * least"),
        ("max(-low, high) < s * least", "max(-low, high) < 2 * s * least"),
        ("at_zeros = is_of_others or are_constants_apart", "at_zeros = is_of_others"),
        ("at_zeros = is_of_others or are_constants_apart", "at_zeros = are_constants_apart"),
        ("    if s <= 0:\n        return False\n", ""),
        ("if low > 0 or low == 0 and is_first:", "if low >= 0:"),
        ("if first < 0 and is_first:", "if first < 0:"),
        ("lambda: self.bounds(z)[1]", "lambda: -self.bounds(z)[0]"),
        ("min(values) - distance", "min(values)"),
        ("max(values) + distance", "max(values)"),
        ("below if coefficient > 0 else above", "below"),
        ("above if coefficient > 0 else below", "above"),
        (" <= v <= ", " - 9 <= v <= "),
        (" <= v <= ", " <= v <= 9 + "),
        ("<= Fraction(domain.radius)**2", "<= 2 * Fraction(domain.radius)**2"),
        ("min(shares) >= 0 and ", ""),
        ("sum(shares) == 1 and ", ""),
        (" and x == means", ""),
        ("require(not is_on_one", "require(True"),
        ("max(max(-low, high) for", "max(high for"),
    ),
    *changes(
        "folded",
        ("raised(sizes + self.underflow, len(self.bounds) + 1)", "sizes + self.underflow"),
        (
            "raised(sizes + self.underflow, len(self.bounds) + 1)",
            "raised(sizes + self.underflow, len(self.bounds) // 3)",
        ),
        ("raised(sizes + self.underflow, ", "raised(sizes, "),
        ("raised(gaps + UNDERFLOW, 3)", "gaps + UNDERFLOW"),
        ("raised(gaps + UNDERFLOW, 3)", "raised(gaps, 3)"),
        ("np.minimum(of_classes, 0.0), of_sign", "-np.inf, of_sign"),
        ("np.where(signs > 0, of_classes, -np.inf)", "-np.inf"),
        ("most = np.where(signs > 0, np.inf, 0.0)", "most = np.inf"),
        ("gamma(n + 4) * magnitudes", "0.0 * magnitudes"),
        ("gamma(n + 4) * magnitudes", "gamma(n + 4) / 3 * magnitudes"),
        ("gamma(n + 4) * magnitudes", "gamma(n) * magnitudes"),
        ("signs.shape[1] >= columns.n_classes and covers(signs)", "True"),
        ("signs.shape[1] >= columns.n_classes and covers", "covers"),
        ("columns.n_classes and covers(signs)", "columns.n_classes"),
        ("= np.minimum(scales, 0.0)", "= np.maximum(-scales, 0.0)"),
        ("columns.n_affine + classes] = np.abs(scales)", "columns.n_affine + classes] = scales"),
        ("np.maximum(low[neuron], -top)", "np.maximum(low[neuron], top)"),
        (
            "magnitudes = np.abs(coefficients) @ columns.bounds[:below]",
            "magnitudes = np.zeros(len(coefficients))",
        ),
        ("(up_slopes + np.abs(multiples)) @ layer.sizes", "np.abs(multiples) @ layer.sizes"),
        ("(up_slopes + np.abs(multiples)) @ layer.sizes", "up_slopes @ layer.sizes"),
        ("layer.sizes + up @ constants", "layer.sizes"),
        ("columns.underflow * (n + 1) + UNDERFLOW", "UNDERFLOW"),
        (" + UNDERFLOW * ((up > 0.0) @ layer.sizes)", ""),
        (
            "np.maximum(np.abs(of_classes), np.abs(multiples)) @ layer",
            "np.abs(of_classes) @ layer",
        ),
        ("np.maximum(np.abs(of_classes), np.abs(multiples)) @ layer", "np.abs(multiples) @ layer"),
        ("raised(rows.errors + of_errors + rounding", "raised(of_errors + rounding"),
        ("raised(rows.errors + of_errors + rounding", "raised(rows.errors + rounding"),
        ("raised(rows.errors + of_errors + rounding", "raised(rows.errors + of_errors"),
        ("gamma(d + 5) * magnitudes + ", ""),
        ("gamma(d + 5) * magnitudes + ", "gamma(d + 5) / 3 * magnitudes + "),
        (" + columns.underflow * (d + 3)", ""),
        ("raised(rows.errors + rounding, d + 5)", "raised(rounding, d + 5)"),
        ("raised(columns.sizes_of(rows) + rows.errors, 1)", "columns.sizes_of(rows)"),
        ("bool(are_apart.all())", "True"),
        ("sum(1 << n - k for k in n_signs) == 1 << n", "True"),
        ("gamma(roundings) * magnitudes", "0.0 * magnitudes"),
        ("gamma(roundings) * magnitudes", "gamma(roundings) / 2 * magnitudes"),
        ("np.maximum(n_terms - has_exact_products, 0.0)", "np.maximum(n_terms - 1.0, 0.0)"),
        ("((H == 0.0) | (np.abs(H) == 1.0)).all(axis=0)", "np.ones(width)"),
        ("roundings[:, 0] += (coefficients[:, 0] != 0.0) & (b != 0.0)", "pass"),
        ("magnitudes[:, 0] += np.abs(b)", "pass"),
        ("np.abs(W) @ activations.errors + rounding + ", "rounding + "),
        ("np.abs(W) @ activations.errors + rounding + ", "np.abs(W) @ activations.errors + "),
        (" + columns.underflow * (n + 2)", ""),
        ("multiplier >= max(coefficient, 0.0)", "multiplier >= coefficient"),
        ("multiplier >= max(coefficient, 0.0)", "multiplier >= 0.0"),
        (" + multiplier * e + rounding", " + rounding"),
        (" + multiplier * e + rounding", " + multiplier * e"),
        (
            "np.maximum(upper_bounds(both, columns), np.abs(coefficient) * e)",
            "np.abs(coefficient) * e",
        ),
        (
            "np.maximum(upper_bounds(both, columns), np.abs(coefficient) * e)",
            "np.maximum(upper_bounds(both, columns), 0.0)",
        ),
        (
            "above(np.maximum(high, 0.0) + own.errors)",
            "np.maximum(high, 0.0)",
            (
                "U is at most max(high, 0) wherever v is above it, and so below the chord there; but"
                " then low <= v <= high is wrong"
            ),
        ),
        ("np.append(self.bounds, np.maximum(high, rows.errors))", "np.append(self.bounds, high)"),
        ("errors = rows.errors + columns.sizes_of(apart)", "errors = columns.sizes_of(apart)"),
        ("rows.errors + columns.sizes_of(apart)", "rows.errors"),
        ("rows.errors + columns.sizes_of(apart)", "rows.errors + columns.sizes_of(apart) / 2"),
        (" + np.abs(scales) * e + rounding", " + rounding"),
        (" + np.abs(scales) * e + rounding", " + np.abs(scales) * e"),
        ("np.where(scales < 0.0, 2.0, 1.0)", "1.0"),
        ("np.maximum(z.high[dead], 0.0)", "0.0"),
        ("np.maximum(z.high[dead], 0.0)", "np.maximum(z.high[dead], 0.0) / 2"),
        ("above(rows.errors[on] + np.maximum(-z.low[on], 0.0))", "rows.errors[on]"),
        ("np.maximum(-z.low[on], 0.0)", "np.maximum(-z.low[on], 0.0) / 2"),
        ("above(rows.errors[on] + np", "above(np"),
        ("of_f.errors + of_g.errors", "of_f.errors"),
        ("of_f.errors + of_g.errors", "of_g.errors"),
        (
            "gamma(1) * columns.sizes_of(difference)",
            "0.0",
            "the sums of both bounds are charged a few roundings more than they have: see `raised`",
        ),
    ),
    *changes(
        "sorted",
        ("raised(gamma(20 * isqrt(n) + 35) * magnitude, n + 6)", "0.0"),
        (
            "gamma(20 * isqrt(n) + 35) * magnitude", "gamma(10 * isqrt(n) + 17) * magnitude",
            "a term would have to lose all that it may in five running sums",
        ),
        (
            "raised(gamma(20 * isqrt(n) + 35) * magnitude, n + 6)",
            "gamma(20 * isqrt(n) + 35) * magnitude",
            "of second order, as the one above",
        ),
        ("+ UNDERFLOW * of_products", "+ 0.0 * of_products"),
        (
            "raised(np.abs(values).max(axis=1) + margin, 1)",
            "(np.abs(values).max(axis=1) + margin)",
            "less than one of the 55 roundings that are charged at least",
        ),
        (
            "below(float(low)), above(float(high))", "float(low), float(high)",
            "one rounding of |w| X, of which 55 are charged at least",
        ),
    ),
    *changes(
        "intervals",
        (
            "4.0 * (gamma(n + 6) * self.domain.norm_bound + (n + 1) * SMALLEST)",
            "2.0 * (gamma(n + 6) * self.domain.norm_bound + (n + 1) * SMALLEST)",
        ),
        (
            "4.0 * (gamma(n + 6) * self.domain.norm_bound + (n + 1) * SMALLEST)",
            "4.0 * (gamma(n + 6) * self.domain.norm_bound)",
        ),
        (
            "2.0 * gamma(n + 4) * (magnitude + ball)",
            "gamma(n + 4) * (magnitude + ball)",
        ),
        (
            "2.0 * gamma(n + 4) * (magnitude + ball)",
            "0.0 * (magnitude + ball)",
        ),
        ("(magnitude + ball) + moved", "(magnitude + ball)"),
        ("(magnitude + ball) + moved", "(magnitude + ball) + moved / 2"),
        ('self.domain.norm_bound if self.bound == "ball" else 0.0', "0.0"),
        ("np.where(high - low <= bounds.error, low, high)", "high"),
        ("margin = self.margin / 2 if binary else 0.0", "margin = 0.0"),
        ("low - self.margin, high + self.margin", "low, high"),
        ("np.clip(z_high + error, 0.0, error)", "np.clip(z_high, 0.0, error)"),
        (
            "np.clip(z_high + error, 0.0, error)",
            "np.clip(z_high + error, 0.0, error) / 2",
        ),
        ("np.maximum(z_low - error, 0.0)", "np.maximum(z_low, 0.0)"),
        ("np.maximum(z_high, 0.0) + h_error", "np.maximum(z_high, 0.0)"),
    ),
    *changes(
        "layers",
        (
            "(from_low <= margin) | (to_high <= margin)",
            "(from_low <= margin / 2) | (to_high <= margin / 2)",
        ),
        ("(from_low <= margin) | (to_high <= margin)", "(from_low <= margin)"),
        ("ratios - margin)", "ratios - margin / 2)"),
        ("ratios >= high - margin / 2", "ratios >= high"),
        ("lowered <= low + 1.5 * margin", "lowered <= low + margin"),
        ("np.abs(constants) <= norms * bounds.error", "np.abs(constants) <= 0.0"),
        (
            "np.abs(constants) <= norms * bounds.error",
            "np.abs(constants) <= norms * bounds.error / 4",
        ),
        ("high - low <= bounds.error", "high - low <= 0.0"),
    ),
    *changes(
        "rank",
        ("threshold = np.sqrt(K) +", "threshold = 0.0 +"),
        ("threshold = np.sqrt(K) +", "threshold = 8.0 * np.sqrt(K) +"),
        ("8.0 * (K + q) * UNIT_ROUNDOFF", "0.0 * (K + q) * UNIT_ROUNDOFF"),
    ),
    *changes(
        "domains",
        ("margin = gamma(self.n_inputs + 4) * (_length(X) + self.norm_bound)", "margin = 0.0"),
        (
            "margin = gamma(self.n_inputs + 4) * (_length(X) + self.norm_bound)",
            "margin = 2.0**10 * gamma(self.n_inputs + 4) * (_length(X) + self.norm_bound)",
        ),
        ("margin = tolerance * (np.abs(low) + np.abs(high))", "margin = 0.0"),
        ("tolerance = gamma(64 * sum(self.points.shape))", "tolerance = 0.0"),
        ("tolerance = gamma(64 * sum(self.points.shape))", "tolerance = 2.0**-28"),
    ),
    *changes(
        "errors",
        ("(propagated + local * terms) * (1.0", "propagated * (1.0"),
        ("(propagated + local * terms) * (1.0", "(propagated + local / 2 * terms) * (1.0"),
        ("gamma(n + 2 + extra, float_format.unit_roundoff)", "gamma(n + 2 + extra)"),
        ("(propagated + local * terms) * (1.0", "local * terms * (1.0"),
        ("(propagated + local * terms) * (1.0", "(propagated / 2 + local * terms) * (1.0"),
        ("return np.where(fits, error, np.inf), spread", "return error, spread"),
        (
            "* (1.0 + gamma(2 * n + 8)) + underflow",
            "+ underflow",
            (
                "of second order: sums of errors round, and of the n + 2 roundings that are charged"
                " a term meets n + 1"
            ),
        ),
        ("* (1.0 + gamma(2 * n + 8)) + underflow", "* (1.0 + gamma(2 * n + 8))"),
        ("np.clip(z_high + 2.0 * error, 0.0, error)", "np.clip(z_high, 0.0, error)"),
        (
            "np.clip(z_high + 2.0 * error, 0.0, error)",
            "np.clip(z_high + error, 0.0, error)",
            "the lemma asks for one; the other is for the rounding of z_high",
        ),
        ("error = local * terms + 4.0", "error = 0.0 * terms + 4.0"),
        ("gamma(n + 4, float_format.unit_roundoff)", "gamma(n + 4)"),
        (
            "+ 4.0 * SMALLEST * (n + 2 + A.sum()) + n * float_format.smallest", "",
        ),
        ("float_format.digits - 1 - np.frexp", "float_format.digits + 3 - np.frexp"),
        ("float_format.digits - 1 - np.frexp", "52 - np.frexp"),
        ("3.0 * norms * space.margin", "2.0 * norms * space.margin"),
        ("+ 4.0 * gamma(n + 6) * np.abs(b)", "+ 2.0 * gamma(n + 6) * np.abs(b)"),
        ("* np.abs(b) + underflow", "* np.abs(b)"),
    ),
    *changes(
        "forms",
        ("result * (1.0 + gamma(self.values.shape[1] + 4))", "result"),
        (
            "result * (1.0 + gamma(self.values.shape[1] + 4))",
            "result * (1.0 + gamma(self.values.shape[1] + 4) / 2)",
            IN_PARTS,
        ),
        ("margin = gamma(p + 8) * spread + p * SMALLEST", "margin = p * SMALLEST"),
        (
            "margin = gamma(p + 8) * spread + p * SMALLEST",
            "margin = gamma(p + 8) / 2 * spread + p * SMALLEST",
        ),
        ("margin = gamma(p + 8) * spread + p * SMALLEST", "margin = gamma(p + 8) * spread"),
        ("spread *= 1.0 + gamma(p + 2)", "pass"),
        ("spread *= 1.0 + gamma(p + 2)", "spread *= 1.0 + gamma(p + 2) / 2", IN_PARTS),
        ("norm * (1.0 + gamma(p + 8)) + p * SMALLEST", "norm + p * SMALLEST"),
        ("norm * (1.0 + gamma(p + 8)) + p * SMALLEST", "norm * (1.0 + gamma(p + 8))"),
        ("margin = 4.0 * UNIT_ROUNDOFF * magnitude", "margin = 0.0 * UNIT_ROUNDOFF * magnitude"),
        (
            "margin = 4.0 * UNIT_ROUNDOFF * magnitude",
            "margin = 2.0 * UNIT_ROUNDOFF * magnitude",
            (
                "four roundings are charged where two sums and the margin's own are done, the last"
                " of second order"
            ),
        ),
        ("np.maximum(high - middle, middle - low)", "(high - middle)"),
        ("np.nextafter(radius, np.inf), 0.0)", "radius, 0.0)"),
        ("block + n // block + 2", "n // block"),
        (
            "np.maximum(slope * l, (1.0 - slope) * u) / 2.0",
            "np.maximum(slope * l, (1.0 - slope) * u) / 4.0",
        ),
        (
            "+ 2.0 * SMALLEST * ((u > 0.0) & (l > 0.0))",
            "",
            (
                "`linear_relaxation` adds the smallest number once for each entry, and rounding"
                " loses half of it here"
            ),
        ),
        ("(radii[:, 1] + half) * GUARD + 4.0", "(radii[:, 1] + half) + 4.0"),
        ("(radii[:, 1] + half) * GUARD + 4.0", "(radii[:, 1] + half / 2.0) * GUARD + 4.0"),
        ("GUARD + 4.0 * UNIT_ROUNDOFF * magnitude", "GUARD"),
        ("radii[:, 1] += values.shape[1] * underflow", "pass"),
    ),
    *changes(
        "classes",
        ("error = below.rest.radii + summation_error(", "error = summation_error("),
        (
            "summation_error(n_roundings(W) + 1, rests)",
            "summation_error(n_roundings(W) // 2, rests)",
        ),
        (" + (summation_error(in_F, multiples) if in_F else 0.0)", ""),
        (
            "np.abs(below.scales[in_class]) != 1.0).any()",
            "np.abs(below.scales[in_class]) != 1.0).all() * 0",
        ),
        ("sums * (GUARD + gamma(n + 2))", "sums"),
        (
            "radii += SMALLEST * (4.0 * (n + 1) * values.shape[1] + n * magnitude.sum(axis=0))",
            "radii += SMALLEST * (n * magnitude.sum(axis=0))",
            "`summation_error` adds the smallest number to the error of each term that is not 0",
        ),
        (
            "radii += SMALLEST * (4.0 * (n + 1) * values.shape[1] + n * magnitude.sum(axis=0))",
            "radii += SMALLEST * (4.0 * (n + 1) * values.shape[1])",
        ),
        ("radii += 2.0 * UNIT_ROUNDOFF * np.abs(b)", "pass"),
        ("total + np.abs(b))", "total)"),
        ("one.rest.radii + t * other.rest.radii + products", "one.rest.radii + products"),
        ("one.rest.radii + t * other.rest.radii + products", "t * other.rest.radii + products"),
        ("np.where(t != 1.0, UNIT_ROUNDOFF, 0.0) * t * other.magnitude", "0.0"),
        (
            "np.where(t != 1.0, UNIT_ROUNDOFF, 0.0) * t * other.magnitude",
            "np.where(t != 1.0, UNIT_ROUNDOFF / 2, 0.0) * t * other.magnitude",
        ),
        ("rounded = 2.0 * UNIT_ROUNDOFF * Forms", "rounded = 0.0 * UNIT_ROUNDOFF * Forms"),
        ("(radii + rounded) * GUARD + SMALLEST", "(radii + rounded) * GUARD"),
        (
            "(radii + rounded) * GUARD + SMALLEST",
            "(radii + rounded) + SMALLEST",
            (
                "two roundings of the magnitude are charged, which holds the radii, whose sum"
                " meets one"
            ),
        ),
        ("one.magnitude + t * other.magnitude)", "one.magnitude)"),
        (
            "error = H.radii + summation_error(n_roundings(rows.F) + 3",
            "error = summation_error(n_roundings(rows.F) + 3",
        ),
        ("summation_error(n_roundings(rows.F) + 3, H.magnitude)", "0.0 * H.magnitude"),
        (
            "summation_error(n_roundings(rows.F) + 3, H.magnitude)",
            "summation_error(n_roundings(rows.F) // 2 + 2, H.magnitude)",
        ),
        ("error) + rows.rest.radii\n", "error)\n"),
        ("radii += 2.0 * UNIT_ROUNDOFF * rows.rest.magnitude", "pass"),
        (
            "radii * (GUARD + gamma(n + 3)) + n * values.shape[1] * SMALLEST",
            "radii + n * values.shape[1] * SMALLEST",
            (
                "of second order: `summation_error` charges three roundings of the magnitudes more"
                " than there are, and n of the radii"
            ),
        ),
        (
            "radii * (GUARD + gamma(n + 3)) + n * values.shape[1] * SMALLEST",
            "radii * (GUARD + gamma(n + 3))",
        ),
        (
            "gamma(roundings) * magnitude + SMALLEST * (magnitude > 0.0)",
            "gamma(roundings) * magnitude",
            "products that underflow are charged by `rows_over_classes` and `evaluate` besides",
        ),
    ),
    *changes(
        "outward",
        (
            "(4.0 * UNIT_ROUNDOFF * np.abs(values) + SMALLEST)",
            "(UNIT_ROUNDOFF * np.abs(values) + SMALLEST)",
        ),
        (
            "(4.0 * UNIT_ROUNDOFF * np.abs(values) + SMALLEST)",
            "4.0 * UNIT_ROUNDOFF * np.abs(values)",
        ),
    ),
    *changes(
        "relu",
        ("outward(factors[:, np.newaxis] * end, step)", "factors[:, np.newaxis] * end"),
        ("outward(multiple + end, step)", "multiple + end"),
        ("outward(d[0] - below_b, -1.0)", "d[0] - below_b"),
        (
            "outward(d[1] + below_a, 1.0)",
            "d[1] + below_a",
            (
                "matters where z < 0 <= q z_head alone, and there the end of z has 4 U to spare"
                " already"
            ),
        ),
        ("2.0 * SMALLEST * (widths > 0.0)", "0.0 * (widths > 0.0)"),
        ("halves = widths / 2.0", "halves = widths / 4.0"),
        ("np.stack([below_a + below_b, high - low, ", "np.stack([below_a, high - low, "),
        ("np.maximum(np.abs(d[0]), np.abs(d[1]))])", "np.abs(d[0])])"),
        ("(rest.radii[opposite] + minus_z.radii) * GUARD", "rest.radii[opposite] * GUARD"),
        (
            "(rest.radii[opposite] + minus_z.radii) * GUARD",
            "(rest.radii[opposite] + minus_z.radii)",
            "four roundings of both magnitudes are charged, which hold the radii",
        ),
        ("radii + 4.0 * UNIT_ROUNDOFF * magnitude\n", "radii\n"),
        ("np.maximum(np.abs(d[0]), np.abs(d[1])))", "np.minimum(np.abs(d[0]), np.abs(d[1])))"),
    ),
    *changes(
        "breakpoints",
        (
            "error = gamma(8 * (isqrt(n) + 1) + 32) * magnitude * (1.0 + gamma(2 * n)) + underflow",
            "error = 0.0 * magnitude + underflow",
        ),
        ("* magnitude * (1.0 + gamma(2 * n)) + underflow", "* magnitude * (1.0 + gamma(2 * n))"),
        (
            "* magnitude * (1.0 + gamma(2 * n)) + underflow",
            "* magnitude + underflow",
            (
                "of second order, where 48 roundings are "
                "charged at least and a term meets 4 sqrt(n) + 8"
            ),
        ),
        ("(distances - error[:, np.newaxis]).max(axis=0)", "distances.max(axis=0)"),
        ("(distances.max(axis=1) + error).max()", "distances.max()"),
    ),
    *changes(
        "differences",
        (
            "np.maximum(-low[on], 0.0)[:, np.newaxis, np.newaxis] / 2.0",
            "np.maximum(-low[on], 0.0)[:, np.newaxis, np.newaxis] / 4.0",
        ),
        ("half * GUARD + SMALLEST * (low[on] < 0.0)", "half + 0.0 * (low[on] < 0.0)"),
        ("rows.rest.radii + summation_error(n + 2, rows.magnitude)", "rows.rest.radii"),
        (
            "rows.rest.radii + summation_error(n + 2, rows.magnitude)",
            "rows.rest.radii + summation_error((n + 2) // 2, rows.magnitude)",
        ),
        (
            "rows.rest.radii + summation_error(n + 2, rows.magnitude)",
            "summation_error(n + 2, rows.magnitude)",
        ),
        ("radii *= GUARD + gamma(n + 2)", "pass"),
        (
            "radii += n * SMALLEST * (rows.rest.values.shape[1] + magnitude_below.sum(axis=0))",
            "radii += n * SMALLEST * rows.rest.values.shape[1]",
        ),
        ("(radii + 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude) * GUARD", "radii * GUARD"),
        (
            "(radii + 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude) * GUARD",
            "radii + 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude",
            (
                "two roundings of the magnitude are charged, which holds the radii, whose sum"
                " meets one"
            ),
        ),
        ("one.radii + other.radii\n", "one.radii\n"),
    ),
    *changes(
        "binary",
        ("0 <= low and high < one.unit", "0 <= low and high <= one.unit"),
        ("-t * other.unit < low", "-t * other.unit <= low"),
        (
            "max(-low, high) < t * Fraction",
            "max(-low, high) <= t * Fraction",
            (
                "what it is held against is already "
                "less than the smallest sum by its roundings, of which there are some"
            ),
        ),
        ("least - margin", "least"),
        (
            "margin = 2.0 * gamma(",
            "margin = gamma(",
            "subset sums of half of the terms meet fewer roundings than are counted",
        ),
        ("low > 0.0, high <= 0.0\n    on_c", "low >= 0.0, high <= 0.0\n    on_c"),
        ("low > 0.0, high <= 0.0\n    values", "low >= 0.0, high <= 0.0\n    values"),
        ("np.abs(region.bounds(delta)).max(axis=0)", "np.abs(region.bounds(delta)).min(axis=0)"),
    ),
    *changes(
        "provers",
        ("largest * (1.0 + gamma(question.f.n_inputs + 8))", "largest"),
        ("np.where(mismatch > 0.0, np.inf, 0.0)", "0.0 * mismatch"),
    ),
]
SIGNS = changes(
    "signs",
    ("raised(gamma(n + 9) * magnitude, n + 6)", "0.0"),
    ("raised(gamma(n + 9) * magnitude, n + 6)", "raised(gamma(n + 9) / 2 * magnitude, n + 6)"),
    ("raised(gamma(8) * magnitudes, 4)", "0.0"),
    ("magnitudes[lead] += np.abs(c) * neurons.magnitude[led]", "magnitudes[lead] += 0.0 * c", EIGHT),
    ("magnitude + heights + np.abs(functional.constants).sum()", "magnitude"),
    ("np.maximum(-used.share * D.low, (1.0 - used.share) * D.high)", "-used.share * D.low"),
    ("np.maximum(-used.share * D.low, (1.0 - used.share) * D.high)", "(1.0 - used.share) * D.high"),
    ("np.clip(multiples, 0.0, 1.0)", "multiples"),
    ("np.where(signs < 0, -np.inf, a)", "np.where(signs < 1, -np.inf, a)"),
    ("np.where(signs > 0, np.inf, 0.0)", "np.where(signs >= 0, np.inf, 0.0)"),
    ("np.minimum(-a[led], a[lead] * ratio)", "-a[led]"),
)
NORMS = changes(
    "norms",
    ("raised(gamma(m + 1) * norm_above(V.ravel()) ** 2, 2)", "0.0"),
    (
        "raised(gamma(m + 1) * norm_above(V.ravel()) ** 2, 2)",
        "raised(gamma(m + 1) / 2 * norm_above(V.ravel()) ** 2, 2)",
    ),
    (
        "2.0 * own * error + error * error + gamma(n + 1) * own * own",
        "2.0 * own * error + error * error",
        (
            "the charge of the first product is multiplied by eight on the way: it would have to be"
            " used up as well"
        ),
    ),
    (
        "2.0 * own * error + error * error + gamma(n + 1) * own * own",
        "error * error + gamma(n + 1) * own * own",
    ),
    ("raised(UNIT_ROUNDOFF * (np.abs(F)", "raised(0.0 * (np.abs(F)"),
    ("raised(UNIT_ROUNDOFF * (np.abs(F)", "raised(UNIT_ROUNDOFF / 2 * (np.abs(F)"),
    ("np.abs(R)), 2) + UNDERFLOW", "np.abs(R)), 2)"),
    ("gamma(3) * (np.abs(b) + np.abs(c))", "0.0 * c"),
    ("gamma(3) * (np.abs(b) + np.abs(c))", "gamma(2) * (np.abs(b) + np.abs(c))"),
    ("np.abs(rows) @ radius + R.errors @ h.interval.largest", "np.abs(rows) @ radius"),
    ("np.abs(rows) @ radius + R.errors @ h.interval.largest", "R.errors @ h.interval.largest"),
    ("(norm_above(rows) + norm_above(R.errors))", "norm_above(rows)"),
    ("+ gamma(n + 2) * terms + R.beta_errors", "+ R.beta_errors"),
    ("+ gamma(n + 2) * terms + R.beta_errors", "+ gamma(n + 2) / 2 * terms + R.beta_errors"),
    ("raised(t, n + 5) + UNDERFLOW", "t + UNDERFLOW"),
    ("raised(t, n + 5) + UNDERFLOW * (2 * n + 4)", "raised(t, n + 5)"),
    ("[t + down, up, np.abs(q) / 2.0 + t]", "[t + down / 2.0, up, np.abs(q) / 2.0 + t]"),
    ("[t + down, up, np.abs(q) / 2.0 + t]", "[t + down, up / 2.0, np.abs(q) / 2.0 + t]"),
    ("[t + down, up, np.abs(q) / 2.0 + t]", "[t + down, up, np.abs(q) / 2.0 + t / 2.0]"),
    ("np.maximum(np.maximum(-z_f.low, -z_g.low), 0.0)", "np.maximum(-z_f.low, 0.0)"),
    ("np.maximum(np.maximum(z_f.high, z_g.high), 0.0)", "np.maximum(z_f.high, 0.0)"),
    (
        "raised(looseness.min(axis=0), 1)", "looseness.min(axis=0)",
        "`norm_above` charges n + 1 roundings and three more, of which squares and a root use half",
    ),
    ("raised(carried + norm_above(loose), 1)", "norm_above(loose)"),
    ("raised(carried + norm_above(loose), 1)", "carried"),
    ("below(pairs.scales * z.low[pairs.of_g])", "pairs.scales * z.low[pairs.of_g]"),
    ("above(pairs.scales * z.high[pairs.of_g])", "pairs.scales * z.high[pairs.of_g]"),
    ("spectral_norm(layer.weights) * norm + norm_above", "norm_above"),
    ("* norm + norm_above(layer.thresholds)", "* norm"),
    (
        "np.abs(q) + t + norm_above(layers_f[-1].weights) * e.norm",
        "np.abs(q) + norm_above(layers_f[-1].weights) * e.norm",
    ),
    ("np.abs(q) + t + norm_above(layers_f[-1].weights) * e.norm", "np.abs(q) + t"),
)
CHANGES += NORMS + SIGNS


def tests_of(module: str) -> list[str]:
    """Return the tests that are to notice changes of a module."""
    return TESTS[module].split()


def mutated_source(text: str, change: Change) -> str:
    """Return the source with the change; ValueError if the snippet does not occur exactly once."""
    count = text.count(change.snippet)
    if count != 1:
        raise ValueError(
            f"{MODULES[change.module]} has {count} times, not once: {change.snippet!r}"
        )
    return text.replace(change.snippet, change.mutated)


def copied(folder: Path) -> Path:
    """Copy the package and its tests, without what Python compiled of them."""
    for name in ("reducednet", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


RUNNER = """
import importlib, sys
import reducednet
assert reducednet.__file__.startswith(sys.path[1]), "not the copy"
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for test in [value for key, value in vars(module).items() if key.startswith("test_")]:
        try:
            test()
        except AssertionError:
            sys.exit(1)
"""


def passes(folder: Path, tests: list[str]) -> bool:
    """Run the test functions of some modules on the copy; RuntimeError if one fails but by what it
    asserts.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'tests'}",
    }
    run = subprocess.run(
        [sys.executable, "-B", "-c", RUNNER, *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode not in (0, 1) or "Traceback" in run.stderr:
        raise RuntimeError(f"{tests}: {run.stderr}")
    return run.returncode == 0


def surviving(changes: list[Change], note: object = None) -> list[Change]:
    """Return the changes that their tests do not notice; RuntimeError if tests fail without any
    change.
    """
    survivors = []
    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name))
        for module in dict.fromkeys(change.module for change in changes):
            if not passes(folder, tests_of(module)):
                raise RuntimeError(f"tests of {module} fail without any change")
        for change in changes:
            path = folder / MODULES[change.module]
            text = path.read_text(encoding="utf-8")
            path.write_text(mutated_source(text, change), encoding="utf-8")
            try:
                if passes(folder, tests_of(change.module)):
                    survivors.append(change)
            finally:
                path.write_text(text, encoding="utf-8")
    return survivors


def main() -> None:
    """Print the changes that survive, and whether they are known to."""
    text = sys.argv[1] if len(sys.argv) > 1 else ""
    changes = [change for change in CHANGES if text in str(change)]
    for change in surviving(changes):
        print(f"{change}\n    {change.spared or 'NOT NOTICED'}")


if __name__ == "__main__":
    main()
