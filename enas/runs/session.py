"""Sessions: TensorFlow's mode, TensorBoard events, and the one way in which a run is opened and resumed."""

import contextlib
import dataclasses
import io
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow.compat.v1 as tf
from tensorboard.plugins.hparams import summary as hparams
from tensorboard.summary.writer.record_writer import RecordWriter

from enas import collector, signals
from enas.data import pipeline
from enas.distributed.workers import Workers
from enas.drawing import pictures
from enas.interfaces import Arc, SearchSpace, Task
from enas.options import config as configs
from enas.options.workers import OF_PROCESS
from enas.runs import metadata
from enas.runs.checkpoints import Checkpoints
from enas.runs.follower import Following
from enas.runs.run_directory import EVENTS, RunDirectory, check_output_dir, open_run
from enas.types import Session


def graph_mode() -> None:
    """Switches TensorFlow to what this project uses: graphs, sessions, resource variables, functional control flow."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    tf.disable_v2_behavior()
    tf.enable_v2_tensorshape()
    tf.enable_control_flow_v2()
    tf.enable_resource_variables()
    # Remapping fuses batch norm and ReLU where it can; in training, oneDNN's fused kernel takes longer than the two.
    # Arithmetic rewriting makes one AddN of several: see `functions.gradients`.
    tf.config.optimizer.set_experimental_options({"remapping": False, "arithmetic_optimization": False})


def open_session(graph: Any = None, workers: Workers | None = None) -> Session:
    """Returns a session on a graph, by default the default graph; of one of several workers, on its server."""
    config = tf.ConfigProto()
    if workers:
        config.MergeFrom(workers.session_config)
    # Rewriting the graph around the functions takes longer than all that comes before a search's first step, a hundred
    # megabytes, and saves nothing: the work is in the functions, which are rewritten all the same.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return tf.Session(workers.target if workers else "", graph=graph, config=config)


class Events:
    """What TensorBoard shows, in a file that can be cut back like the run's other records.

    Args:
      run: the `RunDirectory`.
      settings: {flag: value}, the run's hyper-parameters.
    """

    def __init__(self, run: RunDirectory, settings: Mapping[str, Any]) -> None:
        self.run, self.settings = run, settings

    def scalars(self, step: int, **values: float) -> None:
        """Writes `{tag: float}` at a step; a tag's `__` becomes a slash."""
        self._summary(
            step,
            [tf.Summary.Value(tag=tag.replace("__", "/"), simple_value=value) for tag, value in values.items()],
        )

    def picture(self, epoch: int, space: SearchSpace, arc: Arc, child: Any) -> None:
        """Writes a picture of the best arc at an epoch.

        Args:
          child: the settings of the child that it is drawn for.
        """
        png = pictures.png(space, arc, child, space.diagram.caption(arc, child))
        # A PNG's header has its width and height, behind the file's signature and the header's own length and name.
        width, height = struct.unpack(">II", png[16:24])
        image = tf.Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
        self._summary(epoch, [tf.Summary.Value(tag="best_arc", image=image)])

    def _summary(self, step, values):
        if not self.run.sizes()[EVENTS]:
            # The file is new, or was cut back to nothing.
            self._write(tf.Event(wall_time=time.time(), file_version="brain.Event:2"))
            started = hparams.session_start_pb(dict(self.settings)).SerializeToString()
            self._write(tf.Event(wall_time=time.time(), summary=tf.Summary.FromString(started)))
        self._write(tf.Event(wall_time=time.time(), step=step, summary=tf.Summary(value=values)))

    def _write(self, event):
        buffer = io.BytesIO()
        RecordWriter(buffer).write(event.SerializeToString())
        self.run.append_bytes(EVENTS, buffer.getvalue())


@dataclasses.dataclass(frozen=True)
class RunContext:
    """A run that is ready to go on.

    Attributes:
      config: the run's config.
      task: the space's task.
      run: the run directory.
      dataset: what the task's `load` returned, e.g. an `enas.data.DataSet`.
      graph: what `build` returned.
      session: a session with initial values in all variables.
      last, best, limit: checkpoints of the run's newest states, of the best children of a training, and of the child that a
        training had when its time was over, if it is better than these. Only the chief's are used.
      workers: the workers of the run.
    """

    config: Any
    task: Task
    run: RunDirectory
    dataset: Any
    graph: Any
    session: Session
    last: Checkpoints
    best: Checkpoints
    limit: Checkpoints
    workers: Workers


@contextlib.contextmanager
def run_context(
    config: Any, kind: str, task: Task, build: Callable[[Any], Any], values: int = 0
) -> Iterator[RunContext]:
    """Loads the data, builds and finalizes the graph, opens the run directory and a session; yields `RunContext`.

    Of several workers only the chief has a run directory.

    SIGINT and SIGTERM are only noted within it: see `signals.check`.

    Args:
      config: a `SearchConfig` or `TrainConfig`.
      kind: "search" or "training".
      task: the space's task; loads the data.
      build: function of the data set that builds the graph.
      values: how many numbers each of several workers has to tell the others between steps.

    Raises:
      UserError: see the task's `load`, `check_output_dir`, `Workers` and what `build` raises.
    """
    is_chief = config.workers.is_chief
    check_output_dir(config, kind)
    graph_mode()
    dataset = task.load(config)
    workers = Workers(config.workers)
    with collector.paused(), tf.Graph().as_default() as tf_graph, workers.device():
        graph = build(dataset)
        saver = tf.train.Saver(max_to_keep=None)
        initialize = tf.global_variables_initializer()
        workers.build(values)
        tf_graph.finalize()
    with (
        signals.noted(),
        open_run(config, kind) if is_chief else Following(config.run.output_dir) as run,
        workers.loss_told(),
        open_session(tf_graph, workers) as sess,
        pipeline.unreadable_files_told(),
    ):
        workers.opened(sess)
        workers.check_alike(config, task.metadata(dataset))
        if is_chief:
            metadata.store_data(run, task.metadata(dataset), config.data.dataset)
            settings = configs.to_values(config)
            run.events = Events(run, {name: settings[name] for name in settings if name not in OF_PROCESS})
        if workers.count > 1:
            # Of a worker that follows, this is all there is to see on its terminal.
            line = f"worker {workers.index} of {workers.count}, at {config.workers.hosts[workers.index]}"
            run.log(f"{line}, the chief") if is_chief else print(f"{line}; worker 0 logs", flush=True)
        sess.run(initialize)
        last, best, limit = (Checkpoints(run, name, saver) for name in ("last", "best", "limit"))
        yield RunContext(config, task, run, dataset, graph, sess, last, best, limit, workers)


def start(
    sess: Session, streams: Mapping[str, pipeline.Stream], batches: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Starts streams; returns `{name: string handle}`.

    Args:
      sess: the session.
      streams: `{name: pipeline.Stream}`.
      batches: `{name: batch it starts at}`; 0 where it says nothing.
    """
    for name, stream in streams.items():
        stream.restart(sess, (batches or {}).get(name, 0))
    return sess.run({name: stream.iterator.string_handle() for name, stream in streams.items()})
