"""Functions that stay functions in the graph, and gradients that come out the same every time."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from enas.types import Operation, Tensor


def out_of_line(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `function`, of tensors, as one that the graph holds once for each signature, however often it is called.

    Its body is built, optimized and loaded once rather than at every call, and so is its gradient's. Graphs that repeat
    themselves become small and quick to start. Everything the function works on has to be an argument.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `function`, of tensors, as one that is built once for each signature, however often it is called.

    When the graph is loaded its body is copied to every call. Everything it works on has to be an argument.
    """
    return tf.function(function, autograph=False)


def gradients(
    objective: Tensor | Sequence[Tensor],
    variables: Sequence[Tensor],
    grad_objective: Tensor | None = None,
    colocate: bool = False,
) -> list[Tensor]:
    """Computes `tf.gradients`, and adds up contributions two at a time.

    TensorFlow's AddN starts with whichever of its inputs is free to be overwritten, which differs from run to run. Of
    three or more addends the last bit of the sum would differ too. (`session.graph_mode` keeps graph rewriting from
    undoing this.)

    Args:
      grad_objective: the gradient of `objective`; None: 1.
      colocate: compute each gradient on the device of what it is the gradient of.
    """
    method = tf.AggregationMethod.EXPERIMENTAL_TREE
    return tf.gradients(
        objective, variables, grad_objective, colocate_gradients_with_ops=colocate, aggregation_method=method
    )


def with_gradient(run: Callable[..., tuple[Any, Callable[..., Any]]], *tensors: Tensor) -> Any:
    """Computes what `run(*tensors)` computes, with a gradient of the caller's own.

    tf.custom_gradient does the same, but keeps the gradient in a registry of the process. The registry then keeps the
    graph, and all that the graph holds, for ever. Here the graph itself holds the gradient.

    Args:
      run: returns (results, gradient). The results are a tensor or a list of them. The gradient is a function from the
        gradients of the results to those of the tensors.
      tensors: the arguments of `run`, which gets them as tensors of the graph that is being built.

    Returns:
      A tensor, or a list of them.
    """
    captured = capture(tensors)
    results, gradient = run(*captured)
    one = isinstance(results, tf.Tensor)
    results, graph = [results] if one else results, tf.get_default_graph()
    with graph.gradient_override_map({"IdentityN": "GivenGradient"}):
        # The tensors too, so that their gradients are this op's.
        outputs = tf.identity_n([*results, *captured])[: len(results)]
    if not hasattr(graph, _GIVEN):
        setattr(graph, _GIVEN, {})
    getattr(graph, _GIVEN)[outputs[0].op.name] = gradient, len(results)
    return outputs[0] if one else outputs


# The attribute of a graph that holds {name of an op: (its gradient, number of its results)}.
_GIVEN = "_given_gradients"


@tf.RegisterGradient("GivenGradient")
def _given_gradient(op: Operation, *grad_outputs: Tensor) -> list[Tensor]:
    gradient, count = getattr(op.graph, _GIVEN)[op.name]
    grad_tensors = gradient(*grad_outputs[:count])
    return [None] * count + ([grad_tensors] if isinstance(grad_tensors, tf.Tensor) else list(grad_tensors))


def switch_true(condition: Tensor, x: Tensor) -> Tensor:
    """Passes x on if the bool scalar `condition` is true. If not, nothing that reads the result is computed."""
    return tf.raw_ops.Switch(data=x, pred=condition).output_true


def switch_false(condition: Tensor, x: Tensor) -> Tensor:
    """Passes x on if the bool scalar `condition` is false. If not, nothing that reads the result is computed."""
    return tf.raw_ops.Switch(data=x, pred=condition).output_false


def merge(tensors: Sequence[Tensor]) -> Tensor:
    """Returns the one of the tensors that is computed, as soon as it is there.

    With `switch_true` this makes a conditional whose branches stay part of the graph around them. Nothing waits for the
    inputs of a branch that is not taken, and what a branch computes from other tensors alone can be computed before the
    condition is known.
    """
    return tf.raw_ops.Merge(inputs=tensors).output


def add_if(condition: Tensor, total: Tensor, x: Tensor) -> Tensor:
    """Returns total + x if the bool scalar `condition` is true; if not, total, without waiting for x."""
    others, addend = tf.raw_ops.Switch(data=total, pred=condition)
    return merge([others, addend + x])


def capture(tensors: Sequence[Tensor], after: Sequence[Tensor] = ()) -> list[Tensor]:
    """Returns the tensors as tensors of the graph that is being built. What a gradient reads must not lie in a graph
    around it.

    Args:
      after: tensors of that graph to wait for. What a gradient recomputes could otherwise be computed as soon as its
        inputs are there, long before it is needed, and would lie in memory until then.
    """
    with tf.control_dependencies(after):
        return [tf.identity(tensor) for tensor in tensors]


def gather_rows(bank: Tensor, indices: Tensor) -> Tensor:
    """Gathers rows of a variable, `bank[indices]`, for indices that are all different.

    The gradient is the rows' own. TensorFlow's gradient would work out their shape in each step, with eight ops a bank.

    Args:
      indices: int32 `[n]`.

    Returns:
      `[n, *bank.shape[1:]]`.
    """
    with tf.get_default_graph().gradient_override_map({"ResourceGather": "GatherOfRows"}):
        return tf.gather(bank, indices)


@tf.RegisterGradient("GatherOfRows")
def _gather_rows_gradient(op: Operation, grad_rows: Tensor) -> tuple[Tensor, None]:
    handle, indices = op.inputs
    return tf.IndexedSlices(grad_rows, indices, tf.raw_ops.VariableShape(input=handle)), None
