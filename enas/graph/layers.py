"""Variables, activations and dropout: what the child networks of every search space are built from.

A `BuildContext` is handed down while a graph is built. It says how the network is built (configuration, training or
not). It also collects what others need to know about the network's variables, e.g. which of them hold latent weights.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
import tensorflow.compat.v1 as tf

from enas.options.config import ChildConfig
from enas.randomness import of_rank, stateless_seed
from enas.types import Tensor
from quantize import ops, schemes
from quantize.bits import sum_bits
from quantize.schemes import Scheme

Config = TypeVar("Config", covariant=True)  # the class of a space's child settings
# Name of the collection of variables with a row for each stream of text that a step trains on.
PER_STREAM = "per_stream"


@dataclasses.dataclass
class BuildContext(Generic[Config]):
    """How a child network is built, and what building it left behind.

    Attributes:
      config: the child's settings.
      num_classes: classes that the classifier tells from each other.
      seed: the run's seed.
      training: dropout, drop path and the auxiliary head are on.
      step: int64 scalar, the training step that random draws are keyed by; None when not training.
      progress: float32 scalar in [0, 1], the share of training done (for the schedule of drop path).
      batch_statistics: batch norms use the batch's own statistics, not moving averages.
      moving_averages: keep moving averages of the statistics. A fixed child does; a shared child cannot, because every
        arc has its own statistics.
      latent: variable name -> fan-in, for the variables of latent weights.
      weight_bits: variable name -> bits of one of its weights, for the variables of convolutions and dense layers.
      activation_bits: the same variables -> bits of one of the activations that they are multiplied with.
      moving_updates: (variable, the batch's value) of each moving average that a training step updates.
      worker: index of this tower among those of all workers that train together.
      workers, towers: how many workers there are, and towers of each.
      sync_batch_norm: batch norms use the statistics of all workers' batches together.
    """

    config: Config
    num_classes: int
    seed: int
    training: bool = False
    step: Tensor = None
    progress: Tensor = None
    batch_statistics: bool = True
    moving_averages: bool = False
    latent: dict[str, float] = dataclasses.field(default_factory=dict)
    weight_bits: dict[str, int] = dataclasses.field(default_factory=dict)
    activation_bits: dict[str, int] = dataclasses.field(default_factory=dict)
    moving_updates: list[tuple[Tensor, Tensor]] = dataclasses.field(default_factory=list)
    worker: int = 0
    workers: int = 1
    towers: int = 1
    sync_batch_norm: bool = False

    @property
    def scheme(self: "BuildContext[ChildConfig]") -> Scheme:
        """The scheme of all layers but the stem and the classifier."""
        return schemes.get(self.config.scheme)

    @property
    def glue(self: "BuildContext[ChildConfig]") -> Scheme:
        """The scheme of the 1x1 convolutions between the ops."""
        return schemes.get(self.config.glue)

    @property
    def norm_scale(self: "BuildContext[ChildConfig]") -> float:
        """The scale that batch norms start with. Where convolutions are low-bit all through, real values of about unit
        variance run between them, whatever scheme reads them."""
        return 1.0 if self.config.low_bit else self.scheme.norm_scale

    @property
    def end_scheme(self: "BuildContext[ChildConfig]") -> Scheme:
        """The scheme of the stem and the classifier."""
        return self.scheme if self.config.quantize_ends else schemes.get("fp32")


# Share of the usual random spread that weights around an identity start with.
IDENTITY_SPREAD = 0.2


def weight(
    build: BuildContext,
    name: str,
    shape: Sequence[int],
    fan_in: float,
    scheme: Scheme | Sequence[Scheme],
    identity: np.ndarray | None = None,
    activation_bits: int | None = None,
) -> Tensor:
    """Makes a float32 trainable variable of a convolution or dense layer, or a bank of several.

    Full-precision weights start uniform with variance 2 / fan_in (He et al., arXiv 1502.01852). Latent weights start
    uniform in [-1, 1], so that every level of the quantizer is in use from the first step.

    Args:
      fan_in: how many inputs one output value is summed from.
      scheme: the scheme that the weights are used under. Of a bank there may be several, all of latent weights or none:
        those of equal parts of its rows, one after the other.
      identity: what the weights start around, with a fifth of that spread (a Dirac initialisation, as in DiracNets,
        arXiv 1706.00388). A cell's channels then mean the same whichever path they took, so arcs that never ran before
        still compute something useful, and shared weights learn several times faster. Weights of one or two bits cannot
        come near an identity and ignore it.
      activation_bits: bits of an activation that the weights are multiplied with; None: the scheme's.
    """
    parts = [scheme] if isinstance(scheme, Scheme) else list(scheme)
    key = f"{tf.get_variable_scope().name}/{name}"
    draws = [
        _initial(build.seed, f"{key}/{part.name}" if len(parts) > 1 else key, fan_in, part, identity) for part in parts
    ]

    def initial(shape: Sequence[int], dtype: tf.DType) -> Tensor:
        if len(draws) == 1:
            return draws[0](shape, dtype)
        return tf.concat([draw([shape[0] // len(draws), *shape[1:]], dtype) for draw in draws], axis=0)

    variable = tf.get_variable(name, shape, tf.float32, initializer=initial, use_resource=True)
    bits = max(part.bits for part in parts)
    build.weight_bits[variable.name] = bits
    build.activation_bits[variable.name] = activation_bits or bits
    if parts[0].latent:
        build.latent[variable.name] = fan_in
    return variable


def _initial(
    seed: int, key: str, fan_in: float, scheme: Scheme, identity: np.ndarray | None
) -> Callable[[Sequence[int], tf.DType], Tensor]:
    """Returns the initializer of `weight` for weights under one scheme."""
    identity = None if scheme.scaled else identity
    limit = 1.0 if scheme.latent else math.sqrt(6.0 / fan_in)
    draw = uniform(seed, key, limit if identity is None else limit * IDENTITY_SPREAD)

    def initial(shape: Sequence[int], dtype: tf.DType) -> Tensor:
        values = draw(shape, dtype)
        values = values if identity is None else values + tf.constant(identity, dtype)
        return tf.clip_by_value(values, -1.0, 1.0) if scheme.latent else values

    return initial


def uniform(seed: int, name: str, limit: float) -> Callable[[Sequence[int], tf.DType], Tensor]:
    """Returns an initializer that draws uniformly from [-limit, limit), keyed by the run's seed and the variable's
    name."""

    def initial(shape: Sequence[int], dtype: tf.DType) -> Tensor:
        return tf.random.stateless_uniform(shape, stateless_seed(seed, f"initial/{name}", 0), -limit, limit, dtype)

    return initial


def constant_variable(name: str, shape: Sequence[int], value: float | np.ndarray, trainable: bool = True) -> Tensor:
    """Makes a float32 variable that starts at `value`: a number everywhere, or an array of its shape."""
    return tf.get_variable(
        name, shape, tf.float32, tf.constant_initializer(value), trainable=trainable, use_resource=True
    )


def counter(name: str) -> Tensor:
    """Makes an int64 scalar variable that starts at 0 and is not trained."""
    return tf.get_variable(name, [], tf.int64, tf.zeros_initializer(), trainable=False)


def is_low_bit(build: BuildContext[ChildConfig], scheme: Scheme) -> bool:
    """Whether convolutions under a scheme are low-bit all through: what each reads is quantized, and a shortcut of real
    values runs round it."""
    return build.config.low_bit and scheme.latent


def pointwise_bits(build: BuildContext[ChildConfig], scheme: Scheme, kernel: int) -> int:
    """Bits of what the 1x1 half of a separable convolution reads, behind a depthwise half of this kernel size."""
    return scheme.bits if is_low_bit(build, scheme) else sum_bits(scheme.name, kernel * kernel)


def activate(build: BuildContext[ChildConfig], scheme: Scheme, x: Tensor) -> Tensor:
    """Applies the activation of a scheme, which may be another than that of the network around it, to x of any shape, and
    returns it in the dtype of the scheme. As published, x is scaled to what batch norms give in a network under it."""
    x = tf.cast(x, scheme.dtype)
    if build.config.low_bit:
        return ops.activate(x, scheme, unit_variance=True)
    factor = scheme.norm_scale / build.norm_scale
    return ops.activate(x if factor == 1.0 else x * factor, scheme)


def keep_mask(build: BuildContext, purpose: str, shape: Sequence[int] | Tensor, keep: float | Tensor) -> Tensor:
    """Draws a float32 tensor of this shape, 1 with probability `keep` and else 0, keyed by (seed, purpose, step, worker)."""
    seed = stateless_seed(build.seed, of_rank(purpose, build.worker), build.step)
    return tf.floor(keep + tf.random.stateless_uniform(shape, seed))


def dropout(build: BuildContext[ChildConfig], x: Tensor, purpose: str) -> Tensor:
    """Applies dropout with `--child_keep_prob` to x, float32; returns x itself when not training."""
    keep = build.config.keep_prob
    if not build.training or keep == 1.0:
        return x
    return x * keep_mask(build, purpose, tf.shape(x), keep) / keep


def path_masks(build: BuildContext, layer: int, num_layers: int, shape: Sequence[int]) -> Tensor | None:
    """Draws drop-path factors, 0 for a dropped path and 1 / keep for a kept one.

    The keep probability falls linearly with depth and with training progress to `--child_drop_path_keep_prob`
    (FractalNet's drop path, arXiv 1605.07648; the schedule is NASNet's, arXiv 1707.07012).

    Args:
      build: of a space that has this flag.
      layer: index of the layer, from 0.
      num_layers: how many layers there are, reductions included.
      shape: ends in the batch size.

    Returns:
      float32 of this shape; None when no path is dropped.
    """
    final_keep = build.config.drop_path_keep_prob
    if not build.training or final_keep == 1.0:
        return None
    keep = 1.0 - (layer + 1) / num_layers * build.progress * (1.0 - final_keep)
    return keep_mask(build, f"drop_path/layer_{layer}", shape, keep) / keep
