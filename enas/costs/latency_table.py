"""Latencies of the parts of children, as they were measured on a device. Nothing here imports TensorFlow."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from enas.errors import UserError
from enas.files import write_atomically

FORMAT = "enas latency table, format 2"
EARLIER = "enas latency table, format 1"  # without quantizers as parts


@dataclasses.dataclass(frozen=True)
class LatencyTable:
    """Times of the parts of a child, for one image.

    Attributes:
      machine: the processor, and the level of the kernels.
      threads: of the runtime.
      child: {flag: value} of the settings that the parts are of.
      image_shape: `[H, W, C]`.
      num_classes: of the classifier.
      overhead: milliseconds of a prediction beside its parts.
      milliseconds: {name of a part: its time}.
      kernels: which ones were measured: the hash of their sources, flags and compiler; "": NumPy's, or not told.
    """

    machine: str
    threads: int
    child: Mapping[str, Any]
    image_shape: tuple[int, int, int]
    num_classes: int
    overhead: float
    milliseconds: Mapping[str, float]
    kernels: str = ""

    def latency(self, parts: Mapping[str, int]) -> float:
        """Adds up milliseconds of parts, {name: how often}.

        Raises:
          UserError: the table lacks one.
        """
        if missing := sorted(set(parts) - set(self.milliseconds)):
            raise UserError(f"the table of latencies has no {missing[0]!r}; measure again: scripts/measure_latency.py")
        return self.overhead + sum(count * self.milliseconds[name] for name, count in parts.items())


def write(path: str, table: LatencyTable) -> None:
    """Writes a table as JSON.

    Raises:
      UserError: the file can't be written.
    """
    write_atomically(path, json.dumps({"format": FORMAT, **dataclasses.asdict(table)}, indent=1) + "\n")


def read(path: str) -> LatencyTable:
    """Reads a table.

    Raises:
      UserError: the file is not there, or no table of `scripts/measure_latency.py`, or one of an earlier version.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except OSError as error:
        raise UserError(f"--latency_table={path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and found.get("format") == EARLIER:
        raise UserError(
            f"--latency_table={path}: was measured by an earlier version, which had other parts; measure again: "
            "scripts/measure_latency.py with the search's flags"
        )
    try:
        if found.pop("format") != FORMAT:
            raise ValueError
        table = LatencyTable(**found)
        times = [table.overhead, *table.milliseconds.values()]
        whole = (
            type(table.threads) is type(table.num_classes) is int
            and isinstance(table.machine, str)
            and isinstance(table.kernels, str)
            and isinstance(table.child, dict)
        )
        shape = tuple(table.image_shape)
        if not whole or len(shape) != 3 or not all(type(side) is int for side in shape):
            raise ValueError
        if not all(type(time) in (int, float) and math.isfinite(time) and time >= 0 for time in times):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"--latency_table={path}: no table of latencies; expected one that scripts/measure_latency.py wrote"
        ) from None
    return dataclasses.replace(table, image_shape=shape)
