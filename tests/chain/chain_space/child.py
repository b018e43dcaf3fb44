"""The child network of the chain space: one definition, for a fixed arc and for a sampled one."""

from typing import Any

import tensorflow.compat.v1 as tf

from chain_space.arc import OPS, Arc
from enas.graph import blocks, layers, norms
from enas.graph.layers import BuildContext
from quantize import ops


def logits(build: BuildContext, images: Any, arc: Any) -> tuple[Any, None]:
    """Builds the child.

    Args:
      build: says how; collects what others need to know of the variables.
      images: float32 `[N, H, W, C]`.
      arc: an `Arc`, or an int32 tensor `[num_layers]`.

    Returns:
      (logits float32 `[N, num_classes]`, None: there is no auxiliary head).
    """
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        x = blocks.stem(build, images, build.config.out_filters)
        for layer in range(build.config.num_layers):
            with tf.variable_scope(f"layer_{layer}"):
                x = _fixed(build, x, arc.ops[layer]) if isinstance(arc, Arc) else _sampled(build, x, arc[layer])
        return blocks.classifier(build, x), None


def _fixed(build, x, op):
    return _run(build, x, OPS[op])


def _sampled(build, x, op):
    # Computes every op and picks one: simple, and slow. The micro space computes only what the arc chose.
    return tf.gather(tf.stack([_run(build, x, name) for name in OPS]), op)


def _run(build, x, name):
    """One op on x `[N, H, W, C]`; the same shape."""
    if name == "identity":
        return x
    if name != "conv_3x3":
        return blocks.pool_3x3(name, x)
    channels = x.shape[-1]
    w = layers.weight(build, "w", [3, 3, channels, channels], 9 * channels, build.scheme)
    return norms.norm(build, ops.conv2d(ops.activate(x, build.scheme), w, build.scheme))
