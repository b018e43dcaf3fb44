"""Names for TensorFlow's types, which type checkers see as `Any`. Nothing here imports TensorFlow."""

from typing import Any

Tensor = Any  # of TensorFlow: a tensor, a variable or a placeholder
Operation = Any
Session = Any
