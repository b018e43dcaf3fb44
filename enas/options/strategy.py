"""Options of how a search chooses arcs."""

import dataclasses

from enas.options import option

# The values of --strategy. `strategies.register` adds to them.
STRATEGIES = ["reinforce", "random", "evolution", "predictor"]


@dataclasses.dataclass(frozen=True)
class StrategyConfig:
    """What chooses arcs and learns from their rewards."""

    strategy: str = option(
        "reinforce",
        "What chooses arcs. reinforce: the LSTM controller; random: uniform draws, for comparison; evolution: mutants of "
        "the best of some recent arcs (regularized evolution, arXiv 1802.01548); predictor: mutants that a Gaussian process "
        "over the latest arcs expects much of (as BANANAS, arXiv 1910.11858). The --controller_ flags say to all of them "
        "how many arcs an update has, and how many updates there are when; the others are reinforce's.",
        choices=STRATEGIES,
    )
    strategy_population: int = option(
        50,
        "Recent arcs, with their rewards, that random and evolution keep; the oldest leaves for the newest. Paper: 100.",
        2,
        10_000,
    )
    strategy_tournament: int = option(
        10,
        "Arcs drawn from these (all, where there are fewer), of which the one of the highest reward is scored, or has a "
        "mutant. Paper: 25.",
        1,
        10_000,
    )
    strategy_memory: int = option(
        500,
        "Recent arcs, with their rewards, that predictor learns from; the oldest leaves for the newest. A proposal takes "
        "time as their square, an update as their cube.",
        20,
        5_000,
    )
