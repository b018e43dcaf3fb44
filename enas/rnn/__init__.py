"""The search space of recurrent cells for language models (ENAS, arXiv 1802.03268, section 2.1)."""

import os

import enas

# Matrix products here have only as many rows as a batch has sequences. oneDNN's kernels take twice as long for them as
# TensorFlow's own.
if not enas.ONEDNN_CHOSEN:
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
