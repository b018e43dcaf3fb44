"""One LSTM layer (Hochreiter and Schmidhuber 1997) as a language model's recurrence: what a cell is compared with."""

import dataclasses
import math

import tensorflow.compat.v1 as tf

from enas.types import Tensor

# Of the forget gate (Jozefowicz et al. 2015, section 3.2).
FORGET_BIAS = 1.0


@dataclasses.dataclass(frozen=True)
class Lstm:
    """The layer.

    Attributes:
      units: hidden units, as many as the embedding has.
    """

    units: int


def of_size(parameters: int, vocabulary: int) -> Lstm:
    """Returns the widest layer that has at most `parameters` weights, its tied embedding of `vocabulary` words
    included.

    With h units it has 8 h^2 + 4 h + vocabulary * h weights.
    """
    b = vocabulary + 4
    return Lstm(max(1, math.floor((math.sqrt(b * b + 32 * parameters) - b) / 16)))


def run(weights: Tensor, projected: Tensor, state: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Runs the layer over time.

    Args:
      weights: float32 `[H, 4H]`, what the previous output is multiplied with; columns input gate, forget gate, output
        gate, candidate.
      projected: float32 `[T, B, 4H]`, the layer's input times its weights, plus the biases.
      state: float32 `[B, 2H]`: the memory cells and the output before the first time step.
      mask: float32 `[B, H]`, dropout factors of the previous output, the same at all time steps; None: no dropout.

    Returns:
      (outputs float32 `[T, B, H]`, state after the last time step).
    """

    def step(before: tuple[Tensor, Tensor], projected: Tensor) -> tuple[Tensor, Tensor]:
        memory, output = before
        total = projected + (output if mask is None else output * mask) @ weights
        into, keep, out, candidate = tf.split(total, 4, axis=1)
        memory = tf.sigmoid(keep) * memory + tf.sigmoid(into) * tf.tanh(candidate)
        return memory, tf.sigmoid(out) * tf.tanh(memory)

    memories, outputs = tf.scan(step, projected, tuple(tf.split(state, 2, axis=1)))
    return outputs, tf.concat([memories[-1], outputs[-1]], axis=1)
