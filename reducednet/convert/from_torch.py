"""Convert a PyTorch Sequential to a network and back; PyTorch is imported only when it is used.

`relu_graph` says what is exact, what rounds and what is refused.
"""
from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import Any

from .._validation import Array, library, message
from ..networks.network import Network, check_network
from .relu_graph import AffineStep, Step, affine, chain_network

_CALLS = ("forward", "__call__", "_wrapped_call_impl", "_call_impl")
"""The attributes of a module that compute its outputs when it is called."""


def from_torch(sequential: Any) -> Network:
    """Return the network of a torch.nn.Sequential as a function of one flat sample.

    Its modules may be Linear, ReLU, Flatten (of all axes but the first), Identity, Dropout in evaluation mode,
    and Sequential again. A Linear whose weight is computed (`torch.nn.utils.parametrizations`) must
    be in evaluation mode; its present weight is taken.

    Parameters
    ----------
    sequential : torch.nn.Sequential
        On any device, with parameters of any floating-point type.

    Returns
    -------
    Network
        Without output bias if the last Linear has none. ``from_torch(to_torch(net))`` has the
        parameters of `net`, bit for bit.

    Raises
    ------
    TypeError
        If it is not a Sequential, or if a parameter is not real or not a dense tensor of one of
        PyTorch's own classes.
    ValueError
        If a module is of another kind; if it has forward hooks or a `forward` set on this instance,
        which could change what it returns; if sizes do not fit or a parameter is not finite.
    ImportError
        If PyTorch is not installed.

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> from_torch(nn.Sequential(nn.Flatten(), nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 2)))  # doctest: +SKIP
    Network(6-10-2, relu, output bias, 92 parameters)
    """
    torch = library("torch", "`from_torch`")
    if not _is_plain(sequential, torch.nn.Sequential):
        raise TypeError(message("sequential", "a torch.nn.Sequential", type(sequential).__name__))
    return chain_network(_steps(sequential, "sequential", torch), "sequential")


def _is_plain(module: Any, kind: Any) -> bool:
    """Return True if the module is of the kind and its class computes what the kind does."""
    own = type(module)
    is_kind = isinstance(module, kind)
    return is_kind and all(getattr(own, name) is getattr(kind, name) for name in _CALLS)


def _check_untouched(module: Any, name: str, torch: Any) -> None:
    """Raise ValueError if the module may not compute what its class does.

    That is if a `forward` was set on this instance, or if it has forward hooks, which could change
    what it returns: those of pruning and of the older weight_norm overwrite `weight`.
    """
    kind, own = type(module).__name__, vars(module)
    for call in _CALLS:
        if call in own and own[call] != getattr(type(module), call).__get__(module):
            expected = "a module that computes what its class does"
            raise ValueError(message(name, expected, f"{kind} with a `{call}` of its own: delete it"))
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(message(name, "without forward hooks", f"{kind} with some: remove them"))
    every = torch.nn.modules.module
    if every._global_forward_hooks or every._global_forward_pre_hooks:
        raise ValueError(message(name, "without forward hooks", "some of all modules: remove them"))


def _steps(module: Any, name: str, torch: Any) -> Iterator[Step]:
    """Yield the steps of a module, which messages call `name`.

    Raises
    ------
    TypeError, ValueError
        If the module, or one inside it, is unknown, has hooks or a `forward` of its own, or has
        parameters that are not finite real numbers.
    """
    nn = torch.nn
    if _is_plain(module, nn.Linear):
        yield _linear_step(module, name, torch)
    elif _is_plain(module, nn.ReLU):
        yield None
    elif _is_plain(module, nn.Sequential):
        for number, child in enumerate(module):
            yield from _steps(child, f"{name}[{number}]", torch)
    elif not _is_identity(module, nn):
        expected = "Linear, ReLU, Flatten(1, -1), Identity, Sequential or Dropout in evaluation mode (`eval()`)"
        raise ValueError(message(name, expected, shorten(repr(module), 90)))
    _check_untouched(module, name, torch)


def _linear_step(module: Any, name: str, torch: Any) -> AffineStep:
    """Return the step of a Linear; in training mode a computed weight may change with each call."""
    computed = torch.nn.utils.parametrize.is_parametrized(module)
    if computed and any(one.training for one in module.modules()):
        expected = "in evaluation mode (`eval()`), where its parameters are computed"
        raise ValueError(message(name, expected, f"{type(module).__name__} in training mode"))
    weight, bias = f"{name}.weight", f"{name}.bias"
    return affine(weight, _array(module.weight, weight, torch), bias, _array(module.bias, bias, torch))


def _is_identity(module: Any, nn: Any) -> bool:
    if _is_plain(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    return _is_plain(module, nn.Identity) or _is_plain(module, nn.Dropout) and not module.training


def _array(tensor: Any, name: str, torch: Any) -> Array | None:
    if tensor is None:
        return None
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
        raise ValueError(message(name, "initialised", "a tensor that holds no numbers"))
    if not tensor.is_floating_point():
        raise TypeError(message(name, "a tensor of real numbers", tensor.dtype))
    # a tensor of another class could compute something else
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        raise TypeError(message(name, "a torch.Tensor or Parameter", type(tensor).__name__))
    if tensor.layout != torch.strided:
        raise TypeError(message(name, "a dense tensor", tensor.layout))
    array: Array = tensor.detach().cpu().double().numpy()
    return array


def to_torch(network: Network) -> Any:
    """Return a ReLU network as a torch.nn.Sequential of Linear and ReLU.

    Parameters
    ----------
    network : Network
        A `ReducedNetwork` is a network; its domain is dropped.

    Returns
    -------
    torch.nn.Sequential
        With trainable float64 parameters on the CPU, copies of the network's, bit for bit; the last
        Linear has no bias if there is no output bias. ``to_torch(net).float()`` rounds to float32.

    Raises
    ------
    TypeError
        If `network` is not a network.
    ValueError
        If the network is binary: PyTorch has no such layer.
    ImportError
        If PyTorch is not installed.

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> to_torch(Network.random((2, 5, 1), rng=0))  # doctest: +SKIP
    Sequential(
      (0): Linear(in_features=2, out_features=5, bias=True)
      (1): ReLU()
      (2): Linear(in_features=5, out_features=1, bias=False)
    )
    """
    network = check_network(network)
    if network.activation != "relu":
        got = f"activation {network.activation!r}"
        raise ValueError(message("network", "a ReLU network for PyTorch", got))
    torch, layers = library("torch", "`to_torch`"), []
    for W, b in zip(network.weights, network.thresholds):
        layers += [_linear(W, b, torch), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, _linear(network.output_weights, network.output_bias, torch))


def _linear(W: Array, b: Array | None, torch: Any) -> Any:
    """Return a Linear with these parameters; skip_init leaves the caller's random numbers alone."""
    n_outputs, n_inputs = W.shape
    linear = torch.nn.utils.skip_init(
        torch.nn.Linear, n_inputs, n_outputs, bias=b is not None, dtype=torch.float64, device="cpu")
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(W, device="cpu"))
        if b is not None:
            linear.bias.copy_(torch.tensor(b, device="cpu"))
    return linear
