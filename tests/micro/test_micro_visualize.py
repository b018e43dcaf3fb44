import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
FILES = sorted(
    f"{name}.{kind}" for name in ("normal_cell", "reduction_cell", "cells") for kind in ("dot", "png", "svg")
)


def run(folder, *arguments, path=""):
    """Runs the script in a folder; without programs on its PATH unless told, so matplotlib draws."""
    command = [sys.executable, str(ROOT / "visualize_micro.py"), *arguments]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize("path", ["", os.environ["PATH"]])
def test_the_files_it_names_are_there(tmp_path, path):
    done = run(tmp_path, *ARC.split(), path=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"outputs/cells/{name}" for name in FILES]
    assert all((tmp_path / line).stat().st_size > 500 for line in done.stdout.splitlines())
    assert "sep 3×3 · fp32" in (tmp_path / "outputs/cells/cells.dot").read_text(encoding="utf-8")


def test_a_quoted_arc_a_scheme_and_a_folder(tmp_path):
    done = run(tmp_path, "0 0 1 1 1 2 0 0", "--child_scheme=k4", "--output_dir=here")
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "here")) == FILES
    assert "sep 5×5 · k4" in (tmp_path / "here" / "normal_cell.svg").read_text(encoding="utf-8")


def test_the_images_that_the_cost_is_for(tmp_path):
    done = run(tmp_path, "0 0 1 1 1 2 0 0", "--img_size=14x20", "--channel=1", "--num_classes=7", "--output_dir=here")
    assert done.returncode == 0, done.stderr
    assert "14×20×1 images" in (tmp_path / "here" / "cells.dot").read_text(encoding="utf-8")
    done = run(tmp_path, "0 0 1 1 1 2 0 0", "--img_size=14x")
    assert done.returncode == 2 and done.stderr.startswith("error: --img_size=14x: expected one number or HEIGHTxWIDTH")


def test_an_arc_file_is_drawn(tmp_path):
    (tmp_path / "best_arc.txt").write_text(ARC + "\n")
    done = run(tmp_path, "--arc_file=best_arc.txt", "--output_dir=.")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["no arc", "--arc_file"]),
        ([""], ["multiple of 8 integers"]),
        (ARC.split()[:39], ["multiple of 8 integers", "got 39"]),
        (["0", "5", *ARC.split()[2:]], ["integer 2 of 40", "is 5", "expected 0 to 4"]),
        (["0", "-1", *ARC.split()[2:]], ["-1", "negative"]),
        (["-1 " + ARC[2:]], ["-1", "negative"]),
        (["0", "x", *ARC.split()[2:]], ["word 2 of 40", "'x'"]),
        ([ARC, "--arc_file=best_arc.txt"], ["--arc_file", "not both"]),
        (["--arc_file=missing.txt"], ["--arc_file=missing.txt", "No such file"]),
        ([ARC, "--child_scheme=fp33"], ["--child_scheme=fp33", "expected one of fp32, fp16, binary", "k8"]),
        ([ARC, "--output_dri=x"], ["output_dri", "Did you mean: output_dir"]),
        ([ARC, "--output_dir=/dev/null/x"], ["--output_dir=/dev/null/x", "can't be written"]),
    ],
)
def test_a_mistake_is_one_line_and_code_2(tmp_path, arguments, words):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert os.listdir(tmp_path) == []


def test_help_shows_the_flags_first(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Draws the normal and the reduction cell")
    assert all(f"--{name}:" in done.stdout for name in ("arc_file", "output_dir", "child_scheme"))
