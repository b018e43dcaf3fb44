"""Measures the search: start-up, steps, evaluation, memory, against other implementations and the machine's limits.

  python scripts/bench.py --json=bench.json                            (ours alone, about 2 minutes)
  python scripts/bench.py --against=classic,torch --schemes=k4,binary  (with comparisons, about 15 minutes)
  python scripts/bench.py --space=macro --against=torch                (another search space; also rnn)
  python scripts/bench.py --plot=docs/cost.png                         (cost against filters, layers, nodes, batch size)

Every implementation runs in a process of its own and they take turns, a few steps each, on the same arcs: what disturbs
one disturbs the others. `--against=torch` needs PyTorch, which nothing else here does.
"""

import dataclasses
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bench_machine
import bench_plot
import bench_table
from bench_worker import Worker

from enas import cli, config, flags, spaces
from enas.errors import UserError
from enas.micro.config import ChildConfig, ControllerConfig
from enas.options import option

SIDES = ("classic", "torch")
PARTS = ("search", "controller", "fixed", "eval", "half")


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """What is measured, and how long."""

    image_size: int = option(32, "Height and width of the images, pixels; they have 3 channels.", 8, 1024)
    batch_size: int = option(32, "Images a step.", 2)
    seed: int = option(0, "Seed of weights, images and arcs.", 0, 2**31 - 1)
    steps: int = option(20, "Steps each figure is the median of.", 1)
    parts: str = option("search,controller,fixed,eval,half", f"What to measure, of {', '.join(PARTS)}.")
    against: str = option("", "Implementations to compare with: classic, torch, or both apart by a comma.")
    schemes: str = option("", "Schemes whose child step is compared with fp32's, apart by commas.")
    json: str = option("", "File the figures are written to, as JSON.")
    plot: str = option("", "Picture (.png) of the step's cost against the network's size; takes 5 minutes more.")


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """Everything `scripts/bench.py` needs."""

    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    bench: BenchOptions = BenchOptions()


def words(flag, text, allowed):
    """The comma-separated words of a flag.

    Raises:
      UserError: one of them is not allowed.
    """
    found = [word for word in text.split(",") if word]
    for word in found:
        if word not in allowed:
            raise UserError(f"--{flag}={text}: {word} is not one of {', '.join(allowed)}")
    return found


class Bench:
    """One call of the benchmark.

    Args:
      settings: a `BenchConfig`.
    """

    def __init__(self, settings):
        self.settings, options = settings, settings.bench
        self.parts = words("parts", options.parts, PARTS)
        self.against = words("against", options.against, SIDES)
        self.schemes = words("schemes", options.schemes, config.SCHEMES)
        self.figures = {"load": [], "settings": config.to_values(settings)}

    def run(self):
        """Measures everything asked for; returns the figures as a dict."""
        self.figures["machine"] = bench_machine.describe()
        self.search_side()
        if "fixed" in self.parts or "eval" in self.parts:
            self.fixed_side()
        if self.schemes:
            self.scheme_steps()
        if "half" in self.parts:
            self.half_precision()
        if self.settings.bench.plot:
            self.figures["cost"] = bench_plot.measure(self.settings)
            bench_plot.draw(self.figures["cost"], self.settings.bench.plot)
        return self.figures

    def workers(self, sides, **changes):
        """Starts one worker for each side; returns {side: worker}."""
        return {side: Worker(side, self.settings, **changes) for side in sides}

    def alternate(self, workers, kind, name, chunk=2):
        """Runs `--steps` steps of one kind on every worker, in turns; notes the figures under `name`."""
        runs = {side: [] for side in workers}
        for worker in workers.values():
            worker.run(kind, 1)
        while min(len(times) for times in runs.values()) < self.settings.bench.steps:
            self.figures["load"].append(os.getloadavg()[0])
            for side, worker in workers.items():
                runs[side] += worker.run(kind, chunk)
        for side, times in runs.items():
            key = name if side in ("search", "fixed") else f"{side}_{name}"
            self.figures.update(bench_table.summary(key, times))
        return runs

    def compare(self, name, runs, ours):
        """Notes how much longer the median of each other side is than ours."""
        for side in runs:
            if side != ours:
                ratio = self.figures[f"{side}_{name}_s"] / self.figures[f"{name}_s"]
                self.figures[f"{name}_vs_{side}"] = round(ratio, 3)

    def search_side(self):
        """Start-up, the child's step and the controller's, and what limits the child's step."""
        workers = self.workers(["search", *self.against])
        try:
            for side, worker in workers.items():
                prefix = "" if side == "search" else f"{side}_"
                self.figures.update({f"{prefix}{key}": value for key, value in worker.started.items()})
                worker.run("child", 1)
            if "search" in self.parts:
                runs = self.alternate(workers, "child", "search_step")
                self.compare("search_step", runs, "search")
                limit = workers["search"].bound()
                limit["roofline_fraction"] = limit["bound_s"] / self.figures["search_step_s"]
                self.figures.update(limit)
            if "controller" in self.parts:
                runs = self.alternate(workers, "controller", "controller_step", chunk=1)
                self.compare("controller_step", runs, "search")
            for side, worker in workers.items():
                prefix = "" if side == "search" else f"{side}_"
                self.figures[f"{prefix}peak_rss_mb"] = worker.peak_rss_mb()
        finally:
            for worker in workers.values():
                worker.stop()

    def fixed_side(self):
        """The step and the evaluation of one arc."""
        workers = self.workers(["fixed"] + [f"{side}_fixed" for side in self.against if side == "torch"])
        workers = {side.replace("_fixed", ""): worker for side, worker in workers.items()}
        try:
            self.figures["fixed_start_s"] = workers["fixed"].started["start_s"]
            if "fixed" in self.parts:
                self.compare("fixed_step", self.alternate(workers, "child", "fixed_step"), "fixed")
            if "eval" in self.parts:
                self.compare("eval_batch", self.alternate(workers, "evaluate", "eval_batch"), "fixed")
                images = self.settings.bench.batch_size
                self.figures["eval_images_per_s"] = images / self.figures["eval_batch_s"]
        finally:
            for worker in workers.values():
                worker.stop()

    def scheme_steps(self):
        """The child's step under every scheme asked for, over fp32's."""
        self.figures["scheme_step_vs_fp32"] = {}
        for scheme in self.schemes:
            workers = {name: Worker("search", self.settings, child_scheme=name) for name in ("fp32", scheme)}
            try:
                self.alternate(workers, "child", "scheme_step")
            finally:
                for worker in workers.values():
                    worker.stop()
            ratio = self.figures[f"{scheme}_scheme_step_s"] / self.figures["fp32_scheme_step_s"]
            self.figures["scheme_step_vs_fp32"][scheme] = round(ratio, 3)

    def half_precision(self):
        """fp16 against fp32 in images a second, at the CIFAR-10 preset's batch size, where there is a GPU."""
        if not bench_machine.has_gpu():
            return
        workers = {
            name: Worker("search", self.settings, child_scheme=name, batch_size=160) for name in ("fp32", "fp16")
        }
        try:
            self.alternate(workers, "child", "gpu_step")
        finally:
            for worker in workers.values():
                worker.stop()
        for name in workers:
            self.figures[f"gpu_{name}_images_per_s"] = 160 / self.figures[f"{name}_gpu_step_s"]
        self.figures["gpu_fp16_vs_fp32"] = self.figures["fp32_gpu_step_s"] / self.figures["fp16_gpu_step_s"]


def main(arguments):
    """Runs the benchmark the flags describe."""
    cli.no_arguments(arguments)
    settings = flags.parse_config(BenchConfig)
    options = settings.bench
    for flag, path in (("json", options.json), ("plot", options.plot)):
        if path and not os.path.isdir(os.path.dirname(path) or "."):
            raise UserError(f"--{flag}={path}: no such folder; expected a file in an existing one")
    if options.plot and not options.plot.endswith(".png"):
        raise UserError(f"--plot={options.plot}: expected a file name ending in .png")
    figures = Bench(settings).run()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)
            file.write("\n")
    print(bench_table.table(figures))


if __name__ == "__main__":
    space = spaces.chosen(sys.argv)
    if space != "micro":
        # The other spaces' benchmarks have flags of their own.
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"bench_{space}.py")
        sys.exit(subprocess.call([sys.executable, script, *sys.argv[1:]]))
    spaces.define_flag()
    flags.define(BenchConfig)
    cli.run(main)
