"""Run the command ``convert``: write a network file in another format."""
from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files.save_load import ENDINGS
from .answers import Answer, network_report
from .options import add_json, add_until, read_network
from .outputs import check_output, save_checked


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser(
        "convert", help="write a network file in another format; the endings name the formats")
    parser.add_argument("file", type=Path, metavar="IN", help="a .npz, .nnet or .onnx file")
    parser.add_argument("output", type=Path, metavar="OUT", help="where the network goes: .npz, .nnet or .onnx")
    parser.add_argument("--physical", action="store_true",
                        help="let the network absorb the normalisation of a .nnet file, so that it "
                        "works in physical units (default: the network as stored, normalised)")
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Write the network, read it back and list what the new file lacks."""
    check_output(options.output, ENDINGS, "OUT")
    network = read_network(options.file, options.physical, options.until)
    box = _declared_box(options.file, options.physical)
    dropped = _dropped_from(options.file, options.output, options.physical, box)
    dropped += _dropped_in(options.output, network)
    if dropped and options.output.exists() and options.output.samefile(options.file):
        raise ValueError(
            f"OUT must be another file than IN, of which it would not keep {dropped[0]}")
    save_checked(options.output, network, box)
    report = {"network": network_report(network), "input": str(options.file),
              "output": str(options.output), "physical": options.physical,
              "same_numbers_read_back": True, "not_carried_over": dropped}
    lines = [repr(network), f"written: {options.output} (read back: the same numbers, bit for bit)"]
    if options.physical:
        lines.append("the network has absorbed the normalisation, up to rounding")
    return Answer(report, lines + [f"not carried over: {what}" for what in dropped])


def _declared_box(path: Path, physical: bool) -> Any:
    """Return the box that a .nnet file declares, which another .nnet file can declare too, or None."""
    from .. import load_box

    if path.suffix.lower() == ".nnet":
        with suppress(ValueError):
            return load_box(path, normalise=not physical)
    return None


def _dropped_from(path: Path, output: Path, physical: bool, box: Any) -> list[str]:
    """List what a .nnet file holds besides the network and the new file cannot hold."""
    from .. import load

    if path.suffix.lower() != ".nnet":
        return []
    dropped = []
    with suppress(ValueError):
        if not physical and load(path, physical=True) != load(path):
            dropped.append(
                "means and ranges: inputs and outputs are in normalised units (see --physical)")
    if box is not None and output.suffix.lower() != ".nnet":
        dropped.append(f"the box of inputs, {box!r}, and the clipping to it")
    return dropped


def _dropped_in(path: Path, network: Any) -> list[str]:
    """List what the new file cannot hold."""
    from .. import Box, ReducedNetwork

    ending, dropped = path.suffix.lower(), []
    if isinstance(network, ReducedNetwork) and ending != ".npz":
        if ending == ".onnx" or not isinstance(network.domain, Box):
            dropped.append(f"the domain, {network.domain!r}")
        dropped.append(f"that the network is a reduced one, with bound={network.bound!r}")
    if network.output_bias is None and ending == ".nnet":
        dropped.append("that the network has no output bias: it has one of zeros")
    return dropped
