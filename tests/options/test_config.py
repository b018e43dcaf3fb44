import dataclasses
import math

import pytest
from space_contract import bounds

from enas.errors import UserError
from enas.macro import config as macro_config
from enas.micro import config as micro_config
from enas.options import config
from enas.options.evaluation import SweepOptions
from enas.rnn import config as rnn_config

SPACES = (micro_config, macro_config, rnn_config)
CONFIGS = [kind for space in SPACES for kind in (space.SearchConfig, space.TrainConfig)]
CONFIGS += [micro_config.EvaluationConfig, micro_config.SweepConfig]
FIELDS = {(cls, name): field for cls in CONFIGS for name, _, field in config.options(cls)}
# One class for each name and meaning: "child_lr_max", "rnn child_l2_reg", ...
SEEN = {}
OPTIONS = {
    f"{cls.space} {cls.__name__} {name}": field
    for (cls, name), field in FIELDS.items()
    if SEEN.setdefault((name, str(field.metadata)), cls) is cls
}
NUMBERS = [option for option, field in OPTIONS.items() if field.metadata["kind"] in (int, float)]

# Options, or values of them, that mean nothing without another one.
TOGETHER = {
    "task_index": {"worker_hosts": ",".join(f"host{place}:2222" for place in range(1024))},
    ("cost", "latency"): {"latency_table": "latency.json"},
}


def build(option, value):
    """An option's value in a config that is built with it."""
    cls, name = next(key for key in FIELDS if option == f"{key[0].space} {key[0].__name__} {key[1]}")
    return config.to_values(
        config.from_values(cls, {name: value, **TOGETHER.get(name, TOGETHER.get((name, str(value)), {}))})
    )[name]


def flag(option):
    """The flag of an option."""
    return option.split()[-1]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_explained_and_its_default_allowed(option):
    assert OPTIONS[option].metadata["help"].endswith(".")
    assert build(option, OPTIONS[option].default) == OPTIONS[option].default


@pytest.mark.parametrize(
    "space, good, bad",
    [
        (micro_config, (0, 0.9, 1), {1.01: "at most 1.0", 90: "at most 1.0"}),
        (macro_config, (0, 0.9, 1), {90: "at most 1.0"}),
        (rnn_config, (0, 1, 80.5), {0.9: "0, or a perplexity of at least 1"}),
    ],
)
def test_a_search_stops_over_an_accuracy_or_a_perplexity(space, good, bad):
    for value in good:
        assert (
            config.from_values(space.SearchConfig, {"early_stop_over": value}).recommendation.early_stop_over == value
        )
    for value, words in bad.items():
        with pytest.raises(UserError, match=f"^--early_stop_over={value}.*: expected {words}$"):
            config.from_values(space.SearchConfig, {"early_stop_over": value})


@pytest.mark.parametrize("option", NUMBERS)
def test_every_number_has_a_range_that_is_kept(option):
    limits = list(bounds(OPTIONS[option].metadata))
    assert len(limits) == 2 or OPTIONS[option].metadata["choices"], "a number needs a range"
    for good, bad in limits:
        assert build(option, good) == good
        with pytest.raises(UserError, match=rf"^--{flag(option)}=.*: expected (at least|more than|at most) "):
            build(option, bad)


@pytest.mark.parametrize("option", [option for option in NUMBERS if OPTIONS[option].metadata["kind"] is float])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_nan_or_infinite(option, value):
    with pytest.raises(UserError, match=f"^--{flag(option)}="):
        build(option, value)


@pytest.mark.parametrize("option", [option for option, field in OPTIONS.items() if field.metadata["choices"]])
def test_choices_are_kept(option):
    choices = OPTIONS[option].metadata["choices"]
    for choice in choices:
        assert build(option, choice) == choice
    with pytest.raises(UserError, match=f"^--{flag(option)}=.*: expected one of {choices[0]}, "):
        build(option, "nonsense" if isinstance(choices[0], str) else 999)


@pytest.mark.parametrize("option", OPTIONS)
def test_values_of_another_type_are_refused(option):
    for value in (None, [], "3" if OPTIONS[option].metadata["kind"] is not str else 3):
        with pytest.raises(UserError, match=f"^--{flag(option)}="):
            build(option, value)


def test_an_integer_that_no_float_can_hold_is_refused():
    for value in (10**400, -(10**400)):
        with pytest.raises(UserError, match="--child_lr_max="):
            build("micro SearchConfig child_lr_max", value)


def test_a_bool_is_no_int():
    with pytest.raises(UserError, match="--seed=True: expected int"):
        build("micro SearchConfig seed", True)


def test_configs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        micro_config.SearchConfig().run.seed = 1


def test_differences_names_what_a_resumed_run_may_not_change():
    stored = config.to_values(micro_config.SearchConfig())
    assert config.differences(micro_config.SearchConfig(), stored) == []
    now = config.from_values(
        micro_config.SearchConfig, {"seed": 1, "child_lr_max": 0.1, "num_epochs": 20, "log_every": 7}
    )
    assert config.differences(now, stored) == ["child_lr_max", "seed"]


def test_an_option_that_a_stored_run_does_not_know_has_its_default_there():
    settings = micro_config.SearchConfig
    stored = config.to_values(settings())
    del stored["child_num_cells"]
    assert config.differences(settings(), stored) == []
    assert config.differences(config.from_values(settings, {"child_num_cells": 4}), stored) == ["child_num_cells"]


def test_the_default_of_an_option_that_a_stored_run_does_not_know_is_that_of_its_preset():
    settings = micro_config.SearchConfig
    preset = {"controller_preset": "authors", **micro_config.PRESETS["authors"]}
    stored = config.to_values(config.from_values(settings, preset))
    for name in ("controller_entropy_in_reward", "controller_op_bias_init"):
        del stored[name]
    assert config.differences(config.from_values(settings, preset), stored) == []
    now = config.from_values(settings, preset | {"controller_op_bias_init": 0.0})
    assert config.differences(now, stored) == ["controller_op_bias_init"]
    assert config.completed(settings, {"controller_preset": 5})["controller_op_bias_init"] == 0.0


@pytest.mark.parametrize("text", ["1", "128", "1e4", "1e9", "65536.0"])
def test_a_loss_scale_in_its_range_is_taken(text):
    assert micro_config.ChildConfig(loss_scale=text).loss_scale == text


@pytest.mark.parametrize("text", ["0.5", "1e10", "2e9", "nan", "inf", "-8", "1e-3", "", "static"])
def test_loss_scales_out_of_range_are_refused(text):
    with pytest.raises(UserError, match="--loss_scale=.*: expected a number from 1 to 1e9, or dynamic"):
        micro_config.ChildConfig(loss_scale=text)


def test_given_flags_are_those_that_differ_from_their_defaults():
    values = {"dataset": "mnist", "augment": False, "child_scheme": "k4", "child_num_cells": 2, "seed": 3}
    found = config.given_flags(config.from_values(micro_config.SearchConfig, values), ("data", "child"))
    assert found == ["--dataset=mnist", "--augment=false", "--child_scheme=k4", "--child_num_cells=2"]


def test_a_sweep_is_its_searches_and_trainings():
    """It is refused with other targets or epochs, whose arcs were found and trained already."""
    values = {"cost_targets": "2e8,5e8", "num_epochs": 3, "final_epochs": 2, "seed": 5, "num_candidates": 7}
    sweep = config.from_values(micro_config.SweepConfig, values)
    assert sweep.sweep.targets == (2e8, 5e8)
    assert (sweep.of_search.run.num_epochs, sweep.of_search.run.seed) == (3, 5)
    trainings = sweep.of_trainings
    assert (trainings.run.num_epochs, trainings.child.lr_T_0, trainings.evaluation.num_candidates) == (2, 2, 7)
    changed = {"cost_targets": "2e8,6e8", "num_epochs": 4, "final_epochs": 3, "arcs_per_target": 9, "cost": "macs"}
    now = config.from_values(micro_config.SweepConfig, {**values, **changed})
    assert set(config.differences(now, config.to_values(sweep))) == set(changed)


@pytest.mark.parametrize("text", ["", "x", "1e8,", "1e8,-1", "nan", "inf", "0", "1e19"])
def test_cost_targets_are_costs(text):
    with pytest.raises(UserError, match=f"--cost_targets={text}: expected costs separated by commas"):
        micro_config.SweepConfig(sweep=SweepOptions(text)).sweep.targets  # noqa: B018


def test_latent_weights_have_adam_and_a_rate_of_their_own_unless_published():
    for space in (micro_config, macro_config):
        for kind in (space.SearchConfig, space.TrainConfig):
            values = config.to_values(config.from_values(kind, {"child_scheme": "binary"}))
            assert (values["child_recipe"], values["child_latent_optimizer"]) == ("low_bit", "adam")
            published = config.with_presets(kind, values, {"child_recipe": "published"})
            assert published["child_latent_optimizer"] == "sgd"


def test_the_rate_of_adam_is_refused_where_adam_is_not():
    with pytest.raises(
        UserError, match="^--child_latent_lr=0.1: is Adam's, but --child_latent_optimizer is sgd; leave "
    ):
        build("micro SearchConfig child_latent_lr", 0.1) and config.from_values(
            micro_config.SearchConfig, {"child_latent_lr": 0.1, "child_latent_optimizer": "sgd"}
        )


@pytest.mark.parametrize(
    "child, glue, low_bit",
    [
        ({"scheme": "fp32"}, "fp32", False),
        ({"scheme": "k4"}, "k8", True),
        ({"scheme": "k4", "recipe": "published"}, "k4", False),
        ({"scheme": "k4", "glue_scheme": "ternary"}, "ternary", True),
        ({"scheme": "fp32", "search_precision": "fp32,binary"}, "fp32", True),
        ({"scheme": "k4", "search_precision": "fp32,fp16"}, "k8", False),
        ({"scheme": "k4", "search_precision": "k4,k8"}, "k8", True),
    ],
)
def test_the_glue_is_k8_between_quantized_layers_and_low_bit_is_said_of_ops(child, glue, low_bit):
    found = micro_config.ChildConfig(**child)
    assert (found.glue, found.low_bit) == (glue, low_bit)


def test_folders_of_splits_say_the_data_set():
    values = {"train_data_dir": "a", "val_data_dir": "b"}
    for config_class in (micro_config.SearchConfig, micro_config.TrainConfig, micro_config.EvaluationConfig):
        assert config.with_presets(config_class, {"dataset": "digits"}, values) == {"dataset": "folder"}
        assert config.with_presets(config_class, {"dataset": "digits"}, {"train_data_dir": ""}) == {"dataset": "digits"}
    with pytest.raises(UserError, match="--val_data_dir=b: holds class folders, but --dataset is mnist"):
        config.DataConfig(dataset="mnist", val_data_dir="b")
