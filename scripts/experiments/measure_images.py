"""Measures the training on images in files: memory over an epoch, and the step with and without decoding.

  python scripts/experiments/measure_images.py --data_dir=/tmp/images --img_size=96x192

The two kinds of step are the same graph in one process, in turns: either every image is decoded, or a few images that were
decoded before are handed over again. `scripts/experiments/make_image_folder.py` makes a folder to measure on.
"""

import itertools
import json
import math
import os
import statistics
import time
from typing import Any

import numpy as np

from scripts.arguments import MOST, Parser, number, run_script

# A 5-node cell as searches find them, and one that costs as little as a cell can.
ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
LEAST_ARC = "0 4 1 4 0 4 1 4"
TURNS = 4
KEPT = 256  # images handed over again


def arguments() -> Any:
    """Parses the command line."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", required=True, help="class folders, as --dataset=folder reads them")
    parser.add_argument("--img_size", default="96x192", help="as of train_fixed_arc.py (default: %(default)s)")
    parser.add_argument("--cache", default="none", choices=("none", "memory", "disk"), help="default: %(default)s")
    parser.add_argument("--cache_dir", default="data/cache", help="default: %(default)s")
    parser.add_argument("--fixed_arc", default=ARC, help=f"the network (default: one of 5 nodes; least: {LEAST_ARC})")
    for name, default, low, high, help in (
        ("batch_size", 32, 2, MOST, "images a step"),
        ("child_num_layers", 2, 2, 100, "normal cells"),
        ("child_out_filters", 4, 2, 1024, "filters"),
        ("epoch_steps", 0, 0, MOST, "steps over which memory is measured; 0: a whole epoch"),
        ("steps", 40, 1, MOST, "timed steps of each kind"),
    ):
        parser.add_argument(f"--{name}", type=number(low, high), default=default, help=f"{help} (default: {default})")
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--picture", help="PNG file for memory over the epoch")
    return parser.parse_args()


def rss_mb() -> float:
    """Resident memory of this process, MB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Switch:
    """Reads images as `streamed` does, or, while `decoding` is off, hands over those that it decoded before."""

    def __init__(self, streamed: Any, count: int) -> None:
        import numpy as np

        self.streamed, self.decoding = streamed, True
        self.kept = streamed.read(np.arange(count))

    def read(self, which: np.ndarray) -> np.ndarray:
        """uint8 [len(which), H, W, C]."""
        return self.streamed.read(which) if self.decoding else self.kept[which % len(self.kept)]


def prepared(options: Any) -> Any:
    """Opens the data; returns (config, arc, data set, switch, figures)."""
    from enas import data
    from enas.data.dataset import Streamed
    from enas.micro.arc import parse
    from enas.micro.config import ChildConfig, DataConfig, RunConfig, TrainConfig

    arc = parse(options.fixed_arc)
    config = TrainConfig(
        data=DataConfig(
            dataset="folder",
            data_dir=options.data_dir,
            img_size=options.img_size,
            cache=options.cache,
            cache_dir=options.cache_dir,
        ),
        child=ChildConfig(
            num_layers=options.child_num_layers, out_filters=options.child_out_filters, num_cells=arc.num_cells
        ),
        run=RunConfig(batch_size=options.batch_size),
    )
    before, start = rss_mb(), time.perf_counter()
    dataset = data.load(config.data, config.run.seed)
    seconds = time.perf_counter() - start
    splits = dataset.train, dataset.valid, dataset.test
    images = sum(len(split.labels) for split in splits)
    files = [os.path.join(options.data_dir, name) for split in splits for name in split.names]
    figures = {
        "images": images,
        "file_gb": sum(os.path.getsize(name) for name in files) / 1e9,
        "image_shape": list(dataset.image_shape),
        "decoded_gb": images * math.prod(dataset.image_shape) / 1e9,
        "pass_s": seconds,
        "pass_images_per_s": images / seconds,
        "rss_before_pass_mb": before,
        "rss_after_pass_mb": rss_mb(),
    }
    switch = Switch(dataset.train.images, min(KEPT, len(dataset.train.labels)))
    train = data.Split(Streamed(dataset.train.images.shape, switch.read), dataset.train.labels)
    return (
        config,
        arc,
        data.DataSet(train, *splits[1:], dataset.class_names, dataset.mean, dataset.std),
        switch,
        figures,
    )


def memory(session: Any, training: Any, steps: int) -> list[tuple[int, float]]:
    """Trains for `steps` steps; returns [(step, RSS in MB)], about 200 of them."""
    from tqdm import tqdm

    samples = []
    for step in tqdm(range(steps), "epoch", disable=None):
        if step % max(1, steps // 200) == 0:
            samples.append((step, rss_mb()))
        session.run(training.update.op, {training.rate: 0.05})
    return [*samples, (steps, rss_mb())]


def step_times(session: Any, training: Any, switch: Any, steps: int) -> Any:
    """Times both kinds of step in turns; returns {kind: {"median_s", "min_s", "cpu_s"}}."""
    seconds = {"decoding": [], "not_decoding": []}
    cpu = dict.fromkeys(seconds, 0.0)
    for turn, kind in itertools.product(range(TURNS), seconds):
        switch.decoding = kind == "decoding"
        training.streams[0].restart(session, 1000 * turn)
        for step in range(3 + -(-steps // TURNS)):
            start, start_cpu = time.perf_counter(), time.process_time()
            session.run(training.update.op, {training.rate: 0.05})
            if step >= 3:  # the first ones find an empty buffer
                seconds[kind].append(time.perf_counter() - start)
                cpu[kind] += time.process_time() - start_cpu
    return {
        kind: {"median_s": statistics.median(times), "min_s": min(times), "cpu_s": cpu[kind] / len(times)}
        for kind, times in seconds.items()
    }


def draw(path: str, samples: list[tuple[int, float]], batch_size: int) -> None:
    """Draws memory over the images trained on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((7, 3.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps, memory = zip(*samples, strict=True)
    axes.plot([step * batch_size for step in steps], memory)
    axes.set(xlabel="images trained on", ylabel="resident memory, MB", ylim=(0, 1.2 * max(memory)))
    axes.grid(alpha=0.3)
    figure.savefig(path, format="png")


def main() -> None:
    """Measures, prints a table and writes the figures."""
    options = arguments()
    from enas.commands import environment
    from enas.micro.space import SPACE

    environment.set_defaults(SPACE.environment)
    from enas.classification import child_graph
    from enas.micro import child
    from enas.runs import session

    session.graph_mode()
    import tensorflow.compat.v1 as tf

    config, arc, dataset, switch, figures = prepared(options)
    training = child_graph.train_step(config, dataset, child, arc, moving_averages=True)
    figures["graph_mb"] = tf.get_default_graph().as_graph_def().ByteSize() / 1e6
    tell_data(figures)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        training.streams[0].restart(sess)
        steps = options.epoch_steps or training.streams[0].per_epoch
        samples = memory(sess, training, steps)
        settled = [mb for step, mb in samples if step >= steps // 10]
        figures["rss_mb"] = {"first_tenth": settled[0], "end": settled[-1], "most": max(settled)}
        figures["epoch_steps"], figures["batch_size"] = steps, options.batch_size
        tell_memory(figures)
        figures["steps"] = step_times(sess, training, switch, options.steps)
        figures["load_average"] = os.getloadavg()[0]
        tell_steps(figures)
    if options.picture:
        draw(options.picture, samples, options.batch_size)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**figures, "settings": vars(options), "rss_samples": samples}, file, indent=2)


def tell(what: str, words: str) -> None:
    """Prints a line of the table at once."""
    print(f"{what:28s}  {words}", flush=True)


def tell_data(figures: dict[str, Any]) -> None:
    """Prints what the pass over the data found."""
    shape = "x".join(map(str, figures["image_shape"]))
    tell("images", f"{figures['images']:,} ({figures['file_gb']:.2f} GB of files)")
    tell("decoded", f"{shape}, {figures['decoded_gb']:.2f} GB in all")
    tell("pass before training", f"{figures['pass_s']:.1f} s, {figures['pass_images_per_s']:.0f} images/s")
    tell("memory before, after the pass", f"{figures['rss_before_pass_mb']:.0f}, {figures['rss_after_pass_mb']:.0f} MB")
    tell("graph", f"{figures['graph_mb']:.2f} MB")


def tell_memory(figures: dict[str, Any]) -> None:
    """Prints what training did to memory."""
    rss, steps = figures["rss_mb"], f"{figures['epoch_steps']} steps of {figures['batch_size']}"
    words = f"{rss['first_tenth']:.0f} MB after a tenth, {rss['end']:.0f} MB at the end, at most {rss['most']:.0f} MB"
    tell(f"memory, {steps}", words)


def tell_steps(figures: dict[str, Any]) -> None:
    """Prints how long steps took."""
    for kind, times in figures["steps"].items():
        median, least, cpu = (1e3 * times[name] for name in ("median_s", "min_s", "cpu_s"))
        words = f"{median:.1f} ms median, {least:.1f} ms least, {cpu:.1f} ms of CPU"
        tell(f"step, {kind.replace('_', ' ')}", words)
    tell("load average", f"{figures['load_average']:.1f}")


if __name__ == "__main__":
    run_script(main)
