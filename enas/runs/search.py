"""The search loop: child epochs, controller phases, scored arcs (ENAS, arXiv 1802.03268, section 2.2).

Works on any search space; `enas/interfaces.py` says what that is.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas import strategies
from enas.costs import budget
from enas.costs.cost import readable
from enas.graph import gumbel
from enas.graph.policy import Controller
from enas.interfaces import Scorer, SearchSpace, TrainStep
from enas.metric import recordable
from enas.options import arc_input
from enas.runs import recommendation, session
from enas.runs.loop import Loop, OutOfTime
from enas.runs.phases import child_epoch, evaluation, units
from enas.runs.records import log_evaluation, log_header, record
from enas.runs.session import RunContext
from enas.side_by_side import side_by_side
from enas.strategies.strategy import PURPOSE, Strategy
from enas.types import Tensor

SCORED_ARCS = 10


@dataclasses.dataclass(frozen=True)
class Graph:
    """All that a search runs.

    Attributes:
      arc: placeholder int32, one arc.
      training, scorer: what the task's `training` and `Scorer` built.
      controller: the space's controller, which turns decisions into arcs.
      strategy: what chooses arcs.
    """

    arc: Tensor
    training: TrainStep
    scorer: Scorer
    controller: Controller
    strategy: Strategy


def build(config: Any, space: SearchSpace, dataset: Any) -> Graph:
    """Builds the graph of a search. `space` is the `SearchSpace`, `dataset` what its task loaded."""
    controller = space.controller.build(config.controller, config.child, config.run.seed)
    strategy = strategies.build(config.strategy, controller, space.controller.choices(config.child))
    arc = tf.placeholder(tf.int32, controller.arcs.shape[1:], "arc")
    training = space.task.train_step(config, dataset, space.child, arc, shared=True)
    scorer = space.task.Scorer(config, dataset, space.child, arc, shared=True)
    return Graph(arc, training, scorer, controller, strategy)


class Search:
    """A running search. Use `run_search`.

    Args:
      space: the `SearchSpace`.
      context: the `session.RunContext`.
      loop: the `Loop`.
    """

    def __init__(self, space: SearchSpace, context: RunContext, loop: Loop) -> None:
        self.space, self.context, self.loop = space, context, loop
        self.config, self.run, self.graph, self.session = context.config, context.run, context.graph, context.session
        self.metric, self.scorer = context.task.METRIC, context.graph.scorer
        self.budget = budget.of(self.config, space, context.dataset)
        self.graph.training.start(self.session)
        self.scorer.start(self.session, self.graph.strategy.updates(self.session))

    def preferred(self, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """The strategy's preferred arc for each step, keyed by (seed, purpose, step): int32 `[len(steps), ...]`."""
        return self.graph.strategy.preferred(self.session, self.config.run.seed, f"arc/{purpose}", steps)

    def child_arcs(self, steps: Sequence[int], warmup: bool) -> np.ndarray:
        """The arcs that the shared weights train on, one for each step, int32 `[len(steps), ...]`: the strategy's or, in
        the warm-up, drawn without regard to it."""
        if not warmup:
            return self.graph.strategy.propose(self.session, self.config.run.seed, "arc/child", steps)
        choices, seed = self.space.controller.choices(self.config.child), self.config.run.seed
        noise = gumbel.warmup_noise(self.config.controller, seed, "arc/child", steps, choices)
        return self.session.run(self.graph.controller.arcs, {self.graph.controller.noise: noise})

    def train_child(self, epoch: int, unit: int) -> Iterator[None]:
        """A phase: one epoch of the shared weights, each step on a newly sampled arc."""
        training, worker = self.graph.training, self.context.workers.index
        per_epoch, places = training.per_epoch, [self.graph.arc, *training.more_arcs]
        first = epoch * per_epoch
        # Each tower of each worker has arcs of its own.
        numbers = np.arange(first * training.replicas, (first + per_epoch) * training.replicas)
        own = numbers.reshape(per_epoch, -1, len(places))[:, worker].ravel().tolist()
        arcs = self.child_arcs(own, epoch < self.config.controller.warmup_epochs)
        arcs = arcs.reshape(per_epoch, len(places), *arcs.shape[1:])
        feeds = lambda step: dict(zip(places, arcs[step - first], strict=True))  # noqa: E731
        yield from child_epoch(self.loop, self.graph.training, epoch, unit, feeds)

    def train_controller(self, epoch: int, unit: int) -> Iterator[None]:
        """A phase: `--controller_train_steps` updates of the strategy on validation rewards, less what the budget takes; one
        unit is one update. Of several workers each measures `--controller_num_aggregate` rewards, and all learn from all."""
        config, strategy, seed = self.config.controller, self.graph.strategy, self.config.run.seed
        if (epoch + 1) % config.train_every or epoch < config.warmup_epochs:
            return
        self.run.log(f"Epoch {epoch + 1}: Training controller")
        for i in units(unit, config.train_steps, "controller"):
            step = strategy.updates(self.session)
            count = config.num_aggregate * self.context.workers.count
            steps = range(step * count, (step + 1) * count)
            arcs = strategy.propose(self.session, seed, PURPOSE, steps)
            own = self.context.workers.index * config.num_aggregate
            merits = self.loop.shared(self._merits(step, arcs[own : own + config.num_aggregate]))
            rewards = merits - [self._penalty(self._arc(arc)) for arc in arcs]
            # Nothing may stop between here and the yield: the update changes the variables.
            learned = strategy.learn(self.session, seed, steps, rewards)
            if learned.check:
                self.loop.count_bad_step("controller", step + 1, *learned.check)
            if step % max(1, self.config.run.log_every // config.num_aggregate) == 0 or i + 1 == config.train_steps:
                figures = learned.figures | {self._reward_name(): float(merits.mean())}
                if self.budget:
                    built = [self._arc(arc) for arc in arcs]
                    figures["cost"] = float(np.mean([self.budget.cost(arc) for arc in built]))
                    figures["share_on_target"] = self.budget.share_met(built)
                self._log_controller(epoch, step + 1, learned, figures)
            yield

    def _arc(self, values):
        return self.space.arc.for_child(values.reshape(-1), self.config.child)

    def _penalty(self, arc):
        """What an arc's reward loses by its cost; 0 without a budget."""
        return self.budget.penalty(arc) if self.budget else 0.0

    def _merits(self, update, arcs):
        """What the scorer rewards the arcs of an update with, float32."""
        reward = lambda arc: self.scorer.reward(self.session, update, {self.graph.arc: arc})  # noqa: E731
        return np.array(side_by_side(reward, arcs), np.float32)

    def _reward_name(self):
        """The log's name for what the controller is rewarded with."""
        return self.metric.reward if self.scorer.merit == self.metric.name else self.scorer.merit

    def _log_controller(self, epoch, step, learned, figures):
        figures["normalized_entropy"] = learned.normalized_entropy
        cost, reward = "", self._reward_name()
        if self.budget:
            cost = f"cost = {readable(figures['cost']):<7}   on target = {figures['share_on_target']:<4.0%}   "
        self.run.log(
            f"ctrl_step = {step:<6d} {learned.before}{reward} = {figures[reward]:<6.4f}   "
            f"{learned.after}{cost}mins = {self.run.minutes():<.2f}"
        )
        record(self.run, "controller", epoch, step, figures, step=step)

    def score(self, arc: np.ndarray, name: str) -> float:
        """What the scorer says of an arc with the shared weights; see its `score`."""
        return self.scorer.score(self.session, name, {self.graph.arc: arc})

    def _has_scores(self, epoch):
        """The controller has been trained in this epoch, or an evaluation is due, or it is the last."""
        every = self.config.controller.train_every, self.config.run.eval_every_epochs
        return any((epoch + 1) % period == 0 for period in every) or epoch + 1 == self.config.run.num_epochs

    def score_arcs(self, epoch: int, unit: int) -> Iterator[None]:
        """A phase: samples ten arcs and scores each on the same validation data; one unit is one arc. Several workers score
        as many arcs at a time, each its own."""
        if not self._has_scores(epoch):
            return
        if unit == 0:
            self.run.log(f"Here are {SCORED_ARCS} architectures")
        first, at_once = epoch * SCORED_ARCS, self.context.workers.count
        arcs = self.preferred("score", range(first, first + SCORED_ARCS))[unit:]
        for start in range(0, len(arcs), at_once):
            together = arcs[start : start + at_once]
            for values, figures in zip(together, self._figures(together), strict=False):
                self.score_arc(values, "arcs.jsonl", {"epoch": epoch + 1}, figures)
                if self.context.workers.is_chief:
                    self._recommend()
                yield

    def _figures(self, arcs):
        """What the scorer says of one arc for each worker, {name: float} of each; there may be fewer."""
        names, own = (self.metric.name, self.scorer.merit), self.context.workers.index
        figures = dict.fromkeys(names, 0.0)
        if own < len(arcs):
            figures = self.scorer.figures(self.session, "arcs", {self.graph.arc: arcs[own]})
        rows = self.loop.told([figures[name] for name in names])
        return [dict(zip(names, map(float, row), strict=True)) for row in rows]

    def _recommend(self):
        best = recommendation.recommended(self.config.recommendation, self.metric, self.run.read("arcs.jsonl"))
        self.run.write("best_arc.txt", best["arc"] + "\n")

    def score_arc(
        self, values: np.ndarray, file: str, record: dict[str, Any], figures: Mapping[str, float] | None = None
    ) -> None:
        """Scores one arc, logs it, and appends it to a .jsonl file of the run.

        Args:
          figures: what the scorer said of it; None: it is asked.
        """
        arc, merit = self._arc(values), self.scorer.merit
        figures = figures or self.scorer.figures(self.session, "arcs", {self.graph.arc: values})
        score = figures[self.metric.name]
        record = {**record, f"val_{self.metric.name}": score, "arc": str(arc)}
        words = []
        if merit != self.metric.name:
            record[f"val_{merit}"] = figures[merit]
            words = [f"val_{merit} = {figures[merit]:<6.4f}"]
        if self.budget:
            record["cost"] = self.budget.cost(arc)
            words.append(f"{self.config.budget.cost} = {readable(record['cost'])}")
        for line in arc.lines():
            self.run.log(f"[{line}]")
        self.run.log(f"val_{self.metric.short} = {score:<6.4f}")
        if words:
            record["reward"] = figures[merit] - self._penalty(arc)
            self.run.log("   ".join([*words, f"reward = {record['reward']:<.4f}"]))
        self.run.log("-" * 80)
        self.run.append(file, recordable(record))

    def is_over(self) -> bool:
        """An arc has passed --early_stop_over."""
        return recommendation.stopped_early(self.config.recommendation, self.metric, self.run)

    def evaluate(self, epoch: int, _unit: int) -> Iterator[None]:
        """A phase: scores of the epoch's best arc, with the shared weights, on the whole validation and test sets."""
        last = epoch + 1 == self.config.run.num_epochs or self.is_over()
        if not self._has_scores(epoch) or not (last or (epoch + 1) % self.config.run.eval_every_epochs == 0):
            return
        scored = [scored for scored in self.run.read("arcs.jsonl") if scored["epoch"] == epoch + 1]
        best = recommendation.best_of(self.metric, scored)["arc"]
        values = np.reshape(arc_input.integers(best), self.graph.arc.shape)

        def finished(figures):
            log_evaluation(self.run, epoch, figures, arc=best)
            self._show_best(epoch)

        yield from evaluation(self.loop, lambda name: self.score(values, name), finished)

    def _show_best(self, epoch):
        """Gives TensorBoard a picture of the recommended arc if it has been found since the last evaluation."""
        best = recommendation.recommended(self.config.recommendation, self.metric, self.run.read("arcs.jsonl"))
        if best["epoch"] > epoch + 1 - self.config.run.eval_every_epochs:
            arc = self._arc(np.array(arc_input.integers(best["arc"])))
            self.run.events.picture(epoch + 1, self.space, arc, self.config.child)


def run_search(config: Any, space: SearchSpace) -> None:
    """Runs a search to its last epoch, resuming where an earlier process stopped.

    Args:
      config: a `SearchConfig`.
      space: the `SearchSpace`.

    Raises:
      UserError: see `session.run_context` and `Checkpoints`.
      signals.Stopped: a signal came; a checkpoint was saved.
    """
    with session.run_context(
        config,
        "search",
        space.task,
        lambda dataset: build(config, space, dataset),
        values=max(config.controller.num_aggregate, 2),
    ) as context:
        loop = Loop(context)
        search = Search(space, context, loop)
        log_header(context, loop.position)
        if config.recommendation.sampling_only:
            recommendation.sample_more(search)
            return
        run = context.run
        run.remove(recommendation.AT_LIMIT)
        phases = [search.train_child, search.train_controller, search.score_arcs, loop.by_chief(search.evaluate)]
        try:
            loop.epochs(phases, search.is_over)
        except OutOfTime:
            loop.log_out_of_time()
            if context.workers.is_chief:
                recommendation.score_at_limit(search, SCORED_ARCS)
        if context.workers.is_chief:
            recommendation.finish(search)
