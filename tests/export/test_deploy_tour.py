"""docs/deploy.md: each of its commands runs as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "deploy.md").read_text()
TOUR = DOCUMENT.partition("## The formats")[0]
COMMANDS = re.findall(r"^    ((?:python|cc) .+)$", TOUR, re.MULTILINE)


def test_the_tour_has_ten_commands_and_names_every_format():
    from enas.export.formats import FORMATS

    assert len(COMMANDS) == 10
    for name in FORMATS:
        assert f"| `{name}` |" in DOCUMENT


@pytest.mark.slow
def test_every_command_of_the_tour_runs(tmp_path):
    printed = {}
    for command in COMMANDS:
        words = shlex.split(command)
        if words[0] == "python":
            words[0] = sys.executable
            words[1] = str(ROOT / words[1]) if words[1].endswith(".py") else words[1]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        printed[command] = done.stdout
    assert (tmp_path / "child.o").stat().st_size > 0
    rows = [line.split("\t") for line in next(out for key, out in printed.items() if "--top=2" in key).splitlines()]
    assert len(rows) == 20 and sum(row[1] == "stripes_01" for row in rows) >= 12
    for command, out in printed.items():
        if "export_child" in command:
            assert "equal classes: " in out
