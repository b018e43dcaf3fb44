"""Quantized networks without TensorFlow: kernels in C, the same in NumPy, and weights at their true widths."""
