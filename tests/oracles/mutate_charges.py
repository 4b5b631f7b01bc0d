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
    "checker": "reducednet/verification/certificates/check_difference.py",
    "exact": "reducednet/verification/certificates/check_rational.py",
    "folded": "reducednet/verification/certificates/check_symbolic.py",
    "sorted": "reducednet/verification/certificates/check_breakpoints.py",
    "forms": "reducednet/verification/difference_bounds/affine_forms.py",
    "classes": "reducednet/verification/difference_bounds/neuron_classes.py",
    "relu": "reducednet/verification/difference_bounds/relu_layer.py",
    "binary": "reducednet/verification/difference_bounds/binary_layer.py",
    "norms": "reducednet/verification/certificates/check_norms.py",
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
    "checker": "verification.test_charges_check_difference",
    "exact": "verification.test_charges_check_rational",
    "folded": "verification.test_charges_check_symbolic",
    "sorted": "verification.test_charges_check_breakpoints",
    "forms": "verification.test_charges_affine_forms",
    "classes": "verification.test_charges_neuron_classes",
    "relu": "verification.test_charges_relu_layer",
    "binary": "verification.test_charges_binary_layer",
    "norms": "verification.test_charges_check_norms",
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


CHANGES = [
    *changes(
        "checker",
        ("form_radii[:-1] + gamma", "gamma"),
        (" * sizes[:-1]", " * 0.0 * sizes[:-1]"),
        (" * sizes[:-1]", " / 2 * sizes[:-1]"),
        (" + of_constant", ""),
        (" + of_constant", " + of_constant / 2"),
        ("radii += block_product(errors, sizes)", "radii += 0.0 * block_product(errors, sizes)"),
        ("radii += block_product(errors, sizes)", "radii += 0.5 * block_product(errors, sizes)"),
        ("radii * (1.0 + gamma(n + 9)) + underflow", "radii + underflow"),
        (
            "radii * (1.0 + gamma(n + 9)) + underflow",
            "radii * (1.0 + gamma(n + 9) / 2) + underflow",
        ),
        ("n * values.shape[1] + sizes.sum(axis=0)", "sizes.sum(axis=0)"),
        ("n * values.shape[1] + sizes.sum(axis=0)", "n * values.shape[1]"),
        (
            "radii + 6 * UNIT_ROUNDOFF * (np.abs(values[:, :2]) + radii) + n * TINY",
            "radii + n * TINY",
        ),
        ("radii + 6 * UNIT_ROUNDOFF * (np.abs", "radii + 3 * UNIT_ROUNDOFF * (np.abs", SIX),
        (
            "(np.abs(values[:, :2]) + radii) + n * TINY",
            "(np.abs(values[:, :2]) + radii) + TINY",
        ),
        ("margin[:, 1] += gamma(n + 4) * spread", "pass"),
        (
            "margin[:, 1] += gamma(n + 4) * spread",
            "margin[:, 1] += gamma(n + 4) / 2 * spread",
        ),
        (
            "np.sqrt((slopes * slopes).sum(axis=1) + n * TINY)",
            "np.sqrt((slopes * slopes).sum(axis=1))",
        ),
        (
            "np.maximum(high - middle, middle - low) * (1 + 4 * UNIT_ROUNDOFF)",
            "np.maximum(high - middle, middle - low)",
        ),
        (
            "np.maximum(high - middle, middle - low) * (1 + 4 * UNIT_ROUNDOFF)",
            "(high - middle) * (1 + 4 * UNIT_ROUNDOFF)",
        ),
        (
            "step * (8 * UNIT_ROUNDOFF * np.abs(x) + TINY)",
            "step * 8 * UNIT_ROUNDOFF * np.abs(x)",
        ),
        ("step * (8 * UNIT_ROUNDOFF * np.abs(x) + TINY)", "step * TINY"),
        ("step * (8 * UNIT_ROUNDOFF", "step * (4 * UNIT_ROUNDOFF", EIGHT),
        ("np.abs(products) * gamma(roundings) + underflow", "0.0 * products + underflow"),
        (
            "np.abs(products) * gamma(roundings) + underflow",
            "np.abs(products) * gamma(roundings) / 2 + underflow",
        ),
        (
            "np.abs(products) * gamma(roundings) + underflow",
            "np.abs(products) * gamma(roundings)",
        ),
        (" = additions + (factors[in_classes] != 1.0)", " = additions"),
        ("errors + scale * error_c + UNIT_ROUNDOFF", "scale * error_c + UNIT_ROUNDOFF"),
        ("errors + scale * error_c + UNIT_ROUNDOFF", "errors + UNIT_ROUNDOFF"),
        ("(subtraction + product)", "(product)"),
        ("(subtraction + product)", "(subtraction / 2 + product)"),
        ("(subtraction + product)", "(subtraction)"),
        ("(subtraction + product)", "(subtraction + product / 2)"),
        (
            "beyond(scale * delta_low[representatives], -1.0)",
            "scale * delta_low[representatives]",
        ),
        (
            "beyond(scale * delta_high[representatives], 1.0)",
            "scale * delta_high[representatives]",
        ),
        ("beyond(b_low + delta_low, -1.0)", "b_low + delta_low"),
        ("beyond(b_high + delta_high, 1.0)", "b_high + delta_high"),
        ("beyond(delta_low - b_negative, -1.0)", "delta_low - b_negative"),
        (
            "beyond(delta_high + a_negative, 1.0)",
            "delta_high + a_negative",
            (
                "matters where -delta_high > q z_c >= 0 alone, and there `a_negative` has 8 u of"
                " delta_high to spare already"
            ),
        ),
        ("(a_negative + b_negative) / 2.0]", "(a_negative + b_negative) / 4.0]"),
        ("(high - low) / 2.0]", "(high - low) / 4.0]"),
        ("np.maximum(up, down) / 2.0]", "np.maximum(up, down) / 4.0]"),
        ("[chord, of_chord, of_chord]", "[chord, of_chord, of_chord / 2.0]"),
        ("rounding = 4 * UNIT_ROUNDOFF * of_values", "rounding = 0 * of_values"),
        ("of_values + underflow", "of_values"),
        (
            "(slope * radii[:, 1] + half) * (1 + 16 * UNIT_ROUNDOFF)",
            "(slope * radii[:, 1] + half)",
        ),
        (
            "(own_radii + z_radii) * (1 + 16 * UNIT_ROUNDOFF)",
            "(own_radii + z_radii)",
            "the next term charges 4 u of both radii, which one sum needs",
        ),
        ("(own_radii + z_radii) * (1 + 16", "own_radii * (1 + 16"),
        (" + 4 * UNIT_ROUNDOFF * of_sum", ""),
        (
            "errors[:n_outputs] + errors[n_outputs:] + subtraction",
            "errors[:n_outputs] + errors[n_outputs:]",
        ),
        (
            "errors[:n_outputs] + errors[n_outputs:] + subtraction",
            "errors[:n_outputs] + errors[n_outputs:] + subtraction / 2",
        ),
        (
            "errors[:n_outputs] + errors[n_outputs:] + subtraction",
            "errors[:n_outputs] + subtraction",
        ),
        (
            "errors[:n_outputs] + errors[n_outputs:] + subtraction",
            "errors[n_outputs:] + subtraction",
        ),
        ("np.maximum(-lows, 0.0)[:, None] / 2.0", "np.maximum(-lows, 0.0)[:, None] / 4.0"),
        ("(row_errors + relative * magnitudes)", "row_errors"),
        ("(row_errors + relative * magnitudes)", "(row_errors + relative / 2 * magnitudes)"),
        ("(row_errors + relative * magnitudes)", "(relative * magnitudes)"),
        ("(of_product + of_difference) * (1", "of_product * (1"),
        (
            "(of_product + of_difference) * (1 + relative) + TINY",
            "(of_product + of_difference) + TINY",
        ),
        ("* (1 + relative) + TINY * len(on)", "* (1 + relative)"),
        (
            "(kept_radii + replaced_radii) * (1 + 4 * UNIT_ROUNDOFF) + of_sum",
            "(kept_radii + replaced_radii) + of_sum",
        ),
        (
            "(kept_radii + replaced_radii) * (1 + 4 * UNIT_ROUNDOFF) + of_sum",
            "(kept_radii + replaced_radii) * (1 + 4 * UNIT_ROUNDOFF)",
        ),
        ("low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)", "pass"),
        ("distance**2 <= radius**2", "distance**2 < radius**2"),
        ("sum(v * v for v in u)", "sum(v * v for v in u) / 2"),
    ),
    *changes(
        "exact",
        ("max(-a, b)**2 <= margin**2 *", "max(-a, b)**2 <= 4 * margin**2 *"),
        ("max(-a, b)**2 <= margin**2 *", "max(-a, b)**2 < margin**2 *"),
        (
            "sum(c * c for i, c in z.items() if i)\n    if s > 0",
            "sum(c * c for i, c in y.items() if i)\n    if s > 0",
        ),
        ("b < unit(z)", "b <= unit(z)"),
        ("a > -s * unit(y)", "a >= -s * unit(y)"),
        ("max(-a, b) < s * least_magnitude(y, empty)", "max(-a, b) <= s * least_magnitude(y, empty)"),
        ("max(-a, b) < s * least_magnitude(y, empty)", "max(-a, b) < 2 * s * least_magnitude(y, empty)"),
        ("bounds(u, box)[0] <= bounds", "bounds(u, box)[0] < bounds"),
        ("isqrt((p * q << 400) - 1) + 1", "isqrt((p * q << 400) - 1)"),
        ("or low == 0 and (relu or first):", "or low == 0:"),
        (" <= v <= ", " - 9 <= v <= "),
        (" <= v <= ", " <= v <= 9 + "),
        ("<= Fraction(domain.radius)**2", "<= 2 * Fraction(domain.radius)**2"),
        ("min(t) >= 0 and ", ""),
        ("sum(t) == 1 and ", ""),
        (" and x == means", ""),
        ('f.activation == "binary" and any(is_on', "False and any(is_on"),
    ),
    *changes(
        "folded",
        ("(rounding + errors) * GUARD", "errors * GUARD"),
        ("(rounding + errors) * GUARD", "rounding * GUARD"),
        ("+ n * TINY * (1.0 + sizes.sum())", ""),
        (
            "np.append(1.0, np.abs(box).max(axis=0) * GUARD + TINY)",
            "np.append(1.0, np.abs(box).max(axis=0) + TINY)",
        ),
        (
            "* np.hypot.reduce(slopes, axis=1) * (1.0 + roundings * UNIT_ROUNDOFF)",
            "* np.hypot.reduce(slopes, axis=1)",
            (
                "`margin` charges n + 9 roundings of the same terms, of which a sum and a norm of"
                " n have no more"
            ),
        ),
        (
            "np.maximum(highest_gap, 0.0) * GUARD + TINY",
            "np.maximum(highest_gap, 0.0)",
            (
                "the line is off by two roundings of the row's terms, which `margin` charges: 6"
                " for each layer"
            ),
        ),
        (
            "np.maximum(highest_gap, 0.0) * GUARD + TINY",
            "np.maximum(highest_gap, 0.0) * 0.5",
        ),
        ("errors + (terms + np.abs(chosen)) @ row_errors", "errors"),
        ("np.where(sign < 0.0, -np.inf, down))", "-np.inf)"),
        ("np.where(sign > 0.0, np.inf, 0.0))\n", "np.inf)\n"),
        ("np.abs(W) @ errors + rounding\n", "rounding\n"),
        ("np.abs(W) @ errors + rounding\n", "np.abs(W) @ errors\n"),
        ("errors * GUARD + underflow", "errors * GUARD"),
        (
            "(W.shape[1] + 4) * (UNIT_ROUNDOFF * magnitude + TINY) * GUARD",
            "(W.shape[1] + 4) * TINY * GUARD",
        ),
        (
            "(W.shape[1] + 4) * (UNIT_ROUNDOFF * magnitude + TINY) * GUARD",
            "(W.shape[1] + 4) * UNIT_ROUNDOFF * magnitude * GUARD",
        ),
        ("(on @ off.T + off @ on.T + np.eye(len(signs)) > 0.0).all()", "True"),
        ("sum(1 << n - k for k in n_signs) == 1 << n", "True"),
        ("mu >= max(coefficient + rounding, 0.0)", "mu >= max(coefficient, 0.0)"),
        ("mu >= max(coefficient + rounding, 0.0)", "mu >= 0.0"),
        (
            "errors += np.maximum(top, abs(coefficient) * others[2]) * GUARD",
            "errors += 0.0 * top",
        ),
        ("errors + np.maximum(-low, 0.0), of_dead", "errors, of_dead"),
        ("errors + np.maximum(-low, 0.0), of_dead", "errors + np.maximum(-low, 0.0) / 2, of_dead"),
        ("errors + np.maximum(-low, 0.0), of_dead", "np.maximum(-low, 0.0), of_dead"),
        ("np.where(label == -1, np.maximum(high, 0.0), 0.0)", "0.0"),
        (
            "np.where(label == -1, np.maximum(high, 0.0), 0.0)",
            "np.where(label == -1, np.maximum(high, 0.0) / 2, 0.0)",
        ),
        ("(apart + rounding) * GUARD", "rounding * GUARD"),
        ("(apart + rounding) * GUARD", "(apart / 2 + rounding) * GUARD"),
        ("(errors[in_classes] + np.abs(s) * error_c)", "(np.abs(s) * error_c)"),
        ("(errors[in_classes] + np.abs(s) * error_c)", "(errors[in_classes])"),
        (
            "(np.abs(negative) * error_c + rounding) * GUARD",
            "rounding * GUARD",
            (
                "`difference` has the representative's error already, and |s| (U - row) is"
                " relu(-|s| row) within it: once is enough"
            ),
        ),
        ("rows_f[2] + rows_g[2]", "rows_f[2]"),
        ("rows_f[2] + rows_g[2]", "rows_g[2]"),
    ),
    *changes(
        "sorted",
        ("margin = gamma(20 * isqrt(n) + 90)", "margin = 0.0"),
        (
            "margin = gamma(20 * isqrt(n) + 90)",
            "margin = gamma(10 * isqrt(n) + 45)",
            "a term meets 4 sqrt(n) + 12 roundings in each of two places",
        ),
        ("margin += TINY * n", "margin += 0.0 * n"),
        (
            "(np.abs(values).max(axis=1) + margin) * (1.0 + 4.0 * UNIT_ROUNDOFF)",
            "(np.abs(values).max(axis=1) + margin)",
            "less than one of the 110 roundings that are charged at least",
        ),
        (
            "np.nextafter(float(low), -np.inf), np.nextafter(float(high), np.inf)",
            "float(low), float(high)",
            "one rounding of |w| X, of which 110 are charged at least",
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
            "2.0 * gamma(n + 4) * (np.abs(units) @ magnitude + ball)",
            "gamma(n + 4) * (np.abs(units) @ magnitude + ball)",
        ),
        (
            "2.0 * gamma(n + 4) * (np.abs(units) @ magnitude + ball)",
            "0.0 * (np.abs(units) @ magnitude + ball)",
        ),
        (" + np.abs(units) @ input_error", ""),
        (" + np.abs(units) @ input_error", " + np.abs(units) @ input_error / 2"),
        ('self.domain.norm_bound if self.bound == "ball" else 0.0', "0.0"),
        ("np.where(high - low <= error, low, high)", "high"),
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
        ("np.abs(constants) <= norms * space.rounding_error(W)", "np.abs(constants) <= 0.0"),
        (
            "np.abs(constants) <= norms * space.rounding_error(W)",
            "np.abs(constants) <= norms * space.rounding_error(W) / 4",
        ),
        ("high - low <= space.rounding_error(W)", "high - low <= 0.0"),
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
        ("local = gamma(n + 2 + extra) * (terms + np.abs(b))", "local = 0.0 * (terms + np.abs(b))"),
        (
            "local = gamma(n + 2 + extra) * (terms + np.abs(b))",
            "local = gamma(n + 2 + extra) / 2 * (terms + np.abs(b))",
        ),
        ("(propagated + local) * (1.0", "local * (1.0"),
        ("(propagated + local) * (1.0", "(propagated / 2 + local) * (1.0"),
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
        (
            "error = gamma(n + 4) * (np.abs(W) @ A + np.abs(b))",
            "error = 0.0 * (np.abs(W) @ A + np.abs(b))",
        ),
        ("+ np.abs(b)) + 4.0 * SMALLEST * (n + 2 + A.sum())", "+ np.abs(b))"),
        ("52 - np.frexp", "56 - np.frexp"),
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
        ),
        ("margin = gamma(p + 8) * spread + p * SMALLEST", "margin = p * SMALLEST"),
        (
            "margin = gamma(p + 8) * spread + p * SMALLEST",
            "margin = gamma(p + 8) / 2 * spread + p * SMALLEST",
        ),
        ("margin = gamma(p + 8) * spread + p * SMALLEST", "margin = gamma(p + 8) * spread"),
        ("spread *= 1.0 + gamma(p + 2)", "pass"),
        ("spread *= 1.0 + gamma(p + 2)", "spread *= 1.0 + gamma(p + 2) / 2"),
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
        "relu",
        (
            "(4.0 * UNIT_ROUNDOFF * np.abs(values) + SMALLEST)",
            "(UNIT_ROUNDOFF * np.abs(values) + SMALLEST)",
        ),
        (
            "(4.0 * UNIT_ROUNDOFF * np.abs(values) + SMALLEST)",
            "4.0 * UNIT_ROUNDOFF * np.abs(values)",
        ),
        ("_outward(factors[:, np.newaxis] * end, step)", "factors[:, np.newaxis] * end"),
        ("_outward(multiple + end, step)", "multiple + end"),
        ("_outward(d[0] - below_b, -1.0)", "d[0] - below_b"),
        (
            "_outward(d[1] + below_a, 1.0)",
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
NORMS = changes(
    "norms",
    ("* (1.0 + gamma(n + 4)) + n * 2.0**-500", "+ n * 2.0**-500"),
    ("(1.0 + gamma(n + 4)) + n * 2.0**-500", "(1.0 + gamma(n + 4))"),
    ("error = V.T @ V, gamma(m + 4) * norm(V.ravel()) ** 2", "error = V.T @ V, 0.0"),
    (
        "error = V.T @ V, gamma(m + 4) * norm(V.ravel()) ** 2",
        "error = V.T @ V, gamma(m + 4) / 2 * norm(V.ravel()) ** 2",
    ),
    (
        "np.maximum(high - self.middle, self.middle - low) * (1.0 + 4.0 * UNIT_ROUNDOFF)",
        "np.maximum(high - self.middle, self.middle - low)",
    ),
    ("margin = gamma(n + 6) * magnitude + TINY * (n + 6)", "margin = TINY * (n + 6)"),
    (
        "margin = gamma(n + 6) * magnitude + TINY * (n + 6)",
        "margin = gamma(n + 6) / 2 * magnitude + TINY * (n + 6)",
    ),
    ("margin = gamma(n + 6) * magnitude + TINY * (n + 6)", "margin = gamma(n + 6) * magnitude"),
    ("relative = UNIT_ROUNDOFF *", "relative = 0.0 *"),
    ("relative = UNIT_ROUNDOFF *", "relative = UNIT_ROUNDOFF / 2 *"),
    (
        "inexact @ h.largest) * (1.0 + gamma(n + 8))",
        "inexact @ h.largest)",
        "the bound itself is charged n + 16 roundings in the end",
    ),
    (
        "inexact @ h.largest) * (1.0 + gamma(n + 8))",
        "inexact @ h.largest) * (1.0 + gamma(n + 8) / 2)",
        "the bound itself is charged n + 16 roundings in the end",
    ),
    ("of_beta = 4.0 * UNIT_ROUNDOFF", "of_beta = 0.0"),
    ("+ gamma(n + 8) * terms + of_beta", "+ of_beta"),
    ("+ gamma(n + 8) * terms + of_beta", "+ gamma(n + 8) / 2 * terms + of_beta"),
    (" + TINY * (8.0 * n + 16.0 + h.largest.sum())", ""),
    ("[t + down, up, np.abs(q) / 2.0 + t]", "[t + down / 2.0, up, np.abs(q) / 2.0 + t]"),
    ("[t + down, up, np.abs(q) / 2.0 + t]", "[t + down, up / 2.0, np.abs(q) / 2.0 + t]"),
    ("[t + down, up, np.abs(q) / 2.0 + t]", "[t + down, up, np.abs(q) / 2.0 + t / 2.0]"),
    ("np.maximum(np.maximum(-z_f[0], -z_g[0]), 0.0)", "np.maximum(-z_f[0], 0.0)"),
    ("np.maximum(np.maximum(z_f[1], z_g[1]), 0.0)", "np.maximum(z_f[1], 0.0)"),
)
CHANGES += NORMS


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
