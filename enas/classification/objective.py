"""What a child is trained on and judged by."""

import tensorflow.compat.v1 as tf

from enas.types import Tensor


def loss(logits: Tensor, labels: Tensor, kind: str) -> Tensor:
    """Builds the mean loss of a batch, float32 scalar.

    Args:
      logits: float32 `[N, num_classes]`.
      labels: int32 `[N]`.
      kind: "cross_entropy" or "hinge". The latter is the squared hinge loss, mean(max(0, 1 - t * logit)^2) over images and
        classes, with t = +1 for the image's class and -1 for the others (BinaryNet, arXiv 1602.02830, section 2.1).
    """
    if kind == "hinge":
        target = 2.0 * tf.one_hot(labels, logits.shape[-1]) - 1.0
        return tf.reduce_mean(tf.square(tf.nn.relu(1.0 - target * logits)))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def correct(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Counts the images that are classified right, float32 scalar. `weights`, `[N]`, is 0 for images that do not count."""
    right = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
    return tf.reduce_sum(tf.cast(right, tf.float32) * weights)
