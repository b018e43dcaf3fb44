"""Configurations: frozen values, each field with its default, allowed range, unit and help text.

Flags (`enas/options/flags.py`), `config.json` and the range checks are all made from these fields, so a setting has one
name, one default and one explanation. The sections are in `enas/options/`. Nothing here imports TensorFlow.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from enas.options import checked
from enas.options.child import RECIPES, SCHEMES, ChildConfig
from enas.options.controller import ControllerConfig, RecommendationConfig, ScoreConfig
from enas.options.data import DATASETS, DataConfig
from enas.options.evaluation import EvaluationOptions
from enas.options.run import BaseRunConfig, FixedArcConfig, RetrainConfig, RunConfig, TrainRunConfig
from enas.options.strategy import StrategyConfig
from enas.options.workers import TowersConfig, TrainWorkersConfig, WorkersConfig

C = TypeVar("C")

__all__ = [
    "BaseRunConfig",
    "DATASETS",
    "SCHEMES",
    "ChildConfig",
    "ControllerConfig",
    "DataConfig",
    "EvaluationConfig",
    "FixedArcConfig",
    "RECIPES",
    "RecommendationConfig",
    "RetrainConfig",
    "RunConfig",
    "ScoreConfig",
    "Settings",
    "StrategyConfig",
    "SearchConfig",
    "TrainConfig",
    "TrainRunConfig",
    "WorkersConfig",
    "changes",
    "completed",
    "differences",
    "dumps",
    "from_values",
    "given_flags",
    "options",
    "to_values",
    "with_arc",
    "with_presets",
]


class Settings:
    """What the configurations of every space have.

    Attributes:
      data, child, run: the sections that each of them has.
      space: name of the search space.
      presets: `{flag: {its value, or "*" for any: {other flag: value}}}`, where the others take these values unless they
        are given. A section may have some, too.
      arc_flags: flags that give an arc's integers their meaning, and that an arc's file brings along from its run.
      budget: the section of a cost budget; None where the space has none.
      workers: which processes train together; a space whose training is one process's has no such section of its own.
    """

    space: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    arc_flags: ClassVar[tuple[str, ...]] = ()
    data: Any
    child: Any
    run: BaseRunConfig
    budget: Any = None
    workers: WorkersConfig = WorkersConfig()

    def metadata(self) -> dict[str, Any]:
        """What config.json says of the run beside its settings, e.g. {"ops": [the op that each op id stands for]}."""
        return {}

    def obstacle(self, stored: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Why a run with these stored values can't go on, other settings apart; "" if it can."""
        return ""


@dataclasses.dataclass(frozen=True)
class SearchConfig(Settings):
    """The sections that the search of a space of images has; a space puts its own child and controller in."""

    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {"child_recipe": RECIPES}

    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    strategy: StrategyConfig = StrategyConfig()
    score: ScoreConfig = ScoreConfig()
    recommendation: RecommendationConfig = RecommendationConfig()
    run: RunConfig = RunConfig()
    workers: TowersConfig = TowersConfig()


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """The sections that the training of an arc of a space of images has; a space puts its own child in."""

    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {"child_recipe": RECIPES}

    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    arc: RetrainConfig = RetrainConfig()
    run: TrainRunConfig = TrainRunConfig()
    workers: TrainWorkersConfig = TrainWorkersConfig()


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Settings):
    """The sections that the evaluation of a search of a space of images has; a space puts its own child in. Data and child
    are those of the trainings from scratch."""

    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {"child_recipe": RECIPES}

    evaluation: EvaluationOptions = EvaluationOptions()
    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    run: RunConfig = RunConfig()


def with_arc(config: Any, arc: Any) -> Any:
    """A `TrainConfig` that names its arc by --child_fixed_arc: the run is the arc's, wherever the arc came from."""
    flag, _ = config.arc.source()
    if flag not in ("child_fixed_arc", "arc_file"):
        return config
    return dataclasses.replace(config, arc=dataclasses.replace(config.arc, child_fixed_arc=str(arc), arc_file=""))


_PREFIXES = {"child": "child_", "controller": "controller_"}


def _sections(config_class: type[Any]) -> dict[str, Any]:
    """{name of a section: its class}."""
    return {section.name: section.type for section in dataclasses.fields(config_class)}


def options(config_class: type[Any]) -> Iterator[tuple[str, str, dataclasses.Field]]:
    """Yields (flag name, section name, dataclass field) for every option of a config class."""
    for section, section_class in _sections(config_class).items():
        for field in dataclasses.fields(section_class):
            prefix = _PREFIXES.get(section, "") if field.metadata["prefixed"] else ""
            yield prefix + field.name, section, field


def from_values(config_class: type[C], values: Mapping[str, Any]) -> C:
    """Builds a config from `{flag name: value}`; missing flags keep their defaults.

    Raises:
      UserError: a value of the wrong type, out of its range or not among its choices.
    """
    sections: dict[str, dict[str, Any]] = {section: {} for section in _sections(config_class)}
    for name, section, field in options(config_class):
        if name in values:
            sections[section][field.name] = checked(name, values[name], field)
    types = _sections(config_class)
    return config_class(**{name: types[name](**fields) for name, fields in sections.items()})


def to_values(config: Any) -> dict[str, Any]:
    """Returns `{flag name: value}` of every option of a config."""
    return {name: getattr(getattr(config, section), field.name) for name, section, field in options(type(config))}


def given_flags(config: Any, sections: Sequence[str], defaults: Mapping[str, Any] | None = None) -> list[str]:
    """The flags, "--name=value", of the options in these sections that differ from their defaults.

    Args:
      defaults: {flag: value} that a program takes where the flag is not given; None: the options' own.
    """
    defaults = to_values(type(config)()) if defaults is None else defaults
    values = {name: value for name, value in to_values(config).items() if value != defaults[name]}
    named = [name for name, section, _ in options(type(config)) if section in sections and name in values]
    return [f"--{name}={str(values[name]).lower() if type(values[name]) is bool else values[name]}" for name in named]


def with_presets(config_class: type[Any], defaults: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Returns defaults, {flag: value}, as the presets change them that `chosen`, {flag: value}, names."""
    values = dict(defaults)
    of_sections = [getattr(section, "presets", {}) for section in _sections(config_class).values()]
    for flag, presets in [pair for found in (*of_sections, config_class.presets) for pair in found.items()]:
        value = chosen.get(flag)
        if value and isinstance(value, str):
            values |= presets.get(value, presets.get("*", {}))
    return values


def completed(config_class: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a stored run, with those of options that are newer than it: what was done before there was the option,
    or the default, under its presets.

    Args:
      config_class: the config class of the run's kind and space.
      stored: a dict as in config.json, e.g. one that an older version wrote.
    """
    before = {name: field.metadata["before"] for name, _, field in options(config_class)}
    # What a run of an older version calls otherwise.
    stored = {**stored, "cost": "model_bytes"} if stored.get("cost") == "bytes" else stored
    older = {name: of(stored) for name, of in before.items() if of is not None and name not in stored}
    values = {**older, **stored}
    return with_presets(config_class, to_values(config_class()), values) | values


def differences(config: Any, stored: Mapping[str, Any]) -> list[str]:
    """Names the flags in which `stored` (a dict, as in config.json) differs and that a resumed run may not change."""
    values, stored = to_values(config), completed(type(config), stored)
    fixed = {name for name, _, field in options(type(config)) if not field.metadata["flexible"]}
    return [name for name in values if name in fixed and stored[name] != values[name]]


def changes(config: Any, stored: Mapping[str, Any]) -> list[str]:
    """What a resumed run changes, as `--flag=value (was value)`; `stored` is a dict as in config.json."""
    values = to_values(config)
    flexible = {name for name, _, field in options(type(config)) if field.metadata["flexible"]}
    noted = (flexible & set(stored)) - {"output_dir", "reset_output_dir", "eval_only", "sampling_only"}
    return [f"--{name}={values[name]} (was {stored[name]})" for name in sorted(noted) if stored[name] != values[name]]


def dumps(config: Any) -> str:
    """Returns the config as JSON text, one flag a line."""
    return json.dumps(to_values(config), indent=2)
