"""The shell scripts, run from a copy of the repository's scripts whose .venv holds a stand-in for Python."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import published_arcs
import pytest
from absl import flags as absl_flags

from enas import spaces
from enas.micro import arc
from enas.micro.config import PRESETS as CONTROLLER_PRESETS
from enas.micro.config import SearchConfig
from enas.options import config, flags

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for path in (ROOT / "scripts").rglob("*.sh") if not path.is_symlink()) + [ROOT / ".ci" / "run"]
PRESETS = sorted((ROOT / "scripts" / "presets").glob("m[ai]cro_*.sh"))
ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"

# github.com/melodyguan/enas, scripts/cifar10_micro_search.sh and cifar10_micro_final.sh; of the search without learning
# rate and tanh constants of the controller, which are the project's own.
PUBLISHED_SEARCH = {
    "batch_size": 160,
    "num_epochs": 150,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_use_aux_heads": True,
    "child_num_layers": 6,
    "child_out_filters": 20,
    "child_l2_reg": 1e-4,
    "child_num_cells": 5,
    "child_keep_prob": 0.9,
    "child_drop_path_keep_prob": 0.6,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0005,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
    "controller_entropy_weight": 1e-4,
    "controller_train_every": 1,
    "controller_num_aggregate": 10,
    "controller_train_steps": 30,
}
PUBLISHED_FINAL = {
    "batch_size": 144,
    "num_epochs": 630,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_fixed_arc": ARC,
    "child_use_aux_heads": True,
    "cutout_size": 16,
    "child_num_layers": 15,
    "child_out_filters": 36,
    "child_keep_prob": 0.8,
    "child_drop_path_keep_prob": 0.6,
    "child_l2_reg": 2e-4,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0001,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
}

# The same, scripts/cifar10_macro_search.sh and cifar10_macro_final.sh, less what the authors' macro network does not read.
PUBLISHED_MACRO_SEARCH = {
    "batch_size": 128,
    "num_epochs": 310,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_num_layers": 12,
    "child_out_filters": 36,
    "child_double_filters": False,
    "child_l2_reg": 0.00025,
    "child_keep_prob": 0.9,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0005,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
    "controller_search_whole_channels": True,
    "controller_entropy_weight": 1e-4,
    "controller_train_every": 1,
    "controller_num_aggregate": 20,
    "controller_train_steps": 50,
    "controller_lr": 0.001,
    "controller_tanh_constant": 1.5,
    "controller_skip_target": 0.4,
    "controller_skip_weight": 0.8,
}
PUBLISHED_MACRO_FINAL = {
    "batch_size": 100,
    "num_epochs": 310,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_fixed_arc": " ".join(published_arcs.MACRO),
    "child_out_filters": 96,
    "child_double_filters": True,
    "child_l2_reg": 2e-4,
    "child_keep_prob": 0.5,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.001,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
}

# Stands in for .venv/bin/python: hands what is not one of the mains to the real one; of a main it records the command
# line, and leaves the files that the scripts read next. FAIL names a main that fails.
STAND_IN = """#!{real}
import json, os, sys
arguments = sys.argv[1:]
main = os.path.basename(arguments[0]) if arguments else ""
if not main.startswith(("search_", "train_fixed_arc", "visualize_")):
    os.execv({real!r}, [{real!r}, *arguments])
with open({record!r}, "a") as file:
    file.write(json.dumps(arguments) + "\\n")
if main == os.environ.get("FAIL"):
    sys.exit(3)
folder = next(a.split("=", 1)[1] for a in reversed(arguments) if a.startswith("--output_dir="))
os.makedirs(folder, exist_ok=True)
if main == "train_fixed_arc.py":
    with open(folder + "/results.json", "w") as file:
        json.dump({{"test_accuracy": 0.98765}}, file)
"""


class Copy:
    """A copy of the scripts whose environment counts as installed, so that nothing is installed or trained."""

    def __init__(self, folder):
        self.root, self.record = folder / "repository, copied", folder / "commands.jsonl"
        shutil.copytree(ROOT / "scripts", self.root / "scripts", symlinks=True)
        shutil.copy(ROOT / "requirements.txt", self.root)
        python = self.root / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN.format(real=sys.executable, record=str(self.record)))
        python.chmod(0o755)
        self.stamp()

    def stamp(self):
        """Marks the environment as installed."""
        digest = hashlib.sha256((self.root / "requirements.txt").read_bytes()).hexdigest()
        version = sys.version_info[:2]
        (self.root / ".venv" / ".requirements").write_text(f"{version} {digest}\n")

    def run(self, script, *arguments, cwd="/", **environment):
        """Runs a script; returns the finished process."""
        command = ["bash", self.root / "scripts" / script, *arguments]
        return subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)

    def commands(self):
        """The mains that were run: [name, arguments] pairs."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [(Path(main).name, rest) for main, *rest in map(json.loads, lines)]


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def parsed(main, arguments):
    """The flags a command line gives, all of them checked: {name: value}; and the whole config's values."""
    values = absl_flags.FlagValues()
    if main == "train_fixed_arc.py":
        spaces.define_flag(values)
        config_class = spaces.get(spaces.chosen([main, *arguments])).train_config
    else:
        config_class = spaces.get(re.fullmatch(r"search_(\w+)\.py", main)[1]).search_config
    flags.define(config_class, values)
    assert values([main, *arguments]) == [main]
    everything = config.to_values(flags.parse_config(config_class, values))
    return {name: value for name, value in everything.items() if values[name].present}, everything


def preset_values(copy, name, *arguments):
    done = copy.run(name, *arguments)
    assert done.returncode == 0, done.stderr
    [(main, command)] = copy.commands()
    space = name.split("_")[0]
    assert main == (f"search_{space}.py" if "search" in name else "train_fixed_arc.py")
    return parsed(main, command)[0]


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


def test_there_is_a_search_and_a_final_preset_for_each_data_set():
    sets = {"macro": ("cifar10", "digits"), "micro": ("cifar10", "digits", "mnist")}
    names = [f"{space}_{kind}_{data}.sh" for space in sets for kind in ("final", "search") for data in sets[space]]
    assert [path.name for path in PRESETS] == names


@pytest.mark.parametrize("name", [path.name for path in PRESETS])
def test_every_flag_of_a_preset_exists_and_is_in_its_range(copy, name):
    values = preset_values(copy, name)
    stem = name.removesuffix(".sh")
    assert values["dataset"] == stem.rsplit("_", 1)[1]
    assert values["output_dir"] == str(copy.root / "outputs" / stem)
    assert values.get("data_dir") in (None, str(copy.root / "data" / values["dataset"]))
    assert values["child_scheme"] == ("fp32" if "cifar10" in name else "k4")
    assert f"outputs/{stem}" in " ".join((ROOT / "scripts" / name).read_text().split("set -euo")[0].split())


@pytest.mark.parametrize("name", [path.name for path in PRESETS])
def test_flags_given_to_a_preset_win(copy, name):
    values = preset_values(copy, name, "--child_scheme=binary", "--num_epochs", "3", "--output_dir=with space")
    assert (values["child_scheme"], values["num_epochs"], values["output_dir"]) == ("binary", 3, "with space")


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("micro_search_cifar10.sh", PUBLISHED_SEARCH),
        ("micro_final_cifar10.sh", PUBLISHED_FINAL),
        ("macro_search_cifar10.sh", PUBLISHED_MACRO_SEARCH),
        ("macro_final_cifar10.sh", PUBLISHED_MACRO_FINAL),
    ],
)
def test_the_cifar10_presets_are_the_published_settings(copy, name, published):
    values = preset_values(copy, name)
    for ours in ("dataset", "data_dir", "output_dir", "child_scheme"):
        values.pop(ours)
    assert values == published


@pytest.mark.parametrize("given, preset", [((), "none"), (("--controller_preset=authors",), "authors")])
def test_the_micro_presets_controller_is_the_projects_or_the_authors_as_a_whole(copy, given, preset):
    """No mixture of both: what else the project's controller has was measured with its own rate and bounds."""
    assert copy.run("micro_search_cifar10.sh", *given).returncode == 0
    [(main, command)] = copy.commands()
    defaults = config.to_values(SearchConfig()) | CONTROLLER_PRESETS[preset]
    found = parsed(main, command)[1]
    assert {name: found[name] for name in CONTROLLER_PRESETS["authors"]} == {
        name: defaults[name] for name in CONTROLLER_PRESETS["authors"]
    }


def test_the_published_arc_is_a_valid_one():
    assert str(arc.parse(ARC, num_cells=5)) == ARC


FINAL_PRESETS = [path.name for path in PRESETS if "_final_" in path.name]


@pytest.mark.parametrize("name", [name for name in FINAL_PRESETS if "cifar10" not in name])
def test_a_final_preset_trains_the_search_presets_best_arc(copy, name):
    values = preset_values(copy, name)
    search = name.removesuffix(".sh").replace("_final_", "_search_")
    assert values["arc_file"] == str(copy.root / "outputs" / search / "best_arc.txt")
    assert "child_fixed_arc" not in values


@pytest.mark.parametrize("name", FINAL_PRESETS)
@pytest.mark.parametrize(
    "given", [["--arc_file=a b"], ["--arc_file", "a b"], ["-arc_file=a b"], [f"--child_fixed_arc={ARC[::-1]}"]]
)
def test_an_arc_given_to_a_final_preset_is_the_only_one(copy, name, given):
    values = preset_values(copy, name, "--num_epochs=2", *given)
    expected = {"arc_file": "a b"} if "arc_file" in given[0] else {"child_fixed_arc": ARC[::-1]}
    assert {name: values[name] for name in ("arc_file", "child_fixed_arc") if name in values} == expected


def test_the_other_name_of_the_arc_flag_counts_as_an_arc(copy):
    assert preset_values(copy, "micro_final_cifar10.sh", "--fixed_arc=1 2 3")["child_fixed_arc"] == "1 2 3"


def test_the_quickstart_searches_then_trains_what_it_found_then_draws_it(copy, tmp_path):
    done = copy.run("quickstart.sh", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = copy.root / "outputs" / "quickstart-1"
    (search, search_flags), (train, train_flags), (draw, draw_flags) = copy.commands()
    found, _ = parsed(search, search_flags)
    assert found["output_dir"] == str(out / "search")
    trained, _ = parsed(train, train_flags)
    assert trained["arc_file"] == str(out / "search" / "best_arc.txt")
    assert trained["output_dir"] == str(out / "final")
    for values in (found, trained):
        assert (values["dataset"], values["child_scheme"]) == ("digits", "k4")
    assert draw == "visualize_micro.py"
    assert draw_flags == [
        f"--arc_file={out}/search/best_arc.txt",
        "--child_scheme=k4",
        f"--output_dir={out}/cells",
    ]
    assert "98.77%" in done.stdout and str(out) in done.stdout


def test_the_commands_the_quickstart_suggests_can_be_pasted(copy):
    suggested = re.findall(r"^    (\S.*)$", copy.run("quickstart.sh").stdout, re.MULTILINE)
    assert len(suggested) >= 5
    for command in suggested:
        assert subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0
    copy.record.unlink()
    subprocess.run(["bash", "-c", suggested[0]], cwd="/", check=True)
    [(main, arguments)] = copy.commands()
    assert parsed(main, arguments)[0] == {
        "eval_only": True,
        "output_dir": str(copy.root / "outputs" / "quickstart-1" / "final"),
    }


def test_the_quickstart_takes_the_next_free_number(copy):
    outputs = copy.root / "outputs"
    (outputs / "quickstart-1").mkdir(parents=True)
    (outputs / "quickstart-1" / "kept").write_text("results")
    (outputs / "quickstart-2").write_text("a file")
    (outputs / "quickstart-3").symlink_to("nowhere")
    for expected in ("quickstart-4", "quickstart-5"):
        before = {path: path.stat().st_mtime_ns for path in outputs.rglob("*") if path.exists()}
        done = copy.run("quickstart.sh")
        assert done.returncode == 0, done.stderr
        assert (outputs / expected / "final" / "results.json").exists()
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [path.name for path in (outputs / "quickstart-1").iterdir()] == ["kept"]


def test_quickstarts_at_the_same_time_get_directories_of_their_own(copy):
    command = ["bash", copy.root / "scripts" / "quickstart.sh"]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert {path.name for path in (copy.root / "outputs").iterdir()} == {f"quickstart-{n}" for n in range(1, 5)}
    folders = [a for _, rest in copy.commands() for a in rest if a.startswith("--output_dir=")]
    assert len(set(folders)) == len(folders) == 12


@pytest.mark.parametrize("main", ["search_micro.py", "train_fixed_arc.py", "visualize_micro.py"])
def test_the_quickstart_fails_at_once_if_a_step_fails(copy, main):
    done = copy.run("quickstart.sh", FAIL=main)
    assert done.returncode == 3
    assert copy.commands()[-1][0] == main
    assert "the quickstart failed" in done.stderr and "accuracy" not in done.stdout


def test_the_quickstart_takes_no_arguments(copy):
    done = copy.run("quickstart.sh", "--num_epochs=3")
    assert done.returncode == 1 and "unexpected argument '--num_epochs=3'" in done.stderr
    assert not (copy.root / "outputs").exists()


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
