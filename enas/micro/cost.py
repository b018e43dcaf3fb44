"""The cost of a micro architecture, worked out layer by layer without building it. Nothing here imports TensorFlow.

Follows `enas/micro/child.py` and `cell.py` variable by variable, so that the figures are exactly those that
`enas.costs.size.measure` counts in the built graph.
"""

import dataclasses
import math
from collections.abc import Sequence

from enas.costs.cost import IMAGE_BITS, Cost
from enas.micro.arc import Arc
from enas.micro.config import ChildConfig
from enas.micro.op_table import REPEATS, op_table
from quantize.bits import BITS, FLOATING, sum_bits


@dataclasses.dataclass(frozen=True)
class _Map:
    """A feature map's shape."""

    height: int
    width: int
    channels: int

    @property
    def pixels(self):
        return self.height * self.width

    def halved(self, channels):
        return _Map(math.ceil(self.height / 2), math.ceil(self.width / 2), channels)


@dataclasses.dataclass(frozen=True)
class _Weights:
    """One variable of a convolution or dense layer; each weight is used once at every pixel of the output."""

    count: int
    pixels: int
    bits: int
    activation_bits: int


@dataclasses.dataclass(frozen=True)
class _Floats:
    """Batch-norm scales and offsets, biases: float32, no MACs that count."""

    count: int


def reduction_layers(num_layers: int) -> tuple[int, int]:
    """Indices of the two reduction cells among the `num_layers + 2` layers of a child."""
    third = num_layers // 3
    return third, 2 * third + 1


def cost(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> Cost:
    """Returns the `enas.costs.cost.Cost` of a child network with a fixed arc, the auxiliary head left out.

    Args:
      arc: an `arc.Arc`.
      config: a `ChildConfig`.
      image_shape: (height, width, channels) of the images.
      num_classes: of the classifier.
    """
    parts = list(_network(arc, config, image_shape, num_classes))
    weights = [part for part in parts if isinstance(part, _Weights)]
    floats = sum(part.count for part in parts if isinstance(part, _Floats))
    return Cost(
        parameters=sum(part.count for part in weights) + floats,
        macs=sum(part.count * part.pixels for part in weights),
        bitops=sum(part.count * part.pixels * part.bits * part.activation_bits for part in weights),
        model_bytes=sum(math.ceil(part.count * part.bits / 8) for part in weights) + 4 * floats,
    )


def _network(arc, config, image_shape, num_classes):
    """Yields the `_Weights` and `_Floats` of the whole network."""
    bits, glue = BITS[config.scheme], BITS[config.glue]
    end_bits = bits if config.quantize_ends else 32
    # Floats stay as they are; images of a quantized stem get 8 bits; the classifier's input is never quantized.
    floating = config.scheme in FLOATING
    image_bits = IMAGE_BITS if config.quantize_ends and not floating else end_bits
    pooled_bits = end_bits if floating else 32
    x = _Map(image_shape[0], image_shape[1], 3 * config.out_filters)
    yield _Weights(9 * image_shape[2] * x.channels, x.pixels, end_bits, image_bits)
    yield _Floats(2 * x.channels)
    table, pair, filters = op_table(config), (x, x), config.out_filters
    for layer in range(config.num_layers + 2):
        reduction = layer in reduction_layers(config.num_layers)
        filters *= 2 if reduction else 1
        size = pair[1].halved(filters) if reduction else dataclasses.replace(pair[1], channels=filters)
        for x in pair:
            yield from _calibration(x, size, glue)
        yield from _cell(arc.reduction if reduction else arc.normal, table, size, glue, config.low_bit)
        pair = (pair[1], size)
    yield _Weights(filters * num_classes, 1, end_bits, pooled_bits)
    yield _Floats(num_classes)


def _calibration(x, size, bits):
    """What brings a cell's input to the cell's size: factorized reductions, or a 1x1 convolution, or nothing."""
    while (x.height, x.width) != (size.height, size.width):
        for filters in (size.channels // 2, size.channels - size.channels // 2):
            yield _Weights(x.channels * filters, x.halved(filters).pixels, bits, bits)
        yield _Floats(2 * size.channels)
        x = x.halved(size.channels)
    if x.channels != size.channels:
        yield _Weights(x.channels * size.channels, x.pixels, bits, bits)
        yield _Floats(2 * size.channels)


def _cell(cell, table, size, bits, low_bit):
    """The ops of a cell, and the 1x1 convolution, of these bits, of its loose ends."""
    for node in cell.nodes:
        for _, id in node.sides:
            op = table[id]
            if op.kernel:
                op_bits, taps = BITS[op.scheme], op.kernel**2
                quantized = low_bit and op.scheme not in FLOATING
                between = op_bits if quantized else sum_bits(op.scheme, taps)
                yield _Weights(REPEATS * taps * size.channels, size.pixels, op_bits, op_bits)
                yield _Weights(REPEATS * size.channels**2, size.pixels, op_bits, between)
                yield _Floats(REPEATS * (4 if quantized else 2) * size.channels)
    yield _Weights(len(cell.loose_ends) * size.channels**2, size.pixels, bits, bits)
    yield _Floats(2 * size.channels)
