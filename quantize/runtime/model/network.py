"""A trained network as a value: a list of operations with their weights, and all that its predictions need.

Value 0 is the normalised image; operation i makes value i + 1.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from quantize.runtime.codes import Array
from quantize.runtime.model.operations import NetworkError, Operation, Value, value_of

__all__ = ["Network", "NetworkError", "Preprocessing"]


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
