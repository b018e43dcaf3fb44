"""An evaluation whose arcs are trained by workers."""

import os
import subprocess
import sys

import pytest

from tests.helpers.mains import ROOT, done
from tests.helpers.processes import children, contents, until

SEARCH = [
    "--dataset=digits",
    "--child_num_layers=2",
    "--child_out_filters=2",
    "--batch_size=16",
    "--max_train_images=320",
    "--num_epochs=1",
    "--controller_train_steps=2",
    "--controller_num_aggregate=2",
]
EVALUATION = ["--num_arcs=4", "--num_seeds=1", "--num_candidates=4", "--num_finalists=2", "--num_epochs=2"]
# All that an evaluation finds.
NAMES = ("candidates.json", "report.json", "best_arc.txt", "metrics.jsonl", "results.json")


@pytest.mark.slow
def test_workers_and_a_driver_that_was_killed_change_nothing_in_an_evaluation(tmp_path):
    done("search_micro.py", *SEARCH, f"--output_dir={tmp_path}/search")
    flags = [f"--search_dir={tmp_path}/search", *EVALUATION]
    # With the threads that workers give their programs.
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "evaluate_search.py", *flags, f"--output_dir={tmp_path}/alone"]
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=500)

    out = tmp_path / "workers"
    command = [sys.executable, "evaluate_search.py", *flags, f"--output_dir={out}", "--workers=2"]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (out / "trainings/arc-1-epochs-2-seed-0/metrics.jsonl").exists())
    assert sum("train_fixed_arc" in args and "-c" in args for args in children(driver.pid).values()) == 2
    driver.kill()
    driver.wait()
    printed = done("evaluate_search.py", *flags, f"--output_dir={out}", "--workers=3")
    assert "3 workers on this machine; dashboard: http://127.0.0.1:" in printed and "arc-3" in printed
    assert contents(out, NAMES) == contents(tmp_path / "alone", NAMES)
    assert len([path for path in contents(out, NAMES) if path.name == "results.json"]) == 6
