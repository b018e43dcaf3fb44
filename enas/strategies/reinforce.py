"""REINFORCE: the space's LSTM controller, as in ENAS (arXiv 1802.03268, section 2.2)."""

from collections.abc import Sequence

import numpy as np

from enas.graph import gumbel
from enas.graph.policy import Controller
from enas.options.strategy import StrategyConfig
from enas.strategies.strategy import PURPOSE, Learned
from enas.types import Session


class Reinforce:
    """Samples from the controller, and trains it on the rewards.

    Args:
      controller: the space's controller.
      choices: how many choices each decision of an arc has.
    """

    def __init__(self, controller: Controller, choices: Sequence[int]) -> None:
        self.controller, self.choices = controller, choices

    def updates(self, session: Session) -> int:
        """Returns how many updates are done."""
        return int(session.run(self.controller.step))

    def propose(self, session: Session, seed: int, purpose: str, steps: Sequence[int]) -> np.ndarray:
        """Samples an arc for each step."""
        noise = gumbel.noise(seed, purpose, steps, self.choices)
        arcs: np.ndarray = session.run(self.controller.arcs, {self.controller.noise: noise})
        return arcs

    # What the controller samples is what it holds for good.
    preferred = propose

    def learn(self, session: Session, seed: int, steps: Sequence[int], rewards: np.ndarray) -> Learned:
        """Does one update of the controller."""
        made = self.controller
        noise = gumbel.noise(seed, PURPOSE, steps, self.choices)
        (loss, entropy, norm, baseline), finite, _ = session.run(
            [(made.loss, made.entropy, made.grad_norm, made.baseline), made.finite_check.finite, made.train],
            {made.noise: noise, made.rewards: rewards},
        )
        figures = {"loss": loss, "entropy": entropy.mean(), "grad_norm": norm, "reward": rewards.mean()}
        figures = {name: float(value) for name, value in (figures | {"baseline": baseline}).items()}
        normalized = made.normalized(figures["entropy"])
        before = (
            f"loss = {figures['loss']:<7.3f} ent = {figures['entropy']:<5.2f}   lr = {made.lr:<6.4f}   "
            f"|g| = {figures['grad_norm']:<8.4f} "
        )
        after = f"bl = {figures['baseline']:<5.2f}  norm_ent = {normalized:<5.2f}  "
        return Learned(figures, normalized, before, after, (made.finite_check, finite))


def build(_config: StrategyConfig, controller: Controller, choices: Sequence[int]) -> Reinforce:
    """Builds the strategy."""
    return Reinforce(controller, choices)
