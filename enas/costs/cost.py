"""What a network costs, whatever its search space. Nothing here imports TensorFlow."""

import dataclasses

IMAGE_BITS = 8  # of the images that a quantized stem reads, see `quantize.ops.quantize_input`


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of a network, for one image.

    Attributes:
      parameters: number of weights, batch-norm scales and offsets, and biases.
      macs: multiply-accumulates of its convolutions and dense layers.
      bitops: bit operations, the sum over these layers of MACs x bits of a weight x bits of an activation. A layer's
        activation is what its quantizer put out. As published, nothing quantizes what the 1x1 half of a separable
        convolution reads; it then counts with the bits of the sums of the depthwise half (`quantize.bits.sum_bits`).
      model_bytes: bytes of the parameters: weights at the bit width of their scheme, everything else as float32.
    """

    parameters: int
    macs: int
    bitops: int
    model_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.parameters:,} parameters in {readable(self.model_bytes)}B, {readable(self.macs)} MACs, "
            f"{readable(self.bitops)} bit operations"
        )


def readable(number: float) -> str:
    """Writes a number with three digits and a unit of a thousand, e.g. 12300 as "12.3 k"."""
    for exponent, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**exponent:
            return f"{number / 10**exponent:.3g} {unit}"
    return f"{number:g} "
