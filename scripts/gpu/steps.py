"""Training steps of one arc: what they compute on the CPU and where TensorFlow places them, how long they take."""

import collections
import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scripts.gpu.plan import Plan

_WARM_UP = 5  # steps
_CPU = "/cpu:0"
# Of the loss and of all gradients together, relative. Devices add up sums in orders of their own, so they differ in their
# last bits. oneDNN's kernels and TensorFlow's own on one CPU differ by up to 7e-6 in fp32, and in low bits by 5e-7 where no
# quantizer decides otherwise and by up to 2.3e-2 where one does. Of fp16, a GPU rounds what the CPU does not.
TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2}
LOW_BIT_TOLERANCE = 5e-2
BATCHES = 5


def machine() -> dict[str, Any]:
    """What is checked: TensorFlow's version, and the names of the GPUs, or of the processor where there are none."""
    import tensorflow.compat.v1 as tf

    from scripts.benchmarks import bench_machine

    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return {"tensorflow": tf.__version__, "gpus": gpus, "cpu": bench_machine.describe()}


def has_gpu() -> bool:
    """Whether TensorFlow can use a GPU."""
    import tensorflow.compat.v1 as tf

    return bool(tf.config.list_physical_devices("GPU"))


def schemes(plan: Plan) -> dict[str, Any]:
    """Compares the first training step of each scheme with the CPU's, on several batches.

    A number that lies between two levels of a quantizer may be rounded up on one device and down on the other, and then all
    behind it differs. In a small network that befalls a batch now and then; what is computed wrongly is so in all of them.
    So the median over the batches counts.

    Returns:
      {scheme: {"loss": [the CPU's, that of where TensorFlow places the step], of the first batch; "loss_errors",
      "gradient_errors": relative, of each batch; "tolerance"; "ops": {device: how many ops ran there}; "ok": the medians are
      within the tolerance, and most ops ran on the GPU}, "ok": all are}.
    """
    import tensorflow.compat.v1 as tf

    # By default TensorFlow rounds float32 to 10 bits of mantissa in a GPU's products.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        found = {scheme: _compared(scheme, plan) for scheme in plan.schemes}
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)
    return {**found, "ok": all(figures["ok"] for figures in found.values())}


def _compared(scheme, plan):
    (expected, _), (found, ops) = (_first_steps(scheme, plan, device) for device in (_CPU, ""))
    tolerance = TOLERANCE.get(scheme, LOW_BIT_TOLERANCE)
    loss_errors = [abs(loss - right) / abs(right) for (loss, _), (right, _) in zip(found, expected, strict=True)]
    gradient_errors = [_error(moments, right) for (_, moments), (_, right) in zip(found, expected, strict=True)]
    there = not has_gpu() or ops.get("GPU", 0) > ops["CPU"]
    return {
        "loss": [expected[0][0], found[0][0]],
        "loss_errors": loss_errors,
        "gradient_errors": gradient_errors,
        "tolerance": tolerance,
        "ops": ops,
        "ok": bool(np.median(loss_errors) <= tolerance and np.median(gradient_errors) <= tolerance and there),
    }


def _error(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
    """How far arrays are from others, all together: the norm of the difference over the norm."""
    apart, size = (
        np.sqrt(sum(float(np.sum(np.square(array, dtype=np.float64))) for array in arrays))
        for arrays in ([found[name] - value for name, value in expected.items()], expected.values())
    )
    return float(apart / size)


def _first_steps(
    scheme: str, plan: Plan, device: str
) -> tuple[list[tuple[float, dict[str, np.ndarray]]], dict[str, int]]:
    """Takes the first training step on each of some batches, always from the initial weights.

    Returns:
      ([(loss, {moment of the optimizer: value}) for each batch], {device: number of ops}). After one step a momentum is a
      gradient with its weight decay, and so is Adam's first moment, but for a factor.
    """
    import tensorflow.compat.v1 as tf

    # A fixed loss scale, so that no step is skipped while it adapts.
    flags, found = {**plan.compared, "child_scheme": scheme, "loss_scale": "128"}, []
    with _training(flags, plan.compared_side, device) as (session, training, initialize):
        moments = {v.op.name: v for v in tf.global_variables() if v.op.name.endswith(("/Momentum", "/m"))}
        options, metadata = tf.RunOptions(output_partition_graphs=True), tf.RunMetadata()
        for batch in range(BATCHES):
            session.run(initialize)
            training.step.load(batch, session)
            training.start(session)
            fetches = [training.loss, training.update.skipped, training.update.op]
            loss, skipped, _ = session.run(fetches, {training.rate: 0.05}, options, metadata)
            if skipped:
                raise RuntimeError(f"{scheme} on {device or 'the GPU'}: the step's numbers are not finite")
            found.append((float(loss), session.run(moments)))
    parts = [part.node for part in metadata.partition_graphs]
    placed = collections.Counter(
        tf.DeviceSpec.from_string(node.device).device_type for nodes in parts for node in nodes
    )
    return found, dict(placed)


def times(plan: Plan) -> dict[str, Any]:
    """Times training steps in float32 and in float16.

    Returns:
      {scheme: {"ms": median of a step, "images_per_s", "peak_mb": most memory of the GPU in use, 10^6 bytes}, "speedup": of
      a float16 step, "at_least", "ok": it is}. Products of float32 are rounded as TensorFlow does by default.
    """
    found = {scheme: _timed(scheme, plan) for scheme in ("fp32", "fp16")}
    speedup = found["fp32"]["ms"] / found["fp16"]["ms"]
    return {**found, "speedup": speedup, "at_least": plan.speedup, "ok": speedup >= plan.speedup}


def _timed(scheme, plan):
    import tensorflow.compat.v1 as tf

    memory = "GPU:0" if has_gpu() else "CPU:0"  # of the latter TensorFlow knows nothing, and says 0
    with _training({**plan.timed, "child_scheme": scheme}, plan.timed_side, "") as (session, training, _):
        seconds = []
        for step in range(_WARM_UP + plan.steps):
            if step == _WARM_UP and has_gpu():
                tf.config.experimental.reset_memory_stats(memory)
            start = time.perf_counter()
            session.run([training.loss, training.correct, training.update.op], {training.rate: 0.05})
            seconds.append(time.perf_counter() - start)
        peak = tf.config.experimental.get_memory_info(memory)["peak"]
    median = statistics.median(seconds[_WARM_UP:])
    return {"ms": 1e3 * median, "images_per_s": plan.timed["batch_size"] / median, "peak_mb": peak / 1e6}


@contextlib.contextmanager
def _training(flags: Mapping[str, Any], side: int, device: str) -> Iterator[tuple[Any, Any, Any]]:
    """Builds the training of an arc on random images, in a graph of its own.

    Yields (session, `child_graph.TrainStep`, the operation that sets all variables to their initial values).

    Args:
      flags: {flag: value} of `TrainConfig`.
      device: where all of it runs; "": where TensorFlow places it, as in every run.
    """
    import tensorflow.compat.v1 as tf

    from enas.micro.config import TrainConfig
    from enas.micro.space import SPACE
    from enas.options import config
    from enas.runs import session, train
    from scripts.benchmarks import bench_arcs

    settings = config.from_values(TrainConfig, config.to_values(TrainConfig()) | dict(flags))
    session.graph_mode()
    data = bench_arcs.dataset(0, settings.run.batch_size, side)
    with tf.Graph().as_default() as graph, tf.device(device):
        training = train.build(settings, bench_arcs.random_arc(0, 0, settings.child), SPACE, data).training
        initialize = tf.global_variables_initializer()
        with session.open_session(graph) as opened:
            opened.run(initialize)
            training.start(opened)
            yield opened, training, initialize
