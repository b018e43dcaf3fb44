"""Gradients that come out the same every time."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas import functions

pytestmark = pytest.mark.usefixtures("graph")


def test_gradients_are_summed_two_addends_at_a_time(graph, start):
    """An AddN of more would start with whichever addend may be overwritten: its last bit would vary."""
    x = tf.get_variable("x", [3], tf.float32, tf.constant_initializer(0.5), use_resource=True)
    y = tf.identity(x)
    [gradient] = functions.gradients(tf.add_n([tf.reduce_sum(y**power) for power in range(1, 8)]), [x])
    sums = [op for op in graph.get_operations() if op.type == "AddN" and op.name.startswith("gradients")]
    assert len(sums) == 6
    assert all(len(op.inputs) == 2 for op in sums)
    expected = sum(power * 0.5 ** (power - 1) for power in range(1, 8))
    np.testing.assert_allclose(start().run(gradient), [expected] * 3, rtol=1e-6)


def test_graph_rewriting_leaves_the_sums_alone():
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


def test_what_is_recomputed_has_the_same_value_and_gradients(graph, start):
    x, w = tf.constant([[1.0, -2.0], [3.0, 0.5]]), tf.constant([[0.3, -1.0], [2.0, 0.7]])
    weight = tf.constant([[1.0, 2.0], [-1.0, 3.0]])

    def function(x, w):
        return tf.tanh(tf.nn.relu(x) @ w)

    kept, recomputed = function(x, w), functions.recomputed(function, x, w)
    gradients = [tf.gradients(y, [x, w], weight) for y in (kept, recomputed)]
    sess = start()
    np.testing.assert_array_equal(*sess.run([kept, recomputed]))
    for one, other in zip(*sess.run(gradients), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    # Once for each value, and once more for the gradient of the one that is not kept.
    assert sum(op.type == "Tanh" for op in graph.get_operations()) == 3


def test_what_is_recomputed_may_lie_in_the_branches_of_a_function(start):
    """Where an argument comes from a graph around the branch."""

    def body(x, id):
        return tf.switch_case(id, [lambda: functions.recomputed(tf.tanh, x), lambda: functions.recomputed(tf.exp, x)])

    x, id = tf.constant([0.5, -1.0]), tf.placeholder(tf.int32, [])
    [gradient] = tf.gradients(functions.out_of_line(body)(x, id), [x])
    sess, at = start(), np.array([0.5, -1.0])
    np.testing.assert_allclose(sess.run(gradient, {id: 0}), 1 - np.tanh(at) ** 2, rtol=1e-6)
    np.testing.assert_allclose(sess.run(gradient, {id: 1}), np.exp(at), rtol=1e-6)
