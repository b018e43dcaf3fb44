"""What a search space supplies, and what its task supplies: the whole interface between them and the shared rooms.

A search space is a folder with a `space.py` that defines `SPACE`, a `SearchSpace`, and one line in `enas/spaces.py`. The
shared rooms (runs, evaluation, drawing, commands) know a space by this value only. `docs/adding_a_space.md` builds one.

Modules and classes satisfy the protocols below by having what they list; nothing has to inherit from them. Nothing here
imports TensorFlow: tensors, operations and sessions are `Any`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from enas.costs.cost import Cost
from enas.drawing.diagram import Diagram
from enas.metric import Metric

Feeds = Mapping[Any, Any]  # what a session's run is fed: {placeholder: value}


class Arc(Protocol):
    """An architecture: an immutable value that prints back to its string."""

    def to_list(self) -> list[int]:
        """The arc's integers."""
        ...

    def lines(self) -> list[str]:
        """The arc in parts for a log, one string a line; joined by spaces they are the arc's string."""
        ...


class ArcModule(Protocol):
    """`arc.py`: what the integers of an arc mean. No TensorFlow."""

    def for_child(self, values: Sequence[int], child: Any, /) -> Arc:
        """The arc of these integers, for a child of these settings.

        Raises:
          UserError: a wrong count, or a value out of range; names the position and the allowed range.
        """
        ...

    def any_size(self, values: Sequence[int], child: Any, /) -> Arc:
        """As `for_child`, but of any number of nodes or layers: what can be drawn."""
        ...


class DiagramModule(Protocol):
    """`diagram.py`: what an arc looks like. No TensorFlow.

    Attributes:
      FLAGS: names of the search's flags that show in a picture.
      FOLDER: where pictures are written by default.
      MAIN: the name of the picture that shows the whole arc.
    """

    FLAGS: tuple[str, ...]
    FOLDER: str
    MAIN: str

    def pictures(self, arc: Any, child: Any, /) -> dict[str, list[Diagram]]:
        """{file name without its ending: diagrams drawn side by side}."""
        ...

    def caption(self, arc: Any, child: Any, /) -> str:
        """A line below the pictures, without the cost; "" for none."""
        ...


class CostModel(Protocol):
    """What an arc costs before it is built."""

    def __call__(self, arc: Any, child: Any, image_shape: Sequence[int], num_classes: int, /) -> Cost: ...


class ControllerModule(Protocol):
    """`controller.py`: the LSTM that chooses an arc decision by decision."""

    def choices(self, child: Any, /) -> list[int]:
        """How many choices each decision of an arc has, in the order of the controller's noise."""
        ...

    def build(self, config: Any, child: Any, seed: int, /) -> Any:
        """Builds the controller and its update: a `policy.Controller` whose arcs are int32 `[A, ...]`."""
        ...


class TrainStep(Protocol):
    """One training step of a child, built.

    Attributes:
      rate: placeholder float32, the learning rate.
      update: the `optim.Update`.
      loss: float32 scalar, of the batch.
      batch_metric: what `figures` takes, fetched with the step.
      per_epoch: steps of an epoch.
    """

    @property
    def rate(self) -> Any: ...

    @property
    def update(self) -> Any: ...

    @property
    def loss(self) -> Any: ...

    @property
    def batch_metric(self) -> Any: ...

    @property
    def per_epoch(self) -> int: ...

    def start(self, session: Any, /) -> None:
        """Lets the data start at the step the variables are at."""
        ...

    def feeds(self, step: int, /) -> Feeds:
        """What a step (from 0, over the whole run) has to be fed."""
        ...

    def figures(self, batch_metric: Any, /) -> tuple[dict[str, float], str]:
        """({name: float} for the records, words for the log) of the step's `batch_metric`."""
        ...


class Scorer(Protocol):
    """Rewards and figures of merit of a child, built."""

    def start(self, session: Any, updates: int = 0, /) -> None:
        """Makes the data ready, after `updates` updates of the controller."""
        ...

    def reward(self, session: Any, update: int, feeds: Feeds, /) -> float:
        """The reward of an arc in a controller's update; all arcs of an update see the same data."""
        ...

    def score(self, session: Any, name: str, feeds: Feeds | None = None, /) -> float:
        """The metric on the set "valid" or "test", or on the data that arcs are scored on ("arcs").

        Raises:
          signals.Stopped: a signal came; no variable has changed since the call.
        """
        ...

    def cost(self) -> Cost:
        """What the child costs, counted from its graph."""
        ...


class Task(Protocol):
    """What children are trained on and judged by, e.g. `enas/classification/task.py`.

    Attributes:
      ADVICE: to a user whose child's numbers are not finite.
      METRIC: what arcs and children are compared by.
    """

    ADVICE: str
    METRIC: Metric

    def load(self, config: Any, /) -> Any:
        """The data set of a config.

        Raises:
          UserError: it is not there or is damaged.
        """
        ...

    def metadata(self, dataset: Any, /) -> dict[str, Any]:
        """What the data is, as JSON values for data.json: a run goes on with the same only."""
        ...

    def description(self, config: Any, dataset: Any, /) -> str:
        """The data in a few words."""
        ...

    def log_header(self, run: Any, dataset: Any, /) -> None:
        """Logs what else there is to say of the data before a run."""
        ...

    def learning_rate(self, config: Any, epoch: float, /) -> float:
        """The child's learning rate after `epoch` epochs, fractions included; `config` is the `ChildConfig`."""
        ...

    def train_step(self, config: Any, dataset: Any, child: Any, arc: Any, /, shared: bool) -> TrainStep:
        """Builds a training step; `child` is the space's child module, `shared`: its weights are those of all arcs."""
        ...

    def Scorer(self, config: Any, dataset: Any, child: Any, arc: Any, /, shared: bool) -> Scorer:
        """Builds the child for scoring, on the weights of the training step."""
        ...

    def report_errors(self, context: Any, /) -> None:
        """Writes and logs what a trained child gets wrong."""
        ...


@dataclasses.dataclass(frozen=True)
class Network:
    """The half of a space that needs TensorFlow.

    Attributes:
      child: the child module, as the task wants it: `logits(build, images, arc)` of an image classifier.
      controller: the controller module.
      task: the task's module.
    """

    child: Any
    controller: ControllerModule
    task: Task


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """A search space.

    Attributes:
      name: as --space has it.
      search_config, train_config: config classes of a search and of the training of one arc (`options/config.py`).
      arc: what the integers of an arc mean.
      diagram: what an arc looks like.
      load: imports TensorFlow and returns the rest.
      environment: of the number of cores, {environment variable: value} of TensorFlow that suits the space.
      cost: what an arc costs; None: the space has no cost budget.
      evaluation_config: config class of `evaluate_search.py`; None: searches of this space can't be evaluated by it.
      at_one_scheme: an arc's integers, for a child, with all its convolutions under one scheme; None where precision is
        not searched.
    """

    name: str
    search_config: type
    train_config: type
    arc: ArcModule
    diagram: DiagramModule
    load: Callable[[], Network]
    environment: Callable[[int], dict[str, str]] | None = None
    cost: CostModel | None = None
    evaluation_config: type | None = None
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
