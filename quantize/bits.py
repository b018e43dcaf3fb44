"""The names of the schemes and their bits, for whoever counts or offers them. Nothing here imports TensorFlow."""

# Scheme: bits of a weight and of an activation. `schemes.py` has what they compute.
BITS = {"fp32": 32, "fp16": 16, "binary": 1, "ternary": 2, **{f"k{bits}": bits for bits in range(1, 9)}}
