"""Runs opened in a directory, as a program opens them."""

import dataclasses

from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.runs import run_directory


def config_of(path, kind=SearchConfig, child=None, **run):
    config = kind(run=RunConfig(output_dir=str(path), **run))
    return dataclasses.replace(config, child=dataclasses.replace(config.child, **child)) if child else config


def open_search(path, **changes):
    """Opens a run and lets go of its lock, so that it can be opened again."""
    run = run_directory.open_run(config_of(path, **changes), "search")
    run.close()
    return run
