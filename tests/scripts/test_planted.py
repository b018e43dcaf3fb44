"""The program that runs controllers on the planted problem: its flags, and what it checks before it runs them."""

import dataclasses

import pytest
from mains import run

from enas.micro.config import ChildConfig, ControllerConfig, SearchConfig
from enas.options import config
from scripts.experiments import planted, planted_problem


class Recorder:
    """A controller's settings, of which it notes the ones that are read."""

    def __init__(self, settings):
        self.settings, self.read = settings, set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self.settings, name)


def test_there_is_a_flag_for_each_setting_that_changes_something_and_for_no_other():
    settings = Recorder(ControllerConfig(lstm_size=4, num_aggregate=2))
    child = ChildConfig(num_cells=1)
    assert len(list(planted.learn(settings, child, 0, 1, planted.planted_arc(0, 1, 5)))) == 1
    # The preset sets the others.
    assert set(planted_problem.CONTROLLER_FLAGS) - {"controller_preset"} == {
        f"controller_{name}" for name in settings.read
    }
    assert {name for name, _, _ in config.options(SearchConfig)} > planted_problem.UNREAD
    assert len(planted_problem.UNREAD) + len(settings.read) + 1 == len(dataclasses.fields(ControllerConfig))


@pytest.mark.parametrize("name", ["planted.json", "planted.png"])
def test_files_that_cannot_be_written_are_told_before_the_controllers_run(tmp_path, name):
    (tmp_path / name).mkdir()
    done = run("scripts/experiments/planted_problem.py", f"--output_dir={tmp_path}", "--num_updates=1000000")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --output_dir={tmp_path}/{name}: is a folder, expected a file\n"
