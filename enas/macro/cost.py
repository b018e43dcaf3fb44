"""The cost of a macro architecture, worked out layer by layer without building it. Nothing here imports TensorFlow.

Follows `enas/macro/child.py`, `cell.py` and `ops.py` variable by variable, so that the figures are exactly those that
`enas.costs.size.measure` counts in the built graph.
"""

from collections.abc import Iterator, Sequence

from enas.costs import parts
from enas.costs.cost import Cost
from enas.costs.parts import Floats, Map, Part, Weights
from enas.macro.arc import KERNELS, OPS, Arc, Layer, reduction_layers
from enas.macro.config import ChildConfig
from quantize.bits import BITS, sum_bits


def cost(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> Cost:
    """Returns the `enas.costs.cost.Cost` of a child network with a fixed arc.

    Args:
      image_shape: (height, width, channels) of the images.
      num_classes: of the classifier.
    """
    return parts.total(_network(arc, config, image_shape, num_classes))


def _network(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> Iterator[Part]:
    """Yields the `Weights` and `Floats` of the whole network."""
    x, glue = Map(image_shape[0], image_shape[1], config.out_filters), BITS[config.glue]
    stem = x
    for number, layer in enumerate(arc.layers):
        yield from _layer(layer, config, x)
        if number:
            yield Weights((len(layer.sources) + 1) * x.channels**2, x.pixels, glue, glue)
            yield Floats(2 * x.channels)
        if number in reduction_layers(config.num_layers):
            filters = x.channels * (2 if config.double_filters else 1)
            # Of the stem's output and those of the layers so far, the last one and those that are read later.
            read = {source for after in arc.layers[number + 1 :] for source in after.sources} | {number + 1}
            for _ in range(len(read & set(range(number + 2)))):
                for width in (filters // 2, filters - filters // 2):
                    yield Weights(x.channels * width, x.halved(width).pixels, glue, glue)
                yield Floats(2 * filters)
            x = x.halved(filters)
    yield from parts.ends(config.scheme, config.quantize_ends, image_shape[2], stem, num_classes, x.channels)


def _layer(layer: Layer, config: ChildConfig, x: Map) -> Iterator[Part]:
    """A layer's op, or all of them, each of some channels, and the 1x1 convolution that mixes them."""
    if layer.op is not None:
        yield from _op(OPS[layer.op], config, x, x.channels)
        return
    glue, widths = BITS[config.glue], [count for _, count in layer.channels]
    for op, width in zip(OPS, widths, strict=True):
        yield from _op(op, config, x, width)
    yield Weights(sum(widths) * x.channels, x.pixels, glue, glue)
    yield Floats(2 * x.channels)


def _op(op: str, config: ChildConfig, x: Map, outputs: int) -> Iterator[Part]:
    """An op from all channels of x to so many, the 1x1 convolution that it begins with included."""
    bits = BITS[config.scheme]
    yield Weights(x.channels**2, x.pixels, bits, bits)
    yield Floats(2 * x.channels)
    if op not in KERNELS:
        return
    taps = KERNELS[op] ** 2
    if op.startswith("sep"):
        yield Weights(taps * x.channels, x.pixels, bits, bits)
        if config.low_bit:
            yield Floats(2 * x.channels)
        between = bits if config.low_bit else sum_bits(config.scheme, taps)
        yield Weights(x.channels * outputs, x.pixels, bits, between)
    else:
        yield Weights(taps * x.channels * outputs, x.pixels, bits, bits)
    yield Floats(2 * outputs)
