"""Functions that stay functions in the graph, and gradients that come out the same every time."""

import tensorflow.compat.v1 as tf


def out_of_line(function):
    """Returns `function`, of tensors, as one that the graph holds once for each signature, however often it is called.

    Its body is built, optimized and loaded once rather than at every call, and so is its gradient's: graphs that repeat
    themselves become small and quick to start. Everything it works on has to be an argument.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def gradients(objective, variables, of_objective=None):
    """`tf.gradients`, with contributions added up two at a time.

    TensorFlow's AddN starts with whichever of its inputs is free to be overwritten, which differs from run to run: of three
    or more addends the last bit of the sum would, too. (`session.graph_mode` keeps graph rewriting from undoing this.)

    Args:
      objective: a tensor, or a list.
      variables: a list of variables or tensors.
      of_objective: the gradient of `objective`; None: 1.
    """
    return tf.gradients(objective, variables, of_objective, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE)


def recomputed(function, *tensors):
    """`function(*tensors)`, a tensor; for its gradient it is computed anew.

    What lies between the arguments and the result is then not kept from the forward to the backward pass: for what is
    quick to compute, a good bargain (Chen et al., arXiv 1604.06174).
    """

    @tf.custom_gradient
    def run(*tensors):
        def gradient(of_result):
            inputs = local(tensors)
            return gradients(function(*inputs), inputs, of_result)

        return function(*tensors), gradient

    return run(*local(tensors))


def local(tensors):
    """The tensors as ones of the graph that is being built: what a gradient reads must not lie in a graph around it."""
    return [tf.identity(tensor) for tensor in tensors]


def rows(bank, indices):
    """Rows of a variable: `bank[indices]`, `[len(indices), *bank.shape[1:]]`, for indices of which none comes twice.

    The gradient is the rows' own. TensorFlow's would work their shape out again in each step, with eight ops a bank.
    """
    with tf.get_default_graph().gradient_override_map({"ResourceGather": "GatherOfRows"}):
        return tf.gather(bank, indices)


@tf.RegisterGradient("GatherOfRows")
def _rows_gradient(op, gradient):
    handle, indices = op.inputs
    return tf.IndexedSlices(gradient, indices, tf.raw_ops.VariableShape(input=handle)), None
