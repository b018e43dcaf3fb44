"""The noise that controllers sample arcs with: Gumbel noise, whose argmax over logits plus noise is a sample from their
softmax (the Gumbel-max trick), keyed by (seed, purpose, step). Nothing here imports TensorFlow.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from enas.randomness import generator

# Noise times this drowns all logits: the arcs are drawn uniformly.
UNIFORM = 1e6


def shape(choices: Sequence[int]) -> tuple[int, int]:
    """(decisions, width) of an arc's noise: the decisions, and the most choices any of them has."""
    return len(choices), max(choices)


def noise(seed: int, purpose: str, steps: Sequence[int], choices: Sequence[int]) -> np.ndarray:
    """Returns standard Gumbel noise, one key (seed, purpose, step) per arc.

    Args:
      seed: the run's seed.
      purpose: what the arcs are for.
      steps: a step for each arc.
      choices: of each decision, how many it has.

    Returns:
      float32 `[len(steps), len(choices), max(choices)]`.
    """
    size = shape(choices)
    return np.stack([generator(seed, purpose, step).gumbel(size=size).astype(np.float32) for step in steps])


def warmup_noise(config: Any, seed: int, purpose: str, steps: Sequence[int], choices: Sequence[int]) -> np.ndarray:
    """As `noise`, but so that arcs are drawn uniformly, or fairly: see `fair_noise`.

    Args:
      config: a `ControllerConfig`.
    """
    if config.fair_warmup:
        return fair_noise(seed, purpose, steps, choices)
    return UNIFORM * noise(seed, purpose, steps, choices)


def fair_noise(seed: int, purpose: str, steps: Sequence[int], choices: Sequence[int]) -> np.ndarray:
    """Returns noise that takes each decision through all its choices in a random order, then in another, and so on: in any
    `n` steps from a multiple of `n`, a decision of `n` choices makes each of them once (strict fairness, FairNAS, arXiv
    1907.01845).

    Args:
      seed, purpose, steps, choices: as of `noise`; a step's noise depends on no other step.

    Returns:
      float32 `[len(steps), len(choices), max(choices)]`.
    """
    counts = np.asarray(choices)
    drawn_noise = np.zeros([len(steps), *shape(choices)], np.float32)
    for count in np.unique(counts):
        decisions = np.flatnonzero(counts == count)
        orders: dict[int, np.ndarray] = {}
        for row, step in zip(drawn_noise, steps, strict=True):
            round, turn = divmod(step, int(count))
            if round not in orders:
                drawn = generator(seed, f"{purpose}/fair/{count}", round).random((len(decisions), count))
                orders[round] = np.argsort(drawn, axis=1)
            row[decisions, orders[round][:, turn]] = UNIFORM
    return drawn_noise
