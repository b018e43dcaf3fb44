"""What the layers of a macro network compute, for a fixed arc and for a sampled one alike.

A layer's op begins with a 1x1 convolution (`enter`), as in the ENAS authors' code; then comes the convolution or pooling
itself (`run_op`). Where channels are a choice, all six ops run on the same input, each gives the channels that the arc
says, and a 1x1 convolution mixes them (`run_branches`). `conv1x1` is an addend of what joins the outputs that a layer's
skip bits name, and `reduce` halves an output.

Where the child's convolutions are low-bit all through, both convolutions of an op are x + BN(conv(q(x))): what runs from
layer to layer is real values, quantized where a convolution reads them. As published, an output is activated once, and
everything reads that.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, layers, norms
from enas.graph.layers import BuildContext
from enas.macro import arc as arcs
from enas.macro.arc import KERNELS
from enas.macro.config import ChildConfig
from enas.types import Tensor
from quantize import ops


def enter(build: BuildContext[ChildConfig], x: Tensor, w: Tensor, norm: Sequence[Tensor]) -> Tensor:
    """Computes what every op begins with: a 1x1 convolution and batch norm.

    Args:
      x: `[N, H, W, C]`, see `cell.Layers.x`.
      w: float32 `[C, C]`.
      norm: scale and offset `[C]` (and, where the build keeps them, moving mean and variance).

    Returns:
      `[N, H, W, C]`: low-bit, added to x; else activated.
    """
    if build.config.low_bit:
        return x + _normed_conv1x1(build, x, w, norm)
    return ops.activate(normed(build, ops.conv2d(x, _1x1(w), build.scheme), norm), build.scheme)


def run_op(
    build: BuildContext[ChildConfig],
    op: str,
    x: Tensor,
    kernels: Sequence[Tensor],
    norm: Sequence[Tensor],
    part: slice | None = None,
) -> Tensor:
    """Applies the op itself, to what `enter` computed.

    Args:
      op: its name in `arcs.OPS`.
      x: `[N, H, W, C]`.
      kernels: of a convolution, as from `kernel_variables`; of a pooling none.
      norm: of a convolution, scale and offset `[D]` (and moving mean and variance).
      part: which of the channels to give; None: all, D = C.

    Returns:
      `[N, H, W, D]`, not activated; of a pooling what it makes of x.
    """
    own = x if part is None else x[..., part]
    if op not in KERNELS:
        return blocks.pool_3x3(op, own)
    *first, w = kernels
    x = _quantized(build, x) if build.config.low_bit else x
    if first:
        depthwise, *first_norm = first
        x = ops.depthwise_conv2d(x, depthwise, build.scheme)
        if first_norm:
            return own + _normed_conv1x1(build, normed(build, x, first_norm), w, norm)
        w = _1x1(w)
    y = normed(build, ops.conv2d(x, w, build.scheme), norm)
    return own + y if build.config.low_bit else y


def run_branches(
    build: BuildContext[ChildConfig],
    x: Tensor,
    entrances: Sequence[tuple[Tensor, Sequence[Tensor]]],
    branches: Sequence[tuple[slice, Sequence[Tensor], Sequence[Tensor]]],
    mix: Tensor,
) -> Tensor:
    """Runs all ops side by side and mixes them by a 1x1 convolution.

    Args:
      x: `[N, H, W, C]`, see `cell.Layers.x`.
      entrances: for each op, the (w, norm) of `enter`.
      branches: for each op, the (part, kernels, norm) of `run_op`.
      mix: float32 `[D, C]`, D being the channels of all branches.

    Returns:
      `[N, H, W, C]`, not normalised.
    """
    outputs = []
    for op, entrance, (part, kernels, norm) in zip(arcs.OPS, entrances, branches, strict=True):
        y = enter(build, x, *entrance)
        # Without a shortcut a convolution takes its part by its weights alone.
        taken = None if op in KERNELS and not build.config.low_bit else part
        outputs.append(run_op(build, op, y, kernels, norm, taken))
    return conv1x1(build, activated(build, tf.concat(outputs, axis=3)), mix)


def activated(build: BuildContext[ChildConfig], x: Tensor) -> Tensor:
    """Applies the activation that the glue's 1x1 convolutions read, to x `[N, H, W, C]`."""
    return layers.activate(build, build.glue, x)


def conv1x1(build: BuildContext[ChildConfig], x: Tensor, w: Tensor) -> Tensor:
    """Applies a 1x1 convolution of the glue: e.g. what x adds to one of concatenated outputs.

    Args:
      x: `[N, H, W, C]`, `activated`.
      w: float32 `[C, D]`, e.g. the rows of the convolution's weights that belong to x.
    """
    return tf.cast(ops.conv2d(x, _1x1(w), build.glue), build.scheme.dtype)


def reduce(
    build: BuildContext[ChildConfig], x: Tensor, first: Tensor, second: Tensor, norm: Sequence[Tensor]
) -> Tensor:
    """Applies a factorized reduction (ENAS, section 2.4).

    Args:
      x: `[N, H, W, C]`, `activated`.
      first, second: float32 `[C, D1]` and `[C, D2]`, the 1x1 convolutions of its two paths.
      norm: scale and offset `[D1 + D2]` (and moving mean and variance).

    Returns:
      `[N, ceil(H / 2), ceil(W / 2), D1 + D2]`, not activated.
    """
    paths = zip(blocks.reduction_inputs(x, build.glue.of_zero), (first, second), strict=True)
    return normed(build, tf.concat([conv1x1(build, path, w) for path, w in paths], axis=3), norm)


def normed(build: BuildContext[ChildConfig], x: Tensor, norm: Sequence[Tensor]) -> Tensor:
    """Applies batch norm to x `[N, H, W, C]`. Its moving averages, if any, are updated by the training step.

    Args:
      norm: as of `enter`.
    """
    y, mean, variance, _ = norms.batch_norm(build, x, *norm)
    norms.track(build, norm[2:], mean, variance)
    return y


def _normed_conv1x1(build: BuildContext[ChildConfig], x: Tensor, w: Tensor, norm: Sequence[Tensor]) -> Tensor:
    """Applies the activation to the real values x, then a 1x1 convolution and batch norm. Training keeps neither of the
    first two."""
    y, mean, variance = norms.batch_norm_of(
        build, lambda x, w: ops.conv2d(_quantized(build, x), _1x1(w), build.scheme), (x, w), *norm
    )
    norms.track(build, norm[2:], mean, variance)
    return y


def _quantized(build: BuildContext[ChildConfig], x: Tensor) -> Tensor:
    """What a convolution under the child's scheme reads of the real values x."""
    return layers.activate(build, build.scheme, x)


def _1x1(w: Tensor) -> Tensor:
    """`[C, D]` as the weights of a 1x1 convolution, without a slice, whose gradient would be slow."""
    return tf.expand_dims(tf.expand_dims(w, 0), 0)


def op_norm(build: BuildContext[ChildConfig], name: str, shape: Sequence[int]) -> list[Tensor]:
    """Makes the variables of the batch norms behind the convolutions of ops, in a scope of their own. Those with a shortcut
    round them start small, so that they start near an identity; see `norms.norm_variables`."""
    return scoped_norm(build, name, shape, norms.SHORTCUT_SCALE if build.config.low_bit else None)


def scoped_norm(
    build: BuildContext[ChildConfig], name: str, shape: Sequence[int], scale: float | None = None
) -> list[Tensor]:
    """Makes batch-norm variables in a scope of their own; see `norms.norm_variables`."""
    with tf.variable_scope(name):
        return norms.norm_variables(build, shape, scale)


def kernel_variables(build: BuildContext[ChildConfig], op: str, channels: int, outputs: int) -> list[Tensor]:
    """Makes the kernels of a convolution op, from `channels` C to `outputs` D channels, in a scope of the op's name.

    Returns:
      `[[k, k, C, D]]`; of a separable convolution `[k, k, C, 1]`, then, low-bit, the scale and offset `[C]` (and moving
      mean and variance) of the batch norm between its halves, and `[C, D]`.
    """
    k, scheme = KERNELS[op], build.scheme
    centre = np.zeros([k, k, 1, 1])
    centre[k // 2, k // 2] = 1.0
    eye = np.eye(channels)[:, :outputs]
    with tf.variable_scope(op):
        if not op.startswith("sep"):
            return [layers.weight(build, "w", [k, k, channels, outputs], k * k * channels, scheme, centre * eye)]
        norm = scoped_norm(build, "between_norm", [channels]) if build.config.low_bit else []
        between_bits = layers.pointwise_bits(build, scheme, k)
        return [
            layers.weight(build, "depthwise", [k, k, channels, 1], k * k, scheme, centre),
            *norm,
            layers.weight(build, "pointwise", [channels, outputs], channels, scheme, eye, between_bits),
        ]


def reduction_variables(
    build: BuildContext[ChildConfig], rows: Sequence[int], channels: int, filters: int
) -> list[Tensor]:
    """Makes the weights of `reduce`, each with leading dimensions `rows`: first, second, and the norm's."""
    widths = filters // 2, filters - filters // 2
    paths = [
        layers.weight(build, f"path_{i}", [*rows, channels, width], channels, build.glue)
        for i, width in enumerate(widths)
    ]
    return [*paths, *norms.norm_variables(build, [*rows, filters])]
