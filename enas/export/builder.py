"""Describes a trained child as operations, layer by layer: what the spaces' `program` modules build on.

Batch norms with moving averages become a scale and an offset for each channel, computed in float64. Behind a depthwise
convolution of few bits they and the quantizer become thresholds of its integer sums, which is exact.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from enas.graph import norms
from enas.graph.layers import BuildContext, is_low_bit
from quantize import schemes
from quantize.runtime import codes, layers
from quantize.runtime.codes import Array
from quantize.runtime.model.operations import Operation, Tensor, Value, value_of
from quantize.schemes import UNIT_CLIPS, Scheme

Affine = tuple[Array, Array]  # scale and offset, float64 `[C]`


class Builder:
    """The operations of a child so far.

    Args:
      build: what the child's graph is built with.
      variables: {name: value} of its checkpoint.
      image: `[H, W, C]`.
    """

    def __init__(self, build: BuildContext[Any], variables: Mapping[str, Array], image: Sequence[int]) -> None:
        self.build, self.variables = build, variables
        self.operations: list[Operation] = []
        self._quantized: dict[tuple[Any, ...], int] = {}
        self.values = [Value(tuple(image))]

    def emit(self, kind: str, *inputs: int, tensors: Mapping[str, Tensor] | None = None, **attributes: Any) -> int:
        """Appends an operation; returns the number of the value that it makes."""
        operation = Operation(kind, inputs, tensors or {}, attributes)
        self.values.append(value_of(operation, self.values))
        self.operations.append(operation)
        return len(self.operations)

    def shape(self, value: int) -> tuple[int, ...]:
        """`[H, W, C]` of a value."""
        return self.values[value].shape

    def variable(self, name: str) -> Array:
        """The value of a variable of the child, by its name below `child/`."""
        return self.variables[f"child/{name}"]

    def norm(self, scope: str) -> Affine:
        """The batch norm in a scope as scale and offset. Its variables may be stacked."""
        scale, offset, mean, variance = (
            self.variable(f"{scope}/{name}").astype(np.float64)
            for name in ("scale", "offset", "moving_mean", "moving_variance")
        )
        epsilon = norms.LOW_BIT_EPSILON if self.build.config.low_bit else norms.EPSILON
        folded = scale / np.sqrt(variance + epsilon)
        return folded, offset - mean * folded

    def quantize(self, scheme: Scheme, *values: int, plain: bool = False) -> int:
        """Applies the activation of a scheme that is quantized to real values, whose channels are concatenated. What others
        have quantized alike is there already.

        Args:
          plain: it is the scheme's own activation, whatever the network around it.
        """
        factor, _ = self._range(scheme, plain)
        key = scheme.name, factor, values
        if key not in self._quantized:
            self._quantized[key] = self.emit("quantize", *values, scheme=scheme.name, factor=factor)
        return self._quantized[key]

    def activate(self, scheme: Scheme, value: int, plain: bool = False) -> int:
        """As `quantize`, or ReLU where the scheme is a float; returns real values."""
        factor, unit = self._range(scheme, plain)
        if not scheme.latent:
            return self.emit("relu", value, factor=factor)
        return self.emit("activate", value, scheme=scheme.name, factor=factor, unit=unit)

    def _range(self, scheme: Scheme, plain: bool) -> tuple[float, float]:
        """What an activation multiplies real values with, and what one of its steps stands for."""
        if self.build.config.low_bit and not plain:
            clip = UNIT_CLIPS[scheme.bits] if scheme.unit_activation else 1.0
            factor = 1.0 / clip
        else:
            clip, factor = 1.0, 1.0 if plain else scheme.norm_scale / self.build.norm_scale
        return factor, clip / codes.arithmetic(scheme.name).levels if scheme.latent else 1.0

    def unit(self, scheme: Scheme) -> float:
        """What a product of an activation and a weight of value 1 stands for, in the child's network."""
        return self._range(scheme, False)[1] * codes.arithmetic(scheme.name).weight_unit

    def conv(self, scheme: Scheme, value: int, w: Array, affine: Affine | None, *residual: int) -> int:
        """A convolution of quantized values with w `[k, k, C, D]`, times a scale plus an offset, plus a residual."""
        tensors = {"weights": quantized(w, scheme), **self._affine(affine, self.unit(scheme), w.shape[3])}
        return self.emit("conv", value, *residual, tensors=tensors)

    def depthwise(self, scheme: Scheme, value: int, w: Array, affine: Affine) -> int:
        """A depthwise convolution of quantized values with w `[k, k, C]`, batch norm, and the next quantizer."""
        factor, _ = self._range(scheme, False)
        scale, offset = (
            float32(array * factor * by) for array, by in zip(affine, (self.unit(scheme), 1.0), strict=True)
        )
        weights = quantized(w, scheme)
        tensors = {"weights": weights}
        if scheme.name in ("binary", "ternary", "k1"):
            found = layers.depthwise(weights.array, scheme.name, scale, offset).thresholds
            assert found is not None
            tensors |= {"thresholds": Tensor("int8", found.values.astype(np.int8)), "flip": Tensor("bool", found.flip)}
        else:
            tensors |= {"scale": Tensor("float32", scale), "offset": Tensor("float32", offset)}
        return self.emit("depthwise", value, tensors=tensors)

    def reduction(self, scheme: Scheme, value: int, pair: Sequence[Array], affine: Affine) -> int:
        """A factorized reduction of real values: activation, two 1x1 convolutions `[C, D]`, batch norm."""
        if not scheme.latent:
            x, (scale, offset) = self.activate(scheme, value), affine
            halves, at = [], 0
            for start, w in enumerate(pair):
                part = slice(at, at := at + w.shape[1])
                half = self.emit("subsample", x, start=start)
                halves.append(self.float_conv(scheme, half, w[None, None], (scale[part], offset[part])))
            return self.emit("concat", *halves)
        if scheme.name == "binary" and any(side % 2 for side in self.shape(value)[:2]):
            # What lies beyond an odd side is 0 before the activation, which makes +1 of it.
            value = self.emit("pad_even", value)
        x = self.quantize(scheme, value)
        tensors = {name: quantized(w, scheme) for name, w in zip(("first", "second"), pair, strict=True)}
        width = sum(w.shape[1] for w in pair)
        return self.emit("reduction", x, tensors={**tensors, **self._affine(affine, self.unit(scheme), width)})

    def float_conv(self, scheme: Scheme, value: int, w: Array, affine: Affine | None = None) -> int:
        """A convolution of real values with w `[k, k, C, D]`, times a scale plus an offset."""
        unit = codes.arithmetic(scheme.name).weight_unit if scheme.latent else 1.0
        tensors = {"weights": quantized(w, scheme), **self._affine(affine, unit, w.shape[3])}
        return self.emit("float_conv", value, tensors=tensors)

    def float_depthwise(self, scheme: Scheme, value: int, w: Array) -> int:
        """A depthwise convolution of real values with w `[k, k, C]`."""
        unit = codes.arithmetic(scheme.name).weight_unit if scheme.latent else 1.0
        tensors = {"weights": quantized(w, scheme), **self._affine(None, unit, w.shape[2])}
        return self.emit("float_depthwise", value, tensors=tensors)

    def _affine(self, affine: Affine | None, unit: float, channels: int) -> dict[str, Tensor]:
        """The tensors of a scale of values that are in a unit, and an offset."""
        if affine is None:
            scale = np.full(channels, unit)
            return {} if unit == 1.0 else {"scale": Tensor("float32", float32(scale))}
        offset = {"offset": Tensor("float32", float32(affine[1]))} if affine[1].any() else {}
        return {"scale": Tensor("float32", float32(affine[0] * unit)), **offset}

    def mixed(self, scheme: Scheme, values: Sequence[int], w: Array, affine: Affine) -> int:
        """Real values, concatenated and activated, mixed by a 1x1 convolution `[C, D]`, times a scale plus an offset."""
        if scheme.latent:
            return self.conv(scheme, self.quantize(scheme, *values), w[None, None], affine)
        joined = self.emit("concat", *values) if len(values) > 1 else values[0]
        return self.float_conv(scheme, self.activate(scheme, joined), w[None, None], affine)

    def stem(self) -> int:
        """The stem."""
        scheme, x = self.build.end_scheme, 0
        if scheme.latent:
            x = self.emit("quantize_image", x)
        return self.float_conv(scheme, x, self.variable("stem/w"), self.norm("stem"))

    def classifier(self, value: int) -> int:
        """The classifier."""
        scheme = self.build.end_scheme
        w, b = self.variable("classifier/w"), self.variable("classifier/b")
        scale = np.full(w.shape[1], codes.arithmetic(scheme.name).weight_unit if scheme.latent else 1.0)
        if scheme.scaled:
            scale = np.abs(w.astype(np.float64)).mean(axis=0)
        tensors = {"weights": quantized(w, scheme), "offset": Tensor("float32", float32(b))}
        if scheme.latent:
            tensors["scale"] = Tensor("float32", float32(scale))
        return self.emit("dense", self.emit("global_pool", value), tensors=tensors)

    def low_bit(self, scheme: Scheme) -> bool:
        """See `layers.is_low_bit`."""
        return is_low_bit(self.build, scheme)


def float32(array: Array) -> Array:
    """Rounds to float32."""
    return np.asarray(array).astype(np.float32)


def quantized(w: Array, scheme: Scheme) -> Tensor:
    """Weights as a scheme has them, at its width."""
    if scheme.latent:
        return Tensor(scheme.name, codes.weight_values(w, scheme.name))
    return Tensor(scheme.dtype, np.asarray(w).astype(scheme.dtype))


def scheme_of(name: str) -> Scheme:
    """The scheme of this name."""
    return schemes.get(name)
