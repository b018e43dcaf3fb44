"""Random search: arcs are drawn uniformly, and the best of the latest are scored (Li and Talwalkar, arXiv 1902.07638)."""

from collections.abc import Sequence

import numpy as np

from enas.graph.policy import Controller
from enas.options.strategy import StrategyConfig
from enas.strategies.population import Population
from enas.strategies.strategy import PURPOSE, Learned
from enas.types import Session


class Random:
    """Proposes uniform arcs, whatever their rewards.

    Args:
      population: the latest arcs.
    """

    def __init__(self, population: Population) -> None:
        self.population = population
        self.updates, self.preferred = population.updates, population.winners

    def propose(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Draws an arc for each step."""
        return self.population.arcs(session, self._decisions(seed, purpose, steps))

    def learn(self, session: Session, seed: int, steps: Sequence[int], rewards: np.ndarray) -> Learned:
        """Adds the arcs to the latest."""
        self.population.add(session, self._decisions(seed, PURPOSE, steps), rewards)
        return self.population.learned(rewards, self.population.highest_entropy)

    def _decisions(self, seed: int, purpose: str, steps: Sequence[int]) -> list[np.ndarray]:
        return [self.population.uniform(seed, purpose, step) for step in steps]


def build(config: StrategyConfig, controller: Controller, choices: Sequence[int]) -> Random:
    """Builds the strategy."""
    return Random(Population(config.strategy_population, config.strategy_tournament, controller, choices))
