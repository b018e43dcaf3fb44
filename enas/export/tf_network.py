"""A network as a TensorFlow graph of constants, for the formats `saved_model` and `tflite`.

Codes are floats that hold whole numbers. Convolutions of codes compute in floats too, where sums are exact, or, with
`integers`, as products of int8 matrices whose sums are int32, for which LiteRT has kernels.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks
from enas.types import Tensor
from quantize.runtime.codes import Array, Kind, arithmetic
from quantize.runtime.layers import Thresholds, affine_of
from quantize.runtime.model.network import Network
from quantize.runtime.model.operations import Operation
from quantize.runtime.model.operations import Tensor as Numbers


def logits(network: Network, images: Tensor, integers: bool) -> Tensor:
    """Builds the graph of a network in the default graph.

    Args:
      images: uint8 `[N, H, W, C]`; N may be unknown.
      integers: see above.

    Returns:
      float32 `[N, classes]`.
    """
    form, conv = network.preprocessing, _integer_conv if integers else _float_conv
    mean, std = (np.array(numbers, np.float32) for numbers in (form.mean, form.std))
    values = [(tf.cast(images, tf.float32) / 255.0 - mean) / std]
    for operation in network.operations:
        values.append(_RULES[operation.kind](operation, [values[i] for i in operation.inputs], conv))
    return values[-1]


Conv = Callable[[Tensor, Numbers, Array], Tensor]
Inputs = Sequence[Tensor]


def _float_conv(x: Tensor, numbers: Numbers, w: Array) -> Tensor:
    """A convolution with weights `[k, k, C, D]`."""
    return tf.nn.conv2d(x, _weights(numbers, w), 1, "SAME")


def _weights(numbers: Numbers, w: Array) -> Tensor:
    """Weights as floats, stored as they are."""
    return tf.constant(w) if numbers.dtype == "float32" else tf.cast(tf.constant(w), tf.float32)


def _integer_conv(x: Tensor, numbers: Numbers, w: Array) -> Tensor:
    """As `_float_conv`, of codes in whole numbers: one product of int8 matrices for each tap of the window."""
    # The codes of 8 bits are moved into the range of int8, and what that changes is added again.
    shift = 128 if arithmetic(numbers.dtype).levels > 127 else 0
    side, _, channels, outputs = w.shape
    height, width = x.shape[1:3]
    x = tf.pad(x, [[0, 0], [side // 2] * 2, [side // 2] * 2, [0, 0]])
    codes = tf.cast(x - float(shift) if shift else x, tf.int8)
    total = None
    for i in range(side):
        for j in range(side):
            tap = tf.reshape(codes[:, i : i + height, j : j + width], [1, -1, channels])
            product = tf.raw_ops.BatchMatMulV3(x=tap, y=tf.constant(w[None, i, j]), Tout=tf.int32)
            total = product if total is None else total + product
    added = shift * w.astype(np.int64).sum((0, 1, 2))
    y = tf.cast(total + added.astype(np.int32) if shift else total, tf.float32)
    return tf.reshape(y, [-1, height, width, outputs])


def _scaled(y: Tensor, operation: Operation) -> Tensor:
    for name, act in (("scale", tf.multiply), ("offset", tf.add)):
        if name in operation.tensors:
            y = act(y, operation.tensors[name].array)
    return y


def _codes(x: Tensor, scheme: str) -> Tensor:
    """The values of x, of which a level is 1, after the activation of a scheme."""
    of = arithmetic(scheme)
    if of.kind == Kind.BINARY:
        # In floats: LiteRT has no fast selection.
        return tf.cast(x >= 0.0, tf.float32) * 2.0 - 1.0
    if of.kind == Kind.TERNARY:
        return tf.cast(x > 0.5, tf.float32) - tf.cast(x < -0.5, tf.float32)
    return tf.round(tf.minimum(tf.maximum(x, 0.0), float(of.levels)))


def _quantize(operation: Operation, inputs: Inputs, _conv: Conv) -> Tensor:
    x = inputs[0] if len(inputs) == 1 else tf.concat(inputs, axis=3)
    scheme, factor = operation.attributes["scheme"], np.float32(operation.attributes["factor"])
    return _codes(x * factor * float(arithmetic(scheme).levels), scheme)


def _activate(operation: Operation, inputs: Inputs, conv: Conv) -> Tensor:
    return _quantize(operation, inputs, conv) * np.float32(operation.attributes["unit"])


def _depthwise(operation: Operation, inputs: Inputs, _conv: Conv) -> Tensor:
    tensors, y = operation.tensors, _grouped(operation, inputs[0])
    of = arithmetic(tensors["weights"].dtype)
    if "thresholds" in tensors:
        found = Thresholds(tensors["thresholds"].array.astype(np.int32), tensors["flip"].array)
        scale, offset = affine_of(found, of.name)
    else:
        scale, offset = (tensors[name].array * np.float32(of.levels) for name in ("scale", "offset"))
    return _codes(y * scale + offset, of.name)


def _grouped(operation: Operation, x: Tensor) -> Tensor:
    numbers = operation.tensors["weights"]
    return tf.nn.depthwise_conv2d(x, _weights(numbers, numbers.array[..., None]), [1, 1, 1, 1], "SAME")


def _conv_of_codes(operation: Operation, inputs: Inputs, conv: Conv) -> Tensor:
    numbers = operation.tensors["weights"]
    y = _scaled(conv(inputs[0], numbers, numbers.array), operation)
    return y if len(inputs) == 1 else y + inputs[1]


def _reduction(operation: Operation, inputs: Inputs, conv: Conv) -> Tensor:
    pair = [operation.tensors[name] for name in ("first", "second")]
    halves = [conv(_subsampled(inputs[0], start), w, w.array[None, None]) for start, w in enumerate(pair)]
    return _scaled(tf.concat(halves, axis=3), operation)


def _subsampled(x: Tensor, start: int) -> Tensor:
    return _even(x)[:, start::2, start::2]


def _even(x: Tensor) -> Tensor:
    height, width = (int(side) for side in x.shape[1:3])
    return tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]]) if height % 2 or width % 2 else x


def _float_conv_of(operation: Operation, inputs: Inputs, _conv: Conv) -> Tensor:
    numbers = operation.tensors["weights"]
    return _scaled(_float_conv(inputs[0], numbers, numbers.array), operation)


def _channels(operation: Operation, inputs: Inputs, _conv: Conv) -> Tensor:
    first = operation.attributes["first"]
    return inputs[0][..., first : first + operation.attributes["count"]]


def _dense(operation: Operation, inputs: Inputs, _conv: Conv) -> Tensor:
    numbers = operation.tensors["weights"]
    return _scaled(tf.matmul(inputs[0], _weights(numbers, numbers.array)), operation)


_RULES: dict[str, Callable[[Operation, Inputs, Conv], Any]] = {
    "quantize_image": lambda _, x, __: tf.round(tf.clip_by_value(x[0] * 32.0, -128.0, 127.0)) / 32.0,
    "quantize": _quantize,
    "activate": _activate,
    "relu": lambda operation, x, _: tf.nn.relu(x[0] * np.float32(operation.attributes["factor"])),
    "depthwise": _depthwise,
    "conv": _conv_of_codes,
    "reduction": _reduction,
    "float_depthwise": lambda operation, x, _: _scaled(_grouped(operation, x[0]), operation),
    "float_conv": _float_conv_of,
    "average_pool": lambda _, x, __: blocks.pool_3x3("avg_pool_3x3", x[0]),
    "max_pool": lambda _, x, __: blocks.pool_3x3("max_pool_3x3", x[0]),
    "add": lambda operation, x, _: (x[0] + x[1]) * np.float32(operation.attributes["factor"]),
    "concat": lambda _, x, __: tf.concat(x, axis=3),
    "channels": _channels,
    "subsample": lambda operation, x, _: _subsampled(x[0], operation.attributes["start"]),
    "pad_even": lambda _, x, __: _even(x[0]),
    "global_pool": lambda _, x, __: tf.reduce_mean(tf.nn.relu(x[0]), [1, 2]),
    "dense": _dense,
}
