"""Layers on weights handed in, computed under a `Scheme`: NHWC, SAME padding.

Weights come in as float32 variables' values (master weights for fp16, latent weights where `scheme.latent`) and are
quantized here, so gradients reach them in float32 through the scheme's straight-through gradient. Activations are
quantized by `activate`, before a layer, never inside one.

fp16 means float16 values and float32 accumulation, what GPUs' tensor cores do: inputs, weights, outputs and all their
gradients are rounded to float16. TensorFlow's CPU convolutions for float16 exist but take three to ten times as long
as the float32 ones, and add up in float16 on the way. So where no GPU is visible the same rounded values are multiplied
by the float32 kernels (`half_precision`); results differ only by the rounding of the sums.
"""

import functools

import tensorflow.compat.v1 as tf

from quantize import schemes

# Columns of a depthwise filter up to which oneDNN's filter gradient is fast.
FAST_COLUMNS = 3


@functools.cache
def has_gpu():
    """True when TensorFlow sees a GPU (CUDA_VISIBLE_DEVICES="" hides it)."""
    return bool(tf.config.list_physical_devices("GPU"))


def half_precision(function, *tensors):
    """Applies `function` to float16 values, with float32 accumulation.

    Where a GPU is visible: function(float16 tensors). Else: the tensors are rounded to float16, function runs in
    float32 and its result is rounded to float16; the casts' gradients round the gradients at the same places. Also
    meant for pooling, whose float16 CPU kernels are as slow (average pooling: up to rounding; max pooling: exactly).

    Args:
      function: of one or several tensors, in float16 or float32 alike; returns one tensor.
      *tensors: float16, or float32 to be cast.

    Returns:
      float16.
    """
    halves = [tf.cast(tensor, tf.float16) for tensor in tensors]
    if has_gpu():
        return function(*halves)
    return tf.cast(function(*(tf.cast(half, tf.float32) for half in halves)), tf.float16)


def _apply(function, scheme, x, w):
    """function(x, w) in the scheme's dtype, which is also the result's."""
    if scheme.dtype == "float16":
        return half_precision(function, x, w)
    return function(tf.cast(x, tf.float32), w)


def activate(x, scheme):
    """The scheme's activation, in ReLU's place.

    Args:
      x: any shape, scheme.dtype (`[N, H, W, C]`).
      scheme: a `Scheme`.

    Returns:
      Shape and dtype of x.
    """
    return scheme.activation(x)


def quantize_input(x, scheme):
    """Images for a stem that runs under `scheme`: 8 bits fixed point in [-4, 4), else as they are.

    Normalised images are signed, so a scheme's own activation (unsigned, or one bit) would destroy them; BinaryNet
    (arXiv 1602.02830, section 1.6) keeps the first layer's input at 8 bits too. Formula and gradient:
    `schemes.quantized_image`.

    Args:
      x: `[N, H, W, C]` float32.
      scheme: a `Scheme`; for fp32 and fp16 x is returned as it is.

    Returns:
      Shape and dtype of x.
    """
    return schemes.quantized_image(x) if scheme.latent else x


def conv2d(x, w, scheme, stride=1):
    """Convolution of x with scheme.weights(w); gradient in w: the convolution's, times the quantizer's.

    Args:
      x: `[N, H, W, Cin]`, float32 or float16.
      w: float32 `[k, k, Cin, Cout]`.
      scheme: a `Scheme`.
      stride: of both height and width.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), Cout]`, scheme.dtype.
    """
    if w.shape[:2] == (1, 1):
        # Also with a stride: on a busy machine, filter gradients of oneDNN's strided 1x1 convolution were seen to be wrong.
        x = x if stride == 1 else x[:, ::stride, ::stride]
        return _apply(_matmul_conv2d, scheme, x, scheme.weights(w))
    strides = [1, stride, stride, 1]
    return _apply(lambda x, w: tf.nn.conv2d(x, w, strides, "SAME"), scheme, x, scheme.weights(w))


def _matmul_conv2d(x, w):
    """A 1x1 convolution as a matrix product: on the CPU half the time, forward and backward."""
    shape = tf.shape(w)
    y = tf.matmul(tf.reshape(x, [-1, shape[2]]), tf.reshape(w, shape[2:]))
    return tf.reshape(y, [*x.shape[:3], shape[3] if w.shape[3] is None else w.shape[3]])


def depthwise_conv2d(x, w, scheme, stride=1):
    """Convolution of every channel of x with its own filter of scheme.weights(w).

    Args:
      x: `[N, H, W, C]`, float32 or float16.
      w: float32 `[k, k, C, 1]`.
      scheme: a `Scheme`.
      stride: of both height and width.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), C]`, scheme.dtype.
    """
    strides = [1, stride, stride, 1]
    symmetric = stride == 1 and w.shape[0] % 2 == 1 and w.shape[1] % 2 == 1 and not has_gpu()

    def convolved(x, w):
        gradients = {"DepthwiseConv2dNative": "SymmetricDepthwise"} if symmetric else {}
        with tf.get_default_graph().gradient_override_map(gradients):
            return tf.nn.depthwise_conv2d_native(x, w, strides, "SAME")

    return _apply(convolved, scheme, x, scheme.weights(w))


@tf.RegisterGradient("SymmetricDepthwise")
def _depthwise_gradient(op, gradient):
    """Gradients of a depthwise convolution of stride 1 whose padding is the same on all sides.

    That of x is then a convolution with the filter turned by half a turn, for which oneDNN's forward kernel takes three
    quarters of the time of its backward one.
    """
    x, w = op.inputs
    grad_x = tf.nn.depthwise_conv2d_native(gradient, tf.reverse(w, [0, 1]), [1, 1, 1, 1], "SAME")
    if w.shape[1] == 2 * FAST_COLUMNS - 1:
        return grad_x, _in_halves(x, w.shape, gradient)
    return grad_x, tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=x, filter_sizes=w.shape, out_backprop=gradient, padding="SAME", strides=[1, 1, 1, 1]
    )


def _in_halves(x, shape, gradient):
    """The gradient of a filter that is five columns wide, as that of three columns on the left and three on the right, which
    share the middle one.

    oneDNN's kernel for filters of up to three columns is fast, and only without asymmetric padding; the one for five takes
    twice as long as two calls of the other, padding included.
    """
    rows, columns = shape[0], FAST_COLUMNS

    def half(left, right):
        padded = tf.pad(x, [[0, 0], [(rows - 1) // 2, rows // 2], [left, right], [0, 0]])
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=padded,
            filter_sizes=[rows, columns, *shape[2:]],
            out_backprop=gradient,
            padding="VALID",
            strides=[1, 1, 1, 1],
        )

    left, right = half(columns - 1, 0), half(0, columns - 1)
    return tf.concat([left, right[:, 1:]], axis=1)


def separable_conv2d(x, depthwise, pointwise, scheme, stride=1):
    """`depthwise_conv2d`, then a 1x1 `conv2d`; nothing in between, as in the ENAS cells (fp16: rounded to float16).

    Args:
      x: `[N, H, W, Cin]`, float32 or float16.
      depthwise: float32 `[k, k, Cin, 1]`.
      pointwise: float32 `[1, 1, Cin, Cout]`.
      scheme: a `Scheme`.
      stride: of the depthwise convolution.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), Cout]`, scheme.dtype.
    """
    return conv2d(depthwise_conv2d(x, depthwise, scheme, stride), pointwise, scheme)


def dense(x, w, b, scheme):
    """x scheme.weights(w) + b: the classifier.

    No batch norm follows to scale the result, so weights that are only -1, 0 and 1 (schemes binary, ternary, k1) are
    multiplied by `schemes.xnor_scale(w)`, a constant of the gradient (XNOR-Net, arXiv 1603.05279, section 3.1). fp16:
    the product is rounded to float16 before b is added in float32.

    Args:
      x: `[N, Cin]`, float32 or float16.
      w: float32 `[Cin, Cout]`.
      b: float32 `[Cout]`; never quantized.
      scheme: a `Scheme`.

    Returns:
      `[N, Cout]` float32, whatever the scheme.
    """
    weights = scheme.weights(w)
    if scheme.scaled:
        weights = schemes.xnor_scale(w) * weights
    return tf.cast(_apply(tf.matmul, scheme, x, weights), tf.float32) + b
