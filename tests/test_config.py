import dataclasses
import json
import math

import pytest

from enas import config
from enas.errors import UserError
from enas.micro import config as micro_config

CONFIGS = (micro_config.SearchConfig, micro_config.TrainConfig)
OPTIONS = {name: field for cls in CONFIGS for name, _, field in config.options(cls)}
NUMBERS = [name for name, field in OPTIONS.items() if field.metadata["kind"] in (int, float)]


def build(name, value):
    """A config with one option set, of a class that has the option."""
    for cls in CONFIGS:
        if name in {option for option, _, _ in config.options(cls)}:
            return config.to_values(config.from_values(cls, {name: value}))[name]
    raise KeyError(name)


def bounds(name):
    """(value that is just allowed, value that is just refused) for each bound of an option."""
    meta = OPTIONS[name].metadata
    whole = meta["kind"] is int
    below = (lambda v: v - 1) if whole else (lambda v: math.nextafter(v, -math.inf))
    over = (lambda v: v + 1) if whole else (lambda v: math.nextafter(v, math.inf))
    if meta["low"] is not None:
        yield meta["low"], below(meta["low"])
    if meta["above"] is not None:
        yield over(meta["above"]), meta["above"]
    if meta["high"] is not None:
        yield meta["high"], over(meta["high"])


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_explained_and_its_default_allowed(name):
    assert OPTIONS[name].metadata["help"].endswith(".")
    assert build(name, OPTIONS[name].default) == OPTIONS[name].default


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_range_that_is_kept(name):
    limits = list(bounds(name))
    assert limits or OPTIONS[name].metadata["choices"], "a number needs a range"
    for good, bad in limits:
        assert build(name, good) == good
        with pytest.raises(UserError, match=rf"^--{name}=.*: expected (at least|more than|at most) "):
            build(name, bad)


@pytest.mark.parametrize("name", [name for name in NUMBERS if OPTIONS[name].metadata["kind"] is float])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_nan_or_infinite(name, value):
    with pytest.raises(UserError, match=f"^--{name}="):
        build(name, value)


@pytest.mark.parametrize("name", [name for name, field in OPTIONS.items() if field.metadata["choices"]])
def test_choices_are_kept(name):
    choices = OPTIONS[name].metadata["choices"]
    for choice in choices:
        assert build(name, choice) == choice
    with pytest.raises(UserError, match=f"^--{name}=.*: expected one of {choices[0]}, "):
        build(name, "nonsense" if isinstance(choices[0], str) else 999)


@pytest.mark.parametrize("name", OPTIONS)
def test_values_of_another_type_are_refused(name):
    for value in (None, [], "3" if OPTIONS[name].metadata["kind"] is not str else 3):
        with pytest.raises(UserError, match=f"^--{name}="):
            build(name, value)


def test_an_integer_that_no_float_can_hold_is_refused():
    for value in (10**400, -(10**400)):
        with pytest.raises(UserError, match="--child_lr_max="):
            build("child_lr_max", value)


def test_a_bool_is_no_int():
    with pytest.raises(UserError, match="--seed=True: expected int"):
        build("seed", True)


@pytest.mark.parametrize("cls", CONFIGS)
def test_values_make_the_round_trip(cls):
    default = cls()
    assert config.from_values(cls, config.to_values(default)) == default
    changed = {name: next(bounds(name))[0] for name, _, _ in config.options(cls) if list(bounds(name))}
    other = config.from_values(cls, changed)
    assert other != default
    assert config.from_values(cls, json.loads(config.dumps(other))) == other
    assert config.to_values(other).items() >= changed.items()


@pytest.mark.parametrize("cls", CONFIGS)
def test_names_are_unique(cls):
    names = [name for name, _, _ in config.options(cls)]
    assert len(names) == len(set(names)) == len(config.to_values(cls()))


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
    del stored["child_num_cells"]
    assert "child_num_cells" in config.differences(now, stored)
