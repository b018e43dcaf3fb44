"""The micro child in tests: random weights, and which of the shared ones an arc's own network has."""

import re

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import layers
from enas.micro import arc as arcs
from enas.micro.config import ChildConfig

BATCH, CLASSES, LAYERS = 4, 7, 3
CONFIG = ChildConfig(num_layers=LAYERS, num_cells=2, out_filters=4)
# As many ops as usually, the first of them dense.
DENSE = "conv_3x3,sep_conv_5x5,avg_pool_3x3,max_pool_3x3,identity"

# With the same kernels in both graphs (`start` switches rewriting off) quantized values are sums of few multiples of a
# power of two, exact in any order, so no quantizer sees two different numbers. What is left is the rounding of float32.
FORWARD = {"fp16": 2e-3}
BACKWARD = {"fp16": 2e-2}

# Rows of a bank, as the docs state them: ordered by node, side and source.
ROW = {}
for _node in range(12):
    for _side in (0, 1):
        for _source in range(_node + 2):
            ROW[_node, _side, _source] = len(ROW)

SLOT_VARIABLE = re.compile(r"(.*?)node_(\d+)_side_(\d+)_source_(\d+)_((?:sep_)?conv_\dx\d\w*)(/\w+:0)")


def images(seed=0, side=8):
    return tf.constant(np.random.default_rng(seed).normal(size=(BATCH, side, side, 3)), tf.float32)


def tensor(arc):
    return np.reshape(arc.to_list(), [2, arc.num_cells, 4]).astype(np.int32)


def random_arc(rng, num_cells):
    nodes = [*range(2, num_cells + 2)] * 2
    return arcs.from_list([v for k in nodes for _ in "12" for v in (rng.integers(k), rng.integers(len(arcs.OPS)))])


def owned(prefix):
    """{name without prefix: variable} of the trainable variables of one of the networks."""
    return {v.name.removeprefix(prefix): v for v in tf.trainable_variables(prefix)}


def randomise(session, variables, seed=0):
    """Gives every variable distinct values, batch norm's and biases included; returns {name: value}."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, variable in variables.items():
        shape, kind = variable.shape.as_list(), name.rsplit("/", 1)[-1]
        if kind == "scale:0":
            values[name] = rng.uniform(0.4, 1.2, shape)
        elif kind in ("offset:0", "b:0"):
            values[name] = rng.uniform(-0.4, 0.6, shape)
        else:
            values[name] = rng.uniform(-1, 1, shape)
    assign(session, variables, values)
    return values


def assign(session, variables, values):
    """Sets all variables in one run: each run of its own would take longer than the network."""
    session.run(
        [variable.initializer for variable in variables.values()],
        {variable.initializer.inputs[1]: values[name] for name, variable in variables.items()},
    )


def in_bank(shared, slot):
    """(name of the bank, row in it) of a variable of a single slot, a match of SLOT_VARIABLE. Low-bit schemes that are
    searched share a bank, in whose rows they come one after the other."""
    head, node, side, source, op, tail = slot.groups()
    row = ROW[int(node), int(side), int(source)]
    if f"{head}{op}{tail}" in shared:
        return f"{head}{op}{tail}", row
    kind, scheme = op.rsplit("_", 1)
    [name] = [n for n in shared if n.startswith(f"{head}{kind}_") and n.endswith(tail) and f"_{scheme}" in n]
    searched = name.removeprefix(f"{head}{kind}_").removesuffix(tail).split("_")
    return name, len(shared[name]) // len(searched) * searched.index(scheme) + row


def of_arc(shared, names, loose_ends):
    """Picks, from the shared child's values {name: array}, those that belong to the variables `names` of a network with
    variables for single slots; loose_ends: {layer: loose ends} where its combining weights are of those only."""
    picked = {}
    for name in names:
        slot = SLOT_VARIABLE.fullmatch(name)
        combine = re.fullmatch(r".*layer_(\d+)/combine:0", name)
        if slot:
            bank, row = in_bank(shared, slot)
            picked[name] = shared[bank][row]
        elif combine and loose_ends:
            picked[name] = shared[name][list(loose_ends[int(combine[1])])]
        else:
            picked[name] = shared[name]
    return picked


def build_of(config, **changes):
    return layers.BuildContext(config, CLASSES, 0, **changes)


def gradients(outputs, variables, seed=1):
    """Gradients of random linear functions of the outputs, as dense tensors {name: gradient}."""
    rng = np.random.default_rng(seed)
    total = sum(tf.reduce_sum(y * rng.normal(size=y.shape.as_list()).astype(np.float32)) for y in outputs)
    found = tf.gradients(total, list(variables.values()))
    return {name: tf.convert_to_tensor(g) for name, g in zip(variables, found, strict=True)}


def assert_close(actual, expected, tolerance, what=""):
    """Equal to within `tolerance` of the largest expected value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, what
    largest = np.abs(expected).max(initial=0.0)
    assert np.abs(actual - expected).max(initial=0.0) <= tolerance * largest, what
