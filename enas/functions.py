"""Functions that stay functions in the graph, and gradients that come out the same every time."""

import tensorflow.compat.v1 as tf


def out_of_line(function):
    """Returns `function`, of tensors, as one that the graph holds once for each signature, however often it is called.

    Its body is built, optimized and loaded once rather than at every call, and so is its gradient's: graphs that repeat
    themselves become small and quick to start. Everything it works on has to be an argument.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def gradients(objective, variables):
    """`tf.gradients`, with contributions added up two at a time.

    TensorFlow's AddN starts with whichever of its inputs is free to be overwritten, which differs from run to run: of three
    or more addends the last bit of the sum would, too. (`session.graph_mode` keeps graph rewriting from undoing this.)
    """
    return tf.gradients(objective, variables, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE)
