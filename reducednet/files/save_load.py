"""Save and load networks and training results: .npz (exact), .nnet (text) and .onnx (ReLU)."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .._validation import choice, flag, message
from ..domains import Box
from ..networks.network import Network, check_network
from ..training.result import TrainingResult
from .archives import checked_path, naming, write_whole
from .nnet import declared_box, nnet_bytes, physical_network, read_nnet, stored_network
from .npz import npz_bytes, read_npz
from .onnx import onnx_bytes, read_onnx
from .vnnlib import bounded_text, read_vnnlib_box
from .vnnlib_questions import is_version_2, read_box

ENDINGS = (".npz", ".nnet", ".onnx")
BOX_ENDINGS = (".nnet", ".vnnlib", ".gz")
WRITERS: dict[str, Callable[..., bytes]] = {".npz": npz_bytes, ".nnet": nnet_bytes, ".onnx": onnx_bytes}
"""The function that returns a network as the bytes of a file, by the file's ending."""
READERS: dict[str, Callable[[str], Any]] = {
    ".npz": read_npz, ".nnet": lambda name: stored_network(read_nnet(name)),
    ".onnx": lambda name: read_onnx(name).network,
}
"""The function that reads a network from a file, by the file's ending."""


def save(path: str | os.PathLike[str], network: Network | TrainingResult) -> None:
    """Write a network or a training result to a .npz, .nnet or .onnx file, whole or not at all.

    The file is written under another name in the same folder and then renamed: a failure leaves no
    partial file, and leaves an existing file as it was. The same network gives the same bytes.

    ``.npz`` keeps everything, bit for bit: kind, activation, output bias, domain and bound. Its
    arrays are W0, b0, W1, b1, ..., C and a, those of the domain, and a header in JSON. Of a
    `TrainingResult` it keeps the best network, the history, and the states of the optimiser and of
    its random generator: ``train(load(path), X, y, ...)`` continues as from the result itself.

    ``.nnet`` keeps the parameters of a ReLU network, bit for bit. A missing output bias is written
    as zeros and a `ReducedNetwork` comes back as a `Network`. Means are 0 and ranges 1. A
    `ReducedNetwork` on a `Box` declares that box; any other network gets the largest floats as
    bounds, and `load_box` then says that the file declares no box.

    ``.onnx`` keeps the parameters of a ReLU network, bit for bit, and whether it has an output
    bias: one Gemm per layer in float64, with Relu between them. A `ReducedNetwork` comes back as a
    `Network`.

    Parameters
    ----------
    path : str or os.PathLike
        A name that ends in .npz, .nnet or .onnx.
    network : Network or TrainingResult
        A `ReducedNetwork` is a network.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the ending is unknown, if a binary network or a result is not saved as .npz, if the
        domain is not one of the library's, or if a .onnx file would be too large to be read back.
    OSError
        If the file cannot be written.
    ImportError
        If the file is .onnx and the package onnx is missing: ``pip install onnx``.

    Examples
    --------
    >>> import os, tempfile
    >>> net = Network.random((2, 5, 1), rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.npz")
    ...     save(path, net)
    ...     load(path) == net
    True
    """
    name, ending = checked_path(path, ENDINGS)
    if isinstance(network, TrainingResult):
        if ending != ".npz":
            raise ValueError(message("path", "a name that ends in .npz for a TrainingResult", repr(name)))
        return write_whole(name, npz_bytes(network))
    network = check_network(network)
    write_whole(name, WRITERS[ending](network))


def load(
    path: str | os.PathLike[str], physical: bool = False, normalise: bool = True, until: str | None = None,
) -> Any:
    """Read the network of a .npz, .nnet or .onnx file, or the training result of a .npz file.

    A network from a .nnet file is ReLU with an output bias; its inputs and outputs are in the
    normalised units of the file. With `physical`, the first and the last layer absorb the
    normalisation, up to rounding, and the clipping of the inputs is ignored:

    W <- W / range,   b <- b - (W / range) mean,   C <- range_out C,   a <- range_out a + mean_out

    A .onnx file must be a graph of affine operators and ReLUs with constants: Gemm, MatMul, Add, Sub,
    Mul, Div, Neg, Sum, Scaler, BatchNormalization, ReduceSum, ReduceMean; Relu, LeakyRelu, PRelu,
    Abs, Clip, Max, Min, HardSigmoid, as one ReLU or several; and what only moves numbers, such as
    Cast, Concat, Dropout, Flatten, Gather, Identity, Reshape, Squeeze, Transpose and Unsqueeze. A
    value may be used more than once: neurons carry it through a layer. Numbers in a second file are
    read if that lies in the same folder and is no link. The network is the function of one sample,
    flattened in row-major order. A last ReLU is a hidden layer with the identity as outgoing weights.

    Numbers of 16 and 32 bits are converted exactly. They are exactly those of the file as long as
    there are one matrix and one vector between two ReLUs. More of them (a Scaler or a
    BatchNormalization before a layer, two matrices in a row, a factor alpha) are multiplied out in
    float64, with rounding errors that `convert.relu_graph` states. A model of float32 numbers,
    evaluated in float32, rounds at each of its own operations: it may differ from the network by
    about 2^29 times its `evaluation_bound`. Proofs are about the network in real arithmetic.

    Parameters
    ----------
    path : str or os.PathLike
    physical : bool
        Only for .nnet files.
    normalise : bool
        False takes means as 0 and ranges as 1, whatever the file says; `physical` then changes
        nothing.
    until : "logits", optional
        Only for .onnx files. The network ends before a last Softmax, LogSoftmax, Sigmoid, ArgMax,
        Hardmax or ZipMap, and what follows it is left off; without such an operator nothing changes.
        None refuses these operators: they are no ReLUs.

    Returns
    -------
    Network, ReducedNetwork or TrainingResult
        The content of the file.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the ending is unknown or the file is not what its ending says: it is damaged or has
        another version, a member is missing, an entry is not finite, an operator is none of those
        above; or, with `physical`, if a mean is not finite or a range not larger than 0. The
        message names the file, and the line or the operator.
    OSError
        If the file cannot be opened, for instance FileNotFoundError.
    ImportError
        If the file is .onnx and the package onnx is missing: ``pip install onnx``.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.nnet")
    ...     save(path, Network.random((2, 5, 1), rng=0))
    ...     load(path)
    Network(2-5-1, relu, output bias, 21 parameters)
    """
    name, ending = checked_path(path, ENDINGS)
    physical, normalise = flag(physical, "physical"), flag(normalise, "normalise")
    if physical and ending != ".nnet":
        raise ValueError(message("physical", f"False for a {ending} file, which has no normalisation", physical))
    if until is not None:
        until = choice(until, "until", ["logits"])
        if ending != ".onnx":
            expected = f"None for a {ending} file, which ends with the logits"
            raise ValueError(message("until", expected, repr(until)))
    with naming(name):
        if until is not None:
            return read_onnx(name, until).network
        if physical and normalise:
            return physical_network(read_nnet(name))
        return READERS[ending](name)


def load_box(path: str | os.PathLike[str], normalise: bool = True) -> Box:
    """Read the box of inputs that a .nnet, .vnnlib or .vnnlib.gz file declares.

    It is in the units of the network that `load` returns. The bounds from a .nnet file are
    (minimum - mean) / range and (maximum - mean) / range, rounded. Those from a VNN-LIB file are the
    numbers that bound X_0, X_1, ..., each rounded to the nearest float64; conditions on the outputs
    are ignored. Files of VNN-LIB 2.0 need the package vnnlib.

    Parameters
    ----------
    path : str or os.PathLike
    normalise : bool
        False returns minimums and maximums as they are: for physical units, or because the file's
        means and ranges are wrong. It changes nothing for a .vnnlib file.

    Returns
    -------
    Box

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ImportError
        If the file is of VNN-LIB 2.0 and the package vnnlib is missing: ``pip install vnnlib``.
    ValueError
        If the ending is unknown, the file is not what its ending says or declares no box (an input
        has no bound, a condition on inputs is not a bound), or, unless `normalise=False`, a mean is
        not finite or a range not larger than 0.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import os, tempfile
    >>> from reducednet.reduced_space.reduced_network import ReducedNetwork
    >>> red = ReducedNetwork.random((2, 5, 1), Box([0, 0], [1, 2]), rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.nnet")
    ...     save(path, red)
    ...     load_box(path)
    Box([0, 0], [1, 2])
    """
    name, ending = checked_path(path, BOX_ENDINGS)
    normalise = flag(normalise, "normalise")
    with naming(name):
        if ending != ".nnet":
            checked_path(name.lower().removesuffix(".gz"), (".vnnlib",))
            text = bounded_text(name)
            return read_box(text) if is_version_2(text) else read_vnnlib_box(text)
        return declared_box(read_nnet(name), normalise)
