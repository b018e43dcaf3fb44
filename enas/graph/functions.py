"""Functions that stay functions in the graph, and gradients that come out the same every time."""

import tensorflow.compat.v1 as tf


def out_of_line(function):
    """Returns `function`, of tensors, as one that the graph holds once for each signature, however often it is called.

    Its body is built, optimized and loaded once rather than at every call, and so is its gradient's: graphs that repeat
    themselves become small and quick to start. Everything it works on has to be an argument.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def gradients(objective, variables, grad_objective=None):
    """`tf.gradients`, with contributions added up two at a time.

    TensorFlow's AddN starts with whichever of its inputs is free to be overwritten, which differs from run to run: of three
    or more addends the last bit of the sum would, too. (`session.graph_mode` keeps graph rewriting from undoing this.)

    Args:
      objective: a tensor, or a list.
      variables: a list of variables or tensors.
      grad_objective: the gradient of `objective`; None: 1.
    """
    return tf.gradients(objective, variables, grad_objective, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE)


def with_gradient(run, *tensors):
    """What `run(*tensors)` computes, with a gradient of the caller's own.

    tf.custom_gradient does the same, but notes the gradient in a register of the process, which then keeps the graph, and
    all that it holds, for ever. Here the graph itself holds it.

    Args:
      run: returns (results, gradient): a tensor or a list of them, and a function from the gradients of the results to a
        list of the tensors' gradients.
      tensors: what `run` takes; it gets tensors of the graph that is being built.

    Returns:
      A tensor, or a list of them.
    """
    tensors = capture(tensors)
    results, gradient = run(*tensors)
    one = isinstance(results, tf.Tensor)
    results, graph = [results] if one else results, tf.get_default_graph()
    with graph.gradient_override_map({"IdentityN": "GivenGradient"}):
        # The tensors too, so that their gradients are this op's.
        outputs = tf.identity_n([*results, *tensors])[: len(results)]
    if not hasattr(graph, _GIVEN):
        setattr(graph, _GIVEN, {})
    getattr(graph, _GIVEN)[outputs[0].op.name] = gradient, len(results)
    return outputs[0] if one else outputs


# The attribute of a graph that holds {name of an op: (its gradient, number of its results)}.
_GIVEN = "_given_gradients"


@tf.RegisterGradient("GivenGradient")
def _given_gradient(op, *grad_outputs):
    gradient, count = getattr(op.graph, _GIVEN)[op.name]
    grad_tensors = gradient(*grad_outputs[:count])
    return [None] * count + ([grad_tensors] if isinstance(grad_tensors, tf.Tensor) else list(grad_tensors))


def switch_true(condition, x):
    """x where the bool scalar `condition` holds; else nothing that is computed from it is computed."""
    return tf.raw_ops.Switch(data=x, pred=condition).output_true


def switch_false(condition, x):
    """The opposite of `switch_true`."""
    return tf.raw_ops.Switch(data=x, pred=condition).output_false


def merge(tensors):
    """The one of the tensors that is computed, as soon as it is there.

    With `switch_true`, a conditional whose branches are not kept apart: what goes into one that is not taken is not waited
    for, and what a branch computes from other tensors alone can be computed before the condition is known.
    """
    return tf.raw_ops.Merge(inputs=tensors).output


def add_if(condition, total, x):
    """total + x where the bool scalar `condition` holds, else total, without waiting for x."""
    others, addend = tf.raw_ops.Switch(data=total, pred=condition)
    return merge([others, addend + x])


def capture(tensors, after=()):
    """The tensors as ones of the graph that is being built: what a gradient reads must not lie in a graph around it.

    Args:
      tensors: a list.
      after: tensors of that graph to wait for. What a gradient computes anew could be computed as soon as its inputs are
        there, long before it is needed, and would lie in memory until then.
    """
    with tf.control_dependencies(after):
        return [tf.identity(tensor) for tensor in tensors]


def gather_rows(bank, indices):
    """Rows of a variable: `bank[indices]`, `[len(indices), *bank.shape[1:]]`, for indices of which none comes twice.

    The gradient is the rows' own. TensorFlow's would work their shape out again in each step, with eight ops a bank.
    """
    with tf.get_default_graph().gradient_override_map({"ResourceGather": "GatherOfRows"}):
        return tf.gather(bank, indices)


@tf.RegisterGradient("GatherOfRows")
def _gather_rows_gradient(op, gradient):
    handle, indices = op.inputs
    return tf.IndexedSlices(gradient, indices, tf.raw_ops.VariableShape(input=handle)), None
