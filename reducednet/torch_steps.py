"""The modules of PyTorch as steps of a chain, and the other way; PyTorch itself is handed in."""
from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import Any

from ._validation import Array, message
from .steps import Affine, Step, affine


def is_plain(module: Any, kind: Any) -> bool:
    """Tell whether a module is of the kind and computes what the kind does."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def torch_steps(module: Any, name: str, nn: Any) -> Iterator[Step]:
    """Yield the steps of a module that is called `name` in messages.

    Raises
    ------
    TypeError, ValueError
        If it, or one inside it, is not known, has hooks, or its parameters are no finite real numbers.
    """
    if is_plain(module, nn.Linear):
        yield _linear_step(module, name, nn)
    elif is_plain(module, nn.ReLU):
        yield None
    elif is_plain(module, nn.Sequential):
        for number, child in enumerate(module):
            yield from torch_steps(child, f"{name}[{number}]", nn)
    elif not _is_identity(module, nn):
        expected = "Linear, ReLU, Flatten(1, -1), Identity, Sequential or Dropout in evaluation mode (`eval()`)"
        raise ValueError(message(name, expected, shorten(repr(module), 90)))
    if module._forward_hooks or module._forward_pre_hooks:  # pruning's and the older weight_norm's write `weight`
        raise ValueError(message(name, "without forward hooks", f"{type(module).__name__} with some: remove them"))


def _linear_step(module: Any, name: str, nn: Any) -> Affine:
    weight, bias = f"{name}.weight", f"{name}.bias"
    return affine(weight, _array(module.weight, weight, nn), bias, _array(module.bias, bias, nn))


def _is_identity(module: Any, nn: Any) -> bool:
    if is_plain(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    return is_plain(module, nn.Identity) or is_plain(module, nn.Dropout) and not module.training


def _array(tensor: Any, name: str, nn: Any) -> Array | None:
    if tensor is None:
        return None
    if nn.parameter.is_lazy(tensor) or tensor.is_meta:
        raise ValueError(message(name, "initialised", "a tensor that holds no numbers"))
    if not tensor.is_floating_point():
        raise TypeError(message(name, "a tensor of real numbers", tensor.dtype))
    array: Array = tensor.detach().cpu().double().numpy()
    return array


def torch_linear(W: Array, b: Array | None, torch: Any) -> Any:
    """Return a Linear with these parameters; skip_init draws no random numbers, which are the caller's."""
    n_outputs, n_inputs = W.shape
    linear = torch.nn.utils.skip_init(
        torch.nn.Linear, n_inputs, n_outputs, bias=b is not None, dtype=torch.float64, device="cpu")
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(W, device="cpu"))
        if b is not None:
            linear.bias.copy_(torch.tensor(b, device="cpu"))
    return linear
