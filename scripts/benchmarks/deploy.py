"""Measures trained children outside TensorFlow: this project's runtime against others on the same networks, one processor.

  python -m scripts.benchmarks.deploy --json=deploy.json outputs/final_binary outputs/final_k4

For each run directory of train_fixed_arc.py and each runtime: bytes of the file, time to load it, latency of one image,
images a second at batch 32, peak memory, and test accuracy. Each is measured in a process of its own that may use one
processor, in turn, `--rounds` times; the best round counts. "float" is the network with its numbers as floats, "int8" with
its codes and weights as 8-bit integers. LiteRT's files take one image at a time. OpenVINO is measured where it is
installed.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from enas.commands import environment
from scripts.arguments import Parser, number, run_script

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = {
    "packed": "child.packed",
    "onnxruntime float": "float.onnx",
    "onnxruntime int8": "int8.onnx",
    "LiteRT float": "float.tflite",
    "LiteRT int8": "child.tflite",
    "OpenVINO float": "float.onnx",
    "OpenVINO int8": "int8.onnx",
    "TensorFlow": "child.saved_model",
}
COLUMNS = ("bytes", "load_ms", "latency_ms", "images_per_second", "peak_mb", "accuracy")
BATCH, LEAST_SECONDS = 32, 0.5


def main() -> int:
    """Measures, prints a table and writes the figures; returns the exit code."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run directories of train_fixed_arc.py")
    parser.add_argument("--rounds", type=number(1), default=3)
    parser.add_argument("--images", type=number(BATCH), default=2000, help="test images for the accuracy")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    environment.set_defaults()
    names = [name for name in RUNTIMES if "OpenVINO" not in name or importlib.util.find_spec("openvino")]
    rows = []
    for run in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            about = _export(run, Path(folder), arguments.images)
            rounds = [{name: _measured(name, Path(folder)) for name in names} for _ in range(arguments.rounds)]
        for name in names:
            found = [figures for each in rounds if (figures := each[name])]
            if not found:
                continue
            best = {key: _best(key, [figures[key] for figures in found]) for key in COLUMNS}
            rows.append({"run": run, **about, "runtime": name, **best})
            print(f"{run:30} {name:18}", *(f"{key} {best[key]:,.4g}" for key in COLUMNS), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def _best(key: str, values: list[float]) -> float:
    return max(values) if key == "images_per_second" else min(values)


def _export(run: str, folder: Path, count: int) -> dict[str, Any]:
    """Writes the run's child in every format, and test images; returns what the network is."""
    from enas.export import formats, onnx, tflite, trained, verify

    child = trained.load(run)
    network = child.network
    for name in ("packed", "tflite", "saved_model"):
        formats.get(name).write(network, str(folder / f"child.{name}"))
    onnx.write(network, str(folder / "float.onnx"), floats=True)
    onnx.write(network, str(folder / "int8.onnx"), narrowest=8)
    tflite.write(network, str(folder / "float.tflite"), floats=True)
    images, labels = verify.images_of(child, count)
    np.savez(folder / "images.npz", images=images[:count], labels=labels[:count])
    settings = network.origin["child"]
    return {"scheme": settings["child_scheme"], "glue": settings["child_glue_scheme"], "numbers": network.parameters}


def _measured(name: str, folder: Path) -> dict[str, float] | None:
    """The figures of one runtime, from a fresh process; None, and a line that says why, if it can't run the file."""
    command = [sys.executable, "-c", f"from scripts.benchmarks import deploy; deploy.worker({name!r}, {str(folder)!r})"]
    environment_ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment_, check=False)
    if done.returncode:
        print(f"{name} can't run it: {' '.join(done.stderr.split())[-200:]}", file=sys.stderr, flush=True)
        return None
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def worker(name: str, folder: str) -> None:
    """Measures a runtime in this process; prints the figures as JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    path = Path(folder) / RUNTIMES[name]
    stored = np.load(Path(folder) / "images.npz")
    images, labels = stored["images"], stored["labels"]
    start = time.perf_counter()
    logits = _opened(name, str(path))
    logits(images[:1])
    load = time.perf_counter() - start
    found = np.concatenate([logits(images[i : i + BATCH]) for i in range(0, len(images), BATCH)])
    figures = {
        "bytes": float(_bytes(path)),
        "load_ms": load * 1e3,
        "latency_ms": _seconds(lambda: logits(images[:1])) * 1e3,
        "images_per_second": BATCH / _seconds(lambda: logits(images[:BATCH])),
        "peak_mb": _peak_mb(),
        "accuracy": float((found.argmax(axis=1) == labels).mean()),
    }
    print(json.dumps(figures))


def _opened(name: str, path: str) -> Callable[[Any], Any]:
    from enas.export import formats

    if not name.startswith("OpenVINO"):
        return formats.open_model(path).logits
    import openvino

    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": 1})
    return lambda images: model(images)[0]


def _seconds(call: Callable[[], Any]) -> float:
    """Seconds of a call, the fastest of several lots."""
    call()
    best, end = float("inf"), time.perf_counter() + LEAST_SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(3):
            call()
        best = min(best, (time.perf_counter() - start) / 3)
    return best


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    run_script(main)
