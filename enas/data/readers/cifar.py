"""CIFAR-10: the official Python batches, read without running what a pickle asks for, or class folders."""

import io
import os
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from enas.data import source
from enas.data.readers import folder as folder_reader
from enas.data.readers.images import Form
from enas.errors import UserError

MAX_BATCH_BYTES = 64 * 2**20  # an official batch has 31 MB
SIDE = 32
NAME = "cifar-10-batches-py"
BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


def read(data_dir: str, form: Form) -> source.Source:
    """Reads CIFAR-10.

    Args:
      data_dir: the official folder cifar-10-batches-py, the folder that holds it, or a folder laid out as
        `enas.data.readers.folder` expects.
      form: what the images are brought to.

    Returns:
      The data set. It has a validation split only if class folders have one.

    Raises:
      UserError: a file is missing or malformed. The message names it.
    """
    hint = f"{NAME} or train/ and test/ (python -m enas.data.download cifar10 --data_dir {data_dir} fetches the first)"
    root = source.existing_dir(data_dir, hint)
    for directory in (root / NAME, root):
        if os.path.exists(directory / BATCHES[0]):
            return _read_official(directory, form)
    if folder_reader.find(root, "train"):
        return folder_reader.read(data_dir, form)
    raise UserError(f"--data_dir={data_dir}: no CIFAR-10 in it; expected {hint}")


def _read_official(directory: Path, form: Form) -> source.Source:
    names = _read_names(directory / "batches.meta")
    batches = [_read_batch(directory / name, len(names)) for name in BATCHES]
    train_images = np.concatenate([images for images, _ in batches])
    train_labels = np.concatenate([labels for _, labels in batches])
    test_images, test_labels = _read_batch(directory / "test_batch", len(names))
    train = source.in_memory(_channels_last(train_images), train_labels, form)
    test = source.in_memory(_channels_last(test_images), test_labels, form)
    return source.Source(train, None, test, names, str(directory))


def _channels_last(rows: np.ndarray) -> np.ndarray:
    """Makes uint8 `[N, 32, 32, 3]` of CIFAR's rows, uint8 `[N, 3072]`: the red plane, then green, then blue."""
    return np.ascontiguousarray(rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _read_names(path: Path) -> tuple[str, ...]:
    found = _load(path).get("label_names")
    if not isinstance(found, list) or not all(isinstance(name, (str, bytes)) for name in found):
        raise UserError(f"{path}: no list of label_names; expected CIFAR-10's 10 class names")
    names = tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in found)
    if len(names) != 10 or len(set(names)) != 10:
        raise UserError(f"{path}: {len(set(names))} class names; expected CIFAR-10's 10")
    return names


def _read_batch(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows, uint8 `[N, 3072]`, and the labels, int32 `[N]`, of one batch file."""
    content = _load(path)
    data, labels = content.get("data"), content.get("labels")
    if not isinstance(data, _Array):
        raise UserError(f"{path}: no array called data; expected uint8 [N, 3072]")
    rows = data.rows(path)
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < classes for label in labels):
        raise UserError(f"{path}: no list of labels from 0 to {classes - 1}; expected one for each image")
    if len(labels) != len(rows):
        raise UserError(f"{path}: {len(labels)} labels; expected {len(rows)}, one for each image")
    return rows, np.array(labels, np.int32)


def _load(path: Path) -> dict[Any, Any]:
    """Returns the dict in a pickle file, with strings for keys that are bytes. Its arrays are `_Array`."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BATCH_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a file of {NAME}") from None
    if len(data) > MAX_BATCH_BYTES:
        raise UserError(f"{path}: more than {MAX_BATCH_BYTES:,} bytes; expected a file of {NAME}")
    try:
        _check_opcodes(data)
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    # A damaged pickle may raise nearly any exception: IndexError, UnicodeDecodeError, MemoryError, struct.error...
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: not a pickle of CIFAR-10 ({reason}); expected a file of {NAME}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}; expected a dict, as files of {NAME} do")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}


def _check_opcodes(data: bytes) -> None:
    """Refuses a pickle whose few bytes would make the unpickler allocate much."""
    calls = 0
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError("absurd memo index")
        calls += opcode.name == "REDUCE"
        if calls > 16:  # official files make two calls
            raise pickle.UnpicklingError("too many calls")


class _Array:
    """Stands in for a NumPy array while unpickling. It keeps the state and interprets none of it."""

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def rows(self, path: Path) -> np.ndarray:
        """Returns the array, uint8 `[N, 3072]`. Raises UserError if it is any other."""
        try:
            _, shape, dtype, fortran, raw = self.state
            name = dtype.name.decode() if isinstance(dtype.name, bytes) else dtype.name
            count, width = shape
            good = name == "u1" and not fortran and type(raw) is bytes and type(count) is int
            good = good and width == 3 * SIDE * SIDE and count > 0 and len(raw) == count * width
        except (TypeError, ValueError, AttributeError):
            good = False
        if not good:
            raise UserError(f"{path}: its array called data is malformed; expected uint8 [N, 3072]")
        return np.frombuffer(raw, np.uint8).reshape(count, width)


class _Dtype:
    """Stands in for a NumPy dtype."""

    def __init__(self, name: Any) -> None:
        self.name = name

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows only the four names that CIFAR-10's files use, and answers them with stand-ins that do nothing.

    It does not even call NumPy's own functions, whose unpickling was not made for hostile input. The stand-ins are made
    anew for each file, so a pickle that sets attributes on them changes nothing for the next file.
    """

    def __init__(self, file: io.BytesIO, encoding: str) -> None:
        super().__init__(file, encoding=encoding)

        def reconstruct(_subtype: Any, _shape: Any, _dtype: Any) -> _Array:
            return _Array()

        def dtype(name: Any, *_: Any) -> _Dtype:
            return _Dtype(name)

        def encode(text: Any, encoding: Any) -> bytes:
            if encoding not in ("latin1", b"latin1"):
                raise pickle.UnpicklingError("unexpected text encoding")
            return text.encode("latin1")

        self._known: dict[tuple[str, str], Callable[..., Any] | str] = {
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
            ("numpy", "ndarray"): "ndarray",
            ("numpy", "dtype"): dtype,
            ("_codecs", "encode"): encode,
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which is refused")
        return self._known[module, name]
