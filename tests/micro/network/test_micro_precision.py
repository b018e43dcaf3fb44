"""Children whose ops compute under different schemes: the shared one against the fixed one, and against uniform ones."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from shared_weights import (
    BATCH,
    CONFIG,
    assert_close,
    assign,
    build_of,
    gradients,
    images,
    of_arc,
    owned,
    randomise,
    tensor,
)

from enas.micro import arc as arcs
from enas.micro import cell as cells
from enas.micro import child, ops
from enas.micro.op_table import op_table

pytestmark = pytest.mark.usefixtures("graph")

MIXED = dataclasses.replace(CONFIG, num_layers=2, search_precision="ternary,k4,fp16")
# Ids 0 to 2 and 3 to 5 are the convolutions under the three schemes, 6 and 7 the pools, 8 identity.
ARC = arcs.parse("0 0 1 1 2 5 1 2   1 3 1 4 1 8 2 6", num_ops=9)


@pytest.mark.parametrize("base", ["k4", *(pytest.param(base, marks=pytest.mark.slow) for base in ("fp32", "fp16"))])
def test_the_shared_child_of_mixed_precision_is_the_fixed_one(start, base):
    """Outputs and gradients, whatever scheme the layers around the ops have; fp16 rounds, so it is not exact."""
    config = dataclasses.replace(MIXED, scheme=base)
    training = {"training": True, "step": tf.constant(5, tf.int64), "progress": tf.constant(0.6)}
    x, fed = images(), tf.placeholder(tf.int32, [2, 2, 4])
    with tf.variable_scope("shared"):
        shared_logits, _ = child.logits(build_of(config, **training), x, fed)
    with tf.variable_scope("fixed"):
        fixed_logits, _ = child.logits(build_of(config, **training), x, ARC)
    shared, fixed = owned("shared/"), owned("fixed/")
    found = [gradients([y], names) for y, names in ((shared_logits, shared), (fixed_logits, fixed))]
    session = start()
    loose = {
        0: ARC.reduction.loose_ends,
        1: ARC.reduction.loose_ends,
        2: ARC.normal.loose_ends,
        3: ARC.normal.loose_ends,
    }
    assign(session, fixed, of_arc(randomise(session, shared), fixed, loose))
    actual, expected = session.run([shared_logits, fixed_logits], {fed: tensor(ARC)})
    assert_close(actual, expected, 1e-2 if base == "fp16" else 1e-3)
    assert np.ptp(expected) > 0.1
    actual, expected = session.run(found, {fed: tensor(ARC)})
    matching = of_arc(actual, fixed, loose)
    for name in fixed:
        assert np.all(np.isfinite(expected[name])), name
        assert_close(matching[name], expected[name], 5e-2, name)
    schemes = {name.rsplit("_", 1)[1] for path in fixed for name in path.split("/") if name.startswith("node_")}
    assert schemes == {"ternary", "k4", "fp16"}


@pytest.mark.parametrize(
    "recipe, scheme",
    [("published", "k4"), ("published", "binary"), ("published", "fp32"), ("low_bit", "k4"), ("low_bit", "binary")],
)
def test_an_op_is_the_same_in_a_mixed_network_as_in_a_uniform_one(start, recipe, scheme):
    """Up to the scale that batch norms start with, which the op undoes; the network around it is under another scheme."""
    other, config = "fp32" if scheme == "k4" else "k4", dataclasses.replace(CONFIG, recipe=recipe)
    mixed = build_of(dataclasses.replace(config, scheme=other, search_precision=f"{scheme},{other}"))
    uniform = build_of(dataclasses.replace(config, scheme=scheme))
    op, plain = op_table(mixed.config)[0], op_table(uniform.config)[0]
    assert (op.kind, op.scheme, plain.scheme) == ("sep_conv_3x3", scheme, scheme)
    x = tf.constant(np.random.default_rng(0).normal(size=(BATCH, 4, 4, 4)), tf.float32)
    with tf.variable_scope("op"):
        weights = cells.op_variables(mixed, [op], 4)
    ratio = uniform.norm_scale / mixed.norm_scale
    scaled = [*weights[:2], weights[2] * [[ratio], [1.0]] if recipe == "published" else weights[2], weights[3]]
    assert (ratio == 1.0) == (recipe == "low_bit" or scheme == other)
    actual, expected = ops.run_op(mixed, op, x, weights), ops.run_op(uniform, plain, ratio * x, scaled)
    actual, expected = start().run([actual, expected])
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(actual) > 0.1


def test_every_pair_of_op_and_scheme_computes_something_of_its_own(start):
    build = build_of(dataclasses.replace(CONFIG, search_precision="binary,ternary,k4,fp16"))
    x = tf.constant(np.random.default_rng(0).normal(size=(BATCH, 4, 4, 4)), tf.float32)
    outputs = []
    for op in op_table(build.config):
        with tf.variable_scope(op.name):
            outputs.append(ops.run_op(build, op, x, cells.op_variables(build, [op], 4) if op.kernel else ()))
    assert all(y.dtype == tf.float32 for y in outputs)
    values = start().run(outputs)
    assert len(values) == 11
    assert min(np.abs(a - b).max() for i, a in enumerate(values) for b in values[:i]) > 0.05


def test_loss_scaling_is_on_where_any_op_is_fp16():
    from enas.graph import optim

    assert optim._loss_scale_variables(dataclasses.replace(CONFIG, search_precision="k4,fp16"))[1] is not None
    assert optim._loss_scale_variables(dataclasses.replace(CONFIG, search_precision="k4,k8"))[1] is None
