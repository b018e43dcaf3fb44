"""The formats of exported files: their names, and the module of each. Nothing here imports TensorFlow."""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, Protocol

from enas.errors import UserError
from quantize.runtime.codes import Array
from quantize.runtime.model.network import Network, Preprocessing

FORMATS = ("packed", "onnx", "qonnx", "tflite", "saved_model", "c")


class Model(Protocol):
    """An exported file that was opened.

    Attributes:
      preprocessing: what an image is brought to.
      class_names: one for each logit.
      logits: of images uint8 `[N, H, W, C]` of the model's size, computes float32 `[N, classes]`.
    """

    @property
    def preprocessing(self) -> Preprocessing: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def logits(self) -> Callable[[Array], Array]: ...


@dataclasses.dataclass(frozen=True, eq=False)
class OpenedModel:
    """A file that another package runs; see `Model`."""

    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    logits: Callable[[Array], Array]


class Format(Protocol):
    """The module of a format.

    Attributes:
      SLOW: what runs its files is so slow that the check of a file uses no more images than it has to.
    """

    @property
    def SLOW(self) -> bool: ...

    def write(self, network: Network, path: str, /) -> None:
        """Writes a network into a new file, or folder, of this path.

        Raises:
          UserError: the network can't be written in this format.
        """
        ...

    def recognises(self, path: str, /) -> bool:
        """Tells whether a file, or folder, is meant to be of the format."""
        ...

    def open_model(self, path: str, /) -> Model:
        """Opens a file.

        Raises:
          UserError: it can't be read, or is damaged.
        """
        ...


def get(name: str) -> Format:
    """The module of a format."""
    module: Any = importlib.import_module(f"enas.export.{name}")
    return module


def open_model(path: str) -> Model:
    """Opens an exported file of any format.

    Raises:
      UserError: it is of none, or damaged.
    """
    for name in FORMATS:
        if (found := get(name)).recognises(path):
            return found.open_model(path)
    raise UserError(f"{path}: expected the directory of a training run, or a file of export_child.py")
