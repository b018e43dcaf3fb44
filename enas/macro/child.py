"""The child network of the macro space: stem, layers with skip connections, classifier (ENAS, section 2.3).

One function, `logits`, builds it for a fixed arc and for a sampled one. After 1/3 and 2/3 of the layers all outputs so far
that a later layer reads are halved by factorized reductions, each with weights of its own.
"""

import tensorflow.compat.v1 as tf

from enas.graph import blocks
from enas.macro import arc as arcs
from enas.macro import cell as cells
from enas.macro.sampled import SampledLayers


def logits(build, images, arc):
    """Builds the child.

    Args:
      build: a `layers.BuildContext`.
      images: float32 `[N, H, W, C]` with a static shape.
      arc: an `arcs.Arc`, or its integers as an int32 tensor `[length]`.

    Returns:
      (logits float32 `[N, num_classes]`, None).
    """
    config, filters = build.config, build.config.out_filters
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        runner = cells.FixedLayers if isinstance(arc, arcs.Arc) else SampledLayers
        runner = runner(build, arc, blocks.stem(build, images, filters))
        for layer in range(config.num_layers):
            with tf.variable_scope(f"layer_{layer}"):
                x = cells.run_layer(build, runner, layer)
            if layer in arcs.reduction_layers(config.num_layers):
                filters *= 2 if config.double_filters else 1
                with tf.variable_scope(f"reduction_{layer}"):
                    runner.reduce(layer, filters)
        return blocks.classifier(build, x), None
