"""Time limits, through the mains: a run ends with its best arc, and goes on as if there had been no limit."""

import json
import re
import shutil

import pytest
from mains import done, error, records

SMALL = [
    "--child_num_layers=2",
    "--child_num_cells=1",
    "--child_out_filters=2",
    "--max_train_images=320",
    "--log_every=2",
]
SEARCH = [*SMALL, "--num_epochs=2", "--controller_train_steps=2", "--controller_num_aggregate=2"]
SOME = "--max_minutes=0.001"  # less than a step takes, so that there is one
OVER = r"time is over: [0-9.]+ minutes spent of --max_minutes=0.001, in epoch 1 of 2"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The directory of a search without a limit."""
    path = tmp_path_factory.mktemp("alone") / "run"
    done("search_micro.py", *SEARCH, f"--output_dir={path}")
    return path


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """The directory of a search whose time is over at its first step, and what it printed."""
    path = tmp_path_factory.mktemp("limited") / "run"
    return path, done("search_micro.py", *SEARCH, SOME, f"--output_dir={path}")


def test_a_search_ends_with_its_best_arc_and_goes_on_as_if_there_had_been_no_limit(alone, limited, tmp_path):
    path, printed = tmp_path / "run", limited[1]
    assert re.search(OVER, printed) and "with a larger --max_minutes" in printed
    scored = records(limited[0] / "limit_arcs.jsonl")
    best = max(scored, key=lambda record: record["val_accuracy"])["val_accuracy"]
    recommended = (limited[0] / "best_arc.txt").read_text().strip()
    assert len(scored) == 10 and best in [r["val_accuracy"] for r in scored if r["arc"] == recommended]
    assert not (limited[0] / "arcs.jsonl").exists()
    shutil.copytree(limited[0], path)
    done("search_micro.py", *SEARCH, "--max_minutes=60", f"--output_dir={path}")
    for name in ("arcs.jsonl", "metrics.jsonl", "best_arc.txt"):
        assert (path / name).read_bytes() == (alone / name).read_bytes(), name
    assert not (path / "limit_arcs.jsonl").exists()


@pytest.mark.slow
def test_a_training_ends_with_its_child_and_goes_on_as_if_there_had_been_no_limit(alone, tmp_path):
    flags = [*SMALL, "--num_epochs=2", f"--arc_file={alone}/best_arc.txt"]
    done("train_fixed_arc.py", *flags, f"--output_dir={tmp_path}/alone")
    printed = done("train_fixed_arc.py", *flags, SOME, f"--output_dir={tmp_path}/run")
    assert re.search(OVER, printed)
    figures = json.loads((tmp_path / "run" / "results.json").read_text())
    score = re.search(r"valid_accuracy when the time was over: ([0-9.]+)", printed)[1]
    assert figures["epoch"] == 1 and f"{figures['valid_accuracy']:.4f}" == score
    evaluated = done("train_fixed_arc.py", "--eval_only", f"--output_dir={tmp_path}/run")
    assert f"valid_accuracy: {score}" in evaluated
    done("train_fixed_arc.py", *flags, f"--output_dir={tmp_path}/run")
    for name in ("metrics.jsonl", "results.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name
    assert not list((tmp_path / "run" / "checkpoints").glob("limit-*"))


@pytest.mark.slow
def test_an_evaluation_takes_a_limited_search_and_ends_with_the_best_arc_so_far(limited, tmp_path):
    flags = [f"--search_dir={limited[0]}", "--num_arcs=4", "--num_seeds=1", "--num_candidates=4", "--num_finalists=2"]
    flags += ["--num_epochs=1"]
    printed = done("evaluate_search.py", *flags, SOME, f"--output_dir={tmp_path}/run")
    assert "best arc so far, by the search itself" in printed and "time is over" in printed
    assert (tmp_path / "run" / "best_arc.txt").read_text() == (limited[0] / "best_arc.txt").read_text()
    done("evaluate_search.py", *flags, f"--output_dir={tmp_path}/run")
    done("evaluate_search.py", *flags, f"--output_dir={tmp_path}/alone")
    found, expected = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("run", "alone"))
    assert found == expected
    before = json.loads((tmp_path / "run" / "spent.json").read_text())["minutes"]
    done("evaluate_search.py", *flags, f"--output_dir={tmp_path}/run")
    assert json.loads((tmp_path / "run" / "spent.json").read_text())["minutes"] > before


def test_a_schedule_by_time_needs_a_time_and_is_none_for_evaluations(limited):
    assert "--lr_by_time: needs a --max_minutes" in error("search_rnn.py", "--lr_by_time")
    flags = [f"--search_dir={limited[0]}", "--lr_by_time", "--max_minutes=1"]
    assert "compares trainings of one schedule" in error("evaluate_search.py", *flags)
