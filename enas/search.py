"""The search loop: child epochs, controller phases, scored arcs (ENAS, arXiv 1802.03268, section 2.2).

Works on any search space of images; `enas/spaces.py` says what a space is.
"""

import dataclasses

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from enas import child_graph, data, pipeline, session
from enas.data import facts
from enas.errors import UserError
from enas.loop import announce, child_epoch
from enas.run_directory import check_output_dir, open_run

SCORED_ARCS = 10


@dataclasses.dataclass(frozen=True)
class Graph:
    """All that a search runs.

    Attributes:
      arc: placeholder int32, one arc.
      training, scoring: `child_graph.Training` and `Scoring`.
      controller: the space's controller.
      streams: name -> `pipeline.Stream` of images to score on: reward, arcs, valid, test.
    """

    arc: object
    training: object
    scoring: object
    controller: object
    streams: dict


def build(config, space, dataset):
    """Builds the graph of a search. `space` is the search space's package, `dataset` an `enas.data.DataSet`."""
    run, size = config.run, config.controller.batch_size or min(config.run.batch_size, len(dataset.valid.labels))
    controller = space.controller.build(config.controller, config.child, run.seed)
    arc = tf.placeholder(tf.int32, controller.arcs.shape[1:], "arc")
    training = child_graph.training(config, dataset, space.child, arc, moving_averages=False)
    repeats = config.controller.num_aggregate
    valid, test = dataset.valid, dataset.test
    limit = config.score.eval_arc_batches
    streams = {
        "reward": pipeline.training_batches(dataset, valid, size, run.seed, "reward", repeats=repeats),
        "arcs": pipeline.evaluation_batches(dataset, valid, size, run.seed, limit),
        "valid": pipeline.evaluation_batches(dataset, valid, size, run.seed),
        "test": pipeline.evaluation_batches(dataset, test, size, run.seed),
    }
    scoring = child_graph.scoring(config, dataset, space.child, arc, streams["valid"], moving_averages=False)
    return Graph(arc, training, scoring, controller, streams)


class Search:
    """A running search. Use `run_search`."""

    def __init__(self, config, space, run, graph, sess):
        self.config, self.space, self.run, self.graph, self.session = config, space, run, graph, sess
        self.handles = {}

    def start(self):
        """Starts all streams where the restored variables say."""
        graph = self.graph
        step, updates = self.session.run([graph.training.step, graph.controller.step])
        graph.training.stream.restart(self.session, step)
        for name, stream in graph.streams.items():
            stream.restart(self.session, updates * self.config.controller.num_aggregate if name == "reward" else 0)
            self.handles[name] = self.session.run(stream.iterator.string_handle())

    def sample(self, purpose, steps):
        """Samples one arc for each step, keyed by (seed, purpose, step): int32 `[len(steps), ...]`."""
        noise = self.noise(purpose, steps)
        return self.session.run(self.graph.controller.arcs, {self.graph.controller.noise: noise})

    def noise(self, purpose, steps):
        """The sampling noise of `sample`."""
        return self.space.controller.gumbel_noise(self.config.run.seed, f"arc/{purpose}", steps, self.config.child)

    def train_child(self, epoch):
        """One epoch of the shared weights, each step on a newly sampled arc."""
        per_epoch = self.graph.training.stream.per_epoch
        first = epoch * per_epoch
        arcs = self.sample("child", range(first, first + per_epoch))
        child_epoch(
            self.session,
            self.run,
            self.config,
            self.graph.training,
            epoch,
            lambda step: {self.graph.arc: arcs[step - first]},
        )

    def train_controller(self, epoch):
        """One controller phase: `--controller_train_steps` REINFORCE updates on validation accuracy."""
        config, controller = self.config.controller, self.graph.controller
        self.run.log(f"Epoch {epoch + 1}: Training controller")
        bar = tqdm(range(config.train_steps), "controller", disable=None, leave=False)
        for i in bar:
            step = int(self.session.run(controller.step))
            noise = self.noise("controller", range(step * config.num_aggregate, (step + 1) * config.num_aggregate))
            arcs = self.session.run(controller.arcs, {controller.noise: noise})
            rewards = np.array([self._reward(arc) for arc in arcs], np.float32)
            loss, entropy, norm, baseline, _ = self.session.run(
                [controller.loss, controller.entropy, controller.grad_norm, controller.baseline, controller.train],
                {controller.noise: noise, controller.rewards: rewards},
            )
            if step % max(1, self.config.run.log_every // config.num_aggregate) == 0 or i + 1 == config.train_steps:
                self._log_controller(epoch, step + 1, loss, entropy.mean(), norm, rewards.mean(), baseline)

    def _reward(self, arc):
        feeds = {self.graph.arc: arc, self.graph.scoring.handle: self.handles["reward"]}
        correct, counted = self.session.run([self.graph.scoring.correct, self.graph.scoring.counted], feeds)
        return correct / counted

    def _log_controller(self, epoch, step, loss, entropy, norm, reward, baseline):
        rate = self.config.controller.lr
        self.run.log(
            f"ctrl_step = {step:<6d} loss = {loss:<7.3f} ent = {entropy:<5.2f}   lr = {rate:<6.4f}   |g| = {norm:<8.4f} "
            f"acc = {reward:<6.4f}   bl = {baseline:<5.2f}  mins = {self.run.minutes():<.2f}"
        )
        figures = {"loss": loss, "entropy": entropy, "grad_norm": norm, "reward": reward, "baseline": baseline}
        figures = {name: float(value) for name, value in figures.items()}
        self.run.append("metrics.jsonl", {"kind": "controller", "epoch": epoch + 1, "step": step, **figures})
        self.run.events.scalars(step, **{f"controller__{name}": value for name, value in figures.items()})

    def accuracy(self, arc, stream):
        """Share of the images of a stream that the shared child classifies right with an arc."""
        return child_graph.accuracy(
            self.session, self.graph.scoring, self.graph.streams[stream], self.handles[stream], {self.graph.arc: arc}
        )

    def score_arcs(self, epoch):
        """Samples ten arcs and scores each on the same validation images; returns the best as (accuracy, arc)."""
        self.run.log(f"Here are {SCORED_ARCS} architectures")
        first = epoch * SCORED_ARCS
        scored = []
        for values in self.sample("score", range(first, first + SCORED_ARCS)):
            arc = self.space.arc.for_child(values.reshape(-1), self.config.child)
            accuracy = self.accuracy(values, "arcs")
            for line in arc.lines():
                self.run.log(f"[{line}]")
            self.run.log(f"val_acc = {accuracy:<6.4f}")
            self.run.log("-" * 80)
            self.run.append("arcs.jsonl", {"epoch": epoch + 1, "val_accuracy": accuracy, "arc": str(arc)})
            scored.append((accuracy, arc))
        self._write_best()
        return max(scored, key=lambda pair: pair[0])

    def _write_best(self):
        best = max(self.run.read("arcs.jsonl"), key=lambda record: (record["val_accuracy"], record["epoch"]))
        self.run.write("best_arc.txt", best["arc"] + "\n")

    def evaluate(self, epoch, arc):
        """Logs an arc's accuracy, with the shared weights, on the whole validation and test sets."""
        self.run.log(f"Epoch {epoch + 1}: Eval")
        values = np.reshape(arc.to_list(), self.graph.arc.shape)
        figures = {}
        for name in ("valid", "test"):
            figures[f"{name}_accuracy"] = self.accuracy(values, name)
            self.run.log(f"{name}_accuracy: {figures[f'{name}_accuracy']:<6.4f}")
        self.run.append("metrics.jsonl", {"kind": "eval", "epoch": epoch + 1, "arc": str(arc), **figures})
        self.run.events.scalars(epoch + 1, **{f"eval__{name}": value for name, value in figures.items()})

    def epoch(self, epoch):
        """One epoch of the search, evaluations included."""
        every = self.config.controller.train_every, self.config.run.eval_every_epochs
        last = epoch + 1 == self.config.run.num_epochs
        self.train_child(epoch)
        if (epoch + 1) % every[0] == 0:
            self.train_controller(epoch)
        elif not last:
            return
        _, best = self.score_arcs(epoch)
        if (epoch + 1) % every[1] == 0 or last:
            self.evaluate(epoch, best)


@pipeline.unreadable_files_told()
def run_search(config, space):
    """Runs a search to its last epoch, resuming where an earlier process stopped.

    Args:
      config: a `SearchConfig`.
      space: the search space's package.

    Raises:
      UserError: see `enas.data.load` and `open_run`.
    """
    resumed = check_output_dir(config, "search") is not None
    session.graph_mode()
    dataset = data.load(config.data, config.run.seed, facts.read(config.run.output_dir) if resumed else None)
    with tf.Graph().as_default():
        graph = build(config, space, dataset)
        run = open_run(config, "search")
        run.events = session.Events(run)
        checkpoints = session.Checkpoints(run, "last", keep=2)
        initialize = tf.global_variables_initializer()
        with tf.Session() as sess:
            sess.run(initialize)
            done = checkpoints.restore(sess)
            for name in ("metrics.jsonl", "arcs.jsonl"):
                run.drop_after(name, done)
            search = Search(config, space, run, graph, sess)
            search.start()
            announce(run, config, dataset, done)
            tf.get_default_graph().finalize()
            for epoch in range(done, config.run.num_epochs):
                search.epoch(epoch)
                checkpoints.save(sess, epoch + 1)
    finish(run, config.space)


def finish(run, space):
    """Logs the best arc and what to do with it."""
    scored = run.read("arcs.jsonl")
    if not scored:
        raise UserError("--num_epochs: the search ended before its first controller phase")
    with open(run.file("best_arc.txt"), encoding="utf-8") as file:
        best = file.read().strip()
    accuracy = max(record["val_accuracy"] for record in scored)
    run.log(f"best arc: {best}")
    run.log(f"best_val_accuracy: {accuracy:.4f}")
    run.log(
        f"search finished in {run.minutes():.2f} minutes; next: "
        f"python train_fixed_arc.py --space={space} --arc_file={run.file('best_arc.txt')}"
    )
