"""The command ``convert``: write a network file in another format."""
from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files.save_load import ENDINGS
from .answers import Answer, network_report
from .options import add_json, read_network
from .outputs import check_output, save_checked


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser("convert", help="write a network file in another format, by the names' endings")
    parser.add_argument("file", type=Path, metavar="IN", help="a .npz, .nnet or .onnx file")
    parser.add_argument("output", type=Path, metavar="OUT", help="where the network goes: .npz, .nnet or .onnx")
    parser.add_argument("--physical", action="store_true",
                        help="fold the normalisation of a .nnet file into the network, so that it takes and gives "
                             "physical units (default: the network as stored, in normalised units)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Write the network, read it back and say what the new file lacks."""
    check_output(options.output, ENDINGS, "OUT")
    network = read_network(options.file, options.physical)
    lost = _lost_from(options.file, options.physical) + _lost_in(options.output, network)
    if lost and options.output.exists() and options.output.samefile(options.file):
        raise ValueError(f"OUT must be another file than IN, of which it would not keep {lost[0]}")
    save_checked(options.output, network)
    report = {"network": network_report(network), "input": str(options.file), "output": str(options.output),
              "physical": options.physical, "same_numbers_read_back": True, "not_carried_over": lost}
    lines = [repr(network), f"written: {options.output} (read back: the same numbers, bit for bit)"]
    if options.physical:
        lines.append("the normalisation of inputs and outputs is folded into the network, to rounding")
    return Answer(report, lines + [f"not carried over: {what}" for what in lost])


def _lost_from(path: Path, physical: bool) -> list[str]:
    """Return what a .nnet file says besides the network's numbers, as far as it is to be believed."""
    from .. import load, load_box

    if path.suffix.lower() != ".nnet":
        return []
    lost = []
    with suppress(ValueError):
        if not physical and load(path, physical=True) != load(path):
            lost.append("means and ranges: inputs and outputs are in normalised units (see --physical)")
    with suppress(ValueError):
        lost.append(f"the box of inputs, {load_box(path, normalise=not physical)!r}, and the clipping to it")
    return lost


def _lost_in(path: Path, network: Any) -> list[str]:
    """Return what the new file cannot say of the network."""
    from .. import Box, ReducedNetwork

    ending, lost = path.suffix.lower(), []
    if isinstance(network, ReducedNetwork) and ending != ".npz":
        if ending == ".onnx" or not isinstance(network.domain, Box):
            lost.append(f"the domain, {network.domain!r}")
        lost.append(f"that the network is a reduced one, with bound={network.bound!r}")
    if network.output_bias is None and ending == ".nnet":
        lost.append("that the network has no output bias: it has one of zeros")
    return lost
