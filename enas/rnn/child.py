"""The child of the recurrent space: a language model around one recurrent cell (ENAS, arXiv 1802.03268, section 3.1).

It is an embedding, the cell, and a softmax over the vocabulary with the embedding's own weights (tied, arXiv
1611.01462). One function, `language_model`, builds it for a fixed arc, for a sampled one and for the LSTM that cells
are compared with.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from enas.graph import layers
from enas.graph.layers import BuildContext
from enas.rnn import arc as arcs
from enas.rnn import averaging, cell, lstm
from enas.rnn.config import ChildConfig
from enas.types import Tensor

Chosen = arcs.Arc | Tensor | str  # an arc, an int32 tensor `[2N - 1]`, or "lstm" for the baseline


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says about a window of text, B sequences of T tokens.

    Attributes:
      nats: float32 `[T, B]`, the negative log-likelihood of each target.
      state: float32 `[B, S]`, to start the next window with.
      outputs: float32 `[T, B, H]`, of the cell, before dropout.
      weights: float32, all weights that the child uses.
    """

    nats: Tensor
    state: Tensor
    outputs: Tensor
    weights: list[Tensor]


def slots(num_nodes: int) -> int:
    """How many weight matrices the shared cell has: one for node 0, and one for each pair (node, source)."""
    return 1 + num_nodes * (num_nodes - 1) // 2


def baseline(config: ChildConfig, vocabulary: int) -> lstm.Lstm:
    """Returns the widest LSTM that has no more weights than the cell, for a vocabulary of that many words."""
    units = config.lstm_hidden_size
    return lstm.of_size(vocabulary * units + 2 * units * units * (1 + config.rhn_depth), vocabulary)


def state_size(config: ChildConfig, vocabulary: int, arc: Chosen) -> int:
    """S, how many numbers one sequence's carried state has."""
    return 2 * baseline(config, vocabulary).units if isinstance(arc, str) else config.lstm_hidden_size


def language_model(
    build: BuildContext[ChildConfig], inputs: Tensor, targets: Tensor, state: Tensor, arc: Chosen
) -> Prediction:
    """Builds the child.

    Args:
      build: its classes are the words of the vocabulary.
      inputs, targets: int32 `[B, T]`, token ids. Each target is the token after its input.
      state: float32 `[B, S]`.
    """
    is_lstm = isinstance(arc, str)
    units = baseline(build.config, build.num_classes).units if is_lstm else build.config.lstm_hidden_size
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        embedding = _weights(build, "embedding", [build.num_classes, units], units)
        x = _embedded(build, embedding, inputs)
        batch = tf.shape(inputs)[0]
        x_mask, h_mask, o_mask = (
            _mask(build, name, [batch, units], getattr(build.config, f"lstm_{name}_keep")) for name in "xho"
        )
        x = x if x_mask is None else x * x_mask
        if is_lstm:
            outputs, state, weights = _run_lstm(build, units, x, state, h_mask)
        else:
            outputs, state, weights = _run_cell(build, arc, x, state, h_mask)
    masked = outputs if o_mask is None else outputs * o_mask
    logits = tf.matmul(tf.reshape(masked, [-1, units]), embedding, transpose_b=True)
    labels = tf.reshape(tf.transpose(targets), [-1])
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return Prediction(tf.reshape(nats, tf.shape(outputs)[:2]), state, outputs, [embedding, *weights])


def _run_cell(
    build: BuildContext[ChildConfig], arc: arcs.Arc | Tensor, x: Tensor, state: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Runs the cell of an arc; returns (outputs, next state, weights)."""
    units = build.config.lstm_hidden_size
    input_weights = _weights(build, "input", [units, 2 * units], units)
    nodes = build.config.rhn_depth
    if isinstance(arc, arcs.Arc):
        weights = _weights(build, "cell", [nodes, units, 2 * units], units)
    else:
        weights = tf.gather(_weights(build, "shared_cell", [slots(nodes), units, 2 * units], units), used_slots(arc))
    outputs = cell.run(cell.wiring(arc), weights, _times(x, input_weights), state, mask)
    return outputs, outputs[-1], [input_weights, weights]


def used_slots(arc: Tensor) -> Tensor:
    """Says which of the shared weight matrices an arc, int32 `[2N - 1]`, uses: int32 `[N]`, in the order of its
    nodes."""
    nodes = (int(arc.shape[0]) + 1) // 2
    first = tf.constant([1 + node * (node - 1) // 2 for node in range(1, nodes)], tf.int32)
    return tf.concat([[0], first + arc[1::2]], axis=0)


def _run_lstm(
    build: BuildContext[ChildConfig], units: int, x: Tensor, state: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Runs the LSTM; returns (outputs, next state, weights)."""
    input_weights = _weights(build, "lstm_input", [units, 4 * units], units)
    weights = _weights(build, "lstm", [units, 4 * units], units)
    bias = averaging.variable(
        build, "lstm_bias", [4 * units], lambda *_, **__: tf.repeat([0.0, lstm.FORGET_BIAS, 0.0, 0.0], units)
    )
    outputs, state = lstm.run(weights, _times(x, input_weights) + bias, state, mask)
    return outputs, state, [input_weights, weights, bias]


def _times(x: Tensor, weights: Tensor) -> Tensor:
    """Multiplies x `[T, B, H]` with weights `[H, W]`, for all time steps at once."""
    flat = tf.reshape(x, [-1, weights.shape[0]]) @ weights
    return tf.reshape(flat, [*tf.unstack(tf.shape(x)[:2]), weights.shape[1]])


def _weights(build: BuildContext[ChildConfig], name: str, shape: Sequence[int], units: int) -> Tensor:
    """Makes a weight variable that starts uniform in the ENAS authors' range for the number of units."""
    limit = 0.1 if units <= 300 else 0.05 if units <= 400 else 0.04
    return averaging.variable(build, name, shape, layers.uniform(build.seed, name, limit))


def _embedded(build: BuildContext[ChildConfig], embedding: Tensor, inputs: Tensor) -> Tensor:
    """Embeds the inputs, `[T, B, H]`. Embedding dropout drops a word at all its occurrences in a sequence."""
    x = tf.gather(embedding, inputs)
    kept = _mask(build, "e", [tf.shape(inputs)[0], build.num_classes], build.config.lstm_e_keep)
    if kept is not None:
        x *= tf.gather(kept, inputs, batch_dims=1)[..., None]
    return tf.transpose(x, [1, 0, 2])


def _mask(build: BuildContext[ChildConfig], name: str, shape: Sequence[int | Tensor], keep: float) -> Tensor | None:
    """Draws dropout factors, 0 or 1 / keep; None where nothing is dropped."""
    if not build.training or keep == 1.0:
        return None
    return layers.keep_mask(build, f"dropout/{name}", shape, keep) / keep
