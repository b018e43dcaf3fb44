"""Checks on a GPU what can't be checked without one, and writes the figures as JSON.

  scripts/check_gpu.sh
  python scripts/gpu/check_gpu.py --json=figures.json

A tiny search, run twice as it is and twice with TensorFlow's deterministic kernels; one training step of each scheme on the
CPU and where TensorFlow places it; times and memory of a float32 and a float16 step. Exit code 1: a check failed; 3: no GPU.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from enas import files
from enas.commands import cli
from scripts.arguments import Parser, run_script
from scripts.gpu import searches, steps
from scripts.gpu.plan import Plan

FAILED, NO_GPU = 1, 3
_NONE = (
    "error: TensorFlow sees no GPU here; expected one, with NVIDIA's driver and TensorFlow's CUDA libraries "
    "(pip install 'tensorflow[and-cuda]')"
)


def check(plan: Plan, path: str) -> dict[str, Any]:
    """Runs all checks, and writes after each what is known so far.

    Args:
      path: the JSON file; "": none.

    Returns:
      {name of a check: its figures, among them "ok", or "error" in a line where it ended in an exception; "ok": all are}.
    """
    figures: dict[str, Any] = {"machine": steps.machine()}
    # First the searches, which are processes of their own: TensorFlow takes the GPU's memory when a session opens.
    for name, part in (("searches", searches.check), ("schemes", steps.schemes), ("times", steps.times)):
        figures[name] = _outcome(part, plan)
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
        figures["ok"] = all(found["ok"] for key, found in figures.items() if key not in ("machine", "ok"))
        if path:
            files.write_atomically(path, json.dumps(figures, indent=2) + "\n")
    return figures


def _outcome(part: Callable[[Plan], dict[str, Any]], plan: Plan) -> dict[str, Any]:
    """A check's figures. What goes wrong in one, e.g. for want of memory, keeps the others from nothing."""
    start = time.monotonic()
    try:
        found = part(plan)
    except Exception as error:  # noqa: BLE001
        found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:2000]}
    return {**found, "seconds": round(time.monotonic() - start, 1)}


def main() -> int:
    """Runs the checks where there is a GPU."""
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", default="", help="file for the figures")
    path = parser.parse_args().json
    files.check_writable("json", path)
    cli.load_tensorflow()
    if not steps.has_gpu():
        print(_NONE, file=sys.stderr)
        return NO_GPU
    return 0 if check(Plan(), path)["ok"] else FAILED


if __name__ == "__main__":
    run_script(main)
