"""What --eval_only, --sampling_only and --arc_file take from a run directory, and what they refuse."""

import json

import pytest

from enas.errors import UserError
from enas.macro import config as macro_config
from enas.micro import config as micro_config
from enas.options import config as configs
from enas.rnn import config as rnn_config
from enas.runs import metadata, run_directory, stored_settings

ARC = "0 0 1 1 0 2 1 3"
OTHER_ARC = "0 0 1 1 0 2 1 2"


def make(kind, path, **values):
    """Makes a run directory."""
    config = configs.from_values(kind, {"output_dir": str(path), **values})
    run_directory.open_run(config, "search" if hasattr(config, "controller") else "training").close()
    return config


def evaluated(path, kind=micro_config.TrainConfig, **given):
    """The settings with which a run is evaluated, by a command line with some flags."""
    given = {"output_dir": str(path), "eval_only": True, **given}
    flags = {name: value for name, value in given.items() if name != "space"}
    return stored_settings.evaluation_settings(configs.from_values(kind, flags), given)


@pytest.fixture
def training(tmp_path):
    values = {"child_fixed_arc": ARC, "child_num_cells": 1, "seed": 7, "data_dir": "there", "reset_output_dir": True}
    make(micro_config.TrainConfig, tmp_path / "run", **values)
    return tmp_path / "run"


def test_an_evaluation_has_the_settings_of_the_training(training):
    found = evaluated(training)
    assert (found.run.seed, found.child.num_cells, found.arc.child_fixed_arc) == (7, 1, ARC)
    assert (found.arc.eval_only, found.run.reset_output_dir, found.data.data_dir) == (True, False, "there")
    found = evaluated(training, data_dir="elsewhere", cache="memory", log_every=3)
    assert (found.data.data_dir, found.data.cache, found.run.log_every) == ("elsewhere", "memory", 3)
    found = evaluated(training, data_dir="elsewhere", skip_bad_images=True)
    assert found.data.skip_bad_images
    run_directory.check_output_dir(found, "training")


def test_flags_that_say_what_the_run_has_are_allowed_its_arc_in_any_form(training):
    assert evaluated(training, seed=7, space="micro") == evaluated(training)
    assert evaluated(training, child_fixed_arc=f"  {ARC.replace(' ', '  ')}") == evaluated(training)
    (training.parent / "arc.json").write_text(f"[{ARC.replace(' ', ', ')}]")
    assert evaluated(training, arc_file=str(training.parent / "arc.json")) == evaluated(training)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"seed": 8, "child_scheme": "k4"}, "--seed=8 (was 7), --child_scheme=k4 (was fp32)"),
        ({"num_epochs": 20}, "--num_epochs=20 (was 10)"),
        ({"child_fixed_arc": OTHER_ARC}, f"--child_fixed_arc={OTHER_ARC} (was {ARC})"),
        ({"reset_output_dir": True}, "--reset_output_dir=True (was False)"),
        ({"space": "macro"}, "--space=macro (was micro)"),
    ],
)
def test_flags_that_would_be_ignored_are_refused_by_name(training, given, words):
    with pytest.raises(UserError) as error:
        evaluated(training, **given)
    assert str(error.value) == (
        f"--eval_only: the run in --output_dir={training} has other settings: {words}; leave these flags out"
    )


def test_the_space_of_a_run_need_not_be_named(tmp_path):
    arc = "0 3 0 1 0 1"
    make(macro_config.TrainConfig, tmp_path / "run", child_num_layers=3, child_fixed_arc=arc)
    found = evaluated(tmp_path / "run", child_fixed_arc="0  3 0  1 0 1")
    assert (type(found), found.arc.child_fixed_arc) == (macro_config.TrainConfig, arc)


def test_where_there_is_no_training_there_is_nothing_to_evaluate(tmp_path):
    make(micro_config.SearchConfig, tmp_path / "search")
    for path in (tmp_path / "search", tmp_path / "none"):
        with pytest.raises(UserError, match=f"^--output_dir={path}: expected a training run of this program$"):
            evaluated(path)


def test_sampling_refuses_flags_that_it_would_ignore(tmp_path):
    make(micro_config.SearchConfig, tmp_path / "run", seed=3)
    given = {"sampling_only": True, "seed": 4, "num_sampling": 5, "output_dir": str(tmp_path / "run")}
    with pytest.raises(
        UserError, match=r"^--sampling_only: .* other settings: --seed=4 \(was 3\); leave these flags out$"
    ):
        stored_settings.search_settings(configs.from_values(micro_config.SearchConfig, given), given)


@pytest.mark.parametrize("kind", [micro_config.SearchConfig, macro_config.SearchConfig, rnn_config.SearchConfig])
def test_a_run_is_resumed_where_its_data_has_moved(kind, tmp_path):
    make(kind, tmp_path / "run", data_dir="here")
    make(kind, tmp_path / "run", data_dir="there")
    assert "resuming with --data_dir=there (was here)" in (tmp_path / "run" / "stdout").read_text()


@pytest.mark.parametrize("older", [False, True])
def test_an_arc_s_file_brings_what_its_integers_mean_from_a_run_older_than_the_flags_too(training, older):
    kind, path = micro_config.TrainConfig, training / "config.json"
    stored = json.loads(path.read_text())
    if older:
        path.write_text(json.dumps({name: value for name, value in stored.items() if name not in kind.arc_flags}))
    meant = {name: stored[name] for name in kind.arc_flags}
    assert set(meant) == {"child_op_table", "search_precision"}
    assert metadata.inherited(str(training / "arc.txt"), kind, {}) == meant
    assert metadata.inherited(str(training), kind, meant) == meant
    with pytest.raises(
        UserError, match="--child_op_table=conv_3x3: .* its run, which has --child_op_table=sep_conv_3x3,"
    ):
        metadata.inherited(str(training), kind, {"child_op_table": "conv_3x3"})
    assert metadata.inherited(str(training.parent / "arc.txt"), kind, {"child_op_table": "conv_3x3"}) == {}
