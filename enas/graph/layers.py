"""Variables and batch norm: what the child networks of every search space are built from.

A `BuildContext` is handed down while a graph is built. It says how the network is built (configuration, training or not) and
collects what others need to know about its variables, e.g. which hold latent weights of a quantized scheme.
"""

import dataclasses
import math

import tensorflow.compat.v1 as tf

from enas.graph import functions
from enas.options.config import ChildConfig
from enas.randomness import stateless_seed
from quantize import schemes

BN_EPSILON = 1e-5
BN_DECAY = 0.9


@dataclasses.dataclass
class BuildContext:
    """How a child network is built, and what building it left behind.

    Attributes:
      config: the child's configuration.
      num_classes: classes the classifier tells apart.
      seed: the run's seed.
      training: dropout, drop path and the auxiliary head are on.
      step: int64 scalar tensor, the training step that random draws are keyed by; None when not training.
      progress: float32 scalar tensor in [0, 1], the share of training done (drop path's schedule).
      batch_statistics: normalise by the batch's own statistics, not by moving averages.
      moving_averages: keep moving averages of the statistics (a fixed child does; a shared child cannot, because every
        arc has its own statistics).
      latent: variable name -> fan-in, for the variables whose values a quantizer reads.
      weight_bits: variable name -> bits of one of its weights, for the variables of convolutions and dense layers.
      activation_bits: the same variables -> bits of one of the activations that they are multiplied with.
      moving_updates: (variable, the batch's value) of each moving average to be updated by a training step.
    """

    config: ChildConfig
    num_classes: int
    seed: int
    training: bool = False
    step: object = None
    progress: object = None
    batch_statistics: bool = True
    moving_averages: bool = False
    latent: dict = dataclasses.field(default_factory=dict)
    weight_bits: dict = dataclasses.field(default_factory=dict)
    activation_bits: dict = dataclasses.field(default_factory=dict)
    moving_updates: list = dataclasses.field(default_factory=list)

    @property
    def scheme(self):
        """The scheme of all layers but the ends."""
        return schemes.get(self.config.scheme)

    @property
    def end_scheme(self):
        """The scheme of the stem and the classifier."""
        return self.scheme if self.config.quantize_ends else schemes.get("fp32")


# Share of the usual random spread that weights around an identity start with.
IDENTITY_SPREAD = 0.2


def weight(build, name, shape, fan_in, scheme, identity=None, activation_bits=None):
    """Returns a float32 trainable variable of a convolution or dense layer.

    Full-precision weights start uniform with variance 2 / fan_in (He et al., arXiv 1502.01852); latent weights start
    uniform in [-1, 1], so that every level of the quantizer is in use from the first step.

    Args:
      build: the `BuildContext`.
      name, shape: of the variable.
      fan_in: inputs one output value is summed from.
      scheme: the `quantize.schemes.Scheme` the weights are used under.
      identity: array the weights start around, with a fifth of that spread (a Dirac initialisation, as in DiracNets,
        arXiv 1706.00388). A cell's channels then mean the same whichever path they took, so that arcs that never ran
        before still compute something useful; shared weights learn several times faster. Not for weights of one or
        two bits, which cannot come near an identity.
      activation_bits: bits of an activation the weights are multiplied with; None: the scheme's.
    """
    identity = None if scheme.scaled else identity
    limit = 1.0 if scheme.latent else math.sqrt(6.0 / fan_in)
    spread = limit if identity is None else limit * IDENTITY_SPREAD

    def initial(shape, dtype=tf.float32, partition_info=None):
        del partition_info
        seed = stateless_seed(build.seed, f"initial/{tf.get_variable_scope().name}/{name}", 0)
        values = tf.random.stateless_uniform(shape, seed, -spread, spread, dtype)
        values = values if identity is None else values + tf.constant(identity, dtype)
        return tf.clip_by_value(values, -1.0, 1.0) if scheme.latent else values

    variable = tf.get_variable(name, shape, tf.float32, initializer=initial, use_resource=True)
    build.weight_bits[variable.name] = scheme.bits
    build.activation_bits[variable.name] = activation_bits or scheme.bits
    if scheme.latent:
        build.latent[variable.name] = fan_in
    return variable


def constant_variable(name, shape, value, trainable=True):
    """Returns a float32 variable that starts at `value` everywhere."""
    return tf.get_variable(
        name, shape, tf.float32, tf.constant_initializer(value), trainable=trainable, use_resource=True
    )


def norm_variables(build, shape):
    """Returns the variables of one batch norm, or of several stacked ones: scale, offset and, where the build keeps
    them, moving mean and variance, each of `shape` (channels last)."""
    variables = [constant_variable("scale", shape, build.scheme.norm_scale), constant_variable("offset", shape, 0.0)]
    if build.moving_averages:
        variables += [
            constant_variable("moving_mean", shape, 0.0, trainable=False),
            constant_variable("moving_variance", shape, 1.0, trainable=False),
        ]
    return variables


def batch_norm(build, x, scale, offset, moving_mean=None, moving_variance=None):
    """Batch normalisation (arXiv 1502.03167) over N, H and W, statistics in float32.

    Args:
      build: the `BuildContext`; says which statistics normalise.
      x: `[N, H, W, C]`, float32 or float16.
      scale, offset: float32 `[C]`.
      moving_mean, moving_variance: float32 `[C]` tensors, read only when `build.batch_statistics` is False.

    Returns:
      (normalised x in its own dtype, batch mean, batch variance, a list of what `batch_norm_gradient` takes).
    """
    if build.batch_statistics:
        moving_mean = moving_variance = tf.constant([], tf.float32)
    y, mean, variance, *kept = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=moving_mean,
        variance=moving_variance,
        epsilon=BN_EPSILON,
        is_training=build.batch_statistics,
    )
    return y, mean, variance, kept


def batch_norm_gradient(x, scale, kept, grad_y):
    """The gradients of x, scale and offset, from that of the `batch_norm` of x by the batch's own statistics."""
    kept = {f"reserve_space_{i}": tensor for i, tensor in enumerate(kept, 1)}
    gradients = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=grad_y, x=x, scale=scale, epsilon=BN_EPSILON, is_training=True, **kept
    )
    return gradients[:3]


def batch_norm_of(build, function, tensors, scale, offset, *moving):
    """`batch_norm` of `function(*tensors)`, `[N, H, W, C]`, which training computes anew in the backward pass rather than
    keep it: for something as quick as a 1x1 convolution.

    Args:
      build, scale, offset, *moving: see `batch_norm`.
      function: of tensors.
      tensors: what it takes.

    Returns:
      (normalised x, batch mean, batch variance).
    """
    if not build.training:
        return batch_norm(build, function(*tensors), scale, offset, *moving)[:3]

    def run(scale, offset, *tensors):
        y, mean, variance, kept = batch_norm(build, function(*tensors), scale, offset)

        def gradient(grad_y, *_):
            inputs = functions.capture(tensors, after=[grad_y])
            x = function(*inputs)
            grad_x, grad_scale, grad_offset = batch_norm_gradient(x, scale, kept, grad_y)
            return [grad_scale, grad_offset, *functions.gradients(x, inputs, grad_x)]

        return [y, mean, variance], gradient

    return functions.with_gradient(run, scale, offset, *tensors)


def norm(build, x):
    """Batch norm with its own variables, made in the current variable scope; see `batch_norm`."""
    return norm_of(build, x.shape[-1], lambda x: x, x)


def norm_of(build, channels, function, *tensors):
    """Batch norm of `function(*tensors)`, `[N, H, W, channels]`, with its own variables, made in the current variable
    scope; see `batch_norm_of`."""
    variables = norm_variables(build, [channels])
    y, mean, variance = batch_norm_of(build, function, tensors, *variables)
    track(build, variables[2:], mean, variance)
    return y


def track(build, moving, mean, variance):
    """Notes that moving averages [mean, variance] follow a batch's values, where the build keeps them and is training."""
    if build.training and moving:
        build.moving_updates += [(moving[0], mean), (moving[1], variance)]


def dropout(build, x, purpose):
    """Dropout with `--child_keep_prob`, keyed by (seed, purpose, step); identity when not training. x: float32."""
    keep = build.config.keep_prob
    if not build.training or keep == 1.0:
        return x
    draw = tf.random.stateless_uniform(tf.shape(x), stateless_seed(build.seed, purpose, build.step))
    return x * tf.floor(keep + draw) / keep


def path_masks(build, layer, num_layers, shape):
    """Returns drop-path factors, float32 `shape`: 0 for a dropped path, 1 / keep for a kept one; None when off.

    The keep probability falls linearly with depth and with training progress to `--child_drop_path_keep_prob`
    (FractalNet's drop path, arXiv 1605.07648; the schedule is NASNet's, arXiv 1707.07012).

    Args:
      layer: index of the layer; `num_layers`: how many there are, reductions included.
      shape: ends in the batch size.
    """
    final_keep = build.config.drop_path_keep_prob
    if not build.training or final_keep == 1.0:
        return None
    keep = 1.0 - (layer + 1) / num_layers * build.progress * (1.0 - final_keep)
    seed = stateless_seed(build.seed, f"drop_path/layer_{layer}", build.step)
    return tf.floor(keep + tf.random.stateless_uniform(shape, seed)) / keep
