"""The TensorFlow graph of a trained child, as the reference that exported files are held against."""

from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.export.trained import TrainedChild
from enas.graph.layers import BuildContext
from enas.randomness import generator
from enas.runs import session
from quantize.runtime.codes import Array

BATCH = 50
MOVED_BY = 1e-6  # of a normalised pixel: a few units in float32's last place


def logits(child: TrainedChild, images: Array) -> tuple[Array, Array]:
    """Computes the logits that the graph of a trained child gives.

    Args:
      images: uint8 `[N, H, W, C]`.

    Returns:
      The logits of the images, and those of the same images of which each normalised pixel was moved by up to
      `MOVED_BY`, float32 `[N, classes]`.
    """
    session.graph_mode()
    pixels = child.network.preprocessing.normalise(images)
    moves = generator(child.config.run.seed, "moved pixels").uniform(-MOVED_BY, MOVED_BY, pixels.shape)
    with tf.Graph().as_default() as graph:
        placeholder = tf.placeholder(tf.float32, [BATCH, *pixels.shape[1:]])
        build: BuildContext[Any] = BuildContext(
            child.config.child,
            len(child.network.class_names),
            child.config.run.seed,
            batch_statistics=False,
            moving_averages=True,
        )
        found, _ = child.space.child.logits(build, placeholder, child.arc)
        variables = tf.global_variables("child/")
        with session.open_session(graph) as sess:
            for variable in variables:
                variable.load(child.variables[variable.op.name], sess)
            sets = pixels, (pixels + moves).astype(np.float32)
            first, second = ([sess.run(found, {placeholder: part}) for part in _parts(images)] for images in sets)
    return np.concatenate(first)[: len(images)], np.concatenate(second)[: len(images)]


def _parts(images: Array) -> list[Array]:
    """Batches of one size; the last image stands in for those that the last batch lacks."""
    padded = np.concatenate([images, np.repeat(images[-1:], -len(images) % BATCH, axis=0)])
    return [padded[i : i + BATCH] for i in range(0, len(padded), BATCH)]
