"""What the machine can do, and what a step asks of it: multiply-accumulates, bytes, and the bound they set."""

import concurrent.futures
import os
import subprocess
import time
from typing import Any

import numpy as np

from enas.commands import environment
from enas.micro.cost import reduction_layers
from enas.micro.op_table import REPEATS, op_table
from scripts.benchmarks import bench_arcs

_FLOAT = 4
_MATMUL_SIZE = 1536
_COPY_BYTES = 64 * 2**20


def describe() -> str:
    """One line: cores, processor, load."""
    model = "unknown processor"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
    return f"{environment.cores()} cores, {model}"


def has_gpu() -> bool:
    """True where NVIDIA's driver lists a GPU."""
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return "GPU" in found.stdout


def _best(function, repeats=8):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def ceilings() -> Any:
    """{"matmul_gmacs": 10^9 float32 multiply-accumulates a second of a large matrix product, "copy_gb": 10^9 bytes a
    second, read and written, of a copy by all cores}, the best of eight."""
    a = np.ones([_MATMUL_SIZE, _MATMUL_SIZE], np.float32)
    cores = environment.cores()
    source, target = (np.ones([cores, _COPY_BYTES // cores], np.uint8) for _ in range(2))
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        copy = _best(lambda: list(pool.map(np.copyto, target, source)))
    return {"matmul_gmacs": _MATMUL_SIZE**3 / _best(lambda: a @ a) / 1e9, "copy_gb": 2 * source.size / copy / 1e9}


def forward_work(child: Any, side: int, arc: Any, channels: int = 3) -> tuple[int, int]:
    """(multiply-accumulates, values read or written) of one forward pass on one image, `[side, side, channels]`, by an arc
    of a `ChildConfig`.

    Every op reads its inputs and writes its output once: convolution, batch norm and activation each count, a
    separable convolution as two. Weights are left out: they are read once for all images.
    """
    macs = values = 0

    def conv(k, inputs, outputs, area, groups=1):
        nonlocal macs, values
        macs += k * k * inputs * outputs // groups * area
        values += (inputs + outputs) * area

    def elementwise(width, area, inputs=1):
        nonlocal values
        values += (inputs + 1) * width * area

    table, layers, width = op_table(child), child.num_layers, child.out_filters
    conv(3, channels, 3 * width, side * side)
    elementwise(3 * width, side * side)
    earlier = [(3 * width, side), (3 * width, side)]
    for layer in range(layers + 2):
        reduction = layer in reduction_layers(layers)
        if reduction:
            width, side = 2 * width, -(-side // 2)
        area = side * side
        for inputs, old_side in earlier:
            while old_side != side or inputs != width:  # two reductions in a row follow a pair of reduction cells
                elementwise(inputs, old_side * old_side)
                old_side = old_side if old_side == side else -(-old_side // 2)
                conv(1, inputs, width, old_side * old_side)
                elementwise(width, old_side * old_side)
                inputs = width
        cell = arc.reduction if reduction else arc.normal
        for op in (table[id] for node in cell.nodes for _, id in node.sides):
            for _ in range(REPEATS if op.kernel else 0):
                elementwise(width, area)
                conv(op.kernel, width, width, area, groups=width if op.separable else 1)
                if op.separable:
                    conv(1, width, width, area)
                elementwise(width, area)
            if op.kind.endswith("pool_3x3"):
                elementwise(width, area)
        elementwise(width, area * len(cell.nodes), inputs=2)
        loose = len(cell.loose_ends)
        elementwise(loose * width, area)
        conv(1, loose * width, width, area)
        elementwise(width, area)
        earlier = [earlier[1], (width, side)]
    return macs, values


def bound(settings: Any) -> Any:
    """The least time a child step can take on this machine, averaged over the arcs of the measured steps.

    The backward pass does twice the multiply-accumulates of the forward pass (gradients in the inputs and in the
    weights), and reads or writes twice the values (input, output's gradient and input's gradient for input and
    output). The bound is the larger of the arithmetic at the speed of a large matrix product and the traffic at the
    speed of a copy.

    Args:
      settings: a `bench_micro.BenchConfig`.

    Returns:
      Figures: step_gmacs, step_gb, matmul_gmacs_per_s, copy_gb_per_s, bound_s.
    """
    child, options = settings.child, settings.bench
    steps = [bench_arcs.random_arc(options.seed, step, child) for step in range(options.steps)]
    work = np.mean([forward_work(child, options.image_size, arc) for arc in steps], axis=0)
    macs, values = 3 * options.batch_size * work
    limits = ceilings()
    seconds = max(macs / 1e9 / limits["matmul_gmacs"], values * _FLOAT / 1e9 / limits["copy_gb"])
    return {
        "step_gmacs": macs / 1e9,
        "step_gb": values * _FLOAT / 1e9,
        "matmul_gmacs_per_s": limits["matmul_gmacs"],
        "copy_gb_per_s": limits["copy_gb"],
        "bound_s": seconds,
    }
