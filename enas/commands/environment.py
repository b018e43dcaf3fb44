"""What TensorFlow reads from the environment when it is imported. Nothing here imports TensorFlow.

Only a program sets these variables, before it imports TensorFlow; importing a module sets none. A value that the user has
set counts.
"""

import os
from collections.abc import Callable

_COMMON = {
    # TensorFlow's C++ side reports missing CUDA drivers as errors on every CPU machine. Its real errors are exceptions.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # By default TensorFlow uses oneDNN's kernels only on processors with AVX-512 VNNI or newer; on older ones they make a
    # training step up to twice as fast as well.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # TensorFlow imports Keras 3, and with it SciPy and Matplotlib, which takes two seconds; told to use the older tf_keras,
    # it makes do without where that is not installed. Nothing here uses Keras.
    "TF_USE_LEGACY_KERAS": "1",
}


def cores() -> int:
    """Processor cores that this process may use."""
    # macOS and Windows know no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def set_defaults(of_space: Callable[[int], dict[str, str]] | None = None) -> None:
    """Sets the variables that the user has not set, for this process and those it starts.

    Args:
      of_space: `SearchSpace.environment`; what it returns counts before what all spaces have in common.
    """
    for name, value in {**_COMMON, **(of_space(cores()) if of_space else {})}.items():
        os.environ.setdefault(name, value)
