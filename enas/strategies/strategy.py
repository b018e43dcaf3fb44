"""What a strategy supplies: the whole interface between it and a search. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from enas.types import Session

PURPOSE = "arc/controller"  # of the arcs that are rewarded


@dataclasses.dataclass(frozen=True)
class Learned:
    """What came of an update.

    Attributes:
      figures: {name: float} for the records. "reward", the mean reward, is among them, and "entropy" where there is one: how
        undecided the strategy is, in nats an arc.
      normalized_entropy: the entropy on a scale from 0, decided, to 1, undecided; NaN where unknown.
      before, after: words for the log line, before and after the mean figure of merit.
      check: a `finite_check.FiniteCheck` of the update, with its value; None where nothing can go wrong.
    """

    figures: dict[str, float]
    normalized_entropy: float
    before: str
    after: str
    check: tuple[Any, np.ndarray] | None = None


class Strategy(Protocol):
    """Proposes arcs and takes their rewards.

    What it knows is in variables of the graph, so that checkpoints hold it, and every draw is keyed by (seed, purpose,
    step): a search that was stopped and resumed is the search that was never stopped. Arcs are int32 `[len(steps), ...]`,
    each in the shape the space's child takes.
    """

    def updates(self, session: Session, /) -> int:
        """Returns how many updates are done."""
        ...

    def propose(self, session: Session, seed: int, purpose: str, steps: Sequence[int], /) -> np.ndarray:
        """Returns an arc to try for each step: for the training of the shared weights, and for rewards."""
        ...

    def preferred(self, session: Session, seed: int, purpose: str, steps: Sequence[int], /) -> np.ndarray:
        """Returns an arc that may be the best for each step: these are scored, and one of them is recommended."""
        ...

    def learn(self, session: Session, seed: int, steps: Sequence[int], rewards: np.ndarray, /) -> Learned:
        """Does one update, which changes variables in one run of the session.

        Args:
          steps: of the arcs; `propose` with `PURPOSE` gave them, and still does.
          rewards: float `[len(steps)]`; one that is not finite teaches nothing.
        """
        ...
