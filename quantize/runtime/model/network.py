"""A trained network as a value: a list of operations with their weights, and all that its predictions need.

Value 0 is the normalised image; operation i makes value i + 1.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from quantize.runtime.codes import Array
from quantize.runtime.model.operations import NetworkError, Operation, Value, value_of

__all__ = ["Network", "NetworkError", "Preprocessing", "described", "whole"]

_MOST_SIDE = 4096


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How an image becomes value 0: brought to the size and channels, then (pixel / 255 - mean) / std.

    Attributes:
      height, width, channels: of the image; 1 is grey, 3 RGB.
      resize: "stretch", "crop" or "pad".
      mean, std: a number for each channel.
    """

    height: int
    width: int
    channels: int
    resize: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def normalise(self, images: Array) -> Array:
        """Turns images uint8 `[N, H, W, C]` into value 0, float32 of this shape."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return (images.astype(np.float32) / np.float32(255) - mean) / std


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network. Making one checks that the operations fit each other.

    Attributes:
      preprocessing: of images.
      class_names: one for each logit.
      operations: the last one makes the logits.
      origin: what the network is of, as JSON values: the search space, the arc, the child's settings.

    Raises:
      NetworkError: something does not fit.
    """

    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    operations: tuple[Operation, ...]
    origin: Mapping[str, Any]

    def __post_init__(self) -> None:
        last = self.values()[-1]
        if last != Value((len(self.class_names),)):
            raise NetworkError(f"the last operation makes {last}, expected {len(self.class_names)} logits")

    def values(self) -> list[Value]:
        """What value 0 and each operation's is."""
        image = self.preprocessing
        values = [Value((image.height, image.width, image.channels))]
        for number, operation in enumerate(self.operations):
            try:
                values.append(value_of(operation, values))
            except (NetworkError, KeyError, IndexError, ValueError) as error:
                raise NetworkError(f"operation {number} ({operation.kind}): {error}") from None
        return values

    @property
    def parameters(self) -> int:
        """How many numbers the operations hold."""
        return sum(tensor.array.size for operation in self.operations for tensor in operation.tensors.values())

    def metadata(self) -> dict[str, Any]:
        """What a file has to say beside the operations, as JSON values; `described` reads it."""
        return {
            "preprocessing": vars(self.preprocessing),
            "class_names": list(self.class_names),
            "origin": dict(self.origin),
        }


def described(metadata: Mapping[str, Any]) -> tuple[Preprocessing, tuple[str, ...], dict[str, Any]]:
    """Returns preprocessing, class names and origin of `Network.metadata`, read from a file that is not trusted.

    Raises:
      ValueError, TypeError or KeyError: it is something else.
    """
    names, origin = metadata["class_names"], metadata["origin"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("class_names are no list of texts")
    if not isinstance(origin, dict):
        raise ValueError("origin is no object")
    return _preprocessing(metadata["preprocessing"]), tuple(names), origin


def whole(value: Any) -> int:
    """Returns a JSON value that has to be an integer; raises ValueError where it is none."""
    if type(value) is not int:
        raise ValueError(f"{value!r} is no integer")
    return value


def _preprocessing(values: Mapping[str, Any]) -> Preprocessing:
    height, width, channels = (whole(values[name]) for name in ("height", "width", "channels"))
    resize, mean, std = values["resize"], tuple(map(float, values["mean"])), tuple(map(float, values["std"]))
    sizes = 1 <= height <= _MOST_SIDE and 1 <= width <= _MOST_SIDE and channels in (1, 3)
    if not sizes or resize not in ("stretch", "crop", "pad") or not len(mean) == len(std) == channels:
        raise ValueError("preprocessing is not that of images")
    if not all(map(math.isfinite, mean + std)) or min(std) <= 0:
        raise ValueError("mean and std are not those of images")
    return Preprocessing(height, width, channels, resize, mean, std)
