"""How large a built network is: counted from its graph."""

import math

import tensorflow.compat.v1 as tf

from enas.costs.cost import Cost


def measure(graph):
    """Counts the `Cost` of a fixed child in its scoring graph (the auxiliary head, which only training has, is no part).

    Args:
      graph: a `child_graph.EvalGraph`.
    """
    build = graph.build
    variables = [v for v in tf.trainable_variables("child/") if "/aux_head/" not in v.name]
    counts = {v.name: math.prod(v.shape.as_list()) for v in variables}
    model_bytes = sum(math.ceil(count * build.weight_bits.get(name, 32) / 8) for name, count in counts.items())
    names = {v.op.name: v.name for v in variables}
    macs = bitops = 0
    for op in _ancestors(graph.correct.op):
        if op.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            count = _macs(op)
            [name] = {names[o.name] for o in _ancestors(op.inputs[1].op) if o.name in names}
            macs += count
            bitops += count * build.weight_bits[name] * build.activation_bits[name]
    return Cost(sum(counts.values()), macs, bitops, model_bytes)


def _ancestors(op):
    """All operations that `op` depends on."""
    seen, waiting = set(), [op]
    while waiting:
        op = waiting.pop()
        if op not in seen:
            seen.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return seen


def _macs(op):
    """Multiply-accumulates that a convolution or matrix product spends on one image."""
    y = op.outputs[0]
    if op.type == "MatMul":  # a 1x1 convolution is a product of the pixels of all images, reshaped
        [y] = [reshape.outputs[0] for reshape in y.consumers() if reshape.type == "Reshape"] or [y]
    outputs = math.prod(y.shape.as_list()[1:])
    weights = op.inputs[1].shape.as_list()
    # Inputs that one output value reads: k * k * Cin, k * k, or Cin.
    return outputs * math.prod(weights[:2] if op.type == "DepthwiseConv2dNative" else weights[:-1])
