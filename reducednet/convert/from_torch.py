"""Convert a PyTorch module to a network and back; PyTorch is imported only when it is used.

`torch.fx` runs the module's `forward` once on a stand-in for its input and writes down the
operations. Each is then applied to values of a `ReluGraph`; `torch_operations` has them all.
`relu_graph` says what is exact and what rounds.
"""
from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from textwrap import shorten
from typing import Any, NamedTuple

from .._validation import Array, choice, library, message, renamed
from ..networks.network import Network, check_network
from .relu_graph import LAST_ADVICE, ReluGraph, Value, advice, limit_of
from .torch_operations import Constant, Logits, Operations, Unreadable, check_initialised

_CALLS = ("forward", "__call__", "_wrapped_call_impl", "_call_impl")
"""The attributes of a module that compute its outputs when it is called."""


@renamed("sequential", "module")
def from_torch(module: Any, until: str | None = None) -> Network:
    """Return the network of a PyTorch module as a function of one flat sample.

    The module is a Sequential or any module whose `forward` torch.fx can trace, in evaluation mode
    (`eval()`). It may consist of Linear, BatchNorm1d, ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh,
    Flatten (of all axes but the first), Identity, Dropout and modules made of these; of sums,
    differences, maxima and minima of values (residual blocks), of `torch.cat` along the second
    axis, and of products with numbers or tensors of the model. A Linear whose weight is computed
    (`torch.nn.utils.parametrizations`) must be in evaluation mode; its present weight is taken.

    Parameters
    ----------
    module : torch.nn.Module
        On any device, with parameters of any floating-point type. It is not changed.
    until : "logits", optional
        End the network before a last Softmax, LogSoftmax or Sigmoid, which is no ReLU.

    Returns
    -------
    Network
        It computes module(X) for samples X of shape (n_samples, n_inputs); arrays that the module
        flattens first are taken flat, in row-major order. It has no output bias if the last
        Linear has none. ``from_torch(to_torch(net))`` has the parameters of `net`, bit for bit. An
        affine module gets one hidden layer, z = s(z) - s(-z): two neurons per output.

    Raises
    ------
    TypeError
        If it is no module, or if a parameter is not real or not a dense tensor of one of PyTorch's
        own classes.
    ValueError
        If it cannot be traced, or consists of something else, which the message names with its
        place; if it has forward hooks or a `forward` set on an instance, which could change what it
        returns; if sizes do not fit or a parameter is not finite.
    ImportError
        If PyTorch is not installed.

    Notes
    -----
    The network is the module's function in real arithmetic, on its numbers, which float64 holds
    exactly. The module's own evaluation rounds in its own type: with float32 parameters it may
    differ from the network by about 2^29 `evaluation_bound(network, domain)`, the ratio of both
    unit roundoffs; on a GPU that multiplies in TF32 by 2^42 of it.

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
    if not isinstance(module, torch.nn.Module):
        raise TypeError(message("module", "a torch.nn.Module", type(module).__name__))
    if until is not None:
        choice(until, "until", ["logits"])
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        check_initialised(Constant(_path(f"0.{name}"), tensor), torch)
    for name, inner in module.named_modules():
        _check_untouched(inner, _path(f"0.{name}" if name else "0"), torch)
    # tracing writes the constants that it meets into the root: not into the module itself
    root = torch.nn.Sequential(module)
    calls = _calls(_trace(root, torch), root, torch)
    n_numbers = sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))
    graph = ReluGraph(_n_inputs(calls), limit_of(n_numbers))
    output = _apply(calls, Operations(graph, torch), graph.input, until)
    return graph.network(graph.carry(output, max(1, output.layer)))


def _path(target: str) -> str:
    """Return the place of a module as Python writes it: `module.body[2]`; the root's is "0"."""
    parts = target.split(".")[1:]
    return "module" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)


def _check_untouched(module: Any, name: str, torch: Any) -> None:
    """Raise ValueError if the module may not compute what its class does.

    That is if a `forward` was set on this instance, or if it has forward hooks, which could change
    what it returns: those of pruning and of the older weight_norm overwrite `weight`.
    """
    kind, own = type(module).__name__, vars(module)
    if isinstance(module, torch.jit.ScriptModule) or kind == "OptimizedModule":
        expected = "a module as it was before PyTorch compiled it"
        raise ValueError(message(name, expected, kind))
    for call in _CALLS:
        if call in own and own[call] != getattr(type(module), call).__get__(module):
            expected = "a module that computes what its class does"
            got = f"{kind} with a `{call}` of its own: delete it"
            raise ValueError(message(name, expected, got))
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(message(name, "without forward hooks", f"{kind} with some: remove them"))
    every = torch.nn.modules.module
    if every._global_forward_hooks or every._global_forward_pre_hooks:
        raise ValueError(message(name, "without forward hooks", "some of all modules: remove them"))


# ------------------------------------------------------------------------------------------ tracing


def _trace(root: Any, torch: Any) -> Any:
    """Return the operations of the root as a torch.fx.Graph."""
    class Tracer(torch.fx.Tracer):
        """Enters the modules that are made of others, and tells x += y from x = x + y."""

        def is_leaf_module(self, module: Any, name: str) -> bool:
            return _kind(module, torch.nn) is not None or bool(super().is_leaf_module(module, name))

        def proxy(self, node: Any) -> Any:
            return Proxy(node, self)

    class Proxy(torch.fx.Proxy):
        """A stand-in for a value."""

    for name in ("iadd", "isub", "imul", "itruediv"):
        setattr(Proxy, f"__{name}__", _in_place(getattr(operator, name)))
    random_numbers = torch.get_rng_state()
    try:
        traced = Tracer().trace(root)
    except Exception as error:  # whatever the module's own code raises for a stand-in
        got = f"one that it cannot follow ({type(error).__name__}: {shorten(str(error), 200)})"
        expected = "a module whose `forward` torch.fx can trace, without conditions on values"
        raise ValueError(message("module", expected, got)) from error
    if not torch.equal(torch.get_rng_state(), random_numbers):
        raise ValueError(message("module", "without random numbers", "a `forward` that draws some"))
    return traced


def _in_place(function: Any) -> Callable[[Any, Any], Any]:
    def record(proxy: Any, other: Any) -> Any:
        return proxy.tracer.create_proxy("call_function", function, (proxy, other), {})

    return record


class _Call(NamedTuple):
    """An operation of the graph.

    Attributes
    ----------
    node : torch.fx.Node
        What it computes.
    name : str
        Of the method of `Operations`; "placeholder", "constant" and "output" for others.
    arguments : tuple
        Nodes, numbers and constants.
    options : dict
    place : str
        Of the module, or of the `forward` that has the operation.
    text : str
        The operation, for messages.
    """

    node: Any
    name: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    place: str
    text: str

    def fault(self, reason: str) -> ValueError:
        """Return the error that the operation cannot be read."""
        return ValueError(f"`{self.place}`: {self.text} {reason}")


def _calls(traced: Any, root: Any, torch: Any) -> list[_Call]:
    """Return the operations in their order; raise ValueError for one that is not read."""
    functions, nodes = _functions(torch), list(traced.nodes)
    calls: list[_Call] = []
    for number, node in enumerate(nodes):
        if node.op == "call_module":
            calls.append(_module_call(node, root.get_submodule(node.target), torch))
        elif node.op == "get_attr":
            # what begins with "_" is a constant that tracing met and wrote into the root
            path = _path(f"0.{node.target}" if node.target.startswith("_") else node.target)
            constant = Constant(path, _attribute(root, node.target))
            calls.append(_Call(node, "constant", (constant,), {}, path, ""))
        elif node.op in ("placeholder", "output"):
            calls.append(_Call(node, node.op, tuple(node.args), {}, "module", "its output"))
        else:
            name = node.target if isinstance(node.target, str) else node.target.__name__
            innermost = list(node.meta.get("nn_module_stack") or ["0"])[-1].split("@")[0]
            method = node.target if node.op == "call_method" else functions.get(node.target, "")
            text = f"{name} (operation {number} of {len(nodes) - 2})"
            call = _Call(node, _OPERATIONS.get(method, ""), tuple(node.args), dict(node.kwargs),
                         f"{_path(innermost)}.forward", text)
            if not call.name:
                raise call.fault(f"is not supported: {advice(name)}")
            calls.append(call)
    return calls


def _attribute(root: Any, target: str) -> Any:
    for name in target.split("."):
        root = getattr(root, name)
    return root


_OPERATIONS = {
    **{name: name for name in (
        "linear", "matmul", "batch_norm", "add", "sub", "mul", "div", "neg",
        "relu", "leaky_relu", "prelu", "hardtanh", "relu6", "clamp", "abs", "maximum", "minimum",
        "dropout", "flatten", "view", "squeeze", "size", "getattr", "getitem", "cat",
        "softmax", "log_softmax", "sigmoid")},
    "reshape": "view", "contiguous": "identity", "float": "identity", "double": "identity",
    "truediv": "div", "true_divide": "div", "subtract": "sub", "multiply": "mul", "divide": "div",
    "concat": "cat", "concatenate": "cat", "clip": "clamp", "absolute": "abs", "negative": "neg",
    "max": "maximum", "min": "minimum", "iadd": "add", "isub": "sub", "imul": "mul",
    "itruediv": "div",
}
"""The method of `Operations` that reads each of PyTorch's functions and methods."""

_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv)
_VIEWS = ("identity", "dropout", "flatten", "view", "squeeze", "getitem")
"""Operations whose result may lie in the memory of their operand."""

_LAST = ("softmax", "log_softmax", "sigmoid")
_AFTER_LAST = (*_LAST, *_VIEWS[:-1])
_OF_SEVERAL = ("add", "sub", "mul", "div", "maximum", "minimum", "cat", "getitem")
"""Operations whose first operand need not be a value."""


def _functions(torch: Any) -> dict[Any, str]:
    """Return the names of the functions that are read."""
    found: dict[Any, str] = {getattr: "getattr"}
    for room in (operator, torch, torch.nn.functional):
        for name in _OPERATIONS:
            function = getattr(room, name, None)
            # the arguments of torch.batch_norm have another order
            if callable(function) and function is not torch.batch_norm:
                found[function] = name
    return found


# ------------------------------------------------------------------------------------------ modules


_MODULES: dict[str, Callable[[Any, Callable[[str], Any]], tuple[Any, ...]]] = {
    "Linear": lambda module, tensor: ("linear", tensor("weight"), tensor("bias")),
    "BatchNorm1d": lambda module, tensor: (
        "batch_norm", tensor("running_mean"), tensor("running_var"), tensor("weight"),
        tensor("bias"), module.training, module.momentum, module.eps),
    "ReLU": lambda module, tensor: ("relu", module.inplace),
    "LeakyReLU": lambda module, tensor: ("leaky_relu", module.negative_slope, module.inplace),
    "PReLU": lambda module, tensor: ("prelu", tensor("weight")),
    "ReLU6": lambda module, tensor: ("relu6", module.inplace),
    "Hardtanh": lambda module, tensor: ("hardtanh", module.min_val, module.max_val, module.inplace),
    "Flatten": lambda module, tensor: ("flatten", module.start_dim, module.end_dim),
    "Identity": lambda module, tensor: ("identity",),
    "Dropout": lambda module, tensor: ("dropout", module.p, module.training, module.inplace),
    "Softmax": lambda module, tensor: ("softmax",),
    "LogSoftmax": lambda module, tensor: ("log_softmax",),
    "Sigmoid": lambda module, tensor: ("sigmoid",),
}
"""The method of `Operations` that a module of each class calls, its arguments after the first."""


def _kind(module: Any, nn: Any) -> str | None:
    """Return the name of the class of `_MODULES` that computes what the module does, or None."""
    own = type(module)
    for name in _MODULES:
        kind = getattr(nn, name)
        is_kind = isinstance(module, kind)
        if is_kind and all(getattr(own, call) is getattr(kind, call) for call in _CALLS):
            return name
    return None


def _module_call(node: Any, module: Any, torch: Any) -> _Call:
    """Return the operation of a module, which is that of a function."""
    path, kind = _path(node.target), _kind(module, torch.nn)
    text = shorten(repr(module), 90)
    if kind is None:
        raise ValueError(f"`{path}`: {text} is not supported: {advice(type(module).__name__)}")
    # in training mode a computed weight may change with each call
    computed = torch.nn.utils.parametrize.is_parametrized(module)
    if computed and any(one.training for one in module.modules()):
        expected = "in evaluation mode (`eval()`), where its parameters are computed"
        raise ValueError(message(path, expected, f"{type(module).__name__} in training mode"))

    def tensor(name: str) -> Constant | None:
        found = getattr(module, name)
        return None if found is None else Constant(f"{path}.{name}", found)

    name, *arguments = _MODULES[kind](module, tensor)
    return _Call(node, name, (*node.args, *arguments), dict(node.kwargs), path, text)


# ------------------------------------------------------------------------------ applying operations


def _n_inputs(calls: list[_Call]) -> int:
    """Return the size of the input: the first operation that asks for a size tells it.

    Raises
    ------
    ValueError
        If none does that takes the input, or a value of its size.
    """
    constants = {call.node: call.arguments[0].tensor for call in calls if call.name == "constant"}
    of_its_size: set[Any] = set()
    for call in calls:
        tensors = [constants[one] if one in constants else one.tensor
                   for one in call.arguments if isinstance(one, Constant) or one in constants]
        first = call.arguments[0] if call.arguments else None
        if call.name == "placeholder":
            of_its_size.add(call.node)
        elif any(one in of_its_size for one in call.arguments if hasattr(one, "op")):
            if call.name in ("linear", "batch_norm") and first in of_its_size and tensors:
                return int(tensors[0].shape[-1])
            if call.name == "matmul" and tensors:
                return int(tensors[0].shape[0])
            sizes = [one.numel() for one in tensors if one.numel() > 1]
            if sizes:
                return int(sizes[0])
            if call.name not in ("cat", "getitem", "size", "getattr", "linear", "matmul"):
                of_its_size.add(call.node)
    expected = "one that tells its number of inputs by a Linear or the like"
    got = "one without an affine layer that takes the input"
    raise ValueError(message("module", expected, got))


def _apply(calls: list[_Call], operations: Operations, input: Value, until: str | None) -> Value:
    """Apply all operations to the input and return the output."""
    values: dict[Any, Any] = {}
    memory = _Memory()
    for call in calls:
        if call.name == "placeholder":
            values[call.node] = input
        elif call.name == "constant":
            values[call.node] = call.arguments[0]
        elif call.name == "output":
            memory.check(call)
            output = values.get(call.arguments[0]) if hasattr(call.arguments[0], "op") else None
            if not isinstance(output, Value | Logits):
                raise call.fault("must be one value that depends on the input")
            return output.z if isinstance(output, Logits) else output
        else:
            memory.check(call)
            method = getattr(operations, call.name)
            bound = _operands(call, method, values)
            _check_last(call, bound, until)
            try:
                values[call.node] = method(*bound.args, **bound.kwargs)
            except Unreadable as error:
                raise call.fault(str(error)) from None
            memory.record(call, bool(bound.arguments.get("inplace")))
    raise AssertionError("a graph of torch.fx has an output")


def _operands(call: _Call, method: Any, values: dict[Any, Any]) -> inspect.BoundArguments:
    """Return the operands of an operation by the names of its arguments."""
    arguments = [_operand(one, values) for one in call.arguments]
    options = {name: _operand(one, values) for name, one in call.options.items()}
    try:
        bound = inspect.signature(method).bind(*arguments, **options)
    except TypeError as error:
        raise call.fault(f"has arguments that are not read: {error}") from None
    first = next(iter(bound.arguments.values()))
    if call.name not in _OF_SEVERAL and not isinstance(first, Value | Logits):
        raise call.fault("must take a value that depends on the input first")
    return bound


def _operand(argument: Any, values: dict[Any, Any]) -> Any:
    """Return an argument with values in the place of nodes."""
    if isinstance(argument, tuple | list) and not isinstance(argument, Constant):
        return tuple(_operand(one, values) for one in argument)
    return values[argument] if hasattr(argument, "op") else argument


def _check_last(call: _Call, bound: inspect.BoundArguments, until: str | None) -> None:
    """Raise ValueError for a Softmax or the like, unless the network ends before it."""
    if call.name in _LAST and until is None:
        raise call.fault(f"is no ReLU; if it is the last one, {LAST_ADVICE}")
    if call.name not in _AFTER_LAST and _has_logits(tuple(bound.arguments.values())):
        raise call.fault("comes after a Softmax, LogSoftmax or Sigmoid, which must be the last")
    if call.name == "squeeze" and any(user.op != "output" for user in call.node.users):
        raise call.fault("drops an axis before the end of the module")


def _has_logits(operands: Any) -> bool:
    """Return True if an operand, or one in a list of them, comes after the logits."""
    if isinstance(operands, Logits):
        return True
    return type(operands) is tuple and any(_has_logits(one) for one in operands)


class _Memory:
    """Which values lie in one tensor, and which of them have been overwritten."""

    def __init__(self) -> None:
        self._tensors: dict[Any, int] = {}
        self._overwritten: set[Any] = set()

    def check(self, call: _Call) -> None:
        """Raise ValueError if an operand was overwritten: the values here are those from before."""
        if any(node in self._overwritten for node in call.node.all_input_nodes):
            raise call.fault("uses a value after an operation in place has changed it")

    def record(self, call: _Call, is_in_place: bool) -> None:
        """Note where the result of an operation lies."""
        node, (first, *_) = call.node, call.node.all_input_nodes
        is_in_place = is_in_place or node.target in _IN_PLACE
        if call.name not in _VIEWS and not is_in_place:
            return
        tensor = self._tensors.setdefault(first, len(self._tensors))
        if is_in_place:
            self._overwritten.update(one for one, its in self._tensors.items() if its == tensor)
        self._tensors[node] = tensor


# --------------------------------------------------------------------------------------- to PyTorch


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
