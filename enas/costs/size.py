"""What a built network costs: counted from its graph."""

import math
from collections.abc import Iterator
from typing import Protocol

import tensorflow.compat.v1 as tf

from enas.costs.cost import Cost
from enas.graph.layers import BuildContext
from enas.types import Operation, Tensor


class ScoringGraph(Protocol):
    """A child built for scoring, e.g. a `child_graph.EvalGraph`.

    Attributes:
      build: what the child was built with.
      correct: a tensor that depends on all of the child's layers.
    """

    @property
    def build(self) -> BuildContext: ...

    @property
    def correct(self) -> Tensor: ...


def measure(graph: ScoringGraph) -> Cost:
    """Counts the cost of a fixed child. The auxiliary head does not count: only training has it."""
    build = graph.build
    variables = [v for v in tf.trainable_variables("child/") if "/aux_head/" not in v.name]
    counts = {v.name: math.prod(v.shape.as_list()) for v in variables}
    model_bytes = sum(math.ceil(count * build.weight_bits.get(name, 32) / 8) for name, count in counts.items())
    macs = bitops = 0
    for op, name in products(graph):
        count = _macs(op)
        macs += count
        bitops += count * build.weight_bits[name] * build.activation_bits[name]
    return Cost(sum(counts.values()), macs, bitops, model_bytes)


def products(graph: ScoringGraph) -> Iterator[tuple[Operation, str]]:
    """Yields (operation, name of the variable that its weights come from) of each convolution and matrix product of a
    fixed child. Its inputs are activations, then weights."""
    names = {v.op.name: v.name for v in tf.trainable_variables("child/")}
    for op in _ancestors(graph.correct.op):
        if op.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            [name] = {names[o.name] for o in _ancestors(op.inputs[1].op) if o.name in names}
            yield op, name


def _ancestors(op: Operation) -> set[Operation]:
    """Returns all operations that an operation depends on, itself included."""
    seen, waiting = set(), [op]
    while waiting:
        op = waiting.pop()
        if op not in seen:
            seen.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return seen


def _macs(op: Operation) -> int:
    """Returns the multiply-accumulates that a convolution or matrix product spends on one image."""
    y = op.outputs[0]
    if op.type == "MatMul":  # a 1x1 convolution is a product of the pixels of all images, reshaped
        [y] = [reshape.outputs[0] for reshape in y.consumers() if reshape.type == "Reshape"] or [y]
    outputs = math.prod(y.shape.as_list()[1:])
    weights = op.inputs[1].shape.as_list()
    # One output value reads k * k * Cin, k * k, or Cin inputs.
    return outputs * math.prod(weights[:2] if op.type == "DepthwiseConv2dNative" else weights[:-1])
