"""Networks of few bits, in every space of images: each operand of a convolution has the bits that it counts with, and a
low-bit convolution is what its formula says."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.classification import child_graph
from enas.costs import size
from enas.graph import layers
from enas.macro import arc as macro_arcs
from enas.macro import child as macro_child
from enas.macro import ops as macro_ops
from enas.macro.config import ChildConfig as MacroConfig
from enas.micro import arc as micro_arcs
from enas.micro import cell as micro_cells
from enas.micro import child as micro_child
from enas.micro import ops as micro_ops
from enas.micro.config import ChildConfig as MicroConfig
from enas.micro.op_table import KERNELS, KINDS, op_table
from quantize import schemes
from quantize.bits import BITS, FLOATING

pytestmark = pytest.mark.usefixtures("graph")

QUANTIZED = [name for name in BITS if name not in FLOATING]
MICRO = MicroConfig(num_layers=2, num_cells=2, out_filters=4)
MACRO = MacroConfig(num_layers=4, out_filters=4)
ALL_OPS = dataclasses.replace(MICRO, op_table=",".join(KINDS))
MICRO_ARC = "0 0 1 1 2 3 1 2   1 4 1 5 1 1 2 2"  # every op of ALL_OPS
MIXED_ARC = "0 0 1 1 2 5 1 2   1 3 1 4 1 8 2 6"  # of the schemes in SEARCHED
SEARCHED = "binary,k2,fp32"
MACRO_ARC = "0  1 1  2 0 1  3 1 0 1"
CHANNELS = dataclasses.replace(MACRO, num_layers=3, controller_search_whole_channels=False)
CHANNELS_ARC = "0 3 1 2 0 2 1 3 2 1 0 4   0 4 0 2 2 2 1 2 0 1 3 1 1   1 2 0 3 1 3 0 2 0 2 2 2 0 1"

NETWORKS = {
    "micro": lambda scheme: (
        micro_child,
        dataclasses.replace(ALL_OPS, scheme=scheme),
        micro_arcs.parse(MICRO_ARC, num_ops=6),
    ),
    "micro, precision searched": lambda scheme: (
        micro_child,
        dataclasses.replace(MICRO, scheme=scheme, search_precision=SEARCHED),
        micro_arcs.parse(MIXED_ARC, num_ops=9),
    ),
    "macro": lambda scheme: (macro_child, dataclasses.replace(MACRO, scheme=scheme), macro_arcs.parse(MACRO_ARC)),
    "macro, channels a choice": lambda scheme: (
        macro_child,
        dataclasses.replace(CHANNELS, scheme=scheme),
        macro_arcs.parse(CHANNELS_ARC, whole_channels=False),
    ),
}


def operands(start, child, config, arc):
    """{name of a variable of weights: (bits of an activation and of a weight as counted, [the activations and weights that
    each operation on it multiplies])} of a fixed child on random images of odd sides."""
    build = layers.BuildContext(config, 7, 0)
    images = tf.constant(np.random.default_rng(0).normal(size=(8, 11, 9, 3)), tf.float32)
    logits, _ = child.logits(build, images, arc)
    graph = child_graph.EvalGraph(None, build, tf.reduce_sum(logits), None)
    products = list(size.products(graph))
    values = start().run([list(op.inputs[:2]) for op, _ in products])
    found = {}
    for (_, name), pair in zip(products, values, strict=True):
        bits = build.activation_bits[name], build.weight_bits[name]
        found.setdefault(name, (bits, []))[1].append(pair)
    return found


@pytest.mark.parametrize("recipe", ["low_bit", "published"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("scheme", QUANTIZED)
def test_every_operand_of_a_convolution_has_as_few_values_as_its_bits_allow(start, scheme, network, recipe):
    child, config, arc = NETWORKS[network](scheme)
    found = operands(start, child, dataclasses.replace(config, recipe=recipe), arc)
    assert len(found) > 10
    quantized = 0
    for name, (bits, pairs) in found.items():
        for pair in pairs:
            for operand, count in zip(pair, bits, strict=True):
                if count < 16:
                    quantized += 1
                    assert len(np.unique(operand)) <= 2**count, (name, count)
    assert quantized > len(found)


@pytest.mark.parametrize("network", NETWORKS)
def test_low_bit_convolutions_count_with_the_bits_of_their_scheme_on_both_sides(start, network):
    """All but the glue's, and the stem and the classifier."""
    child, config, arc = NETWORKS[network]("ternary")
    found = operands(start, child, config, arc)
    counted = {bits for _, (bits, _) in found.items()}
    precisions = {(1, 1), (2, 2), (32, 32)} if "precision" in network else {(2, 2)}
    assert counted == precisions | {(8, 8), (32, 32)}


@pytest.mark.parametrize("glue", ["fp32", "binary", "k3"])
@pytest.mark.parametrize("network", ["micro", "macro"])
def test_the_glue_has_a_scheme_of_its_own(start, network, glue):
    child, config, arc = NETWORKS[network]("ternary")
    found = operands(start, child, dataclasses.replace(config, glue_scheme=glue), arc)
    of_glue = {name: bits for name, (bits, _) in found.items() if any(w in name for w in ("combine", "path", "join"))}
    assert len(of_glue) > 3 and set(of_glue.values()) == {(BITS[glue], BITS[glue])}


def test_ends_under_the_scheme_have_its_bits_too(start):
    """The stem reads images of 8 bits; the classifier reads means. Its weights have one scale for each class."""
    child, config, arc = NETWORKS["micro"]("binary")
    found = operands(start, child, dataclasses.replace(config, quantize_ends=True), arc)
    (stem_bits, [(images, w)]), (dense_bits, [(_, dense)]) = (
        found[f"child/{end}/w:0"] for end in ("stem", "classifier")
    )
    assert (stem_bits, dense_bits) == ((8, 1), (32, 1))
    assert len(np.unique(images)) <= 256 and len(np.unique(w)) == 2
    assert all(len(np.unique(column)) == 2 for column in dense.T)


# The formulas, in NumPy.


def quantizers(scheme):
    """(of activations, of weights), from the definitions in quantize/schemes.py."""
    if scheme == "binary":
        return (lambda x: np.where(x >= 0, 1.0, -1.0),) * 2
    if scheme == "ternary":
        return (lambda x: np.sign(x) * (np.abs(x) > 0.5),) * 2
    bits = int(scheme[1:])
    steps, half, clip = 2**bits - 1, 2 ** (bits - 1), schemes.UNIT_CLIPS[bits]
    return (
        lambda x: np.round(np.clip(x / clip, 0, 1) * steps) * clip / steps,
        lambda w: np.clip(np.round(w * half), -half, half - 1) / half,
    )


def normalised(x, scale, offset):
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset


def seen(x, k):
    """`[N, H, W, k, k, C]`: what a window sees at every place, zeros beyond the border."""
    padded = np.pad(x, [(0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)])
    rows, columns = x.shape[1:3]
    return np.stack([[padded[:, i : i + rows, j : j + columns] for j in range(k)] for i in range(k)]).transpose(
        2, 3, 4, 0, 1, 5
    )


def randomised(session, variables, seed=1):
    """Gives the variables values of about unit scale; returns them as float64, in their order."""
    rng, values = np.random.default_rng(seed), []
    for v in variables:
        low, high = {"scale": (0.4, 1.2), "offset": (-0.4, 0.6)}.get(v.op.name.split("/")[-1], (-1, 1))
        values.append(rng.uniform(low, high, v.shape.as_list()).astype(np.float32))
        v.load(values[-1], session)
    return [value.astype(np.float64) for value in values]


# A value that lies on a threshold in one arithmetic may lie beside it in the other.
NEARLY_ALL = 0.99


def assert_nearly_all_close(actual, expected):
    assert actual.shape == expected.shape and np.ptp(expected) > 1
    assert np.mean(np.abs(actual - expected) < 1e-3) > NEARLY_ALL


@pytest.mark.parametrize("scheme", ["binary", "ternary", "k2", "k4"])
@pytest.mark.parametrize("kind", KERNELS)
def test_a_micro_op_is_x_plus_its_normalised_low_bit_convolution_twice(start, scheme, kind):
    config = dataclasses.replace(ALL_OPS, scheme=scheme)
    build, op = layers.BuildContext(config, 7, 0), op_table(config)[KINDS.index(kind)]
    x = np.random.default_rng(0).normal(size=(4, 7, 6, 4))
    weights = micro_cells.op_variables(build, [op], 4)
    y, session = micro_ops.run_op(build, op, tf.constant(x, tf.float32), weights), start()
    *kernels, scale, offset = randomised(session, weights)
    q, q_weights = quantizers(scheme)
    expected = x
    for i in range(2):
        windows = seen(q(expected), KERNELS[kind])
        if len(kernels) == 1:
            product, last = np.einsum("nhwijc,ijcd->nhwd", windows, q_weights(kernels[0][i])), (scale[i], offset[i])
        else:
            depthwise, pointwise = kernels
            between = np.einsum("nhwijc,ijc->nhwc", windows, q_weights(depthwise[i, ..., 0]))
            between = q(normalised(between, scale[i, 0], offset[i, 0]))
            product, last = between @ q_weights(pointwise[i]), (scale[i, 1], offset[i, 1])
        expected = expected + normalised(product, *last)
    assert_nearly_all_close(session.run(y), expected)


@pytest.mark.parametrize("scheme", ["binary", "ternary", "k4"])
@pytest.mark.parametrize("op", ["conv_3x3", "sep_conv_5x5"])
def test_a_macro_op_is_x_plus_its_normalised_low_bit_convolutions(start, scheme, op):
    """The 1x1 convolution that every op begins with, then the op's own."""
    build = layers.BuildContext(dataclasses.replace(MACRO, scheme=scheme), 7, 0)
    x = np.random.default_rng(0).normal(size=(4, 7, 6, 4))
    enter = [tf.get_variable("enter", [4, 4]), *macro_ops.op_norm(build, "enter_norm", [4])]
    kernels, norm = macro_ops.kernel_variables(build, op, 4, 4), macro_ops.op_norm(build, "norm", [4])
    y = macro_ops.enter(build, tf.constant(x, tf.float32), enter[0], enter[1:])
    y, session = macro_ops.run_op(build, op, y, kernels, norm), start()
    w, enter_scale, enter_offset, *kernels, scale, offset = randomised(session, [*enter, *kernels, *norm])
    q, q_weights = quantizers(scheme)
    expected = x + normalised(q(x) @ q_weights(w), enter_scale, enter_offset)
    windows = seen(q(expected), int(op[-1]))
    if op.startswith("sep"):
        depthwise, between_scale, between_offset, pointwise = kernels
        between = np.einsum("nhwijc,ijc->nhwc", windows, q_weights(depthwise[..., 0]))
        product = q(normalised(between, between_scale, between_offset)) @ q_weights(pointwise)
    else:
        product = np.einsum("nhwijc,ijcd->nhwd", windows, q_weights(kernels[0]))
    assert_nearly_all_close(session.run(y), expected + normalised(product, scale, offset))


def test_a_node_is_half_the_sum_of_its_slots_where_ops_have_shortcuts(start):
    x = [tf.constant(np.random.default_rng(i).normal(size=(2, 3, 3, 4)), tf.float32) for i in (0, 1)]
    cell = micro_arcs.parse("0 4 1 4 2 4 0 4   0 4 1 4 0 4 1 4").normal
    nodes = {}
    for scheme in ("fp32", "binary"):
        runner = micro_cells.FixedCell(
            layers.BuildContext(dataclasses.replace(MICRO, scheme=scheme), 7, 0), cell, x, None
        )
        with tf.variable_scope(scheme):
            runner.joined()
        nodes[scheme] = runner.nodes
    (a, b), session = x, start()
    for scheme, factor in (("fp32", 1.0), ("binary", 0.5)):
        first = factor * (a + b)
        expected = session.run([first, factor * (first + a)])
        np.testing.assert_allclose(session.run(nodes[scheme][2:]), expected, rtol=1e-6, atol=1e-6)
