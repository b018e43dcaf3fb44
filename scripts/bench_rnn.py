"""What `scripts/bench.py --space=rnn` measures: tokens a second of language models around recurrent cells.

  python scripts/bench.py --space=rnn                                     (the ENAS authors' sizes, about 2 minutes)
  python scripts/bench.py --space=rnn --child_lstm_hidden_size=128 --vocabulary=2000

The text is random: its values do not change what a step costs.
"""

import dataclasses
import statistics
import time
from typing import ClassVar

import numpy as np

from enas import config as configs
from enas.options import option
from enas.rnn import config


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """What is measured, and how long."""

    batch_size: int = option(20, "Streams of text a step trains on.", 1)
    vocabulary: int = option(10_000, "Words of the vocabulary. Penn Treebank: 10,000.", 2)
    seed: int = option(0, "Seed of weights, text and arcs.", 0, 2**31 - 1)
    steps: int = option(8, "Steps each figure is the median of.", 1)
    json: str = option("", "File the figures are written to, as JSON.")


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """Everything the benchmark of this space needs."""

    space: ClassVar[str] = "rnn"
    child: config.FinalChildConfig = config.FinalChildConfig()
    bench: BenchOptions = BenchOptions()


def measure(settings):
    """Runs the benchmark; returns {figure: value}."""
    figures = {"settings": configs.to_values(settings)}
    for name, arc in (("search", None), ("fixed", _arc(settings, 0)), ("lstm", "lstm")):
        figures.update({f"{name}_{key}": value for key, value in _measured(settings, arc).items()})
    return figures


def table(figures):
    """The figures as lines of text."""
    return "\n".join(f"{name:<32} {value:>12,.3f}" for name, value in figures.items() if name != "settings")


def _arc(settings, number):
    """A random arc as a list of integers."""
    draw = np.random.default_rng([settings.bench.seed, number])
    values = [int(draw.integers(4))]
    for node in range(1, settings.child.rhn_depth):
        values += [int(draw.integers(node)), int(draw.integers(4))]
    return values


def _measured(settings, arc):
    """Figures of the steps and the scoring of one child; arc: a list of integers, "lstm", or None: a new one each step."""
    import tensorflow.compat.v1 as tf

    from enas import session
    from enas.data.text import Text
    from enas.rnn import arc as arcs
    from enas.rnn import child, language
    from enas.rnn.windows import Windows

    options, steps = settings.bench, settings.child.bptt_steps
    draw = np.random.default_rng(options.seed)
    tokens = draw.integers(options.vocabulary, size=4 * options.batch_size * steps).astype(np.int32)
    words = ("<eos>", *(f"word{number}" for number in range(1, options.vocabulary)))
    text = Text(tokens, tokens, tokens, words)
    run = configs.RunConfig(batch_size=options.batch_size, seed=options.seed)
    config_of_run = config.TrainConfig(child=settings.child, run=run)
    session.graph_mode()
    start = time.perf_counter()
    with tf.Graph().as_default():
        given = tf.placeholder(tf.int32, [2 * settings.child.rhn_depth - 1]) if arc is None else arc
        given = arcs.from_list(arc) if isinstance(arc, list) else given
        training = language.training(config_of_run, text, child, given, shared=arc is None)
        scorer = language.scoring(config_of_run, text, child, given)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            seconds = []
            for step in range(options.steps + 2):
                feeds = {training.rate: 0.01, **training.feeds(step)}
                more = {given: _arc(settings, step)} if arc is None else {}
                before = time.perf_counter()
                sess.run(training.update.op, {**feeds, **more})
                seconds.append(time.perf_counter() - before)
                if step == 0:
                    started = time.perf_counter() - start
            whole = Windows(tokens[:200], text.eos, 1, 100, whole=True)
            scored = []
            for windows in (training.windows, whole):
                language.perplexity(sess, scorer, windows, limit=1, feeds=more)
                before = time.perf_counter()
                language.perplexity(sess, scorer, windows, limit=2, feeds=more)
                scored.append(2 * windows.streams * windows.steps / (time.perf_counter() - before))
    # The first two steps are still being set up.
    step = statistics.median(seconds[2:])
    return {
        "first_step_s": started,
        "step_s": step,
        "tokens_per_s": options.batch_size * steps / step,
        "scored_tokens_per_s": scored[0],
        "scored_one_stream_tokens_per_s": scored[1],
    }
