"""One C99 file and its header; see `quantize/runtime/model/c_code.py`. Nothing here imports TensorFlow."""

import ctypes
import os
import re
import subprocess
import tempfile
from typing import Any

import numpy as np

from enas.errors import UserError
from enas.export.formats import OpenedModel
from enas.files import write_atomically
from quantize.runtime import build
from quantize.runtime.codes import Array
from quantize.runtime.model import c_code
from quantize.runtime.model.network import Network, described

SLOW = False
# As every float operation of the runtime is rounded by itself.
FLAGS = ["-std=c99", "-O2", "-ffp-contract=off"]


def write(network: Network, path: str) -> None:
    """Writes `<name>.c`, and `<name>.h` beside it."""
    name = _name(path)
    try:
        program = c_code.generate(network, name)
    except build.BuildError as error:
        raise UserError(f"--format=c: {error}") from None
    write_atomically(path, program.source)
    write_atomically(path[:-1] + "h", program.header)


def _name(path: str) -> str:
    name = os.path.basename(path)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*\.c", name, re.ASCII):
        raise UserError(f"--output={name}: expected a name of letters, digits and _ that ends in .c")
    return name[:-2]


def recognises(path: str) -> bool:
    """Whether a file's name ends in .c."""
    return path.endswith(".c") and os.path.isfile(path)


def open_model(path: str) -> OpenedModel:
    """Compiles a C file with the system's compiler, and loads it."""
    try:
        with open(path, encoding="utf-8") as file:
            form, names, _ = described(c_code.metadata(file.read()))
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a C file of export_child.py") from None
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "library.so")
        try:
            command = [*build.compiler(), *FLAGS, "-shared", "-fPIC", path, "-o", library]
        except build.BuildError as error:
            raise UserError(f"{path}: {error}") from None
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
            raise UserError(f"{path}: can't be compiled: {lines[0]}")
        function = ctypes.CDLL(library)[f"{_name(path)}_logits"]
    return OpenedModel(form, names, lambda images: _logits(function, images, len(names)))


def _logits(function: Any, images: Array, classes: int) -> Array:
    logits = np.empty((len(images), classes), np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    for image, row in zip(np.ascontiguousarray(images, np.uint8), logits, strict=True):
        function(image.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte)), row.ctypes.data_as(pointer))
    return logits
