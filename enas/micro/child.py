"""The child network of the micro space: stem, normal and reduction cells, classifier (ENAS, section 2.4 and 3.2).

One function, `logits`, builds it for a fixed arc and for a sampled one. Two reduction cells, at 1/3 and 2/3 of the depth,
halve the feature map and double the filters.
"""

import math
from typing import Any

import tensorflow.compat.v1 as tf

from enas.graph import blocks, layers, norms
from enas.graph.layers import BuildContext
from enas.micro import arc as arcs
from enas.micro import cell as cells
from enas.micro import op_switch, sampled
from enas.micro.cost import reduction_layers
from enas.types import Tensor

AUX_WEIGHT = 0.4
AUX_FILTERS = (128, 768)


def logits(build: BuildContext, images: Tensor, arc: Any) -> tuple[Tensor, Tensor | None]:
    """Builds the child.

    Args:
      build: a `layers.BuildContext`.
      images: float32 `[N, H, W, C]` with a static shape.
      arc: an `arcs.Arc`, or an int32 tensor `[2, num_cells, 4]` (normal cell, reduction cell; rows are nodes).

    Returns:
      (logits, auxiliary logits or None), float32 `[N, num_classes]`.
    """
    config = build.config
    fixed = isinstance(arc, arcs.Arc)
    shared_slot = None if fixed else op_switch.SharedSlot(build)
    kinds: list[Any] = [arc.normal, arc.reduction] if fixed else [sampled.edges(cell) for cell in tf.unstack(arc)]
    filters, aux = config.out_filters, None
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        x = blocks.stem(build, images, 3 * config.out_filters)
        pair = (x, x)
        reductions = reduction_layers(config.num_layers)
        for layer in range(config.num_layers + 2):
            reduction = layer in reductions
            filters *= 2 if reduction else 1
            size = [math.ceil(side / 2) if reduction else side for side in pair[1].shape[1:3]]
            masks = layers.path_masks(build, layer, config.num_layers + 2, [config.num_cells, 2, images.shape[0]])
            with tf.variable_scope(f"layer_{layer}"):
                inputs = [_calibrate(build, f"input_{i}", x, size, filters) for i, x in enumerate(pair)]
                runner: cells.FixedCell | sampled.SampledCell
                if shared_slot is None:
                    masks = None if masks is None else [tf.unstack(node) for node in tf.unstack(masks)]
                    runner = cells.FixedCell(build, kinds[reduction], inputs, masks)
                else:
                    runner = sampled.SampledCell(build, kinds[reduction], inputs, masks, shared_slot)
                pair = (pair[1], cells.run_cell(build, runner))
            if layer == reductions[1] and config.use_aux_heads and build.training:
                aux = _aux_head(build, pair[1])
        return blocks.classifier(build, pair[1]), aux


def _calibrate(build, name, x, size, filters):
    """Brings a cell input to `[N, *size, filters]`: factorized reductions while it is larger (two after adjacent
    reduction cells), a 1x1 convolution where only its channels differ, nothing where it fits."""
    with tf.variable_scope(name):
        reductions = 0
        while list(x.shape[1:3]) != list(size):
            with tf.variable_scope(f"reduction_{reductions}"):
                x = _factorized_reduction(build, x, filters)
            reductions += 1
        return x if x.shape[-1] == filters else _act_conv1x1_norm(build, x, filters)


def _act_conv1x1_norm(build, x, filters):
    """Activation, 1x1 convolution and batch norm; `[N, H, W, filters]`."""
    w = blocks.conv1x1_weights(build, "w", x.shape[-1], filters)
    return norms.norm_of(build, filters, lambda x, w: blocks.act_conv1x1(build, x, w), x, w)


def _factorized_reduction(build, x, filters):
    """Halves height and width: 1x1 convolutions of every second pixel, and of those in between, concatenated (ENAS, 2.4)."""
    widths = filters // 2, filters - filters // 2
    weights = [blocks.conv1x1_weights(build, f"path_{i}", x.shape[-1], width) for i, width in enumerate(widths)]

    def halved(x, *weights):
        paths = zip(blocks.reduction_inputs(x), weights, strict=True)
        return tf.concat([blocks.act_conv1x1(build, path, w) for path, w in paths], axis=3)

    return norms.norm_of(build, filters, halved, x, *weights)


def _aux_head(build, x):
    """Auxiliary classifier: ReLU, 5x5 average pool of stride 3, 1x1 convolution, convolution over all that is left of the
    feature map, dense; `[N, num_classes]`."""
    scheme = build.scheme
    with tf.variable_scope("aux_head"):
        # A quantized activation follows the pool; binary and ternary ones need to see what is below zero.
        x = x if scheme.latent else tf.nn.relu(x)
        x = blocks.pool_with(lambda x: tf.nn.avg_pool2d(x, [min(5, int(side)) for side in x.shape[1:3]], 3, "VALID"), x)
        for i, filters in enumerate(AUX_FILTERS):
            with tf.variable_scope(f"conv_{i}"):
                x = _act_conv1x1_norm(build, x, filters)
                if i == 0:
                    x = tf.reshape(x, [x.shape[0], 1, 1, -1])
        x = tf.nn.relu(tf.cast(x[:, 0, 0], tf.float32))
        return blocks.dense(build, x, build.end_scheme)
