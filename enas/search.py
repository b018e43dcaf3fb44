"""The search loop: child epochs, controller phases, scored arcs (ENAS, arXiv 1802.03268, section 2.2).

Works on any search space of images; `enas/spaces.py` says what a space is.
"""

import concurrent.futures
import dataclasses

import numpy as np
import tensorflow.compat.v1 as tf

from enas import arc_input, child_graph, pipeline, session, signals
from enas.errors import UserError
from enas.loop import Loop, announce, child_epoch, evaluation, log_evaluation, record, units

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
    """A running search. Use `run_search`.

    Args:
      space: the search space's package.
      opened: the `session.Opened`.
      loop: the `Loop`.
    """

    def __init__(self, space, opened, loop):
        self.space, self.opened, self.loop = space, opened, loop
        self.config, self.run, self.graph, self.session = opened.config, opened.run, opened.graph, opened.session
        step, updates = self.session.run([self.graph.training.step, self.graph.controller.step])
        first = {"train": step, "reward": updates * self.config.controller.num_aggregate}
        streams = {"train": self.graph.training.stream, **self.graph.streams}
        self.handles = session.start(self.session, streams, first)
        # Arcs do not depend on one another: two at a time keep the cores busier than the ops of one.
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=2)

    def sample(self, purpose, steps):
        """Samples one arc for each step, keyed by (seed, purpose, step): int32 `[len(steps), ...]`."""
        noise = self.noise(purpose, steps)
        return self.session.run(self.graph.controller.arcs, {self.graph.controller.noise: noise})

    def noise(self, purpose, steps):
        """The sampling noise of `sample`."""
        return self.space.controller.gumbel_noise(self.config.run.seed, f"arc/{purpose}", steps, self.config.child)

    def train_child(self, epoch, unit):
        """A phase: one epoch of the shared weights, each step on a newly sampled arc."""
        per_epoch = self.graph.training.stream.per_epoch
        first = epoch * per_epoch
        arcs = self.sample("child", range(first, first + per_epoch))
        yield from child_epoch(
            self.loop, self.graph.training, epoch, unit, lambda step: {self.graph.arc: arcs[step - first]}
        )

    def train_controller(self, epoch, unit):
        """A phase: `--controller_train_steps` REINFORCE updates on validation accuracy; one unit is one update."""
        config, controller = self.config.controller, self.graph.controller
        if (epoch + 1) % config.train_every:
            return
        self.run.log(f"Epoch {epoch + 1}: Training controller")
        for i in units(unit, config.train_steps, "controller"):
            step = int(self.session.run(controller.step))
            noise = self.noise("controller", range(step * config.num_aggregate, (step + 1) * config.num_aggregate))
            arcs = self.session.run(controller.arcs, {controller.noise: noise})
            rewards = np.array(list(self.pool.map(self._reward, arcs)), np.float32)
            # Nothing may stop between here and the yield: the update changes the variables.
            fetches = controller.loss, controller.entropy, controller.grad_norm, controller.baseline
            (loss, entropy, norm, baseline), finite, _ = self.session.run(
                [fetches, controller.watch.finite, controller.train],
                {controller.noise: noise, controller.rewards: rewards},
            )
            self.loop.judge("controller", step + 1, controller.watch, finite)
            if step % max(1, self.config.run.log_every // config.num_aggregate) == 0 or i + 1 == config.train_steps:
                self._log_controller(epoch, step + 1, loss, entropy.mean(), norm, rewards.mean(), baseline)
            yield

    def _reward(self, arc):
        signals.check()
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
        record(self.run, "controller", epoch, step, figures, step=step)

    def accuracy(self, arc, stream):
        """Share of the images of a stream that the shared child classifies right with an arc."""
        return child_graph.accuracy(
            self.session, self.graph.scoring, self.graph.streams[stream], self.handles[stream], {self.graph.arc: arc}
        )

    def _has_scores(self, epoch):
        """The controller has been trained in this epoch, or it is the last."""
        return (epoch + 1) % self.config.controller.train_every == 0 or epoch + 1 == self.config.run.num_epochs

    def score_arcs(self, epoch, unit):
        """A phase: samples ten arcs and scores each on the same validation images; one unit is one arc."""
        if not self._has_scores(epoch):
            return
        if unit == 0:
            self.run.log(f"Here are {SCORED_ARCS} architectures")
        first = epoch * SCORED_ARCS
        for values in self.sample("score", range(first, first + SCORED_ARCS))[unit:]:
            arc = self.space.arc.for_child(values.reshape(-1), self.config.child)
            accuracy = self.accuracy(values, "arcs")
            for line in arc.lines():
                self.run.log(f"[{line}]")
            self.run.log(f"val_acc = {accuracy:<6.4f}")
            self.run.log("-" * 80)
            self.run.append("arcs.jsonl", {"epoch": epoch + 1, "val_accuracy": accuracy, "arc": str(arc)})
            self._write_best()
            yield

    def _write_best(self):
        best = max(self.run.read("arcs.jsonl"), key=lambda scored: (scored["val_accuracy"], scored["epoch"]))
        self.run.write("best_arc.txt", best["arc"] + "\n")

    def evaluate(self, epoch, _unit):
        """A phase: accuracy of the epoch's best arc, with the shared weights, on the whole validation and test sets."""
        last = epoch + 1 == self.config.run.num_epochs
        if not self._has_scores(epoch) or not (last or (epoch + 1) % self.config.run.eval_every_epochs == 0):
            return
        scored = [scored for scored in self.run.read("arcs.jsonl") if scored["epoch"] == epoch + 1]
        best = max(scored, key=lambda scored: scored["val_accuracy"])["arc"]
        values = np.reshape(arc_input.integers(best), self.graph.arc.shape)
        yield from evaluation(
            self.loop.position,
            lambda name: self.accuracy(values, name),
            lambda figures: log_evaluation(self.run, epoch, figures, arc=best),
        )


def run_search(config, space):
    """Runs a search to its last epoch, resuming where an earlier process stopped.

    Args:
      config: a `SearchConfig`.
      space: the search space's package.

    Raises:
      UserError: see `session.opened` and `Checkpoints`.
      signals.Stopped: a signal came; a checkpoint was saved.
    """
    with session.opened(config, "search", lambda dataset: build(config, space, dataset)) as opened:
        loop = Loop(opened)
        search = Search(space, opened, loop)
        announce(opened, loop.position)
        loop.epochs([search.train_child, search.train_controller, search.score_arcs, search.evaluate])
        finish(opened.run, config.space)


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
