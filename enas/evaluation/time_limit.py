"""The time limit of an evaluation, and the best arc that it knows when the time is over."""

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol

from enas import files
from enas.runs.run_directory import RunDirectory

SPENT = "spent.json"


class Clock:
    """The time that an evaluation has spent, over all its processes.

    Args:
      run: the evaluation's run directory.
      limit: minutes; 0 for no limit.
    """

    def __init__(self, run: RunDirectory, limit: float) -> None:
        self.run, self.limit = run, limit
        run.earlier_minutes = (files.read_json(run.file(SPENT)) or {"minutes": 0.0})["minutes"]

    def out_of_time(self) -> bool:
        """Says whether the time is over."""
        return bool(self.limit) and self.run.minutes() >= self.limit

    def keep(self) -> None:
        """Stores the time spent so far, with what it was spent on."""
        self.run.write(SPENT, json.dumps({"minutes": self.run.minutes()}) + "\n")


class Finalists(Protocol):
    """The short trainings of an evaluation, `trainings.Trainings`."""

    settings: Any

    def is_done(self, name: str, seed: int) -> bool: ...

    def results(self, name: str, seed: int) -> dict[str, Any]: ...


def rank(arc: Mapping[str, Any], accuracy: float) -> tuple[bool, float]:
    """Returns what is lower for better arcs. Under a budget arcs on target come first, as random ones all are, and the cost
    counts as it did in the search."""
    penalty = arc["shared_accuracy"] - arc["reward"]
    return not arc.get("on_target", True), penalty - accuracy


def best_so_far(ranked: Mapping[str, Any], finalists: Finalists) -> tuple[str, str]:
    """Returns (arc, what it is the best by): of the finalists that are trained, else of the controller's candidates."""
    candidates = ranked["controller"][: finalists.settings.evaluation.num_finalists]
    seed = finalists.settings.run.seed
    trained = [
        (rank(arc, finalists.results(f"finalist-{i}", seed)["valid_accuracy"]), arc["arc"])
        for i, arc in enumerate(candidates)
        if finalists.is_done(f"finalist-{i}", seed)
    ]
    if trained:
        return min(trained)[1], f"of {len(trained)} finalists trained from scratch"
    return candidates[0]["arc"], "by the search's shared weights"


def finish(run: RunDirectory, finalists: Finalists, clock: Clock) -> None:
    """Logs that the time is over and how to go on, and writes the best arc so far to best_arc.txt."""
    ranked = files.read_json(run.file("candidates.json"))
    if ranked:
        arc, reason = best_so_far(ranked, finalists)
    else:
        # Nothing is measured yet, so what the search recommends still stands.
        with open(os.path.join(finalists.settings.evaluation.search_dir, "best_arc.txt"), encoding="utf-8") as file:
            arc, reason = file.read().strip(), "by the search itself"
    run.write("best_arc.txt", arc + "\n")
    run.log(f"best arc so far, {reason}: {arc}")
    run.log(
        f"time is over: {run.minutes():.2f} minutes spent of --max_minutes={clock.limit:g}; run the same command with a "
        f"larger --max_minutes to go on (--output_dir={run.path})"
    )
