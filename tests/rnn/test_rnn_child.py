"""The language model: shared and fixed children agree, dropout is variational, means are means, the state is carried."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.graph import layers
from enas.rnn import arc, child, config, lstm

ARC = "1 0 0 0 3 2 2"
VOCABULARY, STEPS, BATCH = 11, 6, 3


def settings(**values):
    return config.FinalChildConfig(**{"rhn_depth": 4, "lstm_hidden_size": 5, **values})


def window(seed=0):
    draw = np.random.default_rng(seed)
    return draw.integers(VOCABULARY, size=[2, BATCH, STEPS]).astype(np.int32)


def predicted(chosen, built_settings, **build):
    made = layers.BuildContext(built_settings, VOCABULARY, 0, **build)
    size = child.state_size(built_settings, VOCABULARY, chosen)
    inputs, targets = window()
    return child.language_model(made, tf.constant(inputs), tf.constant(targets), tf.zeros([BATCH, size]), chosen)


def test_the_shared_child_computes_what_the_fixed_child_of_its_arc_computes(start):
    chosen = arc.parse(ARC)
    fed = tf.placeholder(tf.int32, [7])
    shared, fixed = predicted(fed, settings()), predicted(chosen, settings())
    variables = {v.name: v for v in tf.trainable_variables()}
    bank, own = variables["child/shared_cell:0"], variables["child/cell:0"]
    assert bank.shape == [7, 5, 10] and own.shape == [4, 5, 10]
    # Node 0; node 1 of 0; node 2 of 0 (slots 2, 3); node 3 of 2 (slots 4, 5, 6).
    copied = own.assign(tf.gather(bank, [0, 1, 2, 6]))
    wanted = [variables["child/embedding:0"], variables["child/input:0"]]
    gradients = [tf.gradients(p.nats, wanted + [w]) for p, w in ((shared, bank), (fixed, own))]
    session = start()
    session.run(copied)
    feeds = {fed: chosen.to_list()}
    for name in ("nats", "state", "outputs"):
        a, b = session.run([getattr(shared, name), getattr(fixed, name)], feeds)
        np.testing.assert_allclose(a, b, atol=1e-6)
    (*a, rows), (*b, whole) = session.run(gradients, feeds)
    for left, right in zip(a, b, strict=True):
        left, right = (tf_dense(x, VOCABULARY) for x in (left, right))
        np.testing.assert_allclose(left, right, atol=1e-5)
    assert rows.indices.tolist() == [0, 1, 2, 6]
    np.testing.assert_allclose(rows.values, whole, atol=1e-5)


def tf_dense(x, rows):
    """A fetched gradient as an array."""
    if not hasattr(x, "indices"):
        return x
    dense = np.zeros([rows, *x.values.shape[1:]], np.float32)
    np.add.at(dense, x.indices, x.values)
    return dense


def test_an_arc_uses_the_slot_of_each_node_and_its_source(start):
    published = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
    pairs = [(node, source) for node in range(1, 12) for source in range(node)]
    sources = [0, 1, 2, 2, 2, 5, 1, 6, 8, 8, 8]
    expected = [0, *(1 + pairs.index(pair) for pair in enumerate(sources, 1))]
    used = start().run(child.used_slots(tf.constant(arc.parse(published).to_list())))
    assert used.tolist() == expected and child.slots(12) == 1 + len(pairs)


def softmax_nats(outputs, embedding, targets):
    logits = outputs @ embedding.T
    logits -= logits.max(-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, targets.T[..., None], -1)[..., 0]


@pytest.mark.parametrize("chosen", [arc.parse(ARC), "lstm"])
def test_the_softmax_is_tied_to_the_embedding(chosen, start):
    p = predicted(chosen, settings())
    embedding = next(v for v in tf.trainable_variables() if v.name == "child/embedding:0")
    nats, outputs, values = start().run([p.nats, p.outputs, embedding])
    np.testing.assert_allclose(nats, softmax_nats(outputs, values, window()[1]), atol=1e-5)
    assert embedding.shape[0] == VOCABULARY
    assert not [v for v in tf.trainable_variables() if "softmax" in v.name]


@pytest.mark.parametrize("name", ["e", "x", "h", "o"])
def test_each_keep_probability_drops_and_only_while_training(name, start):
    kept = {f"lstm_{other}_keep": 1.0 for other in "exho"}
    chosen, step = arc.parse(ARC), tf.placeholder(tf.int64, [])
    plain = predicted(chosen, settings(**kept))
    dropped = settings(**{**kept, f"lstm_{name}_keep": 0.5})
    training = predicted(chosen, dropped, training=True, step=step)
    scoring = predicted(chosen, dropped)
    session = start()
    nats = [session.run(training.nats, {step: number}) for number in (0, 0, 1)]
    assert np.array_equal(nats[0], nats[1]) and not np.allclose(nats[0], nats[2])
    np.testing.assert_array_equal(*session.run([plain.nats, scoring.nats]))


def test_embedding_dropout_drops_a_word_wherever_it_occurs_in_a_sequence(start):
    made = layers.BuildContext(settings(lstm_e_keep=0.5), VOCABULARY, 0, training=True, step=tf.constant(3))
    inputs = np.random.default_rng(0).integers(VOCABULARY, size=[40, 30])
    embedded = start().run(child._embedded(made, tf.ones([VOCABULARY, 2]), tf.constant(inputs)))
    assert set(np.unique(embedded)) == {0.0, 2.0}
    factors = embedded[:, :, 0].T
    for row, values in zip(inputs, factors, strict=True):
        assert all(len(set(values[row == word])) == 1 for word in set(row))
    assert 0.4 < (factors > 0).mean() < 0.6 and len({tuple(row) for row in factors}) > 30


def test_the_lstm_is_the_textbook_one(start):
    draw = np.random.default_rng(0)
    weights, projected, state = (
        draw.normal(size=size).astype("f") for size in ([3, 12], [STEPS, BATCH, 12], [BATCH, 6])
    )
    mask = draw.integers(0, 2, [BATCH, 3]).astype("f") * 2
    outputs, last = start().run(lstm.run(*map(tf.constant, (weights, projected, state, mask))))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    memory, output = state[:, :3], state[:, 3:]
    for t in range(STEPS):
        i, f, o, g = np.split(projected[t] + (output * mask) @ weights, 4, axis=1)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        output = sigmoid(o) * np.tanh(memory)
        np.testing.assert_allclose(outputs[t], output, atol=1e-5)
    np.testing.assert_allclose(last, np.concatenate([memory, output], axis=1), atol=1e-5)


@pytest.mark.parametrize("nodes, units, vocabulary", [(4, 5, VOCABULARY), (12, 720, 10_000), (2, 3, 2)])
def test_the_baseline_is_the_widest_lstm_that_is_not_larger(nodes, units, vocabulary):
    def size(h):
        return vocabulary * h + 8 * h * h + 4 * h

    found = child.baseline(settings(rhn_depth=nodes, lstm_hidden_size=units), vocabulary)
    cell = vocabulary * units + 2 * units * units * (1 + nodes)
    assert size(found.units) <= cell < size(found.units + 1)


@pytest.mark.usefixtures("graph")
def test_the_baselines_size_is_that_of_its_variables():
    sized = settings(rhn_depth=6, lstm_hidden_size=9)
    predicted(arc.from_list([0] * 11), sized)
    cell = sum(v.shape.num_elements() for v in tf.trainable_variables())
    with tf.Graph().as_default():
        predicted("lstm", sized)
        layer = sum(v.shape.num_elements() for v in tf.trainable_variables())
    assert 0.8 * cell < layer <= cell


def test_only_the_training_of_one_cell_averages():
    assert config.ChildConfig().average_start == -1
    assert "average_start" not in {field.name for field in dataclasses.fields(config.ChildConfig)}
