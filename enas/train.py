"""Training one arc from scratch, and evaluating what was stored."""

import dataclasses
import json

import tensorflow.compat.v1 as tf

from enas import arc_input, child_graph, data, pipeline, report, session, size, spaces
from enas.config import from_values
from enas.data import facts
from enas.errors import UserError
from enas.loop import announce, announce_data, child_epoch
from enas.run_directory import check_output_dir, open_run, stored_values


@dataclasses.dataclass(frozen=True)
class Graph:
    """All that the training of one arc runs.

    Attributes:
      training, scoring: `child_graph.Training` and `Scoring`.
      streams: "valid" and "test" -> `pipeline.Stream`.
    """

    training: object
    scoring: object
    streams: dict


def build(config, arc, space, dataset):
    """Builds the graph that trains and evaluates `arc`."""
    run = config.run
    training = child_graph.training(config, dataset, space.child, arc, moving_averages=True)
    streams = {
        name: pipeline.evaluation_batches(dataset, getattr(dataset, name), run.batch_size, run.seed)
        for name in ("valid", "test")
    }
    scoring = child_graph.scoring(config, dataset, space.child, arc, streams["valid"], moving_averages=True)
    return Graph(training, scoring, streams)


def evaluate(sess, graph):
    """Accuracy on the validation and the test set, `{"valid_accuracy": float, "test_accuracy": float}`; every image is
    counted once."""
    figures = {}
    for name, stream in graph.streams.items():
        stream.restart(sess)
        handle = sess.run(stream.iterator.string_handle())
        figures[f"{name}_accuracy"] = child_graph.accuracy(sess, graph.scoring, stream, handle)
    return figures


@pipeline.unreadable_files_told()
def run_training(config, space):
    """Trains an arc to the last epoch, resuming where an earlier process stopped, and logs the best epoch's accuracy.

    Args:
      config: a `TrainConfig`.
      space: the search space's package.

    Raises:
      UserError: see `arc_input.given`, `enas.data.load` and `open_run`.
    """
    arc = arc_input.given(config, space.arc)
    # The run is the arc's, wherever the arc came from.
    fixed = dataclasses.replace(config.arc, child_fixed_arc=str(arc), arc_file="")
    config = dataclasses.replace(config, arc=fixed)
    resumed = check_output_dir(config, "training") is not None
    session.graph_mode()
    dataset = data.load(config.data, config.run.seed, facts.read(config.run.output_dir) if resumed else None)
    with tf.Graph().as_default():
        graph = build(config, arc, space, dataset)
        run = open_run(config, "training")
        run.events = session.Events(run)
        last, best = (session.Checkpoints(run, name, keep=1) for name in ("last", "best"))
        initialize = tf.global_variables_initializer()
        with tf.Session() as sess:
            sess.run(initialize)
            done = last.restore(sess)
            run.drop_after("metrics.jsonl", done)
            graph.training.stream.restart(sess, sess.run(graph.training.step))
            announce(run, config, dataset, done)
            run.log(f"arc: {arc}")
            run.log(f"cost: {size.measure(graph.scoring)}")
            for epoch in range(done, config.run.num_epochs):
                _epoch(sess, run, config, graph, best, epoch)
                last.save(sess, epoch + 1)
            _finish(sess, run, graph, best)


def _epoch(sess, run, config, graph, best, epoch):
    child_epoch(sess, run, config, graph.training, epoch)
    last = epoch + 1 == config.run.num_epochs
    if (epoch + 1) % config.run.eval_every_epochs and not last:
        return
    before = [r["valid_accuracy"] for r in run.read("metrics.jsonl") if r["kind"] == "eval"]
    figures = evaluate(sess, graph)
    run.log(f"Epoch {epoch + 1}: Eval")
    for name, value in figures.items():
        run.log(f"{name}: {value:<6.4f}")
    if figures["valid_accuracy"] >= max(before, default=0.0):
        best.save(sess, epoch + 1)
    run.append("metrics.jsonl", {"kind": "eval", "epoch": epoch + 1, **figures})
    run.events.scalars(epoch + 1, **{f"eval__{name}": value for name, value in figures.items()})


def _finish(sess, run, graph, best):
    """Evaluates the best checkpoint and logs and stores the final figures."""
    epoch = best.restore(sess)
    figures = evaluate(sess, graph)
    measured = dataclasses.asdict(size.measure(graph.scoring))
    run.log("-" * 80)
    run.log(f"best checkpoint: {best.newest()} (epoch {epoch})")
    for name, value in measured.items():
        run.log(f"{name}: {value}")
    for name, value in figures.items():
        run.log(f"{name}: {value:.4f}")
    run.write("results.json", json.dumps({"epoch": epoch, **measured, **figures}, indent=2) + "\n")


@pipeline.unreadable_files_told()
def run_evaluation(config):
    """Evaluates the best checkpoint of the training run in `--output_dir`, with that run's settings, --space among them,
    and writes what it got wrong on the test set (`enas.report`).

    Only --output_dir, --data_dir and --skip_bad_images are taken from `config`.

    Raises:
      UserError: there is no training run, or it has no checkpoint yet.
    """
    path = config.run.output_dir
    stored = stored_values(path)
    if stored is None or stored.get("kind") != "training" or stored.get("space") not in spaces.names():
        raise UserError(f"--output_dir={path}: expected a training run of this program")
    space, given = spaces.module(stored["space"], "space"), config.data
    config = from_values(space.config.TrainConfig, {**stored, "output_dir": path, "reset_output_dir": False})
    where = dataclasses.replace(
        config.data,
        data_dir=given.data_dir or config.data.data_dir,
        skip_bad_images=given.skip_bad_images or config.data.skip_bad_images,
    )
    session.graph_mode()
    dataset = data.load(where, config.run.seed, facts.read(path), evaluate=True)
    with tf.Graph().as_default():
        graph = build(config, arc_input.given(config, space.arc), space, dataset)
        run = open_run(config, "training")
        best = session.Checkpoints(run, "best", keep=1)
        if best.newest() is None:
            raise UserError(f"--output_dir={path}: the run has no best checkpoint yet")
        order = pipeline.evaluation_order(len(dataset.test.labels), config.run.seed)
        with tf.Session() as sess:
            best.restore(sess)
            _report(sess, run, config, graph, dataset, sess.run(order))
            _finish(sess, run, graph, best)


def _report(sess, run, config, graph, dataset, order):
    """Classifies each test image and writes what was got wrong; `order` is that of the test stream."""
    announce_data(run, config, dataset)
    stream, names = graph.streams["test"], dataset.test.names
    stream.restart(sess)
    logits, labels = child_graph.all_logits(sess, graph.scoring, stream, sess.run(stream.iterator.string_handle()))
    names = [names[index] if names else f"test image {index}" for index in order]
    report.write(run, dataset.class_names, "test", report.predictions(names, labels, logits))
