"""What `scripts/bench.py --space=rnn` measures: tokens a second of language models around recurrent cells.

  python scripts/bench.py --space=rnn                         (the ENAS authors' sizes, about 3 minutes)
  python scripts/bench.py --space=rnn --child_lstm_hidden_size=128 --vocabulary=2000

A search step takes a new random arc each time. The text is random too: its values do not change what a step costs.
"""

import dataclasses
import statistics
import time
from typing import Any, ClassVar

import numpy as np

from enas.options import config as configs
from enas.options import option
from enas.rnn import config
from scripts.benchmarks.bench_table import note
from scripts.benchmarks.bench_table import plain_table as table

__all__ = ["BenchConfig", "measure", "table"]


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """What is measured, and how long."""

    batch_size: int = option(20, "Streams of text a step trains on.", 1)
    vocabulary: int = option(10_000, "Words of the vocabulary. Penn Treebank: 10,000.", 2)
    seed: int = option(0, "Seed of weights, text and arcs.", 0, 2**31 - 1)
    steps: int = option(8, "Steps each figure is the median of.", 1)
    json: str = option("", "File the figures are written to, as JSON.")


@dataclasses.dataclass(frozen=True)
class BenchConfig(configs.Settings):
    """Everything the benchmark of this space needs."""

    space: ClassVar[str] = "rnn"
    child: config.FinalChildConfig = config.FinalChildConfig()
    bench: BenchOptions = BenchOptions()


def measure(settings: Any) -> dict[str, Any]:
    """Runs the benchmark; returns {figure: value}."""
    figures = {"settings": configs.to_values(settings), **note(settings.bench.steps)}
    for name, arc in (("search", None), ("fixed", _arc(settings, 0)), ("lstm", "lstm")):
        figures.update({f"{name}_{key}": value for key, value in _measured(settings, arc).items()})
    return figures


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

    from enas.rnn import arc as arcs
    from enas.rnn import child, language
    from enas.runs import session

    text = _text(settings)
    run = config.RunConfig(batch_size=settings.bench.batch_size, seed=settings.bench.seed)
    config_of_run = config.TrainConfig(child=settings.child, run=run)
    session.graph_mode()
    start = time.perf_counter()
    with tf.Graph().as_default():
        given = tf.placeholder(tf.int32, [2 * settings.child.rhn_depth - 1]) if arc is None else arc
        given = arcs.from_list(arc) if isinstance(arc, list) else given
        training = language.train_step(config_of_run, text, child, given, shared=arc is None)
        scoring = language.eval_graph(config_of_run, text, child, given)
        with session.open_session() as sess:
            sess.run(tf.global_variables_initializer())
            seconds, started = [], None
            for step in range(settings.bench.steps + 2):
                more = {given: _arc(settings, step)} if arc is None else {}
                fed = {training.rate: 0.01, **training.feeds(step), **more}
                before = time.perf_counter()
                sess.run(training.update.op, fed)
                seconds.append(time.perf_counter() - before)
                started = started or time.perf_counter() - start
            streams = training.windows, language.Windows(text.test[:300], text.eos, 1, 100, whole=True)
            scored = [_scored_per_second(sess, scoring, windows, more) for windows in streams]
    step = statistics.median(seconds[2:])  # the first two are still being set up
    return {
        "first_step_s": started,
        "step_s": step,
        "tokens_per_s": training.windows.streams * training.windows.steps / step,
        "scored_tokens_per_s": scored[0],
        "scored_one_stream_tokens_per_s": scored[1],
    }


def _scored_per_second(sess, scoring, windows, feeds):
    """Tokens scored a second, of two windows after a first one."""
    from enas.rnn import language

    language.perplexity(sess, scoring, windows, limit=1, feeds=feeds)
    before = time.perf_counter()
    language.perplexity(sess, scoring, windows, first=1, limit=2, feeds=feeds)
    return 2 * windows.streams * windows.steps / (time.perf_counter() - before)


def _text(settings):
    """A random `Text` of four windows."""
    from enas.data.readers.text import Text

    options = settings.bench
    draw = np.random.default_rng(options.seed)
    size = 4 * options.batch_size * settings.child.bptt_steps
    tokens = draw.integers(options.vocabulary, size=max(size, 300)).astype(np.int32)
    words = ("<eos>", *(f"word{number}" for number in range(1, options.vocabulary)))
    return Text(tokens, tokens, tokens, words)
