"""Gradients that come out the same every time."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.graph import functions

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


def doubled(function, factor):
    """`function(x, w)` with its own gradients times a factor."""

    def run(x, w):
        def gradient(grad_y):
            inputs = functions.capture([x, w])
            return [factor * g for g in functions.gradients(function(*inputs), inputs, grad_y)]

        return function(x, w), gradient

    return run


def test_a_gradient_that_is_given_is_taken(start):
    x, w = tf.constant([[1.0, -2.0], [3.0, 0.5]]), tf.constant([[0.3, -1.0], [2.0, 0.7]])
    weight = tf.constant([[1.0, 2.0], [-1.0, 3.0]])

    def function(x, w):
        return tf.tanh(tf.nn.relu(x) @ w)

    own, given = function(x, w), functions.with_gradient(doubled(function, 2.0), x, w)
    gradients = [tf.gradients(y, [x, w], weight) for y in (own, given)]
    sess = start()
    np.testing.assert_array_equal(*sess.run([own, given]))
    for one, other in zip(*sess.run(gradients), strict=True):
        np.testing.assert_allclose(2 * one, other, rtol=1e-6)


def test_a_given_gradient_may_lie_in_the_branches_of_a_function(start):
    """Where an argument comes from a graph around the branch."""

    def body(x, w, id):
        branches = [
            lambda factor=factor: functions.with_gradient(doubled(tf.multiply, factor), x, w) for factor in (1.0, 3.0)
        ]
        return tf.switch_case(id, branches)

    x, w, id = tf.constant([0.5, -1.0]), tf.constant([2.0, 4.0]), tf.placeholder(tf.int32, [])
    gradients = tf.gradients(functions.out_of_line(body)(x, w, id), [x, w])
    sess = start()
    for branch, factor in enumerate((1, 3)):
        grad_x, grad_w = sess.run(gradients, {id: branch})
        np.testing.assert_allclose(grad_x, [2.0 * factor, 4.0 * factor])
        np.testing.assert_allclose(grad_w, [0.5 * factor, -1.0 * factor])


def test_a_graph_with_given_gradients_is_not_kept():
    def build():
        with tf.Graph().as_default() as graph:
            x = tf.constant([1.0, 2.0])
            tf.gradients(functions.with_gradient(doubled(tf.multiply, 2.0), x, x), [x])
        return weakref.ref(graph)

    graph = build()
    gc.collect()
    assert graph() is None


@pytest.mark.parametrize("condition", [True, False])
def test_one_of_two_branches_is_live(start, condition):
    fed, x = tf.placeholder(tf.bool, []), tf.constant(3.0)
    chosen = functions.merge([2.0 * functions.switch_true(fed, x), 0.5 * functions.switch_false(fed, x)])
    added = functions.add_if(fed, x, x * x)
    np.testing.assert_allclose(start().run([chosen, added], {fed: condition}), (6.0, 12.0) if condition else (1.5, 3.0))


@pytest.mark.parametrize("condition", [True, False])
def test_what_is_not_live_is_not_computed(start, condition):
    fed = tf.placeholder(tf.bool, [])
    bad = tf.debugging.check_numerics(functions.switch_true(fed, tf.constant(np.nan)), "computed")
    result = functions.merge([bad, functions.switch_false(fed, tf.constant(1.0))])
    if condition:
        with pytest.raises(tf.errors.InvalidArgumentError, match="computed"):
            start().run(result, {fed: True})
    else:
        assert start().run(result, {fed: False}) == 1.0


def test_an_addend_that_is_not_added_is_not_waited_for(start):
    """Its sum with anything would be nan."""
    condition, total = tf.placeholder(tf.bool, []), tf.constant(3.0)
    added = functions.add_if(condition, total, functions.switch_true(condition, tf.constant(np.nan)))
    sess = start()
    assert sess.run(added, {condition: False}) == 3.0
    assert np.isnan(sess.run(added, {condition: True}))


def test_what_is_computed_anew_waits_for_the_gradient():
    x, grad_y = tf.constant(1.0), tf.constant(2.0)
    [later] = functions.capture([x], after=[grad_y])
    assert later.op.control_inputs == [grad_y.op]
