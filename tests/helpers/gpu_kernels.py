"""Which ops of a graph have no kernel on a GPU: asked of TensorFlow's own registry, which needs no GPU."""

import functools

from tensorflow.python.framework import dtypes, kernels, op_def_registry

FLOATS = {dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64}
# Float ops that belong on the host.
HOST = {
    "SaveV2": "writes a checkpoint's file",
    "RestoreV2": "reads a checkpoint's file",
    "TensorDataset": "tf.data: makes batches, which are copied to the GPU when they are whole",
}
# Float arguments that a GPU's kernel reads in the host's memory: scalars, which are constants here.
HOST_ARGUMENTS = {("QuantizeAndDequantizeV2", "input_min"), ("QuantizeAndDequantizeV2", "input_max")}


@functools.cache
def registered(op):
    """All registered kernels of an op, as KernelDef."""
    return list(kernels.get_registered_kernels_for_op(op).kernel)


def on_gpu(node):
    """The kernels that run a NodeDef on a GPU; those registered for any device are among them."""
    return [
        kernel for kernel in registered(node.op) if kernel.device_type in ("GPU", "DEFAULT") and _fits(kernel, node)
    ]


def _fits(kernel, node):
    """The types that a kernel is registered for are the node's; a kernel with a label is one that nothing asks for."""
    types = [(_types(node, limit.name), limit.allowed_values.list.type) for limit in kernel.constraint]
    return not kernel.label and all(found and set(found) <= set(allowed) for found, allowed in types)


def _types(node, attribute):
    value = node.attr[attribute]
    return [value.type] if value.type else list(value.list.type)


def float_arguments(node):
    """Names of the inputs and outputs of a NodeDef that are floats, variables (references, of old) included."""
    op = op_def_registry.get(node.op)
    found = set()
    for argument in [*op.input_arg, *op.output_arg]:
        attribute = argument.type_attr or argument.type_list_attr
        types = _types(node, attribute) if attribute else [argument.type]
        if any(dtypes.as_dtype(number).base_dtype in FLOATS for number in types):
            found.add(argument.name)
    return found


def float_ops_without(graph):
    """Float ops of a graph and of all function bodies in it that a GPU can't run, or only with its floats in the host's
    memory.

    Returns:
      (what is amiss, lines without repetition; how many float ops were asked for).
    """
    definition = graph.as_graph_def()
    functions = {function.signature.name: function.node_def for function in definition.library.function}
    amiss, asked = set(), 0
    for where, nodes in {"the graph": definition.node, **functions}.items():
        for node in nodes:
            if node.op in functions or node.op in HOST:
                continue
            floats = float_arguments(node)
            asked += bool(floats)
            floats -= {name for op, name in HOST_ARGUMENTS if op == node.op}
            if floats and not any(floats.isdisjoint(kernel.host_memory_arg) for kernel in on_gpu(node)):
                amiss.add(f"{node.op} ({', '.join(sorted(_named(node)))}) in {where}: {node.name}")
    return sorted(amiss), asked


def _named(node):
    return {dtypes.as_dtype(value.type).name for value in node.attr.values() if value.type}
