"""The cost of a micro architecture, worked out layer by layer without building it. Nothing here imports TensorFlow.

Follows `enas/micro/child.py` and `cell.py` variable by variable, so that the figures are exactly those that
`enas.costs.size.measure` counts in the built graph.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from enas.costs import parts
from enas.costs.cost import Cost
from enas.costs.parts import Floats, Map, Weights
from enas.micro.arc import Arc
from enas.micro.config import ChildConfig
from enas.micro.op_table import Op, op_table, weight_shapes
from quantize.bits import BITS, FLOATING, sum_bits


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
    return parts.total(_network(arc, config, image_shape, num_classes))


def _network(arc, config, image_shape, num_classes):
    """Yields the `Weights` and `Floats` of the whole network."""
    glue, x = BITS[config.glue], Map(image_shape[0], image_shape[1], 3 * config.out_filters)
    last = config.out_filters * 4
    yield from parts.ends(config.scheme, config.quantize_ends, image_shape[2], x, num_classes, last)
    table, pair, filters = op_table(config), (x, x), config.out_filters
    for layer in range(config.num_layers + 2):
        reduction = layer in reduction_layers(config.num_layers)
        filters *= 2 if reduction else 1
        size = pair[1].halved(filters) if reduction else dataclasses.replace(pair[1], channels=filters)
        for x in pair:
            yield from _calibration(x, size, glue)
        yield from _cell(arc.reduction if reduction else arc.normal, table, size, glue, config)
        pair = (pair[1], size)


def _calibration(x, size, bits):
    """What brings a cell's input to the cell's size: factorized reductions, or a 1x1 convolution, or nothing."""
    while (x.height, x.width) != (size.height, size.width):
        for filters in (size.channels // 2, size.channels - size.channels // 2):
            yield Weights(x.channels * filters, x.halved(filters).pixels, bits, bits)
        yield Floats(2 * size.channels)
        x = x.halved(size.channels)
    if x.channels != size.channels:
        yield Weights(x.channels * size.channels, x.pixels, bits, bits)
        yield Floats(2 * size.channels)


def _cell(cell, table, size, bits, config):
    """The ops of a cell, and the 1x1 convolution, of these bits, of its loose ends."""
    for node in cell.nodes:
        for _, id in node.sides:
            if table[id].kernel:
                yield from _convolution(table[id], size, config)
    yield Weights(len(cell.loose_ends) * size.channels**2, size.pixels, bits, bits)
    yield Floats(2 * size.channels)


def _convolution(op: Op, size: Map, config: ChildConfig) -> Iterator[Weights | Floats]:
    """An op with weights. The 1x1 half of a separable one reads sums of the depthwise half where nothing quantizes them."""
    bits = BITS[op.scheme]
    between = bits if config.low_bit and op.scheme not in FLOATING else sum_bits(op.scheme, op.kernel**2)
    for name, shape in weight_shapes(op, size.channels, config).items():
        if name in ("scale", "offset"):
            yield Floats(math.prod(shape))
        else:
            yield Weights(math.prod(shape), size.pixels, bits, between if name == "pointwise" else bits)
