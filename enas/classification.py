"""The task of the spaces of image classifiers: data, training step, reward and accuracy.

A task is what the search and the training of one arc know of data and networks: a module with `ADVICE`, `METRIC`, `load`,
`facts`, `description`, `learning_rate`, `training` and `Scorer`. Another one is `enas/rnn/language.py`.
"""

import zlib

from enas import child_graph, data, pipeline, session, size
from enas.metric import Metric
from enas.optim import learning_rate

__all__ = ["ADVICE", "METRIC", "Scorer", "description", "facts", "learning_rate", "load", "training"]

# To a user whose child's numbers are not finite.
ADVICE = "a lower --child_lr_max, or --child_clip_mode=global"
METRIC = Metric("accuracy", "acc", "acc", higher_is_better=True)


def load(config):
    """The `enas.data.DataSet` of a config."""
    return data.load(config.data, config.run.seed)


def facts(dataset):
    """What the images are and how they are normalised, as JSON values: a run goes on with the same facts only."""
    splits = (dataset.train, dataset.valid, dataset.test)
    return {
        "image_shape": list(dataset.image_shape),
        "class_names": list(dataset.class_names),
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "crc32": [zlib.crc32(split.labels.tobytes(), zlib.crc32(split.images)) for split in splits],
    }


def description(config, dataset):
    """The data in a few words."""
    sizes = "/".join(str(len(split.labels)) for split in (dataset.train, dataset.valid, dataset.test))
    shape = "x".join(map(str, dataset.image_shape))
    return (
        f"{config.data.dataset}: {sizes} train/valid/test images of {shape}, {dataset.num_classes} classes; "
        f"scheme {config.child.scheme}"
    )


def training(config, dataset, child, arc, shared):
    """The `child_graph.Training` of a child; `shared`: its weights are those of all arcs."""
    return child_graph.training(config, dataset, child, arc, moving_averages=not shared)


class Scorer:
    """Rewards and accuracies of a child. Making one builds its graph; `start` comes before all else.

    Args:
      config: a `SearchConfig` or `TrainConfig`.
      dataset: the `DataSet`.
      child: the search space's child module.
      arc: what `child.logits` takes.
      shared: the child's weights are those of all arcs.
    """

    def __init__(self, config, dataset, child, arc, shared):
        seed, valid = config.run.seed, dataset.valid
        self.repeats, batch = 1, config.run.batch_size
        if shared:
            batch = config.controller.batch_size or min(batch, len(valid.labels))
            self.repeats = config.controller.num_aggregate
        self.streams = {
            "valid": pipeline.evaluation_batches(dataset, valid, batch, seed),
            "test": pipeline.evaluation_batches(dataset, dataset.test, batch, seed),
        }
        if shared:
            limit = config.score.eval_arc_batches
            self.streams["reward"] = pipeline.training_batches(
                dataset, valid, batch, seed, "reward", repeats=self.repeats
            )
            self.streams["arcs"] = pipeline.evaluation_batches(dataset, valid, batch, seed, limit)
        self.scoring = child_graph.scoring(
            config, dataset, child, arc, self.streams["valid"], moving_averages=not shared
        )
        self.handles = {}

    def start(self, sess, updates=0):
        """Makes the streams ready, after `updates` updates of the controller."""
        self.handles = session.start(sess, self.streams, {"reward": updates * self.repeats})

    def reward(self, sess, _update, feeds):
        """Accuracy on the next validation batch; all arcs of an update see the same images."""
        feeds = {**feeds, self.scoring.handle: self.handles["reward"]}
        correct, counted = sess.run([self.scoring.correct, self.scoring.counted], feeds)
        return correct / counted

    def score(self, sess, name, feeds=None):
        """Accuracy on the set "valid" or "test", or on the validation images that arcs are scored on ("arcs").

        Raises:
          signals.Stopped: a signal came; no variable has changed since the call.
        """
        return child_graph.accuracy(sess, self.scoring, self.streams[name], self.handles[name], feeds)

    def cost(self):
        """The `enas.cost.Cost` of the child."""
        return size.measure(self.scoring)
