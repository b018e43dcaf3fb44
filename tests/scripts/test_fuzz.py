"""Damaged and hostile inputs: a short version of what `scripts/fuzzing/fuzz.py` does at length."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.fuzzing import fuzz_targets

ROOT = Path(__file__).resolve().parents[2]


def fuzz(tmp_path, *arguments):
    command = [sys.executable, str(ROOT / "scripts" / "fuzzing" / "fuzz.py"), f"--keep={tmp_path}/kept", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)


CHECKPOINTS = {"damaged_checkpoints", "other_checkpoints"}


@pytest.mark.parametrize("names, inputs", [(set(fuzz_targets.TARGETS) - CHECKPOINTS, 1500), (CHECKPOINTS, 100)])
def test_inputs_that_no_reader_stumbles_over(tmp_path, names, inputs):
    done = fuzz(tmp_path, f"--inputs={inputs}", "--seed=1", f"--only={','.join(sorted(names))}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert inputs <= int(re.search("([0-9]+) inputs in [0-9]+ s: 0 failures", done.stdout)[1]) < inputs + 10


SABOTAGED = '''
import runpy, sys
sys.path.insert(0, ".")
from enas.options import arc_input

def read(path, *_):
    """What a reader must never do, one thing for each kind of input."""
    import os, pickle, time
    {act}

arc_input.from_file = read
sys.argv = ["fuzz.py", "--inputs=3", "--only=arcs", "--keep=" + sys.argv[1]]
runpy.run_path("scripts/fuzzing/fuzz.py", run_name="__main__")
'''


@pytest.mark.parametrize(
    "act, words",
    [
        ("raise ValueError('a bug')", "ValueError: a bug"),
        ("from enas.errors import UserError; raise UserError('two\\n lines')", "several lines"),
        ("open(os.path.dirname(os.path.dirname(path)) + '/outside', 'w')", "Forbidden: open"),
        ("os.mkdir('/tmp/never_made')", "Forbidden: os.mkdir"),
        ("os.system('true')", "Forbidden: os.system"),
        ("pickle.loads(b'cos\\nsystem\\n.')", "Forbidden: pickle.find_class"),
        ("os.abort()", "the process ended with -6"),
        ("bytearray(2**40)", "MemoryError"),
        pytest.param("while True: pass", "the process ended with -27", marks=pytest.mark.slow),
    ],
)
def test_the_script_notices_what_must_not_happen(tmp_path, act, words):
    (tmp_path / "sabotaged.py").write_text(SABOTAGED.replace("{act}", act.replace("\n", "\\n")))
    command = [sys.executable, str(tmp_path / "sabotaged.py"), str(tmp_path / "kept")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stdout.count("FAILURE arcs input") == 3 and words in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "kept" / "arcs-0-0" / "arc.txt").exists()
