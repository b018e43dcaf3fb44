"""Search with a learned predictor of the reward: a Gaussian process over arcs proposes mutants of the best ones.

As in BANANAS (White et al., arXiv 1910.11858, section 3), independent Thompson sampling picks what is tried, among mutants
of the best arcs. The predictor is the exact Gaussian process (Rasmussen and Williams 2006, chapter 2) whose covariance of
two arcs is exp(-h / length), h being the number of decisions that differ: it needs no encoding of a space's own, and holds
interactions of any number of decisions. Length and noise are the likeliest of a grid.
"""

import dataclasses
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from enas.graph.policy import Controller
from enas.options.strategy import StrategyConfig
from enas.randomness import generator
from enas.strategies.population import Population
from enas.strategies.strategy import PURPOSE, Learned
from enas.types import Session

FIRST = 20  # arcs drawn uniformly before the predictor is asked
PARENTS = 10  # best arcs that have mutants
MUTANTS, UNIFORM = 100, 50  # candidates for a proposal: mutants, and arcs drawn uniformly
CHANGE_MORE = 0.5  # probability that a mutant has one more decision changed
LENGTHS, NOISES = (1.0, 2.0, 4.0, 8.0, 16.0), (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FITTED_ON = 150  # as many of the arcs, by which length and noise are chosen
JITTER = 1e-6  # on the diagonal of a covariance, so that rounding leaves it positive


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A Gaussian process, given rewards.

    Attributes:
      decisions: int32 `[members, decisions]`, arcs whose rewards it knows.
      factor: float64 `[members, members]`, lower Cholesky factor of their covariance, noise included.
      weights: float64 `[members]`, what each adds to a prediction for an arc of covariance 1 with it.
      mean: float, of the rewards.
      scale: float, their standard deviation a priori.
      length: of the covariance.
    """

    decisions: np.ndarray
    factor: np.ndarray
    weights: np.ndarray
    mean: float
    scale: float
    length: float

    def predict(self, arcs: np.ndarray) -> np.ndarray:
        """Returns the expected rewards, float64 `[A]`, of arcs' decisions `[A, decisions]`."""
        expected: np.ndarray = self.mean + np.exp(-_differing(arcs, self.decisions) / self.length) @ self.weights
        return expected

    def sample(self, arcs: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draws rewards without noise from what is known of them, jointly: float64 `[A]`, of decisions `[A, decisions]`."""
        shared = solve_triangular(self.factor, np.exp(-_differing(self.decisions, arcs) / self.length), lower=True)
        left = np.exp(-_differing(arcs, arcs).astype(np.float64) / self.length) - shared.T @ shared
        root = cholesky(left + JITTER * np.eye(len(arcs)), lower=True)
        drawn: np.ndarray = self.predict(arcs) + self.scale * root @ random.normal(size=len(arcs))
        return drawn


def fit(decisions: np.ndarray, rewards: np.ndarray) -> Predictor:
    """Fits the predictor.

    Args:
      decisions: int32 `[members, decisions]`.
      rewards: float `[members]`, finite.
    """
    differing, some = _differing(decisions, decisions).astype(np.float64), slice(FITTED_ON)

    def unlikely(pair):
        factor, _, _, scale = _solved(differing[some, some], rewards[some], *pair)
        return len(factor) * np.log(scale) + float(np.sum(np.log(np.diag(factor))))

    length, noise = min(product(LENGTHS, NOISES), key=unlikely)
    factor, weights, mean, scale = _solved(differing, rewards, length, noise)
    return Predictor(decisions, factor, weights, mean, scale, length)


def _solved(differing, rewards, length, noise):
    """(factor, weights, mean, scale) of `Predictor`; `noise` is the variance of a reward over the scale's square."""
    factor = cholesky(np.exp(-differing / length) + noise * np.eye(len(rewards)), lower=True)
    mean = float(np.mean(rewards, dtype=np.float64))
    weights = cho_solve((factor, True), rewards - mean)
    return factor, weights, mean, float(np.sqrt(max((rewards - mean) @ weights / len(rewards), JITTER**2)))


def _differing(some, others):
    """How many decisions differ, float32 `[len(some), len(others)]`: a product of indicators counts those that agree."""
    values = np.arange(1 + max(some.max(), others.max()))
    left, right = ((arcs[..., None] == values).reshape(len(arcs), -1).astype(np.float32) for arcs in (some, others))
    return some.shape[1] - left @ right.T


class PredictorSearch:
    """Proposes mutants of the best arcs that the predictor expects much of, or knows little of.

    Args:
      population: the latest arcs, which the predictor learns from.
    """

    def __init__(self, population: Population) -> None:
        self.population, self.updates = population, population.updates
        self._made: tuple[Any, list[np.ndarray]] = None, []
        self._fitted: tuple[int, Predictor | None] = -1, None

    def propose(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Makes an arc for each step."""
        return self.population.arcs(session, self._decisions(session, seed, purpose, steps))

    def preferred(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Returns winners of tournaments among the latest arcs by what is expected of them, which is less noisy than the
        reward that each had."""
        members = self.expected(session)
        if members is None:
            return self.population.winners(session, seed, purpose, steps)
        found = [self.population.winner(members, generator(seed, purpose, step)) for step in steps]
        return self.population.arcs(session, found)

    def expected(self, session: Session) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns (decisions int32 `[members, decisions]`, expected rewards float64 `[members]`) of the latest arcs; None
        while there are too few to learn from."""
        predictor = self._predictor(session)
        return (predictor.decisions, predictor.predict(predictor.decisions)) if predictor else None

    def _predictor(self, session: Session) -> Predictor | None:
        """The predictor of the latest arcs; None while there are too few. It is fitted once an update."""
        updates = self.updates(session)
        if self._fitted[0] != updates:
            decisions, rewards = self.population.members(session)
            self._fitted = updates, fit(decisions, rewards) if len(rewards) >= FIRST else None
        return self._fitted[1]

    def learn(self, session: Session, seed: int, steps: Sequence[int], rewards: np.ndarray) -> Learned:
        """Adds the arcs to the latest."""
        self.population.add(session, self._decisions(session, seed, PURPOSE, steps), rewards)
        return self.population.learned(rewards, self.population.entropy(session))

    def _decisions(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> list[np.ndarray]:
        # Kept, because `learn` asks for what `propose` has made.
        key = seed, purpose, tuple(steps), self.updates(session)
        if self._made[0] != key:
            self._made = key, self._new_decisions(session, seed, purpose, steps)
        return self._made[1]

    def _new_decisions(self, session, seed, purpose, steps):
        predictor = self._predictor(session)
        if predictor is None:
            return [self.population.uniform(seed, purpose, step) for step in steps]
        decisions = predictor.decisions
        parents = decisions[np.argsort(-predictor.predict(decisions), kind="stable")[:PARENTS]]
        return [self._best(predictor, parents, generator(seed, purpose, step)) for step in steps]

    def _best(self, predictor: Predictor, parents: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The candidate of the highest drawn reward; a new one if there is any."""
        candidates = np.unique(self._candidates(parents, random), axis=0)
        new = candidates[np.min(_differing(candidates, predictor.decisions), axis=1) > 0]
        candidates = new if len(new) else candidates
        best: np.ndarray = candidates[np.argmax(predictor.sample(candidates, random))].astype(np.int32)
        return best

    def _candidates(self, parents: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Mutants and uniform arcs, int `[MUTANTS + UNIFORM, decisions]`; most mutants have one or two decisions changed."""
        choices = self.population.choices
        mutants = parents[random.integers(len(parents), size=MUTANTS)]
        count = random.geometric(1 - CHANGE_MORE, size=(MUTANTS, 1))
        order = np.where(choices > 1, random.random(mutants.shape), np.inf).argsort(axis=1).argsort(axis=1)
        moved = (mutants + random.integers(1, np.maximum(choices, 2), mutants.shape)) % choices
        uniform = random.integers(0, choices, (UNIFORM, len(choices)))
        return np.concatenate([np.where(order < count, moved, mutants), uniform])


def build(config: StrategyConfig, controller: Controller, choices: Sequence[int]) -> PredictorSearch:
    """Builds the strategy."""
    return PredictorSearch(Population(config.strategy_memory, config.strategy_tournament, controller, choices))
