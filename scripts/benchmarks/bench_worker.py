"""One implementation in a process of its own, and the handle that the benchmark holds on it.

The two talk in lines of JSON: a request {"run": kind, "steps": n} is answered by the wall and CPU seconds of each step.
"""

import dataclasses
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Worker:
    """A process that runs one side.

    Args:
      side: name of a side, see `_side`.
      settings: a `bench.BenchConfig`.
      **changes: flags whose values differ for this worker.

    Attributes:
      started: {"start_s": seconds from the start of the process until the first step was done, and its parts}.

    Raises:
      UserError: the side could not start for want of a package.
    """

    def __init__(self, side: str, settings: Any, **changes: Any) -> None:
        from enas.options import config

        values = {**config.to_values(settings), **changes}
        request = json.dumps({"side": side, "values": values, "spawned": time.time()})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmarks.bench_worker", request],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.side = side
        self.started = self._answer()

    def _answer(self):
        from enas.errors import UserError

        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker for {self.side} died; its error is above")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"])
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and returns its answer."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def run(self, kind: str, steps: int) -> list[tuple[float, float]]:
        """Runs steps of a kind ("child", "controller", "evaluate"); returns a list of (wall s, CPU s)."""
        return self.ask(run=kind, steps=steps)["times"]

    def peak_rss_mb(self) -> float:
        """Largest resident set of the process so far, MB (10^6 bytes)."""
        return self.ask(run="rss")["peak_rss_mb"]

    def graphs(self) -> int:
        """How many graphs the process has compiled so far, of a side that compiles."""
        return self.ask(run="graphs")["graphs"]

    def stop(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def _side(name):
    """The class of a side: made from (values, clock), with the methods `child`, `evaluate`, and maybe `controller`."""
    if name.startswith("torch"):
        module = importlib.import_module(f"scripts.benchmarks.bench_{name.removesuffix('_fixed')}")
        return module.Fixed if name.endswith("_fixed") else module.Search
    from scripts.benchmarks import bench_tensorflow

    return {"search": bench_tensorflow.Search, "classic": bench_tensorflow.Classic, "fixed": bench_tensorflow.Fixed}[
        name
    ]


@dataclasses.dataclass
class Clock:
    """Seconds since the process was started, by phase of its start-up."""

    spawned: float
    phases: dict = dataclasses.field(default_factory=dict)

    def mark(self, phase: str) -> None:
        """Notes that a phase ends now."""
        self.phases[phase] = time.time() - self.spawned - sum(self.phases.values())


def _timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def _serve(request):
    clock, values = Clock(request["spawned"]), request["values"]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is not an answer
    try:
        side = _side(request["side"])(values, clock)
        side.child()
        clock.mark("first_step_s")
        answer = {"start_s": sum(clock.phases.values()), **clock.phases}
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        name = request["side"].removesuffix("_fixed")
        answer = {"error": f"--against={name}: PyTorch is not installed; expected `pip install torch==2.13.0`"}
    while True:
        print(json.dumps(answer), file=answers, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        if request["run"] == "rss":
            answer = {"peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}
        elif request["run"] == "graphs":
            answer = {"graphs": side.graphs()}
        else:
            answer = {"times": [_timed(getattr(side, request["run"])) for _ in range(request["steps"])]}


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
