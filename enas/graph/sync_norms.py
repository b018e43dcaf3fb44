"""Batch norm by the statistics of all workers' batches: what `norms.batch_norm` and its gradient are with
--sync_batch_norm. Workers of small batches then train as one worker of a large batch does."""

from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from enas.distributed import collectives
from enas.graph import functions
from enas.types import Tensor

_AXES = [0, 1, 2]


def batch_norm(
    x: Tensor, scale: Tensor, offset: Tensor, epsilon: float, workers: int
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Applies batch norm over N, H and W of all workers' x.

    Args:
      x: `[N, H, W, C]`, float32 or float16, of one shape on all workers.
      scale, offset: float32 `[C]`.
      epsilon: what is added to the variance.
      workers: how many workers there are.

    Returns:
      (normalised x in its own dtype, mean, variance, a list of what `gradient` takes). The variance is the estimate of the
      population's, as FusedBatchNorm returns it.
    """

    def run(x: Tensor, scale: Tensor, offset: Tensor) -> tuple[list[Tensor], Callable[..., Sequence[Tensor]]]:
        mean, variance = tf.nn.moments(tf.cast(x, tf.float32), _AXES)
        mean_all, square = collectives.means([mean, variance + tf.square(mean)], workers)
        variance_all = tf.maximum(square - tf.square(mean_all), 0.0)
        inverse = tf.math.rsqrt(variance_all + epsilon)
        y = (tf.cast(x, tf.float32) - mean_all) * (inverse * scale) + offset
        count = workers * x.shape[:3].num_elements()
        unbiased = variance_all * (count / max(1, count - 1))

        def grad(grad_y: Tensor, *_: Tensor) -> Sequence[Tensor]:
            return gradient(x, scale, [mean_all, inverse], grad_y, workers)

        return [tf.cast(y, x.dtype), mean_all, unbiased, inverse], grad

    y, mean, variance, inverse = functions.with_gradient(run, x, scale, offset)
    return y, mean, variance, [mean, inverse]


def gradient(x: Tensor, scale: Tensor, kept: Sequence[Tensor], grad_y: Tensor, workers: int) -> Sequence[Tensor]:
    """Computes the gradients of x, scale and offset from that of y; see `batch_norm`.

    The gradient of x is that of the sum of all workers' objectives (arXiv 1502.03167, section 3, with sums over all workers'
    batches). Those of scale and offset are this worker's own, as all gradients of variables are before they are averaged.
    """
    mean, inverse = kept
    grad = tf.cast(grad_y, tf.float32)
    normalised = (tf.cast(x, tf.float32) - mean) * inverse
    own = [tf.reduce_mean(grad, _AXES), tf.reduce_mean(grad * normalised, _AXES)]
    grad_mean, grad_product = collectives.means(own, workers)
    grad_x = scale * inverse * (grad - grad_mean - normalised * grad_product)
    count = float(x.shape[:3].num_elements())
    return tf.cast(grad_x, x.dtype), own[1] * count, own[0] * count
