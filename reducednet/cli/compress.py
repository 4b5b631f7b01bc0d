"""Run the command ``compress``: write a smaller network with the same function, and prove it."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import Box
from ..files.save_load import ENDINGS
from .answers import Answer, domain_report, network_report, short, table_lines
from .options import add_domain, add_json, add_sign_bounds, add_until, domain_of, read_network
from .outputs import check_format, check_output, save_checked


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser("compress", help="write a smaller network with the same function, and prove it")
    parser.add_argument("file", type=Path, metavar="IN", help="a .npz, .nnet or .onnx file")
    add_domain(parser)
    parser.add_argument("--tolerance", type=float, default=0.0, metavar="T",
                        help="largest difference that is allowed beyond rounding (default 0)")
    add_sign_bounds(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                        help="where the smaller network goes (.npz, .nnet or .onnx)")
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Compress the network, check the proof again and write the smaller network."""
    check_output(options.output, ENDINGS)
    network = read_network(options.file, until=options.until)
    domain = domain_of(options, (network, options.file))
    check_format(options.output, network)
    small, found = _proved(network, domain, options)
    box = domain if isinstance(domain, Box) else None
    save_checked(options.output, small, box)
    declared = box is not None and options.output.suffix.lower() == ".nnet"
    where = f"the domain of the proof, {domain!r}: beyond it the networks may differ"
    dropped = [] if declared else [where]
    layers = _layers(network, found)
    report = {
        "network": network_report(network), "smaller": network_report(small),
        "domain": domain_report(domain), "layers": layers,
        "neurons": [sum(network.sizes[1:-1]), sum(small.sizes[1:-1])],
        "parameters": [network.n_parameters, small.n_parameters],
        "bound": float(found.bound), "proof_checked": True, "output": str(options.output),
        "not_carried_over": dropped,
    }
    return Answer(report, [
        repr(network), f"-> {small!r}", f"on {domain!r}\n", *_table(layers),
        "\ndead: 0 on the domain; absorbed: always on, added to the next layer; merged: into a\n"
        "neuron with the same hyperplane; unused: no output depends on it. One neuron is kept\n"
        "where none is needed\n",
        *_sums(report),
        f"proved on the domain, and the proof checked: largest difference <= {short(found.bound)}",
        f"written: {options.output}", *(f"not carried over: {what}" for what in dropped),
    ])


def _proved(network: Any, domain: Any, options: argparse.Namespace) -> tuple[Any, Any]:
    """Return the smaller network and the report, after checking the certificate."""
    from .. import compress

    small, found = compress(network, domain, options.tolerance, options.bounds, options.time_limit)
    check = found.certificate.check(network, small, domain)
    if not check:
        raise ValueError(f"the proof does not hold, and nothing was written: {check.reason}")
    return small, found


def _layers(network: Any, found: Any) -> list[dict[str, int]]:
    """Return how many neurons of each layer were removed, by reason."""
    reasons = ("dead", "folded", "merged", "unused")
    rows = zip(network.sizes[1:-1], *(getattr(found, reason) for reason in reasons))
    return [{"layer": number, "neurons": n, **dict(zip(reasons, map(len, removed)))}
            for number, (n, *removed) in enumerate(rows, start=1)]


def _table(layers: list[dict[str, int]]) -> list[str]:
    """Return the table for people; JSON keeps the name `folded` for absorbed neurons."""
    words = {"folded": "absorbed"}
    return table_lines(
        {words.get(name, name): count for name, count in row.items()} for row in layers)


def _sums(report: dict[str, Any]) -> list[str]:
    sums = []
    for what in ("neurons", "parameters"):
        before, after = report[what]
        sums.append(f"{what}: {before} -> {after} ({1.0 - after / before:z.0%} saved)")
    return sums
