"""How far a run is, what is best in it, and the commands that go on from there. Nothing here imports TensorFlow."""

import dataclasses
import glob
import os
import shlex
from typing import Any

from enas import programs
from enas.options import config
from enas.report.stored_run import Record, StoredRun
from enas.runs import metadata, recommendation, stored_settings


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
      finished: nothing is left to do.
      words: how far it is, in a few words.
    """

    finished: bool
    words: str


def of(run: StoredRun) -> Progress:
    """Says how far a run is."""
    return _of_evaluation(run) if run.kind == "evaluation" else _of_epochs(run)


def _of_epochs(run):
    wanted, done = run.config.run.num_epochs, run.position.get("epoch", 0)
    if run.kind == "search" and done < wanted and _ended_early(run):
        return Progress(True, f"finished early, after epoch {done} of {wanted}")
    if done >= wanted and (run.kind == "search" or run.results):
        return Progress(True, f"finished, {wanted} epochs")
    if _time_is_over(run):
        words = f"stopped by its time limit of {run.config.run.max_minutes:g} minutes, in epoch {min(done + 1, wanted)}"
        return Progress(False, f"{words} of {wanted}")
    if not run.metrics:
        return Progress(False, f"no step of {wanted} epochs recorded yet")
    return Progress(False, f"unfinished, in epoch {min(done + 1, wanted)} of {wanted}")


def _time_is_over(run):
    return 0 < run.config.run.max_minutes <= run.position.get("minutes", 0.0)


def _ended_early(run):
    """The search has ended with the epoch of an arc that was good enough."""
    if run.position.get("phase") or run.position.get("unit"):
        return False
    return recommendation.passed(run.config.recommendation, run.space.metric, _searched(run))


def _of_evaluation(run):
    options = run.config.evaluation
    wanted = min(options.num_finalists, options.num_candidates) + options.num_arcs * options.num_seeds
    done = len(glob.glob(os.path.join(glob.escape(run.path), "trainings", "*", "results.json")))
    if run.report:
        return Progress(True, f"finished, {done} trainings")
    over = (
        f"stopped by its time limit of {run.config.run.max_minutes:g} minutes" if _time_is_over(run) else "unfinished"
    )
    return Progress(False, f"{over}, {done} of {wanted} trainings done")


def best(run: StoredRun) -> Record | None:
    """Returns the record of the run's best arc: the one a search recommends, an evaluation chose, or a training trains. None
    while there is none."""
    if run.kind == "search":
        scored = _searched(run) or run.arcs
        return recommendation.recommended(run.config.recommendation, run.space.metric, scored) if scored else None
    if run.kind == "training":
        return {"arc": run.config.arc.child_fixed_arc} if run.config.arc.child_fixed_arc else None
    if run.report and run.report.get("arcs"):
        chosen: Record = run.report["arcs"][0]
        return chosen
    return None


def _searched(run):
    """The records of arcs.jsonl; those of --sampling_only have numbers."""
    return [record for record in run.arcs if "number" not in record]


def figures(run: StoredRun) -> dict[str, float]:
    """Returns {name: value} of the best validation and test figures known of a run: a search's of the weights its arcs
    share."""
    name = run.space.metric.name
    if run.report:
        return {f"test {name}": run.report["best_arc_accuracy"]}
    evaluated = [record for record in run.of("eval") if record.get(f"valid_{name}") is not None]
    best_one = max(evaluated, key=lambda record: run.space.metric.goodness(record[f"valid_{name}"]), default={})
    of_search = ", shared weights" if run.kind == "search" else ""
    return {
        f"{words} {name}{of_search}": value
        for part, words in (("valid", "validation"), ("test", "test"))
        if (value := (run.results or best_one).get(f"{part}_{name}")) is not None
    }


def commands(run: StoredRun) -> list[tuple[str, str]]:
    """Returns (what for, command) of what can be done next, the likeliest first."""
    arc_file = os.path.join(run.path, "best_arc.txt")
    if not of(run).finished:
        if not _time_is_over(run):
            return [("Go on with this run", _again(run))]
        longer = [("Go on with a larger limit", _again(run, max_minutes=2 * run.config.run.max_minutes))]
        return longer + ([_retraining(run, arc_file)] if run.kind == "search" else [])
    if run.kind == "training":
        evaluate = [*programs.command("train_fixed_arc"), f"--output_dir={run.path}", "--eval_only"]
        confusion = [] if run.confusion else [("See what the network gets wrong", shlex.join(evaluate))]
        return [*confusion, ("Train for longer", _again(run, num_epochs=2 * run.config.run.num_epochs))]
    next_one = [_retraining(run, arc_file)]
    if run.kind == "search":
        if run.space.evaluation_config:
            words = [*programs.command("evaluate_search"), f"--space={run.space.name}", f"--search_dir={run.path}"]
            next_one.append(("Compare its arcs with random ones", shlex.join(words)))
        next_one.append(("Search for longer", _again(run, num_epochs=2 * run.config.run.num_epochs)))
    return next_one


def _retraining(run: StoredRun, arc_file: str) -> tuple[str, str]:
    command = recommendation.retraining(run.space.name, run.config, arc_file)
    if run.kind == "evaluation":
        # The schedule of the learning rate is made for so many.
        command += f" --num_epochs={run.config.run.num_epochs}"
    return "Train the best arc from scratch", command


def _again(run: StoredRun, **changes: Any) -> str:
    """The command of a run, with its settings changed."""
    program = {"training": "train_fixed_arc", "evaluation": "evaluate_search"}.get(run.kind, f"search_{run.space.name}")
    settings = config.from_values(type(run.config), {**config.to_values(run.config), **changes})
    defaults = {**_defaults(run, settings), "output_dir": run.path}
    sections = [section.name for section in dataclasses.fields(run.config)]
    space = [] if run.kind == "search" else [f"--space={run.space.name}"]
    flags = config.given_flags(settings, sections, defaults)
    return shlex.join([*programs.command(program), *space, f"--output_dir={run.path}", *flags])


def _defaults(run: StoredRun, settings: Any) -> dict[str, Any]:
    """{flag: value} that the run's program takes where the flag is not given."""
    values = config.to_values(settings)
    found = config.with_presets(type(settings), config.to_values(type(settings)()), values)
    if run.kind == "evaluation":
        searched = metadata.stored_values(settings.evaluation.search_dir) or {}
        found |= stored_settings.defaults_of_evaluation(type(settings), searched, settings.run.num_epochs)
    return found
