"""The cost model against what is counted in the built fixed graph."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from shared_weights import DENSE

from enas.costs.cost import readable
from enas.micro import arc as arcs
from enas.micro import cost
from enas.micro.config import ChildConfig
from enas.micro.op_table import op_table
from quantize import schemes
from quantize.bits import BITS, FLOATING, sum_bits

SMALL = ChildConfig(num_layers=2, num_cells=2, out_filters=4)
BOTH_CONVS = "0 0 1 1 2 2 1 0   1 3 1 4 1 1 2 0"
LONE_END = "0 1 1 0 2 1 0 4   0 0 1 0 2 2 2 3"


def counted(arc, config, shape, num_classes):
    """`size.measure` of the arc's scoring graph."""
    import tensorflow.compat.v1 as tf

    from enas.classification import child_graph
    from enas.costs import size
    from enas.graph import layers
    from enas.micro import child

    build = layers.BuildContext(config, num_classes, 0)
    images = tf.zeros([3, *shape])
    logits, _ = child.logits(build, images, arc)
    return size.measure(child_graph.EvalGraph(None, build, tf.reduce_sum(logits), None))


@pytest.mark.parametrize(
    "text, shape, changes",
    [
        (BOTH_CONVS, (8, 8, 3), {}),
        (BOTH_CONVS, (7, 10, 1), {"scheme": "k4", "out_filters": 5, "num_layers": 4}),
        (BOTH_CONVS, (8, 8, 3), {"scheme": "fp16", "quantize_ends": True}),
        (BOTH_CONVS, (7, 10, 1), {"scheme": "k4", "recipe": "published", "out_filters": 5, "num_layers": 4}),
        (BOTH_CONVS, (8, 8, 3), {"scheme": "binary", "recipe": "published"}),
        (BOTH_CONVS, (8, 8, 1), {"scheme": "ternary", "glue_scheme": "k3"}),
        (LONE_END, (9, 9, 1), {"scheme": "binary", "quantize_ends": True, "out_filters": 3}),
        (LONE_END, (8, 8, 1), {"scheme": "ternary", "num_layers": 3}),
        (BOTH_CONVS, (7, 10, 1), {"scheme": "binary", "op_table": DENSE}),
        (BOTH_CONVS, (8, 8, 1), {"scheme": "k4", "recipe": "published", "op_table": DENSE}),
        ("0 0 1 1 2 5 1 2   1 3 1 4 1 8 2 6", (8, 8, 1), {"scheme": "k3", "search_precision": "binary,k4,fp16"}),
        (
            "0 0 1 1 2 5 1 2   1 3 1 4 1 8 2 6",
            (8, 8, 1),
            {"scheme": "fp32", "search_precision": "binary,k4,fp16", "recipe": "published"},
        ),
    ],
)
def test_the_cost_model_is_what_the_built_graph_holds(graph, text, shape, changes):
    del graph
    config = dataclasses.replace(SMALL, **changes)
    arc = arcs.parse(text, num_ops=len(op_table(config)))
    assert cost.cost(arc, config, shape, 7) == counted(arc, config, shape, 7)


@pytest.mark.parametrize("recipe, glue, bits", [("low_bit", "auto", 8), ("low_bit", "k3", 3), ("published", "auto", 4)])
def test_bit_operations_of_the_glue_worked_out_by_hand(recipe, glue, bits):
    """Identities only, 4 bits, ends in float: what has weights are the stem, the adapters, the mixing and the classifier
    (8x8x3 images, 4 filters, a stem of 12; the first two of the four layers are the reductions)."""
    config = dataclasses.replace(SMALL, scheme="k4", recipe=recipe, glue_scheme=glue)
    arc = arcs.parse("0 4 1 4 0 4 1 4   0 4 1 4 0 4 1 4")
    found = cost.cost(arc, config, (8, 8, 3), 10)
    ends = 27 * 12 * 64 + 16 * 10
    assert cost.reduction_layers(2) == (0, 1)
    # Layer 0 halves the stem twice over, to 8 channels; layer 1 halves the stem twice and layer 0 once, to 16; layer 2
    # halves layer 0 once; all that is left fits.
    adapters = 2 * 12 * 8 * 16 + (12 * 16 * 16 + 16 * 16 * 4) + 8 * 16 * 4 + 8 * 16 * 4
    mixing = 2 * 8 * 8 * 16 + 3 * 2 * 16 * 16 * 4
    assert found.macs == ends + adapters + mixing
    assert found.bitops == 32 * 32 * ends + bits * bits * (adapters + mixing)


@pytest.mark.parametrize(
    "scheme, bits, sums", [("binary", 1, 5), ("ternary", 2, 5), ("k1", 1, 5), ("k2", 2, 7), ("k8", 8, 20)]
)
def test_the_1x1_half_of_a_separable_convolution_counts_with_the_bits_that_it_reads(scheme, bits, sums):
    """One 3x3 op in place of an identity in the normal cells of two layers: 16 channels, 2x2 pixels. As published the
    1x1 half reads sums of nine products: binary ones of -9 to 9 have 19 values, k8 ones 9 * 255 * 255 + 1."""
    assert sum_bits(scheme, 9) == sums
    arc = [arcs.parse(f"0 {op} 1 4 0 4 1 4   0 4 1 4 0 4 1 4") for op in (4, 0)]
    for recipe, read in (("low_bit", bits), ("published", sums)):
        config = dataclasses.replace(SMALL, scheme=scheme, recipe=recipe)
        identity, convolution = (cost.cost(each, config, (8, 8, 3), 10) for each in arc)
        expected = 2 * 2 * 4 * 16 * (9 * bits * bits + 16 * bits * read)
        assert convolution.bitops - identity.bitops == expected


def test_bits_are_those_of_the_schemes():
    assert list(BITS) == list(schemes.SCHEMES)
    for name, bits in BITS.items():
        assert schemes.get(name).bits == bits


@pytest.mark.parametrize("recipe, names", [("published", BITS), ("low_bit", set(BITS) - set(FLOATING))])
def test_more_bits_never_cost_less(recipe, names):
    arc, config = arcs.parse(BOTH_CONVS), dataclasses.replace(SMALL, recipe=recipe)
    costs = [cost.cost(arc, dataclasses.replace(config, scheme=name), (8, 8, 1), 10) for name in names]
    costs.sort(key=lambda value: value.bitops)
    assert list(np.diff([value.model_bytes for value in costs]) >= 0) == [True] * (len(costs) - 1)
    assert len({value.macs for value in costs}) == len({value.parameters for value in costs}) == 1


@pytest.mark.parametrize(
    "number, text", [(999, "999 "), (12345, "12.3 k"), (1.5e6, "1.5 M"), (2e9, "2 G"), (3e13, "30 T")]
)
def test_numbers_are_readable(number, text):
    assert readable(number) == text


def test_no_tensorflow_is_needed():
    code = "import sys; from enas.micro import cost; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
