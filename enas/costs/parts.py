"""What networks are made of, for cost models: weights that are used at so many pixels, and numbers that are not multiplied.
Nothing here imports TensorFlow."""

import dataclasses
import math
from collections.abc import Iterable

from enas.costs.cost import IMAGE_BITS, Cost
from quantize.bits import BITS, FLOATING


@dataclasses.dataclass(frozen=True)
class Map:
    """A feature map's shape."""

    height: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.height * self.width

    def halved(self, channels: int) -> "Map":
        """The map of half the sides, rounded up, and so many channels."""
        return Map(math.ceil(self.height / 2), math.ceil(self.width / 2), channels)


@dataclasses.dataclass(frozen=True)
class Weights:
    """One variable of a convolution or dense layer; each weight is used once at every pixel of the output."""

    count: int
    pixels: int
    bits: int
    activation_bits: int


@dataclasses.dataclass(frozen=True)
class Floats:
    """Batch-norm scales and offsets, biases: float32, no MACs that count."""

    count: int


Part = Weights | Floats


def total(parts: Iterable[Part]) -> Cost:
    """Adds up parts."""
    parts = list(parts)
    weights = [part for part in parts if isinstance(part, Weights)]
    floats = sum(part.count for part in parts if isinstance(part, Floats))
    return Cost(
        parameters=sum(part.count for part in weights) + floats,
        macs=sum(part.count * part.pixels for part in weights),
        bitops=sum(part.count * part.pixels * part.bits * part.activation_bits for part in weights),
        model_bytes=sum(math.ceil(part.count * part.bits / 8) for part in weights) + 4 * floats,
    )


def ends(scheme: str, quantize_ends: bool, image_channels: int, stem: Map, classes: int, last: int) -> list[Part]:
    """The stem, a 3x3 convolution with batch norm, and the classifier of `last` channels.

    Args:
      scheme: of the network.
      stem: what the stem gives.
    """
    bits = BITS[scheme] if quantize_ends else 32
    # Floats stay as they are; images of a quantized stem get 8 bits; the classifier's input is never quantized.
    image_bits = IMAGE_BITS if quantize_ends and scheme not in FLOATING else bits
    pooled_bits = bits if scheme in FLOATING else 32
    return [
        Weights(9 * image_channels * stem.channels, stem.pixels, bits, image_bits),
        Floats(2 * stem.channels),
        Weights(last * classes, 1, bits, pooled_bits),
        Floats(classes),
    ]
