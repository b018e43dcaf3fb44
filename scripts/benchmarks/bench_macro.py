"""What `scripts/bench.py --space=macro` measures: steps of a macro search, against the same network in eager PyTorch.

  python scripts/bench.py --space=macro                          (the ENAS authors' 12 layers of 36 filters, a minute)
  python scripts/bench.py --space=macro --against=torch --steps=30
  python scripts/bench.py --space=macro --child_num_layers=6 --child_out_filters=16

Each side runs in a process of its own and they take turns, a few steps each, on the same arcs: what disturbs one disturbs
the other. `--against=torch` needs PyTorch, which nothing else here does.
"""

import dataclasses
import multiprocessing
import os
import resource
import statistics
import time
from typing import Any, ClassVar

import numpy as np

from enas.commands import environment
from enas.errors import UserError
from enas.macro import arc as arcs
from enas.macro import config
from enas.options import config as configs
from enas.options import option
from enas.randomness import generator
from scripts.benchmarks.bench_table import note
from scripts.benchmarks.bench_table import plain_table as table

__all__ = ["BenchConfig", "measure", "table"]

_TURN = 2  # steps
_RATE = 0.05


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """What is measured, and how long."""

    image_size: int = option(32, "Height and width of the images, pixels; they have 3 channels.", 8, 1024)
    batch_size: int = option(32, "Images a step.", 2)
    seed: int = option(0, "Seed of weights, images and arcs.", 0, 2**31 - 1)
    steps: int = option(20, "Steps each figure is the median of.", 1)
    against: str = option(
        "none",
        "Implementation to compare with: PyTorch, or the child of --child_recipe=published.",
        choices=("none", "torch", "published"),
    )
    json: str = option("", "File the figures are written to, as JSON.")


@dataclasses.dataclass(frozen=True)
class BenchConfig(configs.Settings):
    """Everything the benchmark of this space needs."""

    space: ClassVar[str] = "macro"
    child: config.ChildConfig = config.ChildConfig()
    bench: BenchOptions = BenchOptions()


def random_arc(settings: Any, step: int) -> arcs.Arc:
    """The `arcs.Arc` of a step, drawn uniformly, keyed by (seed, step)."""
    draw, values = generator(settings.bench.seed, "bench/arc", step), []
    for layer in range(settings.child.num_layers):
        values += [int(draw.integers(len(arcs.OPS))), *draw.integers(2, size=layer).tolist()]
    return arcs.for_child(values, settings.child)


class Ours:
    """The search of this project."""

    def __init__(self, settings: Any) -> None:
        import tensorflow.compat.v1 as tf

        from enas.data import DataSet, Split
        from enas.macro.space import SPACE as space
        from enas.runs import search, session

        session.graph_mode()
        options = settings.bench
        draw = generator(options.seed, "bench/images")

        def split(count):
            shape = [count, options.image_size, options.image_size, 3]
            return Split(draw.integers(0, 256, shape, np.uint8), draw.integers(0, 10, count).astype(np.int32))

        parts = [split(batches * options.batch_size) for batches in (10, 2, 2)]
        names = tuple(map(str, range(10)))
        data = DataSet(*parts, names, np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32))
        run = configs.RunConfig(batch_size=options.batch_size, seed=options.seed)
        self.settings = settings
        self.graph = search.build(config.SearchConfig(child=settings.child, run=run), space, data)
        self.session = session.open_session()
        self.session.run(tf.global_variables_initializer())
        self.graph.training.start(self.session)
        self.graph.scorer.start(self.session)
        self.nodes = len(tf.get_default_graph().get_operations())

    def step(self, number: int) -> None:
        """One step of the shared weights on a new arc; returns the loss."""
        training = self.graph.training
        feeds = {training.rate: _RATE, self.graph.arc: random_arc(self.settings, number).to_list()}
        return self.session.run([training.loss, training.update.op], feeds)[0]


class Published(Ours):
    """The same with the child as published."""

    def __init__(self, settings: Any) -> None:
        child = dataclasses.replace(settings.child, recipe="published", latent_optimizer="sgd")
        super().__init__(dataclasses.replace(settings, child=child))


class Torch:
    """The same in eager PyTorch."""

    def __init__(self, settings: Any) -> None:
        import torch

        from scripts.benchmarks import bench_torch_macro

        options = settings.bench
        torch.manual_seed(options.seed)
        torch.set_num_threads(environment.cores())
        self.torch, self.settings, self.nodes = torch, settings, 0
        self.net = bench_torch_macro.Child(configs.to_values(settings)).to(memory_format=torch.channels_last)
        images = torch.randn(options.batch_size, 3, options.image_size, options.image_size)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (options.batch_size,))
        decay = 2 * settings.child.l2_reg
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), _RATE, momentum=0.9, nesterov=True, weight_decay=decay, fused=True
        )
        for weights in self.net.parameters():
            # The fused step wants all of them; SGD would make each at its weights' first use.
            self.optimizer.state[weights]["momentum_buffer"] = torch.zeros_like(weights)

    def step(self, number: int) -> None:
        """One step of the shared weights on a new arc; returns the loss."""
        self.net.train()
        logits = self.net(self.images, random_arc(self.settings, number))
        loss = self.torch.nn.functional.cross_entropy(logits, self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()


_SIDES = {"search": Ours, "torch": Torch, "published": Published}


def _serve(pipe, name, settings, spawned):
    """A side's process: answers a number of steps with the seconds each took, None with its peak memory."""
    os.dup2(2, 1)  # what the libraries print is no figure
    try:
        side = _SIDES[name](settings)
        side.step(0)
    except ModuleNotFoundError as error:
        pipe.send(f"--against={name}: {error.name} is not installed")
        return
    pipe.send({"start_s": time.time() - spawned, "graph_nodes": side.nodes})
    number = 1
    while (count := pipe.recv()) is not None:
        times = []
        for _ in range(count):
            before = time.perf_counter()
            side.step(number)
            times.append(time.perf_counter() - before)
            number += 1
        pipe.send(times)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def measure(settings: Any) -> dict[str, Any]:
    """Runs the benchmark; returns {figure: value}.

    Raises:
      UserError: PyTorch is not installed; a child that is not measured, or that PyTorch's network is not.
    """
    options, figures = settings.bench, {"settings": configs.to_values(settings), **note(settings.bench.steps)}
    if options.against == "torch" and settings.child.scheme != "fp32":
        raise UserError(f"--child_scheme={settings.child.scheme}: expected fp32, the only scheme of --against=torch")
    if not settings.child.controller_search_whole_channels:
        raise UserError("--nocontroller_search_whole_channels: the benchmark measures arcs of one op a layer only")
    context, pipes, times = multiprocessing.get_context("spawn"), {}, {}
    for name in ("search",) if options.against == "none" else ("search", options.against):
        pipes[name], theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, name, settings, time.time()), daemon=True).start()
        started = pipes[name].recv()
        if isinstance(started, str):
            raise UserError(started)
        figures.update({f"{name}_{key}": value for key, value in started.items() if value})
        pipes[name].send(2)  # still being set up
        pipes[name].recv()
        times[name] = []
    while len(times["search"]) < options.steps:
        for name, pipe in pipes.items():
            pipe.send(_TURN)
            times[name] += pipe.recv()
    for name, pipe in pipes.items():
        pipe.send(None)
        figures[f"{name}_step_s"] = statistics.median(times[name])
        figures[f"{name}_mean_step_s"] = statistics.mean(times[name])
        figures[f"{name}_peak_rss_mb"] = pipe.recv()
    if options.against != "none":
        for key in ("step_s", "mean_step_s"):
            figures[f"{options.against}_{key}_over_ours"] = (
                figures[f"{options.against}_{key}"] / figures[f"search_{key}"]
            )
    return figures
