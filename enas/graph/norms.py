"""Batch norm: variables, the norm itself and its gradient, and what training keeps of it."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import functions, sync_norms
from enas.graph.layers import BuildContext, constant_variable
from enas.options.config import ChildConfig
from enas.types import Tensor

EPSILON = 1e-5
# Of a channel that low-bit convolutions hardly use, 1e-5 would turn rounding into a signal.
LOW_BIT_EPSILON = 1e-3
DECAY = 0.9
_WIDE = 16  # pixels, see `_pixels_at_a_time`
# What the scale of a batch norm with a shortcut round it starts at: a low-bit convolution starts near an identity.
SHORTCUT_SCALE = 0.3


def _epsilon(build: BuildContext[ChildConfig]) -> float:
    """What batch norms add to a variance."""
    return LOW_BIT_EPSILON if build.config.low_bit else EPSILON


def norm_variables(
    build: BuildContext[ChildConfig], shape: Sequence[int], scale: float | np.ndarray | None = None
) -> list[Tensor]:
    """Makes the variables of one batch norm, or of several stacked ones, each of `shape` (channels last).

    Args:
      scale: what the scales start at, of a shape that broadcasts to `shape`; None: `BuildContext.norm_scale`.

    Returns:
      Scale and offset, then, if the build keeps them, moving mean and variance.
    """
    start = np.broadcast_to(build.norm_scale if scale is None else scale, shape)
    variables = [constant_variable("scale", shape, start), constant_variable("offset", shape, 0.0)]
    if build.moving_averages:
        variables += [
            constant_variable("moving_mean", shape, 0.0, trainable=False),
            constant_variable("moving_variance", shape, 1.0, trainable=False),
        ]
    return variables


def batch_norm(
    build: BuildContext[ChildConfig],
    x: Tensor,
    scale: Tensor,
    offset: Tensor,
    moving_mean: Tensor | None = None,
    moving_variance: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Applies batch norm (arXiv 1502.03167) over N, H and W, with statistics in float32.

    Args:
      build: says which statistics are used.
      x: `[N, H, W, C]`, float32 or float16.
      scale, offset: float32 `[C]`.
      moving_mean, moving_variance: float32 `[C]`, read only when `build.batch_statistics` is False.

    Returns:
      (normalised x in its own dtype, batch mean, batch variance, a list of what `batch_norm_gradient` takes).
    """
    if build.training and build.sync_batch_norm:
        return sync_norms.batch_norm(x, scale, offset, _epsilon(build), build.workers)
    shape, settings = x.shape, [scale, offset, moving_mean, moving_variance]
    if build.batch_statistics:
        settings[2:] = [tf.constant([], tf.float32)] * 2
    elif pixels := _pixels_at_a_time(x):
        x = tf.reshape(x, [shape[0], -1, 1, pixels * shape[-1]])
        settings = [tf.tile(of_channels, [pixels]) for of_channels in settings]
    names = dict(zip(("scale", "offset", "mean", "variance"), settings, strict=True))
    y, mean, variance, *kept = tf.raw_ops.FusedBatchNormV3(
        x=x, **names, epsilon=_epsilon(build), is_training=build.batch_statistics
    )
    if build.batch_statistics:
        return y, mean, variance, kept
    return tf.reshape(y, shape), moving_mean, moving_variance, kept


def _pixels_at_a_time(x: Tensor) -> int:
    """How many pixels side by side, with all their channels, count as one where statistics are given; 0: none.

    oneDNN's kernel for multiples of 16 channels is 2 to 4 times as fast as its other one, for more than 32. What it computes
    is the same to the last bit for multiples of 4 channels, and only those are taken.
    """
    _, height, width, channels = x.shape
    slow = x.dtype == tf.float32 and channels > 32 and channels % 16 and channels % 4 == 0
    return _WIDE if slow and height * width % _WIDE == 0 else 0


def batch_norm_gradient(
    build: BuildContext[ChildConfig], x: Tensor, scale: Tensor, kept: Sequence[Tensor], grad_y: Tensor
) -> Sequence[Tensor]:
    """Computes the gradients of x, scale and offset from that of `batch_norm` of x by the batch's own statistics."""
    if build.sync_batch_norm:
        return sync_norms.gradient(x, scale, kept, grad_y, build.workers)
    reserved = {f"reserve_space_{i}": tensor for i, tensor in enumerate(kept, 1)}
    gradients = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=grad_y, x=x, scale=scale, epsilon=_epsilon(build), is_training=True, **reserved
    )
    return gradients[:3]


def batch_norm_of(
    build: BuildContext[ChildConfig],
    function: Callable[..., Tensor],
    tensors: Sequence[Tensor],
    scale: Tensor,
    offset: Tensor,
    *moving: Tensor,
) -> Sequence[Tensor]:
    """Applies `batch_norm` to `function(*tensors)`, `[N, H, W, C]`.

    Training recomputes the function in the backward pass rather than keep its result. This is for functions as quick as
    a 1x1 convolution.

    Args:
      scale, offset, *moving: see `batch_norm`.

    Returns:
      (normalised x, batch mean, batch variance).
    """
    if not build.training:
        return batch_norm(build, function(*tensors), scale, offset, *moving)[:3]

    def run(scale: Tensor, offset: Tensor, *tensors: Tensor) -> tuple[list[Tensor], Callable[..., list[Tensor]]]:
        y, mean, variance, kept = batch_norm(build, function(*tensors), scale, offset)

        def gradient(grad_y: Tensor, *_: Tensor) -> list[Tensor]:
            inputs = functions.capture(tensors, after=[grad_y])
            x = function(*inputs)
            grad_x, grad_scale, grad_offset = batch_norm_gradient(build, x, scale, kept, grad_y)
            return [grad_scale, grad_offset, *functions.gradients(x, inputs, grad_x)]

        return [y, mean, variance], gradient

    return functions.with_gradient(run, scale, offset, *tensors)


def norm(build: BuildContext[ChildConfig], x: Tensor) -> Tensor:
    """Applies batch norm with its own variables, made in the current variable scope; see `batch_norm`."""
    return norm_of(build, x.shape[-1], lambda x: x, x)


def norm_of(
    build: BuildContext[ChildConfig], channels: int, function: Callable[..., Tensor], *tensors: Tensor
) -> Tensor:
    """Applies batch norm to `function(*tensors)`, `[N, H, W, channels]`, with its own variables, made in the current
    variable scope; see `batch_norm_of`."""
    variables = norm_variables(build, [channels])
    y, mean, variance = batch_norm_of(build, function, tensors, *variables)
    track(build, variables[2:], mean, variance)
    return y


def track(build: BuildContext, moving: Sequence[Tensor], mean: Tensor, variance: Tensor) -> None:
    """Notes that moving averages [mean, variance] follow a batch's values, if the build keeps them and is training."""
    if build.training and moving:
        build.moving_updates += [(moving[0], mean), (moving[1], variance)]
