"""Hill climbing: the best arc so far has neighbours, and the best of them takes its place."""

from collections.abc import Sequence

import numpy as np

from enas.graph.policy import Controller
from enas.options.strategy import StrategyConfig
from enas.randomness import generator
from enas.strategies.population import Population
from enas.strategies.strategy import PURPOSE, Learned
from enas.types import Session


class Climbing:
    """Proposes arcs that differ from the best one in one decision. The first arc is drawn uniformly."""

    def __init__(self, best: Population) -> None:
        self.best = best
        self.updates, self.preferred = best.updates, best.winners

    def propose(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Makes a neighbour of the best arc for each step."""
        return self.best.arcs(session, self._neighbours(session, seed, purpose, steps))

    def learn(self, session: Session, seed: int, steps: Sequence[int], rewards: np.ndarray) -> Learned:
        """Puts the best of the update's arcs in the place of the best so far, if it is better."""
        neighbours = self._neighbours(session, seed, PURPOSE, steps)
        _, known = self.best.members(session)
        finite = np.where(np.isfinite(rewards), rewards, -np.inf)
        top = int(np.argmax(finite))
        better = not len(known) or finite[top] > known[0]
        self.best.add(session, [neighbours[top]] if better else [], rewards[[top]] if better else [])
        return self.best.learned(rewards, 0.0)

    def _neighbours(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> list[np.ndarray]:
        decisions, _ = self.best.members(session)
        return [self._neighbour(decisions, seed, purpose, step) for step in steps]

    def _neighbour(self, best: np.ndarray, seed: int, purpose: str, step: int) -> np.ndarray:
        drawn = self.best.uniform(seed, purpose, step)
        if not len(best):
            return drawn
        # One decision is as it was drawn, the others are the best arc's.
        changed = best[0].copy()
        at = generator(seed, f"{purpose}/climbing", step).integers(len(changed))
        changed[at] = drawn[at]
        return changed


def build(_config: StrategyConfig, controller: Controller, choices: Sequence[int]) -> Climbing:
    """Builds the strategy. Its population is the best arc alone."""
    return Climbing(Population(1, 1, controller, choices))
