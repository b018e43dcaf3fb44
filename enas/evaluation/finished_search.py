"""A finished search: its arcs and random ones, drawn and scored with its shared weights."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from enas.costs import budget
from enas.errors import UserError
from enas.graph import gumbel
from enas.interfaces import Arc, SearchSpace
from enas.options.config import EvaluationConfig, SearchConfig
from enas.runs import recommendation, search, session
from enas.runs.loop import OutOfTime

RANDOM_DRAWS = 200_000  # random arcs drawn at most, to find some within the budget
DRAWN_AT_ONCE = 500


@contextlib.contextmanager
def open_search(
    of_search: SearchConfig,
    space: SearchSpace,
    settings: EvaluationConfig,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Iterator["Scorer"]:
    """Opens a finished search and yields what scores its arcs.

    Args:
      of_search: the search's config.
      settings: the evaluation's config, whose seed draws the arcs.
      out_of_time: function that says whether the evaluation's time is over.

    Raises:
      UserError: the search is not finished, or see `session.run_context`.
    """
    with session.run_context(
        of_search, "search", space.task, lambda data: search.build(of_search, space, data)
    ) as context:
        restored = context.last.restore(context.session)
        at = restored[1] if restored else {"epoch": 0, "phase": 0, "unit": 0, "minutes": 0.0}
        done, within = at["epoch"], at["phase"] or at["unit"]
        # A search that ends early ends with the epoch of the arc that was good enough, not with that arc.
        early = not within and recommendation.stopped_early(of_search.recommendation, space.task.METRIC, context.run)
        limit = of_search.run.max_minutes
        if done < of_search.run.num_epochs and not early and not 0 < limit <= at["minutes"]:
            raise UserError(
                f"--search_dir={of_search.run.output_dir}: the search has done {done} of {of_search.run.num_epochs} epochs; "
                "finish it first (the same command goes on)"
            )
        yield Scorer(context, space, settings, out_of_time)


class Scorer:
    """Draws arcs from a finished search and scores them with its shared weights.

    Args:
      context: the search's run.
      space: its space.
      settings: the evaluation's config.
      out_of_time: function that says whether the evaluation's time is over.

    Attributes:
      budget: the search's budget; None if it has none.
    """

    def __init__(
        self,
        context: session.RunContext,
        space: SearchSpace,
        settings: EvaluationConfig,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self.search, self.space, self.settings, self.out_of_time = context, space, settings, out_of_time
        self.budget = budget.of(context.config, space, context.dataset)
        context.graph.scorer.start(context.session)

    def sampled(self, count: int, least: int) -> list[Arc]:
        """Takes up to `count` different arcs that the search's strategy prefers.

        Raises:
          UserError: the strategy is so sure of itself that there are less than `least`.
        """
        found = self._drawn(count, 20 * max(count, DRAWN_AT_ONCE), "controller", lambda _: True)
        if len(found) < least:
            raise UserError(
                f"--search_dir={self.search.run.path}: its strategy prefers only {len(found)} different arcs, expected "
                f"at least {least}; ask for fewer, or stop the search earlier"
            )
        return found

    def random(self, count: int) -> list[Arc]:
        """Draws `count` different arcs uniformly at random. Under a budget all are on target, so that they compete with arcs
        of the same cost.

        Raises:
          UserError: there are too few such arcs.
        """
        met = self.budget.met if self.budget else lambda _: True
        found = self._drawn(count, RANDOM_DRAWS, "random", met, uniform=True)
        if len(found) < count:
            raise UserError(
                f"--cost_target={self.search.config.budget.cost_target:g} of the search: of {RANDOM_DRAWS:,} random arcs "
                f"only {len(found)} cost about as much, expected {count}"
            )
        return found

    def _drawn(
        self, count: int, most: int, purpose: str, wanted: Callable[[Arc], bool], uniform: bool = False
    ) -> list[Arc]:
        """Returns the first `count` different wanted arcs among at most `most` draws."""
        found: dict[str, Arc] = {}
        for first in range(0, most, DRAWN_AT_ONCE):
            for arc in self._draws(range(first, first + DRAWN_AT_ONCE), purpose, uniform):
                if wanted(arc):
                    found.setdefault(str(arc), arc)
            if len(found) >= count:
                break
        return list(found.values())[:count]

    def _draws(self, steps: Sequence[int], purpose: str, uniform: bool = False) -> list[Arc]:
        """Draws one arc for each step."""
        graph, child, seed = self.search.graph, self.search.config.child, self.settings.run.seed
        if uniform:
            choices = self.space.controller.choices(child)
            noise = gumbel.UNIFORM * gumbel.noise(seed, f"evaluation/{purpose}", steps, choices)
            drawn = self.search.session.run(graph.controller.arcs, {graph.controller.noise: noise})
        else:
            drawn = graph.strategy.preferred(self.search.session, seed, f"evaluation/{purpose}", steps)
        return [self.space.arc.for_child(values.reshape(-1), child) for values in drawn]

    def share_on_target(self) -> float | None:
        """Returns the share of arcs sampled from the controller, repeated ones too, that are on target; None without a
        budget."""
        if self.budget:
            return self.budget.share_met(self._draws(range(DRAWN_AT_ONCE), "controller"))
        return None

    def score(self, arcs: Iterable[Arc], title: str) -> list[dict[str, Any]]:
        """Scores arcs on the whole validation set.

        Args:
          title: the group of the arcs, e.g. "random".

        Returns:
          For each arc {"group", "arc": its string, "shared_accuracy", "reward"}, under a budget also "cost_over_target" and
          "on_target".

        Raises:
          OutOfTime: the evaluation's time is over.
        """
        graph, scored = self.search.graph, []
        for arc in tqdm(arcs, f"scoring {title} arcs", disable=None, leave=False):
            if self.out_of_time():
                raise OutOfTime
            values = np.reshape(arc.to_list(), graph.arc.shape)
            accuracy = graph.scorer.score(self.search.session, "valid", {graph.arc: values})
            record = {"group": title, "arc": str(arc), "shared_accuracy": accuracy, "reward": accuracy}
            if self.budget:
                record["reward"] -= self.budget.penalty(arc)
                record["cost_over_target"] = self.budget.cost(arc) / self.budget.config.cost_target
                record["on_target"] = self.budget.met(arc)
            scored.append(record)
        return scored
