"""What `scripts/bench.py` measures of the micro space: start-up, steps, evaluation and memory of a search, against other
implementations and the machine's limits.

Every implementation runs in a process of its own and they take turns, a few steps each, on the same arcs: what disturbs
one disturbs the others.
"""

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from enas import files
from enas.errors import UserError
from enas.micro.config import ChildConfig, ControllerConfig
from enas.micro.op_table import OPS
from enas.options import config, option
from quantize.bits import FLOATING
from scripts.benchmarks import bench_arcs, bench_machine, bench_plot
from scripts.benchmarks.bench_table import note, summary, table
from scripts.benchmarks.bench_worker import Worker

__all__ = ["BenchConfig", "measure", "table"]

PARTS = ("search", "controller", "fixed", "eval", "half")
SEARCHED = "binary,ternary,k4,k8,k2,k3,k5,k6"
# What can be compared with, and the parts each has.
SIDES = {
    "classic": ("search", "controller"),
    "torch": ("search", "controller", "fixed", "eval"),
    "torch_compile": ("search", "fixed"),
}


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """What is measured, and how long."""

    image_size: int = option(32, "Height and width of the images, pixels; they have 3 channels.", 8, 1024)
    batch_size: int = option(32, "Images a step.", 2)
    seed: int = option(0, "Seed of weights, images and arcs.", 0, 2**31 - 1)
    steps: int = option(20, "Steps each figure is the median of.", 1)
    parts: str = option("search,controller,fixed,eval,half", f"What to measure, of {', '.join(PARTS)}.")
    against: str = option("", f"Implementations to compare with, separated by commas, of {', '.join(SIDES)}.")
    schemes: str = option(
        "",
        "Schemes, separated by commas, whose child step is compared with fp32's and, where they quantize, with that of "
        "--child_recipe=published.",
    )
    precisions: str = option(
        "",
        f"Numbers of schemes that are searched, e.g. 1,2,4,8: the child's step with the first so many of {SEARCHED} as "
        "--search_precision is compared with the first number's.",
    )
    json: str = option("", "File the figures are written to, as JSON.")
    plot: str = option("", "Picture (.png) of the step's cost against the network's size; takes 5 minutes more.")


@dataclasses.dataclass(frozen=True)
class BenchConfig(config.Settings):
    """Everything the benchmark of this space needs."""

    space: ClassVar[str] = "micro"
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    bench: BenchOptions = BenchOptions()


def words(flag: str, text: str, allowed: Sequence[str]) -> list[str]:
    """The comma-separated words of a flag.

    Raises:
      UserError: one of them is not allowed.
    """
    found = [word for word in text.split(",") if word]
    for word in found:
        if word not in allowed:
            raise UserError(f"--{flag}={text}: {word} is not one of {', '.join(allowed)}")
    return found


def check_comparable(side: str, parts: list[str], settings: Any) -> None:
    """Checks that another implementation has something to compare, and that it computes the same network.

    Args:
      side: one of `SIDES`.
      parts: of `PARTS`, those to be measured.
      settings: a `BenchConfig`.

    Raises:
      UserError: it has none of the parts, or lacks what the child's flags ask for.
    """
    against, child = settings.bench.against, settings.child
    if not set(parts) & set(SIDES[side]):
        raise UserError(
            f"--parts={settings.bench.parts}: nothing to compare with {side}; expected one of {', '.join(SIDES[side])}, or "
            f"no --against={against}"
        )
    if side.startswith("torch") and child.scheme != "fp32":
        raise UserError(f"--child_scheme={child.scheme}: expected fp32, the only scheme of --against={against}")
    if child.search_precision:
        raise UserError(f"--search_precision={child.search_precision}: expected none with --against={against}")
    if child.op_kinds != OPS:
        raise UserError(f"--child_op_table={child.op_table}: expected {','.join(OPS)} with --against={against}")
    if child.use_aux_heads:
        raise UserError(f"--child_use_aux_heads: --against={against} has no auxiliary head; leave one of the flags out")


class Bench:
    """One call of the benchmark.

    Args:
      settings: a `BenchConfig`.

    Raises:
      UserError: a flag names what there is not, or there is nothing to measure or to compare.
    """

    def __init__(self, settings: Any) -> None:
        self.settings, options = settings, settings.bench
        self.parts = words("parts", options.parts, PARTS)
        self.against = words("against", options.against, SIDES)
        self.schemes = words("schemes", options.schemes, config.SCHEMES)
        counts = [str(number) for number in range(1, len(SEARCHED.split(",")) + 1)]
        self.precisions = [int(number) for number in words("precisions", options.precisions, counts)]
        if not (self.parts or self.schemes or self.precisions or options.plot):
            raise UserError(
                f"--parts={options.parts}: nothing to measure; expected a part, or --schemes, --precisions or --plot"
            )
        for side in self.against:
            check_comparable(side, self.parts, settings)
        self.figures = {"load": [round(os.getloadavg()[0], 2)], "settings": config.to_values(settings)}
        self.figures.update(note(options.steps))

    def run(self) -> dict[str, Any]:
        """Measures everything asked for; returns the figures as a dict."""
        self.figures["machine"] = bench_machine.describe()
        if "search" in self.parts or "controller" in self.parts:
            self.search_side()
        if "fixed" in self.parts or "eval" in self.parts:
            self.fixed_side()
        if self.schemes:
            self.scheme_steps()
        if self.precisions:
            self.precision_steps()
        if "half" in self.parts:
            self.half_precision()
        if self.settings.bench.plot:
            self.figures["cost"] = bench_plot.measure(self.settings)
            bench_plot.draw(self.figures["cost"], self.settings.bench.plot)
        return self.figures

    def workers(self, sides: list[str], **changes: Any) -> Any:
        """Starts one worker for each side; returns {side: worker}."""
        return {side: Worker(side, self.settings, **changes) for side in sides}

    def alternate(self, workers: Any, kind: str, name: str, chunk: int = 2) -> Any:
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
            self.figures.update(summary(key, times))
            # Said at once: the table comes minutes later.
            print(f"{key}: {self.figures[f'{key}_s']:.3f} s", file=sys.stderr, flush=True)
        return runs

    def steps(self, workers: Any, name: str) -> Any:
        """As `alternate`, of steps of the child. Of a side that compiles, what it took before the steps that are timed is
        told apart (its first steps, and PyTorch's trial of layouts), and how often it compiled again among them."""
        before = {}
        for side, worker in workers.items():
            warm_up = worker.run("child", 1)
            if side == "torch_compile":
                before[side] = worker.graphs()
                seconds = worker.started["first_step_s"] + sum(wall for wall, _ in warm_up)
                self.figures.update({f"{side}_{name}_compile_s": seconds, f"{side}_{name}_graphs": before[side]})
        runs = self.alternate(workers, "child", name)
        for side, graphs in before.items():
            self.figures[f"{side}_{name}_recompilations"] = workers[side].graphs() - graphs
        return runs

    def compare(self, name: str, runs: Any, ours: str) -> Any:
        """Notes how much longer the median of each other side is than ours."""
        for side in runs:
            if side != ours:
                ratio = self.figures[f"{side}_{name}_s"] / self.figures[f"{name}_s"]
                self.figures[f"{name}_vs_{side}"] = round(ratio, 3)

    def search_side(self) -> Any:
        """Start-up, the child's step and the controller's, and what limits the child's step."""
        workers = self.workers(["search", *self.against])
        try:
            for side, worker in workers.items():
                prefix = "" if side == "search" else f"{side}_"
                self.figures.update({f"{prefix}{key}": value for key, value in worker.started.items()})
            if "search" in self.parts:
                self.compare("search_step", self.steps(workers, "search_step"), "search")
                limit = bench_machine.bound(self.settings)
                limit["roofline_fraction"] = limit["bound_s"] / self.figures["search_step_s"]
                self.figures.update(limit)
            if "controller" in self.parts:
                having = {side: worker for side, worker in workers.items() if "controller" in SIDES.get(side, PARTS)}
                runs = self.alternate(having, "controller", "controller_step", chunk=1)
                self.compare("controller_step", runs, "search")
            for side, worker in workers.items():
                prefix = "" if side == "search" else f"{side}_"
                self.figures[f"{prefix}peak_rss_mb"] = worker.peak_rss_mb()
        finally:
            for worker in workers.values():
                worker.stop()

    def fixed_side(self) -> Any:
        """The step and the evaluation of one arc."""
        workers = self.workers(["fixed"] + [f"{side}_fixed" for side in self.against if "fixed" in SIDES[side]])
        workers = {side.replace("_fixed", ""): worker for side, worker in workers.items()}
        try:
            self.figures["fixed_start_s"] = workers["fixed"].started["start_s"]
            if "fixed" in self.parts:
                self.compare("fixed_step", self.steps(workers, "fixed_step"), "fixed")
            if "eval" in self.parts:
                having = {side: worker for side, worker in workers.items() if "eval" in SIDES.get(side, PARTS)}
                self.compare("evaluation", self.alternate(having, "evaluate", "evaluation", chunk=1), "fixed")
                images = bench_arcs.EVAL_BATCHES * self.settings.bench.batch_size
                self.figures["eval_images_per_s"] = images / self.figures["evaluation_s"]
        finally:
            for worker in workers.values():
                worker.stop()

    def scheme_steps(self) -> Any:
        """The child's step under every scheme asked for, over that of the children that it took turns with: fp32, and as
        published. Also its largest resident set."""
        for scheme in self.schemes:
            workers = {scheme: self.of_scheme(scheme), f"fp32_beside_{scheme}": self.of_scheme("fp32")}
            if scheme not in FLOATING:
                workers[f"published_beside_{scheme}"] = self.of_scheme(
                    scheme, child_recipe="published", child_latent_optimizer="sgd"
                )
            try:
                self.alternate(workers, "child", "scheme_step")
                self.figures[f"{scheme}_peak_rss_mb"] = workers[scheme].peak_rss_mb()
            finally:
                for worker in workers.values():
                    worker.stop()
            for beside in list(workers)[1:]:
                ratio = self.figures[f"{scheme}_scheme_step_s"] / self.figures[f"{beside}_scheme_step_s"]
                key = f"scheme_step_vs_{beside.partition('_')[0]}"
                self.figures.setdefault(key, {})[scheme] = round(ratio, 3)

    def precision_steps(self) -> Any:
        """The child's step and largest resident set where so many schemes are searched, over those of the first number."""
        names = {f"schemes_{count}": ",".join(SEARCHED.split(",")[:count]) for count in self.precisions}
        workers = {name: Worker("search", self.settings, search_precision=names[name]) for name in names}
        try:
            self.alternate(workers, "child", "precision_step")
            for name, worker in workers.items():
                self.figures[f"{name}_peak_rss_mb"] = worker.peak_rss_mb()
                self.figures[f"{name}_start_s"] = worker.started["start_s"]
        finally:
            for worker in workers.values():
                worker.stop()
        first, *others = names
        for name in others:
            ratio = self.figures[f"{name}_precision_step_s"] / self.figures[f"{first}_precision_step_s"]
            self.figures.setdefault(f"precision_step_vs_{first}", {})[name] = round(ratio, 3)

    def of_scheme(self, scheme: str, **changes: Any) -> Any:
        """A worker whose child is under one scheme throughout."""
        return Worker("search", self.settings, child_scheme=scheme, search_precision="", **changes)

    def half_precision(self) -> Any:
        """fp16 against fp32 in images a second, at the CIFAR-10 preset's batch size, where there is a GPU."""
        if not bench_machine.has_gpu():
            return
        workers = {name: self.of_scheme(name, batch_size=160) for name in ("fp32", "fp16")}
        try:
            self.alternate(workers, "child", "gpu_step")
        finally:
            for worker in workers.values():
                worker.stop()
        for name in workers:
            self.figures[f"gpu_{name}_images_per_s"] = 160 / self.figures[f"{name}_gpu_step_s"]
        self.figures["gpu_fp16_vs_fp32"] = self.figures["fp32_gpu_step_s"] / self.figures["fp16_gpu_step_s"]


def measure(settings: Any) -> dict[str, Any]:
    """Runs the benchmark; returns {figure: value}.

    Raises:
      UserError: a flag names what there is not.
    """
    plot = settings.bench.plot
    if plot and not plot.endswith(".png"):
        raise UserError(f"--plot={plot}: expected a file whose name ends in .png")
    files.check_writable("plot", plot)
    return Bench(settings).run()
