"""A training that begins with the shared weights of a search: the fixed child computes what the shared child does."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from mains import done, error

from enas import spaces
from enas.graph import layers
from enas.micro.config import ChildConfig as MicroChild
from enas.micro.op_table import op_table
from enas.rnn import arc as rnn_arc
from enas.rnn import inheritance as rnn_inheritance

MICRO = MicroChild(
    num_layers=2, num_cells=2, out_filters=4, use_aux_heads=False, drop_path_keep_prob=1.0, keep_prob=1.0
)
IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)


def random_arc(space, child):
    """Integers of an arc that uses two ops or more, over searched precisions where there are some."""
    if space == "micro":
        count = len(op_table(child))
        rng = np.random.default_rng(3)
        return [v for k in [2, 3] * 2 for _ in "12" for v in (rng.integers(k), rng.integers(count))]
    if child.controller_search_whole_channels:
        return [0, 1, 1, 3, 0, 1]
    return [*[0, 2] * 6, *[1, 2] * 6, 1, *[1, 3] * 6, 0, 1]


def child_of(space, **changes):
    child = MICRO if space == "micro" else spaces.get(space).train_config().child
    kept = {"num_layers": 3, "out_filters": 4, "keep_prob": 1.0} if space == "macro" else {}
    return dataclasses.replace(child, **{**kept, **changes})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("micro", {"scheme": "fp32"}),
        ("micro", {"scheme": "k4"}),
        (
            "micro",
            {"search_precision": "binary,ternary,k4", "scheme": "k4", "op_table": "conv_3x3,sep_conv_5x5,identity"},
        ),
        ("macro", {"scheme": "fp32"}),
        ("macro", {"scheme": "ternary"}),
        ("macro", {"scheme": "k4", "controller_search_whole_channels": False}),
    ],
)
@pytest.mark.usefixtures("graph")
def test_the_fixed_child_computes_what_the_shared_child_does(start, name, changes):
    space, child = spaces.get(name), child_of(name, **changes)
    network, values = space.load(), random_arc(name, child)
    arc = space.arc.for_child(values, child)
    fed = tf.placeholder(tf.int32, [2, 2, 4] if name == "micro" else [len(values)])
    outputs = []
    for scope, which in (("shared", fed), ("fixed", arc)):
        with tf.variable_scope(scope):
            build = layers.BuildContext(child, 10, 0)
            outputs.append(network.child.logits(build, tf.constant(IMAGES), which)[0])
    session, rng = start(), np.random.default_rng(1)
    shared = {v.op.name.removeprefix("shared/"): v for v in tf.trainable_variables("shared/")}
    drawn = {name: rng.uniform(-1, 1, v.shape.as_list()).astype(np.float32) for name, v in shared.items()}
    assign(session, {shared[name]: value for name, value in drawn.items()})
    fixed = {v.op.name.removeprefix("fixed/"): v for v in tf.trainable_variables("fixed/")}
    taken = {v: space.shared_value(name, arc, child, drawn.get) for name, v in fixed.items()}
    assert all(value is not None and list(value.shape) == v.shape.as_list() for v, value in taken.items())
    assign(session, taken)
    found, expected = session.run(outputs[::-1], {fed: np.reshape(values, fed.shape.as_list())})
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def assign(session, values):
    session.run([v.initializer for v in values], {v.initializer.inputs[1]: value for v, value in values.items()})


def test_a_cell_takes_the_matrices_of_its_pairs_of_nodes():
    """Of 1 + 0 + 1 + 2 + ... matrices: node 0's, then those of (node, source) in order."""
    shared = np.arange(7)[:, None]
    arc = rnn_arc.from_list([0, 0, 1, 1, 2, 0, 3])
    read = {"child/shared_cell": shared, "child/input": np.ones(2)}.get
    assert rnn_inheritance.shared_value("child/cell", arc, None, read).tolist() == [[0], [1], [3], [4]]
    assert rnn_inheritance.shared_value("child/input", arc, None, read).tolist() == [1, 1]
    assert rnn_inheritance.shared_value("child/cell", arc, None, {}.get) is None
    assert rnn_inheritance.shared_value("child/cell", arc, None, {"child/shared_cell": shared[:4]}.get) is None


def test_a_training_says_which_weights_it_began_with(tmp_path):
    small = [
        "--dataset=digits",
        "--max_train_images=200",
        "--child_num_layers=2",
        "--child_out_filters=4",
        "--num_epochs=1",
    ]
    search = ["--child_num_cells=1", "--controller_train_steps=1", "--controller_num_aggregate=2"]
    done("search_micro.py", *small, *search, f"--output_dir={tmp_path}/search")
    given = [*small, f"--arc_file={tmp_path}/search", f"--init_from={tmp_path}/search"]
    printed = done("train_fixed_arc.py", *given, f"--output_dir={tmp_path}/final")
    assert f"variables from {tmp_path}/search/checkpoints/last-" in printed and "; not " not in printed
    again = done("train_fixed_arc.py", *given, "--num_epochs=2", f"--output_dir={tmp_path}/final")
    assert "initial weights" not in again
    wider = [*given, "--additional_filters_on_retrain=2"]
    printed = done("train_fixed_arc.py", *wider, f"--output_dir={tmp_path}/wider")
    assert "initial weights: 1 of " in printed and "; not child/stem/w (3x3x1x12, not 3x3x1x18), child/" in printed
    nowhere = error("train_fixed_arc.py", *small, "--child_fixed_arc=0 0 0 0 0 0 0 0", f"--init_from={tmp_path}")
    assert nowhere == f"error: --init_from={tmp_path}: expected the run directory of a search of the micro space"
