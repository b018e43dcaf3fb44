"""A finished search: its arcs and random ones, drawn and scored with its shared weights."""

import contextlib

import numpy as np
from tqdm import tqdm

from enas.costs import budget
from enas.errors import UserError
from enas.graph import gumbel
from enas.options import config
from enas.runs import recommendation, search, session
from enas.runs.metadata import stored_values

RANDOM_DRAWS = 200_000  # random arcs drawn at most, to find some within the budget
DRAWN_AT_ONCE = 500


def config_of(search_dir, space):
    """The `SearchConfig` of a search, by its run directory.

    Raises:
      UserError: there is no search.
    """
    stored = stored_values(search_dir)
    if stored is None or stored.get("kind") != "search":
        raise UserError(f"--search_dir={search_dir}: expected the run directory of a search")
    values = {**config.completed(space.search_config, stored), "output_dir": search_dir, "reset_output_dir": False}
    return config.from_values(space.search_config, values)


@contextlib.contextmanager
def open_search(of_search, space, settings):
    """Opens a search that is finished, a `SearchConfig`; yields its `Scorer`.

    Raises:
      UserError: it is not finished, or see `session.run_context`.
    """
    with session.run_context(
        of_search, "search", space.task, lambda data: search.build(of_search, space, data)
    ) as context:
        restored = context.last.restore(context.session)
        at = restored[1] if restored else {"epoch": 0, "phase": 0, "unit": 0}
        done, within = at["epoch"], at["phase"] or at["unit"]
        # A search that ends early ends with an epoch, not with the arc that was good enough.
        early = not within and recommendation.stopped_early(of_search.recommendation, space.task.METRIC, context.run)
        if done < of_search.run.num_epochs and not early:
            raise UserError(
                f"--search_dir={of_search.run.output_dir}: the search has done {done} of {of_search.run.num_epochs} epochs; "
                "finish it first (the same command goes on)"
            )
        yield Scorer(context, space, settings)


class Scorer:
    """Draws arcs from a finished search and scores them with its shared weights."""

    def __init__(self, context, space, settings):
        self.search, self.space, self.settings = context, space, settings
        self.budget = budget.of(context.config, space, context.dataset)
        context.graph.scorer.start(context.session)

    def sampled(self, count, least):
        """Up to `count` different arcs sampled from the controller.

        Raises:
          UserError: it is so sure of itself that there are not even `least`.
        """
        found = self._drawn(count, 20 * max(count, DRAWN_AT_ONCE), "controller", lambda _: True)
        if len(found) < least:
            raise UserError(
                f"--search_dir={self.search.run.path}: its controller samples only {len(found)} different arcs, expected "
                f"at least {least}; ask for fewer, or stop the search earlier"
            )
        return found

    def random(self, count):
        """`count` different uniformly random arcs; under a budget such as cost within `budget.TOLERANCE` of the target, so
        that they compete with arcs of the same cost.

        Raises:
          UserError: there are too few such arcs.
        """
        met = self.budget.met if self.budget else lambda _: True
        found = self._drawn(count, RANDOM_DRAWS, "random", met, gumbel.UNIFORM)
        if len(found) < count:
            raise UserError(
                f"--cost_target={self.search.config.budget.cost_target:g} of the search: of {RANDOM_DRAWS:,} random arcs "
                f"only {len(found)} cost about as much, expected {count}"
            )
        return found

    def _drawn(self, count, most, purpose, wanted, noise_scale=1.0):
        """The first `count` different wanted arcs among at most `most` draws."""
        found = {}
        for first in range(0, most, DRAWN_AT_ONCE):
            for arc in self._draws(range(first, first + DRAWN_AT_ONCE), purpose, noise_scale):
                if wanted(arc):
                    found.setdefault(str(arc), arc)
            if len(found) >= count:
                break
        return list(found.values())[:count]

    def _draws(self, steps, purpose, noise_scale=1.0):
        """One arc for each step."""
        controller, child = self.search.graph.controller, self.search.config.child
        choices = self.space.controller.choices(child)
        noise = gumbel.noise(self.settings.run.seed, f"evaluation/{purpose}", steps, choices)
        drawn = self.search.session.run(controller.arcs, {controller.noise: noise * noise_scale})
        return [self.space.arc.for_child(values.reshape(-1), child) for values in drawn]

    def share_on_target(self):
        """Share of arcs sampled from the controller, repeated ones too, that meet the budget; None without one."""
        if self.budget:
            return self.budget.share_met(self._draws(range(DRAWN_AT_ONCE), "controller"))
        return None

    def score(self, arcs, title):
        """Scores arcs on the whole validation set; a list of dicts; under a budget also what they cost."""
        graph, scored = self.search.graph, []
        for arc in tqdm(arcs, f"scoring {title} arcs", disable=None, leave=False):
            values = np.reshape(arc.to_list(), graph.arc.shape)
            accuracy = graph.scorer.score(self.search.session, "valid", {graph.arc: values})
            record = {"group": title, "arc": str(arc), "shared_accuracy": accuracy, "reward": accuracy}
            if self.budget:
                record["reward"] -= self.budget.penalty(arc)
                record["cost_over_target"] = self.budget.cost(arc) / self.budget.config.cost_target
                record["on_target"] = self.budget.met(arc)
            scored.append(record)
        return scored
