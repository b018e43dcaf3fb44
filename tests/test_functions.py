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
