"""Times the runtime's kernels against TensorFlow's float32 convolutions of the same shapes, in turn, on one thread.

  python scripts/benchmarks/bench_kernels.py
  python scripts/benchmarks/bench_kernels.py --schemes=binary,k4 --level=avx2 --json=kernels.json

A separable op is quantizer, depthwise convolution, batch norm, quantizer, 1x1 convolution, batch norm and residual;
TensorFlow's is ReLU, depthwise and 1x1 convolution in float32 and residual, without batch norms, which it could fold as
well. Each side runs an op ten times in one call, on images that stay in the cache. A figure is the median of all calls.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from enas import files
from enas.commands import environment
from enas.errors import UserError
from quantize.runtime import codes, kernels, layers
from scripts.arguments import Parser, number, run_script, some_of
from scripts.benchmarks import bench_machine

_CHAIN = 10  # ops in one call
_FAMILIES = {
    "separable 3x3": (3, [(16, 28), (36, 32), (64, 28), (128, 14), (256, 7)]),
    "separable 5x5": (5, [(16, 28), (64, 28), (128, 14), (256, 7)]),
    "dense 3x3": (3, [(64, 28), (128, 14)]),
    "1x1": (1, [(64, 28), (128, 14), (256, 7)]),
}


def _op(kind: str, scheme: str, side: int, channels: int) -> Callable[[Any, Any], Any]:
    """One op in low bits: a function of kernels and images."""
    random = np.random.default_rng(0)
    of = codes.arithmetic(scheme)

    def weights(*shape):
        return codes.weight_values(random.uniform(-1, 1, shape).astype(np.float32), scheme)

    def affine(fan_in):
        spread = 1 / (np.sqrt(fan_in) * of.levels * max(1, -of.weight_range[0] / 2))
        return random.normal(0, spread, channels), random.normal(0, 0.5, channels)

    whole = 1 if kind.startswith("separable") else side
    last = layers.conv(weights(whole, whole, channels, channels), scheme, *affine(whole**2 * channels))
    if not kind.startswith("separable"):
        return lambda run, x: run.conv(run.quantize(x, scheme, 1.0, side // 2), last, x)
    first = layers.depthwise(weights(side, side, channels), scheme, *affine(side**2))
    return lambda run, x: run.conv(run.depthwise(run.quantize(x, scheme, 1.0, side // 2), first), last, x)


def _ours(run: kernels.Kernels, kind: str, scheme: str, side: int, x: np.ndarray) -> Callable[[], Any]:
    op = _op(kind, scheme, side, x.shape[3])

    def chain(run, x):
        for _ in range(_CHAIN):
            x = op(run, x)
        return x

    program = run.program(chain, x)
    return lambda: program(x)


def _tensorflow(kind: str, side: int, x: np.ndarray) -> Callable[[], Any]:
    """The same chain in TensorFlow, weights as constants."""
    import tensorflow.compat.v1 as tf

    channels, random = x.shape[3], np.random.default_rng(0)

    def weights(*shape):
        return tf.constant(random.normal(0, 0.01, shape), tf.float32)

    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, x.shape)
        y = images
        for _ in range(_CHAIN):
            z = tf.nn.relu(y)
            if kind.startswith("separable"):
                z = tf.nn.depthwise_conv2d_native(z, weights(side, side, channels, 1), [1, 1, 1, 1], "SAME")
            whole = 1 if kind.startswith("separable") else side
            y = y + tf.nn.conv2d(z, weights(whole, whole, channels, channels), 1, "SAME")
        result = y.op  # run, not fetched
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    call = tf.Session(graph=graph, config=config).make_callable(result, [images])
    return lambda: call(x)


def _in_turn(functions: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Medians in microseconds of one op, of functions that are called one after the other for so long."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not all(times.values()):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append((time.perf_counter() - start) / _CHAIN * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(run: kernels.Kernels, settings: Any) -> dict[str, Any]:
    """Times all families of ops; returns {"machine", "level", "batch", "ops": [{"op", "channels", "side", "us"}]}."""
    ops = []
    for kind, (side, shapes) in _FAMILIES.items():
        for channels, pixels in shapes:
            x = np.random.default_rng(1).normal(0, 1, (settings.batch, pixels, pixels, channels)).astype(np.float32)
            functions = {"tensorflow": _tensorflow(kind, side, x)}
            functions |= {scheme: _ours(run, kind, scheme, side, x) for scheme in settings.schemes}
            ops.append({"op": kind, "channels": channels, "side": pixels, "us": _in_turn(functions, settings.seconds)})
            print(_line(ops[-1]), flush=True)
    return {"machine": bench_machine.describe(), "level": run.level, "batch": settings.batch, "ops": ops}


def _line(op: dict[str, Any]) -> str:
    float32 = op["us"]["tensorflow"]
    figures = [f"{name} {us:.1f} ({float32 / us:.1f}x)" for name, us in op["us"].items() if name != "tensorflow"]
    shape = f"{op['side']}x{op['side']}x{op['channels']}"
    return f"{op['op']:14} {shape:10} float32 {float32:.1f} us; {', '.join(figures)}"


def main() -> None:
    """Runs the benchmark that the command line describes."""
    parser = Parser(description=__doc__.split("\n")[0])
    schemes = ["binary", "k1", "ternary", "k2", "k4", "k8"]
    parser.add_argument("--schemes", type=some_of(list(codes.SCHEMES)), default=schemes, help="separated by commas")
    parser.add_argument("--level", help="of the kernels, e.g. avx2 (default: the fastest)")
    parser.add_argument("--batch", type=number(1, 1024), default=1, help="images of a call")
    parser.add_argument("--seconds", type=number(0.0, 600.0, float), default=2.0, help="for each shape")
    parser.add_argument("--json", default="", help="file for the figures")
    settings = parser.parse_args()
    files.check_writable("json", settings.json)
    environment.set_defaults()
    try:
        run = kernels.get(settings.level)
    except ValueError as error:
        raise UserError(f"--level={settings.level}: {error}") from error
    figures = measure(run, settings)
    print(f"{figures['machine']}; kernels {figures['level']}, batch {figures['batch']}, 1 thread")
    if settings.json:
        files.write_atomically(settings.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    run_script(main)
