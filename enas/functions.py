"""Functions that stay functions in the graph."""

import tensorflow.compat.v1 as tf


def out_of_line(function):
    """Returns `function`, of tensors, as one that the graph holds once for each signature, however often it is called.

    Its body is built, optimized and loaded once rather than at every call, and so is its gradient's: graphs that repeat
    themselves become small and quick to start. Everything it works on has to be an argument.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
