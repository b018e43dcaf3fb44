"""The project as a package: what pip installs, the commands it brings, and what importing it does not do."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
# Pinned, but not to run the programs.
TOOLS = {"hypothesis", "mypy", "packaging", "pytest", "pytest-timeout", "pytest-xdist", "ruff", "setuptools"}


def python(code, **environment):
    """Runs Python code in a process of its own; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_ranges_of_the_package_hold_the_pinned_versions_and_no_dependency_is_missing():
    extra = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    requirements = [Requirement(line) for line in PROJECT["dependencies"] + extra]
    assert {requirement.name for requirement in requirements} == set(PINS) - TOOLS
    for requirement in requirements:
        assert requirement.specifier.contains(PINS[requirement.name]), requirement
    assert all(version in SpecifierSet(PROJECT["requires-python"]) for version in ("3.11", "3.12", "3.13"))


def test_every_main_is_a_command():
    mains = {path.stem for path in ROOT.glob("*.py")}
    assert {f"enas-{name.replace('_', '-')}" for name in mains} == set(PROJECT["scripts"])
    for name in mains:
        module, function = PROJECT["scripts"][f"enas-{name.replace('_', '-')}"].split(":")
        source = (ROOT / f"{name}.py").read_text()
        assert f"from enas.commands import {module.rpartition('.')[2]}\n" in source
        assert source.endswith(f"    {module.rpartition('.')[2]}.{function}()\n")


EVERY_MODULE = """
import importlib, os, pkgutil
def modules():
    for top in ("enas", "quantize"):
        package = importlib.import_module(top)
        yield top
        yield from (found.name for found in pkgutil.walk_packages(package.__path__, top + "."))
"""


def test_importing_any_module_sets_no_environment_variable():
    code = """
before = dict(os.environ)
for name in modules():
    importlib.import_module(name)
    # TensorFlow sets some of its own.
    changed = {key for key in os.environ if os.environ[key] != before.get(key)} | set(before) - set(os.environ)
    assert not {key for key in changed if key in ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL",
        "TF_USE_LEGACY_KERAS", "TF_NUM_INTRAOP_THREADS")}, (name, changed)
print(len(list(modules())))
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", EVERY_MODULE + code], capture_output=True, text=True, cwd=ROOT, env=clean, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80


def test_every_module_imports_where_the_system_has_no_posix_modules():
    """As on Windows and macOS: no fcntl of the project's own, no resource, no processor affinity."""
    code = """
import sys
import tensorflow, portalocker  # they know these systems themselves
for name in ("fcntl", "resource"):
    sys.modules[name] = None
del os.sched_getaffinity
for name in modules():
    importlib.import_module(name)
from enas.commands import environment
assert environment.cores() == os.cpu_count()
"""
    python(EVERY_MODULE + code)


def test_a_value_that_the_user_has_set_counts():
    code = """
import os
from enas import spaces
from enas.commands import environment
environment.set_defaults(spaces.get("rnn").environment)
print(os.environ["TF_ENABLE_ONEDNN_OPTS"], os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""
    assert python(code, TF_ENABLE_ONEDNN_OPTS="1", TF_CPP_MIN_LOG_LEVEL="0").split() == ["1", "0"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment that has the project's wheel, and the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = folder / "source"
    # setuptools leaves build/ and *.egg-info beside what it builds.
    _copy(source)
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    site = next((folder / "venv").glob("lib/python*/site-packages"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True, capture_output=True)
    packages = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    # Their own .pth files, and with them this checkout, do not count.
    (site / "packages.pth").write_text("".join(f"{path}\n" for path in packages))
    return folder


def _copy(target):
    target.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    for name in ("enas", "quantize"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))


def command(installed, name, *flags):
    """Runs a command of the installation outside the checkout; returns what it printed."""
    [script] = (installed / "venv").glob(f"lib/python*/site-packages/bin/{name}")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(installed / "venv" / "bin" / "python"), str(script), *flags],
        capture_output=True,
        text=True,
        cwd=installed,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installation_searches_trains_and_draws_outside_the_checkout(installed):
    where = command_module(installed)
    assert str(installed) in where and str(ROOT) not in where
    small = [
        "--dataset=digits",
        "--max_train_images=64",
        "--child_num_layers=2",
        "--child_out_filters=2",
        "--child_num_cells=1",
    ]
    small += ["--num_epochs=1", "--child_scheme=ternary"]
    search = ["--controller_train_steps=1", "--controller_num_aggregate=2", "--output_dir=search"]
    printed = command(installed, "enas-search-micro", *small, *search)
    # The command to go on with is one of the installation.
    assert "enas-train-fixed-arc --space=micro --arc_file=search/best_arc.txt" in printed
    command(installed, "enas-train-fixed-arc", *small, "--arc_file=search/best_arc.txt", "--output_dir=final")
    assert (installed / "final" / "results.json").exists()
    drawn = command(installed, "enas-visualize-micro", "--arc_file=search/best_arc.txt", "--output_dir=cells")
    assert "cells/cells.png" in drawn.split()
    assert command(installed, "enas-report", "--output_dir=search", "final", "--page=runs.html").split() == [
        "runs.html"
    ]
    text = (installed / "runs.html").read_text()
    assert "2 runs side by side" in text and "enas-evaluate-search" in text


def command_module(installed):
    """Where the installation's package lies."""
    code = "import enas; print(enas.__file__)"
    python = str(installed / "venv" / "bin" / "python")
    return subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=installed, check=True).stdout


@pytest.mark.parametrize("name", sorted(PROJECT["scripts"]))
def test_help_says_how_to_use_the_command(installed, name):
    printed = command(installed, name, "--help")
    usage = printed.split("flags:")[0]
    assert f"\n  {name} " in usage and ".py " not in usage
