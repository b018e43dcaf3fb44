"""Every float op that the project's graphs are made of has a kernel on a GPU, as TensorFlow's own registry says.

The graphs are built and not run, so no GPU is needed. The registry is that of the installed wheel. The one for Linux is
compiled for GPUs and lists 5,017 kernels of device GPU and 1,176 of any device beside 9,276 of CPU, GPU or not.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from gpu_kernels import HOST, float_ops_without, registered

from enas import spaces
from enas.data import DataSet, Split
from enas.data.readers.text import Text
from enas.options import arc_input, config
from enas.options.config import RECIPES, SCHEMES
from enas.runs import search, train

pytestmark = [
    pytest.mark.usefixtures("graph"),
    pytest.mark.skipif(
        not tf.test.is_built_with_cuda(), reason="this wheel of TensorFlow is built without GPU kernels"
    ),
]

SMALL = {
    "micro": {"child_num_layers": 2, "child_out_filters": 2, "child_num_cells": 1},
    "macro": {"child_num_layers": 3, "child_out_filters": 2},
    "rnn": {"child_rhn_depth": 4, "child_lstm_hidden_size": 3},
}
# Fixed arcs of these sizes, and all ops of their space between them.
ARCS = {
    "micro": ["0 0 1 1 0 2 1 3", "1 4 0 2 0 1 1 0"],
    "macro": ["0 1 1 2 1 0", "3 4 0 5 0 1"],
    "rnn": ["0 0 1 1 2 2 3"],
}


# What changes a graph, each option away from its default.
IMAGE_OPTIONS = {
    "child_keep_prob": 0.8,
    "child_drop_path_keep_prob": 0.6,
    "child_use_aux_heads": True,
    "child_quantize_ends": True,
    "child_loss": "hinge",
    "class_weights": "balanced",
    "child_clip_mode": "norm",
    "child_latent_optimizer": "sgd",
    "cutout_size": 4,
    "controller_baseline": "moving",
    "controller_search_whole_channels": True,
}
TEXT_OPTIONS = {"child_rnn_l2_reg": 0.1, "child_rnn_slowness_reg": 0.1, "child_average_start": 1}


def split(count):
    return Split(np.zeros((count, 8, 8, 3), np.uint8), np.arange(count, dtype=np.int32) % 3)


IMAGES = DataSet(split(8), split(8), split(8), tuple("abc"), np.full(3, 0.5, np.float32), np.full(3, 0.2, np.float32))
TEXT = Text(*[np.arange(400, dtype=np.int32) % 7] * 3, ("<eos>", *"abcdef"))


def build(name, arc="", **flags):
    """Builds all that a run has in its graph: of the training of an arc, or of a search."""
    space = spaces.get(name)
    settings = space.train_config if arc else space.search_config
    given = {"batch_size": 4, **SMALL[name], **flags, **({"child_fixed_arc": arc} if arc else {})}
    defaults = config.with_presets(settings, config.to_values(settings()), given)
    known = {name: value for name, value in given.items() if name in defaults}
    made, data = config.from_values(settings, {**defaults, **known}), TEXT if name == "rnn" else IMAGES
    if arc:
        train.build(made, arc_input.given(made, space), space, data)
    else:
        search.build(made, space, data)
    tf.train.Saver()
    tf.global_variables_initializer()


def assert_all_on_gpu(at_least=1000):
    amiss, asked = float_ops_without(tf.get_default_graph())
    assert not amiss, "\n".join(amiss)
    assert asked > at_least


def test_the_registry_lists_kernels_of_a_gpu_and_none_of_the_ops_left_to_the_host():
    # Compilers' own devices are there once something was compiled.
    assert {kernel.device_type for kernel in registered("Conv2D")} >= {"CPU", "GPU"}
    for op in HOST:
        assert {kernel.device_type for kernel in registered(op)} == {"CPU"}, op


# With fp32 around the ops, these have all ops of all schemes.
@pytest.mark.parametrize("schemes", ["fp16,binary,ternary,k2", pytest.param(",".join(SCHEMES), marks=pytest.mark.slow)])
def test_a_search_over_schemes_has_a_gpu_kernel_for_each_float_op(schemes):
    """All schemes, each op's forward and backward pass, the controller and the evaluation are in one graph."""
    build("micro", search_precision=schemes)
    assert_all_on_gpu()


def test_a_search_of_a_recurrent_cell_has_a_gpu_kernel_for_each_float_op():
    build("rnn")
    assert_all_on_gpu()


@pytest.mark.parametrize("space, flags", [("macro", {"child_scheme": "k4"}), ("rnn", {})])
def test_a_training_has_a_gpu_kernel_for_each_float_op(space, flags):
    build(space, ARCS[space][0], **flags)
    assert_all_on_gpu(500)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("space", ["micro", "macro"])
@pytest.mark.parametrize("number", ["search", 0, 1])
def test_each_scheme_and_recipe_has_a_gpu_kernel_for_each_float_op(space, scheme, recipe, number):
    arc = "" if number == "search" else ARCS[space][number]
    build(space, arc, child_scheme=scheme, child_recipe=recipe)
    assert_all_on_gpu()


@pytest.mark.slow
@pytest.mark.parametrize("space, options", [("micro", IMAGE_OPTIONS), ("macro", IMAGE_OPTIONS), ("rnn", TEXT_OPTIONS)])
@pytest.mark.parametrize("scheme", ["fp16", "binary", "k4"])
@pytest.mark.parametrize("whole", [True, False])
def test_every_option_that_changes_a_graph_leaves_each_float_op_a_gpu_kernel(space, options, scheme, whole):
    if whole:
        build(space, child_scheme=scheme, **options)
    else:
        # Channels that are a choice would need another arc.
        options = {name: value for name, value in options.items() if name != "controller_search_whole_channels"}
        build(space, ARCS[space][0], child_scheme=scheme, **options)
    assert_all_on_gpu(500)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["random", "evolution", "predictor"])
def test_every_strategy_leaves_each_float_op_a_gpu_kernel(strategy):
    build("micro", strategy=strategy)
    assert_all_on_gpu()


# Of TensorFlow's ops, one that has no GPU kernel at all, and one that has one for float32 but not for float16.
WITHOUT = [
    (lambda x: tf.raw_ops.ResizeBicubic(images=x, size=[4, 4]), tf.float32, "ResizeBicubic (float32)"),
    (tf.nn.local_response_normalization, tf.float16, "LRN (float16)"),
]


def in_function(op, x):
    return tf.function(op, autograph=False)(x)


def in_while(op, x):
    return tf.while_loop(
        lambda count, _: count < 2, lambda count, x: (count + 1, tf.ensure_shape(op(x), x.shape)), [0, x]
    )


def in_branch_of_a_function(op, x):
    return in_function(lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: op(x), lambda: x), x)


@pytest.mark.parametrize("place", [lambda op, x: op(x), in_function, in_while, in_branch_of_a_function])
@pytest.mark.parametrize("op, dtype, told", WITHOUT)
def test_an_op_without_a_gpu_kernel_is_found_wherever_it_is(place, op, dtype, told):
    place(op, tf.placeholder(dtype, [1, 4, 4, 2]))
    amiss, _ = float_ops_without(tf.get_default_graph())
    assert amiss and all(line.startswith(told) for line in amiss), amiss


def test_the_same_op_in_a_type_that_has_a_kernel_is_let_through():
    tf.nn.local_response_normalization(tf.placeholder(tf.float32, [1, 4, 4, 2]))
    assert float_ops_without(tf.get_default_graph()) == ([], 2)


def test_an_op_without_a_gpu_kernel_in_the_child_is_found(monkeypatch):
    """Such an op at one place of the micro space, in the body of a function, fails the statements above."""
    original = tf.nn.relu
    resized = lambda x: tf.raw_ops.ResizeBicubic(images=original(x), size=x.shape[1:3])  # noqa: E731
    monkeypatch.setattr(tf.nn, "relu", resized)
    build("micro", ARCS["micro"][0])
    with pytest.raises(AssertionError, match="ResizeBicubic"):
        assert_all_on_gpu()
