"""Parameters, multiply-accumulates and bytes of an arc, counted from the paper's description of the network."""

import dataclasses
import math

import pytest
import tensorflow.compat.v1 as tf
from shared_weights import CLASSES, CONFIG, build_of, images

from enas.classification import child_graph
from enas.costs import size
from enas.graph import layers
from enas.micro import arc as arcs
from enas.micro import child

pytestmark = pytest.mark.usefixtures("graph")


# C channels, a x a pixels.


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
