"""Options of the evaluation of a search."""

import dataclasses

from enas.errors import UserError
from enas.options import option, other_default


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
        "Arcs that the search's strategy prefers, ranked with the shared weights on the whole validation set, normalised by "
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
    workers: int = option(
        0,
        "Processes of this machine that train arcs, each on its share of the cores. The results do not depend on their "
        "number. 0: this process trains them one after the other.",
        0,
        1024,
        flexible=True,
    )
    scheduler: str = option(
        "",
        "Address of a Dask scheduler, e.g. tcp://host:8786, whose workers train the arcs, in the place of --workers. All of "
        "them see --output_dir.",
        flexible=True,
    )


@dataclasses.dataclass(frozen=True)
class SweepOptions:
    """The searches of a sweep over cost targets, and which arcs of theirs are trained from scratch."""

    cost_targets: str = option("", "Costs to search at, separated by commas, in units of --cost.")
    arcs_per_target: int = option(4, "Arcs of each search that are trained from scratch.", 1, 1000)
    final_epochs: int = option(4, "Epochs of each training from scratch.", 1)
    num_seeds: int = other_default(EvaluationOptions, "num_seeds", 3)
    num_candidates: int = other_default(EvaluationOptions, "num_candidates", 100)

    @property
    def targets(self) -> tuple[float, ...]:
        """`cost_targets` as a tuple of floats.

        Raises:
          UserError: there is none, or one that is no cost.
        """
        try:
            targets = tuple(float(word) for word in self.cost_targets.split(","))
        except ValueError:
            targets = ()
        if not targets or not all(0 < target <= 1e18 for target in targets):
            raise UserError(f"--cost_targets={self.cost_targets}: expected costs separated by commas, e.g. 2e8,5e8,1e9")
        return targets
