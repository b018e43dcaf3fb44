"""Recent arcs with their rewards, which strategies without a controller learn from.

An arc is kept as its decisions, one integer each below the number of its choices; the space's controller, fed noise that is
huge at them, turns them into the arc. So this works for every space.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import gumbel, layers
from enas.graph.policy import Controller
from enas.randomness import generator
from enas.strategies.strategy import Learned
from enas.types import Session


class Population:
    """The newest arcs, at most `size`; they are variables of the graph.

    Args:
      size: how many arcs are kept; the oldest leaves for the newest.
      tournament: how many of them compete to be a winner.
      controller: the space's controller.
      choices: how many choices each decision of an arc has.
    """

    def __init__(self, size: int, tournament: int, controller: Controller, choices: Sequence[int]) -> None:
        self.size, self.tournament, self.controller = size, tournament, controller
        self.choices = np.asarray(choices)
        with tf.variable_scope("strategy"):
            shape = [size, len(choices)]
            self.decisions = tf.get_variable("decisions", shape, tf.int32, tf.zeros_initializer(), trainable=False)
            self.rewards = tf.get_variable("rewards", [size], tf.float32, tf.zeros_initializer(), trainable=False)
            self.added, self.step = layers.counter("added"), layers.counter("step")
        self.fed = [tf.placeholder(v.dtype.base_dtype, v.shape) for v in (self.decisions, self.rewards, self.added)]
        variables = (self.decisions, self.rewards, self.added)
        self.assigned = [v.assign(fed) for v, fed in zip(variables, self.fed, strict=True)]
        self.counted = self.step.assign_add(1)

    def members(self, session: Session) -> tuple[np.ndarray, np.ndarray]:
        """Returns decisions int32 `[members, decisions]` and rewards float32 `[members]` of the arcs that are kept."""
        decisions, rewards, added = session.run([self.decisions, self.rewards, self.added])
        count = min(int(added), self.size)
        return decisions[:count], rewards[:count]

    def uniform(self, seed: int, purpose: str, step: int) -> np.ndarray:
        """Draws the decisions of an arc uniformly, int32 `[decisions]`."""
        return generator(seed, purpose, step).integers(0, self.choices).astype(np.int32)

    def winner(self, members: tuple[np.ndarray, np.ndarray], random: np.random.Generator) -> np.ndarray:
        """Draws `tournament` different members, or all if there are no more, and returns the best one's decisions."""
        decisions, rewards = members
        drawn = random.choice(len(rewards), min(self.tournament, len(rewards)), replace=False)
        best: np.ndarray = decisions[drawn[np.argmax(rewards[drawn])]]
        return best

    def winners(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Returns the arc of a winner for each step, drawn uniformly while there is no member."""
        members = self.members(session)
        if not len(members[1]):
            return self.arcs(session, [self.uniform(seed, purpose, step) for step in steps])
        return self.arcs(session, [self.winner(members, generator(seed, purpose, step)) for step in steps])

    def arcs(self, session: Session, decisions: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the arcs, int32 `[A, ...]`, of decisions, each int32 `[decisions]`."""
        noise = np.zeros([len(decisions), *gumbel.shape(self.choices.tolist())], np.float32)
        np.put_along_axis(noise, np.asarray(decisions)[..., None], gumbel.UNIFORM, axis=2)
        found: np.ndarray = session.run(self.controller.arcs, {self.controller.noise: noise})
        return found

    def updates(self, session: Session) -> int:
        """Returns how many updates are done."""
        return int(session.run(self.step))

    def add(self, session: Session, decisions: Sequence[np.ndarray], rewards: np.ndarray) -> None:
        """Adds the arcs of an update, less those whose reward is not finite, in one run of the session."""
        kept, kept_rewards, added = map(np.array, session.run([self.decisions, self.rewards, self.added]))
        for values, reward in zip(decisions, rewards, strict=True):
            if np.isfinite(reward):
                kept[added % self.size], kept_rewards[added % self.size] = values, reward
                added += 1
        fed: dict[Any, Any] = dict(zip(self.fed, (kept, kept_rewards, added), strict=True))
        session.run([*self.assigned, self.counted], fed)

    @property
    def highest_entropy(self) -> float:
        """The entropy of a uniform draw, nats an arc."""
        return float(np.sum(np.log(self.choices)))

    def entropy(self, session: Session) -> float:
        """Adds up the entropies of the members' choices over the decisions, nats."""
        total, decisions = 0.0, self.members(session)[0]
        for column, count in zip(decisions.T, self.choices, strict=True):
            p = np.bincount(column, minlength=count) / max(1, len(column))
            total -= float(np.sum(p[p > 0] * np.log(p[p > 0])))
        return total

    def learned(self, rewards: np.ndarray, entropy: float) -> Learned:
        """Says what came of an update with these rewards.

        Args:
          entropy: of the strategy now, nats an arc.
        """
        figures = {"entropy": entropy, "reward": float(rewards.mean())}
        normalized = entropy / self.highest_entropy if self.highest_entropy else 0.0
        return Learned(figures, normalized, f"ent = {entropy:<5.2f}   ", f"norm_ent = {normalized:<5.2f}  ")
