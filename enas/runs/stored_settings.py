"""Programs that go on with the run in --output_dir as it is, whatever the flags' defaults: --eval_only, --sampling_only.

Nothing here imports TensorFlow.
"""

import os
from collections.abc import Mapping
from typing import Any

from enas import files, spaces
from enas.errors import UserError
from enas.interfaces import SearchSpace
from enas.options import arc_input
from enas.options import config as configs
from enas.options.workers import check_alone
from enas.runs.metadata import stored_values
from enas.runs.run_directory import check_output_dir

# What such a program takes from the command line: where things are, and what changes no result.
# Which images are left out is a part of what the data is: a run with others is refused by `session.run_context`.
_TAKEN = ("output_dir", "data_dir", "skip_bad_images", "cache", "cache_dir", "log_every", "checkpoint_every_minutes")


def search_settings(config: Any, given: Mapping[str, Any]) -> Any:
    """The settings a search runs with, checked as far as they can be before anything slow.

    Args:
      config: a search's config from the flags.
      given: {flag: value} of the flags that are on the command line.

    Returns:
      `config`; with --sampling_only the settings of the search in --output_dir, but for what belongs to the sampling.

    Raises:
      UserError: see `check_output_dir`; --recommended_arch can't be written or is in --output_dir; --sampling_only and
        there is no search, or it has other settings than the flags that were given.
    """
    path, options = config.run.output_dir, config.recommendation
    _check_recommended(options.recommended_arch, path)
    if not options.sampling_only:
        check_output_dir(config, "search")
        return config
    check_alone(config.workers, "sampling_only")
    stored = stored_values(path)
    if stored is None or (stored.get("kind"), stored.get("space")) != ("search", config.space):
        raise UserError(f"--output_dir={path}: expected a search of the {config.space} space, for --sampling_only")
    taken = (*_TAKEN, "sampling_only", "num_sampling", "recommended_arch")
    # The search has written its own; a sampling writes only where its command line says.
    stored = {**stored, "recommended_arch": ""}
    return _merged(type(config), configs.to_values(config), given, stored, taken, "sampling_only")


def _check_recommended(file, run):
    """Checks that --recommended_arch can be written, and is no file of the run."""
    own = os.path.realpath(run)
    if file and os.path.commonpath([own, os.path.realpath(file)]) == own:
        raise UserError(
            f"--recommended_arch={file}: is in --output_dir={run}; expected a file outside the run directory"
        )
    files.check_writable("recommended_arch", file)


def evaluation_settings(config: Any, given: dict[str, Any]) -> Any:
    """The settings of the training run in --output_dir, with which --eval_only evaluates it.

    Args:
      config: a training's config from the flags; of any space, the run's own counts.
      given: {flag: value} of the flags that are on the command line; "space" may be among them.

    Raises:
      UserError: there is no training run, or it has other settings, or another arc, than the flags that were given.
    """
    path = config.run.output_dir
    stored = _stored_training(path)
    kind = spaces.get(stored["space"]).train_config
    values = configs.to_values(config)
    if {"arc_file", "child_fixed_arc"} & set(given):
        named = {name: values[name] for name in ("arc_file", "child_fixed_arc")}
        arc = arc_input.given(configs.from_values(kind, {**stored, **named}), spaces.get(stored["space"]))
        given = {name: value for name, value in given.items() if name not in named} | {"child_fixed_arc": str(arc)}
    return _merged(kind, values, given, stored, (*_TAKEN, "eval_only"), "eval_only")


def training_settings(path: str) -> Any:
    """The settings of the training run in a directory.

    Raises:
      UserError: there is none.
    """
    stored = _stored_training(path)
    return _of_run(spaces.get(stored["space"]).train_config, stored, path)


def _of_run(kind, stored, path):
    """A stored run's settings, for programs that only read it, from where it is now."""
    return configs.from_values(kind, {**configs.completed(kind, stored), "output_dir": path, "reset_output_dir": False})


def _stored_training(path):
    stored = stored_values(path)
    if stored is None or stored.get("kind") != "training" or stored.get("space") not in spaces.names():
        raise UserError(f"--output_dir={path}: expected a training run of this program")
    return stored


def defaults_of_evaluation(config_class: type[Any], stored: Mapping[str, Any], num_epochs: int) -> dict[str, Any]:
    """What an evaluation takes where flags are not given: data and child of the search, and one period of the learning
    rate's schedule for the whole training.

    Args:
      config_class: the evaluation's config class.
      stored: the values of the search.
      num_epochs: epochs of each training.
    """
    names = [name for name, section, _ in configs.options(config_class) if section in ("data", "child")]
    values = {name: stored[name] for name in [*names, "batch_size"] if name in stored}
    return {**values, "child_lr_T_0": num_epochs}


def search_in(search_dir: str, space: SearchSpace, flag: str) -> Any:
    """The settings of the search in a directory.

    Args:
      flag: what named the directory.

    Raises:
      UserError: there is no search of the space.
    """
    stored = stored_values(search_dir)
    if stored is None or (stored.get("kind"), stored.get("space")) != ("search", space.name):
        raise UserError(f"--{flag}={search_dir}: expected the run directory of a search of the {space.name} space")
    return _of_run(space.search_config, stored, search_dir)


def _merged(kind, values, given, stored, taken, flag):
    """The stored settings, with those in `taken` as they are in `given`; --output_dir and `flag` as in `values`."""
    path = values["output_dir"]
    # It was obeyed when the run began.
    stored = {**configs.completed(kind, stored), "output_dir": path, "reset_output_dir": False, flag: values[flag]}
    other = [
        f"--{name}={given[name]} (was {stored.get(name)})"
        for name in given
        if name not in taken and stored.get(name) != given[name]
    ]
    if other:
        raise UserError(
            f"--{flag}: the run in --output_dir={path} has other settings: {', '.join(other)}; leave these flags out"
        )
    chosen = {name: value for name, value in given.items() if name in taken and value != ""}
    return configs.from_values(kind, {**stored, **chosen})
