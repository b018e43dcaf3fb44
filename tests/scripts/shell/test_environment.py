"""The shell scripts themselves, and the environment they make: Python, requirements, continuous integration."""

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest
from copied_scripts import ROOT, Copy

SCRIPTS = sorted(path for path in (ROOT / "scripts").rglob("*.sh") if not path.is_symlink()) + [ROOT / ".ci" / "run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_valid_bash_and_explains_itself(script):
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0
    lines = script.read_text().splitlines()
    if script.name == "common.sh":
        assert not os.access(script, os.X_OK)
        return
    assert os.access(script, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash" and lines[1].startswith("# ")
    assert "set -euo pipefail" in lines


def fake_programs(folder, **programs):
    """Writes bash programs into a folder of their own and returns a PATH on which they come first."""
    folder.mkdir()
    for name, text in programs.items():
        path = folder / name.replace("_", ".")
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_an_unsupported_python_is_named(copy, tmp_path):
    shutil.rmtree(copy.root / ".venv")
    old = 'if [[ "$1" == --version ]]; then echo Python 3.9.1; else exit 1; fi'
    path = fake_programs(tmp_path / "bin", python3=old, python3_11=old, python3_12=old, python3_13=old)
    done = copy.run("micro_search_digits.sh", PATH=path)
    assert done.returncode == 1 and not copy.commands()
    assert done.stderr.startswith("error: no Python 3.11, 3.12 or 3.13 found") and "Python 3.9.1" in done.stderr
    assert not (copy.root / ".venv").exists()


def test_a_missing_python3_venv_is_named(copy, tmp_path):
    shutil.rmtree(copy.root / ".venv")
    without = f'if [[ "$*" == *ensurepip* ]]; then exit 1; fi; exec {sys.executable} "$@"'
    done = copy.run("micro_search_digits.sh", PATH=fake_programs(tmp_path / "bin", python3=without))
    assert done.returncode == 1 and not copy.commands()
    assert done.stderr == (
        "error: python3 cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv\n"
    )


class RealEnvironment(Copy):
    """A copy without an environment, and requirements pip meets without a network."""

    def __init__(self, folder):
        super().__init__(folder)
        shutil.rmtree(self.root / ".venv")
        self.require("# nothing")

    def require(self, text):
        """Replaces requirements.txt."""
        (self.root / "requirements.txt").write_text(text + "\n")

    def ensure(self, **environment):
        """Runs ensure_environment; returns the finished process."""
        code = 'set -euo pipefail; source "$0"; ensure_environment; "$python" -c "print(7 * 6)"'
        command = ["bash", "-c", code, self.root / "scripts" / "common.sh"]
        environment = {**os.environ, "PIP_NO_INDEX": "1", **environment}
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_environment_is_made_once_and_repaired_when_it_is_not_whole(tmp_path):
    copy = RealEnvironment(tmp_path)
    venv = copy.root / ".venv"

    def installs():
        done = copy.ensure()
        assert done.returncode == 0 and done.stdout.endswith("42\n"), done.stderr
        return "Installing" in done.stdout

    assert installs() and not installs()
    assert copy.ensure(PATH="/usr/bin:/bin").stdout == "42\n"  # nothing but the environment's own Python is needed

    copy.require("# nothing, in other words")
    assert installs() and not installs()

    copy.require("no-such-package-anywhere==1.0")
    failed = copy.ensure()
    assert failed.returncode == 1 and "pip could not install requirements.txt" in failed.stderr
    copy.require("# nothing again")
    (venv / "leftover").write_text("from the interrupted installation")
    assert installs() and not installs() and not (venv / "leftover").exists()

    shutil.rmtree(venv / "bin")  # half made, and a Python that is gone
    assert installs() and not installs()
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/no/such/python")
    assert installs() and not installs()
    shutil.rmtree(next(venv.glob("lib/python*/site-packages/pip")))
    (venv / ".requirements").unlink()
    assert installs() and not installs()


def test_requirements_are_pinned_and_cover_the_imports():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(r"[a-z0-9-]+==\d+(\.\d+)+", line) for line in lines)
    names = [line.split("==")[0] for line in lines]
    assert len(set(names)) == len(names)
    packages = {
        "PIL": "pillow",
        "absl": "absl-py",
        "ai_edge_litert": "ai-edge-litert",
        "cv2": "opencv-python-headless",
        "grpc": "grpcio",
        "sklearn": "scikit-learn",
    }
    files = [
        *ROOT.glob("*.py"),
        *(path for top in ("enas", "quantize", "tests") for path in (ROOT / top).rglob("*.py")),
    ]
    imported = set()
    for node in (node for path in files for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    # Modules of packages are imported by the packages' names, and may be called as what they wrap.
    alone = [path for path in files if path.parent == ROOT or ROOT / "tests" in path.parents]
    ours = {"chain_space", "enas", "quantize", "scripts", "tests", *(path.stem for path in alone)}
    third_party = {packages.get(name, name) for name in imported - ours - sys.stdlib_module_names}
    # The rest are programs, and what Dask draws its dashboard with.
    assert set(names) - third_party == {"bokeh", "mypy", "pytest-timeout", "pytest-xdist", "ruff", "setuptools"}
    assert third_party <= set(names)


def test_continuous_integration_runs_the_tests_script():
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and line[0] != "#"]
    assert commands[-1] == "bash scripts/test.sh"
