"""Measure proofs of equality against exact truth and the clock: the table of the targets.

    python benchmarks/verification.py [--truth 10000] [--rows 1,3,...] [--solvers] [--jobs 1] [--json]

Row 1: random pairs whose largest difference is known exactly (tests/oracles/exact_truth.py), each with an eps
below, at or above it; 2: the counterexamples of these; 3 to 7: built networks; 8: real ones, from the
folder REDUCEDNET_NETS. `--solvers` puts the same questions to scipy.optimize.milp and to Marabou, where
maraboupy is installed. Times are seconds of one call, medians of up to three on fresh records, after
one small call. Set OMP_NUM_THREADS=1 for one thread.
"""
from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

import reducednet as rn
import verification_cases as cases
from verification_solvers import TOLERANCE, solvers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from oracles.exact_judge import complaints, thresholds_to_ask, wrong_counterexample  # noqa: E402
from oracles.exact_truth import BINARY, exact_difference, pairs, supremum  # noqa: E402

CHUNK = 100


def judged(pair, asked, time_limit):
    """Return a record of one verdict: the pair's kind, the status, what is wrong with it, its seconds."""
    f, g, domain, kind = pair
    began = time.perf_counter()
    try:
        verdict = rn.verify(f, g, domain, eps=asked, time_limit=time_limit)
    except Exception as error:  # a crash is a finding like any other
        return {"kind": kind, "status": "raised", "wrong": [f"{type(error).__name__}: {error}"], "seconds": 0.0}
    seconds = time.perf_counter() - began
    wrong = complaints(f, g, domain, verdict, asked)
    if seconds > 1.2 * time_limit + 0.1:
        wrong.append(f"{seconds:.1f} s, the limit being {time_limit} s")
    return {"kind": kind, "asked": asked, "status": verdict.status, "wrong": wrong, "seconds": seconds,
            "counterexample": verdict.counterexample is not None,
            "off a margin": verdict.status == "equivalent" and supremum(f, g, domain).value > verdict.eps}


def chunk(seed, number, n, time_limit):
    """Return the records of n pairs; a wrong one holds what is needed to draw its pair again."""
    rng = np.random.default_rng([seed, number, 1])
    records = []
    for index, pair in enumerate(pairs(n, [seed, number])):
        choices = thresholds_to_ask(supremum(*pair[:3]).value)
        record = judged(pair, choices[rng.integers(len(choices))], time_limit)
        records.append({**record, "pair": (number, index, n)})
    return records


def truth_rows(n, seed, jobs, time_limit):
    """Judge n verdicts; return the rows 1 and 2 and print what was wrong or unknown."""
    sizes = [min(CHUNK, n - first) for first in range(0, n, CHUNK)]
    work = partial(chunk, seed, time_limit=time_limit)
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as pool:
            parts = list(pool.map(work, range(len(sizes)), sizes))
    else:
        parts = [work(number, size) for number, size in enumerate(sizes)]
    records = [record for part in parts for record in part]
    wrong = [record for record in records if record["wrong"]]
    for record in wrong[:20]:
        print(f"WRONG: {record['kind']}, eps {record.get('asked')}, pair {record['pair']}: {record['wrong']}")
    unknown = Counter(record["kind"] for record in records if record["status"] == "unknown")
    seconds = np.array([record["seconds"] for record in records])
    figures = {
        "pairs": n, "seed": seed, "wrong": len(wrong), "unknown": sum(unknown.values()),
        "unknown by kind": dict(unknown.most_common()), "statuses": dict(Counter(r["status"] for r in records)),
        "median seconds": float(np.median(seconds)), "longest seconds": float(seconds.max()),
        "equal only off a margin": sum(record.get("off a margin", False) for record in records),
    }
    refuted = [record for record in records if record["status"] == "not_equivalent"]
    told = [record for record in records if record.get("counterexample")]
    false = sum(any("counterexample" in words for words in record["wrong"]) for record in told)
    return [
        row(1, f"wrong verdicts on {n} pairs of known truth", "0", len(wrong), not wrong, seconds.sum(), figures),
        row(2, f"false counterexamples among {len(told)}", "0", false, told and not false, None,
            {"refuted without one": sum(not record["counterexample"] for record in refuted)}),
    ]


def row(number, what, target, figure, reached, seconds=None, more=None):
    """Return one line of the table; it is printed as soon as it is there."""
    line = {"row": number, "what": what, "target": target, "figure": figure, "reached": bool(reached),
            "seconds": seconds, **(more or {})}
    details = ", ".join(f"{name} {value}" for name, value in (more or {}).items())
    clock = "" if seconds is None else f"{seconds:9.3f} s"
    shown = figure if isinstance(figure, (str, int)) else f"{figure:.3g}"
    print(f"{number} | {what:50s} | target {target:22s} | {shown!s:10s} {clock} | "
          f"{'reached' if reached else 'NOT REACHED'} | {details}", flush=True)
    return line


def clocked(f, g, domain, **options):
    """Return (verdict, median seconds): three calls on fresh records, fewer where they are long."""
    times = []
    while len(times) < 3 and sum(times) < 10.0:
        first, second, where = copy.copy(f), copy.copy(g), copy.copy(domain)
        began = time.perf_counter()
        verdict = rn.verify(first, second, where, **options)
        times.append(time.perf_counter() - began)
    return verdict, float(np.median(times))


def proved(number, what, pair, most, within=None):
    """Return a row: equal up to rounding, by a rigorous bound relative to the largest output seen.

    With it goes the bound relative to what intervals prove of the output: the scale that any bound is built from.
    """
    f, g, domain = pair
    verdict, seconds = clocked(f, g, domain)
    relative = float(verdict.bound / cases.largest_output(f, domain))
    false = f.n_parameters < 200_000 and any(  # larger ones take minutes in rationals
        exact_difference(f, g, x) > Fraction(float(verdict.bound)) for x in domain.sample(3, 0))
    reached = verdict.status == "equivalent" and relative <= most and not false
    limit = "" if within is None else f", {within} s"
    return row(number, what, f"{most:g}{limit}", relative, reached and (within is None or seconds <= within),
               seconds, {"relative to its own bound": float(verdict.bound / cases.output_bound(f, domain)),
                         "status": verdict.status, "method": verdict.method, "eps": verdict.eps,
                         **({"FALSE": "bound exceeded at a point"} if false else {})})


def rows_3():
    for sizes, most, within in [((10, 3150, 3150, 1), 1e-10, 0.5), ((64, 3100, 3100, 10), 1e-10, 0.5),
                                ((10, *[64] * 8, 1), 1e-9, None)]:
        network, domain = cases.deep(sizes, 0), cases.box(sizes[0])
        name = "-".join(map(str, sizes)) if len(sizes) < 6 else "10-64x8-1"
        yield proved(3, f"{name}, {network.n_parameters} parameters, and reduced",
                     (network, rn.reduce(network, domain), domain), most, within)


def rows_4(n=100_000):
    for d, most, within in [(8, 2e-11, 0.5), (64, 2e-10, 2.5)]:
        network = cases.shallow(n, d, 0)
        pair = network, cases.disguised(network, np.random.default_rng(1)), cases.box(d)
        yield proved(4, f"{n} neurons, d = {d}: permuted, flipped, duplicated", pair, most, within)


def rows_5(n=100_000):
    """One neuron changed; the networks are the same exactly otherwise, so eps = 0 is asked."""
    for d, changed in [(8, "column"), (8, "threshold"), (64, "column")]:
        f, domain = cases.shallow(n, d, 0), cases.box(d)
        g = cases.permuted(f, np.random.default_rng(1), changed)
        verdict, seconds = clocked(f, g, domain, eps=0.0)
        right = verdict.status == "not_equivalent" and verdict.counterexample is not None
        wrong = wrong_counterexample(f, g, domain, verdict.counterexample, 0) if right else "none"
        yield row(5, f"a {changed} of {n} changed by 1e-6, d = {d}", "refuted, 5 s", verdict.status,
                  right and not wrong and seconds <= 5.0, seconds, {"wrong": wrong, "method": verdict.method})


def believable(verdict, largest):
    """Tell whether 1.1 times the largest difference found, known to about 1e-9, is proved, by a bound above it."""
    return verdict.status == "equivalent" and verdict.bound >= largest * (1.0 - 1e-9)


def rows_6(n=500_000, n_exact=10_000):
    f, domain, rng = cases.shallow(n, 1, 0), cases.box(1), np.random.default_rng(1)
    g = cases.moved(f, 1e-4, rng)
    largest = cases.difference_on_a_line(f, g, domain)
    verdict, seconds = clocked(f, g, domain, eps=1.1 * largest)
    yield row(6, f"d = 1, {n} + {n} breakpoints, bound / largest", "proved, 1 s", verdict.bound / largest,
              believable(verdict, largest) and seconds <= 1.0, seconds,
              {"status": verdict.status, "method": verdict.method})
    f = cases.shallow(n_exact, 1, 0)
    verdict, seconds = clocked(f, cases.permuted(f, rng), domain, eps=0.0)
    yield row(6, f"d = 1, {n_exact} neurons, exactly equal (eps = 0)", "proved, 10 s", verdict.status,
              verdict.status == "equivalent" and seconds <= 10.0, seconds, {"method": verdict.method})


def perturbed_pairs():
    """Yield (name, f, g, domain, lower bound of the largest difference, seconds of the target)."""
    for sizes, within in [((2, 20, 10, 1), 0.1), ((2, 50, 50, 1), 1.0), ((4, 20, 20, 1), 5.0), ((5, 50, 1), 15.0)]:
        rng, domain = np.random.default_rng(1), cases.box(sizes[0])
        f = cases.deep(sizes, 0)
        g = cases.perturbed(f, 1e-2, rng)
        yield "-".join(map(str, sizes)), f, g, domain, cases.sampled_difference(f, g, domain, rng), within


def rows_7():
    """|f - g| <= 1.1 times the largest difference that was found has to be proved: a gap of 10 %."""
    for name, f, g, domain, largest, within in perturbed_pairs():
        verdict, seconds = clocked(f, g, domain, eps=1.1 * largest)
        yield row(7, f"{name} perturbed by 1e-2, bound / largest", f"1.1, {within} s", verdict.bound / largest,
                  believable(verdict, largest) and seconds <= within, seconds,
                  {"status": verdict.status, "method": verdict.method})


def rows_8():
    for name, network, domain in cases.real_networks():
        most = 1e-8 if name.startswith("twin") else 1e-10
        yield proved(8, f"{name}, and reduced", (network, rn.reduce(network, domain), domain), most)


BUILT = {3: rows_3, 4: rows_4, 5: rows_5, 6: rows_6, 7: rows_7, 8: rows_8}


def compare_solvers(n, seed, time_limit):
    """Ask everybody: is |f - g| <= TOLERANCE, on pairs where it is 0 or above ten times that; and row 7."""
    answers = {name: Counter() for name in solvers()}
    seconds = Counter()
    for f, g, domain, kind in pairs(n, seed):
        truth = supremum(f, g, domain).value
        if kind.startswith(BINARY) or 0 < truth < 10 * TOLERANCE:
            continue
        for name, solver in solvers().items():
            answer = solver(f, g, domain, 0.0, time_limit=time_limit)
            right = "above" if truth else "at most"
            wrong = answer.status in ("above", "at most") and answer.status != right
            answers[name][f"wrong: {right} called {answer.status}" if wrong
                          else answer.status if answer.status in ("undecided", "failed") else "right"] += 1
            seconds[name] += answer.seconds
    for name, counts in answers.items():
        print(f"{name:20s} {sum(counts.values())} ReLU pairs: {dict(counts.most_common())}, {seconds[name]:.1f} s",
              flush=True)
    records = [{"solver": name, "answers": dict(counts), "seconds": seconds[name]}
               for name, counts in answers.items()]
    for case, f, g, domain, largest, _ in perturbed_pairs():
        for name, solver in solvers().items():
            answer = solver(f, g, domain, 1.1 * largest, tolerance=0.0, time_limit=time_limit)
            print(f"{name:20s} {case}, |f - g| <= 1.1 of the largest found: {answer.status}, "
                  f"bound / largest {answer.bound / largest:.3g}, {answer.seconds:.2f} s", flush=True)
            records.append({"solver": name, "case": case, **answer._asdict()})
    return records


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=int, default=1000, help="pairs of row 1")
    parser.add_argument("--rows", default="1,2,3,4,5,6,7,8", help="which rows (commas); none with \"\"")
    parser.add_argument("--solvers", action="store_true", help="ask milp and Marabou as well")
    parser.add_argument("--pairs", type=int, default=200, help="pairs for --solvers")
    parser.add_argument("--time-limit", type=float, default=10.0, help="of a pair, and of a solver's question")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes for row 1")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not hasattr(rn, "verify"):
        raise SystemExit("this reducednet has no `verify`")
    warnings.simplefilter("ignore")  # of solvers
    numbers = [int(number) for number in options.rows.split(",") if number]
    zero = rn.Network([[[1.0]]], [[0.0]], [[1.0]])
    rn.verify(zero, zero, rn.Box(0.0, 1.0))  # what is loaded lazily is loaded now
    table = []
    if 1 in numbers or 2 in numbers:
        table += truth_rows(options.truth, options.seed, options.jobs, options.time_limit)
    for number in numbers:
        table += list(BUILT[number]()) if number in BUILT else []
    compared = compare_solvers(options.pairs, options.seed, options.time_limit) if options.solvers else []
    print(f"{sum(line['reached'] for line in table)} of {len(table)} rows reached")
    if options.json:
        print(json.dumps({"table": table, "solvers": compared}, indent=1, default=float))


if __name__ == "__main__":
    main()
