"""The names of the schemes and their bits, for whoever counts or offers them. Nothing here imports TensorFlow."""

# Scheme: bits of a weight and of an activation. `schemes.py` has what they compute.
BITS = {"fp32": 32, "fp16": 16, "binary": 1, "ternary": 2, **{f"k{bits}": bits for bits in range(1, 9)}}
FLOATING = ("fp32", "fp16")


def sum_bits(scheme: str, terms: int) -> int:
    """Returns the bits that a sum of products of an activation and a weight, both of one scheme, needs.

    A 1x1 convolution reads such sums if it follows a depthwise convolution with nothing in between. With k bits an
    activation is one of 2^k steps from 0 and a weight one of -2^(k-1) to 2^(k-1) - 1, so n products have one of
    n (2^k - 1)^2 + 1 sums. If the weights are -1, (0,) 1 there are 2 n + 1: in a binary network too, because the padding
    leaves products out, which makes sums even as well as odd.

    Args:
      scheme: name of a scheme; the bits of floats stay what they are.
      terms: how many products are added up.
    """
    if scheme in FLOATING:
        return BITS[scheme]
    largest = 2 if scheme in ("binary", "ternary", "k1") else (2 ** BITS[scheme] - 1) ** 2
    return (terms * largest).bit_length()
