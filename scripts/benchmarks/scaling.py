"""Measures steps of several workers on this machine, and predicts more of them over networks.

  .venv/bin/python scripts/benchmarks/scaling.py --workers=1,2,4 --json=scaling.json

Prints for each number of workers the time of a step, and of its sums over all workers alone; then the images a second that a
model of the two predicts. Workers get equal shares of the cores, so that a worker's own time should not depend on their
number until there are more workers than cores.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

from scripts.arguments import Parser, number, run_script

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHILD = {"child_num_layers": 6, "child_out_filters": 20, "batch_size": 32, "dataset": "digits", "img_size": "32"}
PREDICTED = (2, 8, 64)
GIGABITS = (1, 10, 100)
# Seconds of a message on the way, there and back once: within a rack over TCP about this much.
LATENCY = 1e-4


def main() -> None:
    """Runs the workers of each number in turn, and prints the tables."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=_counts, default=[1, 2, 4], help="numbers of workers; default: 1,2,4")
    parser.add_argument("--steps", type=number(3, 10_000), default=20, help="timed steps of each; default: 20")
    parser.add_argument("--child_scheme", default="k4", help="default: k4")
    parser.add_argument("--json", help="file that the figures are written to")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        _worker(json.loads(given.worker))
        return
    found = [_measured(count, given) for count in given.workers]
    print(table(found))
    alone = next((figures for figures in found if figures["workers"] == 1), found[0])
    print(predictions(alone["step"], alone["bytes"], alone["buffers"]))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=2)


def _counts(word: str) -> list[int]:
    return [number(1, 64)(part) for part in word.split(",")]


def reduction_seconds(size: float, buffers: int, workers: int, gigabits: float, latency: float = LATENCY) -> float:
    """Predicts how long a ring takes to add up `size` bytes in so many buffers over all workers.

    Each worker sends and gets 2 (M - 1) / M of the bytes, in 2 (M - 1) messages a buffer (Patarasuk and Yuan, "Bandwidth
    optimal all-reduce algorithms for clusters of workstations", 2009, section 3).
    """
    moved = 2 * (workers - 1) / workers * size
    return moved / (gigabits * 1e9 / 8) + 2 * (workers - 1) * buffers * latency


def predictions(step: float, size: float, buffers: int) -> str:
    """The table of predicted images a second, as a share of what so many workers would do without sums."""
    lines = [
        "| workers | " + " | ".join(f"{rate} Gbit/s" for rate in GIGABITS) + " |",
        "| --- " * (len(GIGABITS) + 1) + "|",
    ]
    for workers in PREDICTED:
        cells = []
        for rate in GIGABITS:
            share = step / (step + reduction_seconds(size, buffers, workers, rate))
            cells.append(f"{workers * CHILD['batch_size'] / step * share:,.0f} images/s ({share:.0%})")
        lines.append(f"| {workers} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(found: list[dict[str, Any]]) -> str:
    """The table of what was measured."""
    lines = ["| workers | step | sums alone | bytes a step | images/s |", "| --- | --- | --- | --- | --- |"]
    for figures in found:
        images = figures["workers"] * CHILD["batch_size"] / figures["step"]
        lines.append(
            f"| {figures['workers']} | {1e3 * figures['step']:.0f} ms | {1e3 * figures['sums']:.0f} ms | "
            f"{figures['bytes'] / 1e6:.2f} MB in {figures['buffers']} | {images:.0f} |"
        )
    return "\n".join(lines)


def _measured(count: int, given: Any) -> dict[str, Any]:
    """Runs so many workers on equal shares of the cores; the figures of the first."""
    sockets = [socket.socket() for _ in range(count)]
    for found in sockets:
        found.bind(("127.0.0.1", 0))
    hosts = ",".join(f"127.0.0.1:{found.getsockname()[1]}" for found in sockets)
    for found in sockets:
        found.close()
    cores = sorted(os.sched_getaffinity(0))
    share = max(1, len(cores) // max(given.workers))
    processes = []
    for index in range(count):
        own = [cores[(index * share + place) % len(cores)] for place in range(share)]
        settings = {"hosts": hosts if count > 1 else "", "index": index, "cores": own, "steps": given.steps}
        words = [sys.executable, __file__, "--worker", json.dumps({**settings, "scheme": given.child_scheme})]
        processes.append(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    outputs = [process.communicate()[0] for process in processes]
    return {"workers": count, **json.loads(outputs[0].splitlines()[-1])}


def _worker(settings: dict[str, Any]) -> None:
    """Steps as one of several workers; prints the figures."""
    os.sched_setaffinity(0, settings["cores"])
    from enas import spaces
    from enas.commands import cli
    from enas.options import config as configs

    space = spaces.get("micro")
    values = {
        **CHILD,
        "child_scheme": settings["scheme"],
        "worker_hosts": settings["hosts"],
        "task_index": settings["index"],
    }
    config = configs.from_values(space.search_config, values)
    cli.load_tensorflow(space)
    print(json.dumps(_timed(config, space, settings["steps"])))


def _timed(config: Any, space: Any, steps: int) -> dict[str, Any]:
    import tensorflow.compat.v1 as tf

    from enas.distributed import collectives
    from enas.distributed.workers import Workers
    from enas.runs import search, session

    session.graph_mode()
    dataset = space.task.load(config)
    workers = Workers(config.workers)
    with tf.Graph().as_default() as graph, workers.device():
        built = search.build(config, space, dataset)
        sizes = _sizes(graph) or _sizes_of_one()
        buffers = [tf.zeros([max(1, size // 4)]) + built.training.rate for size in sizes]
        sums = tf.group(*[collectives.total(buffer, workers.count) for buffer in buffers])
        workers.build(1)
        initialize = tf.global_variables_initializer()
    with session.open_session(graph, workers) as sess:
        workers.opened(sess)
        sess.run(initialize)
        built.training.start(sess)
        arcs = built.strategy.propose(sess, 0, "arc/child", range(steps * workers.count + workers.count))
        times, of_sums = [], []
        for step in range(steps):
            feeds = {built.training.rate: 0.05, built.arc: arcs[step * workers.count + workers.index]}
            workers.agree()
            times.append(_seconds(lambda: sess.run(built.training.update.op, feeds)))  # noqa: B023
            workers.agree()
            of_sums.append(_seconds(lambda: sess.run(sums, feeds)))  # noqa: B023
        workers.agree()
    # The first steps load kernels and make buffers.
    return {
        "step": statistics.median(times[2:]),
        "sums": statistics.median(of_sums[2:]) if workers.count > 1 else 0.0,
        "bytes": sum(sizes),
        "buffers": len(sizes),
    }


def _sizes(graph: Any) -> list[int]:
    """Bytes of each sum of a step."""
    found = [op.inputs[0] for op in graph.get_operations() if op.type == "CollectiveReduceV2"]
    return [tensor.shape.num_elements() * tensor.dtype.size for tensor in found]


def _sizes_of_one() -> list[int]:
    """What the sums of a step would have, of a worker alone: all trained variables of the child, in one buffer."""
    import tensorflow.compat.v1 as tf

    return [4 * sum(variable.shape.num_elements() for variable in tf.trainable_variables("child/"))]


def _seconds(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    run_script(main)
