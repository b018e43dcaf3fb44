"""Efficient neural architecture search (ENAS, arXiv 1802.03268) over quantized networks."""

import os

# TensorFlow's C++ side reports missing CUDA drivers as errors on every CPU machine. Its real errors are exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
