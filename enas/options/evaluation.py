"""Options of the evaluation of a search."""

import dataclasses

from enas.options import option


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """Which arcs of a search are trained from scratch, and for how long."""

    search_dir: str = option("", "Run directory of the finished search.")
    num_arcs: int = option(
        20, "Arcs trained from scratch in all: one half the controller's, the other uniformly random.", 4, 1000
    )
    num_seeds: int = option(3, "Trainings of each arc, with seeds --seed, --seed + 1, ...", 1, 100)
    num_candidates: int = option(
        100,
        "Arcs sampled from the controller and ranked with the shared weights on the whole validation set, normalised by "
        "the statistics of each arc's own batches.",
        2,
        100_000,
    )
    num_finalists: int = option(
        20,
        "The best of the candidates, trained from scratch for --finalist_epochs; the best of these by validation accuracy "
        "are the controller's arcs, the very best of them the choice (best_arc.txt).",
        2,
        10_000,
    )
    finalist_epochs: int = option(1, "Epochs each finalist is trained.", 1)
