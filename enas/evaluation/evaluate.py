"""Evaluation of a search: do its arcs beat random ones, and do its shared weights rank arcs?

It follows Yu et al. (arXiv 1902.08142) and Li and Talwalkar (arXiv 1902.07638). Arcs of the controller and
uniformly random ones are trained from scratch alike, with several seeds.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from enas import files, signals
from enas.drawing import pictures
from enas.evaluation import evaluation_report, finished_search, statistics, time_limit
from enas.evaluation.evaluation_report import Curve, Line
from enas.evaluation.trainings import Record, Trainings, seeds
from enas.interfaces import SearchSpace
from enas.options import config
from enas.options.config import EvaluationConfig
from enas.runs import stored_settings
from enas.runs.loop import OutOfTime
from enas.runs.metadata import read_data, stored_values
from enas.runs.run_directory import RunDirectory, open_run

# The settings that say how much training the arcs were given: "budget" in report.json.
BUDGET = (
    *("dataset", "img_size", "max_train_images", "augment", "crop_padding", "n_aug_img", "cutout_size"),
    *("num_epochs", "finalist_epochs", "batch_size", "child_lr_max", "child_lr_min"),
    *("child_num_layers", "child_num_cells", "child_out_filters", "child_scheme", "search_precision"),
    *("child_keep_prob", "child_drop_path_keep_prob"),
)
# The settings that say what the search was to find arcs for: in "budget", too.
SEARCH_BUDGET = ("cost", "cost_target", "cost_weight")


def run_evaluation(settings: EvaluationConfig, space: SearchSpace) -> None:
    """Evaluates a search and writes report.json, report.html and best_arc.txt. Resumes where an earlier process stopped.

    Raises:
      UserError: the search is not finished, or see `open_run` and `train.run_training`.
      signals.Stopped: a signal came; the same command goes on from there.
    """
    with open_run(settings, "evaluation") as run:
        clock = time_limit.Clock(run, settings.run.max_minutes)
        try:
            with _workers(settings, run) as client:
                _evaluate(run, settings, space, clock, client)
        except OutOfTime:
            time_limit.finish(run, Trainings(run, settings, space, settings.evaluation.finalist_epochs), clock)
        finally:
            clock.keep()


@contextlib.contextmanager
def _workers(settings: EvaluationConfig, run: RunDirectory) -> Iterator[Any]:
    """Yields the client of the workers that --workers or --scheduler names; None where neither does."""
    options = settings.evaluation
    if not options.workers and not options.scheduler:
        yield None
        return
    # It takes a second, and is needed here only.
    from enas.jobs import pool

    with pool.opened(options.workers, options.scheduler, run.log) as client:
        try:
            yield client
        except signals.Stopped as stopped:
            stopped.tell(run, f"while arcs were trained; run the same command again to go on (--output_dir={run.path})")
            raise


def _evaluate(
    run: RunDirectory, settings: EvaluationConfig, space: SearchSpace, clock: time_limit.Clock, client: Any
) -> None:
    ranked = _ranked(run, settings, space, clock)
    arcs = _selected(Trainings(run, settings, space, settings.evaluation.finalist_epochs, clock, client), ranked)
    trainings = Trainings(run, settings, space, settings.run.num_epochs, clock, client)
    trainings.run_all([(f"arc-{i}", arc, seed) for i, arc in enumerate(arcs) for seed in seeds(settings)])
    for i, arc in enumerate(arcs):
        results = [trainings.results(f"arc-{i}", seed) for seed in seeds(settings)]
        arc["test_accuracies"] = [result["test_accuracy"] for result in results]
        arc["test_accuracy"] = float(np.mean(arc["test_accuracies"]))
        arc["cost"] = {name: results[0][name] for name in ("parameters", "macs", "bitops", "model_bytes")}
    found = figures(settings, arcs, ranked["share_on_target"])
    run.write("best_arc.txt", found["best_arc"] + "\n")
    run.write("report.json", json.dumps(found, indent=2) + "\n")
    curves = {**_search_curves(settings), **_training_curves(trainings, arcs, settings)}
    evaluation_report.write(run.file("report.html"), found, curves, _diagrams(trainings, arcs))
    for line in evaluation_report.summary(found):
        run.log(line)
    run.log(f"report: {run.file('report.html')}")


def _ranked(
    run: RunDirectory, settings: EvaluationConfig, space: SearchSpace, clock: time_limit.Clock
) -> dict[str, Any]:
    """Returns arcs with their shared-weight accuracy: records of the "controller", best first, and "random" ones as drawn,
    and the "share_on_target"."""
    path = run.file("candidates.json")
    if (ranked := files.read_json(path)) is not None:
        return ranked
    options = settings.evaluation
    of_search = stored_settings.search_in(options.search_dir, space, "search_dir")
    with finished_search.open_search(of_search, space, settings, clock.out_of_time) as scorer:
        ranked = {
            "controller": scorer.score(scorer.sampled(options.num_candidates, options.num_arcs // 2), "controller"),
            "random": scorer.score(scorer.random(options.num_arcs // 2), "random"),
            "share_on_target": scorer.share_on_target(),
        }
    ranked["controller"].sort(key=lambda arc: time_limit.rank(arc, arc["shared_accuracy"]))
    run.write("candidates.json", json.dumps(ranked, indent=1) + "\n")
    clock.keep()
    return ranked


def _selected(trainings: Trainings, ranked: Mapping[str, Any]) -> list[Record]:
    """Returns the arcs to be trained in full: the best finalists by short training, best first, then the random ones."""
    settings = trainings.settings
    finalists = ranked["controller"][: settings.evaluation.num_finalists]
    jobs = [(f"finalist-{i}", arc, settings.run.seed) for i, arc in enumerate(finalists)]
    trainings.run_all(jobs)
    for name, arc, seed in jobs:
        arc["finalist_accuracy"] = trainings.results(name, seed)["valid_accuracy"]
    best = sorted(finalists, key=lambda arc: time_limit.rank(arc, arc["finalist_accuracy"]))
    return best[: settings.evaluation.num_arcs // 2] + ranked["random"]


def figures(settings: EvaluationConfig, arcs: list[Record], share_on_target: float | None = None) -> dict[str, Any]:
    """Computes the content of report.json.

    Args:
      settings: the evaluation's config.
      arcs: records with "group", "arc", "shared_accuracy", "test_accuracies" (one for each seed), "test_accuracy" (their
        mean) and "cost", under a budget also "cost_over_target" and "on_target". The first arc is the chosen one.
      share_on_target: see `finished_search.Scorer.share_on_target`.

    Returns:
      {name: JSON value}. What is not defined, e.g. tau of values that are all alike, is None.
    """
    options = settings.evaluation
    groups = {name: [arc["test_accuracy"] for arc in arcs if arc["group"] == name] for name in evaluation_report.GROUPS}
    shared = [arc["shared_accuracy"] for arc in arcs]
    alone = [arc["test_accuracy"] for arc in arcs]
    found: dict[str, Any] = {"search_dir": options.search_dir, "num_arcs": len(arcs), "seeds": list(seeds(settings))}
    for name, values in groups.items():
        found[f"{name}_mean"], found[f"{name}_std"] = float(np.mean(values)), float(np.std(values, ddof=1))
        costs = [arc for arc in arcs if arc["group"] == name and "on_target" in arc]
        if costs:
            found[f"{name}_cost_over_target"] = float(np.mean([arc["cost_over_target"] for arc in costs]))
            found[f"{name}_on_target"] = float(np.mean([arc["on_target"] for arc in costs]))
    found["accuracy_over_random"] = found["controller_mean"] - found["random_mean"]
    found["mann_whitney_p"] = statistics.mann_whitney_p(groups["controller"], groups["random"])
    found["kendall_tau"] = _defined(statistics.kendall_tau(shared, alone))
    interval = statistics.kendall_tau_interval(shared, alone, settings.run.seed)
    found["kendall_tau_interval"] = [_defined(end) for end in interval]
    found["kendall_tau_p"] = _defined(statistics.kendall_tau_p(shared, alone))
    # What no ranking can be expected to pass: training from scratch does not agree more with itself.
    under_each_seed = list(zip(*(arc["test_accuracies"] for arc in arcs), strict=True))
    found["kendall_tau_between_seeds"] = _defined(statistics.kendall_tau_between(under_each_seed))
    found["num_candidates"], found["num_finalists"] = options.num_candidates, options.num_finalists
    found["share_on_target"] = share_on_target
    found["best_arc"], found["best_arc_accuracy"] = arcs[0]["arc"], arcs[0]["test_accuracy"]
    found["budget"] = _budget(settings)
    found["arcs"] = arcs
    return found


def _defined(value: float) -> float | None:
    """Returns None for NaN, which JSON cannot hold, and any other number as it is."""
    return None if math.isnan(value) else value


def _budget(settings: EvaluationConfig) -> dict[str, Any]:
    """Returns {flag: value} of `BUDGET`, and of `SEARCH_BUDGET` as the search has them: None if it is from a time before
    these flags."""
    values, search = config.to_values(settings), stored_values(settings.evaluation.search_dir) or {}
    return {name: values[name] for name in BUDGET if name in values} | {
        name: search.get(name) for name in SEARCH_BUDGET
    }


def _search_curves(settings: EvaluationConfig) -> dict[str, Curve]:
    """Returns the controller's rewards and entropies over its updates."""
    path = os.path.join(settings.evaluation.search_dir, "metrics.jsonl")
    # A search whose time was over before its first record has none.
    records = files.read_records(path, "controller") if os.path.exists(path) else []
    steps = [record["step"] for record in records]
    return {
        f"search: {name}": ("controller updates", label, [(steps, [record[name] for record in records], "", "#1d4ed8")])
        for name, label in (("reward", "mean reward"), ("normalized_entropy", "normalised entropy"))
    }


def _training_curves(trainings: Trainings, arcs: list[Record], settings: EvaluationConfig) -> dict[str, Curve]:
    """Returns the mean loss of each group over the steps of the trainings."""
    lines: list[Line] = []
    for group, colour in evaluation_report.GROUPS.items():
        losses: dict[int, list[float]] = {}
        for i, arc in enumerate(arcs):
            for seed in seeds(settings) if arc["group"] == group else ():
                path = os.path.join(trainings.path(f"arc-{i}", seed), "metrics.jsonl")
                for record in files.read_records(path, "child"):
                    if record["loss"] is not None:
                        losses.setdefault(record["step"], []).append(record["loss"])
        lines.append((list(losses), [float(np.mean(values)) for values in losses.values()], group, colour))
    return {"from scratch: loss": ("steps", "training loss", lines)}


def _diagrams(trainings: Trainings, arcs: list[Record]) -> dict[str, str]:
    """Returns {title: SVG text} of the best arc of each group."""
    space, settings, found = trainings.space, trainings.settings, {}
    data = read_data(trainings.path("arc-0", settings.run.seed)) or {}
    shape = "×".join(map(str, data.get("image_shape", ["unknown size"])))
    for group in evaluation_report.GROUPS:
        best = max((arc for arc in arcs if arc["group"] == group), key=lambda arc: arc["test_accuracy"])
        caption = ", ".join(f"{name} {value:,}" for name, value in best["cost"].items())
        arc = space.arc.for_child(list(map(int, best["arc"].split())), settings.child)
        title = f"The best {group} arc ({best['test_accuracy']:.2%})"
        found[title] = pictures.svg(space, arc, settings.child, f"{caption}; images of {shape}")
    return found
