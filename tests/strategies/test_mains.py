"""Searches with each strategy, through the mains; and the strategy that docs/adding_a_strategy.md builds."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mains import ROOT, done, error, records

HERE = Path(__file__).resolve().parent
FEW = ["--num_epochs=2", "--controller_train_steps=4", "--controller_num_aggregate=3", "--log_every=2"]
FEW += ["--strategy_population=5", "--strategy_tournament=3"]
IMAGES = ["--max_train_images=96", "--max_valid_images=40", "--child_out_filters=2"]
SETTINGS = {
    "search_micro.py": [*FEW, *IMAGES, "--child_num_layers=2", "--child_num_cells=1", "--cost_target=2e6"],
    "search_macro.py": [*FEW, *IMAGES, "--child_num_layers=3"],
    "search_rnn.py": [
        *(*FEW, "--child_lstm_hidden_size=8", "--child_rhn_depth=3", "--max_train_tokens=2000"),
        *("--max_valid_tokens=1000", "--max_test_tokens=1000"),
    ],
}
CLIMBING = str(HERE / "search_climbing.py")


@pytest.fixture(autouse=True)
def this_checkout(monkeypatch):
    """A main outside the checkout's root finds its packages."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def stopped_and_resumed(main, *flags, path):
    """Stops a search by a signal after its first updates, then runs it to its end; returns what that printed."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / main), *flags, f"--output_dir={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    while process.poll() is None:
        if (path / "metrics.jsonl").exists() and '"controller"' in (path / "metrics.jsonl").read_text():
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    return done(main, *flags, f"--output_dir={path}")


def same(one, other):
    for name in ("arcs.jsonl", "metrics.jsonl", "best_arc.txt"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def proved(main, strategy, tmp_path):
    flags = [*SETTINGS.get(main, SETTINGS["search_micro.py"]), f"--strategy={strategy}"]
    printed = done(main, *flags, f"--output_dir={tmp_path}/alone")
    assert len(re.findall(r"^ctrl_step = .* ent = .*norm_ent = .*mins = ", printed, re.MULTILINE)) == 8
    assert "resuming" in stopped_and_resumed(main, *flags, path=tmp_path / "run")
    same(tmp_path / "alone", tmp_path / "run")
    updates = [record for record in records(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "controller"]
    wanted = {"reward", "entropy", "normalized_entropy"}
    wanted |= {"cost", "share_on_target"} if "--cost_target=2e6" in flags else set()
    assert len(updates) == 8 and all(wanted <= set(record) for record in updates)
    assert len(records(tmp_path / "run" / "arcs.jsonl")) == 20


@pytest.mark.slow
def test_a_search_by_evolution_under_a_budget_is_logged_and_resumed_alike(tmp_path):
    proved("search_micro.py", "evolution", tmp_path)
    config = [*SETTINGS["search_micro.py"], f"--output_dir={tmp_path}/run"]
    assert "--strategy=random (was evolution)" in error("search_micro.py", *config, "--strategy=random")


@pytest.mark.slow
@pytest.mark.parametrize(
    "main, strategy",
    [
        ("search_micro.py", "random"),
        ("search_macro.py", "random"),
        ("search_macro.py", "evolution"),
        ("search_rnn.py", "random"),
        ("search_rnn.py", "evolution"),
        ("search_micro.py", "predictor"),
        ("search_macro.py", "predictor"),
        ("search_rnn.py", "predictor"),
    ],
)
def test_a_search_is_logged_and_resumed_alike_with_every_strategy_in_every_space(main, strategy, tmp_path):
    proved(main, strategy, tmp_path)


@pytest.mark.slow
def test_an_evaluation_takes_the_arcs_that_the_strategy_prefers(tmp_path):
    done("search_micro.py", *SETTINGS["search_micro.py"], "--strategy=evolution", f"--output_dir={tmp_path}/run")
    few = ["--num_arcs=4", "--num_seeds=1", "--num_candidates=4", "--num_finalists=2", "--num_epochs=1"]
    done("evaluate_search.py", f"--search_dir={tmp_path}/run", *few, f"--output_dir={tmp_path}/evaluation")
    report = json.loads((tmp_path / "evaluation" / "report.json").read_text())
    assert [arc["group"] for arc in report["arcs"]] == ["controller"] * 2 + ["random"] * 2


def test_the_strategy_of_the_page_searches_and_is_resumed(tmp_path):
    proved(CLIMBING, "climbing", tmp_path)


def test_the_page_shows_the_code_of_this_strategy():
    text = (ROOT / "docs" / "adding_a_strategy.md").read_text()
    shown = dict(re.findall(r"^`(\w+\.py)`\n\n```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert shown == {name: (HERE / name).read_text() for name in ("climbing.py", "search_climbing.py")}


def test_an_unknown_strategy_is_refused_by_name():
    expected = "--strategy=climbing: expected one of reinforce, random, evolution, predictor"
    assert expected in error("search_micro.py", "--strategy=climbing")
