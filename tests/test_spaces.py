"""The search spaces: what is one, and how a command line names it."""

import subprocess
import sys

import pytest

from enas import interfaces, spaces


@pytest.mark.parametrize("name", spaces.names())
def test_a_space_supplies_what_the_interface_lists(name):
    space = spaces.get(name)
    assert space.name == space.search_config.space == space.train_config.space == name
    for module, protocol in (
        (space.arc, interfaces.ArcModule),
        (space.diagram, interfaces.DiagramModule),
        (space.controller, interfaces.ControllerModule),
        (space.task, interfaces.Task),
    ):
        listed = {part for part in {*vars(protocol), *protocol.__annotations__} if not part.startswith("_")}
        assert listed and listed <= set(dir(module)), module


def test_a_name_is_registered_once():
    spaces.register("micro", "enas.micro.space")
    with pytest.raises(ValueError, match="'micro' is enas.micro.space already, not elsewhere"):
        spaces.register("micro", "elsewhere")


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
    code += "[spaces.get(name) for name in spaces.names()]\n"
    code += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
