"""The task of the spaces of image classifiers: data, training step, reward and accuracy.

`enas.interfaces.Task` says what a task is. Another one is `enas/rnn/language.py`.
"""

import os
from typing import Any, cast

import numpy as np

from enas import data
from enas.classification import child_graph, objective, report
from enas.classification.child_graph import ImageClassifier
from enas.costs import size
from enas.costs.cost import Cost
from enas.data import DataSet, pipeline
from enas.data import metadata as data_metadata
from enas.files import printable
from enas.graph.optim import learning_rate
from enas.interfaces import Feeds
from enas.metric import ACCURACY
from enas.options.config import SearchConfig, TrainConfig
from enas.runs import metadata as run_metadata
from enas.runs import session
from enas.runs.run_directory import RunDirectory
from enas.types import Session

__all__ = [
    "ADVICE",
    "METRIC",
    "Scorer",
    "log_header",
    "description",
    "metadata",
    "learning_rate",
    "load",
    "report_errors",
    "train_step",
]

# To a user whose child's numbers are not finite.
ADVICE = "a lower --child_lr_max, or --child_clip_mode=global"
SHOWN = 20  # entries at most of a list in the log
METRIC = ACCURACY


def load(config: SearchConfig | TrainConfig) -> DataSet:
    """Loads the data set of a config, with what the run in its `--output_dir` already knows of it.

    Raises:
      UserError: see `enas.data.load`.
    """
    path = config.run.output_dir
    known = None if config.run.reset_output_dir else run_metadata.read_data(path)
    if known is not None:
        data_metadata.checked(known, os.path.join(path, run_metadata.DATA))
    return data.load(config.data, config.run.seed, known)


def metadata(dataset: DataSet) -> dict[str, Any]:
    """Says what the images are and how they are normalised, as JSON values. A run goes on with the same metadata only."""
    return data_metadata.of(dataset)


def description(config: SearchConfig | TrainConfig, dataset: DataSet) -> str:
    """Describes the data in a few words."""
    sizes = "/".join(str(len(split.labels)) for split in (dataset.train, dataset.valid, dataset.test))
    shape = "x".join(map(str, dataset.image_shape))
    return (
        f"{config.data.dataset}: {sizes} train/valid/test images of {shape}, {dataset.num_classes} classes; "
        f"scheme {config.child.scheme}"
    )


def log_header(run: RunDirectory, dataset: DataSet) -> None:
    """Logs the classes, and the files that were left out. Lists these files in bad_images.txt."""
    names = dataset.class_names
    more = f" and {len(names) - SHOWN} more (see {run_metadata.DATA})" if len(names) > SHOWN else ""
    run.log(f"classes: {', '.join(map(printable, names[:SHOWN]))}{more}")
    for note in dataset.notes:
        run.log(printable(note))
    bad = [printable(reason) for reasons in dataset.bad_images.values() for _, reason in reasons]
    if bad:
        run.write("bad_images.txt", "".join(reason + "\n" for reason in bad))
        run.log(f"{len(bad)} unreadable images are left out; all of them are in {run.file('bad_images.txt')}")
        for reason in bad[:SHOWN]:
            run.log(f"  {reason}")


def report_errors(context: session.RunContext) -> None:
    """Writes and logs what the child of a training gets wrong on the test set; see `enas.classification.report`.

    Args:
      context: a training whose streams are started and whose variables are restored.

    Raises:
      signals.Stopped: a signal came.
    """
    scorer, names = context.graph.scorer, context.dataset.test.names
    logits, labels, order = scorer.test_logits(context.session)
    names = [names[index] for index in order]
    report.write(context.run, context.dataset.class_names, "test", report.predictions(names, labels, logits))


def train_step(
    config: SearchConfig | TrainConfig, dataset: DataSet, child: ImageClassifier, arc: Any, shared: bool
) -> child_graph.TrainStep:
    """Builds the training step of a child; see `enas.interfaces.Task`."""
    return child_graph.train_step(config, dataset, child, arc, moving_averages=not shared)


class Scorer:
    """Measures rewards and accuracies of a child. Making one builds its graph; `start` comes before all else.

    Args:
      config: the run's settings, those of a search if the child is shared.
      dataset: the data set.
      child: the search space's child module.
      arc: what `child.logits` takes.
      shared: the child's weights are those of all arcs.
    """

    def __init__(
        self,
        config: SearchConfig | TrainConfig,
        dataset: DataSet,
        child: ImageClassifier,
        arc: Any,
        shared: bool,
    ) -> None:
        seed, valid, self.class_names = config.run.seed, dataset.valid, dataset.class_names
        self.merit = METRIC.name
        self.repeats, batch = 1, config.run.batch_size
        if shared:
            search = cast(SearchConfig, config)  # only a search shares weights
            batch = search.controller.batch_size or min(batch, len(valid.labels))
            self.repeats, self.merit = search.controller.num_aggregate, search.score.reward
        self.streams = {
            "valid": pipeline.evaluation_batches(dataset, valid, batch, seed),
            "test": pipeline.evaluation_batches(dataset, dataset.test, batch, seed),
        }
        if shared:
            limit = search.score.eval_arc_batches
            self.streams["reward"] = pipeline.training_batches(
                dataset, valid, batch, seed, "reward", repeats=self.repeats
            )
            self.streams["arcs"] = pipeline.evaluation_batches(dataset, valid, batch, seed, limit)
        self.graph = child_graph.eval_graph(
            config, dataset, child, arc, self.streams["valid"], moving_averages=not shared
        )
        self.test_order = pipeline.evaluation_order(len(dataset.test.labels), seed)
        self.handles: dict[str, bytes] = {}

    def start(self, sess: Session, updates: int = 0) -> None:
        """Makes the streams ready, as they are after so many updates of the controller."""
        self.handles = session.start(sess, self.streams, {"reward": updates * self.repeats})

    def reward(self, sess: Session, _update: int, feeds: Feeds) -> float:
        """Measures what --reward says on the next validation batch. All arcs of an update see the same images."""
        feeds = {**feeds, self.graph.handle: self.handles["reward"]}
        return objective.accuracies(sess.run(self.graph.tallies, feeds))[self.merit]

    def score(self, sess: Session, name: str, feeds: Feeds | None = None) -> float:
        """Measures the accuracy; see `figures`."""
        return self.figures(sess, name, feeds)[METRIC.name]

    def figures(self, sess: Session, name: str, feeds: Feeds | None = None) -> dict[str, Any]:
        """Measures the accuracy, the balanced accuracy, and the recall of each class, None where there are no images.

        Args:
          name: the images, "valid" or "test" for a whole set, "arcs" for the validation images that arcs are scored on.
          feeds: what else the graph is fed, e.g. the arc.

        Raises:
          signals.Stopped: a signal came; no variable has changed since the call.
        """
        tallied = child_graph.tallied(sess, self.graph, self.streams[name], self.handles[name], feeds)
        recalls = [None if np.isnan(share) else float(share) for share in objective.recalls(tallied)]
        return {**objective.accuracies(tallied), "recall": dict(zip(self.class_names, recalls, strict=True))}

    def test_logits(self, sess: Session) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Computes the logits of all test images.

        Returns:
          (logits, labels, places in the test set): float32 `[N, num_classes]`, int32 `[N]` and int64 `[N]`.

        Raises:
          signals.Stopped: a signal came; no variable has changed since the call.
        """
        logits, labels = child_graph.all_logits(sess, self.graph, self.streams["test"], self.handles["test"])
        return logits, labels, sess.run(self.test_order)

    def cost(self) -> Cost:
        """Counts what the child costs."""
        return size.measure(self.graph)
