"""The search of `bench_torch.py` with `torch.compile`: TorchDynamo and Inductor, which writes C++ for this CPU.

Compiled as a whole, a search's network would be compiled anew for every arc, minutes each time; so its parts are compiled
each for itself, and an arc is other calls of what there is. A fixed arc's network is treated alike: compiled as a whole, or
cell by cell, it writes beyond its memory (PyTorch 2.13; glibc aborts with "corrupted unsorted chunks"). Nothing compiled is
kept from an earlier call.
"""

import functools
import os
import tempfile
from typing import Any

# Read when PyTorch is imported.
_cache = tempfile.TemporaryDirectory(prefix="bench_torch_compile_", ignore_cleanup_errors=True)
os.environ["TORCHINDUCTOR_CACHE_DIR"] = _cache.name

import torch  # noqa: E402
from torch import nn  # noqa: E402

from scripts.benchmarks import bench_torch  # noqa: E402

MOST_GRAPHS = 1000  # of one piece of code; beyond eight PyTorch would give up and run it eagerly

_compiled: list[Any] = []


def _counted(graph: Any, inputs: Any) -> Any:
    """Compiles one graph with Inductor."""
    _compiled.append(graph)
    return torch._dynamo.lookup_backend("inductor")(graph, inputs)


def _in_turn(steps: Any, x: torch.Tensor) -> torch.Tensor:
    """What `nn.Sequential` does, whose own code is never compiled by itself."""
    for step in steps:
        x = step(x)
    return x


class Search(bench_torch.Search):
    """The shared child, whose parts are compiled."""

    def __init__(self, flags: dict[str, Any], clock: Any) -> None:
        torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = MOST_GRAPHS
        super().__init__(flags, clock)
        in_turn = torch.compile(_in_turn, backend=_counted, dynamic=False)
        for part in self.parts():
            if isinstance(part, nn.Sequential):
                part.forward = functools.partial(in_turn, part)
            else:
                part.compile(backend=_counted, dynamic=False)

    def parts(self) -> list[Any]:
        """What is compiled, each for itself: what has no choices of an arc in it."""
        kept = nn.Sequential, bench_torch.FactorizedReduction, bench_torch.Adapter
        slots = [slot for cell in self.net.cells for slot in cell.slots.values()]
        inputs = [step for cell in self.net.cells for adapter in cell.adapters for step in adapter]
        return [part for part in (self.net.stem, *slots, *inputs) if isinstance(part, kept)]

    def graphs(self) -> int:
        """How many graphs have been compiled so far."""
        return len(_compiled)


class Fixed(Search):
    """One arc, with weights for that arc alone."""

    fixed = True
