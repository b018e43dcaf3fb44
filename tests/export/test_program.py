"""The operations of a child compute what its graph computes: every scheme, both spaces, both recipes, odd sides."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.export.builder import Builder
from enas.graph import layers
from enas.macro import arc as macro_arcs
from enas.macro import child as macro_child
from enas.macro import program as macro_program
from enas.macro.config import ChildConfig as MacroConfig
from enas.micro import arc as micro_arcs
from enas.micro import child as micro_child
from enas.micro import program as micro_program
from enas.micro.config import ChildConfig as MicroConfig
from quantize.bits import BITS
from quantize.runtime import kernels
from quantize.runtime.model import executor
from quantize.runtime.model.network import Network, Preprocessing

pytestmark = pytest.mark.usefixtures("graph")

MICRO = MicroConfig(num_layers=2, num_cells=2, out_filters=4)
MACRO = MacroConfig(num_layers=4, out_filters=4, double_filters=True)
CHANNELS = dataclasses.replace(MACRO, num_layers=3, controller_search_whole_channels=False)
MIXED = dataclasses.replace(MICRO, search_precision="binary,k2,fp32", scheme="k4")
DENSE = dataclasses.replace(MICRO, op_table="conv_3x3,sep_conv_5x5,identity")
# Every op of the space.
MICRO_ARC = micro_arcs.parse("0 0 1 1 2 2 1 0   1 3 1 4 1 1 2 0")
MIXED_ARC = micro_arcs.parse("0 0 1 1 2 5 1 2   1 3 1 4 1 8 2 6", num_ops=9)
DENSE_ARC = micro_arcs.parse("0 0 1 1 2 2 1 0   1 0 1 2 1 1 2 0", num_ops=3)
MACRO_ARC = macro_arcs.parse("0  1 1  2 0 1  3 1 0 1")
POOLS_ARC = macro_arcs.parse("4  5 1  2 0 1  3 1 0 1")
CHANNELS_ARC = macro_arcs.parse(
    "0 3 1 2 0 2 1 3 2 1 0 4   0 4 0 2 2 2 1 2 0 1 3 1 1   1 2 0 3 1 3 0 2 0 2 2 2 0 1", whole_channels=False
)
SHAPE = 7, 5, 3
CASES = [
    *((f"micro {scheme}", dataclasses.replace(MICRO, scheme=scheme), MICRO_ARC) for scheme in BITS),
    ("micro, ends quantized", dataclasses.replace(MICRO, scheme="ternary", quantize_ends=True), MICRO_ARC),
    ("micro, binary glue", dataclasses.replace(MICRO, scheme="binary", glue_scheme="binary"), MICRO_ARC),
    ("micro, float glue", dataclasses.replace(MICRO, scheme="k2", glue_scheme="fp16"), MICRO_ARC),
    *(
        (f"micro, dense, {scheme}", dataclasses.replace(DENSE, scheme=scheme), DENSE_ARC)
        for scheme in ("binary", "k4", "fp16")
    ),
    ("micro, dense, published", dataclasses.replace(DENSE, scheme="k2", recipe="published"), DENSE_ARC),
    ("micro, precision searched", MIXED, MIXED_ARC),
    ("micro, precision searched, published", dataclasses.replace(MIXED, recipe="published"), MIXED_ARC),
    *(
        (f"micro {scheme}, published", dataclasses.replace(MICRO, scheme=scheme, recipe="published"), MICRO_ARC)
        for scheme in ("binary", "k4")
    ),
    *((f"macro {scheme}", dataclasses.replace(MACRO, scheme=scheme), MACRO_ARC) for scheme in ("binary", "k4", "fp32")),
    ("macro, binary glue", dataclasses.replace(MACRO, scheme="ternary", glue_scheme="binary"), POOLS_ARC),
    ("macro binary, published", dataclasses.replace(MACRO, scheme="binary", recipe="published"), POOLS_ARC),
    ("macro k2, published", dataclasses.replace(MACRO, scheme="k2", recipe="published", glue_scheme="k8"), MACRO_ARC),
    ("macro, channels a choice", dataclasses.replace(CHANNELS, scheme="k2"), CHANNELS_ARC),
    ("macro, channels, published", dataclasses.replace(CHANNELS, scheme="k3", recipe="published"), CHANNELS_ARC),
]


def random_value(random, variable):
    """A value of a variable such as a training might give; batch norms of both signs."""
    name, shape = variable.op.name.rpartition("/")[2], variable.shape.as_list()
    return {
        "scale": lambda: random.normal(0.7, 0.5, shape),
        "moving_mean": lambda: random.normal(0, 1, shape),
        "moving_variance": lambda: random.uniform(0.5, 9, shape),
        "offset": lambda: random.normal(0, 0.5, shape),
    }.get(name, lambda: random.uniform(-1, 1, shape))().astype(np.float32)


def described(config, arc, variables):
    micro = isinstance(config, MicroConfig)
    builder = Builder(layers.BuildContext(config, 7, 0), variables, SHAPE)
    (micro_program if micro else macro_program).describe(builder, arc)
    form = Preprocessing(*SHAPE, "stretch", (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    return Network(form, tuple("abcdefg"), tuple(builder.operations), {})


# They differ from others in this list by a number of bits, or combine what others have.
SLOW = {f"micro k{bits}" for bits in (3, 4, 5, 6, 7)} | {
    "micro, float glue",
    "micro, dense, k4",
    "micro, dense, fp16",
    "micro, dense, published",
    "micro, precision searched, published",
    "micro binary, published",
    "macro k2, published",
    "macro k4",
    "macro, binary glue",
    "macro, channels, published",
}


@pytest.mark.parametrize(
    "config, arc",
    [pytest.param(*case, id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name, *case in CASES],
)
def test_operations_compute_what_the_graph_computes(start, config, arc):
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (40, *SHAPE), np.uint8)
    build = layers.BuildContext(config, 7, 0, batch_statistics=False, moving_averages=True)
    placeholder = tf.placeholder(tf.float32, images.shape)
    child = micro_child if isinstance(config, MicroConfig) else macro_child
    logits, _ = child.logits(build, placeholder, arc)
    variables = {v.op.name: random_value(random, v) for v in tf.global_variables("child/")}
    network = described(config, arc, variables)
    session = start()
    for variable in tf.global_variables("child/"):
        variable.load(variables[variable.op.name], session)
    expected = session.run(logits, {placeholder: network.preprocessing.normalise(images)})
    # float16 rounds every result, here nothing but the weights.
    near = (2e-2 if "fp16" in config.schemes else 1e-4) * np.abs(expected).max()
    for level in ("numpy", kernels.levels()[-1]):
        found = executor.logits_of(network, kernels.get(level))(images)
        differences = np.abs(found - expected).max(axis=1)
        # A rounding difference may turn a value into another level, in a few images.
        assert (differences <= near).mean() >= 0.9, np.sort(differences)
