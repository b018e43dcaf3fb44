"""The packed file, and the runtime that runs it. Nothing here imports TensorFlow."""

import dataclasses
import functools
import os
from collections.abc import Callable

from enas.errors import UserError
from enas.files import write_bytes_atomically
from quantize.runtime import kernels
from quantize.runtime.codes import Array
from quantize.runtime.model import executor, packed_file
from quantize.runtime.model.network import Network, Preprocessing

SLOW = False


@dataclasses.dataclass(frozen=True, eq=False)
class RuntimeModel:
    """A network that the runtime runs; see `formats.Model`."""

    network: Network
    threads: int = 1

    @property
    def preprocessing(self) -> Preprocessing:
        """What an image is brought to."""
        return self.network.preprocessing

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each logit."""
        return self.network.class_names

    @functools.cached_property
    def logits(self) -> Callable[[Array], Array]:
        """See `executor.logits_of`."""
        return executor.logits_of(self.network, kernels.get(threads=self.threads))


def write(network: Network, path: str) -> None:
    """Writes the packed file."""
    write_bytes_atomically(path, packed_file.write(network))


def recognises(path: str) -> bool:
    """Whether a file begins as a packed one."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return packed_file.is_packed(file.read(len(packed_file.MAGIC)))


def open_model(path: str) -> RuntimeModel:
    """Opens a packed file; see `formats.Format`."""
    try:
        return RuntimeModel(packed_file.load(path))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from None
    except packed_file.PackedFileError as error:
        raise UserError(f"{path}: {error}") from None
