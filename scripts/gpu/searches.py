"""A tiny search on the GPU, and whether two of them are the same bit for bit."""

import glob
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from scripts.gpu.plan import Plan

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FLAGS = ("--dataset=digits", "--child_num_layers=2", "--batch_size=32")


def check(plan: Plan) -> dict[str, Any]:
    """Runs the search twice as it is, and twice with TensorFlow's deterministic kernels.

    Returns:
      {"as_it_is", "deterministic_ops": {"repeats": the two are the same bit for bit, "best_arc", "seconds_of_one"}, or
      "error" in the latter where TensorFlow has no such kernel; "ok": searches run to their end}. Only on the CPU is it
      promised that a search repeats, so that one does not is no failure.
    """
    figures: dict[str, Any] = {"as_it_is": _twice(plan, {})}
    try:
        figures["deterministic_ops"] = _twice(plan, {"TF_DETERMINISTIC_OPS": "1"})
    except RuntimeError as error:
        figures["deterministic_ops"] = {"repeats": False, "error": str(error)}
    return {**figures, "ok": True}


def _twice(plan: Plan, environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        outputs, started = [os.path.join(folder, name) for name in ("first", "second")], time.monotonic()
        for output in outputs:
            _search(output, plan, environment)
        seconds = (time.monotonic() - started) / 2
        first, second = map(_fingerprint, outputs)
        with open(os.path.join(outputs[0], "best_arc.txt"), encoding="utf-8") as file:
            best_arc = file.read().strip()
    return {"repeats": first == second, "best_arc": best_arc, "seconds_of_one": round(seconds, 1)}


def _search(output: str, plan: Plan, environment: dict[str, str]) -> None:
    """Runs a search to its end.

    Raises:
      RuntimeError: it failed; has the end of what it said.
    """
    flags = [*_FLAGS, f"--output_dir={output}", *(f"--{name}={value}" for name, value in plan.search.items())]
    done = subprocess.run(
        [sys.executable, os.path.join(_ROOT, "search_micro.py"), *flags],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"search_micro.py ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:].strip()}"
        )


def _fingerprint(output: str) -> str:
    """A digest of the arcs that a search scored and of all variables that it stored."""
    import tensorflow.compat.v1 as tf

    digest = hashlib.sha256()
    with open(os.path.join(output, "arcs.jsonl"), "rb") as file:
        digest.update(file.read())
    indices = sorted(glob.glob(os.path.join(glob.escape(output), "**", "*.index"), recursive=True))
    if not indices:
        raise RuntimeError("search_micro.py stored no checkpoint")
    for path in indices:
        stored = tf.train.load_checkpoint(path.removesuffix(".index"))
        for name in sorted(stored.get_variable_to_shape_map()):
            digest.update(name.encode())
            digest.update(stored.get_tensor(name).tobytes())
    return digest.hexdigest()
