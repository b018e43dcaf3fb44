"""The series of a run as plain text."""

import os

from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.runs import run_directory, series


def test_every_figure_has_its_series_and_they_follow_the_metrics(tmp_path):
    config = SearchConfig(run=RunConfig(output_dir=str(tmp_path / "run")))
    run = run_directory.open_run(config, "search")
    for step in (50, 100):
        run.append(
            "metrics.jsonl", {"kind": "child", "epoch": 1, "step": step, "loss": 1 / step, "train_accuracy": 0.5}
        )
    run.append("metrics.jsonl", {"kind": "controller", "epoch": 1, "step": 7, "reward": 0.25, "entropy": None})
    run.append("metrics.jsonl", {"kind": "eval", "epoch": 1, "arc": "0 1", "test_accuracy": 1})
    for _ in "12":
        series.write(run)
    found = {path.name: path.read_text() for path in (tmp_path / "run" / "series").iterdir()}
    assert found == {
        "child_loss.txt": "50 0.02\n100 0.01\n",
        "child_train_accuracy.txt": "50 0.5\n100 0.5\n",
        "controller_reward.txt": "7 0.25\n",
        "eval_test_accuracy.txt": "1 1\n",
    }
    os.truncate(run.file("metrics.jsonl"), 0)
    series.write(run)
    assert not list((tmp_path / "run" / "series").iterdir())
