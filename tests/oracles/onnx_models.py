"""ONNX models for the tests: chains of operators in all the ways that exporters write them."""
import numpy as np
import pytest

from oracles.strategies import entries

pytest.importorskip("onnx")

import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

STORAGE = ("raw", "list", "Constant", "also input")
DTYPES = {"float32": np.float32, "float64": np.float64}


def evaluate(model, X):
    """Return the outputs of onnx's own evaluator, flat, for one sample in any shape."""
    return ReferenceEvaluator(model).run(None, {model.graph.input[0].name: X})[0].ravel()


class Chain:
    """A model that grows operator by operator, the roundings it may carry, and its sums of absolute paths at x.

    Parameters
    ----------
    shape : tuple
        Of the input; a str or None is an unknown length.
    rng : numpy Generator
    numbers : str
        What `strategies.entries` draws constants from.
    dtype : "float32" or "float64"
    """

    def __init__(self, shape, rng, numbers="integer", dtype="float64", opset=15):
        self.shape = tuple(length if isinstance(length, int) else 1 for length in shape)
        self.declared, self.rng, self.numbers, self.opset = shape, rng, numbers, opset
        self.dtype, self.kind = DTYPES[dtype], helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.x = entries(rng, self.shape, numbers).astype(self.dtype)
        self.paths, self.n_roundings = np.abs(self.x.astype(float)).ravel(), 0
        self.nodes, self.constants, self.inputs, self.name = [], [], [], "x"
        self.earlier = []  # values before, for operators of two: name, shape and paths

    @property
    def size(self):
        return int(np.prod(self.shape))

    def constant(self, array, storage=None):
        """Store an array in one of the ways of STORAGE and return its name."""
        storage, name = storage or self.rng.choice(STORAGE), f"c{len(self.constants) + len(self.nodes)}"
        array = np.asarray(array)
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        if storage == "list":
            tensor = helper.make_tensor(name, tensor.data_type, array.shape, array.ravel().tolist())
        if storage == "Constant":
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            return name
        if storage == "also input":
            self.inputs.append(helper.make_tensor_value_info(name, tensor.data_type, array.shape))
        self.constants.append(tensor)
        return name

    def draw(self, shape):
        return entries(self.rng, shape, self.numbers).astype(self.dtype)

    def node(self, operator, inputs, shape, **attributes):
        """Add an operator; "" among the inputs stands for the value so far."""
        inputs = [name or self.name for name in inputs]
        self.name = f"v{len(self.nodes)}"
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [self.name], name=name, **attributes))
        self.shape = tuple(shape)
        return self

    def times(self, V, factor=1.0):
        """Follow V x in the sums of paths; the reader multiplies V by what is below it and by a factor."""
        self.n_roundings += 2 * V.shape[1] + 4
        self.paths = abs(factor) * np.abs(V.astype(float)) @ self.paths

    def plus(self, c, shape, factor=1.0):
        self.n_roundings += 4
        self.paths = self.paths + abs(factor) * np.abs(np.broadcast_to(c, shape).astype(float)).ravel()

    # the operators, each in one of the ways that fit the shape so far

    def gemm(self):
        n, m = self.size, int(self.rng.integers(1, 5))
        if self.shape not in ((1, n), (n, 1)):
            self.reshape([(1, n), (n, 1)][self.rng.integers(2)])
        alpha, beta = (float(self.rng.choice([1.0, -1.0, 0.5, 3.0])) for _ in range(2))
        is_right, trans_other = bool(self.rng.integers(2)), int(self.rng.integers(2))
        V = self.draw((m, n))
        trans_value = int(self.shape != ((1, n) if is_right else (n, 1)))
        M = V.T if is_right else V
        operands = ["", self.constant(M.T if trans_other else M)]
        trans = {"transA": trans_value, "transB": trans_other}
        if not is_right:
            operands, trans = operands[::-1], {"transA": trans_other, "transB": trans_value}
        shape = (1, m) if is_right else (m, 1)
        self.times(V, alpha)
        if self.rng.random() < 0.7:
            shapes = [(m,), (1, m), (1,), ()] if is_right else [(m, 1), (1, 1), (1,), ()]
            C = self.draw(shapes[self.rng.integers(4)])
            operands.append(self.constant(C))
            self.plus(C, shape, beta)
        return self.node("Gemm", operands, shape, alpha=alpha, beta=beta, **trans)

    def matmul(self):
        n, m = self.size, int(self.rng.integers(1, 5))
        if self.shape[-1] != n and self.shape[-2:] != (n, 1):
            self.reshape([(1, n), (n, 1), (n,), (1, 1, n)][self.rng.integers(4)])
        V, shape = self.draw((m, n)), self.shape
        self.times(V)
        if shape[-1] == n and (len(shape) > 1 or self.rng.integers(2)):
            return self.node("MatMul", ["", self.constant(V.T)], (*shape[:-1], m))
        tail = (1,) if len(shape) > 1 else ()
        return self.node("MatMul", [self.constant(V), ""], (*shape[:-2], m, *tail) if tail else (m,))

    def affine_constant(self):
        shapes = [self.shape, (1,) * len(self.shape), (), (1, *self.shape)]
        if self.shape[-1] == self.size:
            shapes += [(self.size,), (1, self.size), (1, 1, self.size)]
        c = self.draw(shapes[self.rng.integers(len(shapes))])
        shape = np.broadcast_shapes(self.shape, c.shape)
        self.plus(c, shape)
        return c, shape

    def add(self):
        c, shape = self.affine_constant()
        names = ["", self.constant(c)]
        return self.node("Add", names if self.rng.integers(2) else names[::-1], shape)

    def sub(self):
        c, shape = self.affine_constant()
        names = ["", self.constant(c)]
        return self.node("Sub", names if self.rng.integers(2) else names[::-1], shape)

    def relu(self):
        return self.node("Relu", [""], self.shape)

    def identity(self):
        return self.node("Identity", [""], self.shape)

    def flatten(self):
        axis = int(self.rng.integers(-len(self.shape), len(self.shape) + 1))
        shape = tuple(int(np.prod(part)) for part in (self.shape[:axis], self.shape[axis:]))
        return self.node("Flatten", [""], shape, axis=axis)

    def reshape(self, shape=None):
        n = self.size
        shapes = [(1, n), (n, 1), (n,), (1, 1, n), (1, 1, n, 1)]
        shape = shape or shapes[self.rng.integers(len(shapes))]
        target = list(shape)
        if self.rng.integers(2):
            target[target.index(n)] = -1
        elif len(shape) == len(self.shape) and self.rng.integers(2):
            target = [0 if length == own else length for length, own in zip(shape, self.shape)]
        return self.node("Reshape", ["", self.constant(np.array(target, dtype=np.int64))], shape)

    def factors(self):
        """Return a constant that multiplies entry by entry; it keeps the shape."""
        shapes = [self.shape, (), (1,), self.shape[-1:]]
        return self.draw(shapes[self.rng.integers(len(shapes))])

    def mul(self):
        c = self.factors()
        self.n_roundings += 4
        self.paths = self.paths * np.abs(np.broadcast_to(c, self.shape)).ravel().astype(float)
        names = ["", self.constant(c)]
        return self.node("Mul", names if self.rng.integers(2) else names[::-1], self.shape)

    def div(self):
        c = self.rng.choice([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], self.shape).astype(self.dtype)
        self.n_roundings += 4
        self.paths = self.paths / np.abs(c).ravel()
        return self.node("Div", ["", self.constant(c)], self.shape)

    def neg(self):
        return self.node("Neg", [""], self.shape)

    def leaky_relu(self):
        alpha = float(self.rng.choice([0.5, 0.25, -1.0, 2.0]))
        self.n_roundings += 4
        self.paths = self.paths * max(1.0, abs(alpha))
        return self.node("LeakyRelu", [""], self.shape, alpha=alpha)

    def absolute(self):
        return self.node("Abs", [""], self.shape)

    def clip(self):
        """Clip(z) = low + s(z - low) - s(z - high), or one of both bounds."""
        low, high = np.sort(self.draw(2))
        self.n_roundings += 8
        self.paths = 2.0 * self.paths + 2.0 * abs(float(low)) + 2.0 * abs(float(high))
        bounds = [np.array(low), np.array(high)]
        which = self.rng.integers(3)
        names = [self.constant(bounds[0]) if which != 1 else None, self.constant(bounds[1]) if which else None]
        self.node("Clip", ["", *["?" if name is None else name for name in names]], self.shape)
        inputs = [name if name != "?" else "" for name in self.nodes[-1].input]
        self.nodes[-1].input[:] = inputs
        return self

    def max_constant(self):
        return self.extreme_constant("Max")

    def min_constant(self):
        return self.extreme_constant("Min")

    def extreme_constant(self, operator):
        c = self.factors()
        self.n_roundings += 8
        self.paths = self.paths + 2.0 * np.abs(np.broadcast_to(c, self.shape)).ravel().astype(float)
        names = ["", self.constant(c)]
        return self.node(operator, names if self.rng.integers(2) else names[::-1], self.shape)

    def batch_normalization(self):
        """Divide by a power of two, so that integers stay exact."""
        if len(self.shape) < 2:
            self.reshape((1, self.size))
        n, rng = self.shape[1], self.rng
        variance = rng.choice([0.25, 1.0, 4.0], n).astype(self.dtype)
        scale, shift, mean = (self.draw(n) for _ in range(3))
        axes = (n, *[1] * (len(self.shape) - 2))
        factor, plus = (np.broadcast_to(part.astype(float).reshape(axes), self.shape).ravel() for part in (
            np.abs(scale) / np.sqrt(variance), np.abs(shift) + np.abs(scale / np.sqrt(variance) * mean)))
        self.n_roundings += 16
        self.paths = factor * self.paths + plus
        names = [self.constant(one) for one in (scale, shift, mean, variance)]
        return self.node("BatchNormalization", ["", *names], self.shape, epsilon=0.0)

    def dropout(self):
        return self.node("Dropout", [""], self.shape)

    def cast(self):
        return self.node("Cast", [""], self.shape, to=self.kind)

    def transpose(self):
        order = [int(axis) for axis in self.rng.permutation(len(self.shape))]
        moved = np.arange(self.size).reshape(self.shape).transpose(order)
        self.paths = self.paths[moved.ravel()]
        return self.node("Transpose", [""], moved.shape, perm=order)

    def squeeze(self):
        axes = [axis for axis, length in enumerate(self.shape) if length == 1][1:]
        shape = [length for axis, length in enumerate(self.shape) if axis not in axes]
        return self.node("Squeeze", ["", self.constant(np.array(axes, dtype=np.int64))], shape) if axes else self

    def unsqueeze(self):
        axis = int(self.rng.integers(len(self.shape) + 1))
        shape = (*self.shape[:axis], 1, *self.shape[axis:])
        return self.node("Unsqueeze", ["", self.constant(np.array([axis]))], shape)

    def gather(self):
        axis = int(self.rng.integers(len(self.shape)))
        index = self.rng.integers(0, self.shape[axis], int(self.rng.integers(1, 4)))
        moved = np.take(np.arange(self.size).reshape(self.shape), index, axis=axis)
        self.paths = self.paths[moved.ravel()]
        return self.node("Gather", ["", self.constant(index)], moved.shape, axis=axis)

    def reduce_sum(self):
        axis, keep = int(self.rng.integers(len(self.shape))), int(self.rng.integers(2))
        keep = keep or len(self.shape) == 1
        paths = self.paths.reshape(self.shape).sum(axis=axis, keepdims=bool(keep))
        self.n_roundings += 2 * self.shape[axis] + 4
        self.paths = paths.ravel()
        return self.node("ReduceSum", ["", self.constant(np.array([axis]))], paths.shape, keepdims=int(keep))

    def same_shape(self):
        """Return an earlier value of the present shape, or the present one."""
        found = [one for one in self.earlier if one[1] == self.shape] + [(self.name, self.shape, self.paths)]
        return found[self.rng.integers(len(found))]

    def residual(self):
        name, _, paths = self.same_shape()
        self.n_roundings += 4
        self.paths = self.paths + paths
        return self.node("Add", ["", name], self.shape)

    def difference(self):
        name, _, paths = self.same_shape()
        self.n_roundings += 4
        self.paths = self.paths + paths
        return self.node("Sub", [name, ""], self.shape)

    def max_pair(self):
        name, _, paths = self.same_shape()
        self.n_roundings += 8
        self.paths = 2.0 * (self.paths + paths)
        return self.node(("Max", "Min")[self.rng.integers(2)], ["", name], self.shape)

    def concat(self):
        name, shape, paths = self.same_shape()
        axis = int(self.rng.integers(len(shape)))
        both = np.concatenate([self.paths.reshape(shape), paths.reshape(shape)], axis=axis)
        self.paths = both.ravel()
        return self.node("Concat", ["", name], both.shape, axis=axis)

    def model(self):
        """Return the model; its output is the value so far."""
        graph = helper.make_graph(
            self.nodes, "chain", [helper.make_tensor_value_info("x", self.kind, self.declared), *self.inputs],
            [helper.make_tensor_value_info(self.name, self.kind, self.shape)], self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


CHAIN = ("gemm", "matmul", "add", "sub", "relu", "identity", "flatten", "reshape")
"""Operators of the plainest files."""
EXACT = (*CHAIN, "mul", "neg", "leaky_relu", "absolute", "clip", "max_constant", "min_constant", "dropout",
         "cast", "transpose", "squeeze", "unsqueeze", "gather", "reduce_sum", "residual", "difference",
         "max_pair", "concat")
"""Operators by which small integers stay exact, whatever the constants."""
OPERATORS = (*EXACT, "div", "batch_normalization")


def random_chain(seed, plan, numbers="integer", dtype="float64"):
    """Return a chain of the operators of the plan, at least one Relu among them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    shapes = [("batch", n), (1, n), (n,), (n, 1), (1, 1, n), ("batch", 1, 2, n), (None, n)]
    chain = Chain(shapes[rng.integers(len(shapes))], rng, numbers, dtype)
    for operator in (*plan, *["relu"] * ("relu" not in plan)):
        chain.earlier.append((chain.name, chain.shape, chain.paths))
        getattr(chain, operator)()
    return chain


NAMES = ("Gemm", "MatMul", "Add", "Sub", "Relu", "Identity", "Flatten", "Reshape", "Mul", "Constant", "Max", "Abs",
         "Transpose", "Squeeze", "Concat", "Gather", "Shape", "Softmax", "Conv", "ReduceSum")
LENGTHS = (0, 1, 2, 3, 4, -1, 10**12)


def edited(model, rng):
    """Return the model after one or two changes of its graph, which may make nonsense of it."""
    graph = model.graph
    for _ in range(rng.integers(1, 3)):
        if graph.node and graph.initializer:
            EDITS[rng.integers(len(EDITS))](graph, pick(rng, graph.node), pick(rng, graph.initializer), rng)
    return model


def pick(rng, values):
    return values[rng.integers(len(values))]


def any_name(graph, rng):
    outputs = [name for node in graph.node for name in node.output]
    return pick(rng, [*outputs, *(value.name for value in [*graph.initializer, *graph.input]), "", "else"])


def edit_operator(graph, node, tensor, rng):
    node.op_type = pick(rng, NAMES)


def edit_input(graph, node, tensor, rng):
    if node.input:
        node.input[rng.integers(len(node.input))] = any_name(graph, rng)


def edit_output(graph, node, tensor, rng):
    target = pick(rng, [node.output, [graph.output[0].name]])
    if target is node.output and target:
        target[0] = any_name(graph, rng)
    else:
        graph.output[0].name = any_name(graph, rng)


def edit_nodes(graph, node, tensor, rng):
    graph.node.remove(node) if rng.integers(2) else graph.node.append(node)


def edit_shape(graph, node, tensor, rng):
    axis = int(rng.integers(len(tensor.dims) + 1))
    tensor.dims[axis:axis + 1] = [int(pick(rng, LENGTHS))]


def turn_shape(graph, node, tensor, rng):
    tensor.dims[:] = list(tensor.dims)[::-1]


def edit_attribute(graph, node, tensor, rng):
    for attribute in node.attribute:
        attribute.i = int(rng.integers(-3, 4))
        attribute.f = float(pick(rng, [0.0, -2.0, np.nan]))


def edit_declaration(graph, node, tensor, rng):
    pick(rng, graph.input[0].type.tensor_type.shape.dim).dim_value = int(pick(rng, LENGTHS))


def edit_lengths(graph, node, tensor, rng):
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT64:
            lengths = rng.integers(-2, 4, rng.integers(4))
            tensor.CopyFrom(numpy_helper.from_array(lengths, tensor.name))


EDITS = (edit_operator, edit_input, edit_output, edit_nodes, edit_shape, turn_shape, edit_attribute,
         edit_declaration, edit_lengths)


def save_model(path, model):
    path.write_bytes(model.SerializeToString())
    return path


def checked(model):
    onnx.checker.check_model(model, full_check=True)
    return model
