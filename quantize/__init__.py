"""Quantization schemes and the layers that run under them. Knows nothing of architecture search."""
