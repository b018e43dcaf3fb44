"""How far runs are, and that the commands on their pages are the runs' own."""

import json
import shlex

import made_up_runs
import pytest
from absl import flags as absl_flags

from enas import spaces
from enas.commands import evaluate_search
from enas.options import config, flags
from enas.report import progress, stored_run
from enas.runs import metadata, stored_settings


def read(path):
    return stored_run.read(str(path), "run")


def parsed(command, config_class, **defaults):
    """The settings that a command line means, beside its program and --space."""
    words = [word for word in shlex.split(command)[1:] if not word.startswith("--space=")]
    registry = absl_flags.FlagValues()
    flags.define(config_class, registry)
    registry(words)
    return flags.parse_config(config_class, registry, defaults)


@pytest.mark.parametrize("space", ["micro", "macro", "rnn"])
def test_the_command_of_an_unfinished_search_has_all_its_settings(tmp_path, space):
    more = {"controller_lr": 0.0021, "seed": 7, "eval_every_epochs": 2}
    if space == "micro":
        # A preset, and one of its flags back at the option's own default.
        more |= {"controller_preset": "authors", "controller_lr": 0.001, "search_precision": "k4,binary"}
        more |= {"controller_baseline": "moving", "augment": False}
    settings = made_up_runs.search(tmp_path / "run", space, done=1, **more)
    [(words, command)] = progress.commands(read(tmp_path / "run"))
    assert words == "Go on with this run" and f"search_{space}.py" in command
    found = parsed(command, type(settings))
    assert not config.differences(found, metadata.stored_values(tmp_path / "run"))
    assert found.run.num_epochs == settings.run.num_epochs


@pytest.mark.parametrize("space", ["micro", "macro", "rnn"])
def test_the_command_of_an_unfinished_training_has_all_its_settings(tmp_path, space):
    settings = made_up_runs.training(tmp_path / "run", space, finished=False, seed=3, reset_output_dir=True)
    [(_, command)] = progress.commands(read(tmp_path / "run"))
    assert f"--space={space}" in command and "reset_output_dir" not in command
    assert not config.differences(parsed(command, type(settings)), metadata.stored_values(tmp_path / "run"))


def test_the_command_of_an_unfinished_evaluation_has_what_differs_from_its_search(tmp_path):
    made_up_runs.search(tmp_path / "search", child_out_filters=4, child_scheme="k4")
    # The filters are the option's own default again, but not the search's.
    made_up_runs.write(
        tmp_path / "run",
        "evaluation",
        "micro",
        search_dir=str(tmp_path / "search"),
        child_out_filters=20,
        child_scheme="k4",
        num_epochs=4,
        child_lr_T_0=4,
    )
    [(_, command)] = progress.commands(read(tmp_path / "run"))
    assert "--child_out_filters=20" in command and "--child_scheme" not in command and "lr_T_0" not in command
    kind = spaces.get("micro").evaluation_config
    searched = metadata.stored_values(tmp_path / "search")
    defaults = stored_settings.defaults_of_evaluation(kind, searched, 4)
    assert not config.differences(parsed(command, kind, **defaults), metadata.stored_values(tmp_path / "run"))
    assert evaluate_search.stored_settings.defaults_of_evaluation is stored_settings.defaults_of_evaluation


def test_states_are_told_from_checkpoints_and_results(tmp_path):
    made_up_runs.search(tmp_path / "search", epochs=3, done=2)
    assert progress.of(read(tmp_path / "search")) == progress.Progress(False, "unfinished, in epoch 3 of 3")
    made_up_runs.checkpoint(tmp_path / "search", 3)
    assert progress.of(read(tmp_path / "search")) == progress.Progress(True, "finished, 3 epochs")
    made_up_runs.search(tmp_path / "early", epochs=3, done=2, early_stop_over=0.2)
    assert progress.of(read(tmp_path / "early")) == progress.Progress(True, "finished early, after epoch 2 of 3")
    made_up_runs.checkpoint(tmp_path / "early", 2, unit=1)
    assert not progress.of(read(tmp_path / "early")).finished
    made_up_runs.training(tmp_path / "training", finished=False)
    assert progress.of(read(tmp_path / "training")).words == "unfinished, in epoch 1 of 2"


def test_an_evaluation_counts_its_trainings(tmp_path):
    made_up_runs.write(tmp_path / "run", "evaluation", "micro", num_arcs=4, num_seeds=2, num_finalists=3)
    for number in range(5):
        folder = tmp_path / "run" / "trainings" / str(number)
        folder.mkdir(parents=True)
        (folder / "results.json").write_text("{}")
    assert progress.of(read(tmp_path / "run")).words == "unfinished, 5 of 11 trainings done"


def test_a_damaged_checkpoint_or_report_is_no_end_of_the_page(tmp_path):
    made_up_runs.search(tmp_path / "run", epochs=3, done=2)
    for text in ("", "[]", '{"facts": 3}', '{"facts": {"epoch": "x", "minutes": 1}}'):
        (tmp_path / "run" / "checkpoints" / "last-2.json").write_text(text)
        assert read(tmp_path / "run").position["epoch"] == 2
    newer = json.dumps({"facts": {"epoch": 3, "phase": 0, "unit": 0, "minutes": 2.0}})
    (tmp_path / "run" / "checkpoints" / "last-10.json").write_text(newer)
    assert read(tmp_path / "run").position["epoch"] == 3


def test_a_run_that_its_time_limit_stopped_goes_on_with_a_larger_one(tmp_path):
    settings = made_up_runs.search(tmp_path / "run", epochs=3, done=2, max_minutes=1.5)
    assert progress.of(read(tmp_path / "run")).words == "stopped by its time limit of 1.5 minutes, in epoch 3 of 3"
    (_, command), (_, retraining) = progress.commands(read(tmp_path / "run"))
    assert parsed(command, type(settings)).run.max_minutes == 3.0 and "train_fixed_arc" in retraining
    made_up_runs.write(tmp_path / "evaluation", "evaluation", "micro", max_minutes=2.0)
    (tmp_path / "evaluation" / "spent.json").write_text('{"minutes": 2.5}')
    assert progress.of(read(tmp_path / "evaluation")).words.startswith("stopped by its time limit of 2 minutes, 0 of")
