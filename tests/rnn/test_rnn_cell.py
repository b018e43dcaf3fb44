import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st

from enas.rnn import arc, cell

PUBLISHED = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
CELLS = [PUBLISHED, "2", "3 0 2 0 1 0 0", "1 0 2 1 1 2 2", "0 0 3 1 0 0 2 3 1"]
STEPS, BATCH, UNITS = 5, 3, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATE = (np.tanh, lambda x: np.maximum(x, 0), lambda x: x, sigmoid)


def by_hand(text, weights, projected, state, mask):
    """The cell in NumPy, straight from the paper's words: outputs [T, B, H]."""
    words = [int(word) for word in text.split()]
    outputs = []
    for step in range(len(projected)):
        values, read = [], set()
        for node in range((len(words) + 1) // 2):
            activation = words[2 * node]
            source = state if node == 0 else values[words[2 * node - 1]]
            if node:
                read.add(words[2 * node - 1])
            total = (source * mask) @ weights[node] + (projected[step] if node == 0 else 0)
            candidate, gate = total[:, :UNITS], sigmoid(total[:, UNITS:])
            values.append((1 - gate) * source + gate * ACTIVATE[activation](candidate))
        mean = np.mean([value for i, value in enumerate(values) if i not in read], axis=0)
        size = np.sqrt(np.mean(mean**2, axis=1, keepdims=True))
        state = np.where(size > 1, mean / np.maximum(size, 1), mean)
        outputs.append(state)
    return np.stack(outputs)


def numbers(text, spread=1.0):
    draw = np.random.default_rng(len(text))
    nodes = (len(text.split()) + 1) // 2
    weights = draw.normal(size=[nodes, UNITS, 2 * UNITS]) * spread
    projected, state = draw.normal(size=[STEPS, BATCH, 2 * UNITS]), draw.normal(size=[BATCH, UNITS]) * 0.5
    return weights, projected, state, draw.integers(0, 2, [BATCH, UNITS]) / 0.5, draw.normal(size=[STEPS, BATCH, UNITS])


def built(text, sampled):
    """Placeholders and the tensors (outputs, gradients of the weighted sum of the outputs)."""
    weights, projected, state, mask, share = numbers(text)
    fed = [tf.placeholder(tf.float32, x.shape) for x in (weights, projected, state, mask, share)]
    values = [int(word) for word in text.split()]
    given = tf.placeholder_with_default(tf.constant(values), [len(values)]) if sampled else arc.from_list(values)
    outputs = cell.run(cell.wiring(given), *fed[:4])
    return fed, (outputs, tf.gradients(tf.reduce_sum(outputs * fed[4]), fed[:3]))


@pytest.mark.parametrize("text", CELLS)
@pytest.mark.parametrize("sampled", [False, True])
def test_outputs_and_gradients_are_those_of_the_formula(text, sampled, start):
    fed, tensors = built(text, sampled)
    session = start()
    arrays = numbers(text)
    outputs, gradients = session.run(tensors, dict(zip(fed, arrays, strict=True)))
    np.testing.assert_allclose(outputs, by_hand(text, *arrays[:4]), atol=1e-5)

    def total(position, change):
        changed = list(arrays)
        changed[position] = arrays[position] + change
        return np.sum(by_hand(text, *changed[:4]) * arrays[4])

    draw = np.random.default_rng(1)
    for position, gradient in enumerate(gradients):
        for _ in range(3):
            way = draw.normal(size=gradient.shape) * 1e-5
            slope = total(position, way) - total(position, -way)
            np.testing.assert_allclose(2 * np.sum(gradient * way), slope, rtol=2e-3, atol=1e-8)


def test_without_a_mask_nothing_is_dropped(start):
    weights, projected, state, _, _ = numbers(PUBLISHED)
    wired = cell.wiring(arc.parse(PUBLISHED))
    inputs = [tf.constant(x, tf.float32) for x in (weights, projected, state)]
    pair = cell.run(wired, *inputs, None), cell.run(wired, *inputs, tf.ones([BATCH, UNITS]))
    np.testing.assert_array_equal(*start().run(pair))


@given(st.data())
def test_loose_ends_share_the_output(data):
    nodes = data.draw(st.integers(1, 12))
    values = [data.draw(st.integers(0, 3))]
    for node in range(1, nodes):
        values += [data.draw(st.integers(0, node - 1)), data.draw(st.integers(0, 3))]
    parsed = arc.from_list(values)
    with tf.Graph().as_default(), tf.Session() as session:
        shares = session.run(cell.wiring(tf.constant(values)).shares)
    expected = [i in parsed.loose_ends for i in range(nodes)] / np.float32(len(parsed.loose_ends))
    np.testing.assert_allclose(shares, expected, rtol=1e-6)


def test_linear_cells_stay_bounded(start):
    weights = tf.ones([2, UNITS, 2 * UNITS]) * 3.0
    projected, state = tf.ones([50, BATCH, 2 * UNITS]), tf.ones([BATCH, UNITS])
    outputs = cell.run(cell.wiring(arc.parse("2 0 1")), weights, projected, state, None)
    values, gradient = start().run([outputs, tf.gradients(outputs, weights)[0]])
    np.testing.assert_allclose(values, 1.0, atol=1e-5)
    assert np.all(np.isfinite(gradient))
