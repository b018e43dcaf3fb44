"""What a search space supplies, and what its task supplies: the whole interface between them and the shared rooms.

A search space is a folder with a `space.py` that defines `SPACE`, a `SearchSpace`, and one line in `enas/spaces.py`. The
shared rooms (runs, evaluation, drawing, commands) know a space by this value only. `docs/adding_a_space.md` builds one.

A module or class satisfies one of the protocols below if it has what the protocol lists. Nothing has to inherit from them.
What a space or a task chooses itself is `Any` here: its settings, its arcs, its data set. Nothing here imports TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from enas.costs.cost import Cost
from enas.drawing.diagram import Diagram
from enas.metric import ACCURACY, Metric
from enas.options.config import EvaluationConfig, Settings
from enas.types import Session, Tensor

SharedValue = Callable[[str, Any, Any, Callable[[str], Any]], Any]  # see `SearchSpace`
Feeds = Mapping[Tensor, Any]  # what a session's run is fed: {placeholder: value}


class Arc(Protocol):
    """An architecture: an immutable value that prints back to its string."""

    def to_list(self) -> list[int]:
        """Returns the arc's integers."""
        ...

    def lines(self) -> list[str]:
        """Returns the arc in parts for a log, one string for each line. Joined by spaces they are the arc's string."""
        ...


class ArcModule(Protocol):
    """`arc.py`: what the integers of an arc mean. No TensorFlow."""

    def for_child(self, values: Sequence[int], child: Any, /) -> Arc:
        """Builds the arc of these integers.

        Args:
          child: the settings of the child that it is for.

        Raises:
          UserError: the count is wrong, or a value is out of range. The message names the position and the allowed range.
        """
        ...

    def any_size(self, values: Sequence[int], child: Any, /) -> Arc:
        """Builds an arc as `for_child` does, but of any number of nodes or layers."""
        ...

    def implied(self, arc: Any, /) -> dict[str, Any]:
        """Returns what an arc says of its child: {flag: value}, e.g. its number of nodes."""
        ...


class DiagramModule(Protocol):
    """`diagram.py`: what an arc looks like. No TensorFlow.

    Attributes:
      FLAGS: names of the search's flags that change a picture.
      FOLDER: where pictures are written by default.
      MAIN: the name of the picture that shows the whole arc.
    """

    @property
    def FLAGS(self) -> tuple[str, ...]: ...

    @property
    def FOLDER(self) -> str: ...

    @property
    def MAIN(self) -> str: ...

    def pictures(self, arc: Any, child: Any, /) -> dict[str, list[Diagram]]:
        """Returns {file name without its ending: diagrams that are drawn side by side}."""
        ...

    def caption(self, arc: Any, child: Any, /) -> str:
        """Returns the line below the pictures, without the cost; "" for none."""
        ...


class CostModel(Protocol):
    """What an arc costs before it is built."""

    def __call__(self, arc: Any, child: Any, image_shape: Sequence[int], num_classes: int, /) -> Cost: ...


class ControllerModule(Protocol):
    """`controller.py`: the LSTM that chooses an arc decision by decision."""

    def choices(self, child: Any, /) -> list[int]:
        """Returns how many choices each decision of an arc has, in the order of the controller's noise."""
        ...

    def build(self, config: Any, child: Any, seed: int, /) -> Any:
        """Builds the controller and its update: a `policy.Controller` whose arcs are int32 `[A, ...]`."""
        ...


class TrainStep(Protocol):
    """One training step of a child, built.

    Attributes:
      rate: placeholder float32, the learning rate.
      update: the `optim.Update`, or what has the same attributes.
      loss: float32 scalar, of the batch.
      batch_metric: tensor whose value `figures` takes; it is fetched with the step.
      per_epoch: steps of an epoch.
      replicas: how many batches a step has, one of each tower of each worker.
      more_arcs: in a search, placeholders of the arcs of this worker's towers but the first.
    """

    @property
    def replicas(self) -> int: ...

    @property
    def more_arcs(self) -> Sequence[Tensor]: ...

    @property
    def rate(self) -> Tensor: ...

    @property
    def update(self) -> Any: ...

    @property
    def loss(self) -> Tensor: ...

    @property
    def batch_metric(self) -> Tensor: ...

    @property
    def per_epoch(self) -> int: ...

    def start(self, session: Session, /) -> None:
        """Lets the data start at the step that the variables are at."""
        ...

    def go_to(self, session: Session, step: int, /) -> None:
        """Sets the number of steps done, which other numbers of workers divide an epoch into differently; before `start`."""
        ...

    def feeds(self, step: int, /) -> Feeds:
        """Returns what a step has to be fed. Steps are counted from 0, over the whole run."""
        ...

    def figures(self, batch_metric: Any, /) -> tuple[dict[str, float], str]:
        """Turns the value of a step's `batch_metric` into ({name: figure} for the records, words for the log)."""
        ...


class Scorer(Protocol):
    """The graph that measures rewards and figures of merit of a child, built.

    Attributes:
      merit: name of the figure that a search chooses arcs by.
    """

    merit: str

    def start(self, session: Session, updates: int = 0, /) -> None:
        """Makes the data ready, as it is after so many updates of the controller. It comes before all other calls."""
        ...

    def reward(self, session: Session, update: int, feeds: Feeds, /) -> float:
        """Measures the reward of an arc in an update of the controller. All arcs of an update see the same data."""
        ...

    def score(self, session: Session, name: str, feeds: Feeds | None = None, /) -> float:
        """Measures the metric.

        Args:
          name: the data, "valid" or "test" for a whole set, "arcs" for the data that arcs are scored on.
          feeds: what else the graph is fed, e.g. the arc.

        Raises:
          signals.Stopped: a signal came; no variable has changed since the call.
        """
        ...

    def figures(self, session: Session, name: str, feeds: Feeds | None = None, /) -> dict[str, Any]:
        """Measures the metric, and what else is worth storing: {name: JSON value}; see `score`."""
        ...

    def cost(self) -> Cost:
        """Counts in its graph what the child costs."""
        ...


class Task(Protocol):
    """What children are trained on and judged by, e.g. `enas/classification/task.py`.

    Attributes:
      ADVICE: to a user whose child's numbers are not finite.
      METRIC: what arcs and children are compared by.
    """

    @property
    def ADVICE(self) -> str: ...

    @property
    def METRIC(self) -> Metric: ...

    def load(self, config: Any, /) -> Any:
        """Loads the data set that a run's settings describe.

        Raises:
          UserError: the data is not there, or is damaged.
        """
        ...

    def metadata(self, dataset: Any, /) -> dict[str, Any]:
        """Says what the data is, as JSON values for data.json. A run goes on only with data of the same metadata."""
        ...

    def description(self, config: Any, dataset: Any, /) -> str:
        """Describes the data in a few words."""
        ...

    def log_header(self, run: Any, dataset: Any, /) -> None:
        """Logs what else there is to say of the data before a run; `run` is the `RunDirectory`."""
        ...

    def learning_rate(self, config: Any, epoch: float, /) -> float:
        """Computes the child's learning rate.

        Args:
          config: the child's settings.
          epoch: epochs done, fractions included.
        """
        ...

    def train_step(self, config: Any, dataset: Any, child: Any, arc: Any, /, shared: bool) -> TrainStep:
        """Builds a training step.

        Args:
          config: the run's settings.
          dataset: what `load` returned.
          child: the space's child module.
          arc: an arc, or a placeholder for the integers of one.
          shared: the child's weights are those of all arcs.
        """
        ...

    def Scorer(self, config: Any, dataset: Any, child: Any, arc: Any, /, shared: bool) -> Scorer:
        """Builds the child for scoring, on the weights of the training step; for the arguments see `train_step`."""
        ...

    def report_errors(self, context: Any, /) -> None:
        """Writes and logs what a trained child gets wrong; `context` is the training's `session.RunContext`."""
        ...


@dataclasses.dataclass(frozen=True)
class Network:
    """The half of a space that needs TensorFlow.

    Attributes:
      child: the child module, as the task wants it, e.g. `child_graph.ImageClassifier`.
      controller: the controller module.
      task: the task's module.
      describe: appends the operations of a trained child to an `enas.export.builder.Builder`, of (builder, arc); None if
        children of the space can't be exported.
    """

    child: Any
    controller: ControllerModule
    task: Task
    describe: Callable[[Any, Any], None] | None = None


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """A search space.

    Attributes:
      name: the value of --space.
      search_config, train_config: config classes of a search and of the training of one arc (`options/config.py`).
      arc: what the integers of an arc mean.
      diagram: what an arc looks like.
      load: imports TensorFlow and returns the rest.
      ops: names the ops of an arc, one for each place that has one; it takes the arc and the child's settings.
      metric: what arcs are compared by, the `METRIC` of the task.
      environment: of the number of cores, {environment variable: value} of TensorFlow that suits the space.
      cost: what an arc costs; None if the space has no cost budget.
      latency_parts: the parts whose times add up to the latency of an arc's child: {name in a table: how often}, of what
        `cost` takes; None if there are no such times.
      evaluation_config: config class of `evaluate_search.py`; None if it can't evaluate searches of this space.
      shared_value: the weights that a variable of a fixed arc has in a search, or None. It takes the variable's name, the
        arc, the settings of the search's child, and a function from the names of shared variables to arrays or None. By
        default it is the shared variable of the same name.
      at_one_scheme: puts all convolutions of an arc under one scheme. It takes the arc's integers, the child's settings and
        the scheme, and returns integers. None if precision is not searched.
    """

    name: str
    search_config: type[Settings]
    train_config: type[Settings]
    arc: ArcModule
    diagram: DiagramModule
    load: Callable[[], Network]
    ops: Callable[[Any, Any], list[str]]
    metric: Metric = ACCURACY
    environment: Callable[[int], dict[str, str]] | None = None
    cost: CostModel | None = None
    latency_parts: Callable[[Any, Any, Sequence[int], int], Mapping[str, int]] | None = None
    evaluation_config: type[EvaluationConfig] | None = None
    shared_value: SharedValue = lambda name, _arc, _child, read: read(name)
    at_one_scheme: Callable[[Sequence[int], Any, str], list[int]] | None = None

    @property
    def child(self) -> Any:
        """The child module."""
        return self.load().child

    @property
    def controller(self) -> ControllerModule:
        """The controller module."""
        return self.load().controller

    @property
    def task(self) -> Task:
        """The task's module."""
        return self.load().task
