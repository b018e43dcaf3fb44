"""The recurrent cell that an arc describes, run over time: one definition for a fixed arc and for a sampled one.

The cell has N nodes of H units. Node n computes s_n = p + sigmoid(g) * (f(c) - p) with [c, g] = (m * p) W_n. Here p is
the node that it reads, f its activation and m a dropout mask. Node 0 reads the previous output, and the cell's input
joins its sum. These are the highway connections of ENAS (arXiv 1802.03268, section 3.1), after Recurrent Highway
Networks (arXiv 1607.03474). The output is the mean of the loose ends.

What is slow in a plain graph is the gradient of the weights, which is added up time step by time step. Here the loop
back through time computes only the gradients that time steps hand to each other. The weights' gradient is one product
over all time steps afterwards.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from enas.graph.functions import with_gradient
from enas.rnn import arc as arcs
from enas.types import Tensor

_FUNCTIONS = {"tanh": tf.tanh, "relu": tf.nn.relu, "identity": tf.identity, "sigmoid": tf.sigmoid}
TensorArray = Any  # of TensorFlow


@dataclasses.dataclass(frozen=True)
class Wiring:
    """An arc as the cell reads it.

    Attributes:
      sources: for each node but node 0, the node that it reads: ints of a fixed arc, int32 scalars of a sampled one.
      activations: for each node, the id of its activation, in the same way.
      shares: float32 `[N]`, each node's share of the output: 1 / (number of loose ends) for a loose end, 0 for the
        others.
    """

    sources: Sequence[int | Tensor]
    activations: Sequence[int | Tensor]
    shares: Tensor

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.activations)


def wiring(arc: arcs.Arc | Tensor) -> Wiring:
    """Returns the wiring of an `arcs.Arc` or of an int32 tensor `[2N - 1]`."""
    integers = arc.to_list() if isinstance(arc, arcs.Arc) else tf.unstack(arc)
    activations, sources = [integers[0], *integers[2::2]], integers[1::2]
    if sources:
        read = tf.reduce_sum(tf.one_hot(tf.stack(sources), len(activations)), axis=0)
        loose = tf.cast(tf.equal(read, 0), tf.float32)
    else:
        loose = tf.ones([1])
    return Wiring(sources, activations, loose / tf.reduce_sum(loose))


def run(wired: Wiring, weights: Tensor, projected: Tensor, state: Tensor, mask: Tensor | None) -> Tensor:
    """Runs the cell over time. Gradients reach the weights, the projected input and the state.

    Args:
      wired: of N nodes.
      weights: float32 `[N, H, 2H]`, what each node multiplies with; columns c, then g.
      projected: float32 `[T, B, 2H]`, the cell's input times its weights, which node 0 adds.
      state: float32 `[B, H]`, the output before the first time step.
      mask: float32 `[B, H]`, the dropout factors of what every node reads, a constant; None: no dropout.

    Returns:
      float32 `[T, B, H]`, the outputs. Each has a root mean square of at most 1 (see `bounded`).
    """

    def function(weights: Tensor, projected: Tensor, state: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple]]:
        arrays = _forward(wired, weights, projected, state, mask)

        def gradient(grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return _backward(wired, weights, state, mask, arrays, grad_outputs)

        return arrays[0][0].stack(), gradient

    return with_gradient(function, weights, projected, state)


def bounded(x: Tensor) -> Tensor:
    """Scales rows of `[B, H]` down to a root mean square of 1 where they have more.

    Cells of tanh and sigmoid nodes never have more. Those of ReLU and identity nodes may grow from time step to time
    step without end, and a search samples such cells all the time.
    """
    return x * tf.minimum(1.0, tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=1, keepdims=True) + 1e-12))


def _node(source: Tensor, sums: Tensor, activation: int | Tensor) -> Tensor:
    """Computes a node from the node that it reads, `[B, H]`, and from its weighted sums, `[B, 2H]`."""
    candidate, gate = tf.split(sums, 2, axis=1)
    return source + tf.sigmoid(gate) * (_activate(candidate, activation) - source)


def _activate(x: Tensor, activation: int | Tensor) -> Tensor:
    functions = [_FUNCTIONS[name] for name in arcs.ACTIVATIONS]
    if isinstance(activation, int):
        return functions[activation](x)
    return tf.switch_case(activation, [lambda function=function: function(x) for function in functions])


def _mean(wired: Wiring, states: Sequence[Tensor]) -> Tensor:
    """Computes the mean of the loose ends among a cell's states, each `[B, H]`."""
    return tf.add_n([share * state for share, state in zip(tf.unstack(wired.shares), states, strict=True)])


def _list(states: Sequence[Tensor] = ()) -> TensorArray:
    """Returns a list of states that a tensor can index. Reading and writing copies nothing."""
    array = tf.TensorArray(tf.float32, 0, dynamic_size=True, clear_after_read=False, element_shape=[None, None])
    for number, state in enumerate(states):
        array = array.write(number, state)
    return array


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


def _over_time(steps: Tensor, units: int) -> TensorArray:
    """Returns where a loop over time leaves one `[B, units]` for each time step."""
    return tf.TensorArray(tf.float32, steps, clear_after_read=False, element_shape=[None, units])


def _forward(
    wired: Wiring, weights: Tensor, projected: Tensor, state: Tensor, mask: Tensor | None
) -> list[list[TensorArray]]:
    """Runs the cell; returns three lists of arrays over time: `[outputs]`, each node's states, and its weighted
    sums."""
    steps, units = tf.shape(projected)[0], weights.shape[1]
    weights = tf.unstack(weights)
    inputs = _over_time(steps, 2 * units).unstack(projected)
    arrays = [[_over_time(steps, units)], *([_over_time(steps, w) for _ in weights] for w in (units, 2 * units))]

    def body(step: Tensor, state: Tensor, arrays: list[list[TensorArray]]) -> tuple:
        states: list[Tensor] = []
        sums: list[Tensor] = []
        source, earlier = state, _list()
        for node, activation in enumerate(wired.activations):
            if node:
                earlier = earlier.write(node - 1, states[-1])
                source = earlier.read(wired.sources[node - 1])
            total = _masked(source, mask) @ weights[node]
            sums.append(total + inputs.read(step) if node == 0 else total)
            states.append(_node(source, sums[node], activation))
        state = bounded(_mean(wired, states))
        values = [state], states, sums
        written = [[a.write(step, x) for a, x in zip(*pair, strict=True)] for pair in zip(arrays, values, strict=True)]
        return step + 1, state, written

    return tf.while_loop(lambda step, *_: step < steps, body, [0, state, arrays])[2]


def _backward(
    wired: Wiring,
    weights: Tensor,
    state: Tensor,
    mask: Tensor | None,
    arrays: list[list[TensorArray]],
    grad_outputs: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Computes the gradients of the weights, the projected input and the first state from what `_forward` returned."""
    (outputs,), states, sums = arrays
    steps, units = tf.shape(grad_outputs)[0], weights.shape[1]
    # Transposed once here, and not in each product of each time step.
    transposed = tf.unstack(tf.transpose(weights, [0, 2, 1]))
    grad_outputs = _over_time(steps, units).unstack(grad_outputs)
    empty = [[_over_time(steps, w) for _ in transposed] for w in (units, 2 * units)]

    def body(step: Tensor, grad_next: Tensor, read: list[TensorArray], grad_sums: list[TensorArray]) -> tuple:
        before = tf.cond(step > 0, lambda: outputs.read(tf.maximum(step - 1, 0)), lambda: state)
        nodes = [array.read(step) for array in states]
        mean = _mean(wired, nodes)
        grad_mean = tf.gradients(bounded(mean), mean, grad_outputs.read(step) + grad_next)[0]
        grad_nodes = _list([share * grad_mean for share in tf.unstack(wired.shares)])
        indexed = _list(nodes)
        for node in reversed(range(wired.num_nodes)):
            source = indexed.read(wired.sources[node - 1]) if node else before
            total = sums[node].read(step)
            result = _node(source, total, wired.activations[node])
            grad_source, grad_total = tf.gradients(result, [source, total], grad_nodes.read(node))
            read[node] = read[node].write(step, _masked(source, mask))
            grad_sums[node] = grad_sums[node].write(step, grad_total)
            grad_source += _masked(grad_total @ transposed[node], mask)
            if node:
                index = wired.sources[node - 1]
                grad_nodes = grad_nodes.write(index, grad_nodes.read(index) + grad_source)
        return step - 1, grad_source, read, grad_sums

    start = [steps - 1, tf.zeros_like(state), *empty]
    _, grad_state, read, grad_sums = tf.while_loop(lambda step, *_: step >= 0, body, start)
    # What each node read times the gradient of its sums, over all time steps.
    pairs = [(a.concat(), b.concat()) for a, b in zip(read, grad_sums, strict=True)]
    grad_weights = tf.stack([tf.matmul(a, b, transpose_a=True) for a, b in pairs])
    return grad_weights, grad_sums[0].stack(), grad_state
