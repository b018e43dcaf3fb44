"""The shared child against the fixed child and the classic supernet."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from shared_weights import (
    BACKWARD,
    CONFIG,
    FORWARD,
    SLOT_VARIABLE,
    assert_close,
    assign,
    build_of,
    gradients,
    images,
    in_bank,
    of_arc,
    owned,
    random_arc,
    randomise,
    tensor,
)

from enas.micro import arc as arcs
from enas.micro import child
from scripts.benchmarks import classic_supernet

pytestmark = pytest.mark.usefixtures("graph")

# Both cells together: every op, sides that read the same node, one loose end and several, an input among them.
ARC = arcs.parse("0 0 1 1 2 2 1 0   1 3 1 4 1 1 2 0")
REDUCTIONS = {2: (0, 1), 3: (1, 3)}


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


@pytest.mark.parametrize("num_layers, expected", [(2, (0, 1)), (3, (1, 3)), (6, (2, 5)), (15, (5, 11))])
def test_reduction_cells_stand_at_a_third_and_two_thirds(num_layers, expected):
    assert child.reduction_layers(num_layers) == expected
