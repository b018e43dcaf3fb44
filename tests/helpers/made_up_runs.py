"""Run directories with made-up records, as the programs would have written them; nothing is trained."""

import json

import numpy as np

from enas import spaces
from enas.options import config
from enas.runs.run_directory import open_run

IMAGES = {"class_names": ["cat", "dog", "<b>owl</b>"], "image_shape": [8, 8, 1]}
ARCS = {
    "micro": ["0 0 1 1 0 2 1 3", "1 4 1 4 0 0 1 0"],
    "macro": ["0 1 0 2 1 1", "5 5 1 3 0 0"],
    "rnn": ["0 0 1", "3 0 2"],
}
CHILD = {
    "micro": {"child_num_cells": 1, "child_num_layers": 2},
    "macro": {"child_num_layers": 3},
    "rnn": {"child_rhn_depth": 2},
}


def write(path, kind, space, **flags):
    """Begins a run: its directory with a config.json; returns its config."""
    found = spaces.get(space)
    classes = {"search": found.search_config, "training": found.train_config, "evaluation": found.evaluation_config}
    values = {**CHILD[space], "output_dir": str(path), **flags}
    if kind == "training":
        values.setdefault("child_fixed_arc", ARCS[space][0])
    settings = config.from_values(classes[kind], values)
    open_run(settings, kind).close()
    (path / "data.json").write_text(json.dumps(IMAGES if space != "rnn" else {"words": ["a", "b"]}))
    return settings


def records(path, name, lines):
    """Appends records to a .jsonl file of a run."""
    with open(path / name, "a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def search(path, space="micro", epochs=3, done=None, **flags):
    """A search of some epochs, all or some of them done: two scored arcs in each; returns its config."""
    settings = write(path, "search", space, num_epochs=epochs, **flags)
    done, metric = epochs if done is None else done, spaces.get(space).metric.name
    for epoch in range(1, done + 1):
        child = {
            "kind": "child",
            "epoch": epoch,
            "step": 10 * epoch,
            "loss": 1 / epoch,
            "lr": 0.1,
            f"train_{metric}": 0.5,
        }
        update = {"kind": "controller", "epoch": epoch, "step": epoch, "reward": 0.1 * epoch, "entropy": 9.0 / epoch}
        measured = {"kind": "eval", "epoch": epoch, f"valid_{metric}": 0.5 + 0.1 * epoch, f"test_{metric}": 0.4}
        records(path, "metrics.jsonl", [child, update, measured])
        scored = [
            {"epoch": epoch, f"val_{metric}": 0.1 * epoch + 0.01 * i, "arc": arc} for i, arc in enumerate(ARCS[space])
        ]
        records(path, "arcs.jsonl", scored)
    checkpoint(path, done)
    return settings


def checkpoint(path, epoch, **position):
    """What the newest checkpoint says of how far the run is."""
    facts = {"epoch": epoch, "phase": 0, "unit": 0, "minutes": 1.5, **position}
    (path / "checkpoints" / "last-1.json").write_text(json.dumps({"facts": facts}))


def training(path, space="micro", finished=True, **flags):
    """A training of two epochs; returns its config."""
    settings = write(path, "training", space, num_epochs=2, **flags)
    metric = spaces.get(space).metric.name
    for epoch in (1, 2):
        child = {"kind": "child", "epoch": epoch, "step": 10 * epoch, "loss": 1 / epoch, "lr": 0.1}
        measured = {
            "kind": "eval",
            "epoch": epoch,
            f"valid_{metric}": 0.8,
            f"test_{metric}": 0.7,
            "test_recall": {"a": 0.5, "b": None},
        }
        records(path, "metrics.jsonl", [child, measured])
    if finished:
        checkpoint(path, 2)
        (path / "results.json").write_text(json.dumps({"epoch": 2, "parameters": 1234, f"test_{metric}": 0.7}))
    return settings


def confusion(path, classes=3):
    """Writes a confusion.json; returns its counts."""
    counts = np.random.default_rng(0).integers(1, 9, (classes, classes)).tolist()
    names = [*IMAGES["class_names"], *(f"class {number}" for number in range(3, classes))]
    (path / "confusion.json").write_text(json.dumps({"split": "test", "class_names": names, "counts": counts}))
    return counts
