"""Measures what the steps of a search and of a training cost, on this machine.

  python scripts/bench.py --json=bench.json                            (the micro space alone, a few minutes)
  python scripts/bench.py --against=classic,torch --schemes=k4,binary  (with comparisons, about 15 minutes)
  python scripts/bench.py --plot=docs/cost.png                         (cost against filters, layers, nodes, batch size)
  python scripts/bench.py --space=macro --against=torch
  python scripts/bench.py --space=rnn

The flags are the child's and the controller's of the space, and those that `--help` explains; each space's benchmark is
`bench_<space>.py`. `--against=torch` needs PyTorch, which nothing else here does.
"""

import importlib
import json
import sys

from enas import files, spaces
from enas.commands import cli, environment
from enas.options import flags


def main(arguments: list[str]) -> None:
    """Runs the benchmark the flags describe."""
    cli.no_arguments(arguments)
    settings = flags.parse_config(benchmark.BenchConfig)
    path = settings.bench.json
    files.check_writable("json", path)
    environment.set_defaults(spaces.get(spaces.chosen(sys.argv)).environment)
    figures = benchmark.measure(settings)
    if path:
        files.write_atomically(path, json.dumps(figures, indent=2) + "\n")
    print(benchmark.table(figures))


if __name__ == "__main__":
    benchmark = importlib.import_module(f"scripts.benchmarks.bench_{spaces.chosen(sys.argv)}")
    spaces.define_flag()
    flags.define(benchmark.BenchConfig)
    cli.run(main)
