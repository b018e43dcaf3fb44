"""A run as its directory tells it, finished or not. Nothing here imports TensorFlow, and nothing is written."""

import contextlib
import dataclasses
import glob
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from enas import files, spaces
from enas.costs.cost import Cost
from enas.errors import UserError
from enas.interfaces import SearchSpace
from enas.options import arc_input, config
from enas.runs import metadata

Record = dict[str, Any]

KINDS = ("search", "training", "evaluation")


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A run.

    Attributes:
      path: its directory.
      name: what it is called on a page, unique there.
      kind: one of `KINDS`.
      space: its search space.
      config: its settings.
      metrics: the records of metrics.jsonl.
      arcs: the records of arcs.jsonl, limit_arcs.jsonl and sampled_arcs.jsonl.
      report: the content of an evaluation's report.json; None while there is none.
      results: the content of a training's results.json; None while there is none.
      confusion: the content of confusion.json; None where there is none.
      data: the content of data.json, or of that of a training that an evaluation ran.
      position: what the newest checkpoint says of how far the run is, e.g. {"epoch": 3, "minutes": 1.5}; of an evaluation
        {"minutes": 1.5}.
    """

    path: str
    name: str
    kind: str
    space: SearchSpace
    config: Any
    metrics: list[Record]
    arcs: list[Record]
    report: Record | None
    results: Record | None
    confusion: Record | None
    data: Record
    position: Record

    def of(self, kind: str) -> list[Record]:
        """Returns the metrics of one kind: "child", "controller" or "eval"."""
        return [record for record in self.metrics if record["kind"] == kind]

    def arc(self, text: str) -> Any:
        """Returns the arc of a string."""
        return self.space.arc.for_child(arc_input.integers(text), self.config.child)

    def cost(self, arc: Any) -> Cost | None:
        """Returns what an arc costs, or None where the space has no cost model or the data is not known yet."""
        if self.space.cost is None or "image_shape" not in self.data or "class_names" not in self.data:
            return None
        trained = self.config.arc.trained_child(self.config.child) if self.kind == "training" else self.config.child
        return self.space.cost(arc, trained, self.data["image_shape"], len(self.data["class_names"]))

    def written(self) -> str:
        """Says when the run's records were last written, in UTC."""
        paths = [os.path.join(self.path, name) for name in ("metrics.jsonl", "arcs.jsonl", "stdout", "config.json")]
        newest = max(os.path.getmtime(path) for path in paths if os.path.exists(path))
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(newest)) + " UTC"


def read(path: str, name: str) -> StoredRun:
    """Reads a run directory.

    Args:
      name: see `StoredRun`.

    Raises:
      UserError: there is no run of a kind and space that can be shown, or a file of it is damaged.
    """
    stored = metadata.stored_values(path)
    if stored is None or stored.get("kind") not in KINDS or stored.get("space") not in spaces.names():
        raise UserError(f"--output_dir={path}: expected the directory of a search, a training or an evaluation")
    kind, space = stored["kind"], spaces.get(stored["space"])
    classes = {"search": space.search_config, "training": space.train_config, "evaluation": space.evaluation_config}
    config_class: Any = classes[kind]
    if config_class is None:
        raise UserError(f"--output_dir={path}: the {space.name} space has no evaluations; expected another run")
    # What was asked of one process is none of the run's settings.
    once = {"output_dir": path, "reset_output_dir": False, "eval_only": False, "sampling_only": False}
    values = {**config.completed(config_class, stored), **once}
    return StoredRun(
        path,
        name,
        kind,
        space,
        config.from_values(config_class, values),
        _records(path, "metrics.jsonl", {"kind": str, "epoch": int}),
        [
            *_records(path, "arcs.jsonl", {"arc": str, "epoch": int}),
            *_records(path, "limit_arcs.jsonl", {"arc": str, "epoch": int}),
            *_records(path, "sampled_arcs.jsonl", {"arc": str, "epoch": int}),
        ],
        _object(path, "report.json"),
        _object(path, "results.json"),
        _object(path, "confusion.json"),
        _data(path, stored),
        _position(path) or _object(path, "spent.json") or {},
    )


def names(paths: Sequence[str]) -> list[str]:
    """Returns a short name for each run directory: as much of the path's end as tells it from the others."""
    parts = [os.path.normpath(os.path.abspath(path)).split(os.sep) for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        found = [os.sep.join(words[-length:]) for words in parts]
        if len(set(found)) == len(found):
            return found
    twice = next(path for at, path in enumerate(paths) if parts[at] in parts[:at])
    raise UserError(f"--output_dir={twice}: is named twice")


def _records(path, name, expected):
    """The records of a .jsonl file that may be growing: a last line without its end does not count yet."""
    file = os.path.join(path, name)
    if not os.path.exists(file):
        return []
    with open(file, "rb") as opened:
        lines = opened.read().split(b"\n")[:-1]
    for number, line in enumerate(lines, 1):
        try:
            lines[number - 1] = record = json.loads(line)
            good = all(type(record[key]) is kind for key, kind in expected.items())
        except (ValueError, TypeError, KeyError, RecursionError):
            good = False
        if not good:
            raise UserError(f"{file}: line {number} is no record; expected an object with {', '.join(expected)}")
    return lines


def _object(path, name):
    found = files.read_json(os.path.join(path, name))
    if found is not None and not isinstance(found, dict):
        raise UserError(f"{os.path.join(path, name)}: expected an object")
    return found


def _data(path, stored):
    """What is known of the data: by the run itself, by a training of an evaluation, or by the evaluated search."""
    folders = [path, *sorted(glob.glob(os.path.join(glob.escape(path), "trainings", "*"))), stored.get("search_dir")]
    for folder in folders:
        if folder and (found := metadata.read_data(folder)):
            return found
    return {}


def _position(path):
    """What the newest checkpoint that can be read says; {} where there is none."""
    pattern = os.path.join(glob.escape(path), "checkpoints", "last-*.json")
    for file in sorted(glob.glob(pattern), key=lambda file: (len(file), file), reverse=True):
        # A running process replaces them, so one may be gone.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError), open(file) as opened:
            facts = json.load(opened)["facts"]
            if isinstance(facts, dict) and all(isinstance(facts[key], int | float) for key in ("epoch", "minutes")):
                return facts
    return {}
