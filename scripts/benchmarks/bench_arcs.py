"""The arcs and images that every side of the benchmark is given. Nothing here imports TensorFlow."""

from typing import Any

import numpy as np

from enas.data import DataSet, Split
from enas.micro import arc as arcs
from enas.micro.op_table import op_table
from enas.randomness import generator

NUM_CLASSES = 10
EVAL_BATCHES = 10  # of the test images: one evaluation


def random_arc(seed: int, step: int, child: Any) -> arcs.Arc:
    """An `arcs.Arc` drawn from the search space of a `ChildConfig`, keyed by (seed, step): uniformly, but for schemes, which
    are drawn after the ops' kinds. Whatever schemes are searched, the arcs have the same sources and kinds."""
    draw = generator(seed, "bench/arc", step)
    limits = [limit for node in range(child.num_cells) for limit in (node + 2, len(child.op_kinds)) * 2] * 2
    values = [int(draw.integers(limit)) for limit in limits]
    table, of_schemes = op_table(child), generator(seed, "bench/schemes", step)
    for place in range(1, len(values), 2):
        ids = [id for id, op in enumerate(table) if op.kind == child.op_kinds[values[place]]]
        values[place] = ids[of_schemes.integers(len(ids))]
    return arcs.for_child(values, child)


def array(arc: arcs.Arc) -> np.ndarray:
    """An arc as int32 `[2, num_cells, 4]`."""
    return np.reshape(arc.to_list(), [2, arc.num_cells, 4]).astype(np.int32)


def dataset(seed: int, batch_size: int, image_size: int) -> DataSet:
    """A `DataSet` of random images: 10 training batches, two of validation, `EVAL_BATCHES` of test."""
    draw = generator(seed, "bench/images")

    def split(count):
        images = draw.integers(0, 256, [count, image_size, image_size, 3], np.uint8)
        return Split(images, draw.integers(0, NUM_CLASSES, count).astype(np.int32))

    names = tuple(map(str, range(NUM_CLASSES)))
    parts = [split(batches * batch_size) for batches in (10, 2, EVAL_BATCHES)]
    return DataSet(*parts, names, np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32))
