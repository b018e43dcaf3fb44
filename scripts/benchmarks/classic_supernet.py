"""The shared child in the classic layout: every slot computes every op, and the arc's choice is picked by index.

A reference for `enas.micro.child`, and something to measure it against. It is written from what the network is meant to
be; only variables, masks and quantized layers come from the project. Variables belong to (node, side, source, op), each
on its own, named as a fixed child's. There is no auxiliary head. `logits` can stand in for `enas.micro.child.logits`.
"""

from typing import Any

import tensorflow.compat.v1 as tf

from enas.graph import layers, norms
from quantize import ops

AUX_WEIGHT = 0.4
BN_EPSILON = 1e-5


def logits(build: Any, images: Any, arc: Any) -> tuple[Any, Any]:
    """Builds the network.

    Args:
      build: a `layers.BuildContext`.
      images: float32 `[N, H, W, C]` with a static shape.
      arc: int32 tensor `[2, num_cells, 4]`.

    Returns:
      (logits, None), logits float32 `[N, num_classes]`.
    """
    config = build.config
    depth = config.num_layers + 2
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        with tf.variable_scope("stem"):
            scheme = build.end_scheme
            inputs, width = images.shape[-1], 3 * config.out_filters
            w = layers.weight(build, "w", [3, 3, inputs, width], 9 * inputs, scheme)
            x = _norm(build, ops.conv2d(ops.quantize_input(images, scheme), w, scheme))
        older = newer = tf.cast(x, build.scheme.dtype)
        height, filters = int(images.shape[1]), config.out_filters
        third = config.num_layers // 3
        for layer in range(depth):
            kind = int(layer in (third, 2 * third + 1))
            if kind:
                height, filters = (height + 1) // 2, 2 * filters
            masks = layers.path_masks(build, layer, depth, [config.num_cells, 2, images.shape[0]])
            with tf.variable_scope(f"layer_{layer}"):
                inputs = [_fit(build, i, x, height, filters) for i, x in enumerate((older, newer))]
                older, newer = newer, cell(build, inputs, arc[kind], masks)
        with tf.variable_scope("classifier"):
            x = tf.reduce_mean(tf.nn.relu(tf.cast(newer, tf.float32)), [1, 2])
            x = layers.dropout(build, x, "dropout")
            w = layers.weight(build, "w", [filters, build.num_classes], filters, build.end_scheme)
            b = layers.constant_variable("b", [build.num_classes], 0.0)
            return ops.dense(x, w, b, build.end_scheme), None


def cell(build: Any, inputs: Any, arc: Any, masks: Any = None) -> Any:
    """One cell on two inputs `[N, H, W, C]`; arc int32 `[num_cells, 4]`; masks `[num_cells, 2, N]` or None."""
    nodes, channels, count = list(inputs), inputs[0].shape[-1], arc.shape[0]
    for node in range(count):
        sides = []
        for side in (0, 1):
            source, op = arc[node, 2 * side], arc[node, 2 * side + 1]
            mask = None if masks is None else masks[node, side]
            sides.append(_slot(build, f"node_{node}_side_{side}", nodes, source, op, mask))
        nodes.append(sides[0] + sides[1])
    read = tf.concat([arc[:, 0], arc[:, 2]], axis=0)
    loose = tf.logical_not(tf.reduce_any(tf.equal(read[:, None], tf.range(count + 2)), axis=0))
    w = layers.weight(build, "combine", [count + 2, channels, channels], count * channels, build.scheme)
    x = tf.transpose(tf.boolean_mask(tf.stack(nodes), loose), [1, 2, 3, 0, 4])
    x = tf.reshape(x, [*inputs[0].shape[:3], tf.reduce_sum(tf.cast(loose, tf.int32)) * channels])
    w = tf.reshape(tf.boolean_mask(w, loose), [1, 1, -1, channels])
    with tf.variable_scope("combine"):
        return _norm(build, ops.conv2d(ops.activate(x, build.scheme), w, build.scheme))


def _slot(build, name, nodes, source, op, mask):
    x = tf.stack(nodes)[source]
    outputs = [
        _separable(build, name, "sep_conv_3x3", 3, x, len(nodes), source),
        _separable(build, name, "sep_conv_5x5", 5, x, len(nodes), source),
        tf.nn.avg_pool2d(x, 3, 1, "SAME"),
        tf.nn.max_pool2d(x, 3, 1, "SAME"),
    ]
    if mask is not None:
        outputs = [y * tf.cast(tf.reshape(mask, [-1, 1, 1, 1]), y.dtype) for y in outputs]
    return tf.stack([*outputs, x])[op]


def _separable(build, name, op, k, x, sources, source):
    channels, owned = x.shape[-1], []
    for i in range(sources):
        with tf.variable_scope(f"{name}_source_{i}_{op}"):
            owned.append(
                (
                    layers.weight(build, "depthwise", [2, k, k, channels, 1], k * k, build.scheme),
                    layers.weight(build, "pointwise", [2, channels, channels], channels, build.scheme),
                    *norms.norm_variables(build, [2, channels]),
                )
            )
    depthwise, pointwise, scale, offset = [tf.stack(of_all)[source] for of_all in zip(*owned, strict=True)]
    for time in range(2):
        x = ops.depthwise_conv2d(ops.activate(x, build.scheme), depthwise[time], build.scheme)
        x = ops.conv2d(x, tf.reshape(pointwise[time], [1, 1, channels, channels]), build.scheme)
        x = tf.nn.fused_batch_norm(x, scale[time], offset[time], epsilon=BN_EPSILON)[0]
    return x


def _fit(build, index, x, height, filters):
    """Brings an input of a cell to its height and filters."""
    scheme = build.scheme
    with tf.variable_scope(f"input_{index}"):
        for i in range(2):
            if x.shape[1] == height:
                break
            with tf.variable_scope(f"reduction_{i}"):
                x = ops.activate(x, scheme)
                shifted = tf.pad(x[:, 1:, 1:], [[0, 0], [0, 1], [0, 1], [0, 0]])
                widths = (filters // 2, filters - filters // 2)
                paths = [
                    ops.conv2d(
                        path, layers.weight(build, f"path_{j}", [1, 1, x.shape[-1], n], x.shape[-1], scheme), scheme, 2
                    )
                    for j, (path, n) in enumerate(zip((x, shifted), widths, strict=True))
                ]
                x = _norm(build, tf.concat(paths, axis=3))
        if x.shape[-1] == filters:
            return x
        w = layers.weight(build, "w", [1, 1, x.shape[-1], filters], x.shape[-1], scheme)
        return _norm(build, ops.conv2d(ops.activate(x, scheme), w, scheme))


def _norm(build, x):
    scale, offset = norms.norm_variables(build, [x.shape[-1]])
    return tf.nn.fused_batch_norm(x, scale, offset, epsilon=BN_EPSILON)[0]
