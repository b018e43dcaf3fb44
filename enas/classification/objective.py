"""What a child is trained on and judged by."""

from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from enas.types import Tensor


def loss(logits: Tensor, labels: Tensor, kind: str, class_weights: Sequence[float] | None = None) -> Tensor:
    """Builds the mean loss of a batch, float32 scalar.

    Args:
      logits: float32 `[N, num_classes]`.
      labels: int32 `[N]`.
      kind: "cross_entropy" or "hinge". The latter is the squared hinge loss, mean(max(0, 1 - t * logit)^2) over images and
        classes, with t = +1 for the image's class and -1 for the others (BinaryNet, arXiv 1602.02830, section 2.1).
      class_weights: what an image's loss is multiplied by, for each class; None: nothing.
    """
    if kind == "hinge":
        target = 2.0 * tf.one_hot(labels, logits.shape[-1]) - 1.0
        losses = tf.reduce_mean(tf.square(tf.nn.relu(1.0 - target * logits)), axis=1)
    else:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses if class_weights is None else losses * tf.gather(list(class_weights), labels))


def balanced_weights(labels: np.ndarray, num_classes: int) -> list[float]:
    """Returns the weight of each class with which all classes count alike, and an image 1 on average.

    It is N / (K N_k) of N images in the K classes that have some, of which N_k are in class k; 0 for a class without images.
    """
    counts = np.bincount(labels, minlength=num_classes)
    return [float(len(labels) / (np.count_nonzero(counts) * count)) if count else 0.0 for count in counts]


def correct(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Counts the images that are classified right, float32 scalar. `weights`, `[N]`, is 0 for images that do not count."""
    return tf.reduce_sum(_right(logits, labels) * weights)


def tallies(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Counts the images of each class that are classified right, and all of them: float32 `[num_classes, 2]`.

    Args:
      logits, labels, weights: as in `correct`.
    """
    pairs = tf.stack([_right(logits, labels) * weights, weights], axis=1)
    return tf.math.unsorted_segment_sum(pairs, labels, logits.shape[-1])


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels), tf.float32)


def recalls(tallied: np.ndarray) -> np.ndarray:
    """Returns the share of each class's images that are classified right, float64 `[num_classes]`; NaN where there are none.

    Args:
      tallied: `[num_classes, 2]`, sums of `tallies`.
    """
    right, count = np.asarray(tallied, np.float64).T
    return np.divide(right, count, out=np.full(len(count), np.nan), where=count > 0)


def accuracies(tallied: np.ndarray) -> dict[str, float]:
    """Returns the accuracy, and the balanced accuracy: the mean recall of the classes that have images.

    Args:
      tallied: `[num_classes, 2]`, sums of `tallies`.
    """
    right, count = np.asarray(tallied, np.float64).sum(axis=0)
    return {"accuracy": float(right / count), "balanced_accuracy": float(np.nanmean(recalls(tallied)))}
