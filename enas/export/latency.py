"""Measures how long the units of a child take in the runtime, with weights that are made up."""

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from enas.export.builder import Builder
from enas.graph.layers import BuildContext
from quantize.runtime.codes import Array
from quantize.runtime.kernels import Kernels
from quantize.runtime.model.executor import function_of, logits_of
from quantize.runtime.model.network import Network, Preprocessing

REPEATS = (4, 12)  # how often a unit runs in a recording; the difference of two leaves out what a call itself takes


class MadeUp(Mapping[str, Array]):
    """Variables of random values, which come into being when they are asked for: {name: value}.

    Args:
      shapes: {scope, of which the longest counts: {the last part of a name, or its last two: shape}}.
    """

    def __init__(self, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], seed: int = 0) -> None:
        self._shapes, self._rng = shapes, np.random.default_rng(seed)

    def __getitem__(self, name: str) -> Array:
        *_, before, end = name.split("/")
        scope = max((scope for scope in self._shapes if name.startswith(f"child/{scope}")), key=len)
        shapes = self._shapes[scope]
        shape = shapes.get(f"{before}/{end}") or shapes[end]
        values = self._rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        return np.abs(values) + 0.5 if end == "moving_variance" else values

    def __iter__(self) -> Any:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def recorded(kernels: Kernels, builder: Builder, times: int) -> Callable[[], None]:
    """Returns a function that runs what a builder holds so many times in a row, on one made-up image."""
    run = function_of(SimpleNamespace(operations=builder.operations, values=lambda: builder.values))  # type: ignore[arg-type]
    image = np.random.default_rng(1).normal(size=(1, *builder.values[0].shape)).astype(np.float32)

    def repeat(kernels: Kernels, x: Array) -> Array:
        for _ in range(times):
            y = run(kernels, x)
        return y

    program: Any = kernels.program(repeat, image)
    replay: Callable[[], None] = program.shared.replay
    return replay


def fastest(run: Callable[[], Any], calls: int) -> float:
    """Returns the seconds of the fastest of so many calls, after one that does not count."""
    run()
    best = float("inf")
    for _ in range(calls):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best


class Stopwatch:
    """Measures one unit again and again.

    Attributes:
      milliseconds: of the unit, by the rounds so far.
    """

    def __init__(self, kernels: Kernels, builder: Builder) -> None:
        self._runs = [recorded(kernels, builder, times) for times in REPEATS]
        self._best = [float("inf")] * len(REPEATS)

    def round(self, calls: int) -> None:
        """Times each recording so often; the fastest of all rounds counts, as whatever else runs here only adds to it."""
        for place, run in enumerate(self._runs):
            self._best[place] = min(self._best[place], fastest(run, calls))

    @property
    def milliseconds(self) -> float:
        """Milliseconds of the unit."""
        few, many = self._best
        return max(0.0, 1e3 * (many - few) / (REPEATS[1] - REPEATS[0]))


def builder_of(
    config: Any, num_classes: int, image: tuple[int, ...], shapes: Mapping[str, Mapping[str, tuple[int, ...]]]
) -> Builder:
    """Returns a builder of made-up variables, see `MadeUp`, whose value 0 has the shape `image`."""
    build: BuildContext[Any] = BuildContext(config, num_classes, seed=0)
    return Builder(build, MadeUp(shapes), image)


def network_of(builder: Builder) -> Network:
    """Returns the network that a builder holds, with made-up preprocessing and class names."""
    height, width, channels = builder.values[0].shape
    numbers = (0.5,) * channels, (0.25,) * channels
    form = Preprocessing(height, width, channels, "stretch", *numbers)
    return Network(form, tuple(map(str, range(builder.values[-1].shape[0]))), tuple(builder.operations), {})


def prediction(kernels: Kernels, builder: Builder) -> Callable[[], Any]:
    """Returns a function that classifies one made-up image with the network that a builder holds."""
    logits = logits_of(network_of(builder), kernels)
    image = np.random.default_rng(1).integers(0, 256, (1, *builder.values[0].shape), np.uint8)
    return lambda: logits(image)
