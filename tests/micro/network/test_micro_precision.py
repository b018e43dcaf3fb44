"""Children whose ops compute under different schemes: the shared one against the fixed one, and against uniform ones."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from shared_weights import (
    BATCH,
    CONFIG,
    DENSE,
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
from enas.micro import child, op_switch, ops
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


@pytest.mark.parametrize("table", [CONFIG.op_table, DENSE])
def test_a_slot_is_its_op_under_every_scheme_to_the_last_bit(start, table):
    """Ops under the low-bit schemes share a branch, in which the quantizers are switched."""
    config = dataclasses.replace(
        CONFIG, scheme="k4", search_precision="binary,fp16,ternary,k1,k3,k8,fp32", op_table=table
    )
    build = build_of(config, training=True)
    slot, rng = op_switch.SharedSlot(build), np.random.default_rng(0)
    x, grad_y = (tf.constant(rng.normal(size=(BATCH, 4, 4, 4)), tf.float32) for _ in "12")
    row, mask, actual, expected = [], tf.constant([0.0, 2.0, 1.0, 1.0]), [], []
    for group in ops.banks(build):
        with tf.variable_scope(cells.bank_name(group)):
            row.append(cells.op_variables(build, group[:1], 4))
    session = start()
    randomise(session, owned(""))
    flat = op_switch.flat([variable[None] for bank in row for variable in bank])[0]
    for id, op in enumerate(op_table(config)):
        choice = tf.constant(id)
        y, *packed = slot.forward(x, choice, flat, mask)
        actual.append([slot.infer(x, choice, flat), y, *slot.backward(x, choice, flat, mask, grad_y, *packed)])
        own = [bank for bank, group in zip(row, ops.banks(build), strict=True) if op in group]
        y, kept, _ = ops.forward(build, op, x, *own or [()])
        grad_x, grads = ops.backward(build, op, x, *own or [()], kept, ops.drop_path(op, grad_y, mask))
        of_row = [g for bank in row for g in (grads if own and bank is own[0] else map(tf.zeros_like, bank))]
        expected.append([y, ops.drop_path(op, y, mask), grad_x, op_switch.flat([g[None] for g in of_row])[0]])
    actual, expected = session.run([actual, expected])
    for op, found, wanted in zip(op_table(config), actual, expected, strict=True):
        for a, b in zip(found, wanted, strict=True):
            # TensorFlow adds up what an average pool reads in different orders.
            assert_close(a, b, 0.0 if op.kernel else 1e-6, str(op))
    assert all(np.any(wanted[-1]) == bool(op.kernel) for op, wanted in zip(op_table(config), expected, strict=True))


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
