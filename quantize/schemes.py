"""Quantizers and the table of schemes built from them.

A quantizer is a pure function of a float32 tensor of any shape (activations `[N, H, W, C]`, weights
`[k, k, Cin, Cout]`). It returns a float32 tensor of the same shape that holds only its levels. Rounding has derivative
zero almost everywhere, so every quantizer passes gradients straight through its rounding and stops them outside its
clipping range. This is the straight-through estimator (STE) of BinaryNet (arXiv 1602.02830, section 1.3).

Quantizers run in the training loop's hottest place, so each is one fused TensorFlow op forward (three for `binary`) and
one backward. The levels come straight out of that op: `x + stop_gradient(q - x)` would add rounding noise to them. The
gradients are attached with `gradient_override_map`, which works in graph mode only. The bodies of tf.function and the
branches of tf.switch_case are graphs too, where tf.gradients differentiates them.

TensorFlow's CPU threads flush denormals: a magnitude below 2^-126 may count as zero. Zero levels may carry a sign.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from quantize.bits import BITS

Tensor = Any  # of TensorFlow: a tensor or a variable
Operation = Any
Quantizer = Callable[[Tensor], Tensor]

MAX_BITS = 16  # far inside float32's 24 bits, so that every level and every product below is representable


def _pass_inside(low: float, high: float) -> str:
    """Registers the gradient of a quantizer that clips its input 0 to [low, high], and returns the gradient's name.

    The gradient of the op's last output passes to input 0 where low <= input 0 <= high; elsewhere it is 0.
    """

    def gradient(op: Operation, *grad_outputs: Tensor) -> list[Tensor]:
        # This op masks gradients in one pass; two compares, an and, and a select would be four. With two bits and a
        # narrow range its step is (high - low) / 2, so the limits of the ranges used here come out exact and inclusive.
        masked = tf.raw_ops.FakeQuantWithMinMaxArgsGradient(
            gradients=grad_outputs[-1], inputs=op.inputs[0], min=low, max=high, num_bits=2, narrow_range=True
        )
        return [masked] + [None] * (len(op.inputs) - 1)

    name = f"QuantizePassInside[{low},{high}]"
    tf.RegisterGradient(name)(gradient)
    return name


# Bits: where the activation of a scheme clips values of unit variance. This leaves a half-wave Gaussian the least squared
# error (the idea of HWGQ, arXiv 1702.00953, section 3.2).
UNIT_CLIPS = {1: 1.22, 2: 1.95, 3: 2.47, 4: 2.9, 5: 3.27, 6: 3.61, 7: 3.93, 8: 4.25}

_PASS_BELOW = {clip: _pass_inside(0.0, clip) for clip in (1.0, *UNIT_CLIPS.values())}  # 0 <= x <= clip
_PASS_SIGNED = _pass_inside(-1.0, 1.0)  # |x| <= 1
_PASS_INPUT = _pass_inside(-4.0, 4.0)  # |x| <= 4


def _fixed_point(x: Tensor, bits: int, low: float, high: float, gradient: str, narrow: bool = False) -> Tensor:
    """Clips to [low, high] and rounds half to even to `bits` bits, in one fused op with the gradient of this name."""
    with tf.get_default_graph().gradient_override_map({"QuantizeAndDequantizeV2": gradient}):
        return tf.raw_ops.QuantizeAndDequantizeV2(
            input=x,
            input_min=low,
            input_max=high,
            signed_input=low < 0,
            num_bits=bits,
            range_given=True,
            round_mode="HALF_TO_EVEN",
            narrow_range=narrow,
        )


def _check_bits(bits: int, least: int) -> None:
    if not least <= bits <= MAX_BITS:
        raise ValueError(f"bits must be {least} to {MAX_BITS}, not {bits}")


def binary(x: Tensor) -> Tensor:
    """Takes the sign: 1 bit, levels -1 and +1.

    Formula: +1 if x >= 0 else -1; both zeros give +1 (BinaryNet, arXiv 1602.02830, section 1.1, eq. 1).
    Gradient: 1 where |x| <= 1, else 0 (section 1.3).

    Args:
      x: float32, any shape.

    Returns:
      float32, shape of x. A negative denormal may be flushed to zero and give +1.
    """
    # tf.sign(0) is 0; adding a half to -1, 0, 1 and taking the sign again is twice as fast as a compare and a select.
    signs = tf.sign(tf.sign(x) + 0.5)
    with tf.get_default_graph().gradient_override_map({"IdentityN": _PASS_SIGNED}):
        return tf.raw_ops.IdentityN(input=[x, signs])[1]


def ternary(x: Tensor) -> Tensor:
    """Quantizes to three levels -1, 0, +1, held in 2 bits.

    Formula: +1 if x > 0.5, -1 if x < -0.5, else 0; -0.5 and 0.5 themselves give 0. The thresholds are fixed and suit
    latent weights in [-1, 1]; Ternary Weight Networks (arXiv 1605.04711) fit theirs to the weights instead.
    Gradient: 1 where |x| <= 1, else 0, as that of `binary`.

    Args:
      x: float32, any shape.

    Returns:
      float32, shape of x.
    """
    return _fixed_point(x, 2, -1.0, 1.0, _PASS_SIGNED, narrow=True)


def linear_quant(x: Tensor, bits: int) -> Tensor:
    """Quantizes to signed k-bit fixed point on [-1, 1), 2^k levels separated by 2^(1-k) (LinearQuant of QNN, arXiv
    1609.07061, section 3).

    Formula: clip(round(x 2^(k-1)), -2^(k-1), 2^(k-1) - 1) / 2^(k-1). Like tf.round, round takes halves to the even
    neighbour. The levels are exact.
    Gradient: 1 where |x| <= 1, else 0.

    Args:
      x: float32, any shape.
      bits: k, 2 to 16. One bit would leave only the levels -1 and 0; use `binary`.

    Returns:
      float32, shape of x.

    Raises:
      ValueError: bits is out of range.
    """
    _check_bits(bits, 2)
    return _fixed_point(x, bits, -1.0, 1.0 - 2.0 ** (1 - bits), _PASS_SIGNED)


def quantized_relu(x: Tensor, bits: int, clip: float = 1.0) -> Tensor:
    """Applies the unsigned k-bit activation on [0, clip], with 2^k levels j clip / (2^k - 1) (quantize_k of DoReFa-Net,
    arXiv 1606.06160, section 2, on activations clipped to [0, 1]; QNN, arXiv 1609.07061, section 3).

    Formula: round(clip(x, 0, c) n / c) c / n with n = 2^k - 1. Like tf.round, round takes halves to the even neighbour.
    Level j is the float32 product of j and float32(c / n). For c = 1 it is exact for one and two bits, and at most one unit
    in the last place from j / n for more. The lowest level is 0, and the highest of c = 1 exactly 1.
    Gradient: 1 where 0 <= x <= c, else 0.

    Args:
      x: float32, any shape.
      bits: k, 1 to 16.
      clip: c, 1 or one of `UNIT_CLIPS`.

    Returns:
      float32, shape of x.

    Raises:
      ValueError: bits is out of range.
    """
    _check_bits(bits, 1)
    return _fixed_point(x, bits, 0.0, clip, _PASS_BELOW[clip])


def quantized_tanh(x: Tensor, bits: int) -> Tensor:
    """Applies the signed k-bit activation: hard tanh, then rounding to 2^k levels in [-1, 1 - 2^(1-k)].

    Formula: `linear_quant` for k >= 2, `binary` for k = 1 (BinaryNet's activation, arXiv 1602.02830, section 1.3; QNN,
    arXiv 1609.07061, section 3).
    Gradient: the hard tanh's, 1 where |x| <= 1, else 0.

    Args:
      x: float32, any shape.
      bits: k, 1 to 16.

    Returns:
      float32, shape of x.

    Raises:
      ValueError: bits is out of range.
    """
    return binary(x) if bits == 1 else linear_quant(x, bits)


def quantized_image(x: Tensor) -> Tensor:
    """Quantizes normalised images (mean 0, deviation 1) to signed 8-bit fixed point on [-4, 4), 256 levels separated by
    1/32.

    Formula: 4 quantized_tanh(x / 4, 8), in one op. BinaryNet (arXiv 1602.02830, section 1.6) leaves the first layer's
    input at 8 bits fixed point too, because images have few channels, and 8 bits to begin with.
    Gradient: 1 where |x| <= 4, else 0.

    Args:
      x: `[N, H, W, C]` float32.

    Returns:
      float32, shape of x.
    """
    return _fixed_point(x, 8, -4.0, 4.0 - 1.0 / 32.0, _PASS_INPUT)


def xnor_scale(w: Tensor) -> Tensor:
    """Computes the scale of every filter: alpha_c = mean |w| over all axes but the last (XNOR-Net, arXiv 1603.05279,
    section 3.1).

    Gradient: none, alpha counts as a constant. XNOR-Net's section 3.1 adds 1/n of the gradient (n weights a filter) for
    alpha's dependence on w. That term is left out: it vanishes against alpha itself, and it would also reach clipped
    weights.

    Args:
      w: float32 `[k, k, Cin, Cout]` or `[Cin, Cout]`.

    Returns:
      float32 `[Cout]`.
    """
    return tf.stop_gradient(tf.reduce_mean(tf.abs(w), axis=list(range(w.shape.rank - 1))))


def xnor_binary(w: Tensor) -> Tensor:
    """Binarizes weights with a scale for every filter, levels -alpha_c and +alpha_c (XNOR-Net, arXiv 1603.05279,
    sections 3.1 and 3.2).

    Formula: xnor_scale(w) binary(w).
    Gradient: alpha_c where |w| <= 1, else 0; alpha is a constant (see `xnor_scale`).

    Args:
      w: float32 `[k, k, Cin, Cout]` or `[Cin, Cout]`.

    Returns:
      float32, shape of w.
    """
    return xnor_scale(w) * binary(w)


def _identity(x: Tensor) -> Tensor:
    return x


def _half(x: Tensor) -> Tensor:
    return tf.cast(x, tf.float16)


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How a network's convolutions compute.

    Attributes:
      name: its key in SCHEMES.
      weights: turns float32 (master or latent) weights into the weights computed with.
      activation: takes ReLU's place.
      dtype: "float32" or "float16", of the layers' inputs and outputs. Quantized values are exact in float32.
      latent: True where the float32 weights are latent. They are then initialised uniformly in [-1, 1] and clipped to it
        after every update (BinaryNet, arXiv 1602.02830, section 1.2).
      norm_scale: the scale that a batch norm before the activation should start with, as published. It is 0.25 for
        quantized_relu, so that even sums of several such values lie below its clip at 1, beyond which no gradient passes.
      unit_activation: the activation of values of about unit variance, in a network that keeps such values between its
        convolutions; None: `activation`. That of quantized_relu clips at one of `UNIT_CLIPS`.
    """

    name: str
    weights: Quantizer
    activation: Quantizer
    dtype: str = "float32"
    latent: bool = True
    norm_scale: float = 1.0
    unit_activation: Quantizer | None = None

    @property
    def bits(self) -> int:
        """Bits of a stored weight, and of an activation."""
        return BITS[self.name]

    @property
    def of_zero(self) -> float:
        """What the activation makes of 0."""
        return 1.0 if self.activation is binary else 0.0

    @property
    def scaled(self) -> bool:
        """Whether a layer that no batch norm follows needs `xnor_scale`: its weights are only -1, (0,) 1."""
        return self.weights in (binary, ternary)


def _k_bits(bits: int) -> Scheme:
    """The scheme with k-bit weights and activations. The weights of k1 are `binary`; `linear_quant` says why."""
    weights = binary if bits == 1 else functools.partial(linear_quant, bits=bits)
    activation, unit = (functools.partial(quantized_relu, bits=bits, clip=clip) for clip in (1.0, UNIT_CLIPS[bits]))
    return Scheme(f"k{bits}", weights, activation, norm_scale=0.25, unit_activation=unit)


_ALL = (
    Scheme("fp32", _identity, tf.nn.relu, latent=False),
    Scheme("fp16", _half, tf.nn.relu, dtype="float16", latent=False),
    Scheme("binary", binary, binary),
    Scheme("ternary", ternary, ternary),
    *(_k_bits(bits) for bits in range(1, 9)),
)
SCHEMES = {scheme.name: scheme for scheme in _ALL}


def get(name: str) -> Scheme:
    """Returns the scheme of that name.

    Raises:
      ValueError: there is none; lists the names.
    """
    if name not in SCHEMES:
        raise ValueError(f"unknown scheme {name!r}; choose from {', '.join(SCHEMES)}")
    return SCHEMES[name]
