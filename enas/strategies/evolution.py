"""Regularized evolution (Real et al., arXiv 1802.01548): the best of some recent arcs has a mutant, and the oldest arc dies.

Rewards are measured with shared weights that go on learning, so an old reward says less than a new one; that arcs die of age
and not of their reward is what keeps old luck from staying.
"""

from collections.abc import Sequence

import numpy as np

from enas.graph.policy import Controller
from enas.options.strategy import StrategyConfig
from enas.randomness import generator
from enas.strategies.population import Population
from enas.strategies.strategy import PURPOSE, Learned
from enas.types import Session

IDENTITY = 0.05  # probability that a mutant is its parent, as in the paper


class Evolution:
    """Proposes mutants of tournament winners, and uniform arcs until the population is full.

    Args:
      population: the arcs that live.
    """

    def __init__(self, population: Population) -> None:
        self.population = population
        self.updates, self.preferred = population.updates, population.winners

    def propose(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Makes an arc for each step."""
        return self.population.arcs(session, self._decisions(session, seed, purpose, steps))

    def learn(self, session: Session, seed: int, steps: Sequence[int], rewards: np.ndarray) -> Learned:
        """Adds the arcs to the population, the oldest of which die."""
        self.population.add(session, self._decisions(session, seed, PURPOSE, steps), rewards)
        return self.population.learned(rewards, self.population.entropy(session))

    def _decisions(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> list[np.ndarray]:
        members = self.population.members(session)
        if len(members[1]) < self.population.size:
            return [self.population.uniform(seed, purpose, step) for step in steps]
        return [self._mutant(members, generator(seed, purpose, step)) for step in steps]

    def _mutant(self, members: tuple[np.ndarray, np.ndarray], random: np.random.Generator) -> np.ndarray:
        """A winner, seldom as it is, else with one of its decisions changed; one without an alternative stays."""
        child, choices = self.population.winner(members, random).copy(), self.population.choices
        if random.random() >= IDENTITY and np.any(choices > 1):
            at = random.choice(np.flatnonzero(choices > 1))
            child[at] = (child[at] + random.integers(1, choices[at])) % choices[at]
        return child


def build(config: StrategyConfig, controller: Controller, choices: Sequence[int]) -> Evolution:
    """Builds the strategy."""
    return Evolution(Population(config.strategy_population, config.strategy_tournament, controller, choices))
