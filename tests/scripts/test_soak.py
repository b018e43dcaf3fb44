"""Runs that are killed: a short version of what `scripts/fuzzing/soak.py` does at length."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def soak(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "fuzzing" / "soak.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=ROOT, check=False)


def test_a_killed_and_a_stopped_search_end_as_one_left_alone(tmp_path):
    done = soak("kills", "--kills=2", "--signals=TERM,KILL", "--seed=1", "--epochs=2", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing differs" in done.stdout
    assert (tmp_path / "killed" / "arcs.jsonl").read_text().count("\n") == 20
    log = (tmp_path / "killed" / "stdout").read_text()
    assert log.count("resuming after epoch") == 2
    assert re.search(
        r"stopped by SIGTERM in epoch [12] of 2; checkpoint saved; run the same command again to go on", log
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["search", "training"])
@pytest.mark.parametrize("scheme", ["fp16", "ternary"])
def test_a_run_killed_often_ends_as_one_left_alone(tmp_path, kind, scheme):
    kind = f"--kind={kind}"
    done = soak("kills", "--kills=8", "--signals=KILL,TERM,INT", kind, f"--scheme={scheme}", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing differs" in done.stdout
