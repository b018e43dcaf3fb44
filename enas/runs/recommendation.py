"""What comes of a search: when it is over, the arc it recommends, and more arcs of its controller."""

import shlex
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from enas import programs, signals
from enas.errors import UserError
from enas.interfaces import SearchSpace
from enas.metric import Metric, shown
from enas.options import arc_input
from enas.options.config import RecommendationConfig, given_flags
from enas.runs.run_directory import RunDirectory

SAMPLED_AT_ONCE = 1000
AT_LIMIT = "limit_arcs.jsonl"


class RunningSearch(Protocol):
    """What a recommendation needs of a search that runs, `search.Search`."""

    config: Any
    run: RunDirectory
    metric: Metric
    space: SearchSpace
    loop: Any

    def preferred(self, purpose: str, steps: Sequence[int]) -> np.ndarray: ...

    def score_arc(self, values: np.ndarray, file: str, record: dict[str, Any]) -> None: ...

    def is_over(self) -> bool: ...


def stopped_early(config: RecommendationConfig, metric: Metric, run: RunDirectory) -> bool:
    """An arc of the run has passed --early_stop_over."""
    return bool(config.early_stop_over) and passed(config, metric, run.read("arcs.jsonl"))


def passed(config: RecommendationConfig, metric: Metric, scored: list[dict[str, Any]]) -> bool:
    """One of these records of scored arcs has passed --early_stop_over."""
    limit = config.early_stop_over
    return bool(limit) and any(
        metric.goodness(record[f"val_{metric.name}"]) > metric.goodness(limit) for record in scored
    )


def best_of(metric: Metric, scored: list[dict[str, Any]]) -> dict[str, Any]:
    """The best of the records of scored arcs, under a budget by their reward; the newest of several."""

    def merit(record):
        return record["reward"] if "reward" in record else metric.goodness(record[f"val_{metric.name}"])

    return max(scored, key=lambda record: (merit(record), record["epoch"]))


def recommended(config: RecommendationConfig, metric: Metric, scored: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of the arc that --select_strategy recommends; `scored` are the records of all scored arcs."""
    if config.select_strategy == "last":
        scored = [record for record in scored if record["epoch"] == scored[-1]["epoch"]]
    return best_of(metric, scored)


def sample_more(search: RunningSearch) -> None:
    """Samples and scores --num_sampling more arcs; none is sampled twice, however often this runs.

    Raises:
      UserError: no epoch of the search is finished yet.
      signals.Stopped: a signal came; what was sampled is kept.
    """
    run, options, metric = search.run, search.config.recommendation, search.metric
    if not search.loop.position.epoch:
        raise UserError(f"--output_dir={run.path}: the search has not finished its first epoch yet")
    run.cut_torn("sampled_arcs.jsonl")
    first = len(run.read("sampled_arcs.jsonl"))
    try:
        for number, values in _more(search, range(first, first + options.num_sampling)):
            signals.check()
            search.score_arc(values, "sampled_arcs.jsonl", {"epoch": search.loop.position.epoch, "number": number})
    except signals.Stopped as stopped:
        stopped.tell(
            run,
            f"after {number - first} of {options.num_sampling} sampled arcs, which are kept in "
            f"{run.file('sampled_arcs.jsonl')}; the same command samples {options.num_sampling} more",
        )
        raise
    best = best_of(metric, run.read("sampled_arcs.jsonl")[first:])
    run.log(f"best of {options.num_sampling} sampled arcs: {best['arc']}")
    _log_merits(search, best)
    _hand_over(search, best)


def _log_merits(search, best):
    """Logs what the best arc is the best by: its score, or under a budget its reward."""
    name = f"val_{search.metric.name}"
    search.run.log(f"best_{name}: {shown(best[name])}")
    if "reward" in best:
        search.run.log(f"best_reward: {best['reward']:.4f} (the best arc is the one of the highest reward, not {name})")


def _more(search, numbers):
    """Yields (number, the arc sampled for it)."""
    for at in range(0, len(numbers), SAMPLED_AT_ONCE):
        block = numbers[at : at + SAMPLED_AT_ONCE]
        yield from zip(block, search.preferred("more", block), strict=True)


def _hand_over(search, best):
    if search.config.recommendation.recommended_arch:
        arc = search.space.arc.for_child(arc_input.integers(best["arc"]), search.config.child)
        arc_input.write(search.config.recommendation.recommended_arch, arc)


def score_at_limit(search: RunningSearch, count: int) -> None:
    """Scores arcs of the controller as it is when the time is over, into a file of their own: a search that goes on with a
    larger limit knows nothing of them.

    Raises:
      signals.Stopped: a signal came.
    """
    try:
        for values in search.preferred("limit", range(count)):
            signals.check()
            search.score_arc(values, AT_LIMIT, {"epoch": search.loop.position.epoch + 1})
    except signals.Stopped as stopped:
        stopped.tell(search.run, "while the last arcs were scored; the same command scores them again")
        raise


def finish(search: RunningSearch) -> None:
    """Logs the recommended arc and what to do with it."""
    run, metric, space = search.run, search.metric, search.config.space
    scored = run.read("arcs.jsonl") + run.read(AT_LIMIT)
    if not scored:
        raise UserError("--num_epochs: the search ended before its first controller phase")
    best = recommended(search.config.recommendation, metric, scored)
    run.write("best_arc.txt", best["arc"] + "\n")
    _hand_over(search, best)
    if search.is_over():
        run.log(f"an arc has passed --early_stop_over={search.config.recommendation.early_stop_over}")
    run.log(f"best arc: {best['arc']}")
    _log_merits(search, best)
    ended = "ended by its time limit after" if run.read(AT_LIMIT) else "finished in"
    run.log(
        f"search {ended} {run.minutes():.2f} minutes; next, with this search's data and child: "
        f"{retraining(space, search.config, run.file('best_arc.txt'))}"
    )


def retraining(space: str, config: Any, arc_file: str) -> str:
    """The command that trains the arc in a file from scratch, with the data and the child of these settings."""
    command = [*programs.command("train_fixed_arc"), f"--space={space}", f"--arc_file={arc_file}"]
    return shlex.join(command + given_flags(config, ("data", "child")))
