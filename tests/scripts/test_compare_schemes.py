"""The comparison of schemes, end to end on a few digits."""

import json
import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = [sys.executable, os.path.join(ROOT, "scripts", "experiments", "compare_schemes.py")]
SMALL = (
    "--dataset=digits --data_dir= --max_train_images=64 --max_valid_images=32 --max_test_images=32 --child_num_cells=1 "
    "--child_out_filters=4 --num_epochs=1 --eval_every_epochs=1"
)
OF_SEARCH = "--controller_train_steps=1 --controller_num_aggregate=2 --eval_arc_batches=1"


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--schemes=binary,k9"], "error: argument --schemes: 'k9': expected some of "),
        (["--seeds=0,-1"], "error: --seeds=0,-1: expected whole numbers separated by commas"),
    ],
)
def test_bad_flags_are_one_line(tmp_path, flags, words):
    done = subprocess.run(
        [*SCRIPT, *flags, f"--output_dir={tmp_path}"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr.count("\n"), done.stderr[: len(words)]) == (2, 1, words)


@pytest.mark.slow
def test_a_scheme_is_searched_and_trained_once_and_its_figures_are_those_of_its_runs(tmp_path):
    command = [*SCRIPT, "--schemes=binary", "--seeds=3", f"--flags={SMALL}", f"--search_flags={OF_SEARCH}"]
    written = []
    for _ in range(2):
        done = subprocess.run(
            [*command, f"--output_dir={tmp_path}"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        written.append(os.stat(tmp_path / "final_binary_3" / "checkpoints").st_mtime_ns)
    assert written[0] == written[1]
    [record] = json.loads((tmp_path / "schemes.json").read_text())
    results = json.loads((tmp_path / "final_binary_3" / "results.json").read_text())
    assert (record["scheme"], record["seed"]) == ("binary", 3)
    assert (record["retrained"], record["model_bytes"]) == (results["test_accuracy"], results["model_bytes"])
    searched = (tmp_path / "search_binary_3" / "stdout").read_text()
    assert f"{record['search']:.4f}" == re.findall("test_accuracy: ([0-9.]+)", searched)[-1]
    assert f"| binary | {record['search']:.2%} |" in (tmp_path / "schemes.md").read_text()
    assert (tmp_path / "schemes.png").read_bytes().startswith(b"\x89PNG")
