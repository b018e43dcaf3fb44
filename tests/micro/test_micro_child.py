"""The shared child against the fixed child, the classic supernet and plain arithmetic."""

import dataclasses
import math
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.classification import child_graph
from enas.costs import size
from enas.graph import layers
from enas.micro import arc as arcs
from enas.micro import cell as cells
from enas.micro import child, op_switch
from enas.micro import ops as micro_ops
from enas.micro.config import ChildConfig
from enas.micro.op_table import op_table
from enas.micro.sampled import SampledCell
from quantize import schemes
from scripts.benchmarks import classic_supernet

pytestmark = pytest.mark.usefixtures("graph")

# What other widths would show, these do.
SCHEMES = ("fp32", "fp16", "binary", "ternary", "k1", "k4", "k8")
OTHER_SCHEMES = [pytest.param(f"k{bits}", marks=pytest.mark.slow) for bits in (2, 3, 5, 6, 7)]
BATCH, CLASSES, LAYERS = 4, 7, 3
CONFIG = ChildConfig(num_layers=LAYERS, num_cells=2, out_filters=4)
# Both cells together: every op, sides that read the same node, one loose end and several, an input among them.
ARC = arcs.parse("0 0 1 1 2 2 1 0   1 3 1 4 1 1 2 0")
REDUCTIONS = {2: (0, 1), 3: (1, 3)}

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

SLOT_VARIABLE = re.compile(r"(.*?)node_(\d+)_side_(\d+)_source_(\d+)_(sep_conv_\dx\d\w*)(/\w+:0)")


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


def unused_rows(shared, names, loose_ends):
    """{name of a bank: the rows of it that the arc does not touch}"""
    used = {name: set() for name in shared}
    for name in names:
        slot = SLOT_VARIABLE.fullmatch(name)
        if slot:
            bank, row = in_bank(shared, slot)
            used[bank].add(row)
    for layer, loose in loose_ends.items():
        used[f"child/layer_{layer}/combine:0"] |= set(loose)
    banks = [name for name in shared if "/sep_conv_" in name or name.endswith("/combine:0")]
    return {name: [row for row in range(len(shared[name])) if row not in used[name]] for name in banks}


def loose_ends_of(arc, num_layers):
    """{layer: the loose ends of its cell}"""
    kinds = [arc.reduction if layer in REDUCTIONS[num_layers] else arc.normal for layer in range(num_layers + 2)]
    return {layer: cell.loose_ends for layer, cell in enumerate(kinds)}


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


@pytest.mark.parametrize("scheme, num_layers", [("fp32", 3), ("fp16", 2), ("k4", 2)])
def test_the_shared_child_is_the_fixed_child_in_training_logits_and_gradients(start, scheme, num_layers):
    """Same arc and weights, dropout, drop path and auxiliary head on: equal logits, equal gradients, and exactly none
    for weights the arc does not use."""
    dropping = dataclasses.replace(CONFIG, use_aux_heads=True, keep_prob=0.7, drop_path_keep_prob=0.5)
    config = dataclasses.replace(dropping, scheme=scheme, num_layers=num_layers)
    training = {"training": True, "step": tf.constant(5, tf.int64), "progress": tf.constant(0.6)}
    x, fed = images(), tf.placeholder(tf.int32, [2, 2, 4])
    with tf.variable_scope("shared"):
        shared_outputs = child.logits(build_of(config, **training), x, fed)
    with tf.variable_scope("fixed"):
        fixed_outputs = child.logits(build_of(config, **training), x, ARC)
    shared, fixed = owned("shared/"), owned("fixed/")
    shared_gradients, fixed_gradients = gradients(shared_outputs, shared), gradients(fixed_outputs, fixed)
    session = start()
    loose = loose_ends_of(ARC, num_layers)
    values = randomise(session, shared)
    assign(session, fixed, of_arc(values, fixed, loose))

    shared_outputs, shared_gradients = session.run([shared_outputs, shared_gradients], {fed: tensor(ARC)})
    fixed_outputs, fixed_gradients = session.run([fixed_outputs, fixed_gradients])
    for actual, expected in zip(shared_outputs, fixed_outputs, strict=True):
        assert_close(actual, expected, FORWARD.get(scheme, 1e-5))
        assert np.ptp(expected) > 0.1  # a network that says something
    matching = of_arc(shared_gradients, fixed, loose)
    for name in fixed:
        assert_close(matching[name], fixed_gradients[name], BACKWARD.get(scheme, 1e-3), name)
    assert sum(np.any(g) for g in fixed_gradients.values()) > 0.9 * len(fixed)
    for name, rows in unused_rows(shared_gradients, fixed, loose).items():
        assert not np.any(shared_gradients[name][rows]), name


@pytest.mark.parametrize("num_layers", [2, 3])
def test_the_shared_child_is_the_fixed_child_in_scoring(start, num_layers):
    """Also where two reduction cells follow each other (2 layers), and on images of odd size."""
    config = dataclasses.replace(CONFIG, num_layers=num_layers)
    x, fed = images(side=7), tf.placeholder(tf.int32, [2, 2, 4])
    with tf.variable_scope("shared"):
        shared_logits, none = child.logits(build_of(config), x, fed)
    with tf.variable_scope("fixed"):
        fixed_logits, _ = child.logits(build_of(config), x, ARC)
    session = start()
    values = randomise(session, owned("shared/"))
    assign(session, owned("fixed/"), of_arc(values, owned("fixed/"), loose_ends_of(ARC, num_layers)))
    assert none is None
    actual, expected = session.run([shared_logits, fixed_logits], {fed: tensor(ARC)})
    assert_close(actual, expected, 1e-5)


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
    config, rng = dataclasses.replace(CONFIG, scheme=scheme), np.random.default_rng(0)
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
    assert len(expected) == 9
    for name in expected:
        assert_close(actual[name], expected[name], BACKWARD.get(scheme, 1e-5), name)
        assert np.any(expected[name]), name


@pytest.mark.parametrize("scheme", [*SCHEMES, *OTHER_SCHEMES])
def test_a_sampled_cell_is_the_fixed_cell_for_every_op_source_and_side(start, scheme):
    """One cell on the same inputs, so that no difference can come from, or hide behind, other layers. Gradients, in the
    weights and in the inputs, for some of the arcs. Sources do not depend on the scheme: float32 has them all."""
    build = build_of(dataclasses.replace(CONFIG, scheme=scheme), training=True)
    inputs, masks = cell_inputs(build)
    arcs_compared = every_choice() if scheme == "fp32" else every_op()
    fed = tf.placeholder(tf.int32, [2, 4])
    with tf.variable_scope("shared"):
        sampled = cells.run_cell(build, SampledCell(build, fed, inputs, masks, op_switch.SharedSlot(build)))
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


def test_the_shared_child_is_the_classic_supernet(start):
    """Random arcs, dropout and drop path on: what computing all ops and picking one gives."""
    config = dataclasses.replace(CONFIG, num_layers=2, keep_prob=0.7, drop_path_keep_prob=0.5)
    training = {"training": True, "step": tf.constant(3, tf.int64), "progress": tf.constant(0.8)}
    x, fed = images(), tf.placeholder(tf.int32, [2, 2, 4])
    with tf.variable_scope("shared"):
        shared_logits, _ = child.logits(build_of(config, **training), x, fed)
    with tf.variable_scope("classic"):
        classic_logits, _ = classic_supernet.logits(build_of(config, **training), x, fed)
    session = start()
    values = randomise(session, owned("shared/"))
    assign(session, owned("classic/"), of_arc(values, owned("classic/"), {}))
    rng = np.random.default_rng(4)
    outputs = []
    for _ in range(6):
        arc = random_arc(rng, 2)
        actual, expected = session.run([shared_logits, classic_logits], {fed: tensor(arc)})
        assert_close(actual, expected, 1e-5, str(arc))
        outputs.append(actual)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.05


@pytest.mark.parametrize("scheme", ["fp16", "binary", "k4"])
def test_a_sampled_cell_is_the_classic_cell(start, scheme):
    """Quantized, on random arcs: one cell, so that both quantize the same numbers. The classic one is as published."""
    build = build_of(dataclasses.replace(CONFIG, scheme=scheme, recipe="published"), training=True)
    inputs, masks = cell_inputs(build)
    fed = tf.placeholder(tf.int32, [2, 4])
    with tf.variable_scope("shared"):
        sampled = cells.run_cell(build, SampledCell(build, fed, inputs, masks, op_switch.SharedSlot(build)))
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
        sampled = cells.run_cell(build, SampledCell(build, arc, inputs, None, op_switch.SharedSlot(build)))
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


@pytest.mark.parametrize("num_layers, expected", [(2, (0, 1)), (3, (1, 3)), (6, (2, 5)), (15, (5, 11))])
def test_reduction_cells_stand_at_a_third_and_two_thirds(num_layers, expected):
    assert child.reduction_layers(num_layers) == expected


def test_drop_path_spares_identity_ops(start):
    """A fixed cell whose every path is dropped keeps only what identity ops bring."""
    build = build_of(CONFIG)
    cell = arcs.parse("0 2 1 4 2 3 2 4 " * 2).normal
    x = np.random.default_rng(5).normal(size=(2, 1, 3, 3, 4)).astype(np.float32)
    runner = cells.FixedCell(build, cell, [tf.constant(v) for v in x], [[tf.zeros([1])] * 2] * 2)
    actual = start().run([runner.slot(0, side) for side in (0, 1)])
    np.testing.assert_array_equal(actual, [0 * x[0], x[1]])


# Size. C channels, a x a pixels; everything below is counted from the paper's description of the network.


def conv(k, inputs, outputs, a):
    """(weights, MACs) of a k x k convolution to a x a pixels."""
    return k * k * inputs * outputs, k * k * inputs * outputs * a * a


def op_size(op, c, a, norms):
    """(weights, batch-norm parameters, MACs) of one op, with so many batch norms each time it is applied."""
    if op > 1:
        return 0, 0, 0
    k = (3, 5)[op]
    weights = 2 * (k * k * c + c * c)
    return weights, norms * 2 * 2 * c, weights * a * a


def cell_size(cell, c, a, norms):
    ops = [op_size(op, c, a, norms) for node in cell.nodes for _, op in node.sides]
    weights, norms, macs = (sum(column) for column in zip(*ops, strict=True))
    mixing = len(cell.loose_ends) * c * c
    return weights, mixing, norms + 2 * c, macs + mixing * a * a


def network_size(arc, norms):
    """(weights of ops, weights of the glue, other parameters, MACs) between stem and classifier of the child of CONFIG on
    8x8 images: layers of 4, 8, 8, 16, 16 filters on 8, 4, 4, 2, 2 pixels, the second and the fourth reduction cells."""
    # (layer, inputs, outputs, pixels): 1x1 convolutions, or for a reduction the two of half the filters each.
    adapters = [
        (12, 4, 8),
        (12, 4, 8),  # layer 0: both inputs are the stem
        (12, 8, 4),
        (4, 8, 4),  # layer 1, a reduction: stem and layer 0
        (4, 8, 4),  # layer 2: layer 0 halved, layer 1 fits
        (8, 16, 2),
        (8, 16, 2),  # layer 3, a reduction: layers 1 and 2
        (8, 16, 2),  # layer 4: layer 2 halved, layer 3 fits
    ]
    parts = [(0, i * o, 2 * o, i * o * a * a) for i, o, a in adapters]
    for kind, c, a in zip("NRNRN", (4, 8, 8, 16, 16), (8, 4, 4, 2, 2), strict=True):
        parts.append(cell_size(arc.normal if kind == "N" else arc.reduction, c, a, norms))
    return [sum(column) for column in zip(*parts, strict=True)]


SEPARABLE_ONLY = "0 0 0 1 1 0 1 1   0 0 0 1 1 0 1 1"
MIXED = "0 2 0 4 1 3 1 0   0 2 0 3 1 4 2 2"


@pytest.mark.parametrize(
    "text, scheme, recipe, bits, glue_bits, ends",
    [
        (SEPARABLE_ONLY, "k4", "low_bit", 4, 8, False),
        (SEPARABLE_ONLY, "binary", "low_bit", 1, 8, True),
        (SEPARABLE_ONLY, "k4", "published", 4, 4, False),
        (MIXED, "fp16", "low_bit", 16, 16, False),
    ],
)
def test_size_is_what_arithmetic_says(text, scheme, recipe, bits, glue_bits, ends):
    """Parameters, MACs and bytes of two arcs; the auxiliary head, here in the training graph, does not count. A low-bit
    convolution has a batch norm between its halves too."""
    config = dataclasses.replace(CONFIG, scheme=scheme, recipe=recipe, quantize_ends=ends, use_aux_heads=True)
    arc = arcs.parse(text)
    training = build_of(config, training=True, step=tf.constant(0, tf.int64), progress=tf.constant(0.5))
    _, aux = child.logits(training, images(), arc)
    assert aux is not None
    scoring = build_of(config)
    logits, none = child.logits(scoring, images(), arc)
    assert none is None
    measured = size.measure(child_graph.EvalGraph(None, scoring, tf.reduce_sum(logits), None))

    weights, glue, norms, macs = network_size(arc, 2 if recipe == "low_bit" and bits < 16 else 1)
    stem, stem_macs = conv(3, 3, 12, 8)
    dense = 16 * CLASSES
    assert measured.parameters == weights + glue + norms + stem + 2 * 12 + dense + CLASSES
    assert measured.macs == macs + stem_macs + dense
    end_bits = bits if ends else 32
    floats = norms + 2 * 12 + CLASSES
    # At these widths no variable but the stem's and the classifier's ends within a byte, and those are rounded up.
    ends_bytes = math.ceil(stem * end_bits / 8) + math.ceil(dense * end_bits / 8)
    assert measured.model_bytes == weights * bits // 8 + glue * glue_bits // 8 + ends_bytes + 4 * floats


def test_size_of_an_arc_worked_out_by_hand():
    """The formulas above in numbers, for the arc of identities: no op has weights."""
    arc = arcs.parse("0 4 1 4 0 4 1 4   0 4 1 4 0 4 1 4")
    build = build_of(CONFIG)
    logits, _ = child.logits(build, images(), arc)
    measured = size.measure(child_graph.EvalGraph(None, build, tf.reduce_sum(logits), None))
    # Weights and pixels: the stem; the adapters of layers 0, 1, 2, 3, 4; the mixing of two loose ends in each layer.
    adapters = [(2 * 48, 64), (96 + 32, 16), (32, 16), (2 * 128, 4), (128, 4)]
    mixing = [(2 * 16, 64), (2 * 64, 16), (2 * 64, 16), (2 * 256, 4), (2 * 256, 4)]
    assert sum(w for w, _ in adapters) == 640
    assert sum(w for w, _ in mixing) == 1312
    # Scales and offsets: stem; adapters; cells.
    norms = 2 * (12 + (4 + 4 + 8 + 8 + 8 + 16 + 16 + 16) + (4 + 8 + 8 + 16 + 16))
    assert norms == 288
    # The classifier: 16 x 7 weights and 7 biases.
    assert measured.parameters == 324 + 640 + 1312 + 288 + 112 + 7
    assert measured.macs == 324 * 64 + sum(w * p for w, p in adapters + mixing) + 112
    assert measured.model_bytes == 4 * measured.parameters


def test_bits_that_do_not_fill_a_byte_are_rounded_up_for_each_variable():
    """1 bit, 2 + 1 channels: a byte more than the sum says."""
    build = build_of(dataclasses.replace(CONFIG, scheme="binary"))
    with tf.variable_scope("child"):
        layers.weight(build, "a", [3, 3], 3, build.scheme)
        layers.weight(build, "b", [3, 1], 3, build.scheme)
    measured = size.measure(child_graph.EvalGraph(None, build, tf.zeros([]), None))
    assert (measured.parameters, measured.macs, measured.model_bytes) == (12, 0, 2 + 1)
