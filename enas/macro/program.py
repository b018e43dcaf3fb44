"""The operations of a trained child of the macro space; what `child.py` builds as a graph."""

import numpy as np

from enas.export.builder import Affine, Builder
from enas.macro.arc import KERNELS, OPS, Arc, Layer, reduction_layers
from quantize.runtime.codes import Array


class _Outputs:
    """What layers and the stem gave, real values; quantized once for all that read them so."""

    def __init__(self, builder: Builder, stem: int) -> None:
        self.builder, self.values = builder, [stem]
        self._activated: dict[int, int] = {}

    def activated(self, value: int) -> int:
        """A value after the glue's activation: codes where the glue is quantized, else real values."""
        glue = self.builder.build.glue
        if value not in self._activated:
            act = self.builder.quantize if glue.latent else self.builder.activate
            self._activated[value] = act(glue, value)
        return self._activated[value]


def describe(builder: Builder, arc: Arc) -> None:
    """Appends the operations of the child of this arc."""
    config = builder.build.config
    outputs, filters, x = _Outputs(builder, builder.stem()), config.out_filters, 0
    for number, layer in enumerate(arc.layers):
        x = _layer(builder, outputs, f"layer_{number}", layer, first=number == 0)
        if number + 1 < config.num_layers:
            outputs.values.append(x)
        if number in reduction_layers(config.num_layers):
            filters *= 2 if config.double_filters else 1
            read = {source for after in arc.layers[number + 1 :] for source in after.sources}
            for i, value in enumerate(outputs.values):
                if i in read or i + 1 == len(outputs.values):
                    scope = f"reduction_{number}/output_{i}"
                    weights = [builder.variable(f"{scope}/path_{path}") for path in range(2)]
                    outputs.values[i] = builder.reduction(builder.build.glue, value, weights, builder.norm(scope))
    builder.classifier(x)


def _layer(builder: Builder, outputs: _Outputs, scope: str, layer: Layer, first: bool) -> int:
    x = outputs.values[-1]
    if not builder.build.config.low_bit:
        x = builder.activate(builder.build.glue, x)
    y = (
        _branches(builder, scope, layer, x)
        if layer.op is None
        else _op(builder, f"{scope}/op_{OPS[layer.op]}", OPS[layer.op], x)
    )
    return (
        y if first else _joined(builder, outputs, f"{scope}/join", [*map(outputs.values.__getitem__, layer.sources), y])
    )


def _joined(builder: Builder, outputs: _Outputs, scope: str, values: list[int]) -> int:
    """The 1x1 convolution of all values, activated, as a sum of one of each; then batch norm."""
    glue, weights, (scale, offset) = builder.build.glue, builder.variable(f"{scope}/w"), builder.norm(scope)
    total: list[int] = []
    for i, (value, w) in enumerate(zip(values, weights, strict=True)):
        affine = scale, offset if i == 0 else np.zeros_like(offset)
        x = outputs.activated(value)
        if glue.latent:
            total = [builder.conv(glue, x, w[None, None], affine, *total)]
        else:
            y = builder.float_conv(glue, x, w[None, None], affine)
            total = [builder.emit("add", *total, y, factor=1.0) if total else y]
    return total[0]


def _enter(builder: Builder, scope: str, x: int) -> int:
    """The 1x1 convolution that an op begins with: low-bit, added to x; else activated."""
    scheme, w, affine = (
        builder.build.scheme,
        builder.variable(f"{scope}/enter")[None, None],
        builder.norm(f"{scope}/enter_norm"),
    )
    if builder.build.config.low_bit:
        return builder.conv(scheme, builder.quantize(scheme, x), w, affine, x)
    return builder.activate(scheme, builder.float_conv(scheme, x, w, affine), plain=True)


def _op(builder: Builder, scope: str, op: str, x: int, part: tuple[int, int] | None = None) -> int:
    """An op behind its entrance.

    Args:
      part: the first of its channels, and how many.
    """
    x = _enter(builder, scope, x)
    if op not in KERNELS:
        return builder.emit(op.replace("avg", "average").removesuffix("_3x3"), _part(builder, x, part))
    affine = builder.norm(f"{scope}/norm")
    if builder.build.config.low_bit:
        return _low_bit_conv(builder, f"{scope}/{op}", op, x, _part(builder, x, part), affine)
    scheme = builder.build.scheme
    if op.startswith("sep"):
        x = builder.float_depthwise(scheme, x, builder.variable(f"{scope}/{op}/depthwise")[..., 0])
        w = builder.variable(f"{scope}/{op}/pointwise")[None, None]
    else:
        w = builder.variable(f"{scope}/{op}/w")
    return builder.float_conv(scheme, x, w, affine)


def _low_bit_conv(builder: Builder, scope: str, op: str, x: int, own: int, affine: Affine) -> int:
    scheme, y = builder.build.scheme, builder.quantize(builder.build.scheme, x)
    if not op.startswith("sep"):
        return builder.conv(scheme, y, builder.variable(f"{scope}/w"), affine, own)
    depthwise: Array = builder.variable(f"{scope}/depthwise")[..., 0]
    y = builder.depthwise(scheme, y, depthwise, builder.norm(f"{scope}/between_norm"))
    return builder.conv(scheme, y, builder.variable(f"{scope}/pointwise")[None, None], affine, own)


def _part(builder: Builder, x: int, part: tuple[int, int] | None) -> int:
    if part is None or part == (0, builder.shape(x)[2]):
        return x
    return builder.emit("channels", x, first=part[0], count=part[1])


def _branches(builder: Builder, scope: str, layer: Layer, x: int) -> int:
    outputs = [_op(builder, f"{scope}/op_{op}", op, x, part) for op, part in zip(OPS, layer.channels, strict=True)]
    return builder.mixed(
        builder.build.glue, outputs, builder.variable(f"{scope}/mix"), builder.norm(f"{scope}/mix_norm")
    )
