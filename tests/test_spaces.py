"""The search spaces: what is one, and how a command line names it."""

import pytest

from enas import spaces


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


def test_the_space_of_the_run_that_an_arc_lies_in_is_the_default(monkeypatch):
    monkeypatch.setattr(spaces, "names", lambda: ["micro", "other"])
    of_file = {"a": "other", "b": None, "c": "gone"}.get
    for words, name in (
        (["--arc_file=a"], "other"),
        (["--seed", "3", "--arc_file", "a"], "other"),
        (["--arc_file=a", "--space=micro"], "micro"),
        (["--arc_file=b"], "micro"),
        (["--arc_file=c"], "micro"),
    ):
        assert spaces.chosen(["program", *words], of_file) == name
