"""Layers on given weights, computed under a `Scheme`. Layout NHWC, SAME padding.

Weights come in as the values of float32 variables: master weights for fp16, latent weights where `scheme.latent`. The
layers quantize them, so gradients reach the variables in float32 through the scheme's straight-through estimator. A
layer never quantizes activations; `activate` does so before it.

fp16 means float16 values and float32 accumulation, as on the tensor cores of GPUs: inputs, weights, outputs and all
their gradients are rounded to float16. TensorFlow has float16 convolutions for the CPU, but they take three to ten
times as long as the float32 ones and accumulate in float16. So where no GPU is visible, the float32 kernels multiply
the same rounded values (`half_precision`). Results differ only by the rounding of the sums.
"""

import functools
from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from quantize import schemes
from quantize.schemes import Operation, Scheme, Tensor

# Columns of a depthwise filter up to which oneDNN's filter gradient is fast.
FAST_COLUMNS = 3


@functools.cache
def has_gpu() -> bool:
    """True when TensorFlow sees a GPU (CUDA_VISIBLE_DEVICES="" hides it)."""
    return bool(tf.config.list_physical_devices("GPU"))


def half_precision(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Applies `function` to float16 values, with float32 accumulation.

    Where a GPU is visible, the function runs on float16 tensors. Elsewhere the tensors are rounded to float16, the
    function runs in float32, and its result is rounded to float16; the gradients of the casts round the gradients at
    the same places. Pooling uses this too, because its float16 CPU kernels are as slow. Average pooling is then equal
    up to rounding, max pooling exactly.

    Args:
      function: takes as many tensors as are given, in float16 or in float32.
      *tensors: float16, or float32 to be cast.

    Returns:
      float16.
    """
    halves = [tf.cast(tensor, tf.float16) for tensor in tensors]
    if has_gpu():
        return function(*halves)
    return tf.cast(function(*(tf.cast(half, tf.float32) for half in halves)), tf.float16)


def _apply(function: Callable[[Tensor, Tensor], Tensor], scheme: Scheme, x: Tensor, w: Tensor) -> Tensor:
    """Computes function(x, w) in the scheme's dtype, which is also the result's."""
    if scheme.dtype == "float16":
        return half_precision(function, x, w)
    return function(tf.cast(x, tf.float32), w)


def activate(x: Tensor, scheme: Scheme, unit_variance: bool = False) -> Tensor:
    """Applies the scheme's activation, which takes ReLU's place.

    Args:
      x: scheme.dtype, any shape.
      unit_variance: x has about unit variance; see `Scheme.unit_activation`.

    Returns:
      Shape and dtype of x.
    """
    return scheme.unit_activation(x) if unit_variance and scheme.unit_activation else scheme.activation(x)


def quantize_input(x: Tensor, scheme: Scheme) -> Tensor:
    """Prepares images for a stem that runs under `scheme`: 8 bits fixed point in [-4, 4) for a quantized scheme.

    Normalised images are signed, so a scheme's own activation (unsigned, or one bit) would destroy them. BinaryNet
    (arXiv 1602.02830, section 1.6) keeps the first layer's input at 8 bits too. Formula and gradient:
    `schemes.quantized_image`.

    Args:
      x: `[N, H, W, C]` float32.

    Returns:
      Shape and dtype of x; x itself for fp32 and fp16.
    """
    return schemes.quantized_image(x) if scheme.latent else x


def conv2d(x: Tensor, w: Tensor, scheme: Scheme, stride: int = 1) -> Tensor:
    """Convolves x with scheme.weights(w). The gradient of w is the convolution's, times the quantizer's.

    Args:
      x: `[N, H, W, Cin]`, float32 or float16.
      w: float32 `[k, k, Cin, Cout]`.
      stride: of both height and width.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), Cout]`, scheme.dtype.
    """
    if w.shape[:2] == (1, 1):
        # Also with a stride: on a busy machine, oneDNN's strided 1x1 convolution was seen to compute wrong filter
        # gradients.
        x = x if stride == 1 else x[:, ::stride, ::stride]
        return _apply(_matmul_conv2d, scheme, x, scheme.weights(w))
    strides = [1, stride, stride, 1]
    return _apply(lambda x, w: tf.nn.conv2d(x, w, strides, "SAME"), scheme, x, scheme.weights(w))


def _matmul_conv2d(x: Tensor, w: Tensor) -> Tensor:
    """Computes a 1x1 convolution as a matrix product, which on the CPU takes half the time, forward and backward."""
    # What is known while the graph is built needs no ops that work it out.
    inputs, outputs = (tf.shape(w)[i] if w.shape[i] is None else w.shape[i] for i in (2, 3))
    y = tf.matmul(tf.reshape(x, [-1, inputs]), tf.reshape(w, [inputs, outputs]))
    return tf.reshape(y, [*x.shape[:3], outputs])


def depthwise_conv2d(x: Tensor, w: Tensor, scheme: Scheme, stride: int = 1) -> Tensor:
    """Convolves every channel of x with its own filter of scheme.weights(w).

    Args:
      x: `[N, H, W, C]`, float32 or float16.
      w: float32 `[k, k, C, 1]`.
      stride: of both height and width.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), C]`, scheme.dtype.
    """
    strides = [1, stride, stride, 1]
    symmetric = stride == 1 and w.shape[0] % 2 == 1 and w.shape[1] % 2 == 1 and not has_gpu()

    def convolved(x: Tensor, w: Tensor) -> Tensor:
        gradients = {"DepthwiseConv2dNative": "SymmetricDepthwise"} if symmetric else {}
        with tf.get_default_graph().gradient_override_map(gradients):
            return tf.nn.depthwise_conv2d_native(x, w, strides, "SAME")

    return _apply(convolved, scheme, x, scheme.weights(w))


@tf.RegisterGradient("SymmetricDepthwise")
def _depthwise_gradient(op: Operation, grad_y: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of a depthwise convolution of stride 1 whose padding is the same on all sides.

    The gradient of x is then a convolution with the filter turned by 180 degrees. oneDNN's forward kernel computes it
    in three quarters of the time of its backward kernel.
    """
    x, w = op.inputs
    grad_x = tf.nn.depthwise_conv2d_native(grad_y, tf.reverse(w, [0, 1]), [1, 1, 1, 1], "SAME")
    if w.shape[1] == 2 * FAST_COLUMNS - 1:
        return grad_x, _grad_w_in_halves(x, w.shape, grad_y)
    return grad_x, tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=x, filter_sizes=w.shape, out_backprop=grad_y, padding="SAME", strides=[1, 1, 1, 1]
    )


def _grad_w_in_halves(x: Tensor, shape: Sequence[int], grad_y: Tensor) -> Tensor:
    """The gradient of a filter of this shape that is five columns wide, computed as two gradients of three columns, on
    the left and on the right, which share the middle column.

    oneDNN's kernel for filters of up to three columns is fast, but only without asymmetric padding. Its kernel for five
    columns takes twice as long as two calls of the fast one, padding included.
    """
    rows, columns = shape[0], FAST_COLUMNS

    def half(left: int, right: int) -> Tensor:
        padded = tf.pad(x, [[0, 0], [(rows - 1) // 2, rows // 2], [left, right], [0, 0]])
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=padded,
            filter_sizes=[rows, columns, *shape[2:]],
            out_backprop=grad_y,
            padding="VALID",
            strides=[1, 1, 1, 1],
        )

    left, right = half(columns - 1, 0), half(0, columns - 1)
    return tf.concat([left, right[:, 1:]], axis=1)


def separable_conv2d(x: Tensor, depthwise: Tensor, pointwise: Tensor, scheme: Scheme, stride: int = 1) -> Tensor:
    """Applies `depthwise_conv2d`, then a 1x1 `conv2d`. As in the ENAS cells nothing comes in between, but fp16 rounds
    to float16.

    Args:
      x: `[N, H, W, Cin]`, float32 or float16.
      depthwise: float32 `[k, k, Cin, 1]`.
      pointwise: float32 `[1, 1, Cin, Cout]`.
      stride: of the depthwise convolution.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), Cout]`, scheme.dtype.
    """
    return conv2d(depthwise_conv2d(x, depthwise, scheme, stride), pointwise, scheme)


def dense(x: Tensor, w: Tensor, b: Tensor, scheme: Scheme) -> Tensor:
    """Computes the classifier: x scheme.weights(w) + b.

    No batch norm follows to scale the result. So weights that are only -1, 0 and 1 (schemes binary, ternary, k1) are
    multiplied by `schemes.xnor_scale(w)`, which counts as a constant in the gradient (XNOR-Net, arXiv 1603.05279,
    section 3.1). Under fp16 the product is rounded to float16 before b is added in float32.

    Args:
      x: `[N, Cin]`, float32 or float16.
      w: float32 `[Cin, Cout]`.
      b: float32 `[Cout]`; never quantized.

    Returns:
      `[N, Cout]` float32, whatever the scheme.
    """
    weights = scheme.weights(w)
    if scheme.scaled:
        weights = schemes.xnor_scale(w) * weights
    return tf.cast(_apply(tf.matmul, scheme, x, weights), tf.float32) + b
