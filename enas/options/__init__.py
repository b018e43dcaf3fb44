"""The options of each section of a configuration, as dataclass fields. Nothing here imports TensorFlow."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from enas.errors import UserError

# Of numbers that say nothing else: products of two such counts fit 64 bits, and all of them float32.
MOST = 10**9


def option(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] | None = None,
    above: float | None = None,
    flexible: bool = False,
    prefixed: bool = True,
    before: Callable[[Mapping[str, Any]], Any] | None = None,
) -> Any:
    """Returns a dataclass field.

    Args:
      default: its value when no flag is given; gives the flag its type.
      help: what it does, its unit, and the published value where a paper or the ENAS authors' code has one.
      low, high: inclusive numeric range. above: exclusive lower bound.
      choices: the allowed values.
      flexible: True when a resumed run may change it.
      prefixed: False where the flag lacks its section's prefix.
      before: what a run had that is older than the option, from the stored values of its other options; None: the default.
    """
    kind = type(default)
    if high is None and choices is None and kind in (int, float):
        high = kind(MOST)
    meta = {
        "help": help,
        "low": low,
        "high": high,
        "above": above,
        "choices": choices,
        "flexible": flexible,
        "prefixed": prefixed,
        "before": before,
    }
    return dataclasses.field(default=default, metadata={**meta, "kind": kind})


def other_default(config_class: type, name: str, default: Any) -> Any:
    """The field `name` of a config class with another default, for a class derived from it."""
    [field] = [field for field in dataclasses.fields(config_class) if field.name == name]
    return dataclasses.field(default=default, metadata=field.metadata)


def checked(name: str, value: Any, field: dataclasses.Field) -> Any:
    """Returns the value of the option `field`, an int as a float where the option is one.

    Args:
      name: the option's flag, for messages.

    Raises:
      UserError: a value of another type, out of its range or not among its choices.
    """
    meta = field.metadata
    kind = meta["kind"]
    if kind is float and type(value) is int:
        # A config.json may hold an int that no float can hold.
        value = float(value) if abs(value) <= sys.float_info.max else float("inf")
    if type(value) is not kind:
        raise UserError(f"--{name}={value!r}: expected {kind.__name__}")
    if meta["choices"] and value not in meta["choices"]:
        raise UserError(f"--{name}={value}: expected one of {', '.join(map(str, meta['choices']))}")
    for bound, bad, words in (
        ("low", lambda low: not value >= low, "at least"),
        ("above", lambda low: not value > low, "more than"),
        ("high", lambda high: not value <= high, "at most"),
    ):
        if meta[bound] is not None and bad(meta[bound]):
            raise UserError(f"--{name}={value}: expected {words} {meta[bound]}")
    if kind is float and value in (float("inf"), float("-inf")):
        raise UserError(f"--{name}={value}: expected a finite number")
    return value
