"""A sampled cell against the fixed cell, the classic cell and NumPy; ops against TensorFlow's own gradients."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from shared_weights import (
    BACKWARD,
    BATCH,
    CONFIG,
    DENSE,
    FORWARD,
    ROW,
    assert_close,
    assign,
    build_of,
    gradients,
    of_arc,
    owned,
    random_arc,
    randomise,
    tensor,
)

from enas.micro import arc as arcs
from enas.micro import cell as cells
from enas.micro import op_switch
from enas.micro import ops as micro_ops
from enas.micro.op_table import KINDS, op_table
from enas.micro.sampled import SampledCell, edges
from quantize import schemes
from scripts.benchmarks import classic_supernet

pytestmark = pytest.mark.usefixtures("graph")

# What other widths would show, these do.
SCHEMES = ("fp32", "fp16", "binary", "ternary", "k1", "k4", "k8")
OTHER_SCHEMES = [pytest.param(f"k{bits}", marks=pytest.mark.slow) for bits in (2, 3, 5, 6, 7)]


def every_choice():
    """Cells of two nodes that together have every source and op at either side of either node."""
    choices = [(source, op) for source in range(3) for op in range(len(arcs.OPS))]
    early = choices[:10]
    return [
        arcs.Cell(
            (
                arcs.Node(*early[i % 10], *early[(i + 3) % 10]),
                arcs.Node(*choices[i], *choices[(i + 7) % 15]),
            )
        )
        for i in range(15)
    ]


def every_op():
    """Five of them that have every op at either side of either node."""
    return [every_choice()[i] for i in (0, 6, 12, 3, 9)]


def test_every_choice_is_among_the_arcs_compared():
    for node, sources in ((0, 2), (1, 3)):
        for side in (0, 1):
            seen = {cell.nodes[node].sides[side] for cell in every_choice()}
            assert seen == {(source, op) for source in range(sources) for op in range(len(arcs.OPS))}
            assert {cell.nodes[node].sides[side][1] for cell in every_op()} == set(range(len(arcs.OPS)))


def cell_inputs(build):
    """Two inputs of a cell on an oblong map of odd sides, and drop-path masks `[2, 2, BATCH]`."""
    rng = np.random.default_rng(2)
    inputs = [tf.constant(rng.normal(size=(BATCH, 5, 3, 4)), build.scheme.dtype) for _ in range(2)]
    return inputs, tf.constant([[[0, 2, 1, 1], [1, 0, 2, 1]], [[2, 0, 1, 1], [0, 1, 3, 1]]], tf.float32)


@pytest.mark.parametrize("scheme", [*SCHEMES, *OTHER_SCHEMES])
def test_an_op_has_the_gradients_that_tensorflow_works_out(start, scheme):
    """The backward pass that training takes, against automatic differentiation of the forward pass."""
    config = dataclasses.replace(CONFIG, scheme=scheme, op_table=",".join(KINDS))
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(BATCH, 5, 4, 4)), schemes.get(scheme).dtype)
    found = []
    for training in (True, False):
        with tf.variable_scope("ops", reuse=tf.AUTO_REUSE):
            build, outputs = build_of(config, training=training), []
            for op in op_table(config):
                with tf.variable_scope(op.name):
                    weights = cells.op_variables(build, [op], 4) if op.kernel else ()
                    outputs.append(tf.cast(micro_ops.run_op(build, op, x, weights), tf.float32))
        found.append((outputs, gradients(outputs, {"x": x, **owned("ops/")})))
    session = start()
    randomise(session, owned("ops/"))
    (outputs, actual), (expected_outputs, expected) = session.run(found)
    np.testing.assert_array_equal(outputs, expected_outputs)
    assert len(expected) == 1 + 4 + 4 + 3
    for name in expected:
        assert_close(actual[name], expected[name], BACKWARD.get(scheme, 1e-5), name)
        assert np.any(expected[name]), name


@pytest.mark.parametrize(
    "scheme, table",
    [
        *((scheme, CONFIG.op_table) for scheme in SCHEMES),
        ("binary", DENSE),
        ("fp32", DENSE),
        *(pytest.param(f"k{bits}", CONFIG.op_table, marks=pytest.mark.slow) for bits in (2, 3, 5, 6, 7)),
        *(pytest.param(scheme, DENSE, marks=pytest.mark.slow) for scheme in ("fp16", "k4")),
    ],
)
def test_a_sampled_cell_is_the_fixed_cell_for_every_op_source_and_side(start, scheme, table):
    """One cell on the same inputs, so that no difference can come from, or hide behind, other layers. Gradients, in the
    weights and in the inputs, for some of the arcs. Sources do not depend on the scheme: float32 has them all."""
    build = build_of(dataclasses.replace(CONFIG, scheme=scheme, op_table=table), training=True)
    inputs, masks = cell_inputs(build)
    arcs_compared = every_choice() if scheme == "fp32" else every_op()
    fed = tf.placeholder(tf.int32, [2, 4])
    with tf.variable_scope("shared"):
        sampled = cells.run_cell(build, SampledCell(build, edges(fed), inputs, masks, op_switch.SharedSlot(build)))
    fixed, masks = [], [tf.unstack(node) for node in tf.unstack(masks)]
    for i, cell in enumerate(arcs_compared):
        with tf.variable_scope(f"fixed_{i}"):
            fixed.append(cells.run_cell(build, cells.FixedCell(build, cell, inputs, masks)))
    shared = owned("shared/")
    of_inputs = dict(zip("xy", inputs, strict=True))
    shared_gradients = gradients([tf.cast(sampled, tf.float32)], {**shared, **of_inputs})
    differentiated = (0, 2)
    fixed_gradients = {
        i: gradients([tf.cast(fixed[i], tf.float32)], {**owned(f"fixed_{i}/"), **of_inputs}) for i in differentiated
    }
    session = start()
    values = randomise(session, shared)
    for i, cell in enumerate(arcs_compared):
        assign(session, owned(f"fixed_{i}/"), of_cell(values, owned(f"fixed_{i}/"), cell))

    expected, fixed_gradients = session.run([fixed, fixed_gradients])
    for i, cell in enumerate(arcs_compared):
        arc = [dataclasses.astuple(node) for node in cell.nodes]
        actual = session.run(sampled, {fed: arc})
        assert_close(actual, expected[i], FORWARD.get(scheme, 1e-5), str(cell))
        assert min(np.abs(actual - other).max() for j, other in enumerate(expected) if j != i) > 0.05
        if i in differentiated:
            found = session.run(shared_gradients, {fed: arc})
            for name, gradient in of_cell(found, fixed_gradients[i], cell).items():
                assert np.any(gradient), name
                assert_close(gradient, fixed_gradients[i][name], BACKWARD.get(scheme, 1e-4), name)


def of_cell(values, names, cell):
    """`of_arc` for one cell by itself."""
    return {**of_arc(values, names, {}), "combine:0": values["combine:0"][list(cell.loose_ends)]}


@pytest.mark.parametrize("scheme", ["fp16", "binary", "k4"])
def test_a_sampled_cell_is_the_classic_cell(start, scheme):
    """Quantized, on random arcs: one cell, so that both quantize the same numbers. The classic one is as published."""
    build = build_of(dataclasses.replace(CONFIG, scheme=scheme, recipe="published"), training=True)
    inputs, masks = cell_inputs(build)
    fed = tf.placeholder(tf.int32, [2, 4])
    with tf.variable_scope("shared"):
        sampled = cells.run_cell(build, SampledCell(build, edges(fed), inputs, masks, op_switch.SharedSlot(build)))
    with tf.variable_scope("classic"):
        classic = classic_supernet.cell(build, inputs, fed, masks)
    session = start()
    values = randomise(session, owned("shared/"))
    assign(session, owned("classic/"), of_arc(values, owned("classic/"), {}))
    rng = np.random.default_rng(4)
    for _ in range(8):
        arc = random_arc(rng, 2)
        actual, expected = session.run([sampled, classic], {fed: tensor(arc)[0]})
        assert_close(actual, expected, FORWARD.get(scheme, 1e-5), str(arc))


def test_rows_of_a_bank_are_ordered_by_node_side_and_source():
    assert all(cells.slot_row(node, side) + source == row for (node, side, source), row in ROW.items())
    assert cells.slot_row(12, 0) == len(ROW)


# Identity ops only, so that NumPy can follow: nodes 2 and 3 are sums of what they read.
LOOSE = {
    "one loose end": ("0 4 1 4 2 4 2 4", (3,)),
    "an input is loose": ("1 4 1 4 2 4 1 4", (0, 3)),
    "both inputs but one read": ("0 4 0 4 0 4 0 4", (1, 2, 3)),
    "only the last node reads nothing new": ("0 4 1 4 0 4 1 4", (2, 3)),
}


@pytest.mark.parametrize("case", LOOSE)
def test_loose_ends_are_concatenated_activated_and_mixed(start, case):
    """Both kinds of cell against NumPy, inputs among the loose ends included."""
    text, loose = LOOSE[case]
    cell = arcs.parse(f"{text} {text}").normal
    assert cell.loose_ends == loose
    build = build_of(CONFIG)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, BATCH, 4, 4, 4)).astype(np.float32)
    inputs = [tf.constant(v) for v in x]
    with tf.variable_scope("fixed"):
        fixed = cells.run_cell(build, cells.FixedCell(build, cell, inputs, None))
    with tf.variable_scope("shared"):
        arc = tf.constant([dataclasses.astuple(node) for node in cell.nodes])
        sampled = cells.run_cell(build, SampledCell(build, edges(arc), inputs, None, op_switch.SharedSlot(build)))
    session = start()
    values = randomise(session, owned("shared/"))
    w = values["combine:0"][list(loose)]
    assert w.shape == (len(loose), 4, 4)
    assign(session, owned("fixed/"), {**values, "combine:0": w})

    nodes = list(x.astype(np.float64))
    for node in cell.nodes:
        nodes.append(nodes[node.index_1] + nodes[node.index_2])
    y = sum(np.maximum(nodes[i], 0) @ w[k] for k, i in enumerate(loose))
    y = (y - y.mean((0, 1, 2))) / np.sqrt(y.var((0, 1, 2)) + 1e-5)
    y = y * values["combine/scale:0"] + values["combine/offset:0"]
    for actual in session.run([fixed, sampled]):
        assert_close(actual, y, 1e-5)


def test_drop_path_spares_identity_ops(start):
    """A fixed cell whose every path is dropped keeps only what identity ops bring."""
    build = build_of(CONFIG)
    cell = arcs.parse("0 2 1 4 2 3 2 4 " * 2).normal
    x = np.random.default_rng(5).normal(size=(2, 1, 3, 3, 4)).astype(np.float32)
    runner = cells.FixedCell(build, cell, [tf.constant(v) for v in x], [[tf.zeros([1])] * 2] * 2)
    actual = start().run([runner.slot(0, side) for side in (0, 1)])
    np.testing.assert_array_equal(actual, [0 * x[0], x[1]])
