"""The search spaces: what is one, and how a command line names it."""

import subprocess
import sys

import pytest

from enas import spaces


def test_every_space_has_the_same_modules_and_its_settings_name_it():
    assert "micro" in spaces.names()
    for name in spaces.names():
        config = spaces.module(name, "config")
        assert config.SearchConfig.space == config.TrainConfig.space == name
        space = spaces.module(name, "space")
        assert {part: getattr(space, part).__name__ for part in ("arc", "child", "config", "controller")} == {
            part: f"enas.{name}.{part}" for part in ("arc", "child", "config", "controller")
        }
        task = {"ADVICE", "METRIC", "Scorer", "description", "facts", "learning_rate", "load", "training"}
        assert task <= set(dir(space.task))


@pytest.mark.parametrize(
    "words, name",
    [
        ([], "micro"),
        (["--space=rnn_like"], "micro"),
        (["--space=micro"], "micro"),
        (["--seed", "3", "--space", "other"], "other"),
        (["--output_dir", "runs", "--space=other", "--noaugment"], "other"),
        (["--space=other", "--space=micro"], "micro"),
        (["--", "--space=other"], "micro"),
    ],
)
def test_the_space_is_found_on_a_command_line_whose_other_flags_are_not_defined_yet(monkeypatch, words, name):
    monkeypatch.setattr(spaces, "names", lambda: ["micro", "other"])
    assert spaces.chosen(["program", *words]) == name


def test_the_space_is_found_in_a_flag_file(monkeypatch, tmp_path):
    monkeypatch.setattr(spaces, "names", lambda: ["micro", "other"])
    path = tmp_path / "flags"
    path.write_text("--seed=3\n--space=other\n")
    assert spaces.chosen(["program", f"--flagfile={path}"]) == "other"
    assert spaces.chosen(["program", "--flagfile=/no/such/file"]) == "micro"


def test_settings_and_arcs_of_every_space_need_no_tensorflow():
    code = "import sys\nfrom enas import spaces\n"
    code += "[spaces.module(n, p) for n in spaces.names() for p in ('config', 'arc')]\n"
    code += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
