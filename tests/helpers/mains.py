"""Runs mains as a user runs them, as processes, for the tests of all spaces."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(main, *flags):
    """Runs a main; returns the finished process."""
    command = [sys.executable, str(ROOT / main), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT, check=False)


def done(main, *flags):
    """Runs a main that must succeed; returns what it printed."""
    process = run(main, *flags)
    assert process.returncode == 0, process.stderr
    return process.stdout


def error(main, *flags):
    """Runs a main that must refuse its flags; returns its one line."""
    process = run(main, *flags)
    assert process.returncode == 2, process.stderr
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in process.stderr, process.stderr
    return lines[0]


def records(path):
    """The objects of a .jsonl file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
