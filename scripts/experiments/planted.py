"""A search problem whose answer is known: the reward of an arc is how much of a planted arc it holds, plus noise.

It tells whether a controller learns, without a child: each integer of the arc counts alike, ops as well as indices. The
rewards of random arcs have a spread of 0.027, the noise, of the size that one minibatch gives, has 0.035.
"""

from typing import Any

import numpy as np

from enas.micro import arc as arcs
from enas.randomness import generator

LOWEST, RANGE = 0.4, 0.4
NOISE = 0.035
TOP_SHARE = 0.001


def random_arcs(rng: np.random.Generator, count: int, num_cells: int, num_ops: int) -> np.ndarray:
    """Uniformly random arcs, int `[count, 2, num_cells, 4]`."""
    choices = [[node + 2, num_ops, node + 2, num_ops] for node in range(num_cells)]
    return rng.integers(0, choices, (count, len(arcs.CELLS), num_cells, 4))


def planted_arc(seed: int, num_cells: int, num_ops: int) -> np.ndarray:
    """The arc to be found, int `[2, num_cells, 4]`."""
    return random_arcs(generator(seed, "planted arc"), 1, num_cells, num_ops)[0]


def rewards(sampled: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """Noise-free rewards of arcs `[A, 2, num_cells, 4]`, float `[A]`: 0.4 for no integer of the planted arc, 0.8 for all."""
    return LOWEST + RANGE * (sampled == planted).mean((1, 2, 3))


def noise(seed: int, step: int, count: int) -> np.ndarray:
    """The noise of the rewards of update `step`, float `[count]`."""
    return generator(seed, "planted noise", step).normal(0, NOISE, count)


def random_levels(planted: np.ndarray, num_ops: int, count: int = 100000) -> Any:
    """(mean reward, mean reward of the best 0.1%) of uniformly random arcs."""
    drawn = random_arcs(generator(0, "random level"), count, planted.shape[1], num_ops)
    found = np.sort(rewards(drawn, planted))
    return float(found.mean()), float(found[-round(TOP_SHARE * count) :].mean())


def learn(config: Any, child: Any, seed: int, num_updates: int, planted: np.ndarray) -> Any:
    """Trains a new controller; yields (mean noise-free reward of the update's arcs, their entropy as a share of what the
    logits' bounds let it move over) after each update.

    Args:
      config: a `ControllerConfig`.
      child: a `ChildConfig`: how many nodes and ops there are.
      seed: of initial weights, sampling and noise.
      num_updates: how many.
      planted: see `planted_arc`.
    """
    import tensorflow.compat.v1 as tf

    from enas.graph import gumbel
    from enas.micro import controller
    from enas.runs import session

    session.graph_mode()
    count, choices = config.num_aggregate, controller.choices(child)
    with tf.Graph().as_default():
        made = controller.build(config, child, seed)
        initialize = tf.global_variables_initializer()
        with tf.Session() as sess:
            sess.run(initialize)
            for step in range(num_updates):
                feed = gumbel.noise(seed, "arc/planted", range(step * count, (step + 1) * count), choices)
                sampled, entropy = sess.run([made.arcs, made.entropy], {made.noise: feed})
                clean = rewards(sampled, planted)
                sess.run(made.train, {made.noise: feed, made.rewards: clean + noise(seed, step, count)})
                yield float(clean.mean()), made.normalized(float(entropy.mean()))
