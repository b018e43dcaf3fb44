"""Fixtures for the tests that build TensorFlow graphs. TensorFlow is imported only where one is used."""

import contextlib

import pytest

from enas.commands import environment

environment.set_defaults()


@pytest.fixture
def graph():
    """A fresh default graph, in the mode that the project runs in."""
    import tensorflow.compat.v1 as tf

    from enas.runs import session

    session.graph_mode()
    with tf.Graph().as_default() as fresh:
        yield fresh


@pytest.fixture
def start(graph):
    """A function that opens a session on the graph built so far and initialises its variables.

    Graph rewriting is off: it takes longer than what these tests run, and would give two graphs that say the same
    different kernels.
    """
    import tensorflow.compat.v1 as tf

    with contextlib.ExitStack() as stack:

        def open_session():
            config = tf.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=2)
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            session = stack.enter_context(tf.Session(graph=graph, config=config))
            session.run(tf.global_variables_initializer())
            return session

        yield open_session
