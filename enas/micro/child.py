"""The child network of the micro space: stem, normal and reduction cells, classifier (ENAS, section 2.4 and 3.2).

One function, `logits`, builds it for a fixed arc and for a sampled one. Two reduction cells, at 1/3 and 2/3 of the depth,
halve the feature map and double the filters.
"""

import math

import tensorflow.compat.v1 as tf

from enas import layers
from enas.micro import arc as arcs
from enas.micro import cell as cells
from enas.micro.cost import IMAGE_BITS, reduction_layers
from quantize import ops

AUX_WEIGHT = 0.4
AUX_FILTERS = (128, 768)


def logits(build, images, arc):
    """Builds the child.

    Args:
      build: a `layers.Build`.
      images: float32 `[N, H, W, C]` with a static shape.
      arc: an `arcs.Arc`, or an int32 tensor `[2, num_cells, 4]` (normal cell, reduction cell; rows are nodes).

    Returns:
      (logits, auxiliary logits or None), float32 `[N, num_classes]`.
    """
    config = build.config
    fixed = isinstance(arc, arcs.Arc)
    function = None if fixed else cells.slot_function(build)
    filters, aux = config.out_filters, None
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        x = _stem(build, images)
        pair = (x, x)
        reductions = reduction_layers(config.num_layers)
        for layer in range(config.num_layers + 2):
            reduction = layer in reductions
            filters *= 2 if reduction else 1
            size = [math.ceil(side / 2) if reduction else side for side in pair[1].shape[1:3]]
            masks = layers.path_masks(build, layer, config.num_layers + 2, [config.num_cells, 2, images.shape[0]])
            with tf.variable_scope(f"layer_{layer}"):
                inputs = [_calibrate(build, f"input_{i}", x, size, filters) for i, x in enumerate(pair)]
                if fixed:
                    masks = None if masks is None else [tf.unstack(node) for node in tf.unstack(masks)]
                    runner = cells.FixedCell(build, arc.reduction if reduction else arc.normal, inputs, masks)
                else:
                    runner = cells.SampledCell(build, arc[1 if reduction else 0], inputs, masks, function)
                pair = (pair[1], cells.run_cell(build, runner))
            if layer == reductions[1] and config.use_aux_heads and build.training:
                aux = _aux_head(build, pair[1])
        return _classifier(build, pair[1]), aux


def _stem(build, images):
    """3x3 convolution to three times the first filters, and batch norm; `[N, H, W, 3 * out_filters]`."""
    scheme = build.end_scheme
    with tf.variable_scope("stem"):
        channels, filters = images.shape[-1], 3 * build.config.out_filters
        bits = IMAGE_BITS if scheme.latent else None
        w = layers.weight(build, "w", [3, 3, channels, filters], 9 * channels, scheme, activation_bits=bits)
        x = layers.norm(build, ops.conv2d(ops.quantize_input(images, scheme), w, scheme))
        return tf.cast(x, build.scheme.dtype)


def _calibrate(build, name, x, size, filters):
    """Brings a cell input to `[N, *size, filters]`: factorized reductions while it is larger (two after adjacent
    reduction cells), a 1x1 convolution where only its channels differ, nothing where it fits."""
    with tf.variable_scope(name):
        reductions = 0
        while list(x.shape[1:3]) != list(size):
            with tf.variable_scope(f"reduction_{reductions}"):
                x = _factorized_reduction(build, ops.activate(x, build.scheme), filters)
            reductions += 1
        if x.shape[-1] != filters:
            x = layers.norm(build, _conv1x1(build, "w", ops.activate(x, build.scheme), filters))
        return x


def _factorized_reduction(build, x, filters):
    """Halves height and width: two stride-2 1x1 convolutions, the second one pixel further, concatenated (ENAS, 2.4)."""
    # An odd side has no further pixel at its end; elsewhere the convolution does not reach what is cut off.
    odd = [[0, 0], *([0, int(side) % 2] for side in x.shape[1:3]), [0, 0]]
    shifted = tf.slice(x, [0, 1, 1, 0], [-1, -1, -1, -1])
    shifted = tf.pad(shifted, odd) if any(end for _, end in odd) else shifted
    paths = [
        _conv1x1(build, f"path_{i}", path, width, stride=2)
        for i, (path, width) in enumerate([(x, filters // 2), (shifted, filters - filters // 2)])
    ]
    return layers.norm(build, tf.concat(paths, axis=3))


def _conv1x1(build, name, x, filters, stride=1):
    channels = x.shape[-1]
    w = layers.weight(build, name, [1, 1, channels, filters], channels, build.scheme)
    return ops.conv2d(x, w, build.scheme, stride)


def _aux_head(build, x):
    """Auxiliary classifier: ReLU, 5x5 average pool of stride 3, 1x1 convolution, convolution over all that is left of the
    feature map, dense; `[N, num_classes]`."""
    scheme = build.scheme
    with tf.variable_scope("aux_head"):
        x = tf.nn.avg_pool2d(tf.nn.relu(x), [min(5, int(side)) for side in x.shape[1:3]], 3, "VALID")
        for i, filters in enumerate(AUX_FILTERS):
            with tf.variable_scope(f"conv_{i}"):
                x = layers.norm(build, _conv1x1(build, "w", ops.activate(x, scheme) if i else x, filters))
                if i == 0:
                    x = tf.reshape(x, [x.shape[0], 1, 1, -1])
        x = tf.nn.relu(tf.cast(x[:, 0, 0], tf.float32))
        return _dense(build, x, build.end_scheme)


def _classifier(build, x):
    """ReLU, global average pool, dropout, dense; `[N, num_classes]`."""
    with tf.variable_scope("classifier"):
        x = tf.reduce_mean(tf.nn.relu(tf.cast(x, tf.float32)), [1, 2])
        return _dense(build, layers.dropout(build, x, "dropout"), build.end_scheme)


def _dense(build, x, scheme):
    channels = x.shape[-1]
    bits = 32 if scheme.latent else None  # what was pooled is not quantized again
    w = layers.weight(build, "w", [channels, build.num_classes], channels, scheme, activation_bits=bits)
    b = layers.constant_variable("b", [build.num_classes], 0.0)
    return ops.dense(x, w, b, scheme)
