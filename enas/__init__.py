"""Efficient neural architecture search (ENAS, arXiv 1802.03268) over quantized networks."""

import os

# TensorFlow's C++ side reports missing CUDA drivers as errors on every CPU machine. Its real errors are exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# By default TensorFlow uses oneDNN's kernels only on processors with AVX-512 VNNI or newer; on older ones they make a
# training step up to twice as fast as well.
ONEDNN_CHOSEN = "TF_ENABLE_ONEDNN_OPTS" in os.environ  # by the user; `enas.rnn` has a default of its own
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# TensorFlow imports Keras 3, and with it SciPy and Matplotlib, which takes two seconds; told to use the older tf_keras, it
# makes do without where that is not installed. Nothing here uses Keras.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
