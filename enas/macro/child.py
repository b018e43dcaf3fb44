"""The child network of the macro space: stem, layers with skip connections, classifier (ENAS, section 2.3).

One function, `logits`, builds it for a fixed arc and for a sampled one. After 1/3 and 2/3 of the layers, factorized
reductions halve all outputs so far that a later layer reads, each with weights of its own.
"""

import tensorflow.compat.v1 as tf

from enas.graph import blocks
from enas.graph.layers import BuildContext
from enas.macro import arc as arcs
from enas.macro import cell as cells
from enas.macro.config import ChildConfig
from enas.macro.sampled import SampledLayers
from enas.types import Tensor


def logits(build: BuildContext[ChildConfig], images: Tensor, arc: arcs.Arc | Tensor) -> tuple[Tensor, None]:
    """Builds the child.

    Args:
      images: float32 `[N, H, W, C]` with a static shape.
      arc: an `arcs.Arc`, or its integers as an int32 tensor `[length]`.

    Returns:
      (logits float32 `[N, num_classes]`, None: there is no auxiliary head).
    """
    config, filters = build.config, build.config.out_filters
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        stem = blocks.stem(build, images, filters)
        fixed = isinstance(arc, arcs.Arc)
        runner: cells.Layers = cells.FixedLayers(build, arc, stem) if fixed else SampledLayers(build, arc, stem)
        for layer in range(config.num_layers):
            with tf.variable_scope(f"layer_{layer}"):
                x = cells.run_layer(build, runner, layer)
            if layer in arcs.reduction_layers(config.num_layers):
                filters *= 2 if config.double_filters else 1
                with tf.variable_scope(f"reduction_{layer}"):
                    runner.reduce(layer, filters)
        return blocks.classifier(build, x), None
