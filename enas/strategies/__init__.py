"""How a search chooses arcs: a file for each value of --strategy. `docs/adding_a_strategy.md` builds one.

A strategy's file has the function `build`, see `Build`. `enas/strategies/strategy.py` says what it returns.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from enas.options.strategy import STRATEGIES, StrategyConfig
from enas.strategies.strategy import Strategy

Build = Callable[[StrategyConfig, Any, Sequence[int]], Strategy]

_MODULES = {name: f"enas.strategies.{name}" for name in STRATEGIES}


def register(name: str, module: str) -> None:
    """Adds a strategy for the life of the process.

    Args:
      name: as --strategy will have it.
      module: its module, e.g. "my_package.climbing", imported when a search with it is built.

    Raises:
      ValueError: another module has that name.
    """
    if _MODULES.setdefault(name, module) != module:
        raise ValueError(f"strategy {name!r} is {_MODULES[name]} already, not {module}")
    if name not in STRATEGIES:
        STRATEGIES.append(name)


def build(config: StrategyConfig, controller: Any, choices: Sequence[int]) -> Strategy:
    """Builds the strategy that --strategy names, in the graph of the controller.

    Args:
      controller: the space's `policy.Controller`; whatever the strategy, it turns decisions into arcs.
      choices: how many choices each decision of an arc has.
    """
    found: Strategy = importlib.import_module(_MODULES[config.strategy]).build(config, controller, choices)
    return found
