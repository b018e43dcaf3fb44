"""Evaluation of a search: do its arcs beat random ones, and do its shared weights rank arcs?

It follows Yu et al. (arXiv 1902.08142) and Li and Talwalkar (arXiv 1902.07638). Arcs of the controller and
uniformly random ones are trained from scratch alike, with several seeds.
"""

import contextlib
import io
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from enas import files
from enas.drawing import pictures
from enas.evaluation import evaluation_report, finished_search, statistics
from enas.evaluation.evaluation_report import Curve, Line
from enas.interfaces import SearchSpace
from enas.options import config
from enas.options.config import EvaluationConfig, Settings
from enas.runs import train
from enas.runs.metadata import read_data, stored_values
from enas.runs.run_directory import RunDirectory, open_run

Record = dict[str, Any]  # what is known of an arc, see `figures`

# The settings that say how much training the arcs were given: "budget" in report.json.
BUDGET = (
    *("dataset", "img_size", "max_train_images", "augment", "n_aug_img", "cutout_size"),
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
        ranked = _ranked(run, settings, space)
        arcs = _selected(Trainings(run, settings, space, settings.evaluation.finalist_epochs), ranked)
        trainings = Trainings(run, settings, space, settings.run.num_epochs)
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


def seeds(settings: EvaluationConfig) -> range:
    """Returns the seeds that each arc is trained with."""
    return range(settings.run.seed, settings.run.seed + settings.evaluation.num_seeds)


def _ranked(run: RunDirectory, settings: EvaluationConfig, space: SearchSpace) -> dict[str, Any]:
    """Returns arcs with their shared-weight accuracy: records of the "controller", best first, and "random" ones as drawn,
    and the "share_on_target"."""
    path = run.file("candidates.json")
    if (ranked := files.read_json(path)) is not None:
        return ranked
    options = settings.evaluation
    with finished_search.open_search(finished_search.config_of(options.search_dir, space), space, settings) as scorer:
        ranked = {
            "controller": scorer.score(scorer.sampled(options.num_candidates, options.num_arcs // 2), "controller"),
            "random": scorer.score(scorer.random(options.num_arcs // 2), "random"),
            "share_on_target": scorer.share_on_target(),
        }
    ranked["controller"].sort(key=lambda arc: _rank(arc, arc["shared_accuracy"]))
    run.write("candidates.json", json.dumps(ranked, indent=1) + "\n")
    return ranked


class Trainings:
    """Trainings from scratch, each in a run directory of its own below the evaluation's.

    Args:
      run: the evaluation's run directory.
      settings: the evaluation's config; data and child are those of the trainings.
      space: the arcs' space.
      num_epochs: epochs of each training.
    """

    def __init__(self, run: RunDirectory, settings: EvaluationConfig, space: SearchSpace, num_epochs: int) -> None:
        self.run, self.settings, self.space, self.num_epochs = run, settings, space, num_epochs

    def path(self, name: str, seed: int) -> str:
        """Returns the run directory of a training."""
        return self.run.file(os.path.join("trainings", f"{name}-epochs-{self.num_epochs}-seed-{seed}"))

    def is_done(self, name: str, seed: int) -> bool:
        """Says whether a training has ended."""
        return files.read_json(self._results_path(name, seed)) is not None

    def results(self, name: str, seed: int) -> dict[str, Any]:
        """Returns the content of results.json of a training that has ended."""
        return files.read_json(self._results_path(name, seed))

    def _results_path(self, name: str, seed: int) -> str:
        return os.path.join(self.path(name, seed), "results.json")

    def run_all(self, jobs: list[tuple[str, Record, int]]) -> None:
        """Trains what is not trained yet; `jobs` are (name, record of the arc, seed)."""
        self.run.log(f"{len(jobs)} trainings of {self.num_epochs} epochs")
        for name, arc, seed in tqdm(jobs, "trainings", disable=None, leave=False):
            if not self.is_done(name, seed):
                # The training's log goes into its own directory.
                with contextlib.redirect_stdout(io.StringIO()):
                    train.run_training(self._config(name, arc, seed), self.space)
                accuracy = self.results(name, seed)["test_accuracy"]
                self.run.log(f"{name} ({arc['group']}), seed {seed}: test_accuracy {accuracy:.4f}")

    def _config(self, name: str, arc: Record, seed: int) -> Settings:
        values = {**config.to_values(self.settings), "output_dir": self.path(name, seed), "reset_output_dir": False}
        values.update(seed=seed, child_fixed_arc=arc["arc"], num_epochs=self.num_epochs)
        values.update(eval_every_epochs=self.num_epochs)
        if self.num_epochs != self.settings.run.num_epochs:
            values.update(child_lr_T_0=self.num_epochs)
        return config.from_values(self.space.train_config, values)


def _selected(trainings: Trainings, ranked: Mapping[str, Any]) -> list[Record]:
    """Returns the arcs to be trained in full: the best finalists by short training, best first, then the random ones."""
    settings = trainings.settings
    finalists = ranked["controller"][: settings.evaluation.num_finalists]
    jobs = [(f"finalist-{i}", arc, settings.run.seed) for i, arc in enumerate(finalists)]
    trainings.run_all(jobs)
    for name, arc, seed in jobs:
        arc["finalist_accuracy"] = trainings.results(name, seed)["valid_accuracy"]
    best = sorted(finalists, key=lambda arc: _rank(arc, arc["finalist_accuracy"]))
    return best[: settings.evaluation.num_arcs // 2] + ranked["random"]


def _rank(arc: Record, accuracy: float) -> tuple[bool, float]:
    """Returns what is lower for better arcs. Under a budget arcs on target come first, as random ones all are, and the cost
    counts as it did in the search."""
    penalty = arc["shared_accuracy"] - arc["reward"]
    return not arc.get("on_target", True), penalty - accuracy


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
    records = files.read_records(os.path.join(settings.evaluation.search_dir, "metrics.jsonl"), "controller")
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
