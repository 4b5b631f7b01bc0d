"""Read questions about two networks from VNN-LIB 2.0 files, for `verify`.

A file declares two networks, f first, and asserts conditions on their inputs and outputs. It asks
whether an input fulfils all of them: that would be a counterexample, so the conditions on outputs
are the negation of what is to be proved. Two questions are understood, with the same box of inputs
for both networks:

* values: one of f_i - g_i > eps, g_i - f_i > eps holds for some of the outputs i listed;
* top1: for some outputs j != k all f_j - f_i > delta (i != j) and g_k > g_j.

Some files state what is required to hold instead: all |f_i - g_i| <= eps. That can be said when
they are read (`required`). Every other question is refused with its reason.

The text is parsed by the package `vnnlib`, after its length and the depth of its parentheses were
checked. Numbers are rationals until the end, where the bounds of inputs are rounded to float64.
"""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .._validation import library
from ..domains import Box
from .vnnlib import bounded_text, commands

MOST_CHARACTERS = 1 << 22
"""The longest text that is given to the parser, which takes many times its memory."""
MOST_ALTERNATIVES = 10_000
"""The largest number of alternatives that conditions on outputs may be expanded to."""
MOST_DIGITS = 400
"""The most characters of a number."""

Variable = tuple[str, int, int]
"""("input" or "output", number of the network, index)."""


class Condition(NamedTuple):
    """sum of coefficients times variables + constant > 0, or >= 0 if it is closed."""

    terms: dict[Variable, Fraction]
    constant: Fraction
    closed: bool

    def negated(self) -> Condition:
        """Return the condition that holds where this one does not."""
        terms = {variable: -value for variable, value in self.terms.items()}
        return Condition(terms, -self.constant, not self.closed)

    def is_about(self, kind: str) -> bool:
        """Return True if a variable is of this kind, "input" or "output"."""
        return any(variable[0] == kind for variable in self.terms)


class Question(NamedTuple):
    """A question that `verify` can answer.

    box : Box
    target : "values" or "top1"
    limit : Fraction
        The eps or delta, exactly.
    closed : bool
        True if a difference, or a lead, of exactly the limit is a counterexample too.
    outputs : tuple of int
        The outputs that are compared; with "top1" all.
    sizes : tuple of two ints
        The numbers of inputs and of outputs that the file declares.
    """

    box: Box
    target: str
    limit: Fraction
    closed: bool
    outputs: tuple[int, ...]
    sizes: tuple[int, int]

    @property
    def tolerance(self) -> float:
        """The largest float64 that can stand for the limit in a proof: at most it, or below it."""
        value = _rounded(self.limit)
        while Fraction(value) > self.limit or self.closed and Fraction(value) == self.limit:
            value = float(np.nextafter(value, -np.inf))
        return value

    def is_refuted_by(self, gap: float) -> bool:
        """Return True if a point that refutes the tolerance is a counterexample of the file.

        The tolerance may be a little below the limit, and the gap, rounded down, is no more than the
        exact difference or lead at the point, which is above the tolerance.
        """
        if self.closed:
            return Fraction(gap) >= self.limit
        return Fraction(self.tolerance) == self.limit or Fraction(gap) > self.limit


def is_version_2(text: str) -> bool:
    """Return True if the text declares a network, as VNN-LIB 2.0 does."""
    return re.search(r"^\s*\(\s*(vnnlib-version|declare-network)\b", text, re.MULTILINE) is not None


def read_box(text: str) -> Box:
    """Return the box of the inputs of all networks in a VNN-LIB 2.0 text, ties included.

    Raises
    ------
    ImportError
        If the package vnnlib is missing.
    ValueError
        If the text is no VNN-LIB 2.0, or its conditions describe no box of one network's inputs.
    """
    query = parsed(text)
    sizes = _sizes(query)
    return _box(_sorted_conditions(query)[0], sizes[0], query)


def read_question(path: str, required: bool = False) -> Question:
    """Read the question of a .vnnlib or .vnnlib.gz file.

    Parameters
    ----------
    path : str
    required : bool
        The conditions on outputs say what has to hold, not what a counterexample fulfils.

    Raises
    ------
    ImportError
        If the package vnnlib is missing: ``pip install vnnlib``.
    ValueError
        If the file is no VNN-LIB 2.0 text, or asks what `verify` cannot answer.
    """
    text = bounded_text(path)
    if not is_version_2(text):
        raise ValueError("a question about two networks is a VNN-LIB 2.0 text, which declares them; "
                         "`--domain` reads the box of a file of version 1")
    query = parsed(text)
    if len(query.networks) != 2:
        raise ValueError(f"the file is about {_count(len(query.networks), 'network')}: only questions "
                         "about two can be asked (`--domain` reads its box)")
    sizes = _sizes(query)
    on_inputs, alternatives = _sorted_conditions(query)
    box = _box(on_inputs, sizes[0], query)
    if alternatives == [[]]:
        raise ValueError("the file has no condition on outputs: it asks nothing about them")
    if required:
        alternatives = _negated(alternatives)
    if all(len(one) == 1 for one in alternatives):
        return _about_values(box, alternatives, sizes)
    if len(alternatives) == 1 and all(_difference(one) is not None for one in alternatives[0]):
        raise ValueError(
            "the file asks for an input where all differences are small, which `verify` does not look "
            "for; if it states what has to hold, say so (`required`, on the command line `--required`)")
    return _about_decisions(box, alternatives, sizes)


# the text


def parsed(text: str) -> Any:
    """Return the query of the package vnnlib, after limits of its length and depth were checked."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"a VNN-LIB 2.0 text of at most {MOST_CHARACTERS} characters is read, this "
                         f"one has {len(text)}")
    for _ in commands(text.split("\n")):
        pass
    vnnlib = library("vnnlib", "reading VNN-LIB 2.0 files")
    try:
        return vnnlib.parse_query_string(text)
    except (vnnlib.VNNLibException, RuntimeError, ValueError, LookupError) as error:
        raise ValueError(f"not a VNN-LIB 2.0 text: {_first_error(str(error))}") from None


def _first_error(text: str) -> str:
    """Return the first of the errors that the package reports, in one line."""
    try:
        first = json.loads(text)["errors"][0]
        return f"line {first['line']}: {first['message']} {first['offendingSymbol']}"[:200]
    except (ValueError, LookupError, TypeError):
        return " ".join(text.split())[:200]


def _sizes(query: Any) -> tuple[int, int]:
    """Return the numbers of inputs and outputs, which are those of all networks."""
    found = set()
    for network in query.networks:
        parts = network.inputs, network.outputs
        if any(len(part) != 1 for part in parts):
            raise ValueError(f"network {network.name} must have one input and one output array, got "
                             f"{len(parts[0])} and {len(parts[1])}")
        sizes = _product(parts[0][0].shape), _product(parts[1][0].shape)
        if not 1 <= min(sizes) <= max(sizes) <= MOST_CHARACTERS // 8:
            raise ValueError(f"network {network.name} has too many inputs or outputs, or none: {sizes}")
        found.add(sizes)
    if len(found) != 1:
        raise ValueError("the networks have different numbers of inputs or outputs")
    return found.pop()


def _product(shape: Sequence[int]) -> int:
    """Return the number of entries of an array."""
    result = 1
    for length in shape:
        result *= int(length)
    return result


# conditions


def _sorted_conditions(query: Any) -> tuple[list[Condition], list[list[Condition]]]:
    """Return the conditions on inputs, which all hold, and the alternatives for outputs.

    Each alternative is a list of conditions that hold together. In an `or` the alternatives may
    have conditions on inputs too, if they are the same in all.
    """
    numbers = {network.name: number for number, network in enumerate(query.networks)}
    on_inputs: list[Condition] = []
    alternatives: list[list[Condition]] = [[]]
    for assertion in query.assertions:
        expanded = _alternatives(assertion.expr, numbers)
        inputs = [[one for one in part if not one.is_about("output")] for part in expanded]
        if any(sorted(map(repr, part)) != sorted(map(repr, inputs[0])) for part in inputs):
            raise ValueError("an `or` whose alternatives bound the inputs differently: the inputs "
                             f"must be one box ({str(assertion.expr)[:60]})")
        on_inputs += inputs[0]
        outputs = [[one for one in part if one.is_about("output")] for part in expanded]
        if any(outputs):
            alternatives = _joined(alternatives, outputs)
    return on_inputs, alternatives


def _joined(
    alternatives: list[list[Condition]], others: list[list[Condition]]
) -> list[list[Condition]]:
    """Return the alternatives of both holding."""
    if len(alternatives) * len(others) > MOST_ALTERNATIVES:
        raise ValueError(f"the conditions on outputs have more than {MOST_ALTERNATIVES} alternatives")
    return [one + other for one, other in product(alternatives, others)]


def _alternatives(expression: Any, numbers: dict[str, int]) -> list[list[Condition]]:
    """Return the alternatives of a Boolean expression."""
    kind = type(expression).__name__
    if kind == "And":
        result: list[list[Condition]] = [[]]
        for part in expression.args:
            result = _joined(result, _alternatives(part, numbers))
        return result
    if kind == "Or":
        return [one for part in expression.args for one in _alternatives(part, numbers)]
    return [_conditions(expression, numbers)]


def _conditions(comparison: Any, numbers: dict[str, int]) -> list[Condition]:
    """Return the conditions of a comparison: two closed ones for ==."""
    kind = type(comparison).__name__
    left, right = _linear(comparison.lhs, numbers), _linear(comparison.rhs, numbers)
    rising, falling = _sum(left, right, -1), _sum(right, left, -1)
    if kind in ("GreaterThan", "GreaterEqual"):
        return [Condition(*rising, kind == "GreaterEqual")]
    if kind in ("LessThan", "LessEqual"):
        return [Condition(*falling, kind == "LessEqual")]
    if kind == "Equal":
        return [Condition(*rising, True), Condition(*falling, True)]
    raise ValueError(f"a condition that is no <, <=, ==, >= or >: {str(comparison)[:60]}")


Linear = tuple[dict[Variable, Fraction], Fraction]
"""The coefficients of variables, and a constant."""


def _linear(expression: Any, numbers: dict[str, int]) -> Linear:
    """Return a linear expression; ValueError if it is none."""
    kind = type(expression).__name__
    if kind == "Var":
        return {_variable(expression, numbers): Fraction(1)}, Fraction(0)
    if kind in ("Float", "Int", "IntExpr", "Literal"):
        return {}, _number(expression.lexeme)
    if kind == "Negate":
        return _sum(({}, Fraction(0)), _linear(expression.expr, numbers), -1)
    if kind == "Minus":
        result = _linear(expression.head, numbers)
        for part in expression.rest:
            result = _sum(result, _linear(part, numbers), -1)
        return result
    parts = [_linear(part, numbers) for part in expression.args]
    result = parts[0]
    for part in parts[1:]:
        if kind == "Plus":
            result = _sum(result, part, 1)
        elif kind == "Multiply" and not (result[0] and part[0]):
            (terms, constant), factor = (part, result[1]) if part[0] else (result, part[1])
            result = {name: factor * value for name, value in terms.items()}, factor * constant
        else:
            raise ValueError(f"an expression that is not linear: {str(expression)[:60]}")
    return result


def _sum(one: Linear, other: Linear, sign: int) -> Linear:
    """Return one + sign other, without terms that cancel."""
    terms = dict(one[0])
    for variable, value in other[0].items():
        terms[variable] = terms.get(variable, Fraction(0)) + sign * value
    return {name: value for name, value in terms.items() if value}, one[1] + sign * other[1]


def _variable(variable: Any, numbers: dict[str, int]) -> Variable:
    """Return the variable with one index, counted through its array."""
    kind = variable.kind.name.lower()
    if kind not in ("input", "output"):
        raise ValueError(f"a condition on {variable.name}, which is neither an input nor an output")
    index = 0
    for position, length in zip(variable.indices, variable.shape, strict=True):
        index = index * int(length) + int(position)
    return kind, numbers[variable.network_name], index


def _number(lexeme: str) -> Fraction:
    """Return a number exactly."""
    if len(lexeme) > MOST_DIGITS:
        raise ValueError(f"a number of more than {MOST_DIGITS} characters: {lexeme[:20]}...")
    return Fraction(lexeme)


# inputs


def _box(conditions: list[Condition], n_inputs: int, query: Any) -> Box:
    """Return the box of the inputs, which all networks share; ValueError if there is none."""
    low: list[Fraction | None] = [None] * n_inputs
    high: list[Fraction | None] = [None] * n_inputs
    tied: set[tuple[int, int, int]] = set()
    for one in conditions:
        if not one.closed:
            raise ValueError("a bound of an input by < or >: only <= and >= describe a box")
        if len(one.terms) == 1:
            ((_, _, i), factor), = one.terms.items()
            bound = -one.constant / factor
            if factor > 0:
                low[i] = bound if low[i] is None else max(bound, low[i])  # type: ignore[type-var]
            else:
                high[i] = bound if high[i] is None else min(bound, high[i])  # type: ignore[type-var]
        elif one.terms or one.constant < 0:
            tied.add(_tie(one))
    for i in range(n_inputs):
        names = [f"{network.inputs[0].name}[{i}]" for network in query.networks]
        if len(names) == 2 and not {(i, 0, 1), (i, 1, 0)} <= tied:
            raise ValueError(f"{names[0]} and {names[1]} are not tied by ==: both networks must have "
                             "equal inputs")
        if low[i] is None or high[i] is None:
            side = "lower" if low[i] is None else "upper"
            raise ValueError(f"the file declares no box: {names[0]} has no {side} bound")
        if low[i] > high[i]:  # type: ignore[operator]
            raise ValueError(f"the bounds of {names[0]} contradict each other")
    return Box(*([_rounded(value) for value in side] for side in (low, high)))  # type: ignore[arg-type]


def _rounded(value: Fraction) -> float:
    """Return the nearest float64; ValueError if there is none."""
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number beyond float64") from None


def _tie(condition: Condition) -> tuple[int, int, int]:
    """Return (i, network, other) of network's x_i >= other's x_i; ValueError for anything else."""
    signs = {value: variable for variable, value in condition.terms.items()}
    if len(condition.terms) == 2 and not condition.constant and condition.closed and len(signs) == 2:
        (up, more), (down, less) = sorted(signs.items(), reverse=True)
        if up == -down and more[2] == less[2] and more[1] != less[1]:
            return more[2], more[1], less[1]
    raise ValueError("a condition on inputs that is neither a bound of one of them nor x_f[i] == x_g[i]")


# what is asked


def _negated(alternatives: list[list[Condition]]) -> list[list[Condition]]:
    """Return the negation of conditions that are all required."""
    if len(alternatives) != 1:
        raise ValueError("what is required must be conditions on outputs that hold together, no `or`")
    return [[one.negated()] for one in alternatives[0]]


def _difference(condition: Condition) -> tuple[int, int, Fraction] | None:
    """Return (i, sign, limit) of sign (f_i - g_i) > limit, or None if it is no such condition."""
    terms = list(condition.terms.items())
    if len(terms) != 2 or terms[0][1] != -terms[1][1]:
        return None
    (one, factor), (other, _) = terms
    if one[1] == other[1] or one[2] != other[2] or {one[0], other[0]} != {"output"}:
        return None
    sign = 1 if (factor > 0) == (one[1] == 0) else -1
    return one[2], sign, -condition.constant / abs(factor)


def _about_values(box: Box, alternatives: list[list[Condition]], sizes: tuple[int, int]) -> Question:
    """Return the question |f_i - g_i| <= eps for the outputs of these alternatives."""
    found: dict[tuple[int, int], tuple[Fraction, bool]] = {}
    for (condition,) in alternatives:
        difference = _difference(condition)
        if difference is None:
            raise ValueError("a condition on outputs that is no difference f[i] - g[i] of one output of "
                             "both networks")
        i, sign, limit = difference
        if found.setdefault((i, sign), (limit, condition.closed)) != (limit, condition.closed):
            raise ValueError(f"output {i} is compared twice, with different tolerances")
    if len(set(found.values())) != 1:
        raise ValueError("the outputs are compared with different tolerances")
    outputs = sorted({i for i, _ in found})
    for i in outputs:
        if not {(i, 1), (i, -1)} <= found.keys():
            raise ValueError(f"only one side of the difference of output {i} is compared")
    limit, closed = next(iter(found.values()))
    if limit < 0 or limit == 0 and closed:
        raise ValueError(f"differences of at least {float(limit):.3g}: every input is a counterexample")
    return Question(box, "values", limit, closed, tuple(outputs), sizes)


def _about_decisions(
    box: Box, alternatives: list[list[Condition]], sizes: tuple[int, int]
) -> Question:
    """Return the question whether g decides as f, for alternatives of all pairs of outputs."""
    n_outputs, pairs, limits = sizes[1], set(), set()
    for conditions in alternatives:
        leads = [one for one in conditions if _sides(one)[0] == {0}]
        excess = [one for one in conditions if _sides(one)[0] == {1}]
        fit = len(leads) + len(excess) == len(conditions) and len(excess) == 1
        ups = {_sides(one)[1] for one in leads}
        if not fit or len(ups) != 1 or {_sides(one)[2] for one in leads} | ups != set(range(n_outputs)):
            raise ValueError(
                "the conditions on outputs are neither differences f[i] - g[i] nor, for outputs j != "
                "k, f[j] > f[i] + delta for all i != j and g[k] > g[j]")
        _, k, j = _sides(excess[0])
        if j not in ups or excess[0].constant:
            raise ValueError("the condition on the second network is not g[k] > g[j] for the first's j")
        if excess[0].closed:
            raise ValueError("g[k] >= g[j] counts ties as counterexamples: only g[k] > g[j] can be asked")
        pairs.add((j, k))
        limits |= {(-one.constant / max(one.terms.values()), one.closed) for one in leads}
    if len(limits) != 1:
        raise ValueError("the outputs of the first network have to lead by different numbers")
    if len(pairs) != n_outputs * (n_outputs - 1):
        raise ValueError(f"only {len(pairs)} of the {n_outputs * (n_outputs - 1)} pairs of outputs are "
                         "asked about")
    (limit, closed), = limits
    if limit < 0 or limit == 0 and closed:
        raise ValueError("the first network's output must lead by more than 0: ties decide nothing")
    return Question(box, "top1", limit, closed, tuple(range(n_outputs)), sizes)


def _sides(condition: Condition) -> tuple[set[int], int, int]:
    """Return the networks of a condition, and (j, i) of v_j - v_i > limit; -1 for anything else."""
    networks = {variable[1] for variable in condition.terms}
    terms = sorted(condition.terms.items(), key=lambda term: -term[1])
    if len(terms) != 2 or terms[0][1] != -terms[1][1]:
        return set(), -1, -1
    return networks, terms[0][0][2], terms[1][0][2]


def _count(n: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
