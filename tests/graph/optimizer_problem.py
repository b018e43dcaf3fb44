"""Variables and an objective whose gradients are fed, for the child's optimizer to step on."""

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import layers, optim
from enas.options.config import ChildConfig

PLAIN = {"l2_reg": 0.0}
RATE = 0.25


class Problem:
    """Variables in the scope of a child and an objective whose gradient in each is fed.

    Args:
      start: the fixture.
      values: {name: initial value}.
      config: a dict of changes to `ChildConfig`.
      latent: {name: fan-in} of those that are latent.
    """

    def __init__(self, start, values, config=PLAIN, latent=()):
        self.build = layers.BuildContext(ChildConfig(**config), 2, 0, training=True)
        with tf.variable_scope("child"):
            self.variables = {name: variable(name, value) for name, value in values.items()}
            self.average = variable("average", [1.0, 2.0], trainable=False)
        self.build.moving_updates.append((self.average, tf.constant([3.0, -1.0])))
        for name in latent:
            self.build.latent[self.variables[name].name] = latent[name]
        self.feeds = {name: tf.placeholder(tf.float32, v.shape) for name, v in self.variables.items()}
        objective = tf.add_n([tf.reduce_sum(self.feeds[name] * v) for name, v in self.variables.items()])
        self.step_variable = variable("step", 0, trainable=False, dtype=tf.int64)
        self.update = optim.update(
            self.build, objective, list(self.variables.values()), tf.constant(RATE), self.step_variable
        )
        self.session = start()

    def step(self, **gradients):
        """One step with these gradients; returns (values, figures) after it."""
        feeds = {self.feeds[name]: np.broadcast_to(g, self.feeds[name].shape) for name, g in gradients.items()}
        norm, scale, _ = self.session.run([self.update.grad_norm, self.update.loss_scale, self.update.op], feeds)
        self.norm, self.scale = norm, scale
        return self.session.run(self.variables)

    def state(self):
        """All variables but the step counter, the skipped-step counter and the loss scale's."""
        counters = ("step:0", "skipped_steps:0", "loss_scale:0", "good_steps:0")
        return self.session.run({v.name: v for v in tf.global_variables() if not v.name.endswith(counters)})

    def of(self, name):
        return self.session.run(next(v for v in tf.global_variables() if v.name.endswith(f"{name}:0")))


def variable(name, value, trainable=True, dtype=tf.float32):
    return tf.get_variable(name, initializer=tf.constant(value, dtype), trainable=trainable, use_resource=True)
