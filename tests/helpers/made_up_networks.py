"""Small networks of random weights for the tests and the fuzzing of what is exported. No TensorFlow."""

import numpy as np

from quantize.runtime import codes, layers
from quantize.runtime.model.network import Network, Preprocessing
from quantize.runtime.model.operations import Operation, Tensor, Value, value_of


class Maker:
    """Appends operations with random weights.

    Args:
      shape: `[H, W, C]` of the images.
    """

    def __init__(self, seed, shape=(6, 5, 3)):
        self.random = np.random.default_rng(seed)
        self.shape, self.operations, self.values = shape, [], [Value(shape)]

    def emit(self, kind, *inputs, tensors=None, **attributes):
        operation = Operation(kind, inputs, tensors or {}, attributes)
        self.values.append(value_of(operation, self.values))
        self.operations.append(operation)
        return len(self.operations)

    def weights(self, dtype, *shape):
        if dtype.startswith("float"):
            return Tensor(dtype, self.random.normal(0, 0.5, shape).astype(dtype))
        return Tensor(dtype, codes.weight_values(self.random.uniform(-1, 1, shape), dtype))

    def affine(self, channels, spread=1.0):
        scale = self.random.normal(0, 1 / spread, channels).astype(np.float32)
        offset = self.random.normal(0, 0.5, channels).astype(np.float32)
        return {"scale": Tensor("float32", scale), "offset": Tensor("float32", offset)}

    def depthwise(self, x, scheme, side, channels):
        weights, affine = self.weights(scheme, side, side, channels), self.affine(channels, 3.0)
        if scheme in ("binary", "ternary", "k1"):
            arrays = [affine[name].array for name in ("scale", "offset")]
            found = layers.depthwise(weights.array, scheme, *arrays).thresholds
            affine = {"thresholds": Tensor("int8", found.values.astype(np.int8)), "flip": Tensor("bool", found.flip)}
        return self.emit("depthwise", x, tensors={"weights": weights, **affine})

    def network(self, x, classes=4):
        channels = self.values[x].shape[2]
        tensors = {"weights": self.weights("float32", channels, classes), "offset": self.affine(classes)["offset"]}
        self.emit("dense", self.emit("global_pool", x), tensors=tensors)
        form = Preprocessing(*self.shape, "pad", (0.5,) * self.shape[2], (0.25,) * self.shape[2])
        names = tuple(f"class {i} \u00e9" for i in range(classes))
        return Network(
            form, names, tuple(self.operations), {"space": "micro", "arc": "0 1", "child": {"child_scheme": "k2"}}
        )


def network(scheme, seed=0, shape=(6, 5, 3), channels=8):
    """A network with each operation that convolutions of a scheme need, and the float ones."""
    make = Maker(seed, shape)
    x = make.emit(
        "float_conv",
        0,
        tensors={"weights": make.weights("float16", 3, 3, shape[2], channels), **make.affine(channels, 3)},
    )
    y = make.emit("quantize", x, scheme=scheme, factor=0.5)
    y = make.depthwise(y, scheme, 3, channels)
    conv = {"weights": make.weights(scheme, 1, 1, channels, channels), **make.affine(channels, 9.0)}
    y = make.emit("conv", y, x, tensors=conv)
    y = make.emit("add", make.emit("average_pool", y), make.emit("max_pool", x), factor=0.5)
    z = make.emit("relu", make.emit("channels", y, first=1, count=channels - 2), factor=2.0)
    z = make.emit("float_depthwise", z, tensors={"weights": make.weights("k4", 5, 5, channels - 2)})
    x = make.emit("concat", y, make.emit("activate", z, scheme="k3", factor=0.4, unit=0.3))
    x = make.emit("pad_even", x)
    codes_ = make.emit(
        "quantize", x, y if make.values[y].shape[:2] == make.values[x].shape[:2] else x, scheme=scheme, factor=1.0
    )
    total = make.values[codes_].shape[2]
    pair = {"first": make.weights(scheme, total, 5), "second": make.weights(scheme, total, 4)}
    return make.network(make.emit("reduction", codes_, tensors={**pair, **make.affine(9, 9.0)}))
