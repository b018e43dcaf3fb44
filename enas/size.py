"""How large a built network is: counted from its graph."""

import dataclasses
import math

import tensorflow.compat.v1 as tf


@dataclasses.dataclass(frozen=True)
class Size:
    """Size of a network, for one image.

    Attributes:
      parameters: weights, batch-norm scales and offsets, biases.
      macs: multiply-accumulates of its convolutions and dense layers.
      model_bytes: of the parameters, weights at the bit width of their scheme, everything else as float32.
    """

    parameters: int
    macs: int
    model_bytes: int


def measure(scorer):
    """Counts a fixed child from its scoring graph (the auxiliary head, which only training has, is not part of it).

    Args:
      scorer: a `child_graph.Scoring`.
    """
    variables = [v for v in tf.trainable_variables("child/") if "/aux_head/" not in v.name]
    counts = {v.name: math.prod(v.shape.as_list()) for v in variables}
    bits = {name: scorer.build.weight_bits.get(name, 32) for name in counts}
    model_bytes = sum(math.ceil(count * bits[name] / 8) for name, count in counts.items())
    return Size(sum(counts.values()), sum(map(_macs, _ancestors(scorer.correct.op))), model_bytes)


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
    """Multiply-accumulates that one operation spends on one image."""
    if op.type not in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
        return 0
    outputs = math.prod(op.outputs[0].shape.as_list()[1:])
    weights = op.inputs[1].shape.as_list()
    # Inputs that one output value reads: k * k * Cin, k * k, or Cin.
    return outputs * math.prod(weights[:2] if op.type == "DepthwiseConv2dNative" else weights[:-1])
