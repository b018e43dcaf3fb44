"""A trained child as it lies in the run directory of its training: settings, arc, variables, and what its images are."""

import dataclasses
from typing import Any

import tensorflow.compat.v1 as tf

from enas import spaces
from enas.data import metadata as data_metadata
from enas.errors import UserError
from enas.export.builder import Builder
from enas.files import reason
from enas.graph.layers import BuildContext
from enas.interfaces import SearchSpace
from enas.options import arc_input
from enas.options import config as configs
from enas.runs import checkpoints, metadata, stored_settings
from quantize.runtime.codes import Array
from quantize.runtime.model.network import Network, NetworkError, Preprocessing


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedChild:
    """A trained child.

    Attributes:
      config: the `TrainConfig` of its run, with the child that was trained.
      space: its search space.
      arc: its arc.
      checkpoint: path of the checkpoint.
      variables: {name: value}, of its network.
      network: its operations.
    """

    config: Any
    space: SearchSpace
    arc: Any
    checkpoint: str
    variables: dict[str, Array]
    network: Network


def load(path: str) -> TrainedChild:
    """Loads the best child of the training run in a directory, which stays as it is.

    Raises:
      UserError: there is no such run, it has no whole checkpoint, or children of its space can't be exported.
    """
    config = stored_settings.training_settings(path)
    space = spaces.get(config.space)
    describe = space.load().describe
    if describe is None:
        raise UserError(f"--output_dir={path}: its child is of the {space.name} space, which has no export")
    arc = arc_input.given(config, space)
    config = dataclasses.replace(config, child=config.arc.trained_child(config.child))
    preprocessing, class_names = _images(path, config)
    checkpoint = _checkpoint(path)
    variables = _variables(checkpoint)
    build: BuildContext[Any] = BuildContext(config.child, len(class_names), config.run.seed)
    image = preprocessing.height, preprocessing.width, preprocessing.channels
    builder = Builder(build, variables, image)
    try:
        describe(builder, arc)
        network = Network(preprocessing, class_names, tuple(builder.operations), _origin(config, space, arc))
    except (KeyError, NetworkError) as error:
        raise UserError(f"{checkpoint}: does not fit the network of its run ({reason(error)})") from None
    return TrainedChild(config, space, arc, checkpoint, variables, network)


def _origin(config: Any, space: SearchSpace, arc: Any) -> dict[str, Any]:
    child = {name: value for name, value in configs.to_values(config).items() if name.startswith("child_")}
    named = {name: configs.to_values(config)[name] for name in config.arc_flags}
    del child["child_fixed_arc"]
    return {"space": space.name, "arc": str(arc), "dataset": config.data.dataset, "child": {**child, **named}}


def _images(path: str, config: Any) -> tuple[Preprocessing, tuple[str, ...]]:
    """What the images of a run are brought to, and their classes."""
    found = metadata.read_data(path)
    if found is None:
        raise UserError(f"--output_dir={path}: the run has not read its data yet")
    found = data_metadata.checked(found, f"{path}/{metadata.DATA}")
    height, width, channels = found["image_shape"]
    numbers = tuple(found["mean"]), tuple(found["std"])
    return Preprocessing(height, width, channels, config.data.resize, *numbers), tuple(found["class_names"])


def _checkpoint(path: str) -> str:
    for name in ("limit", "best"):
        if found := checkpoints.newest(path, name):
            return found
    raise UserError(f"--output_dir={path}: the run has no best checkpoint yet")


def _variables(checkpoint: str) -> dict[str, Array]:
    try:
        reader = tf.train.load_checkpoint(checkpoint)
        names = [name for name in reader.get_variable_to_shape_map() if name.startswith("child/")]
        return {name: reader.get_tensor(name) for name in names if "/aux_head/" not in name}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"{checkpoint}: can't be read ({reason(error)})") from None
