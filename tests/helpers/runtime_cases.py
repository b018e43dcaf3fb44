"""Random layers and images of every scheme, for the tests of quantize/runtime."""

import numpy as np

from quantize.runtime import codes, layers

F = np.float32


def images(random, n, h, w, channels):
    """Images in which zeros, halves and huge values occur too."""
    x = random.normal(0, 1, (n, h, w, channels)).astype(F)
    special = np.array([0.0, -0.0, 0.5, -0.5, 1.0, 1e30, -1e30, 1.5 / 3], F)
    return np.where(random.random(x.shape) < 0.05, random.choice(special, x.shape), x)


def values(random, scheme, *shape):
    """Values of weights, all of the scheme's among them where there are enough."""
    least, largest = codes.arithmetic(scheme).weight_range
    drawn = random.integers(least, largest + 1, shape)
    return (np.where(drawn >= 0, 1, -1) if codes.arithmetic(scheme).bits == 1 else drawn).astype(np.int8)


def affine(random, scheme, fan_in, outputs):
    """Scales and offsets that spread sums over the levels of an activation; negative scales and zeros among them."""
    of = codes.arithmetic(scheme)
    spread = np.sqrt(fan_in) * of.levels * max(1.0, -of.weight_range[0] / 2)
    scale = random.normal(0, 1 / spread, outputs) * (random.random(outputs) > 0.05)
    return scale.astype(F), random.normal(0.3, 0.5, outputs).astype(F)


def depthwise(random, scheme, side, channels):
    """A depthwise layer."""
    return layers.depthwise(
        values(random, scheme, side, side, channels), scheme, *affine(random, scheme, side**2, channels)
    )


def conv(random, scheme, side, channels, outputs):
    """A convolution over all channels."""
    weights = values(random, scheme, side, side, channels, outputs)
    return layers.conv(weights, scheme, *affine(random, scheme, side**2 * channels, outputs))
