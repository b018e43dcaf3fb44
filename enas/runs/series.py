"""The series of a run's figures as plain text: series/<kind>_<figure>.txt, one line "step value" for each point.

Made from metrics.jsonl, which is what a resumed run goes on from, so that they never disagree with it.
"""

import os

from enas.runs.run_directory import RunDirectory

# What of a record places it rather than being a figure.
_PLACES = {"kind", "epoch", "step"}


def write(run: RunDirectory) -> None:
    """Writes all series of a run and deletes those it has no more; an evaluation's step is its epoch.

    Args:
      run: the `RunDirectory`.
    """
    files: dict[str, list[str]] = {}
    for record in run.read("metrics.jsonl"):
        step = record.get("step", record["epoch"])
        for name, value in record.items():
            if name not in _PLACES and isinstance(value, int | float):
                files.setdefault(f"{record['kind']}_{name}.txt", []).append(f"{step} {value:.9g}\n")
    os.makedirs(run.file("series"), exist_ok=True)
    for name in os.listdir(run.file("series")):
        if name.endswith(".txt") and name not in files:
            os.remove(run.file(os.path.join("series", name)))
    for name, points in files.items():
        run.write(os.path.join("series", name), "".join(points))
