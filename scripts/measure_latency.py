"""Measures how long the parts of a child take in this project's runtime on this machine: a table for --cost=latency.

  .venv/bin/python scripts/measure_latency.py --output=latency.json --child_scheme=binary --child_out_filters=16
  .venv/bin/python scripts/measure_latency.py --output=latency.json --check=30
  .venv/bin/python scripts/measure_latency.py --output=latency.json --arc_file=outputs/search/best_arc.txt

It takes the flags of search_micro.py, so that a search's whole command line can be given; those of the child count, the
others do not matter here. --arc_file prints what the parts of one arc take, by the table. --check=N measures N random arcs
as a whole, with the settings of the table, and compares them with what it predicts.
"""

import dataclasses
import platform
import statistics
from typing import Any

import numpy as np
from absl import flags as absl_flags
from tqdm import tqdm

from enas import spaces
from enas.commands import cli
from enas.costs import latency_table
from enas.costs.latency_table import LatencyTable
from enas.errors import UserError
from enas.options import arc_input, flags
from enas.options import config as configs

FLAGS = absl_flags.FLAGS
SETTINGS = spaces.get("micro").search_config
CHILD = [name for name, section, _ in configs.options(SETTINGS) if section == "child"]
ROUNDS, CALLS = 20, 10  # many rounds: what else runs on a machine comes and goes within seconds


def main(arguments: list[str]) -> None:
    """Measures a table, or checks one."""
    cli.no_arguments(arguments)
    if not FLAGS.output:
        raise UserError("--output='': expected the file of the table")
    cli.load_tensorflow(spaces.get("micro"))
    if FLAGS.arc_file:
        profile(latency_table.read(FLAGS.output), FLAGS.arc_file)
        return
    if FLAGS.check:
        check(latency_table.read(FLAGS.output), FLAGS.check)
        return
    shape = _shape(FLAGS.image_shape)
    config = flags.parse_config(SETTINGS)
    child = {name: value for name, value in configs.to_values(config).items() if name in CHILD}
    table = measured(config.child, child, shape, FLAGS.threads)
    latency_table.write(FLAGS.output, table)
    print(f"{FLAGS.output}: {len(table.milliseconds)} parts on {table.machine}, {table.threads} thread(s)")


def _shape(word: str) -> tuple[int, int, int]:
    parts = word.split("x")
    if (
        len(parts) != 3
        or not all(part.isdigit() and 0 < int(part) <= 1024 for part in parts)
        or parts[2] not in ("1", "3")
    ):
        raise UserError(f"--image_shape={word}: expected HEIGHTxWIDTHxCHANNELS, e.g. 28x28x1")
    height, width, channels = map(int, parts)
    return height, width, channels


def measured(config: Any, child: dict[str, Any], shape: tuple[int, int, int], threads: int) -> LatencyTable:
    """Measures all parts of children with these settings, in turn, `ROUNDS` times."""
    from enas.export import latency as measuring
    from enas.micro import arc, latency, program
    from quantize.runtime import kernels

    runtime = kernels.get(threads=threads)
    any_arc = arc.for_child([0, 0, 0, 0] * (2 * config.num_cells), config)
    units = sorted(latency.possible(any_arc, config, shape, FLAGS.num_classes))
    watches = {}
    for unit in units:
        builder = measuring.builder_of(config, FLAGS.num_classes, unit.shape, {"": program.unit_shapes(unit, config)})
        program.describe_unit(builder, unit)
        watches[latency.name(unit, config)] = measuring.Stopwatch(runtime, builder)
    for _ in tqdm(range(ROUNDS), "rounds", disable=None, leave=False):
        for watch in watches.values():
            watch.round(CALLS)
    times = {name: watch.milliseconds for name, watch in watches.items()}
    table = LatencyTable(_machine(runtime), threads, child, shape, FLAGS.num_classes, 0.0, times, _kernels(runtime))
    # What a prediction takes beside its parts: of a child that has few.
    plain = plainest(config)
    [whole] = _predictions([plain], table, config)
    overhead = whole - table.latency(_parts(plain, config, table))
    return dataclasses.replace(table, overhead=max(0.0, overhead))


def plainest(config: Any) -> Any:
    """An arc of nothing but identities; of another op where the table has none."""
    from enas.micro import arc
    from enas.micro.op_table import op_table

    kinds = [op.kind for op in op_table(config)]
    op = kinds.index("identity") if "identity" in kinds else len(kinds) - 1
    return arc.for_child([0, op, 1, op] * (2 * config.num_cells), config)


def _parts(arc: Any, config: Any, table: LatencyTable) -> dict[str, int]:
    from enas.micro import latency

    return latency.parts(arc, config, table.image_shape, table.num_classes)


def _predictions(arcs: list[Any], table: LatencyTable, config: Any) -> list[float]:
    """Milliseconds of a prediction of each arc, measured in turn."""
    from enas.export import latency as measuring
    from enas.micro import latency, program
    from quantize.runtime import kernels

    runtime, runs = kernels.get(threads=table.threads), []
    for arc in arcs:
        scopes = latency.scopes(arc, config, table.image_shape, table.num_classes)
        shapes = {scope: program.unit_shapes(unit, config) for scope, unit in scopes.items()}
        builder = measuring.builder_of(config, table.num_classes, table.image_shape, shapes)
        program.describe(builder, arc)
        runs.append(measuring.prediction(runtime, builder))
    best = [float("inf")] * len(runs)
    for _ in tqdm(range(ROUNDS), "rounds", disable=None, leave=False):
        for place, run in enumerate(runs):
            best[place] = min(best[place], measuring.fastest(run, 2 * CALLS))
    return [1e3 * seconds for seconds in best]


def profile(table: LatencyTable, path: str) -> None:
    """Prints what the parts of the arc in a file take by the table, the longest first."""
    config = configs.from_values(SETTINGS, table.child).child
    arc = arc_input.from_file(path, spaces.get("micro"), config)
    counts = _parts(arc, config, table)
    whole = table.latency(counts)
    rows = [(count * table.milliseconds[name], _words(name, count)) for name, count in counts.items()]
    for time, words in sorted([*rows, (table.overhead, "beside the parts")], reverse=True):
        print(f"{time:8.4f} ms {time / whole:6.1%}  {words}")
    print(f"{whole:8.4f} ms in all, {table.threads} thread(s), {table.machine}")


def _words(name: str, count: int) -> str:
    return f"{count} x {name}" if count > 0 else f"{-count} x {name} spared: other parts have done it"


def check(table: LatencyTable, count: int) -> None:
    """Measures random arcs as a whole, and prints how well the table predicts them."""
    from scipy.stats import spearmanr

    from enas.micro import arc
    from quantize.runtime import kernels

    if table.kernels != _kernels(kernels.get()):
        print(f"--output={FLAGS.output}: was measured with other kernels than these; measure it again")
    config = configs.from_values(SETTINGS, table.child).child
    rng = np.random.default_rng(0)
    arcs = [arc.for_child(_random(rng, config), config) for _ in range(count)]
    measured = _predictions(arcs, table, config)
    predicted = [table.latency(_parts(found, config, table)) for found in arcs]
    errors = [abs(guess / truth - 1) for guess, truth in zip(predicted, measured, strict=True)]
    for found, guess, truth in zip(arcs, predicted, measured, strict=True):
        print(f"{truth:8.4f} ms, predicted {guess:8.4f} ms: {found}")
    print(f"measured from {min(measured):.4f} to {max(measured):.4f} ms, {table.threads} thread(s), {table.machine}")
    print(f"Spearman's rank correlation: {spearmanr(predicted, measured).statistic:.3f}")
    print(f"median error: {statistics.median(errors):.1%}; largest: {max(errors):.1%}")


def _random(rng: np.random.Generator, config: Any) -> list[int]:
    """The integers of an arc, uniformly random."""
    from enas.micro.op_table import op_table

    ops = len(op_table(config))
    return [
        int(rng.integers(0, ops if place % 2 else node + 2))
        for _cell in range(2)
        for node in range(config.num_cells)
        for place in range(4)
    ]


def _kernels(runtime: Any) -> str:
    from quantize.runtime import build

    return "" if runtime.level == "numpy" else build.key(build.compiler())


def _machine(runtime: Any) -> str:
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name} ({getattr(runtime, 'level', 'NumPy')})"


if __name__ == "__main__":
    absl_flags.DEFINE_string("output", "", "File of the table, JSON.")
    absl_flags.DEFINE_integer("check", 0, "Random arcs to measure as a whole, with the table in --output.", 0, 10_000)
    absl_flags.DEFINE_string("arc_file", "", "File of an arc whose parts are told, with the table in --output.")
    absl_flags.DEFINE_integer("threads", 1, "Threads of the runtime.", 1, 256)
    absl_flags.DEFINE_string("image_shape", "28x28x1", "Size of the images: HEIGHTxWIDTHxCHANNELS.")
    absl_flags.DEFINE_integer("num_classes", 10, "Classes of the images.", 2, 100_000)
    flags.define(SETTINGS)
    cli.run(main)
