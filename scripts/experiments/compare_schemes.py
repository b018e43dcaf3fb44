"""Compares schemes on MNIST at one budget: for each scheme and seed a search, and the training from scratch of its arc.

  .venv/bin/python scripts/experiments/compare_schemes.py --schemes=fp32,binary,k4 --seeds=0,1,2

Runs scripts/micro_search_mnist.sh and scripts/micro_final_mnist.sh one after the other. Writes schemes.json, schemes.md (a
table of means over the seeds) and schemes.png (test accuracy against model bytes) into --output_dir. Run it again to go on.
"""

import json
import os
import re
import shlex
import subprocess
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from enas import files
from enas.errors import UserError
from quantize.bits import BITS
from scripts.arguments import Parser, run_script, some_of
from scripts.plots import log_ticks

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT = "fp32,fp16,binary,ternary,k1,k2,k4,k8"
COLUMNS = ("search", "search_minutes", "retrained", "retrained_minutes", "parameters", "model_bytes")
HEADER = """| scheme | search: test accuracy | minutes | retrained: test accuracy | minutes | parameters | model |
| --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Runs what is missing and writes table and picture."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--schemes", type=some_of(BITS), default=DEFAULT.split(","), help=f"default: {DEFAULT}")
    parser.add_argument(
        "--seeds", type=_seeds, default=[0, 1, 2], help="whole numbers separated by commas; default: 0,1,2"
    )
    parser.add_argument("--output_dir", default="outputs/schemes", help="default: outputs/schemes")
    parser.add_argument(
        "--flags", type=shlex.split, default=[], help="more flags of both, e.g. --flags='--data_dir=DIR'"
    )
    parser.add_argument("--search_flags", type=shlex.split, default=[], help="more flags of the searches")
    parser.add_argument("--final_flags", type=shlex.split, default=[], help="more flags of the trainings from scratch")
    given = parser.parse_args()
    os.makedirs(given.output_dir, exist_ok=True)
    records = []
    for seed in given.seeds:
        for scheme in given.schemes:
            records.append(_measured(given, scheme, seed))
            _write(given.output_dir, records)


def _seeds(word: str) -> list[int]:
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", word):
        raise UserError(f"--seeds={word}: expected whole numbers separated by commas")
    return list(map(int, word.split(",")))


def _measured(given: Any, scheme: str, seed: int) -> dict[str, Any]:
    """The figures of a search and of the training of its arc, which are run if they are not done."""
    search, final = (os.path.join(given.output_dir, f"{kind}_{scheme}_{seed}") for kind in ("search", "final"))
    flags = [f"--child_scheme={scheme}", f"--seed={seed}", *given.flags]
    _run("micro_search_mnist.sh", [*flags, f"--output_dir={search}", *given.search_flags])
    arc = f"--arc_file={search}/best_arc.txt"
    _run("micro_final_mnist.sh", [*flags, f"--output_dir={final}", arc, *given.final_flags])
    with open(os.path.join(final, "results.json"), encoding="utf-8") as file:
        results = json.load(file)
    return {
        "scheme": scheme,
        "seed": seed,
        "search": files.read_records(os.path.join(search, "metrics.jsonl"), "eval")[-1]["test_accuracy"],
        "search_minutes": _minutes(search),
        "retrained": results["test_accuracy"],
        "retrained_minutes": _minutes(final),
        "parameters": results["parameters"],
        "model_bytes": results["model_bytes"],
    }


def _run(script: str, flags: list[str]) -> None:
    if subprocess.run(["bash", os.path.join(ROOT, "scripts", script), *flags], check=False).returncode:
        raise UserError(f"{script} {shlex.join(flags)}: failed; its error is above")


def _minutes(path: str) -> float:
    """The minutes that a run took, as its log says."""
    with open(os.path.join(path, "stdout"), encoding="utf-8") as file:
        return float(re.findall(r"(?:finished in|mins =) ([0-9.]+)", file.read())[-1])


def _write(folder: str, records: list[dict[str, Any]]) -> None:
    """Writes the figures so far: all as JSON, means over the seeds as a table and a picture."""
    by_scheme: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_scheme.setdefault(record["scheme"], []).append(record)
    means = {
        name: {column: float(np.mean([record[column] for record in found])) for column in COLUMNS}
        for name, found in by_scheme.items()
    }
    files.write_atomically(os.path.join(folder, "schemes.json"), json.dumps(records, indent=2) + "\n")
    table = HEADER + "".join(f"| {name} | {_cells(mean)} |\n" for name, mean in means.items())
    files.write_atomically(os.path.join(folder, "schemes.md"), table)
    draw(by_scheme, os.path.join(folder, "schemes.png"))


def _cells(mean: dict[str, float]) -> str:
    return " | ".join(
        (
            f"{mean['search']:.2%}",
            f"{mean['search_minutes']:.1f}",
            f"{mean['retrained']:.2%}",
            f"{mean['retrained_minutes']:.1f}",
            f"{mean['parameters']:,.0f}",
            f"{mean['model_bytes'] / 1000:,.0f} kB",
        )
    )


def draw(by_scheme: dict[str, list[dict[str, Any]]], path: str) -> None:
    """Draws test accuracy after training from scratch against model bytes: a point a seed, the mean with the name."""
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    for i, (name, found) in enumerate(by_scheme.items()):
        colour = f"C{i}"
        size, accuracy = ([record[key] for record in found] for key in ("model_bytes", "retrained"))
        kilobytes, percent = np.array(size) / 1000, 100 * np.array(accuracy)
        axes.scatter(kilobytes, percent, s=14, color=colour, alpha=0.5, linewidths=0)
        axes.scatter(kilobytes.mean(), percent.mean(), s=60, color=colour)
        axes.annotate(name, (kilobytes.mean(), percent.mean()), (7, 5), textcoords="offset points", color=colour)
    axes.margins(x=0.12, y=0.08)
    axes.set_xscale("log")
    log_ticks(axes.xaxis)
    axes.set_xlabel("model, kB")
    axes.set_ylabel("test accuracy, %")
    axes.set_title("MNIST: networks found and trained under each scheme (large: mean over the seeds)", fontsize=10)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    run_script(main)
