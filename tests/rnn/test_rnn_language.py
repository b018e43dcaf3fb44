"""Training and scoring of language models, against small and obvious implementations."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.costs.cost import Cost
from enas.data.readers.text import Text
from enas.graph import layers
from enas.rnn import arc, child, config, language, sgd
from enas.rnn.space import SPACE as space
from enas.rnn.windows import Windows
from enas.runs import records, train
from enas.runs.run_directory import open_run

CHOSEN = arc.parse("1 0 0 1 3")
STEPS, BATCH = 4, 2


def text(length=60):
    draw = np.random.default_rng(0)
    return Text(*(draw.integers(7, size=length).astype(np.int32) for _ in range(3)), words=("<eos>", *"abcdef"))


def configured(**values):
    kept = {f"lstm_{name}_keep": 1.0 for name in "exho"}
    small = {"rhn_depth": 3, "lstm_hidden_size": 5, "bptt_steps": STEPS, "l2_reg": 0.0, "grad_bound": 1e9}
    run = config.RunConfig(batch_size=BATCH)
    return config.TrainConfig(child=config.FinalChildConfig(**{**small, **kept, **values}), run=run)


def variables():
    return {v.op.name.removeprefix("child/"): v for v in tf.trainable_variables("child/")}


def do(session, training, steps, rate=0.5):
    """Does steps from where the run is; returns the losses."""
    losses = []
    for _ in range(steps):
        step = int(session.run(training.step))
        losses.append(
            session.run([training.loss, training.update.op], {training.rate: rate, **training.feeds(step)})[0]
        )
    return losses


def test_the_perplexity_of_a_split_is_that_of_one_stream_with_every_token_once(start):
    whole = text(37)
    scorer = language.eval_graph(configured(), whole, child, CHOSEN)
    session = start()
    state, nats = np.zeros([1, 5], np.float32), []
    for before, token in zip([whole.eos, *whole.valid], whole.valid, strict=False):
        feeds = {scorer.inputs: [[before]], scorer.targets: [[token]], scorer.weights: [[1]], scorer.state: state}
        more, state = session.run([scorer.nats, scorer.next_state], feeds)
        nats.append(more)
    assert len(nats) == 37
    for steps in (1, 5, 37, 100):
        found = language.perplexity(session, scorer, Windows(whole.valid, whole.eos, 1, steps, whole=True))
        np.testing.assert_allclose(found, np.exp(np.mean(nats)), rtol=1e-5)
    # Fillers at the end of parallel streams do not count.
    found = language.perplexity(session, scorer, Windows(whole.valid[:3], whole.eos, 2, 5, whole=True))
    halves = [
        language.perplexity(session, scorer, w)
        for w in (
            Windows(whole.valid[:2], whole.eos, 1, 5, whole=True),
            Windows(whole.valid[2:3], int(whole.valid[1]), 1, 5, whole=True),
        )
    ]
    np.testing.assert_allclose(found**3, halves[0] ** 2 * halves[1], rtol=1e-4)


def test_the_state_is_carried_from_window_to_window_and_starts_anew_with_each_epoch(start):
    whole, settings = text(), configured()
    training, scorer = (
        language.train_step(settings, whole, child, CHOSEN, shared=False),
        language.eval_graph(settings, whole, child, CHOSEN),
    )
    session = start()
    # At rate 0 nothing is learned: the losses of an epoch are those of scoring the same streams in one go.
    losses = do(session, training, 2 * training.per_epoch, rate=0.0)
    expected = language.perplexity(session, scorer, training.windows)
    np.testing.assert_allclose(np.exp(np.mean(losses[: training.per_epoch]) / STEPS), expected, rtol=1e-5)
    np.testing.assert_allclose(losses[: training.per_epoch], losses[training.per_epoch :], rtol=1e-6)
    alone = language.perplexity(session, scorer, training.windows, first=1, limit=1)
    assert not np.isclose(np.exp(losses[1] / STEPS), alone, rtol=1e-4)


def test_a_step_is_plain_sgd_with_the_global_norm_bounded(start):
    training = language.train_step(configured(grad_bound=0.1), text(), child, CHOSEN, shared=False)
    named = variables()
    gradients = tf.gradients(training.loss, list(named.values()))
    session = start()
    feeds = training.feeds(0)
    before, slopes, norm = session.run([named, gradients, training.update.grad_norm], feeds)
    slopes = [dense(slope, value.shape) for slope, value in zip(slopes, before.values(), strict=True)]
    size = np.sqrt(sum(np.sum(slope**2) for slope in slopes))
    np.testing.assert_allclose(norm, size, rtol=1e-4)
    assert size > 0.2
    do(session, training, 1, rate=2.0)
    for (name, value), slope in zip(before.items(), slopes, strict=True):
        np.testing.assert_allclose(session.run(named[name]), value - 2.0 * slope * 0.1 / size, atol=1e-5)


def dense(x, shape):
    if not hasattr(x, "indices"):
        return x
    full = np.zeros(shape, np.float32)
    np.add.at(full, x.indices, x.values)
    return full


@pytest.mark.parametrize("name", ["l2_reg", "rnn_l2_reg", "rnn_slowness_reg"])
def test_each_regulariser_adds_the_gradient_of_its_formula(name, start):
    settings = configured(**{name: 0.1})
    training = language.train_step(settings, text(), child, CHOSEN, shared=False)
    named = variables()
    build = layers.BuildContext(settings.child, 7, 0)
    outputs = child.language_model(build, training.inputs, training.targets, tf.zeros([BATCH, 5]), CHOSEN).outputs
    penalty = {
        "l2_reg": sum(tf.reduce_sum(v**2) for v in named.values()),
        "rnn_l2_reg": tf.reduce_sum(outputs**2) / BATCH,
        "rnn_slowness_reg": tf.reduce_sum((outputs[1:] - outputs[:-1]) ** 2) / BATCH,
    }[name]
    gradients = tf.gradients(training.loss + 0.1 * penalty, list(named.values()))
    session = start()
    before, slopes = session.run([named, gradients], training.feeds(0))
    do(session, training, 1, rate=1.0)
    for (key, value), slope in zip(before.items(), slopes, strict=True):
        np.testing.assert_allclose(session.run(named[key]), value - dense(slope, value.shape), atol=2e-5)


def test_scoring_takes_the_mean_of_all_steps_once_averaging_has_started(start):
    settings = configured(average_start=1)
    whole = text(20)  # 2 windows an epoch
    training, scorer = (
        language.train_step(settings, whole, child, CHOSEN, shared=False),
        language.eval_graph(settings, whole, child, CHOSEN),
    )
    named = variables()
    session = start()
    split = Windows(whole.valid, whole.eos, 1, 50, whole=True)

    def scored_with(values):
        kept = session.run(named)
        for name, value in values.items():
            named[name].load(value, session)
        steps = next(v for v in tf.global_variables() if v.op.name == "child/averaged_steps")
        count = session.run(steps)
        steps.load(0, session)
        found = language.perplexity(session, scorer, split)
        steps.load(count, session)
        for name, value in kept.items():
            named[name].load(value, session)
        return found

    do(session, training, 2)
    np.testing.assert_allclose(language.perplexity(session, scorer, split), scored_with(session.run(named)), rtol=1e-6)
    seen = []
    for _ in range(3):
        do(session, training, 1)
        seen.append(session.run(named))
    mean = {name: np.mean([values[name] for values in seen], axis=0) for name in named}
    np.testing.assert_allclose(language.perplexity(session, scorer, split), scored_with(mean), rtol=1e-5)
    assert not np.isclose(scored_with(mean), scored_with(seen[-1]), rtol=1e-4)


def test_a_gradient_that_is_not_finite_changes_no_weight(start):
    training = language.train_step(configured(), text(), child, CHOSEN, shared=False)
    named = variables()
    session = start()
    before = session.run(named)
    broken = before["input"].copy()
    broken[0, 0] = np.nan
    named["input"].load(broken, session)
    fetches = [training.update.skipped, training.update.finite_check.finite, training.update.op]
    skipped, finite, _ = session.run(fetches, {training.rate: 0.5, **training.feeds(0)})
    assert skipped == 1 and not finite.all() and finite.shape == (len(training.update.finite_check.names),)
    after = session.run({**named, "step": training.step})
    assert after.pop("step") == 1
    for name, value in {**before, "input": broken}.items():
        np.testing.assert_array_equal(after[name], value)
    named["input"].load(before["input"], session)
    assert np.isfinite(do(session, training, 1)[0])  # the carried state was not lost to the NaN


@pytest.mark.parametrize("nats, expected", [(0.0, 1.0), (690.0, np.exp(690.0)), (800.0, np.inf), (np.nan, np.inf)])
@pytest.mark.usefixtures("graph")
def test_a_perplexity_that_is_no_number_is_infinite(nats, expected):
    whole = text(40)
    windows = Windows(whole.valid, whole.eos, 1, 40, whole=True)
    session = SimpleNamespace(run=lambda *_: (40 * nats, None))
    scoring = language.eval_graph(configured(), whole, child, CHOSEN)
    assert language.perplexity(session, scoring, windows) == pytest.approx(expected)


def test_a_model_that_has_diverged_is_recorded_without_an_infinity(tmp_path):
    settings = config.TrainConfig(run=config.TrainRunConfig(output_dir=str(tmp_path / "run")))
    scorer = SimpleNamespace(
        start=lambda _: None, figures=lambda *_: {"perplexity": math.inf}, cost=lambda: Cost(1, 2, 3, 4)
    )
    with open_run(settings, "training") as run:
        run.events = SimpleNamespace(scalars=lambda *_, **__: None)
        records.log_evaluation(run, 0, {"valid_perplexity": math.inf, "test_perplexity": 80.0})
        best = SimpleNamespace(restore=lambda _: ("best-1", {"epoch": 1}))
        limit = SimpleNamespace(restore=lambda _: None)
        graph = SimpleNamespace(scorer=scorer)
        train._finish(SimpleNamespace(run=run, best=best, limit=limit, graph=graph, session=None, task=language))
        [record] = run.read("metrics.jsonl")
    assert (record["valid_perplexity"], record["test_perplexity"]) == (None, 80.0)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["valid_perplexity"] is results["test_perplexity"] is None and results["macs"] == 2
    assert "warning: valid_perplexity is not finite" in (tmp_path / "run" / "stdout").read_text()


@pytest.mark.parametrize("added", [0, 3])
@pytest.mark.usefixtures("graph")
def test_a_cell_is_trained_wider_and_the_baseline_has_its_size(added):
    settings = configured()
    arguments = dataclasses.replace(settings.arc, additional_filters_on_retrain=added)
    settings = dataclasses.replace(settings, arc=arguments)
    units, words, nodes = 5 + added, 7, 3
    size = words * units + 2 * units * units * (1 + nodes)
    assert train.build(settings, CHOSEN, space, text()).scorer.cost().parameters == size
    with tf.Graph().as_default():
        found = train.build(settings, "lstm", space, text()).scorer.cost().parameters
    h = max(h for h in range(20) if 8 * h * h + 4 * h + words * h <= size)
    assert found == 8 * h * h + 4 * h + words * h


def test_a_search_step_changes_only_the_slots_of_its_arc(start):
    settings = config.SearchConfig(child=config.ChildConfig(rhn_depth=3, lstm_hidden_size=5, bptt_steps=STEPS))
    fed = tf.placeholder(tf.int32, [5])
    training = language.train_step(settings, text(100), child, fed, shared=True)
    bank = variables()["shared_cell"]
    session = start()
    before = session.run(bank)
    session.run(training.update.op, {training.rate: 1.0, fed: [1, 0, 0, 1, 3], **training.feeds(0)})
    changed = [not np.array_equal(a, b) for a, b in zip(before, session.run(bank), strict=True)]
    assert changed == [True, True, False, True]


def test_the_learning_rate_decays_to_its_floor():
    child = config.ChildConfig(lr=8.0, lr_dec_start=2, lr_dec_every=2, lr_dec_rate=0.5, lr_dec_min=1.0)
    rates = [sgd.learning_rate(child, epoch) for epoch in (0, 1.9, 2, 3.9, 4, 5.99, 6, 8, 100)]
    assert rates == [8, 8, 8, 8, 4, 4, 2, 1, 1]
