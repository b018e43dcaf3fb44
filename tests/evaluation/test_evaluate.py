"""The figures and the report of an evaluation, from trainings that are made up; the whole program is in tests/micro."""

import contextlib
import json
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
from mains import run

from enas.costs import budget
from enas.drawing import pictures
from enas.errors import UserError
from enas.evaluation import evaluation_report, pareto, time_limit
from enas.micro import arc as arcs
from enas.micro.config import ChildConfig, EvaluationConfig, SearchConfig
from enas.micro.op_table import at_one_scheme
from enas.micro.space import SPACE
from enas.options.budget import BudgetConfig
from enas.options.config import SCHEMES, RecommendationConfig, RunConfig
from enas.options.evaluation import EvaluationOptions
from enas.runs.metadata import MARK

ARC = "0 0 1 1 0 2 1 3"
COST = {"parameters": 10, "macs": 2_000, "bitops": 30_000, "model_bytes": 400}


def trained(group, shared, accuracies):
    facts = {"group": group, "arc": ARC, "shared_accuracy": shared, "test_accuracies": accuracies, "cost": COST}
    return {**facts, "test_accuracy": float(np.mean(accuracies))}


ARCS = [
    trained("controller", 0.8, [0.97, 0.99]),
    trained("controller", 0.7, [0.96, 0.98]),
    trained("controller", 0.9, [0.95, 0.95]),
    trained("random", 0.5, [0.90, 0.92]),
    trained("random", 0.4, [0.80, 0.80]),
    trained("random", 0.6, [0.93, 0.91]),
]


@pytest.fixture(scope="module")
def figures():
    from enas.evaluation import evaluate

    return evaluate.figures(EvaluationConfig(evaluation=EvaluationOptions("there <b>", num_arcs=6, num_seeds=2)), ARCS)


def test_the_figures_are_those_of_the_groups(figures):
    assert figures["controller_mean"] == pytest.approx((0.98 + 0.97 + 0.95) / 3)
    assert figures["random_mean"] == pytest.approx((0.91 + 0.80 + 0.92) / 3)
    assert figures["accuracy_over_random"] == pytest.approx(figures["controller_mean"] - figures["random_mean"])
    assert figures["random_std"] == pytest.approx(np.std([0.91, 0.80, 0.92], ddof=1))
    # Of 20 ways to pick 3 of 6 ranks this is the one furthest up.
    assert figures["mann_whitney_p"] == pytest.approx(1 / 20)
    # Of 15 pairs two are out of order: 0.9 came out below 0.8 and 0.7.
    assert figures["kendall_tau"] == pytest.approx((13 - 2) / 15)
    low, high = figures["kendall_tau_interval"]
    assert low < figures["kendall_tau"] <= high
    # Under the seeds 0 and 1 the pair of 0.90 and 0.92 against 0.93 and 0.91 changes places, no other one.
    assert figures["kendall_tau_between_seeds"] == pytest.approx((14 - 1) / 15)
    # Of the 720 orders of six 1 + 5 + 14 have at most two pairs out of order, and as many at least 13.
    assert figures["kendall_tau_p"] == pytest.approx(2 * 20 / 720)
    assert (figures["num_arcs"], figures["seeds"], figures["best_arc"]) == (6, [0, 1], ARC)
    assert json.loads(json.dumps(figures)) == figures


def test_under_a_budget_arcs_on_target_come_first_and_costs_are_told():
    from enas.evaluation import evaluate

    def scored(group, cost, shared, test):
        facts = {"reward": shared - abs(cost - 1), "cost_over_target": cost, "on_target": abs(cost - 1) <= 0.1}
        return {**trained(group, shared, [test]), **facts, "finalist_accuracy": test}

    dear, near, exact = (scored("controller", *of) for of in ((1.5, 0.9, 0.99), (1.08, 0.8, 0.90), (1.0, 0.7, 0.85)))
    ranked = sorted([dear, near, exact], key=lambda arc: time_limit.rank(arc, arc["finalist_accuracy"]))
    assert ranked == [exact, near, dear]
    settings = EvaluationConfig(evaluation=EvaluationOptions("there", num_arcs=4, num_seeds=1))
    figures = evaluate.figures(settings, [dear, near, scored("random", 0.9, 0.5, 0.5), scored("random", 1.0, 0.5, 0.6)])
    assert figures["controller_cost_over_target"] == pytest.approx(1.29) and figures["controller_on_target"] == 0.5
    assert figures["random_cost_over_target"] == pytest.approx(0.95) and figures["random_on_target"] == 1.0
    assert "1.29, 50%" in str(list(evaluation_report._figures(figures)))


def test_the_report_is_one_file_that_holds_everything(figures, tmp_path):
    child = ChildConfig(num_cells=1)
    picture = pictures.svg(SPACE, arcs.parse(ARC), child, "what it costs")
    curves = {"loss": ("steps", "loss", [([1, 2], [0.5, 0.4], "controller", "#1d4ed8")])}
    evaluation_report.write(tmp_path / "report.html", figures, curves, {"The best": picture})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 3 and "there &lt;b&gt;" in text and "there <b>" not in text
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert "<script" not in text and "src=" not in text and "what it costs" in text
    assert all(f"{arc['test_accuracies'][0]:.2%}" in text for arc in ARCS)
    ElementTree.fromstring(picture)
    lines = list(evaluation_report.summary(figures))
    assert "not shown to be better" in lines[0] and f"kendall_tau: {figures['kendall_tau']:.4f}" in lines[1]
    assert lines[3] == "kendall_tau_between_seeds: 0.8667"


def test_tau_of_accuracies_that_are_all_alike_is_not_defined(tmp_path):
    """NaN is no JSON."""
    from enas.evaluation import evaluate

    alike = [trained(arc["group"], 0.5, arc["test_accuracies"]) for arc in ARCS]
    settings = EvaluationConfig(evaluation=EvaluationOptions("there", num_arcs=6, num_seeds=2))
    found = evaluate.figures(settings, alike)
    assert found["kendall_tau"] is None and found["kendall_tau_interval"] == [None, None]
    assert found["kendall_tau_p"] is None and found["kendall_tau_between_seeds"] == pytest.approx(13 / 15)
    json.dumps(found, allow_nan=False)
    evaluation_report.write(tmp_path / "report.html", found, {}, {})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Kendall's tau not defined." in text.replace("&#x27;", "'") and "<td>not defined (not defined to" in text
    assert "kendall_tau: not defined (not defined to not defined)" in evaluation_report.summary(found)


def test_the_budget_is_that_of_the_trainings_and_the_cost_target_of_the_search(tmp_path):
    from enas.evaluation import evaluate

    stored = {"format": MARK, "cost": "macs", "cost_target": 2e6, "cost_weight": 0.5, "child_out_filters": 4}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    child, options = (
        ChildConfig(out_filters=8, keep_prob=0.7),
        EvaluationOptions(str(tmp_path), num_arcs=6, num_seeds=2),
    )
    found = evaluate.figures(EvaluationConfig(evaluation=options, child=child), ARCS)["budget"]
    assert (found["cost"], found["cost_target"], found["cost_weight"]) == ("macs", 2e6, 0.5)
    assert (found["child_out_filters"], found["child_num_cells"], found["child_keep_prob"]) == (8, 5, 0.7)
    named = {
        "img_size",
        "child_lr_max",
        "child_lr_min",
        "child_drop_path_keep_prob",
        "augment",
        "crop_padding",
        "n_aug_img",
        "cutout_size",
    }
    assert named < set(found)


def test_a_diagrams_caption_holds_the_shape_of_the_trainings_images(tmp_path):
    from enas.evaluation import evaluate
    from enas.micro.space import SPACE as space

    for name, side in (("search", 8), ("arc-0-seed-3", 12)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.json").write_text(json.dumps({"image_shape": [side, side, 1]}))
    settings = EvaluationConfig(
        evaluation=EvaluationOptions(str(tmp_path / "search")), child=ChildConfig(num_cells=1), run=RunConfig(seed=3)
    )
    trainings = SimpleNamespace(
        space=space, settings=settings, path=lambda name, seed: f"{tmp_path}/{name}-seed-{seed}"
    )
    drawn = evaluate._diagrams(trainings, ARCS)
    assert list(drawn) == ["The best controller arc (98.00%)", "The best random arc (92.00%)"]
    assert all("bitops 30,000, model_bytes 400; images of 12×12×1" in picture for picture in drawn.values())


@pytest.mark.parametrize(
    "epochs, unit, best, finished", [(3, 0, 0.5, True), (2, 0, 0.95, True), (2, 1, 0.95, False), (2, 0, 0.5, False)]
)
def test_a_search_is_finished_at_its_last_epoch_or_once_it_stopped_early(monkeypatch, epochs, unit, best, finished):
    from enas.evaluation import finished_search as module
    from enas.micro.space import SPACE as space

    @contextlib.contextmanager
    def run_context(config, *_):
        yield SimpleNamespace(
            config=config,
            session=None,
            dataset=None,
            run=SimpleNamespace(read=lambda _name: [{"val_accuracy": best}]),
            last=SimpleNamespace(restore=lambda _session: ("checkpoint", {"epoch": epochs, "phase": 0, "unit": unit})),
            graph=SimpleNamespace(scorer=SimpleNamespace(start=lambda _session: None)),
        )

    monkeypatch.setattr(module.session, "run_context", run_context)
    config = SearchConfig(
        recommendation=RecommendationConfig(early_stop_over=0.9), run=RunConfig(output_dir="there", num_epochs=3)
    )
    told = (
        contextlib.nullcontext() if finished else pytest.raises(UserError, match="--search_dir=there.* 2 of 3 epochs")
    )
    with told, module.open_search(config, space, None) as scorer:
        assert scorer.share_on_target() is None


def test_the_share_on_target_is_of_arcs_within_a_tenth():
    costs = {"a": 91, "b": 109, "c": 111, "d": 89, "e": 100}
    held = budget.Budget(BudgetConfig(cost_target=100.0), lambda arc: costs[arc])
    assert held.share_met(list(costs)) == pytest.approx(3 / 5)


def test_groups_are_compared_by_the_area_above_one_reference():
    sweep = [
        {"group": group, "cost": cost, "test_accuracy": accuracy}
        for group, cost, accuracy in [
            ("controller", 10, 0.9),
            ("random", 100, 0.9),
            ("random", 1000, 0.5),
            ("uniform k4", 10, 0.7),
            ("uniform k8", 1000, 0.7),
        ]
    ]
    found = pareto.compared(sweep)
    assert found["controller"]["hypervolume"] == pytest.approx(2 * 0.4)
    assert found["random"]["hypervolume"] == pytest.approx(1 * 0.4)
    assert found["uniform k4"]["hypervolume"] == pytest.approx(2 * 0.2)
    assert found["uniform k8"]["hypervolume"] == 0
    assert found["random"]["front"] == [(100, 0.9)] and found["random"]["num_arcs"] == 2


def test_an_arc_at_one_scheme_keeps_its_wiring_and_its_kinds_of_op():
    child = ChildConfig(search_precision="binary,k4")
    values = [0, 0, 1, 3, 0, 4, 1, 1]
    assert at_one_scheme(values, child, "k4") == [0, 1, 1, 3, 0, 4, 1, 1]
    assert at_one_scheme(values, child, "binary") == [0, 0, 1, 2, 0, 4, 1, 0]


def test_every_group_of_a_sweep_has_a_look_of_its_own(monkeypatch, tmp_path):
    """The controller's, the random one and one for each scheme."""
    from matplotlib.axes import Axes

    looks, draw = [], Axes.scatter
    monkeypatch.setattr(
        Axes, "scatter", lambda *of, **how: looks.append((how["color"], how["marker"])) or draw(*of, **how)
    )
    groups = ["controller", "random", *(f"uniform {scheme}" for scheme in SCHEMES)]
    sweep = [{"group": group, "cost": 10 + i, "test_accuracy": 0.5} for i, group in enumerate(groups)]
    pareto._draw(pareto.compared(sweep), sweep, "bitops", tmp_path / "pareto.png")
    assert len(looks) == len(set(looks)) == len(groups) == 14


SEARCH = {"format": MARK, "kind": "search", "space": "micro", "child_num_cells": 5, "search_precision": ""}


@pytest.mark.parametrize("missing", ["child_num_cells", "search_precision"])
def test_a_search_whose_settings_are_not_whole_is_told_in_one_line(tmp_path, missing):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({name: value for name, value in SEARCH.items() if name != missing}))
    done = run("evaluate_search.py", f"--search_dir={tmp_path}")
    assert done.returncode == 2
    expected = f"error: {path}: has no {missing}; expected the configuration of a search by search_micro.py\n"
    assert done.stderr == expected


def test_a_wrong_number_of_epochs_is_told_by_its_own_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SEARCH))
    done = run("evaluate_search.py", f"--search_dir={tmp_path}", "--num_epochs=0")
    assert (done.returncode, done.stderr) == (2, "error: --num_epochs=0: expected at least 1\n")
