"""Read and write the .nnet text format of ReLU networks.

After comment lines (``//``) come lines of numbers separated by commas, with or without a trailing
comma: the number of weight layers, of inputs and of outputs and the width of the widest layer; the
layer sizes; an unused flag; the minimums and the maximums of the inputs; the means of the inputs,
then one for all outputs; the ranges likewise; then for each layer its matrix, one row per neuron,
and its thresholds, one per line. Hidden layers are ReLU, the last layer is linear. The network is
evaluated at (clip(x, minimum, maximum) - mean) / range; its output y stands for y * range + mean.
"""
from __future__ import annotations

import math
import os
from typing import BinaryIO, NamedTuple

import numpy as np

from .._validation import Array, layer_sizes, message
from ..domains import Box
from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork

MAX_BYTES = 1 << 28
_MOST_COUNTS = 1 << 16
UNBOUNDED = float(np.finfo(np.float64).max)
ADVICE = "; `normalise=False` ignores means and ranges"


class HeaderLine(NamedTuple):
    """The numbers of a line of the header, and the number of that line in the file."""

    number: int
    values: Array


class NnetFile(NamedTuple):
    """A .nnet file: (W, b) of each layer, the linear layer last, and four lines of the header."""

    layers: list[tuple[Array, Array]]
    minimums: HeaderLine
    maximums: HeaderLine
    means: HeaderLine
    ranges: HeaderLine


class _Reader:
    """Read the lines of a stream that are not comments, and count all lines for messages."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = iter(stream)
        self.number = 0
        self.longest = _MOST_COUNTS

    def line(self, what: str, skip_blank: bool = True) -> bytes:
        for line in self._lines:
            self.number += 1
            line = line.strip()
            if not line.startswith(b"//") and (line or not skip_blank):
                return line
        raise ValueError(f"line {self.number + 1}: the file ends where {what} should be")

    def header(self, what: str) -> HeaderLine:
        """Read a line of any number of numbers; a blank line has none."""
        line = self.line(what, skip_blank=False)
        return HeaderLine(self.number, np.array(self._floats(line) if line else []))

    def integers(self, what: str) -> tuple[int, ...]:
        fields = [field.strip() for field in self._fields(self.line(what))]
        if not all(field.isdigit() and len(field) < 19 for field in fields):
            raise self.fault(f"{what} must be integers of at most 18 digits, separated by commas")
        return tuple(int(field) for field in fields)

    def row(self, length: int, what: str) -> list[float]:
        line = self.line(what)
        values = self._floats(line)
        if len(values) != length:
            raise self.fault(f"{what} must be {length} numbers, got {len(values)}")
        if not all(map(math.isfinite, values)):
            raise self.fault(f"{what} must be finite, got {line[:60].decode('latin-1')}")
        return values

    def end(self) -> None:
        """Raise ValueError if a further line is neither blank nor a comment."""
        for line in self._lines:
            self.number += 1
            if line.strip() and not line.lstrip().startswith(b"//"):
                raise self.fault("the layers are complete, but the file goes on")

    def fault(self, reason: str) -> ValueError:
        return _fault(self.number, reason)

    def _floats(self, line: bytes) -> list[float]:
        # Python reads 1_0 as 10; the format has no underscores
        if b"_" in line:
            raise self.fault(f"not a list of numbers: {line[:60].decode('latin-1')}")
        fields = self._fields(line)
        try:
            return [float(field) for field in fields]
        except ValueError as error:
            raise self.fault(str(error)[:100]) from None

    def _fields(self, line: bytes) -> list[bytes]:
        # counted before they are split: a number of 2 bytes in the file takes 100 bytes of memory
        line = line.removesuffix(b",")
        if line.count(b",") >= self.longest:
            raise self.fault(f"at most {self.longest} numbers expected, got {line.count(b',') + 1}")
        return line.split(b",")


def _fault(number: int, reason: str) -> ValueError:
    return ValueError(f"line {number}: {reason}")


def read_nnet(path: str) -> NnetFile:
    """Read a .nnet file.

    Raises
    ------
    ValueError
        If the file is not a .nnet file; the message names the line. No more memory is allocated
        than the size of the file warrants.
    """
    with open(path, "rb") as stream:
        n_bytes = os.fstat(stream.fileno()).st_size
        if n_bytes > MAX_BYTES:
            raise ValueError(f"a .nnet file of at most {MAX_BYTES} bytes is read, this one has {n_bytes}")
        reader = _Reader(stream)
        sizes = _sizes(reader, n_bytes)
        reader.longest = max(_MOST_COUNTS, 2 * max(sizes))
        reader.line("the unused flag", skip_blank=False)
        header = [reader.header(what) for what in ("the minimums", "the maximums", "the means", "the ranges")]
        layers = [_layer(reader, i, *shape) for i, shape in enumerate(zip(sizes[1:], sizes), start=1)]
        reader.end()
    return NnetFile(layers, *header)


def _sizes(reader: _Reader, n_bytes: int) -> tuple[int, ...]:
    """Read lines 1 and 2. Line 1 needs only its first number; the widest layer is ignored."""
    counts = reader.integers("the numbers of layers, inputs and outputs")
    sizes = reader.integers("the layer sizes")
    expected = (len(sizes) - 1, sizes[0], sizes[-1])
    for what, count, size in zip(("weight layers", "inputs", "outputs"), counts, expected):
        if count != size:
            raise reader.fault(f"the layer sizes have {size} {what}, but the line before claims {count}")
    try:
        layer_sizes(sizes, "the layer sizes")
    except ValueError as error:
        raise reader.fault(str(error)) from None
    n_numbers = sum(n * (m + 1) for m, n in zip(sizes, sizes[1:]))
    if 2 * n_numbers > n_bytes + 1:
        raise reader.fault(f"the layer sizes claim {n_numbers} numbers, too many for a file of {n_bytes} bytes")
    return sizes


def _layer(reader: _Reader, number: int, n_neurons: int, n_inputs: int) -> tuple[Array, Array]:
    W, b = np.empty((n_neurons, n_inputs)), np.empty((n_neurons, 1))
    for rows, what in ((W, "weights"), (b, "threshold")):
        for j in range(n_neurons):
            rows[j] = reader.row(rows.shape[1], f"layer {number}, neuron {j}: the {what}")
    return W, b[:, 0]


def stored_network(nnet: NnetFile) -> Network:
    """Return the network of the file, in its normalised units."""
    return _network(nnet.layers)


def physical_network(nnet: NnetFile) -> Network:
    """Return the network in physical units: its first and last layers absorb the normalisation.

    W <- W / range,   b <- b - (W / range) mean,   C <- range_out C,   a <- range_out a + mean_out
    """
    (W, b), *middle, (C, a) = nnet.layers
    means, ranges = _scaling(nnet, W.shape[1] + 1)
    with np.errstate(all="ignore"):
        W = W / ranges[:-1]
        b = b - W @ means[:-1]
        C, a = ranges[-1] * C, ranges[-1] * a + means[-1]
    return _network([(W, b), *middle, (C, a)])


def _network(layers: list[tuple[Array, Array]]) -> Network:
    *hidden, (C, a) = layers
    return Network([W for W, _ in hidden], [b for _, b in hidden], C, a)


def _scaling(nnet: NnetFile, count: int) -> tuple[Array, Array]:
    """Return the first `count` means and ranges; raise ValueError if they are not usable."""
    longest = nnet.layers[0][0].shape[1] + 1
    for what, line in (("means", nnet.means), ("ranges", nnet.ranges)):
        if len(line.values) not in (count, longest):
            expected = f"{longest} {what} expected, one per input and one for all outputs"
            raise _fault(line.number, f"{expected}, got {len(line.values)}{ADVICE}")
        values = line.values[:count]
        bad = ~np.isfinite(values) | ((values <= 0.0) & (what == "ranges"))
        if bad.any():
            expected = "finite and larger than 0" if what == "ranges" else "finite"
            raise _fault(line.number, f"the {what} must be {expected}, got {values[bad][0]}{ADVICE}")
    return nnet.means.values[:count], nnet.ranges.values[:count]


def declared_box(nnet: NnetFile, normalise: bool) -> Box:
    """Return the box [minimum, maximum] that the file declares, normalised or as written."""
    n_inputs = nnet.layers[0][0].shape[1]
    for line in (nnet.minimums, nnet.maximums):
        if len(line.values) != n_inputs:
            raise _fault(line.number, f"the file declares no box: {n_inputs} numbers, one per "
                                      f"input, expected, got {len(line.values)}{_older_layout(line, n_inputs)}")
        if (np.abs(line.values) == UNBOUNDED).any():
            raise _fault(line.number, "the file declares no box: an input is unbounded")
    means, ranges = _scaling(nnet, n_inputs) if normalise else (0.0, 1.0)
    with np.errstate(all="ignore"):
        low, high = ((line.values - means) / ranges for line in (nnet.minimums, nnet.maximums))
        try:
            return Box(low, high)
        except ValueError as error:
            raise _fault(nnet.minimums.number, f"no box from the minimums and maximums: {error}") from None


def _older_layout(line: HeaderLine, n_inputs: int) -> str:
    """Return what to do about a file of the older layout, whose n + 2 limits are not the inputs' alone."""
    if len(line.values) != n_inputs + 2:
        return ""
    return ", as in an older layout: give the box of the inputs yourself (`--box LOW HIGH` on the command line)"


def nnet_bytes(network: Network, box: Box | None = None) -> bytes:
    """Return the network as the bytes of a .nnet file; every number is read back bit for bit.

    The file declares the given box, or by default the box of a `ReducedNetwork`.
    """
    if network.activation != "relu":
        expected = "a ReLU network for a .nnet file"
        raise ValueError(message("network", expected, f"activation {network.activation!r}"))
    sizes, n_inputs = network.sizes, network.n_inputs
    low, high = np.full(n_inputs, -UNBOUNDED), np.full(n_inputs, UNBOUNDED)
    if box is None and isinstance(network, ReducedNetwork) and isinstance(network.domain, Box):
        box = network.domain
    if box is not None:
        low, high = box.low, box.high
    bias = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    rows = [[len(sizes) - 1, sizes[0], sizes[-1], max(sizes)], sizes, [0], low.tolist(), high.tolist()]
    rows += [[0.0] * (n_inputs + 1), [1.0] * (n_inputs + 1)]
    for W, b in (*zip(network.weights, network.thresholds), (network.output_weights, bias)):
        rows += [*W.tolist(), *b[:, np.newaxis].tolist()]
    lines = ["// ReLU network in the .nnet format", *(",".join(map(repr, row)) + "," for row in rows)]
    return ("\n".join(lines) + "\n").encode("ascii")
