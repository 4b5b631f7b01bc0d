"""Put the same questions to general solvers: a textbook big-M MILP by SciPy's HiGHS, and Marabou.

Both see the networks as they are: nothing is scaled or put into reduced form. z = W h + b with interval
bounds [l, u]; h = max(z, 0) is h >= 0, h >= z, h <= u delta, h <= z - l (1 - delta), delta in {0, 1}.
ReLU networks over a Box, a Hull or an interval.
"""
from __future__ import annotations

import importlib.util
import multiprocessing
import time
from math import inf
from typing import NamedTuple

import numpy as np

import reducednet as rn


TOLERANCE = 1e-4  # Marabou's own are of the order of 1e-6 a constraint, those of HiGHS 1e-6 and 1e-7


class Answer(NamedTuple):
    """What a solver says of max |f - g|: "at most" or "above" the eps, "undecided" or "failed"; its bounds."""

    status: str
    gap: float
    bound: float
    seconds: float


class Program:
    """Variables with bounds and linear constraints low <= row.v <= high, added one after another."""

    def __init__(self):
        self.low, self.high, self.integer, self.rows, self.relus = [], [], [], [], []
        self.n_inputs = 0

    def variables(self, low, high, integer=False):
        """Add variables and return their indices."""
        first = len(self.low)
        self.low += [float(v) for v in low]
        self.high += [float(v) for v in high]
        self.integer += [integer] * len(low)
        return np.arange(first, len(self.low))

    def constrain(self, indices, coefficients, low, high):
        self.rows.append((np.asarray(indices), np.asarray(coefficients, dtype=float), low, high))


def inputs(program, domain):
    """Add x in the domain, and return its variables and their bounds."""
    low, high = domain.bounding_box()
    x = program.variables(low, high)
    program.n_inputs = len(x)
    if isinstance(domain, rn.Hull):
        n = len(domain.points)
        t = program.variables(np.zeros(n), np.ones(n))
        program.constrain(t, np.ones(n), 1.0, 1.0)
        for i, index in enumerate(x):
            program.constrain([*t, index], [*domain.points[:, i], -1.0], 0.0, 0.0)
    return x, low, high


def add_affine(program, W, b, h, low, high):
    """Add z = W h + b with interval bounds; return z and its bounds."""
    plus, minus = np.maximum(W, 0.0), np.minimum(W, 0.0)
    lower, upper = plus @ low + minus @ high + b, plus @ high + minus @ low + b
    z = program.variables(lower, upper)
    for index, row, t in zip(z, W, b):
        program.constrain([*h, index], [*row, -1.0], -t, -t)
    return z, lower, upper


def add_network(program, network, x, low, high, big_m=True):
    """Add the network's variables; return those of its outputs and their bounds."""
    h = x
    for W, b in zip(network.weights, network.thresholds):
        z, lower, upper = add_affine(program, W, b, h, low, high)
        low, high = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
        h = program.variables(low, high)
        for j in range(len(b)):
            if big_m:
                add_big_m(program, z[j], h[j], lower[j], upper[j])
            else:
                program.relus.append((int(z[j]), int(h[j])))
    bias = np.zeros(len(network.output_weights)) if network.output_bias is None else network.output_bias
    return add_affine(program, network.output_weights, bias, h, low, high)


def add_big_m(program, z, h, lower, upper):
    """Add h = max(z, 0) with z in [lower, upper]."""
    if upper <= 0.0:
        return  # h has the bounds [0, 0]
    if lower >= 0.0:
        program.constrain([h, z], [1.0, -1.0], 0.0, 0.0)
        return
    (delta,) = program.variables([0.0], [1.0], integer=True)
    program.constrain([h, z], [1.0, -1.0], 0.0, inf)
    program.constrain([h, delta], [1.0, -upper], -inf, 0.0)
    program.constrain([h, z, delta], [1.0, -1.0, -lower], -inf, -lower)


def difference_program(f, g, domain, big_m=True):
    """Return (program, variables of f's outputs, of g's)."""
    program = Program()
    x, low, high = inputs(program, domain)
    y, *_ = add_network(program, f, x, low, high, big_m)
    v, *_ = add_network(program, g, x, low, high, big_m)
    return program, y, v


def milp(f, g, domain, eps, tolerance=TOLERANCE, time_limit=60.0):
    """Maximise each +-(f_k - g_k) by scipy.optimize.milp; above means by more than eps + tolerance."""
    from scipy.optimize import Bounds, LinearConstraint, milp as solve
    from scipy.sparse import coo_array

    began = time.perf_counter()
    program, y, v = difference_program(f, g, domain)
    n = len(program.low)
    i = np.concatenate([np.full(len(row[0]), k) for k, row in enumerate(program.rows)])
    j, values = (np.concatenate([row[part] for row in program.rows]) for part in (0, 1))
    matrix = coo_array((values, (i, j)), shape=(len(program.rows), n)).tocsr()
    limits = LinearConstraint(matrix, *([row[part] for row in program.rows] for part in (2, 3)))
    gap, bound, ok = 0.0, 0.0, True
    for k in range(len(y)):
        for sign in (1.0, -1.0):
            objective = np.zeros(n)
            objective[y[k]], objective[v[k]] = -sign, sign
            left = max(0.1, time_limit - (time.perf_counter() - began))
            result = solve(objective, integrality=np.array(program.integer, dtype=int), constraints=limits,
                           bounds=Bounds(program.low, program.high), options={"time_limit": left})
            gap = max(gap, -result.fun) if result.fun is not None else gap
            dual = getattr(result, "mip_dual_bound", None)
            bound = max(bound, inf if dual is None else -dual)
            ok = ok and result.status in (0, 1)
    seconds = time.perf_counter() - began
    if gap > eps + tolerance:
        return Answer("above", gap, bound, seconds)
    if not ok:
        return Answer("failed", gap, bound, seconds)
    return Answer("at most" if bound <= eps + tolerance else "undecided", gap, bound, seconds)


def marabou(f, g, domain, eps, tolerance=TOLERANCE, time_limit=60.0):
    """Ask Marabou for an x with +-(f_k - g_k) >= eps + tolerance, output by output."""
    from maraboupy import MarabouCore

    began, threshold = time.perf_counter(), eps + tolerance
    status = "at most"
    for k in range(len(f.output_weights)):
        for sign in (1.0, -1.0):
            program, y, v = difference_program(f, g, domain, big_m=False)
            query = marabou_query(program, [(int(y[k]), sign), (int(v[k]), -sign)], threshold)
            options = MarabouCore.Options()
            options._verbosity = 0
            options._timeoutInSeconds = max(1, int(time_limit - (time.perf_counter() - began)))
            try:
                code = MarabouCore.solve(query, options, "")[0]
            except Exception:  # whatever its C++ core throws
                code = "failed"
            if code == "sat":
                return Answer("above", threshold, inf, time.perf_counter() - began)
            if code != "unsat":
                status = "undecided" if code.lower() in ("timeout", "unknown") else "failed"
    return Answer(status, 0.0, threshold if status == "at most" else inf, time.perf_counter() - began)


def marabou_query(program, difference, threshold):
    """Return the program as an InputQuery that asks for a difference of at least the threshold."""
    from maraboupy import MarabouCore

    query = MarabouCore.InputQuery()
    query.setNumberOfVariables(len(program.low))
    for index, (low, high) in enumerate(zip(program.low, program.high)):
        query.setLowerBound(index, low)
        query.setUpperBound(index, high)
    for i in range(program.n_inputs):  # without these its search may not end
        query.markInputVariable(i, i)
    for indices, coefficients, low, _ in program.rows:  # all are equations here
        equation = MarabouCore.Equation(MarabouCore.Equation.EQ)
        for index, value in zip(indices, coefficients):
            equation.addAddend(float(value), int(index))
        equation.setScalar(float(low))
        query.addEquation(equation)
    equation = MarabouCore.Equation(MarabouCore.Equation.GE)
    for index, value in difference:
        equation.addAddend(value, index)
    equation.setScalar(threshold)
    query.addEquation(equation)
    for z, h in program.relus:
        MarabouCore.addReluConstraint(query, z, h)
    return query


def ours(f, g, domain, eps, tolerance=TOLERANCE, time_limit=60.0):
    """Ask rn.verify whether |f - g| <= eps + tolerance."""
    verdict = rn.verify(f, g, domain, eps=eps + tolerance, time_limit=time_limit)
    status = {"equivalent": "at most", "not_equivalent": "above", "unknown": "undecided"}[verdict.status]
    return Answer(status, verdict.gap, verdict.bound, verdict.seconds)


def rescaled(solver):
    """Return the solver, asked about `rn.rescale(f)` and `rn.rescale(g)`: the same functions, unit-sized rows."""
    return lambda f, g, *rest, **options: solver(rn.rescale(f), rn.rescale(g), *rest, **options)


def killed_in_time(solver):
    """Return the solver, run in a process of its own that is killed when it overstays its time limit."""
    def run(connection, arguments, options):
        connection.send(solver(*arguments, **options))

    def bounded(*arguments, time_limit=60.0, **options):
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(sender, arguments, {**options, "time_limit": time_limit}))
        process.start()
        sender.close()
        try:
            in_time = receiver.poll(1.5 * time_limit + 1.0)
            return receiver.recv() if in_time else Answer("undecided", 0.0, inf, time_limit)
        except EOFError:  # it crashed
            return Answer("failed", 0.0, inf, 0.0)
        finally:
            process.kill()
            process.join()

    return bounded


def solvers():
    """Return name -> solver of those that are installed."""
    found = {"reducednet": ours, "milp": milp, "milp, rescaled": rescaled(milp)}
    if importlib.util.find_spec("maraboupy") is not None:
        own = killed_in_time(marabou)
        found.update({"marabou": own, "marabou, rescaled": rescaled(own)})
    return found
